"""Functions of arrays as users write them: buffers, second names, masks, helpers, transforms inside."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

import micrograd as mg

__all__ = ["FUNCTIONS", "PLAIN", "branched", "contained", "equal", "unequal"]


def filled(x: Any) -> Any:
    o = np.zeros(len(x))
    for i in range(len(x)):
        o[i] = x[i] ** 2
    return np.sum(o * x)


def filled_by_slices(x: Any) -> Any:
    o = np.empty((2, len(x)))
    o[0], o[1] = x * x, np.exp(x)
    return np.sum(o[0] * o[1])


def listed(x: Any) -> Any:
    return np.sum(np.array([x[0] * x[1], x[1] * x[2], x[2] ** 3]))


def of_math(x: Any) -> Any:
    return x[0] * math.exp(x[1]) + math.sqrt(x[0] * x[1]) + math.tanh(x[2])


def equal(x: Any) -> Any:
    return np.sum(np.where(x == 1.2, 5 * x, x**2))


def unequal(x: Any) -> Any:
    return np.sum(x[x != 1.2] ** 3)


def largest(x: Any) -> Any:
    return np.sum((x == x.max()) * x * x)


def contained(x: Any) -> Any:
    return np.sum(x * (3.0 if 1.2 in x else 7.0))


def branched(x: Any) -> Any:
    return np.sum(x**2) if x[0] == 0.5 else np.sum(x**3)


def rows(x: Any) -> Any:
    z = np.stack([x, x**2])
    for row in z:
        row -= row.mean()  # noqa: PLW2901 - as written by users
    return np.sum(z**2)


def second_name(x: Any) -> Any:
    z = x * 2
    y = z
    y += x
    return np.sum(z * y)


def view(x: Any) -> Any:
    z = x**2
    h = z[:2]
    h *= 3
    return np.sum(z * x)


def _centre(a: Any) -> None:
    a -= a.mean()


def helper(x: Any) -> Any:
    z = x**3
    _centre(z)
    return np.sum(z * x)


def parameters(x: Any) -> Any:
    given = [x[:1] * 1.0, x[1:] * 1.0]
    for p in given:
        p -= 0.1 * p**2  # noqa: PLW2901
    return np.sum(given[0]) * np.sum(given[1])


def copied(x: Any) -> Any:
    return np.sum(x * copy.copy(x)) + np.sum(x * copy.deepcopy(x))


def copy_written(x: Any) -> Any:
    z = x.copy()
    z[0] = 0.0
    return np.sum(z * x)


def gradient_inside(x: Any) -> Any:
    return np.sum(x * mg.grad(lambda y: np.sum(y**3))(x))


def pulled_inside(x: Any) -> Any:
    value, pull = mg.vjp(lambda y: y**2, x)
    return np.sum(value * pull(x)[0])


def along_inside(x: Any) -> Any:
    return np.sum(mg.jvp(lambda y: y**3, [x], [x])[1])


def jacobian_inside(x: Any) -> Any:
    return np.sum(mg.jacobian(lambda y: y * y[0])(x) * x)


def enclosed_inside(x: Any) -> Any:
    return np.sum(mg.grad(lambda y: np.sum(x * y**2))(np.ones(len(x))))


def masked(x: Any) -> Any:
    return np.sum(x * (x > 0)) / np.sum(x > 0)


FUNCTIONS = [
    *(filled, filled_by_slices, listed, of_math, equal, unequal, largest, contained, branched, rows, second_name, view),
    *(helper, parameters, copied, copy_written, gradient_inside, pulled_inside, along_inside, jacobian_inside),
    *(enclosed_inside, masked),
]
# What runs a transform has no value of its own outside of one: a step with central differences is taken of these.
PLAIN: dict[Callable[..., Any], Callable[..., Any]] = {
    gradient_inside: lambda x: np.sum(x * 3 * x**2),
    pulled_inside: lambda x: np.sum(x**2 * 2 * x * x),
    along_inside: lambda x: np.sum(3 * x**2 * x),
    jacobian_inside: lambda x: np.sum((np.eye(len(x)) * x[0] + np.outer(x, np.eye(len(x))[0])) * x),
    enclosed_inside: lambda x: np.sum(2 * x),
}
