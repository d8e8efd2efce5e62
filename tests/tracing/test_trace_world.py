"""What surrounds a traced function: helpers, globals, closures, objects, and what NumPy would have done to them."""

from __future__ import annotations

import abc
import collections
import copy
import dataclasses
import functools
import sys
import types
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy import maximum as larger
from numpy import zeros

import micrograd as mg
from micrograd.errors import GraphError

X = np.array([[1.0, -2.0, 0.5], [0.3, 4.0, -1.0]])
SCALE = np.array([2.0, -1.0, 0.5])
CALLS = {"count": 0, "last": None}
HISTORY: list[Any] = []
RATE = 0.5
STEPS = 0
ACTIVATIONS = {"relu": lambda z: fill(np.maximum(z, 0.0)), "tanh": np.tanh}


def fill(z):  # type: ignore[no-untyped-def]
    """A helper that needs a buffer of its own."""
    out = zeros(z.shape)
    for i in range(len(z)):
        out[i] = z[i]
    return out


def values(f: Any, *args: Any, **kwargs: Any) -> np.ndarray:
    graph = mg.trace(f, *args, **kwargs)
    return graph.value[graph.outputs[0].name]  # type: ignore[no-any-return]


def countdown(z, n):  # type: ignore[no-untyped-def]
    return fill(z) if n == 0 else countdown(z * 2.0, n - 1)


def even(z, n):  # type: ignore[no-untyped-def]
    return fill(z) if n == 0 else odd(z + 1.0, n - 1)


def odd(z, n):  # type: ignore[no-untyped-def]
    return z if n == 0 else even(z - 0.5, n - 1)


def doubled(function):  # type: ignore[no-untyped-def]
    @functools.wraps(function)
    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        return np.asarray(function(*args, **kwargs)) * 2.0

    return wrapper


@doubled
def decorated(z, start=np.zeros(3)):  # type: ignore[no-untyped-def]
    acc = start.copy()
    acc += z[0]
    return acc


@functools.lru_cache(maxsize=4)
def cached_shape(n):  # type: ignore[no-untyped-def]
    return np.zeros(n)


def test_helpers_of_the_file_are_traced() -> None:
    for f, *rest in ((fill,), (countdown, 3), (even, 4), (decorated,)):
        np.testing.assert_allclose(values(f, X, *rest), f(X, *rest))
    np.testing.assert_allclose(values(lambda x: ACTIVATIONS["relu"](x) + ACTIVATIONS["tanh"](x), X),
                               np.maximum(X, 0) + np.tanh(X))  # fmt: skip
    np.testing.assert_allclose(values(lambda x: larger(x, 0.1) * SCALE, X), np.maximum(X, 0.1) * SCALE)
    np.testing.assert_allclose(values(functools.partial(countdown, n=2), X), X * 4.0)
    np.testing.assert_allclose(values(lambda x, f: f(x), X, fill), X)

    def with_a_cache(x):  # type: ignore[no-untyped-def]
        out = cached_shape(3)
        out[1] = x.sum()
        return out

    np.testing.assert_allclose(values(with_a_cache, X), [0.0, X.sum(), 0.0])


def test_nothing_of_the_authors_is_changed() -> None:
    before = dict(globals())
    code, defaults = fill.__code__, decorated.__wrapped__.__defaults__
    mg.trace(lambda x: ACTIVATIONS["relu"](decorated(x)[None] * SCALE), X)
    assert globals() == before
    assert np.zeros is sys.modules["numpy"].zeros
    assert fill.__code__ is code
    assert decorated.__wrapped__.__defaults__ is defaults
    assert not defaults[0].any()


def test_imports_inside_of_a_function() -> None:
    def f(x):  # type: ignore[no-untyped-def]
        import math

        import numpy  # noqa: ICN001
        import numpy.linalg as la
        from numpy import zeros_like as blank

        out = blank(x)
        out[:] = numpy.exp(x) + la.norm(x) + math.sqrt(x[1, 1]) + math.sqrt(4)
        return out

    np.testing.assert_allclose(values(f, X), np.exp(X) + np.linalg.norm(X) + 4.0)


def test_global_variables() -> None:
    global STEPS, RATE

    def f(x):  # type: ignore[no-untyped-def]
        global STEPS, RATE  # noqa: PLW0603
        STEPS += 1
        RATE = x.mean()
        CALLS["count"] += 1
        CALLS["last"] = x * 2.0
        HISTORY.append(x.sum())
        return x * RATE

    STEPS, RATE, CALLS["count"] = 0, 0.5, 0
    HISTORY.clear()
    same = CALLS, HISTORY
    mg.trace(f, X)
    assert (STEPS, CALLS["count"]) == (1, 1)
    assert type(RATE) is np.float64
    assert pytest.approx(X.mean()) == RATE
    assert type(CALLS["last"]) is np.ndarray
    np.testing.assert_allclose(CALLS["last"], X * 2.0)
    assert [pytest.approx(X.sum())] == HISTORY
    assert same == (CALLS, HISTORY)
    RATE, CALLS["last"] = 0.5, None


