"""Watch what a captured function finds outside of itself: a later call must find the same there, or captures anew."""

from __future__ import annotations

import argparse
import array
import functools
import operator
import random
import sys
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from micrograd.engine import Tensor
from micrograd.program.program import Program
from micrograd.source.names import PACKAGE, is_users_code
from micrograd.tracing.clone import ChangesOutsideError

__all__ = ["Outside", "changed"]

Place = tuple[Any, tuple[Any, ...] | None, str]
"""A mapping or a list, the keys looked up in it (None for a list, whose items all count), and what it is called."""

_Read = Callable[[Any], Iterable[Any]]

_LISTS = (list, deque, set, bytearray)
"""What grows and shrinks, and is compared item by item."""

_NUMBERS = (bool, int, float, complex, str, bytes)
_LONGEST = 10_000
_READS_TEXT = {"eval", "exec", "globals"}
_NOTHING = object()
_RUN_BY_SYNTAX = {"__iter__", "__next__", "__len__", "__contains__", "__getitem__", "__getattr__", "__enter__",
                  "__exit__", "__bool__", "__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__",
                  "__truediv__", "__matmul__", "__pow__", "__neg__", "__lt__", "__gt__"}  # fmt: skip
"""Methods that code runs without naming them; `__call__` is looked at besides."""


