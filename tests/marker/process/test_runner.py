"""The process that runs a student's code: whatever the code does ends up in the report, and nothing else breaks."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from micrograd.errors import DTypeError
from micrograd.marker.process import runner
from micrograd.marker.process.limits import Limits
from micrograd.marker.process.packing import packed, unpacked
from micrograd.marker.process.runner import Request, run, run_and_walk
from micrograd.marker.student.recording import UnloadableError, load

RIGHT = """\
import numpy as np

def f_forward(x):
    return x * x, x

def f_backward(dout, cache):
    return 2 * cache * dout
"""
LIMITS = Limits(seconds=20.0, memory=400 << 20)
posix = pytest.mark.skipif(os.name != "posix", reason="limits and signals of POSIX")


def forward(*body: str) -> str:
    """The file with another body of the forward."""
    return RIGHT.replace("    return x * x, x", "\n".join(f"    {line}" for line in body))


def backward(*body: str) -> str:
    return RIGHT.replace("    return 2 * cache * dout", "\n".join(f"    {line}" for line in body))


def report_of(text: str, limits: Limits = LIMITS, **more: Any) -> Any:
    return run(Request(text, more.pop("file", "/nowhere/hw.py"), "f_forward", "f_backward", **more), limits)


def test_a_right_backward_is_right() -> None:
    report = report_of(RIGHT)
    assert (report.verdict, report.problem, report.printed) == ("right", "", "")
    assert [output.name for output in report.outputs] == ["dx"]
    assert report.source == RIGHT


def test_a_wrong_one_is_wrong() -> None:
    report = report_of(RIGHT.replace("2 * cache", "3 * cache"))
    assert report.verdict == "wrong"
    assert report.findings[0].span.line == 7


# ---- what goes wrong -------------------------------------------------------------------------------------------------

FAILURES = {
    "syntax": ("def f_forward(x)\n    return x", r"hw\.py:1: syntax error: expected ':'"),
    "python 2": (forward("print 'a'"), r"hw\.py:4: syntax error: .*\nThis is Python 2; in Python 3 write print"),
    "name": (forward("return [x for i in xrange(3)]"), r"hw\.py:4: NameError: name 'xrange' .*\nThis is Python 2"),
    "exit": (forward("exit()"), r"hw\.py:4: the code called exit\(\)"),
    "exit in the backward": (backward("import sys", "sys.exit('done')"), r"hw\.py:8: the code called exit\(\)"),
    "os._exit": (forward("import os", "os._exit(0)"), r"hw\.py:5: the code called os\._exit\(\)"),
    "exit at the top": ("exit()\n" + RIGHT, r"hw\.py:1: the code called exit\(\)"),
    "input": (forward("n = input('how many? ')"), r"hw\.py:4: input\(\) waits for somebody to type"),
    "recursion": (forward("return f_forward(x)"), r"hw\.py:4: RecursionError"),
    "memory": (forward("return np.ones(10**10) * x.sum(), x"), r"hw\.py:4: ran out of memory"),
    "memory, bit by bit": (forward("a = []", "while True: a.append(bytearray(10**6))"), r"hw\.py:5: ran out of memory"),
    "nothing returned": (forward("pass"), r"f_forward returned None: its return statement is missing"),
    "a number returned": (forward("return 3"), r"f_forward should return an array of floats"),
    "no such module": (
        "from absent import f_forward\ndef f_backward(dout, cache): ...",
        r"hw\.py:1: ModuleNotFoundError.*\n.*install absent",
    ),
    "processes": (forward("import os", "while True: os.fork()"), r"hw\.py:5: PermissionError: os\.fork: a check runs"),
    "a shell": (forward("import os", "os.system('true')"), r"hw\.py:5: PermissionError: os\.system"),
    "a program": (forward("import subprocess", "subprocess.run(['ls'])"), r"hw\.py:5: PermissionError: subprocess"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
@posix
def test_what_goes_wrong_is_told_with_the_line(name: str) -> None:
    text, problem = FAILURES[name]
    report = report_of(text)
    assert report.verdict == "failed"
    assert re.match(problem, report.problem), report.problem


@posix
@pytest.mark.parametrize("swallowed", [False, True])
def test_an_endless_loop_is_stopped_and_its_line_told(swallowed: bool) -> None:
    loop = (
        ["while True:", "    try: x = x + 1", "    except BaseException: pass"]
        if swallowed
        else ["while True: x = x + 1"]
    )
    report = report_of(forward(*loop), Limits(seconds=1.0))
    assert re.match(r"hw\.py:[456]: still running after 1 s", report.problem)


@posix
def test_a_loop_that_no_signal_reaches_is_ended_from_outside() -> None:
    deaf = "signal.setitimer(signal.ITIMER_REAL, 0)"
    report = report_of(forward("import signal", deaf, "while True: pass"), Limits(seconds=0.5))
    assert report.problem == "the code did not stop after 0.5 s and was ended"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("np.zeros((N, H / 2))", "TypeError: 'float' object cannot be interpreted as an integer\nIn Python 3 / gives"),
        (
            "np.int(3.0)",
            "AttributeError: module 'numpy' has no attribute 'int'.\nNewer NumPy has no np.int; write int.",
        ),
    ],
)
def test_what_no_other_arguments_would_mend_is_told_rather_than_how_a_guess_failed(line: str, told: str) -> None:
    report = report_of(forward("N, C, H, W = x.shape", line, "return x * x, x"))
    assert report.problem.startswith(f"hw.py:5: {told}")


@posix
def test_a_crash_of_python_is_told_with_the_line() -> None:
    report = report_of(forward("import ctypes", "ctypes.string_at(0)"))
    assert report.problem == "hw.py:5: Python itself crashed (SIGSEGV)"
    assert (
        report_of(forward("import os", "os.kill(os.getpid(), 9)")).problem == "hw.py: Python itself crashed (SIGKILL)"
    )


def test_a_process_that_ends_without_an_answer() -> None:
    report = report_of(forward("import os", "os.closerange(0, 100)", "exit()"))
    assert "ended by itself" in report.problem or "exit()" in report.problem


@posix
def test_a_flood_of_output_is_cut() -> None:
    report = report_of(forward("while True: print('x' * 1000)"), Limits(seconds=1.0, output=5000))
    assert "still running" in report.problem
    assert len(report.printed) < 5100
    assert re.search(r"\.\.\. \d+ more bytes$", report.printed)


# ---- what is printed -------------------------------------------------------------------------------------------------


def test_what_is_printed_is_reported_and_corrupts_nothing() -> None:
    fake = json.dumps({"verdict": "right"})
    noise = [
        "print('hello\\x1b[31m')",
        f"print({fake!r})",
        "import os, sys",
        f"os.write(1, b{fake + chr(10)!r})",
        "sys.stderr.write('e')",
    ]
    report = report_of(forward(*noise, "return x * x, x").replace("2 *", "3 *"))
    assert report.verdict == "wrong"
    assert "hello[31m\n" in report.printed
    assert fake in report.printed


def test_a_closed_or_replaced_stdout_does_no_harm() -> None:
    for line in ("import sys; sys.stdout = None", "import sys; sys.stdout.close()"):
        assert report_of(forward(line, "return x * x, x")).verdict == "right", line


def test_a_failure_at_the_top_is_noted_and_passed_over() -> None:
    report = report_of("import absent_module\n" + RIGHT + "\nassert False, 'my own test'\nimport sys\nsys.exit()\n")
    assert report.verdict == "right"
    assert "hw.py:1: ModuleNotFoundError: No module named 'absent_module' (passed over)" in report.printed
    assert "hw.py:10: AssertionError: my own test (passed over)" in report.printed
    assert "hw.py:12: the code called exit() (passed over)" in report.printed


# ---- what the code can see and leave behind --------------------------------------------------------------------------


def test_it_runs_elsewhere_and_without_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hush")
    file = tmp_path / "hw.py"
    look = [
        "import os",
        "print('env', os.environ.get('SECRET_TOKEN'), 'cwd', os.getcwd())",
        "open('left.txt', 'w').write('a')",
    ]
    text = forward(*look, "return x * x, x")
    file.write_text(text, encoding="utf-8")
    report = report_of(text, file=str(file))
    assert report.verdict == "right"
    assert "env None" in report.printed
    folder = re.search(r"cwd (\S+)", report.printed)
    assert folder is not None
    assert not Path(folder[1]).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hw.py"]  # no bytecode, no left.txt


@posix
def test_limits_are_set() -> None:
    names = "('RLIMIT_FSIZE', 'RLIMIT_NPROC')"
    look = f"print([resource.getrlimit(getattr(resource, n))[0] for n in {names}])"
    report = report_of(forward("import resource", look, "return x * x, x"))
    assert f"[{16 << 20}, 1]" in report.printed


@posix
def test_a_file_may_not_grow_without_end() -> None:
    report = report_of(forward("f = open('big', 'wb')", "while True: f.write(bytes(10**6)); f.flush()"))
    assert "hw.py:5: OSError" in report.problem or "too large" in report.problem


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or a zombie that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_process_that_lives_on_is_found() -> None:
    assert not has_ended(os.getpid())
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert has_ended(process.pid)


@posix
def test_processes_that_slip_through_are_ended_with_it(tmp_path: Path) -> None:
    """`fork` through ctypes passes by the audit hook, and root by the limit of processes."""
    file = tmp_path / "pid"
    note = f"open({str(file)!r}, 'w').write(str(os.getpid()))"
    body = ["import ctypes, os, time", "pid = ctypes.CDLL(None).fork()", f"if pid == 0: {note}; time.sleep(60)"]
    body += ["time.sleep(0.1)", "return x * x, x"]
    report_of(forward(*body))
    if not file.exists():
        pytest.skip("no process was started: the limit held")
    pid = int(file.read_text(encoding="ascii"))
    for _ in range(100):
        if has_ended(pid):
            break
        time.sleep(0.02)
    else:
        os.kill(pid, signal.SIGKILL)
        pytest.fail("a process outlived the check")


def test_neighbours_are_imported(tmp_path: Path) -> None:
    package = tmp_path / "course"
    package.mkdir()
    (package / "tools.py").write_text("def square(x):\n    return x * x\n", encoding="utf-8")
    text = "from .tools import *\n" + RIGHT.replace("x * x, x", "square(x), x")
    assert report_of(text, file=str(package / "layers.py")).verdict == "right"
    text = "from tools import square\n" + RIGHT.replace("x * x, x", "square(x), x")
    assert report_of(text, file=str(package / "layers.py")).verdict == "right"


def test_files_named_like_the_library_hide_nothing(tmp_path: Path) -> None:
    for name in ("json", "ast", "random", "string"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('shadowed')\n", encoding="utf-8")
    assert report_of(RIGHT, file=str(tmp_path / "random.py")).verdict == "right"


# ---- arguments -------------------------------------------------------------------------------------------------------


def test_arguments_reach_the_forward() -> None:
    text = forward("print('shape', x.shape)", "return x * x, x")
    assert "shape (4, 7)" in report_of(text, example=(np.ones((4, 7)),)).printed
    assert "shape (4, 7)" in report_of(text, example={"x": (4, 7)}).printed


def test_what_cannot_be_sent_is_refused() -> None:
    with pytest.raises(DTypeError, match=r"f_forward\[0\] is a function, which cannot go to the process"):
        report_of(RIGHT, example=(len and (lambda: 0),))


def test_names_that_the_text_needs() -> None:
    assert report_of(RIGHT.replace("2 * cache", "TWO * cache"), namespace={"TWO": 2.0}).verdict == "right"


def test_a_walk_comes_along() -> None:
    report, walk = run_and_walk(Request(RIGHT, "hw.py", "f_forward", "f_backward"), LIMITS)
    assert report.verdict == "right"
    assert walk is not None
    assert walk["graphs"]["forward"]["nodes"][0]["name"] == "x"
    positional = RIGHT.replace("def f_forward(x)", "def f_forward(x, /)")
    assert positional != RIGHT
    assert run_and_walk(Request(positional, "hw.py", "f_forward", "f_backward"), LIMITS)[1] is not None
    report, walk = run_and_walk(Request("1/0", "hw.py", "f_forward", "f_backward"), LIMITS)
    assert (report.verdict, walk) == ("failed", None)


plain = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)
arrays = hnp.arrays(st.sampled_from(["f8", "f4", "i8", "bool"]), hnp.array_shapes(min_dims=0, min_side=0, max_side=3))


@given(
    st.recursive(
        plain | arrays, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    )
)
def test_arguments_come_back_as_they_went(value: Any) -> None:
    back = unpacked(json.loads(json.dumps(packed((value, np.float32(0.1))))))
    np.testing.assert_equal(back, (value, np.float32(0.1)))


# ---- the runner itself -----------------------------------------------------------------------------------------------


def test_an_answer_that_is_none_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runner._last('{"verdict": "right"}\nnot json\n') is None
    assert "exit code 3" in runner._ended(3, "", "a.py")


@posix
def test_ctrl_c_ends_the_child_too(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(
        "from micrograd.marker.process.runner import *\n"
        f"run(Request({forward('print(1, flush=True)', 'while True: pass')!r}, 'hw.py', 'f_forward', 'f_backward'))\n",
        encoding="utf-8",
    )
    process = subprocess.Popen([sys.executable, script], stderr=subprocess.PIPE)
    try:
        child = None
        for _ in range(200):
            found = subprocess.run(
                ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=False
            )
            if found.stdout.strip():
                child = int(found.stdout.split()[0])
                break
            time.sleep(0.05)
        assert child is not None
        time.sleep(0.5)  # until its parent waits for it
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert b"KeyboardInterrupt" in errors
        deadline = time.monotonic() + 5
        while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not Path(f"/proc/{child}").exists()
    finally:
        process.kill()
        process.wait()


# ---- loading ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))


@pytest.mark.usefixtures("elsewhere")
def test_a_text_is_loaded_under_its_own_lines() -> None:
    import inspect

    module = load("x = 1\n\ndef f():\n    return x\n", "/nowhere/cell 3", ["f"])
    assert inspect.getsource(module.f) == "def f():\n    return x\n"
    assert module.f.__code__.co_firstlineno == 3


@pytest.mark.usefixtures("elsewhere")
def test_future_imports_hold_for_the_whole_text() -> None:
    module = load("from __future__ import annotations\ndef f(x: Absent): ...\n", "/nowhere/a.py", ["f"])
    assert module.f.__annotations__ == {"x": "Absent"}


@pytest.mark.usefixtures("elsewhere")
def test_what_does_not_come_to_be_is_told() -> None:
    with pytest.raises(UnloadableError, match=r"^a\.py:1: ZeroDivisionError: division by zero$"):
        load("f = 1 / 0\n", "/nowhere/a.py", ["f"])
    with pytest.raises(UnloadableError, match=r"^a\.py: no function 'f'$"):
        load("", "/nowhere/a.py", ["f"])
