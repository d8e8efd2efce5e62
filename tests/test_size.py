"""Two promises about the house: the engine stays small, and imports go downwards only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from code_lines import ENGINE_LIMIT, code_lines

import micrograd

PACKAGE = Path(micrograd.__file__).parent


def test_the_engine_is_small() -> None:
    """`conftest.py` prints the number at the end of every run."""
    assert code_lines((PACKAGE / "engine.py").read_text(encoding="utf-8")) <= ENGINE_LIMIT


def test_code_lines_counts_right() -> None:
    text = '''"""A module.

With a docstring of three lines.
"""

# a comment


def f(x):
    """One."""
    y = """text that is
    code"""  # 2 lines
    return (
        x,  # 3 and 4 and 5 and 6
        y,
    )


class C:
    """Two
    lines."""

    z = 1; w = 2
'''
    assert code_lines(text) == 9  # def, y (2), return (4), class, z


# ---- imports go downwards only ---------------------------------------------------------------------------

# From the ground up. A module may import from floors below its own, and from its own floor.
FLOORS = [
    {"buffers", "errors", "source", "names", "tree", "modes", "namesake"},
    {"primitives"},
    {"composites"},
    {"contractions", "arrangements"},
    {"numpy_api", "ingest", "arraylike", "copying", "operators"},
    {"engine"},
    {"functional", "numerics", "anomaly", "batchnorm", "batchnorm_input", "transforms"},
    {"graph"},
    {"nn", "optim", "data", "train", "checkpoint"},
    {"drawing", "notation"},
    {"stepper"},
    {"testing"},
    {"compiler", "export"},
    {"marker"},
    {"cli", "demo", "__main__"},
]
TOP = len(FLOORS) - 1  # the front door, `micrograd` itself, is open to the top floor only
FLOOR = {module: level for level, floor in enumerate(FLOORS) for module in floor}

# The one way up: a graph or tensor that a notebook asks to show itself calls the drawer, at that moment.
SHOWS_ITSELF = {("arraylike", "drawing"), ("graph", "drawing"), ("nn", "compiler")}


def climbs(text: str, inside: str) -> list[str]:
    """What `text`, the source of module `inside`, imports from a floor above its own; "" is the package itself."""
    own = inside.split(".")[1]
    tree = ast.parse(text)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    late = {inner for function in functions for inner in ast.walk(function)}
    found = set()
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*(inside.split(".")[: -node.level] if node.level else []), *filter(None, [node.module])])
            names = [f"{base}.{alias.name}" for alias in node.names] if base == "micrograd" else [base]
        for name in names:
            package, _, rest = name.partition(".")
            module = rest.partition(".")[0]
            module = module if module in FLOOR else ""
            if package != "micrograd" or (node in late and (own, module) in SHOWS_ITSELF):
                continue
            if FLOOR.get(module, TOP) > FLOOR[own]:
                found.add(module)
    return sorted(found)


def modules() -> list[tuple[str, Path]]:
    """Every module of the package but its front door, `__init__`."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts != ("__init__",):
            found.append((".".join(["micrograd", *parts]), path))
    return found


@pytest.mark.parametrize(("name", "path"), modules(), ids=[name for name, _ in modules()])
def test_imports_go_downwards(name: str, path: Path) -> None:
    assert name.split(".")[1] in FLOOR, f"{name} stands on no floor: add it to FLOORS"
    assert climbs(path.read_text(encoding="utf-8"), name) == []


def test_the_import_test_can_fail() -> None:
    assert climbs("from micrograd.drawing import dot", "micrograd.engine") == ["drawing"]
    assert climbs("from micrograd import drawing", "micrograd.engine") == ["drawing"]
    assert climbs("def f():\n    import micrograd.nn.layers", "micrograd.tracing.tracer") == ["nn"]
    assert climbs("def f():\n    from ..nn import MLP", "micrograd.tracing.tracer") == ["nn"]
    assert climbs("import micrograd", "micrograd.engine") == [""]


def test_the_import_test_lets_pass_what_is_meant() -> None:
    assert climbs("from micrograd import primitives as p\nimport micrograd.errors", "micrograd.engine") == []
    assert climbs("from .graph import Node\nimport numpy", "micrograd.tracing.tracer") == []
    assert climbs("import micrograd", "micrograd.cli") == []
    assert climbs("def show():\n    from micrograd.drawing import draw", "micrograd.graph.graph") == []
