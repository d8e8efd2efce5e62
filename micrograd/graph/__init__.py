"""Hold the recorded computation as data."""

from micrograd.graph.graph import Graph
from micrograd.graph.nodes import Edge, Node, Stage, graph_size

__all__ = ["Edge", "Graph", "Node", "Stage", "graph_size"]
