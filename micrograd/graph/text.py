"""Print graphs as text and read them back: what `str(graph)` prints, `parse` reads as an equal graph.

::

    graph f
      input x: float64[2]
      stage "y"
        y: float64[2] = mul(x, 2.0)
      return y
"""

from __future__ import annotations

import ast
import base64
import json
import re
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from micrograd.errors import GraphError
from micrograd.graph.nodes import Node, Stage

if TYPE_CHECKING:
    from micrograd.graph.graph import Graph

__all__ = ["parse", "to_text"]

_BARE = re.compile(r"[^\W\d][\w.']*\Z")
_LISTED = 64  # arrays up to this many entries are printed as numbers


def _word(name: str) -> str:
    return name if _BARE.match(name) else json.dumps(name)


def _number(value: float) -> str:
    return repr(float(value))


def _array(value: np.ndarray[Any, Any]) -> str:
    if value.size <= _LISTED:
        numbers = [_number(v) if value.dtype.kind == "f" else str(v) for v in value.ravel().tolist()]
        return f"[{', '.join(numbers)}]"
    packed = zlib.compress(np.ascontiguousarray(value).tobytes())
    return json.dumps(base64.b85encode(packed).decode())


def _type(shape: tuple[int, ...], dtype: str) -> str:
    return f"{dtype}[{','.join(map(str, shape))}]"


