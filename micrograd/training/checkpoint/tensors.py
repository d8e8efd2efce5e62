"""Read and write safetensors files: arrays by name and one JSON value; any other file is refused.

The format is eight bytes with the length of a JSON header, the header, and the bytes of the arrays. It is read and
written here because a name that comes twice must be refused, every refusal explained, and arrays not copied.
https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from micrograd.errors import CheckpointError, DTypeError
from micrograd.training.checkpoint.files import replace

__all__ = ["FORMAT", "read", "storable", "write"]

Array = np.ndarray[Any, Any]

FORMAT = 1
"""The version of what `state` puts into a file; a higher one is refused."""

_KEY = "micrograd"
_LONGEST_HEADER = 100_000_000  # that of safetensors
_LARGEST = 2**63
_MOST_AXES = 64  # that of NumPy
_DTYPES: dict[str, np.dtype[Any]] = {
    **{f"F{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
    **{f"I{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"U{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
    "BOOL": np.dtype(bool),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_FOREIGN = [
    (re.compile(rb"PK[\x03\x05\x07]"), "a zip file (.npz, .pt)"),
    (re.compile(rb"\x80[\x02-\x05]|[}\])]q|\([dlp]|c[a-zA-Z_.]+\n"), "a pickle"),
    (re.compile(rb"\x93NUMPY"), "an array of NumPy (.npy)"),
    (re.compile(rb"\x1f\x8b|BZh|\xfd7zXZ"), "a compressed file"),
    (re.compile(rb"\x89HDF"), "an HDF5 file"),
]


def storable(name: str, array: Any) -> Array:
    """Return the array as it goes into a file, in C order and little-endian. Raises DTypeError, with its name."""
    array = np.asarray(array)
    stored = array.dtype.newbyteorder("<")
    if stored not in _NAMES:
        raise DTypeError(
            f"{name} is {array.dtype}; a checkpoint holds float16, float32, float64, integers and bool. "
            "Keep it as one of these, a complex one as real and imaginary part."
        )
    return np.asarray(array, stored, order="C")


def write(path: Path, arrays: Mapping[str, Array], value: Any) -> None:
    """Write `arrays`, which are `storable`, and `value`, of JSON.

    Raises:
        CheckpointError: `value` is not JSON. OSError: the file cannot be written; an older one is as it was.
    """
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"extra cannot be written as JSON ({error}); use numbers, strings, lists and dicts, and arrays= for arrays."
        ) from None
    ordered = sorted(arrays.items(), key=lambda item: -item[1].itemsize)  # so that each begins at a multiple of its own
    header: dict[str, Any] = {"__metadata__": {_KEY: text}}
    end = 0
    for name, array in ordered:
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": _NAMES[array.dtype], "shape": array.shape, "data_offsets": [begin, end]}
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    start = len(encoded).to_bytes(8, "little") + encoded
    replace(path, [start, *(array.reshape(-1).view(np.uint8).data for _, array in ordered if array.size)])


def read(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the arrays, read-only, and the value of a file.

    Raises:
        CheckpointError: the file is damaged, foreign or of a newer format; the message lists all that is wrong.
        OSError: the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"the checkpoint {path} does not exist; save one first, or correct the path.") from None
    entries, value, start = _header(path.name, content)
    arrays: dict[str, Array] = {}
    for name, entry in entries.items():
        dtype, shape = _DTYPES[entry["dtype"]], entry["shape"]
        flat = np.frombuffer(content, dtype, math.prod(shape), start + entry["data_offsets"][0])
        arrays[name] = flat.reshape(shape)
    return arrays, value


class _TwiceError(ValueError):
    """Refuse a JSON object that has a name twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise _TwiceError(f"{name!r} comes twice")
    return found


