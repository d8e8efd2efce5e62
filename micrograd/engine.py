"""The engine: a `Tensor` is a node of the graph; `sweep` walks the graph backwards once.  That is the whole idea.

A tensor holds its value, the row of the table that made it, and for each operand slot the operand (a tensor, or None
for a constant) together with the raw value that the operation read.  Rules get those raw values, so a parameter
updated between forward and backward cannot change a gradient.  Nothing points forwards and no node holds a closure:
a dropped loss frees its graph at once, by reference counting.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np

from micrograd import copying, ingest
from micrograd import primitives as p
from micrograd.arraylike import ArrayLike
from micrograd.modes import Observer, capturing, current, no_grad, observe
from micrograd.operators import fast_operators
from micrograd.primitives import Primitive, negates, passes

__all__ = ["Observer", "Tensor", "Value", "fold", "no_grad", "observe", "sweep", "toposort"]

Gradient = Any  # a Python float, an array, or (tracked) a Tensor
_tick = itertools.count(0, -1).__next__  # younger is smaller: sorting by serial puts consumers before operands
_serial = attrgetter("serial")
_NOTHING = 0.0  # "no gradient has arrived", told from a gradient by identity


@fast_operators
class Tensor(ArrayLike):
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

    # x, y: the first two operands, a, b: the raw values read from them; `more`: (operand, raw) of any others.
    __slots__ = ("__weakref__", "a", "attrs", "b", "grad", "more", "raw", "row", "serial", "x", "y")

    def __init__(
        self, data: Any, row: Primitive | None = None, attrs: dict[str, Any] | None = None,
        x: Tensor | None = None, a: Any = None, y: Tensor | None = None, b: Any = None, more: Any = (),
    ) -> None:  # fmt: skip
        if row is None:
            data = ingest.leaf(data)
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

    @property
    def operands(self) -> tuple[Tensor | None, ...]:
        """The operand of each slot, None where it is a constant. ``a * a`` has two."""
        if self.row is None:
            return ()
        if self.b is None:
            return (self.x,)
        return (self.x, self.y, *(operand for operand, _ in self.more)) if self.more else (self.x, self.y)

    @property
    def args(self) -> tuple[Any, ...]:
        """The raw value that each slot was given."""
        if self.row is None:
            return ()
        if self.b is None:
            return (self.a,)
        return (self.a, self.b, *(raw for _, raw in self.more)) if self.more else (self.a, self.b)

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
        g = ingest.seed(seed, self.raw)
        if self.row is not None:
            self.grad = g
        owners: set[int] = {id(g)}
        for node, g, _ in sweep({self: g}):
            if node.row is None:
                total = g if node.grad is None else node.grad + g
                node.grad = total if type(total) is float else ingest.owned(total, node.raw, owners)
            elif type(g) is float:
                node.grad = g  # a scalar graph keeps every gradient, as in Karpathy's micrograd

    def detach(self) -> Tensor:
        """The same value as a new leaf: gradients stop here."""
        return _leaf(self.raw) if (capture := capturing()) is None else capture.detached(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        order = toposort([self])
        known = {place: memo[id(node)] for place, node in enumerate(order) if id(node) in memo}
        made = copying.rebuild(Tensor, *copying.flatten(order), known)
        memo.update((id(node), copy) for node, copy in zip(order, made, strict=True))
        return made[-1]  # type: ignore[no-any-return]

    def __reduce__(self) -> tuple[Any, ...]:
        return copying.last, (Tensor, *copying.flatten(toposort([self])))


Value = Tensor  # Karpathy's name


def _leaf(value: Any) -> Tensor:
    """A leaf that takes over `value`, a float or an array that only the engine holds: no copy."""
    out = Tensor(0.0)
    out.raw = ingest.frozen(value)
    out.grad = 0.0 if type(value) is float else None
    return out


def record(row: Primitive, operands: tuple[Any, ...], attrs: dict[str, Any]) -> Tensor:
    """Apply `row` and record the result as a node (a leaf under `no_grad`)."""
    mode = current()
    if mode is not None and mode.sealed:  # an array that is written into stands for its present version
        operands = tuple(getattr(operand, "node", operand) for operand in operands)
    value, args = ingest.evaluate(row, operands, attrs)
    if mode is not None and not mode.records and mode.capture is None:
        return _leaf(value)
    if len(args) == 1:
        out = Tensor(value, row, attrs, operands[0], args[0])
    else:
        nodes = [o if isinstance(o, Tensor) else None for o in operands]
        rest = tuple(zip(nodes[2:], args[2:], strict=True)) if len(args) > 2 else ()
        out = Tensor(value, row, attrs, nodes[0], args[0], nodes[1], args[1], rest)
    if mode is not None:
        for observer in mode.observers:
            observer.recorded(out)
        if not mode.records:
            return mode.capture.detached(out)  # type: ignore[no-any-return, union-attr]
    return out


def toposort(roots: Iterable[Tensor], stop: Iterable[Tensor] = ()) -> list[Tensor]:
    """Every node that `roots` depend on, operands first, in the order of execution; `stop` is not passed through."""
    seen, stack = {*roots}, [*roots]
    halt = {*stop}
    while stack:
        node = stack.pop()
        for operand in () if node in halt else node.operands:
            if operand is not None and operand not in seen:
                seen.add(operand)
                stack.append(operand)
    return sorted(seen, key=_serial, reverse=True)


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
    """The chain rule: walk from the seeded nodes to the leaves, yielding each node once.

    Yields ``(node, g, parts)``: the node, its whole gradient `g`, and what it sends along each operand slot
    (None to a constant). Nodes without operands, and those in `stop`, come last and send nothing.

    Args:
        seeds: the cotangent of each root, in its shape and dtype.
        stop: nodes that count as leaves.
        track: compute on tensors instead of raw arrays, so that the gradients carry a graph of their own.
    """
    arriving: dict[Tensor, Gradient] = dict.fromkeys((*seeds, *stop), _NOTHING)
    stack = [root for root in seeds if root.row is not None and root not in {*stop}]
    inner: list[Tensor] = []
    push, pop, keep = stack.append, stack.pop, inner.append
    while stack:
        node = pop()
        keep(node)
        for x in (node.x, node.y) if not node.more else node.operands:
            if x is not None and x not in arriving:
                arriving[x] = _NOTHING
                if x.row is not None:
                    push(x)
    inner.sort(key=_serial)
    arriving.update(seeds)
    mode = current()
    for node in inner:
        g = arriving.pop(node)
        if g is _NOTHING:
            continue
        row: Primitive = node.row  # type: ignore[assignment]
        out = node.raw
        parts: list[Gradient]
        # For numbers the same step without shapes or calls that pass g on: a scalar graph must not pay for arrays.
        # Never `+=`: what has arrived may be an array that belongs to the caller or to another node.
        if type(out) is float and row.plain and not track:
            x, a, b = node.x, node.a, node.b
            first = second = None
            rule = row.vjp[0]
            if b is None:
                first = rule(g, out, a, **node.attrs)  # type: ignore[misc, arg-type]
                arriving[x] = arriving[x] + first  # type: ignore[index]
                parts = [first]
            else:
                if x is not None:
                    first = g if rule is passes else rule(g, out, a, b)  # type: ignore[misc]
                    arriving[x] = arriving[x] + first
                if (y := node.y) is not None:
                    rule = row.vjp[1]
                    second = g if rule is passes else rule(g, out, a, b)  # type: ignore[misc]
                    arriving[y] = arriving[y] + second
                parts = [first, second]
        else:
            a, b, attrs = node.a, node.b, node.attrs
            if node.more:
                operands, see = node.operands, node.args
            else:
                operands, see = (node.x, node.y), (a,) if b is None else (a, b)
            if track:
                see, out = tuple(map(ingest.unchanged, operands, see)), node
            parts = [None] * len(see)
            for slot, rule in _variadic(row, see) if row.variadic else row.slots:
                x = operands[slot]
                if x is None or rule is None:
                    continue
                raw = see[slot]
                shape = () if type(raw) is float else raw.shape
                if rule is passes or rule is negates:  # they look only at g: fold first, same bits for less work
                    part = rule(g if g.shape == shape else fold(g, shape))
                else:
                    if attrs:
                        part = rule(g, out, *see, **attrs)
                    elif b is None:
                        part = rule(g, out, raw)
                    else:
                        part = rule(g, out, *see)
                    if type(part) is not float and part.shape != shape:
                        part = fold(part, shape)
                # a number that was read as an array (stack, reshape) gets a number too, no view of what others read
                parts[slot] = part = float(part) if type(x.raw) is float and not track else part
                # popped, the sum so far has one reference, so that NumPy may add into the temporary
                arriving[x] = part if arriving[x] is _NOTHING else arriving.pop(x) + part
        if mode is not None:
            for observer in mode.observers:
                observer.pulled(node, g, parts)
        yield node, g, parts
    for node, g in arriving.items():
        if g is not _NOTHING:
            yield node, g, []


def _variadic(row: Primitive, operands: tuple[Any, ...]) -> list[tuple[int, Any]]:
    """The one rule of a variadic row for each of its slots."""
    return [(slot, partial(row.vjp[0], slot=slot)) for slot in range(len(operands))]  # type: ignore[misc, arg-type]
