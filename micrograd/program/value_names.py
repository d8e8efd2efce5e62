"""What the author calls the values of a program: from the source, as far as an assignment says it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest

from micrograd.engine import Tensor
from micrograd.program.call_recorder import Recorder
from micrograd.source.names import constant_names, place_of, unique
from micrograd.source.positions import source_of

__all__ = ["names_of"]


def names_of(order: Iterable[Tensor], recorder: Recorder, outputs: set[Tensor]) -> dict[Tensor, str]:
    """A name for every node that has one, each name once.

    Args:
        order: the nodes, operands first.
        recorder: of the capture.
        outputs: what the call answers; ``out`` where nothing else is said.
    """
    wanted: dict[Tensor, str] = dict(recorder.parameters)
    nodes = [node for node in order if node not in recorder.origins]
    for node, following in zip_longest(nodes, nodes[1:]):
        inner, _ = recorder.places.get(node, (None, None))
        if inner is None or node.row is None:
            continue
        source = source_of(inner)  # type: ignore[arg-type]  # it reads what a Place has
        for operand, called in zip(node.operands, constant_names(source), strict=False):
            if operand is not None and operand.row is None and called:
                wanted.setdefault(operand, called)
        if following is not None and recorder.places.get(following, (None, None))[0] == inner:
            continue  # inside one expression, softmax(x), the last node is its value
        place = place_of(source)
        if place is not None and place.whole:
            name = place.target or ("out" if place.returns and node in outputs else "")
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
    """The argument that `micrograd.grad` made a node of its own of."""
    if node.row is None or node.row.name != "reshape":
        return None
    source: Tensor | None = node.operands[0]
    return source if source is not None and source.shape == node.shape else None
