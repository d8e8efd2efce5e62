"""Arguments for a forward function that comes without any, or with one example of them.

The guesses of `micrograd.marker.inputs.conventions` are tried until the function runs and returns finite numbers.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from micrograd.errors import GraphError
from micrograd.marker.inputs.conventions import conventional
from micrograd.marker.inputs.layouts import EPS, ArgumentLayout, Fill, axes_in, factor_of, sizes_of
from micrograd.source.by_parameter import call_by_parameter

__all__ = ["fitted", "outputs_of", "runs", "shapes_of"]

Function = Callable[..., Any]


# ---- from an example --------------------------------------------------------


def _given(forward: Function, example: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    """Return the example by parameter. Raises GraphError where it does not fit the signature."""
    signature = inspect.signature(forward)
    try:
        bound = signature.bind_partial(**example) if isinstance(example, Mapping) else signature.bind_partial(*example)
    except TypeError as error:
        raise GraphError(f"{_called(forward)}{signature} cannot be given these arguments: {error}.") from None
    return dict(bound.arguments)


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple) and all(type(n) is int and n > 0 for n in value)


def _shape(value: Any) -> tuple[int, ...] | None:
    """Return the shape of an array, or the shape that is given instead of one; None for anything else."""
    return value if _is_shape(value) else value.shape if isinstance(value, np.ndarray) else None


def _bound(entries: Mapping[str, Fill], given: Mapping[str, Any]) -> dict[str, int] | None:
    """Return the sizes of the axes under which a layout is the example; None where it cannot be."""
    sizes: dict[str, int] = {}
    products: list[tuple[str, int]] = []
    for name, value in given.items():
        entry, shape = entries.get(name), _shape(value)
        if shape is None:
            continue
        integers = isinstance(value, np.ndarray) and value.dtype.kind in "iu"
        if entry is None or len(entry.dims) != len(shape) or integers != (entry.kind == "labels"):
            return None
        for dim, length in zip(entry.dims, shape, strict=True):
            if isinstance(dim, int):
                if dim != length:
                    return None
                continue
            if "*" in dim:
                products.append((dim, length))
                continue
            factor = factor_of(dim)
            if length % factor or sizes.setdefault(dim.lstrip("0123456789"), length // factor) != length // factor:
                return None
        if entry.kind == "labels" and value.size and value.max() >= sizes.get(entry.top, value.max() + 1):
            return None
    for dim, length in products:
        axes = axes_in(dim)
        if not {*axes} <= {*sizes} or math.prod(sizes[axis] for axis in axes) != length:
            return None
    return sizes


def _by_lengths(given: Mapping[str, Any], like: Mapping[str, Fill]) -> ArgumentLayout:
    """Return a layout in which axes of one length are one axis."""
    entries: dict[str, Fill] = {}
    sizes: dict[str, int] = {}
    classes = ""
    for name, value in given.items():
        shape = _shape(value)
        if shape is None:
            continue
        dims = tuple(1 if n == 1 else _product(n, sizes, list(entries.values())) or f"n{n}" for n in shape)
        sizes.update({d: n for d, n in zip(dims, shape, strict=True) if isinstance(d, str) and "*" not in d})
        classes = classes or next((d for d in reversed(dims) if isinstance(d, str)), "")
        kind = getattr(getattr(value, "dtype", None), "kind", "f")
        if kind in "iu":
            entries[name] = Fill("labels", dims, top=classes)
        elif kind == "b":
            entries[name] = Fill("mask", dims)
        else:
            entries[name] = Fill(like[name].kind if name in like and like[name].kind == "scale" else "array", dims)
    return ArgumentLayout(entries, sizes)


def _product(length: int, sizes: Mapping[str, int], before: Sequence[Fill]) -> str:
    """Return the axes that a length is the product of, as where an image is taken as one row.

    Empty where there are none.
    """
    if length in sizes.values():
        return ""
    for entry in before:
        for start in range(len(entry.dims) - 1):
            axes = [d for d in entry.dims[start:] if isinstance(d, str)]
            if len(axes) > 1 and all(axis in sizes for axis in axes) and math.prod(sizes[a] for a in axes) == length:
                return "*".join(axes)
    return ""


def _completed(layout: ArgumentLayout, given: Mapping[str, Any], guess: Mapping[str, Fill]) -> ArgumentLayout:
    """With what is no array as it was given, and what was not given as it is guessed."""
    entries = {}
    for name in (*guess, *(n for n in given if n not in guess)):
        value = given.get(name)
        if name in layout.entries and _shape(value) is not None:
            entries[name] = layout.entries[name]
        elif isinstance(value, dict):
            asked = guess[name].value if name in guess and guess[name].kind == "settings" else {}
            extra = {key: v for key, v in asked.items() if EPS.fullmatch(str(key))}
            entries[name] = Fill("settings", value={**extra, **value})
        elif name in given:
            entries[name] = Fill("value", value=value)
        else:
            entries[name] = guess[name]
    return ArgumentLayout(entries, layout.sizes, layout.fixed)


# ---- what runs --------------------------------------------------------


def _called(forward: Function) -> str:
    return getattr(forward, "__name__", type(forward).__name__)


def outputs_of(forward: Function, arguments: Mapping[str, Any]) -> list[Any]:
    """Return what the function returns for a copy of these arguments: the floats and float arrays of its result.

    Of ``return out, cache`` that is `out`; of ``return loss, dx`` the loss.
    """
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = call_by_parameter(forward, arguments)
    found = [r for r in (result if isinstance(result, (tuple, list)) else [result]) if _is_float(r)]
    return found[:1] if found and not np.shape(found[0]) else found


def _is_float(value: Any) -> bool:
    return isinstance(value, (float, np.floating)) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")


def shapes_of(forward: Function, layout: ArgumentLayout, sizes: Mapping[str, int]) -> list[tuple[int, ...]]:
    """Return the shapes of what the function returns in these sizes.

    None where it raises, or returns no finite numbers.
    """
    try:
        outputs = outputs_of(forward, layout.draw(np.random.default_rng(7), sizes))
    except Exception:  # noqa: BLE001 - whatever the author's code raises; the next layout is tried
        return []
    good = all(bool(np.isfinite(out).all()) and np.size(out) > 0 for out in outputs)
    return [np.shape(out) for out in outputs] if good else []


def runs(forward: Function, layout: ArgumentLayout, sizes: Mapping[str, int]) -> bool:
    """Return whether the function returns finite numbers in these sizes."""
    return bool(shapes_of(forward, layout, sizes))


def _tame(layout: ArgumentLayout, kind: str) -> ArgumentLayout:
    """Return the same with arrays of another kind: logarithms and roots want positive numbers."""
    entries = {n: Fill(kind, e.dims) if e.kind == "array" else e for n, e in layout.entries.items()}
    return ArgumentLayout(entries, layout.sizes, layout.fixed)


def fitted(forward: Function, example: Mapping[str, Any] | Sequence[Any] = ()) -> ArgumentLayout:
    """Return a layout with which the function runs.

    Args:
        forward: a function of arrays.
        example: arguments by parameter or in order: arrays, shapes in their place, and what else it takes; what is
            left out is guessed.

    Raises:
        GraphError: no guess fits; the message says what to give.
    """
    given = _given(forward, example)
    guesses = list(conventional(forward))
    like = guesses[0].entries if guesses else {}
    candidates: list[ArgumentLayout] = []
    for guess in guesses:
        sizes = _bound(guess.entries, given)
        if sizes is not None:
            candidates.append(_completed(ArgumentLayout(guess.entries, sizes), given, guess.entries))
    if any(_shape(value) is not None for value in given.values()):
        candidates.append(_completed(_by_lengths(given, like), given, like))
    spread: ArgumentLayout | None = None
    for layout in [*candidates, *(_tame(layout, "positive") for layout in candidates)]:
        for sizes in sizes_of(layout):
            if shapes := shapes_of(forward, layout, sizes):
                axes = max((len(entry.dims) for entry in layout.entries.values()), default=0)
                if axes and max(map(len, shapes)) > axes:  # an unlucky guess may broadcast to more axes than any array
                    spread = spread or layout
                    break
                return layout
    if spread is not None:
        return spread
    for layout in candidates[::-1]:  # the example as it is, with no other sizes
        still = ArgumentLayout(layout.entries, layout.sizes, fixed=True)
        if layout.sizes and runs(forward, still, layout.sizes):
            return still
    signature = str(inspect.signature(forward))
    raise GraphError(
        f"{_called(forward)}{signature}: no arguments found with which it runs; give arrays, or shapes in their "
        f"place, as in ({', '.join('(5, 3)' if i == 0 else '(3,)' for i, _ in enumerate(like or ['x']))})."
    )
