"""The command line: what it makes, what it says where something is wrong, and with which exit code."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import ROOT

import micrograd
from micrograd import cli
from micrograd.batchnorm import batch_norm, batchnorm_backward, batchnorm_forward
from micrograd.cli import demo, main
from micrograd.errors import MissingExtraError, NumericalError
from micrograd.tracing import trace

BN = ROOT / "examples" / "bn.py"
TARGET = f"{BN}:batchnorm_forward"
INPUTS = ["--input", "x=4x3", "--input", "gamma=3", "--input", "beta=3"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test works in a folder of its own; the users' files it loaded are forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith((str(tmp_path), str(BN))):
            del sys.modules[name]


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[Any]:
    command = [sys.executable, "-m", "micrograd", *arguments]
    return subprocess.run(command, capture_output=True, timeout=120, check=False, **options)


def user_file(text: str | bytes, name: str = "model.py") -> str:
    path = Path(name)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


# ---- draw --------------------------------------------------------


def test_draw_writes_the_staged_picture(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "draw", TARGET, *INPUTS, "-o", "bn.svg")
    assert (code, err) == (0, "")
    assert out.startswith("bn.svg: 15 nodes, 9 stages, ")
    svg = Path("bn.svg").read_text(encoding="utf-8")
    for word in (">dxmu1<", "step 7:", "dx = Σ of 2 paths", "√(var + 1e−5)"):
        assert word in svg


def test_draw_takes_settings_and_switches(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "draw", TARGET, *INPUTS, "--eps", "0.5")[0] == 0  # named after the function
    assert "√(var + 1/2)" in Path("batchnorm_forward.svg").read_text(encoding="utf-8")
    assert (
        said(
            capsys,
            "draw",
            TARGET,
            *INPUTS,
            "--param",
            "eps=0.3",
            "--no-values",
            "--no-grads",
            "--no-stages",
            "-o",
            "a.svg",
        )[0]
        == 0
    )
    plain = Path("a.svg").read_text(encoding="utf-8")
    assert "√(var + 0.3)" in plain
    assert 'class="red-line"' not in plain
    assert "stage-frame" not in plain
    assert (
        said(capsys, "draw", TARGET, *INPUTS, "--backward", "--direction", "TB", "--dtype", "float32", "-o", "b.dot")[0]
        == 0
    )
    dot = Path("b.dot").read_text(encoding="utf-8")
    assert "rankdir=BT" in dot
    assert "float32" in dot
    assert said(capsys, "draw", TARGET, *INPUTS, "--full", "-o", "f.svg")[0] == 0
    assert ">mu_sum<" in Path("f.svg").read_text(encoding="utf-8")


def test_the_seed_decides_the_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    for name, seed in (("a.svg", "1"), ("b.svg", "1"), ("c.svg", "2")):
        assert said(capsys, "draw", TARGET, *INPUTS, "--seed", seed, "-o", name)[0] == 0
    a, b, c = (Path(name).read_text(encoding="utf-8") for name in ("a.svg", "b.svg", "c.svg"))
    assert a == b
    assert a != c


def test_draw_a_scalar_function(capsys: pytest.CaptureFixture[str]) -> None:
    target = user_file("def f(a, b=2.0):\n    c = a * b\n    return c\n") + ":f"
    assert said(capsys, "draw", target, "--input", "a=scalar", "-o", "f.svg")[0] == 0
    assert "a · 2" in Path("f.svg").read_text(encoding="utf-8")


def test_draw_takes_numbers_of_one_s_own(capsys: pytest.CaptureFixture[str]) -> None:
    target = user_file("def f(a, b):\n    c = a * b + b**3\n    return c.sum()\n") + ":f"
    np.save("b.npy", np.array([[2.0, 0.5], [1.0, 3.0]]))
    for number, (a, b) in enumerate([("-4.0", "2.0"), ("[[1, 2], [3, 4]]", "b.npy")]):
        code, _, err = said(capsys, "draw", target, "--input", f"a={a}", "--input", f"b={b}", "-o", f"{number}.svg")
        assert (code, err) == (0, "")
    one, two = (Path(f"{number}.svg").read_text(encoding="utf-8") for number in range(2))
    assert ">\u22124.00<" in one
    assert "(2, 2)" in two
    assert "3.00" in two.replace("\xa0", " ")
    assert ">1.00<" in one.partition("dout")[2], "a single number starts from 1"
    np.save("odd.npy", np.array(["a"]))
    for bad, message in (("odd.npy", "expected numbers"), ("[[1, 2], [3]]", "expected NAME=SHAPE")):
        code, _, err = said(capsys, "draw", target, "--input", f"a={bad}", "--input", "b=2.0", "-o", "bad.svg")
        assert code == 2
        assert message in err


def test_shapes_that_are_left_out_are_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "draw", TARGET, "-o", "all.svg")[0] == 0
    assert said(capsys, "draw", TARGET, "--input", "x=7x2", "-o", "some.svg")[0] == 0
    svg = Path("some.svg").read_text(encoding="utf-8")
    assert "(7, 2)" in svg
    assert "(2,)" in svg
    assert said(capsys, "walk", TARGET, "-o", "deep/walk.html")[0] == 0


def test_an_output_of_ours_is_replaced_and_a_folder_made(capsys: pytest.CaptureFixture[str]) -> None:
    for suffix in ("svg", "dot"):
        for seed in ("1", "2"):
            assert said(capsys, "draw", TARGET, "--seed", seed, "-o", f"some/where/bn.{suffix}")[0] == 0
    for _ in range(2):
        assert said(capsys, "walk", TARGET, "-o", "some/bn.html")[0] == 0
    for name, text in (("a.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"), ("a.dot", "digraph { a -> b }")):
        Path(name).write_text(text, encoding="utf-8")
        code, _, err = said(capsys, "draw", TARGET, "-o", name)
        assert (code, err) == (
            2,
            f"micrograd: {name} exists, and micrograd did not write it; use --force to replace it\n",
        )
        assert Path(name).read_text(encoding="utf-8") == text


def test_a_large_graph_is_summarised_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    target = (
        user_file("def f(x):\n    for _ in range(1100):\n        y = x * 0.5\n        x = y + 1.0\n    return x\n")
        + ":f"
    )
    code, out, _ = said(capsys, "draw", target, "--input", "x=2", "-o", "f.svg")
    assert code == 0
    assert "showing clusters, pass full=True" in out


# ---- walk --------------------------------------------------------


def test_walk_writes_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "walk", TARGET, *INPUTS, "-o", "bn.html", "--lang", "zh")
    assert (code, err) == (0, "")
    assert "bn.html: 15 nodes, 34 steps" in out
    text = Path("bn.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert 'lang="zh-Hans"' in text


def test_walk_without_an_output_prints_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "walk", TARGET, *INPUTS)
    assert code == 0
    assert "[34/34] backward: Gradient of x" in out
    assert list(Path().iterdir()) == []


def test_draw_shows_what_ran_before_an_exception(capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.py").write_text("def f(x, w):\n    y = x * 2.0\n    return y @ w\n", encoding="utf-8")
    code, _, err = said(capsys, "draw", "net.py:f", "--input", "x=4x3", "--input", "w=4x3", "-o", "f.svg")
    assert code == 1
    assert "net.py:3: " in err
    assert "f.svg shows what ran before it" in err
    assert "inner sizes 3 and 4 differ" in re.sub("<[^>]*>", " ", Path("f.svg").read_text(encoding="utf-8"))
    assert said(capsys, "walk", "net.py:f", "--input", "x=4x3", "--input", "w=4x3")[0] == 1


def test_walk_through_training(capsys: pytest.CaptureFixture[str]) -> None:
    Path("step.py").write_text(
        "import numpy as np\n\ndef step(w, x, rate=0.25):\n    loss = np.sum((w - x) ** 2)\n"
        "    return loss, w - rate * 2 * (w - x)\n\ndef loss_only(w, x):\n    return np.sum(w * x)\n",
        encoding="utf-8",
    )
    given = ("--input", "w=[4.0]", "--input", "x=[0.0]")
    code, out, err = said(capsys, "walk", "--train", "step.py:step", *given, "--steps", "3", "-o", "step.html")
    assert (code, err) == (0, "")
    assert "step.html: 8 nodes" in out
    code, out, _ = said(capsys, "walk", "--train", "step.py:step", *given, "--param", "rate=0.5", "--steps", "3")
    assert "The loss of each iteration: 16, 0, 0." in out
    code, _, err = said(capsys, "walk", "--train", "step.py:loss_only", *given)
    assert code == 1
    assert "step.py: loss_only changes no parameter" in err
    code, _, err = said(capsys, "walk", "--train", "--backward", "step.py:step", *given)
    assert (code, "leave out --backward" in err) == (2, True)


def test_walk_steps_with_enter(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["", "q"])
    monkeypatch.setattr("builtins.input", lambda: next(answers))
    code, out, _ = said(capsys, "walk", TARGET, *INPUTS, "--step")
    assert code == 0
    assert "[2/34]" in out
    assert "[3/34]" not in out


def test_walk_draws_the_same_numbers_as_draw_and_walks_backward_graphs(capsys: pytest.CaptureFixture[str]) -> None:
    _, first, _ = said(capsys, "walk", TARGET, *INPUTS, "--seed", "3")
    _, again, _ = said(capsys, "walk", TARGET, *INPUTS, "--seed", "3")
    _, other, _ = said(capsys, "walk", TARGET, *INPUTS, "--seed", "4")
    assert first == again != other
    _, back, _ = said(capsys, "walk", TARGET, *INPUTS, "--backward")
    assert "Compute dxmu2" in back


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "bn.svg"], "is not .html; name it bn.html"),
        (["-o", "there.html/bn.html"], "there.html is a file; choose another folder"),
        (["-o", "there.html"], "there.html exists, and micrograd did not write it; use --force"),
        (["--step", "-o", "bn.html"], "give it or -o, not both"),
    ],
)
def test_a_wrong_walk_is_told_in_a_line(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    Path("there.html").write_text("", encoding="utf-8")
    code, _, err = said(capsys, "walk", TARGET, *INPUTS, *arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


def test_a_graph_too_large_to_walk_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    user_file("def f(x):\n    for _ in range(3000):\n        x = x + 1.0\n    return x\n")
    code, _, err = said(capsys, "walk", "model.py:f", "--input", "x=2", "-o", "f.html")
    assert code == 1
    assert "up to 2,000 nodes" in err


ENDS = """\
import sys
import numpy as np

