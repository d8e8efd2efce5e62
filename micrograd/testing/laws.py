"""State the laws that every row of the table obeys, each as a function ``law(row, case)``.

`check_primitive` runs them all; call it on every row that you add. A law does not depend on how a row is written: it
compares the row with NumPy, with measured slopes, and with itself.
"""

from __future__ import annotations

import copy
import math
import pickle
import re
import string
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from micrograd import transforms
from micrograd.engine import Tensor, no_grad, sweep
from micrograd.errors import GraphError, MicrogradError
from micrograd.primitives import KINDS, TABLE, Primitive
from micrograd.testing.domains import DOMAINS, Case, cases_of, empty_cases_of
from micrograd.testing.grad_check import NOT_ANALYTIC, check_grad
from micrograd.testing.numeric import central_slope
from micrograd.transforms import gradients

__all__ = ["LAWS", "LawError", "check_primitive", "reference"]

Array = np.ndarray[Any, Any]
Law = Callable[[Primitive, Case], None]

_U = 2.0**-53
LAWS: list[Law] = []
"""Every law, in the order in which they are run."""


class LawError(MicrogradError, AssertionError):
    """Report a primitive that breaks a law."""


def law(function: Law) -> Law:
    """Add `function` to the laws."""
    LAWS.append(function)
    return function


def check_primitive(row: Primitive, cases: Iterable[Case] | None = None, *, seed: int = 0) -> int:
    """Check a row against every law, on every case.

    Args:
        row: a row of the table.
        cases: the calls to make; left out, those of `cases_of`. Needed for a new row of kind ``move`` or ``call``
            and for new keywords.
        seed: of the numbers drawn.

    Returns:
        How many times a law was applied.

    Raises:
        LawError: a law is broken; the message names row, law and case.
        GraphError: there is no case to check.

    >>> from micrograd.primitives import tanh
    >>> check_primitive(tanh) == len(LAWS) * len(cases_of(tanh))
    True
    """
    chosen = list(cases_of(row, seed) if cases is None else cases)
    if not chosen:
        raise GraphError(f"nothing to check {row.name} with: pass cases=[Case(operands, attrs), ...].")
    for case in chosen:
        for one in LAWS:
            hold(one, row, case)
    return len(LAWS) * len(chosen)


def hold(one: Law, row: Primitive, case: Case) -> None:
    """Apply one law; report what it raises with row, law and case."""
    try:
        with np.errstate(all="ignore"):
            one(row, case)
    except Exception as error:
        if isinstance(error, LawError) and error.__cause__ is not None:
            raise
        what = f"{type(error).__name__}: {error}" if not isinstance(error, LawError) else str(error)
        raise LawError(f"{row.name} breaks the law '{one.__name__.replace('_', ' ')}' on ({case})\n  {what}") from error


# ---- what the laws share ---------------------------------------------------------------------------------


def _require(holds: Any, message: str) -> None:
    if not holds:
        raise LawError(message)


def _same(got: Any, wanted: Any, what: str) -> None:
    """Require bitwise equality, shape and dtype included."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    _require(got.shape == wanted.shape, f"{what}: shape {got.shape}, expected {wanted.shape}")
    _require(got.dtype == wanted.dtype, f"{what}: dtype {got.dtype}, expected {wanted.dtype}")
    nan = got.dtype.kind == "f"
    _require(np.array_equal(got, wanted, equal_nan=nan), f"{what}: {got.tolist()}, expected {wanted.tolist()}")


def _close(got: Any, wanted: Any, what: str, terms: Any = None, units: float = 64) -> None:
    """Require equality up to a few roundings of the terms that are summed."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    _require(got.shape == wanted.shape, f"{what}: shape {got.shape}, expected {wanted.shape}")
    size = np.abs(wanted) if terms is None else terms
    u = _U if got.dtype != np.float32 else 2.0**-24
    ok = (np.abs(got - wanted) <= units * u * np.where(np.isfinite(size), size, 0)) | (got == wanted)
    ok |= np.isnan(got) & np.isnan(wanted)
    _require(np.all(ok), f"{what}: {got.tolist()}, expected {wanted.tolist()} within {units:g} u")


def _rules(row: Primitive, count: int) -> list[bool]:
    """Say for each operand whether a gradient flows to it."""
    return [row.vjp[0] is not None] * count if row.variadic else [rule is not None for rule in row.vjp]