class Outside:
    """What a function can reach: globals, closures, helpers, the attributes of its objects, items of its containers.

    Numbers, functions, tensors and objects are known by identity. Entries of arrays are not looked at (they are
    constants of a captured call), nor what lies inside of the objects of libraries.

    Args:
        f: the function.
        leaves: its arguments, whose attributes are looked at too.

    Attributes:
        generators: the random number generators that were found.
        counts: the arrays of whole numbers and truth values that were found, into which it may write.
    """

    def __init__(self, f: Any, leaves: Iterable[Any]) -> None:
        self.f, self.leaves = f, [*leaves]
        self.generators: list[Any] = []
        self.counts: list[Any] = []
        self._seen: dict[int, Any] = {}
        self._mentioned: set[str] = set()
        self._places: list[Place] = []
        self._cells: list[tuple[types.CellType, str]] = []
        self._defaults: dict[tuple[int, str], Any] = {}  # what a class gives its objects, by their mapping
        self._found: list[tuple[Any, list[Any]]] = []
        self._contents: list[Any] = []
        self._lists: list[tuple[Any, list[Any]]] = []
        self._iterators: list[tuple[Any, str]] = []
        self._rows: list[tuple[array.array[Any], str, bytes]] = []  # whose numbers have no identity
        self._dictionaries: dict[int, dict[Any, Any]] = {}
        self._spaces: dict[int, _Attributes] = {}  # the same at every look
        self._holds_once = ""
        self._looks: list[tuple[Callable[[Any], Any], Any, Any]] = []
        self._at_once: list[tuple[_Read, _Read, Any, list[Any]]] = []
        self._look()
        self._before = {(id(space), key): value for space, key, value, _ in self._values()}
        self._was = dict(self._before)
        self._absent = {
            (id(space), key) for space, key, _, _ in self._values() if type(space) is dict and key not in space
        }
        self._kept = [
            (value, [*(value.items() if isinstance(value, dict) else value)])
            for value in self._seen.values()
            if isinstance(value, (dict, *_LISTS)) and len(value) <= _LONGEST
        ]
        self._rows_before = self._rows
        self._before |= {place: item for place, item in self._defaults.items() if self._before.get(place) is None}

    def _look(self) -> None:
        self._seen, self._places, self._cells, self.generators, self.counts = {}, [], [], [], []
        self._mentioned, self._iterators, self._dictionaries, self._rows = set(), [], {}, []
        stack: list[tuple[Any, str]] = [(self.f, ""), *((leaf, "") for leaf in self.leaves)]
        while stack:
            value, name = stack.pop()
            if type(value) is np.ndarray and value.dtype.kind in "iub":
                self.counts.append(value)
            if isinstance(value, (*_NUMBERS, Tensor, np.ndarray, np.generic)) or value is None:
                continue
            if id(value) not in self._seen:
                self._seen[id(value)] = value
                stack += self._inside(value, name)

    # ---- what is inside of what ------------------------------------------------------------------------------

    def _inside(self, value: Any, name: str) -> Iterator[tuple[Any, str]]:
        """Yield what a value refers to, with what it is called there, and note the places that are to be watched."""
        if isinstance(value, (np.random.Generator, np.random.RandomState, random.Random)):
            self.generators.append(value)
        elif isinstance(value, types.FunctionType):
            yield from self._of_function(value)
        elif isinstance(value, types.MethodType):
            yield from ((value.__func__, name), (value.__self__, ""))
        elif isinstance(value, functools.partial):
            yield from ((part, name) for part in (value.func, *value.args, *value.keywords.values()))
        elif isinstance(value, dict):
            if len(value) <= _LONGEST:
                self._dictionaries[id(value)] = value
                yield from self._entries(value, [*value], name or "a dictionary")
        elif isinstance(value, (*_LISTS, tuple, frozenset)):
            if len(value) <= _LONGEST:
                if isinstance(value, _LISTS):
                    self._places.append((value, None, name or "a list"))
                yield from ((item, name) for item in value)
        elif isinstance(value, array.array):
            self._rows.append((value, name or "an array.array", value.tobytes()))
        elif isinstance(value, Iterator) and not _is_watched(type(value)):
            self._iterators.append((value, name))
        elif "__wrapped__" in getattr(value, "__dict__", ()):  # a compiled function, a memo
            yield value.__wrapped__, name
        elif isinstance(value, type):
            if _is_users(value):
                own = self._spaces.setdefault(id(value), _OfClass(value))
                yield from self._entries(own, [*_own(value.__dict__)], value.__name__)
                yield from ((item, key) for key, item in [*value.__dict__.items()]
                            if key in _RUN_BY_SYNTAX and isinstance(item, types.FunctionType))  # fmt: skip
        elif not isinstance(value, types.ModuleType) and _is_watched(type(value)):
            yield type(value), name
            yield getattr(type(value), "__call__", None), name  # noqa: B004 - the method itself
            held = {*getattr(type(value), "buffers", ()), "training"}  # which each call asks for
            of, space, defaults = name or type(value).__name__, getattr(value, "__dict__", {}), _defaults(type(value))
            self._defaults.update(((id(space), key), item) for key, item in defaults.items())
            yield from self._entries(space, [*_own({**defaults, **space}, held)], of)
            for slot in _slots(type(value)):
                if hasattr(value, slot):
                    self._places.append((self._spaces.setdefault(id(value), _Attributes(value)), (slot,), of))
                    yield getattr(value, slot), f"{of}.{slot}"

    def _of_function(self, function: types.FunctionType) -> Iterator[tuple[Any, str]]:
        file = function.__code__.co_filename
        users = is_users_code(file)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            content = _content(cell)
            if content is not _NOTHING:
                if users:
                    self._cells.append((cell, name))
                yield content, name
        if not users:
            return
        names = [*_names(function.__code__)]
        self._mentioned.update(names, function.__code__.co_freevars, _texts(function.__code__))
        if not _READS_TEXT.isdisjoint(names):  # it may look up any
            names = [name for name in function.__globals__ if not name.startswith("__")]
        known = [name for name in names if name in function.__globals__]
        for name in known:
            value = function.__globals__[name]
            if isinstance(value, types.ModuleType) and is_users_code(getattr(value, "__file__", None) or PACKAGE):
                read = [key for key in _names(function.__code__) if key in value.__dict__]
                yield from self._entries(value.__dict__, read, name)
        kept = [name for name in known if not isinstance(function.__globals__[name], types.ModuleType)]
        yield from self._entries(function.__globals__, kept, "")
        yield from ((part, "") for part in (function.__defaults__ or (), function.__kwdefaults__ or {}))
        if function.__dict__:
            yield from self._entries(function.__dict__, [*function.__dict__], function.__name__)

    def _entries(self, space: Mapping[Any, Any] | _Attributes, keys: list[Any], name: str) -> Iterator[tuple[Any, str]]:
        if keys:
            self._places.append((space, tuple(keys), name))
        for key in keys:
            yield space.get(key), f"{name}.{key}" if name and isinstance(key, str) else name or str(key)

    # ---- then and now ----------------------------------------------------------------------------------------

    def ran(self, since: int, changing: Callable[[Any, Any], bool], restored: Iterable[Any]) -> None:
        """Look again after the function has run once.

        Args:
            since: tensors of this serial and below were made by the run.
            changing: checks that every call reads or writes the entry `key` of a mapping anew.
            restored: mappings in which everything is put back as it was, but for what is `changing`.

        Raises:
            ChangesOutsideError: the run changed a number, or put a value there that it had computed.
        """
        before = self._before
        mended = {*map(id, restored)}
        self._look()
        for space, key, value, name in self._values():
            was = before.get((id(space), key), _NOTHING)
            if was is value or changing(space, key):
                continue
            if value is None and self._defaults.get((id(space), key), _NOTHING) is was:  # its class still gives it
                continue
            if isinstance(value, Tensor) and value.serial <= since and id(space) not in mended:
                raise ChangesOutsideError(
                    f"{_called(self.f)} puts a value that it computed into {name}, which later calls would not do; "
                    "return the value, or assign it to the .data of a parameter."
                )
            if not self._mentions(key) or (type(value) in _NUMBERS and type(value) is type(was) and value == was):
                continue
            if type(value) in (bool, int, float, complex) and type(was) in (bool, int, float, complex):
                raise ChangesOutsideError(
                    f"{_called(self.f)} changes {name} from {was!r} to {value!r}, which later calls would not do; "
                    "pass the number as an argument and return the new one, or keep it as an array in a buffer of a "
                    "module."
                )
            if id(space) not in mended:
                self._holds_once = self._holds_once or name
            elif not isinstance(value, Tensor) and not hasattr(value, "node"):
                raise ChangesOutsideError(
                    f"{_called(self.f)} changes {name}, an attribute of a module, which later calls would not do; "
                    "return the new value, or keep it as an array in a buffer of the module."
                )
        names = {id(space): name for space, _, name in self._places}
        for space, was in self._kept:
            if isinstance(space, dict):  # that its entries are the same is known by now
                lost = len(space) != len(was) or not all(map(operator.is_, space, (key for key, _ in was)))
            else:
                lost = len(space) != len(was) or not all(map(operator.is_, space, was))
            if lost:
                self._holds_once = self._holds_once or names.get(id(space)) or "a container"
        for row, name, was in self._rows_before:
            if row.tobytes() != was:
                self._holds_once = self._holds_once or name
        for _, name in self._iterators:
            if self._mentions(name.rpartition(".")[2]):
                self._holds_once = self._holds_once or name or "an iterator"

    def put_back(self) -> None:
        """Give lists, sets, dictionaries, attributes and variables what they held before a run that failed."""
        self._look()
        for space, key, value, _ in [*self._values()]:
            if (id(space), key) in self._absent:
                space.pop(key, None)
            elif (was := self._was.get((id(space), key), value)) is not value:
                _put_back(space, key, was)
        for space, was in self._kept:
            if isinstance(space, dict):
                if len(space) != len(was) or any(space.get(key, _NOTHING) is not item for key, item in was):
                    space.clear()
                    space.update(was)
            elif len(space) != len(was) or not all(map(operator.is_, space, was)):
                space.clear()
                (space.update if isinstance(space, set) else space.extend)(was)

        for row, _, entries in self._rows_before:
            if row.tobytes() != entries:
                row[:] = array.array(row.typecode, entries)

    def _mentions(self, key: Any) -> bool:
        """Check that the code that was found names an entry: what changes besides is none of its business."""
        return not isinstance(key, str) or not key or key in self._mentioned

    def keep(self, changing: Callable[[Any, Any], bool]) -> None:
        """Note what is there now: what `holds` compares with."""
        self._look()
        places = self._places
        self._places = [place for place in places if place[1] is None]
        for space, keys, name in places:
            if stay := tuple(key for key in keys or () if not changing(space, key)):
                self._places.append((space, stay, name))
        self._found = [(space, [*_read(space, keys)]) for space, keys, _ in self._places]
        self._contents = [_content(cell) for cell, _ in self._cells]
        self._looks, self._at_once = [], []
        for (space, keys, _), (_, found) in zip(self._places, self._found, strict=True):
            if keys is not None and len(keys) > 1 and type(space) is dict:
                self._at_once.append((operator.itemgetter(*keys), functools.partial(_known, keys), space, found))
            else:
                self._looks += [
                    (space.get, key, value) for key, value in zip(keys or (), found, strict=keys is not None)
                ]
        if self._cells:
            quickly = functools.partial(map, operator.attrgetter("cell_contents"))
            cells = [cell for cell, _ in self._cells]
            self._at_once.append((quickly, functools.partial(map, _content), cells, self._contents))
        self._lists = [(items, found) for (items, keys, _), (_, found) in zip(self._places, self._found, strict=True)
                       if keys is None]  # fmt: skip
        self._lists += [(space, [*space]) for space in self._dictionaries.values()]
        self.leaves, self.generators, self.counts, self._seen = [], [], [], {}
        self._kept, self._iterators, self._rows_before = [], [], []
        self._before, self._was, self._absent = {}, {}, set()

    @property
    def watches(self) -> bool:
        """Check that there is anything that could change."""
        return bool(self._places or self._cells or self._dictionaries or self._rows or self._holds_once)

    def holds(self) -> bool:
        """Check that everything is what it was; every call of a compiled function asks, so it takes no detours.

        Never so where the run itself changed what it found (a list that grew, an iterator that went on): what a call
        does there is done by the function alone, which is captured anew.
        """
        if self._holds_once:
            return False
        for look, key, value in self._looks:
            if look(key) is not value:
                return False
        for quickly, read, space, found in self._at_once:
            try:
                same = all(map(operator.is_, quickly(space), found))
            except (KeyError, ValueError):  # what is not there was perhaps not there before
                same = all(map(operator.is_, read(space), found))
            if not same:
                return False
        for items, found in self._lists:
            if len(items) != len(found) or (found and not all(map(operator.is_, items, found))):
                return False
        return not self._rows or all(row.tobytes() == was for row, _, was in self._rows)

    def changed(self) -> str:
        """Return the name of the first thing that is not what it was; empty where all is."""
        if self._holds_once:
            return self._holds_once
        for (space, keys, name), (_, found) in zip(self._places, self._found, strict=True):
            for position, (now, was) in enumerate(zip(_read(space, keys), found, strict=False)):
                if now is not was:
                    key = "" if keys is None else keys[position]
                    return f"{name}.{key}".strip(".") if isinstance(key, str) else name
            if keys is None and len(space) != len(found):
                return name
        if row := next((name for row, name, was in self._rows if row.tobytes() != was), ""):
            return row
        pairs = zip(self._cells, self._contents, strict=True)
        return next((name for (cell, name), content in pairs if _content(cell) is not content), "")

    def _values(self) -> Iterator[tuple[Any, Any, Any, str]]:
        for space, keys, name in self._places:
            for key, value in zip(range(len(space)) if keys is None else keys, [*_read(space, keys)], strict=True):
                yield space, key, value, f"{name}.{key}" if name and isinstance(key, str) else name or str(key)
        for cell, name in self._cells:
            yield cell, "", _content(cell), name


