"""Files of checkpoints: every malformed one is refused with a reason, and a file is replaced whole or not at all."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import re
import stat
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micrograd import nn
from micrograd.errors import CheckpointError
from micrograd.training.checkpoint import files, load, peek, save

VALUE = json.dumps({"format": 1, "step": 0, "generators": {}})


def raw(header: dict[str, Any] | str | bytes, data: bytes = b"", size: int | None = None) -> bytes:
    """A file with this header."""
    text = json.dumps(header) if isinstance(header, dict) else header
    encoded = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(encoded) if size is None else size) + encoded + data


def of(*entries: tuple[str, str, list[int], list[int]], data: int = 0, **more: Any) -> bytes:
    header: dict[str, Any] = {"__metadata__": {"micrograd": VALUE}}
    for name, dtype, shape, offsets in entries:
        header[f"model.{name}"] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
    return raw({**header, **more}, bytes(data))


def saved_by(write: Callable[[Any], Any]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


TWICE = '{"model.a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "model.a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
MALFORMED: list[tuple[str, bytes, str]] = [
    ("empty", b"", r"truncated \(the length of the header needs 8 bytes, file has 0\)"),
    ("only a length", struct.pack("<Q", 8), r"truncated \(header needs 16 bytes, file has 8\)"),
    ("half a header", raw('{"a": 1', size=50), r"truncated \(header needs 58 bytes, file has 15\)"),
    ("huge header", raw("{}", size=1 << 40), r"not a safetensors file \(a header of 1099511627776 bytes; at most 100000000"),
    ("bad UTF-8", raw(b'{"\xff": 1}'), r"the header is not UTF-8 \(byte 10 of the file\)"),
    ("no JSON", raw("{nonsense}"), "the header: not JSON"),
    ("deep JSON", raw('{"a":' + "[" * 100_000), "the header: not JSON"),
    ("a list", raw("[1]"), "the header: a list; expected an object"),
    ("a name twice", raw(TWICE, bytes(4)), "the header: 'model.a' comes twice"),
    ("a field twice", raw('{"a": {"dtype": "F32", "dtype": "F64", "shape": [], "data_offsets": [0, 4]}}', bytes(4)), "the header: 'dtype' comes twice"),
    ("truncated data", of(("a", "F32", [4], [0, 16]), data=15), r"truncated \(the arrays need 16 bytes, the file has 15"),
    ("trailing bytes", of(("a", "F32", [4], [0, 16]), data=18), "2 trailing bytes after the last array"),
    ("a hole", of(("a", "F32", [1], [0, 4]), ("b", "F32", [1], [8, 12]), data=12), "model.b: a hole of 4 bytes after model.a"),
    ("a hole before", of(("a", "F32", [1], [4, 8]), data=8), "model.a: a hole of 4 bytes after the header"),
    ("overlap", of(("a", "F32", [2], [0, 8]), ("b", "F32", [2], [4, 12]), data=12), "model.b: overlaps model.a by 4 bytes"),
    ("BF16", of(("a", "BF16", [2], [0, 4]), data=4), "model.a: BF16, which NumPy does not have; it needs ml_dtypes or the jax loader"),
    ("no dtype", of(("a", "X9", [2], [0, 4]), data=4), "model.a: dtype 'X9'; expected one of F16, F32, F64"),
    ("dtype a list", of(("a", [], [2], [0, 4]), data=4), r"model.a: dtype \[\]; expected one of"),  # type: ignore[arg-type]
    ("negative size", of(("a", "F32", [-1], [0, 4]), data=4), r"model.a: shape \[-1\]; expected at most 64 sizes"),
    ("size true", of(("a", "F32", [True], [0, 4]), data=4), r"model.a: shape \[True\]; expected"),
    ("huge sizes", of(("a", "F32", [1 << 62, 1 << 62, 0], [0, 0])), "model.a: shape .*that fit in memory"),
    ("65 axes", of(("a", "F32", [1] * 65, [0, 4]), data=4), "expected at most 64 sizes"),
    ("size and offsets", of(("a", "F32", [3], [0, 8]), data=8), r"model.a: F32 \(3,\) needs 12 bytes, its data_offsets hold 8"),
    ("backwards", of(("a", "F32", [1], [4, 0]), data=4), r"model.a: data_offsets \[4, 0\]; expected where it begins and ends"),
    ("half offsets", of(("a", "F32", [1], [0]), data=4), "expected where it begins and ends"),
    ("no fields", of(**{"model.a": {"dtype": "F32"}}), "model.a: expected dtype, shape and data_offsets; got"),
    ("another program's", raw({}), "a safetensors file, but not a checkpoint of micrograd"),
    ("metadata a number", raw({"__metadata__": {"micrograd": 3}}), "its metadata has no text 'micrograd'"),
    ("metadata a list", raw({"__metadata__": []}), "its metadata has no text 'micrograd'"),
    ("metadata no JSON", raw({"__metadata__": {"micrograd": "{"}}), "the metadata: not JSON"),
    ("metadata twice", raw({"__metadata__": {"micrograd": '{"step": 1, "step": 2}'}}), "the metadata: 'step' comes twice"),
    ("metadata long number", raw({"__metadata__": {"micrograd": '{"step": ' + "9" * 5000 + "}"}}), "the metadata: not JSON"),
    *((f"pickle {p}", pickle.dumps({"a": np.ones(2), "b": [1] * 300}, p), "this is a pickle, not a checkpoint of micrograd; micrograd never unpickles") for p in range(6)),
    ("npz", saved_by(lambda f: np.savez(f, a=np.ones(2))), r"this is a zip file \(.npz, .pt\).* never unpickles"),
    ("npy", saved_by(lambda f: np.save(f, np.ones(2))), "this is an array of NumPy"),
    ("gzip", b"\x1f\x8b" + bytes(20), "this is a compressed file"),
    ("hdf5", b"\x89HDF\r\n\x1a\n" + bytes(20), "this is an HDF5 file"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), [m[1:] for m in MALFORMED], ids=[m[0] for m in MALFORMED])
def test_a_malformed_file_is_refused_and_told_why(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "ckpt.safetensors"
    path.write_bytes(content)
    for read in (peek, lambda p: load(p, nn.Linear(1, 1, rng=0))):
        with pytest.raises(CheckpointError, match=rf"(?s)ckpt\.safetensors: .*{message}"):
            read(path)


def test_all_faults_of_a_header_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_bytes(of(("a", "BF16", [2], [0, 4]), ("b", "F32", [-1], [4, 8]), data=8))
    with pytest.raises(CheckpointError) as caught:
        peek(path)
    lines = str(caught.value).splitlines()
    assert lines[0] == "c: damaged; nothing was loaded. 2 fault(s):"
    assert [line.split(":")[0] for line in lines[1:]] == ["  model.a", "  model.b"]


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (os.mkdir, (str(tmp_path / "sprung"),))

    for protocol in range(6):
        (tmp_path / "c").write_bytes(pickle.dumps(Trap(), protocol))
        with pytest.raises(CheckpointError, match="never unpickles"):
            peek(tmp_path / "c")
    assert not (tmp_path / "sprung").exists()
    pickle.loads((tmp_path / "c").read_bytes())
    assert (tmp_path / "sprung").exists()  # the trap works


def test_pytorch_files_are_not_unpickled(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    for new in (True, False):
        torch.save({"a": torch.ones(2)}, tmp_path / "c.pt", _use_new_zipfile_serialization=new)
        with pytest.raises(CheckpointError, match=r"this is a (zip file|pickle).*never unpickles"):
            peek(tmp_path / "c.pt")


def test_a_header_whose_length_looks_like_a_pickle(tmp_path: Path) -> None:
    """640 is 0x280, and a pickle of protocol 2 begins with 80 02."""
    entry = {"__metadata__": {"micrograd": VALUE}}
    text = json.dumps(entry).ljust(640)
    (tmp_path / "c").write_bytes(raw(text))
    assert (tmp_path / "c").read_bytes().startswith(b"\x80\x02")
    assert peek(tmp_path / "c").step == 0


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"the checkpoint .*c does not exist"):
        peek(tmp_path / "c")


# ---- damage ----------------------------------------------------------------------------------------------


def network(seed: int) -> nn.Module:
    return nn.mlp([2, 3, 2], dropout=0.5, batch_norm=True, rng=seed, dtype=np.float32)


def everything(model: nn.Module) -> dict[str, bytes]:
    found = {name: a.tobytes() for name, a in model.state_dict().items()}
    generator = next(layer.rng for layer in model.layers if isinstance(layer, nn.Dropout))
    return {**found, "generator": repr(generator.bit_generator.state).encode()}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "c"
    save(path, network(0), step=3)
    return path.read_bytes()


@given(data=st.data())
def test_a_damaged_file_is_refused_or_gives_exactly_what_it_holds(
    data: st.DataObject, good: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Compared with safetensors' own reading of the same bytes."""
    library = pytest.importorskip("safetensors.numpy")
    content = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= data.draw(st.integers(1, 255))
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))] + data.draw(st.binary(max_size=3))
    path = tmp_path_factory.mktemp("damaged") / "c"
    path.write_bytes(content)
    model = network(1)
    before = everything(model)
    try:
        load(path, model)
    except CheckpointError:
        assert everything(model) == before
    else:
        held = {name.removeprefix("model."): a.tobytes() for name, a in library.load(bytes(content)).items()}
        found = everything(model)
        assert {name: found[name] for name in held} == held