def _slots(row: Primitive, case: Case) -> list[int]:
    return [slot for slot, flows in enumerate(_rules(row, len(case.operands))) if flows]


def _tensors(operands: Sequence[Any]) -> list[Any]:
    """Return the operands as leaves; masks, which have no gradient, as they are."""
    return [Tensor(x) if np.asarray(x).dtype.kind == "f" else x for x in operands]


def _moving(row: Primitive, case: Case) -> tuple[Callable[..., Any], list[Array]]:
    """Return the row as a function of the operands that gradients flow to, and those operands."""
    slots = _slots(row, case)

    def f(*moving: Any) -> Any:
        operands: list[Any] = list(case.operands)
        for slot, x in zip(slots, moving, strict=True):
            operands[slot] = x
        return row(*operands, **case.attrs)

    return f, [case.operands[slot] for slot in slots]


def _cotangent(out: Any, case: Case, salt: int = 0) -> Any:
    """Draw a cotangent in the shape and dtype of the tensor `out`."""
    g = np.random.default_rng([case.seed, 77, salt]).standard_normal(out.shape).astype(out.dtype)
    return g.item() if type(out.raw) is float else g


def _pull(row: Primitive, case: Case, g: Any = None, salt: int = 0) -> tuple[list[Array], Any]:
    """Return the gradients by the moving operands for one cotangent, and the cotangent."""
    f, moving = _moving(row, case)
    leaves = [Tensor(x) for x in moving]
    out = f(*leaves)
    g = _cotangent(out, case, salt) if g is None else g
    return gradients(out, leaves, g, allow_unused=True), g


def _agrees(f: Callable[..., Any], arrays: Sequence[Array], case: Case) -> None:
    """Run `check_grad`; a gradient that is 0 by measurement and by rule passes too."""
    try:
        check_grad(f, *arrays, seed=case.seed)
    except GraphError as error:
        if "all 0" not in str(error):
            raise


def reference(row: Primitive, case: Case) -> Any:
    """Compute a case with NumPy, by another function than the row's where there is one.

    Raises:
        ValueError: NumPy refuses the case.
    """
    operands, attrs = case.operands, case.attrs
    x = operands[0]
    if row.kind == "call":
        return _OTHERWISE.get(row.name, row.forward)(*operands, **attrs)
    if row.kind == "reduce":
        named: dict[str, Callable[..., Any]] = {"add": np.sum, "maximum": np.max}
        return (named.get(row.array) or getattr(np, row.array).reduce)(
            x, axis=attrs.get("axis"), keepdims=attrs.get("keepdims", False)
        )
    if row.kind == "scan":
        return _by_loop(row, case)
    if row.name == "matmul":
        return np.einsum("...ij,...jk->...ik", *operands)
    if row.name == "pow":
        return np.power(x, float(attrs["exponent"]))
    if row.name == "reshape":
        return np.array(x.ravel().tolist()).reshape(attrs["shape"])
    if row.name == "transpose":
        return np.moveaxis(x, attrs["axes"], range(x.ndim))
    if row.name == "broadcast":
        return x + np.zeros(attrs["shape"])
    if row.name == "gather":
        return np.take(x, np.arange(x.size).reshape(x.shape)[attrs["index"]])
    if row.name == "scatter":
        size = math.prod(attrs["shape"])
        places = np.arange(size).reshape(attrs["shape"])[attrs["index"]]
        return np.bincount(np.ravel(places), np.ravel(x), size).reshape(attrs["shape"])
    if row.name == "concatenate":
        parts = [np.moveaxis(o, attrs.get("axis", 0), 0) for o in operands]
        return np.moveaxis(np.array([line for part in parts for line in part]), 0, attrs.get("axis", 0))
    if row.name == "cast":
        return np.array(x, attrs["dtype"])
    if row.name == "maximum":
        return np.where((x > operands[1]) | np.isnan(x), x, operands[1])
    function = getattr(np, row.array, row.forward)
    return function(*operands, **{key: value for key, value in attrs.items() if key != "tie"})


def _by_loop(row: Primitive, case: Case) -> Any:
    """Compute a scan entry by entry."""
    axis, reverse = case.attrs["axis"], case.attrs.get("reverse", False)
    lines = [np.moveaxis(x, axis, 0)[:: -1 if reverse else 1] for x in case.operands]
    made = list(lines[-1][:1])
    for entries in list(zip(*lines, strict=True))[1:]:
        step = getattr(np, row.array)(made[-1], *entries) if len(entries) == 1 else entries[1] + entries[0] * made[-1]
        made.append(step)
    return np.moveaxis(np.array(made, lines[-1].dtype).reshape(lines[-1].shape)[:: -1 if reverse else 1], 0, axis)


