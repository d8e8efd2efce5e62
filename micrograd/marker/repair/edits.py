"""List candidate fixes: common mistakes reversed, the cheapest first, from one table of what may be exchanged.

An edit exchanges one sub-expression for another text. Which edits a node has is one table, by what the node is and
where it stands. Nothing here knows whether an edit helps: that is for `micrograd.marker.repair.search`.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from micrograd.marker.gradient_names import meanings
from micrograd.marker.repair.node_edits import (
    OPERATORS,
    REDUCTIONS,
    Change,
    Edit,
    Material,
    bare,
    called,
    edits_of_call,
    edits_of_operator,
    kin,
    level_of,
    other_comparisons,
    other_entries,
    other_functions,
    other_names,
    other_numbers,
    through_a_function,
    without_sign,
)  # fmt: skip
from micrograd.marker.student.statements import Scope, Text, divides, index_like, is_number, is_value, path_of

__all__ = [
    "changes_of", "edits_around", "edits_of", "other_indices", "other_keys_and_numbers", "other_order", "other_ranges",
    "other_sums", "shifted", "turned_round",
]  # fmt: skip


# ---- around an expression -----------------------------------------------------------------------------------


def edits_around(here: Material, node: ast.expr) -> Iterator[Edit]:
    """Put an expression into a larger one."""
    value = here.scope.value(node)
    if not is_value(value) or isinstance(node, ast.Starred):
        if isinstance(value, np.ndarray) or (is_number(value) and isinstance(node, (ast.Name, ast.Call, ast.BinOp))):
            yield from _scaled(here, node, counts_only=True)
        return
    constant = isinstance(node, ast.Constant)
    yield from _scaled(here, node)
    if not constant and not isinstance(node, ast.UnaryOp):
        forward = not any(isinstance(n, ast.Name) and meanings(n.id) for n in ast.walk(node))
        yield Edit(node, f"-{here.operand(node, 2)}", "negate", 1.7 if forward else 1.1)
    if isinstance(value, np.ndarray) and value.dtype.kind == "b":
        yield Edit(node, f"~{here.operand(node, 5)}", "mask", 1.5)
    if not constant:
        yield from _beside_another(here, node, np.shape(value))
    if isinstance(value, np.ndarray) and value.ndim:
        yield from _in_another_shape(here, node, value)
    if not constant:
        yield from _of_itself(here, node, np.shape(value))
    if node is here.root:
        yield from _through_a_softmax(here, node, np.shape(value))
        yield from _through_an_activation(here, node, np.shape(value))


def _through_a_softmax(here: Material, node: ast.expr, shape: tuple[int, ...]) -> Iterator[Edit]:
    """Write the gradient of a softmax for what is computed of its probabilities and of a gradient."""
    arrays, names = here.scope.names, {path_of(n) for n in ast.walk(node) if isinstance(n, ast.expr)}
    for name in here.arrays if len(shape) > 1 else ():
        p = arrays[name]
        if name in names and p.shape == shape and (p >= 0).all() and (p < 1).any() and np.allclose(p.sum(-1), 1.0):
            for other in here.arrays:
                if other in names and meanings(other) and arrays[other].shape == shape:
                    new = f"{name} * ({other} - np.sum({name} * {other}, axis=-1, keepdims=True))"
                    yield Edit(node, new, "rewritten", 2.7, other)


def _through_an_activation(here: Material, node: ast.expr, shape: tuple[int, ...]) -> Iterator[Edit]:
    """Put the slope of tanh or of a sigmoid behind a value, by what they returned."""
    held = {name: here.scope.names[name] for name in here.arrays} | here.items
    for name, y in held.items() if shape and not isinstance(node, ast.Constant) else ():
        if np.shape(y) != shape or np.asarray(y).dtype.kind != "f" or meanings(name) or (np.abs(y) >= 1).any():
            continue
        yield Edit(node, f"{here.operand(node, 2)} * (1 - {name} ** 2)", "factor_name", 2.6, f"1 - {name} ** 2")
        if (y > 0).all():
            yield Edit(node, f"{here.operand(node, 2)} * {name} * (1 - {name})", "factor_name", 2.6, name)


def _beside_another(here: Material, node: ast.expr, shape: tuple[int, ...]) -> Iterator[Edit]:
    """Add a factor, a divisor or a term: an array, a part of one, a number."""
    product, term = here.operand(node, 2), here.of(node)
    for name in here.arrays:
        if name == term or not _fits(shape, np.shape(here.scope.names[name])):
            continue
        yield Edit(node, f"{product} * {name}", "factor_name", 2.4, name)
        if divides(name, here.scope.names[name]):
            yield Edit(node, f"{product} / {name}", "divide_name", 2.6, name)
        same = np.shape(here.scope.names[name]) == shape
        yield Edit(node, f"{term} + {name}", "term", 2.8 if same else 3.2, name)
        yield Edit(node, f"{term} - {name}", "term", 3.0 if same else 3.4, name)
    for name in here.arrays if here.scope.loops else ():
        ndim = here.scope.names[name].ndim
        if 0 < ndim <= len(here.scope.loops):
            part = f"{name}[{', '.join(here.scope.loops[:ndim])}]"
            yield Edit(node, f"{product} * {part}", "factor_name", 2.6, part)
            yield Edit(node, f"{term} + {part}", "term", 3.2, part)
        if ndim > 1:
            part = f"{name}[{here.scope.loops[-1]}]"
            yield Edit(node, f"{product} * {part}", "factor_name", 2.7, part)
    for item, held in here.items.items():
        if item not in product and _fits(shape, np.shape(held)):
            yield Edit(node, f"{product} * {item}", "factor_name", 2.5, item)
    for setting in here.scope.settings():
        yield Edit(node, f"{term} + {setting}", "term_number", 2.2 if "eps" in setting else 2.4, setting)
        yield Edit(node, f"{product} / (1 - {setting})", "divide_name", 2.5, setting)
        yield Edit(node, f"{product} / {setting}", "divide_name", 2.5, setting)
        yield Edit(node, f"{product} * {setting}", "factor_name", 2.6, setting)
    for name in _in_absolute_values(here.root):
        if _fits(np.shape(here.scope.names.get(name, 0.0)), shape):
            yield Edit(node, f"{product} * np.sign({name})", "factor_name", 2.6, f"np.sign({name})")
    for name in here.numbers:
        if isinstance(here.scope.names[name], (float, np.floating)):
            yield Edit(node, f"{term} + {name}", "term_number", 2.2, name)
            yield Edit(node, f"{product} * {name}", "factor_name", 2.7, name)
            yield Edit(node, f"{product} / {name}", "divide_name", 2.8, name)
            yield Edit(node, f"{product} / (1 - {name})", "divide_name", 3.2, name)


def _in_absolute_values(root: ast.expr) -> list[str]:
    """Return the names whose absolute value an expression takes: the slope of ``|x|`` is the sign of x."""
    calls = [n for n in ast.walk(root) if isinstance(n, ast.Call) and called(n.func) in ("abs", "absolute", "fabs")]
    return [call.args[0].id for call in calls if call.args and isinstance(call.args[0], ast.Name)]


_AXES = {3: ("(0, 1)", "(1, 2)", "(0, 2)"), 4: ("(0, 2, 3)", "(2, 3)", "(1, 2, 3)"), 5: ("(2, 3, 4)",)}


def _in_another_shape(here: Material, node: ast.expr, value: Any) -> Iterator[Edit]:
    """Sum, average, transpose, reshape or copy an array."""
    term, atom = here.of(node), here.operand(node, 5)
    for axis in (*map(str, range(value.ndim)), *_AXES.get(value.ndim, ())):
        yield Edit(node, f"np.sum({term}, axis={axis})", "unsummed", 2.0, axis)
        yield Edit(node, f"np.mean({term}, axis={axis})", "unsummed", 2.3, axis)
        if value.ndim > 1:
            yield Edit(node, f"np.sum({term}, axis={axis}, keepdims=True)", "unsummed", 2.4, axis)
            yield Edit(node, f"np.mean({term}, axis={axis}, keepdims=True)", "unsummed", 2.5, axis)
    if value.ndim > 1:
        yield Edit(node, f"np.sum({term})", "unsummed", 2.6)
        yield Edit(node, f"{atom}.T", "transpose", 2.2)
    else:
        yield Edit(node, f"{atom}[None, :]", "index", 2.6)
        yield Edit(node, f"{atom}[:, None]", "index", 2.6)
    for name in here.arrays:
        other = here.scope.names[name]
        if other.size == value.size and other.shape != value.shape:
            yield Edit(node, f"{atom}.reshape({name}.shape)", "keepdims", 2.2, name)
    if isinstance(node, ast.Name):
        yield Edit(node, f"{term}.copy()", "copy", 2.0)


def _of_itself(here: Material, node: ast.expr, shape: tuple[int, ...]) -> Iterator[Edit]:
    """Take a power, the complement or a mask of it; what a derivative of tanh or a sigmoid brings."""
    product, term, atom = here.operand(node, 2), here.of(node), here.operand(node, 5)
    yield Edit(node, f"{atom} ** 2", "power", 2.3, "2")
    yield Edit(node, f"np.sqrt({term})", "power", 2.3, "0.5")
    yield Edit(node, f"1 / {here.operand(node, 3)}", "power", 2.3, "-1")
    for power, cost in (("3", 2.7), ("-0.5", 2.6), ("-1.5", 2.6), ("-2", 2.7)):
        yield Edit(node, f"{atom} ** {power}", "power", cost, power)
    yield Edit(node, f"1 - {product}", "complement", 2.6)
    yield Edit(node, f"{product} * (1 - {product})", "factor_name", 3.0, term)
    yield Edit(node, f"({term} > 0)", "mask", 1.9 if f"{term} > 0" in here.text.source else 2.8)
    for name in here.arrays if shape else ():
        if np.shape(here.scope.names[name]) == shape:
            yield Edit(node, f"{product} * ({name} > 0)", "mask", 2.9, name)
            yield Edit(node, f"{product} * (1 - {name})", "factor_name", 3.0, name)
            yield Edit(node, f"{product} * (1 - {name} ** 2)", "factor_name", 3.2, name)


def _scaled(here: Material, node: ast.expr, counts_only: bool = False) -> Iterator[Edit]:
    """Yield a missing number as a factor, or a count that is multiplied or divided by."""
    product = here.operand(node, 2)
    if isinstance(node, ast.Constant):
        return
    if counts_only and isinstance(node, ast.Name):
        yield Edit(node, f"np.sqrt({node.id})", "count", 1.9, node.id)
        yield Edit(node, f"{node.id} ** 2", "count", 2.0, node.id)
    if not counts_only:
        yield Edit(node, f"2 * {here.operand(node, 3 if '/' in product else 2)}", "constant", 2.0, "2")
        yield Edit(node, f"0.5 * {here.operand(node, 3 if '/' in product else 2)}", "constant", 2.0, "0.5")
        for text in ("3", "-2", "-0.5", "1.5"):
            yield Edit(node, f"{text} * {product}", "constant", 2.6, text)
    for name in here.counts:
        extra = 0.3 if "." in name else 0.0
        yield Edit(node, f"{product} / {name}", "count", 2.1 + extra, name)
        yield Edit(node, f"{product} * {name}", "count", 2.1 + extra, name)
        yield Edit(node, f"{product} / np.sqrt({name})", "count", 2.4 + extra, name)
        yield Edit(node, f"{product} / ({name} - 1)", "bessel", 2.6 + extra, name)


def _fits(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Return whether two shapes broadcast to one of the two."""
    try:
        return np.broadcast_shapes(shape, other) in (shape, other)
    except ValueError:
        return False


