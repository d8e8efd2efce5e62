"""Print a run of steps as one native function: its source, and the memory that its values take.

The source knows no sizes: they, the numbers and the places in the workspace come as arguments, so that one function
serves every shape that has the same structure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from micrograd.compiler.codegen.fusion import Grouping, Kernel
from micrograd.compiler.codegen.loops import BLOCK, Array, Item, Nest, Root
from micrograd.compiler.codegen.moves import print_move
from micrograd.compiler.machine.abreast import ROWS
from micrograd.compiler.optimize.rewriter import FAR, Shift
from micrograd.compiler.runtime.settings import settings
from micrograd.program.program import Equation
from micrograd.program.views import ONE, index_of

__all__ = ["Memory", "Pass", "Segment"]

_LITERALS = {0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, 4.0}
"""Numbers that stand in the source; all others may depend on a shape (1/N) and are arguments."""
LONG_ROW = 1 << 13
"""So many entries of a row at most, or several rows no longer fit into the first cache."""
TURNS, LINGER = 1000, 100
"""So often a thread looks before it leaves its core to others, and so many times that it waits for another call."""


@dataclass(slots=True)
class Memory:
    """Where values stand.

    `arena` gives each its dtype and number of entries; feeds and outputs are arrays of their own.

    `axes` says how many axes such an array has where it is not as many as its value.
    """

    own: dict[int, str] = field(default_factory=dict)
    layout: dict[int, str] = field(default_factory=dict)
    arena: dict[Any, tuple[str, int]] = field(default_factory=dict)
    axes: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pass:
    """One shared loop of a kernel: how many entries it runs over, and the values it reads or writes in memory."""

    kernel: int
    sizes: tuple[int, ...]
    values: frozenset[int]
    shared: bool


class Segment:
    """Print the steps of one native function.

    Args:
        name: of the function.
        found: the grouping that the steps belong to.
        memory: where its values stand; values made here are added to its arena.
        threads: how many threads may share a pass.

    Attributes:
        sizes: integers that the function is given: sizes of loops, chunks, places in the workspace by key.
        numbers: floats that it is given.
        arrays: keys of the arrays that it is given, in order.
        passes: how many shared passes there are, for the counters that the threads meet at.
        parallel: whether any pass is shared.
        loops: each pass over memory, in order.
        made: for each kernel the values computed in it, in order of the first time.
        spaces: for each kernel the sizes of its loops.
        order: kernels by number, matrix products and moves, in order.
    """

    def __init__(self, name: str, found: Grouping, memory: Memory, threads: int) -> None:
        self.function, self.found, self.memory, self.threads = name, found, memory, threads
        self.lines: list[str] = []
        self.indent = 1
        self.count = 0
        self.sizes: list[int | tuple[str, Any]] = []
        self.numbers: list[float] = []
        self.arrays: list[int] = []
        self.head: list[str] = []
        self.passes = 0
        self.parallel = False
        self.guards: frozenset[int] = frozenset()
        self.shifts: frozenset[Shift] = frozenset()
        self._shared = False
        self.loops: list[Pass] = []
        self.made: list[dict[int, None]] = []
        self.spaces: list[tuple[int, ...]] = []
        self.order: list[int | Equation] = []
        self._touched: set[int] = set()
        self._passed = 0
        self._values: dict[str, int] = {}
        self._shares: dict[str, str] = {}
        self._named: dict[Any, str] = {}
        self._works: set[str] = set()
        self._open: list[str] = []  # the indices of the loops around what is printed

    # ---- writing -----------------------------------------------------------------------------------------

    def name(self, prefix: str) -> str:
        """Return a fresh variable."""
        self.count += 1
        return f"{prefix}{self.count}"

    def line(self, text: str) -> None:
        """Print one line at the present depth."""
        self.lines.append("    " * self.indent + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Indent the lines under a head such as ``for ...:``."""
        self.line(head)
        self.indent += 1
        before = len(self.lines)
        yield
        if len(self.lines) == before:
            self.line("pass")
        self.indent -= 1

    def size(self, value: int | tuple[str, Any]) -> str:
        """Return a variable that holds an integer argument."""
        key = ("size", value)
        if key not in self._named:
            self._named[key] = name = f"n{len(self.sizes)}"
            self.head.append(f"{name} = sizes[{len(self.sizes)}]")
            self.sizes.append(value)
            if isinstance(value, int):
                self._values[name] = value
        return self._named[key]

    def constant(self, value: float, dtype: str) -> str:
        """Return a number in the dtype of the operation it takes part in."""
        if dtype == "bool":
            return str(bool(value))
        if dtype.startswith(("int", "uint")):
            return f"np.{dtype}({int(value)})"
        short = "f32" if dtype == "float32" else "f64"
        if value in _LITERALS and not (value == 0.0 and np.signbit(value)):
            return f"{short}({value!r})"
        key = ("number", value if value == value else "nan", dtype, bool(np.signbit(value)))
        if key not in self._named:
            self._named[key] = name = f"c{len(self.numbers)}"
            self.head.append(f"{name} = {short}(numbers[{len(self.numbers)}])")
            self.numbers.append(value)
        return self._named[key]

    # ---- memory ------------------------------------------------------------------------------------------

    def array(self, item: Item) -> Array:
        """Return the memory of a value that is fed or stored, as this nest reads it."""
        value = item.value
        shape = self.found.shape(value)
        while value in self.found.aliases:
            value = self.found.aliases[value]
        self._touched.add(value)
        entries = [(axis, size) for axis, size in zip(item.axes, shape, strict=True) if size != 1]
        if self.memory.layout.get(value) == "F":
            entries.reverse()
        merged: list[tuple[int, int]] = []
        for axis, size in entries:
            if axis >= 0 and merged and merged[-1][0] == axis:
                merged[-1] = axis, merged[-1][1] * size
            else:
                merged.append((axis, size))
        return self.made_of(self.vector(value), [axis for axis, _ in merged], [size for _, size in merged])

    def made_of(self, name: str, loops: Sequence[int], sizes: Sequence[int]) -> Array:
        """Memory in C order with axes of these sizes."""
        indices = tuple(self.size(("index", index_of(loop))) if loop < ONE else "" for loop in loops)
        return Array(name, tuple(loops), tuple(self.size(size) for size in sizes), indices)

    def vector(self, value: int) -> str:
        """Return the memory of a value, from its first entry."""
        key = ("memory", value)
        if key not in self._named:
            shape, dtype = self.found.shape(value), self.found.program.values[value].dtype
            entries = int(np.prod(shape, dtype=int))
            if value in self.memory.own:
                self.arrays.append(value)
                self._named[key] = name = self.name("a")
                self.head.append(f"{name} = {_at(dtype)}({self.memory.own[value]}, 0, {self.size(entries)})")
            else:
                self._named[key] = self._carve(("value", value), dtype, entries)
        return self._named[key]

    def _carve(self, key: Any, dtype: str, entries: int, per_thread: bool = False) -> str:
        """Return a piece of the workspace."""
        times = self.threads if per_thread else 1
        self.memory.arena[key] = (dtype, entries * times)
        self._works.add(dtype)
        name = self.name("a")
        start, length = self.size(("place", key)), self.size(entries)
        start = f"{start} + tid * {length}" if per_thread and self.threads > 1 else start
        self.head.append(f"{name} = {_at(dtype)}(work_{dtype}, {start}, {length})")
        return name

    def scratch(self, nest: Nest, at: int, item: Item, loops: tuple[int, ...]) -> Array:
        """Memory for an item between two passes: shared by the threads at depth 0, one for each thread inside.

        Inside, rows that are taken side by side have a row each.
        """
        sizes = [self.loop_sizes[loop] for loop in loops] or [1]
        dtype = nest.dtype(item)
        entries = int(np.prod(sizes))
        row = f"i{at - 1}"
        rows = ROWS if row in self._open and loops and entries <= LONG_ROW else 1
        name = self._carve(("scratch", self.function, self.count), dtype, rows * entries, per_thread=at > 0)
        array = self.made_of(name, loops, sizes if loops else [])
        if rows == 1:
            return array
        start = "lo" if at == 1 else "0"
        return Array(
            name, (ONE, *loops), (self.size(rows), *array.sizes), (f"({row} - {start}) % {rows}", *array.indices)
        )

    def partial(self, nest: Nest, item: Item, loops: tuple[int, ...]) -> Array | str:
        """Return where a chunk adds up its share of a reduction over the outermost loop."""
        sizes = [self.loop_sizes[loop] for loop in loops]
        dtype = nest.dtype(item) if loops else "float64"
        if nest_op(nest, item) == "max":
            dtype = nest.dtype(item)
        shares = self._carve(
            ("partial", self.function, self.count), dtype, int(np.prod(sizes, dtype=int)) * self.chunks
        )
        name = self.name("p")
        self._shares[name] = shares
        return self.made_of(name, loops, sizes) if loops else name

    # ---- loops -------------------------------------------------------------------------------------------

    def kernel(self, kernel: Kernel) -> None:
        """Print a kernel."""
        if not kernel.stores:
            return
        order = _order(self.found, kernel, self)
        nest = Nest(self.found, kernel, order, self)
        self.made.append({})
        self.loop_sizes = [int(np.prod([kernel.sizes[d] for d in dims])) for dims in order]
        self.order.append(len(self.spaces))
        self.spaces.append(tuple(self.loop_sizes))
        volume = int(np.prod(self.loop_sizes, dtype=int))
        outer = self.loop_sizes[0] if order else 1
        row = max(volume // max(outer, 1), 1)
        width = max((np.dtype(found_dtype(self.found, v)).itemsize for v in kernel.axes), default=8)
        sizes = settings()
        most = sizes.chunk_rows if len(order) > 1 else sizes.chunk_bytes
        rows = max(1, min(most, sizes.chunk_bytes // (width * row), outer))
        if volume >= sizes.shared_entries:
            whole = ROWS if len(order) > 1 else BLOCK
            rows = min(rows, -(-outer // (sizes.pieces * whole)) * whole)
        self.chunks = -(-outer // rows)
        self.rows = rows
        self._shared = self.threads > 1 and volume >= sizes.shared_entries and self.chunks > 1
        self.parallel |= self._shared
        self.line(f"# kernel of stage {kernel.stage}: {' x '.join(map(str, self.loop_sizes)) or 'one number'}")
        roots = [Root("store", nest.item(v), self.array(Item(v, nest.item(v).axes))) for v in kernel.stores]
        with nullcontext() if self._shared or not self.parallel_function else self.block("if tid == 0:"):
            nest.emit(0, roots)

    parallel_function = False

    def product(self, equation: Equation) -> bool:
        """Print a matrix product as a call of BLAS; False where its operands do not stand as it needs them."""
        operands = [self._matrix(o) for o in equation.operands]
        if None in operands:
            return False
        (a, ta, lda), (b, tb, ldb) = operands  # type: ignore[misc]
        self.order.append(equation)
        m, n = self.found.shape(equation.out)
        k = self.found.shape(equation.operands[0])[1]
        bits = self.found.program.values[equation.out].dtype.removeprefix("float")
        sizes = ", ".join(map(self.size, (m, n, k)))
        at = self.size(("blas", self.found.program.values[equation.out].dtype))
        self.line(f"gemm{bits}({at}, {int(ta)}, {int(tb)}, {sizes}, {a}, {self.size(lda)}, {b}, {self.size(ldb)}, "
                  f"{self.vector(equation.out)}, {self.size(n)})")  # fmt: skip
        return True

    def move(self, equation: Equation) -> None:
        """Print an operation that only moves entries, as loops that one thread runs."""
        self.order.append(equation)
        with self.block("if tid == 0:") if self.parallel_function else nullcontext():
            print_move(self, equation)

    def _matrix(self, operand: float) -> tuple[str, bool, int] | None:
        """Return an operand of a product: its memory, whether that is its transpose, and the length of a row there."""
        if not isinstance(operand, int):
            return None
        value, axes = self.found.behind(operand, (0, 1))
        while value in self.found.aliases:
            value = self.found.aliases[value]
        shape = self.found.shape(operand)
        size = int(np.prod(self.found.shape(value), dtype=int))
        if size != shape[0] * shape[1]:
            return None
        turned = [a for a in axes if a >= 0] == [1, 0]
        if self.memory.layout.get(value) == "F":
            turned = not turned
        return self.vector(value), turned, shape[0] if turned else shape[1]

    def shares(self, at: int) -> bool:
        """Return whether threads share the passes over loop `at`."""
        return at == 0 and self._shared

    def serial(self, at: int) -> Any:
        """Return the context of what one thread does between two shared passes."""
        return self.block("if tid == 0:") if self.shares(at) else nullcontext()

    def begin(self, at: int) -> None:
        """Print the meeting of the threads before a shared pass."""
        if self.shares(at):
            self.passes += 1
            with self.block("if tid == 0:"):
                self.line(f"store(sync, 2, {self.passes})")
            with self.block("else:"):
                self._wait(f"load(sync, 2) < {self.passes}")

    @contextmanager
    def loop(self, nest: Nest, at: int, roots: Sequence[Root], items: Sequence[Item]) -> Iterator[None]:
        """Print what stands around one pass over loop `at` with reductions `items` into the targets of `roots`."""
        size = self.size(self.loop_sizes[at])
        innermost = at == nest.depth - 1
        if at > 0:
            self._start(roots, items, nest)
            if innermost and any(isinstance(r.target, str) and r.action == "add" for r in roots):
                with self._blocks(f"i{at}", "0", size, roots, items, nest):
                    yield
            else:
                with self.counted(f"i{at}", "0", size):
                    yield
            return
        chunks, rows = self.size(self.chunks), self.size(self.rows)
        stored = {r.item.value for r in nest.storing}
        self._touched = set()
        if self._shared:
            taken = f"take(sync, {2 * self.passes + 2})"
            self.line(f"c = {taken}")
        else:
            self.line("c = 0")
        with self.block(f"while c < {chunks}:"):
            # every other pass runs backwards: it begins with what the last one has left in the cache
            self.line(f"k = {f'{chunks} - 1 - c' if self._passed % 2 else 'c'}")
            self.line(f"lo = k * {rows}")
            self.line(f"hi = min({size}, lo + {rows})")
            for root in roots:
                if isinstance(root.target, Array):
                    entries = self._entries(root.target)
                    self.line(f"{root.target.name} = at({self._shares[root.target.name]}, k * {entries}, {entries})")
            self._start(roots, items, nest)
            if innermost and any(r.action == "add" for r in roots):
                with self._blocks("i0", "lo", "hi", roots, items, nest):
                    yield
            else:
                with self.counted("i0", "lo", "hi"):
                    yield
            for root in roots:
                if isinstance(root.target, str):
                    self.line(f"{self._shares[root.target]}[k] = {root.target}")
            if self._shared:
                self.line(f"take(sync, {2 * self.passes + 3})")
                self.line(f"c = {taken}")
            else:
                self.line("c += 1")
        self._passed += 1
        touched = frozenset(self._touched | stored)
        self.loops.append(Pass(len(self.made) - 1, tuple(self.loop_sizes), touched, self._shared))
        if self._shared:
            with self.block("if tid == 0:"):
                self._wait(f"load(sync, {2 * self.passes + 3}) < {chunks}")

    def _wait(self, condition: str) -> None:
        """Wait for the other thread: turning for some microseconds, then leaving the core to it."""
        self.line("turns = 0")
        with self.block(f"while {condition}:"):
            self.line("turns += 1")
            with self.block(f"if turns > {TURNS}:"):
                self.line("leave_core()")

    @contextmanager
    def far(self, nest: Nest, at: int, shift: Shift, start: Array | str) -> Iterator[None]:
        """Print what is around a pass that runs again, by one thread, where the mean of shifted values is far from 0.

        What was subtracted is changed at its place, `start`.
        """
        total, squares = (nest.known[nest.item(value)] for value in (shift.total, shift.squares))
        texts = [source.at() if isinstance(source, Array) else source for source in (total, squares)]
        dtype = found_dtype(self.found, shift.start)
        mean = f"{self.constant(shift.share, dtype)} * {texts[0]}"
        test = f"{texts[0]} * ({mean}) > {self.constant(1.0 - 1.0 / FAR, dtype)} * {texts[1]}"
        far, passed, loops = self.name("far"), self._passed, len(self.loops)
        with self.serial(at):
            self.line(f"{far} = 0")
            with self._each(start, at):
                self.line(f"{far} |= {test}")
            shared, self._shared = self._shared, self._shared and at > 0
            with self.block(f"if {far} != 0:"):
                with self._each(start, at), self.block(f"if {test}:"):
                    self.line(f"{start.at() if isinstance(start, Array) else start} += {mean}")
                yield
            self._shared = shared
        self._passed = passed
        del self.loops[loops:]

    @contextmanager
    def _each(self, place: Array | str, at: int) -> Iterator[None]:
        """Open loops inside of loop `at` over every entry of an array; none for a variable."""
        with ExitStack() as inside:
            for loop in place.loops if isinstance(place, Array) else ():
                if loop > at:
                    inside.enter_context(self.counted(f"i{loop}", "0", self.size(self.loop_sizes[loop])))
            yield

    def _start(self, roots: Sequence[Root], items: Sequence[Item], nest: Nest) -> None:
        for root, item in zip(roots, items, strict=True):
            short = "f32" if nest.dtype(item) == "float32" else "f64"
            zero = f"{short}(0)" if root.action == "add" else f"{short}(-np.inf)"
            if isinstance(root.target, Array):
                with self.counted("z", "0", self._entries(root.target)):
                    self.line(f"{root.target.name}[z] = {zero}")
            else:
                self.line(f"{root.target} = {'f64(0)' if root.action == 'add' else zero}")

    @contextmanager
    def _blocks(
        self, index: str, lo: str, hi: str, roots: Sequence[Root], items: Sequence[Item], nest: Nest
    ) -> Iterator[None]:
        """Cut a contiguous loop into blocks: sums are in the dtype of the data in a block, in float64 over them."""
        adding = [(r.target, nest.dtype(i)) for r, i in zip(roots, items, strict=True)
                  if r.action == "add" and isinstance(r.target, str)]  # fmt: skip
        start = self.name("b")
        with self.counted(start, lo, hi, BLOCK):
            for target, dtype in adding:
                self.line(f"{target}_ = {'f32' if dtype == 'float32' else 'f64'}(0)")
            self._blocked = {target for target, _ in adding}
            end = self.name("end")
            self.line(f"{end} = min({start} + {BLOCK}, {hi})")
            with self.counted(index, start, end):
                yield
            self._blocked = set()
            for target, _ in adding:
                self.line(f"{target} += {target}_")

    _blocked: set[Any] = set()  # noqa: RUF012 (replaced, never changed)

    def folded(self, nest: Nest, at: int, item: Item, root: Root, into: Array | str | None = None) -> Array | str:
        """Return where the result of a reduction stands once its loop has ended: `into`, where that is known."""
        short = "f32" if nest.dtype(item) == "float32" else "f64"
        self.made[-1][item.value] = None
        if at > 0:
            if isinstance(root.target, Array):
                self._guard_all(item.value, root.target)
                return root.target
            name = into if isinstance(into, str) else self.name("r")
            self.line(f"{name} = {short}({root.target})")
            self.guard(item.value, name)
            return name
        own = Item(item.value, nest.item(item.value).axes)
        loops = root.target.loops if isinstance(root.target, Array) else ()
        target = self.array(own) if item.value in self.found.stored and item == nest.item(item.value) else None
        target = into if isinstance(into, Array) else target
        if target is None or tuple(loop for loop in target.loops if loop >= 0) != loops:
            target = self.scratch(nest, 0, item, loops)  # the shares are added up in the order they lie in
        with self.serial(0):
            self._combine(target, root, loops, short)
            self._guard_all(item.value, target)
        return target

    def _guard_all(self, value: int, target: Array) -> None:
        """Note that a reduction is computed, for each entry that it has."""
        if value in self.guards:
            with self.counted("z", "0", self._entries(target)):
                self.guard(value, f"{target.name}[z]")

    def _combine(self, target: Array, root: Root, loops: tuple[int, ...], short: str) -> None:
        """Add up the shares of the chunks, in float64."""
        name = root.target.name if isinstance(root.target, Array) else root.target
        shares, chunks = self._shares[name], self.size(self.chunks)
        adds = root.action == "add"
        zero = "f64(0)" if adds else f"{short}(-np.inf)"
        if not loops:
            total = self.name("s")
            self.line(f"{total} = {zero}")
            with self.counted("c", "0", chunks):
                self.line(
                    f"{total} = {f'{total} + {shares}[c]' if adds else f'largest{short[1:]}({total}, {shares}[c])'}"
                )
            self.line(f"{target.at()} = {short}({total})")
            return
        entries = self._entries(target)
        direct = short == "f64" or not adds
        into = target.name if direct else self._wide(entries)
        with self.counted("z", "0", entries):
            self.line(f"{into}[z] = {zero}")
        with self.counted("c", "0", chunks):
            self.line(f"share = at({shares}, c * {entries}, {entries})")
            with self.counted("z", "0", entries):
                step = f"{into}[z] + share[z]" if adds else f"largest{short[1:]}({into}[z], share[z])"
                self.line(f"{into}[z] = {step}")
        if not direct:
            with self.counted("z", "0", entries):
                self.line(f"{target.name}[z] = {short}({into}[z])")

    def _wide(self, entries: str) -> str:
        """Return a float64 array to add up the shares of the chunks in, one for all reductions of a size."""
        key = ("wide", entries)
        if key not in self._named:
            self._named[key] = self._carve((*key, self.function), "float64", self._values[entries])
        return self._named[key]

    def _entries(self, array: Array) -> str:
        """Return the variable that holds how many entries a reduction's target has."""
        return self.size(int(np.prod([self._values[size] for size in array.sizes], dtype=int)))

    @contextmanager
    def counted(self, index: str, start: str, end: str, by: int = 1) -> Iterator[None]:
        """Print a counting loop, written with ``while``, as machine code has it."""
        self.line(f"{index} = {start}")
        self._open.append(index)
        with self.block(f"while {index} < {end}:"):
            yield
            self.line(f"{index} += {by}")
        self._open.pop()

    def guard(self, value: int, text: str) -> None:
        """Note that a value is computed; where a rewrite relies on it, notice that it is not finite."""
        self.made[-1][value] = None
        if value in self.guards:
            self.line(f"bad |= not np.abs({text}) < np.inf")  # a branch would keep the loop from being vectorized

    def limits(self, limits: Mapping[int, int]) -> None:
        """Refuse integers that are out of range before anything is read by them.

        Each thread looks for itself. The caller leaves last: afterwards the integers may change, and a second thread
        that found nothing wrong with them would wait for a pass that never begins.
        """
        leave = ["return 2"]
        if self.parallel:
            leave = ["if tid != 0:", "    store(sync, 1, 1)", "elif take(sync, 0) != 0:",
                     "    while load(sync, 1) == 0:", "        leave_core()", *leave]  # fmt: skip
        for value in [v for v in self.arrays if v in limits]:
            flat, length = self.vector(value), self.size(int(np.prod(self.found.shape(value), dtype=int)))
            self.head.append(f"for i in range({length}):")
            self.head.append(f"    if {flat}[i] < 0 or {flat}[i] >= {self.size(limits[value])}:")
            self.head += ["        " + text for text in leave]

    def action(self, root: Root, text: str, dtype: str) -> None:
        """Print what happens to a value that has been computed."""
        target = root.target
        if root.action == "keep":
            self.line(f"{target} = {text}")
        elif root.action == "store":
            assert isinstance(target, Array)
            self.line(f"{target.at()} = {f'np.uint8({text})' if dtype == 'bool' else text}")
        else:
            short = "32" if dtype == "float32" else "64"
            if isinstance(target, Array):
                place = target.at()
                text = f"{place} + {text}" if root.action == "add" else f"largest{short}({place}, {text})"
                self.line(f"{place} = {text}")
            elif root.action == "max":
                self.line(f"{target} = largest{short}({target}, {text})")
            elif target in self._blocked:
                self.line(f"{target}_ = plus{short}({target}_, {text})")
            else:
                self.line(f"{target} += {text}")

    # ---- the whole function --------------------------------------------------------------------------------

    def source(self) -> tuple[str, list[str]]:
        """Return the text of the function and the names of its arguments.

        It returns 0, or 1 where a guard is not finite, or 2 where an integer is out of range.
        """
        dtypes = sorted(self._works)  # what NumPy alone works on may be of a dtype that machine code has not
        arguments = [
            "tid",
            "sizes",
            "numbers",
            "sync",
            *(["board"] if self.parallel else []),
            *(f"work_{d}" for d in dtypes),
        ]
        arguments += [self.memory.own[value] for value in self.arrays]
        start, end = [], ["return bad"]
        if self.parallel:
            number, linger = 2 * self.passes + 5, self.size(("linger", 0))
            wait = ["turns = 0", f"while turns < {linger} and load(board, 0) == load(sync, {number}):",
                    "    turns += 1", f"    if turns % {TURNS} == 0:", "        leave_core()", "return 0"]  # fmt: skip
            start = ["if tid == 0:", f"    store(sync, {number}, take(board, 0) + 1)",
                     "elif take(sync, 0) != 0:", f"    {linger} = sizes[{len(self.sizes) - 1}]",
                     *(f"    {text}" for text in wait)]  # fmt: skip
            end = ["if bad != 0:", "    store(sync, 3, 1)", "if tid != 0:", "    store(sync, 1, 1)",
                   *(f"    {text}" for text in wait),
                   "if take(sync, 0) != 0:", "    turns = 0", "    while load(sync, 1) == 0:", "        turns += 1",
                   f"        if turns > {TURNS}:", "            leave_core()",
                   "return load(sync, 3)"]  # fmt: skip
        body = ["    " + text for text in (*start, *self.head, "bad = 0")]
        tail = ["    " + text for text in end]
        return "\n".join([f"def {self.function}({', '.join(arguments)}):", *body, *self.lines, *tail, ""]), arguments


def _at(dtype: str) -> str:
    return "at_bool" if dtype == "bool" else "at"


def found_dtype(found: Grouping, value: int) -> str:
    """Return the dtype of a value."""
    return found.program.values[value].dtype


def nest_op(nest: Nest, item: Item) -> str:
    """Return the operation that makes an item."""
    return nest.found.maker[item.value].op


def _order(found: Grouping, kernel: Kernel, segment: Segment) -> list[list[int]]:
    """Return the loops of a kernel.

    Its dimensions as its largest arrays lie in memory, neighbours that never part merged.
    """
    plain = Nest(found, kernel, [[d] for d in range(len(kernel.sizes))], segment)
    leaves, folded = plain.accesses(kernel.stores)
    stores = [Item(v, plain.item(v).axes) for v in kernel.stores]
    arrays = []
    for item in (*leaves, *stores):
        axes = [a for a, size in zip(item.axes, found.shape(item.value), strict=True) if size != 1]
        arrays.append(tuple(axes[::-1] if segment.memory.layout.get(item.value) == "F" else axes))
    votes: dict[tuple[int, ...], int] = {}
    for loops in (tuple(a for a in axes if a >= 0) for axes in arrays):
        votes[loops] = votes.get(loops, 0) + 1
    longest: tuple[int, ...] = max(votes, key=lambda axes: (len({*axes}), votes[axes]), default=())
    order = list(dict.fromkeys(longest))
    order += [d for d in range(len(kernel.sizes)) if d not in order]
    groups = [[d] for d in order]
    place = 0
    while place + 1 < len(groups):
        left, right = groups[place][-1], groups[place + 1][0]
        together = all(_adjacent(axes, left, right) for axes in arrays)
        if together and all((left in f) == (right in f) for f in folded):
            groups[place] += groups.pop(place + 1)
        else:
            place += 1
    return groups


def _adjacent(axes: tuple[int, ...], left: int, right: int) -> bool:
    if left not in axes and right not in axes:
        return True
    return (
        any(axes[i : i + 2] == (left, right) for i in range(len(axes))) and axes.count(left) == axes.count(right) == 1
    )
