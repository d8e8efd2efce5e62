"""Clone what a traced function sees: its globals, closures, helpers, objects and arrays.

A function that is traced is copied, with globals of its own in which a proxy stands in for NumPy; so are the functions
it calls, the classes and objects that it uses and the containers it reads, each when it is first met and once only.
The user's own things are never changed while the trace runs. At its end `give_back` does to them what the function did
to their clones: what was assigned to a global, put into a dictionary or written into an array is there, as plain
arrays.
"""

from __future__ import annotations

import abc
import dis
import functools
import sys
from collections import deque
from collections.abc import Callable, Iterator
from operator import is_
from types import (
    CellType,
    CodeType,
    FrameType,
    FunctionType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)  # fmt: skip
from typing import Any

import numpy as np

from micrograd.engine import Tensor
from micrograd.errors import GraphError
from micrograd.pytree import flatten, paths
from micrograd.source.names import PACKAGE, is_users_code, user_frames
from micrograd.tracing.array import TracedArray, own
from micrograd.tracing.numpy_proxy import FunctionProxy, ModuleProxy, proxied_builtins, proxy_of
from micrograd.tracing.stand_ins import CODE, Memo, TracedGenerator
from micrograd.tracing.storage import Storage

__all__ = ["ChangesOutsideError", "Cloner", "clones_code"]

# What a class has of its own that its clone does not take over.
_OF_CLASSES = {
    *("__dict__", "__weakref__", "__module__", "__qualname__", "__doc__", "__slots__", "_abc_impl"),
    "__abstractmethods__",
}
_DECORATORS = ("functools", "numba", "micrograd.compiler.compiled")  # what they return has a function inside
_NOTHING = object()
_MOST = 64
_MOST_BYTES = 1 << 18  # of the arrays that the clones of one function stand for
_kept: dict[int, Cloner] = {}  # by the id of the function, which the cloner holds
_SIMPLE = (str, bytes, bool, int, float, complex, type(None), type(Ellipsis), slice, range, np.generic)


class ChangesOutsideError(GraphError):
    """A call that is captured changes what lies outside of it, which the calls that are compiled would not do."""


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # an empty cell
        return _NOTHING


class _ModuleClone(ModuleType):
    """A module of the user's, whose functions are clones."""

    def __init__(self, real: ModuleType, cloner: Cloner) -> None:
        super().__init__(real.__name__, real.__doc__)
        self.__dict__["_real"], self.__dict__["_cloner"] = real, cloner

    def __getattr__(self, name: str) -> Any:
        return self._cloner.of(getattr(self._real, name))


_AS_THEY_ARE = (Tensor, *_SIMPLE, FunctionProxy, ModuleProxy, _ModuleClone)  # what needs no clone


def _is_compiled(kind: type) -> bool:
    """Check that a class was made by an extension module: there is nothing of it to be cloned."""
    return any(isinstance(item, (MethodDescriptorType, WrapperDescriptorType)) for item in vars(kind).values())


