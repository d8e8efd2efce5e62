"""Update parameters by their gradients.

An optimizer replaces the value of each parameter by a new array and never writes into the old one, so a graph
recorded before the step keeps the numbers it was computed from. Definitions, and so hyperparameters, are PyTorch's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from micrograd.engine import Tensor
from micrograd.errors import CheckpointError, GraphError, ShapeError
from micrograd.modes import Capture, capturing, forget, stepping
from micrograd.numpy_api.composites import shape_of

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSProp"]


def _between(name: str, value: Any, low: float, high: float, hint: str) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float, np.integer, np.floating))
        or not low <= value < high
    ):
        upper = "" if high == math.inf else f", below {high:g}"
        raise ValueError(f"{name} is {value!r}; expected a finite number of at least {low:g}{upper} ({hint}).")
    return float(value)


def _alike(given: Any, here: Any) -> bool:
    """Say whether a setting that was read is of the kind of `here`."""
    if isinstance(here, tuple):
        return isinstance(given, (list, tuple)) and len(given) == len(here) and all(map(_alike, given, here))
    if isinstance(here, (int, float)) and not isinstance(here, bool):
        return isinstance(given, (int, float)) and not isinstance(given, bool) and math.isfinite(given)
    return type(given) is type(here)


def _counting(value: Any) -> bool:
    return type(value) is int and value >= 0


class Optimizer:
    """Hold parameters and move them at each step; a subclass computes by how much (`_change`).

    Args:
        parameters: leaf tensors, such as ``model.parameters()``.
        lr: the learning rate; assign it between steps to change it.

    Raises:
        ValueError: no parameters, the same one twice, or a learning rate that is not a finite number >= 0.
        TypeError: the model itself, or something that is not a Tensor.
        GraphError: a tensor that is computed rather than a leaf.

    >>> class SignDescent(Optimizer):
    ...     def _change(self, value, g, memory, lr):
    ...         return lr * np.sign(g), memory
    >>> w = Tensor(np.array([1.0, -2.0]))
    >>> (w * w).sum().backward()
    >>> SignDescent([w], lr=0.5).step()
    >>> w.data
    array([ 0.5, -1.5])
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        given: Any = parameters
        if isinstance(given, Tensor) or not isinstance(given, Iterable):
            kind = type(given).__name__
            use = (
                "[w], a list of Tensors" if isinstance(given, Tensor) else "model.parameters(), an iterable of Tensors"
            )
            raise TypeError(f"parameters is of type {kind}; pass {use}.")
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError("there are no parameters to optimise; pass model.parameters() of a model that has some.")
        for position, parameter in enumerate(self.parameters):
            if not isinstance(parameter, Tensor):
                raise TypeError(
                    f"parameter {position} is of type {type(parameter).__name__}; pass model.parameters(), or a "
                    "list of Tensors."
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
        self._memory: list[list[Any]] = [[*self._starts] for _ in self.parameters]
        self._counts = [0] * len(self.parameters)  # a step counts only for the parameters that have a gradient

    @property
    def lr(self) -> float:
        """Return the learning rate of the next step."""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        self._lr = _between("lr", value, 0.0, math.inf, "usual are 0.1 for SGD and 0.001 for Adam")

    def zero_grad(self) -> None:
        """Clear the gradients: 0 for numbers, None for arrays."""
        forget(self.parameters)

    def step(self) -> None:
        """Move every parameter that has a gradient.

        Raises:
            GraphError: no parameter has one. ShapeError: a gradient of another shape than its parameter.
        """
        if all(parameter.grad is None for parameter in self.parameters):
            raise GraphError("no parameter has a gradient; call loss.backward() before step().")
        for position, parameter in enumerate(self.parameters):
            if parameter.grad is not None and shape_of(parameter.grad) != parameter.shape:
                got = shape_of(parameter.grad)
                raise ShapeError(
                    f"parameter {position} has shape {parameter.shape}, its gradient {got}; they must be equal."
                )
        if (capture := capturing()) is not None:
            self._capture(capture)
            return
        stepping(self)
        self.steps += 1
        for position, parameter in enumerate(self.parameters):
            if parameter.grad is None:
                continue
            memory = self._memory[position]
            self._counts[position] += 1
            scalars = self._scalars(self._counts[position])
            change, memory[:] = self._change(parameter.raw, parameter.grad, memory, *scalars)
            value = parameter.raw - change
            if type(value) is np.ndarray:
                value.flags.writeable = False  # nothing else refers to it, so the engine need not copy it
            parameter.data = value

    def _capture(self, capture: Capture) -> None:
        """Record the step in a compiled function; memory, counts and learning rate are read anew by each call."""
        capture.assume(self._settings)
        capture.counted(vars(self), "steps")
        counts = self._counts
        groups: dict[int, tuple[list[int], list[Any]]] = {}  # parameters of one age share the numbers of a step
        for position, parameter in enumerate(self.parameters):
            g = parameter.grad
            if g is None:
                continue
            if not isinstance(g, Tensor) and not (type(g) is float and g == 0.0):
                raise GraphError(
                    f"the gradient of parameter {position} was not computed in this call; "
                    "call loss.backward() inside the compiled function."
                )
            count, age = capture.counted(counts, position), counts[position] if self._ages else 0
            if age not in groups:
                groups[age] = [], self._captured_scalars(capture, count)
            group, scalars = groups[age]
            group.append(position)
            memory = self._memory[position]
            past = [capture.state(memory, slot, parameter.raw) for slot in range(len(memory))]
            change, after = self._change(parameter, g, past, *scalars)
            capture.assign(parameter, parameter - change)
            for slot, (old, new) in enumerate(zip(past, after, strict=True)):
                if new is not old:
                    capture.write(memory, slot, new)
        for group, _ in groups.values() if self._ages else ():
            capture.assume(lambda group=group: len({counts[position] for position in group}))  # type: ignore[misc]

    def _captured_scalars(self, capture: Capture, count: Callable[[], int]) -> list[Any]:
        many = range(len(self._scalars(1)))
        return [capture.host(lambda nth=nth: self._scalars(count())[nth]) for nth in many]  # type: ignore[misc]

    _starts: ClassVar[tuple[float, ...]] = ()
    """The starting values of a parameter's memory."""
    _ages: ClassVar[bool] = False
    """Whether the numbers of a step depend on how many steps came before."""

    def _settings(self) -> tuple[Any, ...]:
        """Return the numbers that are the same in every step; a compiled step is compiled again when they change."""
        return ()

    def _scalars(self, count: int) -> tuple[float, ...]:
        """Return the numbers of step `count` (1, 2...) of a parameter."""
        del count
        return (self.lr,)

    def _change(self, value: Any, g: Any, memory: Sequence[Any], *scalars: Any) -> tuple[Any, Sequence[Any]]:
        """Return what is subtracted from a parameter, and its new memory; called with arrays or with tensors."""
        raise NotImplementedError(f"{type(self).__name__} defines no _change(); return the change and the memory.")

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next step depends on besides parameters and gradients; the arrays are copies.

        Returns:
            kind (the name of the class), settings by name, steps, counts (how often each parameter has moved) and
            memory: for each parameter the numbers and arrays that are kept from step to step.

        >>> SGD([Tensor(np.ones(2))], lr=0.1).state_dict()["settings"]
        {'lr': 0.1, 'momentum': 0.0, 'weight_decay': 0.0, 'nesterov': False}
        """
        kept = {k: v for k, v in vars(self).items() if not k.startswith("_") and k not in ("parameters", "steps")}
        memory = [[v if type(v) in (int, float) else np.array(v) for v in slots] for slots in self._memory]
        return {
            "kind": type(self).__name__, "settings": {"lr": self.lr, **kept}, "steps": self.steps,
            "counts": list(self._counts), "memory": memory,
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load what `state_dict` of an optimizer of the same kind and parameters returned, all or nothing.

        Raises:
            CheckpointError: the state does not fit, and nothing was changed; the message lists every difference.
        """
        if wrong := self.differences(state):
            raise CheckpointError(
                f"the state does not fit this {type(self).__name__}; nothing was loaded. "
                f"{len(wrong)} difference(s):\n  "
                + "\n  ".join(wrong)
                + "\nBuild the optimizer as it was when it was saved."
            )
        for name, value in state["settings"].items():
            setattr(self, name, tuple(value) if isinstance(value, list) else value)
        self.steps = state["steps"]
        self._counts[:] = state["counts"]
        for slots, given in zip(self._memory, state["memory"], strict=True):
            slots[:] = [np.array(v) if isinstance(v, np.ndarray) else v for v in given]

    def differences(self, state: Mapping[str, Any]) -> list[str]:
        """Return what keeps `state` from being loaded, a line for each difference; empty where it fits."""
        mine = self.state_dict()
        if state.get("kind") != mine["kind"]:
            return [f"optimizer: {state.get('kind')} in the state, {mine['kind']} here"]
        settings, counts, memory, many = (
            state.get("settings"),
            state.get("counts"),
            state.get("memory"),
            len(self._counts),
        )
        wrong = []
        if not isinstance(settings, Mapping) or settings.keys() != mine["settings"].keys():
            wrong.append(f"optimizer settings: {settings} in the state; expected {', '.join(mine['settings'])}")
        else:
            for name, value in mine["settings"].items():
                if not _alike(settings[name], value) or (name == "lr" and not settings[name] >= 0):
                    wrong.append(f"optimizer {name}: {settings[name]!r} in the state, {value!r} here")
        if not _counting(state.get("steps")):
            wrong.append(f"optimizer steps: {state.get('steps')!r} in the state; expected a whole number")
        if not isinstance(counts, list) or len(counts) != many or not all(map(_counting, counts)):
            wrong.append(f"optimizer counts: {counts!r} in the state; expected {many} whole numbers")
        if not isinstance(memory, list) or len(memory) != many:
            size = len(memory) if isinstance(memory, list) else repr(memory)
            return [*wrong, f"optimizer: memory of {size} parameters in the state, {many} here"]
        for position, (parameter, given) in enumerate(zip(self.parameters, memory, strict=True)):
            if not isinstance(given, list) or len(given) != len(self._starts):
                wrong.append(
                    f"optimizer parameter {position}: expected {len(self._starts)} slots of memory, got {given}"
                )
                continue
            here = np.asarray(parameter.raw)
            for slot, value in enumerate(given):
                found = np.asarray(value)
                if type(value) not in (int, float) and (found.shape, found.dtype) != (here.shape, here.dtype):
                    wrong.append(
                        f"optimizer parameter {position}, slot {slot}: {found.dtype} {found.shape} in the state, "
                        f"{here.dtype} {here.shape} here"
                    )
        return wrong

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.parameters)} parameters, lr={self.lr:g})"


