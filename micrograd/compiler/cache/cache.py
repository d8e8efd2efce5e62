"""Make machine code of the text of a function, kept on disk and in memory under a hash of all it depends on.

What Numba makes of a function is kept as Numba itself serialises it (`CompileResult._reduce`), in files of
`micrograd.kept.store`. Loading one needs Numba's code generator and its runtime, and nothing of its type
inference, whose start takes most of the time of a first compilation.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import inspect
import json
import pickle
import platform
import struct
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from weakref import WeakValueDictionary

import llvmlite
import numba
import numpy as np
from numba import config, njit
from numba.core.compiler import CompileResult
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys
from numba.core.serialize import dumps

from micrograd.kept.store import cache_info, clear_cache, open_store

__all__ = ["cache_info", "clear_cache", "load_or_compile"]

_FLAGS: Mapping[str, Any] = {"nogil": True, "error_model": "numpy"}
_SETTINGS = (
    "BOUNDSCHECK",
    "OPT",
    "LOOP_VECTORIZE",
    "SLP_VECTORIZE",
    "USING_SVML",
    "DEBUGINFO_DEFAULT",
    "LLVM_REFPRUNE_PASS",
)
_PLAIN = (bool, int, float, str, bytes, type(None), np.generic)
_lock = threading.RLock()  # Numba compiles one function at a time anyhow
_alive: WeakValueDictionary[str, Callable[..., Any]] = WeakValueDictionary()


def load_or_compile(
    source: str, entry: str, signature: Any, namespace: Mapping[str, Any], flags: Mapping[str, Any] | None = None
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return the machine code of a function, from memory, from disk, or from Numba; and how it was had.

    That is a dictionary: ``seconds`` is what it took, ``from_disk`` is whether it was on disk.

    Two calls with the same text, types, helpers and flags return the same function as long as somebody holds it.
    The function takes arguments of exactly the types of the signature; it neither looks at their types nor converts.

    Args:
        source: Python that defines the function.
        entry: its name.
        signature: the types of the arguments and of the result, as Numba's signature or its text.
        namespace: what the source may refer to: modules, types, numbers, and functions of modules of this package,
            whose sources go into the key. Numba makes constants of them.
        flags: options of `numba.njit`, besides ``nogil`` and ``error_model="numpy"``.

    Raises:
        TypeError: something in the namespace that has no place in a key.
    """
    start = time.perf_counter()
    flags = {**_FLAGS, **(flags or {})}
    with _lock:
        if config.DISABLE_JIT:
            return _function(source, entry, entry, namespace), {
                "seconds": time.perf_counter() - start,
                "from_disk": False,
            }
        header = _header(source, entry, signature, namespace, flags)
        key = hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()
        from_disk = False
        function = _alive.get(key)
        if function is None:
            function = _from_disk(key, header)
            from_disk = function is not None
        if function is None:
            # The name is part of the symbols of the machine code, which must not clash with those of another function.
            with _collector_at_rest():
                dispatcher = njit(signature, **flags)(_function(source, entry, f"{entry}_{key[:16]}", namespace))
            result = dispatcher.overloads[dispatcher.signatures[0]]
            function = result.entry_point
            _to_disk(key, header, result)
        _alive[key] = function
    return function, {"seconds": time.perf_counter() - start, "from_disk": from_disk}


@contextlib.contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Switch the garbage collector off: a compiler makes little garbage, and looking for it is a tenth of its time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _function(source: str, entry: str, name: str, namespace: Mapping[str, Any]) -> Callable[..., Any]:
    made: dict[str, Any] = {**namespace, "__name__": __name__}  # a module that exists: Numba looks it up when loading
    exec(compile(source, f"<micrograd {entry}>", "exec"), made)  # noqa: S102 (printed by this package)
    function: Callable[..., Any] = made[entry]
    function.__name__ = function.__qualname__ = name
    return function


# ---- on disk ---------------------------------------------------------------------------------------------


