"""Compute with numbers of a finite field: an identity that fails anywhere fails here, but for a chance of 1 in 2**50.

A number is a pair, modulo P and modulo Q with P = 2 Q + 1, both prime: ``exp(x) = 4 ** (x mod Q) mod P`` turns sums
into products, and roots are taken in the squares, a group of odd order. log, tanh and the like give a random number for
each number, the same for the same. Comparisons order the numbers by their signed representatives.

Two fields at once are the test of Mirage (Wu et al., "Mirage: A Multi-Level Superoptimizer for Tensor Programs", 2025).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

__all__ = ["Draw", "Element", "Field", "NotAsked", "P", "Q"]

Q = 1152921504606849959  # prime, and so is 2 Q + 1
P = 2 * Q + 1
_ROUNDED = 1e-15  # 3 * 0.1 * 0.3 is 9/100: numbers of the code are computed in floating point before they come here
_DENOMINATOR = 10**6  # of the fractions that floats in the code are taken for


class NotAsked(Exception):  # noqa: N818 - no doubt either
    """A power that the field has no consistent value of: exp(0.3 * log(x))."""


class Draw(Exception):  # noqa: N818 - the numbers are drawn again
    """A number has no root here, or is 0 under a fraction.

    Attributes:
        bad: where, in the array that was computed; None where it is one number.
    """

    def __init__(self, bad: Any = None) -> None:
        super().__init__()
        self.bad = bad


@dataclass(slots=True)
class Field:
    """Draws elements; the same text gives the same element.

    Attributes:
        salt: makes one field's draws different from another's.
        exponents: what has been put into `exp`, by result, so that `log` finds it again.
        loose: a power was taken that it has no consistent value of, x**0.7: what differs then may be equal.
    """

    salt: str
    exponents: dict[int, Element] = field(default_factory=dict)
    loose: bool = False

    def drawn(self, text: str) -> Element:
        """Return the element that belongs to a text."""
        rng = random.Random(hashlib.sha256(f"{self.salt}{text}".encode()).digest())  # noqa: S311 - no secret
        return Element(self, rng.randrange(1, P), rng.randrange(1, Q))

    def logarithm(self, p: int) -> Element:
        """Return the logarithm of a number that is no exponential."""
        drawn = self.drawn(f"log of {p}")
        return Element(self, drawn.p, drawn.q, {p: 1})

    def array(self, name: str, shape: tuple[int, ...]) -> Any:
        """Return an array of elements that belongs to a name; one element where the shape is ()."""
        if not shape:
            return self.drawn(name)
        out = np.empty(shape, object)
        for place in np.ndindex(*shape):
            out[place] = self.drawn(f"{name}{place}")
        return out

    def number(self, c: Any) -> Element:
        """Return a number of the code as an element: a fraction, the root of one, or one that is always the same."""
        c = c.item() if isinstance(c, np.generic) else c
        if isinstance(c, Element):
            return c
        exact = Fraction(c) if isinstance(c, int | Fraction) else Fraction(c).limit_denominator(_DENOMINATOR)
        if isinstance(c, float) and abs(float(exact) - c) > _ROUNDED * abs(c):
            square = Fraction(c * c).limit_denominator(1000)
            if abs(float(square) - c * c) < 1e-13 * c * c:
                root = self.number(square).sqrt()
                return root if c > 0 else -root
            drawn = self.drawn(f"number {abs(c)!r}")
            return drawn if c > 0 else -drawn
        p, q = (exact.numerator * pow(exact.denominator, -1, m) % m for m in (P, Q))
        made = Element(self, p, q)
        made.exact = exact
        return made

    def lifted(self, a: Any) -> Any:
        """Return an array of numbers as one of elements."""
        if np.shape(a) == ():
            return self.number(np.asarray(a).item())
        return np.frompyfunc(self.number, 1, 1)(np.asarray(a))


class Element:
    """A number modulo P and, as long as it is no root or exponential, modulo Q.

    Logarithms that have been added up are remembered, so that ``exp(x - log(s))`` is ``exp(x) / s``.
    """

    __slots__ = ("exact", "field", "logs", "p", "q")
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self, of: Field, p: int, q: int | None = None, logs: Mapping[int, int | Fraction] | None = None
    ) -> None:
        self.field, self.p, self.q, self.logs = of, p, q, logs or {}
        self.exact: Fraction | None = None  # of a number of the code

    def _with(self, other: Any, f: Callable[[int, int, int], int]) -> Any:
        if isinstance(other, np.ndarray):
            return NotImplemented
        o = self.field.number(other)
        p = f(self.p, o.p, P) % P
        q = 0 if not p else None if self.q is None or o.q is None else f(self.q, o.q, Q) % Q  # what is 0 is 0 in both
        return Element(self.field, p, q)

    def __add__(self, other: Any) -> Any:
        return self._sum(self._with(other, lambda a, b, _: a + b), other, 1)

    def __sub__(self, other: Any) -> Any:
        return self._sum(self._with(other, lambda a, b, _: a - b), other, -1)

    def _sum(self, made: Any, other: Any, sign: int) -> Any:
        """Add up the logarithms of both sides."""
        logs = other.logs if isinstance(other, Element) else {}
        if isinstance(made, Element) and (self.logs or logs):
            made.logs = {s: self.logs.get(s, 0) + sign * logs.get(s, 0) for s in {**self.logs, **logs}}
        return made

    def __mul__(self, other: Any) -> Any:
        return self._scaled(self._with(other, lambda a, b, _: a * b), other, 1)

    def _scaled(self, made: Any, other: Any, power: int) -> Any:
        """A logarithm times a number, halves and quarters too, is remembered: the root of what it is taken of."""
        if isinstance(made, Element) and (self.logs or (power > 0 and isinstance(other, Element) and other.logs)):
            one, two = (self, self.field.number(other)) if self.logs else (other, self)
            if two.exact:
                made.logs = {s: times * two.exact**power for s, times in one.logs.items()}
        return made

    def __rsub__(self, other: Any) -> Any:
        return self.field.number(other) - self

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            return NotImplemented
        o = self.field.number(other)
        if o.p == 0 or o.q == 0:
            raise Draw
        return self._scaled(self._with(o, lambda a, b, m: a * pow(b, -1, m)), other, -1)

    def __rtruediv__(self, other: Any) -> Any:
        return self.field.number(other) / self

    def __neg__(self) -> Any:
        return 0 - self

    def __pow__(self, e: Any) -> Any:
        if isinstance(e, Element):
            return self._function(f"power {e.p}")
        q = Fraction(e).limit_denominator(12)
        if q.denominator != 1 and self.p in self.field.exponents:
            return (self.field.exponents[self.p] * float(q)).exp()
        base = self
        for _ in range({1: 0, 2: 1, 4: 2, 8: 3}.get(q.denominator, -1)):
            base = base.sqrt()
        if q.denominator not in (1, 2, 4, 8):
            self.field.loose = True
            return self._function(f"pow {q}")
        n = q.numerator
        base, n = (1 / base, -n) if n < 0 else (base, n)
        return Element(self.field, pow(base.p, n, P), None if base.q is None else pow(base.q, n, Q))

    def sqrt(self) -> Element:
        """Return the root that is itself a square. Raises Draw where there is none."""
        if pow(self.p, Q, P) != 1:
            raise Draw
        return Element(self.field, pow(self.p, (P + 1) // 4, P))

    def exp(self) -> Element:
        """Return the exponential, which turns sums into products."""
        if self.q is None:
            return self._function("exp")
        q, factor = self.q, 1
        for s, times in self.logs.items():
            if times.denominator not in (1, 2, 4, 8):
                raise NotAsked
            share = times.numerator * pow(times.denominator, -1, Q)
            q -= share * (self.field.logarithm(s).q or 0)
            factor = factor * (Element(self.field, s) ** times).p % P
        out = Element(self.field, factor * pow(4, q % Q, P) % P)
        self.field.exponents[out.p] = self
        return out

    def log(self) -> Element:
        """Return the logarithm: of an exponential its exponent, else a random number."""
        return self.field.exponents.get(self.p) or self.field.logarithm(self.p)

    def log1p(self) -> Any:
        """Return log(1 + x)."""
        return (1 + self).log()

    def expm1(self) -> Any:
        """Return exp(x) - 1."""
        return self.exp() - 1

    def _function(self, name: str) -> Element:
        return self.field.drawn(f"{name} of {self.p}")

    def __getattr__(self, name: str) -> Any:
        """NumPy asks an object for a method of the function's name: any function gives a random number."""
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *others: self._function(" ".join([name, *(str(self.field.number(o).p) for o in others)]))

    def reciprocal(self) -> Any:
        """Return 1 / x."""
        return 1 / self

    def square(self) -> Any:
        """Return x * x."""
        return self * self

    def conjugate(self) -> Element:
        """Return the element itself."""
        return self

    @property
    def signed(self) -> int:
        """Return the representative that is nearest to 0."""
        return self.p if self.p <= Q else self.p - P

    def sign(self) -> Element:
        """Return -1, 0 or 1."""
        return self.field.number((self.signed > 0) - (self.signed < 0))

    def __abs__(self) -> Element:
        return self if self.signed >= 0 else self.field.number(-self)

    def __eq__(self, other: object) -> bool:
        return self.p == self.field.number(other).p

    def __lt__(self, other: Any) -> bool:
        return self.signed < self.field.number(other).signed

    def __gt__(self, other: Any) -> bool:
        return self.signed > self.field.number(other).signed

    def __le__(self, other: Any) -> bool:
        return not self > other

    def __ge__(self, other: Any) -> bool:
        return not self < other

    def __bool__(self) -> bool:
        return self.p != 0

    def __repr__(self) -> str:
        return f"Element({self.p})"
