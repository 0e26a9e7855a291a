"""Frames as people read them on a terminal: the columns that matter in the width there is, numbers aligned.

Files carry every column (output.py); here a trial is one line with its reasons below it, a rate is a percentage with
its interval, and what does not fit is named rather than squeezed.
"""

from __future__ import annotations

import io
import math
import shutil
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

WIDEST_CELL = 60
NARROWEST = 100  # width where stdout is no terminal
READABLE = 20  # a column narrowed below this is left out instead
_REASONS_SHOWN = 3
_REFUSED_FIRST = ("quarantine_id", "reason", "source", "file", "line", "detail")
"""Of a refused record: why comes before where, which has the widest cells."""


def table(frame: pl.DataFrame, width: int | None = None) -> str:
    """A frame as text of at most `width` characters a line (default: the terminal's)."""
    room = width or max(shutil.get_terminal_size((NARROWEST, 24)).columns, 40)
    columns = set(frame.columns)
    if {"trial_id", "score", "reasons"} <= columns:
        return _trials(frame, room)
    if {"metric", "wilson_low", "numerator"} <= columns:
        return _metrics(frame, room)
    if {"metric", "was_final", "why"} <= columns:
        return _restatements(frame, room)
    if columns >= set(_REFUSED_FIRST):
        frame = frame.select(*_REFUSED_FIRST, *(name for name in frame.columns if name not in _REFUSED_FIRST))
    return _plain(frame.columns, [[text(value) for value in row] for row in frame.iter_rows()], _numeric(frame), room)


def _trials(frame: pl.DataFrame, room: int) -> str:
    """One line per trial, then up to three reasons and the segments, indented."""
    head = ["account", "day", "ends", "card", "use", "7 d", "score", "outcome"]
    lines, notes = [], []
    for row in frame.iter_rows(named=True):
        ends = row.get("ends_at")
        intensity = row.get("usage_intensity")
        use = f"{row.get('usage_band') or ''}{'' if intensity is None else f' {intensity:.0f}'}".strip()
        lines.append(
            [
                f"{row.get('account_name') or ''} ({row['account_id']})".strip(),
                text(row.get("trial_day")),
                f"{ends:%d %b}" if ends else "",
                {"on_file": "yes", "none": "no"}.get(row.get("card_status") or "", ""),
                use,
                text(row.get("active_days_7d")),
                "" if row.get("score") is None else f"{row['score']:.1f}",
                row.get("outcome") or "",
            ]
        )
        people = [f"call {_person(row)}" if _person(row) else "", f"owner {row['owner']}" if row.get("owner") else ""]
        said = [", ".join(part for part in people if part)] if any(people) else []
        said += [reason["text"] for reason in row["reasons"][:_REASONS_SHOWN]]
        if row.get("segments"):
            said.append("in " + ", ".join(row["segments"]))
        notes.append(said)
    if all(line[-1] in {"", "pending"} for line in lines):
        head, lines = head[:-1], [line[:-1] for line in lines]
    return _plain(head, lines, {1, 5, 6}, room, notes)


def _person(row: dict[str, Any]) -> str:
    name, email = row.get("contact_name"), row.get("contact_email")
    return f"{name} <{email}>" if name and email else name or email or ""


def _metrics(frame: pl.DataFrame, room: int) -> str:
    """One line per period: the fraction before the percentage, then what surrounds it."""
    split = any(value is not None for value in frame["split_key"])
    head = ["definition", "period", *(["split"] if split else []), "num / den", "value", "restated", "95 % interval"]
    head += ["pending", "bounds", "final", "estimate", "excluded"]
    lines = []
    for row in frame.iter_rows(named=True):
        unit = row["unit"]
        lines.append(
            [
                row["definition"],
                _period(row["period_start"], row["period_end"]),
                *([row["split_value"] or "(none)"] if split else []),
                _fraction(row),
                _value(row["value"], unit),
                f"{row['restated']}x" if row.get("restated") else "",
                _span(row["wilson_low"], row["wilson_high"], "rate"),
                text(row["pending"]),
                _span(row["bound_low"], row["bound_high"], unit) if row["pending"] else "",
                text(row["is_final"]),
                _value(row["estimate"], unit) if row["pending"] else "",
                text(row["excluded"]),
            ]
        )
    keep = [n for n in range(len(head)) if any(line[n] for line in lines) or not lines]
    right = {place for place, n in enumerate(keep) if head[n] not in {"definition", "period", "split", "final"}}
    return _plain([head[n] for n in keep], [[line[n] for n in keep] for line in lines], right, room)


