"""Bring axes back: how an array with some axes is made to broadcast against an array with others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from micrograd.derivation.kernel import Label

__all__ = ["Axes", "Torn", "aligned", "fit"]

Axes: TypeAlias = Sequence[tuple[Label, ...]]
"""The labels of each axis of an array; none for a unit axis."""


class Torn(Exception):  # noqa: N818 - no error: another layout is tried
    """An array has a part of an axis of the layout: the sum over a group, beside axes that are not cut."""


def aligned(dims: Axes, target: Axes) -> bool:
    """Check that axes broadcast against target axes as they are."""
    lead = len(target) - len(dims)
    return lead >= 0 and all(not d or d == target[i + lead] for i, d in enumerate(dims))


def fit(text: str, dims: Axes, target: Axes, length: Callable[[Sequence[Label]], str]) -> tuple[str, int]:
    """Return the text of an array with axes `dims`, made to broadcast against `target`, and how many axes it has.

    Args:
        text: of the array; it binds as strongly as a name.
        dims: its axes.
        target: the axes that it should have, or unit axes in their place.
        length: names the length of an axis.

    Raises:
        Torn: it has a part of an axis, so that it broadcasts in a layout only that has the parts as axes.
    """
    if aligned(dims, target):
        return text, len(dims)
    have = {label for d in dims for label in d}
    if any(0 < len({*d} & have) < len(d) for d in target):
        raise Torn
    if len(dims) == 2 and aligned([*reversed(dims)], target):
        return f"{text}.T", 2
    solid = [d for d in dims if d]
    places = [list(target).index(d) if d in target else -1 for d in solid]
    if places == sorted(places) and -1 not in places:
        if len(solid) < len(dims):
            return fit(f"{text}[{', '.join(':' if d else '0' for d in dims)}]", solid, target, length)
        first = places[0] if places else len(target)
        index = [":" if target[i] in solid else "None" for i in range(first, len(target))]
        return f"{text}[{', '.join(index)}]", len(index)
    flat = [label for d in dims for label in d]
    wanted = [[label for label in d if label in flat] for d in target]
    if [label for d in wanted for label in d] == flat:
        shape = [length(d) if d else "1" for d in wanted]
        if sum(" * " in s for s in shape) == 1:  # of one axis NumPy finds the length itself
            shape = ["-1" if " * " in s else s for s in shape]
        return f"{text}.reshape({', '.join(shape)})", len(shape)
    if -1 not in places and len(solid) == len(dims):
        order = sorted(range(len(dims)), key=lambda i: places[i])
        return fit(f"{text}.transpose({', '.join(map(str, order))})", [dims[i] for i in order], target, length)
    there = [label for d in target for label in d]
    order = sorted(range(len(flat)), key=lambda i: there.index(flat[i]))
    cut = text if all(len(d) == 1 for d in dims) else f"{text}.reshape({', '.join(length((label,)) for label in flat)})"
    turned = cut if order == sorted(order) else f"{cut}.transpose({', '.join(map(str, order))})"
    return fit(turned, [(flat[i],) for i in order], target, length)
