"""Save the state of a training to a checkpoint, and load all of it, or nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from micrograd.errors import CheckpointError
from micrograd.nn import Module
from micrograd.optim import Optimizer
from micrograd.training.checkpoint import tensors

__all__ = ["Checkpoint", "load", "peek", "save"]

Array = np.ndarray[Any, Any]
Generator = np.random.Generator

_PARTS = ("model", "optimizer", "arrays")  # an array's name begins with its part and a full stop


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Hold what a checkpoint has besides the state of model, optimizer and generators.

    Attributes:
        step: how many steps had been made.
        extra: what `save` was given, a value of JSON.
        arrays: what `save` was given, by name.
    """

    step: int
    extra: Any = None
    arrays: Mapping[str, Array] = field(default_factory=dict)


def save(
    path: str | os.PathLike[str],
    model: Module,
    optimizer: Optimizer | None = None,
    *,
    rng: Generator | None = None,
    step: int = 0,
    extra: Any = None,
    arrays: Mapping[str, Any] | None = None,
) -> None:
    """Save all that is needed to go on to one safetensors file, in place of an older one.

    The file holds the parameters and buffers of `model`, the state of every generator in it (that of a `Dropout`), the
    memory, counts and settings of `optimizer`, and the state of `rng`. A parameter held twice is written once. The file
    is replaced whole or not at all, however the process or the machine ends.

    Args:
        path: the file, usually ``*.safetensors``.
        model: whose state is saved.
        optimizer: whose state is saved too.
        rng: a generator, such as the one that shuffles; with any of NumPy's bit generators.
        step: how many steps have been made.
        extra: anything else, of numbers, strings, lists and dicts (JSON; tuples come back as lists).
        arrays: more arrays, by name.

    Raises:
        DTypeError: an array that is complex, longdouble or of objects, by its name.
        CheckpointError: `extra` is not of JSON. ValueError: `step` is not a whole number of at least 0.
        OSError: the file cannot be written; the old one is as it was.

    >>> import tempfile
    >>> from micrograd.nn import Linear
    >>> model, other = Linear(2, 3, rng=0), Linear(2, 3, rng=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/model.safetensors", model, step=7)
    ...     load(f"{folder}/model.safetensors", other).step
    7
    >>> bool((model.weight.data == other.weight.data).all())
    True
    """
    if type(step) is not int or step < 0:
        raise ValueError(f"step is {step!r}; expected a whole number of at least 0.")
    parts: dict[str, Mapping[str, Any]] = {"model": _arrays_of(model), "arrays": arrays or {}}
    value: dict[str, Any] = {"format": tensors.FORMAT, "step": step, "extra": extra}
    value["generators"] = {name: _plain(g.bit_generator.state) for name, g in _generators(model)}
    if rng is not None:
        value["rng"] = _plain(rng.bit_generator.state)
    if optimizer is not None:
        state = optimizer.state_dict()
        memory = {f"{p}.{slot}": v for p, slots in enumerate(state.pop("memory")) for slot, v in enumerate(slots)}
        parts["optimizer"] = {name: v for name, v in memory.items() if isinstance(v, np.ndarray)}
        numbers = {name: v for name, v in memory.items() if name not in parts["optimizer"]}
        value["optimizer"] = {**state, "numbers": numbers}
    flat = {
        f"{part}.{name}": tensors.storable(f"{part} array {name}" if part != "model" else f"parameter {name}", array)
        for part, arrays_of in parts.items()
        for name, array in arrays_of.items()
    }
    tensors.write(Path(path), flat, value)


def load(
    path: str | os.PathLike[str], model: Module, optimizer: Optimizer | None = None, *, rng: Generator | None = None
) -> Checkpoint:
    """Load what `save` wrote; everything is checked before anything is changed.

    A model alone can be loaded from a file with an optimizer or a generator too.

    Args:
        path: the file.
        model: of the same architecture and dtype as the one that was saved.
        optimizer: of the same kind, over as many parameters.
        rng: with the same bit generator.

    Returns:
        A `Checkpoint`: the step, and what else was saved.

    Raises:
        CheckpointError: the file is damaged, is no checkpoint, or does not fit, and nothing was changed; the message
            lists all differences. Nothing is ever unpickled.
        OSError: the file cannot be read.
    """
    arrays, value = tensors.read(Path(path))
    parts = _parts(arrays)
    here = _arrays_of(model)
    wrong = [f"{part}: no such part of a checkpoint" for part in parts if part not in _PARTS]
    wrong += _unlike(parts["model"], here)
    wrong += _ill_formed(value)
    generators = dict(_generators(model))
    states: dict[str, Any] = value["generators"] if isinstance(value.get("generators"), dict) else {}
    wrong += [f"generator {name}: not in the checkpoint" for name in generators if name not in states]
    wrong += [f"generator {name}: none such in the model" for name in states if name not in generators]
    new = [(g, f"generator {name}", states[name]) for name, g in generators.items() if name in states]
    if rng is not None:
        new.append((rng, "rng", value.get("rng")))
    checked = [(g, _state_for(g, name, given, wrong)) for g, name, given in new]
    memory = None
    if optimizer is not None:
        memory = _memory(value.get("optimizer"), parts["optimizer"], len(optimizer.parameters))
        wrong += ["optimizer: not in the checkpoint"] if memory is None else optimizer.differences(memory)
    if wrong:
        raise CheckpointError(
            f"{Path(path).name} does not fit; nothing was loaded. {len(wrong)} difference(s):\n  "
            + "\n  ".join(wrong)
            + "\nBuild model, optimizer and generators as they were when it was saved."
        )
    model.load_state_dict({name: np.asarray(parts["model"][name], array.dtype) for name, array in here.items()})
    if optimizer is not None and memory is not None:
        optimizer.load_state_dict(memory)
    for generator, state in checked:
        generator.bit_generator.state = state
    return _held(value, parts)


