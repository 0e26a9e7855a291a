"""Write what was measured into docs/performance.md: `python -m benchmarks.tables`, after the runs that keep JSON there.

Between `<!-- NAME -->` and `<!-- end -->` stands what this makes of docs/performance/*.json; all else is left alone.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.history import LARGE, SMALL, goals_of
from benchmarks.measure import Goal

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, FIGURES = DOCS / "performance.md", DOCS / "performance"
RUNS = ("1m", "10m", "10m-wide")
"""Runs of `python -m benchmarks` whose figures are kept, a column each."""
ROWS = 12
HISTORY_GOALS = ("G5", "G6", "G10", "G11", "G14", "G15")
BLOCK = re.compile(r"(<!-- ([a-z]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def main() -> int:
    """Write every block of the page anew."""
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(BLOCK.sub(lambda found: found[1] + BLOCKS[found[2]]() + found[4], text), encoding="utf-8")
    return 0


def goals() -> str:
    """Every goal with its target; a column for each run and one for the largest history."""
    runs = {name: figures for name in RUNS if (figures := read(f"{name}.json"))}
    columns = [f"{short(one['events'])} events, {one['accounts']:,} trials" for one in runs.values()]
    found: dict[tuple[str, str], dict[str, Goal]] = {}
    for name, figures in runs.items():
        for goal in figures["goals"]:
            one = goal_of(goal)
            if one.target is not None or one.goal == "S":
                found.setdefault((one.goal, told(one.what)), {})[name] = one
    history = read("history.json")
    if history:
        columns.append(f"history of {short(history[-1]['events'])}, {history[-1]['accounts']:,} trials")
        for one in goals_of(history):
            if one.goal in HISTORY_GOALS:
                found.setdefault((one.goal, told(one.what)), {})["history"] = one
    names = [*runs, *(["history"] if history else [])]
    lines = [
        [key[0], key[1], target(next(iter(values.values()))), *(cell(values.get(name)) for name in names)]
        for key, values in sorted(found.items(), key=lambda item: number(item[0][0]))
    ]
    return table(["Goal", "", "Target", *columns], lines)


def peers() -> str:
    """CPU seconds of every tool, and multiples of ours."""
    lines = []
    runs = {name: figures for name in RUNS if (figures := read(f"{name}.json")) and figures.get("peers")}
    heads = [
        f"{short(one['events'])}: {what}" for one in runs.values() for what in ("full", "models", "1 % more", "peak GB")
    ]
    for tool in dict.fromkeys(tool for figures in runs.values() for tool in figures["peers"]):
        cells = []
        for figures in runs.values():
            row, ours = figures["peers"][tool], next(iter(figures["peers"].values()))
            for key in ("full", "models", "more"):
                value = row.get(key)
                cells.append("" if value is None else f"{value:.2f} ({value / ours[key]:.2f})")
            cells.append("" if row.get("peak") is None else f"{row['peak']:.2f}")
        lines.append([tool, *cells])
    return table(["CPU seconds (of trialwise's)", *heads], lines)


def histories() -> str:
    """CPU seconds by history."""
    lines = []
    for one in read("history.json") or []:
        cells = [short(one["events"]), f"{one['accounts']:,}", f"{one['trial_days']:,}", seconds(one["full_refresh"])]
        for batch in (SMALL, LARGE):
            costs = one["batches"].get(str(batch))
            cells.append(f"{seconds(costs['import'])} + {seconds(costs['refresh'])}" if costs else "")
        lines.append([*cells, seconds(one["new_day"]), f"{one['peak_gigabytes']['everything']:.2f}"])
    heads = ["events", "trials", "trial days", "full refresh", f"{SMALL}: load + refresh", f"{LARGE}: load + refresh"]
    return table([*heads, "a new day", "peak GB"], lines)


def profile() -> str:
    """The dearest steps of a full refresh."""
    runs = {name: figures for name in RUNS if (figures := read(f"{name}.json"))}
    if not runs:
        return table([], [])
    last = runs.get("10m") or list(runs.values())[-1]
    total = sum(step["cpu"] for step in last["profile"])
    lines = [
        [step["step"], f"{step['cpu']:.2f}", f"{100 * step['cpu'] / total:.1f} %"] for step in last["profile"][:ROWS]
    ]
    rest = last["profile"][ROWS:]
    left = sum(step["cpu"] for step in rest)
    lines.append([f"{len(rest)} more", f"{left:.2f}", f"{100 * left / total:.1f} %"])
    return table([f"Step, {short(last['events'])} events", "CPU s", "Share"], lines)


def runs() -> str:
    """The commands, versions, and how busy the machine was."""
    lines = []
    names = [*(f"{name}.json" for name in RUNS), "history.json"]
    for name in names:
        figures = read(name)
        for one in figures if isinstance(figures, list) else [figures] if figures else []:
            file = f"[{name}](performance/{name})"
            lines.append([f"`{one['command']}`", file, short(one["events"]), f"{one['load']:.1f}", versions(one)])
    return table(["Command", "Figures", "Events", "Load at the end", "Versions"], lines)


def versions(figures: dict[str, Any]) -> str:
    """Of the product's environment, then of the peers'."""
    text = ", ".join(f"{name} {number}" for name, number in figures["versions"].items())
    others = figures.get("versions_of_peers") or {}
    return text + ("; " + ", ".join(f"{name} {number}" for name, number in others.items()) if others else "")


BLOCKS: dict[str, Callable[[], str]] = {
    "goals": goals, "peers": peers, "history": histories, "profile": profile, "runs": runs,
}  # fmt: skip


def read(name: str) -> Any:
    """A file of figures, None where it has not been measured."""
    path = FIGURES / name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def goal_of(figures: dict[str, Any]) -> Goal:
    """A goal as it was kept."""
    from benchmarks.measure import Cost

    return Goal(**{**figures, "value": Cost(**figures["value"])})


def told(what: str) -> str:
    """What was measured, without the figures that differ from run to run."""
    text = re.sub(r"^[0-9,]{6,}: ", "", what)
    text = re.sub(r", [0-9,]+ trials used", ", up to 1,000 trials used", text)
    text = text.replace("a new day: refresh / full refresh", "a new day / full refresh")
    text = text.replace("trials used: refresh / full", "trials used / full")
    return re.sub(r"onto [0-9,]+ / onto [0-9,]+", "onto it / onto a tenth", text)


def number(goal: str) -> int:
    """S first, then by number."""
    return int(goal[1:] or 0)


def target(goal: Goal) -> str:
    """The target, and what judges it."""
    if goal.target is None:
        return ""
    return f"{'>=' if goal.is_least else '<='} {goal.target:g}{' (clock)' if goal.by_clock else ''}"


def cell(goal: Goal | None) -> str:
    """CPU (clock), and the verdict."""
    if goal is None:
        return ""
    first, second = (goal.value.wall, goal.value.cpu) if goal.by_clock else (goal.value.cpu, goal.value.wall)
    values = f"{plain(first)}" if first == second else f"{plain(first)} ({plain(second)})"
    return values if goal.target is None else f"{values} {'met' if goal.is_met else '**missed**'}"


def plain(value: float) -> str:
    """Three digits that matter."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def seconds(cost: dict[str, float]) -> str:
    """CPU seconds."""
    return f"{cost['cpu']:.2f}" if cost["cpu"] < 10 else f"{cost['cpu']:.1f}"


def short(count: int) -> str:
    """About how many: 9,987,654 as 10M."""
    return f"{round(count / 1e6)}M" if count >= 1e6 * 0.95 else f"{round(count / 1e3)}k"


def table(heads: list[str], lines: list[list[str]]) -> str:
    """Markdown."""
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows) + "\n" if lines else "\nNot measured yet.\n\n"


if __name__ == "__main__":
    sys.exit(main())
