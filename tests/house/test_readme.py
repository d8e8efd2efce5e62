"""The README's code is a test: it runs in order, and each value in a comment is what comes out."""

from __future__ import annotations

import ast
import re
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
    (folder / "out").mkdir(exist_ok=True)
    script = folder / "page.py"  # a file, so that traced functions have a source
    body = [code if kind == "do" else f"show({code!r}, {code}, {wanted!r})" for kind, code, wanted in page_steps]
    script.write_text("\n".join([HEAD, *body]), encoding="utf-8")
    return subprocess.run(
        [sys.executable, script], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.judge
@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_the_page_runs_and_shows_what_it_says(page: str, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the README compares with PyTorch")
    found = steps((ROOT / page).read_text(encoding="utf-8"))
    assert sum(kind == "show" for kind, *_ in found) >= 4
    done = run(found, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "readme.svg").stat().st_size > 2000


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


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 100


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
