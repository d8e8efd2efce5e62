"""Find where one layer ends and the next begins, so that each can be simplified by itself."""

from __future__ import annotations

from micrograd.derivation.lifting import Net
from micrograd.derivation.search.expressions import names
from micrograd.derivation.search.lines import Search

__all__ = ["between_layers", "read_often"]

_REDUCTIONS = 2  # sums or largest values that make a layer


def between_layers(net: Net) -> list[str]:
    """Return the gradients of values through which everything goes that an input does to the output.

    Of those only the ones that several operations read, with at least two reductions before them and after them: the
    output of a normalization that the next one reads.
    """
    run = net.runs[0]
    nodes = run.forward.nodes
    readers: list[set[int]] = [set() for _ in nodes]
    for node in nodes:
        for o in node.reads:
            readers[o].add(node.index)
    first = next(iter(run.forward.inputs)).index
    path = {first}
    for node in nodes:
        if {*node.reads} & path:
            path.add(node.index)
    cuts, since = [], 0
    total = sum(nodes[i].op in ("sum", "max") for i in path)
    seen = 0
    for i in sorted(path):
        reduces = nodes[i].op in ("sum", "max")
        since, seen = since + reduces, seen + reduces
        later = {j for j in path if j > i}
        whole = not any(j in later for k in path if k < i for j in readers[k])  # nothing before it is read after it
        enough = since >= _REDUCTIONS and total - seen >= _REDUCTIONS
        if whole and enough and len(readers[i] & path) > 1 and i in run.pairs.nodes:
            cuts.append(net.names["b", run.pairs.nodes[i]])
            since = 0
    return cuts


def read_often(search: Search) -> list[str]:
    """Return the lines of the staged backward that several others read: written out in each, they make them long."""
    readers = {n: [m for m, line in search.lines.items() if n in names(line.staged)] for n in search.order}
    return [n for n, found in readers.items() if len(found) > 1 and not search.lines[n].kept]
