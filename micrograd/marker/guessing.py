"""Arguments for a forward function that comes without any: what its parameters are called says what they are.

``x`` is a batch, ``gamma`` a number per feature, ``bn_param`` a dictionary whose keys stand in the function's text.
Several layouts are possible for most names, so they are tried in order of likelihood until the function runs.
"""

from __future__ import annotations

import ast
import copy
import inspect
import math
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from micrograd.errors import GraphError

__all__ = ["SIZES", "Entry", "Layout", "fitted", "outputs_of", "runs", "settings_read", "sizes_of", "upstream_for"]

Dims = tuple[str | int, ...]
Function = Callable[..., Any]

SIZES: tuple[dict[str, int], ...] = (
    {"N": 5, "D": 3, "M": 4, "P": 2, "C": 4, "Y": 5, "X": 7, "F": 3, "K": 3, "L": 3, "T": 6, "H": 7, "S": 8},
    {"N": 4, "D": 6, "M": 3, "P": 5, "C": 6, "Y": 7, "X": 5, "F": 2, "K": 3, "L": 3, "T": 3, "H": 5, "S": 7},
    {"N": 7, "D": 4, "M": 5, "P": 3, "C": 4, "Y": 5, "X": 9, "F": 4, "K": 3, "L": 3, "T": 5, "H": 3, "S": 6},
    {"N": 6, "D": 5, "M": 2, "P": 4, "C": 2, "Y": 9, "X": 5, "F": 5, "K": 3, "L": 3, "T": 4, "H": 8, "S": 9},
)
"""Sizes of the axes, one set per probe: no two axes of one array are alike, and none has one or two entries."""

_ROLES: dict[str, str] = {
    "data": r"x|X|inp|inputs?|z|Z|a|A|A_prev|a_prev|h|u|s|data|feat\w*|scores?|logits|img|images?|x_in|activations?",
    "scale": r"gamma|gammas|g|scale|gain",
    "shift": r"beta|betas|shift|offset",
    "weight": r"w|W|weights?|theta|kernels?|filters?|W_x|Wx|w1|W1",
    "weight2": r"w2|W2",
    "weight3": r"w3|W3",
    "bias": r"b|bias|b1",
    "bias2": r"b2",
    "bias3": r"b3",
    "recurrent": r"Wh|W_h|Whh|U",
    "hidden": r"prev_h|h_prev|hprev|h0|prev_c|c_prev|cprev|c0",
    "labels": r"y|Y|t|labels?|targets?|y_true|gt",
    "query": r"q|Q|query|queries",
    "key": r"k|K|key|keys|v|V|value|values",
    "mask": r"mask|masks",
}
_FAMILIES: dict[str, dict[str, Dims]] = {
    "rows": {
        "data": ("N", "D"), "scale": ("D",), "shift": ("D",), "weight": ("D", "M"), "bias": ("M",),
        "weight2": ("M", "P"), "bias2": ("P",), "weight3": ("P", "S"), "bias3": ("S",), "labels": ("N",),
        "hidden": ("N", "H"), "recurrent": ("H", "H"), "query": ("T", "D"), "key": ("S", "D"), "mask": ("N", "D"),
    },
    "images": {
        "data": ("N", "C", "Y", "X"), "scale": ("C",), "shift": ("C",), "weight": ("F", "C", "K", "L"), "bias": ("F",),
        "mask": ("N", "C", "Y", "X"),
    },
    "channels": {"data": ("N", "C", "Y", "X"), "scale": (1, "C", 1, 1), "shift": (1, "C", 1, 1)},
    "series": {
        "data": ("N", "T", "D"), "scale": ("D",), "shift": ("D",), "weight": ("D", "M"), "bias": ("M",),
        "labels": ("N", "T"), "hidden": ("N", "H"), "recurrent": ("H", "H"), "query": ("N", "T", "D"),
        "key": ("N", "S", "D"), "mask": ("N", "T"),
    },
    "columns": {  # examples side by side: W @ A + b
        "data": ("D", "N"), "scale": ("D", 1), "shift": ("D", 1), "weight": ("M", "D"), "bias": ("M", 1),
        "weight2": ("P", "M"), "bias2": ("P", 1), "labels": ("N",),
    },
    "one row": {"data": ("D",), "scale": ("D",), "shift": ("D",), "weight": ("M", "D"), "bias": ("M",), "labels": ()},
    "image": {"data": ("Y", "X"), "weight": ("K", "L"), "bias": ()},
}  # fmt: skip
_LSTM: dict[str, Dims] = {"weight": ("D", "4H"), "recurrent": ("H", "4H"), "bias": ("4H",)}
_RNN: dict[str, Dims] = {"weight": ("D", "H"), "recurrent": ("H", "H"), "bias": ("H",)}
_NUMBERS: dict[str, Any] = {
    "mode": "train", "training": True, "train": True, "is_training": True, "momentum": 0.9, "decay": 0.9, "reg": 0.1,
    "lam": 0.1, "lambd": 0.1, "lambda_": 0.1, "delta": 1.0, "alpha": 0.1, "slope": 0.1, "p": 0.6, "dropout": 0.6,
    "keep_prob": 0.6, "keep": 0.6, "rate": 0.4, "G": 2, "groups": 2, "num_groups": 2, "n_groups": 2, "heads": 2,
    "num_heads": 2, "stride": 2, "pad": 1, "padding": 1, "pool_height": 2, "pool_width": 2, "pool_size": 2, "size": 2,
    "kernel_size": 2, "seed": 12, "temperature": 1.7, "tau": 1.7, "axis": 0, "lr": 0.1,
}  # fmt: skip
_EPS = re.compile(r"_?eps(ilon)?_?")


