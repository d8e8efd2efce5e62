"""Print a backward pass as NumPy source, in the names that students use, for any traced function.

The forward is traced on inputs of several sizes, so that what follows the sizes is printed as what it stands for
(`micrograd.export.numpy_source.symbols`). The lines come in the order of the sweep, one for each path and one for each
sum of paths: ``dxmu1 = dxhat * ivar``, ``dxmu = dxmu1 + dxmu2``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from micrograd.errors import GraphError
from micrograd.export.numpy_source.available import Holdings, author_sizes, held_by_arguments, held_in_cache
from micrograd.export.numpy_source.printing import LONG, Names, Printer, identifier, only_unit_axes, scattered
from micrograd.export.numpy_source.spelling import Expr, atom
from micrograd.export.numpy_source.symbols import Symbols
from micrograd.export.numpy_source.traces import TracedSizes, alike, traced_on
from micrograd.graph import Graph
from micrograd.graph.formulas import own_name

__all__ = ["Line", "Listing", "listed_backward"]

_SHORT = 12  # characters up to which what the forward computed is written again rather than named
_LETTERS = {1: "N", 2: "ND", 3: "NTD", 4: "NCHW"}


@dataclass(frozen=True, slots=True)
class Line:
    """One statement.

    Attributes:
        target: the name assigned.
        text: the right-hand side.
        statement: all of it; two lines of text for what is scattered.
        kind: ``path``, ``sum`` (of paths), ``same`` (another name of a gradient), or ``value`` (no gradient).
        stage: the step of the forward that it belongs to; empty where there are no step comments.
        upstream: the gradient that it starts from.
        of: the forward value whose gradient it is; empty for a part.
        to: the forward value that the path comes from: of ``dxmu2`` it is ``sq``.
        shape: of the value, as ``(N, D)``.
    """

    target: str
    text: str
    statement: str
    kind: str
    stage: str = ""
    upstream: str = ""
    of: str = ""
    to: str = ""
    shape: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A backward as source.

    Attributes:
        name: of the function.
        upstream: its parameters that are gradients of outputs.
        parameters: those behind them.
        opening: statements that unpack the cache and the sizes.
        lines: the work.
        results: what it returns.
        inputs: the forward's inputs that these are the gradients of.
    """

    name: str
    upstream: tuple[str, ...]
    parameters: tuple[str, ...]
    opening: tuple[str, ...]
    lines: tuple[Line, ...]
    results: tuple[str, ...]
    inputs: tuple[str, ...]

    def source(self, write: Callable[[Line], str] = lambda line: line.statement) -> str:
        """Return the function's text.

        Args:
            write: what stands for each line.
        """
        text = [f"def {self.name}({', '.join((*self.upstream, *self.parameters))}):"]
        text += [f"    {statement}" for statement in self.opening]
        stage = None if self.opening else ""
        for line in self.lines:
            if line.stage != stage:
                text += [*([""] if len(text) > 1 else []), *([f"    # {line.stage}"] if line.stage else [])]
                stage = line.stage
            text += [f"    {statement}" for statement in write(line).split("\n")]
        return "\n".join([*text, "", f"    return {', '.join(self.results)}", ""])


# ---- the backward of a forward --------------------------------------------------------


