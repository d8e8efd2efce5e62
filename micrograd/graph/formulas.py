"""Print formulas from the rows of the table: nothing here knows an operation, and no derivative is written by hand.

A row's `tex` template says how an operation is written and its `level` how strongly it binds; brackets follow. The
Unicode form is translated from the same template. Printing goes down to the nearest named value: ``mu = 1/4 · Σ x``
is one formula of two primitives. The backward graph is a graph like any other, so ``dvar = ...`` prints the same way.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from micrograd.graph.graph import Graph
from micrograd.graph.nodes import Node
from micrograd.primitives import TABLE

__all__ = ["applied", "formula", "latex", "number", "own_name", "split_name", "statement_heads", "tex_name", "tex_text"]

ATOM = 9
_QUOTIENT = 3  # the level of 1/4
_ROOT = 5  # of √x, whose bar plain text has not: (√x)² and √(√x) need brackets
_HOLE = 0xE000  # operands stand as private-use characters while a template is translated
_LIMIT = 400  # characters after which a sub-expression is shown by its name

_GREEK = frozenset({
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
    "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi",
    "Pi", "Sigma", "Phi", "Psi", "Omega",
})  # fmt: skip
_ACCENTS = {"hat": "hat", "bar": "bar", "tilde": "tilde"}
_SUPERSCRIPTS = str.maketrans("0123456789-.+/()", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻·⁺ᐟ⁽⁾")
_RAISED = ("^", "ᵀ", *"⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_TEX_SPECIAL = {c: "\\" + c for c in "#$%&_{}"} | {"\\": r"\textbackslash{}", "~": r"\sim{}", "^": r"\hat{}"}


# ---- names and statements --------------------------------------------------------


def own_name(node: Node) -> bool:
    """Check that the user (or a plain trace) named the value itself; false for ``mu_sum``, a part of ``mu = ...``."""
    return node.is_leaf or not node.statement or node.name.rstrip("'0123456789") == node.statement.rstrip("'0123456789")


def statement_heads(graph: Graph) -> list[int]:
    """Return for each node the node that its statement ends in: itself, or where a part of a statement goes."""
    heads = list(range(len(graph.nodes)))
    reader: list[int | None] = [None] * len(heads)  # the only node that reads it; -1: several
    for node in graph.nodes:
        for operand in set(node.reads):
            reader[operand] = node.index if reader[operand] is None else -1
    outputs = {node.index for node in graph.outputs}
    for node in reversed(graph.nodes):
        at = reader[node.index]
        if own_name(node) or node.index in outputs or at is None or at < 0:
            continue
        if graph.nodes[at].statement == node.statement and graph.nodes[at].stage == node.stage:
            heads[node.index] = heads[at]
    return heads


# ---- templates --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Template:
    """Hold literal text between holes; for each hole its slot and the level that fits in without brackets."""

    literals: tuple[str, ...]
    slots: tuple[int, ...]
    fits: tuple[int, ...]
    level: int


_UNICODE: tuple[tuple[str, str], ...] = (  # TeX to text, in this order; unknown commands keep their word
    (r"\\frac\{1\}\{(.)\}", r"1/\1"),
    (r"\\frac\{(.)\}\{(.)\}", r"\1 / \2"),
    (r"\\sqrt\{(.)\}", r"√\1"),
    (r"\\operatorname\{(\w+)\}", r"\1"),
    (r"\\mathbf\{1\} ?", "ones·"),
    (r"\\left\| ?(.) ?\\right\|", r"|\1|"),
    (r"\\mathbin\{\?\}", "?"),
    (r"\^\{\\mathsf T\}", "ᵀ"),
    (r"_\{\[(.*?)\]\}", r"[\1]"),
    (r"\\sum", "Σ"),
    (r"\\ge\b", "≥"),
    (r"\\le\b", "≤"),
    (r"\\ne\b", "≠"),
)


def _attribute(value: Any, style: str) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(float(value), style)[0]
    if isinstance(value, tuple):
        return ", ".join(_attribute(entry, style) for entry in value)
    if isinstance(value, slice):
        parts = ["" if bound is None else str(bound) for bound in (value.start, value.stop, value.step)]
        return ":".join(parts if parts[2] else parts[:2])
    text = "…" if value is Ellipsis else "index" if hasattr(value, "shape") and value.shape else str(value)
    return tex_text(text) if style == "tex" else text


def _power(match: re.Match[str]) -> str:
    inside = match.group(1)
    if all(character in "0123456789-/" for character in inside):
        return "^" + inside if "/" in inside else inside.translate(_SUPERSCRIPTS)
    return f"^({inside})"


@lru_cache(maxsize=1024)
def _template(
    tex: str, label: str, level: int, count: int, variadic: bool, attributes: tuple[tuple[str, str], ...], style: str
) -> _Template:
    """Return a row's template for one style, its holes found and weighed."""
    if variadic:  # written for two operands: repeat what stands between them
        before, between, after = re.split(r"\{[01]\}", tex)
        tex = before + between.join(f"{{{slot}}}" for slot in range(count)) + after
    known = dict(attributes)
    text = "".join(
        literal + ("" if hole is None else chr(_HOLE + int(hole)) if hole.isdigit() else known.get(hole, ""))
        for literal, hole, _, _ in string.Formatter().parse(tex)
    )
    if style == "unicode":
        text = text.replace("\\,", label)  # a product: TeX writes a space, plain text the sign, × or @
        for pattern, plain in _UNICODE:
            text = re.sub(pattern, plain, text)
        text = re.sub(r"\\(\w+)", r"\1", re.sub(r"\^\{(.*?)\}", _power, text)).replace("-", "−")
        text = text.replace("e^(", "exp(") if text.startswith("e^(") else text
    literals, slots, fits = [""], [], []
    for position, character in enumerate(text):
        if not _HOLE <= ord(character) < _HOLE + count:
            literals[-1] += character
            continue
        left, right = text[:position].rstrip(" "), text[position + 1 :].lstrip(" ")
        enclosed = left[-1:] in ("(", "{", ",", "|") and right[:1] in (")", "}", ",", "|", "\\")
        slots.append(ord(character) - _HOLE)
        literals.append("")
        if enclosed or text == character:
            fits.append(0)
        elif left.endswith("√") or right[:1] in _RAISED:  # of a product only the last factor would be raised
            fits.append(ATOM)
        else:
            fits.append(_QUOTIENT + 1 if left.endswith("/") else level)
    return _Template(tuple(literals), tuple(slots), tuple(fits), _ROOT if text.startswith("√") else level)


