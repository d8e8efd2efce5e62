"""Pack arguments as JSON, to be sent to the process that runs a student's code: over a pipe, never pickled."""

from __future__ import annotations

import base64
import importlib
import io
import sys
import types
from typing import Any

import numpy as np

from micrograd.errors import DTypeError

__all__ = ["packed", "unpacked"]


def packed(value: Any, what: str = "an argument") -> Any:
    """Return the value as JSON has it.

    Args:
        value: arrays, numbers, text, None, modules and what lies at the top of one, and tuples, lists and
            dictionaries of them.
        what: its name, for the message.

    Raises:
        DTypeError: something else lies in it.
    """
    if value is None or isinstance(value, (bool, str)) or type(value) is int:
        return value
    if isinstance(value, (float, np.floating)) and not isinstance(value, np.generic):
        return {"float": value.hex()}
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biufc":
        file = io.BytesIO()
        np.lib.format.write_array(file, np.asarray(value), allow_pickle=False)
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        return {kind: base64.b64encode(file.getvalue()).decode("ascii")}
    if isinstance(value, (tuple, list)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [packed(entry, f"{what}[{i}]") for i, entry in enumerate(value)]}
    if isinstance(value, types.ModuleType):
        return {"import": [value.__name__, ""]}
    if (at := _importable(value)) is not None:
        return {"import": at}
    if isinstance(value, dict):
        return {"dict": [[packed(key, what), packed(entry, f"{what}[{key!r}]")] for key, entry in value.items()]}
    raise DTypeError(
        f"{what} is a {type(value).__name__}, which cannot go to the process that runs the student's code; "
        "pass arrays, numbers, strings, and tuples, lists or dictionaries of them."
    )


def _importable(value: Any) -> list[str] | None:
    """Module and name of a function or class that another process can import."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not callable(value) or not isinstance(module, str) or not isinstance(name, str) or module == "__main__":
        return None
    return [module, name] if getattr(sys.modules.get(module), name, None) is value else None


def unpacked(value: Any) -> Any:
    """Return what `packed` made JSON of."""
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    match kind:
        case "float":
            return float.fromhex(content)
        case "array" | "scalar":
            array = np.lib.format.read_array(io.BytesIO(base64.b64decode(content)), allow_pickle=False)
            return array if kind == "array" else array[()]
        case "tuple":
            return tuple(map(unpacked, content))
        case "list":
            return list(map(unpacked, content))
        case "import":
            module = importlib.import_module(content[0])
            return getattr(module, content[1]) if content[1] else module
        case _:
            return {unpacked(key): unpacked(entry) for key, entry in content}
