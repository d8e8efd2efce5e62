"""Describe arguments by kind and size, and say what the names of parameters usually hold."""

from __future__ import annotations

import copy
import inspect
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from micrograd.marker.inputs.clues import Clues, built, clues_of, compared, parameters, settings_read, source_of

__all__ = [
    "EPS", "SIZES", "ArgumentLayout", "Dims", "Fill", "axes_in", "conventional", "factor_of", "is_float", "is_weak",
    "length_of", "outputs_in", "role_of", "sizes_of", "unknown",
]  # fmt: skip


# ---- kinds of arguments, and sizes --------------------------------------------------------------------------


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
        kind: ``array``, ``scale`` (of random sign, no entry near 0 or 1), ``positive``, ``chance`` (between 0 and 1),
            ``labels`` (two of them alike where `value` is "twice"), ``one-hot``, ``mask``, ``number`` (near `value`),
            ``near`` (the same as an array of no axes), ``divisor`` (of the axis `top`), ``size``, ``shape``,
            ``value`` or ``settings``.
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

    def tried(self, sizes: Mapping[str, int]) -> dict[str, Any]:
        """Return arguments to try a function on: the last class is among the labels, so that too many of them show."""
        arguments = self.draw(np.random.default_rng(7), sizes)
        for name, entry in self.entries.items():
            if entry.kind == "labels" and entry.dims:
                arguments[name].flat[-1] = sizes[entry.top] - 1
        return arguments

    @property
    def axes(self) -> int:
        """Return the most axes of an argument; of whole numbers, which choose classes, one more than they have."""
        return max((len(entry.dims) + (entry.kind == "labels") for entry in self.entries.values()), default=0)

    def changed(self, entries: Mapping[str, Fill]) -> ArgumentLayout:
        """Return the layout with other entries for some parameters."""
        return replace(self, entries={**self.entries, **entries})

    @property
    def takes_eps(self) -> bool:
        """Return whether an eps can be put in."""
        return any(
            (entry.kind == "value" and EPS.fullmatch(name))
            or (entry.kind == "settings" and any(EPS.fullmatch(str(key)) for key in entry.value))
            for name, entry in self.entries.items()
        )


def is_float(value: Any) -> bool:
    """Return whether a result is a number, or an array of numbers, that can be differentiated."""
    return isinstance(value, (float, np.floating)) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")


def outputs_in(result: Any) -> list[Any]:
    """Return what of a result, or of the tuple that it is, can be differentiated."""
    return [entry for entry in (result if isinstance(result, (tuple, list)) else [result]) if is_float(entry)]


def axes_in(dim: str | int) -> list[str]:
    """Return the axes in a length: none in a number, two in ``C*H``, one in ``4H``."""
    return [] if isinstance(dim, int) else [part.lstrip("0123456789") for part in dim.split("*")]


def factor_of(dim: str) -> int:
    """Return how many times the axis: 4 in ``4H``."""
    return int(re.match(r"\d*", dim)[0] or 1)  # type: ignore[index]


def length_of(dim: str | int, sizes: Mapping[str, int]) -> int:
    """Return the length that is written so, in these sizes of the axes."""
    return dim if isinstance(dim, int) else factor_of(dim) * math.prod(sizes[axis] for axis in axes_in(dim))


def _drawn(
    name: str, entry: Fill, rng: np.random.Generator, sizes: Mapping[str, int], eps: float | None, spread: float
) -> Any:
    shape = tuple(length_of(dim, sizes) for dim in entry.dims)
    match entry.kind:
        case "value":
            return eps if eps is not None and EPS.fullmatch(name) else copy.deepcopy(entry.value)
        case "size":
            return int(shape[0])
        case "shape":
            return shape
        case "number" | "near":
            turn = rng.uniform(0.6, 1.4)
            number = float(1 - (1 - entry.value) * turn if 0.5 < entry.value < 1 else entry.value * turn)
            return number if entry.kind == "number" else np.asarray(number)
        case "chance":
            return np.asarray(rng.uniform(0.1, 0.9, shape))
        case "divisor":
            length = sizes[entry.top]
            return min((d for d in range(2, length) if length % d == 0), default=1)
        case "settings":
            settings = copy.deepcopy(entry.value)
            for key, value in settings.items():
                if eps is not None and EPS.fullmatch(str(key)):
                    settings[key] = eps
                elif isinstance(value, Fill):
                    settings[key] = _drawn(str(key), value, rng, sizes, None, 0.4)  # weights of a net: none saturates
            return settings
        case "labels" | "one-hot":
            classes = sizes[entry.top]
            chosen = rng.integers(0, classes, shape if entry.kind == "labels" else shape[:-1])
            if entry.value == "twice":  # what a row that is picked twice gets is added up
                chosen.flat[-1] = chosen.flat[0]
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
            return np.asarray(size * sign)  # a plain number is an input, too
        case "positive":
            return np.asarray(spread * rng.uniform(0.2, 0.9, shape))
        case "zeros" | "ones":
            return np.full(shape, float(entry.kind == "ones"))
    array = rng.standard_normal(shape)
    if len(shape) > 1 and spread:  # columns of unlike mean and width: what is summed along the wrong axis shows
        array = array * rng.uniform(0.7, 1.6, shape[-1]) + 0.6 * rng.standard_normal(shape[-1])
    return np.asarray(spread * array)