def peek(path: str | os.PathLike[str]) -> Checkpoint:
    """Return what a checkpoint has besides the state of the model. Raises as `load`."""
    arrays, value = tensors.read(Path(path))
    parts = _parts(arrays)
    if wrong := _ill_formed(value):
        raise CheckpointError(f"{Path(path).name}: {'; '.join(wrong)}.")
    return _held(value, parts)


def _held(value: Mapping[str, Any], parts: Mapping[str, Mapping[str, Array]]) -> Checkpoint:
    return Checkpoint(value["step"], value.get("extra"), {name: a.copy() for name, a in parts["arrays"].items()})


def _arrays_of(model: Module) -> dict[str, Array]:
    """Return what `state_dict` returns, without a copy."""
    return {name: np.asarray(getattr(holder, attribute)) for name, holder, attribute in model._state()}


def _parts(arrays: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
    found: dict[str, dict[str, Array]] = {part: {} for part in _PARTS}
    for name, array in arrays.items():
        part, _, rest = name.partition(".")
        found.setdefault(part, {})[rest] = array
    return found


def _ill_formed(value: Mapping[str, Any]) -> list[str]:
    step = value.get("step")
    wrong = [] if type(step) is int and step >= 0 else [f"step: {step!r}; expected a whole number"]
    if not isinstance(value.get("generators", {}), dict):
        wrong.append(f"generators: {value['generators']!r}; expected an object")
    return wrong


def _unlike(given: Mapping[str, Array], here: Mapping[str, Array]) -> list[str]:
    """List where the arrays of a file differ from those of a model, in name, shape or dtype."""
    wrong = [f"{name}: not in the checkpoint" for name in here if name not in given]
    wrong += [f"{name}: no such parameter or buffer in the model" for name in given if name not in here]
    for name, array in ((n, a) for n, a in given.items() if n in here):
        if array.shape != here[name].shape:
            wrong.append(f"{name}: shape {array.shape} in the checkpoint, {here[name].shape} in the model")
        if array.dtype != here[name].dtype.newbyteorder("<"):
            wrong.append(f"{name}: {array.dtype} in the checkpoint, {here[name].dtype} in the model")
    return wrong


def _memory(state: Any, arrays: Mapping[str, Array], many: int) -> dict[str, Any] | None:
    """Return the state of an optimizer of `many` parameters for its `load_state_dict`; None where there is none."""
    if not isinstance(state, dict):
        return None
    numbers = state.get("numbers")
    slots = {**(numbers if isinstance(numbers, dict) else {}), **arrays}
    memory: dict[str, list[Any]] = {str(position): [] for position in range(many)}
    for name in sorted(slots, key=lambda n: (len(n), n)):
        memory.setdefault(name.partition(".")[0], []).append(slots[name])
    return {**{k: v for k, v in state.items() if k != "numbers"}, "memory": list(memory.values())}


def _generators(model: Module) -> Iterator[tuple[str, Generator]]:
    """Yield the generators held by the modules of a model, by dotted name; one held twice comes once."""
    seen: set[int] = set()
    for path, module in model.named_modules():
        for name, held in vars(module).items():
            several = held if isinstance(held, (list, tuple)) else [held]
            for position, generator in enumerate(several):
                if isinstance(generator, Generator) and id(generator) not in seen:
                    seen.add(id(generator))
                    yield ".".join(filter(None, [path, name, str(position) if several is held else ""])), generator


def _plain(state: Any) -> Any:
    """Return the state of a bit generator as JSON can hold it: its integers have any number of digits."""
    if isinstance(state, Mapping):
        return {name: _plain(value) for name, value in state.items()}
    if isinstance(state, np.ndarray):
        return {"array": state.tolist(), "dtype": state.dtype.name}
    return int(state) if isinstance(state, np.integer) else state


def _unplain(state: Any) -> Any:
    if isinstance(state, dict) and state.keys() == {"array", "dtype"}:
        return np.array(state["array"], {"uint32": np.uint32, "uint64": np.uint64}[state["dtype"]])
    return {name: _unplain(value) for name, value in state.items()} if isinstance(state, dict) else state


def _state_for(generator: Generator, name: str, given: Any, wrong: list[str]) -> Any:
    """Return the state as `generator` takes it, tried on another of its kind; add what is wrong with it to `wrong`."""
    kind = type(generator.bit_generator)
    found = given.get("bit_generator") if isinstance(given, dict) else None
    if found != kind.__name__:
        wrong.append(f"{name}: {found or 'not'} in the checkpoint{f', {kind.__name__} here' if found else ''}")
        return None
    try:
        state = _unplain(given)
        for position, most in ((state.get("buffer_pos", 0), 4), (state["state"].get("pos", 0), 624)):
            if type(position) is not int or not 0 <= position <= most:  # NumPy would read beside its buffer
                raise ValueError(f"position {position!r}; expected 0 to {most}")
        kind().state = state
    except (TypeError, ValueError, KeyError, IndexError, OverflowError, AttributeError) as error:
        wrong.append(f"{name}: no state of {kind.__name__} ({error})")
        return None
    return state
