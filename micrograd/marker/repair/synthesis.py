"""What an expression should be worth, and how that can be written in the names that are there.

What follows a line is linear in it, as backward passes are, so the value that it should have had can be solved for:
nothing needs to be known of what the line means.  The same goes for each sub-expression.  A value found that way is
looked for among the products and quotients of what the student has.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from micrograd.marker.repair.node_edits import Edit
from micrograd.marker.repair.search import Bench
from micrograd.marker.student.statements import Scope, divides
from micrograd.marker.truth.cases import scale_of

__all__ = ["can_mend", "required", "solved", "written"]

MOST = 130  # entries of a value that is solved for


def _step(x: Any) -> float:
    """Return how far to move an argument to see what follows: by its size, so that nothing is lost to rounding."""
    return max(scale_of(x), 1e-3)


def _linear(function: Callable[[Any], Any], x: Any) -> tuple[Any, Any] | None:
    """Return what a linear function is at `x`, and its matrix; None where that is not finite, or `x` too large."""
    base = function(x) if 0 < x.size <= MOST and np.isfinite(x).all() else None
    if base is None or not np.isfinite(base).all():
        return None
    columns = []
    for at in range(x.size):
        moved = x.copy()
        moved.flat[at] += _step(x)
        there = function(moved)
        if there is None or there.shape != base.shape or not np.isfinite(there).all():
            return None
        columns.append((there - base) / _step(x))
    return base, np.stack(columns, axis=1)


def solved(function: Callable[[Any], Any], start: Any, wanted: Any, *, relative: float = 1e-7) -> Any | None:
    """Return the argument for which a linear function returns `wanted`, near `start`.

    Args:
        function: returns a flat array, or None outside its domain.
        start: an array of at most `MOST` entries.
        wanted: a flat array.
        relative: how exactly.

    Returns:
        The one argument; None where there is none, or more than one.
    """
    x = np.asarray(start, float)
    linear = _linear(function, x)
    if linear is None or linear[0].shape != np.shape(wanted):
        return None
    base, matrix = linear
    try:
        change, _, rank, _ = np.linalg.lstsq(matrix, wanted - base, rcond=1e-9)
    except np.linalg.LinAlgError:
        return None
    if rank < x.size:
        return None
    found = x + change.reshape(x.shape)
    there = function(found)
    near = there is not None and scale_of(there - wanted) <= relative * max(scale_of(wanted), scale_of(base))
    return found if near else None


def _is_real(value: Any) -> bool:
    """Return whether a value is a number that is not whole, or an array of them."""
    return isinstance(value, (np.ndarray, np.floating, float)) and np.asarray(value).dtype.kind == "f"


def _value_of(bench: Bench) -> Any | None:
    """Return what the whole expression is worth, where another value of it can be put there and tried."""
    value = bench.original[0] if bench.original else None
    return value if bench.single and _is_real(value) else None


def _results(bench: Bench, value: Any) -> Callable[[Any], Any]:
    """Return the gradients as a function of the whole expression's value, a number where `value` is one."""
    return bench.flat if isinstance(value, np.ndarray) else lambda x: bench.flat(float(x))


def required(bench: Bench) -> Any | None:
    """Return what the whole expression should be worth on the bench's case; None where that cannot be known."""
    value, relative = _value_of(bench), 100 * bench.case.relative
    if value is None:
        return None
    found = solved(_results(bench, value), value, bench.wanted, relative=relative)
    if found is None and isinstance(bench.statement.node, ast.AugAssign):  # dx += dvar, which broadcasts
        array = bench.scopes[0].names.get(bench.root.name)
        if isinstance(array, np.ndarray) and array.shape != np.shape(value):
            try:
                wide = np.array(np.broadcast_to(value, array.shape))
            except ValueError:
                return None
            found = solved(bench.flat, wide, bench.wanted, relative=relative)
    return found