def sizes_of(layout: ArgumentLayout) -> list[dict[str, int]]:
    """Return sets of sizes for the axes of a layout: those of the example first, where no two of them are alike.

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
    if not pooled and {"Y", "X"} & {*own}:  # windows that have to fit: where no odd images do
        found += [{**sizes, **dict(zip("YX", even, strict=True))} for sizes, even in zip(found, _EVEN, strict=True)]
    if {"Y", "X"} <= {*own}:  # last of all, for a layer that takes no other images
        found += [{**sizes, "Y": side, "X": side} for sizes, side in zip(found[:3], (6, 4, 8), strict=True)]
    lengths = [layout.sizes[dim] for dim in dict.fromkeys(own) if dim in layout.sizes]
    if lengths and len(set(lengths)) == len(lengths) and min(lengths) > 2 and math.prod(lengths) < 10_000:
        found.insert(0, {**found[0], **layout.sizes})
    return found


# ---- names --------------------------------------------------------------------------------------------------


Function = Callable[..., Any]

_ROLES: dict[str, str] = {
    "data": r"x|X|inp|inputs?|z|Z|a|A|A_prev|a_prev|h|u|s|data|feat\w*|scores?|logits|img|images?|x_in|activations?",
    "scale": r"gamma|gammas|g|scale|gain",
    "shift": r"beta|betas|shift|offset",
    "weight": r"w|W|weights?|theta|kernels?|filters?|W_?[a-gi-z][xi]?|w1|W1",
    "weight2": r"w2|W2",
    "weight3": r"w3|W3",
    "bias": r"b|bias|b1|b_?[a-z]",
    "bias2": r"b2",
    "bias3": r"b3",
    "recurrent": r"W_?[a-z]?h|Whh|W_hh|U_?[a-z]?",
    "hidden": r"prev_h|h_prev|hprev|h0|prev_c|c_prev|cprev|c0",
    "labels": r"y|Y|t|labels?|targets?|y_true|gt|\w*_?ind(ex|ices)|\w*_?[iI]dxs?|(target|word|token)s?_?(ids?)?|ids",
    "statistic": r"(running|moving)_\w+",
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
    "columns": {  # examples side by side: W @ A + b
        "data": ("D", "N"), "scale": ("D", 1), "shift": ("D", 1), "weight": ("M", "D"), "bias": ("M", 1),
        "weight2": ("P", "M"), "bias2": ("P", 1), "weight3": ("S", "P"), "bias3": ("S", 1), "labels": ("N",),
    },
    "features": {"data": ("N", "D"), "weight": ("D",), "bias": ("D",), "labels": ("N",)},  # x * w
    "one number": {"data": ("N", "D"), "weight": ("D",), "bias": (), "labels": ("N",)},  # x @ w + b of one neuron
    "one row": {"data": ("D",), "scale": ("D",), "shift": ("D",), "weight": ("M", "D"), "bias": ("M",), "labels": ()},
    "neuron": {"data": ("D",), "weight": ("D",), "bias": (), "labels": ()},
    "images": {
        "data": ("N", "C", "Y", "X"), "scale": ("C",), "shift": ("C",), "weight": ("F", "C", "K", "L"), "bias": ("F",),
        "mask": ("N", "C", "Y", "X"),
    },
    "signals": {"data": ("N", "C", "X"), "weight": ("F", "C", "K"), "bias": ("F",), "scale": ("C",), "shift": ("C",)},
    "channels": {"data": ("N", "C", "Y", "X"), "scale": (1, "C", 1, 1), "shift": (1, "C", 1, 1)},
    "series": {
        "data": ("N", "T", "D"), "scale": ("D",), "shift": ("D",), "weight": ("D", "M"), "bias": ("M",),
        "labels": ("N", "T"), "hidden": ("N", "H"), "recurrent": ("H", "H"), "query": ("N", "T", "D"),
        "key": ("N", "S", "D"), "mask": ("N", "T"),
    },
    "channels last": {
        "data": ("N", "Y", "X", "C"), "scale": ("C",), "shift": ("C",), "weight": ("K", "L", "C", "F"), "bias": ("F",),
        "mask": ("N", "Y", "X", "C"),
    },
    "one image": {"data": ("C", "Y", "X"), "weight": ("F", "C", "K", "L"), "bias": ("F",)},
    "image": {"data": ("Y", "X"), "weight": ("K", "L"), "bias": ()},
    "blocks": {  # examples of several axes, taken as rows
        "data": ("N", "D", "T"), "weight": ("D*T", "M"), "bias": ("M",), "scale": ("M",), "shift": ("M",),
        "weight2": ("M", "P"), "bias2": ("P",), "labels": ("N",),
    },
}  # fmt: skip
_FAMILIES["one unit"] = dict(_FAMILIES["columns"])  # of which the last layer has one: W2 @ A1 + b2 of shape (1, N)
_LSTM: dict[str, Dims] = {"weight": ("D", "4H"), "recurrent": ("H", "4H"), "bias": ("4H",)}
_RNN: dict[str, Dims] = {"weight": ("D", "H"), "recurrent": ("H", "H"), "bias": ("H",)}
_NUMBERS: dict[str, Any] = {
    "mode": "train", "training": True, "train": True, "is_training": True, "momentum": 0.9, "decay": 0.9, "reg": 0.1,
    "lam": 0.1, "lambd": 0.1, "lambda_": 0.1, "delta": 1.0, "alpha": 0.1, "slope": 0.1, "p": 0.6, "dropout": 0.6,
    "keep_prob": 0.6, "keep": 0.6, "rate": 0.4, "heads": 2,
    "num_heads": 2, "stride": 2, "pad": 1, "padding": 1, "pool_height": 2, "pool_width": 2, "pool_size": 2, "size": 2,
    "kernel_size": 2, "kernel_height": 2, "kernel_width": 2, "filter_size": 2, "filter_dim": 2, "pool_h": 2,
    "pool_w": 2, "ratio": 0.4, "dropout_ratio": 0.4, "dropout_rate": 0.4, "drop_rate": 0.4, "drop_prob": 0.4,
    "prob": 0.4, "probability": 0.4, "seed": 12, "temperature": 1.7, "tau": 1.7, "axis": 0, "lr": 0.1,
    **dict.fromkeys(("G", "groups", "num_groups", "n_groups"), Fill("divisor", top="C")),
}  # fmt: skip


_SIZES: dict[str, str] = {
    "D": r"num_features|input_(size|dim|dims|features|units|neurons)|in_?(features|dim|size|num|units)|in_d|"
         r"(n|nb|num|dim|fan|size)_?in|(n|nb|num)_?inputs?|dim|normalized_shape|d_model|features|n_features|feat_dim|"
         r"shape",
    "M": r"output_(size|dim|dims|features|units|neurons)|out_?(features|dim|size|num|units)|out_d|"
         r"(n|nb|num|dim|fan|size)_?out|(n|nb|num)_?outputs?|(n|nb|num)_?(classes|units|neurons|nodes)|units|neurons|"
         r"vocab_size|num_embeddings",
    "H": r"hidden_(size|dim|units)|n_hidden|hidden|embedding_dim|embed_dim|rnn_units",
    "C": r"(in|input)_(channels?|depth)|channels(_in)?|(n|num|nb)_channels?|[cC]_?in|in_c(h|hannels)?",
    "F": r"(out|output)_(channels?|depth)|channels?_out|(n|num|nb)_?(filters?|kernels?)|(filter|kernel)_number|"
         r"[cC]_?out|out_c(h|hannels)?",
}  # fmt: skip
"""Whole numbers that are the length of an axis, by their names."""


def unknown(forward: Function) -> list[str]:
    """Return the parameters of which neither their name nor the text says what they are."""
    return [
        p.name for p in parameters(forward)
        if p.default is p.empty
        and not (role_of(p.name) or p.name in _NUMBERS or EPS.fullmatch(p.name) or settings_read(forward, p.name)
                 or compared(forward, p.name) or any(re.fullmatch(s, p.name) for s in _SIZES.values()))
    ]  # fmt: skip


def _settings(forward: Function, parameter: str, dims: Mapping[str, Dims]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    begun = built(forward, parameter)
    if begun[:1] in ("W", "w", "b"):  # of a net of two layers as wide as its input
        weight, bias = dims.get("weight", ("D", "M")), dims.get("bias", ("M",))
        same = [tuple("D" if dim == "M" else dim for dim in axes) for axes in (weight, bias)]
        unit: list[Dims] = [(1, *same[0][1:]), (1, 1)]
        layers: list[list[Dims]] = [[*same], [*same] if dims.get("output", ("D",))[0] != 1 else unit]
        return {
            f"{key}{i}": Fill("array", axes)
            for i, layer in enumerate(layers, 1) for key, axes in zip("Wb", layer, strict=True)
        }  # fmt: skip
    for key, needed in settings_read(forward, parameter).items():
        if EPS.fullmatch(key):
            settings[key] = 1e-5
        elif key.startswith("running") and needed:
            settings[key] = Fill("ones" if "var" in key or "std" in key else "zeros", dims.get("scale", ("D",)))
        elif needed and (role := role_of(key)) in dims and re.fullmatch(r"(weight|bias)\d?", role):
            settings[key] = Fill("array", dims[role])
        elif needed or key in ("mode", "seed"):
            settings[key] = _number(key)
    return settings


def _number(name: str) -> Fill:
    """Return a number or flag of that name."""
    value = _NUMBERS.get(name, 1)
    if isinstance(value, Fill):
        return value
    return Fill("number" if isinstance(value, float) else "value", value=value)


def role_of(name: str) -> str:
    """Return what a parameter of that name usually holds, as ``data`` or ``labels``; nothing where it does not say."""
    return next((role for role, pattern in _ROLES.items() if re.fullmatch(pattern, name)), "")


def is_weak(name: str, names: Sequence[str], text: str) -> bool:
    """Return whether a parameter's name leaves open what axes it has, beside the others.

    >>> is_weak("b", ["x", "W", "b"], ""), is_weak("b", ["a", "b"], "")
    (False, True)
    """
    role, roles = role_of(name), {role_of(other) for other in names if other != name}
    if role in ("scale", "shift"):
        return not roles & {"scale", "shift"} and not re.search(r"norm|var\(|std\(|keepdims", text)
    return role == "" or (role == "bias" and not roles & {"weight", "recurrent", "scale"}) or (
        role == "data" and next((other for other in names if role_of(other) == "data"), name) != name
    )  # fmt: skip


def _families(forward: Function, names: Sequence[str]) -> list[str]:
    """Return the families in order of likelihood, by the words of the function's name."""
    called = f"{getattr(forward, '__qualname__', '')} {' '.join(names)}".lower()
    if re.search(r"group", called):
        first = ["channels", "images", "rows"]
    elif "1d" in called and re.search(r"conv|pool", called):
        first = ["signals"]
    elif re.search(r"spatial|conv|pool|image|2d|flatten", called):
        first = ["images", "channels last", "channels", "one image", "image"]
    elif re.search(r"temporal|sequence|(rnn|lstm|gru)(?!.*step)|multi_?head", called):
        first = ["series"]
    elif "weight" in map(role_of, names) and re.search(r"reshape\([^\n]*-1|np\.prod\(", source_of(forward)):
        first = ["blocks"]
    elif "X" in names and {"w", "theta", "coef"} & {*names}:  # capitals are matrices, small letters vectors
        first = ["one number"]
    else:
        first = []
    return [*first, *(family for family in _FAMILIES if family not in first)]