def ends(x): sys.exit(3)
def hard(x): return nope(x)
def missing(x): import scipyy
def again(x): return again(x)
def odd(x): return np.sum(x, axis=9)
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ends", "own.py:4: the code called exit(3); put that under if __name__ == '__main__'"),
        ("hard", "own.py:5: NameError: name 'nope' is not defined"),
        ("missing", "own.py:6: ModuleNotFoundError: No module named 'scipyy'"),
        ("again", "own.py:7: RecursionError: maximum recursion depth exceeded"),
        ("odd", ("odd needs x: give --input x=4x3 (an array) or --param x=VALUE; with arrays made up by the names it "
                "raised own.py:8: AxisError: axis 9 is out of bounds")),
    ],
)  # fmt: skip
def test_what_a_function_raises_on_every_guess_is_reported(
    name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.py").write_text(ENDS, encoding="utf-8")
    assert main(["walk", f"{tmp_path / 'own.py'}:{name}"]) in (1, 2)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", ["derive", "probe", "exercise"])
def test_what_a_forward_raises_on_every_guess_is_reported(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(ENDS, encoding="utf-8")
    for name, cause in (("odd", "own.py:8: AxisError: axis 9 is out of"), ("hard", "own.py:5: NameError: name 'nope'")):
        assert main([command, f"own.py:{name}"]) == 1
        said = capsys.readouterr().err
        assert f"{name}(x): no arguments found with which it runs" in said
        assert f"With arrays made up it raised {cause}" in said


# ---- what is wrong with the command: exit 2 --------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["draw", TARGET, *INPUTS, "-o", "there.svg"], "there.svg exists, and micrograd did not write it; use --force"),
        (["draw", TARGET, *INPUTS, "-o", "there.svg/bn.svg"], "there.svg is a file; choose another folder"),
        (["draw", TARGET, *INPUTS, "-o", "folder.svg"], "folder.svg is a directory; name a file in it"),
        (["draw", TARGET, *INPUTS, "-o", "bn.gif"], "the suffix '.gif' is not one of .svg, .dot, .png, .pdf"),
        (["draw", "bn.py", *INPUTS], "bn.py: expected FILE.py:FUNCTION"),
        (["draw", "absent.py:f"], "no such file; give FILE.py:FUNCTION"),
        (["draw", "folder.svg:f"], "is a directory; give FILE.py:FUNCTION"),
        (["draw", TARGET, *INPUTS, "--input", "z=3"], "has no parameter 'z'; its parameters: x, gamma, beta, eps"),
        (["draw", TARGET, "--param", "beta='a'"], "batchnorm_forward needs x, gamma: give --input x=4x3"),
        (["draw", TARGET, "--input", "x=[[1,2],[3]]"], "x: expected NAME=SHAPE with sizes"),
        (["draw", TARGET, "--input", "x=none.npy"], "none.npy: cannot be read (No such file or directory)"),
        (["draw", TARGET, *INPUTS, "--width", "20"], "--width: expected a whole number from 200 to 10000; got '20'"),
        (["draw", TARGET, *INPUTS, "--depth", "0"], "--depth: expected a whole number from 1 to 100; got '0'"),
        (["draw", TARGET, *INPUTS, "--param", "x=1"], "'x' is given as --input and as a setting"),
        (["draw", TARGET, *INPUTS, "--eps", "abc"], "--eps: expected a finite number >= 0; got 'abc'"),
        (["draw", TARGET, *INPUTS, "--eps", "-1"], "--eps: expected a finite number >= 0; got '-1'"),
        (["draw", TARGET, *INPUTS, "--eps", "inf"], "--eps: expected a finite number >= 0; got 'inf'"),
        (["draw", TARGET, *INPUTS, "--seed", "-1"], "--seed: expected a whole number from 0 to 4294967295; got '-1'"),
        (["draw", TARGET, *INPUTS, "--seed", "x"], "--seed: expected a whole number from 0 to 4294967295; got 'x'"),
        (["draw", TARGET, "--input", "x=-4x3"], "expected NAME=SHAPE with sizes of 1 to 1000000 joined by x"),
        (["draw", TARGET, "--input", "x=0x3"], "expected NAME=SHAPE with sizes of 1 to 1000000 joined by x"),
        (["draw", TARGET, "--input", "x=1000000x1000000"], "at most 10 million numbers"),
        (["draw", TARGET, "--input", "4x3"], "expected NAME=SHAPE"),
        (["draw", TARGET, "--param", "eps=__import__('os')"], "eps: expected a Python number, string, tuple, list or dict"),
        (["train", "digits", "--epochs", "0"], "--epochs: expected a whole number from 1 to 10000; got '0'"),
        (["train", "digits", "--lr", "-1"], "--lr: expected a number from 1e-12 to 1e6; got '-1'"),
        (["train", "digits", "--batch-size", "1"], "--batch-size: expected a whole number from 2 to 1437; got '1'"),
        (["train", "digits", "--out", "curves.png"], "--out curves.png: expected a name that ends in .svg"),
        (["train", "digits", "--out", "there.svg"], "there.svg exists, and micrograd did not write it; use --force"),
        (["train", "cifar"], "invalid choice: 'cifar'"),
        (["demo", "--out", "there.svg"], "cannot make the folder there.svg (File exists); choose another"),
        ([], "COMMAND"),
    ],
    ids=lambda v: " ".join(a for a in v if str(BN) not in a and a not in INPUTS)[:50] if isinstance(v, list) else "",
)  # fmt: skip
def test_a_wrong_command_is_told_in_a_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("there.svg").write_text("mine", encoding="utf-8")
    Path("folder.svg").mkdir()
    code, out, err = said(capsys, *arguments)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert out == ""
    assert Path("there.svg").read_text(encoding="utf-8") == "mine"
    assert sorted(os.listdir()) == ["folder.svg", "there.svg"]


