"""Optimisers and learning-rate schedules: what a training step does with the gradients.

An optimiser replaces the value of each parameter by a new array and never writes into the old one, so a graph
recorded before the step keeps the numbers it was computed from.  Definitions, and so hyperparameters, are PyTorch's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from micrograd.engine import Tensor
from micrograd.errors import GraphError, ShapeError

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "Schedule", "cosine", "exponential", "linear", "step_decay"]

Schedule = Callable[[int], float]
"""A learning rate for each epoch (or step) 0, 1, 2...; assign it: ``optimizer.lr = schedule(epoch)``."""


def _between(name: str, value: Any, low: float, high: float, hint: str) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float, np.integer, np.floating))
        or not low <= value < high
    ):
        upper = "" if high == math.inf else f", below {high:g}"
        raise ValueError(f"{name} is {value!r}; expected a finite number of at least {low:g}{upper} ({hint}).")
    return float(value)


class Optimizer:
    """Base class: holds the parameters; a subclass says by what one parameter moves (`_change`).

    Args:
        parameters: leaf tensors, as ``model.parameters()`` answers them.
        lr: the learning rate; assign it between steps to change it.

    Raises:
        ValueError: no parameters, the same one twice, or a learning rate that is no finite number >= 0.
        TypeError: something that is no Tensor. GraphError: a tensor that is computed rather than a leaf.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError("there are no parameters to optimise; pass model.parameters() of a model that has some.")
        for position, parameter in enumerate(self.parameters):
            if not isinstance(parameter, Tensor):
                raise TypeError(
                    f"parameter {position} is a {type(parameter).__name__}; pass model.parameters(), Tensors."
                )
            if parameter.row is not None:
                raise GraphError(
                    f"parameter {position} is computed by {parameter.row.name}; only leaves can be optimised. "
                    "Pass the leaf it was computed from, or .detach() it."
                )
        if len(set(self.parameters)) < len(self.parameters):
            raise ValueError("a parameter is listed twice and would move twice a step; list each once.")
        self.lr = lr
        self.steps = 0
        self._memory: list[Any] = [None] * len(self.parameters)

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        self._lr = _between("lr", value, 0.0, math.inf, "usual are 0.1 for SGD and 0.001 for Adam")

    def zero_grad(self) -> None:
        """Forget the gradients: 0 for numbers, None for arrays."""
        for parameter in self.parameters:
            parameter.grad = 0.0 if type(parameter.raw) is float else None

    def step(self) -> None:
        """Move every parameter that has a gradient.

        Raises:
            GraphError: no parameter has one. ShapeError: a gradient of another shape than its parameter.
        """
        if all(parameter.grad is None for parameter in self.parameters):
            raise GraphError("no parameter has a gradient; call loss.backward() before step().")
        self.steps += 1
        for position, parameter in enumerate(self.parameters):
            g = parameter.grad
            if g is None:
                continue
            if np.shape(g) != parameter.shape:
                raise ShapeError(f"parameter {position} has shape {parameter.shape}, its gradient {np.shape(g)}.")
            value = parameter.raw - self._change(position, parameter.raw, g)
            if type(value) is np.ndarray:
                value.flags.writeable = False  # it is ours alone, so that the engine need not copy it
            parameter.data = value

    def _change(self, position: int, value: Any, g: Any) -> Any:
        """What is subtracted from the parameter at `position`."""
        raise NotImplementedError(f"{type(self).__name__} defines no _change()")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.parameters)} parameters, lr={self.lr:g})"


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum (Sutskever et al., 2013, as PyTorch writes it).

    ``g += weight_decay * w``; ``velocity = momentum * velocity + g`` (from `g` itself at first);
    ``w -= lr * velocity``, with `nesterov` ``w -= lr * (g + momentum * velocity)``.

    Args:
        parameters: leaf tensors.
        lr: the learning rate.
        momentum: 0 <= momentum < 1.
        weight_decay: pulls parameters towards 0, the gradient of ``weight_decay / 2 * l2``.
        nesterov: look ahead; needs momentum.

    Raises:
        ValueError: a number out of range; also as `Optimizer`.

    >>> w = Tensor(np.array([1.0]))
    >>> optimizer = SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    array([0.8])
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 0.1,
        *,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(parameters, lr)
        self.momentum = _between("momentum", momentum, 0.0, 1.0, "usual is 0.9")
        self.weight_decay = _between("weight_decay", weight_decay, 0.0, math.inf, "usual is 0.0001")
        if nesterov and not momentum:
            raise ValueError("nesterov looks ahead along the momentum, which is 0; pass momentum=0.9 too.")
        self.nesterov = nesterov

    def _change(self, position: int, value: Any, g: Any) -> Any:
        if self.weight_decay:
            g = g + self.weight_decay * value
        if self.momentum:
            past = self._memory[position]
            velocity = self._memory[position] = +g if past is None else self.momentum * past + g  # +g: a copy
            g = g + self.momentum * velocity if self.nesterov else velocity
        return self.lr * g