def listed_backward(
    forward: Callable[..., Any],
    arguments: Sequence[Mapping[str, Any]],
    name: str = "",
    seed: int = 0,
    *,
    shapes: bool = False,
) -> Listing:
    """Return the backward of a forward, as source.

    It works from the cache that the forward leaves as its last result, where that holds what is needed, and else from
    the forward's arguments.

    Args:
        forward: a function of arrays; it is run.
        arguments: of it, by parameter, in at least two sizes.
        name: of the backward; ``f_backward`` for ``f_forward`` and for ``f`` where left out.
        seed: of ``np.random`` before each run.
        shapes: name the lengths of all axes, not only those that a line uses.

    Raises:
        GraphError: the graph changes with the sizes (a loop over rows), or a value that the backward needs can be had
            neither from the cache nor from the arguments.

    >>> def scale_forward(x, w):
    ...     xw = x * w
    ...     out = np.sum(xw, axis=0)
    ...     return out, (x, w)
    >>> sizes = [{"x": np.ones((n, d)) * n, "w": np.ones(d) * n} for n, d in ((4, 3), (5, 2))]
    >>> print(listed_backward(scale_forward, sizes).source())
    def scale_backward(dout, cache):
        x, w = cache
        N, D = x.shape
    <BLANKLINE>
        dxw = np.broadcast_to(dout, (N, D))
        dx = dxw * w
        dw = np.sum(dxw * x, axis=0)
    <BLANKLINE>
        return dx, dw
    <BLANKLINE>
    """
    traced = traced_on(forward, arguments, seed)
    called = getattr(forward, "__name__", "f")
    if not alike(traced.forwards) or not alike(traced.backwards):
        raise GraphError(
            f"{called} computes another graph for inputs of another size (a loop over an axis?); "
            "a backward can be written for graphs that keep their form."
        )
    name = name or re.sub(r"_?forward$", "", called) + "_backward"
    cached = held_in_cache(forward, traced.results)
    if cached is not None:
        try:
            return _Lister(forward, traced, cached, name).listing(shapes)
        except GraphError:  # not everything is in the cache
            pass
    return _Lister(forward, traced, held_by_arguments(traced.arguments), name).listing(shapes)