# ---- in square brackets, sizes and ranges -------------------------------------------------------------------


def other_order(here: Material, node: ast.Tuple | ast.List) -> Iterator[Edit]:
    """Exchange two neighbours."""
    brackets = "[{}]" if isinstance(node, ast.List) else "({})" if here.of(node).startswith("(") else "{}"
    for order in here.exchanged(node.elts):
        yield Edit(node, brackets.format(order), "index", 1.7)


def other_indices(here: Material, node: ast.Name) -> Iterator[Edit]:
    """Offer another index, a mask made of it, its neighbours, a multiple."""
    name = node.id
    held = here.scope.names.get(name)
    for other, candidate in here.scope.names.items():
        if other == name or not index_like(candidate):
            continue
        if type(candidate) is type(held) or (held is not None and np.shape(candidate) == np.shape(held)):
            yield Edit(node, other, "index", 1.6 - (0.2 if kin(name, other) else 0.0), other)
    if isinstance(held, np.ndarray) and held.dtype.kind == "f":
        yield Edit(node, f"{name} > 0", "mask", 1.6)
    if isinstance(held, np.ndarray) and held.dtype.kind == "b":
        yield Edit(node, f"~{name}", "mask", 1.4)
    elif isinstance(held, (int, np.integer)):
        yield Edit(node, f"{name} + 1", "index", 1.9)
        yield Edit(node, f"{name} - 1", "index", 1.9)
        yield Edit(node, f"-{name}", "index", 2.0)
        for other in here.numbers:
            if other != name and isinstance(here.scope.names[other], (int, np.integer)):
                yield Edit(node, f"{name} * {other}", "index", 2.0, other)
                yield Edit(node, f"{name} + {other}", "index", 2.1, other)
                yield Edit(node, f"{name} - {other}", "index", 2.2, other)