class SGD(Optimizer):
    """Descend along the gradient (SGD), with momentum if wanted (Sutskever et al., 2013, as PyTorch writes it).

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

    _starts = (-0.0,)  # added to a number it changes no bit: the first velocity is the gradient

    def _settings(self) -> tuple[Any, ...]:
        return self.momentum, self.weight_decay, self.nesterov

    def _change(self, value: Any, g: Any, memory: Sequence[Any], *scalars: Any) -> tuple[Any, Sequence[Any]]:
        (lr,) = scalars
        if self.weight_decay:
            g = g + self.weight_decay * value
        if self.momentum:
            velocity = self.momentum * memory[0] + g
            g, memory = g + self.momentum * velocity if self.nesterov else velocity, (velocity,)
        return lr * g, memory


class Adam(Optimizer):
    """Scale steps by adaptive moments (Kingma and Ba, 2015), with PyTorch's placement of `eps`.

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

    _starts, _ages = (0.0, 0.0), True

    def _settings(self) -> tuple[Any, ...]:
        return self.betas, self.eps, self.weight_decay

    def _scalars(self, count: int) -> tuple[float, ...]:
        first, second = self.betas
        return self.lr, self.lr / (1.0 - first**count), 1.0 / math.sqrt(1.0 - second**count)

    def _decayed(self, value: Any, g: Any, lr: Any) -> tuple[Any, Any]:
        """Return the gradient that enters the moments, and what is subtracted besides."""
        del lr
        return (g + self.weight_decay * value if self.weight_decay else g), 0.0

    def _change(self, value: Any, g: Any, memory: Sequence[Any], *scalars: Any) -> tuple[Any, Sequence[Any]]:
        lr, rate, scale = scalars
        g, besides = self._decayed(value, g, lr)
        first, second = self.betas
        m, v = memory
        m, v = first * m + (1.0 - first) * g, second * v + (1.0 - second) * (g * g)
        return rate * m / (np.sqrt(v) * scale + self.eps) + besides, (m, v)


