"""Record operations as nodes (`Tensor`) and walk the graph backwards once (`sweep`).  That is the whole engine.

A tensor holds its value, the row of the table that made it, and for each operand slot the operand (a tensor, or None
for a constant) together with the raw value that the operation read.  Rules get those raw values, so a parameter
updated between forward and backward cannot change a gradient.  Nothing points forwards and no node holds a closure:
a dropped loss frees its graph at once, by reference counting.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any

import numpy as np

from micrograd import primitives as p
from micrograd.core import pickling, scalars, validation
from micrograd.core.arraylike import ArrayLike
from micrograd.core.operands import NOTHING, Operands, reached, slots_of
from micrograd.core.scalars import fast_operators
from micrograd.modes import Observer, capturing, current, no_grad, observe
from micrograd.primitives import Primitive

__all__ = ["Observer", "Tensor", "Value", "fold", "no_grad", "observe", "sweep", "toposort"]

Gradient = Any  # a Python float, an array, or (tracked) a Tensor
_tick = itertools.count(0, -1).__next__  # younger is smaller: sorting by serial puts consumers before operands


@fast_operators
class Tensor(Operands, ArrayLike):
    """A node of the graph: a number or an array, and how it was made.

    Args:
        data: a Python number, or a float array of any shape. Arrays are copied, so that changing yours
            later cannot change a gradient.

    Raises:
        DTypeError: integers, complex numbers, lists, masked arrays... (use ``x.astype(np.float64)``).

    >>> x = Tensor(3.0)
    >>> y = x * x + 1
    >>> y.backward()
    >>> x.grad
    6.0
    """

    __slots__ = ("__weakref__", "_label", "attrs", "grad", "raw", "row", "serial")

    def __init__(
        self, data: Any, row: Primitive | None = None, attrs: dict[str, Any] | None = None,
        x: Tensor | None = None, a: Any = None, y: Tensor | None = None, b: Any = None, more: Any = (),
    ) -> None:  # fmt: skip
        if type(row) is not Primitive:
            data = validation.leaf(data) if row is None else self.made_by_hand()
        self.raw = data
        self.row = row
        self.attrs = attrs
        self.x = x
        self.a = a
        self.y = y
        self.b = b
        self.more = more
        self.serial = _tick()
        self.grad: Any = 0.0 if type(data) is float else None

    def __primitive__(self, row: Primitive, operands: tuple[Any, ...], attrs: dict[str, Any]) -> Tensor:
        return record(row, operands, attrs)

    def backward(self, seed: Any = None) -> None:
        """Add the gradient of this tensor into ``.grad`` of every leaf it was computed from.

        Args:
            seed: the cotangent, same shape and dtype as this tensor; 1 where left out, for one number.

        Raises:
            GraphError: no seed for more than one number. ShapeError, DTypeError: a seed that does not match.
        """
        if (capture := capturing()) is not None:
            return capture.backward(self, seed)
        g = validation.seed(seed, self.raw)
        if self.row is not None:
            self.grad = g
        owners: set[int] = {id(g)}
        for node, g, _ in sweep({self: g}):
            if node.row is None:
                node.grad = validation.owned(g if node.grad is None else node.grad + g, node.raw, owners)
            elif type(g) is float:
                node.grad = g  # a scalar graph keeps every gradient, as in Karpathy's micrograd

    def detach(self) -> Tensor:
        """Return the same value as a new leaf: gradients stop here."""
        return _leaf(self.raw) if (capture := capturing()) is None else capture.detached(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return pickling.deepcopied(toposort([self]), memo)  # type: ignore[no-any-return]

    def __reduce__(self) -> tuple[Any, ...]:
        return pickling.reduced(toposort([self]))


Value = Tensor  # Karpathy's name


def _leaf(value: Any) -> Tensor:
    """Return a leaf that takes over `value`, a float or an array that only the engine holds: no copy."""
    out = Tensor(0.0)
    out.raw = validation.frozen(value)
    out.grad = 0.0 if type(value) is float else None
    return out


def record(row: Primitive, operands: tuple[Any, ...], attrs: dict[str, Any]) -> Tensor:
    """Apply `row` and record the result as a node (a leaf under `no_grad`)."""
    operands, mode = (operands, None) if (asked := current()) is None else asked.read(operands)
    value, args = validation.evaluate(row, operands, attrs)
    if mode is not None and not mode.keeps:
        return _leaf(value)
    out = Tensor(value, row, attrs, *((operands[0], args[0]) if len(args) == 1 else slots_of(operands, args)))
    return out if mode is None else mode.recorded(out)


def toposort(roots: Iterable[Tensor], stop: Iterable[Tensor] = ()) -> list[Tensor]:
    """Return every node that `roots` depend on, operands first, in the order of execution; `stop` is not passed."""
    inner, seen = reached(roots, {*stop})
    met = {*roots}.union(*(node.operands for node in inner))  # of `stop`, what was come to
    return sorted(met & seen.keys(), key=attrgetter("serial"), reverse=True)


def fold(g: Gradient, shape: tuple[int, ...]) -> Gradient:
    """Sum a cotangent over the axes along which its operand was broadcast, through the `sum` row.

    >>> fold(np.ones((4, 3)), (3,))
    array([4., 4., 4.])
    """
    have = g.shape
    if have == shape:
        return g
    add_up = p.sum.forward if type(g) is np.ndarray else p.sum
    lead = len(have) - len(shape)
    if have[lead:] != shape:
        unit = tuple(lead + i for i, size in enumerate(shape) if size == 1 and have[lead + i] != 1)
        g = add_up(g, axis=unit if len(unit) > 1 else unit[0], keepdims=True)
    return g if lead == 0 else add_up(g, axis=0 if lead == 1 else tuple(range(lead)))


def sweep(
    seeds: Mapping[Tensor, Gradient], stop: Iterable[Tensor] = (), *, track: bool = False
) -> Iterator[tuple[Tensor, Gradient, list[Gradient]]]:
    """Apply the chain rule: walk from the seeded nodes to the leaves, yielding each node once.

    Yields ``(node, g, parts)``: the node, its whole gradient `g`, and what it sends along each operand slot
    (None to a constant). Nodes without operands, and those in `stop`, come last and send nothing.

    Args:
        seeds: the cotangent of each root, in its shape and dtype.
        stop: nodes that count as leaves.
        track: compute on tensors instead of raw arrays, so that the gradients carry a graph of their own.
    """
    inner, arriving = reached(seeds, {*stop})
    arriving.update(seeds)
    mode = current()
    for node in inner:
        if (g := arriving.pop(node)) is NOTHING:
            continue
        numbers = type(node.raw) is float and node.row.plain and not track
        parts = scalars.pull(node, g, arriving) if numbers else _pull(node, g, arriving, track)
        if mode is not None:
            mode.pulled(node, g, parts)
        yield node, g, parts
    yield from ((node, g, []) for node, g in arriving.items() if g is not NOTHING)


def _pull(node: Tensor, g: Gradient, arriving: dict[Tensor, Gradient], track: bool) -> list[Gradient]:
    """Apply the rules of a node: return what it sends along each slot, and add that to what is `arriving`."""
    row: Primitive = node.row  # type: ignore[assignment]
    operands = node.operands if node.more else (node.x, node.y)  # most nodes: no call for the slots
    see = node.args if node.more else (node.a,) if node.b is None else (node.a, node.b)
    out, attrs = node.raw, node.attrs or {}
    if track:
        see, out = tuple(map(validation.unchanged, operands, see)), node
    parts: list[Gradient] = [None] * len(see)
    for slot, rule in row.rules(len(see)) if row.variadic else row.slots:
        x = operands[slot]
        if x is None or rule is None:
            continue
        raw = see[slot]
        shape = () if type(raw) is float else raw.shape
        if rule is p.passes or rule is p.negates:  # they look only at g: fold first, same bits for less work
            part = rule(g if g.shape == shape else fold(g, shape))
        else:
            part = rule(g, out, *see, **attrs)
            if type(part) is not float and part.shape != shape:
                part = fold(part, shape)
        # a number that was read as an array (stack, reshape) gets a number too, no view of what others read
        parts[slot] = part = float(part) if type(x.raw) is float and not track else part
        # popped, the sum so far has one reference, so that NumPy may add into the temporary
        arriving[x] = part if arriving[x] is NOTHING else arriving.pop(x) + part
    return parts