_OTHERWISE: dict[str, Callable[..., Any]] = {
    "inv": lambda x: np.linalg.solve(x, np.eye(x.shape[-1], dtype=x.dtype)),
    "solve": lambda a, b: np.linalg.inv(a) @ b,
    "logabsdet": lambda x: np.log(np.abs(np.linalg.det(x))),
    "signdet": lambda x: np.sign(np.linalg.det(x)),
    "svdvals": lambda x: np.sqrt(np.maximum(np.linalg.eigvalsh(
        x @ x.mT if x.shape[-1] > x.shape[-2] else x.mT @ x), 0))[..., ::-1],
    "sort_by": lambda x, keys, axis=-1: np.take_along_axis(x, np.lexsort((keys,), axis), axis),
}  # fmt: skip
"""Rows of functions of our own: another way to their values. A row that is not here is compared with itself."""


# ---- the value ------------------------------------------------------------------------------------------


@law
def forward_equals_numpy(row: Primitive, case: Case) -> None:
    """Require that the row computes what NumPy's function of that name computes."""
    got, wanted = row.forward(*case.operands, **case.attrs), reference(row, case)
    terms = None if row.kind == "map" else np.abs(np.asarray(wanted, float)).max(initial=1.0) * 8
    _close(np.asarray(got, float), np.asarray(wanted, float), "value", terms, units=4)
    _require(np.asarray(got).dtype == np.asarray(wanted).dtype, f"dtype {np.asarray(got).dtype}")


@law
def the_scalar_template_equals_the_array_function(row: Primitive, case: Case) -> None:
    """Require that the template returns on Python numbers what the array function does, entry by entry."""
    if row.kind != "map" or not row.scalar:
        return
    wanted = np.asarray(row.forward(*case.operands, **case.attrs))
    columns = [np.broadcast_to(x, wanted.shape).ravel().tolist() for x in case.operands]
    for numbers, value in zip(zip(*columns, strict=True), wanted.ravel().tolist(), strict=True):
        got = row.forward(*numbers, **case.attrs)
        _require(type(got) in (float, bool), f"the template returns a {type(got).__name__}")
        _close(float(got), float(value), f"template at {numbers}", units=8)


@law
def float32_stays_float32(row: Primitive, case: Case) -> None:
    """Require that value and gradient keep float32; comparisons return bool, places are whole, casts name theirs."""
    small = Case(
        tuple(x.astype(np.float32) if x.dtype.kind == "f" else x for x in case.operands), case.attrs, case.seed
    )
    out = np.asarray(row.forward(*small.operands, **case.attrs))
    if not row.flows:
        _require(out.dtype in (np.dtype(bool), np.dtype(np.float32), np.dtype(np.intp)), f"float32 became {out.dtype}")
        return
    _require(out.dtype == np.dtype(case.attrs.get("dtype", "float32")), f"float32 became {out.dtype}")
    for gradient in _pull(row, small)[0]:
        _require(np.asarray(gradient).dtype == np.float32, f"the gradient of float32 is {np.asarray(gradient).dtype}")


def _layouts(x: Array) -> dict[str, Array]:
    """Return the same numbers in other layouts; the last one has equal numbers along the first axis."""
    wide = np.zeros(tuple(2 * s for s in x.shape), x.dtype)
    wide[tuple(slice(None, None, 2) for _ in x.shape)] = x
    laid_out = {"Fortran": np.asfortranarray(x), "strided": wide[tuple(slice(None, None, 2) for _ in x.shape)],
                "big-endian": x.astype(x.dtype.newbyteorder(">"))}  # fmt: skip
    if x.ndim:
        laid_out["negative"] = np.flip(np.flip(x).copy())
        laid_out["broadcast"] = np.broadcast_to(x[:1], x.shape)
    return laid_out


