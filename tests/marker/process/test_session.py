"""`check` of functions: from a module's file, from a notebook's cells, made inside another function."""

from __future__ import annotations

import linecache
from tempfile import gettempdir
from typing import Any

import numpy as np
import pytest
from marker_samples import STUDENT

import micrograd as mg
from micrograd.errors import GraphError
from micrograd.marker.process.session import request_for

SCALE = 2.0


def helper(a: Any) -> Any:
    return a * SCALE


def plain_forward(x):
    return helper(x) * x, x


def plain_backward(dout, cache):
    return helper(cache) * 2 * dout


def softplus_loss(x):
    e = np.exp(x)
    dx = e / (1 + e)
    return np.sum(np.log(1 + e)), dx


class Cells:
    """A notebook: each cell is a file of its own, that only `linecache` knows."""

    def __init__(self) -> None:
        self.space: dict[str, Any] = {"__name__": "__main__"}
        self.files: list[str] = []

    def run(self, text: str) -> None:
        file = f"{gettempdir()}/ipykernel_1/{len(self.files)}.py"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        self.files.append(file)
        exec(compile(text, file, "exec"), self.space)


@pytest.fixture
def cells() -> Any:
    made = Cells()
    yield made
    for file in made.files:
        linecache.cache.pop(file, None)


def test_functions_of_a_module_take_its_file() -> None:
    request = request_for(plain_backward, plain_forward)
    assert request.file == __file__
    assert "def plain_forward" in request.source
    report = mg.check(plain_backward, plain_forward)
    assert report.ok, report.text()
    report.assert_ok()


def test_a_loss_is_given_twice() -> None:
    report = mg.check(softplus_loss, softplus_loss, np.ones((4, 3)))
    assert report.ok, report.text()


def test_functions_inside_a_function_bring_what_they_close_over() -> None:
    factor = np.array([2.0, -3.0, 0.5])

    def inner(a):
        return a * factor

    def my_forward(x):
        return inner(x), x

    def my_backward(dout, cache):
        return dout

    report = mg.check(my_backward, my_forward, (4, 3))
    assert report.verdict == "wrong", report.problem
    assert report.findings[0].span.line == my_backward.__code__.co_firstlineno + 1  # the file's own line


def test_cells_of_a_notebook(cells: Cells) -> None:
    cells.run("import numpy as np\nfrom math import sqrt\nEPS = 0.1\n")
    cells.run("def size(v):\n    return np.sqrt(v + EPS) * sqrt(1.0)\n")
    cells.run("def n_forward(x):\n    s = size(np.mean(x**2))\n    return x / s, (x, s)\n")
    cells.run("# my answer\n\ndef n_backward(dout, cache):\n    x, s = cache\n    return dout / s\n")
    report = mg.check(cells.space["n_backward"], cells.space["n_forward"], (4, 3))
    assert report.verdict == "wrong", report.problem
    assert report.findings[0].span.line == 5  # of its own cell
    right = "def n_backward(dout, cache):\n    x, s = cache\n"
    cells.run(right + "    return dout / s - x * np.sum(dout * x) / s**3 / x.size\n")
    assert mg.check(cells.space["n_backward"], cells.space["n_forward"], (4, 3)).ok


def test_the_whole_of_batch_norm_in_one_cell(cells: Cells) -> None:
    cells.run(STUDENT)
    report = mg.check(cells.space["batchnorm_backward"], cells.space["batchnorm_forward"])
    assert [output.right for output in report.outputs] == [False, True, True]


def test_a_graph_says_which_forward_and_on_what() -> None:
    x = np.random.default_rng(0).standard_normal((4, 3))
    graph = mg.trace(plain_forward, x)
    assert mg.check(plain_backward, graph).ok
    lost = mg.trace(lambda x: x * x, x)
    with pytest.raises(GraphError, match="cannot find the function 'f' that this graph was traced from"):
        mg.check(plain_backward, lost)


def test_exactly_these_arrays_where_their_gradient_is_given(cells: Cells) -> None:
    cells.run("def b_forward(x):\n    return x * x, x\n")
    cells.run("def b_backward(dout, cache):\n    return 2 * cache * dout * (1 + (cache == 7.0))\n")
    functions = cells.space["b_backward"], cells.space["b_forward"]
    x = np.full((2, 2), 7.0)
    assert mg.check(*functions, x).ok  # 7 is not drawn
    assert not mg.check(*functions, x, upstream=np.ones((2, 2))).ok


@pytest.mark.parametrize(
    ("backward", "message"),
    [
        (lambda dout, cache: dout, "functions that have a name; write the lambda as a def"),
        (3, "check takes Python functions; got int"),
        ([].append, "check takes Python functions"),
    ],
)
def test_what_cannot_be_checked_is_refused(backward: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        mg.check(backward, plain_forward)


def test_a_method_is_sent_to_the_command() -> None:
    class Layer:
        def backward(self, dout: Any) -> Any:
            return dout

    with pytest.raises(GraphError, match=r"micrograd check FILE\.py --backward"):
        mg.check(Layer().backward, plain_forward)


def test_a_function_without_a_source_is_refused() -> None:
    space: dict[str, Any] = {}
    exec("def f_forward(x): return x\ndef f_backward(dout, c): return dout", space)
    with pytest.raises(GraphError, match="the source of f_backward cannot be found; define it in a file"):
        mg.check(space["f_backward"], space["f_forward"])


def test_a_helper_under_another_name_is_refused(cells: Cells) -> None:
    cells.run("def h(x):\n    return x\nother = h\n")
    cells.run("def a_forward(x):\n    return other(x), x\ndef a_backward(d, c):\n    return d\n")
    with pytest.raises(GraphError, match="a_forward calls h by the name other; use its own"):
        mg.check(cells.space["a_backward"], cells.space["a_forward"])


def test_a_checked_script_does_not_check_itself_for_ever(tmp_path: Any) -> None:
    import subprocess
    import sys

    script = tmp_path / "hw.py"
    script.write_text(
        STUDENT + "\nimport micrograd as mg\nprint(mg.check(batchnorm_backward, batchnorm_forward).verdict)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "wrong\n"


def test_a_definition_gets_what_its_defaults_and_annotations_read(cells: Cells) -> None:
    cells.run("import numpy as np\nfrom typing import Any\nTWO = 2")
    cells.run("def square_forward(x: Any, n: int = TWO) -> Any:\n    return x**n, x")
    cells.run("def square_backward(dout: Any, x: Any, /, *, k: Any = TWO) -> Any:\n    return k * x * dout")
    space = cells.space
    report = mg.check(space["square_backward"], space["square_forward"])
    assert report.verdict == "right", report.problem
    wanted = request_for(space["square_backward"], space["square_forward"]).namespace
    assert {"Any", "TWO"} <= {*wanted}
    assert "np" not in wanted
