"""What kind of mistake it is: from the numbers, got against expected on every probe, and from the edit that mends."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from micrograd.marker.diagnosis.examination import fits
from micrograd.marker.gradient_names import meanings
from micrograd.marker.mistakes import BY_TAG
from micrograd.marker.repair.node_edits import OPERATORS, Change, Edit
from micrograd.marker.truth.alignment import Quantities, Quantity
from micrograd.marker.truth.cases import scale_of

__all__ = [
    "Evidence", "Kind", "Signature", "classified", "constant_ratio", "eps_ratio", "path_difference", "sizes_of",
    "tensor_ratio", "two_paths",
]  # fmt: skip


# ---- got against expected, as a formula that holds on every probe -------------------------------------------


Signature = tuple[str, str]
"""A kind of mistake, and the ratio got/expected as a formula."""

_NUMBERS = {
    -1.0: "-1", 2.0: "2", 0.5: "1/2", -2.0: "-2", -0.5: "-1/2", 3.0: "3", 1 / 3: "1/3", 4.0: "4", 0.25: "1/4",
    1.5: "3/2", 2 / 3: "2/3", -1.5: "-3/2", -3.0: "-3", -1 / 3: "-1/3", -4.0: "-4", -0.25: "-1/4", 6.0: "6", 8.0: "8",
    1 / 6: "1/6", 0.75: "3/4", 4 / 3: "4/3", -2 / 3: "-2/3",
}  # fmt: skip


def _ratio(got: Any, wanted: Any) -> Any:
    """Got / wanted where wanted is not about 0; None where the shapes do not fit, or got is not finite."""
    a, b = np.asarray(got, float), np.asarray(wanted, float)
    try:
        a, b = np.broadcast_arrays(a, b)
    except ValueError:
        return None
    top = scale_of(b)
    keep = np.abs(b) > 1e-6 * top
    if top == 0 or not keep.any() or not np.isfinite(a).all():
        return None
    if scale_of(a[~keep]) > 1e-4 * max(scale_of(a), 1e-300):
        return None  # something stands where nothing should
    with np.errstate(all="ignore"):
        full = np.full(b.shape, np.nan)
        full[keep] = a[keep] / b[keep]
    return full


def sizes_of(scopes: Sequence[Mapping[str, Any]]) -> list[dict[str, int]]:
    """Return names of sizes, per case: the student's whole numbers, and other lengths of the arrays."""
    found: list[dict[str, int]] = []
    for scope in scopes:
        own = {**scope, **{f"self.{key}": held for key, held in getattr(scope.get("self"), "__dict__", {}).items()}}
        sizes = {n: int(v) for n, v in own.items() if isinstance(v, (int, np.integer)) and v > 1}
        arrays = ((n, v) for n, v in own.items() if isinstance(v, np.ndarray))
        found.append(
            {**sizes, **{f"{n}.shape[{axis}]": k for n, v in arrays for axis, k in enumerate(v.shape) if k > 1}}
        )
    kept: dict[tuple[int, ...], str] = {}
    for name in found[0] if found else ():
        if all(name in sizes for sizes in found):
            kept.setdefault(tuple(sizes[name] for sizes in found), name)
    return [{name: sizes[name] for name in kept.values()} for sizes in found]


def constant_ratio(got: Sequence[Any], wanted: Sequence[Any], sizes: Sequence[Mapping[str, int]]) -> Signature | None:
    """Return one number per case between got and expected: a sign, a factor, a size."""
    numbers = []
    for a, b in zip(got, wanted, strict=True):
        ratio = _ratio(a, b)
        if ratio is None:
            return None
        seen = ratio[~np.isnan(ratio)]
        if scale_of(seen - seen[0]) > 1e-6 * abs(seen[0]):
            return None
        if abs(seen[0]) < 1e-12:
            return None
        numbers.append(float(seen[0]))
    if all(abs(n - numbers[0]) <= 1e-6 * abs(numbers[0]) for n in numbers):
        for value, text in _NUMBERS.items():
            if abs(numbers[0] - value) <= 1e-6 * abs(value):
                kind = "sign" if value == -1 else "factor"
                if len(numbers) > 1 or not _is_size(numbers[0], sizes):
                    return kind, text
    for kind, text in _families(sizes):
        expected = [_evaluated(text, size) for size in sizes]
        if all(e is not None and abs(n - e) <= 1e-6 * abs(e) for n, e in zip(numbers, expected, strict=True)):
            return kind, text
    if all(abs(n - numbers[0]) <= 1e-6 * abs(numbers[0]) for n in numbers):
        return "factor", f"{numbers[0]:.6g}"
    return None


