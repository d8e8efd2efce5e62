"""Draw the starting values of parameters.

The inputs of a unit are all axes of its weights except that of the outputs: (inputs, outputs) of `Linear`,
(outputs, inputs, K, L) of `Conv2d`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from micrograd.errors import DTypeError

__all__ = ["INITIALIZERS", "float_dtype", "initial"]

Array = np.ndarray[Any, Any]


def float_dtype(dtype: Any) -> np.dtype[Any]:
    """Return `dtype` as a NumPy dtype, if it is a float.

    Raises:
        DTypeError: it is not.

    >>> float_dtype("f4")
    dtype('float32')
    """
    found: np.dtype[Any] = np.dtype(dtype)
    if found.kind != "f":
        raise DTypeError(f"dtype is {found}; expected a float dtype for parameters, np.float32 or np.float64.")
    return found


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Count the inputs of a unit, and the outputs of an input."""
    if len(shape) == 2:
        return shape[0], shape[1]
    window = int(np.prod(shape[2:], dtype=int))
    return shape[1] * window, shape[0] * window


def _he_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    return rng.normal(0.0, np.sqrt(2.0 / _fans(shape)[0]), shape)


def _he_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    limit = np.sqrt(6.0 / _fans(shape)[0])
    return rng.uniform(-limit, limit, shape)


def _glorot_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    return rng.normal(0.0, np.sqrt(2.0 / sum(_fans(shape))), shape)


def _glorot_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    limit = np.sqrt(6.0 / sum(_fans(shape)))
    return rng.uniform(-limit, limit, shape)


def _orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    high, wide = shape if len(shape) == 2 else (shape[0], int(np.prod(shape[1:], dtype=int)))
    q, r = np.linalg.qr(rng.standard_normal((max(high, wide), min(high, wide))))
    q = q * np.sign(np.diag(r))  # without it some orthogonal matrices are likelier than others (Mezzadri, 2007)
    matrix: Array = q if high >= wide else q.T
    return matrix.reshape(shape)


INITIALIZERS: dict[str, Callable[[tuple[int, ...], np.random.Generator], Array]] = {
    "he": _he_normal,
    "glorot": _glorot_uniform,
    "he_normal": _he_normal,
    "he_uniform": _he_uniform,
    "glorot_normal": _glorot_normal,
    "glorot_uniform": _glorot_uniform,
    "orthogonal": _orthogonal,
}
"""By name: He et al., 2015 (for relu), Glorot and Bengio, 2010 (for tanh and sigmoid), Saxe et al., 2014."""


def initial(name: str, shape: tuple[int, ...], rng: np.random.Generator | int | None, dtype: Any) -> Array:
    """Draw weights of a shape with the initializer of a name.

    Raises:
        ValueError: an unknown name. DTypeError: a dtype that is not a float.

    >>> initial("glorot", (2, 3), 0, np.float32).shape
    (2, 3)
    """
    if name not in INITIALIZERS:
        raise ValueError(
            f"init is {name!r}; expected 'he' (for relu) or 'glorot' (for tanh and sigmoid), or one of "
            f"{', '.join(n for n in INITIALIZERS if n not in ('he', 'glorot'))}."
        )
    return INITIALIZERS[name](shape, np.random.default_rng(rng)).astype(float_dtype(dtype))
