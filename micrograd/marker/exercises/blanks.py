"""Lines of a backward with something left out, or with a mistake planted: edits of their syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from micrograd.export.numpy_source.listing import Line

__all__ = ["BLANK", "AlteredLine", "axis_blanked", "mistakes_in", "rule_blanked", "shape_blanked"]

BLANK = "___"


@dataclass(frozen=True, slots=True)
class AlteredLine:
    """Another text for a line.

    Attributes:
        statement: what it becomes.
        kind: of a planted mistake, as in `micrograd.marker.report.KINDS`.
    """

    statement: str
    answer: str
    """What stood where the blank or the mistake is."""
    kind: str = ""


def _tree(line: Line) -> ast.expr | None:
    try:
        return ast.parse(line.text, mode="eval").body
    except SyntaxError:  # a statement of its own, as for what is scattered
        return None


def _text(line: Line, node: ast.expr) -> str:
    return ast.get_source_segment(line.text, node) or ""


def _replaced(line: Line, node: ast.expr, text: str) -> str:
    """Return the line with another text for one node of its right-hand side."""
    raw = line.text.encode()
    new = raw[: node.col_offset] + text.encode() + raw[node.end_col_offset :]
    return f"{line.target} = {new.decode()}"


def _product(tree: ast.expr, upstream: str) -> tuple[ast.expr, ast.Name] | None:
    """Return the largest product that holds the upstream gradient, and where in it that is; None where none does."""

    def held(node: ast.expr) -> ast.Name | None:
        match node:
            case ast.Name(id=name) if name == upstream:
                return node
            case ast.BinOp(left=left, op=ast.Mult() | ast.Div(), right=right):
                return held(left) or held(right)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return held(operand)
        return None

    for node in ast.walk(tree):
        if isinstance(node, (ast.BinOp, ast.UnaryOp)) and (found := held(node)) is not None:
            return node, found
    return None


def rule_blanked(line: Line) -> AlteredLine | None:
    """``np.sum(dgammax * ___, axis=0)``: the local rule left out; None where the line has none.

    >>> rule_blanked(Line("dvar", "-0.5 * dstd / std", "", "path", upstream="dstd")).statement
    'dvar = dstd * ___'
    """
    tree = _tree(line)
    if tree is None:
        return None
    if (other := _beside(line, tree)) is not None:
        return AlteredLine(_replaced(line, other, BLANK), _text(line, other))
    found = _product(tree, line.upstream)
    if found is None or not _only_spread(tree, found[0]):
        return None
    top, upstream = found
    raw = _text(line, top).encode()
    start, end = upstream.col_offset - top.col_offset, (upstream.end_col_offset or 0) - top.col_offset
    answer = (raw[:start] + b"\0" + raw[end:]).decode()
    answer = answer.replace("\0 * ", "").replace(" * \0", "").replace("\0", "1")
    return AlteredLine(_replaced(line, top, f"{line.upstream} * {BLANK}"), answer)


def _beside(line: Line, tree: ast.expr) -> ast.expr | None:
    """Return what stands beside the upstream gradient in ``dout @ w.T`` and in ``np.where(h > 0, dout, 0)``."""
    match tree:
        case ast.BinOp(left=ast.Name(id=name), op=ast.MatMult(), right=other) if name == line.upstream:
            return other
        case ast.BinOp(left=other, op=ast.MatMult(), right=ast.Name(id=name)) if name == line.upstream:
            return other
        case ast.Call(func=ast.Attribute(attr="where"), args=[other, ast.Name(id=name), _]) if name == line.upstream:
            return other
    return None


def _only_spread(tree: ast.expr, top: ast.expr) -> bool:
    """Return whether nothing is done to a product but summing or spreading it."""
    if tree is top:
        return True
    match tree:
        case ast.Call(func=ast.Attribute(attr="sum" | "broadcast_to"), args=[first, *_]):
            return first is top
        case ast.UnaryOp(operand=inner):
            return _only_spread(inner, top)
    return False


def axis_blanked(line: Line) -> AlteredLine | None:
    """``np.sum(dout, axis=___)``; None where nothing is summed along an axis."""
    tree = _tree(line)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.keyword) and node.arg == "axis":
            return AlteredLine(_replaced(line, node.value, BLANK), _text(line, node.value))
    return None


def shape_blanked(line: Line, message: str, known: Sequence[str]) -> AlteredLine | None:
    """``np.broadcast_to(dvar / N, ___)``, or a shape to predict; None where the function has no names for it.

    Args:
        line: any.
        message: of the assertion that a wrong prediction fails.
        known: the lengths that the function has names for.
    """
    tree = _tree(line)
    for node in ast.walk(tree) if tree else ():
        match node:
            case ast.Call(func=ast.Attribute(attr="broadcast_to"), args=[_, ast.Tuple() as shape]):
                return AlteredLine(_replaced(line, shape, BLANK), _text(line, shape))
    if not line.shape or not {n.id for n in ast.walk(ast.parse(line.shape)) if isinstance(n, ast.Name)} <= {*known}:
        return None
    return AlteredLine(f'{line.statement}\nassert {line.target}.shape == {BLANK}, "{message}"', line.shape)


# ---- planted mistakes --------------------------------------------------------


def mistakes_in(line: Line, alike: Mapping[str, Sequence[str]]) -> Iterator[AlteredLine]:
    """Ways to make a line wrong that a student might.

    Args:
        line: any.
        alike: for each name at hand the others that hold an array of the same shape.
    """
    tree = _tree(line)
    if tree is None:
        return
    whole = line.text
    if isinstance(tree, ast.UnaryOp):
        yield AlteredLine(f"{line.target} = {_text(line, tree.operand)}", whole, "sign")
    elif isinstance(tree, ast.BinOp) and isinstance(tree.op, (ast.Mult, ast.Div)) and _negative(tree):
        yield AlteredLine(f"{line.target} = {whole.removeprefix('-')}", whole, "sign")
    if line.kind == "sum" and isinstance(tree, ast.BinOp):
        yield AlteredLine(_replaced(line, tree, _text(line, tree.left)), whole, "path_missing")
        yield AlteredLine(f"{line.target} = {_text(line, tree.left)} - {_text(line, tree.right)}", whole, "path_sign")
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div)):
            if not _reads(node.right, line.upstream):
                yield AlteredLine(_replaced(line, node, _text(line, node.left)), whole, "gamma_missing")
            if isinstance(node.op, ast.Mult) and not _reads(node.left, line.upstream):
                yield AlteredLine(_replaced(line, node, _text(line, node.right)), whole, "gamma_missing")
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            yield AlteredLine(_replaced(line, node, _text(line, node.left)), whole, "power")
        elif isinstance(node, ast.keyword) and node.arg == "axis" and isinstance(node.value, ast.Constant):
            yield AlteredLine(_replaced(line, node.value, "1" if node.value.value == 0 else "0"), whole, "wrong_axis")
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Gt):
            left, right = _text(line, node.left), _text(line, node.comparators[0])
            yield AlteredLine(_replaced(line, node, f"{left} < {right}"), whole, "mask")
        elif isinstance(node, ast.Name):
            for other in alike.get(node.id, ()):
                yield AlteredLine(_replaced(line, node, other), whole, "swapped_value")


def _negative(node: ast.expr) -> bool:
    """Return whether a product begins with a minus sign."""
    while isinstance(node, ast.BinOp):
        node = node.left
    return isinstance(node, ast.UnaryOp)


def _reads(node: ast.expr, name: str) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id == name for inner in ast.walk(node))
