"""Run a train step that is a function: it takes parameters and data, and returns the loss and the new parameters."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from micrograd.engine import Tensor, observe
from micrograd.errors import GraphError
from micrograd.graph import Graph
from micrograd.graph.nodes import Label, Node, Stage, assemble
from micrograd.pytree import flatten, paths
from micrograd.stepper.training.watch import call_loss
from micrograd.tracing.tracer import record_call

__all__ = ["PureStep"]

_FORM = (
    "a train step takes the parameters first and returns the loss and the new parameters, "
    "as `return loss, w - lr * dw, b - lr * db`; or it changes its parameters itself, as optimizer.step() does"
)


def _is_number(leaf: Any) -> bool:
    return type(leaf) is float or (isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind == "f")


class PureStep:
    """Hold a function and its arguments; each `iteration` replaces the parameters among them.

    Args:
        f: the train step.
        args: its arguments; floats among the parameters become arrays of shape ().
        result: what a call returned: the loss, and the new parameters in the order of the first arguments.

    Raises:
        GraphError: the result is not of that form.
    """

    def __init__(self, f: Callable[..., Any], args: Sequence[Any], result: Any) -> None:
        self.f, self.name = f, getattr(f, "__name__", type(f).__name__)
        parts = list(result.values() if isinstance(result, dict) else result)
        losses = [i for i, part in enumerate(parts) if np.ndim(_plain(part)) == 0 and _is_number(_plain(part))]
        if not losses or (losses[0] != 0 and losses[-1] != len(parts) - 1):
            raise GraphError(f"{self.name} returns no loss (one number) first; {_FORM}.")
        self._loss = 0 if losses[0] == 0 else len(parts) - 1
        new = [*paths([part for i, part in enumerate(parts) if i != self._loss])]
        given = [(at, path, leaf) for at, (path, leaf) in enumerate(paths(list(args))) if _is_number(leaf)]
        said = ", ".join(str(np.shape(_plain(leaf))) for _, leaf in new)
        there = ", ".join(str(np.shape(leaf)) for _, _, leaf in given)
        fits = new and len(new) <= len(given)
        for (path, leaf), (_, before, old) in zip(new, given, strict=False):
            fits = fits and np.shape(_plain(leaf)) == np.shape(old) and _key(path) in ("", _key(before), *"0123456789")
        if not fits:
            raise GraphError(
                f"{self.name} returns, beside the loss, arrays of shapes {said or 'none'}; its arguments begin with "
                f"{there or 'no arrays'}: {_FORM}."
            )
        self._names = [path for path, leaf in paths(_by_parameter(f, args)) if _is_number(leaf)][: len(new)]
        self._places = [at for at, _, _ in given[: len(new)]]
        leaves, self._rebuild = flatten(list(args))
        self._leaves = [np.asarray(leaf) if at in self._places else leaf for at, leaf in enumerate(leaves)]

    def iteration(self) -> Graph:
        """Run the step once, and put the new parameters into the arguments of the next."""
        watch = _Gradients()
        with observe(watch):
            record = record_call(self.f, self._rebuild(self._leaves), {}, sys._getframe())
        parts = list(record.result.values() if isinstance(record.result, dict) else record.result)
        loss = parts.pop(self._loss)
        new = [leaf for _, leaf in paths(parts)]
        if not isinstance(loss, Tensor) or not all(isinstance(leaf, Tensor) for leaf in new):
            raise GraphError(f"{self.name}: the loss, or a new parameter, is not computed from the arguments.")
        for place, leaf in zip(self._places, new, strict=True):
            self._leaves[place] = np.asarray(leaf.raw)
        known = record.inputs
        gradients = {
            g: f"d{known[node.x]}"
            for node, g in watch.gradients.items()
            if _is_copy(node) and node.x in known and g.row is not None
        }
        call_loss(loss, record.labels)
        for leaf, name in zip(new, self._names, strict=True):
            label = record.labels.get(leaf)
            if label is not None and label.name in ("", "out"):
                _rename(leaf, f"{name}_new", record.labels)
        made = assemble([loss, *new], {**record.inputs, **gradients}, record.labels, name=record.name)
        return _without_copies(Graph(**made))


def _rename(made: Tensor, name: str, labels: dict[Tensor, Label]) -> None:
    """Name a new parameter that is returned without a name, and the nodes of the same expression."""
    source = labels[made].source
    queue = [made]
    while queue:
        node = queue.pop()
        label = labels.get(node)
        if label is None or (node is not made and (label.name not in ("", "out") or label.source is None
                             or source is None or label.source.line != source.line)):  # fmt: skip
            continue
        label.statement, label.name = name, name if node is made else ""
        queue += [operand for operand in node.operands if operand is not None]


def _by_parameter(f: Callable[..., Any], args: Sequence[Any]) -> dict[str, Any]:
    """Return the arguments by the names of the parameters."""
    bound: dict[str, Any] = inspect.signature(f).bind(*args).arguments
    return bound


def _is_copy(node: Tensor) -> bool:
    """Say whether a node is an argument as a transform takes it: its derivative is asked for."""
    return node.row is not None and node.row.name == "reshape" and node.x is not None and node.x.shape == node.shape


def _plain(leaf: Any) -> Any:
    return leaf.raw if isinstance(leaf, Tensor) else leaf


def _key(path: str) -> str:
    return path.rpartition(".")[2]


class _Gradients:
    """Note the gradients that the engine computes inside a function that is traced (`micrograd.value_and_grad`)."""

    def __init__(self) -> None:
        self.gradients: dict[Tensor, Tensor] = {}
        self._recorded: list[Tensor] = []

    def recorded(self, node: Tensor) -> None:
        """Note the nodes since the last that was swept: they are sums of what arrived before and what came now."""
        self._recorded.append(node)

    def pulled(self, node: Tensor, g: Any, parts: list[Any]) -> None:
        """Note the gradients of operands, as far as they have arrived."""
        del g
        sums = {new.operands[1]: new for new in self._recorded if new.row is not None and new.row.name == "add"}
        self._recorded.clear()
        for operand, part in zip(node.operands, parts, strict=False):
            if operand is not None and isinstance(part, Tensor):
                self.gradients[operand] = sums.get(part, part)


def _without_copies(graph: Graph) -> Graph:
    """Return the graph without the copies of its arguments that a transform made: reshapes to the same shape."""
    nodes = graph.nodes
    stands = list(range(len(nodes)))
    for node in nodes:
        if node.op == "reshape" and nodes[node.reads[0]].shape == node.shape:
            stands[node.index] = stands[node.reads[0]]
    ends = [stands[node.index] for node in graph.outputs]
    kept = [node.index for node in nodes if stands[node.index] == node.index]
    place = {old: new for new, old in enumerate(kept)}
    made = [
        Node(place[n.index], n.name, n.op, n.shape, n.dtype,
             tuple(place[stands[o]] if isinstance(o, int) else o for o in n.operands), n.attrs, n.statement, None,
             n.source, n.callers, n.calls)
        for n in (nodes[index] for index in kept)
    ]  # fmt: skip
    stages = [Stage(s.title, tuple(place[i] for i in s.nodes if i in place)) for s in graph.stages]
    stages = [stage for stage in stages if stage.nodes]
    stage_of = {index: number for number, stage in enumerate(stages) for index in stage.nodes}
    made = [_at_stage(node, stage_of.get(node.index)) for node in made]
    fixed = {place[index]: value for index, value in graph.fixed.items() if index in place}
    values = [graph.values[index] for index in kept if nodes[index].op == "input"]
    bare = Graph(made, [place[index] for index in ends], stages, name=graph.name, fixed=fixed, aliases=graph.aliases)
    return bare.run(*values)


def _at_stage(node: Node, stage: int | None) -> Node:
    return Node(node.index, node.name, node.op, node.shape, node.dtype, node.operands, node.attrs, node.statement,
                stage, node.source, node.callers, node.calls)  # fmt: skip