def can_mend(bench: Bench, positions: Sequence[int]) -> bool | None:
    """Return whether any other value of the whole expression, of the same shape, would make these gradients right.

    Return None where that cannot be known: a line in a loop, large values, what is not linear behind it.
    """
    value = _value_of(bench)
    if value is None:
        return None
    keep = np.concatenate([np.arange(bench.ends[p], bench.ends[p + 1]) for p in positions])
    whole, wanted, x = _results(bench, value), bench.wanted[keep], np.asarray(value, float)

    def kept(at: Any) -> Any | None:
        found = whole(at)
        return None if found is None or not np.isfinite(found).all() else found[keep]

    linear = _linear(kept, x)
    if linear is None:
        return None
    base, matrix = linear
    along = np.random.default_rng(3).standard_normal(x.size)
    there = kept(x + _step(x) * along.reshape(x.shape))
    if there is None or scale_of(there - base - _step(x) * matrix @ along) > 1e-6 * (scale_of(there) + scale_of(base)):
        return None
    change = np.linalg.lstsq(matrix, wanted - base, rcond=1e-9)[0]
    return bool(scale_of(base + matrix @ change - wanted) <= 1e-6 * max(scale_of(wanted), scale_of(base)))


# ---- how it can be written -----------------------------------------------------------------------------------


_Library = tuple[list[tuple[str, str, float]], Any]
"""Expressions in the student's names: for each its text, what it is and its cost; what all are worth, row by row."""


def _atoms(
    scope: Scope, statements: Sequence[ast.stmt], target: str, loops: Sequence[str]
) -> list[tuple[str, Any, float]]:
    """Variables, and the sub-expressions that the student has written elsewhere."""
    found: dict[str, tuple[Any, float]] = {}
    for name in (*scope.arrays(), *scope.numbers()):
        value = scope.names[name]
        if name != target and (isinstance(value, (np.ndarray, float, np.floating))):
            found[name] = (value, 0.0)
    for name in scope.arrays():
        value = scope.names[name]
        if loops and isinstance(value, np.ndarray) and 0 < value.ndim <= len(loops):
            text = f"{name}[{', '.join(loops[: value.ndim])}]"
            found.setdefault(text, (scope.value_of(text), 0.3))
        if loops and isinstance(value, np.ndarray) and value.ndim > 1:
            for loop in loops:
                found.setdefault(f"{name}[{loop}]", (scope.value_of(f"{name}[{loop}]"), 0.4))
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, (ast.BinOp, ast.Call, ast.Subscript)) and len(found) < 40:
                text = scope.text.of(node)
                if "\n" in text or len(text) > 40 or text in found or f"({text})" in found:
                    continue
                value = scope.value(node)
                if isinstance(value, (np.ndarray, np.floating)) and np.asarray(value).dtype.kind == "f":
                    bracketed = f"({text})" if isinstance(node, ast.BinOp) else text
                    found[bracketed] = (value, 0.3)
    return [(text, value, cost) for text, (value, cost) in found.items() if value is not None]