# ---- numbers and names in each style --------------------------------------------------------


def number(value: float, style: str = "unicode") -> tuple[str, int]:
    """Return a constant as text, and how strongly it binds: 0.25 is ``1/4``, 2.0 is ``2``.

    >>> number(0.25), number(-1.5), number(1e-5)
    (('1/4', 3), ('−1.5', 2), ('1e−5', 9))
    """
    minus = "-" if style == "tex" else "−"
    size = abs(value)
    if 0 < size < 1 and (1 / size).is_integer() and 2 <= 1 / size <= 1e6:
        text, level = (rf"\frac{{1}}{{{1 / size:.0f}}}" if style == "tex" else f"1/{1 / size:.0f}"), _QUOTIENT
    elif size != size or size == float("inf"):
        text, level = "nan" if size != size else (r"\infty" if style == "tex" else "∞"), ATOM
    else:
        text, level = f"{size:.6g}", ATOM
        if style == "tex" and "e" in text:
            mantissa, exponent = text.split("e")
            text, level = rf"{mantissa} \cdot 10^{{{int(exponent)}}}", 2
        elif "e" in text:
            text = re.sub(r"e([+-])0*", lambda m: "e" + ("" if m[1] == "+" else minus), text)
    return (minus + text, 2) if value < 0 else (text, level)


