"""Measure expressions as they are shown: numbers read and written, and symbols to be read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from micrograd.derivation.kernel import ONE, Atom, Label, Mono, Poly, Rat, free_labels, labels_of, thaw

__all__ = ["VIRTUAL", "Cost"]

VIRTUAL = 16  # how many times longer than in the first run an axis counts
_FUNCTION = 8  # what a function costs, in numbers read


class Cost:
    """Measures expressions over axes of the given lengths."""

    def __init__(self, length: Mapping[int, int]) -> None:
        self._length = {r: VIRTUAL * n for r, n in length.items()}
        self._sizes: dict[frozenset[Label], int] = {}

    def size(self, labels: Iterable[Label]) -> int:
        """Return the number of entries of an array with these axes."""
        labels = frozenset(labels)
        if labels not in self._sizes:
            self._sizes[labels] = math.prod(self._length[label[0]] for label in labels if len(label) == 2)
        return self._sizes[labels]

    def of(self, p: Poly) -> int:
        """Return the numbers read and written if NumPy computes it operation by operation, small operands first."""
        moved, labels = 0, frozenset[Label]()
        for i, m in enumerate(p):
            cost, own = self.mono(m, p[m])
            moved += cost
            if i:
                moved += self.size(labels) + self.size(own) + self.size(labels | own)
            labels |= own
        return moved

    def mono(self, m: Mono, c: Rat = ONE) -> tuple[int, frozenset[Label]]:
        """Return what a product costs, and the labels of its result."""
        moved, parts = 0, []
        for a, e in m:
            cost, labels = self._atom(a)
            moved += cost
            if abs(e) != 1:
                moved += 2 * self.size(labels)
            parts.append(labels)
        if abs(c) != 1:
            parts.append(frozenset())
        parts.sort(key=self.size)
        have = parts[0] if parts else frozenset()
        for labels in parts[1:]:
            moved += self.size(have) + self.size(labels) + self.size(have | labels)
            have |= labels
        return moved, have

    def _atom(self, a: Atom) -> tuple[int, frozenset[Label]]:
        match a[0]:
            case "v":
                return 0, free_labels(a)
            case "n" | "k":
                return 0, frozenset()
            case "S":
                cost, labels = self.mono(a[2])
                left = labels - {*a[1]}
                return cost + self.size(labels) + self.size(left), left
            case "P":
                return self.of(thaw(a[1])), labels_of(thaw(a[1]))
        labels = free_labels(a)
        return sum(self.of(thaw(q)) for q in a[2:]) + _FUNCTION * self.size(labels), labels

    def fused(self, p: Poly, labels: Iterable[Label], extra: Callable[[Atom], float]) -> float:
        """Return the numbers read and written if each line is one loop and its sums another, as a compiler fuses them.

        Args:
            p: the expression.
            labels: of the result.
            extra: what reading a value costs besides.
        """
        total: float = self.size(labels)
        main: set[Atom] = set()
        inner: set[Atom] = set()

        def walk(q: Poly, into: set[Atom]) -> None:
            nonlocal total
            for m in q:
                for a, _ in m:
                    if a[0] == "v":
                        into.add(a)
                    elif a[0] == "S":
                        total += self.size(free_labels(a))
                        _, wide = self.mono(a[2])
                        if all(self.mono(((b, x),))[1] != wide for b, x in a[2]):  # a contraction
                            total += self.size(wide)
                        walk({a[2]: ONE}, inner)
                    elif a[0] == "P":
                        walk(thaw(a[1]), into)
                    elif a[0] == "f":
                        total += _FUNCTION / 2 * self.size(free_labels(a))
                        for r in a[2:]:
                            walk(thaw(r), into)

        walk(p, main)
        read_once = {(a[1], tuple(label[0] for label in a[2])): a for a in sorted(inner, key=repr)}
        return total + sum(self.size(free_labels(a)) + extra(a) for a in [*sorted(main, key=repr), *read_once.values()])

    def symbols(self, p: Poly) -> float:
        """Return how much there is to read: names, lengths, brackets, sums, powers."""
        return sum(
            0.3 + (abs(c) != 1) * 0.5 + sum(self._symbol(a) + (0 if e == 1 else 0.2 if e == -1 else 0.5) for a, e in m)
            for m, c in p.items()
        )

    def _symbol(self, a: Atom) -> float:
        match a[0]:
            case "n":
                return 0.4
            case "v" | "k":
                return 1.0
            case "S":
                return 0.8 + self.symbols({a[2]: ONE})
            case "P":
                return 0.2 + self.symbols(thaw(a[1]))
        return 0.6 + sum(self.symbols(thaw(q)) for q in a[2:])
