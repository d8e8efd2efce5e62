"""Name the values of a program as the user does: from the source, as far as an assignment says it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest

from micrograd.engine import Tensor
from micrograd.program.call_recorder import CallRecorder
from micrograd.source.names import operand_names, read, unique

__all__ = ["names_of"]


def names_of(order: Iterable[Tensor], recorder: CallRecorder, outputs: set[Tensor]) -> dict[Tensor, str]:
    """Return a name for every node that has one, each name once.

    Args:
        order: the nodes, operands first.
        recorder: of the capture.
        outputs: what the call returns; ``out`` where nothing else is said.
    """
    wanted: dict[Tensor, str] = dict(recorder.parameters)
    nodes = [node for node in order if node not in recorder.origins]
    made = [recorder.places.get(node, (None, None))[0] for node in nodes]
    expressions = iter(read([at for at in made if at is not None], steps=False))
    for node, at, following in zip_longest(nodes, made, made[1:]):
        if at is None:
            continue
        source, context, _ = next(expressions)
        for operand, called in zip(node.operands, operand_names(source.text), strict=False):
            if operand is not None and operand.row is None and called:
                wanted.setdefault(operand, called)
        if following == at:
            continue  # inside one expression, softmax(x), the last node is its value
        if context is not None and context.whole:
            name = context.target or ("out" if context.returns and node in outputs else "")
            if name:
                wanted.setdefault(node, name)
    for gradient, node in recorder.gradients.items():
        alias = _alias_of(node)
        base = wanted.get(node) or ("" if alias is None else wanted.get(alias))
        if base:
            wanted.setdefault(gradient, f"d{base}")
    taken: dict[str, int] = {}
    return {node: unique(name, taken) for node, name in wanted.items()}


def _alias_of(node: Tensor) -> Tensor | None:
    """Return the argument that `micrograd.grad` made a node of its own of."""
    if node.row is None or node.row.name != "reshape":
        return None
    source: Tensor | None = node.x
    return source if source is not None and source.shape == node.shape else None
