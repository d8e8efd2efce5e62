"""What a person types: commands that are printed run as they are, and the shell completes them with Tab."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

from micrograd.cli import demo
from micrograd.cli.terminal import typed

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sh")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with a space in its name that holds an environment, as `make demo` leaves a clone."""
    folder = tmp_path / "my clone"
    bin_ = folder / ".venv" / "bin"
    bin_.mkdir(parents=True)
    script = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(bin_ / "main" / "micrograd"))} "$@"\n'
    (bin_ / "main").mkdir()
    text = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nsys.argv[0] = {{0!r}}\nfrom micrograd.cli import main\nsys.exit(main())\n"
    (bin_ / "main" / "micrograd").write_text(text.format(str(bin_ / "micrograd")))
    (bin_ / "micrograd").write_text(script)
    (bin_ / "micrograd").chmod(0o755)
    return folder


def shell(command: str, folder: Path, path: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{path}{os.pathsep * bool(path)}/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("way", ["the path", "the path from elsewhere", "the name", "the module"])
def test_the_command_that_is_printed_runs_in_that_shell(way: str, clone: Path, tmp_path: Path) -> None:
    bin_ = clone / ".venv" / "bin"
    folder, path, program = {
        "the path": (clone, "", ".venv/bin/micrograd"),
        "the path from elsewhere": (tmp_path, "", "'my clone/.venv/bin/micrograd'"),
        "the name": (tmp_path, str(bin_), "micrograd"),
        "the module": (tmp_path, "", f"{shlex.quote(sys.executable)} -m micrograd"),
    }[way]
    made = shell(f"{program} exercise softmax -o 'of mine.py'", folder, path)
    assert made.returncode == 0, made.stderr
    command = made.stdout.splitlines()[-1].removeprefix("mark it: ")
    assert command == f"{program} check 'of mine.py'"
    marked = shell(command, folder, path)
    assert marked.returncode == 1, marked.stderr
    assert "blank" in marked.stdout


def test_the_name_alone_is_not_printed_where_the_shell_does_not_find_it(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clone)
    monkeypatch.setattr(sys, "argv", [str(clone / ".venv" / "bin" / "micrograd")])
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert typed("demo") == ".venv/bin/micrograd demo"
    monkeypatch.setenv("PATH", f"{clone / '.venv' / 'bin'}:/bin")
    assert typed("demo") == "micrograd demo"
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/bin")
    monkeypatch.setattr(sys, "argv", ["somewhere/__main__.py"])
    assert typed("demo") == f"{Path(sys.executable).name} -m micrograd demo"


def test_where_there_is_no_clone_the_demo_goes_on_with_an_exercise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "__file__", str(tmp_path / "site-packages" / "micrograd" / "cli" / "demo.py"))
    for answer in ("the solution is in", "blank"):  # written, then marked
        _, command = demo._next()
        done = shell(command, tmp_path)
        assert answer in done.stdout, done.stderr


# ---- completion ------------------------------------------------------------


def completions(words: str, folder: Path) -> list[str]:
    """What bash offers for the last of the words."""
    script = f"""
eval "$({shlex.quote(sys.executable)} -m micrograd --print-completion bash)"
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_shtab_micrograd
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="asks bash")
def test_bash_completes_commands_options_and_files(tmp_path: Path) -> None:
    pytest.importorskip("shtab", reason="writes the completion")
    (tmp_path / "model.py").touch()
    assert completions("micrograd dr", tmp_path) == ["draw"]
    assert completions("micrograd train --bat", tmp_path) == ["--batch-size"]
    assert completions("micrograd check --hint k", tmp_path) == ["kind"]
    assert completions("micrograd check mod", tmp_path) == ["model.py"]
    assert completions("micrograd draw mod", tmp_path) == ["model.py"]


@pytest.mark.parametrize("name", ["zsh", "tcsh"])
def test_other_shells_have_every_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab", reason="writes the completion")
    from micrograd.cli import main

    assert main(["--print-completion", name]) == 0
    out = capsys.readouterr().out
    assert [
        command for command in ("draw", "walk", "check", "probe", "exercise", "derive", "demo") if command not in out
    ] == []


def test_without_shtab_the_refusal_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from micrograd.cli import main

    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["--print-completion", "bash"]) == 2
    assert capsys.readouterr().err == (
        "micrograd: --print-completion needs shtab, which is not installed: pip install shtab\n"
    )
