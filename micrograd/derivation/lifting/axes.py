"""Give every axis its labels: which axes of which values run together, and what reshapes split.

Axes are unified through the operations, gradients with what they are gradients of. An axis that a reshape splits or
joins (group norm) is a product of atomic axes, found by refining all axes until both sides of every reshape agree.
"""

from __future__ import annotations

import itertools
import math
from typing import TypeAlias

import numpy as np

from micrograd.derivation.kernel import Label
from micrograd.derivation.lifting.net import Net, Value
from micrograd.primitives import TABLE

__all__ = ["assign_axes", "lengths_in", "picked_rows", "unit_index"]

Axis: TypeAlias = tuple[str, int]
_USUAL = {1: "N", 2: "ND", 3: "NTD", 4: "NCHW"}  # names of lengths, by the number of axes
_SPARE = "MKPQRSUVJLABEFZ"
_REORDER = "keep axes whole: reshape to (N, G, -1) and back, and transpose instead of mixing axes"


def assign_axes(net: Net) -> None:
    """Set `dims` and `labels` of every value, the lengths of all axes in all runs, and their names."""
    links = [link for v in net.values.values() for link in _links(net, v)]
    links += _pairs(net)
    cuts = _refined(net, links)
    _label(net, links, cuts)
    for run in range(len(net.runs)):
        found = lengths_in(net, run)
        assert found is not None, "the runs have been compared"
        net.lengths.append(found)
    net.length = net.lengths[0]
    _name_sizes(net)


# ---- which axes run together -------------------------------------------------------------------------------


def _links(net: Net, v: Value) -> list[tuple[Axis, Axis]]:
    """Return the pairs of axes of operands and result that run together; unit axes have no label."""
    if v.op in ("input", "constant", "parameter", "reshape"):
        return []
    operands = [o for o in net.operands(v) if isinstance(o, str)]
    shapes = {o: net.values[o].shape for o in operands}
    kind = TABLE[v.op].kind
    if kind == "map" or v.op == "broadcast":
        return [
            ((o, a), (v.name, a + len(v.shape) - len(shape)))
            for o, shape in shapes.items()
            for a, s in enumerate(shape)
            if s == v.shape[a + len(v.shape) - len(shape)] != 1
        ]
    o = operands[0] if operands else ""
    if kind == "reduce" and v.op in ("sum", "max"):
        axes, keep = net.axes(v, len(shapes[o]))
        places = itertools.accumulate((keep if a in axes else 1 for a in range(len(shapes[o]))), initial=0)
        return [((o, a), (v.name, at)) for a, at in zip(range(len(shapes[o])), places, strict=False) if a not in axes]
    if v.op == "transpose":
        return [((o, a), (v.name, i)) for i, a in enumerate(net.node(v).attrs["axes"])]
    if v.op == "matmul":
        x, y = operands if len(operands) == 2 else (o, o)
        nx, ny, nv = len(shapes[x]), len(shapes[y]), len(v.shape)
        out = [((x, nx - 1), (y, ny - 2)), ((x, nx - 2), (v.name, nv - 2)), ((y, ny - 1), (v.name, nv - 1))]
        for o, n in ((x, nx), (y, ny)):
            out += [((o, a), (v.name, a + nv - n)) for a in range(n - 2) if shapes[o][a] != 1]
        return out
    if v.op in ("gather", "scatter"):
        if picked_rows(net, v) is not None:
            return [((o, 0), (v.name, 0))] if operands else []
        big, small = (o, v.name) if v.op == "gather" else (v.name, o)
        return [((big, a), (small, b)) for a, b in unit_index(net, v)] if operands else []
    raise net.unsupported(v, f"'{TABLE[v.op].label or v.op}' ({v.op})", _instead(v.op))


def _instead(op: str) -> str:
    return {
        "concatenate": "derive the parts one by one, before they are put together",
        "cumsum": "write the sum as a product with a triangular matrix of ones",
    }.get(op, "write it with sums, products, powers, exp, log, matmul, max and where")