class Cloner:
    """Make and remember the clones of one trace.

    Args:
        traced: the function that is traced: its own file counts as the user's wherever it is.
        inputs: is filled with the tensors that arrays among the arguments become, and their names.
    """

    def __init__(self, traced: Any, inputs: dict[Tensor, str]) -> None:
        self.home = _globals_of(traced)
        self.inputs = inputs
        self.clones: dict[int, Any] = {}  # by the id of the original
        self.originals: dict[int, Any] = {}  # by the id of the clone
        self.kept: list[Any] = []  # so that ids stay theirs
        self.storages: list[Storage] = []  # of arrays that came from outside
        self.spaces: list[tuple[Any, Any, dict[str, Any]]] = []  # (to write to, the clone's, as it was)
        self.lists: list[tuple[Any, Any, list[Any]]] = []  # of deques too
        self.memos: list[Memo] = []
        self.cells: list[tuple[CellType, CellType, Any]] = []
        self.globals: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}  # a module's clone, and as it was
        self.builtins = {**proxied_builtins(), **CODE}
        self.place = ""  # what is given back just now
        self.keeps_values_in = False  # traced values may not leave: each later call would have others
        self.watched: list[tuple[dict[str, Any], str, Any]] = []  # what a name was among the globals
        self.functions: list[tuple[FunctionType, CodeType, Any, list[Any]]] = []
        self.lasting = isinstance(traced, FunctionType)  # nothing was cloned that holds values of its own
        self.pristine: Cloner | None = None  # the clones before the run, for the next one

    # ---- from run to run -----------------------------------------------------------------------------

    @classmethod
    def of_run(cls, f: Any) -> tuple[Cloner, Any]:
        """Return the cloner for one run of a function, and the function's clone.

        Clones that hold nothing but functions, modules, constants and small arrays are kept from run to run. Whatever a
        name or a closure held then must be the same object now, and a run that assigned to one, or wrote into an array,
        keeps nothing. While they run they are not kept, so that no other run, in this thread or another, meets what is
        assigned.
        """
        known = _kept.pop(id(f), None)
        if known is not None and known.still_holds():
            cloner, cloner.pristine = known.again(), known
            return cloner, cloner.clones[id(f)]
        cloner = cls(f, {})
        clone = cloner.of(f)
        if cloner.lasting and sum(storage.base.nbytes for storage in cloner.storages) <= _MOST_BYTES:
            cloner.pristine = cloner.again()
        return cloner, clone

    def again(self) -> Cloner:
        """Return a cloner that goes on from these clones, and leaves them as they are."""
        made = object.__new__(Cloner)
        made.__dict__.update(self.__dict__)
        made.inputs, made.storages, made.lists = {}, [*self.storages], []
        made.clones, made.originals, made.globals = dict(self.clones), dict(self.originals), dict(self.globals)
        made.kept, made.spaces, made.cells = [*self.kept], [*self.spaces], [*self.cells]
        return made

    def still_holds(self) -> bool:
        """Check that everything that was cloned is what a new clone would be made of."""
        for space, name, value in self.watched:
            if space.get(name, _NOTHING) is not value:
                return False
        if any(_was_touched(self.clones[id(storage.origin)]) for storage in self.storages):
            return False
        for function, code, defaults, contents in self.functions:
            if function.__code__ is not code or function.__defaults__ is not defaults or function.__dict__:
                return False
            for cell, content in zip(function.__closure__ or (), contents, strict=True):
                if _content(cell) is not content:
                    return False
        return True

    def keep(self, f: Any) -> None:
        """Keep the clones of a function for its next run."""
        if self.pristine is not None:
            while len(_kept) >= _MOST:
                _kept.pop(next(iter(_kept)), None)
            _kept[id(f)] = self.pristine

    @property
    def clones_code(self) -> bool:
        """Check that what is traced is not ours: what is composed of tensors is traced as it is."""
        return _is_foreign(self.home)

    # ---- arguments -----------------------------------------------------------------------------------

    def argument(self, name: str, value: Any) -> Any:
        """Return what the traced function is given for an argument, whose float arrays become inputs."""
        if self.clones_code:
            return self._argument(name, value)
        named = list(paths(value, name))
        return flatten(value)[1]([self._entered(path, leaf) for path, leaf in named]) if named else value

    def _argument(self, path: str, value: Any) -> Any:
        """Return the clone of an argument, or of a part of one that has this path."""
        if type(value) in (list, tuple) or isinstance(value, dict) or hasattr(value, "_fields"):
            if (known := self.clones.get(id(value))) is not None:
                return known
            return self._container(value, lambda key, item: self._argument(f"{path}.{key}" if path else key, item))
        made = self._entered(path, value)
        return self.of(value) if made is value else made

    def _entered(self, name: str, leaf: Any) -> Any:
        """Return an array or tensor among the arguments as an input of the graph; anything else as it is."""
        if not (isinstance(leaf, Tensor) or (isinstance(leaf, np.ndarray) and leaf.dtype.kind in "fc")):
            return leaf
        tensor = Tensor(leaf.data if isinstance(leaf, Tensor) else leaf)
        self.inputs[tensor] = name
        if isinstance(leaf, Tensor) or not self.clones_code:
            return tensor
        storage = Storage(tensor, origin=leaf)
        self.storages.append(storage)
        clone = TracedArray(storage)
        self.originals[id(clone)] = leaf
        self.kept += (leaf, clone)
        return clone

    # ---- values --------------------------------------------------------------------------------------

    def of(self, value: Any) -> Any:
        """Return the clone of a value; the value itself where it needs none."""
        if isinstance(value, _AS_THEY_ARE):
            return value
        known = self.clones.get(id(value))
        if known is not None:
            return known
        if type(value) is np.ndarray:
            return self.array(value) if value.dtype.kind == "f" else value
        if isinstance(value, FunctionType):
            if _decorates(value):
                return self._decorated(value)
            own = value.__globals__ is self.home or is_users_code(value.__code__.co_filename)
            return self._function(value) if own else proxy_of(value)
        if isinstance(value, MethodType):
            return self._pair(value, MethodType(self.of(value.__func__), self.of(value.__self__)))
        if isinstance(value, type):
            return self._class(value) if self._is_users_class(value) else proxy_of(value)
        if isinstance(value, ModuleType):
            return self._module(value)
        if isinstance(value, (dict, list, tuple, deque)):
            return self._container(value)
        if isinstance(value, functools.partial):
            self.lasting = False
            keywords = {key: self.of(item) for key, item in value.keywords.items()}
            return self._pair(value, functools.partial(self.of(value.func), *map(self.of, value.args), **keywords))
        if isinstance(value, np.vectorize):
            self.lasting = False
            return proxy_of(np.vectorize)(self.of(value.pyfunc))
        wrapped = getattr(value, "__wrapped__", None) if type(value).__module__ in _DECORATORS else None
        if isinstance(wrapped, FunctionType):
            self.lasting = False
            if isinstance(value, functools._lru_cache_wrapper):
                return self._memo(value, wrapped)
            return self._pair(value, self.of(wrapped))
        if type(value) is np.random.Generator:
            return self._pair(value, TracedGenerator(value.bit_generator))
        if self._is_users_class(type(value)):
            return self._instance(value)
        return proxy_of(value)

    def _memo(self, value: Any, function: FunctionType) -> Any:
        made = self._pair(value, Memo(value, function, self.of))  # known already to a function that calls itself
        made.__wrapped__ = self.of(function)
        self.memos.append(made)
        return made

    def variable(self, node: Tensor, leaf: Any) -> TracedArray:
        """Return what stands for an argument to differentiate by, which the graph knows as `node`."""
        clone: TracedArray = own(node)
        if isinstance(leaf, np.ndarray):
            clone.rebinds = False
            if type(leaf) is np.ndarray:
                clone.storage.origin = leaf
        self.storages.append(clone.storage)
        self.originals[id(clone)] = leaf
        self.kept += (leaf, clone)
        return clone

    def runs(self, f: Any) -> Any:
        """Return what runs for `f`: its clone, or `f` itself where it is one, or was made by one."""
        inner = f.func if isinstance(f, functools.partial) else f.__func__ if isinstance(f, MethodType) else f
        made = isinstance(inner, FunctionType) and any(inner.__globals__ is now for now, _ in self.globals.values())
        return f if made or id(inner) in self.originals else self.of(f)

    def _pair(self, value: Any, clone: Any) -> Any:
        """Remember `clone` as that of `value`, and return it."""
        self.clones[id(value)] = clone
        self.originals[id(clone)] = value
        self.kept += (value, clone)
        return clone

    def array(self, value: np.ndarray[Any, Any]) -> TracedArray:
        """Clone a plain float array of the user's, which stays plain until something tracked is written into it."""
        storage = Storage(value, origin=value)
        self.storages.append(storage)
        return self._pair(value, TracedArray(storage))  # type: ignore[no-any-return]

    def refuse_shared(self, storage: Storage) -> None:
        """Refuse to write into an array of the caller's that another of theirs shares memory with."""
        if storage.origin is None:
            return
        for other in self.storages:
            if other is storage or other.origin is None or not (other.tracked or storage.tracked):
                continue
            if np.may_share_memory(other.origin, storage.origin) and np.shares_memory(other.origin, storage.origin):
                raise GraphError(
                    "the array that is written into shares its memory with another array that the function is given, "
                    "which NumPy would change too; pass a copy of one of them."
                )

    def adopted(self, array: np.ndarray[Any, Any], outermost: FrameType | None) -> TracedArray:
        """Return a plain array that something tracked is written into, traced from now on.

        Raises:
            GraphError: the user has a name for it under which it would stay plain.
        """
        names: set[tuple[int, str]] = set()
        frames = [*user_frames(2, until=outermost)]
        for frame in frames:
            names.update((id(frame), name) for name, value in frame.f_locals.items() if value is array)
        if frames and len(names) <= 1 and not _stored_again(frames[0], {name for _, name in names}):
            raise GraphError(
                "a traced value is written into a plain array, under whose name its gradient would be lost silently. "
                "Make the array inside the traced function, with np.zeros or np.array."
            )
        if len(names) > 1:
            raise GraphError(
                f"a traced value is written into a plain array that has {len(names)} names here "
                f"({', '.join(sorted(name for _, name in names))}): under the others its gradient would be lost "
                "silently. Make it inside the traced function, with np.zeros or np.array."
            )
        return self.array(array)

    def _container(self, value: Any, child: Callable[[str, Any], Any] | None = None) -> Any:
        made: Any = child or (lambda _, item: self.of(item))
        if isinstance(value, tuple):
            items = [made(str(place), item) for place, item in enumerate(value)]
            if all(new is old for new, old in zip(items, value, strict=True)):
                return value
            self.lasting = False
            return self._pair(value, type(value)(*items) if hasattr(value, "_fields") else type(value)(items))
        self.lasting = False
        if isinstance(value, list):
            if type(value) is not list:
                return value
            clones: list[Any] = self._pair(value, [])
            clones.extend(made(str(place), item) for place, item in enumerate(value))
            self.lists.append((value, clones, [*clones]))
            return clones
        if isinstance(value, deque):
            row: deque[Any] = self._pair(value, deque(maxlen=value.maxlen))
            row.extend(made(str(place), item) for place, item in enumerate(value))
            self.lists.append((value, row, [*row]))
            return row
        try:
            clone: dict[Any, Any] = value.copy()
        except Exception:  # noqa: BLE001 - a dictionary of the user's, with a constructor of its own
            return value
        self._pair(value, clone)
        for key, item in value.items():
            clone[key] = made(str(key), item)
        self.spaces.append((value, clone, dict(clone)))
        return clone

    # ---- functions -----------------------------------------------------------------------------------

    def looked_up(self, space: dict[str, Any], code: CodeType | None) -> None:
        """Have the clone of a module hold the names that `code` may look up in it; all where it is None."""
        for original in self.kept:
            if isinstance(original, dict) and self.globals.get(id(original), (None,))[0] is space:
                self.pristine = None
                for name in original if code is None else _names(code):
                    if name not in space and name in original and not name.startswith("__"):
                        self._global(original, name)
                return

    def _function(self, value: FunctionType) -> FunctionType:
        self.pristine = None  # met on the way, it is not among what the next run would look at
        # Cells first, all of them: a function in one may have another of them too, and must meet the same.
        fresh = [cell for cell in value.__closure__ or () if id(cell) not in self.clones]
        closure = tuple(self.clones.get(id(cell)) or self._pair(cell, CellType()) for cell in value.__closure__ or ())
        space = self._globals(value.__globals__)
        made = FunctionType(value.__code__, space, value.__name__, None, closure)
        self._pair(value, made)
        contents: list[Any] = []
        self.functions.append((value, value.__code__, value.__defaults__, contents))
        for name in _names(value.__code__):
            self.watched.append((value.__globals__, name, value.__globals__.get(name, _NOTHING)))
            if name not in space and name in value.__globals__:
                self._global(value.__globals__, name)
        for cell, new in zip(value.__closure__ or (), closure, strict=True):
            contents.append(_content(cell))
            if any(cell is one for one in fresh):
                try:
                    new.cell_contents = self.of(cell.cell_contents)
                    self.cells.append((cell, new, new.cell_contents))
                except ValueError:  # an empty cell
                    continue
        made.__defaults__ = None if value.__defaults__ is None else tuple(map(self.of, value.__defaults__))
        if value.__kwdefaults__:
            made.__kwdefaults__ = {key: self.of(item) for key, item in value.__kwdefaults__.items()}
            self.watched += [(value.__kwdefaults__, key, item) for key, item in value.__kwdefaults__.items()]
        made.__qualname__, made.__module__, made.__doc__ = value.__qualname__, value.__module__, value.__doc__
        made.__annotations__ = value.__annotations__
        if vars(value):
            self.lasting = False
            made.__dict__.update({key: self.of(item) for key, item in vars(value).items()})
        self.spaces.append((vars(value), made.__dict__, dict(made.__dict__)))
        return made

    def _decorated(self, value: FunctionType) -> FunctionType:
        """Clone what a library's decorator made: its own code as it is, around the clone of the user's function."""
        self.lasting = False
        cells = [CellType() for _ in value.__closure__ or ()]
        for cell, new in zip(value.__closure__ or (), cells, strict=True):
            try:
                content = cell.cell_contents
            except ValueError:  # an empty cell
                continue
            new.cell_contents = self.of(content) if isinstance(content, (FunctionType, MethodType)) else content
        made = FunctionType(value.__code__, value.__globals__, value.__name__, value.__defaults__, tuple(cells))
        made.__kwdefaults__ = value.__kwdefaults__
        return self._pair(value, made)  # type: ignore[no-any-return]

    def _globals(self, original: dict[str, Any]) -> dict[str, Any]:
        if id(original) not in self.globals:
            space = {"__builtins__": self.builtins}
            space.update((key, original[key]) for key in ("__name__", "__file__", "__package__") if key in original)
            before = dict(space)
            self.globals[id(original)] = space, before
            self.spaces.append((original, space, before))
            self.kept.append(original)
        return self.globals[id(original)][0]

    def _global(self, original: dict[str, Any], name: str) -> None:
        space, before = self.globals[id(original)]
        space[name] = None  # met again on the way, it is there already
        space[name] = before[name] = self.of(original[name])

    def _module(self, value: ModuleType) -> Any:
        made = proxy_of(value)
        file = getattr(value, "__file__", None)
        if made is value and file and is_users_code(file):
            self.lasting = False
            made = self._pair(value, _ModuleClone(value, self))
        return made

    # ---- classes and objects -------------------------------------------------------------------------

    def _is_users_class(self, kind: type) -> bool:
        if kind is object:
            return False
        for base in kind.__mro__[:-1]:
            if base is abc.ABC:
                continue
            if type(base) not in (type, abc.ABCMeta) or _is_compiled(base):
                return False
            name = base.__module__
            module = sys.modules.get(name)
            if name != "__main__" and name.partition(".")[0] in sys.stdlib_module_names:
                return False
            if self.home is not None and self.home.get("__name__") == name:
                continue
            file = getattr(module, "__file__", None) or next(
                (item.__code__.co_filename for item in vars(base).values() if isinstance(item, FunctionType)),
                "<string>",
            )
            if not is_users_code(file):
                return False
        return True

    def _class(self, value: type) -> type:
        self.lasting = False
        bases = tuple(base if base in (object, abc.ABC) else self.of(base) for base in value.__bases__)
        made = type(value)(value.__name__, bases, {"__module__": value.__module__, "__qualname__": value.__qualname__})
        self._pair(value, made)
        for key, item in vars(value).items():
            if key not in _OF_CLASSES and not isinstance(item, MemberDescriptorType):
                setattr(made, key, self._member(item))
        abc.update_abstractmethods(made)
        self.spaces.append((value, made, dict(vars(made))))
        return made

    def _member(self, item: Any) -> Any:
        if isinstance(item, staticmethod):
            return staticmethod(self.of(item.__func__))
        if isinstance(item, classmethod):
            return classmethod(self.of(item.__func__))
        if isinstance(item, property):
            return property(self.of(item.fget), self.of(item.fset), self.of(item.fdel), item.__doc__)
        if isinstance(item, functools.cached_property):
            made = functools.cached_property(self.of(item.func))
            made.attrname = item.attrname
            return made
        return self.of(item)

    def _instance(self, value: Any) -> Any:
        self.lasting = False
        made = object.__new__(self.of(type(value)))
        self._pair(value, made)
        for key, item in _state(value).items():
            made.__dict__[key] = self.of(item)
        self.spaces.append((value, made.__dict__, dict(made.__dict__)))
        return made

    # ---- and back ------------------------------------------------------------------------------------

    def give_back(self) -> bool:
        """Do to the user's things what has been done to their clones; return whether any but an array was changed."""
        seen: dict[int, Any] = {}
        back = functools.partial(self._back, seen=seen)
        for memo in self.memos:
            memo.give_back(self.originals)
        changed = False
        for storage in self.storages:
            if storage.written and storage.origin is not None and not self.keeps_values_in:
                base = storage.present()
                if base is not storage.origin:
                    np.copyto(storage.origin, base.raw if isinstance(base, Tensor) else base)
        for original, clones, before in self.lists:
            if len(clones) != len(before) or any(a is not b for a, b in zip(clones, before, strict=True)):
                self.place = "a list"
                items = [back(item) for item in clones]
                original.clear()
                original.extend(items)
        for target, clone, was in self.spaces:
            now = dict(vars(clone)) if isinstance(clone, type) else clone
            if _is_same(now, was):
                continue
            changed = True
            for key in was.keys() - now.keys():
                _take_away(target, key)
            for key, item in [*now.items()]:
                if key not in was or was[key] is not item:
                    self.place = str(key)
                    _put(target, key, back(item))
        for cell, clone_cell, content in self.cells:
            if clone_cell.cell_contents is not content:
                changed, self.place = True, "a variable of the function around it"
                cell.cell_contents = back(clone_cell.cell_contents)
        return changed

    def _back(self, value: Any, seen: dict[int, Any]) -> Any:
        """Return what the user is given for a value of the traced function."""
        if id(value) in self.originals:
            return self.originals[id(value)]
        if isinstance(value, TracedArray):
            if self.keeps_values_in and value.tracked:
                raise ChangesOutsideError(
                    f"a compiled function puts a value that it computed into {self.place}, which lies outside of it: "
                    "later calls would not do so; return the value."
                )
            return _plain(value, seen)
        if isinstance(value, _SIMPLE):
            return value
        if isinstance(value, FunctionProxy):
            return value.real
        if isinstance(value, ModuleProxy):
            return value.__real__
        if id(value) in seen:
            return seen[id(value)]
        if type(value) is list:
            seen[id(value)] = value
            value[:] = [self._back(item, seen) for item in value]
        elif isinstance(value, dict):
            seen[id(value)] = value
            for key, item in list(value.items()):
                value[key] = self._back(item, seen)
        elif isinstance(value, tuple):
            items = [self._back(item, seen) for item in value]
            if any(new is not old for new, old in zip(items, value, strict=True)):
                return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
        elif isinstance(value, FunctionType):
            return self._function_back(value, seen)
        elif isinstance(value, MethodType):
            return MethodType(self._back(value.__func__, seen), self._back(value.__self__, seen))
        elif (kind := self.originals.get(id(type(value)))) is not None and hasattr(value, "__dict__"):
            return self._instance_back(value, kind, seen)
        return value

    def _instance_back(self, value: Any, kind: type, seen: dict[int, Any]) -> Any:
        """Return an object that was made while the trace ran, of the user's class."""
        made, items = value, dict(vars(value))
        try:
            value.__class__ = kind
        except TypeError:  # the user's class has slots
            made = object.__new__(kind)
            self.kept.append(value)
        seen[id(value)] = made
        for key, item in items.items():
            object.__setattr__(made, key, self._back(item, seen))
        return made

    def _function_back(self, value: FunctionType, seen: dict[int, Any]) -> Any:
        """Return a function that was defined while the trace ran, with the user's globals."""
        for original in self.kept:
            if isinstance(original, dict) and self.globals.get(id(original), (None,))[0] is value.__globals__:
                made = FunctionType(value.__code__, original, value.__name__, value.__defaults__, value.__closure__)
                seen[id(value)] = made
                for cell in value.__closure__ or ():
                    try:
                        cell.cell_contents = self._back(cell.cell_contents, seen)
                    except ValueError:
                        continue
                return made
        return value