def tex_text(text: str) -> str:
    """Return any text in TeX, as itself."""
    plain = "".join(c if unicodedata.category(c)[0] != "C" else "�" for c in text)
    return "".join(_TEX_SPECIAL.get(c, c) for c in plain)


def tex_name(name: str) -> str:
    """Write a name in TeX: ``gamma`` is a letter, ``xhat`` x with a hat, ``dxhat`` its differential; others upright."""
    if (simple := _tex_simple(name)) is not None:
        return simple
    if name[:1] == "d" and (simple := _tex_simple(name[1:])) is not None:
        return rf"\mathrm{{d}}{simple}"
    return rf"\mathrm{{{tex_text(name)}}}"


def split_name(name: str) -> tuple[str, str, str, str] | None:
    """Split a name that is a letter into (letter, accent, index, primes); None for any other.

    >>> split_name("xhat"), split_name("mu_2'"), split_name("sqrtvar")
    (('x', 'hat', '', ''), ('mu', '', '2', "'"), None)
    """
    base = name.rstrip("'")
    match = re.fullmatch(r"([A-Za-z]+?)_?(hat|bar|tilde)?_?([0-9]*)", base)
    if not match or (match[1] not in _GREEK and len(match[1]) != 1):
        return None
    return match[1], match[2] or "", match[3], name[len(base) :]


def _tex_simple(name: str) -> str | None:
    parts = split_name(name)
    if parts is None:
        return None
    letter, accent, digits, primes = parts
    text = "\\" + letter if letter in _GREEK else letter
    text = rf"\{_ACCENTS[accent]}{{{text}}}" if accent else text
    return text + (f"_{{{digits}}}" if digits else "") + primes


# ---- printing --------------------------------------------------------


def _print(
    graph: Graph, root: Node, stop: Callable[[Node], bool], style: str, called: Mapping[int, str] | None = None
) -> str:
    """Print the right-hand side of `root`, without recursion: operands are printed before the nodes that read them."""
    name: Callable[[str], str] = tex_name if style == "tex" else str
    # text, level, whether an operator begins it and it reaches to the right
    done: dict[int, tuple[str, int, bool]] = {i: (name(label), ATOM, False) for i, label in (called or {}).items()}
    stack = [root.index]
    while stack:
        node = graph.nodes[stack[-1]]
        if node.index != root.index and (node.is_leaf or stop(node)):
            done.setdefault(stack.pop(), (name(node.name), ATOM, False))
            continue
        waiting = [operand for operand in node.reads if operand not in done]
        if waiting:
            stack.extend(waiting)
            continue
        stack.pop()
        if node.index not in done:
            operands = [done[o] if isinstance(o, int) else (*number(o, style), False) for o in node.operands]
            text, level, greedy = applied(node, operands, style)
            short = node.index == root.index or len(text) <= _LIMIT
            done[node.index] = (text, level, greedy) if short else (name(node.name), ATOM, False)
    return done[root.index][0]