@law
def layouts_agree(row: Primitive, case: Case) -> None:
    """Require the same value and gradient for Fortran, strided, negative, broadcast and big-endian operands."""
    for slot, x in enumerate(case.operands):
        for name, laid in _layouts(x).items():
            if name == "broadcast" and row.domain[min(slot, len(row.domain) - 1)] in ("invertible", "definite"):
                continue  # equal rows make a matrix singular
            plain = np.array(laid, laid.dtype.newbyteorder("="), order="C")
            results = []
            for one in (plain, laid):
                operands = [one if i == slot else o for i, o in enumerate(case.operands)]
                leaves = _tensors(operands)
                out = row(*(leaves if any(isinstance(o, Tensor) for o in leaves) else operands), **case.attrs)
                flowing = [leaves[i] for i in _slots(row, case)]
                results.append([out.data, *(gradients(out, flowing, _cotangent(out, case)) if flowing else [])])
            for got, wanted in zip(results[1], results[0], strict=True):
                if np.asarray(wanted).dtype == bool:
                    _same(got, wanted, f"operand {slot} {name}")
                else:
                    terms = None if row.kind == "map" else np.abs(wanted).max(initial=1.0) * 8
                    _close(got, wanted, f"operand {slot} {name}", terms)


@law
def operands_are_left_alone(row: Primitive, case: Case) -> None:
    """Require that neither forward nor a rule writes to an operand, the output or the cotangent."""
    operands = [x.copy() for x in case.operands]
    out = np.asarray(row.forward(*operands, **case.attrs))
    for before, after in zip(case.operands, operands, strict=True):
        _same(after, before, "an operand after forward")
    if not row.flows:
        return
    out = out.copy()
    g = np.random.default_rng(case.seed).standard_normal(out.shape).astype(out.dtype)
    held = (g.copy(), out.copy())
    for slot in _slots(row, case):
        rule = row.vjp[0] if row.variadic else row.vjp[slot]
        rule(g, out, *operands, **case.attrs, **({"slot": slot} if row.variadic else {}))  # type: ignore[misc]
        for before, after in zip((*case.operands, *held), (*operands, g, out), strict=True):
            _same(after, before, f"an argument of the rule for operand {slot}")


@law
def the_result_cannot_be_changed(row: Primitive, case: Case) -> None:
    """Require that the value of a node is read-only and shares no memory with the user's arrays."""
    operands = [x.copy() for x in case.operands]
    out = row(*_tensors(operands), **case.attrs).data
    if isinstance(out, float):
        return
    _require(not out.flags.writeable, "the value of a node can be written to")
    for x in operands:
        _require(not np.shares_memory(out, x), "the value of a node shares memory with the user's array")


# ---- the gradient ----------------------------------------------------------------------------------------


@law
def the_pullback_is_adjoint_to_the_slope(row: Primitive, case: Case) -> None:
    """Require ``<g, J v> == <J^T g, v>``, with J v measured."""
    if not row.flows or not case.measurable:
        return
    f, moving = _moving(row, case)
    pulled, g = _pull(row, case)
    rng = np.random.default_rng([case.seed, 5])
    v = [rng.standard_normal(x.shape) for x in moving]
    slope = central_slope(lambda t: np.asarray(f(*(x + t * d for x, d in zip(moving, v, strict=True)))), np.asarray(g))
    terms = [np.asarray(p) * d for p, d in zip(pulled, v, strict=True)]
    got = sum(float(t.sum()) for t in terms)
    size = max(slope.scale, sum(float(np.abs(t).sum()) for t in terms))
    _require(abs(got - slope.value) <= 4096 * _U * size + 10 * slope.error,
             f"<J^T g, v> = {got:.17g}, measured <g, J v> = {slope.value:.17g} (+- {slope.error:.1g})")  # fmt: skip


@law
def every_entry_of_the_gradient_is_right(row: Primitive, case: Case) -> None:
    """Require that `check_grad` passes, entry by entry."""
    if row.flows and case.measurable:
        _agrees(*_moving(row, case), case)


@law
def the_pullback_is_linear(row: Primitive, case: Case) -> None:
    """Require ``J^T (2 g - h) == 2 J^T g - J^T h``."""
    if not row.flows:
        return
    (of_g, g), (of_h, h) = _pull(row, case), _pull(row, case, salt=1)
    for both, one, other in zip(_pull(row, case, 2 * g - h)[0], of_g, of_h, strict=True):
        size = np.max(2 * np.abs(one) + np.abs(other), initial=0.0)
        u = 1 if case.measurable else 2.0**29
        _close(both, 2 * np.asarray(one) - other, "J^T(2g - h)", size, units=256 * u)