def changed(program: Program) -> str:
    """Return the name of what a program relied on and is not what it was."""
    watched = [function.__self__ for function, _ in program.assumptions if isinstance(function, types.MethodType)]
    names = [outside.changed() for outside in watched if isinstance(outside, Outside)]
    return next((name for name in names if name), "a setting")


class _Attributes:
    """The attributes of an object with slots, looked up as in a dictionary."""

    def __init__(self, owner: Any) -> None:
        self.owner = owner

    def get(self, name: str) -> Any:
        """Return an attribute; None where it is not set."""
        return getattr(self.owner, name, None)


class _OfClass(_Attributes):
    """The attributes of a class itself, as its `__dict__` has them."""

    def get(self, name: str) -> Any:
        """Return an attribute; None where the class has none."""
        return self.owner.__dict__.get(name)


def _read(space: Any, keys: tuple[Any, ...] | None) -> Iterator[Any]:
    return iter(space) if keys is None else map(space.get, keys)


def _known(keys: tuple[Any, ...], space: Mapping[Any, Any]) -> Iterator[Any]:
    return map(space.get, keys)


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a variable that has no value yet
        return _NOTHING


def _put_back(space: Any, key: Any, was: Any) -> None:
    """Undo what a run that is refused did to an entry."""
    if isinstance(space, types.CellType):
        space.cell_contents = was
    elif isinstance(space, _Attributes):
        setattr(space.owner, key, was)
    elif isinstance(space, (dict, list)):
        space[key] = was