def _is_size(number: float, sizes: Sequence[Mapping[str, int]]) -> bool:
    return any(abs(number - size) < 1e-6 or abs(number * size - 1) < 1e-6 for named in sizes for size in named.values())


def _families(sizes: Sequence[Mapping[str, int]]) -> Iterator[tuple[str, str]]:
    names = [name for name in sizes[0] if all(name in named for named in sizes)] if sizes else []
    for name in names:
        for form in ("{0}", "1/{0}", "-{0}", "-1/{0}", "2*{0}", "1/(2*{0})", "{0}**2", "1/{0}**2", "{0}/2", "2/{0}"):
            yield "count", form.format(name)
        for form in ("{0}**0.5", "1/{0}**0.5"):
            yield "factor", form.format(name)
        for text in (f"{name}/({name}-1)", f"({name}-1)/{name}", f"{name}/({name}+1)", f"({name}+1)/{name}"):
            yield "bessel", text
    for name in names:
        for other in names:
            if other != name:
                yield "wrong_count", f"{name}/{other}"
                yield "count", f"{name}*{other}"
                yield "count", f"1/({name}*{other})"


def _evaluated(text: str, sizes: Mapping[str, int]) -> float | None:
    for name, size in sorted(sizes.items(), key=lambda pair: -len(pair[0])):
        text = text.replace(name, str(size)) if "." in name else re.sub(rf"\b{name}\b", str(size), text)
    try:
        return float(eval(text, {"__builtins__": {}}))  # noqa: S307 - a formula of our own
    except ArithmeticError:
        return None


_POWERS = {1.0: "{}", -1.0: "1/{}", 2.0: "{}^2", -2.0: "1/{}^2", 0.5: "{}^(1/2)", -0.5: "{}^(-1/2)", 1.5: "{}^(3/2)",
           -1.5: "{}^(-3/2)", 3.0: "{}^3", -3.0: "1/{}^3", 4.0: "{}^4", -4.0: "1/{}^4"}  # fmt: skip


def tensor_ratio(
    got: Sequence[Any], wanted: Sequence[Any], known: Sequence[Mapping[str, Any]]
) -> tuple[str, float, str] | None:
    """Return the forward value, and its power, by which got and expected differ: ``("gamma", -1, "1/gamma")``.

    Args:
        got: values, per case.
        wanted: what they should be.
        known: per case the values that may be the ratio, by name, the likeliest first.
    """
    ratios = [_ratio(a, b) for a, b in zip(got, wanted, strict=True)]
    if any(ratio is None for ratio in ratios):
        return None
    for power, form in _POWERS.items():
        for name in known[0]:
            if all(_is_power(ratio, named.get(name), power) for ratio, named in zip(ratios, known, strict=True)):
                return name, power, form.format(name)
    return None


def _is_power(ratio: Any, tensor: Any, power: float) -> bool:
    if not isinstance(tensor, (np.ndarray, float, np.floating)):
        return False
    t = np.asarray(tensor, float)
    if t.size == 1 and abs(float(t.ravel()[0])) in (0.0, 1.0):
        return False
    try:
        with np.errstate(all="ignore"):
            wanted = np.broadcast_to(t**power, ratio.shape)
    except ValueError:
        return False
    keep = ~np.isnan(ratio)
    wanted = wanted[keep]
    if not np.isfinite(wanted).all():
        return False
    return bool(np.all(np.abs(ratio[keep] - wanted) <= 1e-6 * np.abs(wanted)))


def eps_ratio(
    got: Sequence[Any], wanted: Sequence[Any], known: Sequence[Mapping[str, Any]], eps: Sequence[float | None]
) -> str | None:
    """Return the power of (v + eps)/v by which got and expected differ: eps was forgotten."""
    ratios = [_ratio(a, b) for a, b in zip(got, wanted, strict=True)]
    if any(r is None for r in ratios) or not all(eps):
        return None
    moved = [
        {name: (v + e) / v for name, v in named.items() if isinstance(v, np.ndarray) and np.all(v > 0)}
        for named, e in zip(known, eps, strict=True)
    ]
    for name in moved[0]:
        for power, text in _EPS_POWERS:
            if all(_is_power(ratio, named.get(name), power) for ratio, named in zip(ratios, moved, strict=True)):
                return f"(({name}+eps)/{name})^({text})"
    return None


