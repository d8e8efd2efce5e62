"""Draw learning curves as SVG, with axes and a legend, light and dark."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from micrograd.drawing.labels import cells, shorten, xml_text
from micrograd.drawing.svg import document
from micrograd.errors import GraphError

__all__ = ["training_curves"]

_COLOURS = ("blue", "orange", "result-border", "red", "grey")
_WIDTH, _HEIGHT = 430.0, 300.0  # one panel
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 16.0, 34.0, 44.0


def training_curves(
    histories: Mapping[str, Mapping[str, Sequence[float]]],
    path: str | os.PathLike[str] | None = None,
    *,
    title: str = "Training",
    x: str = "epoch",
) -> str:
    """Draw learning curves: one panel for each quantity, one line in it for each run.

    Args:
        histories: ``{"with batch norm": {"loss": [...], "accuracy": [...]}, ...}``; one number an epoch.
        path: where to write the SVG.
        title: the accessible name of the picture, for readers who cannot see it.
        x: the label of the horizontal axis.

    Returns:
        The SVG text.

    Raises:
        GraphError: there is nothing to plot.

    >>> svg = training_curves({"with": {"loss": [2.0, 1.0, 0.5]}, "without": {"loss": [2.0, 1.5, 1.25]}})
    >>> svg.count("<polyline")
    2
    """
    quantities = list(dict.fromkeys(name for history in histories.values() for name in history))
    if not any(len(series) for history in histories.values() for series in history.values()):
        raise GraphError("nothing to plot: the histories hold no numbers; pass {'run': {'loss': [2.0, 1.0]}}.")
    legend = 30.0
    body: list[str] = []
    for position, quantity in enumerate(quantities):
        lines = {run: list(map(float, history.get(quantity, ()))) for run, history in histories.items()}
        body.append(
            f'<g transform="translate({position * _WIDTH:.0f} {legend:.0f})">'
            + "".join(_panel(quantity, lines, x))
            + "</g>"
        )
    at = _LEFT
    for number, run in enumerate(histories):
        label = shorten(run, 40)
        role = _COLOURS[number % len(_COLOURS)]
        body.append(f'<path class="{role}-line" d="M{at:.0f} 20H{at + 22:.0f}" stroke-width="3"/>')
        body.append(f'<text class="ink" x="{at + 28:.0f}" y="24" font-size="13">{xml_text(label)}</text>')
        at += 28 + cells(label) * 8 + 26
    words = "; ".join(
        f"{run}: " + ", ".join(f"{name} {series[-1]:.4g} at the end" for name, series in history.items() if len(series))
        for run, history in histories.items()
    )
    width = max(_WIDTH * len(quantities), at)
    svg = document(title, words, width, _HEIGHT + legend, body, "mg-plot")
    if path is not None:
        from micrograd.drawing.picture import write

        write(Path(path), svg)
    return svg


def _ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers that cover the range: steps of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(n * step, 12) for n in range(first, last + 1)]


def _powers(low: float, high: float) -> list[float]:
    """Return powers of ten that cover a range of positive numbers, in steps that leave at most seven of them."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    step = -(-(last - first) // 6) or 1
    return [10.0**n for n in range(first, last + step, step)]


def _panel(quantity: str, lines: dict[str, list[float]], x_name: str) -> list[str]:
    finite = [value for series in lines.values() for value in series if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if high - low < 1e-12 * max(1.0, abs(high)):
        low, high = low - 0.5, high + 0.5
    decades = low > 0 and high / low > 30  # as a loss that falls: equal ratios get equal room
    ticks = _powers(low, high) if decades else _ticks(low, high)
    low, high = ticks[0], ticks[-1]
    longest = max(map(len, lines.values()))
    steps = [
        tick for tick in _ticks(1, max(longest, 2), 6) if 1 <= tick <= max(longest, 2) and float(tick).is_integer()
    ]
    right, floor = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def across(epoch: float) -> float:
        return _LEFT + (epoch - 1) / max(longest - 1, 1) * (right - _LEFT - 8)

    def up(value: float) -> float:
        part = math.log(value / low) / math.log(high / low) if decades else (value - low) / (high - low)
        return floor - part * (floor - _TOP)

    middle = (_LEFT + right) / 2
    made = [_label(shorten(quantity, 40), middle, 20, "ink b", 14), _label(x_name, middle, floor + 36, "grey", 12)]
    for tick in ticks:
        made.append(f'<path class="stage-border-line" d="M{_LEFT:.0f} {up(tick):.1f}H{right:.0f}" stroke-width="1"/>')
        made.append(_label(f"{tick:g}".replace("-", "−"), _LEFT - 8, up(tick) + 4, "grey", 11.5, "end"))
    made += [_label(f"{step:.0f}", across(step), floor + 18, "grey", 11.5) for step in steps]
    made.append(f'<path class="border-line" d="M{_LEFT:.0f} {_TOP:.0f}V{floor:.0f}H{right:.0f}" stroke-width="1.2"/>')
    for number, series in enumerate(lines.values()):
        role = _COLOURS[number % len(_COLOURS)]
        points = [(across(epoch), up(value)) for epoch, value in enumerate(series, 1) if math.isfinite(value)]
        if points:
            way = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
            made.append(f'<polyline class="{role}-line" stroke-width="2.2" points="{way}"/>')
            made.append(f'<circle class="{role}" cx="{points[-1][0]:.1f}" cy="{points[-1][1]:.1f}" r="3.6"/>')
    return made


def _label(text: str, x: float, y: float, role: str, size: float, anchor: str = "middle") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}"'
    return f'<text class="{role}" {place}>{xml_text(text)}</text>'