def picked_rows(net: Net, v: Value, run: int = 0) -> np.ndarray | None:
    """Return the integers y of ``x[np.arange(N), y]``, or None for another index."""
    index = net.node(v, run).attrs["index"]
    if isinstance(index, tuple) and len(index) == 2 and all(isinstance(i, np.ndarray) for i in index):
        rows, columns = index
        if rows.ndim == columns.ndim == 1 and np.array_equal(rows, np.arange(len(rows))):
            big = net.values[net.operand(v)].shape if v.op == "gather" else v.shape
            if run or (len(big) == 2 and big[0] == len(rows) and min(big) > 1 and columns.min(initial=0) >= 0):
                return np.asarray(columns)
    return None


def unit_index(net: Net, v: Value) -> list[tuple[int, int]]:
    """Return which axes correspond, for an index of None, full slices and 0 of unit axes."""
    index = net.node(v).attrs["index"]
    src = net.values[net.operand(v)].shape if v.op == "gather" else v.shape
    pairs: list[tuple[int, int]] = []
    items = list(index) if isinstance(index, tuple) else [index]
    if Ellipsis in [i for i in items if not isinstance(i, np.ndarray)]:
        at = next(i for i, item in enumerate(items) if item is Ellipsis)
        given = sum(item is not None and item is not Ellipsis for item in items)
        items[at : at + 1] = [slice(None)] * (len(src) - given)
    a = b = 0
    for item in items:
        if item is None:
            b += 1
        elif isinstance(item, slice) and item.indices(src[a]) == (0, src[a], 1):
            pairs.append((a, b))
            a, b = a + 1, b + 1
        elif isinstance(item, int | np.integer) and src[a] == 1:
            a += 1
        else:
            raise net.unsupported(
                v,
                "parts of an array (a slice, a window, or general integers)",
                "index with None, ':' and x[np.arange(N), y] only, or multiply by a matrix of 0 and 1",
            )
    pairs += [(a + i, b + i) for i in range(len(src) - a)]
    return [(x, y) for x, y in pairs if src[x] != 1]


def _pairs(net: Net) -> list[tuple[Axis, Axis]]:
    """A gradient has the axes of what it is the gradient of."""
    pairs, out = net.runs[0].pairs, []
    same = [*pairs.nodes.items(), *((source, part) for (source, _, _), (_, part) in pairs.edges.items())]
    for f, b in same:
        x, dx = net.names["f", f], net.names["b", b]
        if net.values[x].shape == net.values[dx].shape:
            out += [((x, a), (dx, a)) for a, s in enumerate(net.values[x].shape) if s != 1]
    return out


# ---- atomic axes -------------------------------------------------------------------------------------------


def _flat(net: Net, cuts: dict[Axis, set[int]], n: str) -> set[int]:
    """Return where the axes and their parts begin, counted in numbers of the flat array."""
    out, below = set(), 1
    for a in reversed(range(len(net.values[n].shape))):
        out |= {below * c for c in cuts[n, a]} | {below}
        below *= net.values[n].shape[a]
    return (out | {below}) - {1}


