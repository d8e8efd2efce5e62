"""Draw a graph and write the picture to a file."""

from __future__ import annotations

import os
import secrets
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from micrograd.drawing.dot import dot_of
from micrograd.drawing.engines import run
from micrograd.drawing.folding.clusters import LIMIT, clustered, clustered_below
from micrograd.drawing.svg import svg_of
from micrograd.drawing.view import CROWD, View, view_of
from micrograd.engine import Tensor
from micrograd.errors import GraphError
from micrograd.graph import Graph
from micrograd.graph.broken import what_ran

__all__ = ["FORMATS", "Picture", "draw", "write"]

FORMATS = (".svg", ".dot", ".png", ".pdf")
WIDTH = 880.0
"""Pixels of a page at which pictures are looked at: the column of text of a README."""
LEAST = 200
MANY = 60
"""Boxes above which a picture that is to fit has no numbers: with them it would be many pages long."""
_DIRECTIONS = ("LR", "TB", "RL", "BT")


class Picture:
    """Hold the picture of a graph, which shows itself in a notebook.

    Attributes:
        svg: the picture as SVG text.
        dot: the graph as DOT text.
        note: what a picture of a large graph leaves out; empty where it shows everything.
    """

    def __init__(self, view: View, width: float | None = None) -> None:
        self._view, self._width = view, width
        self.note = " ".join(view.notes)

    @cached_property
    def dot(self) -> str:
        """Return the graph in the DOT language, which any Graphviz reads."""
        return dot_of(self._view)

    @cached_property
    def svg(self) -> str:
        """Return the picture as SVG. Raises MissingExtraError where no engine is installed."""
        return svg_of(self._view, self._width)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write ``.svg`` or ``.dot``, or through the `dot` program ``.png`` or ``.pdf``; an existing file is replaced.

        Raises:
            GraphError: another suffix. MissingExtraError: PNG or PDF without the `dot` program.
            OSError: the folder cannot be made or written.
        """
        suffix = suffix_of(path)
        content = {".svg": lambda: self.svg, ".dot": lambda: self.dot}.get(suffix, lambda: run(self.dot, suffix[1:]))()
        return write(path, content)

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"image/svg+xml": self.svg, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"<Picture: {self._view.title}, {self._view.summary}>"


def suffix_of(path: str | os.PathLike[str]) -> str:
    """Return the suffix of a path, which names the format. Raises GraphError where it is not one of `FORMATS`."""
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in FORMATS:
        raise GraphError(
            f"cannot draw to {os.fspath(path)!r}: the suffix {suffix!r} is not one of {', '.join(FORMATS)}; "
            "name the file bn.svg."
        )
    return suffix


def write(path: str | os.PathLike[str], content: str | bytes) -> Path:
    """Write a file in one move: at every moment it is either the old one or the new one."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a directory; name a file in it, as {path / 'bn.svg'}.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise NotADirectoryError(f"{path.parent} is a file, so {path} cannot be written; choose a folder.") from None
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(temporary, path)
    except PermissionError as error:
        raise PermissionError(f"{path} cannot be written ({error.strerror}); choose another folder.") from None
    finally:
        temporary.unlink(missing_ok=True)
    return path