@law
def no_cotangent_no_gradient(row: Primitive, case: Case) -> None:
    """Require that a cotangent of zeros pulls back to zeros."""
    if not row.flows:
        return
    _, g = _pull(row, case)
    for gradient in _pull(row, case, 0 * g)[0]:
        _require(not np.any(gradient), f"a cotangent of zeros gives {np.asarray(gradient).tolist()}")


def _pulled_sum(row: Primitive, case: Case) -> tuple[Callable[..., Any], list[Array]]:
    """Return the gradient, contracted with fixed numbers, as a function of the operands, to be differentiated again."""
    f, moving = _moving(row, case)
    rng = np.random.default_rng([case.seed, 9])
    weights = [rng.standard_normal(x.shape) for x in moving]

    def h(*at: Any) -> Any:
        leaves = [x if isinstance(x, Tensor) else Tensor(np.asarray(x)) for x in at]
        out = f(*leaves)
        pulled = gradients(out, leaves, _cotangent(out, case), track=True, allow_unused=True)
        total: Any = 0.0
        for weight, gradient in zip(weights, pulled, strict=True):
            total = total + (gradient * weight).sum()
        return total if any(isinstance(x, Tensor) for x in at) else total.data

    return h, moving


@law
def the_second_order_is_right(row: Primitive, case: Case) -> None:
    """Require that the gradient of the gradient equals central differences of the gradient."""
    if row.flows and case.measurable:
        h, moving = _pulled_sum(row, case)
        try:
            check_grad(h, *moving, seed=case.seed, method="central")
        except GraphError as error:
            if "all 0" not in str(error):
                raise


@law
def the_second_order_is_symmetric(row: Primitive, case: Case) -> None:
    """Require ``<u, H v> == <v, H u>``."""
    if not row.flows or not case.measurable:
        return
    f, moving = _moving(row, case)
    rng = np.random.default_rng([case.seed, 13])
    u, v = ([rng.standard_normal(x.shape) for x in moving] for _ in range(2))
    products, size = [], 0.0
    for left, right in ((u, v), (v, u)):
        leaves = [Tensor(x) for x in moving]
        out = f(*leaves)
        total: Any = 0.0
        for w, gradient in zip(right, gradients(out, leaves, _cotangent(out, case), track=True), strict=True):
            total = total + (gradient * w).sum()
        second = gradients(total, leaves, allow_unused=True)
        terms = [w * np.asarray(s) for w, s in zip(left, second, strict=True)]
        products.append(sum(float(t.sum()) for t in terms))
        size = max(size, sum(float(np.abs(t).sum()) for t in terms))
    _require(abs(products[0] - products[1]) <= 4096 * _U * size, f"<u, Hv> = {products[0]}, <v, Hu> = {products[1]}")


@law
def the_pullback_of_the_pullback_is_the_slope(row: Primitive, case: Case) -> None:
    """Require that `micrograd.jvp`, two sweeps, equals the measured slope of every output."""
    if not row.flows or not case.measurable:
        return
    f, moving = _moving(row, case)
    rng = np.random.default_rng([case.seed, 17])
    v = [rng.standard_normal(x.shape) for x in moving]
    _, tangent = transforms.jvp(f, moving, v)
    tangent, g = np.asarray(tangent), rng.standard_normal(np.shape(tangent))
    slope = central_slope(lambda t: np.asarray(f(*(x + t * d for x, d in zip(moving, v, strict=True)))), g)
    size = max(slope.scale, float(np.abs(g * tangent).sum()))
    _require(abs(float((g * tangent).sum()) - slope.value) <= 4096 * _U * size + 10 * slope.error,
             f"jvp gives {float((g * tangent).sum()):.17g}, measured {slope.value:.17g}")  # fmt: skip


@law
def the_tracked_sweep_equals_the_raw_sweep(row: Primitive, case: Case) -> None:
    """Require the same bits from the backward pass on tensors and on raw arrays."""
    if not row.flows:
        return
    f, moving = _moving(row, case)
    makers: tuple[Callable[[Array], Tensor], ...] = (Tensor, lambda x: Tensor(float(x) if x.shape == () else x))
    for make in makers:  # arrays; Python floats
        leaves = [make(x) for x in moving]
        out = f(*leaves)
        g = _cotangent(out, case)
        raw, tracked = (gradients(out, leaves, g, track=track) for track in (False, True))
        for one, other in zip(raw, tracked, strict=True):
            _same(other.data, one, "tracked against raw gradient")