@given(cut=st.integers(0, 10_000))
def test_a_truncated_file_is_always_refused(cut: int, good: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("cut") / "c"
    path.write_bytes(good[: cut % len(good)])
    with pytest.raises(CheckpointError):
        load(path, network(1))


# ---- one file replaces another ---------------------------------------------------------------------------


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "c", network(0), step=1)
    before = (tmp_path / "c").read_bytes()

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for call in ("fsync", "replace"):
        with monkeypatch.context() as patched:
            patched.setattr(os, call, full)
            with pytest.raises(OSError, match="No space left"):
                save(tmp_path / "c", network(1), step=2)
        assert (tmp_path / "c").read_bytes() == before
        assert os.listdir(tmp_path) == ["c"]


def test_the_bytes_are_on_the_disk_before_the_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def replaced(old: Any, new: Any) -> None:
        calls.append("replace")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    save(tmp_path / "c", network(0))
    assert calls == ["file", "replace", "folder"][: 3 if os.name == "posix" else 2]


def test_short_writes_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(io.FileIO):
        def write(self, part: Any) -> int:
            return super().write(bytes(part[:7]))

    monkeypatch.setattr(files, "open", lambda descriptor, *_, **__: Slow(descriptor, "w"), raising=False)
    files.replace(tmp_path / "c", [b"", b"0123456789" * 5, np.arange(9).data])
    monkeypatch.undo()
    assert (tmp_path / "c").read_bytes() == b"0123456789" * 5 + np.arange(9).tobytes()


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_permissions_are_those_of_a_new_file(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        files.replace(tmp_path / "c", [b"x"])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "c").stat().st_mode) == 0o666 & ~umask


