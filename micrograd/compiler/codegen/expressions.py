"""Print the rows' scalar templates for a dtype: one number at a time.

Literals in a template are Python floats, which would widen float32, so each gets the dtype of the operation.
A few operations have a text of their own (`OVERRIDES`): functions that have a vector form of ours, and constructs that
would keep a loop from running as vectors.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Sequence

from micrograd.primitives import TABLE
from micrograd.program.program import COMPARISONS

__all__ = ["OVERRIDES", "WHOLE", "cast_text", "scalar_text"]

OVERRIDES = ("cast", "cos", "exp", "floor_divide", "log", "maximum", "pow", "remainder", "sign", "sin", "tanh")
"""Rows whose template is not printed as it stands; a test holds this list."""

WHOLE = frozenset({"add", "cast", "maximum", "mul", "neg", "sub", "where", *COMPARISONS})
"""Rows that can be printed for whole numbers and truth values, as NumPy computes them."""

_LOGIC = {"add": "({0} | {1})", "maximum": "({0} | {1})", "mul": "({0} & {1})"}
"""What arithmetic means to NumPy between truth values."""

_TYPES = {"float32": "f32", "float64": "f64", "int32": "np.int32", "int64": "np.int64"}
_NAMED = re.compile(r"(?!sqrt|abs)\w+\(\{0\}(, \{1\})?\)")
"""A template that is one call, which machine code knows by NumPy's name."""
_POWERS: dict[float, str] = {
    -2: "{1} / ({0} * {0})",
    -1: "{1} / {0}",
    -0.5: "{1} / ({0} * {0}) if {0} == 0 or np.abs({0}) == np.inf else {1} / np.sqrt({0})",  # inf at -0.0, 0 at -inf
    0.5: "np.sqrt({0})",
    0: "{1}",
}


def cast_text(text: str, old: str, new: str) -> str:
    """Return `text` of dtype `old`, cast to the dtype `new`."""
    if old == new:
        return text
    if new == "bool":
        return f"({text} != 0)"
    if old == "bool" and new in ("float32", "float64"):
        return f"({_TYPES[new]}(1) if {text} else {_TYPES[new]}(0))"
    return f"{_TYPES.get(new, f'np.{new}')}({text})"


def scalar_text(op: str, operands: Sequence[str], dtype: str, attrs: dict[str, object]) -> str:
    """Return the expression of `op` on operands that are of `dtype` already."""
    short = "32" if dtype == "float32" else "64"
    x = operands[0]
    if dtype == "bool" and op in _LOGIC:
        return _LOGIC[op].format(*operands)
    if dtype.startswith(("int", "uint")) and op not in COMPARISONS:  # NumPy wraps around
        text = f"max({', '.join(operands)})" if op == "maximum" else TABLE[op].scalar.format(*operands)
        return f"np.{dtype}({text})"
    if op in ("cos", "exp", "floor_divide", "log", "remainder", "sin", "tanh"):
        return f"{op}{short}({', '.join(operands)})"
    if op == "maximum":
        return f"largest{short}({', '.join(operands)})"
    if op == "pow":
        exponent: object = attrs["exponent"]
        if isinstance(exponent, (int, float)) and exponent in _POWERS:
            return "(" + _POWERS[exponent].format(x, f"f{short}(1)") + ")"
        return f"f{short}({x} ** {exponent!r})"
    if op == "sign":
        return f"(f{short}(1) if {x} > 0 else f{short}(-1) if {x} < 0 else f{short}(0) if {x} == 0 else {x})"
    row = TABLE[op]
    if _NAMED.fullmatch(row.scalar):
        text = f"np.{row.array}({', '.join(operands)})"
        return text if op in COMPARISONS else f"f{short}({text})"
    return "(" + _typed(row.scalar, f"f{short}").format(*operands) + ")"


@functools.cache
def _typed(template: str, kind: str) -> str:
    """Return a template whose float literals are of type `kind` and whose functions are NumPy's."""
    holes = [f"_{slot}_" for slot in range(3)]
    tree = ast.parse(template.format(*holes), mode="eval")

    class Literals(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.AST:
            return ast.Call(ast.Name(kind, ast.Load()), [node], []) if isinstance(node.value, float) else node

        def visit_Call(self, node: ast.Call) -> ast.AST:
            self.generic_visit(node)
            if isinstance(node.func, ast.Name) and node.func.id in ("sqrt", "abs"):
                node.func = ast.Attribute(ast.Name("np", ast.Load()), node.func.id, ast.Load())
            return node

    text = ast.unparse(ast.fix_missing_locations(Literals().visit(tree)))
    for slot, hole in enumerate(holes):
        text = text.replace(hole, f"{{{slot}}}")
    return text
