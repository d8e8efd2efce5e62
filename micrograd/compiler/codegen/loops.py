"""Print a kernel as loops: which values are computed in which pass over which dimension.

One recursion over the dimensions, outermost first. What reads the result of a reduction over a dimension runs in a
later loop over it; what does not vary along a dimension runs outside its loop. A value needed in several passes is
computed again in each, unless that is dear (`exp`, or a long chain): then it is spilled to memory, which inside the
first dimension is a row that stays in the cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from micrograd.compiler.codegen.expressions import cast_text, scalar_text
from micrograd.compiler.codegen.fusion import Grouping, Kernel, is_big, weight_of
from micrograd.compiler.optimize.rewriter import Shift
from micrograd.compiler.runtime.vector_math import TURNS
from micrograd.primitives import TABLE
from micrograd.program.program import COMPARISONS, Equation, dtype_of
from micrograd.program.views import ONE

if TYPE_CHECKING:
    from micrograd.compiler.codegen.segment import Segment

__all__ = ["BLOCK", "Array", "Item", "Nest", "Root"]

SPILLED_IN_ROW, SPILLED_IN_MEMORY = 6, 24
"""What costs more additions an entry is stored for the next pass: over a row in the cache, over memory."""
BLOCK = 256
"""Entries of a contiguous sum that are added up in the dtype of the data; the sums of blocks are added in float64."""


@dataclass(frozen=True, slots=True)
class Item:
    """A value as it is read in a loop nest: along which loops, and for a reduction which of them it still folds."""

    value: int
    axes: tuple[int, ...]
    pending: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Array:
    """Memory that a nest reads or writes: a place in the printed function, and the loop that indexes each axis.

    `sizes` are the variables that hold the length of each axis; `indices` those of the index where it is no loop's,
    empty for index 0.
    """

    name: str
    loops: tuple[int, ...]
    sizes: tuple[str, ...] = ()
    indices: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Return the text of the place of one entry, counted from the first."""
        text = ""
        for loop, size, index in zip(self.loops, self.sizes, self.indices, strict=True):
            text = f"({text}) * {size}" if "+" in text else f"{text} * {size}" if text else ""
            added = index if loop < 0 else f"i{loop}"
            text = f"{text} + {added}" if text and added else text or added
        return text or "0"

    def at(self) -> str:
        """Return the text of one entry."""
        return f"{self.name}[{self.place}]"


@dataclass(frozen=True, slots=True)
class Root:
    """What a loop is for: to ``store`` an item, to ``add`` or ``max`` it into an accumulator, or to ``keep`` it."""

    action: str
    item: Item
    target: Array | str

    @property
    def along(self) -> tuple[int, ...]:
        """Return the loops over the memory that it is for."""
        return self.target.loops if isinstance(self.target, Array) else ()