@pytest.mark.skipif(os.name != "posix", reason="symbolic links")
def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "c").symlink_to(tmp_path / "there" / "real")
    files.replace(tmp_path / "c", [b"x"])
    assert (tmp_path / "c").is_symlink()
    assert (tmp_path / "there" / "real").read_bytes() == b"x"


LEAVES = """
import os, sys
from pathlib import Path
from micrograd.training.checkpoint import files
descriptor, temporary = files._begin(Path(sys.argv[1]))
print(temporary.name, flush=True)
if sys.argv[2] == "wait":
    sys.stdin.read()
os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_what_killed_writers_left_is_removed_and_what_living_ones_write_is_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LEAVES, str(tmp_path / "c")]
    subprocess.run([*command, "go"], check=False, stdout=subprocess.DEVNULL)
    with subprocess.Popen([*command, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as alive:
        assert alive.stdout is not None
        held = alive.stdout.readline().strip()
        (tmp_path / ".c.mine.tmp").touch()  # another's, by its name
        assert len(os.listdir(tmp_path)) == 3
        files.replace(tmp_path / "c", [b"x"])
        assert set(os.listdir(tmp_path)) == {"c", held, ".c.mine.tmp"}
        alive.communicate("")
    files.replace(tmp_path / "c", [b"y"])
    assert set(os.listdir(tmp_path)) == {"c", ".c.mine.tmp"}


def test_without_locks_only_old_leftovers_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_LOCKS", None)
    old, young = (tmp_path / f".c.{n * 16}.tmp" for n in "ab")
    old.touch()
    young.touch()
    os.utime(old, (0, 0))
    files.replace(tmp_path / "c", [b"x"])
    assert set(os.listdir(tmp_path)) == {"c", young.name}


def test_a_temporary_file_swept_away_before_it_was_locked_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if files._LOCKS is None:
        pytest.skip("no locks here")
    lost: list[str] = []

    class Locks:
        LOCK_EX, LOCK_NB = files._LOCKS.LOCK_EX, files._LOCKS.LOCK_NB

        @staticmethod
        def flock(file: Any, how: int) -> None:
            if not lost:
                lost.extend(os.listdir(tmp_path))
                os.unlink(tmp_path / lost[0])

    monkeypatch.setattr(files, "_LOCKS", Locks)
    files.replace(tmp_path / "c", [b"x"])
    assert re.fullmatch(r"\.c\.[0-9a-f]{16}\.tmp", lost[0])
    assert os.listdir(tmp_path) == ["c"]
    assert (tmp_path / "c").read_bytes() == b"x"
