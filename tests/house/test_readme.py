"""The README's code is a test: it runs in order, and each value in a comment is what comes out."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from code_lines import ENGINE_LIMIT
from paths import ROOT

PAGES = ["README.md", "README.zh-CN.md"]

# Expressions with a comment are shown as `>>> expression` would show them; an ending "..." stands for more digits.
HEAD = """
import sys

def show(code, value, wanted):
    got = str(value) if hasattr(value, "dtype") and not value.shape else repr(value)
    if not (got.startswith(wanted[:-3]) if wanted.endswith("...") else got == wanted):
        sys.exit(f"{code} is {got}, the page says {wanted}")
"""


def steps(text: str) -> list[tuple[str, str, str]]:
    """The statements of the Python blocks, and the expressions with the value that their comment promises."""
    found = []
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        lines = block.split("\n")
        for node in ast.parse(block).body:
            code = ast.get_source_segment(block, node) or ""
            comment = re.search(r"  # (\S.*?)(?:\s+←.*)?$", lines[(node.end_lineno or 1) - 1])
            shows = isinstance(node, ast.Expr) and comment and re.match(r"-?\d|array|[\[({']", comment.group(1))
            found.append(("show", code, comment.group(1)) if shows and comment else ("do", code, ""))
    return found


def run(page_steps: list[tuple[str, str, str]], folder: Path) -> subprocess.CompletedProcess[str]:
    script = folder / "page.py"  # a file, so that traced functions have a source
    body = [code if kind == "do" else f"show({code!r}, {code}, {wanted!r})" for kind, code, wanted in page_steps]
    script.write_text("\n".join([HEAD, *body]), encoding="utf-8")
    return subprocess.run(
        [sys.executable, script], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_the_page_runs_and_shows_what_it_says(page: str, tmp_path: Path) -> None:
    found = steps((ROOT / page).read_text(encoding="utf-8"))
    assert sum(kind == "show" for kind, *_ in found) >= 4
    done = run(found, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "normalize.html").stat().st_size > 2000
    drawn, shown = (folder / "normalize.svg" for folder in (tmp_path, ROOT / "docs" / "images"))
    assert texts(shown) == texts(drawn), "the picture of the page is not the one that its code draws: copy it"


def commands(text: str) -> list[str]:
    """The commands of a page: the lines of its shell blocks, and what stands in its sentences."""
    lines = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).splitlines()
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [*(line.partition("  #")[0] for line in lines), *re.findall(r"`((?:\.venv/bin/)?micrograd [^`]+)`", prose)]


def ends(command: str, clone: Path) -> tuple[int, str]:
    """The exit status and the output of a command in a clone. Nothing is installed: `.ci/run` does that."""
    program, *words = shlex.split(command)
    if (program, words[0]) == ("pip", "install"):
        return int(not all((clone / place / "pyproject.toml").is_file() for place in words[1:])), ""
    run_as = {"make": ["make", "-n"], "micrograd": [sys.executable, "-m", "micrograd"]}[program.split("/")[-1]]
    done = subprocess.run(
        [*run_as, *words], cwd=clone, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}, encoding="utf-8",
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a clone holds, with nothing installed or built in it."""
    for name in ("Makefile", "pyproject.toml", "examples", "README.md", "micrograd"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="links")
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_the_page_run_in_a_fresh_clone(page: str, clone: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert {*re.findall(r"^```(\w+)", text, re.MULTILINE)} == {"sh", "python", "text"}  # each is read here
    found = commands(text)
    assert len(found) >= 5
    output = {command: ends(command, clone) for command in found}
    marks = [command for command in found if " check " in command]
    assert {command: status for command, (status, _) in output.items() if status != (command in marks)} == {}
    (shown,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    assert [line for line in shown.splitlines() if line not in output[marks[0]][1]] == []
    assert (clone / "bn.html").stat().st_size > 2000


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_a_command_that_does_not_run_is_found(clone: Path) -> None:
    page = "```sh\npip install ./python  # here\nmake dmeo\n```\nThen `micrograd draw examples/bn.py:forward`."
    assert commands(page) == ["pip install ./python", "make dmeo", "micrograd draw examples/bn.py:forward"]
    assert [bool(ends(command, clone)[0]) for command in commands(page)] == [True] * 3


def texts(picture: Path) -> list[str]:
    """Every piece of text in a picture; where it stands is up to the version of Graphviz."""
    return sorted(re.findall(r">([^<>]+)</(?:text|tspan)>", picture.read_text(encoding="utf-8")))


def test_the_picture_can_be_read_at_the_width_of_a_readme() -> None:
    """GitHub shows 880 pixels; a wider picture is made smaller, and its letters with it."""
    svg = (ROOT / "docs" / "images" / "normalize.svg").read_text(encoding="utf-8")
    width = float(re.findall(r'viewBox="0 0 ([\d.]+) ', svg)[0])
    assert width <= 880
    assert min(float(size) for size in re.findall(r'font-size[:=]"?([\d.]+)', svg)) >= 9
    assert len(texts(ROOT / "docs" / "images" / "normalize.svg")) > 30


@pytest.mark.judge
@pytest.mark.parametrize(
    ("page", "needed"),
    [("docs/how-to/onnx.md", ("onnxruntime", "jax")), ("docs/how-to/distributed.md", ("jax",))],
)
def test_the_code_of_a_page_that_the_documentation_does_not_run(
    page: str, needed: tuple[str, ...], tmp_path: Path
) -> None:
    for name in needed:
        pytest.importorskip(name, reason=f"{page} shows {name}")
    found = steps((ROOT / page).read_text(encoding="utf-8"))
    assert len(found) >= 5
    done = run(found, tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_wrong_value_is_caught(tmp_path: Path) -> None:
    done = run(steps("```python\nx = 2.0\nx * 3  # 7.0\n```"), tmp_path)
    assert "x * 3 is 6.0, the page says 7.0" in done.stderr


def test_the_size_that_the_readme_promises_is_the_tested_one() -> None:
    assert f"at most {ENGINE_LIMIT} lines" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_the_page_stays_short(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 80
    code = "".join(re.findall(r"```[a-z]+\n(.*?)```", text, re.DOTALL)).splitlines()
    assert [line for line in code if len(line) > 108] == []  # as much as 880 pixels show


def test_contributing_stays_on_one_screen() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) <= 60


def long_sentences(text: str, most: int = 25) -> list[str]:
    """The sentences of a page, cells of tables among them, with more than `most` words."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    prose = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", prose)  # of a link or picture, what is read
    sentences = re.split(r"(?<=[.!?])[*\")]*\s|\n\n|\n\||\|", prose)
    return [sentence for sentence in sentences if len(re.findall(r"[\w'`.:/-]*\w[\w'`.:/-]*", sentence)) > most]


def test_no_sentence_is_long() -> None:
    assert long_sentences((ROOT / "README.md").read_text(encoding="utf-8")) == []


def test_a_long_sentence_is_found() -> None:
    words = " ".join(["word"] * 25)
    assert long_sentences(f"{words}. {words}.\n\n| {words} | {words} |\n```\n{words} {words}\n```\n") == []
    assert long_sentences(f"One. {words} more. Two.") == [f"{words} more."]
    assert long_sentences(f"| one | [{words}](a/page.md) more |") == [f" {words} more "]


@pytest.mark.parametrize("page", PAGES)
def test_the_row_of_the_benchmark_is_that_of_its_page(page: str) -> None:
    (row,) = re.findall(r"\n\|.*?benchmarks/compile\.md.*?\|(.*)\|", (ROOT / page).read_text(encoding="utf-8"))
    lines = (ROOT / "docs" / "benchmarks" / "compile.md").read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if re.search(r"batch norm, .*\| 4096x1024 float32 ", line))
    measured = {}
    for line in lines[start : start + 8]:
        cells = [cell.strip() for cell in line.split("|")]
        measured.setdefault(cells[3], cells[4].partition(" (")[0])
    contenders = ["micrograd", "handwritten", "torch native", "jax"]
    assert [cell.strip() for cell in row.split("|")] == [measured[name] for name in contenders]


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