def _from_disk(key: str, header: Mapping[str, Any]) -> Callable[..., Any] | None:
    with open_store() as store:
        payload = None if store is None else store.read(key, header)
        if store is None or payload is None:
            return None
        try:
            rtsys.initialize(cpu_target.target_context)  # what unpacks the arguments of a call calls it
            function: Callable[..., Any] = CompileResult._rebuild(
                cpu_target.target_context,
                *pickle.loads(payload),  # noqa: S301 (ours alone; verified)
            ).entry_point
        except Exception as error:  # noqa: BLE001 (whatever is wrong with a file, compiling is the answer)
            store.discard(key, f"cannot be loaded ({type(error).__name__}: {error})")
            return None
        return function


def _to_disk(key: str, header: Mapping[str, Any], result: Any) -> None:
    with open_store() as store:
        if store is not None:
            store.write(key, header, dumps(result._reduce()))


# ---- the key ---------------------------------------------------------------------------------------------


def _header(
    source: str, entry: str, signature: Any, namespace: Mapping[str, Any], flags: Mapping[str, Any]
) -> dict[str, Any]:
    """Return all that the machine code depends on."""
    constants, modules = {}, set()
    for name, value in sorted(namespace.items()):
        if isinstance(value, _PLAIN):
            constants[name] = f"{type(value).__name__} {value!r}"
        elif isinstance(value, types.ModuleType) and _known(value.__name__):
            constants[name] = value.__name__
            modules.add(value.__name__)
        elif _known(home := _home(value)):
            constants[name] = f"{home}.{getattr(value, '__qualname__', getattr(value, '__name__', name))}"
            modules.add(home)
        else:
            raise TypeError(
                f"{name} = {value!r} cannot be a constant of machine code, being neither a number nor from a module of "
                "micrograd, NumPy or Numba; pass it as an argument"
            )
    return {
        "source": hashlib.sha256(source.encode()).hexdigest(),
        "entry": entry,
        "signature": str(signature),
        "flags": {name: repr(value) for name, value in sorted(flags.items())},
        "constants": constants,
        "helpers": {name: _text_hash(name) for name in sorted(_with_imports(modules))},
        **_circumstances(),
    }


def _home(value: Any) -> str:
    """Return the module that a function, a class or one of Numba's functions was defined in."""
    home = getattr(getattr(value, "__wrapped__", value), "__module__", None) if callable(value) else None
    return home if isinstance(home, str) else ""


def _known(module: str) -> bool:
    """Return whether its text, or its version, is part of the key."""
    return _ours(module) or module.partition(".")[0] in ("builtins", "math", "numba", "numpy")


@functools.cache
def _circumstances() -> dict[str, Any]:
    """Return versions, settings and processor."""
    return {
        "micrograd": sys.modules["micrograd"].__version__,
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "numpy": np.__version__,
        "python": f"{platform.python_implementation()} {sys.version}",
        "bits": struct.calcsize("P") * 8,
        "settings": {name: repr(getattr(config, name, None)) for name in _SETTINGS},
        "processor": [str(part) for part in cpu_target.target_context.codegen().magic_tuple()],
    }


def _ours(name: str) -> bool:
    return name.partition(".")[0] == "micrograd"


def _with_imports(modules: set[str]) -> set[str]:
    """Return those modules of ours, and the modules of ours that their functions come from, and so on."""
    found: set[str] = set()
    waiting = [name for name in modules if _ours(name)]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _sources(name)
    return found


@functools.cache
def _sources(module: str) -> tuple[str, ...]:
    values = list(vars(sys.modules[module]).values())
    homes = {value.__name__ if isinstance(value, types.ModuleType) else _home(value) for value in values}
    return tuple(sorted(home for home in homes if home and _ours(home) and home != "micrograd"))


@functools.cache
def _text_hash(module: str) -> str:
    return hashlib.sha256(inspect.getsource(sys.modules[module]).encode()).hexdigest()