def conventional(forward: Function, backward: Function | None = None) -> Iterator[ArgumentLayout]:
    """Yield guesses of the arguments, the likeliest first; the text of the backward tells more of them."""
    named = parameters(forward)
    names, clues = [p.name for p in named], clues_of(forward, backward)
    late, known = list[ArgumentLayout](), list[Mapping[str, Fill]]()
    for family in _families(forward, names):
        for layout in _of_family(forward, family, named, clues):
            written = clues.axes.put_into(layout.entries)
            for entries in [layout.entries] if written in (None, layout.entries) else [written, layout.entries]:
                if entries in known:
                    continue
                known.append(entries)
                one = replace(layout, entries=entries)
                alone = one.axes == 1 and any(e.kind in ("array", "positive") for e in entries.values())
                if entries != written or (clues.batch and alone):
                    late.append(one)  # one example, where the text sums over several
                else:
                    yield one
    yield from late


def _of_family(
    forward: Function, family: str, named: Sequence[inspect.Parameter], clues: Clues
) -> Iterator[ArgumentLayout]:
    names = [p.name for p in named]
    states = set[str]()
    if "recurrent" in map(role_of, names) and any(role_of(n) == "data" and n not in ("h", "a") for n in names):
        states = {"h", "a", "h_t", "a_prev"}  # beside Wx and Wh it is the state before
    called = " ".join([getattr(forward, "__qualname__", ""), *names]).lower()
    dims = dict(_FAMILIES[family])
    held = [key for name in names for key in settings_read(forward, name)]
    roles = {role_of(name) for name in (*names, *(key for key in held if re.match("[Wwbg]", key)))}
    if family == "rows" and re.search(r"::2\b", source_of(forward)):  # pairs of columns
        dims.update(data=("N", "2D"))
    if not roles - {"", "labels", "mask", "statistic"} <= {*dims} and family != "rows":  # it has no word for one
        return
    if "recurrent" in roles:
        dims.update(_LSTM if re.search(r"lstm|_c\b|\bc0|cprev", called) else _RNN)
    if "weight" not in roles and "shift" in dims:  # b beside x or gamma is a shift
        dims["bias"] = dims["shift"]
    elif "weight" in roles and family in (
        "rows",
        "images",
        "channels last",
    ):  # a norm behind an affine layer, or a convolution
        dims.update(scale=dims["bias"], shift=dims["bias"])
    if "key" in roles and "query" not in roles and not re.search(r"weight_?norm", called):  # u and v
        behind = {"weight", "data"} <= roles and "weight2" in dims and roles.isdisjoint({"weight2"})
        dims["key"] = dims["weight2" if behind else "data"]  # W and V, the weights of two layers
    if "bias" in roles and {"a", "b"} <= {*names} and not {"weight", "scale"} & roles:  # a and b, two alike
        dims["bias"] = dims["data"]
    if re.search(r"weight_?norm", called) and family == "rows" and "weight" not in roles:  # v and its length g
        dims.update(key=("D", "M"), scale=("M",), weight=("D", "M"))
    dims["statistic"] = dims.get("scale", ("D",))
    if family in ("columns", "one unit"):  # what stands beside an output has its shape
        top = next((role for role in ("weight3", "weight2", "weight") if role in roles), "data")
        if family == "one unit" and top != "data":
            dims.update({top: (1, *dims[top][1:]), top.replace("weight", "bias"): (1, 1)})
        alone = family == "one unit" and any(built(forward, name) for name in names)
        dims["output"] = (1 if alone else dims[top][0], "N")
    classes = "D"
    if {"weight", "labels"} <= roles or ("labels" in roles and any(re.fullmatch(_SIZES["M"], n) for n in names)):
        classes = "M"
    if any(role_of(name) == "labels" for name in clues.truths):
        kinds = ("zeros and ones", "labels", "like data")
    elif re.search(r"log\(|softmax|entropy|one.?hot", called + source_of(forward)):
        kinds = ("labels", "one-hot", "like data")
    else:
        kinds = ("labels", "like data", "one-hot")
    needed = [p.name for p in named if p.default is p.empty]
    targets = {"labels" if name == "p" else role_of(name) for name in needed} == {"labels"}
    first = needed[0] if len(needed) > 1 and targets else ""  # of y and t, of p and y the first is predicted
    for wanted in kinds if "labels" in roles else ("",):
        entries: dict[str, Fill] = {}
        for p in named:
            if p.name == first:
                entries[first] = Fill("chance" if first in clues.chances else "array", dims["data"])
                continue
            own = {**dims, "data": dims["hidden"]} if p.name in states else dims
            entry = _entry(forward, p, own, classes, wanted, clues)
            if entry is not None:
                entries[p.name] = entry
        last = max((place for place, p in enumerate(named) if p.name in entries), default=0)
        entries = {  # arguments go by position: what stands before one that is given is given too
            p.name: entries.get(p.name, Fill("value", value=p.default))
            for p in named[: last + 1] if p.name in entries or p.default is not p.empty
        }  # fmt: skip
        yield from _with_rows(called, family, entries, clues)
        yield ArgumentLayout(entries)