class _Lister:
    """Write one backward."""

    def __init__(self, forward: Callable[..., Any], traced: TracedSizes, holdings: Holdings, name: str) -> None:
        self.traced, self.holdings, self.name = traced, holdings, name
        self.graph, self.pairs, self.backward = traced.forwards[0], traced.pairs[0], traced.backwards[0]
        seeds = [n.index for n in self.backward.nodes if n.op == "input" and self.pairs.origins[n.index] is None]
        seeded = {f"d{n.name}": n.index for n in self.graph.outputs}
        self.outputs = [seeded[self.backward.nodes[seed].name] for seed in seeds]
        self.upstream = ["dout"] if len(seeds) == 1 else [identifier(self.backward.nodes[s].name) for s in seeds]
        self.symbols = Symbols(len(traced.forwards))
        held = [*holdings.parameters, *holdings.arrays, *holdings.numbers, *self.upstream]
        self.names = Names([h for h in held if h.isidentifier()])
        for label, numbers in holdings.numbers.items():
            self.symbols.name(label, numbers)
        self._name_sizes(forward)
        self.value = Printer(traced.forwards, self.symbols, holdings)
        self.gradient = Printer(traced.backwards, self.symbols, holdings)
        self.gradient.done.update((seed, atom(up)) for seed, up in zip(seeds, self.upstream, strict=True))
        self.parts = Counter(source for source, _, _ in self.pairs.edges)
        self.arrived: dict[int, list[str]] = {}
        self.results: dict[int, str] = {}
        self.came_from: dict[int, str] = {}  # the upstream of what is printed inside another line
        self.lines: list[Line] = []
        self.stage = ""
        self._find_held()
        self.uses = self._used_values()

    def _name_sizes(self, forward: Callable[..., Any]) -> None:
        """Name the axes: in the user's words, or with the usual letters."""
        own = author_sizes(forward)
        variables = {identifier(node.name) for node in self.graph.nodes} | self.names.taken
        letters = iter("MKPQRSUVGJLABEFYZ")
        self.sizes: set[str] = set()
        for node in self.graph.inputs:
            usual = _LETTERS.get(len(node.shape), "")
            for axis in range(len(node.shape)):
                lengths = [graph.nodes[node.index].shape[axis] for graph in self.traced.forwards]
                vector = tuple(map(float, lengths))
                if len(set(vector)) == 1 or vector in self.symbols.known.values():
                    continue
                wanted = own.get((node.name, axis), usual[axis : axis + 1])
                while not wanted or wanted in self.symbols.known or wanted in variables:
                    wanted = next(letters)
                self.symbols.name(wanted, lengths)
                self.sizes.add(wanted)
        self.names.taken |= self.sizes
        known = self.symbols.known  # lengths before numbers: N * G
        self.symbols.known = {n: known[n] for n in (*(k for k in known if k in self.sizes), *known)}

    def _find_held(self) -> None:
        """Find which forward values are at hand, and under which name."""
        for label, arrays in self.holdings.arrays.items():
            for node in sorted(self.graph.nodes, key=lambda n: n.name != label):
                values = [graph.value[graph.nodes[node.index].name] for graph in self.traced.forwards]
                if node.index not in self.value.done and all(
                    np.shape(v) == np.shape(a) and np.allclose(v, a, rtol=1e-12, atol=0)
                    for v, a in zip(values, arrays, strict=True)
                ):
                    self.value.done[node.index] = atom(label)

    def _used_values(self) -> Counter[int]:
        """Return how often each value that is not at hand is read."""
        wanted = {f: self.gradient.readers[b] for b, f in self.pairs.origins.items() if f is not None}
        uses = Counter(wanted)
        needed = {at for index in wanted for at in self.value.needed(index)}
        uses.update(operand for at in needed for operand in self.graph.nodes[at].reads)
        return uses

    # ---- expressions ---------------------------------------------------------------------------------

    def _forward_value(self, index: int) -> Expr:
        """Return a value of the forward, computed from what is at hand where it is not."""
        for at in self.value.needed(index):
            node = self.graph.nodes[at]
            if node.op in ("input", "parameter"):
                raise GraphError(f"{node.name} is needed in the backward and is not in the cache: put it there.")
            if at in self.value.done:
                continue
            expression = self.value.done[at] = self.value.expression(at)
            long = len(str(expression))
            line = own_name(node) or long > LONG or (self.uses[at] > 1 and long > _SHORT)
            if line and not node.is_leaf:
                target = self.names.fresh(node.name)
                self._add(target, expression, "value", of=node.name, shape=self._shape(self.traced.forwards, at))
                self.value.done[at] = atom(target)
        return self.value.done[index]

    def _shape(self, graphs: Sequence[Graph], index: int) -> str:
        return self.symbols.shape([graph.nodes[index].shape for graph in graphs])

    def _add(self, target: str, text: object, kind: str, statement: str = "", **more: Any) -> None:
        self.lines.append(Line(target, str(text), statement or f"{target} = {text}", kind, self.stage, **more))

    def _print(self, index: int, target: str, **more: Any) -> None:
        """Write the line of one node of the backward graph (none without `target`), and before it what it needs."""
        for at in self.gradient.needed(index):
            node, origin = self.backward.nodes[at], self.pairs.origins.get(at)
            if node.op == "input" and origin is not None:
                self.gradient.done[at] = self._forward_value(origin)
                continue
            named = target if at == index else ""
            said = more if named else {"shape": self._shape(self.traced.backwards, node.index)}
            if node.op == "scatter" and not only_unit_axes(node):
                named = named or self.names.fresh(node.name)
                text = scattered(self.gradient, node, named, self.gradient.done[node.reads[0]])
                self._add(named, text.split("\n", 1)[1], "path", text, **said)
                self.gradient.done[at] = atom(named)
                continue
            expression = self.gradient.done[at] = self.gradient.expression(at, bare=not named)
            if not named and (self.gradient.readers[at] > 1 or len(str(expression)) > LONG) and not node.is_leaf:
                named = self.names.fresh(f"d{identifier(more['of'])}" if at == index else node.name)
            if named:
                self._add(named, expression, "path" if said is more else "value", **said)
                self.gradient.done[at] = atom(named)

    # ---- lines ---------------------------------------------------------------------------------------

    def listing(self, shapes: bool = False) -> Listing:
        """Return the whole function."""
        for output, up in zip(self.outputs, self.upstream, strict=True):
            if self.parts[output]:
                self.arrived[output] = [up]
                self.parts[output] += 1
        for index in self.pairs.swept:
            if not self.graph.nodes[index].is_leaf:
                self._sweep(index)
        leaves = {self.pairs.nodes.get(i): i for i in self.pairs.swept if self.graph.nodes[i].is_leaf}
        found = [leaves[node.index] for node in self.backward.outputs]
        return Listing(
            self.name,
            tuple(self.upstream),
            self.holdings.parameters,
            (*self.holdings.opening, *self._lengths(shapes)),
            tuple(self.lines),
            tuple(self.results[leaf] for leaf in found),
            tuple(self.graph.nodes[leaf].name for leaf in found),
        )

    def _sum(self, index: int) -> str:
        """Write the sum over the paths to a value."""
        node = self.graph.nodes[index]
        target = self.names.fresh(f"d{identifier(node.name)}")
        text = " + ".join(self.arrived[index])
        self._add(target, text, "sum", of=node.name, shape=self._shape(self.traced.forwards, index))
        self.gradient.done[self.pairs.nodes[index]] = atom(target)
        return target

    def _sweep(self, index: int) -> None:
        """Write what one value sends to its operands."""
        node = self.graph.nodes[index]
        titles = {n.statement for n in self.graph.nodes}
        title = "" if node.stage is None else self.graph.stages[node.stage].title
        self.stage = "" if title in titles or title.startswith("stage ") else title
        if self.parts[index] > 1:
            self._sum(index)
        upstream = str(self.gradient.done[self.pairs.nodes[index]])
        upstream = upstream if upstream.isidentifier() else self.came_from.get(index, "")
        renamed: dict[int, str] = {}
        for slot, operand in enumerate(node.operands):
            if not isinstance(operand, int) or (operand, index, slot) not in self.pairs.edges:
                continue
            _, part = self.pairs.edges[operand, index, slot]
            self._send(operand, node.statement or node.name, part, upstream, renamed)
        self.gradient.done.update((part, atom(target)) for part, target in renamed.items())

    def _send(self, operand: int, to: str, part: int, upstream: str, renamed: dict[int, str]) -> None:
        source = self.graph.nodes[operand]
        several, target = self.parts[operand] > 1, ""
        if several or own_name(source) or source.is_leaf:
            base = f"d{identifier(source.name)}"
            paths = [name for name in self.arrived.get(operand, []) if name not in self.upstream]
            if several:
                base += f"{'_' if base[-1].isdigit() else ''}{len(paths) + 1}"
            target = self.names.fresh(base)
        said: dict[str, Any] = {"upstream": upstream, "of": source.name, "to": to}
        said["shape"] = self._shape(self.traced.forwards, operand)
        known = self.gradient.done.get(part)
        if known is None:
            self._print(part, target, **said)
        elif target:
            text = str(known)
            self._add(target, text, "same" if text.isidentifier() else "path", **said)
            renamed[part] = target
        if not target:
            self.came_from[operand] = upstream
        if several:
            self.arrived.setdefault(operand, []).append(target)
        if source.is_leaf:
            if not several:
                self.results[operand] = target
            elif len(self.arrived[operand]) == self.parts[operand]:
                self.results[operand] = self._sum(operand)

    def _lengths(self, shapes: bool) -> Iterator[str]:
        """Write statements that take the lengths of the axes from arrays at hand."""
        texts = [line.statement + line.shape * shapes for line in self.lines]
        wanted = self.sizes & {name for text in texts for name in re.findall(r"\w+", text)}
        at_hand = [
            (up, [graph.nodes[output].shape for graph in self.traced.forwards])
            for up, output in zip(self.upstream, self.outputs, strict=True)
        ] + [(name, [array.shape for array in arrays]) for name, arrays in self.holdings.arrays.items()]
        names = {vector: name for name, vector in self.symbols.known.items() if name in self.sizes}
        held = [
            (array, [names.get(tuple(map(float, lengths)), "") for lengths in zip(*shapes, strict=True)])
            for array, shapes in at_hand
            if array.isidentifier()
        ]
        for array, axes in sorted(held, key=lambda one: len(wanted.difference(one[1]))):  # one that has all of them
            if not wanted.intersection(axes):
                continue
            if len(axes) > 1 and all(axes) and len(set(axes)) == len(axes):
                yield f"{', '.join(axes)} = {array}.shape"
            else:
                for axis in sorted(wanted.intersection(axes), key=axes.index):
                    yield f"{axis} = {array}.shape[{axes.index(axis)}]"
            wanted = wanted - {*axes}
        if wanted:
            raise GraphError(f"{self.name}: nothing at hand has an axis of the length {', '.join(sorted(wanted))}.")