class Nest:
    """Print one kernel.

    Args:
        found: the grouping it belongs to.
        kernel: what to print.
        order: its dimensions, outermost loop first; those that one loop runs over stand together.
        writer: where lines and the memory they need are put (`micrograd.compiler.codegen.segment.Segment`).
    """

    def __init__(self, found: Grouping, kernel: Kernel, order: list[list[int]], writer: Segment) -> None:
        self.found, self.kernel, self.writer = found, kernel, writer
        self.program = found.program
        self.depth = len(order)
        self.loop_of = {dim: loop for loop, dims in enumerate(order) for dim in dims}
        self.known: dict[Item, Array | str] = {}
        self.alone: dict[Item, Array | str] = {}
        self.storing: list[Root] = []
        self.variables: set[str] = set()  # that hold an item, rather than a copy of what stands in memory
        self._read_by: dict[Item, list[Item | float]] = {}

    # ---- what items are ----------------------------------------------------------------------------------

    def item(self, value: int) -> Item:
        """Return a value made in this kernel, as a whole."""
        axes = tuple(ONE if d == ONE else self.loop_of[d] for d in self.kernel.axes[value])
        pending = frozenset[int]()
        if value in self.kernel.spaces:
            over = self.found.maker[value].attrs["axis"]
            space = self.kernel.spaces[value]
            pending = frozenset(self.loop_of[space[a]] for a in over if space[a] != ONE)
        return Item(value, axes, pending)

    def dtype(self, item: Item) -> str:
        """Return its dtype."""
        return self.program.values[item.value].dtype

    def _inside(self, item: Item) -> bool:
        return item.value in self.found.maker and not self._leaf(item)

    def _leaf(self, item: Item) -> bool:
        """Return whether it is read from memory: fed, or made by an earlier step or another kernel."""
        value = item.value
        if value not in self.found.maker:
            return True
        return value in self.found.stored and self.found.home.get(value) is not self.kernel

    def _operands(self, item: Item) -> list[Item | float]:
        if item not in self._read_by:
            self._read_by[item] = self._found_operands(item)
        return self._read_by[item]

    def _found_operands(self, item: Item) -> list[Item | float]:
        equation = self.found.maker[item.value]
        if TABLE[equation.op].kind == "reduce":
            space = self.kernel.spaces[item.value]
            axes = tuple(ONE if d == ONE else self.loop_of[d] for d in space)
        else:
            axes = item.axes
        answer: list[Item | float] = []
        for operand in equation.operands:
            if isinstance(operand, int):
                value, inner = self.found.aligned(operand, axes)
                answer.append(self._reached(value, inner))
            else:
                answer.append(float(operand))
        return answer

    def accesses(self, roots: Iterable[int]) -> tuple[set[Item], set[frozenset[int]]]:
        """Return what the values `roots` read from memory and how, and the loops that reductions on the way fold."""
        leaves: set[Item] = set()
        folded: set[frozenset[int]] = set()
        for item in self._pull(self.item(value) for value in roots):
            if self._leaf(item):
                leaves.add(item)
            elif item.pending:
                folded.add(item.pending)
        return leaves, folded

    def _reached(self, value: int, axes: tuple[int, ...]) -> Item:
        if value in self.kernel.spaces and self.found.home.get(value) is self.kernel:
            return self.item(value)
        return Item(value, axes)

    def _support(self, item: Item) -> frozenset[int]:
        if item.pending:
            (operand,) = self._operands(item)
            inner = self._support(operand) if isinstance(operand, Item) else frozenset[int]()
            return inner - item.pending
        return frozenset(axis for axis in item.axes if axis >= 0)

    def _equation(self, item: Item) -> Equation:
        return self.found.maker[item.value]

    # ---- pulling -----------------------------------------------------------------------------------------

    def _pull(self, roots: Iterable[Item]) -> list[Item]:
        """List what has to be computed for the roots, operands first; it ends at what is known or in memory."""
        order: list[Item] = []
        seen: set[Item] = set()
        stack: list[tuple[Item, bool]] = [(root, False) for root in reversed(list(roots))]
        while stack:
            item, done = stack.pop()
            if done:
                order.append(item)
                continue
            if item in seen:
                continue
            seen.add(item)
            stack.append((item, True))
            if item in self.known or self._leaf(item):
                continue
            stack.extend((o, False) for o in reversed(self._operands(item)) if isinstance(o, Item))
        return order

    def _open(self, item: Item) -> bool:
        """Return whether an item is computed here rather than read."""
        return item not in self.known and not self._leaf(item)

    # ---- the recursion -----------------------------------------------------------------------------------

    def emit(self, at: int, roots: list[Root]) -> None:
        """Print what computes the roots, the loops outside of `at` being open."""
        if at == self.depth:
            self._straight(roots)
            return
        needed = self._pull(root.item for root in roots)
        level: dict[Item, int] = {}
        looper: dict[Item, bool] = {}
        for item in needed:
            open_ = self._open(item)
            operands = [o for o in self._operands(item) if isinstance(o, Item)] if open_ else []
            level[item] = max((level[o] + (at in o.pending and self._open(o)) for o in operands), default=0)
            looper[item] = (open_ and at in item.pending) or at in self._support(item)
        same = [r.item for r in roots if at in r.along and not looper[r.item]]  # of a sum over what was broadcast
        flat: dict[Item, None] = dict.fromkeys(item for item in same if self._open(item))
        for item in needed:
            if looper[item] and self._open(item):
                for o in self._operands(item):
                    if isinstance(o, Item) and self._open(o) and not looper[o]:
                        flat[o] = None
        folds = [i for i in needed if self._open(i) and at in i.pending]
        if at == 0:
            self._postpone(needed, level, folds, [r.item for r in roots])
        levels = range(max((level[r.item] for r in roots), default=0) + 1)
        passes = {
            n: ([i for i in folds if level[i] == n],
                [r for r in roots if (looper[r.item] or at in r.along) and r.item not in folds and level[r.item] == n])
            for n in levels
        }  # fmt: skip
        spills = self._spills(at, passes, looper)
        for n in levels:
            early = [r for r in roots if not (looper[r.item] or at in r.along) and level[r.item] == n]
            standing = {r.item: r.target for r in early if r.action == "store"}
            waiting = [i for i in flat if level[i] == n and i not in self.known]
            kept = [Root(*self._kept(at, i)) for i in waiting if i not in standing]
            if early or kept:
                with self._serial(at):
                    self.emit(at + 1, [*kept, *early])
                self.known.update((root.item, root.target) for root in kept)
                self.known.update((item, standing[item]) for item in waiting if item in standing)
            done, stores = passes[n]
            if done or stores:
                self._loop(at, done, stores, [i for i, first in spills.items() if first == n])
            results = [r for r in roots if r.item in done and self.known[r.item] != r.target]
            if results:  # of reductions over this very dimension
                with self._serial(at):
                    self.emit(at + 1, results)

    @contextmanager
    def _serial(self, at: int) -> Iterator[None]:
        """Print what one thread does between two shared passes.

        What it computes on the way stands in variables and memory of its own: it knows them again when its turn comes,
        and the other thread never does.
        """
        if not self.writer.shares(at):
            yield
            return
        everyone = self.known
        self.known = everyone | self.alone
        with self.writer.serial(at):
            yield
        self.known, self.alone = everyone, self.known

    def _postpone(self, needed: list[Item], level: dict[Item, int], folds: list[Item], roots: list[Item]) -> None:
        """Move a reduction to a later pass over memory that reads its operands anyway, if its own then reads less."""
        together = {value for shift in self.writer.shifts for value in (shift.total, shift.squares)}
        reads = {item: self._read_from_memory([item]) for item in (*folds, *roots)}
        last = max((level[item] for item in roots), default=0)
        due = dict.fromkeys(needed, last + 1)  # the first pass that needs an item
        for root in roots:
            due[root] = last + 1 if root in folds else level[root]
        for item in reversed(needed):
            if not self._open(item):
                continue
            if item in folds and item.value not in together:
                read = [
                    frozenset[int]().union(*(reads[i] for i in (*folds, *roots) if i is not item and level[i] == n))
                    for n in range(last + 1)
                ]
                later = [n for n in range(level[item] + 1, due[item]) if reads[item] <= read[n]]
                if later and not reads[item] <= read[level[item]]:
                    level[item] = later[0]
            for operand in self._operands(item):
                if isinstance(operand, Item):
                    due[operand] = min(due[operand], level[item] if item in folds else due[item])
        for item in needed:
            if self._open(item) and item not in folds:
                operands = [o for o in self._operands(item) if isinstance(o, Item)]
                level[item] = max((level[o] + (0 in o.pending and self._open(o)) for o in operands), default=0)

    def _read_from_memory(self, items: list[Item]) -> frozenset[int]:
        """Return the large arrays from which items are computed without any pass before."""
        found: set[int] = set()
        stack = [o for i in items for o in (self._operands(i) if self._open(i) else [i])]
        seen: set[Item] = set()
        while stack:
            item = stack.pop()
            if not isinstance(item, Item) or item in seen:
                continue
            seen.add(item)
            if self._leaf(item) and is_big(self.found.shape(item.value)):
                found.add(item.value)
            elif self._open(item) and 0 not in item.pending:
                stack += self._operands(item)
        return frozenset(found)

    def _kept(self, at: int, item: Item) -> tuple[str, Item, Array | str]:
        """Return how an item that does not vary along loop `at` waits for its readers.

        As a variable or in a small array.

        Threads that share the loop read what one of them has set, so it stands in memory, be it one number.
        """
        loops = tuple(sorted(loop for loop in self._support(item) if loop > at))
        if not loops and not self.writer.shares(at):
            self.variables.add(name := self.writer.name("k"))
            return "keep", item, name
        return "store", item, self.writer.scratch(self, at, item, loops)

    def _spills(self, at: int, passes: Any, looper: dict[Item, bool]) -> dict[Item, int]:
        """Find the dear items that more than one pass over loop `at` needs, with the first of these passes."""
        used: dict[Item, list[int]] = {}
        for n, (folds, stores) in passes.items():
            sources = [o for i in folds for o in self._operands(i) if isinstance(o, Item)]
            for item in self._pull([*sources, *(r.item for r in stores)]):
                used.setdefault(item, []).append(n)
        if len(passes) < 2:
            return {}
        limit = SPILLED_IN_MEMORY if at == 0 else SPILLED_IN_ROW
        chosen: dict[Item, int] = {}
        cost: dict[Item, int] = {}
        for item in self._pull(used):
            if not self._open(item):
                cost[item] = 0
                continue
            equation = self._equation(item)
            inner = [o for o in self._operands(item) if isinstance(o, Item)]
            cost[item] = 0 if item.pending else weight_of(equation.op) + sum(cost[o] for o in inner if looper.get(o))
            if cost[item] > limit and looper.get(item) and len(set(used.get(item, ()))) > 1:
                chosen[item] = min(used[item])
                cost[item] = 0
        return chosen

    def _loop(self, at: int, folds: list[Item], stores: list[Root], spilled: list[Item]) -> None:
        """Print one pass over loop `at`: reductions over it, stores, and items kept for the passes to come."""
        writer = self.writer
        inner: list[Root] = [*stores]
        after: list[tuple[Item, Root]] = []
        for item in folds:
            op = "max" if self._equation(item).op == "max" else "add"
            left = item.pending - {at}
            (operand,) = self._operands(item)
            part = Item(item.value, item.axes, left) if left else operand
            if isinstance(part, float):
                raise TypeError("a reduction of a number")
            loops = tuple(sorted(loop for loop in self._support(item) if loop > at))
            root = Root(op, part, self._accumulator(at, item, loops))
            inner.append(root)
            after.append((item, root))
        for item in spilled:
            loops = tuple(sorted(loop for loop in self._support(item) if loop >= at))
            inner.append(Root("store", item, writer.scratch(self, at, item, loops)))
        writer.begin(at)
        if at == 0:
            self.storing = stores
        before = dict(self.known)
        self._pass(at, inner, after)
        for root in inner[len(stores) + len(folds) :]:
            self.known[root.item] = root.target
        for item, root in after:
            self.known[item] = writer.folded(self, at, item, root)
        for shift in sorted(writer.shifts, key=lambda shift: shift.start):
            if {self._whole(shift.total), self._whole(shift.squares)} <= {*folds}:
                self._again(at, shift, inner, after, before)

    def _pass(self, at: int, roots: list[Root], folds: list[tuple[Item, Root]]) -> None:
        outer = dict(self.known)
        self._hoist(at, [root.item for root in roots])
        with self.writer.loop(self, at, [root for _, root in folds], [item for item, _ in folds]):
            self.emit(at + 1, roots)
        self.known = outer

    def _again(
        self, at: int, shift: Shift, roots: list[Root], folds: list[tuple[Item, Root]], before: dict[Item, Array | str]
    ) -> None:
        """Shift by the mean where the start was far from it, and run what rests on the start in this pass once more.

        Not where something would be added up twice or stay out of date: there the guard of the squares sees to it.
        """
        start = next((i for i in self._behind(self.item(shift.total)) if i.value == shift.start), None)
        if start is None:
            return
        place = self.writer.array(start) if self._leaf(start) and start not in before else before.get(start)
        rests = [root for root in roots if start in self._behind(root.item)]
        again = [(item, root) for item, root in folds if root in rests]
        twice = any(root.action != "store" and root not in (r for _, r in again) for root in rests)
        if twice or any(i != start and start in self._behind(i) for i in before):
            return
        if place is None or (isinstance(place, str) and (place not in self.variables or self.writer.shares(at))):
            return
        with self.writer.far(self, at, shift, place):
            known, self.known = self.known, before
            self._pass(at, rests, again)
            self.known = known
            for item, root in again:
                self.writer.folded(self, at, item, root, known[item])

    def _behind(self, item: Item) -> set[Item]:
        """Return all that an item is computed from in this kernel, down to memory, itself included."""
        found, stack = set[Item](), [item]
        while stack:
            item = stack.pop()
            if item not in found:
                found.add(item)
                stack += [o for o in self._operands(item) if isinstance(o, Item)] if self._inside(item) else []
        return found

    def _whole(self, value: int) -> Item | None:
        """Return a value of this kernel as a whole; None where it is made elsewhere."""
        return self.item(value) if value in self.kernel.axes else None

    def _accumulator(self, at: int, item: Item, loops: tuple[int, ...]) -> Array | str:
        if at == 0:
            return self.writer.partial(self, item, loops)
        if loops:
            return self.writer.scratch(self, at, item, loops)
        return self.writer.name("s")

    def _hoist(self, at: int, wanted: list[Item]) -> None:
        """Read before the loop what does not vary inside it: the compiler cannot know that no store changes it."""
        for item in self._pull(wanted):
            source = self.known.get(item)
            if source is None and self._leaf(item):
                source = self.writer.array(item)
            if isinstance(source, Array) and all(loop < at for loop in source.loops):
                name = self.writer.name("h")
                self.writer.line(f"{name} = {self._read(source, item)}")
                self.known[item] = name

    # ---- the innermost code ------------------------------------------------------------------------------

    def _straight(self, roots: list[Root]) -> None:
        writer = self.writer
        local: dict[Item, str] = {}
        for item in self._pull(root.item for root in roots):
            source = self.known.get(item)
            if isinstance(source, str):
                local[item] = source
                continue
            if source is None and self._leaf(item):
                source = writer.array(item)
            name = writer.name("t")
            text = self._read(source, item) if isinstance(source, Array) else self._text(item, local)
            writer.line(f"{name} = {text}")
            if source is None and self._equation(item).op in ("cos", "sin"):
                self._within_turns(item, local)
            local[item] = name
            if source is None:
                writer.guard(item.value, name)
        for root in roots:
            writer.action(root, local[root.item], self.dtype(root.item))

    def _within_turns(self, item: Item, local: dict[Item, str]) -> None:
        """Leave the call to NumPy where an angle is of more turns than are taken away here."""
        (angle,) = self._operands(item)
        if isinstance(angle, Item):
            short = "f32" if self.dtype(item) == "float32" else "f64"
            text = cast_text(local[angle], self.dtype(angle), self.dtype(item))
            self.writer.line(f"bad |= np.abs({text}) > {short}({TURNS!r})")

    def _read(self, source: Array, item: Item) -> str:
        return f"{source.at()} != 0" if self.dtype(item) == "bool" else source.at()

    def _text(self, item: Item, local: dict[Item, str]) -> str:
        equation = self._equation(item)
        dtype = self.dtype(item)
        operands = self._operands(item)
        given = [self.dtype(o) if isinstance(o, Item) else "" for o in operands]
        if equation.op == "cast":
            return cast_text(local[operands[0]], given[0], dtype)  # type: ignore[index]
        wanted = [dtype] * len(operands)
        if equation.op in COMPARISONS:
            read = [o.value if isinstance(o, Item) else o for o in operands]
            wanted = [dtype_of(self.program.values, read)] * len(operands)
        elif equation.op == "where":
            wanted[0] = "bool"
        texts = []
        for operand, old, new in zip(operands, given, wanted, strict=True):
            if isinstance(operand, Item):
                texts.append(cast_text(local[operand], old, new))
            else:
                texts.append(self.writer.constant(operand, new))
        return scalar_text(equation.op, texts, wanted[-1], dict(equation.attrs))