class AdamW(Adam):
    """Run Adam with decoupled weight decay (Loshchilov and Hutter, 2019): ``w -= lr * weight_decay * w`` besides.

    >>> w = Tensor(np.array([1.0]))
    >>> AdamW([w], weight_decay=0.01)
    AdamW(1 parameters, lr=0.001)
    """

    def _decayed(self, value: Any, g: Any, lr: Any) -> tuple[Any, Any]:
        return g, lr * self.weight_decay * value


class RMSProp(Optimizer):
    """Divide gradients by the root of their mean square (Tieleman and Hinton, 2012, as PyTorch writes it).

    ``v = alpha * v + (1 - alpha) * g**2``; ``w -= lr * g / (sqrt(v) + eps)``. `centered` subtracts the square of the
    mean gradient from `v` (Graves, 2013); with `momentum` the quotients are added up as in `SGD`.

    Args:
        parameters: leaf tensors.
        lr: the learning rate.
        alpha: how much of the past the mean square keeps, 0 <= alpha < 1.
        eps: keeps the quotient finite.
        momentum: 0 <= momentum < 1.
        centered: whether the variance of the gradient is estimated rather than its mean square.
        weight_decay: added to the gradient, as in `SGD`.

    Raises:
        ValueError: a number out of range; also as `Optimizer`.

    >>> w = Tensor(np.array([1.0]))
    >>> optimizer = RMSProp([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data.round(6)
    array([0.])
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 0.01,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        centered: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr)
        self.alpha = _between("alpha", alpha, 0.0, 1.0, "usual is 0.99")
        self.eps = _between("eps", eps, 0.0, math.inf, "usual is 1e-8")
        self.momentum = _between("momentum", momentum, 0.0, 1.0, "usual is 0 or 0.9")
        self.weight_decay = _between("weight_decay", weight_decay, 0.0, math.inf, "usual is 0.0001")
        self.centered = centered

    _starts = (0.0, 0.0, 0.0)

    def _settings(self) -> tuple[Any, ...]:
        return self.alpha, self.eps, self.momentum, self.centered, self.weight_decay

    def _change(self, value: Any, g: Any, memory: Sequence[Any], *scalars: Any) -> tuple[Any, Sequence[Any]]:
        (lr,) = scalars
        v, mean, velocity = memory
        if self.weight_decay:
            g = g + self.weight_decay * value
        v = spread = self.alpha * v + (1.0 - self.alpha) * (g * g)
        if self.centered:
            mean = self.alpha * mean + (1.0 - self.alpha) * g
            spread = v - mean * mean
        change = g / (np.sqrt(spread) + self.eps)
        if self.momentum:
            change = velocity = self.momentum * velocity + change
        return lr * change, (v, mean, velocity)
