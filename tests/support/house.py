"""The house in numbers: `make house` prints what is measured beside what is wanted; a test holds the limits.

In `TABLE`, `wanted` is the plan and `held` what holds already: it is lowered when the house has come so far.
"""

from __future__ import annotations

import ast
import json
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from code_lines import ENGINE_LIMIT, code_lines
from files_run import files_run
from import_graph import breaches, circle, contracts, edges, in_circles, modules
from paths import PACKAGE, ROOT, SUPPORT


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: what is measured.
        measured: the number, and a word on where it comes from.
        wanted: the most that the plan allows.
        held: the most that a test allows today.
    """

    name: str
    measured: Callable[[], tuple[int, str]]
    wanted: int
    held: int


# ---- the folders ----


def loose_modules() -> tuple[int, str]:
    names = sorted(p.stem for p in PACKAGE.glob("*.py") if p.name not in ("__init__.py", "__main__.py"))
    return len(names), " ".join(names)


def largest_folder() -> tuple[int, str]:
    count = Counter(path.parent for path in modules().values() if path.name not in ("__init__.py", "__main__.py"))
    most = max(count.values())
    return most, " ".join(str(folder.relative_to(ROOT)) for folder in sorted(count) if count[folder] == most)


# ---- who imports whom ----


@cache
def _edges() -> dict[str, set[str]]:
    return edges()


def floors() -> tuple[int, str]:
    whole = next(contract for contract in contracts() if contract.container == "micrograd" and contract.exhaustive)
    found = breaches(whole, _edges())
    return len(whole.floors), "; ".join(found) or f"{len(whole.rooms())} rooms, listed in pyproject.toml"


def circles() -> tuple[int, str]:
    return len(in_circles(_edges())), " > ".join(circle(_edges()))


# ---- the engine ----


def _code_lines(paths: Iterator[Path] | list[Path]) -> int:
    return sum(code_lines(path.read_text(encoding="utf-8")) for path in paths)


def engine_lines() -> tuple[int, str]:
    return _code_lines([PACKAGE / "engine.py"]), "lines that carry code"


def engine_and_core_lines() -> tuple[int, str]:
    return _code_lines([PACKAGE / "engine.py", *(PACKAGE / "core").glob("*.py")]), "likewise"


# ---- what runs ----


@cache
def _trace_run() -> tuple[int, int, str]:
    """The second trace of the batch norm of a user's file: files, changes of file, the files' names."""
    import numpy as np

    import micrograd as mg

    forward = runpy.run_path(str(ROOT / "examples" / "bn.py"))["batchnorm_forward"]
    x = np.random.default_rng(0).standard_normal((5, 3))
    mg.trace(forward, x, np.ones(3), np.zeros(3))
    seen = files_run(lambda: mg.trace(forward, x, np.ones(3), np.zeros(3)))
    return len(seen.files), seen.changes, " ".join(seen.files)


def files_of_trace() -> tuple[int, str]:
    return _trace_run()[0], _trace_run()[2]


def changes_of_trace() -> tuple[int, str]:
    return _trace_run()[1], "calls into another file than the call before"


_CHECK = """
import sys
sys.path.append(sys.argv[1])  # where the child finds `sitecustomize`, which the standard library runs first
from micrograd.cli import main
raise SystemExit(main(["check", sys.argv[2], "--seconds", "120"]))
"""
_SITE = """
import sys
sys.path.append({support!r})
from files_run import noted_at_exit
noted_at_exit({path!r})
"""


@cache
def files_of_check() -> tuple[int, str]:
    """The files that run in the process in which the homework with one mistake is marked.

    The mistake is a factor: of others the derivation is asked for a second opinion, and that is a room of its own.
    """
    homework = (ROOT / "examples" / "homework.py").read_text(encoding="utf-8")
    homework = homework.replace("dx1 = dxmu1\n", "dx1 = dxmu1 + dxmu2\n").replace("dxmu2 = 2 * ", "dxmu2 = ")
    with tempfile.TemporaryDirectory() as folder:
        path, marked = Path(folder, "files.json"), Path(folder, "homework.py")
        marked.write_text(homework, encoding="utf-8")
        shutil.copy(ROOT / "examples" / "bn.py", folder)
        text = _SITE.format(support=str(SUPPORT), path=str(path))
        Path(folder, "sitecustomize.py").write_text(text, encoding="utf-8")
        command = [sys.executable, "-c", _CHECK, folder, str(marked)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        if done.returncode != 1 or not path.exists():  # 1: a mistake was found
            raise RuntimeError(f"the homework was not marked: {done.stdout}{done.stderr}")
        files = json.loads(path.read_text(encoding="utf-8"))
    return len(files), " ".join(files)


# ---- the words ----


def docstrings(text: str) -> Iterator[str]:
    """The docstrings of a source text, without what stands in backticks."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented) and (found := ast.get_docstring(node)):
            yield re.sub(r"`+[^`]*`+", "", found)


def said(word: str, text: str) -> int:
    """How often the docstrings of a source text use a word; `word` is a regular expression."""
    return sum(len(re.findall(rf"\b{word}\b", docstring, re.IGNORECASE)) for docstring in docstrings(text))


def _word(word: str) -> Callable[[], tuple[int, str]]:
    def count() -> tuple[int, str]:
        found = {path: said(word, path.read_text(encoding="utf-8")) for path in modules().values()}
        most = sorted((path for path in found if found[path]), key=lambda path: -found[path])[:3]
        return sum(found.values()), " ".join(f"{path.relative_to(PACKAGE)}:{found[path]}" for path in most)

    return count


TABLE = [
    Row("loose modules beside the packages", loose_modules, wanted=10, held=10),
    Row("Python files in the largest folder", largest_folder, wanted=12, held=12),
    Row("floors of the rooms' import graph", floors, wanted=11, held=11),
    Row("files in circles, lazy imports counted", circles, wanted=0, held=0),
    Row("code lines of engine.py", engine_lines, wanted=120, held=ENGINE_LIMIT),
    Row("code lines of engine.py and core/", engine_and_core_lines, wanted=700, held=700),
    Row("files that run for mg.trace of batch norm", files_of_trace, wanted=14, held=14),
    Row("changes of file in that trace", changes_of_trace, wanted=300, held=300),
    Row("files that run for check", files_of_check, wanted=30, held=46),
    Row('docstrings: "answer" for "return"', _word("answers?"), wanted=0, held=0),
    Row('docstrings: "author" for "user"', _word("authors?"), wanted=0, held=0),
    Row('docstrings: "told" for "reported"', _word("told"), wanted=0, held=0),
]


def main() -> None:
    """Print the table."""
    print(f"{'':45} measured  wanted")
    for row in TABLE:
        number, note = row.measured()
        print(f"{row.name:45} {number:8}  {row.wanted:6}{' *' if number > row.wanted else '  '}  {note}")
    print("* more than wanted")


if __name__ == "__main__":
    main()
