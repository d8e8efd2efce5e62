"""Decide which equations run together: kernels, matrix products, and what NumPy does between them.

A kernel is a set of elementwise operations and reductions over one iteration space, whose dimensions the axes of every
value in it are mapped to. Equations join in the order of execution, the latest kernel that holds a producer first; a
kernel reads nothing that is made later than its stage, so the kernels never wait for each other in a circle.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from micrograd.compiler.codegen.expressions import WHOLE
from micrograd.primitives import TABLE
from micrograd.program.indices import is_move
from micrograd.program.program import COMPARISONS, Equation, Operand, Program, dtype_of
from micrograd.program.views import ONE, view_axes

__all__ = ["PRINTED", "Grouping", "Kernel", "Step", "group", "is_big", "weight_of"]

PRINTED = frozenset({
    "float32", "float64", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
})  # fmt: skip
"""The dtypes that printed functions read and write; NumPy computes the others."""

RECOMPUTED = 16
"""What costs up to so many additions an entry is computed again rather than stored between kernels."""
_BIG = 2048
_MOST_LOADS = 16
"""Loops over the same space that share no array are joined while they read at most so many."""


def weight_of(op: str) -> int:
    """Return the cost of an elementwise operation for one entry, in additions."""
    return TABLE[op].cost


def is_big(shape: Sequence[int]) -> bool:
    """Return whether reading an array of this shape counts as a pass over memory."""
    size = 1
    for s in shape:
        size *= s
    return size >= _BIG


@dataclass(slots=True)
class Kernel:
    """Elementwise operations and reductions over one iteration space.

    Attributes:
        stage: it may read what earlier stages make.
        sizes: of the dimensions.
        axes: for each value made here the dimension along each of its axes, or `ONE`.
        spaces: for each reduction made here the dimension along each axis of its operand.
        loads: how arrays from outside are read.
        stores: the values that must stand in memory afterwards (reductions always do).
    """

    stage: int
    sizes: list[int] = field(default_factory=list)
    axes: dict[int, tuple[int, ...]] = field(default_factory=dict)
    spaces: dict[int, tuple[int, ...]] = field(default_factory=dict)
    loads: dict[int, set[tuple[int, ...]]] = field(default_factory=lambda: defaultdict(set))
    stores: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Step:
    """One step: a kernel, or an equation for BLAS (``product``), NumPy (``host``) or loops of its own (``move``)."""

    kind: str
    kernel: Kernel | None = None
    equation: Equation | None = None


@dataclass(slots=True)
class Grouping:
    """The steps in order, and where values stand.

    Attributes:
        program: what was grouped.
        steps: in order of execution.
        maker: the equation that makes a value.
        home: the kernel that makes a value.
        stored: the values that stand in memory (those fed, too).
        aliases: values that are another value's memory under a new shape.
        fortran: fed values that stand in Fortran order.
    """

    program: Program
    steps: list[Step]
    maker: dict[int, Equation]
    home: dict[int, Kernel]
    stored: set[int]
    aliases: dict[int, int]
    fortran: frozenset[int] = frozenset()

    def shape(self, operand: Operand) -> tuple[int, ...]:
        """Return the shape of an operand."""
        return self.program.values[operand].shape if isinstance(operand, int) else ()

    def behind(self, value: int, axes: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        """Return the value that is read through views when `value` is read along `axes`, and along which axes it is."""
        axes = tuple(ONE if size == 1 else to for to, size in zip(axes, self.shape(value), strict=True))
        while value not in self.stored and value in self.maker:
            equation = self.maker[value]
            inner = view_axes(equation, [self.shape(o) for o in equation.operands], self.shape(value))
            if inner is None:
                break
            source = equation.operands[0]
            if not isinstance(source, int):
                break
            axes = tuple(to if to < 0 else axes[to] for to in inner)
            value = source
        return value, axes

    def aligned(self, operand: int, axes: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        """Return the same for an operand of an elementwise operation whose result is read along `axes`."""
        own = self.shape(operand)
        return self.behind(operand, axes[len(axes) - len(own) :])


def group(program: Program, fortran: Iterable[int] = (), standing: Iterable[int] = ()) -> Grouping:
    """Return the steps of a program, of whose feeds some stand in Fortran order.

    The values `standing` are never computed twice: they may change.
    """
    maker = {e.out: e for e in program.equations}
    found = Grouping(program, [], maker, {}, {f.value for f in program.feeds}, {}, frozenset(fortran))
    stage: dict[int, int] = dict.fromkeys(found.stored, -1)
    kernels: list[Kernel] = []
    barriers: list[tuple[int, Step]] = []
    needs: set[int] = {*program.outputs, *(w.value for w in program.writes)}
    for equation in program.equations:
        kind = _kind(found, equation)
        if kind == "view":
            stage[equation.out] = max((stage[v] for v in equation.reads), default=-1)
            continue
        if kind == "fused":
            kernel = _join(found, equation, kernels, stage)
            stage[equation.out] = kernel.stage
            found.home[equation.out] = kernel
            continue
        at = max((stage[v] for v in equation.reads), default=-1) + 1
        stage[equation.out] = at
        needs.update(equation.reads)
        found.stored.add(equation.out)
        if kind == "alias":
            source = int(equation.operands[0])
            found.aliases[equation.out] = found.behind(source, tuple(range(len(found.shape(source)))))[0]
        barriers.append((at, Step(kind, equation=equation)))
    _store(found, kernels, needs, {*standing})
    ordered = [(kernel.stage, 1, Step("kernel", kernel)) for kernel in kernels]
    ordered += [(at, 0, step) for at, step in barriers]
    found.steps = [step for _, _, step in sorted(ordered, key=lambda entry: entry[:2])]
    return found


def _kind(found: Grouping, equation: Equation) -> str:
    shapes = [found.shape(o) for o in equation.operands]
    out = found.shape(equation.out)
    dtypes = {found.program.values[v].dtype for v in (*equation.reads, equation.out)}
    if not dtypes <= PRINTED:
        return "host"
    if view_axes(equation, shapes, out) is not None and isinstance(equation.operands[0], int):
        return "view"
    row = TABLE[equation.op]
    if row.kind == "map" and (row.scalar or equation.op == "cast") and _as_numpy(found, equation):
        return "fused"
    if row.kind == "reduce" and found.program.values[equation.out].dtype.startswith("float"):
        return "fused"
    if row.kind == "contract" and [len(s) for s in shapes] == [2, 2] and dtypes in ({"float32"}, {"float64"}):
        return "product"
    if equation.op == "reshape" and isinstance(equation.operands[0], int):
        base, axes = found.behind(equation.operands[0], tuple(range(len(shapes[0]))))
        long = [axis for axis in axes if axis >= 0]
        whole = long == [axis for axis, size in enumerate(shapes[0]) if size != 1]
        if whole and base not in found.fortran:
            return "alias"
    return "move" if is_move(equation, found.program) else "host"


def _as_numpy(found: Grouping, equation: Equation) -> bool:
    """Return whether an elementwise operation can be printed in the dtypes in which NumPy computes it."""
    values = found.program.values
    if values[equation.out].dtype.startswith("float"):
        return True
    if equation.op not in WHOLE:
        return False
    if equation.op == "cast" and values[equation.out].dtype != "bool":
        read = equation.operands[0]
        if not isinstance(read, int) or values[read].dtype.startswith("float"):
            return False  # what becomes of nan and of large numbers is NumPy's to say
    # NumPy compares uint64 with int64 exactly, though what they have in common is float64
    floats = [o for o in equation.operands if not isinstance(o, int) or values[o].dtype.startswith("float")]
    alone = equation.op in COMPARISONS and not floats
    return not alone or not dtype_of(values, equation.operands).startswith("float")


# ---- joining -------------------------------------------------------------------------------------------------


def _join(found: Grouping, equation: Equation, kernels: list[Kernel], stage: dict[int, int]) -> Kernel:
    reduces = TABLE[equation.op].kind == "reduce"
    space = found.shape(equation.operands[0]) if reduces else found.shape(equation.out)
    own = tuple(range(len(space)))
    reads = [found.aligned(o, own) for o in equation.operands if isinstance(o, int)]
    outside = max((stage[v] for v, _ in reads), default=-1)
    _unite(found, space, reads, kernels, outside)
    producers = [found.home[v] for v, _ in reads if v in found.home]
    chosen, dims = None, None
    for kernel in sorted(kernels, key=lambda k: (not any(k is p for p in producers), -k.stage)):
        if any(stage[v] >= kernel.stage for v, _ in reads if v not in kernel.axes):
            continue
        dims = _fit(kernel, space, reads)
        if dims is not None:
            chosen = kernel
            break
    if chosen is None or dims is None:
        chosen = Kernel(outside + 1)
        kernels.append(chosen)
        dims = _fit(chosen, space, reads, anew=True)
        assert dims is not None
    for value, axes in reads:
        if value not in chosen.axes:
            chosen.loads[value].add(tuple(to if to < 0 else dims[to] for to in axes))
    if reduces:
        over = set(equation.attrs["axis"])
        chosen.spaces[equation.out] = dims
        chosen.axes[equation.out] = tuple(ONE if axis in over else dim for axis, dim in enumerate(dims))
    else:
        chosen.axes[equation.out] = dims
    return chosen


def _unite(
    found: Grouping, space: tuple[int, ...], reads: Sequence[tuple[int, tuple[int, ...]]], kernels: list[Kernel],
    stage: int,
) -> None:  # fmt: skip
    """Make one kernel of those at this stage that an equation reads: none of them waits for another."""
    several = list({id(k): k for v, _ in reads if v in found.home and (k := found.home[v]).stage == stage}.values())
    largest = max(several, key=lambda kernel: math.prod(kernel.sizes), default=None)
    for kernel in several:
        if kernel is largest or largest is None or len(kernel.loads) + len(largest.loads) > _MOST_LOADS:
            continue
        sizes = [*largest.sizes]
        dims = _fit(largest, space, reads)
        to = None if dims is None or largest.sizes != sizes else _turned(kernel, largest, dims, reads)
        largest.sizes[len(sizes) :] = []
        if to is None:
            continue
        for value, axes in kernel.axes.items():
            largest.axes[value] = tuple(to.get(dim, ONE) for dim in axes)
            found.home[value] = largest
        for value, axes in kernel.spaces.items():
            largest.spaces[value] = tuple(to.get(dim, ONE) for dim in axes)
        for value, ways in kernel.loads.items():
            largest.loads[value] |= {tuple(to.get(dim, dim) for dim in axes) for axes in ways}
        kernels[:] = [other for other in kernels if other is not kernel]


def _turned(
    kernel: Kernel, other: Kernel, dims: tuple[int, ...], reads: Sequence[tuple[int, tuple[int, ...]]]
) -> dict[int, int] | None:
    """Return the dimension of `other` that each of a kernel is, where an equation reads both; None unless in order."""
    to: dict[int, int] = {}
    for value, axes in reads:
        for dim, axis in zip(kernel.axes.get(value, ()), axes, strict=False):
            if dim != ONE and axis >= 0 and to.setdefault(dim, dims[axis]) != dims[axis]:
                return None
    known = [to.get(dim, ONE) for dim in range(len(kernel.sizes))]
    same = all(dim >= 0 and other.sizes[dim] == size for dim, size in zip(known, kernel.sizes, strict=True))
    return to if same and known == sorted(set(known)) else None


def _fit(
    kernel: Kernel, space: tuple[int, ...], reads: Sequence[tuple[int, tuple[int, ...]]], *, anew: bool = False
) -> tuple[int, ...] | None:
    """Return the dimension of `kernel` along each axis of `space`; None where the equation does not belong there."""
    dims: list[int | None] = [ONE if size == 1 else None for size in space]
    related = anew
    for value, axes in reads:
        if value not in kernel.axes:
            continue
        related = True
        for dim, to in zip(kernel.axes[value], axes, strict=True):
            if dim == ONE:
                continue
            if to < 0 or dims[to] not in (None, dim):
                return None
            dims[to] = dim
    for value, axes in reads:
        for known in kernel.loads.get(value, ()):
            wanted = {to: dim for dim, to in zip(known, axes, strict=True) if to >= 0 and dim >= 0}
            if wanted and all(dims[to] in (None, dim) for to, dim in wanted.items()):
                related = True
                for to, dim in wanted.items():
                    dims[to] = dim
                break
    if not related:
        dims = _alike(kernel, space, len(reads)) or dims
        if None in dims:
            return None
    used = {d for d in dims if d not in (None, ONE)}
    if len(used) < len([d for d in dims if d not in (None, ONE)]):
        return None  # a diagonal
    fresh: list[int] = []
    for axis, size in enumerate(space):
        if dims[axis] is None:
            free = [d for d, s in enumerate(kernel.sizes) if s == size and d not in used]
            dim = free[0] if free else len(kernel.sizes) + len(fresh)
            if not free:
                fresh.append(size)
            dims[axis] = dim
            used.add(dim)
    if fresh and not set(range(len(kernel.sizes))) <= used:
        return None  # neither space holds the other
    kernel.sizes.extend(fresh)
    return tuple(ONE if d is None else d for d in dims)


def _alike(kernel: Kernel, space: tuple[int, ...], more: int) -> list[int | None] | None:
    """Return the dimensions of an array read by `kernel` that spans its whole space and has the shape `space`."""
    if len(kernel.loads) + more > _MOST_LOADS:
        return None
    for known in kernel.loads.values():
        for axes in known:
            if (
                len(axes) == len(space)
                and {dim for dim in axes if dim >= 0} == {*range(len(kernel.sizes))}
                and space == tuple(1 if dim < 0 else kernel.sizes[dim] for dim in axes)
            ):
                return [max(dim, ONE) for dim in axes]
    return None


# ---- what stands in memory -----------------------------------------------------------------------------------


def _store(found: Grouping, kernels: list[Kernel], needs: set[int], standing: set[int]) -> None:
    """Decide which values stand in memory: what leaves, reductions, and what may not or is dearer to compute again."""
    users: dict[int, set[int]] = defaultdict(set)
    order = [e for e in found.program.equations if e.out in found.home]
    place = {id(kernel): number for number, kernel in enumerate(kernels)}
    for equation in order:
        own = place[id(found.home[equation.out])]
        width = len(found.shape(equation.operands[0] if TABLE[equation.op].kind == "reduce" else equation.out))
        for operand in equation.operands:
            if isinstance(operand, int):
                users[found.aligned(operand, tuple(range(width)))[0]].add(own)
    solid = {found.behind(v, tuple(range(len(found.shape(v)))))[0]: v for v in needs}
    cost: dict[int, int] = {}
    bases: dict[int, frozenset[int]] = {}
    sums: dict[int, frozenset[int]] = {}  # the reductions that a value is made of, and that stand nowhere yet
    for equation in order:
        value, kernel = equation.out, found.home[equation.out]
        shape = found.shape(value)
        elsewhere = bool(users[value] - {place[id(kernel)]})
        leaves = value in needs or value in solid
        if TABLE[equation.op].kind == "reduce":
            cost[value], bases[value], sums[value] = 0, frozenset(), frozenset({value})
            if leaves or elsewhere:
                _stand(found, kernel, value)
            continue
        total, big, inner = weight_of(equation.op), frozenset[int](), frozenset[int]()
        for operand in equation.operands:
            if not isinstance(operand, int):
                continue
            base, _ = found.aligned(operand, tuple(range(len(shape))))
            if base in found.stored:
                big |= {base} if is_big(found.shape(base)) else frozenset()
            else:
                total += cost[base]
                big |= bases[base]
                inner |= sums[base]
        cost[value], bases[value], sums[value] = total, big, inner
        dear = total > RECOMPUTED or len(big) > 2 or not is_big(shape)  # small values are kept: they cost no pass
        dear |= value in standing
        if leaves or (elsewhere and dear):
            _stand(found, kernel, value)
        elif elsewhere:
            for reduction in inner - found.stored:
                _stand(found, found.home[reduction], reduction)


def _stand(found: Grouping, kernel: Kernel, value: int) -> None:
    kernel.stores.append(value)
    found.stored.add(value)


def describe(found: Grouping) -> list[dict[str, Any]]:
    """Return the steps in words, for reports and tests."""
    answer = []
    for step in found.steps:
        if step.kernel is not None:
            answer.append({"kind": "kernel", "stage": step.kernel.stage, "sizes": tuple(step.kernel.sizes),
                           "values": list(step.kernel.axes), "stores": list(step.kernel.stores)})  # fmt: skip
        elif step.equation is not None:
            answer.append({"kind": step.kind, "op": step.equation.op, "out": step.equation.out})
    return answer
