"""The law of printed programs: no thread reads what it did not set itself and no meeting published.

A printed function is run by two threads at once: each runs the same text, in which ``tid`` is its number. `broken`
reads the text, follows both threads through it, and says where one of them

- reads a variable that it has not set on every way there,
- reads memory that the other thread writes, or writes memory that the other thread reads or writes, while nothing says
  which of them comes first,
- reads memory of the function's own, or that the function fills, before it is filled.

What comes first is followed as vector clocks do it: a thread that sets a counter (`store`, `take`) tells all that it
has done so far, and one that waits for it (``while load(...)``) has seen all that was told. Inside a shared pass each
thread works on chunks of its own, so that two accesses do not meet where both go by the number of the chunk.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from micrograd.compiler.codegen.segment import Segment

__all__ = ["LawError", "broken", "own_memory", "uphold"]

_POINTERS = ("at", "at_bool")
_PRODUCTS = ("gemm32", "gemm64")
_ARRIVED = "take(sync, 0) != 0"  # asked by the first thread: whether the second one has come at all


class LawError(AssertionError):
    """A printed function in which a thread reads what it cannot know."""


@functools.cache
def uphold(source: str, own: frozenset[str] = frozenset()) -> None:
    """Raise `LawError` where the printed function breaks the law."""
    if found := broken(source, own):
        raise LawError("\n".join([*found, source]))


def broken(source: str, own: Collection[str] = ()) -> list[str]:
    """Return where a printed function breaks the law, a line for each place.

    Args:
        source: of the function.
        own: variables that say where memory starts that no other function fills.
    """
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    return _Law(function, own).found


def own_memory(segment: Segment) -> frozenset[str]:
    """Return these variables of a printed function."""
    return frozenset(
        f"n{number}"
        for number, size in enumerate(segment.sizes)
        if isinstance(size, tuple) and size[0] == "place" and size[1][0] != "value"
    )


@dataclass(frozen=True)
class _Region:
    """A piece of memory: the array it is cut from, where it starts, and whose it is if each thread has its own."""

    base: str
    start: str
    owner: int | None = None


@dataclass(frozen=True)
class _Pointer:
    """What a variable points at, and whether it is the part of a chunk."""

    base: str
    start: str
    owned: bool
    of_chunk: bool = False

    def region(self, thread: int) -> _Region:
        return _Region(self.base, self.start, thread if self.owned else None)


@dataclass(frozen=True)
class _Access:
    """When a thread read or wrote a region, in which shared pass, and whether by the number of its chunk."""

    moment: int
    writes: bool
    chunks: int | None
    apart: bool


@dataclass
class _Thread:
    """Where one thread has come to: what it has set, how much it has done, and what it has seen of the other."""

    number: int
    defined: set[str]
    pointers: dict[str, _Pointer] = field(default_factory=dict)
    moment: int = 0
    seen: int = 0
    gone: bool = False
    chunks: int | None = None
    own: set[str] = field(default_factory=set)  # variables that tell the chunks of a pass apart


class _Law:
    def __init__(self, function: ast.FunctionDef, own: Collection[str]) -> None:
        self.found: list[str] = []
        self.own = own
        arguments = [argument.arg for argument in function.args.args]
        shared = "board" in arguments
        self.threads = [_Thread(number, set(arguments)) for number in ((0, 1) if shared else (0,))]
        self.accesses: dict[tuple[_Region, int], list[_Access]] = {}
        self.told: dict[tuple[str, str], dict[int, tuple[int, int]]] = {}  # by counter: when, and what of the other
        self.awaited: list[tuple[int, tuple[str, str]]] = []
        self.counters: dict[str, int] = {}
        self.filled: set[tuple[str, str]] = set()
        for first in (True, False):  # a first walk only notes what the function fills at all
            if not first:
                self.found, self.accesses, self.told, self.awaited, self.counters = [], {}, {}, [], {}
                self.threads = [_Thread(thread.number, set(arguments)) for thread in self.threads]
            for statement in function.body:
                for thread in self.threads:
                    self.statement(statement, thread)
        for line, counter in self.awaited:
            if counter not in self.told:
                self.say(line, f"waits until counter {counter[0]} is {counter[1]}, which nobody makes it")
        self.ends(function)

    def say(self, line: int, text: str) -> None:
        sentence = f"line {line}: {text}"
        if sentence not in self.found:
            self.found.append(sentence)

    def ends(self, function: ast.FunctionDef) -> None:
        """What the second thread writes is the caller's once the first returns."""
        last = function.body[-1]
        for (region, number), accesses in self.accesses.items():
            if number == 1 and region.owner is None:
                late = [access for access in accesses if access.writes and access.moment > self.threads[0].seen]
                if late:
                    self.say(last.lineno, f"thread 0 returns while thread 1 may still write {_text(region)}")

    # ---- statements --------------------------------------------------------------------------------------

    def block(self, statements: Iterable[ast.stmt], thread: _Thread) -> None:
        for statement in statements:
            self.statement(statement, thread)

    def statement(self, statement: ast.stmt, thread: _Thread) -> None:
        if thread.gone:
            return
        if isinstance(statement, ast.If):
            self.branch(statement, thread)
        elif isinstance(statement, ast.While):
            self.repeat(statement, thread)
        elif isinstance(statement, ast.For):
            self.read(statement.iter, thread)
            before = set(thread.defined)
            self.assign(statement.target, None, thread)
            self.once_or_never(statement.body, thread, before)
        elif isinstance(statement, ast.Assign):
            (target,) = statement.targets
            self.read(statement.value, thread)
            self.assign(target, statement.value, thread)
        elif isinstance(statement, ast.AugAssign):
            self.read(statement.value, thread)
            self.read(ast.copy_location(_loaded(statement.target), statement), thread)
            self.assign(statement.target, None, thread)
        elif isinstance(statement, ast.Expr):
            self.read(statement.value, thread)
        elif isinstance(statement, ast.Return):
            if statement.value is not None:
                self.read(statement.value, thread)
            thread.gone = True
        elif not isinstance(statement, ast.Pass):
            raise NotImplementedError(f"line {statement.lineno}: the law knows no {type(statement).__name__}")

    def branch(self, statement: ast.If, thread: _Thread) -> None:
        test = ast.unparse(statement.test)
        if test in ("tid == 0", "tid != 0"):
            first = (thread.number == 0) == (test == "tid == 0")
            self.block(statement.body if first else statement.orelse, thread)
            return
        self.read(statement.test, thread)
        if test == _ARRIVED and thread.number == 0:
            self.block(statement.body, thread)
            return
        before, moment, seen = set(thread.defined), thread.moment, thread.seen
        self.block(statement.body, thread)
        after = (thread.defined, thread.moment, thread.seen, thread.gone)
        thread.defined, thread.seen, thread.gone = before, seen, False
        thread.moment = max(moment, thread.moment)
        self.block(statement.orelse, thread)
        if thread.gone:
            thread.defined, thread.moment, thread.seen, thread.gone = after
        elif not after[3]:
            thread.defined &= after[0]
            thread.moment, thread.seen = max(thread.moment, after[1]), min(thread.seen, after[2])

    def repeat(self, statement: ast.While, thread: _Thread) -> None:
        self.read(statement.test, thread)
        counter = _awaited(statement.test)
        taken = [s for s in ast.walk(statement) if isinstance(s, ast.Assign) and _call(s.value) == "take"]
        if taken and thread.chunks is None:
            (bound,) = [ast.unparse(part) for part in statement.test.comparators]  # type: ignore[attr-defined]
            (counter_,) = {ast.unparse(s.value.args[1]) for s in taken}  # type: ignore[attr-defined]
            self.counted(statement.lineno, counter_)
            thread.chunks, thread.own, self.bound = statement.lineno, {ast.unparse(taken[0].targets[0])}, bound
            self.once_or_never(statement.body, thread, set(thread.defined))
            thread.chunks, thread.own = None, set()
            for (region, number), accesses in self.accesses.items():  # what it filled for a chunk is that chunk's
                if region.owner == number == thread.number:
                    accesses[:] = [access for access in accesses if access.chunks != statement.lineno]
        else:
            self.once_or_never(statement.body, thread, set(thread.defined))
        if counter is not None:
            self.awaited.append((statement.lineno, counter))
            for number, (moment, seen) in self.told.get(counter, {}).items():
                thread.seen = max(thread.seen, seen if number == thread.number else moment)

    def counted(self, line: int, counter: str) -> None:
        """Each counter begins at 0 in each call: two passes that take from one would share what is left of it."""
        if self.counters.setdefault(counter, line) != line:
            self.say(line, f"takes chunks by counter {counter}, as line {self.counters[counter]} does")

    def once_or_never(self, body: Iterable[ast.stmt], thread: _Thread, before: set[str]) -> None:
        """A body that may run any number of times: what it sets may be unset after it."""
        self.block(body, thread)
        thread.defined, thread.gone = before, False

    def assign(self, target: ast.expr, value: ast.expr | None, thread: _Thread) -> None:
        if isinstance(target, ast.Subscript):
            self.read(target.slice, thread)
            self.touch(target, thread, writes=True)
            return
        assert isinstance(target, ast.Name)
        thread.defined.add(target.id)
        thread.pointers.pop(target.id, None)
        if _call(value) in _POINTERS:
            self.point(target.id, value, thread)  # type: ignore[arg-type]
        if thread.chunks is not None and value is not None and _arithmetic(value):
            own = _names(value) & thread.own
            (thread.own.add if own else thread.own.discard)(target.id)

    def point(self, name: str, value: ast.Call, thread: _Thread) -> None:
        base, start = ast.unparse(value.args[0]), ast.unparse(value.args[1])
        inner = thread.pointers.get(base)
        if inner is None:
            thread.pointers[name] = _Pointer(base, start, "tid" in _names(value.args[1]))
        else:
            of_chunk = self.apart(value.args[1], thread)
            thread.pointers[name] = _Pointer(inner.base, inner.start, inner.owned, inner.of_chunk or of_chunk)

    # ---- expressions -------------------------------------------------------------------------------------

    def read(self, value: ast.expr, thread: _Thread) -> None:
        """What an expression reads, in order."""
        if isinstance(value, ast.Subscript):
            self.read(value.slice, thread)
            self.touch(value, thread, writes=False)
        elif isinstance(value, ast.Call):
            for argument in value.args:
                self.read(argument, thread)
            self.call(value, thread)
        elif isinstance(value, ast.Name):
            if value.id not in thread.defined and value.id != "np":
                self.say(value.lineno, f"thread {thread.number} reads {value.id}, which it may not have set")
        else:
            for child in ast.iter_child_nodes(value):
                if isinstance(child, ast.expr):
                    self.read(child, thread)

    def call(self, value: ast.Call, thread: _Thread) -> None:
        name = _call(value)
        texts = [ast.unparse(argument) for argument in value.args]
        if name == "store":
            self.tell((texts[1], texts[2]), thread)
        elif name == "take" and thread.chunks is not None:
            self.tell((texts[1], self.bound), thread)
        elif name in _PRODUCTS:
            for place, writes in ((6, False), (8, False), (10, True)):
                self.access(texts[place], value.lineno, thread, writes=writes, of_chunk=False)

    def tell(self, counter: tuple[str, str], thread: _Thread) -> None:
        self.told.setdefault(counter, {})[thread.number] = thread.moment, thread.seen

    def apart(self, index: ast.expr, thread: _Thread) -> bool:
        """Whether an index tells the chunks apart: a variable of the chunk, and no other beside it of the same stride."""
        terms = _terms(index)
        return bool(_names(index) & thread.own) and sum(isinstance(term, ast.Name) for term in terms) <= 1

    def touch(self, value: ast.Subscript, thread: _Thread, *, writes: bool) -> None:
        name = ast.unparse(value.value)
        self.read(value.value, thread)
        self.access(name, value.lineno, thread, writes=writes, of_chunk=self.apart(value.slice, thread))

    def access(self, name: str, line: int, thread: _Thread, *, writes: bool, of_chunk: bool) -> None:
        pointer = thread.pointers.get(name)
        if pointer is None:
            if name not in ("sizes", "numbers"):
                self.say(line, f"thread {thread.number} goes by {name}, which points nowhere")
            return
        region = pointer.region(thread.number)
        thread.moment += 1
        apart = of_chunk or pointer.of_chunk
        other = 1 - thread.number
        for access in self.accesses.get((region, other), []):
            chunks_of_one_pass = apart and access.apart and access.chunks == thread.chunks
            if (writes or access.writes) and not chunks_of_one_pass and access.moment > thread.seen:
                says, said = ("writes" if kind else "reads" for kind in (writes, access.writes))
                self.say(line, f"thread {thread.number} {says} {_text(region)}, which thread {other} {said} unmet")
        if writes:
            self.filled.add((region.base, region.start))
        elif region.owner is not None or region.start in self.own or (region.base, region.start) in self.filled:
            known = [*self.accesses.get((region, thread.number), []), *self.accesses.get((region, other), [])]
            if not any(access.writes for access in known):
                self.say(line, f"thread {thread.number} reads {_text(region)}, which nobody has filled")
        self.accesses.setdefault((region, thread.number), []).append(
            _Access(thread.moment, writes, thread.chunks, apart)
        )


def _awaited(test: ast.expr) -> tuple[str, str] | None:
    """The counter that a loop waits for, and what it must come to."""
    if not (isinstance(test, ast.Compare) and _call(test.left) == "load"):
        return None
    place, value = ast.unparse(test.left.args[1]), ast.unparse(test.comparators[0])  # type: ignore[attr-defined]
    return place, "1" if isinstance(test.ops[0], ast.Eq) and value == "0" else value


def _call(value: ast.expr | None) -> str:
    return value.func.id if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else ""


def _loaded(target: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(target), mode="eval").body


def _names(value: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(value) if isinstance(node, ast.Name)}


def _arithmetic(value: ast.expr) -> bool:
    """Whether it reads no memory and calls nothing: the end of a chunk, a `min`, is where the next one begins."""
    return not any(isinstance(node, ast.Subscript | ast.Call) for node in ast.walk(value))


def _terms(value: ast.expr) -> list[ast.expr]:
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        return [*_terms(value.left), *_terms(value.right)]
    return [value]


def _text(region: _Region) -> str:
    return f"{region.base} at {region.start}"
