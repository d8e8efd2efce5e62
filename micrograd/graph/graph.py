"""Hold a computation as a `Graph`: a flat, frozen, typed list of nodes, the same for forward and backward passes.

Its structure (names, operations, shapes, operands, stages) never changes and prints as text that reads back as
an equal graph. Beside it stands the last run: the values, and after `backward` the gradients of nodes and of edges.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from micrograd.core import validation
from micrograd.display import Displayed
from micrograd.engine import Tensor, no_grad, sweep
from micrograd.errors import GraphError, ShapeError
from micrograd.graph.backward import backward_structure
from micrograd.graph.broken import Failure
from micrograd.graph.nodes import LEAVES, Edge, Node, Stage, assemble
from micrograd.graph.text import parse, to_text
from micrograd.primitives import TABLE

__all__ = ["Graph", "seeded_outputs", "uneven", "upstream_for"]


class _ByName(Mapping[str, Any]):
    """Look up values of nodes under the nodes' names."""

    def __init__(self, graph: Graph, what: str, values: Mapping[int, Any]) -> None:
        self._graph, self._what, self._values = graph, what, values

    def __getitem__(self, name: str) -> Any:
        node = self._graph.node(name)
        if node.index not in self._values:
            raise GraphError(f"{name} has no {self._what}: {self._graph._missing(self._what)}")
        return self._values[node.index]

    def __iter__(self) -> Iterator[str]:
        return (self._graph.nodes[index].name for index in sorted(self._values))

    def __len__(self) -> int:
        return len(self._values)