def test_force_replaces(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bn.svg").write_text("old", encoding="utf-8")
    assert said(capsys, "draw", TARGET, *INPUTS, "-o", "bn.svg", "--force")[0] == 0
    assert Path("bn.svg").read_text(encoding="utf-8").startswith("<svg")


def test_a_folder_that_cannot_be_written(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # a superuser may write everywhere
    code, _, err = said(capsys, "draw", TARGET, *INPUTS, "-o", "bn.svg")
    assert (code, err) == (2, "micrograd: the folder . cannot be written; choose another\n")


def test_a_missing_extra_is_exit_2(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(**_: Any) -> None:
        raise MissingExtraError("this needs llvmlite: pip install 'micrograd-graph[compile]'")

    monkeypatch.setattr("micrograd.training.loop.train_digits", missing)
    code, _, err = said(capsys, "train", "digits")
    assert (code, err) == (2, "micrograd: this needs llvmlite: pip install 'micrograd-graph[compile]'\n")


def test_png_without_dot_is_exit_2(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    code, _, err = said(capsys, "draw", TARGET, *INPUTS, "-o", "bn.png")
    assert code == 2
    assert "PNG needs the dot program" in err
    assert len(err.splitlines()) == 1


# ---- what is wrong with the user's file: exit 1, and the user's own line ----------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ndef f(x:\n    return x\n", "model.py:2: "),
        ("def f(x):\n    y = x * 2.0\n    raise ValueError('not\\n  today')\n", "model.py:3: ValueError: not today"),
        ("import numpy as np\ndef f(x):\n    return np.i0(x)\n", "model.py:3: np.i0"),
        ("def f(x):\n    y = x[:, :2]\n    return x @ y\n", "model.py:3: matmul"),
        ("def g(x): return x\ndef h(x): return x\n", "model.py: no function 'f'; it defines g, h"),
        ("f = 3\n", "model.py: int, not a function, is called 'f'; it defines no functions"),
        ("import sys\nsys.exit(3)\n", "model.py:2: the code called exit(3); put that under if __name__ == '__main__'"),
        ("import nothing_of_that_name\n", "model.py:1: ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("def f(x):\n    return f(x)\n", "model.py:2: RecursionError"),
        ("def f(x):\n    return 3.0\n", "model.py: trace(f): "),
        (b"# caf\xe9\ndef f(x): return x\n", "model.py: "),
        (b"# -*- coding: nonsense -*-\ndef f(x): return x\n", "model.py: unknown encoding"),
        (b"def f(x):\n    return x\x00\n", "model.py"),
    ],
)  # fmt: skip
def test_a_fault_in_the_file_is_told_with_its_line(
    text: str | bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(capsys, "draw", f"{user_file(text)}:f", "--input", "x=4x3", "-o", "f.svg")
    assert (code, out) == (1, "")
    assert err.startswith(f"micrograd: {message}"), err
    assert len(err.splitlines()) == 1
    assert Path("f.svg").exists() == err.endswith("; f.svg shows what ran before it\n")
    assert ".;" not in err


def test_the_help_says_that_tracing_executes(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "draw", "--help")
    assert code == 0
    assert "EXECUTES the file" in out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "--version")[:2] == (0, f"micrograd {micrograd.__version__}\n")


# ---- terminals --------------------------------------------------------


def test_a_closed_pipe_is_no_fault() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-m", "micrograd", "draw", TARGET, *INPUTS, "-o", "bn.svg"],
                          stdout=writer, stderr=subprocess.PIPE, timeout=120, check=False)  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_ctrl_c_is_130() -> None:
    target = (
        user_file(
            "import pathlib, time\ndef f(x):\n    pathlib.Path('here').touch()\n    time.sleep(60)\n    return x\n"
        )
        + ":f"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "micrograd", "draw", target, "--input", "x=3"], stderr=subprocess.PIPE
    )
    for _ in range(600):
        if Path("here").exists():
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, b"micrograd: interrupted\n")


