"""Print numbers as what they stand for: 0.2 is ``1 / N`` where it is one over the length of an axis in every trace.

A graph holds the numbers of one run. Traced on inputs of several sizes, a number that is always the same is a literal,
and one that follows the sizes (or a parameter such as `eps`) is found as a formula of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from micrograd.errors import GraphError
from micrograd.export.numpy_source.spelling import ATOM, SUM, Expr, atom, literal

__all__ = ["Symbols"]

Vector = tuple[float, ...]


class Symbols:
    """Names of numbers, with what each was in every trace.

    Args:
        traces: how many there are.

    >>> symbols = Symbols(2)
    >>> symbols.name("N", (5, 4)); symbols.name("D", (3, 6))
    >>> str(symbols.number((0.2, 0.25))), symbols.whole((15, 24)), symbols.shape([(5, 3), (4, 6)])
    ('1 / N', 'N * D', '(N, D)')
    >>> sorted(symbols.used)
    ['D', 'N']
    """

    def __init__(self, traces: int) -> None:
        self.traces = traces
        self.known: dict[str, Vector] = {}
        self.used: set[str] = set()

    def name(self, text: str, values: Sequence[float]) -> None:
        """Call a number `text`, unless it is the same in all traces, or has a name."""
        vector = tuple(map(float, values))
        if len(set(vector)) > 1 and vector not in self.known.values():
            self.known[text] = vector

    def number(self, values: Sequence[float]) -> Expr:
        """Return what a number is in terms of the names; a literal where it is always the same.

        Raises:
            GraphError: it is neither.
        """
        vector = np.asarray(values, float)
        if len({*vector.tolist()}) == 1 or np.isnan(vector).all():
            value = float(vector[0])
            return Expr(number=abs(value), negative=value < 0) if np.isfinite(value) else atom(literal(value))
        for factors, divisors, basis, names in self._forms():
            ratio = vector / basis
            if np.allclose(ratio, ratio[0], rtol=1e-12, atol=0.0):
                self.used.update(names)
                number = float(ratio[0])
                number = float(round(number)) if abs(number - round(number)) < 1e-9 * abs(number) else number
                return Expr(factors, divisors, abs(number), number < 0)
        shown = ", ".join(f"{value:g}" for value in vector)
        raise GraphError(f"a number that is {shown} on inputs of {len(vector)} sizes follows none of these.")

    def _forms(self) -> Iterator[tuple[Any, Any, np.ndarray[Any, Any], tuple[str, ...]]]:
        """List formulas of the names, the simple ones first: factors, divisors, the value in each trace, the names."""
        one = np.ones(self.traces)
        parts: list[tuple[str, int, np.ndarray[Any, Any], str]] = []
        for name, vector in self.known.items():
            parts.append((name, ATOM, np.asarray(vector), name))
        for name, values in self.known.items():
            if min(values) > 1:
                parts.append((f"{name} - 1", SUM, np.asarray(values) - 1, name))
            if min(values) > 0:
                parts.append((f"np.sqrt({name})", ATOM, np.sqrt(values), name))
        for text, level, basis, name in parts:
            yield ((text, level),), (), basis, (name,)
            yield (), ((text, level),), one / basis, (name,)
        plain = parts[: len(self.known)]
        for count in (2, 3, 4):
            for chosen in itertools.combinations(plain, count):
                factors = tuple((text, level) for text, level, _, _ in chosen)
                names = tuple(name for *_, name in chosen)
                product = np.prod([vector for _, _, vector, _ in chosen], axis=0)
                yield factors, (), product, names
                yield (), factors, one / product, names
        for count in (1, 2, 3):
            for chosen in itertools.combinations(plain, count):
                for other in plain:
                    if other[0] not in [text for text, *_ in chosen]:
                        above = tuple((text, level) for text, level, _, _ in chosen)
                        ratio = np.prod([vector for _, _, vector, _ in chosen], axis=0) / other[2]
                        names = (*(name for *_, name in chosen), other[3])
                        yield above, ((other[0], ATOM),), ratio, names
                        yield ((other[0], ATOM),), above, one / ratio, names

    def whole(self, values: Sequence[int]) -> str:
        """Return a length or an index as source text. Raises GraphError."""
        found = self.number(values)
        if found.divisors or 0 < found.number < 1:
            share = round(1 / found.number)
            above = replace(found, divisors=(), number=found.number if found.number >= 1 else 1.0)
            below = replace(
                found, factors=found.divisors, divisors=(), number=1.0 if found.number >= 1 else float(share)
            )
            return f"{above} // {below.within(ATOM)}"
        return str(found)

    def shape(self, values: Sequence[Sequence[int]]) -> str:
        """Return a shape as source text: ``(N, D)``. Raises GraphError."""
        if len({len(value) for value in values}) > 1:
            raise GraphError("a shape has not the same number of axes in every trace.")
        if not values[0]:
            return "()"
        inner = [self.whole(lengths) for lengths in zip(*values, strict=True)]
        return f"({inner[0]},)" if len(inner) == 1 else f"({', '.join(inner)})"