def test_global_arrays_are_written_into_as_numpy_does() -> None:
    total = np.zeros(3)
    seen = total[:2]

    def f(x):  # type: ignore[no-untyped-def]
        total[...] += x.sum(axis=0)
        total[2] = -1.0
        return x * total

    wanted = X * np.array([*X.sum(axis=0)[:2], -1.0])
    np.testing.assert_allclose(values(f, X), wanted)
    np.testing.assert_allclose(total, [*X.sum(axis=0)[:2], -1.0])
    np.testing.assert_allclose(seen, X.sum(axis=0)[:2])  # the caller's own view sees it


def test_closures_and_nonlocal_names() -> None:
    count, last = 0, None

    def f(x):  # type: ignore[no-untyped-def]
        nonlocal count, last
        count += 1
        last = np.exp(x)

        def inner(z):  # type: ignore[no-untyped-def]
            out = np.zeros_like(z)
            out += z
            return out

        return inner(last)

    np.testing.assert_allclose(values(f, X), np.exp(X))
    assert count == 1
    assert type(last) is np.ndarray


def test_functions_made_in_the_trace_come_back_plain() -> None:
    made: dict[str, Any] = {}

    def f(x):  # type: ignore[no-untyped-def]
        z = np.tanh(x)
        made["backward"] = lambda dout: dout * (1 - z**2)
        made["np"] = np.exp
        return z

    mg.trace(f, X)
    got = made["backward"](np.ones_like(X))
    assert type(got) is np.ndarray
    np.testing.assert_allclose(got, 1 - np.tanh(X) ** 2)
    assert made["np"] is np.exp
    assert made["backward"].__globals__ is globals()


# ---- arguments -------------------------------------------------------------------------------------------


def test_dictionaries_are_the_callers_own() -> None:
    def f(x, p):  # type: ignore[no-untyped-def]
        mean = p["running_mean"]
        mean *= 0.9
        mean += 0.1 * x.mean(axis=0)
        p["calls"] = p.get("calls", 0) + 1
        p["cache"] = (x, [x * 2.0], {"mean": mean})
        del p["old"]
        return x - mean

    def given() -> dict[str, Any]:
        return {"running_mean": np.array([1.0, 2.0, 3.0]), "old": 1}

    plain, traced = given(), given()
    mean = traced["running_mean"]
    f(X.copy(), plain)
    x = X.copy()
    mg.trace(f, x, traced)
    assert list(traced) == list(plain)
    assert traced["running_mean"] is mean
    np.testing.assert_allclose(mean, plain["running_mean"])
    assert traced["cache"][0] is x
    assert type(traced["cache"][1][0]) is np.ndarray
    assert traced["cache"][2]["mean"] is mean


def test_a_failed_trace_leaves_the_arguments() -> None:
    def f(x, p):  # type: ignore[no-untyped-def]
        x += 1.0
        p["new"] = x
        return np.i0(x)

    x, p = X.copy(), {"w": np.ones(3)}
    with pytest.raises(GraphError):
        mg.trace(f, x, p)
    np.testing.assert_array_equal(x, X)
    assert list(p) == ["w"]


class Point(NamedTuple):
    x: Any
    y: Any


def test_named_tuples_and_ordered_dictionaries_keep_their_type() -> None:
    def f(point, more):  # type: ignore[no-untyped-def]
        assert type(point).__name__ == "Point"
        assert isinstance(more, collections.OrderedDict)
        return point.x * more["s"] + point.y

    graph = mg.trace(f, Point(X, X * 2.0), collections.OrderedDict(s=SCALE))
    assert [node.name for node in graph.inputs] == ["point.0", "point.1", "more.s"]


def test_integers_written_into_are_the_callers() -> None:
    counts = np.zeros(3, int)

    def f(x, counts):  # type: ignore[no-untyped-def]
        counts += 1
        counts[x[0] > 0] = 7
        return x * counts

    np.testing.assert_allclose(values(f, X, counts), X * np.array([7, 1, 7]))
    assert counts.tolist() == [7, 1, 7]


# ---- objects ---------------------------------------------------------------------------------------------


class Base(abc.ABC):
    made = 0

    def __init__(self, w):  # type: ignore[no-untyped-def]
        self.w = w
        type(self).made += 1

    @abc.abstractmethod
    def forward(self, x): ...  # type: ignore[no-untyped-def]

    def __call__(self, x):  # type: ignore[no-untyped-def]
        return self.forward(x)


