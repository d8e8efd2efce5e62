"""The limits of the house in numbers, and that each measure counts what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from files_run import files_run
from house import TABLE, Row, docstrings, said
from import_graph import in_circles

import micrograd as mg


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
def test_a_limit_of_the_house_holds(row: Row) -> None:
    number, note = row.measured()
    assert number <= row.held, note
    assert row.wanted <= row.held


def test_what_runs_is_noted() -> None:
    x = mg.Tensor(np.array([1.0, 2.0]))
    seen = files_run(lambda: (x * x).sum())
    assert {"core/arraylike.py", "primitives.py"} <= {*seen.files}
    assert seen.changes >= 2
    assert not any(file.startswith("tracing/") for file in seen.files)
    assert files_run(lambda: [1.0, 2.0].index(2.0)).files == []


def test_what_runs_while_a_module_is_imported_is_left_out() -> None:
    ours = compile("def f():\n    return 1\n\nf()\n", str(Path(mg.__file__).parent / "made_up.py"), "exec")

    def run(caller: str) -> list[str]:
        call = compile("exec(ours, {})", caller, "exec")
        return files_run(lambda: exec(call, {"ours": ours})).files

    assert run("here.py") == ["made_up.py"]
    assert run("<frozen importlib._bootstrap>") == []


def test_words_are_counted_in_docstrings_only() -> None:
    text = '''"""Answers what was asked; `answer` is a name."""

# an answer
def answer():
    """The answer."""
    return "answer"


class C:
    """No answering."""
'''
    assert said("answers?", text) == 2
    assert next(docstrings(text)).endswith("asked;  is a name.")


def test_files_in_a_circle_are_counted() -> None:
    assert in_circles({"a": ["b"], "b": ["a"], "c": ["a"], "d": ["e"], "e": []}) == ["a", "b"]
    assert in_circles({"a": ["b"], "b": ["c"], "c": []}) == []