def _refined(net: Net, links: list[tuple[Axis, Axis]]) -> dict[Axis, set[int]]:
    """Cut axes until both sides of every reshape, and both ends of every link, are cut alike."""
    cuts: dict[Axis, set[int]] = {(n, a): set() for n, v in net.values.items() for a in range(len(v.shape))}
    reshapes = [v for v in net.values.values() if v.op == "reshape"]
    changed = True
    while changed:
        changed = False
        for x, y in links:
            both = cuts[x] | cuts[y]
            if both != cuts[x] or both != cuts[y]:
                cuts[x], cuts[y], changed = {*both}, {*both}, True
        for v in reshapes:
            src = net.operand(v)
            flat = sorted(_flat(net, cuts, src) | _flat(net, cuts, v.name))
            if any(b % a for a, b in itertools.pairwise(flat)):
                shapes = f"a reshape {net.values[src].shape} -> {v.shape} that cuts across axes"
                raise net.unsupported(v, shapes, _REORDER)
            for m in (src, v.name):
                below = 1
                for a in reversed(range(len(net.values[m].shape))):
                    s = net.values[m].shape[a]
                    inner = {c // below for c in flat if below < c < below * s and c % below == 0}
                    if not inner <= cuts[m, a]:
                        cuts[m, a] |= inner
                        changed = True
                    below *= s
    return cuts


def _label(net: Net, links: list[tuple[Axis, Axis]], cuts: dict[Axis, set[int]]) -> None:
    """Number the atomic axes that run together, and give every value its labels."""
    parent: dict[tuple[str, int, int], tuple[str, int, int]] = {}

    def find(x: tuple[str, int, int]) -> tuple[str, int, int]:
        while parent.setdefault(x, x) != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        return x

    parts: dict[Axis, list[int]] = {}
    for (n, a), c in cuts.items():
        s = net.values[n].shape[a]
        ladder = [s, *sorted(c, reverse=True), 1]
        parts[n, a] = [x // y for x, y in itertools.pairwise(ladder)] if s != 1 else []
    for x, y in links:
        for i in range(min(len(parts[x]), len(parts[y]))):
            parent[find((*x, i))] = find((*y, i))
    for v in net.values.values():
        if v.op == "reshape":
            src = net.operand(v)
            sides = [
                [(n, a, i) for a in range(len(net.values[n].shape)) for i in range(len(parts[n, a]))]
                for n in (src, v.name)
            ]
            if len(sides[0]) != len(sides[1]):
                raise net.unsupported(v, f"a reshape {net.values[src].shape} -> {v.shape}", _REORDER)
            for left, right in zip(*sides, strict=True):
                parent[find(left)] = find(right)
    ranges: dict[tuple[str, int, int], int] = {}
    for v in net.values.values():
        used: dict[int, int] = {}
        dims: list[tuple[Label, ...]] = []
        for a in range(len(v.shape)):
            own: list[Label] = []
            for i in range(len(parts[v.name, a])):
                r = ranges.setdefault(find((v.name, a, i)), len(ranges))
                own.append((r, used.get(r, 0)))
                used[r] = used.get(r, 0) + 1
            dims.append(tuple(own))
        v.dims, v.labels = tuple(dims), tuple(label for d in dims for label in d)
    first: dict[int, int] = {}
    for (n, a, i), r in ranges.items():
        first[r] = parts[n, a][i]
    net.length = first


# ---- lengths -----------------------------------------------------------------------------------------------


def lengths_in(net: Net, run: int) -> dict[int, int] | None:
    """Return the length of each axis in a run, or None where its shapes do not fit the axes of the first."""
    if run == 0:
        return dict(net.length)
    shapes = [(v.dims, net.node(v, run).shape) for v in net.values.values() if v.index >= 0]
    if any(len(dims) != len(shape) for dims, shape in shapes):
        return None
    axes = [(tuple(r for r, _ in own), s) for dims, shape in shapes for own, s in zip(dims, shape, strict=True)]
    out: dict[int, int] = {}
    for _ in range(len(net.length) + 1):
        for own, s in axes:
            unknown = [r for r in own if r not in out]
            known = math.prod(out[r] for r in own if r in out)
            if len(unknown) == 1 and s % known == 0:
                out[unknown[0]] = s // known
    for r in net.length:
        out.setdefault(r, net.length[r])
    fits = all(math.prod(out[r] for r in own) == s for own, s in axes)
    return out if fits else None


def _name_sizes(net: Net) -> None:
    """Name the lengths: N, D ... by the user's inputs; G and K for the parts of an axis."""
    spare, taken = iter(_SPARE), {*net.values, *net.arguments}

    def free(wanted: str) -> str:
        while not wanted or wanted in net.size_name.values() or wanted in taken:
            wanted = next(spare, f"L{len(net.size_name)}")
        return wanted

    for v in net.values.values():
        if v.backward or v.op != "input":
            continue
        usual = _USUAL.get(len(v.shape), "")
        for a, own in enumerate(v.dims):
            for i, (r, _) in enumerate(own):
                if r not in net.size_name:
                    net.size_name[r] = free(usual[a : a + 1] if len(own) == 1 else {0: "G", 1: "K"}.get(i, ""))
    for r in net.length:
        if r not in net.size_name:
            net.size_name[r] = free("")
