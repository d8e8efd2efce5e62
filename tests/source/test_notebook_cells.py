"""Names and stages of code that a notebook compiled in a way of its own: moved by some columns, or without a file."""

from __future__ import annotations

import ast
import linecache
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest

import micrograd as mg
from micrograd.source.names import shift_of

CELL = '''
def forward(x, gamma):
    """Normalize."""
    # step 1: centre
    mu = np.mean(x,
        axis=0)
    for _ in range(2):
        xmu = x - mu
    # step 2: scale
    return gamma * xmu
'''
NAMES = ["x", "gamma", "mu_sum", "mu", "xmu", "out"]


def compiled(text: str, shown: str, shift: int) -> Any:
    """The function of a cell whose text is `shown`, compiled with columns that are `shift` right of its own."""
    name = f"<cell {len(linecache.cache)}>"
    linecache.cache[name] = (len(shown), None, shown.splitlines(keepends=True), name)
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if hasattr(node, "col_offset"):
            node.col_offset += shift
            node.end_col_offset += shift
    world: dict[str, Any] = {"np": np}
    exec(compile(tree, name, "exec"), world)
    return world["forward"]


@pytest.mark.parametrize(
    ("shown", "shift"),
    [(CELL, 0), (textwrap.indent(CELL, "    "), 0), (CELL, 4), (textwrap.indent(CELL, " " * 8), 4), (CELL.replace("    ", "\t"), 0)],
    ids=["as it is", "dedented", "indented", "half", "tabs"],
)  # fmt: skip
def test_columns_that_were_shifted_are_found_again(shown: str, shift: int) -> None:
    text = CELL.replace("    ", "\t") if "\t" in shown else CELL
    forward = compiled(text, shown, shift)
    if shown.startswith("\n    "):  # the text of a marimo cell is the body of a function, which is no module
        shown = "if True:\n" + shown.lstrip("\n")
        linecache.cache[forward.__code__.co_filename] = (0, None, shown.splitlines(keepends=True), "")
    graph = mg.trace(forward, np.ones((4, 3)), np.ones(3))
    assert [node.name for node in graph.nodes] == NAMES
    assert [stage.title for stage in graph.stages] == ["step 1: centre", "step 2: scale"]
    assert graph.node("xmu").source.text == "x - mu"  # type: ignore[union-attr]


def test_code_whose_columns_are_right_is_not_moved() -> None:
    def on_one_line(x):
        return x * 2.0  # type: ignore[no-untyped-def]

    for function in (on_one_line, np.mean, compiled, lambda x: (
        x + 1), test_columns_that_were_shifted_are_found_again, textwrap.indent):  # fmt: skip
        code = getattr(function, "__wrapped__", function).__code__
        assert shift_of(code) == 0, code


def test_a_cell_under_time_has_names() -> None:
    pytest.importorskip("IPython")
    program = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
def run(cell):
    shell.run_cell(cell, store_history=True).raise_error()
run("import numpy as np, micrograd as mg")
run('''%%time
def f(x):
    # step 1: centre
    mu = x.mean(axis=0)
    return (x - mu) * 2.0
1 + 1
''')
run('''%%time
g = mg.trace(f, np.ones((4, 3)))
''')
run("print([n.name for n in g.nodes], [s.title for s in g.stages], g.nodes[-1].source, mg.walk(g).data['sources'][0]['lines'][1])")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert (
        "['x', 'mu_sum', 'mu', 'out_sub', 'out'] ['step 1: centre'] <cell 2 under %%time>:4     # step 1" in done.stdout
    )