def other_keys_and_numbers(here: Material, node: ast.Constant) -> Iterator[Edit]:
    """Offer another whole number or size; another key of the dictionaries that have this one."""
    key = node.value
    if isinstance(key, int) and not isinstance(key, bool):
        for text in dict.fromkeys(("0", "1", "2", "3", "-1", *here.counts, *here.indices)):
            if text != repr(key):
                yield Edit(node, text, "negate" if text == f"-{key}" else "index", 1.6, text)
    for value in here.scope.names.values() if isinstance(key, str) else ():
        if isinstance(value, dict) and key in value:
            for other in value:
                if isinstance(other, str) and other != key and type(value[other]) is type(value[key]):
                    yield Edit(node, repr(other), "name", 1.7, other)


def turned_round(here: Material, node: ast.UnaryOp) -> Iterator[Edit]:
    """Turn the sign."""
    yield Edit(node, here.of(node.operand), "mask" if isinstance(node.op, ast.Invert) else "negate", 1.4)
    for name in here.scope.loops:  # of the last place in every round
        yield Edit(node, name, "index", 1.8, name)


def other_sums(here: Material, node: ast.BinOp) -> Iterator[Edit]:
    """Offer another operator, or one operand alone."""
    symbol = OPERATORS.get(type(node.op))
    if symbol is None:
        return
    for other in ("+", "-", "*", "//"):
        if other != symbol:
            text = f"{here.operand(node.left, 2)} {other} {here.operand(node.right, 2)}"
            yield Edit(node, text, "index", 1.5, other)
    yield Edit(node, here.of(node.left), "index", 1.4)
    yield Edit(node, here.of(node.right), "index", 1.4)


