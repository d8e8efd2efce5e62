"""Where parameters start.

The inputs of a unit are all axes of its weights but the one of the outputs: (inputs, outputs) of `Linear`,
(outputs, inputs, K, L) of `Conv2d`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from micrograd.errors import DTypeError, GraphError

if TYPE_CHECKING:
    from micrograd.nn.module import Module

__all__ = ["INITIALIZERS", "float_dtype", "initial", "lsuv"]

Array = np.ndarray[Any, Any]


def float_dtype(dtype: Any) -> np.dtype[Any]:
    """`dtype`, if it is one that parameters may have.

    Raises:
        DTypeError: it is no float.
    """
    found: np.dtype[Any] = np.dtype(dtype)
    if found.kind != "f":
        raise DTypeError(f"dtype is {found}; parameters need a float dtype, np.float32 or np.float64.")
    return found


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """How many inputs a unit has, and how many outputs an input."""
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
    """Weights of this shape.

    Raises:
        ValueError: an unknown name. DTypeError: a dtype that is no float.

    >>> initial("glorot", (2, 3), 0, np.float32).shape
    (2, 3)
    """
    if name not in INITIALIZERS:
        raise ValueError(
            f"init is {name!r}; expected 'he' (for relu) or 'glorot' (for tanh and sigmoid), or one of "
            f"{', '.join(n for n in INITIALIZERS if n not in ('he', 'glorot'))}."
        )
    return INITIALIZERS[name](shape, np.random.default_rng(rng)).astype(float_dtype(dtype))


def lsuv(
    model: Module, x: Any, *, tolerance: float = 0.05, trials: int = 10, rng: np.random.Generator | int | None = None
) -> dict[str, float]:
    """Layer-sequential unit variance (Mishkin and Matas, 2016): each linear layer and convolution gets orthogonal
    weights, then, in the order of the forward pass, is scaled until its output on `x` has variance 1.

    Args:
        model: its weights are replaced; anything with `Linear` and `Conv2d` inside.
        x: a batch, as the model takes it.
        tolerance: how far from 1 the variance may stay.
        trials: scalings of a layer at most.
        rng: a NumPy Generator, or a seed for one.

    Returns:
        The variance of each layer's output at the end, by its dotted name.

    Raises:
        GraphError: there is no layer with weights, or one whose output is constant.

    >>> from micrograd import nn
    >>> model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 4))
    >>> found = lsuv(model, np.random.default_rng(0).normal(size=(256, 8)), rng=0)
    >>> {name: round(variance, 1) for name, variance in found.items()}
    {'layers.0': 1.0, 'layers.2': 1.0}
    """  # noqa: D205
    from micrograd.nn.convolution import Conv2d
    from micrograd.nn.linear import Linear

    rng = np.random.default_rng(rng)
    layers = {name: m for name, m in model.named_modules() if isinstance(m, (Linear, Conv2d))}
    if not layers:
        raise GraphError(f"{type(model).__name__} has no Linear or Conv2d whose weights could be scaled.")
    for layer in layers.values():
        weight = layer.weight
        weight.data = initial("orthogonal", weight.shape, rng, weight.data.dtype)
    found: dict[str, float] = {}
    for name in dict.fromkeys(name for name, _ in _answers(model, layers, x)):
        layer = layers[name]
        for _ in range(trials):
            (_, out), *_ = _answers(model, {name: layer}, x)
            found[name] = variance = float(np.var(getattr(out, "data", out)))
            if not variance > 0.0:
                raise GraphError(f"the output of {name} is constant on x; pass a batch of different examples.")
            if abs(variance - 1.0) <= tolerance:
                break
            layer.weight.data = layer.weight.data / np.asarray(np.sqrt(variance), layer.weight.data.dtype)
    return found


def _answers(model: Module, layers: dict[str, Any], x: Any) -> list[tuple[str, Any]]:
    from micrograd.nn.overview import calls, evaluating

    with evaluating(model), calls(layers) as seen:
        model(x)
    return seen
