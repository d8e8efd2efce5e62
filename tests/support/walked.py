"""Graphs to walk through, and how the data of a walk is read back."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from paths import EXAMPLES
from strategies import Program, inputs_of

from micrograd.graph import Graph
from micrograd.tracing import trace


def batchnorm() -> Graph:
    sys.path.insert(0, str(EXAMPLES))
    try:
        from bn import batchnorm_forward
    finally:
        sys.path.remove(str(EXAMPLES))
    rng = np.random.default_rng(0)
    graph = trace(batchnorm_forward, rng.standard_normal((4, 3)), rng.standard_normal(3), rng.standard_normal(3))
    return graph.backward(rng.standard_normal((4, 3)))


def decoded(array: Mapping[str, Any]) -> Any:
    return np.array([float(cell) for cell in array["data"]]).reshape(array["shape"])


def value_of(data: Mapping[str, Any], node: Mapping[str, Any]) -> Any:
    """The array of a node; a forward value that the backward pass reads is in the page once, with its forward node."""
    return node["value"] if node["from"] is None else data["graphs"]["forward"]["nodes"][node["from"]]["value"]


def backward_steps(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for step in data["steps"] if step["phase"] == "backward"]


def traced(program: Program, seed: int) -> Graph:
    return trace(lambda a, b: program(np, a, b), *inputs_of(seed))