def applied(node: Node, operands: list[tuple[str, int, bool]], style: str) -> tuple[str, int, bool]:
    """Return the formula of one operation on operands that are written already, bracketed where they need it.

    A formula comes with how strongly it binds, and whether an operator begins it and it reaches to the right.
    """
    row = TABLE[node.op]
    attributes = tuple((key, _attribute(value, style)) for key, value in sorted(node.attrs.items()))
    tex = (
        row.tex
        or rf"\operatorname{{{{{row.name}}}}}(" + ", ".join(f"{{{slot}}}" for slot in range(len(operands))) + ")"
    )
    shape = _template(tex, row.label, row.level, len(operands), row.variadic, attributes, style)
    if shape.literals == ("", ""):  # the operation is not written at all: neither are brackets
        return operands[0]
    text, last = shape.literals[0], len(shape.slots) - 1
    for position, (slot, fits) in enumerate(zip(shape.slots, shape.fits, strict=True)):
        inner, level, greedy = operands[slot]
        open_right = position == last and not shape.literals[-1]
        same = level == fits and fits and level < ATOM
        # equal strength: a - (b - c) and a × (−b) keep their brackets, and so does (Σ a) × b
        keep = same and (
            (greedy and not (open_right and level != 1 and inner[:1] not in "−-"))
            or (position == 1 and node.op in ("sub", "mul", "matmul") and not greedy)
            or fits == _QUOTIENT
        )
        if level < fits or keep:
            inner = rf"\left({inner}\right)" if style == "tex" else f"({inner})"
        text += inner + shape.literals[position + 1]
    if style == "unicode" and node.op == "mul" and any(isinstance(o, float) for o in node.operands):
        text = (
            text.replace(" × ", " · ", 1) if isinstance(node.operands[0], float) else " · ".join(text.rsplit(" × ", 1))
        )
    greedy = not shape.literals[-1] and bool(shape.literals[0])
    return (
        text,
        shape.level,
        greedy
        or (not shape.literals[-1] and operands[shape.slots[-1]][2] and operands[shape.slots[-1]][1] == row.level),
    )


def _equation(graph: Graph, name: str, style: str, deep: bool) -> str:
    node = graph.node(name)
    left = tex_name(name) if style == "tex" else name
    if node.is_leaf:
        return left if node.name == name else f"{left} = {tex_name(node.name) if style == 'tex' else node.name}"
    stop = own_name if deep else lambda _: True
    return f"{left} = {_print(graph, node, stop, style)}"


def formula(graph: Graph, name: str, unicode: bool = True, *, deep: bool = True) -> str:
    """Print the formula of one node of `graph` from the table's templates, down to the nearest named values.

    Args:
        graph: any graph, forward or backward.
        name: the node's name, or a second name of it.
        unicode: plain text for pictures and terminals; False for LaTeX.
        deep: go through the parts of a statement (``1/4 · Σ x``); False: one primitive (``1/4 · mu_sum``).

    Raises:
        GraphError: no node of that name.

    >>> import numpy as np, micrograd as mg
    >>> def f(x, w):
    ...     xhat = (x - w) * 0.5
    ...     return xhat
    >>> formula(Graph.of(mg.Tensor(2.0) * 3.0), "mul")
    'mul = x · 3'
    """
    return _equation(graph, name, "unicode" if unicode else "tex", deep)


def latex(graph: Graph, name: str | None = None, *, deep: bool = True) -> str:
    r"""Print formulas in LaTeX: ``\hat{x} = \mathrm{xmu} \, \mathrm{ivar}``. Names are escaped.

    Args:
        graph: any graph, forward or backward.
        name: of one node; where left out, all statements as one ``aligned`` block, in the order of execution.
        deep: go through the parts of a statement; False: one line per primitive.

    >>> from micrograd import Tensor
    >>> print(latex(Graph.of(Tensor(2.0) * 3.0)))
    \begin{aligned}
    \mathrm{mul} &= x \, 3
    \end{aligned}
    """
    if name is not None:
        return _equation(graph, name, "tex", deep)
    ends = {node.index for node in graph.outputs}
    shown = [n for n in graph.nodes if not n.is_leaf and (not deep or own_name(n) or n.index in ends)]
    lines = [_equation(graph, node.name, "tex", deep).replace(" = ", " &= ", 1) for node in shown]
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def right_hand(
    graph: Graph,
    node: Node,
    heads: Mapping[int, int] | list[int] | None = None,
    called: Mapping[int, str] | None = None,
) -> str:
    """Return what a picture writes in the box of `node`: its formula without the left side, parts in full.

    `called` gives nodes other names, by index: a gradient that is passed on unchanged has several.
    """
    if node.is_leaf:
        return ""
    stop: Callable[[Node], bool] = (lambda _: True) if heads is None else (lambda part: heads[part.index] == part.index)
    return _print(graph, node, stop, "unicode", called)
