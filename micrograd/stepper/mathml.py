"""Write formulas with names in MathML Core, from the rows of the table; `cells` writes them with numbers.

`micrograd.graph.formulas` decides how a row is written and where brackets go; here its TeX, which is the table's own
and holds operands as single private-use characters, becomes MathML. No name ever passes through TeX: names are escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape

from micrograd.graph import Graph, Node
from micrograd.graph.formulas import applied, number, own_name, split_name
from micrograd.primitives import TABLE

__all__ = [
    "ATOM",
    "NOT_IN_HTML",
    "TAGS",
    "Piece",
    "applied_to",
    "bracketed",
    "constant_element",
    "equal_names",
    "local_derivative",
    "math",
    "name_element",
    "printable",
    "stop_at",
    "sum_of_names",
    "with_names",
]

TAGS = frozenset({"math", "mrow", "mi", "mn", "mo", "ms", "mtext", "msup", "msub", "msqrt", "mfrac", "mover", "mspace"})
"""Every element that is written: all of them MathML Core."""

ATOM = 9
_TERMS = 16  # of a sum of names that is written out
_LONG = 1500  # characters of a part of a formula; a longer one is shown by its name
_OPERAND = 0xE000  # private-use characters that stand for operands
_GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
    "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ",
    "tau": "τ", "upsilon": "υ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ",
    "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
}  # fmt: skip
_ACCENTS = {"hat": "^", "bar": "¯", "tilde": "~"}
_WORDS = {
    f"\\{word}": word
    for word in ("log", "tanh", "max", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh")
}
_SIGNS = {
    r"\sum": "∑", r"\,": "·", r"\ge": "≥", r"\le": "≤", r"\ne": "≠", r"\cdot": "·", "-": "−", "<": "&lt;", ">": "&gt;",
}  # fmt: skip


# ---- pieces --------------------------------------------------------


def _one(parts: list[str]) -> str:
    """Join several elements into one."""
    return parts[0] if len(parts) == 1 else f"<mrow>{''.join(parts)}</mrow>"


def name_element(name: str, of: str = "") -> str:
    """Write a name: ``gamma`` as γ, ``xhat`` as an x with a hat, ``dxhat`` as its differential; others as they are.

    With `of` it is marked (``data-of``) as the name of that node.

    >>> name_element("mu2"), name_element("<b>")
    ('<msub><mi>μ</mi><mn>2</mn></msub>', '<mi>&lt;b&gt;</mi>')
    """
    simple = _simple(name)
    if simple is None and name[:1] == "d" and (rest := _simple(name[1:])) is not None:
        simple = f'<mrow><mi mathvariant="normal">d</mi>{rest}</mrow>'
    text = simple or f"<mi>{escape(printable(name))}</mi>"
    if not of:
        return text
    end = min(place for place in (text.find(" "), text.find(">")) if place > 0)
    return f'{text[:end]} data-of="{of}"{text[end:]}'


_PLANES = "".join(f"{chr(plane << 16)}-{chr(plane << 16 | 0xFFFD)}" for plane in range(1, 17))
NOT_IN_HTML = re.compile(f"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd{_PLANES}]")  # ASCII first: it is fast
"""Control characters, lone surrogates and code points that are no characters: HTML may not hold them."""


def printable(text: str) -> str:
    """Replace the characters that HTML may not hold."""
    return NOT_IN_HTML.sub("\ufffd", text)


def _simple(name: str) -> str | None:
    parts = split_name(name)
    if parts is None:
        return None
    letter, accent, digits, primes = parts
    text = f"<mi>{_GREEK.get(letter, letter)}</mi>"
    if accent:
        text = f'<mover accent="true">{text}<mo>{_ACCENTS[accent]}</mo></mover>'
    if digits:
        text = f"<msub>{text}<mn>{digits}</mn></msub>"
    return f"<msup>{text}<mo>{'′' * len(primes)}</mo></msup>" if primes else text


def constant_element(value: float) -> tuple[str, int]:
    """Write a number of the user's formula, and return how strongly it binds: 0.25 is one quarter.

    >>> constant_element(2.0)
    ('<mn>2</mn>', 9)
    """
    text, level = number(value)
    if match := re.fullmatch(r"(−?)1/(\d+)", text):
        whole = f"<mfrac><mn>1</mn><mn>{match[2]}</mn></mfrac>"
        return (f"<mrow><mo>−</mo>{whole}</mrow>" if match[1] else whole), level
    if match := re.fullmatch(r"(−?)([\d.]+)e(−?)(\d+)", text):
        power = f"<msup><mn>10</mn><mn>{match[3]}{match[4]}</mn></msup>"
        whole = power if match[2] == "1" else f"<mn>{match[2]}</mn><mo>·</mo>{power}"
        return f"<mrow>{'<mo>−</mo>' if match[1] else ''}{whole}</mrow>", (2 if match[1] or match[2] != "1" else ATOM)
    return f"<mn>{escape(text)}</mn>", level


# ---- the table's TeX --------------------------------------------------------


_TOKEN = re.compile(
    r"\\operatorname\{(\w+)\}|\\left\||\\right\||\\left|\\right|\\[A-Za-z]+|\\.|[\ue000-\uf8ff]|[\d.]+|\S"
)


def _elements(tokens: list[str], until: str = "") -> list[str]:
    """Write the tokens (in reverse order, taken from the end) up to the mark `until` in MathML."""
    made: list[str] = []
    while tokens:
        mark = tokens.pop()
        if mark == until:
            break
        if mark == "−":  # for `applied` it marks an operand that begins with a minus; the operand has its own
            continue
        if mark in ("^", "_"):
            raised = _argument(tokens)
            base = made.pop() if made else "<mrow></mrow>"
            made.append(f"<{'msup' if mark == '^' else 'msub'}>{base}{raised}</{'msup' if mark == '^' else 'msub'}>")
        elif mark == "{":
            made.append(_one(_elements(tokens, "}")))
        elif mark == r"\frac":
            above, below = _argument(tokens), _argument(tokens)
            made.append(f"<mfrac>{above}{below}</mfrac>")
        elif mark == r"\sqrt":
            made.append(f"<msqrt>{_argument(tokens)}</msqrt>")
        elif mark == r"\mathbf":
            made.append(f"<mn>{_text(tokens).replace('1', '𝟏')}</mn><mo>·</mo>")  # bold: an array of ones
        elif mark in (r"\mathsf", r"\mathbin", r"\mathrm"):
            made.append(f"<mo>{_text(tokens)}</mo>" if mark == r"\mathbin" else f"<mtext>{_text(tokens)}</mtext>")
        elif match := re.match(r"\\operatorname\{(\w+)\}", mark):
            made.append(f"<mi>{match[1]}</mi><mspace width='0.17em'/>")
        elif mark in _WORDS:
            made.append(f"<mi>{_WORDS[mark]}</mi><mspace width='0.17em'/>")
        elif mark in (r"\left|", r"\right|"):
            made.append("<mo>|</mo>")
        elif mark in (r"\left", r"\right"):
            pass
        elif mark in _SIGNS:
            made.append(f"<mo>{_SIGNS[mark]}</mo>")
        elif 0xE000 <= ord(mark[0]) <= 0xF8FF:
            made.append(mark)
        elif mark[0].isdigit():
            made.append(f"<mn>{mark}</mn>")
        elif mark.isalpha() and len(mark) == 1:
            made.append(f"<mi>{mark}</mi>")
        else:
            made.append(f"<mo>{escape(mark.removeprefix(chr(92)))}</mo>")
    return made


def _argument(tokens: list[str]) -> str:
    mark = tokens.pop() if tokens else ""
    if mark == "{":
        return _one(_elements(tokens, "}"))
    return _one(_elements([mark]))


def _text(tokens: list[str]) -> str:
    """Return the letters of a group such as ``{T}`` or of the mark that follows."""
    if not tokens or tokens[-1] != "{":
        return escape(tokens.pop()) if tokens else ""
    tokens.pop()
    found = ""
    while tokens and (mark := tokens.pop()) != "}":
        found += mark
    return escape(found)


@lru_cache(maxsize=2048)
def _translated(tex: str) -> str:
    return _one(_elements([match.group() for match in _TOKEN.finditer(tex)][::-1]))


_REDUCED = re.compile("<mo>∑</mo>|<mi>max</mi>")


@dataclass(frozen=True, slots=True)
class Piece:
    """Hold the MathML of an expression and what decides its brackets: level, openness to the right, leading minus."""

    text: str
    level: int = ATOM
    greedy: bool = False
    minus: bool = False


def bracketed(piece: Piece) -> Piece:
    """Put an expression in brackets."""
    return Piece(f"<mrow><mo>(</mo>{piece.text}<mo>)</mo></mrow>")


def applied_to(node: Node, operands: list[Piece]) -> Piece:
    """Write the formula of a node, given those of its operands."""
    row = TABLE[node.op]
    if row.level < ATOM:  # -(-2), and 3 - (-2), but -2 + 3, and max(-2, 3)
        first = 0 if row.tex.startswith("-") else 1
        operands = [bracketed(piece) if slot >= first and piece.minus else piece for slot, piece in enumerate(operands)]
    marked = [("−" if o.minus else "") + chr(_OPERAND + slot) for slot, o in enumerate(operands)]
    tex, level, greedy = applied(node, [(m, o.level, o.greedy) for m, o in zip(marked, operands, strict=True)], "tex")
    minus = tex[:1] in "-−"
    axis = node.attrs.get("axis") if row.kind == "reduce" else None
    text = re.sub("[\ue000-\uf8ff]", lambda m: operands[ord(m[0]) - _OPERAND].text, _translated(tex))
    if axis is not None:
        axes = ", ".join(map(str, axis if isinstance(axis, tuple) else (axis,)))
        text = _REDUCED.sub(lambda m: f"<msub>{m[0]}<mtext>axis {axes}</mtext></msub>", text, count=1)
    return Piece(text, level, greedy, minus)


def math(*parts: str) -> str:
    """Join parts into one ``<math>`` element."""
    return f"<math>{''.join(parts)}</math>"


# ---- with names --------------------------------------------------------


def _printed(
    graph: Graph, root: Node, stop: Callable[[Node], bool], side: str, called: Mapping[int, Piece], one: int = -1
) -> Piece:
    """Write the right-hand side of `root` down to the nodes where `stop` holds, operands first, without recursion.

    `called` gives nodes other names. With `one`, the upstream gradient, each node counts as what it multiplies that
    gradient by: the local derivative.
    """
    done = {**called, one: _ONE}
    follow = {one}  # what is made of the upstream gradient
    stack = [root.index]
    while stack:
        node = graph.nodes[stack[-1]]
        if node.index != root.index and (node.is_leaf or stop(node)):
            done.setdefault(node.index, Piece(name_element(node.name, f"{side}:{node.index}")))
            stack.pop()
            continue
        if waiting := [operand for operand in node.reads if operand not in done]:
            stack.extend(waiting)
            continue
        stack.pop()
        if node.index in done:
            continue
        operands = [done[o] if isinstance(o, int) else Piece(*constant_element(o), minus=o < 0) for o in node.operands]
        made = None
        if not follow.isdisjoint(node.reads):
            follow.add(node.index)
            made = _of_one(node, operands)
        done[node.index] = made = made or applied_to(node, operands)
        if node.index != root.index and len(made.text) > _LONG:
            done[node.index] = Piece(name_element(node.name, f"{side}:{node.index}"))
    return done[root.index]


_ONE = Piece("<mn>1</mn>")


def _of_one(node: Node, operands: list[Piece]) -> Piece | None:
    """Simplify a node of a local derivative: 1 · x is x, and copying a gradient or adding up its copies is left out."""
    if node.op in ("mul", "matmul") and any(piece is _ONE for piece in operands):
        return operands[1] if operands[0] is _ONE else operands[0]
    return operands[0] if node.op == "cast" or TABLE[node.op].kind in ("move", "reduce") else None


def stop_at(deep: bool) -> Callable[[Node], bool]:
    """Return the test that says where a formula ends: at names of the user's own, or at the next node."""
    return own_name if deep else lambda _: True