def _restatements(frame: pl.DataFrame, room: int) -> str:
    """One line per change: what was said before and now, and when; below it why, and the first trials behind it.

    Definition and split tell rows apart: where they do not fit beside what was said, they stand below it.
    """
    head = ["metric", "period", "old", "new", "definition", "split", "first", "published", "generation"]
    apart = (head.index("definition"), head.index("split"))
    lines, notes = [], []
    for row in frame.iter_rows(named=True):
        first, before, now = (_value(row[name], row["unit"]) or "none" for name in ("first", "old", "new"))
        earlier = "" if first == before else first
        if before == now:  # its counts are others
            before = f"{before} ({text(row['old_numerator'])} / {text(row['old_denominator'])})"
            now = f"{now} ({text(row['new_numerator'])} / {text(row['new_denominator'])})"
        lines.append(
            [
                row["metric"],
                _period(row["period_start"], row["period_end"]),
                before,
                now,
                row["definition"],
                "" if row["split_key"] is None else row["split_value"] or "(none)",
                earlier,
                text(row["published_at"]),
                text(row["generation"]),
            ]
        )
        trials = row["trials"]
        more = f" and {len(trials) - _REASONS_SHOWN} more" if len(trials) > _REASONS_SHOWN else ""
        notes.append([row["why"], *([f"{', '.join(trials[:_REASONS_SHOWN])}{more}"] if trials else [])])
    keep = [n for n in range(len(head)) if any(line[n] for line in lines) or not lines]
    needed = [max(len(head[n]), *(len(line[n]) for line in lines)) for n in keep if lines and n <= apart[-1]]
    if sum(needed) + 2 * (len(needed) - 1) > room:
        keep = [n for n in keep if n not in apart]
        for line, note in zip(lines, notes, strict=True):
            note.insert(0, ", ".join(line[n] for n in apart if line[n]))
    right = {place for place, n in enumerate(keep) if head[n] in {"first", "old", "new", "generation"}}
    return _plain([head[n] for n in keep], [[line[n] for n in keep] for line in lines], right, room, notes)


def _plain(
    head: Sequence[str],
    lines: Sequence[Sequence[str]],
    right: set[int],
    room: int,
    notes: Sequence[Sequence[str]] | None = None,
) -> str:
    """Aligned columns; those that do not fit are left out and named below."""
    from rich.console import Console
    from rich.text import Text

    if not lines:
        return "nothing\n"
    needed = [max(len(name), *(len(line[n]) for line in lines)) for n, name in enumerate(head)]
    widths = [min(WIDEST_CELL, width) for width in needed]
    shown = _fitting(widths, room)
    spare = room - sum(widths[n] + 2 for n in shown) + 2
    widths[shown[-1]] = min(needed[shown[-1]], widths[shown[-1]] + max(0, spare))
    target = io.StringIO()
    console = Console(file=target, width=room, color_system=None, highlight=False)

    def put(cells: Sequence[str]) -> None:
        parts = [_fit(cells[n], widths[n], right=n in right) for n in shown]
        console.print(Text("  ".join(parts).rstrip()), soft_wrap=True)

    put(head)
    put(["─" * width for width in widths])
    for place, line in enumerate(lines):
        put(line)
        for note in notes[place] if notes is not None else ():
            console.print(Text(f"    {note}"), soft_wrap=True)
    left_out = [head[n] for n in range(len(head)) if n not in shown]
    if left_out:
        console.print(Text(f"left out for width: {', '.join(left_out)} (widen the terminal, or use --format csv)"))
    return target.getvalue()


def _fit(cell: str, width: int, *, right: bool) -> str:
    """A cell cut to its column; what is cut off shows as an ellipsis."""
    shown = cell if len(cell) <= width else cell[: width - 1] + "…"
    return shown.rjust(width) if right else shown.ljust(width)


def _fitting(widths: list[int], room: int) -> list[int]:
    """The columns there is room for; a wide one is narrowed to what is left when that is still readable."""
    shown: list[int] = []
    left = room
    for n, width in enumerate(widths):
        gap = 2 if shown else 0
        if width + gap > left >= READABLE + gap or not shown:
            widths[n] = min(width, left - gap)
        if widths[n] + gap <= left:
            shown.append(n)
            left -= widths[n] + gap
    return shown


def _numeric(frame: pl.DataFrame) -> set[int]:
    return {n for n, kind in enumerate(frame.schema.values()) if kind.is_numeric()}


def _period(start: date | None, end: date | None) -> str:
    if start is None or end is None:
        return ""
    if start.day == 1 and end.day == 1 and (end - start).days <= 31:
        return f"{start:%Y-%m}"
    return f"{start:%Y-%m-%d} to {end:%Y-%m-%d}"


def _fraction(row: dict[str, Any]) -> str:
    if row["denominator"] is None:
        return text(row["numerator"])
    return f"{row['numerator']} / {row['denominator']}"


def _value(value: float | None, unit: str | None) -> str:
    if value is None:
        return ""
    if unit == "rate":
        return f"{100 * value:.1f} %"
    return text(value) if unit in {None, "count"} else f"{text(value)} {unit}"


def _span(low: float | None, high: float | None, unit: str | None) -> str:
    if low is None or high is None:
        return ""
    return f"{100 * low:.1f} to {100 * high:.1f}" if unit == "rate" else f"{text(low)} to {text(high)}"


def text(value: Any) -> str:
    """A value as a person reads it, on one line; control characters are shown, never sent to the terminal."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".") if math.isfinite(value) else ""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = ", ".join(_items(value)) if isinstance(value, list) else str(value)
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def _items(values: Iterable[Any]) -> Iterable[str]:
    return (str(value.get("text")) if isinstance(value, dict) else text(value) for value in values)
