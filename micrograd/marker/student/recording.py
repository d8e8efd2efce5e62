"""Run the student's code: the file as a module, and the backward watched, statement by statement.

What fails at the top of a file (a plot, an import that is not there, a self-test) is noted and passed over, as long
as the functions that are wanted come to be. The backward runs as it is, on plain arrays; calls woven into its syntax
tree (`micrograd.marker.student.instrumented`) copy each value at the moment it is assigned, so that names used again
and changes in place cannot blur what a line computed.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import copy
import linecache
import os
import re
import sys
import traceback
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np

from micrograd.errors import GraphError
from micrograd.marker.student.instrumented import StudentCode
from micrograd.marker.student.statements import Statement

__all__ = ["Event", "Recording", "UnloadableError", "duplicate", "line_of", "load", "record", "same_value", "scope_in"]


# ---- the file as a module --------------------------------------------------------------------------------


class UnloadableError(GraphError):
    """The student's text defines no such function, because of what is reported."""


def line_of(error: BaseException, file: str) -> int | None:
    """Return the innermost line of the student's file that an error came through; None where it came through none."""
    if isinstance(error, SyntaxError) and error.filename == file and error.lineno:
        return error.lineno
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == file]
    return lines[-1] if lines else None


def _place() -> int:
    """Return where in `sys.path` the student's folder goes: before what is installed, after the standard library."""
    own = [i for i, entry in enumerate(sys.path) if os.path.basename(entry) not in ("site-packages", "dist-packages")]
    return own[-1] + 1 if own else 0


def _on_the_path(folder: str) -> None:
    if folder and os.path.isdir(folder) and folder not in sys.path:
        sys.path.insert(_place(), folder)