def other_ranges(here: Material, node: ast.Call) -> Iterator[Edit]:
    """Begin a range at 0, or at 1."""
    if called(node.func) in ("range", "arange") and len(node.args) >= 2:
        yield Edit(node, f"{here.of(node.func)}({here.of(node.args[1])})", "index", 1.3)
    if called(node.func) == "reversed" and here.root is node and len(node.args) == 1:
        yield Edit(node, here.of(node.args[0]), "index", 1.9)
    if called(node.func) == "range" and here.root is node:
        yield Edit(node, f"reversed({here.of(node)})", "index", 1.9)
    if called(node.func) == "range" and len(node.args) == 1:
        yield Edit(node, f"range(1, {here.of(node.args[0])})", "index", 2.4)


def rows_of_labels(here: Material, node: ast.expr) -> Iterator[Edit]:
    """Pair an index of rows with labels, and labels with one: ``[np.arange(N), y]`` for ``[:, y]``."""
    labels = [
        name for name, held in here.scope.names.items()
        if isinstance(held, np.ndarray) and held.dtype.kind in "iu" and held.ndim == 1
    ]  # fmt: skip
    match node:
        case ast.Tuple(elts=[ast.Slice(lower=None, upper=None, step=None), ast.Name(id=name)]) if name in labels:
            yield Edit(node, f"np.arange(len({name})), {name}", "index", 1.4)
        case ast.Call() if here.root is node and called(node.func) in ("range", "arange"):
            yield from (Edit(node, f"{here.of(node)}, {name}", "index", 1.8, name) for name in labels)
        case ast.Name(id=name) if here.root is node and name in labels:
            yield Edit(node, f"np.arange(len({name})), {name}", "index", 1.8)