def _attr(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"array({_type(value.shape, value.dtype.name)!r}, {_array(value)})"
    if isinstance(value, tuple):
        inner = ", ".join(map(_attr, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, slice):
        return f"slice({_attr(value.start)}, {_attr(value.stop)}, {_attr(value.step)})"
    if value is Ellipsis:
        return "..."
    if isinstance(value, np.generic):
        value = value.item()
    return repr(value)


def to_text(graph: Graph) -> str:
    """Return the text of a graph."""
    lines = [f"graph {_word(graph.name)}"]
    stage: int | None = None
    for node in graph.nodes:
        kind = f"{_word(node.name)}: {_type(node.shape, node.dtype)}"
        if node.is_leaf:
            value = "" if node.op == "input" else f" = {_array(np.asarray(graph.fixed[node.index]))}"
            lines.append(f"  {node.op} {kind}{value}")
            continue
        if node.stage != stage:
            stage = node.stage
            title = "-" if stage is None else f"{stage} {json.dumps(graph.stages[stage].title, ensure_ascii=False)}"
            lines.append(f"  stage {title}")
        parts = [_word(graph.nodes[o].name) if isinstance(o, int) else _number(o) for o in node.operands]
        parts += [f"{key}={_attr(value)}" for key, value in node.attrs.items()]
        within = f"  # {_word(node.statement)}" if node.statement != node.name else ""
        lines.append(f"    {kind} = {node.op}({', '.join(parts)}){within}")
    for alias, name in graph.aliases.items():
        lines.append(f"  alias {_word(alias)} = {_word(name)}")
    lines.append(f"  return {', '.join(_word(node.name) for node in graph.outputs)}")
    return "\n".join(lines)


class _Reader:
    """Read one line from the left."""

    def __init__(self, text: str, number: int) -> None:
        self.rest, self.number = text.strip(), number

    def fail(self, wanted: str) -> GraphError:
        return GraphError(f"line {self.number} of the graph's text: expected {wanted} at {self.rest[:40]!r}")

    def take(self, pattern: str, wanted: str) -> str:
        match = re.match(pattern, self.rest)
        if match is None:
            raise self.fail(wanted)
        self.rest = self.rest[match.end() :].lstrip()
        return match.group().strip()

    def word(self) -> str:
        if self.rest.startswith('"'):
            value, end = json.JSONDecoder().raw_decode(self.rest)
            self.rest = self.rest[end:].lstrip()
            return str(value)
        return self.take(r"[^\W\d][\w.']*", "a name")

    def type(self) -> tuple[tuple[int, ...], str]:
        dtype = self.take(r"\w+(?=\[)", "a dtype")
        sizes = self.take(r"\[[\d,]*\]", "a shape")[1:-1]
        return tuple(int(s) for s in sizes.split(",") if s), dtype


def _literal(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Tuple(elts=elts):
            return tuple(_literal(e) for e in elts)
        case ast.List(elts=elts):
            return [_literal(e) for e in elts]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_literal(operand)
        case ast.Name(id="inf" | "nan" as name):
            return float(name)
        case ast.Name(id="True" | "False" as name):
            return name == "True"
        case ast.Call(func=ast.Name(id="slice"), args=args):
            return slice(*(_literal(a) for a in args))
        case ast.Call(func=ast.Name(id="array"), args=[ast.Constant(value=str(kind)), value]):
            shape, dtype = _Reader(kind, 0).type()
            return _unpack(_literal(value), shape, dtype)
    raise GraphError(f"not a value that a graph's text may hold: {ast.unparse(node)}")


def _unpack(value: Any, shape: tuple[int, ...], dtype: str) -> Any:
    if isinstance(value, str):
        array = np.frombuffer(zlib.decompress(base64.b85decode(value)), dtype)
    else:
        array = np.array(value, dtype)
    array = array.reshape(shape)
    array.flags.writeable = False
    return array


def _value(text: str, reader: _Reader) -> Any:
    try:
        return _literal(ast.parse(text, mode="eval").body)
    except SyntaxError:
        raise reader.fail("a value") from None


def parse(text: str) -> dict[str, Any]:
    """Return the arguments of `Graph` that `text` describes.

    Raises:
        GraphError: with the line and what was expected there.
    """
    name, outputs = "graph", []
    nodes: list[Node] = []
    fixed: dict[int, Any] = {}
    aliases: dict[str, str] = {}
    stages: dict[int, tuple[str, list[int]]] = {}
    stage: int | None = None
    index: dict[str, int] = {}

    def known(word: str, reader: _Reader) -> int:
        if word not in index:
            raise GraphError(f"line {reader.number} of the graph's text: {word!r} is not defined above it")
        return index[word]

    for number, line in enumerate(text.split("\n"), 1):  # not splitlines: a title may hold \x85
        reader = _Reader(line, number)
        if not reader.rest:
            continue
        head = re.match(r"(graph|input|parameter|constant|stage|alias|return)\b(?!\s*[:'.])", reader.rest)
        keyword = head.group() if head else ""
        reader.rest = reader.rest[len(keyword) :].lstrip()
        if keyword == "graph":
            name = reader.word()
        elif keyword == "stage":
            stage = None
            if reader.rest != "-":
                stage = int(reader.take(r"\d+", "a number"))
                stages.setdefault(stage, (json.loads(reader.rest), []))
        elif keyword == "alias":
            alias = reader.word()
            reader.take("=", "=")
            aliases[alias] = reader.word()
        elif keyword == "return":
            outputs = [known(reader.word(), reader)]
            while reader.rest.startswith(","):
                reader.take(",", ",")
                outputs.append(known(reader.word(), reader))
        else:
            label = reader.word()
            reader.take(":", ":")
            shape, dtype = reader.type()
            at = len(nodes)
            if keyword:
                if keyword != "input":
                    reader.take("=", "=")
                    fixed[at] = _unpack(_value(reader.rest, reader), shape, dtype)
                nodes.append(Node(at, label, keyword, shape, dtype))
            else:
                reader.take("=", "=")
                nodes.append(_equation(reader, at, label, shape, dtype, stage, known))
                if stage is not None:
                    stages[stage][1].append(at)
            index[label] = at
    staged = [Stage(title, tuple(members)) for _, (title, members) in sorted(stages.items())]
    return {"nodes": nodes, "outputs": outputs, "stages": staged, "name": name, "fixed": fixed, "aliases": aliases}


def _equation(
    reader: _Reader, at: int, label: str, shape: tuple[int, ...], dtype: str, stage: int | None, known: Any
) -> Node:
    """Read the rest of ``name: type = op(operands, attributes)  # statement``."""
    op = reader.take(r"\w+(?=\()", "a primitive")
    reader.take(r"\(", "(")
    operands: list[int | float] = []
    attrs: dict[str, Any] = {}
    while not reader.rest.startswith(")"):
        key = re.match(r"(\w+)=", reader.rest)
        if key:
            reader.rest = reader.rest[key.end() :]
            length = _value_length(reader.rest)
            attrs[key.group(1)] = _value(reader.rest[:length], reader)
            reader.rest = reader.rest[length:].lstrip()
        elif re.match(r"-?(\d|inf\b|nan\b)", reader.rest):
            operands.append(float(reader.take(r"-?(inf|nan|[\d.]+(e[+-]?\d+)?)", "a number")))
        else:
            operands.append(known(reader.word(), reader))
        if reader.rest.startswith(","):
            reader.take(",", ",")
    reader.take(r"\)", ")")
    statement = label
    if reader.rest.startswith("#"):
        reader.take("#", "#")
        statement = reader.word()
    return Node(at, label, op, shape, dtype, tuple(operands), attrs, statement, stage)


def _value_length(text: str) -> int:
    """Return how far a value reaches: up to the comma or bracket that is not inside it."""
    depth, quote = 0, ""
    for position, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "([":
            depth += 1
        elif char in ")]":
            if depth == 0:
                return position
            depth -= 1
        elif char == "," and depth == 0:
            return position
    return len(text)
