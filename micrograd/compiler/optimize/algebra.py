"""Rewrite sums and products in another order of the arithmetic, each rule with what it promises.

`centred`: ``x - mean(x)`` and the variance are computed from ``x - x[0]``, whose sum and sum of squares come from one
pass over the batch. A constant column gives exactly 0, and digits that a large mean would cost are kept: the error is
that of the two-pass formula on shifted data (Chan, Golub and LeVeque, 1983), within the bound of
`micrograd.batchnorm.tolerance`.

`factored`: what does not vary along the summed axes is taken out of a sum, ``sum(g * c) = c * sum(g)``, and a sum of
terms is split where every part is a sum that is needed anyway, or where no digits can be lost: all parts but one are
sums of ``x - mean(x)``, which are 0. This is what lets batch norm's backward pass share the two sums that the gradients
of gamma and beta need, and layer norm's take its sums in one sweep of a row.

Both keep finite numbers within the bound, but infinities could come out otherwise than in NumPy (``inf * 0``): each
result is a guard, and a call in which a guard is not finite is computed as the user wrote it.

`picked`: ``x[np.arange(N), y]`` with integers `y` becomes a masked sum, exact to the bit, that fuses with the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from micrograd.compiler.optimize.rewriter import FAR, Rewriter, Rule, Shift, same
from micrograd.primitives import TABLE
from micrograd.program.program import Equation, Index, Operand, Value

__all__ = ["centred", "factored", "picked"]


def _plain_sum(equation: Equation | None) -> bool:
    return equation is not None and equation.op == "sum" and "axis" in equation.attrs


def _behind(made: Rewriter, operand: Operand) -> Operand:
    """Return what a value is a view of, through broadcasts and changes of unit axes."""
    while equation := made.made_by(operand, "broadcast", "reshape"):
        inner = equation.operands[0]
        unit = [s for s in made.shape(inner) if s != 1] == [s for s in made.shape(operand) if s != 1]
        if equation.op == "reshape" and not unit:
            break
        operand = inner
    return operand


# ---- centring ------------------------------------------------------------------------------------------------


KERNELS = ("float32", "float64")  # the dtypes of kernels, which watch the guards


@dataclass(frozen=True, slots=True)
class _Centre:
    """``x`` shifted by its first entry along `axes`: the start, the shifted values, their sum and their mean.

    `written` is the mean of x as the user wrote it, `share` is 1/N.
    """

    axes: tuple[int, ...]
    start: Operand
    shifted: Operand
    total: Operand
    mean: Operand
    written: int
    share: float


def centred() -> Rule:
    """Return the rule for ``x - mean(x)`` and for the sum of its squares."""
    centres: dict[Operand, _Centre] = {}  # by the value x - mean(x)
    means: dict[Operand, int] = {}  # the mean as written, by what is read instead of it

    def rule(made: Rewriter, equation: Equation, operands: tuple[Operand, ...]) -> Operand | None:
        if equation.op == "sub":
            found = _mean_of(made, operands[0], operands[1], means)
            if found is None:
                return None
            centre = _shift(made, operands[0], *found)
            if centre is None:
                return None
            out = made.put("sub", centre.shifted, centre.mean, like=made.program.values[equation.out])
            centres[out] = centre
            if isinstance(out, int):
                made.notes.balanced[out] = centre.axes
            return out
        if equation.op == "sum" and (square := made.made_by(operands[0], "mul")):
            root = square.operands[0]
            if not isinstance(root, int) or not same(*square.operands) or root not in centres:
                return None
            centre, old = centres[root], made.program.values[equation.out]
            if _axes(equation, len(made.shape(root))) != centre.axes:
                return None
            mean = made.put("add", centre.start, centre.mean)  # to more digits than as written, and without another sum
            means[_behind(made, mean)] = centre.written
            made.instead[centre.written] = _renamed(
                made, made.reshape(mean, made.shape(centre.written)), made.values[centre.written]
            )
            return _renamed(made, made.reshape(_spread(made, centre, mean), old.shape), old)
        return None

    return rule


def _spread(made: Rewriter, centre: _Centre, about: Operand) -> Operand:
    """Return the sum of squares about the mean: that about the start less ``N * mean**2``.

    NaN where too little is left.
    """
    raw = made.put("sum", made.put("mul", centre.shifted, centre.shifted), axis=centre.axes, keepdims=True)
    moved = made.put("mul", centre.total, centre.mean)
    near = made.put("less_equal", moved, made.put("mul", 1.0 - 1.0 / FAR, raw))
    spread = made.put("where", near, made.put("sub", raw, moved), float("nan"))
    made.guard(spread)
    if isinstance(centre.mean, int):  # which is finite where the squares are
        made.notes.guards.discard(centre.mean)
    start, total, squares = (_behind(made, operand) for operand in (centre.start, centre.total, raw))
    if start in made.maker and made.made_by(total, "sum") and made.made_by(squares, "sum"):
        readers = frozenset(o for o in (centre.shifted, about) if isinstance(o, int))
        made.notes.shifts.add(Shift(int(start), int(total), int(squares), readers, centre.share))
    return spread


def _renamed(made: Rewriter, operand: Operand, old: Value) -> Operand:
    if isinstance(operand, int) and not made.values[operand].name:
        made.values[operand] = replace(made.values[operand], name=old.name)
    return operand


def _axes(equation: Equation, ndim: int) -> tuple[int, ...]:
    axis = equation.attrs.get("axis")
    axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return tuple(sorted(a % ndim for a in axes))


def _mean_of(
    made: Rewriter, x: Operand, other: Operand, means: dict[Operand, int]
) -> tuple[tuple[int, ...], float, int] | None:
    """Return the axes, 1/count and the mean if `other` is the mean of `x` over some axes, broadcast along them."""
    if not isinstance(x, int) or made.values[x].dtype not in KERNELS:
        return None
    inner = _behind(made, other)
    product = made.made_by(means.get(inner, inner), "mul", "div")
    if product is None:
        return None
    for share, part in _shares(made, product):
        total = made.maker.get(b) if isinstance(b := _behind(made, part), int) else None
        if share is None or total is None or not _plain_sum(total) or total.operands[0] != x:
            continue
        axes, shape = total.attrs["axis"], made.shape(x)
        count = int(np.prod([shape[axis] for axis in axes]))
        kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
        given = made.shape(other)
        aligned = (1,) * (len(shape) - len(given)) + given
        if share != 1.0 / count or not _along(made, other, aligned, kept, axes):
            continue
        return axes, share, product.out
    return None


def _shares(made: Rewriter, product: Equation) -> list[tuple[float | None, Operand]]:
    """Return the factors of which one is a number, as (number, other); that of a quotient is one over its divisor."""
    a, b = product.operands
    if product.op == "div":
        count = made.number(b)
        return [(1.0 / count if count else None, a)]
    return [(made.number(a), b), (made.number(b), a)]


def _along(
    made: Rewriter, other: Operand, aligned: tuple[int, ...], kept: tuple[int, ...], axes: Sequence[int]
) -> bool:
    """Return whether the mean is broadcast back along the very axes that were summed."""
    varies = made.varies(other)
    varies = (False,) * (len(kept) - len(varies)) + varies
    return len(aligned) == len(kept) and all(
        not varies[axis] if axis in axes else aligned[axis] == size for axis, size in enumerate(kept)
    )


def _shift(made: Rewriter, x: Operand, axes: tuple[int, ...], share: float, written: int) -> _Centre | None:
    start = _typical(made, x, axes)
    if start is None or not isinstance(x, int):
        return None
    shifted = made.put("sub", x, start)
    made.keep_whole(shifted)
    total = made.put("sum", shifted, axis=axes, keepdims=True)
    mean = made.put("mul", share, total)
    made.guard(mean)
    return _Centre(axes, start, shifted, total, mean, written, share)


def _typical(made: Rewriter, x: Operand, axes: tuple[int, ...]) -> Operand | None:
    """Return what x may be about.

    Its first entry along `axes`, or the mean of four, which if they are equal is what they are.

    One entry in a hundred is so far from the mean that its column is summed again, and all other columns with it; of
    means of four entries one in a million is. None where even one entry of x takes too many equations.
    """
    shape = made.shape(x)
    along = max(axes, key=lambda axis: shape[axis])
    if shape[along] >= 4:
        places = [shape[along] * part // 4 for part in range(4)]
        entries = [made.entry(x, {**dict.fromkeys(axes, 0), along: place}, 8) for place in places]
        if not any(entry is None for entry in entries):
            a, b, c, d = entries
            return made.put("mul", 0.25, made.put("add", made.put("add", a, b), made.put("add", c, d)))  # type: ignore[arg-type]
    return made.first(x, axes)


# ---- factoring -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Term:
    """A product: what does not vary along the summed axes, and what does.

    `nothing` says that its sum is 0 for finite numbers, `once` that it is 0 but for one entry.
    """

    outside: tuple[Operand, ...]
    inside: tuple[Operand, ...]
    nothing: bool = False
    once: bool = False


@dataclass(slots=True)
class _Sums:
    """What is known of sums.

    Attributes:
        known: the sum of a product over some axes.
        of: what a value is the sum of, and over which axes.
        deep: how many reductions a value waits for, one after the other.
    """

    known: dict[Any, Operand] = field(default_factory=dict)
    of: dict[Operand, tuple[int, tuple[int, ...]]] = field(default_factory=dict)
    deep: dict[int, int] = field(default_factory=dict)


_NEAR = 100
"""So many values are looked through for what a value is computed from."""

_LONGEST = 8
"""A sum with more terms or factors than this stays as it is written."""


def factored() -> Rule:
    """Return the rule for sums whose summands have factors that do not vary along the summed axes."""
    sums = _Sums()

    def rule(made: Rewriter, equation: Equation, operands: tuple[Operand, ...]) -> Operand | None:
        if equation.op == "add":
            return _without_share(made, operands, sums)
        if equation.op != "sum" or not isinstance(operands[0], int):
            return None
        x, old = operands[0], made.program.values[equation.out]
        shape, dtype = made.shape(x), made.dtype(x)
        if not shape or 0 in shape or dtype not in KERNELS:
            return None  # the sum of nothing is 0, and not -0, whatever its factors
        axes = _axes(equation, len(shape))
        terms = _terms(made, x, shape, axes, sums.known, split=True)
        if terms is None or len(terms) == 1 or not _known(terms, dtype, shape, axes, sums.known):
            terms = _terms(made, x, shape, axes, sums.known, split=False)
        if terms is None:
            return None
        if len(terms) == 1 and not terms[0].outside and _moved(made, terms[0], axes, sums.deep) is None:
            sums.known[_key(terms[0], dtype, shape, axes)] = total = _sum(made, x, axes)
            sums.of[_behind(made, total)] = x, axes
            return _renamed(made, made.reshape(total, old.shape), old)
        parts = [_rebuilt(made, term, dtype, shape, axes, sums) for term in terms]
        if any(part is None for part in parts):
            return None
        total = parts[0]  # type: ignore[assignment]
        for part in parts[1:]:
            total = made.put("add", total, part)  # type: ignore[arg-type]
        kept = tuple(1 if a in axes else size for a, size in enumerate(shape))
        if made.shape(total) != kept or made.dtype(total) != old.dtype:
            return None
        made.guard(total)
        sums.of[_behind(made, total)] = x, axes
        return _renamed(made, made.reshape(total, old.shape), old)

    return rule


def _known(
    terms: Sequence[_Term], dtype: str, shape: tuple[int, ...], axes: tuple[int, ...], sums: dict[Any, Operand]
) -> bool:
    """Return whether a sum of terms may be split: each is known, or is alone but for those that sum to 0."""
    missing = [term for term in terms if term.inside and _key(term, dtype, shape, axes) not in sums]
    return not missing or sum(not term.nothing for term in terms) == 1


# ---- the gradient of a maximum that was subtracted ---------------------------------------------------------------


def _without_share(made: Rewriter, operands: tuple[Operand, ...], sums: _Sums) -> Operand | None:
    """Return `t` for ``t + r * share``, where `r` is 0 but for rounding; None for any other sum.

    Softmax does not change when all scores do by the same, so nothing goes to the maximum that is subtracted for
    safety: `r` is the sum of `t` with its sign changed, perhaps beside what the maximum gets elsewhere. A share of the
    gradient of a maximum is between 0 and 1 where that is finite.
    """
    for t, product in (operands, operands[::-1]):
        if not isinstance(t, int) or (parts := made.made_by(product, "mul")) is None:
            continue
        for r, share in (parts.operands, parts.operands[::-1]):
            largest = _shared_maximum(made, share)
            if largest is None or made.shape(product) != made.shape(t) or made.dtype(product) != made.dtype(t):
                continue
            axes = largest.attrs["axis"]
            if made.shape(largest.operands[0]) != made.shape(t) or not _rests_on(made, t, largest.out):
                continue
            beside = _beside(made, r, t, axes, sums)
            found = None if beside is None else _factors(made, t, axes, sums)
            if (
                beside is None
                or found is None
                or not _cancel(made, [*found[0], *([(*beside, -1.0)] if beside else [])])
            ):
                continue
            for value in (largest.out, *found[1]):
                made.guard(value)
            return t
    return None


def _shared_maximum(made: Rewriter, share: Operand) -> Equation | None:
    """Return the maximum whose gradient is shared: equally by all entries that are as large."""
    if (parts := made.made_by(share, "mul")) is None or made.dtype(share) not in KERNELS:
        return None
    for winners, inverse in (parts.operands, parts.operands[::-1]):
        count, flags = made.made_by(inverse, "reciprocal"), made.made_by(winners, "cast")
        if count is None or flags is None:
            continue
        total, alike = made.made_by(count.operands[0], "sum"), made.made_by(flags.operands[0], "equal")
        if total is None or alike is None or total.operands[0] != winners:
            continue
        for x, largest in (alike.operands, alike.operands[::-1]):
            found = made.made_by(largest, "max")
            if found is not None and found.operands[0] == x and found.attrs["axis"] == total.attrs["axis"]:
                return found
    return None


def _rests_on(made: Rewriter, operand: Operand, value: int) -> bool:
    """Return whether an operand is computed from a value, among the latest things that it is computed from."""
    found, stack = set[int](), [operand]
    while stack and len(found) < _NEAR:
        now = stack.pop(0)
        if now == value and isinstance(now, int):
            return True
        if isinstance(now, int) and now not in found and now in made.maker:
            found.add(now)
            stack += made.maker[now].operands
    return False


def _beside(
    made: Rewriter, r: Operand, t: int, axes: tuple[int, ...], sums: _Sums
) -> tuple[Operand, ...] | None:  # fmt: skip
    """Return what `r` is besides the sum of `t` with its sign changed: nothing, or one value."""

    def taken(operand: Operand) -> bool:
        negative = made.made_by(_behind(made, operand), "neg")
        total = _behind(made, negative.operands[0]) if negative is not None else None
        return total is not None and sums.of.get(total) == (t, axes)

    if taken(r):
        return ()
    if (both := made.made_by(_behind(made, r), "add")) is not None:
        for rest, total in (both.operands, both.operands[::-1]):
            if taken(total):
                return (rest,)
    return None


def _factors(
    made: Rewriter, t: int, axes: tuple[int, ...], sums: _Sums
) -> tuple[list[tuple[Operand, ...]], list[int]] | None:
    """Return the sum of `t` as products, where what it is divided by is what is summed; and what must be finite."""
    shape, dtype = made.shape(t), made.dtype(t)
    products: list[tuple[Operand, ...]] = []
    finite: list[int] = []
    terms = _terms(made, t, shape, axes, sums.known, split=True)
    if terms is None:
        return None
    for term in terms:
        outside = [*term.outside]
        if term.inside:
            total = _behind(made, sums.known.get(_key(term, dtype, shape, axes), 0.0))
            for place, factor in enumerate(outside):
                quotient = made.made_by(_behind(made, factor), "div")
                if quotient is not None and isinstance(total, int) and _behind(made, quotient.operands[1]) == total:
                    outside[place] = quotient.operands[0]
                    finite += [total, quotient.out]  # so that it is not 0 either
                    break
            else:
                return None
        elif not term.once:
            return None
        products.append(tuple(outside))
    return products, finite


def _cancel(made: Rewriter, products: Sequence[tuple[Operand, ...]]) -> bool:
    """Return whether products add up to 0: each number or value as often with one sign as with the other."""
    number, left = 0.0, dict[Any, int]()
    for product in products:
        signed = [_signed(made, factor) for factor in product]
        size = float(np.prod([known for known, _ in signed]))
        key = tuple(sorted(value for _, value in signed if value is not None))
        if not key:
            number += size
        elif abs(size) != 1.0:
            return False
        else:
            left[key] = left.get(key, 0) + int(size)
    return number == 0.0 and not any(left.values())


def _signed(made: Rewriter, operand: Operand, sign: float = 1.0) -> tuple[float, int | None]:
    """Return a factor as a number times a value, of which a broadcast and a change of sign are left out."""
    inner = _behind(made, operand)
    if (known := made.number(inner)) is not None:
        return sign * known, None
    if (negative := made.made_by(inner, "neg")) is not None:
        return _signed(made, negative.operands[0], -sign)
    assert isinstance(inner, int)
    return sign, inner


def _key(term: _Term, dtype: str, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    return tuple(sorted(term.inside, key=str)), dtype, shape, axes


def _sum(made: Rewriter, x: Operand, axes: tuple[int, ...]) -> Operand:
    return made.put("sum", x, axis=axes, keepdims=True)


def _moved(made: Rewriter, term: _Term, axes: tuple[int, ...], deep: dict[int, int]) -> tuple[_Term, _Term] | None:
    """Return the terms that ``sum(a * (x - mean(x)))`` is the difference of, where `a` is known before the mean is.

    They are ``a * (x - start)`` and ``mean(x - start) * a``: both can be summed while the mean is, and lose no more
    digits than the variance does, since the start is not far from the mean.
    """
    balanced = [o for o in term.inside if isinstance(o, int) and made.notes.balanced.get(o) == axes]
    if len(balanced) != 1 or len(term.inside) < 2:
        return None
    rest = tuple(o for o in term.inside if o not in balanced)
    if any(_depth(made, o, deep) >= _depth(made, balanced[0], deep) for o in rest):
        return None
    shifted, mean = made.maker[balanced[0]].operands
    return _Term((), (*rest, shifted)), _Term((mean,), rest)


def _depth(made: Rewriter, operand: Operand, deep: dict[int, int]) -> int:
    """Return how many reductions a value waits for, one after the other."""
    for equation in made.equations[len(deep) :]:
        own = max((deep.get(v, 0) for v in equation.reads), default=0)
        deep[equation.out] = own + (TABLE[equation.op].kind == "reduce")
    return deep.get(operand, 0) if isinstance(operand, int) else 0


def _rebuilt(
    made: Rewriter, term: _Term, dtype: str, shape: tuple[int, ...], axes: tuple[int, ...], sums: _Sums
) -> Operand | None:
    """Put ``outside * sum(inside)``, or ``outside * count`` where nothing varies, all in the dtype of the summands."""
    if term.inside:
        key = _key(term, dtype, shape, axes)
        if key not in sums.known and (moved := _moved(made, term, axes, sums.deep)) is not None:
            about_start, rest = (_rebuilt(made, part, dtype, shape, axes, sums) for part in moved)
            if about_start is None or rest is None:
                return None
            sums.known[key] = made.put("sub", about_start, rest)
        if key not in sums.known:
            product = term.inside[0]
            for factor in term.inside[1:]:
                product = made.put("mul", product, factor)
            if made.shape(product) != shape:
                product = made.put("broadcast", product, shape=shape)
            if made.dtype(product) != dtype:  # a factor outside has made the summands wider
                product = made.put("cast", product, dtype=dtype)
            sums.known[key] = _sum(made, product, axes)
        total = sums.known[key]
    else:
        total = 1.0 if term.once else float(np.prod([shape[a] for a in axes]))
    for factor in term.outside:
        lead = len(shape) - len(made.shape(factor))
        once = made.first(factor, [a - lead for a in axes if a >= lead])
        if once is None:
            return None
        total = made.put("mul", total, once)
    kept = tuple(1 if a in axes else size for a, size in enumerate(shape))
    if len(made.shape(total)) < len(kept):  # fewer axes, as of a vector beside a matrix
        total = made.reshape(total, (1,) * (len(kept) - len(made.shape(total))) + made.shape(total))
    return total if made.shape(total) == kept else made.put("broadcast", total, shape=kept)


def _terms(
    made: Rewriter, x: Operand, shape: tuple[int, ...], axes: tuple[int, ...], sums: dict[Any, Operand], *, split: bool
) -> list[_Term] | None:
    """Return the terms of a summand (one, where it is not to be `split`); None where there are too many.

    A value whose sum is known is not taken apart, nor one that is noted as whole.
    """

    def constant(operand: Operand) -> bool:
        varies = made.varies(operand)
        lead = len(shape) - len(varies)
        return not any(varies[a - lead] for a in axes if a >= lead)

    def scaled(terms: list[_Term], *factors: Operand) -> list[_Term]:
        return [replace(term, outside=(*term.outside, *factors)) for term in terms]

    def walk(operand: Operand, depth: int, alone: bool) -> list[_Term]:
        """Take apart an operand, which stands `alone` where all that it is multiplied by is constant."""
        if constant(operand):
            return [_Term((operand,), ())]
        equation = made.maker.get(operand) if isinstance(operand, int) else None
        whole = _Term((), (operand,))
        if equation is None or depth > _LONGEST or made.dtype(operand) != made.dtype(x) or operand in made.notes.whole:
            return [whole]
        if depth and made.shape(operand) == shape and _key(whole, made.dtype(x), shape, axes) in sums:
            return [whole]
        if alone and made.notes.balanced.get(equation.out) == axes and made.shape(operand) == shape:
            mean = equation.operands[1]
            return [_Term((made.put("sub", mean, mean),), (), nothing=True)]  # NaN where x is not finite
        if (
            equation.op == "where"
            and alone
            and axes == (1,)
            and _behind(made, equation.operands[0]) in made.notes.onehot
        ):
            _, chosen, other = equation.operands
            if constant(chosen) and made.number(other) == 0 and made.shape(equation.operands[0]) == shape:
                return [_Term((chosen,), (), once=True)]
        if equation.op == "neg":
            return scaled(walk(equation.operands[0], depth + 1, alone), -1.0)
        if equation.op in ("add", "sub") and split and alone:
            left, right = (walk(o, depth + 1, alone) for o in equation.operands)
            return [*left, *(scaled(right, -1.0) if equation.op == "sub" else right)]
        if equation.op == "div" and constant(divisor := equation.operands[1]):
            below = made.put("reciprocal", divisor) if made.dtype(divisor) in KERNELS else None
            return [whole] if below is None else scaled(walk(equation.operands[0], depth + 1, alone), below)
        if equation.op == "mul":
            alone = alone and any(constant(o) for o in equation.operands)
            left, right = (walk(o, depth + 1, alone) for o in equation.operands)
            return [
                _Term((*a.outside, *b.outside), (*a.inside, *b.inside), a.nothing or b.nothing, a.once or b.once)
                for a in left
                for b in right
            ]
        return [whole]

    terms = walk(x, 0, True)
    return None if len(terms) > _LONGEST or any(len(t.inside) > _LONGEST for t in terms) else terms


# ---- picking one entry a row ---------------------------------------------------------------------------------


def picked(made: Rewriter, equation: Equation, operands: tuple[Operand, ...]) -> Operand | None:
    """Put ``x[np.arange(N), y]`` and its scatter as masks, for an integer input `y` of shape (N,)."""
    index = equation.attrs.get("index")
    if equation.op not in ("gather", "scatter") or not isinstance(index, tuple) or len(index) != 2:
        return None
    rows, column = index
    shape = made.shape(operands[0]) if equation.op == "gather" else tuple(equation.attrs["shape"])
    if not isinstance(column, (Index, np.ndarray)) or len(shape) != 2 or not isinstance(rows, np.ndarray):
        return None
    n, c = shape
    if isinstance(column, Index):
        labels = column.value
        if all(feed.value != labels for feed in made.program.feeds):  # nobody has looked whether they are in range
            return None
    elif column.dtype.kind in "iu" and not (column.size and column.min() < 0):
        labels = made.constant(column)
    else:
        return None
    floats = isinstance(operands[0], float) or made.dtype(operands[0]).startswith("float")
    if made.shape(labels) != (n,) or not floats or not np.array_equal(rows, np.arange(n)):
        return None
    dtype = np.dtype(made.values[labels].dtype)
    if dtype.itemsize > 4 and c - 1 <= np.iinfo(np.int32).max:  # they are in range: as many fit into a vector as floats
        narrow, dtype = made.put("cast", labels, dtype="int32"), np.dtype(np.int32)
        assert isinstance(narrow, int)
        labels = narrow
    columns = np.arange(c, dtype=dtype if c - 1 <= np.iinfo(dtype).max else np.int64)  # more columns than it can count
    places = made.constant(columns.reshape(1, c))
    mask = made.put("equal", places, made.reshape(labels, (n, 1)))
    if isinstance(mask, int):
        made.notes.onehot.add(mask)
    old = made.program.values[equation.out]
    if equation.op == "gather":
        chosen = made.put("where", mask, operands[0], 0.0)
        return _renamed(made, made.put("sum", chosen, axis=1, like=old), old)
    spread = operands[0] if isinstance(operands[0], float) else made.reshape(operands[0], (n, 1))
    return made.put("where", mask, spread, 0.0, like=old)