@law
def a_gradient_has_the_shape_of_its_operand(row: Primitive, case: Case) -> None:
    """Require gradients in the shape and dtype of their operands, also of broadcast ones."""
    for gradient, operand in zip(_pull(row, case)[0] if row.flows else [], _moving(row, case)[1], strict=row.flows):
        shape, dtype = np.shape(gradient), np.asarray(gradient).dtype
        _require(shape == operand.shape, f"a gradient has shape {shape}, its operand {operand.shape}")
        _require(dtype == operand.dtype, f"a gradient is {dtype}, its operand {operand.dtype}")


@law
def one_tensor_in_two_slots_gets_both_parts(row: Primitive, case: Case) -> None:
    """Require for ``a * a`` that the gradient is the sum over the slots, and the slope of the composed function."""
    slots = _slots(row, case)
    if len(slots) < 2 or len({case.operands[slot].shape for slot in slots}) > 1:
        return
    x = Tensor(case.operands[slots[0]])
    try:
        out = row(*(x if i in slots else o for i, o in enumerate(case.operands)), **case.attrs)
    except ValueError:
        return  # a matrix that is not square has no product with itself
    g = _cotangent(out, case)
    wanted: Any = None
    size: Any = 0.0
    for node, _, parts in sweep({out: g}):
        if node is out:
            _require(sum(part is not None for part in parts) == len(slots), "a slot got no part of the gradient")
            for slot in slots:
                wanted = parts[slot] if wanted is None else wanted + parts[slot]
                size = size + np.abs(parts[slot])
    _same(gradients(out, [x], g)[0], wanted, "sum of the parts")
    if row.name in NOT_ANALYTIC or not case.measurable:
        return
    v = np.random.default_rng([case.seed, 19]).standard_normal(x.shape)

    def along(t: float) -> Array:
        moved = case.operands[slots[0]] + t * v
        return np.asarray(row(*(moved if i in slots else o for i, o in enumerate(case.operands)), **case.attrs))

    slope = central_slope(along, np.asarray(g))
    got, terms = float(np.sum(wanted * v)), max(slope.scale, float(np.sum(size * np.abs(v))))  # of x / x they cancel
    _require(abs(got - slope.value) <= 4096 * _U * terms + 10 * slope.error,
             f"the gradient of both slots gives {got:.17g}, measured {slope.value:.17g}")  # fmt: skip


@law
def a_constant_in_another_slot_changes_nothing(row: Primitive, case: Case) -> None:
    """Require the same gradient by one operand whether the others are tensors or plain arrays."""
    slots = _slots(row, case)
    if len(slots) < 2:
        return
    together, g = _pull(row, case)
    for slot, wanted in zip(slots, together, strict=True):
        x = Tensor(case.operands[slot])
        out = row(*(x if i == slot else o for i, o in enumerate(case.operands)), **case.attrs)
        _same(gradients(out, [x], g)[0], wanted, f"gradient by operand {slot} alone")
        parts = next(parts for node, _, parts in sweep({out: g}) if node is out)
        _require(all(p is None for i, p in enumerate(parts) if i != slot), "a constant was sent a gradient")


@law
def a_slot_without_rule_gets_nothing(row: Primitive, case: Case) -> None:
    """Require that no gradient flows where the row says so."""
    flows = _rules(row, len(case.operands))
    leaves = _tensors(case.operands)
    if all(flows) or not any(isinstance(x, Tensor) for x in leaves):
        return
    out = row(*leaves, **case.attrs)
    seed = np.ones(out.shape, out.dtype)
    for node, _, parts in sweep({out: 1.0 if type(out.raw) is float else seed}):
        if node is out:
            _require([p is not None for p in parts] == flows, "a slot without a rule was sent a gradient")


# ---- numbers at the edge ----------------------------------------------------------------------------------


@law
def a_number_is_an_array_of_no_axes(row: Primitive, case: Case) -> None:
    """Require that a Python float, a 0-d array and a 1-entry array agree, in value and gradient."""
    if row.kind != "map" or not all(x.size for x in case.operands):
        return
    first = [x.ravel()[0].item() for x in case.operands]
    results = []
    for make in (lambda n: n, np.array, lambda n: np.array([n])):
        leaves: list[Any] = [
            Tensor(make(n)) if type(n) is float else (n if make is not np.array else np.array(n)) for n in first
        ]
        out = row(*leaves, **case.attrs)
        flowing = [leaves[slot] for slot in _slots(row, case)]
        pulled = (
            gradients(out, flowing, 1.0 if type(out.raw) is float else np.ones(out.shape, out.dtype)) if flowing else []
        )
        results.append([float(np.asarray(n).reshape(())) for n in (out.data, *pulled)])
    for other in results[1:]:
        _close(np.array(other), np.array(results[0]), "float, 0-d and 1-entry array", units=16)


