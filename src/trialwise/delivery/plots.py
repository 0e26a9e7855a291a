"""Plots for the terminal, where they say more than a table. Plain text without colours."""

from __future__ import annotations

from datetime import date, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

HEIGHT = 16
MOST_LABELS = 8


def conversion(frame: pl.DataFrame, width: int = 80) -> str:
    """Conversion by cohort: `o` the rate in percent, a bar from the lower to the upper bound.

    frame: rows of trial_conversion under one definition, unsplit (METRIC_COLUMNS). The empty string when no row has
    a rate.
    """
    import polars as pl

    rows = frame.filter(pl.col("value").is_not_null() & pl.col("bound_high").is_not_null()).sort("period_start")
    if rows.height == 0:
        return ""
    places = list(range(1, rows.height + 1))
    rates = [100 * value for value in rows["value"]]
    highs = [100 * value for value in rows["bound_high"]]
    top = min(100.0, max([5.0, *highs]) * 1.1)
    figure = _figure(width, f"{rows['definition'][0]}: percent converted (o) and its upper bound (|)")
    for place, low, high in zip(places, rates, highs, strict=True):
        if high > low:
            figure.draw(figure.signal([place] * 20, _between(low, high, 20), marker="|"))
    figure.draw(figure.signal(places, rates, marker="o"))
    _axes(figure, places, [_label(day) for day in rows["period_start"]], top)
    return _text(figure)


def activity(days: pl.DataFrame, until: date, width: int = 80, span: int = 60) -> str:
    """Value events of an account per day, up to `until`, at most `span` days.

    days: activity_date, value_events. The empty string when there was no use in the span.
    """
    used = {row["activity_date"]: row["value_events"] for row in days.iter_rows(named=True)}
    first = max(until - timedelta(days=span - 1), min(used, default=until))
    line = [first + timedelta(days=n) for n in range((until - first).days + 1)]
    counts = [used.get(day, 0) for day in line]
    if not any(counts):
        return ""
    places = list(range(1, len(line) + 1))
    figure = _figure(width, "value events per day")
    figure.draw(figure.bar(places, counts, width=0.8))
    _axes(figure, places, [f"{day:%d %b}" for day in line], max(counts) * 1.1)
    return _text(figure)


def _figure(width: int, title: str) -> Any:
    figure = _plotext().figure
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(max(width, 40), HEIGHT)
    figure.title(title)
    return figure


def _plotext() -> Any:
    """plotext carries no types, so it comes in as Any, here and nowhere else."""
    return import_module("plotext")


def _axes(figure: Any, places: list[int], labels: list[str], top: float) -> None:
    step = -(-len(places) // MOST_LABELS)
    ruler = figure.ruler("x")
    ruler.lim(0.5, len(places) + 0.5)
    ruler.ticks([float(place) for place in places[::step]], labels[::step])
    figure.ruler("y").lim(0, top)


def _text(figure: Any) -> str:
    lines = str(_plotext().uncolorize(str(figure.build()))).splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _label(day: date) -> str:
    return f"{day:%b %Y}" if day.day == 1 else f"{day:%d %b}"


def _between(low: float, high: float, count: int) -> list[float]:
    return [low + (high - low) * n / (count - 1) for n in range(count)]
