"""Fold the repeated iterations of loops, and the calls of helpers and layers, to one box each.

A loop is found by what it leaves behind: a statement that was executed again is the next iteration. So a loop of the
user's is one whatever it is written with; recursion and comprehensions are loops too. The source says only which
statements belong to a loop inside the loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import gcd

from micrograd.graph import Graph, Node
from micrograd.source.names import PACKAGE, loops_around

__all__ = ["Folding", "Group", "Iteration", "folded_index", "folding_of", "iterations_of"]

OPEN = 3
"""Iterations up to which a loop is drawn whole; of longer ones the first and the last."""


@dataclass(frozen=True, slots=True)
class Group:
    """Hold nodes that are drawn as one box.

    Attributes:
        title: what stands in the box first.
        text: the user's call; empty for iterations.
        nodes: their indices, in order.
        times: how many iterations it stands for; 1 for a call.
    """

    title: str
    text: str
    nodes: tuple[int, ...]
    times: int = 1


@dataclass(frozen=True, slots=True)
class Iteration:
    """Hold the boxes of one iteration that is drawn: its title and the indices of its statements' last nodes."""

    title: str
    heads: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Folding:
    """Hold what is folded: the groups, and the iterations that are drawn open."""

    groups: list[Group] = field(default_factory=list)
    iterations: list[Iteration] = field(default_factory=list)


def folding_of(graph: Graph, heads: Sequence[int], *, depth: int | None, loops: bool) -> Folding:
    """Return what of a graph is folded.

    Args:
        graph: with the positions of its nodes in the user's source.
        heads: for each node the node that its statement ends in.
        depth: how far inside what happens is drawn: 1 folds every call that the traced function makes, 2 those that
            these make; None folds none.
        loops: whether to fold repeated iterations.
    """
    made = Folding()
    inside: set[int] = set()
    if depth is not None:
        made.groups.extend(_calls(graph, depth))
        inside = {index for group in made.groups for index in group.nodes}
    order = [node for node in graph.nodes if heads[node.index] == node.index and node.index not in inside]
    group_of = {group.nodes[-1]: group for group in made.groups}
    order = sorted([*order, *(graph.nodes[index] for index in group_of)], key=lambda node: node.index)
    members: dict[int, list[int]] = {}
    for index, head in enumerate(heads):
        if index not in inside:
            members.setdefault(head, []).append(index)
    members.update((last, list(group.nodes)) for last, group in group_of.items())
    _fold_loops(made, order, members, depth, loops)
    return made


def _fold_loops(
    made: Folding, order: Sequence[Node], members: dict[int, list[int]], depth: int | None, loops: bool
) -> None:
    """Put the loops among some statements into `made`; those inside an iteration that is shown come after it."""
    nodes = {node.index: node for node in order}
    for parts in _loops(order, depth):
        count = len(parts)
        shown = range(count) if count <= OPEN or not loops else (0, count - 1)
        for number in shown:
            heads = [*parts[number]]
            made.iterations.append(Iteration(f"iteration {number + 1} of {count}", tuple(heads)))
            at = len(made.iterations) - 1
            before = len(made.groups)
            _fold_loops(made, [nodes[head] for head in heads], members, depth, loops)
            inner = [group for group in made.groups[before:] if group.times > 1]
            hidden = {index for group in inner for index in group.nodes}
            heads = [head for head in heads if head not in hidden] + [group.nodes[-1] for group in inner]
            made.iterations[at] = Iteration(made.iterations[at].title, tuple(sorted(heads)))
        if len(shown) < count:
            middle = {index for part in parts[1:-1] for head in part for index in members[head]}
            made.groups[:] = [group for group in made.groups if group.nodes[-1] not in middle]
            made.groups.append(Group(f"iterations 2 … {count - 1}", "", tuple(sorted(middle)), count - 2))


# ---- loops --------------------------------------------------------


def _position(node: Node, depth: int | None) -> tuple[object, ...] | None:
    """Return where a statement stands, with the calls on the way there; None where it is not the user's own."""
    if node.source is None:
        return None
    way = [*node.callers, node.source]
    if way[0].file.startswith(PACKAGE):
        return None
    cut = way if depth is None else way[:depth]  # of a folded call the place where it is called
    places = ((place.file, place.line, place.column, place.end_line, place.end_column) for place in cut)
    return (*places, node.op if len(cut) == len(way) else "")


