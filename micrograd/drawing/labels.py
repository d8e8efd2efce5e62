"""Make text safe to draw, and numbers short enough to read.

Names come from anywhere: a function's source, a file, a network. `clean` makes them printable, the XML writer and the
DOT writer escape them, and nothing else is ever written into a picture.
"""

from __future__ import annotations

import math
import re
import unicodedata
from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["cells", "clean", "dot_text", "entries", "shape_text", "shorten", "summary", "xml_text"]

SMALL = 16
"""Arrays up to this many entries are drawn as numbers, larger ones as their mean and range."""
_MINUS = "\u2212"  # in most numbers: worth a test ahead of the look at each character
_MARKUP = re.compile('[&<>"]')
_ACROSS = 8  # numbers on one line


@lru_cache(maxsize=8192)
def clean(text: str) -> str:
    """Replace what cannot be drawn by U+FFFD: control characters, lone surrogates and what XML may not hold.

    Invisible formatting characters, which reorder or hide text, are dropped.

    >>> clean("a" + chr(0) + "b" + chr(0x202E) + "c") == "a" + chr(0xFFFD) + "bc"
    True
    """
    known = text.replace(_MINUS, "-")
    if known.isascii() and known.isprintable():
        return text
    kept = []
    for character in text:
        kind = unicodedata.category(character)
        if kind == "Cf":
            continue
        bad = kind in ("Cc", "Cs", "Zl", "Zp") or ord(character) & 0xFFFE == 0xFFFE
        kept.append("\ufffd" if bad else character)
    return "".join(kept)


def xml_text(text: str) -> str:
    """Clean `text` and escape it for XML content and attribute values.

    >>> xml_text("a < b")
    'a &lt; b'
    """
    text = clean(text)
    if _MARKUP.search(text) is None:
        return text
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def dot_text(text: str) -> str:
    """Clean `text` and escape it for a quoted DOT string: no escape sequence or entity is left in it."""
    return clean(text).replace("\\", "\\\\").replace("&", "&amp;").replace('"', '\\"')


@lru_cache(maxsize=8192)
def cells(text: str) -> int:
    """Count the character cells of `text` in a monospaced font: combining marks none, East Asian wide letters two.

    >>> cells("mu"), cells("均值")
    (2, 4)
    """
    if text.replace(_MINUS, "-").isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(c) or unicodedata.category(c) in ("Mn", "Me")
        else 2
        if unicodedata.east_asian_width(c) in "WF"
        else 1
        for c in text
    )


def shorten(text: str, limit: int = 40) -> str:
    """Shorten `text` to at most `limit` cells, with an ellipsis in the middle where something is left out.

    >>> shorten("a_very_long_name_of_a_variable", 13)
    'a_very…riable'
    """
    text = clean(text)
    if cells(text) <= limit:
        return text
    head, tail = text, ""
    while cells(head) > (limit - 1) // 2:
        head = head[:-1]
    for character in reversed(text):
        if cells(tail + character) > limit // 2:
            break
        tail = character + tail
    return f"{head}…{tail}"


def shape_text(shape: tuple[int, ...], dtype: str = "float64") -> str:
    """Write a shape as NumPy does, with the dtype where it is not float64; nothing for one number.

    >>> shape_text((4, 3)), shape_text((3,), "float32"), shape_text(())
    ('(4, 3)', '(3,) float32', '')
    """
    text = str(tuple(shape)) if shape else ""
    return text if dtype == "float64" else f"{text} {dtype}".strip()


def _digits(largest: float) -> int | None:
    """Return the decimals for numbers up to `largest`; None for scientific notation."""
    if largest == 0:
        return 1
    power = math.floor(math.log10(largest))
    if not -4 <= power < 6:
        return None
    return max(0, 2 - max(power, 0)) if power >= -1 else 1 - power


def _one(value: float, decimals: int | None) -> str:
    if value != value:
        return "nan"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.1e}" if decimals is None and value else f"{value:.{decimals or 0}f}"
    if decimals is None and value:
        mantissa, power = text.split("e")
        text = f"{mantissa}e{int(power)}"
    if not text.strip("-0."):
        text = text.lstrip("-")  # no minus zero
    return text.replace("-", "−")


def entries(value: Any) -> list[str] | None:
    """Write a small array as lines of aligned numbers, one line for each row of its last axis; None where it is large.

    >>> [line.replace(chr(0xA0), "_") for line in entries(np.array([[1.0, -0.25], [10.0, 3.0]]))]
    ['_1.0 −0.2', '10.0 _3.0']
    """
    flat = np.ravel(value)
    if flat.size > SMALL:
        return None
    if flat.size == 0:
        return ["empty"]
    numbers: list[float] = flat.astype(float).tolist()
    if flat.dtype.kind in "iub":
        texts = [str(int(entry)).replace("-", "−") for entry in numbers]
    else:
        decimals = _digits(max((abs(entry) for entry in numbers if math.isfinite(entry)), default=0.0))
        texts = [_one(entry, decimals) for entry in numbers]
    width = max(map(len, texts))
    length = np.shape(value)[-1] if np.ndim(value) else 1
    across = -(-length // -(-length // _ACROSS)) or 1  # of a long row parts of one length
    padded = [text.rjust(width, "\u00a0") for text in texts]
    return [" ".join(padded[start : start + across]) for start in range(0, len(padded), across)]


def summary(value: Any) -> list[str]:
    """Describe a large array in two lines, mean and range; NaN and infinities are counted in a third.

    >>> summary(np.array([1.0, 2.0, np.nan]))
    ['mean 1.50', '1.00 … 2.00', '1 not finite']
    """
    flat = np.ravel(value)
    good = flat[np.isfinite(flat)] if flat.dtype.kind == "f" else flat
    lines = []
    if good.size:
        low, high = float(good.min()), float(good.max())
        decimals = _digits(max(abs(low), abs(high)))
        with np.errstate(over="ignore"):
            lines = [
                f"mean {_one(float(good.mean(dtype=float)), decimals)}",
                f"{_one(low, decimals)} … {_one(high, decimals)}",
            ]
    if good.size != flat.size:
        lines.append(f"{flat.size - good.size} not finite")
    return lines