def test_a_terminal_that_is_not_utf8() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    target = (
        user_file("def f(x):\n    for _ in range(1100):\n        y = x * 0.5\n        x = y + 1.0\n    return x\n")
        + ":f"
    )
    done = run("draw", target, "--input", "x=2", "-o", "f.svg", env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()
    assert b"2 201 nodes" in done.stdout
    done = run(
        "draw",
        user_file("def f(x):\n    raise ValueError('σ → 0')\n") + ":f",
        "--input",
        "x=2",
        "-o",
        "g.svg",
        env=environment,
    )
    assert done.returncode == 1
    assert b"ValueError: \\u03c3 -> 0" in done.stderr


class _Watched:
    """A standard output that says it is a terminal."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None: ...


def test_rich_only_where_a_person_watches_in_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    monkeypatch.setattr(sys, "stdout", _Watched())
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert cli.Terminal().rich is not None
    monkeypatch.setenv("NO_COLOR", "1")
    assert cli.Terminal().rich is None
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setitem(sys.modules, "rich.console", None)  # type: ignore[arg-type]
    assert cli.Terminal().rich is None


def test_rich_tables_and_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    screen = _Watched()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = cli.Terminal()
    terminal.table(("name", "n"), [("[red]a[/red]", "1")])
    with terminal.progress("train", 2) as show:
        show(1, "loss 1")
        show(2, "loss 0")
    assert "[red]a[/red]" in screen.text  # a name is no markup
    assert "loss 0" in screen.text


def test_a_plain_bar_moves_in_place_and_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = _Watched()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("NO_COLOR", "1")
    with cli.Terminal().progress("train", 4) as show:
        show(2, "half")
        show(4, "all")
    assert screen.text.count("\r") == 2
    assert "[############............] 2/4  half" in screen.text
    assert screen.text.endswith("\n")
    assert "\x1b" not in screen.text


def test_no_terminal_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with cli.Terminal().progress("train", 20) as show:
        for epoch in range(1, 21):
            show(epoch, "")
    out = capsys.readouterr().out
    assert [line.split()[1] for line in out.splitlines()] == ["5/20", "10/20", "15/20", "20/20"]
    assert "\r" not in out


# ---- train and demo --------------------------------------------------------


def test_train_digits(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "train", "digits", "--epochs", "2", "--no-batch-norm", "--out", "curves.svg")
    assert code == 0
    assert "without batch norm  2/2  loss " in out
    assert "test accuracy " in out
    assert "training loss" in Path("curves.svg").read_text(encoding="utf-8")


def test_training_that_diverges_is_exit_1(capsys: pytest.CaptureFixture[str]) -> None:
    with np.errstate(all="ignore"):
        code, _, err = said(capsys, "train", "digits", "--epochs", "2", "--lr", "1e6", "--no-batch-norm")
    assert code == 1
    assert "Lower the learning rate" in err
    assert len(err.splitlines()) == 1


def test_demo(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "demo", "--out", "a/out", "--epochs", "2")
    assert (code, err) == (0, "")
    for name in demo.FOURTEEN:
        assert f"\n  {name} " in out
    assert "The composed gradient equals the handwritten one at every stage." in out
    assert "Test accuracy with batch norm: " in out
    assert "Test accuracy without: " in out
    for name in ("bn.svg", "bn.dot", "bn-backward.svg", "training.svg"):
        assert Path("a/out", name).stat().st_size > 1000
        assert name in out
    *_, next_, command = out.splitlines()
    assert next_.startswith("Next, have a homework marked")
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=120, check=False)
    assert "A path is missing" in done.stdout, done.stderr
    assert said(capsys, "demo", "--out", "a/out", "--epochs", "1")[0] == 0  # its own files are replaced


def problem() -> tuple[Any, ...]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(5, 3)), rng.normal(size=3), rng.normal(size=3), rng.normal(size=(5, 3))


def test_the_agreement_can_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    x, gamma, beta, dout = problem()
    graph = trace(batch_norm, x, gamma, beta).backward(dout)
    hand = demo.variables_of(batchnorm_backward, dout, batchnorm_forward(x, gamma, beta)[1])
    assert all(row[4] for row in demo.agreement(graph, hand))
    for name in demo.FOURTEEN:
        wrong = {**hand, name: hand[name] * (1 + 1e-13)}
        assert [row[0] for row in demo.agreement(graph, wrong) if not row[4]][:1] == [name]
        unsummed = {**hand, name: hand[name][None]}
        assert not next(row[4] for row in demo.agreement(graph, unsummed) if row[0] == name)

    monkeypatch.setattr(demo, "variables_of", lambda *_: {**hand, "dx": hand["dx"] + 1.0})
    with pytest.raises(NumericalError, match="the composed gradient is not the handwritten one"):
        demo.demo(cli.Terminal(), tmp_path, 1)


def test_variables_of_leaves_the_profiler_alone() -> None:
    before = sys.getprofile()
    kept = demo.variables_of(lambda a: (b := a + 1) and b, 1)
    assert kept == {"a": 1, "b": 2}
    assert sys.getprofile() is before


def test_an_exercise_is_checked_with_its_own_shapes(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its text shows the command; what that says holds where it is not typed, too."""
    monkeypatch.chdir(tmp_path)
    Path("f.py").write_text("def shift_forward(x, b):\n    y = x + b\n    out = y * 2.0\n    return out\n")
    assert main(["exercise", "f.py:shift_forward", "--input", "x=4x3", "--input", "b=3", "-o", "e.py"]) == 0
    asked, solved = Path("e.py").read_text(), Path("e_solution.py").read_text()
    asked = asked[: asked.index("def shift_backward")] + solved[solved.index("def shift_backward") :]
    Path("mine.py").write_text(asked)
    capsys.readouterr()
    assert main(["check", "mine.py"]) == 0
    assert "x (4, 3)" in capsys.readouterr().out
    Path("mine.py").write_text(asked.replace("micrograd check", "micrograd says"))
    assert main(["check", "mine.py"]) == 0
    assert "x (4, 3)" not in capsys.readouterr().out
