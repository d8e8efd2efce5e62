"""Make machine code of the text of a function, kept on disk and in memory under a hash of all it depends on.

What is kept is the object file, in files of `micrograd.kept.store`. Loading one takes LLVM's linker, and neither its
optimiser nor its code generator.
"""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import llvmlite
import numpy as np

from micrograd.compiler import machine, runtime
from micrograd.compiler.machine.assembling import circumstances, object_of, python_function, vector_bytes, with_entry
from micrograd.kept.store import cache_info, clear_cache, open_store

__all__ = ["cache_info", "clear_cache", "load_or_compile"]

_lock = threading.RLock()  # LLVM's lock is one for all threads anyhow
_alive: WeakValueDictionary[str, Callable[..., Any]] = WeakValueDictionary()


def load_or_compile(source: str, kinds: Mapping[str, str]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return the machine code of a function, from memory, from disk, or from LLVM; and how it was had.

    That is a dictionary: ``seconds`` is what it took, ``from_disk`` is whether it was on disk.

    Two calls with the same text and kinds return the same function as long as somebody holds it. The function takes
    arguments of exactly these kinds, arrays in C order; it neither looks at their types nor converts.

    Args:
        source: the function, as `micrograd.compiler.codegen` prints it.
        kinds: what each argument is: ``i64`` for a whole number, ``*f32`` for an array of float32, and so on.

    Raises:
        UnprintedError: the text says something that no instruction is known for.
    """
    start = time.perf_counter()
    with _lock:
        header = _header(source, kinds)
        key = hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()
        from_disk = False
        function = _alive.get(key)
        if function is None:
            function = _from_disk(key, header)
            from_disk = function is not None
        if function is None:
            from micrograd.compiler.machine.printer import print_function  # what is on disk does without

            text, name = print_function(source, kinds, vector_bytes())
            made = object_of(with_entry(text, name, [*kinds.values()]))
            function = python_function(made)
            _to_disk(key, header, made)
        _alive[key] = function
    return function, {"seconds": time.perf_counter() - start, "from_disk": from_disk}


# ---- on disk ---------------------------------------------------------------------------------------------


def _from_disk(key: str, header: Mapping[str, Any]) -> Callable[..., Any] | None:
    with open_store() as store:
        payload = None if store is None else store.read(key, header)
        if store is None or payload is None:
            return None
        try:
            return python_function(payload)
        except Exception as error:  # noqa: BLE001 (whatever is wrong with a file, compiling is the answer)
            store.discard(key, f"cannot be loaded ({type(error).__name__}: {error})")
            return None


def _to_disk(key: str, header: Mapping[str, Any], made: bytes) -> None:
    with open_store() as store:
        if store is not None:
            store.write(key, header, made)


# ---- the key ---------------------------------------------------------------------------------------------


def _header(source: str, kinds: Mapping[str, str]) -> dict[str, Any]:
    """Return all that the machine code depends on."""
    return {"source": hashlib.sha256(source.encode()).hexdigest(), "kinds": dict(kinds), **_circumstances()}


@functools.cache
def _circumstances() -> dict[str, Any]:
    """Return versions, the processor, and the texts of what prints machine code and of what it inlines."""
    return {
        "micrograd": sys.modules["micrograd"].__version__,
        "llvmlite": llvmlite.__version__,
        "numpy": np.__version__,
        "python": f"{platform.python_implementation()} {sys.version}",
        "bits": struct.calcsize("P") * 8,
        **circumstances(),
        "printers": {room.__name__: _text_hash(Path(room.__path__[0])) for room in (machine, runtime)},
    }


def _text_hash(folder: Path) -> str:
    found = hashlib.sha256()
    for file in sorted(folder.glob("*.py")):
        found.update(file.read_bytes())
    return found.hexdigest()
