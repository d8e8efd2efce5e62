"""Every error is one of ours and one of Python's."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special

import micrograd as mg
from micrograd import errors, functional, optim
from micrograd.primitives import TABLE


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


# ---- what a user sees ------------------------------------------------------------------------------------------

X = np.array([1.0, 2.0, 4.0])


def _row(**keywords: Any) -> Any:
    return mg.Primitive("row_of_test_errors", **keywords)


def _too_many_operands() -> None:
    row = _row(array=lambda a, b: a * b, vjp=(lambda g, out, a, b: g * b,))
    try:
        row(mg.Tensor(X), mg.Tensor(X))
    finally:
        del TABLE[row.name]


def _double(x: Any) -> Any:
    return 2 * x


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        # a result in the place of the function
        (lambda: mg.grad(3.0), TypeError, "grad takes a function; got 3.0; pass the function itself, grad(f)(x), not"),
        (lambda: mg.value_and_grad(None), TypeError, "value_and_grad takes a function; got None; pass the function"),
        (lambda: mg.jacobian(3), TypeError, "jacobian takes a function; got 3; pass the function itself, jacobian(f)(x)"),
        (lambda: mg.hessian("f"), TypeError, "hessian takes a function; got 'f'; pass the function itself, hessian(f)(x)"),
        (lambda: mg.vjp(3, X), TypeError, "vjp takes a function; got 3."),
        (lambda: mg.jvp(3, [X], [X]), TypeError, "jvp takes a function; got 3."),
        (lambda: mg.trace(3, X), TypeError, "trace takes a function; got 3."),
        (lambda: mg.compile(3), TypeError, "compile takes a function or a module; got 3."),
        # arguments
        (lambda: mg.trace(_double, 3), ValueError, "nothing to differentiate by; pass np.array(3.0) for 3."),
        (lambda: mg.trace(_double, 3.5), ValueError, "nothing to differentiate by; pass np.array(3.5) for 3.5."),
        (lambda: mg.grad(_double, "x")(X), ValueError, "argnums names 'x'; name arguments by position, 0 for the first."),
        (lambda: mg.jvp(_double, X, X), ValueError, "in a list or tuple: jvp(f, (x,), (direction,))."),
        (lambda: mg.grad(lambda x: 3.0)(X), ValueError, "return an array or a number computed from them."),
        (lambda: mg.vjp(lambda x: (x, x), X), ValueError, "<lambda> returned a tuple; expected one array or number."),
        (lambda: mg.grad(lambda x: {"a": x})(X), ValueError, "<lambda> returned a dict; expected one array or number."),
        # what has no rule, spelled as the user calls it
        (lambda: mg.grad(lambda x: np.sum(np.i0(x)))(X), ValueError, "np.i0 has no rule to differentiate it by"),
        (lambda: mg.grad(lambda x: np.linalg.eigvals(x))(X), ValueError, "np.linalg.eigvals has no rule"),
        (lambda: mg.grad(lambda x: scipy.special.elliprd(x, x, x))(X), ValueError, "scipy.special.elliprd has no rule"),
        (lambda: np.i0(mg.Tensor(X)), ValueError, "np.i0 has no rule to differentiate it by, so its gradient would be"),
        (lambda: np.fft.fft(mg.Tensor(X)), ValueError, "np.fft.fft has no rule to differentiate it by, so its gradient"),
        (lambda: mg.compile(lambda x: np.linalg.matrix_rank(x) * x)(np.eye(3)), ValueError,
         "np.linalg.matrix_rank() of a tensor"),
        # rows
        (lambda: _row(array=np.sin), ValueError, "has no vjp, so its gradient would be 0 in silence; give vjp=(rule, ...)"),
        (lambda: _row(vjp=(lambda g, out, x: g,)), ValueError, "NumPy has no function 'row_of_test_errors'; name one"),
        (lambda: _row(array=np.sin, vjp=lambda g, out, x: g), TypeError, "give the rules in a tuple, one for each operand"),
        (lambda: _row(array=np.sin, vjp=(lambda g, x: g,)), ValueError,
         "vjp rule 0 takes 2 argument(s); it is called with 3: lambda g, out, x: ..."),
        (_too_many_operands, TypeError,
         "is called with 2 operands and has 1 vjp rule(s); declare one for each"),
        # labels and parameters
        (lambda: functional.cross_entropy(mg.Tensor(np.ones((2, 3))), np.eye(3)[:2]), TypeError,
         "the class of each row. They have shape (2, 3), as one-hot rows do: pass labels.argmax(axis=1)."),
        (lambda: functional.cross_entropy(mg.Tensor(np.ones((2, 3))), np.array([0.0, 1.0])), TypeError,
         "the class of each row. Use labels.astype(int)."),
        (lambda: optim.SGD(mg.nn.Linear(2, 3), 0.1), TypeError, "parameters is of type Linear; pass model.parameters(),"),
        (lambda: optim.SGD(mg.Tensor(X), 0.1), TypeError, "parameters is of type Tensor; pass [w], a list of Tensors."),
        (lambda: optim.SGD([X], 0.1), TypeError, "parameter 0 is of type ndarray; pass model.parameters(), or a list of"),
    ],
)  # fmt: skip
def test_a_message_says_what_is_wrong_and_what_to_write(call: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=re.escape(said)) as caught:
        call()
    assert ".data" not in str(caught.value)  # which nobody wrote


def test_values_are_refused_in_a_compiled_function_in_one_sentence() -> None:
    for look in (np.unique, np.lexsort):
        with pytest.raises(errors.GraphError, match=r"; return the tensor and look at its values outside\.\n"):
            mg.compile(lambda x, look=look: look(x))(X)
    text = "".join(path.read_text() for path in Path(mg.__file__).parent.rglob("*.py"))
    assert text.count("return the tensor and look at its values outside") == 1
