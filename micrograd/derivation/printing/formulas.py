"""Print expressions as mathematics: one tree, written as LaTeX, as MathML and as plain text.

Sums carry their index, values their indices only where an array of integers picks them: ``p_{y(n)}``. Plain arrays are
understood entry by entry, as in the papers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from html import escape
from typing import Any, TypeAlias

from micrograd.derivation.kernel import (
    COMPARISONS,
    ONE,
    Atom,
    F,
    Label,
    Mono,
    Poly,
    Rat,
    free_labels,
    is_plain,
    key,
    magnitude,
    thaw,
)
from micrograd.derivation.printing.numpy_code import inlined
from micrograd.derivation.search import Search, exponents_up, names
from micrograd.graph.formulas import split_name, tex_name

__all__ = ["Formulas", "pretty"]

Tree: TypeAlias = tuple[Any, ...]

_GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "eps": "ε", "zeta": "ζ", "eta": "η",
    "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ",
    "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
}  # fmt: skip
_HATS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303"}
_TERM, _FACTOR, _POWER, _ATOM = 1, 2, 4, 9
_TEX_FUNCTIONS = {"exp", "log", "tanh", "sin", "cos", "tan", "sinh", "cosh", "arctan", "max", "min"}


def pretty(name: str) -> str:
    """Return a name as it is written: ``gamma`` as γ, ``dxhat`` as dx̂; others as they are."""
    found = _simple(name)
    if found is None and name[:1] == "d" and (rest := _simple(name[1:])) is not None:
        return "d" + rest
    return found or name


def _simple(name: str) -> str | None:
    parts = ("eps", "", "", "") if name == "eps" else split_name(name)
    if parts is None:
        return None
    letter, accent, digits, primes = parts
    below = digits.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
    return _GREEK.get(letter, letter) + _HATS.get(accent, "") + below + "′" * len(primes)


class Formulas:
    """Writes expressions of one derivation."""

    def __init__(self, search: Search) -> None:
        self.search, self.net, self.cost = search, search.net, search.cost
        self.called: Mapping[str, str] = {}  # other names for values and lengths

    # ---- the tree ------------------------------------------------------------------------------------

    def tree(self, p: Poly) -> Tree:
        """Return an expression as nested tuples, in the order in which it is written."""
        return self._tree(inlined(self.search, p))

    def _tree(self, p: Poly) -> Tree:
        if not p:
            return ("num", 0)
        terms = sorted(p.items(), key=lambda t: (t[1] < 0, self.cost.mono(t[0])[0], key(t[0])))
        made = [(c < 0, self._mono(m, magnitude(c))) for m, c in terms]
        return made[0][1] if len(made) == 1 and not made[0][0] else ("add", made)

    def _mono(self, m: Mono, c: Rat) -> Tree:
        def order(f: tuple[Atom, Rat]) -> tuple[bool, bool, int, str]:
            a = f[0]
            return a[0] not in "nk", a[0] in "PS", self.cost.size(free_labels(a)), key(a)

        top: list[Tree] = []
        bottom: list[Tree] = []
        for a, e in sorted(exponents_up(m), key=order):
            (top if e > 0 else bottom).append(_power(self._atom(a), magnitude(e)))
        if c.numerator != 1 or not top:
            top.insert(0, ("num", c.numerator))
        if c.denominator != 1:
            bottom.insert(0, ("num", c.denominator))
        brackets = [t for t in top if t[0] == "add"] if len(top) > 1 and bottom else []
        if brackets:
            plain = [t for t in top if t not in brackets] or [("num", ONE)]
            return _product([("frac", _product(plain), _product(bottom)), *brackets])
        return ("frac", _product(top), _product(bottom)) if bottom else _product(top)

    def _atom(self, a: Atom) -> Tree:
        match a[0]:
            case "v":
                index = tuple(self._label(label) for label in a[2] if not is_plain(label))
                return ("name", self.called.get(a[1], a[1]), index)
            case "n":
                name = self.net.size_name[a[1]]
                return ("name", self.called.get(name, name), ())
            case "k":
                return ("name", self.called.get(a[1], a[1]), ())
            case "S":
                return ("sum", ",".join(self._label(b) for b in a[1]), self._mono(a[2], ONE))
            case "P":
                return self._tree(thaw(a[1]))
        if a[1] in COMPARISONS:
            return ("compare", COMPARISONS[a[1]], self._tree(thaw(a[2])), self._tree(thaw(a[3])))
        return ("function", a[1], [self._tree(thaw(p)) for p in a[2:]])

    def _label(self, label: Label) -> str:
        if is_plain(label):
            return self.net.size_name[label[0]].lower() + "′" * (label[1] if 0 <= label[1] < 3 else 0)
        return f"{self.net.onehots[label[2]].source}({','.join(self._label(inner) for inner in label[3])})"

    def changed(self, before: Poly, after: Poly) -> tuple[set[str], set[str]]:
        """Return the names that either side alone has: what changed."""
        a, b = names(inlined(self.search, before)), names(inlined(self.search, after))
        return a - b, b - a

    # ---- LaTeX ---------------------------------------------------------------------------------------

    def latex(self, p: Poly) -> str:
        """Return an expression in LaTeX."""
        return self._latex(self.tree(p), 0)

    def _latex(self, t: Tree, need: int) -> str:
        match t:
            case ("num", c):
                return str(c)
            case ("name", n, index):
                text = tex_name(n) if n[:1].isalpha() else n
                return f"{{{text}}}_{{{','.join(index)}}}" if index else text
            case ("add", terms):
                out = _joined(terms, self._latex, "+", "-")
                return rf"\left({out}\right)" if need > _TERM else out
            case ("mul", parts):
                out = r" \, ".join(self._latex(s, _level(parts, i)) for i, s in enumerate(parts))
                return rf"\left({out}\right)" if need > _FACTOR else out
            case ("frac", a, b):
                out = rf"\frac{{{self._latex(a, 0)}}}{{{self._latex(b, 0)}}}"
                return rf"\left({out}\right)" if need > _FACTOR else out
            case ("pow", s, e):
                return f"{{{self._latex(s, _ATOM)}}}^{{{e}}}"
            case ("sqrt", s):
                return rf"\sqrt{{{self._latex(s, 0)}}}"
            case ("sum", i, s):
                out = rf"\sum_{{{i}}} {self._latex(s, _FACTOR)}"
                return rf"\left({out}\right)" if need > _FACTOR else out
            case ("function", f, parts):
                called = rf"\{f}" if f in _TEX_FUNCTIONS else rf"\operatorname{{{f}}}"
                return rf"{called}\left({', '.join(self._latex(s, 0) for s in parts)}\right)"
            case ("compare", sign, a, b):
                sign = {">=": r"\ge", "<=": r"\le", "==": "=", "!=": r"\ne"}.get(sign, sign)
                return rf"\left[{self._latex(a, 0)} {sign} {self._latex(b, 0)}\right]"
        raise AssertionError(t)

    # ---- MathML --------------------------------------------------------------------------------------

    def mathml(self, p: Poly, mark: Collection[str] = ()) -> str:
        """Return an expression in MathML; names in `mark` wear the class ``mark``."""
        return f'<math display="block">{self._mathml(self.tree(p), 0, mark)}</math>'

    def _mathml(self, t: Tree, need: int, mark: Collection[str]) -> str:
        def inner(s: Tree, level: int) -> str:
            return self._mathml(s, level, mark)

        match t:
            case ("num", c):
                return f"<mn>{c}</mn>"
            case ("name", n, index):
                tag = "mn" if n[:1].isdigit() else "mi"
                shown = f"<{tag}{' class=mark' if n in mark else ''}>{escape(pretty(n))}</{tag}>"
                return f"<msub>{shown}<mi>{escape(','.join(index))}</mi></msub>" if index else shown
            case ("add", terms):
                out = ""
                for i, (negative, s) in enumerate(terms):
                    out += ("<mo>−</mo>" if negative else "<mo>+</mo>") if i or negative else ""
                    out += inner(s, _FACTOR if negative else _TERM)
                return _row("<mo>(</mo>", out, "<mo>)</mo>") if need > _TERM else _row(out)
            case ("mul", parts):
                out = '<mspace width=".17em"/>'.join(inner(s, _level(parts, i)) for i, s in enumerate(parts))
                return _row("<mo>(</mo>", out, "<mo>)</mo>") if need > _FACTOR else _row(out)
            case ("frac", a, b):
                out = f"<mfrac>{inner(a, 0)}{inner(b, 0)}</mfrac>"
                return _row("<mo>(</mo>", out, "<mo>)</mo>") if need > _FACTOR else out
            case ("pow", s, e):
                return f"<msup>{inner(s, _ATOM)}<mn>{e}</mn></msup>"
            case ("sqrt", s):
                return f"<msqrt>{inner(s, 0)}</msqrt>"
            case ("sum", i, s):
                out = _row(f"<munder><mo>∑</mo><mi>{escape(i)}</mi></munder>", inner(s, _FACTOR))
                return _row("<mo>(</mo>", out, "<mo>)</mo>") if need > _FACTOR else out
            case ("function", f, parts):
                return _row(f"<mi>{f}</mi><mo>(</mo>", "<mo>,</mo>".join(inner(s, 0) for s in parts), "<mo>)</mo>")
            case ("compare", sign, a, b):
                shown = {">=": "≥", "<=": "≤", "==": "=", "!=": "≠"}.get(sign, str(sign))
                return _row("<mo>[</mo>", inner(a, 0), f"<mo>{escape(shown)}</mo>", inner(b, 0), "<mo>]</mo>")
        raise AssertionError(t)

    # ---- plain text ----------------------------------------------------------------------------------

    def text(self, p: Poly) -> str:
        """Return an expression as plain text."""
        return self._text(self.tree(p), 0)

    def _text(self, t: Tree, need: float) -> str:
        def level(out: str, own: float) -> str:
            return f"({out})" if need > own else out

        match t:
            case ("num", c):
                return str(c)
            case ("name", n, index):
                return str(n) + (f"[{','.join(index)}]" if index else "")
            case ("add", terms):
                return level(_joined(terms, self._text, "+", "−"), _TERM)
            case ("mul", parts):
                inside = [self._text(s, _FACTOR if i == len(parts) - 1 else _FACTOR + 0.5) for i, s in enumerate(parts)]
                return level("·".join(inside), _FACTOR + 0.5 if not _open(parts[-1]) else _FACTOR)
            case ("frac", a, b):
                return level(f"{self._text(a, _FACTOR + 0.5)}/{self._text(b, _FACTOR + 1)}", _FACTOR + 0.5)
            case ("pow", s, e):
                shown = str(e) if e.denominator == 1 else f"({e})"
                return f"{self._text(s, _ATOM)}^{shown}"
            case ("sqrt", s):
                return f"√({self._text(s, 0)})"
            case ("sum", i, s):
                return level(f"Σ_{i} {self._text(s, _FACTOR)}", _FACTOR)
            case ("function", f, parts):
                return f"{f}({', '.join(self._text(s, 0) for s in parts)})"
            case ("compare", sign, a, b):
                return f"[{self._text(a, 0)} {sign} {self._text(b, 0)}]"
        raise AssertionError(t)


def _open(t: Tree) -> bool:
    """Check that a product ends in a sum, which takes in whatever follows."""
    return t[0] == "sum" or (t[0] == "mul" and _open(t[1][-1]))


def _level(parts: list[Tree], i: int) -> int:
    """Return how strongly a factor must bind: a sum that is not the last one stands in brackets."""
    return _FACTOR + (i < len(parts) - 1 and _open(parts[i]))


def _product(parts: list[Tree]) -> Tree:
    return parts[0] if len(parts) == 1 else ("mul", parts)


def _power(t: Tree, e: Rat) -> Tree:
    if e == 1:
        return t
    return ("sqrt", t) if e == F(1, 2) else ("pow", t, e)


def _joined(terms: list[tuple[bool, Tree]], write: Any, plus: str, minus: str) -> str:
    out = ""
    for i, (negative, s) in enumerate(terms):
        sign = minus if negative else plus
        out += f" {sign} " if i else minus if negative else ""
        out += write(s, _FACTOR if negative else _TERM)
    return out


def _row(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"
