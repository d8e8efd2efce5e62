"""Define `Module`, the base class of layers and networks."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from micrograd.engine import Tensor
from micrograd.errors import CheckpointError
from micrograd.modes import capturing, forget

__all__ = ["Module", "Parameter"]

Parameter = Tensor
"""A parameter is a leaf tensor held in an attribute of a module; nothing else marks it."""


class _ForwardSignature:
    """Give a module the signature of its `forward`, so that `inspect.signature` and `trace` see the argument names."""

    def __get__(self, module: Module | None, owner: type) -> inspect.Signature:
        if module is None:
            raise AttributeError("__signature__")  # the class itself keeps the signature of its __init__
        return inspect.signature(module.forward)


class Module:
    """Hold parameters, buffers and other modules, and compute with them; the base class of layers and networks.

    Assign leaf tensors, other modules, or lists, tuples and dicts of them, to attributes, and define `forward`.
    Parameters are found in the attributes, in the order of assignment; there is nothing to register and
    no ``super().__init__()`` to forget. `buffers` names the attributes that are state but not parameters.

    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.by = Parameter(np.ones(3))
    ...
    ...     def forward(self, x):
    ...         return self.by * x
    >>> scale = Scale()
    >>> [name for name, _ in scale.named_parameters()]
    ['by']
    >>> scale(np.arange(3.0)).data
    array([0., 1., 2.])
    """

    training: bool = True
    frozen: bool = False
    buffers: ClassVar[tuple[str, ...]] = ()
    __signature__ = _ForwardSignature()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output of the module; subclasses define it. Raises NotImplementedError where they do not."""
        raise NotImplementedError(f"{type(self).__name__} defines no forward(); add `def forward(self, x): ...`")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run `forward`."""
        if (capture := capturing()) is not None:
            capture.enter(self)
        return self.forward(*args, **kwargs)

    def compile(self, *, threads: int | None = None) -> Any:
        """Compile the module to machine code, from arrays to arrays; `micrograd.compile` takes training steps too.

        Parameters, buffers and the mode (training or evaluation) are read at each call.

        Raises:
            MissingExtraError: Numba is not installed.
        """
        from micrograd.compiler import compile as compiled

        return compiled(self, threads=threads)

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield this module and all inside it with their dotted names, outermost first; each once."""
        seen: set[int] = set()
        for name, value in _walk(prefix, self):
            if isinstance(value, Module) and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the parameters with their dotted names (``layers.0.weight``); one held twice once, under its first."""
        seen: set[int] = set()
        for name, value in _walk("", self):
            if isinstance(value, Tensor) and value.row is None and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def parameters(self) -> list[Tensor]:
        """Return the parameters that are not frozen, in the order of `named_parameters`."""
        fixed = {id(p) for _, module in self.named_modules() if module.frozen for _, p in module.named_parameters()}
        return [parameter for _, parameter in self.named_parameters() if id(parameter) not in fixed]

    def freeze(self) -> Module:
        """Leave all parameters inside out of `parameters`, so that an optimiser built after it does not move them.

        They stay in `named_parameters` and `state_dict`, and gradients still reach them: `zero_grad` forgets those too.
        `unfreeze` takes it back. Returns the module.

        >>> class Scale(Module):
        ...     def __init__(self):
        ...         self.by = Parameter(np.ones(3))
        >>> scale = Scale()
        >>> len(scale.parameters()), len(scale.freeze().parameters())
        (1, 0)
        """
        for _, module in self.named_modules():
            module.frozen = True
        return self

    def unfreeze(self) -> Module:
        """List all parameters inside in `parameters` again. Returns the module."""
        for _, module in self.named_modules():
            module.frozen = False
        return self

    def count_parameters(self, *, trainable: bool = False) -> int:
        """Count the numbers that the parameters hold; with `trainable` those that are not frozen."""
        tensors = self.parameters() if trainable else [parameter for _, parameter in self.named_parameters()]
        return sum(int(np.size(parameter.data)) for parameter in tensors)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters: 0 for numbers, None ("not yet") for arrays."""
        forget([parameter for _, parameter in self.named_parameters()])

    def train(self, mode: bool = True) -> Module:
        """Switch this module and all inside it to training, or with False to evaluation. Returns the module."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Switch to evaluation: batch norm uses its running statistics, dropout does nothing."""
        return self.train(False)

    def _state(self) -> Iterator[tuple[str, Module | Tensor, str]]:
        # (dotted name, holder, attribute): the tensor itself for a parameter, the module for a buffer
        for name, parameter in self.named_parameters():
            yield name, parameter, "data"
        for name, module in self.named_modules():
            for buffer in module.buffers:
                if getattr(module, buffer) is not None:
                    yield f"{name}.{buffer}".lstrip("."), module, buffer

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return copies of parameters and buffers as arrays, by dotted name.

        >>> class Bias(Module):
        ...     def __init__(self):
        ...         self.b = Parameter(np.zeros(2))
        >>> Bias().state_dict()
        {'b': array([0., 0.])}
        """
        return {name: np.array(getattr(holder, attribute)) for name, holder, attribute in self._state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load parameters and buffers, all or none of them.

        Args:
            state: what `state_dict` of a module of the same architecture returned.

        Raises:
            CheckpointError: the state does not fit, and nothing was changed; the message lists every name that is
                missing or unknown, and every shape or dtype that differs.
        """
        places = {name: (holder, attribute) for name, holder, attribute in self._state()}
        wrong = [f"{name}: not in the state" for name in places if name not in state]
        wrong += [f"{name}: no such parameter or buffer here" for name in state if name not in places]
        new: dict[str, np.ndarray[Any, Any]] = {}
        for name in (n for n in places if n in state):
            here, given = np.asarray(getattr(*places[name])), np.array(state[name])
            if given.shape != here.shape:
                wrong.append(f"{name}: shape {given.shape} in the state, {here.shape} here")
            elif given.dtype != here.dtype:
                wrong.append(f"{name}: {given.dtype} in the state, {here.dtype} here (use .astype(np.{here.dtype}))")
            new[name] = given
        if wrong:
            raise CheckpointError(
                f"the state does not fit this {type(self).__name__}; nothing was loaded. "
                f"{len(wrong)} difference(s):\n  "
                + "\n  ".join(wrong)
                + "\nBuild the module with the sizes and dtype it was saved with."
            )
        for name, array in new.items():
            holder, attribute = places[name]
            scalar = type(getattr(holder, attribute)) in (float, int)
            array.flags.writeable = False  # nothing else refers to it, so the engine need not copy it
            setattr(holder, attribute, array.item() if scalar else array)

    def __repr__(self) -> str:
        inner = [(name, value) for name, value in vars(self).items() if isinstance(value, Module)]
        if not inner:
            return f"{type(self).__name__}()"
        lines = [f"  {name}: " + repr(value).replace("\n", "\n  ") for name, value in inner]
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])


