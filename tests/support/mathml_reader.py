"""Formulas in MathML, read back as Python and computed: whether they are true."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
from walked import decoded, value_of

from micrograd.stepper.cells import figure

SIGNS = {"·": "*", "−": "-", "+": "+", "(": "(", ")": ")", ",": ","}


FUNCTIONS = {"log": math.log, "tanh": math.tanh, "max": max, "e": math.e, "sgn": np.sign, "sqrt": math.sqrt, "abs": abs}


class NotRead(Exception):
    """A formula with an ellipsis, a condition or another sign that the reader below does not know."""


def read(element: ET.Element, numbers: dict[str, float]) -> str:
    """MathML as Python, by what is seen: an `mrow` is no bracket, a fraction, a root and an exponent are."""
    tag, text, inside = element.tag, element.text or "", list(element)
    if tag == "mn":
        of = element.get("data-of")
        if of is not None:
            assert text == figure(numbers[of])
            return repr(float(numbers[of]))
        return text.replace("−", "-")
    if tag == "mo":
        if text not in SIGNS and text != "|":
            raise NotRead(text)
        return SIGNS.get(text, "|")
    if tag == "mi":
        return text
    if tag == "mfrac":
        return f"(({read(inside[0], numbers)})/({read(inside[1], numbers)}))"
    if tag == "msqrt":
        return f"sqrt({row(inside, numbers)})"
    if tag == "msup":
        return f"{read(inside[0], numbers)}**({read(inside[1], numbers)})"
    if tag == "mrow":
        return row(inside, numbers)
    raise NotRead(tag)


def row(elements: list[ET.Element], numbers: dict[str, float]) -> str:
    words = [read(element, numbers) for element in elements if element.tag != "mspace"]
    if words.count("|") == 2:
        words[words.index("|")] = "abs("
        words[words.index("|")] = ")"
    if words and words[0] in ("log", "tanh", "sgn"):
        words = [f"{words[0]}(", *words[1:], ")"]
    return " ".join(words)


def sides(text: str) -> list[list[ET.Element]]:
    """The parts of a formula between its equals signs."""
    parts: list[list[ET.Element]] = [[]]
    for element in ET.fromstring(text):
        if element.tag == "mo" and element.text == "=":
            parts.append([])
        else:
            parts[-1].append(element)
    return parts


def numbers_of(data: dict[str, Any]) -> dict[str, float]:
    return {
        f"{side}:{index}:{cell}": float(value)
        for side in ("forward", "backward")
        for index, node in enumerate(data["graphs"][side]["nodes"])
        for cell, value in enumerate(decoded(value_of(data, node)).reshape(-1))
    }


def wrong(data: dict[str, Any]) -> tuple[list[str], int]:
    """The formulas whose sides are not equal, and how many were read."""
    numbers, found, count = numbers_of(data), [], 0
    for step in data["steps"]:
        text = step["math"]["numbers"]
        if not text:
            continue
        _, *parts = sides(text)
        try:
            values = [eval(row(part, numbers), {"__builtins__": {}}, FUNCTIONS) for part in parts]
        except NotRead:
            continue
        count += len(values) > 1
        scale = max(1.0, *(abs(value) for value in values))
        if max(values) - min(values) > 1e-9 * scale:
            found.append(text)
    return found, count