def _above(path: str, tree: ast.Module) -> list[str]:
    """Return the folders above a file that hold what it imports, nearest first: ``from common.layers import f``."""
    named = [node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    named += [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
    found, folder = [], os.path.dirname(os.path.dirname(path))
    for _ in range(4):
        there = [os.path.join(folder, name.partition(".")[0]) for name in named]
        if any(os.path.isdir(one) or os.path.exists(f"{one}.py") for one in there if folder):
            found.append(folder)
        folder = os.path.dirname(folder)
    return found


def _dots_in(folder: str) -> list[str]:
    """Return how the relative imports of a folder's files begin."""
    found: list[str] = []
    for name in sorted(os.listdir(folder))[:100] if os.path.isdir(folder) else []:
        if name.endswith(".py"):
            with (
                contextlib.suppress(OSError),
                open(os.path.join(folder, name), encoding="utf-8", errors="replace") as f,
            ):
                found += re.findall(r"^from (\.+)", f.read(), re.MULTILINE)
    return found


def _package(path: str, levels: int) -> str | None:
    """Return the package of a file that imports its neighbours by ``from .layers import *``.

    Its root goes on the path.

    Args:
        path: of the file.
        levels: how many dots its imports begin with: that many folders belong to the package, whatever is in them.
            Its neighbours, which are imported with it, may have more.
    """
    levels = max([levels, *map(len, _dots_in(os.path.dirname(path)))])
    parts = list[str]()
    folder = os.path.dirname(path)
    while True:
        parts.insert(0, os.path.basename(folder))
        folder = os.path.dirname(folder)
        if not parts[0].isidentifier():
            return None
        if len(parts) >= levels and not os.path.exists(os.path.join(folder, "__init__.py")):
            break
    _on_the_path(folder)
    return ".".join(parts)


def remember(source: str, file: str) -> None:
    """Have `inspect` and `linecache` find the text that runs, whatever stands in the file by now."""
    lines = [line + "\n" for line in source.removesuffix("\n").split("\n")]
    linecache.cache[file] = (len(source), None, lines, file)


def load(
    source: str,
    file: str,
    wanted: Iterable[str],
    *,
    namespace: Mapping[str, Any] | None = None,
    note: Callable[[str], object] = lambda _: None,
) -> types.ModuleType:
    """Execute a student's text as a module.

    Args:
        source: the text.
        file: its file; need not exist.
        wanted: functions (or ``Class.method``) that must be there afterwards.
        namespace: names that are there before.
        note: called with each statement that failed and was passed over, as ``bn.py:3: ...``.

    Raises:
        SyntaxError: as Python words it, with the student's file and line.
        UnloadableError: a wanted function did not come to be; the message has the first failure.
        SystemExit: the text called it before all wanted functions were there.
    """
    wanted = [name.partition(".")[0] for name in wanted]
    short = os.path.basename(file) or file
    remember(source, file)
    tree = ast.parse(source, file)
    module = types.ModuleType(_module_name(file))
    module.__file__ = file
    vars(module).update(namespace or {})
    sys.modules[module.__name__] = module
    _on_the_path(os.path.dirname(file))
    for folder in _above(file, tree):
        _on_the_path(folder)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    if levels := max((node.level for node in imports), default=0):
        module.__package__ = _package(file, levels) or ""
    flags = 0
    for alias in (alias for node in imports if node.module == "__future__" for alias in node.names):
        flags |= getattr(__future__, alias.name).compiler_flag
    failures: list[str] = []
    own = set(sys.path)
    for statement in tree.body:
        code = compile(ast.Module([statement], []), file, "exec", flags, dont_inherit=True)
        try:
            exec(code, vars(module))  # noqa: S102 - what a check is for; the documentation says so
        except SystemExit:
            if not all(hasattr(module, name) for name in wanted):
                raise
            failures.append(f"{short}:{statement.lineno}: the code called exit()")
            note(failures[-1])
            break
        except Exception as error:  # noqa: BLE001 - whatever the student's code raises
            told = " ".join(str(error).split())
            failures.append(f"{short}:{line_of(error, file) or statement.lineno}: {type(error).__name__}: {told}")
            note(failures[-1])
        for entry in [entry for entry in sys.path if entry not in own]:  # sys.path.append(".."), of the file's folder
            sys.path[sys.path.index(entry)] = os.path.join(os.path.dirname(file), entry)
        own = set(sys.path)
    missing = [name for name in wanted if not hasattr(module, name)]
    if missing:
        raise UnloadableError(failures[0] if failures else f"{short}: no function {missing[0]!r}")
    return module


def _module_name(path: str) -> str:
    name = os.path.splitext(os.path.basename(path))[0]
    taken = name in sys.modules or name in sys.stdlib_module_names
    return name if name.isidentifier() and not taken else f"student_{name}" if name.isidentifier() else "student"


# ---- one run, watched --------------------------------------------------------------------------------


_MOST_EVENTS = 20_000
# Of a line in a loop: copies of all variables take long; the last one kept lies in the last third of the rounds.
_KEPT_SCOPES = frozenset(int(1.4**power) - 1 for power in range(3, 30)) | {0}
_IMMUTABLE = (int, float, complex, bool, str, bytes, type(None), np.generic, slice, range, type(Ellipsis))


def duplicate(value: Any, memo: dict[int, Any] | None = None) -> Any:
    """Return a copy of arguments, arrays and containers included; one array in two places stays one.

    >>> a = np.zeros(2)
    >>> first, second = duplicate((a, a))
    >>> first is second, first is a
    (True, False)
    """
    if isinstance(value, _IMMUTABLE):
        return value
    memo = {} if memo is None else memo
    if id(value) in memo:
        return memo[id(value)]
    made: Any
    if type(value) is np.ndarray and value.dtype.kind != "O":
        made = value.copy(order="K")
    elif type(value) is dict:
        made = memo[id(value)] = {}
        made.update((key, duplicate(entry, memo)) for key, entry in value.items())
    elif type(value) is list:
        made = memo[id(value)] = []
        made.extend(duplicate(entry, memo) for entry in value)
    elif type(value) is tuple:
        made = tuple([duplicate(entry, memo) for entry in value])
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        made = type(value)(*(duplicate(entry, memo) for entry in value))
    elif callable(value) or isinstance(value, types.ModuleType):
        made = value
    else:
        try:
            made = copy.deepcopy(value, memo)
        except Exception:  # noqa: BLE001 - an object of the student's that cannot be copied is shared
            made = value
    memo[id(value)] = made
    return made


def same_value(a: Any, b: Any) -> bool:
    """Return whether two values are equal to the bit, arrays and containers included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same_value(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same_value(a[key], b[key]) for key in a)
    if isinstance(a, _IMMUTABLE):
        return bool(a == b) or (a != a and b != b)
    return True  # an object of the student's: nothing is known of what it holds


@dataclass(eq=False, slots=True)
class Event:
    """One execution of a statement.

    Attributes:
        statement: which.
        occurrence: how often it had run before.
        reads: for each name read the event that wrote it; None for what came from outside.
        writes: the values after it, copied.
        calls: the last events of the functions called in it.
        scope: all local variables before it, where they were asked for.
        returned: the value returned, of a return statement.
        caller: the event that was running when the function of this one was called.
    """

    statement: Statement
    occurrence: int
    reads: dict[str, Event | None] = field(default_factory=dict)
    writes: dict[str, Any] = field(default_factory=dict)
    calls: list[Event] = field(default_factory=list)
    scope: dict[str, Any] | None = None
    returned: Any = None
    caller: Event | None = None
    aliases: set[str] = field(default_factory=set)

    @property
    def parents(self) -> list[Event]:
        """Return the events that it depends on."""
        return [event for event in (*self.reads.values(), *self.calls, self.caller) if event is not None]


@dataclass(slots=True)
class Recording:
    """What a watched run left behind.

    Attributes:
        events: in the order of execution.
        result: what the function returned.
        error: what it raised.
        last: the event that was running when it did.
    """

    events: list[Event] = field(default_factory=list)
    result: Any = None
    error: Exception | None = None
    last: Event | None = None
    by_statement: dict[int, list[Event]] = field(default_factory=dict)

    def of(self, number: int) -> list[Event]:
        """Return the events of a statement."""
        return self.by_statement.get(number, [])

    def slice_of(self, events: Iterable[Event]) -> set[int]:
        """Return numbers of the statements that some events depend on, theirs too."""
        seen: set[Event] = set()
        heads: set[int] = set()
        stack = list(events)
        while stack:
            event = stack.pop()
            if event not in seen:
                seen.add(event)
                stack.extend(event.parents)
                for head in event.statement.controls:  # whether and how often it ran
                    if head not in heads:
                        heads.add(head)
                        stack.extend(self.of(head)[-1:])
        return {event.statement.number for event in seen}


Replacement = Callable[[Any, int], Any]


class _Watcher:
    """The hooks, and what they know of the frames that are running."""

    def __init__(
        self, program: StudentCode, scopes: set[int], replacements: Mapping[tuple[int, str], Replacement]
    ) -> None:
        self.program = program
        self.scopes = scopes
        self.replacements = replacements
        self.recording = Recording()
        self.writers: dict[FrameType, dict[str, Event]] = {}
        self.open: dict[FrameType, Event] = {}
        self.counts: dict[int, int] = {}
        self.parts = any("[" in name or "." in name for s in program.statements for name in s.names)

    def _begin(self, number: int, frame: FrameType) -> Event:
        """Return the event of a statement that begins to run in a frame."""
        event = Event(self.program.statements[number], self.counts.get(number, 0))
        self.counts[number] = event.occurrence + 1
        self.writers.setdefault(frame, {})
        self.open[frame] = event
        recording = self.recording
        if len(recording.events) < _MOST_EVENTS:
            recording.events.append(event)
            recording.by_statement.setdefault(number, []).append(event)
        return event

    def at(self, number: int) -> None:
        frame = sys._getframe(1)
        event = self._begin(number, frame)
        writers, statement = self.writers[frame], event.statement
        parent = frame.f_back
        for _ in range(4):
            parent = parent.f_back if parent is not None and parent not in self.open else parent
        event.caller = self.open.get(parent) if parent is not None else None
        for name in statement.reads:
            spelled, found = name, None
            while spelled:
                if spelled in writers:
                    found = writers[spelled]
                    break
                cut = max(spelled.rfind("."), spelled.rfind("["))
                spelled = spelled[:cut] if cut > 0 else ""
            event.reads[name] = found
            if self.parts and (spelled == name or not spelled):  # a whole container: whatever was put into it
                for other, writer in writers.items():
                    if other.startswith((name + "[", name + ".")):
                        event.reads[other] = writer
        if number in self.scopes and event.occurrence in _KEPT_SCOPES:
            memo: dict[int, Any] = {}
            event.scope = {name: _kept(value, memo) for name, value in frame.f_locals.items()}
        self.recording.last = event

    def put(self, number: int, name: str, value: Any) -> Any:
        frame = sys._getframe(1)
        event = self.open.get(frame)
        if event is None or event.statement.number != number:  # a loop's variable, its second round
            earlier = self.recording.of(number)
            event = self._begin(number, frame)
            if earlier:
                event.reads, event.caller = earlier[0].reads, earlier[0].caller
        replacement = self.replacements.get((number, name))
        if replacement is not None:
            value = replacement(value, event.occurrence)
        writers = self.writers[frame]
        statement = event.statement
        if statement.writes_by_call:
            before = writers.get(name)
            old = before.writes.get(name) if before is not None else None
            if before is not None and same_value(old, value):
                return value
            if not isinstance(value, (np.ndarray, dict, list)):
                return value
        writers[name] = event
        event.writes[name] = _kept(value, {})
        if statement.in_place and isinstance(value, np.ndarray) and replacement is None:
            for other, held in frame.f_locals.items():
                if other != name and isinstance(held, np.ndarray) and np.may_share_memory(held, value):
                    writers[other] = event
                    event.aliases.add(other)
        return value

    def returned(self, value: Any) -> Any:
        frame = sys._getframe(1)
        event = self.open.pop(frame, None)
        if event is None:
            return value
        event.returned = _kept(value, {})
        self.writers.pop(frame, None)
        if event.caller is not None:
            event.caller.calls.append(event)
        return value


def scope_in(events: Sequence[Event]) -> dict[str, Any] | None:
    """Return the variables before the first of these events that kept them."""
    return next((event.scope for event in events if event.scope is not None), None)


def _kept(value: Any, memo: dict[int, Any]) -> Any:
    """Return a copy of arrays and of containers of arrays; anything else as it is."""
    if type(value) is np.ndarray or type(value) in (dict, list, tuple):
        return duplicate(value, memo)
    return value


def record(
    program: StudentCode,
    call: Callable[[Callable[..., Any]], Any],
    *,
    scopes: set[int] | None = None,
    replacements: Mapping[tuple[int, str], Replacement] | None = None,
) -> Recording:
    """Run the backward, watched.

    Args:
        program: the student's.
        call: calls the function it is given with the right arguments.
        scopes: statements before which all variables are kept.
        replacements: by statement and name, what to put in place of a value: called with it and the occurrence.
    """
    watcher = _Watcher(program, scopes or set(), replacements or {})
    function = program.watched({"__mg_at": watcher.at, "__mg_put": watcher.put, "__mg_return": watcher.returned})
    recording = watcher.recording
    try:
        with np.errstate(all="ignore"):
            recording.result = call(function)
    except Exception as error:  # noqa: BLE001 - whatever the student's code raises is reported
        recording.error = error
    finally:
        watcher.open.clear()
        watcher.writers.clear()
    return recording