def _walk(name: str, value: Any, path: frozenset[int] = frozenset()) -> Iterator[tuple[str, Any]]:
    """Yield every module and tensor in attributes and containers; a module that holds itself ends the walk."""
    if isinstance(value, (Module, Tensor)):
        yield name, value
    inside: Any = ()
    if isinstance(value, Module):
        inside = vars(value).items()
    elif isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, (list, tuple)):
        inside = enumerate(value)
    if inside and id(value) not in path:
        for key, item in inside:
            if isinstance(item, (Module, Tensor, dict, list, tuple)):
                yield from _walk(f"{name}.{key}" if name else str(key), item, path | {id(value)})


# ---- sizes that a layer is built with ---------------------------------------------------------------

Pair = int | tuple[int, int]
"""One number for height and width, or one for each."""


def _counts(value: Any, lowest: int) -> bool:
    return not isinstance(value, bool) and isinstance(value, (int, np.integer)) and int(value) >= lowest


def whole(name: str, value: Any) -> int:
    """Return `value`, if it is a whole number of at least 1.

    Raises:
        ValueError: it is not.

    >>> whole("outputs", 3)
    3
    """
    if not _counts(value, 1):
        raise ValueError(f"{name} is {value!r}; expected a whole number of at least 1.")
    return int(value)


def pair(name: str, value: Any, lowest: int) -> tuple[int, int]:
    """Return `value` for height and width.

    Raises:
        ValueError: not one or two whole numbers of at least `lowest`.

    >>> pair("kernel", 3, 1)
    (3, 3)
    """
    both = value if isinstance(value, tuple) else (value, value)
    if len(both) != 2 or not all(_counts(v, lowest) for v in both):
        raise ValueError(
            f"{name} is {value!r}; expected a whole number of at least {lowest}, or two for height, width."
        )
    return int(both[0]), int(both[1])