def draw(
    graph: Graph | Tensor | BaseException,
    path: str | os.PathLike[str] | None = None,
    *,
    direction: Literal["LR", "TB", "RL", "BT"] | None = None,
    width: float = WIDTH,
    values: bool = True,
    grads: bool = True,
    backward: bool = False,
    group: Literal["stage"] | None = "stage",
    depth: int | None = None,
    full: bool = False,
) -> Picture:
    """Draw a graph: forward values on black lines, gradients on red ones, for each edge its own.

    Args:
        graph: a `Graph` (from `micrograd.trace`, with your names), a tensor (plain names), or a compiled function,
            whose kernels are framed; or an exception that `micrograd.trace` raised: what ran before it is drawn, and
            the expression that raised it.
        path: where to write it: ``.svg`` or ``.dot``; ``.png`` and ``.pdf`` need the `dot` program.
        direction: ``LR`` from left to right, ``TB`` from top to bottom, however large it becomes; where left out the
            layout is the one that is read best at `width`: left to right, top to bottom, or in rows.
        width: pixels at which the picture is looked at; no text is smaller than 9 pixels there.
        values: numbers of small arrays, mean and range of large ones; False: shapes only. A picture of more than 60
            boxes that is to fit has none.
        grads: what each edge sends back, after `Graph.backward`.
        backward: draw the backward pass as a graph of its own, running the other way.
        group: ``"stage"`` frames the steps of your code and the iterations of its loops; None draws no frames.
        depth: how far inside calls are drawn: 1 makes one box of each call that your function makes of a helper or a
            layer, 2 of those that these make; None opens them all.
        full: a box for every primitive, however many; False: one for every statement, one for the iterations of a loop
            between its first and its last, and where that is more than anybody reads one for every kind of stage.

    Returns:
        The `Picture`.

    Raises:
        GraphError: an unknown direction, group or suffix. TypeError: neither a graph nor a tensor.
        MissingExtraError: no engine for that format. OSError: the file cannot be written.

    >>> import numpy as np, micrograd as mg
    >>> a = mg.Tensor(3.0)
    >>> picture = draw(a * a)
    >>> picture.svg.count('class="edge"')  # a * a has two
    2
    """
    if direction is not None and direction not in _DIRECTIONS:
        raise GraphError(f"direction is {direction!r}; expected one of {', '.join(_DIRECTIONS)}.")
    if group not in ("stage", None):
        raise GraphError(f'group is {group!r}; expected "stage" or None.')
    if not width >= LEAST:
        raise GraphError(f"width is {width!r}; a picture needs at least {LEAST} pixels.")
    if depth is not None and depth < 1:
        raise GraphError(f"depth is {depth!r}; 1 shows your function, with one box for each call that it makes.")
    if path is not None:
        suffix_of(path)  # before the work
    flow = direction or "LR"
    if isinstance(graph, BaseException):
        ran = what_ran(graph)
        if ran is None:
            raise TypeError(
                f"draw takes an exception that micrograd.trace raised; this {type(graph).__name__} was raised outside "
                "it."
            )
        graph = ran
    if isinstance(graph, Tensor):
        summary = None if full or depth or backward else clustered_below(graph, direction=flow)
        if summary is not None:
            return _written(Picture(summary, None if direction else width), path)
        graph = Graph.of(graph)
    elif hasattr(graph, "as_graph"):
        graph, values, grads = graph.as_graph(), False, False  # a compiled function keeps neither
    if not isinstance(graph, Graph):
        raise TypeError(
            f"draw takes a Graph or a Tensor; got {type(graph).__name__}. Use micrograd.trace(f, x) for a function."
        )
    seeds = 0
    if backward:
        seeds = len({node.index for node in graph.outputs})
        graph = graph.backward_graph()
    if len(graph.nodes) > LIMIT and depth is None and not full:
        view = clustered(graph, direction=flow)
    else:
        view = view_of(
            graph, direction=flow, values=values, grads=grads, stages=group == "stage", whole=full, seeds=seeds,
            depth=depth, loops=not full,
        )  # fmt: skip
        if len(view.boxes) > CROWD and not full:
            view = clustered(graph, direction=flow)
        elif values and (count := sum(box.index >= 0 for box in view.boxes)) > MANY and direction is None and not full:
            bare = view_of(
                graph, direction=flow, values=False, grads=grads, stages=group == "stage", seeds=seeds, depth=depth,
                whole=False, loops=True,
            )  # fmt: skip
            said = f"{count} boxes are drawn without their numbers, to be read; full=True draws all of them."
            view = replace(bare, notes=(*bare.notes, said))
    return _written(Picture(view, None if direction else width), path)


def _written(picture: Picture, path: str | os.PathLike[str] | None) -> Picture:
    if path is not None:
        picture.save(path)
    return picture