def along_the_other_axis(here: Material, root: ast.expr) -> Iterator[Edit]:
    """Take all sums of an expression along the other axis, and its count: layer norm for batch norm."""
    text, axes = here.of(root), set(re.findall(r"axis=(-?\d)", here.of(root)))
    shapes = [held.shape for held in here.scope.names.values() if isinstance(held, np.ndarray) and held.ndim == 2]
    if len(axes) != 1 or text.count("axis=") < 2 or not shapes:
        return
    other = "1, keepdims=True" if axes == {"0"} else "0"
    rows, columns = max(set(shapes), key=shapes.count)
    named = {name: size for name, size in here.counts.items() if name.isidentifier()}
    turned = {
        name: next((o for o, s in named.items() if s == (columns if size == rows else rows)), name)
        for name, size in named.items() if size in (rows, columns)
    }  # fmt: skip
    new = re.sub(r"[A-Za-z_]\w*", lambda found: turned.get(found[0], found[0]), text)
    new = re.sub(r"axis=-?\d(, keepdims=True)?", f"axis={other}", new)
    yield Edit(root, new, "other_norm", 2.2)


def shifted(here: Material, node: ast.Slice) -> Iterator[Edit]:
    """Move both ends of a slice by one, or by what was added to both."""
    if node.lower is None or node.upper is None:
        return
    low, high = here.of(node.lower), here.of(node.upper)
    for sign in ("+", "-"):
        yield Edit(node, f"{low} {sign} 1:{high} {sign} 1", "index", 2.2, f"{sign} 1")
    match node.lower, node.upper:
        case ast.Name() | ast.Constant(value=int()), ast.UnaryOp(op=ast.USub(), operand=end) if here.of(end) == low:
            for both in dict.fromkeys(("1", "2", "3", *here.counts)):
                yield Edit(node, f"{both}:-{both}", "index", 1.9, both)
        case ast.BinOp(left=a, op=ast.Add() | ast.Sub(), right=b), ast.BinOp(left=c, op=ast.Add() | ast.Sub(), right=d):
            if type(node.lower.op) is type(node.upper.op) and here.of(b) == here.of(d):
                yield Edit(node, f"{here.of(a)}:{here.of(c)}", "index", 1.7, here.of(b))


# ---- the table ----------------------------------------------------------------------------------------------


_SHAPED = ("reshape", "transpose", "zeros", "ones", "full", "empty", "arange", "range", "pad")
_SETTINGS = ("axis", "keepdims", "out", "dtype")  # of a reduction: edited with the call


