"""Tell lengths from numbers: a float of the trace is a fraction, a formula of lengths (1/N, 1/sqrt(D)), or has a name.

The function has been traced at several sizes. What is the same in all of them is a number; what changes must be a
formula of the lengths that holds in every one. With one run only, a length is guessed where an axis is summed nearby.
"""

from __future__ import annotations

import ast
import itertools
import math
import re
from collections.abc import Iterator, Sequence

import numpy as np

from micrograd.derivation.kernel import F, Poly, const, scale, size, var
from micrograd.derivation.lifting.net import Net, Value

__all__ = ["UnknownNumber", "number", "uniform"]

_LARGEST_DENOMINATOR = 4  # of numbers that are shown as fractions; 0.044715 keeps its digits
_LARGEST = 64  # whole numbers up to it are shown as such
_FACTOR = 8  # numerator and denominator of the fraction beside lengths
_EXPONENTS = (F(-1), F(1), F(-1, 2), F(1, 2))
_OPERATORS: dict[str, tuple[type[ast.operator], ...]] = {
    "add": (ast.Add,), "sub": (ast.Sub,), "mul": (ast.Mult,), "div": (ast.Div,),
}  # fmt: skip


class UnknownNumber(Exception):  # noqa: N818 - the lengths of one run are taken instead
    """A number that changes with the lengths in a way that is not recognised."""


def uniform(a: np.ndarray) -> float | None:
    """Return the number that all entries of an array of floats are, or None."""
    if a.dtype.kind == "f" and a.size and (a == a.flat[0]).all() and math.isfinite(a.flat[0]):
        return float(a.flat[0])
    return None


def number(net: Net, v: Value, slot: int | None = None) -> Poly:
    """Return a float of the trace as an exact expression.

    Args:
        net: the values.
        v: the value whose operand it is; a constant with equal entries where `slot` is None.
        slot: of the operand.

    Raises:
        UnknownNumber: it changes with the lengths, and no formula of them gives it.
        Unsupported: it is not finite.
    """
    found = [_read(net, v, slot, run) for run in range(len(net.runs))]
    if any(c is None for c in found):
        raise UnknownNumber
    numbers = [c for c in found if c is not None]
    first = numbers[0]
    if not math.isfinite(first):
        raise net.unsupported(v, f"the number {first}", "write a large finite number, such as -1e9")
    if first == 0:
        if any(numbers):
            raise UnknownNumber
        return {}
    sign = -1 if first < 0 else 1
    sizes = [abs(c) for c in numbers]
    if any(math.copysign(1, c) != sign for c in numbers):
        raise UnknownNumber
    fixed = len({*sizes}) == 1
    plain = F(sizes[0]).limit_denominator(1000)
    exact = float(plain) == sizes[0]
    small = exact and plain.denominator <= _LARGEST_DENOMINATOR and plain.numerator <= _LARGEST
    if len(numbers) == 1 and (guessed := _guessed(net, v, sizes[0])) is not None:
        return scale(guessed, sign)
    if small and fixed:
        return const(sign * plain)
    if fixed and len(numbers) > 1:
        return scale(_named(net, v, slot, first), sign)
    lengths = _of_lengths(net, v, sizes)
    if lengths is not None:
        return scale(lengths, sign)
    if len(numbers) > 1:
        raise UnknownNumber
    return scale(_named(net, v, slot, first), sign)


def _read(net: Net, v: Value, slot: int | None, run: int) -> float | None:
    if slot is None:
        return uniform(net.array(v, run))
    operand = net.node(v, run).operands[slot]
    return float(operand) if not isinstance(operand, int) else None


def _guessed(net: Net, v: Value, c: float) -> Poly | None:
    """Return the length that a number of a single run is: of what is summed nearby, or the only one of that length."""
    near, whole = _summed_nearby(net, v), max(c, 1 / c)
    if near and whole == math.prod(net.length[r] for r in near):
        made = net.algebra.product(size(r) for r in sorted(near))
        return made if c == whole else net.algebra.power(made, -1)
    same = [r for r, n in net.length.items() if n == whole > _LARGEST_DENOMINATOR]
    return net.algebra.power(size(same[0]), 1 if c == whole else -1) if len(same) == 1 else None


# ---- formulas of lengths -----------------------------------------------------------------------------------


def _of_lengths(net: Net, v: Value, numbers: Sequence[float]) -> Poly | None:
    """Return the simplest product of lengths and a small fraction that gives the number in every run."""
    near = _summed_nearby(net, v)
    best: tuple[tuple[object, ...], Poly] | None = None
    for count, (shape, value, made) in enumerate(_candidates(net)):
        ratio = numbers[0] / value[0]
        f = F(ratio).limit_denominator(_FACTOR)
        if not f or f.numerator > _FACTOR or not math.isclose(float(f), ratio, rel_tol=1e-14):
            continue
        if not all(math.isclose(c, float(f) * x, rel_tol=1e-13) for c, x in zip(numbers, value, strict=True)):
            continue
        rank = ({*shape} != near, f.numerator + f.denominator, count)
        if best is None or rank < best[0]:
            best = rank, scale(made, f)
    return best[1] if best else None