def _plain(value: TracedArray, seen: dict[int, Any]) -> Any:
    """Return the array that NumPy would have made; views of one storage are views of one array."""
    storage = value.storage
    if id(storage) not in seen:
        base = storage.present()
        raw = base.raw if isinstance(base, Tensor) else base
        seen[id(storage)] = storage.origin if storage.origin is not None else np.array(raw)
        seen[id(seen[id(storage)])] = storage  # so that the storage stays, and its id its own
    found = value.through(seen[id(storage)])
    return found[()] if value.rebinds else found


def _was_touched(clone: TracedArray) -> bool:
    """Check that the clone of a plain array, or the array, is no longer what a new clone would be."""
    storage = clone.storage
    looked_at = storage.written or storage.exposed or storage._layout is not None  # which knows the strides of then
    return looked_at or clone.parent is not None or clone._shape != storage.base.shape


def _is_same(now: dict[Any, Any], was: dict[Any, Any]) -> bool:
    """Check that two dictionaries hold the same objects."""
    return now.keys() == was.keys() and all(map(is_, map(now.get, was), was.values()))


def _stored_again(frame: FrameType, names: set[str]) -> bool:
    """Check that what a frame computes goes back where the array came from: ``x += t``, ``x = np.exp(t, out=x)``."""
    code = [*dis.get_instructions(frame.f_code)]
    now = next((place for place, made in enumerate(code) if made.offset == frame.f_lasti), None)
    if now is None or now + 1 == len(code):
        return False
    in_place = code[now].opname == "BINARY_OP" and code[now].argrepr.endswith("=")
    return in_place or (code[now + 1].opname.startswith("STORE_") and code[now + 1].argval in names)


