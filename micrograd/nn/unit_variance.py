"""Scale the weights of a network by a batch, layer after layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from micrograd.errors import GraphError
from micrograd.nn.convolution import Conv2d
from micrograd.nn.initializers import initial
from micrograd.nn.linear import Linear
from micrograd.nn.module import Module
from micrograd.nn.overview import calls, evaluating

__all__ = ["lsuv"]


def lsuv(
    model: Module, x: Any, *, tolerance: float = 0.05, trials: int = 10, rng: np.random.Generator | int | None = None
) -> dict[str, float]:
    """Scale the weights of each layer until its output on a batch has variance 1 (LSUV; Mishkin and Matas, 2016).

    Each linear layer and convolution gets orthogonal weights; then each is scaled, in the order of the forward pass.

    Args:
        model: its weights are replaced; anything with `Linear` and `Conv2d` inside.
        x: a batch, as the model takes it.
        tolerance: how far from 1 the variance may stay.
        trials: the most scalings of a layer.
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
    """
    rng = np.random.default_rng(rng)
    layers = {name: m for name, m in model.named_modules() if isinstance(m, (Linear, Conv2d))}
    if not layers:
        raise GraphError(f"{type(model).__name__} has no weights to scale; pass a model with a Linear or a Conv2d.")
    for layer in layers.values():
        weight = layer.weight
        weight.data = initial("orthogonal", weight.shape, rng, weight.data.dtype)
    found: dict[str, float] = {}
    for name in dict.fromkeys(name for name, _ in _outputs(model, layers, x)):
        layer = layers[name]
        for _ in range(trials):
            (_, out), *_ = _outputs(model, {name: layer}, x)
            found[name] = variance = float(np.var(getattr(out, "data", out)))
            if not variance > 0.0:
                raise GraphError(f"the output of {name} is constant on x; pass a batch of different examples.")
            if abs(variance - 1.0) <= tolerance:
                break
            layer.weight.data = layer.weight.data / np.asarray(np.sqrt(variance), layer.weight.data.dtype)
    return found


def _outputs(model: Module, layers: dict[str, Any], x: Any) -> list[tuple[str, Any]]:
    with evaluating(model), calls(layers) as seen:
        model(x)
    return seen