_EPS_POWERS = (
    (0.5, "1/2"), (1.0, "1"), (1.5, "3/2"), (-0.5, "-1/2"), (-1.0, "-1"), (-1.5, "-3/2"), (2.0, "2"), (3.0, "3"),
    (-3.0, "-3"), (-2.0, "-2"),
)  # fmt: skip


def path_difference(
    got: Sequence[Any], wanted: Sequence[Any], quantities: Sequence[Quantities]
) -> tuple[str, Quantity, str] | None:
    """Return the path whose contribution is missing, twice there, or of the wrong sign.

    Returns:
        The kind, the path on the first case, and the difference as a formula.
    """
    for kind, factor, form in (
        ("path_missing", 1.0, "expected - {}"), ("path_twice", -1.0, "expected + {}"),
        ("path_sign", 2.0, "expected - 2*{}"), ("path_sign", -2.0, "expected + 2*{}"),
    ):  # fmt: skip
        keys: set[Any] | None = None
        first: dict[Any, Quantity] = {}
        for a, b, known in zip(got, wanted, quantities, strict=True):
            x, y = np.asarray(a, float), np.asarray(b, float)
            if x.shape != y.shape:
                return None
            gap = (y - x) / factor
            equal = known.equal_to(gap, ("edge", "grad"))
            if scale_of(gap) <= 1e-9 * max(scale_of(y), 1e-300):
                equal = []
            found = {quantity.key: quantity for quantity in equal}
            first = first or found
            keys = set(found) if keys is None else keys & set(found)
        if keys:
            order = sorted(keys, key=lambda key: (key[0] != "edge", str(key)))
            chosen = next(q for q in first.values() if q.key == order[0])
            return kind, chosen, form.format(chosen.label)
    return None


def two_paths(
    got: Sequence[Any], wanted: Sequence[Any], quantities: Sequence[Quantities]
) -> tuple[Quantity, Quantity] | None:
    """Two paths whose contributions are missing together."""
    keys: set[Any] | None = None
    first: dict[Any, tuple[Quantity, Quantity]] = {}
    for a, b, known in zip(got, wanted, quantities, strict=True):
        x, y = np.asarray(a, float), np.asarray(b, float)
        if x.shape != y.shape or x.size < 2:
            return None
        found = {(one.key, other.key): (one, other) for one, other in known.sums_to(y - x)}
        first = first or found
        keys = set(found) if keys is None else keys & set(found)
    if not keys:
        return None
    return first[min(keys, key=lambda pair: (sum(key[0] != "edge" for key in pair), str(pair)))]


# ---- the kind -----------------------------------------------------------------------------------------------


_SURE = {
    "returns", "returned", "assign", "accumulate", "call", "copy", "in_place", "unpack", "unpacked", "add_at",
    "aug_sign", "eps_outside",
}  # fmt: skip
"""Edits that say what kind of mistake it is, whatever the numbers are."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A class of mistake.

    Attributes:
        name: one of `micrograd.marker.report.KINDS`.
        ratio: got/expected as a formula.
        means: the quantity meant, where the numbers say it.
        edge: the path that is missing or wrong.
        of_part: whether `ratio` is that of the sub-expression that the edit exchanges.
    """

    name: str
    ratio: str = ""
    means: str = ""
    edge: tuple[str, str] | None = None
    of_part: bool = False


@dataclass(slots=True)
class Evidence:
    """What is known of one mistake, per case.

    Attributes:
        got, wanted: values of the whole expression.
        inner_got, inner_wanted: values of the sub-expression that the edit exchanges.
        scopes: variables before the statement.
        quantities: what the engine knows.
        edit: what mends it, if anything was found.
        nonlinear: whether the value wanted is proportional to the upstream gradient and the one there is not.
        gradient: whether the sub-expression, or what comes in, is a gradient rather than a forward value.
        within: what the edit stands in: an exponent, a comparison, a choice by index or ``np.where``, a shape's index.
    """

    got: list[Any]
    wanted: list[Any]
    scopes: list[Mapping[str, Any]]
    quantities: Sequence[Quantities]
    inner_got: list[Any] = field(default_factory=list)
    inner_wanted: list[Any] = field(default_factory=list)
    edit: Edit | Change | None = None
    nonlinear: bool = False
    gradient: bool = False
    within: frozenset[str] = frozenset()
    frozen: list[list[Any]] = field(default_factory=list)  # per case the inputs' gradients with statistics held fixed
    read: frozenset[str] = frozenset()  # the names in the expression
    reduces: bool = False  # whether a sum is taken in it,
    cuts: bool = False  # and whether a part of an array

    @property
    def tag(self) -> str:
        """Return what the edit does."""
        return self.edit.tag if self.edit is not None else ""