class Adam(Optimizer):
    """Adaptive moments (Kingma and Ba, 2015), with PyTorch's placement of `eps`.

    ``m = b1 * m + (1 - b1) * g``; ``v = b2 * v + (1 - b2) * g**2``; after `t` steps
    ``w -= lr / (1 - b1**t) * m / (sqrt(v) / sqrt(1 - b2**t) + eps)``.

    Args:
        parameters: leaf tensors.
        lr: the learning rate.
        betas: how much of the past the two moments keep, each 0 <= beta < 1.
        eps: keeps the quotient finite.
        weight_decay: added to the gradient, as in `SGD` (for the decoupled form see `AdamW`).

    Raises:
        ValueError: a number out of range; also as `Optimizer`.

    >>> w = Tensor(np.array([1.0]))
    >>> optimizer = Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data.round(6)
    array([0.9])
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 0.001,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr)
        first, second = betas
        self.betas = (
            _between("betas[0]", first, 0.0, 1.0, "usual is 0.9"),
            _between("betas[1]", second, 0.0, 1.0, "usual is 0.999"),
        )
        self.eps = _between("eps", eps, 0.0, math.inf, "usual is 1e-8")
        self.weight_decay = _between("weight_decay", weight_decay, 0.0, math.inf, "usual is 0.0001")
        self._counts = [0] * len(self.parameters)  # a parameter without a gradient does not age

    def _decayed(self, value: Any, g: Any) -> tuple[Any, Any]:
        """The gradient that enters the moments, and what is subtracted besides."""
        return (g + self.weight_decay * value if self.weight_decay else g), 0.0

    def _change(self, position: int, value: Any, g: Any) -> Any:
        g, besides = self._decayed(value, g)
        first, second = self.betas
        m, v = self._memory[position] or (0.0, 0.0)
        m, v = first * m + (1.0 - first) * g, second * v + (1.0 - second) * (g * g)
        self._memory[position] = m, v
        self._counts[position] += 1
        t = self._counts[position]
        root = np.sqrt(v) * (1.0 / math.sqrt(1.0 - second**t))
        return (self.lr / (1.0 - first**t)) * m / (root + self.eps) + besides


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019): ``w -= lr * weight_decay * w`` besides.

    >>> w = Tensor(np.array([1.0]))
    >>> AdamW([w], weight_decay=0.01)
    AdamW(1 parameters, lr=0.001)
    """

    def _decayed(self, value: Any, g: Any) -> tuple[Any, Any]:
        return g, self.lr * self.weight_decay * value


# ---- schedules -------------------------------------------------------------------------------------------


def step_decay(lr: float, every: int, gamma: float = 0.1) -> Schedule:
    """`lr`, multiplied by `gamma` after each `every` epochs. Raises ValueError where `every` is below 1.

    >>> [round(step_decay(1.0, 2)(epoch), 3) for epoch in range(4)]
    [1.0, 1.0, 0.1, 0.1]
    """
    if every < 1:
        raise ValueError(f"every is {every}; expected a number of epochs of at least 1.")
    return lambda epoch: lr * gamma ** (epoch // every)


def exponential(lr: float, gamma: float) -> Schedule:
    """`lr`, multiplied by `gamma` after each epoch.

    >>> exponential(1.0, 0.5)(3)
    0.125
    """
    return lambda epoch: lr * gamma**epoch


def cosine(lr: float, epochs: int, lowest: float = 0.0) -> Schedule:
    """From `lr` down to `lowest` along half a cosine in `epochs` epochs, then flat (Loshchilov and Hutter, 2017).

    Raises ValueError where `epochs` is below 1.

    >>> [round(cosine(1.0, 4)(epoch), 3) for epoch in (0, 2, 4, 9)]
    [1.0, 0.5, 0.0, 0.0]
    """
    if epochs < 1:
        raise ValueError(f"epochs is {epochs}; expected at least 1.")
    return lambda epoch: lowest + (lr - lowest) * (1.0 + math.cos(math.pi * min(epoch, epochs) / epochs)) / 2.0


def linear(lr: float, epochs: int, lowest: float = 0.0) -> Schedule:
    """From `lr` down to `lowest` in a straight line in `epochs` epochs, then flat.

    Raises ValueError where `epochs` is below 1.

    >>> [linear(1.0, 4)(epoch) for epoch in (0, 1, 4, 9)]
    [1.0, 0.75, 0.0, 0.0]
    """
    if epochs < 1:
        raise ValueError(f"epochs is {epochs}; expected at least 1.")
    return lambda epoch: lr + (lowest - lr) * min(epoch, epochs) / epochs
