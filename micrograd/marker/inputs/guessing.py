"""Arguments for a forward function that comes without any, or with one example of them.

The guesses of `micrograd.marker.inputs.conventions` are tried until the function runs and returns finite numbers.
"""

from __future__ import annotations

import inspect
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from micrograd.errors import GraphError
from micrograd.marker.inputs.clues import compared, settings_read
from micrograd.marker.inputs.conventions import (
    EPS,
    ArgumentLayout,
    Dims,
    Fill,
    axes_in,
    conventional,
    factor_of,
    length_of,
    outputs_in,
    role_of,
    sizes_of,
)
from micrograd.marker.inputs.task import Probe
from micrograd.pytree import call_by_parameter

__all__ = ["fitted", "fitting", "fitting_sizes", "make", "outputs_of", "probes_of", "runs", "shapes_of", "variant"]


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


def _shape(value: Any) -> tuple[int, ...] | None:
    """Return the shape of an array, or the shape that is given instead of one; None for anything else."""
    if isinstance(value, tuple) and all(type(n) is int and n > 0 for n in value):
        return value
    return value.shape if isinstance(value, np.ndarray) else None


def _bound(entries: Mapping[str, Fill], given: Mapping[str, Any]) -> dict[str, int] | None:
    """Return the sizes of the axes under which a layout is the example; None where it cannot be."""
    sizes: dict[str, int] = {}
    bound: list[tuple[str | int, int]] = []
    for name, value in given.items():
        entry, shape = entries.get(name), _shape(value)
        if shape is None:
            continue
        integers = isinstance(value, np.ndarray) and value.dtype.kind in "iu"
        if entry is None or len(entry.dims) != len(shape) or integers != (entry.kind == "labels"):
            return None
        bound += zip(entry.dims, shape, strict=True)
    for dim, length in bound:
        if isinstance(dim, str) and "*" not in dim:
            sizes.setdefault(axes_in(dim)[0], length // factor_of(dim))
    if any(not {*axes_in(dim)} <= {*sizes} or length_of(dim, sizes) != length for dim, length in bound):
        return None
    labels = [
        (entries[n].top, v) for n, v in given.items() if isinstance(v, np.ndarray) and entries[n].kind == "labels"
    ]
    return None if any(v.size and v.max() >= sizes.get(top, math.inf) for top, v in labels) else sizes


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
    """Return a layout with what is no array as it was given, and what was not given as it is guessed."""
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
    found = outputs_in(result)
    return found[:1] if found and not np.shape(found[0]) else found


def shapes_of(forward: Function, layout: ArgumentLayout, sizes: Mapping[str, int]) -> list[tuple[int, ...]]:
    """Return the shapes of what the function returns in these sizes; none where it raises, or returns infinities."""
    try:
        outputs = outputs_of(forward, layout.tried(sizes))
    except Exception:  # noqa: BLE001 - whatever the user's code raises; the next layout is tried
        return []
    good = all(bool(np.isfinite(out).all()) and np.size(out) > 0 for out in outputs)
    return [np.shape(out) for out in outputs] if good else []


def _read(forward: Function, layout: ArgumentLayout, sizes: Mapping[str, int]) -> bool:
    """Return whether the output changes with the last entries along each axis of each array.

    What a loop does not reach, and what a saturated function hides, would be compared with nothing.
    """
    arrays = {n: e for n, e in layout.entries.items() if e.kind in ("array", "scale", "positive") and e.dims}
    if any(e.kind in ("labels", "mask") and e.dims for e in layout.entries.values()):
        return True  # which entries count is drawn
    given = layout.draw(np.random.default_rng(7), sizes)
    try:
        before = outputs_of(forward, given)
        for name in arrays:
            everything = {**given, name: _raised(given[name], (...,), 3)}
            if not _differs(forward, everything, before):  # weights of 0 hide all of it: nothing can be told
                continue
            for axis in range(given[name].ndim):
                end = (slice(None),) * axis + (slice(-1, None),)
                if not any(_differs(forward, {**given, name: _raised(given[name], end, by)}, before) for by in (3, -3)):
                    return False
    except Exception:  # noqa: BLE001 - whatever the user's code raises: that is seen where it is marked
        return True
    return True


def _raised(array: Any, part: tuple[Any, ...], by: float) -> Any:
    moved = array.copy()
    moved[part] += by * np.random.default_rng(5).uniform(0.5, 1.5, moved[part].shape)
    return moved


def _differs(forward: Function, arguments: Mapping[str, Any], before: Sequence[Any]) -> bool:
    """Return whether the outputs are others with these arguments."""
    after = outputs_of(forward, arguments)
    pairs = zip(before, after, strict=True)
    return any(np.shape(a) != np.shape(b) or not np.allclose(a, b, 1e-9, 1e-12) for a, b in pairs)


def runs(forward: Function, layout: ArgumentLayout, sizes: Mapping[str, int]) -> bool:
    """Return whether the function returns finite numbers in these sizes."""
    return bool(shapes_of(forward, layout, sizes))


def _tame(layout: ArgumentLayout) -> ArgumentLayout:
    """Return the same with arrays of positive numbers, as logarithms and roots want them."""
    return layout.changed({n: Fill("positive", e.dims) for n, e in layout.entries.items() if e.kind == "array"})


def _plain(layout: ArgumentLayout, given: Mapping[str, Any]) -> ArgumentLayout:
    """Return the same without a pad and with a stride of 1: not every layer can do more."""
    plain = {"pad": 0, "padding": 0, "stride": 1}
    return layout.changed(
        {n: replace(e, value=plain[n]) for n, e in layout.entries.items() if n in plain and n not in given}
    )


def fitted(forward: Function, example: Mapping[str, Any] | Sequence[Any] = ()) -> ArgumentLayout:
    """Return the likeliest layout with which the function runs, as `fitting` finds it."""
    return next(fitting(forward, example))


def fitting(
    forward: Function,
    example: Mapping[str, Any] | Sequence[Any] = (),
    backward: Function | None = None,
    whole: Function | None = None,
) -> Iterator[ArgumentLayout]:
    """Yield the layouts with which the function runs, the likeliest first.

    Args:
        forward: a function of arrays; it is run.
        example: arguments by parameter or in order: arrays, shapes in their place, and what else it takes; what is
            left out is guessed.
        backward: its text tells more of the arguments.
        whole: run this function in its place, with arguments looked for where their names say nothing.

    Raises:
        GraphError: no guess fits; the message says what to give.
    """
    given = _given(forward, example)
    guesses = list(conventional(forward, backward))
    like = guesses[0].entries if guesses else {}
    candidates: list[ArgumentLayout] = []
    for guess in guesses:
        sizes = _bound(guess.entries, given)
        if sizes is not None:
            candidates.append(_completed(ArgumentLayout(guess.entries, sizes), given, guess.entries))
    if any(_shape(value) is not None for value in given.values()):
        candidates.append(_completed(_by_lengths(given, like), given, like))
    spread, unread, good = list[ArgumentLayout](), list[ArgumentLayout](), False
    tame = [_tame(layout) for layout in candidates]
    for layout in [] if whole else [*candidates, *tame, *(_plain(layout, given) for layout in candidates[:4])]:
        shapes = next((shapes for sizes in sizes_of(layout) if (shapes := shapes_of(forward, layout, sizes))), [])
        if 0 < layout.axes < max(map(len, shapes), default=0):  # an unlucky guess may broadcast to more axes
            spread.append(layout)
        elif shapes and not any(_read(forward, layout, s) for s in sizes_of(layout) if runs(forward, layout, s)):
            unread.append(layout)
        elif shapes:
            good = True
            yield layout
    if good:
        return
    if spread or unread:
        yield (spread or unread)[0]
        return
    for layout in candidates[::-1]:  # the example as it is, with no other sizes
        still = replace(layout, fixed=True)
        if layout.sizes and runs(forward, still, layout.sizes):
            yield still
            return
    from micrograd.marker.inputs.fitting import searched

    for start in [candidates[i] for i in sorted({0, len(candidates) // 2}) if candidates]:
        known = {name for name in start.entries if role_of(name) not in ("", "labels")}
        sure = {*given} | {n for n, e in start.entries.items() if e.kind not in ("array", "scale", "labels", "one-hot")}
        sure |= known if whole else set()
        if (found := searched(whole or forward, start, known, sure)) is not None:
            yield found
            return
    signature = str(inspect.signature(forward))
    raise GraphError(
        f"{_called(forward)}{signature}: no arguments found with which it runs; give arrays, or shapes in their "
        f"place, as in ({', '.join('(5, 3)' if i == 0 else '(3,)' for i, _ in enumerate(like or ['x']))})."
    )


# ---- other arguments that fit as well -----------------------------------------------------------------------


_SIDE = re.compile(r"height|width|(?<![A-Za-z])[hwHW](?![a-z])|(?<=[a-z])[hw]$")
_WINDOW = re.compile(r".*(pool|kernel|window|filter|stride).*", re.IGNORECASE)


def variant(forward: Callable[..., Any], layout: ArgumentLayout, sizes: Mapping[str, int]) -> ArgumentLayout:
    """Return a layout that differs in more than its sizes, where the function takes one; the layout itself where not.

    >>> from micrograd.marker.inputs.conventions import SIZES
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
    """Return a layout whose height and width differ where they were alike; None where there are no such two."""
    plain = {name: entry.value for name, entry in layout.entries.items() if entry.kind == "value"}
    changed = {name: replace(layout.entries[name], value=value) for name, value in _apart(plain).items()}
    for name, entry in layout.entries.items():
        if entry.kind == "settings" and (apart := _apart(entry.value)):
            changed[name] = replace(entry, value={**entry.value, **apart})
    return layout.changed(changed) if changed else None


def _apart(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return what settings have to change so that no height is a width."""
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
    """Return another length, smaller where it can be: windows that did not overlap still do not."""
    return length - 1 if length > 1 else length + 1


# ---- examples of more axes -------------------------------------------------------------------------------------


def _split(layout: ArgumentLayout) -> ArgumentLayout | None:
    """Return a layout with two axes for the last one of its first array; None where that is no matrix."""
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
    return layout.changed({**entries, data: replace(entry, dims=(*entry.dims, new))})


def _is_flattened(
    forward: Callable[..., Any], layout: ArgumentLayout, split: ArgumentLayout, sizes: Mapping[str, int]
) -> bool:
    """Return whether the function returns the same for examples of two axes as for the rows that these make."""
    data = next(name for name, entry in split.entries.items() if len(entry.dims) > len(layout.entries[name].dims))
    try:
        given = split.draw(np.random.default_rng(7), sizes)
        found = outputs_of(forward, given)
        rows = outputs_of(forward, {**given, data: given[data].reshape(len(given[data]), -1)})
    except Exception:  # noqa: BLE001 - whatever the user's code raises: then it takes no other examples
        return False
    return bool(found) and all(
        np.shape(one) == np.shape(other) and np.allclose(one, other) for one, other in zip(found, rows, strict=True)
    )


# ---- probes of several sizes ------------------------------------------------------------------

_EPS = (0.2, None, 0.12)  # the second keeps its own: what is hard-coded elsewhere must agree with it too


def make(
    forward: Callable[..., Any],
    example: Mapping[str, Any] | Sequence[Any] = (),
    *,
    count: int = 3,
    seed: int = 0,
) -> list[Probe]:
    """Return probes for a forward function, each of other sizes; the first has the example's, where these differ.

    The last one is a `variant` where the function takes one: a window that is no square, examples of more axes. What
    the example leaves out is guessed, as by `fitting`.

    >>> probes = make(lambda x, gamma: gamma * x)
    >>> [probe.arguments["x"].shape for probe in probes]
    [(5, 3), (4, 6), (7, 4)]
    """
    return probes_of(forward, fitted(forward, example), example, count=count, seed=seed)


def probes_of(
    forward: Callable[..., Any],
    layout: ArgumentLayout,
    example: Mapping[str, Any] | Sequence[Any] = (),
    *,
    count: int = 3,
    seed: int = 0,
    modes: Sequence[str] = (),
    backward: Function | None = None,
) -> list[Probe]:
    """Return probes of one layout, as `make` does.

    Args:
        forward: a function of arrays; it is run.
        layout: one with which it runs.
        example: what was given of its arguments.
        count: how many sizes; other settings come after them.
        seed: of the numbers.
        modes: values of a setting ``mode`` to try as well: ``test``.
        backward: what texts it compares a parameter with is tried as well, and other numbers for what it reads.
    """
    fitting = fitting_sizes(forward, layout)[:count]
    probes = []
    for place in range(count):
        rng = np.random.default_rng([seed, place])
        sizes = fitting[place % len(fitting)]
        drawn = variant(forward, layout, sizes) if place == count - 1 > 0 else layout
        arguments = drawn.draw(rng, sizes, eps=_EPS[place % len(_EPS)])
        probes.append(Probe(arguments, seed=seed + place))
    for number, other in enumerate(_other_settings(forward, layout, _given(forward, example), modes, backward)):
        lengths = [e.value for n, e in other.entries.items() if e.kind == "value" and e != layout.entries[n]]
        fit = [{**sizes_of(layout)[0], "Y": 2 * n, "X": 3 * n} for n in lengths if type(n) is int]  # of such windows
        ran = sorted((_single(found), math.prod(found[0]), place, sizes)
                     for place, sizes in enumerate([*sizes_of(layout), *fit])
                     if (found := shapes_of(forward, other, sizes))
                     and (not fit or _read(forward, other, sizes)))  # fmt: skip
        if ran:
            arguments = other.draw(np.random.default_rng([seed, count + number]), ran[0][3], eps=0.2)
            probes.append(Probe(arguments, seed=seed + count + number))
    return probes


_VARIED = ((re.compile(r"stride|step"), (1, 3)), (re.compile(r"pad(ding)?"), (0, 2)))


_REACH = re.compile(r"margin|threshold|delta|clip\w*|max_\w+|bound")
_FIXED = re.compile(r"axis|dim|seed|verbose|\w*iter\w*|(ddof|num|n)_?\w*|start|end|groups?|heads|G|H")


def _other_settings(
    forward: Function, layout: ArgumentLayout, given: Mapping[str, Any], modes: Sequence[str], backward: Function | None
) -> Iterator[ArgumentLayout]:
    """Yield the layout with other settings, where nobody has given them: windows that overlap or leave gaps; pads."""
    free = {name: entry for name, entry in layout.entries.items() if name not in given}
    values = {name: entry for name, entry in free.items() if entry.kind == "value"}
    for name, entry in free.items():  # k=2 of a window that the backward reads too
        known = any(key.fullmatch(name) for key, _ in _VARIED) or _FIXED.fullmatch(name)
        if not known and name in values and type(entry.value) is int and entry.value > 0:
            yield layout.changed({name: replace(entry, value=entry.value + 1)})
        elif entry.kind == "number" and _REACH.fullmatch(name):  # on both sides of it
            yield layout.changed({name: replace(entry, value=6 * entry.value)})
    tried = [(key, value) for key, several in _VARIED for value in several]
    for key, value in [*tried, *((re.compile("mode"), mode) for mode in modes)]:
        changed = {name: replace(entry, value=value) for name, entry in values.items() if key.fullmatch(name)}
        for name, entry in free.items():
            read = settings_read(forward, name) if entry.kind == "settings" else ()
            if new := {k: value for k in read if key.fullmatch(k)}:
                changed[name] = replace(entry, value={**entry.value, **new})
        if changed:
            yield layout.changed(changed)
    for name, entry in values.items():  # activation: "relu", "sigmoid"
        texts = [text for f in (forward, backward) if f for text in compared(f, name) if text != entry.value]
        for text in dict.fromkeys(texts):
            yield layout.changed({name: replace(entry, value=text)})


def _single(shapes: Sequence[tuple[int, ...]]) -> int:
    """Count the axes of length 1: a loop that runs once shows no mistake in its variable."""
    return sum(length == 1 for shape in shapes for length in shape)


def fitting_sizes(forward: Callable[..., Any], layout: ArgumentLayout) -> list[dict[str, int]]:
    """Return the sizes of the axes with which the function runs, and returns as few axes of length 1 as it can."""
    found = [(sizes, shapes) for sizes in sizes_of(layout) if (shapes := shapes_of(forward, layout, sizes))]
    found = [(sizes, shapes) for sizes, shapes in found if _read(forward, layout, sizes)] or found
    single = [_single(shapes) for _, shapes in found]
    kept = [sizes for (sizes, _), ones in zip(found, single, strict=True) if ones == min(single)]
    return kept or [dict(layout.sizes)]