def _candidates(net: Net) -> Iterator[tuple[tuple[int, ...], list[float], Poly]]:
    """Yield products of lengths: which, their value in each run, and as an expression."""
    ranges = sorted(net.length)
    for count in (1, 2, 3, 4):
        for chosen in itertools.combinations(ranges, count):
            values = [float(math.prod(lengths[r] for r in chosen)) for lengths in net.lengths]
            for e in _EXPONENTS:
                made = const(1)
                for r in chosen:
                    ((m, _),) = size(r).items()
                    made = net.algebra.mul(made, net.algebra.power({m: 1}, e))
                yield chosen, [x ** float(e) for x in values], made
    if len(net.lengths) > 1:
        for r in ranges:  # one less than a length, as of ddof=1; and times another length
            values = [lengths[r] - 1.0 for lengths in net.lengths]
            if min(values) > 0:
                name = f"({net.size_name[r]} - 1)"
                for e in _EXPONENTS:
                    yield (r,), [x ** float(e) for x in values], var(("k", name), e)
                    for other in ranges:
                        both = [
                            x ** float(e) * lengths[other] ** float(e)
                            for x, lengths in zip(values, net.lengths, strict=True)
                        ]
                        yield (r, other), both, net.algebra.mul(
                            var(("k", name), e), net.algebra.power(size(other), e)
                        )  # fmt: skip


def _summed_nearby(net: Net, v: Value) -> set[int]:
    """Return the axes that are summed where the number stands: in ``1/N * np.sum(x, axis=0)``."""
    for name in (v.name, *(o for o in (net.operands(v) if v.op != "constant" else []) if isinstance(o, str))):
        w = net.values[name]
        if w.op == "sum":
            src = net.values[net.operand(w)]
            axes, _ = net.axes(w, len(src.shape))
            return {label[0] for a in axes for label in src.dims[a]}
    return set()


# ---- names of numbers --------------------------------------------------------------------------------------


def _named(net: Net, v: Value, slot: int | None, c: float) -> Poly:
    """Return a number by the user's name, where the formula shows it; else by its digits, always positive."""
    name, exponent = _users_name(net, v, slot, c)
    number = abs(c) if exponent == 1 else float(f"{1 / abs(c):.15g}")
    if name and net.constants.get(name, number) == number:  # two numbers of one name are two numbers
        net.constants[name] = number
        return var(("k", name), exponent)
    known = [name for name, x in net.constants.items() if x == abs(c)]
    if v.backward and len(known) == 1:  # of two numbers of one value nobody knows which is meant
        return var(("k", known[0]))
    under = [name for name, x in net.constants.items() if name.isidentifier() and 1 / x == abs(c)]
    if v.backward and not known and len(under) == 1:
        return var(("k", under[0]), -1)
    net.constants[repr(abs(c))] = abs(c)
    return var(("k", repr(abs(c))))


def _users_name(net: Net, v: Value, slot: int | None, c: float) -> tuple[str, int]:
    """Return the name of a number, up to its sign, in the user's text, and 1, or -1 where one divides by it."""
    node = net.node(v)
    if v.backward or slot is None or node.source is None:
        return "", 1
    for name, x in net.arguments.items():
        if isinstance(x, float) and x > 0 and name not in net.values:
            if x == abs(c) and re.search(rf"\b{name}\b", node.source.text):
                return name, 1
            if v.op == "mul" and 1 / x == c and re.search(rf"/\s*{name}\b", node.source.text):
                return name, -1
    if c <= 0:  # a name stands for a positive number; the sign is written before it
        return "", 1
    try:
        tree = ast.parse(node.source.text.strip(), mode="eval").body
    except SyntaxError:
        return "", 1
    if not isinstance(tree, ast.BinOp):
        return "", 1
    sides = [tree.left, tree.right]
    wanted = sides[slot] if len(node.operands) == 2 else None
    if not isinstance(wanted, ast.Name) or wanted.id in net.values or wanted.id in net.size_name.values():
        return "", 1
    if isinstance(tree.op, _OPERATORS.get(v.op, ())):
        return wanted.id, 1
    if v.op == "mul" and isinstance(tree.op, ast.Div) and slot == 1:
        whole = float(f"{1 / c:.15g}")
        return (wanted.id, -1) if 1 / whole == c else ("", 1)
    return "", 1
