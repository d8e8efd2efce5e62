"""`draw`: the picture of a graph, and where it goes."""

from __future__ import annotations

import os
import secrets
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from micrograd.drawing.dot import dot_of
from micrograd.drawing.engines import run
from micrograd.drawing.fold import LIMIT, folded
from micrograd.drawing.svg import svg_of
from micrograd.drawing.view import View, view_of
from micrograd.engine import Tensor
from micrograd.errors import GraphError
from micrograd.graph import Graph

__all__ = ["FORMATS", "Picture", "draw", "write"]

FORMATS = (".svg", ".dot", ".png", ".pdf")
_DIRECTIONS = ("LR", "TB", "RL", "BT")


class Picture:
    """What `draw` answers: shows itself in a notebook; ``.svg`` and ``.dot`` are texts, ``save`` writes a file.

    Attributes:
        note: what a picture of a large graph leaves out; empty where it shows everything.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self.note = " ".join(view.notes)

    @cached_property
    def dot(self) -> str:
        """The graph in the DOT language, which any Graphviz reads."""
        return dot_of(self._view)

    @cached_property
    def svg(self) -> str:
        """The picture as SVG. Raises MissingExtraError where no engine is installed."""
        return svg_of(self._view)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write ``.svg`` or ``.dot``, or through the `dot` program ``.png`` or ``.pdf``; an existing file is replaced.

        Raises:
            GraphError: a suffix that is none of these. MissingExtraError: PNG or PDF without `dot`.
            OSError: the folder is missing or cannot be written.
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
    """The format that a path asks for. Raises GraphError where it is not one of `FORMATS`."""
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in FORMATS:
        raise GraphError(
            f"cannot draw to {os.fspath(path)!r}: the suffix {suffix!r} is not one of {', '.join(FORMATS)}."
        )
    return suffix


def write(path: str | os.PathLike[str], content: str | bytes) -> Path:
    """Write a file so that at every moment it is either what it was or what it shall be."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a directory; name a file in it, as {path / 'bn.svg'}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} does not exist; make it first.")
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
    graph: Graph | Tensor,
    path: str | os.PathLike[str] | None = None,
    *,
    direction: Literal["LR", "TB", "RL", "BT"] = "LR",
    values: bool = True,
    grads: bool = True,
    backward: bool = False,
    group: Literal["stage"] | None = "stage",
    full: bool = False,
) -> Picture:
    """The staged picture: forward values on black lines, gradients on red ones, each edge its own.

    Args:
        graph: a `Graph` (from `micrograd.trace`: the author's names), a tensor (plain names), or a compiled function,
            whose kernels are framed.
        path: where to write it: ``.svg`` or ``.dot``; ``.png`` and ``.pdf`` need the `dot` program.
        direction: ``LR`` from left to right, ``TB`` from top to bottom.
        values: numbers of small arrays, mean and range of large ones; False: shapes only.
        grads: what each edge sends back; "not yet" before `Graph.backward`.
        backward: draw the backward pass as a graph of its own, running the other way.
        group: ``"stage"`` frames the steps of the author's code; None draws no frames.
        full: a box for every primitive, however many; False: one for every statement, and for more
            than 2,000 nodes one for every kind of stage.

    Raises:
        GraphError: nothing to draw, an unknown direction or suffix. MissingExtraError: no engine for that format.

    >>> import numpy as np, micrograd as mg
    >>> a = mg.Tensor(3.0)
    >>> picture = draw(a * a)
    >>> picture.svg.count('class="edge"')  # a * a has two
    2
    """
    if direction not in _DIRECTIONS:
        raise GraphError(f"direction={direction!r} is not one of {', '.join(_DIRECTIONS)}.")
    if group not in ("stage", None):
        raise GraphError(f'group={group!r} is neither "stage" nor None.')
    if path is not None:
        suffix_of(path)  # before the work
    if isinstance(graph, Tensor):
        graph = Graph.of(graph)
    elif hasattr(graph, "as_graph"):
        graph, values, grads = graph.as_graph(), False, False  # it keeps neither
    if not isinstance(graph, Graph):
        raise TypeError(
            f"draw takes a Graph or a Tensor; got {type(graph).__name__}. Use micrograd.trace(f, x) for a function."
        )
    seeds = 0
    if backward:
        seeds = len({node.index for node in graph.outputs})
        graph = graph.backward_graph()
    if len(graph.nodes) > LIMIT and not full:
        view = folded(graph, direction=direction)
    else:
        view = view_of(
            graph, direction=direction, values=values, grads=grads, stages=group == "stage", whole=full, seeds=seeds
        )
    picture = Picture(view)
    if path is not None:
        picture.save(path)
    return picture
