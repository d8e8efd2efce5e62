"""Other arguments that a forward takes just as well: a window that is no square, examples of more axes.

A backward that holds for square windows or for rows alone is wrong wherever the forward goes further.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from micrograd.marker.inputs.guessing import outputs_of, runs
from micrograd.marker.inputs.layouts import ArgumentLayout, Dims, Fill, axes_in

__all__ = ["variant"]

_SIDE = re.compile(r"height|width|(?<![A-Za-z])[hwHW](?![a-z])|(?<=[a-z])[hw]$")
_WINDOW = re.compile(r".*(pool|kernel|window|filter|stride).*", re.IGNORECASE)


def variant(forward: Callable[..., Any], layout: ArgumentLayout, sizes: Mapping[str, int]) -> ArgumentLayout:
    """Return a layout that differs in more than its sizes, where the function takes one; the layout itself where not.

    >>> from micrograd.marker.inputs.layouts import SIZES
    >>> def flat(x, w):
    ...     return x.reshape(len(x), -1) @ w
    >>> layout = ArgumentLayout({"x": Fill("array", ("N", "D")), "w": Fill("array", ("D", "M"))})
    >>> variant(flat, layout, SIZES[0]).entries["x"].dims
    ('N', 'D', 'T')
    """
    unequal, split = _unequal(layout), _split(layout)
    if unequal is not None and runs(forward, unequal, sizes):
        return unequal
    if split is not None and _is_flattened(forward, layout, split, sizes):
        return split
    return layout


# ---- windows that are no squares -------------------------------------------------------------------------------


def _unequal(layout: ArgumentLayout) -> ArgumentLayout | None:
    """With a height and a width that differ where they were alike; None where there are no such two."""
    plain = {name: entry.value for name, entry in layout.entries.items() if entry.kind == "value"}
    changed = {name: replace(layout.entries[name], value=value) for name, value in _apart(plain).items()}
    for name, entry in layout.entries.items():
        if entry.kind == "settings" and (apart := _apart(entry.value)):
            changed[name] = replace(entry, value={**entry.value, **apart})
    return replace(layout, entries={**layout.entries, **changed}) if changed else None


def _apart(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """Of settings those that have to change so that no height is a width."""
    found: dict[Any, Any] = {}
    pairs: dict[str, list[tuple[Any, int]]] = {}
    for name, entry in values.items():
        match entry.value if isinstance(entry, Fill) and entry.kind == "value" else entry:
            case (int() as height, int() as width) if height == width and _WINDOW.fullmatch(str(name)):
                found[name] = (height, _other(width))
            case bool():
                continue
            case int() as length if _SIDE.search(str(name)):
                pairs.setdefault(_SIDE.sub("", str(name), count=1), []).append((name, length))
    for pair in pairs.values():
        (name, width), height = pair[-1], pair[0][1]
        if len(pair) == 2 and height == width:
            found[name] = _other(width)
    return found


def _other(length: int) -> int:
    """Smaller where it can be, so that windows that did not overlap still do not."""
    return length - 1 if length > 1 else length + 1


# ---- examples of more axes -------------------------------------------------------------------------------------


def _split(layout: ArgumentLayout) -> ArgumentLayout | None:
    """With two axes for the last one of the first array, where that is a matrix; None where there is no such array."""
    data, entry = next(((n, e) for n, e in layout.entries.items() if e.kind == "array"), ("", Fill("array")))
    if layout.fixed or len(entry.dims) != 2 or axes_in(entry.dims[1]) != [entry.dims[1]]:
        return None
    taken = {axis for e in layout.entries.values() for dim in e.dims for axis in axes_in(dim)}
    kept, new = entry.dims[1], next(axis for axis in "TYXKL" if axis not in taken)
    if any(e.top == kept for e in layout.entries.values()):
        return None

    def flattened(dims: Dims) -> Dims:
        return tuple(f"{kept}*{new}" if dim == kept else dim for dim in dims)

    entries = {name: replace(e, dims=flattened(e.dims)) for name, e in layout.entries.items()}
    return replace(layout, entries={**entries, data: replace(entry, dims=(*entry.dims, new))})


def _is_flattened(
    forward: Callable[..., Any], layout: ArgumentLayout, split: ArgumentLayout, sizes: Mapping[str, int]
) -> bool:
    """Return whether the function returns the same for examples of two axes as for the rows that these make."""
    data = next(name for name, entry in split.entries.items() if entry != layout.entries[name])
    try:
        given = split.draw(np.random.default_rng(7), sizes)
        found = outputs_of(forward, given)
        rows = outputs_of(forward, {**given, data: given[data].reshape(len(given[data]), -1)})
    except Exception:  # noqa: BLE001 - whatever the author's code raises: then it takes no other examples
        return False
    return bool(found) and all(
        np.shape(one) == np.shape(other) and np.allclose(one, other) for one, other in zip(found, rows, strict=True)
    )
