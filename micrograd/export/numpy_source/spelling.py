"""Spell the operations of the table as NumPy does: expressions with as few brackets as they need.

Products are kept as lists of factors, so that ``mul(g, reciprocal(b))`` becomes ``g / b`` and ``mul(neg(g), ivar)``
becomes ``-g * ivar``: what a person writes, and the same number but for rounding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from micrograd.errors import GraphError
from micrograd.primitives import TABLE

__all__ = ["ATOM", "SPELLED", "SUM", "Expr", "atom", "call", "literal", "spelled"]

SUM, PRODUCT, POWER, ATOM = 1, 2, 4, 9
Factor = tuple[str, int]  # text, and how strongly it binds


@dataclass(frozen=True, slots=True)
class Expr:
    """An expression as a product: ``-2 * a * b / c``.

    Attributes:
        factors: above the line, with how strongly each binds.
        divisors: below it.
        number: the literal in front.
        negative: whether a minus sign stands before it.

    >>> str(Expr((("a", ATOM), ("b + c", SUM)), (("N", ATOM),), 2.0, True))
    '-2 * a * (b + c) / N'
    """

    factors: tuple[Factor, ...] = ()
    divisors: tuple[Factor, ...] = ()
    number: float = 1.0
    negative: bool = False

    @property
    def level(self) -> int:
        """Return how strongly it binds."""
        if self.negative or self.divisors or self.number != 1 or len(_powers(self.factors)) != 1:
            return PRODUCT if self.factors or self.divisors or self.negative else ATOM
        return _powers(self.factors)[0][1]

    def __str__(self) -> str:
        above, below = _powers(self.factors), _powers(self.divisors)
        if len(above) == 1 and not below and self.number == 1 and not self.negative:
            return above[0][0]
        shown = [literal(self.number)] if self.number != 1 or not above else []
        if len(above) == 1 and not shown and above[0][1] == PRODUCT:  # (a @ b) / N needs no brackets
            shown.append(above[0][0] if not self.negative else f"({above[0][0]})")
        else:
            shown += [_bracketed(factor, PRODUCT + 1) for factor in above]
        text = " * ".join(shown)
        if below:
            under = " * ".join(_bracketed(factor, PRODUCT + 1) for factor in below)
            text += f" / {under}" if len(below) == 1 else f" / ({under})"
        return f"-{text}" if self.negative else text

    def within(self, level: int) -> str:
        """Return the text, in brackets where it binds less than `level`."""
        return str(self) if self.level >= level else f"({self})"

    def times(self, other: Expr) -> Expr:
        """Return the product."""
        return Expr(
            self.factors + other.factors,
            self.divisors + other.divisors,
            self.number * other.number,
            self.negative != other.negative,
        )

    def inverse(self) -> Expr:
        """Return one over it."""
        number = 1.0 / self.number
        if self.number != 1 and 1.0 / number != self.number:
            return Expr((), ((str(replace(self, negative=False)), self.level),), 1.0, self.negative)
        return Expr(self.divisors, self.factors, number, self.negative)


def _bracketed(factor: Factor, level: int) -> str:
    return factor[0] if factor[1] >= level else f"({factor[0]})"


def _powers(factors: Sequence[Factor]) -> list[Factor]:
    """Write factors that come several times as powers."""
    return [
        factor if times == 1 else (f"{_bracketed(factor, ATOM)}**{times}", POWER)
        for factor, times in Counter(factors).items()
    ]


def literal(value: float) -> str:
    """Return a number as Python has it: whole ones without a point.

    >>> literal(2.0), literal(0.5), literal(float("inf"))
    ('2', '0.5', 'np.inf')
    """
    if value != value or value in (float("inf"), float("-inf")):
        return "np.nan" if value != value else "np.inf" if value > 0 else "-np.inf"
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def atom(text: str) -> Expr:
    """Return a name or a call."""
    return Expr(((text, ATOM),))


def call(name: str, *arguments: object) -> Expr:
    """Write ``np.name(arguments)``."""
    return atom(f"np.{name}({', '.join(map(str, arguments))})")


# ---- one speller per row --------------------------------------------------------

Attributes = Mapping[str, str]
Speller = Callable[[Sequence[Expr], Attributes], Expr]


def _binary(sign: str) -> Speller:
    def spell(operands: Sequence[Expr], _: Attributes) -> Expr:
        left, right = operands
        shown = sign
        if right.negative:
            shown, right = "+" if sign == "-" else "-", replace(right, negative=False)
        strong = PRODUCT if shown == "-" else SUM
        return Expr(((f"{left.within(SUM)} {shown} {right.within(strong)}", SUM),))

    return spell


def _compare(sign: str) -> Speller:
    return lambda operands, _: Expr(((f"{operands[0].within(SUM)} {sign} {operands[1].within(SUM)}", 0),))


def _function(name: str) -> Speller:
    return lambda operands, _: call(name, *operands)


def _reduction(name: str) -> Speller:
    def spell(operands: Sequence[Expr], attributes: Attributes) -> Expr:
        more = [f"axis={attributes.get('axis', '0')}"] if attributes.get("axis", "None") != "None" else []
        more += ["keepdims=True"] if attributes.get("keepdims") == "True" else []
        return call(name, *operands, *more)

    return spell


def _power(operands: Sequence[Expr], attributes: Attributes) -> Expr:
    return Expr(((f"{operands[0].within(ATOM)}**{attributes['exponent']}", POWER),))


def _matmul(operands: Sequence[Expr], _: Attributes) -> Expr:
    left, right = operands
    return Expr(((f"{left.within(POWER)} @ {right.within(POWER)}", PRODUCT),))


def _transpose(operands: Sequence[Expr], attributes: Attributes) -> Expr:
    axes, text = attributes["axes"], operands[0].within(ATOM)
    order = [int(a) for a in axes.strip("(,)").split(",")]
    if order == list(range(len(order)))[::-1]:
        return atom(text.removesuffix(".T") if text.endswith(".T") else f"{text}.T")
    return atom(f"{text}.transpose{axes}")


def _reshape(operands: Sequence[Expr], attributes: Attributes) -> Expr:
    if attributes.get("index") == "np.reshape":  # of a number, which may be Python's
        return call("reshape", operands[0], attributes["shape"])
    if "index" in attributes:  # only axes of length 1 come or go
        return atom(f"{operands[0].within(ATOM)}[{attributes['index']}]") if attributes["index"] else operands[0]
    shape = attributes["shape"] if attributes["shape"].endswith(",)") else attributes["shape"][1:-1]
    return atom(f"{operands[0].within(ATOM)}.reshape({shape.removesuffix(',)').removeprefix('(')})")


def _cast(operands: Sequence[Expr], attributes: Attributes) -> Expr:
    kind = attributes["dtype"].strip("'")
    return atom(f"{operands[0].within(ATOM)}.astype({'float' if kind == 'float64' else f'np.{kind}'})")


def _filled(text: str, operands: Sequence[Expr], attributes: Attributes) -> str:
    more = {"uplo": f", {attributes['uplo']}" if attributes.get("uplo", "'L'") != "'L'" else "",
            "rtol": f", {attributes['rtol']}" if attributes.get("rtol", "None") != "None" else ""}  # fmt: skip
    return text.format(*operands, **more)


def _linalg(text: str) -> Speller:
    return lambda operands, attributes: Expr(((f"np.linalg.{_filled(text, operands, attributes)}",
                                               PRODUCT if " * " in text else ATOM),))  # fmt: skip


def _parts(text: str) -> Speller:
    return lambda operands, attributes: atom(f"np.concatenate([{_filled(text, operands, attributes)}], axis=-2)")


def _places(operands: Sequence[Expr], attributes: Attributes) -> Expr:
    function = attributes["function"].strip("'\"")
    texts = {
        key: text.replace("array(", "np.array(").replace("dtype=", "dtype=np.") for key, text in attributes.items()
    }
    given = [f"{key}={text}" for key, text in texts.items() if key != "function"]
    return call(function, *([*given, f"v={operands[0]}"] if function == "searchsorted" else [*operands, *given]))


def _sorted(operands: Sequence[Expr], attributes: Attributes, times: int) -> Expr:
    axis = attributes.get("axis", "-1")
    order = str(operands[1])
    for _ in range(times):
        order = f"np.argsort({order}, axis={axis}, kind='stable')"
    return call("take_along_axis", operands[0], order, f"axis={axis}")


def _scanned(ufunc: str) -> Speller:
    def spell(operands: Sequence[Expr], attributes: Attributes) -> Expr:
        axis = attributes["axis"]
        if attributes.get("reverse") != "True":
            return call(f"{ufunc}.accumulate", *operands, axis)
        return call("flip", call(f"{ufunc}.accumulate", call("flip", *operands, axis), axis), axis)

    return spell


SPELLED: dict[str, Speller] = {
    **{row.name: _scanned(row.array) for row in TABLE.values() if row.kind == "scan" and row.name != "recur"},
    "sum": _reduction("sum"),
    "max": _reduction("max"),
    "add": _binary("+"),
    "sub": _binary("-"),
    "mul": lambda operands, _: operands[0].times(operands[1]),
    "div": lambda operands, _: operands[0].times(operands[1].inverse()),
    "reciprocal": lambda operands, _: operands[0].inverse(),
    "neg": lambda operands, _: replace(operands[0], negative=not operands[0].negative),
    "pow": _power,
    "sqrt": _function("sqrt"),
    "exp": _function("exp"),
    "log": _function("log"),
    "tanh": _function("tanh"),
    "abs": _function("abs"),
    "sign": _function("sign"),
    "maximum": _function("maximum"),
    "where": _function("where"),
    "matmul": _matmul,
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast": lambda operands, attributes: call("broadcast_to", operands[0], attributes["shape"]),
    "gather": lambda operands, attributes: atom(f"{operands[0].within(ATOM)}[{attributes['index']}]"),
    "concatenate": lambda operands, attributes: call(
        "concatenate", f"[{', '.join(map(str, operands))}]", f"axis={attributes.get('axis', '0')}"
    ),
    "cast": _cast,
    **{
        name: _linalg(text)
        for name, text in {
            "inv": "inv({0})",
            "solve": "solve({0}, {1})",
            "det": "det({0})",
            "cofactors": "det({0})[..., None, None] * np.linalg.inv({0}).mT",
            "logabsdet": "slogdet({0})[1]",
            "signdet": "slogdet({0})[0]",
            "pinv": "pinv({0}{rtol})",
            "cholesky": "cholesky({0})",
            "eigvalsh": "eigvalsh({0}{uplo})",
            "svdvals": "svd({0}, compute_uv=False)",
        }.items()
    },
    "eigh": _parts("np.linalg.eigh({0}{uplo})[0][..., None, :], np.linalg.eigh({0}{uplo})[1]"),
    "svd": _parts(
        "np.linalg.svd({0}, False)[0], np.linalg.svd({0}, False)[1][..., None, :], np.linalg.svd({0}, False)[2].mT"
    ),
    "qr": _parts("*np.linalg.qr({0})"),
    "places": _places,
    "sort_by": lambda operands, attributes: _sorted(operands, attributes, 1),
    "unsort_by": lambda operands, attributes: _sorted(operands, attributes, 2),
    "greater": _compare(">"),
    "greater_equal": _compare(">="),
    "less": _compare("<"),
    "less_equal": _compare("<="),
    "equal": _compare("=="),
    "not_equal": _compare("!="),
}
"""How each row is spelled; `scatter` takes two statements and is spelled by the lines (`listing`)."""


def spelled(op: str, operands: Sequence[Expr], attributes: Attributes) -> Expr:
    """Return one operation on operands that are spelled already.

    Args:
        op: the name of the row.
        operands: what it reads.
        attributes: its keywords, as source text.

    Raises:
        GraphError: NumPy has no function for it: the backward of a running product is a loop; a row of the user's.

    >>> str(spelled("mul", [atom("dout"), atom("gamma").inverse()], {}))
    'dout / gamma'
    """
    if op in SPELLED:
        return SPELLED[op](operands, attributes)
    if not hasattr(np, str(TABLE[op].array)):
        what = "np.cumprod, backwards," if op == "recur" else op
        why = "it is a loop over the entries" if op == "recur" else "it is a row of your own"
        raise GraphError(f"{what} cannot be printed as NumPy source: {why}, and NumPy has no function for it.")
    return call(TABLE[op].array, *operands, *(f"{key}={text}" for key, text in attributes.items()))
