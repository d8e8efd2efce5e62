"""Write a walk as text: the steps one after the other, with formulas and numbers, in colour for a terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TextIO

import numpy as np

from micrograd.drawing.labels import cells, clean
from micrograd.stepper.page_data import WalkData
from micrograd.stepper.page_text import say
from micrograd.stepper.walk_types import ArrayData, NodeData

__all__ = ["coloured", "paged", "steps_of", "text_of"]

_SHOWN = 64  # cells of an array that are printed
_RED, _BOLD, _PLAIN = "\x1b[31m", "\x1b[1m", "\x1b[0m"


def _numbers(array: ArrayData) -> list[str]:
    """Write a value as lines of text."""
    shape = tuple(array["shape"])
    if "data" not in array:
        summary = array["summary"]
        return [
            f"{shape}: mean {float(summary['mean']):.4g}, {float(summary['min']):.4g} to {float(summary['max']):.4g}"
        ]
    numbers = np.array([float(cell) for cell in array["data"]]).reshape(shape)
    if numbers.size > _SHOWN:
        finite = numbers[np.isfinite(numbers)]
        low, high, mean = (finite.min(), finite.max(), finite.mean()) if finite.size else (np.nan,) * 3
        return [f"{shape}: mean {mean:.4g}, {low:.4g} to {high:.4g}"]
    return np.array2string(numbers, precision=4, suppress_small=True, max_line_width=100).splitlines()


def _source(data: WalkData, node: NodeData) -> list[str]:
    """Write the user's line with the sub-expression underlined."""
    at = node["source"]
    if at is None:
        return []
    block = data["sources"][at["block"]]
    if not 0 <= at["line"] - block["first"] < len(block["lines"]):
        return []
    line = block["lines"][at["line"] - block["first"]]
    start, end = at["column"], at["endColumn"] if at["endLine"] == at["line"] else len(line)
    head = f"{block['file']}:{at['line']}: "
    before = cells(head + line[:start].lstrip())
    return [head + line.lstrip(), " " * before + "^" * max(1, cells(line[start:end]))]


def _step(data: WalkData, number: int, colour: bool) -> str:
    step, lang = data["steps"][number], data["lang"]
    back = step["phase"] == "backward"
    forward, backward = (data["graphs"][side]["nodes"] for side in ("forward", "backward"))
    node = forward[step["node"]]
    phase = say(lang, f"terminal.{step['phase']}")
    title = f"[{number + 1}/{len(data['steps'])}] {phase}: {step['title'][lang]}"
    stage = "" if step["stage"] is None else f"  ({data['stages'][step['stage']]['title']})"
    lines = [
        clean(title + stage),
        *(f"    {clean(line)}" for line in _source(data, node)),
        f"  {clean(step['say'][lang])}",
    ]
    if colour:
        lines[0] = f"{_RED if back else ''}{_BOLD}{lines[0]}{_PLAIN}"

    def gradient(index: int) -> ArrayData | None:
        made = backward[index]
        return made["value"] if made["from"] is None else forward[made["from"]]["value"]

    if step["edge"] is not None:
        shown = [(step["edge"]["name"], gradient(step["edge"]["grad"]))]
    elif back:
        shown = [(path["name"], gradient(path["grad"])) for path in step["paths"]]
        shown = shown if len(shown) > 1 else []
        if step["gradient"] is not None:
            shown.append((f"d{node['name']}", gradient(step["gradient"])))
    else:
        shown = [(node["name"], node["value"])]
    for name, value in shown:
        if value is not None:
            head = f"    {clean(name)} = "
            first, *rest = _numbers(value)
            lines += [head + first, *(" " * len(head) + line for line in rest)]
    return "\n".join(lines)


def steps_of(data: WalkData, colour: bool = False) -> Iterator[str]:
    """Write each step as a paragraph."""
    return (_step(data, number, colour) for number in range(len(data["steps"])))


def text_of(data: WalkData, colour: bool = False) -> str:
    """Write all the steps, under a line that counts them."""
    phases = [step["phase"] for step in data["steps"]]
    head = say(
        data["lang"], "terminal.steps", name=clean(data["title"]),
        forward=phases.count("forward"), backward=phases.count("backward"),
    )  # fmt: skip
    if "training" in data:
        losses = ", ".join(f"{float(loss):.5g}" for loss in data["training"]["losses"])
        head += "\n" + say(data["lang"], "terminal.losses", losses=losses)
    return "\n\n".join([head, *steps_of(data, colour)]) + "\n"


def coloured(stream: TextIO) -> bool:
    """Say whether to write in colour: to a terminal that has colours, unless the variable ``NO_COLOR`` is set."""
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def paged(
    data: WalkData,
    write: Callable[[str], object] = print,
    ask: Callable[[str], str] | None = None,
    colour: bool = False,
) -> None:
    """Print one step for each press of Enter; ``q`` or the end of the input stops.

    Args:
        data: what `micrograd.stepper.page_data.walk_data` returns.
        write: called with each step.
        ask: called with the question; returns what was typed. `input` where left out.
        colour: whether to write in colour.
    """
    steps = list(steps_of(data, colour))
    for number, step in enumerate(steps, 1):
        write(step)
        if number < len(steps):
            try:
                typed = (ask or input)(say(data["lang"], "terminal.more"))
            except EOFError:
                write("")
                return
            if typed.strip().lower().startswith("q"):
                return
