"""No test can leave by the back door: a `return` in the middle passes what it never looked at."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import ROOT, TESTS

FILES = sorted(TESTS.rglob("test_*.py"))


def _inside(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function, without those of the functions and classes in it."""
    for node in ast.iter_child_nodes(function):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            yield node
            yield from _inside(node)


def _swallows(handler: ast.ExceptHandler) -> bool:
    """Whether every error is caught and then forgotten."""
    anything = handler.type is None or ast.unparse(handler.type) in ("Exception", "BaseException")
    return anything and all(isinstance(node, (ast.Pass, ast.Continue, ast.Break)) for node in handler.body)


def back_doors(text: str) -> list[str]:
    """The lines of tests that leave early, or go on after any error at all."""
    found = []
    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef) or not function.name.startswith("test_"):
            continue
        for node in _inside(function):
            if isinstance(node, ast.Return):
                found.append(f"line {node.lineno}: {function.name} returns; use assume, an assertion or pytest.skip")
            elif isinstance(node, ast.ExceptHandler) and _swallows(node):
                found.append(f"line {node.lineno}: {function.name} forgets any error; name the one that is meant")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_test_leaves_by_the_back_door(path: Path) -> None:
    assert back_doors(path.read_text(encoding="utf-8")) == []


def test_a_back_door_is_found() -> None:
    text = """
def test_a(x):
    try:
        wanted = f(x)
    except Exception:
        return
    if not wanted:
        return
    assert g(x) == wanted

def test_b():
    for x in (1, 2):
        try:
            f(x)
        except Exception:
            pass

def test_c():
    def f(x):
        return x
    class C:
        def g(self):
            return 1
    try:
        f(1)
    except ValueError:
        pass
    assert [x for x in (1,)]

def helper():
    return 1
"""
    assert [line.partition(":")[0] for line in back_doors(text)] == ["line 6", "line 8", "line 15"]
    assert "test_b forgets any error" in back_doors(text)[2]