def _usable(values: Sequence[Any]) -> bool:
    return bool(values) and all(
        isinstance(v, (np.ndarray, float, int, np.number)) and np.asarray(v).dtype.kind in "fiub" for v in values
    )


def _known(evidence: Evidence) -> list[dict[str, Any]]:
    """Forward values per case by name: the student's variables first, then the nodes of the forward."""
    made = []
    for scope, quantities in zip(evidence.scopes, evidence.quantities, strict=False):
        forward = {name: q.value for name, q in quantities.values.items()}
        named: dict[str, Any] = {
            name: value
            for name, value in scope.items()
            if isinstance(value, float)
            or (isinstance(value, np.ndarray) and value.dtype.kind == "f" and not meanings(name))
        }
        for name, value in forward.items():
            if isinstance(value, np.ndarray):
                named.setdefault(name, value)
        made.append(named)
    return made


def _eps(scope: Mapping[str, Any]) -> float | None:
    for name, value in scope.items():
        if "eps" in name.lower() and isinstance(value, (float, np.floating)):
            return float(value)
    for value in scope.values():
        if isinstance(value, dict):
            for key, entry in value.items():
                if "eps" in str(key).lower() and isinstance(entry, (float, np.floating)):
                    return float(entry)
    return None


def classified(evidence: Evidence) -> Kind:
    """Return the class of a mistake."""
    tag, edit = evidence.tag, evidence.edit
    if tag in _SURE:
        return Kind(BY_TAG[tag])
    pairs = [(evidence.got, evidence.wanted)]
    if evidence.inner_got:
        pairs.append((evidence.inner_got, evidence.inner_wanted))
    pairs = [pair for pair in pairs if _usable(pair[0]) and _usable(pair[1])]
    shaped = _by_shape(evidence, pairs)
    if shaped:
        return shaped
    if "comparison" in evidence.within and tag in ("name", "rewritten", "constant"):  # x > 0 for h > 0, x > 1 for x > 0
        return Kind("mask" if tag != "name" or "choice" in evidence.within else "swapped_value")
    if evidence.nonlinear and tag in ("name", "factor_name", "drop_factor", "rewritten", ""):
        return Kind("upstream_ignored")
    if tag == "regroup" and isinstance(edit, Edit) and isinstance(getattr(edit.node, "op", None), ast.Pow):
        return Kind("power")  # (1 - n) ** 2 for 1 - n ** 2
    if _sums(evidence) and all(np.ndim(v) and np.asarray(v).dtype.kind in "iu" for v in evidence.inner_got or [0]):
        return Kind("index")  # arrays of whole numbers
    if tag == "index" and "shape" in evidence.within:  # x.shape[1] for x.shape[0]
        return Kind("wrong_count")
    if tag in ("axis", "axis_missing", "axis_superfluous", "transpose", "index", "compare", "mask", "order"):
        return Kind(BY_TAG[tag])
    if "exponent" in evidence.within:
        return Kind("power")
    if tag == "factor_name" and isinstance(edit, Edit) and _is_mask(edit.detail, evidence.scopes):
        return Kind("mask")
    sizes = sizes_of(evidence.scopes) or [{}]
    sizes = sizes[: len(evidence.got)] + [sizes[-1]] * (len(evidence.got) - len(sizes))
    known = _known(evidence)
    eps = [_eps(scope) for scope in evidence.scopes]
    for got, wanted in pairs:
        if len(known) < len(got):
            continue
        part = got is evidence.inner_got
        constant = constant_ratio(got, wanted, sizes)
        if constant is not None and constant[1] != "1":
            turned = tag == "operator" and isinstance(edit, Edit) and _operators(edit) == {"*", "/"}
            return Kind("operator" if turned else constant[0], constant[1], of_part=part)
        forgotten = eps_ratio(got, wanted, known, eps)
        if forgotten:
            return Kind("eps_missing", forgotten, of_part=part)
        if tag == "term_number":  # where all are numbers, a path is one too
            of_eps = edit is None or "eps" in edit.detail or "e-" in edit.detail
            return _by_path(evidence, pairs) or Kind("eps_missing" if of_eps else "path_missing")
        for named in (_mine(known, evidence.scopes), known) if tag != "rewritten" else ():
            tensor = None if tag in ("complement", "exchange") or _sums(evidence) else tensor_ratio(got, wanted, named)
            if tensor is not None:
                return replace(_by_tensor(evidence, *tensor), of_part=part)
    if tag == "term":  # a part of the loss that is not in the sum
        path = _by_path(evidence, pairs)
        if path is None or path.name == "path_sign":  # W * W is two paths of one value
            path = _by_two_paths(evidence, pairs) or path
        if path:
            return path
    if tag == "term" and edit is not None and meanings(edit.detail):  # in a first round it may be zero
        return Kind("path_missing")
    if _sums(evidence) and not evidence.gradient:
        return Kind("sign" if tag in ("operator", "exchange") else "swapped_value")
    path = _by_path(evidence, pairs)
    if path:
        return path
    if tag in ("", "term") and _constant_statistics(evidence):
        return Kind("constant_statistics")
    path = _by_two_paths(evidence, pairs) if tag == "" else None
    if path:
        return path
    if tag == "name" and edit is not None and isinstance(edit, Edit):
        return Kind(_swapped(edit))
    if tag == "operator" and isinstance(edit, Edit):
        exchanged = _operators(edit)
        return Kind("path_sign" if exchanged == {"+", "-"} else "power" if exchanged == {"*", "/"} else "operator")
    if tag == "exchange" and isinstance(edit, Edit) and isinstance(edit.node, ast.BinOp):
        return Kind("sign" if isinstance(edit.node.op, ast.Sub) else "power")
    if (
        tag == "divide_name"
        and isinstance(edit, Edit)
        and any(name in re.findall(r"[A-Za-z_]\w*", edit.detail) for name in sizes[0])
    ):
        return Kind("count")
    if tag == "rewritten" and isinstance(edit, Edit):
        if isinstance(edit.node, ast.Constant):  # a number for a setting
            return Kind("swapped_value")
        old, new = set(_PATH.findall(ast.unparse(edit.node))), set(_PATH.findall(edit.new))
        gone, come = old - new, new - old
        if len(gone) == len(come) == 1:
            return Kind("wrong_path" if all(map(meanings, (*gone, *come))) else "swapped_value")
        if " - np.sum(" in edit.new and "sum(" not in ast.unparse(edit.node):  # the second path of a softmax
            return Kind("diagonal_only" if evidence.got and _is_diagonal(evidence) else "path_missing")
        return Kind("gamma_missing" if old and old <= new else "operator")
    if tag:
        return Kind(BY_TAG.get(tag, "unknown"))
    return Kind("diagonal_only" if evidence.got and _is_diagonal(evidence) else "unknown")


