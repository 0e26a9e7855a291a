"""Draw refresh time against history: `make bench-figure`, or `python -m benchmarks.figure FIGURES.json PICTURE.svg`.

Needs the environment of requirements/bench.txt, which `make bench` makes. Logarithmic both ways: a line that stays
level does not care how much history there is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

INK, FAINT = "#333333", "#dddddd"
FULL, SMALL, LARGE = "#8c8c8c", "#1f6f8b", "#d1603d"
LABEL = 30
"""Points of height that a label of two lines takes."""
SIZES = {1_000: "k", 1_000_000: "M"}
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)


def main() -> int:
    """Read the figures, write the picture."""
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    figures = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    draw(figures, Path(sys.argv[2]))
    return 0


def draw(figures: list[dict[str, Any]], path: Path) -> None:
    """CPU seconds of a full refresh and of two batches, by events of history."""
    mpl.rcParams.update({"svg.hashsalt": "trialwise", "svg.fonttype": "none", "font.family": "sans-serif"})
    figure, axes = plt.subplots(figsize=(8.4, 4.8))
    axes.set(xscale="log", yscale="log")
    names = list(dict.fromkeys(name for one in figures for name in one["batches"]))
    whole = [
        (one["events"], one["full_refresh"]["cpu"] + one["batches"][names[0]]["import"]["cpu"])
        for one in figures
        if names[0] in one["batches"]
    ]
    lines = [(whole, "everything\nbuilt anew", FULL)]
    for name, color in zip(names, (SMALL, LARGE), strict=False):
        points = [
            (one["events"], one["batches"][name]["refresh"]["cpu"] + one["batches"][name]["import"]["cpu"])
            for one in figures
            if name in one["batches"]
        ]
        lines.append((points, name.replace(" events of ", " new events,\n"), color))
    for points, _, color in lines:
        across, up = zip(*points, strict=True)
        axes.plot(across, up, color=color, linewidth=2, marker="o", markersize=5)
    axes.set_xticks([one["events"] for one in figures], [short(one["events"]) for one in figures])
    low, high = axes.get_ylim()
    low, high = max([step for step in STEPS if step < low]), min([step for step in STEPS if step > high])
    axes.set_ylim(low, high)
    steps = [step for step in STEPS if low <= step <= high]
    axes.set_yticks(steps, [f"{step:g}" for step in steps])
    axes.minorticks_off()
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0, colors=INK)
    axes.margins(x=0.08)
    axes.set_xlabel("events of history", color=INK)
    axes.set_title("CPU seconds until a batch of new events is in every published number", loc="left", color=INK)
    figure.tight_layout()
    figure.subplots_adjust(right=0.72)
    name_lines(axes, lines)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def name_lines(axes: Axes, lines: list[tuple[list[tuple[int, float]], str, str]]) -> None:
    """Name each line at its end, the names of lines that end close together one above the other."""
    to_points = 72 / axes.get_figure(root=True).dpi
    before = float("-inf")
    for points, label, color in sorted(lines, key=lambda line: line[0][-1][1]):
        height = axes.transData.transform(points[-1])[1] * to_points
        place = max(height, before + LABEL)
        axes.annotate(
            label, points[-1], xytext=(9, place - height), textcoords="offset points", va="center", color=color,
            annotation_clip=False,
        )  # fmt: skip
        before = place


def short(count: int) -> str:
    """1,000,000 as 1M."""
    for size, letter in sorted(SIZES.items(), reverse=True):
        if count >= size:
            return f"{count / size:g}{letter}"
    return str(count)


if __name__ == "__main__":
    sys.exit(main())
