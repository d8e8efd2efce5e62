"""The plots: every contender's time as a multiple of ours, and time and memory against size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["growth", "plot"]


def plot(result: Mapping[str, Any], path: Path) -> Path | None:
    """Every contender's time as a multiple of ours, one line per case; None where matplotlib is not installed."""
    try:
        import matplotlib as mpl
    except ImportError:
        return None
    mpl.use("svg")
    from matplotlib import pyplot as plt

    drawn = [line for line in result["lines"] if any("ours_over_it" in entry for entry in line["contenders"].values())]
    if not drawn:
        return None
    names = list(dict.fromkeys(n for line in drawn for n in line["contenders"] if n != line["ours"]))
    with plt.rc_context({"svg.hashsalt": "micrograd", "svg.fonttype": "none", "font.size": 9}):
        figure, axes = plt.subplots(figsize=(8, 1.2 + 0.42 * len(drawn)), layout="constrained")
        for place, name in enumerate(names):
            points = [
                (1 / line["contenders"][name]["ours_over_it"]["median"], -y)
                for y, line in enumerate(drawn)
                if "ours_over_it" in line["contenders"].get(name, {})
            ]
            if points:
                across, up = zip(*points, strict=True)
                # 10 colours, 9 markers: 90 names before two look alike
                axes.scatter(across, up, label=name, marker="osD^vPX*<"[place % 9], s=42, alpha=0.85)
        axes.axvline(1, color="black", linewidth=1)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda v, _: f"{v:g}×"))
        axes.set_yticks([-y for y in range(len(drawn))], [f"{line['row']}: {line['case']}" for line in drawn])
        axes.set_xlabel("time, or memory, as a multiple of micrograd's (right of the line: micrograd takes less)")
        axes.grid(axis="x", alpha=0.3)
        figure.legend(loc="outside upper center", ncols=4, frameon=False)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
    return path


def growth(result: Mapping[str, Any], path: Path) -> Path | None:
    """Time and memory of each contender against the number of entries; None without matplotlib or such lines."""
    try:
        import matplotlib as mpl
    except ImportError:
        return None
    from tests.benchmarks.growth import MEMORY, curves

    lines = [line for line in result["lines"] if line["row"] == "growth"]
    if not lines:
        return None
    mpl.use("svg")
    from matplotlib import pyplot as plt

    with plt.rc_context({"svg.hashsalt": "micrograd", "svg.fonttype": "none", "font.size": 9}):
        figure, panels = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
        for axes, suffix, scale, said in zip(
            panels, ("", MEMORY), (1e3, 2.0**-20), ("time of a step, ms", "memory of a step, MiB"), strict=True
        ):
            for place, (name, points) in enumerate(curves(lines, suffix).items()):
                across = sorted(points)
                axes.plot([2**p for p in across], [points[p] * scale for p in across], label=None if suffix else name,
                          marker="osD^vPX*<"[place % 9], markersize=4, linewidth=1.2)  # fmt: skip
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            axes.set_xlabel("entries")
            axes.set_title(said)
            axes.grid(alpha=0.3)
        figure.legend(loc="outside upper center", ncols=4, frameon=False)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
    return path