def _put(target: Any, key: str, value: Any) -> None:
    """Put something into a dictionary, a class or an object under a name."""
    if isinstance(target, dict):
        target[key] = value
    elif isinstance(target, type):
        setattr(target, key, value)
    else:
        object.__setattr__(target, key, value)


def _take_away(target: Any, key: str) -> None:
    if isinstance(target, dict):
        target.pop(key, None)
    elif isinstance(target, type):
        delattr(target, key)
    else:
        object.__delattr__(target, key)


def _state(value: Any) -> dict[str, Any]:
    """Return the attributes of an object, those in slots too."""
    slots = [slot for kind in type(value).__mro__ for slot in _slots(kind)]
    return {**{slot: getattr(value, slot) for slot in slots if hasattr(value, slot)}, **getattr(value, "__dict__", {})}


def _slots(kind: type) -> list[str]:
    names = vars(kind).get("__slots__", ())
    names = [names] if isinstance(names, str) else names
    return [name for name in names if name not in ("__dict__", "__weakref__") and not name.startswith("__")]


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names that code, and the code defined in it, may look up among the globals."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def clones_code(f: Any) -> bool:
    """Check that a function is not ours: what is composed of tensors runs as it is."""
    return _is_foreign(_globals_of(f))


def _is_foreign(space: dict[str, Any] | None) -> bool:
    return space is None or str(space.get("__name__")).partition(".")[0] != "micrograd"


def _decorates(f: Any) -> bool:
    """Check that a function is what a decorator of a library made of a user's, such as `np.errstate`."""
    return (
        isinstance(f, FunctionType)
        and isinstance(getattr(f, "__wrapped__", None), FunctionType)
        and not f.__code__.co_filename.startswith(PACKAGE)
        and not is_users_code(f.__code__.co_filename)
    )


def _globals_of(f: Any) -> dict[str, Any] | None:
    """Return the globals of what is traced."""
    while isinstance(f, (functools.partial, MethodType)) or _decorates(f):
        f = f.func if isinstance(f, functools.partial) else f.__func__ if isinstance(f, MethodType) else f.__wrapped__
    if not isinstance(f, FunctionType):
        f = getattr(type(f), "__call__", None)  # noqa: B004 - the method itself is wanted
    return getattr(f, "__globals__", None)