def _parsed(file: str, what: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        reason = error if isinstance(error, _TwiceError) else f"not JSON ({error})"
        raise CheckpointError(f"{file}: {what}: {reason}.") from None
    if not isinstance(found, dict):
        raise CheckpointError(f"{file}: {what}: a {type(found).__name__}; expected an object.")
    return found


def _header(file: str, content: bytes) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Return the entries of the arrays, the value, and where the arrays begin. Raises CheckpointError."""
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or content[8:9] != b"{" or size > len(content) - 8:
        for magic, kind in _FOREIGN:
            if magic.match(content):
                raise CheckpointError(
                    f"{file}: this is {kind}, not a checkpoint of micrograd; micrograd never unpickles: "
                    "unpickling executes what the file says. Write it with micrograd.training.checkpoint.save."
                )
    if len(content) < 8:
        raise CheckpointError(f"{file}: truncated (the length of the header needs 8 bytes, file has {len(content)}).")
    if size > _LONGEST_HEADER:
        raise CheckpointError(
            f"{file}: not a safetensors file (a header of {size} bytes; at most {_LONGEST_HEADER} are allowed)."
        )
    if size > len(content) - 8:
        raise CheckpointError(f"{file}: truncated (header needs {size + 8} bytes, file has {len(content)}).")
    try:
        text = content[8 : 8 + size].decode("utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{file}: the header is not UTF-8 (byte {error.start + 8} of the file).") from None
    entries = _parsed(file, "the header", text)
    metadata = entries.pop("__metadata__", {})
    if wrong := _layout(entries, len(content) - 8 - size):
        raise CheckpointError(f"{file}: damaged; nothing was loaded. {len(wrong)} fault(s):\n  " + "\n  ".join(wrong))
    if not isinstance(metadata, dict) or not isinstance(metadata.get(_KEY), str):
        raise CheckpointError(
            f"{file}: a safetensors file, but not a checkpoint of micrograd (its metadata has no text {_KEY!r}). "
            "For arrays alone: model.load_state_dict(safetensors.numpy.load_file(path))."
        )
    value = _parsed(file, "the metadata", metadata[_KEY])
    version = value.get("format")
    if type(version) is not int or version < 1:
        raise CheckpointError(f"{file}: format {version!r}; expected a whole number from 1 to {FORMAT}.")
    if version > FORMAT:
        raise CheckpointError(f"{file}: written by format {version}, this reads <= {FORMAT}. Update micrograd.")
    return entries, value, 8 + size


def _whole(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) is int and 0 <= v < _LARGEST for v in values)


def _layout(entries: Mapping[str, Any], room: int) -> list[str]:
    """List what is wrong with the entries of a header before `room` bytes of data, a line for each fault."""
    wrong: list[str] = []
    spans: list[tuple[int, int, str]] = []
    for name, entry in entries.items():
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            wrong.append(f"{name}: expected dtype, shape and data_offsets; got {entry}")
            continue
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if dtype == "BF16":
            wrong.append(f"{name}: BF16, which NumPy does not have; it needs ml_dtypes or the jax loader")
        elif not isinstance(dtype, str) or dtype not in _DTYPES:
            wrong.append(f"{name}: dtype {dtype!r}; expected one of {', '.join(_DTYPES)}")
        elif not _whole(shape) or len(shape) > _MOST_AXES or math.prod(filter(None, shape)) * 8 >= _LARGEST:
            wrong.append(f"{name}: shape {shape}; expected at most {_MOST_AXES} sizes that fit in memory")
        elif not _whole(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
            wrong.append(f"{name}: data_offsets {offsets}; expected where it begins and ends")
        else:
            begin, end = offsets
            needed = math.prod(shape) * _DTYPES[dtype].itemsize
            if end - begin != needed:
                wrong.append(
                    f"{name}: {dtype} {tuple(shape)} needs {needed} bytes, its data_offsets hold {end - begin}"
                )
            spans.append((begin, end, name))
    return wrong or _gaps(sorted(spans), room)


def _gaps(spans: list[tuple[int, int, str]], room: int) -> list[str]:
    wrong, at, before = [], 0, "the header"
    for begin, end, name in spans:
        if begin > at:
            wrong.append(f"{name}: a hole of {begin - at} bytes after {before}")
        elif begin < at:
            wrong.append(f"{name}: overlaps {before} by {at - begin} bytes")
        at, before = max(at, end), name
    if at > room:
        wrong.append(f"truncated (the arrays need {at} bytes, the file has {room} for them)")
    elif at < room:
        wrong.append(f"{room - at} trailing bytes after the last array")
    return wrong
