"""Every error is one of ours and one of Python's."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import micrograd as mg
from micrograd import errors


@pytest.mark.parametrize(
    ("ours", "python"),
    [
        (errors.GraphError, ValueError),
        (errors.ShapeError, ValueError),
        (errors.DTypeError, TypeError),
        (errors.NumericalError, ArithmeticError),
        (errors.MissingExtraError, ImportError),
        (errors.CheckpointError, ValueError),
    ],
)
def test_each_has_a_standard_parent(ours: type[Exception], python: type[Exception]) -> None:
    assert issubclass(ours, python)
    assert issubclass(ours, errors.MicrogradError)
    assert ours.__doc__


def test_the_list_is_complete() -> None:
    found = [name for name, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__]
    assert sorted(errors.__all__) == found


def test_except_value_error_keeps_working() -> None:
    with pytest.raises(ValueError, match="do not broadcast"):
        mg.Tensor(np.ones(2)) + np.ones(3)
    with pytest.raises(TypeError, match="float dtype"):
        mg.Tensor(np.arange(2))
    with pytest.raises(mg.MicrogradError):
        mg.Tensor(np.ones(2)) + np.ones(3)


def test_the_message_names_the_authors_line() -> None:
    x = mg.Tensor(np.ones((4, 3)))
    line = inspect.currentframe().f_lineno + 2  # type: ignore[union-attr]
    with pytest.raises(errors.ShapeError) as caught:
        x + np.ones((5, 3))
    assert f"add (line test_errors.py:{line}): shapes (4, 3) and (5, 3)" in str(caught.value)
