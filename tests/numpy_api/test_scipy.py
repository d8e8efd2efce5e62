"""SciPy's special functions: SciPy's values, and slopes against differences and mpmath, by grad, trace and compile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import special

import micrograd as mg
from micrograd.errors import GraphError
from micrograd.numpy_api import scipy as ours
from micrograd.testing import check_grad

X = np.array([[0.3, 1.7, 2.5], [0.8, 3.1, 0.05]])
UNIT = np.array([0.2, 0.5, 0.83])
ONE = {
    **dict.fromkeys(("erf", "erfc", "erfcx", "expit", "log_expit", "ndtr", "log_ndtr", "gamma", "gammaln", "rgamma"), X),
    **dict.fromkeys(("psi", "digamma", "loggamma", "j0", "j1", "y0", "y1", "i0", "i1", "entr", "exp10", "exp2"), X),
    "i0e": X + 1.0, "i1e": -X - 1.0, **dict.fromkeys(("erfinv", "ndtri", "logit"), UNIT), "erfcinv": 2 * UNIT, "cbrt": X, "expm1": X, "log1p": X,
}  # fmt: skip
SEVERAL: dict[str, tuple[Any, ...]] = {
    "polygamma": (2, X), "jv": (1.5, X), "yv": (0.5, X), "yn": (2, X), "iv": (1.5, X), "ive": (2, X), "ive at -x": (2, -X),
    "gammainc": (1.3, X), "gammaincc": (np.array([0.7, 1.3, 2.0]), X), "betainc": (1.2, 0.7, UNIT),
}  # fmt: skip
BOTH: dict[str, tuple[Any, ...]] = {
    "beta": (X[0], UNIT), "betaln": (X[0], UNIT), "xlogy": (X[0], UNIT), "xlog1py": (X[0], UNIT),
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def _declared() -> None:
    """Declare the rows before the tests look whether the table changes."""
    for name in (*ours._SLOPES, *ours._BOTH):
        ours._row(name)


CALLS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    **{name: ((lambda x, name=name: getattr(special, name)(x)), (x,)) for name, x in ONE.items()},
    **{name: ((lambda x, name=name, args=args: getattr(special, name.split()[0])(*args[:-1], x)), args[-1:])
       for name, args in SEVERAL.items()},
    "multigammaln": (lambda x: special.multigammaln(x[0, 0] + 2, 3), (X,)),
    **{name: ((lambda x, y, name=name: getattr(special, name)(x, y)), args) for name, args in BOTH.items()},
    "logsumexp with weights": (lambda x, b: special.logsumexp(x, axis=1, b=b), (X, np.abs(X) + 0.2)),
    "logsumexp with signs": (lambda x: special.logsumexp(x, b=np.array([1.0, -2.0, 0.0]), return_sign=True)[0], (X,)),
    "gammasgn": (lambda x: special.gammasgn(x - 1.5) * x, (X,)),
    "softmax": (lambda x: special.softmax(x, axis=1), (X,)),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_values_are_scipys_and_slopes_those_of_its_values(name: str) -> None:
    f, arrays = CALLS[name]
    wanted = f(*arrays)
    value, _ = mg.vjp(f, *arrays)
    np.testing.assert_allclose(value, wanted, rtol=1e-13)
    graph = mg.trace(f, *arrays)
    np.testing.assert_allclose(graph.value[graph.outputs[0].name], wanted, rtol=1e-13)
    check_grad(f, *arrays, backward=lambda g, *x: mg.vjp(f, *x)[1](np.asarray(g)), method="central", tolerance=1e6)
    w = np.cos(np.arange(wanted.size)).reshape(wanted.shape)
    first = lambda x: np.sum(mg.grad(lambda x: np.sum(f(x, *arrays[1:]) * w))(x) * np.cos(x))
    check_grad(first, arrays[0], backward=lambda g, x: g * mg.grad(first)(x), method="central", tolerance=1e6)


@pytest.mark.filterwarnings("ignore:.*cannot be fused")
def test_they_are_compiled_and_taken_by_name() -> None:
    f = lambda x: special.erf(x) * special.gammaln(x) + special.logsumexp(x)
    compiled = mg.compile(f)
    for x in (X, 2 * X):
        np.testing.assert_allclose(compiled(x), f(x), rtol=1e-13)
    for g in (special.erf, special.softmax, special.logsumexp):  # themselves, not called by a function
        np.testing.assert_allclose(mg.vjp(g, X)[0], g(X), rtol=1e-13)
    np.testing.assert_allclose(special.erf(mg.Tensor(X)).data, special.erf(X))
    assert mg.trace(lambda x: special.erf(x), X).nodes[-1].op == "special_erf"


@pytest.mark.parametrize(
    ("f", "of"), [(special.gammainc, 0), (special.jv, 0), (special.polygamma, 0), (special.betainc, 1)]
)
def test_what_has_no_slope_by_its_order_is_refused_there(f: Any, of: int) -> None:
    args = [2.0, 1.5, 0.5][: 3 if f is special.betainc else 2]
    with pytest.raises(GraphError, match=rf"scipy.special.{f.__name__} has no slope by its argument {of} here; keep"):
        mg.grad(lambda *x: f(*x), of)(*args)


def test_numbers_are_computed_as_arrays_are() -> None:
    for f in (lambda x: special.gammainc(1.3, x), special.erf, lambda x: special.logsumexp(x, b=2.0), special.logit):
        value, slope = mg.value_and_grad(f)(0.7)
        wanted, slopes = mg.value_and_grad(lambda x, f=f: np.sum(f(x)))(np.array([0.7]))
        np.testing.assert_allclose([value, slope], [float(wanted), *slopes], rtol=1e-14)


def test_other_functions_of_such_names_are_not_meant() -> None:
    with pytest.raises(GraphError, match="i0 has no rule"):
        mg.grad(lambda x: np.sum(np.i0(x)))(X)
    assert ours.of_scipy(np.random.default_rng(0).gamma) is None
    assert ours.of_scipy(special.erf) is not None


@pytest.mark.parametrize("x", [-800.0, -745.0, -30.0, 0.0, 30.0, 800.0, -np.inf, np.inf])
def test_a_sigmoid_has_its_slope_from_end_to_end(x: float) -> None:
    exact = 0.0
    if np.isfinite(x):
        with mpmath.workdps(800):
            exact = float(1 / (1 + mpmath.exp(-x)) / (1 + mpmath.exp(x)))
    for point in (x, np.array([x]), np.array([x], np.float32)):
        narrow = getattr(point, "dtype", None) == np.float32
        got = mg.grad(lambda x: np.sum(special.expit(x)))(point)
        np.testing.assert_allclose(np.ravel(got), exact, rtol=1e-5 if narrow else 1e-12, atol=1e-44 if narrow else 0)


def test_a_logarithm_of_a_sum_of_nothing_but_minus_infinity_is_minus_infinity() -> None:
    f = lambda x: special.logsumexp(x, axis=1)
    x = np.array([[-np.inf, -np.inf], [-np.inf, 2.0], [np.inf, 1.0]])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(mg.vjp(f, x)[0], f(x))
