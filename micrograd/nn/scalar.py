"""Build neurons that compute number by number: the classes and signatures of Andrej Karpathy's micrograd.

With ``random.seed(1337)`` they draw the numbers that his do, so his notebooks run here unchanged, step for step.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from micrograd.engine import Value
from micrograd.errors import ShapeError
from micrograd.nn.module import Module

__all__ = ["MLP", "Layer", "Neuron"]


class Neuron(Module):
    """Compute a weighted sum of inputs plus a bias, through a relu unless `nonlin` is False.

    Args:
        nin: how many inputs.
        nonlin: whether the relu follows.

    >>> random.seed(1337)
    >>> neuron = Neuron(2)
    >>> neuron
    ReLUNeuron(2)
    >>> neuron.w
    [Value(data=0.23550571390294128, grad=0.0), Value(data=0.06653114721000164, grad=0.0)]
    """

    def __init__(self, nin: int, nonlin: bool = True) -> None:
        self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]  # noqa: S311 (starting weights, not secrets)
        self.b = Value(0.0)
        self.nonlin = nonlin

    def forward(self, x: Sequence[Any]) -> Any:
        """Return the activation for `x`, a sequence of `nin` numbers or values."""
        if len(x) != len(self.w):
            raise ShapeError(f"{self!r} got {len(x)} inputs; expected a list of {len(self.w)} numbers or Values.")
        act: Any = self.b
        for weight, number in zip(self.w, x, strict=True):
            act = act + weight * number
        return act.relu() if self.nonlin else act

    def __repr__(self) -> str:
        return f"{'ReLU' if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class Layer(Module):
    """Hold `nout` neurons that see the same `nin` inputs; returns a list, or the one value where `nout` is 1.

    >>> Layer(2, 3)
    Layer of [ReLUNeuron(2), ReLUNeuron(2), ReLUNeuron(2)]
    """

    def __init__(self, nin: int, nout: int, **kwargs: Any) -> None:
        self.neurons = [Neuron(nin, **kwargs) for _ in range(nout)]

    def forward(self, x: Sequence[Any]) -> Any:
        """Return the activations of all neurons for `x`."""
        out = [neuron(x) for neuron in self.neurons]
        return out[0] if len(out) == 1 else out

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(repr, self.neurons))}]"


class MLP(Module):
    """Compute a multi-layer perceptron on numbers: `nin` inputs, then layers of the sizes `nouts`, the last one linear.

    For arrays, which are some thousand times faster, see `micrograd.nn.mlp`.

    >>> model = MLP(2, [16, 16, 1])
    >>> len(model.parameters())
    337
    """

    def __init__(self, nin: int, nouts: list[int]) -> None:
        sizes = [nin, *nouts]
        last = len(nouts) - 1
        self.layers = [Layer(sizes[i], sizes[i + 1], nonlin=i != last) for i in range(len(nouts))]

    def forward(self, x: Any) -> Any:
        """Return the output for one example `x`, a list of `nin` numbers or values."""
        for layer in self.layers:
            x = layer(x)
        return x

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(repr, self.layers))}]"
