"""What the student's values are: the engine's gradients, found by value, with names as hints.

`Quantities` holds everything the engine knows of one probe: the values of the forward, the gradients of its nodes,
what flows along its edges.  A name such as ``dxmu1`` says which of them a variable should be; the value
decides whether it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from micrograd.graph import Graph
from micrograd.marker.gradient_names import meanings, normal
from micrograd.marker.truth.cases import scale_of

__all__ = ["Quantities", "Quantity", "agree", "as_array"]

_SYNONYMS = tuple({*words.split()} for words in (
    "mu mean m avg xmean samplemean means average meanx batchmean muB u",
    "var variance v sigma2 samplevar xvar varx sigmasq sigmasquared s2 batchvar",
    "sqrtvar std sigma stddev sd samplestd s root denom stdx sqrt sqrtv",
    "ivar istd invstd rstd invvar stdinv isigma invsqrtvar rsigma isqrtvar inv varinv",
    "xhat xnorm xn normalized xnormalized normx xnormed hatx z norm normedx",
    "xmu xc centered centred xcentered xminusmean xdemeaned diff xcentred xm xmeaned",
    "sq xmusq xmu2 squared square sqr xsq",
    "gammax scaled gx outnobeta xscaled",
    "probs p softmax prob yhat probabilities",
    "scores logits s z x",
    "xpad xpadded paddedx padx xp",
))  # fmt: skip

_RELATIVE = 1e-8  # of the largest entry: how far values may lie apart and still be the same


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something the engine knows.

    Attributes:
        key: the same on every probe: ``("grad", "var")``, ``("edge", "xmu", "sq", 0)``, ``("value", "xhat")``.
        label: what students call it: ``dvar``, ``dxmu2``, ``xhat``.
        value: on this probe.
        edge: of an edge its two ends.
    """

    key: tuple[Any, ...]
    label: str
    value: Any
    edge: tuple[str, str] | None = None

    @property
    def kind(self) -> str:
        """``value``, ``grad`` or ``edge``."""
        return str(self.key[0])


def as_array(value: Any) -> Any:
    """Return a value as an array; an empty one for a ragged sequence, as a cache in a cache or ``*rest`` of one."""
    try:
        return np.asarray(value)
    except ValueError:
        return np.empty(0)


def agree(a: Any, b: Any, relative: float = _RELATIVE) -> bool:
    """Return whether two values are equal in shape and, to rounding, in every entry."""
    x, y = np.asarray(a), np.asarray(b)
    if x.shape != y.shape or x.dtype.kind not in "fiub" or y.dtype.kind not in "fiub":
        return False
    with np.errstate(all="ignore"):
        off = np.abs(x.astype(float) - y.astype(float))
        return bool(np.all(off <= relative * max(scale_of(x), scale_of(y)) + 1e-300))


class _Stack:
    """Quantities of one size, so that a value is compared with all of them at once.

    A loop leaves a thousand of them: each is known by its product with one random direction, and only those whose
    products fit are compared entry by entry.
    """

    def __init__(self, group: Sequence[Quantity]) -> None:
        self.group = group
        self.rows = np.stack([np.asarray(q.value, float).ravel() for q in group])
        self.along = np.random.default_rng(0).uniform(0.5, 1.5, self.rows.shape[1])
        with np.errstate(all="ignore"):
            self.products = self.rows @ self.along
        self.tops = np.array([scale_of(row) for row in self.rows])
        self.reach = 1.5 * self.rows.shape[1]  # how far a product can be off for each unit that an entry is

    def equal_to(self, array: Any) -> list[Quantity]:
        """Return those that an array is, in shape and in every entry."""
        flat = array.astype(float).ravel()
        with np.errstate(all="ignore"):
            bound = _RELATIVE * np.maximum(self.tops, scale_of(flat)) + 1e-300
            near = np.flatnonzero(np.abs(self.products - flat @ self.along) <= self.reach * bound)
            off = np.abs(self.rows[near] - flat).max(axis=1, initial=0.0)
        return [self.group[i] for i in near[off <= bound[near]] if np.shape(self.group[i].value) == array.shape]

    def sums_to(self, array: Any) -> list[tuple[Quantity, Quantity]]:
        """Return the pairs of gradients that an array is the sum of."""
        usable = [
            i for i, q in enumerate(self.group)
            if q.kind in ("edge", "grad") and np.shape(q.value) == array.shape and np.isfinite(self.products[i])
        ]  # fmt: skip
        flat = array.astype(float).ravel()
        if not usable or not np.isfinite(flat).all():
            return []
        order = np.array(sorted(usable, key=lambda i: self.products[i]))
        products = self.products[order]
        slack = self.reach * _RELATIVE * max(self.tops[order].max(), scale_of(flat)) + 1e-300
        rest = flat @ self.along - products
        starts = np.searchsorted(products, rest - slack)
        ends = np.searchsorted(products, rest + slack, side="right")
        found = []
        for one, start, end in zip(order, starts, ends, strict=True):
            near, left = order[start:end], flat - self.rows[one]
            bound = _RELATIVE * np.maximum(self.tops[near], scale_of(left)) + 1e-300
            for other in near[np.abs(self.rows[near] - left).max(axis=1, initial=0.0) <= bound]:
                first, second = self.group[one], self.group[other]
                if str(first.key) < str(second.key):
                    found.append((first, second))
        return found


