"""Note what a train step does to tensors: the operations, one backward pass, and the moves of an optimizer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from micrograd.core import validation
from micrograd.engine import Tensor, observe, sweep, toposort
from micrograd.errors import GraphError
from micrograd.graph import Graph
from micrograd.graph.nodes import Label, assemble
from micrograd.pytree import paths
from micrograd.tracing.tracer import Recorder

__all__ = ["Watch", "call_loss", "named_parameters"]


class Watch:
    """Observe one call of a train step.

    Attributes:
        loss: the tensor that the backward pass began at; None before it.
        before: the values of the leaves during the backward pass.
        moved: for a parameter that an optimizer moved the new value as a tensor, and the tensors that its rule read
            besides the parameter, with what stands before the name of the parameter in theirs.
        numbers: what such a rule reads of the step: the learning rate, with names.
    """

    def __init__(self, name: str, f: object) -> None:
        self.name = name
        self.loss: Tensor | None = None
        self.before: dict[Tensor, Any] = {}
        self.moved: dict[Tensor, tuple[Tensor, dict[Tensor, str]]] = {}
        self.numbers: dict[Tensor, str] = {}
        self._recorder = Recorder(sys._getframe(1), f, None)  # type: ignore[arg-type]
        self._reached: set[Tensor] = set()

    # ---- what is observed --------------------------------------------------------

    def recorded(self, node: Tensor) -> None:
        """Note where an operation was written."""
        self._recorder.recorded(node)

    def pulled(self, node: Tensor, g: Any, parts: list[Any]) -> None:
        """Note the loss, which is swept first, and the values of the leaves before they move."""
        del g, parts
        if self.loss is None:
            self.loss = node
            order = toposort([node])
            self._reached = {*order}
            self.before = {leaf: leaf.raw for leaf in order if leaf.row is None}
        if node not in self._reached:
            raise GraphError(
                f"{self.name} calls backward() twice, from different losses; a walk shows one: add the losses, "
                "and call backward() on the sum."
            )

    def stepping(self, optimizer: Any) -> None:
        """Run the rule of an optimizer on tensors, before it moves its parameters."""
        shared: dict[int, dict[Tensor, str]] = {}  # the numbers of a step, which change from one to the next
        for position, parameter in enumerate(optimizer.parameters):
            if parameter.grad is None or parameter not in self.before:
                continue
            if parameter in self.moved:
                raise GraphError(f"{self.name} moves a parameter twice in one call; a walk shows one step() in each.")
            called = {_leaf(parameter.grad): "d"}
            memory = [_leaf(np.full(parameter.shape, kept) if type(kept) is float else kept)
                      for kept in optimizer._memory[position]]  # fmt: skip
            called |= {kept: f"memory{slot}_" for slot, kept in enumerate(memory, 1)}
            count = optimizer._counts[position] + 1
            numbers = shared.setdefault(count, {_leaf(number): "" for number in optimizer._scalars(count)})
            numbers |= {
                leaf: "lr" if leaf.raw == optimizer.lr else f"rate{slot}" for slot, leaf in enumerate(numbers, 1)
            }
            change, _ = optimizer._change(parameter, next(iter(called)), memory, *numbers)
            self.moved[parameter] = parameter - change, called
            self.numbers |= numbers

    def _descended(self, parameter: Tensor, gradient: Tensor, after: Any) -> Tensor | None:
        """Return ``parameter - rate * gradient`` for the rate that gives `after` to the last bit; None for none."""
        g, way = np.ravel(gradient.raw), np.ravel(np.asarray(parameter.raw) - np.asarray(after))
        if not g.size or not np.abs(g).max() > 0:
            return None
        at = int(np.abs(g).argmax())
        for digits in range(1, 17):
            rate = float(f"{way[at] / g[at]:.{digits}g}")
            with np.errstate(all="ignore"):
                found = np.asarray(parameter.raw - rate * np.asarray(gradient.raw))
            if np.array_equal(found, np.asarray(after)):
                leaf = next((leaf for leaf in self.numbers if leaf.raw == rate), None) or _leaf(rate)
                self.numbers[leaf] = "lr"
                made: Tensor = parameter - leaf * gradient
                return made
        return None

    # ---- what is made of it --------------------------------------------------------

    def by_hand(self) -> None:
        """Find updates that were written by hand, ``w.data -= 0.1 * w.grad``: the same number for every entry."""
        assert self.loss is not None
        gradients = {node: g for node, g, _ in sweep({self.loss: validation.seed(None, self.loss.raw)})}
        for parameter, before in self.before.items():
            if parameter in self.moved or parameter.raw is before or parameter not in gradients:
                continue
            after, gradient = parameter.raw, _leaf(gradients[parameter])
            parameter.raw = before
            try:
                with observe(self):
                    made = self._descended(parameter, gradient, after)
            finally:
                parameter.raw = after
            self.moved[parameter] = (_leaf(after), {}) if made is None else (made, {gradient: "d"})

    def graph(self, names: Mapping[Tensor, str]) -> Graph:
        """Return the graph of the loss and of the new parameters, which begin at the gradients.

        Args:
            names: of parameters, where the user has names for them.
        """
        assert self.loss is not None
        inputs: dict[Tensor, str] = {}
        self._recorder.release_frames()
        labels = self._recorder.labels({}, {self.loss})
        call_loss(self.loss, labels)
        first = assemble([self.loss], {}, labels, parameters=dict(names))
        called = {tensor: first["nodes"][index].name for index, tensor in first["tensors"].items()}
        outputs = [self.loss]
        for parameter in sorted(self.moved, key=lambda p: -p.serial):
            made, reads = self.moved[parameter]
            exact = np.array_equal(np.asarray(made.raw), np.asarray(parameter.raw), equal_nan=True)
            if not exact:  # what the rule gives is not what came: say only what came
                made, reads = _leaf(parameter.raw), {}
            name = called[parameter]
            needed = {*toposort([made])}
            inputs |= {tensor: f"{prefix}{name}" for tensor, prefix in reads.items() if tensor in needed}
            inputs |= {tensor: word for tensor, word in self.numbers.items() if tensor in needed}
            if made.row is None:
                inputs[made] = f"{name}_new"
            _label_update(made, name, {parameter, *reads, *self.numbers}, labels)
            outputs.append(made)
            parameter.raw, after = self.before[parameter], parameter.raw
            self.before[parameter] = after
        try:
            parameters = {tensor: called[tensor] for tensor in called if tensor.row is None}
            whole = assemble(outputs, inputs, labels, name=self.name, parameters=parameters)
            whole["tensors"] = {}
            return Graph(**whole).run(*[tensor.raw for tensor in inputs])  # on leaves of its own: the user's change
        finally:
            for parameter in self.moved:
                parameter.raw = self.before[parameter]


def _leaf(value: Any) -> Tensor:
    return Tensor(float(value) if isinstance(value, (int, float)) else np.asarray(value))


def _label_update(made: Tensor, name: str, stop: Iterable[Tensor], labels: dict[Tensor, Label]) -> None:
    """Name the nodes of an update after the parameter, in a stage of their own."""
    for node in toposort([made], set(stop)):
        if node.row is None or node in set(stop):
            continue
        label = labels.setdefault(node, Label())
        if node is made or label.name in ("", "out"):
            label.statement, label.name = f"{name}_new", f"{name}_new" if node is made else ""
        if label.callers:  # the user's own line, optimizer.step(), rather than the optimizer's
            label.source, label.callers, label.calls = label.callers[0], (), ()
        label.stage = ("", 0, f"update of {name}")


def call_loss(loss: Tensor, labels: dict[Tensor, Label]) -> None:
    """Name the loss where the user has no name for it: ``return mse(p, y)``."""
    label = labels.setdefault(loss, Label())
    if label.name in ("", "out"):
        label.name = label.statement = "loss"


def named_parameters(f: Callable[..., Any], args: Iterable[Any]) -> dict[Tensor, str]:
    """Return the names of the parameters that a function can reach: those of modules, ``0.weight``, and variables."""
    inner = getattr(f, "__func__", f)
    code = getattr(inner, "__code__", None)
    world = getattr(inner, "__globals__", {})
    found = [*zip(getattr(code, "co_varnames", ()), args, strict=False), ("", getattr(f, "__self__", None)), ("", f)]
    found += [(name, world[name]) for name in getattr(code, "co_names", ()) if name in world]
    for name, cell in zip(getattr(code, "co_freevars", ()), getattr(inner, "__closure__", None) or (), strict=False):
        try:
            found.append((name, cell.cell_contents))
        except ValueError:  # not assigned yet
            continue
    names: dict[Tensor, str] = {}
    for called, candidate in found:
        if callable(listed := getattr(candidate, "named_parameters", None)) and not isinstance(candidate, type):
            for name, parameter in listed():
                names.setdefault(parameter, name)
        elif isinstance(candidate, (Tensor, dict, list, tuple)):
            for name, leaf in paths(candidate, called):
                if isinstance(leaf, Tensor):
                    names.setdefault(leaf, name)
    return names