def _library(shape: tuple[int, ...], atoms: Sequence[tuple[str, Any, float]]) -> _Library:
    texts: list[tuple[str, str, float]] = []
    rows: list[Any] = []

    def put(text: str, kind: str, cost: float, value: Any) -> None:
        try:
            wide = np.broadcast_to(value, shape)
        except ValueError:
            return
        texts.append((text, kind, cost))
        rows.append(np.ravel(wide))

    usable = []
    with np.errstate(all="ignore"):
        for text, value, cost in atoms:
            array = np.asarray(value)
            if array.dtype.kind == "f" or array.dtype.kind == "b":
                usable.append((text, array.astype(float), cost))
        for text, array, cost in usable:
            put(text, "atom", cost, array)
            put(f"{text} ** 2", "power", cost + 0.5, array**2)
        for i, (text, array, cost) in enumerate(usable):
            for other, second, more in usable[i + 1 :]:
                if _joined(array, second):
                    put(f"{text} * {other}", "product", cost + more + 0.3, array * second)
            for other, second, more in usable if "(" not in text else ():
                if "(" in other or second.ndim == 0 or (np.abs(second) >= 1).any() or not _joined(array, second):
                    continue  # no tanh, no sigmoid
                put(f"{text} * (1 - {other} ** 2)", "product", cost + more + 0.6, array * (1 - second**2))
                if (second > 0).all():
                    put(
                        f"{text} * {other} * (1 - {other})", "product", cost + more + 0.6, array * second * (1 - second)
                    )
            for other, second, more in usable:
                if other != text and divides(other, second) and _joined(array, second):
                    put(f"{text} / {other}", "quotient", cost + more + 0.4, array / second)
        if len(shape) == 2:  # what an affine line sends back to its input, its weight
            plain = [(text, array, cost) for text, array, cost in usable if array.ndim == 2 and "(" not in text]
            for (text, array, cost), (other, second, more) in itertools.product(plain, plain):
                for left, right, form in (
                    (array, second.T, "{} @ {}.T"), (array.T, second, "{}.T @ {}"), (array, second, "{} @ {}")
                ):  # fmt: skip
                    if left.shape[1] == right.shape[0] and (left.shape[0], right.shape[1]) == shape:
                        put(form.format(text, other), "matrix product", cost + more + 0.3, left @ right)
        elif len(shape) == 3:  # the same of many at once
            for (text, array, cost), (other, second, more) in itertools.product(usable, usable):
                if second.ndim == 2 and array.ndim == 3 and "(" not in text + other:
                    for right, form in ((second.T, "{} @ {}.T"), (second, "{} @ {}")):
                        if (*array.shape[:2], right.shape[1]) == shape and array.shape[2] == right.shape[0]:
                            put(form.format(text, other), "matrix product", cost + more + 0.3, array @ right)
        if 1 <= len(shape) <= 2:
            tall = [(text, array, cost) for text, array, cost in usable if array.ndim == 2 and min(array.shape) > 1][
                :10
            ]
            sums = []
            for axis, tail in ((0, "axis=0"), (1, "axis=1, keepdims=True" if len(shape) == 2 else "axis=1")):
                keep = len(shape) == 2
                for i, (text, array, cost) in enumerate(tall):
                    sums.append((f"np.sum({text}, {tail})", array.sum(axis, keepdims=keep), cost + 0.4))
                    for j, (other, second, more) in enumerate(usable):
                        if other == text or not _joined(array, second):
                            continue
                        if second.shape != array.shape or i < j:
                            whole = (array * second).sum(axis, keepdims=keep)
                            sums.append((f"np.sum({text} * {other}, {tail})", whole, cost + more + 0.6))
                        if not divides(other, second):
                            continue
                        whole = (array / second).sum(axis, keepdims=keep)
                        sums.append((f"np.sum({text} / {other}, {tail})", whole, cost + more + 0.8))
            for text, value, cost in sums[:600]:
                put(text, "sum", cost, value)
                for other, second, more in tall[:6] if len(shape) == 2 else ():
                    if not _joined(second, value):
                        continue
                    put(f"{other} * {text}", "sum product", cost + more + 0.3, second * value)
    return texts, np.stack(rows) if rows else np.zeros((0, int(np.prod(shape))))


def _joined(a: Any, b: Any) -> bool:
    try:
        return np.broadcast_shapes(a.shape, b.shape) in (a.shape, b.shape)
    except ValueError:
        return False


def _constants(scope: Scope) -> list[tuple[float, str, str]]:
    """Return numbers that may stand before a value: the number, what is written before it, what after it."""
    found = [
        (1.0, "", ""), (-1.0, "-", ""), (2.0, "2 * ", ""), (0.5, "0.5 * ", ""), (-2.0, "-2 * ", ""),
        (-0.5, "-0.5 * ", ""),
    ]  # fmt: skip
    for name, size in scope.counts().items():
        for number, before in ((1.0, ""), (-1.0, "-"), (2.0, "2 * "), (-2.0, "-2 * ")):
            found.append((number / size, before, f" / {name}"))
        found += [(float(size), f"{name} * ", ""), (-float(size), f"-{name} * ", "")]
        found += [(size**-0.5, "", f" / np.sqrt({name})"), (size**0.5, f"np.sqrt({name}) * ", "")]
    return found


