"""Machine code on disk: found again, never believed when it should not be, and never a reason to fail."""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compiled import LOOP
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")
pytest.importorskip("platformdirs")

import micrograd as mg
from micrograd.cli import main
from micrograd.compiler import tuning
from micrograd.compiler.cache import cache
from micrograd.compiler.cache.cache import load_or_compile
from micrograd.compiler.machine.values import UnprintedError
from micrograd.compiler.runtime import settings as settings_module
from micrograd.compiler.runtime.settings import Settings
from micrograd.kept import store
from micrograd.kept.store import CacheWarning, cache_info, clear_cache, open_store

POSIX = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners and modes as on POSIX")
KINDS = {"n": "i64", "x": "*f64", "out": "*f64"}
HEADER = {"source": "s", "llvmlite": "1"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of its own for each test, and a process that has seen nothing yet."""
    monkeypatch.setenv("MICROGRAD_CACHE_DIR", str(tmp_path / "kernels"))
    monkeypatch.setattr(store, "_told", set())
    monkeypatch.setattr(store, "_swept", set())
    cache._alive.clear()
    yield tmp_path / "kernels"
    cache._alive.clear()


def forget() -> None:
    """What a new process knows: nothing."""
    cache._alive.clear()


def had(expression: str, kinds: dict[str, str] = KINDS) -> tuple[Callable[..., Any], bool]:
    function, how = load_or_compile(LOOP.format(expression), kinds)
    return function, how["from_disk"]


def at(function: Callable[..., Any], *x: float) -> list[float]:
    out = np.empty(len(x))
    function(len(x), np.array(x), out)
    return out.tolist()


def only(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


@pytest.fixture
def kept(folder: Path) -> Path:
    """A file, in a folder, as `Store` writes it."""
    with open_store() as opened:
        assert opened is not None
        opened.write("name", HEADER, b"payload" * 100)
    return only(folder)


def read(name: str = "name", header: dict[str, Any] = HEADER) -> bytes | None:
    with open_store() as opened:
        return None if opened is None else opened.read(name, header)


# ---- found again -----------------------------------------------------------------------------------------


def test_a_function_is_compiled_once_and_then_found(folder: Path) -> None:
    function, from_disk = had("2.0 * x[i]")
    assert not from_disk
    assert at(function, 1.0, 4.0) == [2.0, 8.0]
    assert had("2.0 * x[i]") == (function, False)  # in memory
    del function
    forget()
    again, from_disk = had("2.0 * x[i]")
    assert from_disk
    assert at(again, 1.0, 4.0) == [2.0, 8.0]
    assert cache_info()[:2] == (folder, 1)


def test_functions_of_one_name_do_not_take_each_others_place() -> None:
    had("x[i] + 1.0"), had("x[i] + 2.0")
    forget()
    (one, _), (two, _), (three, compiled) = had("x[i] + 1.0"), had("x[i] + 2.0"), had("x[i] + 3.0")
    assert not compiled
    assert [at(f, 10.0) for f in (one, two, three)] == [[11.0], [12.0], [13.0]]


def test_functions_of_this_package_are_found_with_it() -> None:
    text = "exp64(x[i]) * f64(0.5) + f64(1)"
    before = at(had(text)[0], 0.25, -3.0, np.nan)
    forget()
    function, from_disk = had(text)
    assert from_disk
    assert np.array_equal(at(function, 0.25, -3.0, np.nan), before, equal_nan=True)


def test_what_the_code_depends_on_is_in_the_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not had("f64(0.5) * x[i]")[1]

    def count() -> int:
        forget()
        return cache_info().files

    assert at(had("f64(0.25) * x[i]")[0], 1.0) == [0.25]
    assert count() == 2
    had("f64(0.5) * x[i]", {**KINDS, "x": "*f32"})
    assert count() == 3
    now = cache._circumstances()
    parts = ("llvm", "llvmlite", "numpy", "python", "micrograd", "processor", "bits", "head", "printers")
    assert set(parts) == set(now)
    for part in parts:
        monkeypatch.setattr(cache, "_circumstances", lambda part=part: {**now, part: "another"})
        assert not had("f64(0.5) * x[i]")[1], part
        monkeypatch.undo()
        monkeypatch.setenv("MICROGRAD_CACHE_DIR", str(folder))
        monkeypatch.setattr(store, "_told", set())
        forget()
    assert count() == 3 + len(parts)
    assert had("f64(0.5) * x[i]")[1]  # and what has not changed is found


def test_an_edited_printer_is_in_the_key(tmp_path: Path) -> None:
    (tmp_path / "printer.py").write_text("one")
    before = cache._text_hash(tmp_path)
    assert cache._text_hash(tmp_path) == before
    (tmp_path / "printer.py").write_text("two")
    assert cache._text_hash(tmp_path) != before


def test_nobody_holds_a_function_that_its_user_has_dropped() -> None:
    function, _ = had("x[i] - 1.0")
    gone = weakref.ref(function)
    assert len(cache._alive) == 1
    del function
    gc.collect()
    assert gone() is None
    assert len(cache._alive) == 0


@pytest.mark.parametrize("value", ["", "off"])
def test_the_cache_can_be_switched_off(value: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("MICROGRAD_CACHE_DIR", value)
    assert at(had("x[i] * 9.0")[0], 1.0) == [9.0]
    forget()
    assert not had("x[i] * 9.0")[1]
    assert cache_info() == (None, 0, 0)
    assert clear_cache() == 0
    assert not folder.exists()


def test_the_folder_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import platformdirs

    monkeypatch.delenv("MICROGRAD_CACHE_DIR")
    assert store.location() == platformdirs.user_cache_path("micrograd", appauthor=False)
    monkeypatch.setenv("MICROGRAD_CACHE_DIR", "~/kernels")
    assert store.location() == Path.home() / "kernels"
    monkeypatch.delenv("MICROGRAD_CACHE_DIR")
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    with pytest.warns(CacheWarning, match="for want of platformdirs: pip install platformdirs"):
        assert store.location() is None


def test_information_and_clearing(folder: Path, kept: Path) -> None:
    (folder / "notes.txt").write_text("not ours")
    (folder / "begun.123.tmp").write_bytes(b"half")
    assert cache_info() == (folder, 1, kept.stat().st_size + 4)
    assert clear_cache() == 1
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    assert cache_info() == (folder, 0, 0)


def test_asking_makes_no_folder(folder: Path) -> None:
    assert cache_info() == (folder, 0, 0)
    assert clear_cache() == 0
    assert not folder.exists()


# ---- never believed when it should not be ------------------------------------------------------------------


@POSIX
def test_folder_and_files_are_private(folder: Path, kept: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert read() == b"payload" * 100


@pytest.mark.filterwarnings("ignore::micrograd.kept.store.CacheWarning")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_is_removed_and_not_used(kept: Path, data: st.DataObject) -> None:
    with open_store() as opened:
        assert opened is not None
        opened.write("name", HEADER, b"payload" * 100)
    content = kept.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    kind = data.draw(st.sampled_from(["cut", "bit", "more", "hole"]))
    if kind == "cut":
        damaged = content[:place]
    elif kind == "bit":
        damaged = content[:place] + bytes([content[place] ^ (1 << data.draw(st.integers(0, 7)))]) + content[place + 1 :]
    elif kind == "more":
        damaged = content + data.draw(st.binary(min_size=1, max_size=9))
    else:
        damaged = content[:place] + content[place + 1 :]
    kept.write_bytes(damaged)
    assert (read() == b"payload" * 100) == (damaged == content)
    assert kept.exists() == (damaged == content)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: b"", "is damaged, or no file of micrograd's"),
        (lambda content: b"PK\x03\x04" + content, "is damaged, or no file of micrograd's"),
        (lambda content: content[:-1], r"is damaged \(699 bytes, 700 expected\)"),
        (lambda content: content[:-1] + b"!", r"is damaged \(its SHA-256 is not what it says\)"),
        (lambda content: content.replace(b'"llvmlite": "1"', b'"llvmlite": "2"'), "was made for another llvmlite"),
        (lambda content: content.replace(b'{"', b"[]", 1), "is damaged"),
    ],
)
def test_what_is_wrong_is_said_once_with_the_path(kept: Path, change: Any, words: str) -> None:
    content = change(kept.read_bytes())
    for _ in range(2):
        kept.write_bytes(content)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            assert read() is None
        assert not kept.exists()
        if _ == 0:
            (warning,) = told
            pattern = f"^cache file {kept} {words}; it is removed, and the function compiled anew$"
            with pytest.warns(CacheWarning, match=pattern):
                warnings.warn(warning.message, stacklevel=1)
        else:
            assert told == []


def test_what_the_check_cannot_see(kept: Path) -> None:
    """Whoever may write there can make a file that is believed: hence the rights of folder and files."""
    kept.write_bytes(store._content(HEADER, b"evil"))
    kept.chmod(0o600)
    assert read() == b"evil"


def test_machine_code_that_cannot_be_loaded_is_compiled_anew(folder: Path) -> None:
    had("x[i] + 5.0")
    file = only(folder)
    content = file.read_bytes()
    start = len(store._MAGIC) + 4
    size = int.from_bytes(content[start - 4 : start], "little")
    header = json.loads(content[start : start + size])
    del header["sha256"], header["length"]
    file.write_bytes(store._content(header, b"no object"))
    forget()
    with pytest.warns(CacheWarning, match=r"cannot be loaded \(.*removed, and the function compiled anew"):
        function, from_disk = had("x[i] + 5.0")
    assert not from_disk
    assert at(function, 1.0) == [6.0]
    forget()
    assert had("x[i] + 5.0")[1]


@POSIX
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777, 0o702])
def test_a_folder_that_others_can_write_is_refused(folder: Path, kept: Path, mode: int) -> None:
    folder.chmod(mode)
    with pytest.warns(CacheWarning) as told:
        assert read() is None
    assert str(told[0].message) == (
        f"cache {folder} is writable by others; its contents are executed. chmod 700 or set MICROGRAD_CACHE_DIR."
    )
    assert kept.exists()
    with open_store() as opened:
        assert opened is None  # and it is not said again
    folder.chmod(0o700)
    assert read() is not None


@POSIX
def test_a_folder_that_others_can_only_read_is_fine(folder: Path, kept: Path) -> None:
    folder.chmod(0o755)
    assert read() is not None


@POSIX
def test_a_folder_of_another_user_is_refused(folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.warns(
        CacheWarning, match=f"^cache {folder} belongs to another user; its contents are executed. Set MICRO"
    ):
        assert read() is None
    assert kept.exists()


@POSIX
def test_a_folder_that_is_a_link_is_refused(
    folder: Path, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.setenv("MICROGRAD_CACHE_DIR", str(tmp_path / "link"))
    with pytest.warns(CacheWarning, match=f"^cache {tmp_path / 'link'} is a symbolic link; its contents are executed"):
        assert read() is None
    assert kept.exists()


@POSIX
def test_a_file_that_others_can_write_is_not_read(kept: Path) -> None:
    kept.chmod(0o666)
    with pytest.warns(CacheWarning, match=f"^cache file {kept} is writable by others; its contents are executed"):
        assert read() is None
    assert not kept.exists()


@POSIX
@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_file_is_not_read(kept: Path, kind: str, tmp_path: Path) -> None:
    content = kept.read_bytes()
    kept.unlink()
    if kind == "link":
        (tmp_path / "elsewhere").write_bytes(content)
        kept.symlink_to(tmp_path / "elsewhere")
    elif kind == "pipe":
        os.mkfifo(kept, 0o600)
    else:
        kept.mkdir()
    with pytest.warns(CacheWarning, match=f"^cache file {kept} (cannot be read|is not a file)"):
        assert read() is None
    assert kind == "folder" or not os.path.lexists(kept)


def test_without_descriptors_of_folders(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""
    monkeypatch.setattr(store, "_POSIX", False)
    with open_store() as opened:
        assert opened is not None
        opened.write("name", HEADER, b"payload")
        assert opened.read("name", HEADER) == b"payload"
        assert [path.name for path in folder.iterdir()] == list(opened.files()) == ["name.kernel"]
        assert opened.clear() == 1


# ---- never a reason to fail --------------------------------------------------------------------------------


def failing(code: int) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize(("call", "code"), [("fsync", 28), ("replace", 13), ("mkdir", 30), ("open", 13)])
def test_a_disk_that_takes_nothing(call: str, code: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, no rights, a home that can only be read."""
    monkeypatch.setattr(os, call, failing(code))
    words = (
        f"cache {folder} cannot be used ({os.strerror(code)}); functions are compiled anew in each process. "
        "Set MICROGRAD_CACHE_DIR to another folder, or to off."
    )
    with pytest.warns(CacheWarning, match=f"^{re.escape(words)}$"):
        function, _ = had("x[i] + 7.0")
    had("x[i] + 8.0")  # without another word
    assert at(function, 1.0) == [8.0]
    monkeypatch.undo()
    assert not folder.exists() or list(folder.iterdir()) == []


def test_a_file_in_the_place_of_the_folder(folder: Path) -> None:
    folder.write_text("in the way")
    with pytest.warns(CacheWarning, match=r"cannot be used \("):
        assert at(had("x[i] + 9.0")[0], 1.0) == [10.0]
    assert folder.read_text() == "in the way"


@POSIX
def test_a_writer_that_is_killed_leaves_whole_files_and_nothing_for_ever(folder: Path) -> None:
    """Killed sixty times, at any moment of writing two megabytes."""
    program = f"""
import os, random, signal, sys, time
from micrograd.kept.store import open_store
payload = bytes(range(256)) * 8192
start = time.perf_counter()
with open_store() as opened:
    opened.write("name", {HEADER!r}, payload)
seconds = time.perf_counter() - start
for turn in range(60):
    child = os.fork()
    if child == 0:
        while True:
            with open_store() as opened:
                opened.write("name", {HEADER!r}, payload)
    time.sleep(random.uniform(0, 2 * seconds))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with open_store() as opened:
        assert opened.read("name", {HEADER!r}) == payload
"""
    ran = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    left = [path for path in folder.iterdir() if path.suffix == ".tmp"]
    assert left, "no writer was killed while it wrote: the test shows nothing"
    for path in left:
        os.utime(path, (0, time.time() - 2 * 3600))
    with open_store() as opened:
        assert opened is not None
        opened.write("other", HEADER, b"payload")
    assert sorted(path.suffix for path in folder.iterdir()) == [".kernel", ".kernel"]


def test_a_writer_at_work_is_left_alone(folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_swept", set())
    begun, forgotten = folder / "name.1.tmp", folder / "old.kernel"
    begun.write_bytes(b"half")
    forgotten.write_bytes(b"")
    os.utime(forgotten, (0, time.time() - 100 * 24 * 3600))
    os.utime(kept, (0, time.time() - 80 * 24 * 3600))
    assert read() is not None  # which is to use it
    assert time.time() - kept.stat().st_mtime < 60
    with open_store() as opened:
        assert opened is not None
        opened.write("other", HEADER, b"payload")
    assert sorted(path.name for path in folder.iterdir()) == ["name.1.tmp", "name.kernel", "other.kernel"]


PROGRAM = """
import sys, time
import numpy as np
from micrograd.compiler.cache import cache
{before}
function, had = cache.load_or_compile({source!r}, {kinds!r})
x = np.array([1.0, 2.0])
out = np.empty(2)
function(2, x, out)
print(had["from_disk"], out.tolist())
"""


def process(expression: str, before: str = "") -> subprocess.Popen[str]:
    program = PROGRAM.format(source=LOOP.format(expression), kinds=KINDS, before=before)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@POSIX
def test_a_process_that_is_killed_and_those_after_it(folder: Path) -> None:
    kill = "import os, signal; os.replace = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)"
    killed = process("x[i] * 3.0", kill)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert only(folder).suffix == ".tmp"
    for expected in ("False [3.0, 6.0]\n", "True [3.0, 6.0]\n"):
        after = process("x[i] * 3.0")
        assert after.communicate() == (expected, "")
    assert sorted(path.suffix for path in folder.iterdir()) == [".kernel", ".tmp"]


def test_processes_that_compile_the_same_at_the_same_time(folder: Path) -> None:
    go = folder.parent / "go"
    both = [
        process("x[i] * 5.0", f"import os\nwhile not os.path.exists({str(go)!r}): time.sleep(0.001)") for _ in range(2)
    ]
    go.touch()
    for one in both:
        said, complained = one.communicate()
        assert said.split(maxsplit=1)[1] == "[5.0, 10.0]\n", complained
        assert complained == ""
    assert only(folder).suffix == ".kernel"
    assert at(had("x[i] * 5.0")[0], 1.0) == [5.0]


def test_what_no_instruction_is_known_for_is_refused() -> None:
    for text, words in (("x[i] + unknown", "unknown before it has a value"), ("np.angle(x[i])", r"np\.angle")):
        with pytest.raises(UnprintedError, match=words):
            had(text)


# ---- the command line ------------------------------------------------------------------------------------


def test_the_command_says_what_is_kept_and_clears_it(
    folder: Path, kept: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from micrograd.cli import main

    size = kept.stat().st_size
    assert main(["cache"]) == 0
    assert main(["cache", "--clear"]) == 0
    assert main(["cache"]) == 0
    monkeypatch.setenv("MICROGRAD_CACHE_DIR", "off")
    assert main(["cache"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{folder}: 1 compiled functions, {size} bytes",
        f"{folder}: 1 compiled functions removed",
        f"{folder}: 0 compiled functions, 0 bytes",
        "compiled functions are not kept on disk (MICROGRAD_CACHE_DIR is off)",
    ]


# ---- what is measured ------------------------------------------------------------------------------------------------


def timer(best: int, gain: dict[int, float]) -> tuning.Timer:
    """A machine that likes so many pieces, and whose second thread saves so much from a size on."""

    def seconds(setting: Settings, shape: tuple[int, int], threads: int) -> float:
        entries = shape[0] * shape[1]
        share = next((gain[least] for least in sorted(gain, reverse=True) if entries >= least), 1.5)
        return entries * (share if threads == 2 else 1.0) * (1.0 + abs(setting.pieces - best))

    return seconds


def test_the_best_settings_are_found() -> None:
    said: list[str] = []
    found = tuning.measured(timer(16, {1 << 18: 0.6}), said.append)
    assert (found.pieces, found.shared_entries) == (16, 1 << 18)
    assert said[0].startswith("chunks of a pass: 16 or more (2: ")
    assert said[1].startswith("two threads from 262,144 entries on (16,384: 1.5, ")
    assert tuning.measured(timer(2, {1 << 15: 0.7, 1 << 17: 1.1, 1 << 19: 0.5})).shared_entries == 1 << 19
    assert tuning.measured(timer(2, {1 << 15: 0.99})).shared_entries > 1 << 60


def test_what_was_measured_is_kept_and_used(folder: Path) -> None:
    try:
        assert settings_module.settings() == Settings()
        found = Settings(pieces=3, shared_entries=1 << 10)
        assert settings_module.keep(found)
        settings_module._found.cache_clear()  # a new process
        assert settings_module.settings() == found
        f, x = mg.compile(lambda x: np.exp(x) + 1.0, threads=2), np.ones((64, 64))
        assert np.array_equal(f(x), mg.compile(lambda x: np.exp(x) + 1.0, threads=1)(x))
        assert f.report().kernels[0].threads == 2
        (file,) = folder.glob("*.tuned")
        file.write_bytes(file.read_bytes().replace(b'"pieces": 3', b'"pieces": 4'))
        settings_module._found.cache_clear()
        with pytest.warns(CacheWarning, match="it is removed, and defaults used"):
            assert settings_module.settings() == Settings()
        assert settings_module.keep(found)
        clear_cache()
        settings_module._found.cache_clear()
        assert settings_module.settings() == Settings()
    finally:
        settings_module._found.cache_clear()


@pytest.mark.parametrize("wrong", [{"pieces": 0}, {"chunk_rows": 257}, {"shared_entries": 2.5}, {"chunk_bytes": True}])
def test_settings_that_are_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected: whole numbers of at least 1, and chunk_rows of at most 256"):
        Settings(**wrong)


def test_the_command_measures_this_machine(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tuning, "PIECES", (4, 8))
            patch.setattr(tuning, "SHARED", (1 << 14,))
            assert main(["cache", "--tune"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split(":")[0] for line in lines[:1]] == ["chunks of a pass"]
        assert settings_module.settings().pieces in (4, 8)
        assert len([*folder.glob("*.tuned")]) == 1
    finally:
        settings_module._found.cache_clear()


def test_without_a_folder_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MICROGRAD_CACHE_DIR", "off")
    try:
        assert not settings_module.keep(Settings(pieces=3))
        assert settings_module.settings() == Settings()
    finally:
        settings_module._found.cache_clear()


@pytest.mark.parametrize("rows", [1, 63, 64, 500, 5000])
def test_a_pass_that_may_be_shared_is_cut_into_pieces(rows: int) -> None:
    def f(x: Any) -> Any:
        return x - x.sum(1, keepdims=True)

    x = np.random.default_rng(0).standard_normal((rows, 8))
    with settings_module.using(Settings(shared_entries=1)):
        compiled = mg.compile(f, threads=2)
        got = compiled(x)
    np.testing.assert_allclose(got, f(x), rtol=1e-12, atol=1e-12)
    (entry,) = next(iter(compiled.entries.values()))
    segment = entry.lowered.steps[0].segment
    assert segment.chunks == -(-rows // segment.rows)
    assert segment.rows <= 256
    assert segment.chunks >= min(8, rows // 4) or segment.rows <= 4
    assert segment.rows % 4 == 0 or segment.rows == rows
