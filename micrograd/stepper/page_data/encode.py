"""Write values as JSON: numbers, attributes, arrays, and the text that a page may hold."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np

from micrograd.stepper.mathml import NOT_IN_HTML
from micrograd.stepper.walk_types import ArrayData, Number

__all__ = ["array_data", "attribute_data", "encoded", "number_data"]

_SMALL = 64  # cells of an array that is in the page even where others are summarised
_CORNER = 4  # rows and columns of a corner
_BINS = 12  # of a histogram


def encoded(data: Any) -> str:
    r"""Write data as JSON that may stand in a `script` element of HTML, without a ``<``.

    Raises:
        ValueError: a number that JSON cannot hold (NaN, infinity).

    >>> encoded({"a": "</script>"})
    '{"a":"\\u003c/script>"}'
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return NOT_IN_HTML.sub(_escape, text)


def _escape(character: re.Match[str]) -> str:
    return json.dumps(character[0])[1:-1]  # two escapes for one beyond 16 bits


def number_data(value: Any) -> Number:
    """Return a number as JSON can hold it; NaN and the infinities by their JavaScript names.

    >>> number_data(2.0), number_data(0.5), number_data(float("-inf"))
    (2, 0.5, '-Infinity')
    """
    value = float(value)
    if math.isfinite(value):
        return int(value) if value.is_integer() and abs(value) < 1e15 and math.copysign(1, value) > 0 else value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def attribute_data(value: Any) -> Any:
    """Return an attribute of a node as JSON can hold it; as text where it is an index.

    >>> attribute_data((0, 2)), attribute_data(slice(1, 3))
    ([0, 2], 'slice(1, 3, None)')
    """
    if isinstance(value, (bool, int, str)) or value is None:
        return value
    if isinstance(value, float):
        return number_data(value)
    if isinstance(value, (tuple, list)) and all(isinstance(entry, int) for entry in value):
        return list(value)
    return str(value)  # the cells that an index moves stand beside it


def array_data(value: Any, whole: bool) -> ArrayData:
    """Return an array with all its cells where it is small or `whole` is true, else with a summary."""
    array = np.asarray(value)
    shape = list(array.shape)
    if whole or array.size <= _SMALL:
        return {"shape": shape, "data": [number_data(cell) for cell in array.reshape(-1).tolist()]}
    numbers = array.astype(float)
    finite = numbers[np.isfinite(numbers)]
    corner = numbers[(0,) * max(0, numbers.ndim - 2)]
    corner = np.atleast_2d(corner)[:_CORNER, :_CORNER]
    with np.errstate(all="ignore"):
        return {
            "shape": shape,
            "summary": {
                "mean": number_data(numbers.mean()),
                "min": number_data(numbers.min()),
                "max": number_data(numbers.max()),
                "histogram": [int(n) for n in np.histogram(finite, _BINS)[0]] if _has_bins(finite) else [finite.size],
                "corner": [[number_data(cell) for cell in row] for row in corner.tolist()],
            },
        }


def _has_bins(finite: Any) -> bool:
    """Say whether a histogram of these numbers has bins: their range is finite and not too narrow for float64."""
    if not finite.size:
        return False
    low, high = float(finite.min()), float(finite.max())
    return math.isfinite(high - low) and (high - low) / _BINS > 4 * np.spacing(max(abs(low), abs(high)))