_PATH = re.compile(r"[A-Za-z_][\w.]*")


def _mine(known: Sequence[dict[str, Any]], scopes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of the forward values those that the student has a name for."""
    return [{n: v for n, v in named.items() if n in scope} for named, scope in zip(known, scopes, strict=True)]


def _sums(evidence: Evidence) -> bool:
    """Return whether the edit is one of a sum: plus and minus, a term more or less."""
    edit = evidence.edit
    if not isinstance(edit, Edit):
        return False
    if evidence.tag == "operator":
        return isinstance(edit.node, ast.BinOp) and isinstance(edit.node.op, (ast.Add, ast.Sub)) and edit.detail in "+-"
    return evidence.tag in ("term", "drop_term") or (
        evidence.tag == "exchange" and isinstance(edit.node, ast.BinOp) and isinstance(edit.node.op, ast.Sub)
    )


def _is_mask(name: str, scopes: Sequence[Mapping[str, Any]]) -> bool:
    if "mask" in name.lower():
        return True
    value = scopes[0].get(name) if scopes else None
    return isinstance(value, np.ndarray) and (
        value.dtype.kind == "b" or (len(np.unique(value)) <= 2 < value.size and not np.all(value))
    )


def _by_shape(evidence: Evidence, pairs: Sequence[tuple[list[Any], list[Any]]]) -> Kind | None:
    """Mistakes that show in the shape, before any number is looked at."""
    if evidence.tag in ("axis", "axis_missing", "axis_superfluous", "unsummed", "oversummed", "keepdims"):
        return Kind(BY_TAG[evidence.tag])
    if evidence.edit is not None or not pairs:
        return None
    got, wanted = pairs[0]
    shapes = [(np.shape(a), np.shape(b)) for a, b in zip(got, wanted, strict=True)]
    if all(a == b for a, b in shapes):
        return None
    if all(np.size(a) == np.size(b) for a, b in zip(got, wanted, strict=True)):
        same = [scale_of(np.ravel(a) - np.ravel(b)) <= 1e-8 * scale_of(b) for a, b in zip(got, wanted, strict=True)]
        if all(same):
            return Kind("keepdims")
        return Kind("transposed") if all(a == b[::-1] and len(a) == 2 for a, b in shapes) else None
    if all(len(a) == 0 for a, _ in shapes):
        return Kind("no_axis")
    if all(len(a) > len(b) for a, b in shapes):
        return Kind("unsummed")
    if any(len(a) != len(b) for a, b in shapes):
        return None
    return Kind("wrong_axis" if evidence.reduces else "index" if evidence.cuts else "unknown")


def _by_tensor(evidence: Evidence, name: str, power: float, text: str) -> Kind:
    tag = evidence.tag
    if tag == "name":
        return Kind("swapped_value", text)
    if tag in ("power", "function"):
        return Kind("power", text)
    if tag == "operator" or (tag == "" and abs(power) != 1.0):
        return Kind("power", text)
    if "mask" in name.lower():
        return Kind("mask", text)
    if tag in ("factor_name", "divide_name"):
        return Kind("gamma_missing", text)
    if tag == "drop_factor":
        return Kind("gamma_twice", text)
    if tag == "" and (abs(power) != 1 or name in evidence.read):
        return Kind("power", text)
    return Kind("gamma_missing" if power < 0 else "gamma_twice", text)


def _by_path(evidence: Evidence, pairs: Sequence[tuple[list[Any], list[Any]]]) -> Kind | None:
    if evidence.tag not in ("", "term", "term_number", "drop_term", "operator", "name", "drop_factor", "exchange"):
        return None
    quantities = evidence.quantities
    for got, wanted in pairs:
        if len(quantities) < len(got):
            continue
        found = path_difference(got, wanted, quantities[: len(got)])
        if found is not None:
            kind, quantity, text = found
            if evidence.tag == "operator" and kind != "path_sign":
                continue
            if evidence.tag == "name":
                kind = "wrong_path"
            return Kind(kind, text, "", quantity.edge)
    return None


def _by_two_paths(evidence: Evidence, pairs: Sequence[tuple[list[Any], list[Any]]]) -> Kind | None:
    """Two paths are missing together."""
    if not pairs or len(evidence.quantities) < len(pairs[0][0]):
        return None
    both = two_paths(*pairs[0], evidence.quantities[: len(pairs[0][0])])
    if both is None:
        return None
    return Kind("path_missing", f"expected - {both[0].label} - {both[1].label}", "", both[0].edge)


def _constant_statistics(evidence: Evidence) -> bool:
    """Return whether the value there is the gradient that mean and variance would leave if they were constants."""
    if not len(evidence.frozen) == len(evidence.got) == len(evidence.wanted) or not _usable(evidence.got):
        return False
    for got, wanted, frozen in zip(evidence.got, evidence.wanted, evidence.frozen, strict=True):
        if not any(fits(got, value) for value in frozen) or any(fits(wanted, value) for value in frozen):
            return False
    return True


def _is_diagonal(evidence: Evidence) -> bool:
    """Return whether the value there is ``p * (1 - p) * dp``, of a p whose rows add up to 1."""
    for got, quantities in zip(evidence.got, evidence.quantities, strict=False):
        forward = {name: q.value for name, q in quantities.values.items()}
        pairs = [(forward[q.key[1]], q.value) for q in quantities.all if q.kind == "grad" and q.key[1] in forward]
        shares = ((p, g) for p, g in pairs if np.ndim(p) and any(np.allclose(p.sum(a), 1) for a in range(p.ndim)))
        if not any(fits(got, p * (1 - p) * g) for p, g in shares):
            return False
    return True


def _swapped(edit: Edit) -> str:
    old = edit.node.id if isinstance(edit.node, ast.Name) else ""
    if meanings(old) and meanings(edit.detail):
        return "wrong_path"
    return "swapped_value"


def _operators(edit: Edit) -> set[str]:
    """Return the operator that is there and the one that belongs there."""
    return {OPERATORS.get(type(edit.node.op), "") if isinstance(edit.node, ast.BinOp) else "", edit.detail}
