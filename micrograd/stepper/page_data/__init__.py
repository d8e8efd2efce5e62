"""Turn a graph into the data of its walk: values, gradients, sources, picture and steps, as plain JSON data.

Nothing is differentiated here: the order of the steps, the gradients of nodes and of edges and their names come from
the engine's own sweep, through the backward graph.
"""

from __future__ import annotations

from micrograd.stepper.page_data.build import CELLS, LIMIT, walk_data
from micrograd.stepper.page_data.encode import encoded
from micrograd.stepper.walk_types import WalkData

__all__ = ["CELLS", "LIMIT", "WalkData", "encoded", "walk_data"]