@dataclass(frozen=True, slots=True)
class Entry:
    """How one parameter gets its value.

    Attributes:
        kind: ``array``, ``scale`` (of random sign, no entry near 0 or 1), ``positive``, ``labels``, ``one-hot``,
            ``mask``, ``value`` or ``settings``.
        dims: the axes by name, as ``("N", "D")``; ``"4H"`` is four times ``H``.
        value: what is passed on as it is; of settings the dictionary.
        top: of labels the axis that counts the classes.
    """

    kind: str
    dims: Dims = ()
    value: Any = None
    top: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """One guess of all arguments.

    Attributes:
        entries: by parameter.
        sizes: of the axes in the example, where there is one.
        fixed: whether no other sizes are possible.
    """

    entries: Mapping[str, Entry]
    sizes: Mapping[str, int] = field(default_factory=dict)
    fixed: bool = False

    def draw(
        self, rng: np.random.Generator, sizes: Mapping[str, int], *, eps: float | None = None, spread: float = 1.0
    ) -> dict[str, Any]:
        """Arguments by parameter: every column with a mean and a scale of its own.

        Args:
            rng: where the numbers come from.
            sizes: of the axes.
            eps: put in for a parameter or a setting of that name; as it is where None.
            spread: how far the entries of arrays lie apart.
        """
        return {name: _drawn(name, entry, rng, sizes, eps, spread) for name, entry in self.entries.items()}

    @property
    def takes_eps(self) -> bool:
        """Whether an eps can be put in."""
        return any(
            (entry.kind == "value" and _EPS.fullmatch(name))
            or (entry.kind == "settings" and any(_EPS.fullmatch(str(key)) for key in entry.value))
            for name, entry in self.entries.items()
        )


def _axes(dim: str | int) -> list[str]:
    """The axes in a length: none in a number, two in ``C*H``, one in ``4H``."""
    return [] if isinstance(dim, int) else [part.lstrip("0123456789") for part in dim.split("*")]


def _factor(dim: str) -> int:
    return int(re.match(r"\d*", dim)[0] or 1)  # type: ignore[index]


def _length(dim: str | int, sizes: Mapping[str, int]) -> int:
    return dim if isinstance(dim, int) else _factor(dim) * math.prod(sizes[axis] for axis in _axes(dim))


