"""Arguments by rule rather than by number: which axes an array has, so that it can be drawn in many sizes."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["EPS", "SIZES", "ArgumentLayout", "Dims", "Fill", "axes_in", "factor_of", "sizes_of"]

Dims = tuple[str | int, ...]

SIZES: tuple[dict[str, int], ...] = (
    {"N": 5, "D": 3, "M": 4, "P": 6, "C": 6, "Y": 3, "X": 7, "F": 3, "K": 3, "L": 3, "T": 6, "H": 7, "S": 8},
    {"N": 4, "D": 6, "M": 3, "P": 5, "C": 8, "Y": 7, "X": 5, "F": 5, "K": 3, "L": 3, "T": 3, "H": 5, "S": 7},
    {"N": 7, "D": 4, "M": 5, "P": 3, "C": 9, "Y": 5, "X": 11, "F": 4, "K": 3, "L": 3, "T": 5, "H": 3, "S": 6},
    {"N": 6, "D": 5, "M": 7, "P": 4, "C": 10, "Y": 9, "X": 5, "F": 5, "K": 3, "L": 3, "T": 4, "H": 8, "S": 9},
)
"""Sizes of the axes, one set per probe: no two axes of one array are alike, and none has one or two entries."""

_EVEN = ((4, 8), (6, 10), (6, 4), (4, 8))  # of images that are pooled

EPS = re.compile(r"_?eps(ilon)?_?")


@dataclass(frozen=True, slots=True)
class Fill:
    """How one parameter gets its value.

    Attributes:
        kind: ``array``, ``scale`` (of random sign, no entry near 0 or 1), ``positive``, ``labels``, ``one-hot``,
            ``mask``, ``number`` (near `value`), ``divisor`` (of the axis `top`), ``value`` or ``settings``.
        dims: the axes by name, as ``("N", "D")``; ``"4H"`` is four times ``H``.
        value: what is passed on as it is; of settings the dictionary.
        top: of labels the axis that counts the classes; the axis that a divisor divides.
    """

    kind: str
    dims: Dims = ()
    value: Any = None
    top: str = ""


@dataclass(frozen=True, slots=True)
class ArgumentLayout:
    """One guess of all arguments.

    Attributes:
        entries: by parameter.
        sizes: of the axes in the example, where there is one.
        fixed: whether no other sizes are possible.
    """

    entries: Mapping[str, Fill]
    sizes: Mapping[str, int] = field(default_factory=dict)
    fixed: bool = False

    def draw(
        self, rng: np.random.Generator, sizes: Mapping[str, int], *, eps: float | None = None, spread: float = 1.0
    ) -> dict[str, Any]:
        """Return arguments by parameter: every column with a mean and a scale of its own.

        Args:
            rng: where the numbers come from.
            sizes: of the axes.
            eps: put in for a parameter or a setting of that name; as it is where None.
            spread: how far the entries of arrays lie apart.
        """
        return {name: _drawn(name, entry, rng, sizes, eps, spread) for name, entry in self.entries.items()}

    @property
    def takes_eps(self) -> bool:
        """Return whether an eps can be put in."""
        return any(
            (entry.kind == "value" and EPS.fullmatch(name))
            or (entry.kind == "settings" and any(EPS.fullmatch(str(key)) for key in entry.value))
            for name, entry in self.entries.items()
        )


def axes_in(dim: str | int) -> list[str]:
    """Return the axes in a length: none in a number, two in ``C*H``, one in ``4H``."""
    return [] if isinstance(dim, int) else [part.lstrip("0123456789") for part in dim.split("*")]


def factor_of(dim: str) -> int:
    """Return how many times the axis: 4 in ``4H``."""
    return int(re.match(r"\d*", dim)[0] or 1)  # type: ignore[index]


def _length(dim: str | int, sizes: Mapping[str, int]) -> int:
    return dim if isinstance(dim, int) else factor_of(dim) * math.prod(sizes[axis] for axis in axes_in(dim))


def _drawn(
    name: str, entry: Fill, rng: np.random.Generator, sizes: Mapping[str, int], eps: float | None, spread: float
) -> Any:
    shape = tuple(_length(dim, sizes) for dim in entry.dims)
    match entry.kind:
        case "value":
            return eps if eps is not None and EPS.fullmatch(name) else copy.deepcopy(entry.value)
        case "number":
            return float(entry.value * rng.uniform(0.6, 1.4))
        case "divisor":
            length = sizes[entry.top]
            return min((d for d in range(2, length) if length % d == 0), default=1)
        case "settings":
            settings = copy.deepcopy(entry.value)
            for key, value in settings.items():
                if eps is not None and EPS.fullmatch(str(key)):
                    settings[key] = eps
                elif isinstance(value, Fill):
                    settings[key] = _drawn(str(key), value, rng, sizes, None, 1.0)
            return settings
        case "labels" | "one-hot":
            classes = sizes[entry.top]
            chosen = rng.integers(0, classes, shape if entry.kind == "labels" else shape[:-1])
            return chosen if entry.kind == "labels" else np.eye(classes)[chosen]
        case "mask":
            mask = rng.random(shape) < 0.6
            mask.flat[:1] = True
            return mask if entry.value is None else mask.astype(entry.value)
        case "scale":
            size = np.where(rng.random(shape) < 0.5, rng.uniform(0.4, 0.8, shape), rng.uniform(1.3, 2.2, shape))
            sign = rng.choice((-1.0, 1.0), shape)
            if sign.size > 1 and abs(sign.sum()) == sign.size:
                sign.flat[0] *= -1
            return size * sign
        case "positive":
            return spread * rng.uniform(0.2, 0.9, shape)
        case "zeros" | "ones":
            return np.full(shape, float(entry.kind == "ones"))
    array = rng.standard_normal(shape)
    if len(shape) > 1 and spread:  # columns of unlike mean and width: what is summed along the wrong axis shows
        array = array * rng.uniform(0.7, 1.6, shape[-1]) + 0.6 * rng.standard_normal(shape[-1])
    return spread * array


def sizes_of(layout: ArgumentLayout) -> list[dict[str, int]]:
    """Sets of sizes for the axes of a layout: those of the example first, where no two of them are alike.

    >>> layout = ArgumentLayout({"x": Fill("array", ("N", "D"))}, {"N": 4, "D": 4})
    >>> sizes_of(layout)[0]["N"], sizes_of(layout)[0]["D"]
    (5, 3)
    """
    if layout.fixed:
        return [dict(layout.sizes)]
    settings = [str(key) for e in layout.entries.values() if e.kind == "settings" for key in e.value]
    pooled = any(name.startswith("pool") for name in (*layout.entries, *settings))
    own = [axis for e in layout.entries.values() for dim in e.dims for axis in axes_in(dim)]
    strange = sorted({dim for dim in own if dim not in SIZES[0]}, key=own.index)
    found = []
    for number, known in enumerate(SIZES):
        sizes = {**known, **(dict(zip("YX", _EVEN[number], strict=True)) if pooled else {})}
        taken = {sizes[dim] for dim in own if dim in sizes}
        for place, dim in enumerate(strange):  # axes known by their length alone: other, unlike lengths
            length = layout.sizes.get(dim, 3) + (number + place) % 3
            while length in taken:
                length += 1
            taken.add(length)
            sizes[dim] = length
        found.append(sizes)
    lengths = [layout.sizes[dim] for dim in dict.fromkeys(own) if dim in layout.sizes]
    if lengths and len(set(lengths)) == len(lengths) and min(lengths) > 2 and math.prod(lengths) < 10_000:
        found.insert(0, {**found[0], **layout.sizes})
    return found