def _called(f: Any) -> str:
    name = getattr(f, "__name__", type(f).__name__)
    return "the function" if name == "<lambda>" else str(name)


def _own(space: Mapping[str, Any], held: Iterable[str] = ()) -> Iterator[str]:
    """Yield the names of attributes that a user gave."""
    return (name for name in space if not name.startswith("__") and name not in held)


def _defaults(kind: type) -> dict[str, Any]:
    """Return the attributes, no methods, that users' classes give their objects until these have their own."""
    found = {key: item for base in kind.__mro__[:-1] if _is_users(base) for key, item in base.__dict__.items()}
    return {key: item for key, item in found.items() if not callable(item) and not hasattr(item, "__get__")}


def _slots(kind: type) -> Iterator[str]:
    for base in kind.__mro__:
        names = base.__dict__.get("__slots__", ())
        yield from (name for name in ([names] if isinstance(names, str) else names) if not name.startswith("__"))


def _is_users(kind: type) -> bool:
    """Check that a user defined a class."""
    methods = (item for item in kind.__dict__.values() if isinstance(item, types.FunctionType))
    code = next((method.__code__.co_filename for method in methods if "<" not in method.__code__.co_filename), None)
    if code is None:
        code = getattr(sys.modules.get(kind.__module__), "__file__", None)
        return kind.__module__ == "__main__" or (code is not None and is_users_code(code))
    return is_users_code(code)


def _is_watched(kind: type) -> bool:
    """Check that the attributes of objects of a class are looked at: a user's, a module's, plain bags of settings."""
    if issubclass(kind, (types.SimpleNamespace, argparse.Namespace)):
        return True
    return any(_is_users(base) or base.__module__.startswith("micrograd.nn.") for base in kind.__mro__[:-1])


def _names(code: types.CodeType) -> Iterator[str]:
    """Yield the names that code, and the code defined in it, looks up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _texts(code: types.CodeType) -> Iterator[str]:
    """Yield the texts in code, which may be keys."""
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, types.CodeType):
            yield from _texts(constant)