def _drawn(
    name: str, entry: Entry, rng: np.random.Generator, sizes: Mapping[str, int], eps: float | None, spread: float
) -> Any:
    shape = tuple(_length(dim, sizes) for dim in entry.dims)
    match entry.kind:
        case "value":
            return eps if eps is not None and _EPS.fullmatch(name) else copy.deepcopy(entry.value)
        case "settings":
            settings = copy.deepcopy(entry.value)
            for key, value in settings.items():
                if eps is not None and _EPS.fullmatch(str(key)):
                    settings[key] = eps
                elif isinstance(value, Entry):
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
            return size * rng.choice((-1.0, 1.0), shape)
        case "positive":
            return spread * rng.uniform(0.2, 0.9, shape)
        case "zeros" | "ones":
            return np.full(shape, float(entry.kind == "ones"))
    array = rng.standard_normal(shape)
    if len(shape) > 1 and spread:  # columns of unlike mean and width: what is summed along the wrong axis shows
        array = array * rng.uniform(0.7, 1.6, shape[-1]) + 0.6 * rng.standard_normal(shape[-1])
    return spread * array


# ---- from names --------------------------------------------------------


def _tree(forward: Function) -> ast.AST | None:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(forward)))
    except (OSError, TypeError, SyntaxError):
        return None


def settings_read(forward: Function, parameter: str) -> dict[str, bool]:
    """The keys that the text of `forward` reads of a dictionary, and whether it cannot do without.

    >>> def f(x, bn_param):
    ...     return x * bn_param["scale"] + bn_param.get("eps", 1e-5)
    >>> settings_read(f, "bn_param")
    {'eps': False, 'scale': True}
    """
    tree, found = _tree(forward), dict[str, bool]()
    for node in ast.walk(tree) if tree else ():
        match node:
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key)), ctx=ast.Load()):
                if name == parameter:
                    found[key] = True
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="get" | "setdefault" | "pop"),
                args=[ast.Constant(value=str(key)), *rest],
            ):
                if name == parameter:
                    found.setdefault(key, not rest)
    return dict(sorted(found.items()))


def _settings(forward: Function, parameter: str) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for key, needed in settings_read(forward, parameter).items():
        if _EPS.fullmatch(key):
            settings[key] = 1e-5
        elif key.startswith("running") and needed:
            settings[key] = Entry("ones" if "var" in key or "std" in key else "zeros", ("D",))
        elif needed or key in ("mode", "seed"):
            settings[key] = _NUMBERS.get(key, 1)
    return settings


def _role(name: str) -> str:
    return next((role for role, pattern in _ROLES.items() if re.fullmatch(pattern, name)), "")


def _families(forward: Function, names: Sequence[str]) -> list[str]:
    """The families in order of likelihood, by the words of the function's name."""
    called = f"{getattr(forward, '__qualname__', '')} {' '.join(names)}".lower()
    if re.search(r"group", called):
        first = ["channels", "images", "rows"]
    elif re.search(r"spatial|conv|pool|image|2d", called):
        first = ["images", "channels", "image"]
    elif re.search(r"temporal|sequence|(rnn|lstm|gru)(?!.*step)|multi_?head", called):
        first = ["series"]
    else:
        first = []
    return [*first, *(family for family in _FAMILIES if family not in first)]


def _layouts(forward: Function) -> Iterator[Layout]:
    """Guesses of the arguments, the likeliest first."""
    parameters = [p for p in inspect.signature(forward).parameters.values() if p.name != "self"]
    bound = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = [p for p in parameters if p.kind not in bound]
    names = [p.name for p in parameters]
    called = " ".join([getattr(forward, "__qualname__", ""), *names]).lower()
    for family in _families(forward, names):
        dims = dict(_FAMILIES[family])
        recurrent = any(_role(name) == "recurrent" for name in names)
        if recurrent:
            dims.update(_LSTM if re.search(r"lstm|_c\b|\bc0|cprev", called) else _RNN)
        classes = "D"
        if any(_role(name) == "weight" for name in names) and any(_role(name) == "labels" for name in names):
            classes = "M"
        for wanted in ("labels", "like data", "one-hot") if any(_role(n) == "labels" for n in names) else ("",):
            entries: dict[str, Entry] = {}
            for p in parameters:
                entry = _entry(forward, p, dims, classes, wanted)
                if entry is not None:
                    entries[p.name] = entry
            yield Layout(entries)