class Quantities:
    """Everything the engine knows of one probe.

    Args:
        graph: the traced forward, with gradients; None where there is none.
        expected: the gradients of the inputs, where there is no graph, or these are averages of its own.
    """

    def __init__(self, graph: Graph | None, expected: Mapping[str, Any] | None = None) -> None:
        self.all: list[Quantity] = []
        self.by_name: dict[str, list[Quantity]] = {}
        self.values: dict[str, Quantity] = {}
        self._stacks: dict[int, _Stack] | None = None
        if graph is None:
            for name, value in (expected or {}).items():
                self._add(Quantity(("grad", name), f"d{name}", value), name.rpartition(".")[2])
            return
        fan_out = Counter(edge.source for edge in graph.edges)
        arrived: Counter[int] = Counter()
        values = graph.values
        for node in graph.nodes:
            value = values[node.index]
            if value is None:
                continue
            made = Quantity(("value", node.name), node.name, value)
            self._add(made, node.name)
            self.values[node.name] = made
            if node.index in graph.grads:
                grad = (expected or {}).get(node.name, graph.grads[node.index])
                self._add(Quantity(("grad", node.name), f"d{node.name}", grad), node.name)
        for (source, target, slot), part in graph.edge_grads.items():
            arrived[source] += 1
            start, end = graph.nodes[source].name, graph.nodes[target].name
            if fan_out[source] > 1:
                label = f"d{start}{arrived[source]}"
                self._add(Quantity(("edge", start, end, slot), label, part, (start, end)), start)

    def _add(self, quantity: Quantity, node: str) -> None:
        self.all.append(quantity)
        self.by_name.setdefault(normal(node), []).append(quantity)

    # ---- by value ------------------------------------------------------------------------------------

    def equal_to(self, value: Any, kinds: Iterable[str] = ("value", "grad", "edge")) -> list[Quantity]:
        """Return the quantities that a value is, in shape and in every entry."""
        array, wanted = as_array(value), set(kinds)
        stack = self._stack(array)
        return [q for q in stack.equal_to(array) if q.kind in wanted] if stack else []

    def sums_to(self, value: Any) -> list[tuple[Quantity, Quantity]]:
        """Return the pairs of gradients, of nodes or edges, that a value is the sum of."""
        array = as_array(value)
        stack = self._stack(array)
        return stack.sums_to(array) if stack else []

    def _stack(self, array: Any) -> _Stack | None:
        """Return the quantities of the size of an array of numbers."""
        if self._stacks is None:
            sizes: dict[int, list[Quantity]] = {}
            for quantity in self.all:
                if np.asarray(quantity.value).dtype.kind == "f":
                    sizes.setdefault(np.size(quantity.value), []).append(quantity)
            self._stacks = {size: _Stack(group) for size, group in sizes.items()}
        return self._stacks.get(array.size) if array.dtype.kind in "fiu" and array.size else None

    # ---- by name -------------------------------------------------------------------------------------

    def meant_by(self, name: str, aliases: Mapping[str, str]) -> list[Quantity]:
        """Return the gradients that a name may stand for, the likeliest first.

        Args:
            name: the student's.
            aliases: for each variable of the backward that holds a forward value, the node that has it.
        """
        found: dict[tuple[Any, ...], Quantity] = {}
        for synonyms in (False, True):
            for base, number in meanings(name):
                nodes = list(self._nodes(base, aliases, synonyms))
                for node in nodes:
                    for quantity in self.by_name.get(node, ()):
                        if quantity.kind == "grad" and not number:
                            found.setdefault(quantity.key, quantity)
                for node in nodes:
                    edges = [q for q in self.by_name.get(node, ()) if q.kind == "edge"]
                    if number and number <= len(edges):
                        edges.insert(0, edges[number - 1])
                    for quantity in edges if number else ():
                        found.setdefault(quantity.key, quantity)
        return list(found.values())

    def names(self, quantity: Quantity, name: str) -> bool:
        """Return whether a name says the node of a gradient itself, not only by another word for it."""
        return any(normal(str(quantity.key[1])) == normal(base) for base, _ in meanings(name))

    def _nodes(self, base: str, aliases: Mapping[str, str], synonyms: bool) -> Iterator[str]:
        seen = set()
        plain = normal(base)
        lower = {normal(name): node for name, node in aliases.items()}
        candidates = [] if synonyms else [aliases.get(base, ""), lower.get(plain, ""), plain]
        for group in _SYNONYMS if synonyms else ():
            if plain in group:
                candidates += [lower.get(word, "") for word in sorted(group)] + sorted(group)
        for candidate in candidates:
            node = normal(candidate)
            if node and node not in seen and node in self.by_name:
                seen.add(node)
                yield node