class _ByEdge(Mapping[tuple[Any, ...], Any]):
    """Look up gradients of edges under ``(source, target)`` or ``(source, target, slot)``."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def __getitem__(self, key: tuple[Any, ...]) -> Any:
        edge = self._graph.edge(*key)
        found = self._graph.edge_grads.get((edge.source, edge.target, edge.slot))
        if found is None:
            raise GraphError(f"the edge {key[0]} -> {key[1]} has no gradient: {self._graph._missing('gradient')}")
        return found

    def __iter__(self) -> Iterator[tuple[str, str, int]]:
        nodes = self._graph.nodes
        return ((nodes[s].name, nodes[t].name, slot) for s, t, slot in self._graph.edge_grads)

    def __len__(self) -> int:
        return len(self._graph.edge_grads)


class Graph(Displayed):
    """A recorded computation. Made by `micrograd.trace`, `Graph.of` or `Graph.parse`.

    >>> from micrograd.tracing import trace
    >>> graph = trace(lambda x: x * x, np.array([3.0]))
    >>> graph.backward(np.array([1.0])).grad["x"]
    array([6.])
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        outputs: Sequence[int],
        stages: Sequence[Stage] = (),
        *,
        name: str = "graph",
        fixed: Mapping[int, Any] | None = None,
        aliases: Mapping[str, str] | None = None,
        tensors: Mapping[int, Tensor] | None = None,
    ) -> None:
        """Make a graph of the given structure; see `trace` and `parse` for the usual ways to one.

        Args:
            nodes: in topological order.
            outputs: indices of nodes.
            stages: steps of the user's code.
            name: of the graph.
            fixed: values of constants and parameters, by index.
            aliases: second names: ``dgammax`` for ``dout``.
            tensors: the recorded nodes of a run that has taken place, by index.
        """
        self.name = name
        self.nodes = tuple(nodes)
        self.stages = tuple(stages)
        self.outputs = tuple(self.nodes[index] for index in outputs)
        self.aliases = dict(aliases or {})
        self.fixed = dict(fixed or {})
        self.seeds: dict[int, Any] = {}
        self.grads: dict[int, Any] = {}
        self.edge_grads: dict[tuple[int, int, int], Any] = {}
        self.failure: Failure | None = None
        self._index = {node.name: node.index for node in self.nodes}
        self._tensors: dict[int, Tensor] = dict(tensors or {})
        self.check()

    @classmethod
    def of(cls, *outputs: Tensor, name: str = "graph") -> Graph:
        """Return the graph below recorded tensors, with plain names (`micrograd.trace` gives the user's).

        A tensor that has been through `backward` brings its gradients along.
        """
        graph = cls(**assemble(list(outputs), {}, {}, name=name))
        seeds = tuple(_started(output) for output in outputs)
        if any(seed is not None for seed in seeds):
            graph.backward(seeds if len(seeds) > 1 else seeds[0])
        return graph

    @classmethod
    def parse(cls, text: str) -> Graph:
        """Return the graph that was printed as `text`. Raises GraphError, with the line, where it is no such text."""
        return cls(**parse(text))

    # ---- structure -----------------------------------------------------------------------------------

    @property
    def inputs(self) -> tuple[Node, ...]:
        """Return the nodes that a run is given, in order."""
        return tuple(node for node in self.nodes if node.op == "input")

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Return every operand slot that a node fills."""
        return tuple(
            Edge(operand, node.index, slot)
            for node in self.nodes
            for slot, operand in enumerate(node.operands)
            if isinstance(operand, int)
        )

    def node(self, name: str) -> Node:
        """Return the node of that name, or of that second name. Raises GraphError with the nearest names."""
        index = self._index.get(self.aliases.get(name, name))
        if index is None:
            near = difflib.get_close_matches(name, [*self._index, *self.aliases], 3)
            hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(list(self._index)[:20])}."
            raise GraphError(f"graph {self.name} has no node {name!r}; {hint}")
        return self.nodes[index]

    def edge(self, source: str, target: str, slot: int | None = None) -> Edge:
        """Return the edge between two names; the target may be a statement, whose one reader of `source` is meant."""
        start = self.node(source)
        end = self._index.get(self.aliases.get(target, target))
        found = [e for e in self.edges if e.source == start.index and e.target == end]
        if not found:
            ends = {node.index for node in self.nodes if node.statement == target}
            found = [e for e in self.edges if e.source == start.index and e.target in ends]
        if slot is not None:
            found = [e for e in found if e.slot == slot]
        if len(found) == 1:
            return found[0]
        if not found:
            readers = sorted({self.nodes[e.target].name for e in self.edges if e.source == start.index})
            raise GraphError(f"{source} does not feed {target}; it feeds {', '.join(readers) or 'nothing'}.")
        choices = ", ".join(f"({source!r}, {self.nodes[e.target].name!r}, {e.slot})" for e in found)
        raise GraphError(f"{source} feeds {target} {len(found)} times; ask for one of {choices}.")

    def consumers(self, index: int) -> tuple[Edge, ...]:
        """Return the edges that leave a node, in order of execution."""
        return tuple(edge for edge in self.edges if edge.source == index)

    def check(self) -> Graph:
        """Verify the structure: names, order, operations, arity. Raises GraphError; returns the graph itself."""
        if len(self._index) != len(self.nodes):
            raise GraphError(f"graph {self.name}: two nodes have one name")
        for position, node in enumerate(self.nodes):
            where = f"graph {self.name}, node {node.name}"
            if node.index != position:
                raise GraphError(f"{where}: index {node.index} at position {position}")
            if node.op in LEAVES:
                if node.operands:
                    raise GraphError(f"{where}: {node.op} has operands")
                if node.op != "input" and node.index not in self.fixed:
                    raise GraphError(f"{where}: {node.op} without a value")
                continue
            if node.op not in TABLE:
                raise GraphError(f"{where}: {node.op} is not a primitive")
            row = TABLE[node.op]
            if not row.variadic and len(node.operands) != len(row.vjp):
                raise GraphError(f"{where}: {node.op} takes {len(row.vjp)} operand(s), got {len(node.operands)}")
            for operand in node.operands:
                if isinstance(operand, int) and not 0 <= operand < position:
                    raise GraphError(f"{where}: reads node {operand}, which does not come before it (a cycle?)")
        return self

    # ---- running -------------------------------------------------------------------------------------

    def run(self, *inputs: Any) -> Graph:
        """Compute every node from the inputs, recorded, so that `backward` can follow. Returns the graph itself."""
        wanted = self.inputs
        if len(inputs) != len(wanted):
            raise GraphError(f"graph {self.name} takes {len(wanted)} input(s) "
                             f"({', '.join(n.name for n in wanted)}); got {len(inputs)}.")  # fmt: skip
        given = iter(inputs)
        tensors: dict[int, Tensor] = {}
        for node in self.nodes:
            if node.op == "constant":
                continue
            if node.op == "input":
                value = next(given)
                made = value if isinstance(value, Tensor) else Tensor(validation.leaf(value, node.name))
            elif node.op == "parameter":
                made = Tensor(self.fixed[node.index])
            else:
                operands = [o if isinstance(o, float) else tensors.get(o, self.fixed.get(o)) for o in node.operands]
                if not any(isinstance(operand, Tensor) for operand in operands):  # constants only
                    operands[0] = Tensor(operands[0])
                made = TABLE[node.op](*operands, **node.attrs)
            tensors[node.index] = made
            if made.shape != node.shape:
                raise ShapeError(f"{node.name} has shape {made.shape}; the graph was made for {node.shape}.")
        self._tensors, self.seeds, self.grads, self.edge_grads = tensors, {}, {}, {}
        return self

    def __call__(self, *inputs: Any) -> Any:
        """Return the outputs for these inputs: one array, or a tuple of them. Records and changes nothing."""
        bare = Graph(self.nodes, [n.index for n in self.outputs], name=self.name, fixed=self.fixed)
        with no_grad():
            bare.run(*inputs)
        results = tuple(bare.values[node.index] for node in self.outputs)
        return results[0] if len(results) == 1 else results

    @property
    def values(self) -> tuple[Any, ...]:
        """Return the value of each node, by index; None where the graph has not been run."""
        return tuple(self._value(node.index) for node in self.nodes)

    def _value(self, index: int) -> Any:
        if index in self._tensors:
            return self._tensors[index].data
        return self.fixed.get(index)

    @property
    def value(self) -> Mapping[str, Any]:
        """Return the value of each node, by name."""
        return _ByName(self, "value", {i: v for i in range(len(self.nodes)) if (v := self._value(i)) is not None})

    def _missing(self, what: str) -> str:
        if what == "value":
            return "the graph has not been run; call graph.run(...)."
        return "none reaches it." if self.has_grads else "not yet; call graph.backward(seed)."

    # ---- backward ------------------------------------------------------------------------------------

    def backward(self, seed: Any = None, observer: Callable[[int, Any, list[Any]], None] | None = None) -> Graph:
        """Fill the gradients of all nodes and edges. Returns the graph itself.

        Args:
            seed: the cotangent of the output, in its shape and dtype (1 where left out, for one number);
                a tuple where there are several outputs, None in it for none.
            observer: called with ``(index, gradient, parts per slot)`` as each node is swept.

        Raises:
            GraphError: no seed for more than one number, or a graph that has not been run.
        """
        if not self._tensors:
            raise GraphError(f"graph {self.name} has no values; {self._missing('value')}")
        seeds = self._seeds(seed)
        place = {tensor: index for index, tensor in self._tensors.items()}
        stop = [self._tensors[n.index] for n in self.nodes if n.is_leaf and n.index in self._tensors]
        self.grads, self.edge_grads = {}, {}
        for tensor, g, parts in sweep(seeds, stop):
            index = place[tensor]
            leaf = self.nodes[index].is_leaf and type(g) is not float and g.dtype != tensor.dtype
            self.grads[index] = _shown(g.astype(tensor.dtype) if leaf else g)
            for slot, part in enumerate(parts):
                operand = self.nodes[index].operands[slot]
                if part is not None and isinstance(operand, int):
                    self.edge_grads[operand, index, slot] = _shown(part)
            if observer is not None:
                observer(index, g, parts)
        return self

    def _seeds(self, seed: Any) -> dict[Tensor, Any]:
        given = seed if isinstance(seed, tuple) else (seed,)
        if len(given) > len(self.outputs):
            raise GraphError(f"{len(given)} seeds for {len(self.outputs)} output(s); give at most one each.")
        if seed is None and len(self.outputs) > 1:
            given = (None,)
        seeds: dict[Tensor, Any] = {}
        for node, g in zip(self.outputs, given, strict=False):
            if g is None and len(given) > 1:
                continue
            tensor = self._tensors[node.index]
            checked = validation.seed(g, tensor.raw)
            seeds[tensor] = seeds[tensor] + checked if tensor in seeds else checked
            self.seeds[node.index] = seeds[tensor]
        return seeds

    @property
    def has_grads(self) -> bool:
        """Check that `backward` has been run."""
        return bool(self.grads)

    @property
    def grad(self) -> Mapping[str, Any]:
        """Return the gradient of each node, by name: the sum of what its consumers send."""
        return _ByName(self, "gradient", self.grads)

    @property
    def edge_grad(self) -> Mapping[tuple[Any, ...], Any]:
        """Return what the target of an edge sends to its source: ``graph.edge_grad["xmu", "sq"]`` is dxmu2."""
        return _ByEdge(self)

    def backward_graph(self) -> Graph:
        """Return the backward pass as a graph: from the cotangents of the outputs to the gradients of the inputs."""
        return Graph(**backward_structure(self))

    # ---- text ----------------------------------------------------------------------------------------

    def __str__(self) -> str:
        return to_text(self)

    def __repr__(self) -> str:
        ends = [", ".join(node.name for node in side) for side in (self.inputs, self.outputs)]
        return f"<Graph {self.name}: {len(self.nodes)} nodes, {' -> '.join(ends)}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


def _shown(g: Any) -> Any:
    """Return a gradient as the graph keeps it: a float, or an array that nobody writes to."""
    return g if type(g) is float else validation.frozen(np.asarray(g)[...])


def _started(output: Tensor) -> Any:
    """Return the cotangent that ``backward`` gave `output`; None where there was none: a leaf, or a number's 0."""
    untouched = output.row is None or output.grad is None or (type(output.grad) is float and output.grad == 0.0)
    return None if untouched else output.grad


# ---- the gradients that a backward pass starts from ---------------------------------------------------------


def seeded_outputs(graph: Graph) -> list[Node]:
    """Return the outputs that get a gradient: the first, and those that are no lesser than it."""
    first, *others = graph.outputs
    return [first, *(n for n in others if first.shape and n.shape == first.shape and not n.is_leaf)]


def uneven(shape: tuple[int, ...], rng: np.random.Generator, spread: float) -> Any:
    """Draw numbers whose columns have means of their own, so that no sum along an axis vanishes."""
    return rng.standard_normal(shape) + spread * rng.standard_normal(shape[-1:])


def upstream_for(out: Any, rng: np.random.Generator) -> Any:
    """Return a gradient of an output: random, of no zero mean along any axis."""
    shape = np.shape(out)
    if not shape:
        value = float(rng.uniform(1.3, 2.2))
        return value if not isinstance(out, np.ndarray) else np.asarray(value, out.dtype)
    for _ in range(50):
        g = uneven(shape, rng, 0.5) + 0.4
        means = [abs(g.mean(axis=axis)).min(initial=1.0) for axis in range(len(shape))]
        if min(means) > 0.03:
            break
    return g.astype(out.dtype)