def _entry(
    forward: Function, parameter: inspect.Parameter, dims: Mapping[str, Dims], classes: str, wanted: str
) -> Entry | None:
    name, role = parameter.name, _role(parameter.name)
    default = parameter.default
    if _EPS.fullmatch(name):
        return Entry("value", value=1e-5 if default is parameter.empty else default)
    if settings_read(forward, name) or re.search(r"_?(params?|config|options|settings)$", name):
        return Entry("settings", value=_settings(forward, name))
    if default is not parameter.empty:
        return None
    if name in _NUMBERS:
        return Entry("value", value=_NUMBERS[name])
    if role == "labels":
        shape = dims.get("labels", ("N",))
        if wanted == "labels":
            return Entry("labels", shape, top=classes)
        return Entry("one-hot", (*shape, classes), top=classes) if wanted == "one-hot" else Entry("array", dims["data"])
    if role == "mask":
        return Entry("mask", dims.get("mask", dims["data"]), value=float)
    return Entry("scale" if role == "scale" else "array", dims.get(role, dims["data"]))


# ---- from an example --------------------------------------------------------


def _given(forward: Function, example: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    """The example by parameter. Raises GraphError where it does not fit the signature."""
    signature = inspect.signature(forward)
    try:
        bound = signature.bind_partial(**example) if isinstance(example, Mapping) else signature.bind_partial(*example)
    except TypeError as error:
        raise GraphError(f"{_called(forward)}{signature} cannot be given these arguments: {error}.") from None
    return dict(bound.arguments)


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple) and all(type(n) is int and n > 0 for n in value)


def _shape(value: Any) -> tuple[int, ...] | None:
    """The shape of an array, or the shape that is given instead of one; None for anything else."""
    return value if _is_shape(value) else value.shape if isinstance(value, np.ndarray) else None