def _loops(order: Sequence[Node], depth: int | None) -> list[list[list[int]]]:
    """Return the loops, each as its iterations, each as the indices of its statements in order of execution."""
    placed = [(node.index, position) for node in order if (position := _position(node, depth)) is not None]
    counts = Counter(position for _, position in placed)
    repeated = [(index, position) for index, position in placed if counts[position] > 1]
    last = {position: at for at, (_, position) in enumerate(repeated)}
    whole: list[list[tuple[int, tuple[object, ...]]]] = []
    end = -1  # the last statement of the loop that is open
    for at, (index, position) in enumerate(repeated):
        if at > end:  # nothing of the loop before comes again
            whole.append([])
        end = max(end, last[position])
        whole[-1].append((index, position))
    nodes = {node.index: node for node in order}
    loops = [_iterations(loop, {index: _loops_around(nodes[index], depth) for index, _ in loop}) for loop in whole]
    return [loop for loop in loops if len(loop) > 1]


def _iterations(loop: Sequence[tuple[int, object]], around: Mapping[int, tuple[object, ...]]) -> list[list[int]]:
    """Cut the statements of a loop into iterations: a statement that comes again begins the next.

    Those of a loop inside it count as one statement for as long as they follow each other.
    """
    common = min((len(chain) for chain in around.values()), default=0)
    while common and len({chain[:common] for chain in around.values()}) > 1:
        common -= 1
    made: list[list[int]] = [[]]
    seen: set[object] = set()
    before: object = None
    for index, position in loop:
        inner = around[index][common : common + 1]
        item: object = inner or position
        if item in seen and not (inner and item == before):
            made.append([])
            seen = set()
        seen.add(item)
        before = item
        made[-1].append(index)
    if len(made) == 1 and common < max(len(chain) for chain in around.values()):  # one loop directly in another
        return _iterations(loop, dict.fromkeys(around, ()))
    return made


def _loops_around(node: Node, depth: int | None) -> tuple[object, ...]:
    """Return the loops that a statement stands in, outermost first, those around the calls on its way too."""
    way = [place for place in (*node.callers, node.source) if place is not None]
    cut = way if depth is None else way[:depth]
    return tuple(
        (at, place.file, head) for at, place in enumerate(cut) for head in loops_around(place.file, place.line)
    )


def iterations_of(graph: Graph) -> dict[int, int]:
    """Return for each node in a loop of the user's which iteration it belongs to; loops are numbered through."""
    placed = [(node.index, position) for node in graph.nodes if (position := _position(node, None)) is not None]
    counts = Counter(position for _, position in placed)
    if not any(count > 1 for count in counts.values()):
        return {}
    last = {position: at for at, (_, position) in enumerate(placed)}
    found: dict[int, int] = {}
    loop: list[tuple[int, tuple[object, ...]]] = []
    end = number = 0
    for at, (index, position) in enumerate([*placed, (-1, ())]):
        if loop and (at > end or index < 0):
            times = gcd(*(counts[place] for _, place in loop))  # an expression may be several operations of a kind
            met: Counter[object] = Counter()
            for node, place in loop:
                found[node] = number + met[place] * times // counts[place]
                met[place] += 1
            number += times
            loop = []
        if index >= 0 and counts[position] > 1:
            end = last[position] if not loop else max(end, last[position])
            loop.append((index, position))
    return found


# ---- calls --------------------------------------------------------


def _calls(graph: Graph, depth: int) -> list[Group]:
    """Return the calls at a depth, each with all that it computed."""
    found: dict[int, list[int]] = {}
    for node in graph.nodes:
        if len(node.calls) >= depth:
            found.setdefault(node.calls[depth - 1], []).append(node.index)
    return [_call(graph, nodes, depth) for nodes in found.values()]


def _call(graph: Graph, nodes: Sequence[int], depth: int) -> Group:
    node = graph.nodes[nodes[-1]]
    way = [*node.callers, node.source]
    text, entered = way[depth - 1], way[depth]
    name = entered.function if entered is not None else node.op
    if entered is not None and entered.file.startswith(PACKAGE) and node.stage is not None:
        name = graph.stages[node.stage].title  # of a layer the class
    return Group(name, text.text if text is not None else "", tuple(nodes))


def folded_index(groups: Iterable[Group]) -> Mapping[int, int]:
    """Return for each node of a group the index of the box it is in."""
    return {index: group.nodes[-1] for group in groups for index in group.nodes}