def _with_rows(called: str, family: str, entries: Mapping[str, Fill], clues: Clues) -> Iterator[ArgumentLayout]:
    """Yield the layout with whole numbers, of which each picks a row of a table: of an argument, or of the object."""
    embeds = re.search(r"embed|lookup", called) is not None
    picked = {name: table for name, table in clues.rows.items() if name in entries and role_of(table) != "labels"}
    if family != "rows" or not (embeds or picked):
        return
    if not picked:
        picked = {n: "" for n in entries if role_of(n) in ("data", "labels")}
    one_axis = re.search(r"idx|ind(ex|ices)|ids", called)  # of words one each, of x a row of them
    counted = next((e.dims[0] for n, e in entries.items() if e.kind == "size" and "vocab" in n), "D")
    for shape in (("N",), ("N", "T")) if one_axis or not embeds else (("N", "T"), ("N",)):
        changed: dict[str, Fill] = {}
        for name, table in picked.items():
            if table in entries and entries[table].kind in ("array", "scale"):
                own = entries[table].dims if role_of(table) == "weight" else ("S", "D")
                changed[table] = Fill("array", own)
                changed[name] = Fill("labels", shape, "twice", top=str(own[0]))
            elif table not in entries:
                changed[name] = Fill("labels", shape, "twice", top=str(counted))
        yield ArgumentLayout({**entries, **changed})