class Layer(Base):
    @staticmethod
    def blank(x):  # type: ignore[no-untyped-def]
        return np.zeros(x.shape)

    @classmethod
    def name_of(cls):  # type: ignore[no-untyped-def]
        return cls.__name__

    @property
    def twice(self):  # type: ignore[no-untyped-def]
        return np.array(self.w) * 2.0

    @functools.cached_property
    def thrice(self):  # type: ignore[no-untyped-def]
        return np.asarray(self.w) * 3.0

    def __init__(self, w):  # type: ignore[no-untyped-def]
        super().__init__(w)
        self.inner = Part(1.5)

    def forward(self, x):  # type: ignore[no-untyped-def]
        out = self.blank(x)
        out[:] = x * self.twice + self.thrice
        assert self.name_of() == "Layer"
        self.out = self.inner.apply(out)
        return self.out


class Part:
    __slots__ = ("factor", "seen")

    def __init__(self, factor):  # type: ignore[no-untyped-def]
        self.factor = factor

    def apply(self, z):  # type: ignore[no-untyped-def]
        self.seen = z
        return z * self.factor


@dataclasses.dataclass
class Settings:
    scale: Any
    log: list[Any] = dataclasses.field(default_factory=list)


def test_objects_with_bases_slots_and_properties() -> None:
    plain, traced = Layer(SCALE), Layer(SCALE)
    wanted = plain(X)
    np.testing.assert_allclose(values(traced, X), wanted)
    np.testing.assert_allclose(traced.out, plain.out)
    assert type(traced.inner.seen) is np.ndarray
    np.testing.assert_allclose(traced.inner.seen, plain.inner.seen)
    assert type(traced) is Layer
    assert traced.w is SCALE


def test_objects_made_in_the_trace_are_of_the_authors_class() -> None:
    keep: list[Any] = []

    def f(x):  # type: ignore[no-untyped-def]
        layer = Layer(SCALE)
        assert isinstance(layer, Layer)
        assert isinstance(layer, Base)
        keep.append(layer)
        return layer.forward(x)

    before = Layer.made
    np.testing.assert_allclose(values(f, X), Layer(SCALE)(X))
    assert Layer.made == before + 2
    assert type(keep[0]) is Layer
    assert type(keep[0].out) is np.ndarray


def test_objects_among_the_arguments() -> None:
    settings = Settings(SCALE)

    def f(x, settings):  # type: ignore[no-untyped-def]
        settings.log.append(x.mean())
        settings.scale = settings.scale + 1.0
        return x * settings.scale

    np.testing.assert_allclose(values(f, X, settings), X * (SCALE + 1.0))
    assert settings.log == [pytest.approx(X.mean())]
    assert type(settings.scale) is np.ndarray


def test_modules_of_the_authors() -> None:
    layers = types.ModuleType("layers_of_a_student")
    layers.__file__ = "/home/student/layers.py"
    exec(compile("import numpy as np\ndef f(x):\n    o = np.zeros(3)\n    o[0] = x[0, 0]\n    return o\n",
                 layers.__file__, "exec"), layers.__dict__)  # fmt: skip
    np.testing.assert_allclose(values(lambda x: layers.f(x) * 2.0, X), [2.0, 0.0, 0.0])


def test_instances_are_arrays_and_numbers() -> None:
    def f(x):  # type: ignore[no-untyped-def]
        assert isinstance(x, np.ndarray)
        assert isinstance(x[0], (list, np.ndarray))
        assert isinstance(x[0, 0], (float, np.floating))
        assert not isinstance(x, float)
        assert np.isscalar(x.sum())
        assert not np.isscalar(x)
        assert x.dtype == np.float64
        assert (x.ndim, x.size, x.nbytes, x.itemsize, len(x)) == (2, 6, 48, 8, 2)
        assert X[0, 0] in x
        assert int(x[0, 0]) == round(x[0, 0]) == 1
        assert np.any(x > 3.0)
        assert not np.all(x > 0.0)
        assert bool(x[0, 0] > 0.5)
        assert np.argmax(x) == x.argmax() == 4
        assert np.allclose(copy.deepcopy(x), x)
        assert x.shape == (2, 3)
        x.flat[5] = 9.0
        assert x.flags.c_contiguous
        assert x.real.strides == (24, 8)
        return np.array([x.item(0), x.item(1, 1), *(max(row) for row in x), *x.flat])

    np.testing.assert_allclose(values(f, X.copy()), [1.0, 4.0, 1.0, 9.0, 1.0, -2.0, 0.5, 0.3, 4.0, 9.0])


def test_a_library_function_is_traced_on_tensors() -> None:
    def f(x, gamma, beta):  # type: ignore[no-untyped-def]
        h = mg.batch_norm(x, gamma, beta)
        h += mg.functional.relu(x)
        return h

    x = np.random.default_rng(0).normal(size=(5, 3))
    graph = mg.trace(f, x, SCALE, SCALE)
    graph.backward(np.ones((5, 3)))
    assert graph.outputs[0].name in ("h'", "h")
    np.testing.assert_allclose(graph.grad["beta"], [5.0, 5.0, 5.0])