def with_names(
    graph: Graph,
    node: Node,
    side: str,
    label: str | None = None,
    *,
    deep: bool = False,
    called: Mapping[int, str] | None = None,
) -> str:
    """Write ``xmu = x − μ``.

    Args:
        graph: any graph, forward or backward.
        node: whose formula.
        side: ``forward`` or ``backward``: names are marked with the graph and node that they are.
        label: the name on the left where it is not the node's own.
        deep: go through the parts of the statement; False: one primitive.
        called: other names of nodes, by index.
    """
    left = name_element(label or node.name, f"{side}:{node.index}")
    if node.is_leaf:
        same = label is None or label == node.name
        return math(left) if same else math(left, "<mo>=</mo>", name_element(node.name, f"{side}:{node.index}"))
    others = {index: Piece(name_element(other, f"{side}:{index}")) for index, other in (called or {}).items()}
    return math(left, "<mo>=</mo>", _printed(graph, node, stop_at(deep), side, others).text)


def local_derivative(graph: Graph, node: Node, upstream: int, result: str, operand: str) -> str:
    """Write ``∂xhat/∂xmu = ivar``: what the gradient `node` multiplies the upstream gradient by.

    Args:
        graph: the backward graph.
        node: the gradient of the operand, in it.
        upstream: the gradient of the result, in it.
        result: its name in the forward graph.
        operand: its name in the forward graph.
    """
    above, below = (f"<mrow><mo>∂</mo>{name_element(name)}</mrow>" for name in (result, operand))
    piece = _ONE if node.index == upstream else _printed(
        graph, node, lambda n: n.index == upstream or own_name(n), "backward", {}, upstream
    )  # fmt: skip
    return math(f"<mfrac>{above}{below}</mfrac>", "<mo>=</mo>", piece.text)


def equal_names(left: str, right: str, of: str) -> str:
    """Write ``dx₁ = dxmu``: a gradient that is passed on as it is."""
    return math(name_element(left, of), "<mo>=</mo>", name_element(right, of))


def sum_of_names(left: str, of: str, terms: Sequence[tuple[str, str]]) -> str:
    """Write ``dxmu = dxmu₁ + dxmu₂``: the sum over the paths, without the middle of very many."""
    cut = len(terms) > _TERMS
    shown = [name_element(*term) for term in (terms[: _TERMS // 2] if cut else terms)]
    shown += ["<mo>⋯</mo>", name_element(*terms[-1])] if cut else []
    return math(name_element(left, of), "<mo>=</mo>", "<mo>+</mo>".join(shown))