_WEIGHT_OF_PENALTY = re.compile(r"(l2_?)?reg\w*|\w*_strength|lambda?\w*|weight_decay|margin")


def _entry(
    forward: Function, parameter: inspect.Parameter, dims: Mapping[str, Dims], classes: str, wanted: str, clues: Clues
) -> Fill | None:
    name, role = parameter.name, role_of(parameter.name)
    default = getattr(forward, "defaults", {}).get(name, parameter.default)
    made_by = source_of(getattr(forward, "constructor", None) or forward)
    if EPS.fullmatch(name):
        return Fill("value", value=1e-5 if default is parameter.empty else default)
    if settings_read(forward, name) or re.search(r"_?(params?|config|options|settings)$", name) or built(forward, name):
        return Fill("settings", value=_settings(forward, name, dims))
    if texts := compared(forward, name) or compared(getattr(forward, "constructor", None), name):
        return Fill("value", value=texts[0])
    if default is not parameter.empty and not (default is None and role == "labels"):
        if isinstance(default, float) and _WEIGHT_OF_PENALTY.fullmatch(name):  # 0 would hide all that it weighs
            return Fill("number", value=default or 0.1)
        if name in clues.graded and isinstance(default, (int, float)):
            return Fill("near", value=default) if default else Fill("array")
        if isinstance(default, float) and role in ("scale", "shift", "bias") and not clues.read:
            return Fill("array")
        made = parameter.default is parameter.empty  # the constructor's, which are drawn
        if isinstance(default, float) and default and (made or name in clues.read):
            return Fill("number", value=default)
        counted = type(default) is int and (name in clues.read or re.fullmatch("stride|pad(ding)?", name))
        if counted or made:
            return Fill("value", value=default)
        return None
    if name in _NUMBERS and not {name} & (clues.graded | clues.arrays | clues.chances):
        return _number(name)
    if _WEIGHT_OF_PENALTY.fullmatch(name) and name not in clues.graded:
        return Fill("number", value=0.1)
    if axis := next((axis for axis, pattern in _SIZES.items() if re.fullmatch(pattern, name)), ""):
        images = len(dims["data"]) == 4 and axis == "D"
        if axis == "D" and re.search(rf"\b{name}\[|= *{name}$", made_by, re.MULTILINE) and len(dims["data"]) > 2:
            return Fill("shape", dims["data"][1:])  # input_dim[0]; h, w, c = input_shape
        return Fill("size", ("C" if images else axis,))
    if parameter.annotation in (int, "int") and name not in clues.graded | clues.arrays and role != "labels":
        return Fill("value", value=2)
    if role == "labels" and wanted == "zeros and ones":
        return Fill("mask", dims["data"], value=float)
    if role == "labels":
        shape = dims.get("labels", ("N",))
        if wanted == "labels":
            return Fill("labels", shape, top=classes)
        like = shape if dims.get("bias") == () else dims.get("output", dims["data"])
        return Fill("one-hot", (*shape, classes), top=classes) if wanted == "one-hot" else Fill("array", like)
    if role == "mask":
        return Fill("mask", dims.get("mask", dims["data"]), value=float)
    if name in clues.chances and role in ("", "data"):
        return Fill("chance", dims["data"])
    if role == "statistic":
        return Fill("positive" if re.search("var|std|sq", name) else "array", dims[role])
    return Fill("scale" if role == "scale" else "array", dims.get(role, dims["data"]))