@law
def empty_arrays_pass(row: Primitive, case: Case) -> None:  # noqa: ARG001 - every law is called alike
    """Require of arrays of no entry what NumPy gives, an error included, and gradients of no entry."""
    for empty in empty_cases_of(row):
        try:
            wanted = reference(row, empty)
        except ValueError:
            try:
                row(*_tensors(empty.operands), **empty.attrs)
            except ValueError:
                continue
            raise LawError(f"NumPy refuses ({empty}), the row does not") from None
        leaves = _tensors(empty.operands)
        out = row(*leaves, **empty.attrs)
        _require(out.shape == np.shape(wanted), f"({empty}): shape {out.shape}, expected {np.shape(wanted)}")
        if row.flows:
            a_gradient_has_the_shape_of_its_operand(row, empty)


def _at_edge(row: Primitive, case: Case, edge: float) -> None:
    for slot, x in enumerate(case.operands):
        if x.dtype.kind != "f" or not x.size:
            continue
        odd = x.copy()
        odd.flat[0] = edge
        operands = tuple(odd if i == slot else o for i, o in enumerate(case.operands))
        changed = Case(operands, case.attrs, case.seed)
        if row.kind == "call" and row.domain[0] in ("invertible", "definite"):
            return  # LAPACK raises, or does not end, where a matrix is not finite
        got = np.asarray(row.forward(*operands, **case.attrs))
        if row.name == "matmul":  # einsum multiplies in another order, which shows where inf - inf meets
            _require(not np.isfinite(got).all(), f"{edge} in operand {slot} is lost")
        elif row.name != "broadcast":
            _close(
                got.astype(float),
                np.asarray(reference(row, changed), float),
                f"{edge} in operand {slot}",
                np.float64(64),
            )
        if row.kind == "map" and row.scalar:
            numbers = [np.broadcast_to(o, got.shape).ravel()[0].item() for o in operands]
            entry = np.asarray(row.forward(*map(np.array, numbers), **case.attrs))
            _close(float(row.forward(*numbers, **case.attrs)), float(entry), f"template at {numbers}", np.float64(64))
        if row.flows and edge != edge and row.kind in ("reduce", "contract", "move") and row.name != "scatter":
            _require(np.isnan(got).any() or case.attrs.get("index") is not None, "nan is lost")


@law
def nan_goes_through_as_in_numpy(row: Primitive, case: Case) -> None:
    """Require that NaN in an operand gives NaN exactly where NumPy does."""
    _at_edge(row, case, math.nan)


@law
def infinity_goes_through_as_in_numpy(row: Primitive, case: Case) -> None:
    """Require the same of infinity of either sign; a number never raises where an array would not."""
    _at_edge(row, case, math.inf)
    if not {"positive", "above 1"} & {*row.domain}:
        _at_edge(row, case, -math.inf)


# ---- the node --------------------------------------------------------------------------------------------


def _output(row: Primitive, case: Case) -> tuple[Any, list[Any]] | None:
    leaves = _tensors(case.operands)
    return (row(*leaves, **case.attrs), leaves) if any(isinstance(x, Tensor) for x in leaves) else None


@law
def nothing_is_recorded_under_no_grad(row: Primitive, case: Case) -> None:
    """Require under `no_grad` the same value, as a leaf."""
    found = _output(row, case)
    with no_grad():
        quiet = _output(row, case)
    if found and quiet:
        _require(quiet[0].row is None and quiet[0].operands == (), "a node was recorded under no_grad")
        _same(quiet[0].data, found[0].data, "value under no_grad")


@law
def the_node_remembers_the_call(row: Primitive, case: Case) -> None:
    """Require that the node has the row, the operands themselves in order, the values read and the keywords."""
    found = _output(row, case)
    if not found:
        return
    out, leaves = found
    _require(out.row is row, f"the node is of row {out.row}")
    _require(len(out.operands) == len(leaves), f"{len(out.operands)} operands of {len(leaves)}")
    for kept, read, given in zip(out.operands, out.args, leaves, strict=True):
        _require(kept is (given if isinstance(given, Tensor) else None), "another operand than the one given")
        _require(not isinstance(given, Tensor) or read is given.raw, "another value than the operand's")


