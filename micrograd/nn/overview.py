"""Summarise a network as a table of its layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from micrograd.engine import no_grad
from micrograd.nn.module import Module
from micrograd.numpy_api.composites import shape_of

__all__ = ["LayerRow", "Summary", "calls", "summary"]


@dataclass(frozen=True, slots=True)
class LayerRow:
    """Hold what the table shows of a layer: dotted name, type, shape of its output, numbers that it holds itself."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int


@dataclass(frozen=True, slots=True)
class Summary:
    """Hold the layers in the order of their calls, and how many parameters there are; prints as a table."""

    lines: tuple[LayerRow, ...]
    parameters: int
    trainable: int

    def __str__(self) -> str:
        rows = [("layer", "type", "output", "parameters")]
        rows += [(line.name, line.kind, str(line.shape), f"{line.parameters:,}") for line in self.lines]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

        def text(row: tuple[str, ...]) -> str:
            *words, number = row
            left = "  ".join(word.ljust(width) for word, width in zip(words, widths, strict=False))
            return f"{left}  {number.rjust(widths[-1])}"

        rule = "-" * (int(np.sum(widths)) + 6)
        total = f"{self.parameters:,} parameters, {self.trainable:,} of them trainable"
        return "\n".join([text(rows[0]), rule, *map(text, rows[1:]), rule, total])


@contextmanager
def calls(layers: dict[str, Module]) -> Iterator[list[tuple[str, Any]]]:
    """Record the calls of these modules inside the block, as (name, output), in the order in which they return."""
    seen: list[tuple[str, Any]] = []
    try:
        for name, layer in layers.items():

            def watched(*args: Any, name: str = name, forward: Any = layer.forward, **kwargs: Any) -> Any:
                out = forward(*args, **kwargs)
                seen.append((name, out))
                return out

            vars(layer)["forward"] = watched
        yield seen
    finally:
        for layer in layers.values():
            vars(layer).pop("forward", None)


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Put a model into evaluation mode, without a graph; afterwards each module has its own mode again."""
    modes = [(module, module.training) for _, module in model.named_modules()]
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def summary(model: Module, x: Any) -> Summary:
    """Run `model` once, in evaluation mode and without a graph, and return its layers as a table.

    Args:
        model: any module; it is not changed.
        x: what the model takes, one example or a batch.

    Returns:
        A `Summary` with a row for each call of a module that holds no other module.

    >>> from micrograd import nn
    >>> print(summary(nn.mlp([4, 3, 2], rng=0), np.ones((1, 4))))
    layer     type    output  parameters
    ------------------------------------
    layers.0  Linear  (1, 3)          15
    layers.1  ReLU    (1, 3)           0
    layers.2  Linear  (1, 2)           8
    ------------------------------------
    23 parameters, 23 of them trainable
    """
    leaves = {name: module for name, module in model.named_modules() if len(list(module.named_modules())) == 1}
    with evaluating(model), calls(leaves) as seen:
        model(x)
    lines = tuple(
        LayerRow(name, type(leaves[name]).__name__, shape_of(out), leaves[name].count_parameters())
        for name, out in seen
    )
    return Summary(lines, model.count_parameters(), model.count_parameters(trainable=True))