def edits_of(root: ast.expr, scope: Scope, role: str = "value", target: str = "") -> list[Edit]:
    """Return all edits of an expression, the cheapest first.

    Args:
        root: the expression.
        scope: what is known where it stands.
        role: of the root (`micrograd.marker.student.statements.Root`).
        target: the name that is assigned; in a loop it is no candidate for a missing operand unless it is read already.
    """
    read = {n.id for n in ast.walk(root) if isinstance(n, ast.Name)}
    here = Material(root, scope, {target} - read if scope.loops else set())
    tag = "index" if isinstance(root, ast.Subscript) else "rewritten"
    said = [Edit(root, text, tag, 1.9) for text in scope.said.get(target, ()) if role == "value"]
    said += along_the_other_axis(here, root) if role == "value" else ()
    found = [*said, *_edits(here, root, "index" if role in ("index", "loop") else "value")]
    return sorted(found, key=lambda edit: edit.cost)


def _edits(here: Material, node: ast.expr, place: str) -> Iterator[Edit]:
    """Yield the edits of a node and of what is in it, row by row of the table."""
    for types, make in _TABLE[place]:
        if isinstance(node, types):
            yield from make(here, node)


def _inside(parts: Callable[[Material, ast.expr], Iterator[tuple[ast.expr, str]]]) -> Callable[..., Iterator[Edit]]:
    """Make a row that goes on into the parts of a node."""

    def make(here: Material, node: ast.expr) -> Iterator[Edit]:
        for part, place in parts(here, node):
            yield from _edits(here, part, place)

    return make


def _parts_of_value(here: Material, node: ast.expr) -> Iterator[tuple[ast.expr, str]]:
    """Yield the parts of a value that are edited in turn, and as what."""
    match node:
        case ast.BinOp(left=left, right=right):
            yield left, "value"
            yield right, "value"
        case ast.UnaryOp(operand=inner) | ast.ListComp(elt=inner) | ast.GeneratorExp(elt=inner):
            yield inner, "value"
        case ast.NamedExpr(value=inner) | ast.Attribute(value=inner, attr="T"):
            yield inner, "value"
        case ast.Call(func=func, args=args, keywords=keywords):
            method = here.is_method(func)
            if method:
                yield func.value, "value"  # type: ignore[attr-defined]
            name = called(func)
            for position, arg in enumerate(args):
                if name in REDUCTIONS and position == (0 if method else 1):
                    continue  # an axis, edited with the call
                if name in _SHAPED and (position or name in ("arange", "range")):
                    yield arg, "index"
                elif not isinstance(arg, ast.Starred):
                    yield arg, "value"
            yield from ((keyword.value, "index") for keyword in keywords if keyword.arg not in _SETTINGS)
        case ast.Subscript(value=value, slice=index):
            yield value, "value"
            yield index, "index"
        case ast.Compare(left=left, comparators=comparators):
            yield from ((side, "side") for side in (left, *comparators))
        case ast.BoolOp(values=elements) | ast.Tuple(elts=elements) | ast.List(elts=elements):
            yield from ((element, "value") for element in elements if not isinstance(element, ast.Starred))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield from ((part, "value") for part in (test, body, orelse))


def _parts_of_index(_: Material, node: ast.expr) -> Iterator[tuple[ast.expr, str]]:
    """Yield the parts of an index that are edited in turn, and as what."""
    match node:
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            yield from ((part, "index") for part in parts)
        case ast.Slice(lower=lower, upper=upper, step=step):
            yield from ((part, "index") for part in (lower, upper, step) if part is not None)
        case ast.Starred(value=inner) | ast.UnaryOp(operand=inner) | ast.Subscript(slice=inner):
            yield inner, "index"
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            yield left, "index"
            yield right, "index"
        case ast.Compare():
            yield node, "value"
        case ast.Call(func=func, args=args):
            yield from [(node, "value")] if called(func) in ("argmax", "argmin") else [(arg, "index") for arg in args]