def _matches(
    target: Any, library: _Library, constants: Sequence[tuple[float, str, str]]
) -> Iterator[tuple[str, str, float, str]]:
    """Texts worth `target`: the text, its kind, its cost, the sign it starts with."""
    flat, (texts, rows) = np.ravel(target), library
    top = scale_of(flat)
    if not len(rows) or top == 0 or not np.isfinite(flat).all():
        return
    with np.errstate(all="ignore"):
        keep = np.abs(flat) > 1e-7 * top
        ratio = flat[keep] / rows[:, keep]
        first = ratio[:, :1]
        level = np.all(np.abs(ratio - first) <= 1e-7 * np.abs(first), axis=1)
        if not keep.all():
            level &= np.all(np.abs(rows[:, ~keep]) <= 1e-6 * np.abs(rows).max(axis=1, keepdims=True), axis=1)
    for row in np.flatnonzero(level & np.isfinite(first[:, 0])):
        text, kind, cost = texts[row]
        for number, before, after in constants:
            if abs(first[row, 0] - number) <= 1e-6 * abs(number):
                sign = "-" if before.startswith("-") else ""
                head = before[1:] if sign else before
                yield f"{head}{text}{after}", kind, cost + 0.15 * bool(before) + 0.2 * bool(after), sign
                break


def written(
    bench: Bench, wanted: Any, statements: Sequence[ast.stmt], target: str, loops: Sequence[str] = ()
) -> list[Edit]:
    """Return edits after which the whole expression is worth `wanted`, by solving for each sub-expression.

    Args:
        bench: the expression, in its variables.
        wanted: what it should be worth.
        statements: the student's, for sub-expressions to reuse.
        target: the name assigned.
        loops: the variables of the loops around it.
    """
    scope, root = bench.scopes[0], bench.root.expr
    atoms = _atoms(scope, statements, target if not _reads(root, target) else "", loops)
    constants = _constants(scope)
    goal = np.ravel(np.asarray(wanted, float))
    shape = np.shape(wanted)
    libraries: dict[tuple[int, ...], _Library] = {}
    found: list[Edit] = []
    for node in _parts(root):
        value = scope.value(node)
        if not _is_real(value):
            continue

        def whole(x: Any, node: ast.expr = node, scalar: bool = not isinstance(value, np.ndarray)) -> Any:
            worth = bench.with_value(node, float(x) if scalar else x)
            return None if worth is None or np.shape(worth) != shape else np.ravel(np.asarray(worth, float))

        inner = wanted if node is root else solved(whole, value, goal)
        if inner is None:
            continue
        inner = np.asarray(inner, float)
        if inner.shape not in libraries:
            libraries[inner.shape] = _library(inner.shape, atoms)
        library = libraries[inner.shape]
        text = scope.text.of(node)
        simple = isinstance(node, (ast.Name, ast.Call, ast.Subscript, ast.Attribute))
        product = (
            text
            if simple or (isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div)))
            else f"({text})"
        )
        for spelled, kind, cost, sign in _matches(inner, library, constants):
            if kind != "atom" or cost:
                found.append(Edit(node, sign + spelled, "rewritten", 3.2 + cost, spelled))
        if inner.shape != np.shape(value):
            continue
        with np.errstate(all="ignore"):
            for spelled, _, cost, sign in _matches(inner - np.asarray(value), library, constants):
                found.append(Edit(node, f"{text} {sign or '+'} {spelled}", "term", 2.9 + cost, spelled))
            quotient = inner / np.asarray(value)
            for spelled, _, cost, sign in _matches(quotient, library, constants):
                found.append(Edit(node, f"{sign}{product} * {spelled}", "factor_name", 2.9 + cost, spelled))
            for spelled, kind, cost, sign in _matches(1.0 / quotient, library, constants):
                if not divides(spelled, scope.value_of(spelled)):
                    continue
                bracketed = f"({spelled})" if kind != "atom" or not spelled.isidentifier() else spelled
                found.append(Edit(node, f"{sign}{product} / {bracketed}", "divide_name", 2.9 + cost, spelled))
    found.sort(key=lambda edit: edit.cost + 0.002 * len(edit.new))
    return found[:24]


def _parts(root: ast.expr) -> list[ast.expr]:
    """Return the parts of an expression that its value is linear in, most likely."""
    found: list[ast.expr] = []

    def visit(node: ast.expr) -> None:
        if len(found) < 14:
            found.append(node)
            if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Pow):
                visit(node.left)
                visit(node.right)
            elif isinstance(node, ast.UnaryOp):
                visit(node.operand)

    visit(root)
    return found


def _reads(root: ast.expr, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(root))
