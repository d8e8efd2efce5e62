"""Make machine code of LLVM's text, and a Python function of that.

The function takes arrays as they are, reads where their numbers lie from the objects themselves, and gives the
interpreter free while it runs. It neither looks at types nor converts: its caller passes what the text was printed for.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from micrograd.compiler.machine.values import UnprintedError

__all__ = [
    "circumstances",
    "data_offset",
    "module_of",
    "object_of",
    "python_function",
    "target",
    "vector_bytes",
    "with_entry",
]

_LEVEL = 2
_ENTRY = "micrograd_entry"
_numbers = itertools.count()  # a library of one name is linked once in a process


@functools.cache
def target() -> Any:
    """Return LLVM's description of this processor."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=_LEVEL, reloc="pic"
    )


@functools.cache
def vector_bytes() -> int:
    """Return how many bytes a vector of this processor has."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f") and features.get("avx512bw") and features.get("avx512vl"):
        return 64
    return 32 if features.get("avx2") else 16


@functools.cache
def circumstances() -> dict[str, Any]:
    """Return what machine code depends on besides its text."""
    return {
        "llvm": list(llvm.llvm_version_info),
        "processor": [llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()],
        "head": data_offset(),
    }


@functools.cache
def data_offset() -> int:
    """Return how far into an array's object the address of its first entry stands.

    Raises:
        UnprintedError: on an interpreter whose objects are not laid out so.
    """
    head = object.__basicsize__
    for array in (np.zeros(3), np.arange(6.0).reshape(2, 3)[:, 1:]):
        if ctypes.c_void_p.from_address(id(array) + head).value != array.ctypes.data:
            raise UnprintedError("arrays whose memory stands elsewhere in their objects")
    return head


def with_entry(text: str, name: str, kinds: Sequence[str]) -> str:
    """Return the text with an entry that Python calls: ``METH_FASTCALL``, integers and arrays in, an integer out."""
    head, lines, operands = data_offset(), [], []
    for n, kind in enumerate(kinds):
        lines.append(f"  %p{n} = getelementptr ptr, ptr %args, i64 {n}")
        lines.append(f"  %o{n} = load ptr, ptr %p{n}")
        if kind == "i64":
            lines.append(f"  %a{n} = call i64 @PyLong_AsLongLong(ptr %o{n})")
            operands.append(f"i64 %a{n}")
        else:
            lines.append(f"  %w{n} = getelementptr i8, ptr %o{n}, i64 {head}")
            lines.append(f"  %a{n} = load ptr, ptr %w{n}")
            operands.append(f"ptr %a{n}")
    return "\n".join([
        text,
        f"define ptr @{_ENTRY}(ptr %self, ptr %args, i64 %count) {{",
        *lines,
        "  %state = call ptr @PyEval_SaveThread()",
        f"  %result = call i64 @{name}({', '.join(operands)})",
        "  call void @PyEval_RestoreThread(ptr %state)",
        "  %number = call ptr @PyLong_FromLongLong(i64 %result)",
        "  ret ptr %number",
        "}",
        "declare i64 @PyLong_AsLongLong(ptr)",
        "declare ptr @PyLong_FromLongLong(i64)",
        "declare ptr @PyEval_SaveThread()",
        "declare void @PyEval_RestoreThread(ptr)",
        "",
    ])  # fmt: skip


def module_of(text: str) -> Any:
    """Return a module of LLVM's, its variables in registers."""
    module, machine = llvm.parse_assembly(text), target()
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    module.verify()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(_LEVEL))
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.run(module, builder)
    return module


def object_of(text: str) -> bytes:
    """Return the machine code of a module, as an object file."""
    return bytes(target().emit_object(module_of(text)))


class _Method(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


_FASTCALL = 0x80
_new = ctypes.pythonapi.PyCFunction_NewEx
_new.restype, _new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


@functools.cache
def _linker() -> Any:
    return llvm.create_lljit_compiler(target())


def python_function(made: bytes) -> Callable[..., Any]:
    """Return a Python function that runs an object file's entry; the code is freed when the function dies."""
    builder = llvm.JITLibraryBuilder().add_object_img(made).add_current_process()
    library = builder.export_symbol(_ENTRY).link(_linker(), f"micrograd{next(_numbers)}")
    method = _Method(_ENTRY.encode(), library[_ENTRY], _FASTCALL, None)
    function: Callable[..., Any] = _new(ctypes.addressof(method), None, None)
    weakref.finalize(function, _let_go, library, method).atexit = False
    return function


def _let_go(library: Any, method: Any) -> None:
    del method
    library.close()