Row = tuple[type[ast.expr] | tuple[type[ast.expr], ...], Callable[[Material, Any], Iterator[Edit]]]

_OF_THE_NODE: tuple[Row, ...] = (
    ((ast.Name, ast.Subscript), other_names),
    (ast.Constant, other_numbers),
    (ast.UnaryOp, without_sign),
    (ast.BinOp, edits_of_operator),
    (ast.Compare, other_comparisons),
    (ast.Call, edits_of_call),
    (ast.Attribute, bare),
    (ast.Subscript, other_entries),
)
_TABLE: dict[str, tuple[Row, ...]] = {
    "value": (
        *_OF_THE_NODE,
        (ast.Call, other_functions),
        ((ast.Name, ast.Attribute), through_a_function),
        (ast.expr, edits_around),
        (ast.expr, _inside(_parts_of_value)),
    ),
    "side": (*_OF_THE_NODE, (ast.expr, _inside(_parts_of_value))),  # of a comparison: nothing is missing around it
    "index": (
        ((ast.Tuple, ast.List), other_order),
        (ast.Name, other_indices),
        (ast.Constant, other_keys_and_numbers),
        (ast.UnaryOp, turned_round),
        (ast.BinOp, other_sums),
        (ast.Call, other_ranges),
        ((ast.Tuple, ast.Call, ast.Name), rows_of_labels),
        (ast.expr, _inside(_parts_of_index)),
        (ast.Slice, shifted),
    ),
}
"""By where a node stands: the types of nodes, and what makes their edits, in this order."""


# ---- of a statement -----------------------------------------------------------------------------------------


def changes_of(node: ast.stmt, text: Text) -> list[Change]:
    """Return the edits of a statement that exchange no expression."""
    return [change for types, make in _OF_STATEMENTS if isinstance(node, types) for change in make(node, text)]


def _other_assignments(node: ast.AugAssign, text: Text) -> Iterator[Change]:
    """Offer another operator for ``+=``, or none; the same written out."""
    symbol = OPERATORS.get(type(node.op), "")
    after, before = text.range(node.target)[1], text.range(node.value)[0]
    at = text.source.find(f"{symbol}=", after, before)
    if at < 0:
        return
    far = 1.3 if symbol in ("+", "-") else 1.0
    for other, cost in (("+=", 1.0), ("-=", 1.0), ("*=", far), ("/=", far), ("=", 1.0)):
        if other != f"{symbol}=":
            turned = {symbol, other[0]} == {"+", "-"}
            tag = "assign" if other == "=" else "aug_sign" if turned else "operator"
            yield Change(at, at + len(symbol) + 1, other, tag, cost, other)
    name, operand = text.of(node.target), text.of(node.value)
    operand = f"({operand})" if level_of(node.value) < 5 else operand
    start, end = text.range(node)
    yield Change(start, end, f"{name} = {name} {symbol} {operand}", "in_place", 1.6, name)
    gap = rf"[ \t]*(?:;[ \t]*|\n[ \t]{{{node.col_offset}}})"  # the next statement of the same block
    called = re.compile(rf"{gap}([A-Za-z_]\w*) = {re.escape(name)}(?=\s*[;\n])").match(text.source, end)
    if called is not None:  # the product is wanted under another name, and the factor as it was
        yield Change(start, called.end(), f"{called[1]} = {name} {symbol} {operand}", "in_place", 1.5, name)