def _bound(entries: Mapping[str, Entry], given: Mapping[str, Any]) -> dict[str, int] | None:
    """The sizes of the axes under which a layout is the example; None where it cannot be."""
    sizes: dict[str, int] = {}
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
            factor = _factor(dim)
            if length % factor or sizes.setdefault(dim.lstrip("0123456789"), length // factor) != length // factor:
                return None
        if entry.kind == "labels" and value.size and value.max() >= sizes.get(entry.top, value.max() + 1):
            return None
    return sizes


def _by_lengths(given: Mapping[str, Any], like: Mapping[str, Entry]) -> Layout:
    """A layout in which axes of one length are one axis."""
    entries: dict[str, Entry] = {}
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
            entries[name] = Entry("labels", dims, top=classes)
        elif kind == "b":
            entries[name] = Entry("mask", dims)
        else:
            entries[name] = Entry(like[name].kind if name in like and like[name].kind == "scale" else "array", dims)
    return Layout(entries, sizes)


def _product(length: int, sizes: Mapping[str, int], before: Sequence[Entry]) -> str:
    """The axes that a length is the product of, as where an image is taken as one row; empty where there are none."""
    if length in sizes.values():
        return ""
    for entry in before:
        for start in range(len(entry.dims) - 1):
            axes = [d for d in entry.dims[start:] if isinstance(d, str)]
            if len(axes) > 1 and all(axis in sizes for axis in axes) and math.prod(sizes[a] for a in axes) == length:
                return "*".join(axes)
    return ""


def _completed(layout: Layout, given: Mapping[str, Any], guess: Mapping[str, Entry]) -> Layout:
    """With what is no array as it was given, and what was not given as it is guessed."""
    entries = {}
    for name in (*guess, *(n for n in given if n not in guess)):
        value = given.get(name)
        if name in layout.entries and _shape(value) is not None:
            entries[name] = layout.entries[name]
        elif isinstance(value, dict):
            asked = guess[name].value if name in guess and guess[name].kind == "settings" else {}
            extra = {key: v for key, v in asked.items() if _EPS.fullmatch(str(key))}
            entries[name] = Entry("settings", value={**extra, **value})
        elif name in given:
            entries[name] = Entry("value", value=value)
        else:
            entries[name] = guess[name]
    return Layout(entries, layout.sizes, layout.fixed)


# ---- what runs --------------------------------------------------------


def _called(forward: Function) -> str:
    return getattr(forward, "__name__", type(forward).__name__)


def outputs_of(forward: Function, arguments: Mapping[str, Any]) -> list[Any]:
    """What the function answers for a copy of these arguments: the floats and float arrays of its result.

    Of ``return out, cache`` that is `out`; of ``return loss, dx`` the loss.
    """
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = _call(forward, copy.deepcopy(dict(arguments)))
    found = [r for r in (result if isinstance(result, (tuple, list)) else [result]) if _is_float(r)]
    return found[:1] if found and not np.shape(found[0]) else found


def _call(forward: Function, arguments: dict[str, Any]) -> Any:
    kinds = {name: p.kind for name, p in inspect.signature(forward).parameters.items()}
    positional = [arguments.pop(n) for n in list(arguments) if kinds.get(n) is inspect.Parameter.POSITIONAL_ONLY]
    return forward(*positional, **arguments)


def _is_float(value: Any) -> bool:
    return isinstance(value, (float, np.floating)) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")


def runs(forward: Function, layout: Layout, sizes: Mapping[str, int]) -> bool:
    """Whether the function answers finite numbers that depend on the sizes as they should."""
    try:
        outputs = outputs_of(forward, layout.draw(np.random.default_rng(7), sizes))
    except Exception:  # noqa: BLE001 - whatever the author's code raises; the next layout is tried
        return False
    return bool(outputs) and all(bool(np.isfinite(out).all()) and np.size(out) > 0 for out in outputs)


def upstream_for(out: Any, rng: np.random.Generator) -> Any:
    """A gradient of an output: random, of no zero mean along any axis."""
    shape = np.shape(out)
    if not shape:
        value = float(rng.uniform(1.3, 2.2))
        return value if not isinstance(out, np.ndarray) else np.asarray(value, out.dtype)
    g = rng.standard_normal(shape) + 0.5 * rng.standard_normal(shape[-1]) + 0.4
    return g.astype(out.dtype)


def _tame(layout: Layout, kind: str) -> Layout:
    """The same with arrays of another kind: logarithms and roots want positive numbers."""
    entries = {n: Entry(kind, e.dims) if e.kind == "array" else e for n, e in layout.entries.items()}
    return Layout(entries, layout.sizes, layout.fixed)


def fitted(forward: Function, example: Mapping[str, Any] | Sequence[Any] = ()) -> Layout:
    """A layout with which the function runs.

    Args:
        forward: a function of arrays.
        example: arguments by parameter or in order: arrays, shapes in their place, and what else it takes; what is
            left out is guessed.

    Raises:
        GraphError: no guess fits; the message says what to give.
    """
    given = _given(forward, example)
    guesses = list(_layouts(forward))
    like = guesses[0].entries if guesses else {}
    candidates: list[Layout] = []
    for guess in guesses:
        sizes = _bound(guess.entries, given)
        if sizes is not None:
            candidates.append(_completed(Layout(guess.entries, sizes), given, guess.entries))
    if any(_shape(value) is not None for value in given.values()):
        candidates.append(_completed(_by_lengths(given, like), given, like))
    for layout in [*candidates, *(_tame(layout, "positive") for layout in candidates)]:
        for sizes in sizes_of(layout):
            if runs(forward, layout, sizes):
                return layout
    for layout in candidates[::-1]:  # the example as it is, with no other sizes
        still = Layout(layout.entries, layout.sizes, fixed=True)
        if layout.sizes and runs(forward, still, layout.sizes):
            return still
    signature = str(inspect.signature(forward))
    raise GraphError(
        f"{_called(forward)}{signature}: no arguments found with which it runs; give arrays, or shapes in their "
        f"place, as in ({', '.join('(5, 3)' if i == 0 else '(3,)' for i, _ in enumerate(like or ['x']))})."
    )


def sizes_of(layout: Layout) -> list[dict[str, int]]:
    """Sets of sizes for the axes of a layout: those of the example first, where no two of them are alike.

    >>> layout = Layout({"x": Entry("array", ("N", "D"))}, {"N": 4, "D": 4})
    >>> sizes_of(layout)[0]["N"], sizes_of(layout)[0]["D"]
    (5, 3)
    """
    if layout.fixed:
        return [dict(layout.sizes)]
    pooled = any(
        key.startswith("pool") for e in layout.entries.values() if e.kind == "settings" for key in map(str, e.value)
    )
    own = [axis for e in layout.entries.values() for dim in e.dims for axis in _axes(dim)]
    strange = sorted({dim for dim in own if dim not in SIZES[0]}, key=own.index)
    found = []
    for number, known in enumerate(SIZES):
        sizes = {**known, "Y": 4 + 2 * number, "X": 6 - number % 2 * 2} if pooled else dict(known)
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
