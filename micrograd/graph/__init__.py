"""The recorded computation as data: `trace` makes it, `Graph` is it."""

from micrograd.graph.build import graph_size
from micrograd.graph.graph import Graph
from micrograd.graph.nodes import Edge, Node, Stage
from micrograd.tracing.tracer import trace

__all__ = ["Edge", "Graph", "Node", "Stage", "graph_size", "trace"]
