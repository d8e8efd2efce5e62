"""Draw the operands that primitives are tested with, and list the calls made with them.

Values lie on a jittered grid, and each operand on a grid of its own, so no two of them tie and none is
near the kink of `abs`, `max` or `maximum`: ties have a test of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from micrograd.primitives import Primitive

__all__ = ["DOMAINS", "Case", "cases_of", "empty_cases_of", "operand"]

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


def _grid(rng: np.random.Generator, shape: Shape, slot: int) -> Array:
    """Draw distinct numbers 1/4 apart, 0.04 or more from those of another slot."""
    count = int(np.prod(shape, dtype=int))
    steps = rng.permutation(count) * 0.25 + 0.03 + 0.08 * slot
    return np.asarray((steps + rng.uniform(-0.02, 0.02, count)).reshape(shape))


def _real(rng: np.random.Generator, shape: Shape, slot: int) -> Array:
    return _grid(rng, shape, slot) - 0.25 * (int(np.prod(shape, dtype=int)) // 2)


def _positive(rng: np.random.Generator, shape: Shape, slot: int) -> Array:
    return _grid(rng, shape, slot) + 0.25


def _nonzero(rng: np.random.Generator, shape: Shape, slot: int) -> Array:
    return np.asarray(_positive(rng, shape, slot) * rng.choice([-1.0, 1.0], shape))


def _mask(rng: np.random.Generator, shape: Shape, slot: int) -> Array:  # noqa: ARG001 - every domain is called alike
    return np.asarray(rng.integers(0, 2, shape), bool)


def _inside(rng: np.random.Generator, shape: Shape, slot: int) -> Array:
    return np.asarray(0.9 * np.tanh(0.5 * _real(rng, shape, slot)))


def _large(rng: np.random.Generator, shape: Shape, slot: int) -> Array:
    count = int(np.prod(shape, dtype=int))
    return np.asarray((4.0 + count + _positive(rng, shape, slot)) * rng.choice([-1.0, 1.0], shape))


def _above_one(rng: np.random.Generator, shape: Shape, slot: int) -> Array:
    return _positive(rng, shape, slot) + 1.0


def _invertible(rng: np.random.Generator, shape: Shape, slot: int) -> Array:
    """Draw matrices of full rank, whose singular values are apart."""
    diagonal = np.diag(3.0 + np.arange(max(shape[-2:], default=0)))
    return np.asarray(0.3 * _real(rng, shape, slot) + diagonal[: shape[-2], : shape[-1]])


def _definite(rng: np.random.Generator, shape: Shape, slot: int) -> Array:
    """Draw symmetric matrices of positive eigenvalues that are apart."""
    drawn = _invertible(rng, shape, slot)
    return np.asarray((drawn + np.swapaxes(drawn, -1, -2)) / 2)


DOMAINS: dict[str, Callable[[np.random.Generator, Shape, int], Array]] = {
    "real": _real,
    "positive": _positive,
    "nonzero": _nonzero,
    "inside": _inside,
    "above 1": _above_one,
    "large": _large,
    "mask": _mask,
    "matrix": _real,
    "invertible": _invertible,
    "definite": _definite,
}
"""For each name in `Primitive.domain`, a sampler ``(rng, shape, slot)`` of float64 arrays (bool for ``mask``)."""


@dataclass(frozen=True, slots=True)
class Case:
    """Hold one call of a primitive.

    Attributes:
        operands: arrays, one for each slot.
        attrs: the keywords.
        seed: of whatever a law draws besides.
        measurable: False where the result has too few digits for a numeric slope (a cast to float32).
    """

    operands: tuple[Array, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    measurable: bool = True

    def __str__(self) -> str:
        shapes = ", ".join(str(x.shape) for x in self.operands)
        return ", ".join([shapes, *(f"{key}={value!r}" for key, value in self.attrs.items()), f"seed={self.seed}"])


def operand(row: Primitive, slot: int, shape: Shape, rng: np.random.Generator) -> Array:
    """Draw a random operand of `row` for one slot, from the domain that the row names."""
    return np.asarray(DOMAINS[row.domain[min(slot, len(row.domain) - 1)]](rng, shape, slot))


_UNARY: list[list[Shape]] = [[()], [(3,)], [(2, 3)], [(2, 1, 3)]]
_BINARY: list[list[Shape]] = [
    [(2, 3), (2, 3)],
    [(2, 3), (3,)],
    [(2, 1), (1, 3)],
    [(), (3,)],
    [(2, 2, 3), (2, 1)],
    [(), ()],
]
_REDUCED: list[tuple[list[Shape], dict[str, Any]]] = [
    ([(2, 3)], {}),
    ([(2, 3)], {"axis": 0}),
    ([(2, 3)], {"axis": 1}),
    ([(2, 3)], {"axis": 1, "keepdims": True}),
    ([(2, 3)], {"axis": -1}),
    ([(2, 3, 2)], {"axis": (0, 2)}),
    ([(2, 3, 2)], {"axis": (0, 1)}),
    ([(2, 3, 2)], {"axis": None, "keepdims": True}),
    ([()], {}),
]
_SCANNED: list[tuple[list[Shape], dict[str, Any]]] = [
    ([(4,)], {"axis": 0}),
    ([(3, 2)], {"axis": 0}),
    ([(2, 3)], {"axis": 1, "reverse": True}),
    ([(2, 3, 2)], {"axis": 1}),
    ([(1, 2)], {"axis": 0}),
]
_CONTRACTED: list[list[Shape]] = [[(2, 3), (3, 4)], [(3, 3), (3, 3)], [(2, 2, 3), (2, 3, 1)], [(2, 3), (4, 3, 2)],
                                  [(2, 1, 2, 3), (2, 3, 2)], [(1, 1), (1, 1)]]  # fmt: skip
_ROWS, _REPEATED = np.array([2, 0, 2]), np.array([[0, 1], [1, 1]])
_MASK = np.array([[True, False, True], [False, True, False]])
_MOVES: dict[str, list[tuple[list[Shape], dict[str, Any]]]] = {
    "reshape": [([(2, 3)], {"shape": (3, 2)}), ([(2, 3)], {"shape": (6,)}), ([()], {"shape": (1, 1)})],
    "transpose": [([(2, 3)], {"axes": (1, 0)}), ([(2, 3, 4)], {"axes": (1, 2, 0)}), ([(3,)], {"axes": (0,)})],
    "broadcast": [([(3,)], {"shape": (2, 3)}), ([(2, 1)], {"shape": (2, 3)}), ([()], {"shape": (2,)}),
                  ([(1, 3)], {"shape": (2, 2, 3)})],
    "gather": [([(3, 2)], {"index": 1}), ([(3, 2)], {"index": (slice(None), 1)}), ([(3, 2)], {"index": _ROWS}),
               ([(3, 2)], {"index": slice(None, None, -2)}), ([(2, 3)], {"index": _MASK}),
               ([(2, 3)], {"index": (..., None)}),
               ([(3,)], {"index": _REPEATED}), ([(3, 2)], {"index": (_ROWS, np.array([1, 1, 1]))})],
    "scatter": [([(2,)], {"index": 1, "shape": (3, 2)}), ([(3, 2)], {"index": _ROWS, "shape": (3, 2)}),
                ([(2, 2)], {"index": slice(None, None, -2), "shape": (3, 2)}),
                ([(3,)], {"index": _MASK, "shape": (2, 3)}),
                ([(2, 2)], {"index": _REPEATED, "shape": (3,)})],
    "concatenate": [([(2, 3), (1, 3)], {"axis": 0}), ([(2, 3), (2, 3)], {"axis": 1}), ([(3,), (2,), (1,)], {}),
                    ([(2, 1, 2), (2, 3, 2)], {"axis": -2})],
}  # fmt: skip
_KEYWORDS: dict[str, list[dict[str, Any]]] = {
    "pow": [{"exponent": e} for e in (2, 3, 1, 0, -1, 0.5, -1.5)],
    "maximum": [{}, {"tie": 0.0}],
    "fmax": [{}, {"tie": 0.0}],
    "fmin": [{}, {"tie": 0.0}],
    "cast": [{"dtype": "float64"}, {"dtype": "float32"}],
}
_SQUARE: list[tuple[list[Shape], dict[str, Any]]] = [([(3, 3)], {}), ([(2, 2, 2)], {})]
_TALL: list[tuple[list[Shape], dict[str, Any]]] = [([(3, 3)], {}), ([(4, 2)], {}), ([(2, 3, 2)], {})]
_CALLS: dict[str, list[tuple[list[Shape], dict[str, Any]]]] = {
    **dict.fromkeys(("inv", "det", "logabsdet", "signdet", "cholesky"), _SQUARE),
    **{key: [*_SQUARE, ([(4, 4)], {"uplo": "U"})] for key in ("eigh", "eigvalsh")},
    **{key: [([(3, 3)], {}), ([(4, 2)], {}), ([(2, 3)], {})] for key in ("svd", "svdvals")},
    "cofactors": [([(3, 3)], {}), ([(1, 4, 4)], {})],
    "solve": [([(3, 3), (3, 2)], {}), ([(2, 2, 2), (2, 1)], {}), ([(2, 2), (3, 2, 1)], {})],
    "pinv": [*_TALL, ([(2, 3)], {}), ([(3, 2)], {"rtol": 1e-9})],
    "qr": _TALL,
    **{key: [([(4,), (4,)], {}), ([(3, 2), (3, 2)], {"axis": 0})] for key in ("sort_by", "unsort_by")},
    "places": [([(3, 2)], {"function": "argmax", "axis": 0}), ([(2, 3)], {"function": "argsort"}),
               ([(4,)], {"function": "searchsorted", "a": np.array([0.0, 1.0])})],
}  # fmt: skip
_EMPTY_CALLS: dict[str, list[tuple[list[Shape], dict[str, Any]]]] = {
    **{key: [([(0,), (0,)], {}), ([(0, 2), (0, 2)], {"axis": 0})] for key in ("sort_by", "unsort_by")},
    "places": [([(0, 2)], {"function": "argsort"}), ([(0, 2)], {"function": "argmax", "axis": 1})],
}
_EMPTY_MOVES: dict[str, list[tuple[list[Shape], dict[str, Any]]]] = {
    "reshape": [([(0, 3)], {"shape": (3, 0, 2)})],
    "transpose": [([(0, 3)], {"axes": (1, 0)})],
    "broadcast": [([(0, 3)], {"shape": (2, 0, 3)}), ([(1,)], {"shape": (0,)})],
    "gather": [([(3, 2)], {"index": slice(0, 0)}), ([(3, 2)], {"index": np.array([], int)})],
    "scatter": [([(0, 2)], {"index": slice(0, 0), "shape": (3, 2)})],
    "concatenate": [([(0, 2), (3, 2)], {"axis": 0}), ([(0,), (0,)], {})],
}


def _patterns(arity: int) -> list[list[Shape]]:
    if arity <= 2:
        return _UNARY if arity == 1 else _BINARY
    ring: list[Shape] = [(2, 3), (3,), (2, 1), ()]
    turned = [[ring[(slot + turn) % len(ring)] for slot in range(arity)] for turn in range(len(ring))]
    return [[(2, 3)] * arity, *turned]


def _build(row: Primitive, calls: list[tuple[list[Shape], dict[str, Any]]], seed: int) -> list[Case]:
    cases = []
    for number, (shapes, attrs) in enumerate(calls):
        rng = np.random.default_rng([seed, number])
        operands = tuple(operand(row, slot, shape, rng) for slot, shape in enumerate(shapes))
        cases.append(Case(operands, attrs, seed, measurable=attrs.get("dtype") != "float32"))
    return cases


def cases_of(row: Primitive, seed: int = 0) -> list[Case]:
    """List the calls that the laws make of a row: the shapes of its kind, broadcasting included, and its keywords.

    A new row of kind ``move`` or ``call``, or one with keywords, has no calls here: pass `check_primitive` its own.

    >>> from micrograd.primitives import TABLE
    >>> print(cases_of(TABLE["sum"])[3])
    (2, 3), axis=1, keepdims=True, seed=0
    """
    if row.kind == "move":
        calls = _MOVES.get(row.name, [])
    elif row.kind == "call":
        calls = _CALLS.get(row.name, [])
    elif row.kind == "reduce":
        calls = _REDUCED
    elif row.kind == "contract":
        calls = [(shapes, {}) for shapes in _CONTRACTED]
    elif row.kind == "scan":
        calls = [(shapes * len(row.domain), attrs) for shapes, attrs in _SCANNED]
    else:
        keywords = _KEYWORDS.get(row.name, [{}])
        patterns = _patterns(len(row.domain))
        calls = [
            (shapes, attrs) for attrs in keywords for shapes in (patterns if attrs is keywords[0] else patterns[1:3])
        ]
    return _build(row, calls, seed)


def empty_cases_of(row: Primitive) -> list[Case]:
    """List calls with arrays of no entry."""
    if row.kind == "move":
        calls = _EMPTY_MOVES.get(row.name, [])
    elif row.kind == "call":
        calls = _EMPTY_CALLS.get(row.name, [])
    elif row.kind == "reduce":
        calls = [
            ([(0, 3)], {"axis": 0}),
            ([(0, 3)], {"axis": 1}),
            ([(0,)], {}),
            ([(2, 0)], {"axis": 0, "keepdims": True}),
        ]
    elif row.kind == "scan":
        calls = [([(0,)] * len(row.domain), {"axis": 0}), ([(2, 0)] * len(row.domain), {"axis": 0})]
    elif row.kind == "contract":
        calls = [([(0, 3), (3, 2)], {}), ([(2, 0), (0, 3)], {}), ([(0, 2, 3), (3, 2)], {})]
    else:
        arity = len(row.domain)
        shapes: list[list[Shape]] = [[(0,)] * arity, [(0, 3), *[(3,)] * (arity - 1)], [(2, 0), *[(2, 1)] * (arity - 1)]]
        calls = [(s, a) for s in shapes for a in _KEYWORDS.get(row.name, [{}])]
    return _build(row, calls, 0)
