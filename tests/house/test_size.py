"""A promise about the house: the engine stays small. What may import what is tested in `test_layers.py`."""

from __future__ import annotations

from pathlib import Path

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
