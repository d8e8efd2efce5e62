"""Got against expected as a formula: ``N``, ``-1``, ``1/gamma``, a path of the graph. It must hold on every probe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from micrograd.marker.truth.alignment import Quantities, Quantity
from micrograd.marker.truth.cases import scale_of

__all__ = ["Signature", "constant_ratio", "eps_ratio", "path_difference", "sizes_of", "tensor_ratio", "two_paths"]

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


def sizes_of(scope: Mapping[str, Any], arrays: Sequence[Any] = ()) -> dict[str, int]:
    """Return names of sizes: the student's whole numbers, else N, D, ... of the axes of arrays."""
    found = {
        name: int(value) for name, value in scope.items()
        if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value > 1
    }  # fmt: skip
    for array in arrays:
        for axis, size in enumerate(np.shape(array)):
            label = "ND"[axis] if np.ndim(array) == 2 else f"axis {axis}"
            if size > 1 and size not in found.values() and label not in found:
                found[label] = size
    return found


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
        for text in (f"{name}/({name}-1)", f"({name}-1)/{name}", f"{name}/({name}+1)", f"({name}+1)/{name}"):
            yield "bessel", text
    for name in names:
        for other in names:
            if other != name:
                yield "wrong_count", f"{name}/{other}"
                yield "count", f"{name}*{other}"
                yield "count", f"1/({name}*{other})"


def _evaluated(text: str, sizes: Mapping[str, int]) -> float | None:
    import re

    spelled = re.sub(r"axis (\d)", r"axis_\1", text)
    names = {name.replace(" ", "_"): size for name, size in sizes.items()}
    try:
        return float(eval(spelled, {"__builtins__": {}}, names))  # noqa: S307 - a formula of our own
    except (ArithmeticError, NameError, SyntaxError):
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
            good = True
            for ratio, named in zip(ratios, known, strict=True):
                tensor = named.get(name)
                if not isinstance(tensor, (np.ndarray, float, np.floating)) or not _is_power(ratio, tensor, power):
                    good = False
                    break
            if good:
                return name, power, form.format(name)
    return None


def _is_power(ratio: Any, tensor: Any, power: float) -> bool:
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
    if any(r is None for r in ratios) or not any(e for e in eps):
        return None
    for name in known[0]:
        for power, text in _EPS_POWERS:
            good = True
            for ratio, named, e in zip(ratios, known, eps, strict=True):
                v = named.get(name)
                if not isinstance(v, np.ndarray) or not e or not np.all(v > 0):
                    good = False
                    break
                if not _is_power(ratio, (v + e) / v, power):
                    good = False
                    break
            if good:
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