def _other_places(node: ast.Assign | ast.AugAssign, text: Text) -> Iterator[Change]:
    """Exchange two names in all square brackets of a statement: ``dW[word] += dout[i]``."""
    inside = [n.slice for n in ast.walk(node) if isinstance(n, ast.Subscript)]
    found = [n for index in inside for n in ast.walk(index) if isinstance(n, ast.Name)]
    names = list(dict.fromkeys(n.id for n in found))
    if len(inside) < 2 or not 2 <= len(names) <= 3:
        return
    start, end = text.range(node)
    for one, other in itertools.combinations(names, 2):
        turned, new, at = {one: other, other: one}, "", start
        for n in sorted(found, key=lambda n: text.range(n)[0]):
            new += text.source[at : text.range(n)[0]] + turned.get(n.id, n.id)
            at = text.range(n)[1]
        yield Change(start, end, new + text.source[at:end], "index", 1.9, f"{one}, {other}")


def _at_each(node: ast.Assign | ast.AugAssign, text: Text) -> Iterator[Change]:
    """Offer ``np.add.at(a, i, b)`` for ``a[i] += b``: where an index occurs twice, both count."""
    target = node.targets[-1] if isinstance(node, ast.Assign) else node.target
    added = isinstance(node, ast.Assign) or isinstance(node.op, ast.Add)
    if not added or not isinstance(target, ast.Subscript) or isinstance(target.slice, ast.Constant):
        return
    parts = target.slice.elts if isinstance(target.slice, ast.Tuple) else [target.slice]
    if not any(isinstance(part, ast.Slice) for part in parts):
        new = f"np.add.at({text.of(target.value)}, {text.of(target.slice)}, {text.of(node.value)})"
        yield Change(*text.range(node), new, "add_at", 1.4)


def _accumulated(node: ast.Assign, text: Text) -> Iterator[Change]:
    """Offer ``+=`` for ``=``."""
    target = node.targets[0]
    if len(node.targets) > 1 or isinstance(target, (ast.Tuple, ast.List)):
        return
    at = text.source.find("=", text.range(target)[1], text.range(node.value)[0])
    for other, cost in (("+=", 1.3), ("-=", 1.9), ("/=", 2.0), ("*=", 2.0)) if at >= 0 else ():
        yield Change(at, at + 1, other, "accumulate", cost, other)


def _other_order(node: ast.Assign | ast.Return, text: Text) -> Iterator[Change]:
    """Exchange two of several values, or of several names."""
    match node:
        case ast.Assign(targets=[ast.Tuple()], value=ast.Tuple(elts=elts)) if 2 <= len(elts) <= 6:
            yield from _swaps(elts, text, "unpack", 1.2)
        case ast.Assign(targets=[ast.Tuple(elts=elts)]) if 2 <= len(elts) <= 12:
            yield from _swaps(elts, text, "unpack", 1.5)
        case ast.Return(value=ast.Tuple(elts=elts)) if 2 <= len(elts) <= 7:
            yield from _swaps(elts, text, "returns", 1.0)


def _swaps(elements: list[ast.expr], text: Text, tag: str, cost: float) -> Iterator[Change]:
    """Exchange two elements of a tuple; put the few of a result in any other order."""
    ranges, places = [text.range(element) for element in elements], range(len(elements))
    start, end = ranges[0][0], ranges[-1][1]
    orders = [tuple({i: j, j: i}.get(n, n) for n in places) for i, j in itertools.combinations(places, 2)]
    if tag == "returns" and len(elements) <= _FEW:
        orders += [order for order in itertools.permutations(places) if order not in (tuple(places), *orders)]
    for order in orders:
        new = ""
        for place, taken in enumerate(order):
            gap = text.source[ranges[place - 1][1] : ranges[place][0]] if place else ""
            new += gap + text.source[slice(*ranges[taken])]
        yield Change(start, end, new, tag, cost)


_FEW = 4
_OF_STATEMENTS: tuple[tuple[Any, Callable[[Any, Text], Iterator[Change]]], ...] = (
    (ast.AugAssign, _other_assignments),
    (ast.Assign, _accumulated),
    ((ast.Assign, ast.AugAssign), _other_places),
    ((ast.Assign, ast.AugAssign), _at_each),
    ((ast.Assign, ast.Return), _other_order),
)