@law
def keywords_survive(row: Primitive, case: Case) -> None:
    """Require that the keywords are on the node, and are plain data."""
    found = _output(row, case)
    if not found:
        return
    kept = found[0].attrs or {}
    _require(kept.keys() == case.attrs.keys(), f"keywords {sorted(kept)}, given {sorted(case.attrs)}")
    for attrs in (kept, pickle.loads(pickle.dumps(kept))):  # noqa: S301 - our own bytes
        _require(repr(attrs) == repr(dict(case.attrs)), f"keywords {attrs}, given {case.attrs}")


def _copies(row: Primitive, case: Case, copied: Callable[[Any], Any], how: str) -> None:
    found = _output(row, case)
    if not found:
        return
    out, leaves = found
    twin = copied(out)
    _require(twin is not out and twin.row is row, f"{how}: another row")
    _same(twin.data, out.data, how)
    slots = _slots(row, case)
    g = _cotangent(out, case) if row.flows else None
    theirs = [twin.operands[slot] for slot in slots]
    _require(not {id(o) for o in theirs} & {id(x) for x in leaves}, f"{how} shares operands")
    for one, other in zip(gradients(out, [leaves[s] for s in slots], g) if slots else [],
                          gradients(twin, theirs, g) if slots else [], strict=True):  # fmt: skip
        _same(other, one, f"gradient after {how}")


@law
def pickle_returns_the_node(row: Primitive, case: Case) -> None:
    """Require the same row, value and gradient after a round trip through pickle."""
    _copies(row, case, lambda node: pickle.loads(pickle.dumps(node)), "pickle")  # noqa: S301 - our own bytes


@law
def deepcopy_returns_the_node(row: Primitive, case: Case) -> None:
    """Require the same row, value and gradient of a deep copy, on operands of its own."""
    _copies(row, case, copy.deepcopy, "deepcopy")


# ---- the row ---------------------------------------------------------------------------------------------


@law
def the_formula_has_a_hole_for_every_operand(row: Primitive, case: Case) -> None:
    """Require that the TeX template names each operand, and only operands and keywords, and that its braces match."""
    if not row.tex:  # the name and the operands are written
        return
    holes = {name for _, name, _, _ in string.Formatter().parse(row.tex) if name is not None}
    wanted = {str(slot) for slot in range(len(row.domain))}
    _require(wanted <= holes, f"no hole for operand {sorted(wanted - holes)} in {row.tex!r}")
    _require(holes - wanted <= case.attrs.keys(), f"hole {sorted(holes - wanted)} is no keyword")
    text = row.tex.format(*(f"x_{slot}" for slot in wanted), **case.attrs)
    _require(text.count("{") == text.count("}"), f"braces do not match in {text!r}")


@law
def the_row_is_complete(row: Primitive, case: Case) -> None:  # noqa: ARG001 - every law is called alike
    """Require that kind, NumPy name, domain, label, level and ONNX name are given and known."""
    _require(row.kind in KINDS, f"kind {row.kind!r}")
    _require(row.compute is not None or hasattr(np, row.array), f"numpy has no {row.array}")
    _require(set(row.domain) <= DOMAINS.keys(), f"domain {row.domain} is not among {sorted(DOMAINS)}")
    _require(row.label, f"no label, which drawings show; declare it with label={row.name!r}")
    _require(1 <= row.level <= 9, f"level {row.level} is not 1 to 9")
    _require(re.fullmatch(r"([A-Z]\w*)?", row.onnx), f"onnx name {row.onnx!r}")
    _require(TABLE.get(row.name) is row, "the table has another row of this name")


@law
def the_row_prints_in_one_line(row: Primitive, case: Case) -> None:
    """Require that row and node print their name, without the graph below them."""
    _require(repr(row) == f"<primitive {row.name}>", f"repr {row!r}")
    _require(pickle.loads(pickle.dumps(row)) is row, "pickle makes another row")  # noqa: S301 - our own bytes
    found = _output(row, case)
    if found and type(found[0].raw) is not float:
        _require(repr(found[0]).endswith(f", {row.name})"), f"repr of a node: {found[0]!r}")
