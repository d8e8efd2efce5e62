"""Step through any graph with `walk`, node by node, forward and backward.

A walk is one self-contained page for a browser, the same page in a notebook, or the steps as text in a terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

from micrograd.drawing.picture import draw, write
from micrograd.engine import Tensor
from micrograd.errors import GraphError
from micrograd.graph import Graph
from micrograd.graph.broken import what_ran
from micrograd.stepper import notebook, plain_text
from micrograd.stepper.page import html_of
from micrograd.stepper.page_data import WalkData, encoded, walk_data
from micrograd.stepper.training import iterations, training_walk_data

__all__ = ["Derived", "Walk", "derivation_path", "html_path", "walk"]


class Walk:
    """Hold the walk through a graph: it shows itself in a notebook and prints as text.

    Attributes:
        data: everything that is shown, as plain data.
        html: the page.
        json: `data` as JSON.
        text: the steps as plain text.
    """

    def __init__(self, data: WalkData, graph: Graph | None = None) -> None:
        self.data, self._graph = data, graph

    @cached_property
    def html(self) -> str:
        """Return the page: one file, which asks the network for nothing."""
        return html_of(self.data)

    @cached_property
    def json(self) -> str:
        """Return `data` as JSON; NaN and the infinities are strings."""
        return encoded(self.data)

    @property
    def text(self) -> str:
        """Return the steps as plain text."""
        return plain_text.text_of(self.data)

    def save(self, path: str | os.PathLike[str], derivation: Derived | None = None) -> Path:
        """Write the page to an ``.html`` file; an existing file is replaced.

        Args:
            path: of the page.
            derivation: from `micrograd.derive`: written beside the page, ``bn-derive.html`` beside ``bn.html``, which
                links to it: why the backward that it walks through is the same as the compact formula.

        Raises:
            GraphError: the path does not end in ``.html``; a judge doubts the derivation.
            OSError: the folder cannot be made or written.
        """
        path = html_path(path)
        if derivation is None:
            return write(path, self.html)
        beside = derivation_path(path)
        write(beside, str(derivation.html(None, lang=self.data["lang"])))
        return write(path, html_of(self.data, derivation=beside.name))

    def step(self) -> None:
        """Print one step for each press of Enter."""
        plain_text.paged(self.data, colour=plain_text.coloured(sys.stdout))

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Walk: {self.data['title']}, {len(self.data['steps'])} steps>"

    def _repr_html_(self) -> str:
        picture = "" if self._graph is None else draw(self._graph).svg
        return notebook.frame(self.html, self.data["title"], picture, self.data["lang"])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}


class Derived(Protocol):
    """What `micrograd.derive` returns, as far as a walk knows of it: it writes itself as a page."""

    def html(self, path: None, *, lang: str | None = None) -> object:
        """Return the page."""


def derivation_path(path: Path) -> Path:
    """Return where the derivation of a walk is written: ``bn-derive.html`` beside ``bn.html``."""
    return path.with_name(f"{path.stem}-derive{path.suffix}")


def html_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of a page. Raises GraphError where it does not end in ``.html``."""
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise GraphError(
            f"cannot write a walk to {str(path)!r}: the suffix {path.suffix!r} is not .html; name it bn.html."
        )
    return path


def walk(
    graph: Graph | Tensor | Callable[..., Any],
    path: str | os.PathLike[str] | None = None,
    *,
    steps: int | None = None,
    args: Sequence[Any] = (),
    lang: Literal["en", "zh"] = "en",
    title: str | None = None,
    seed: Any = None,
    derivation: Derived | None = None,
) -> Walk:
    """Walk through a graph: forward one step per node, backward one per node and one for each edge it sends along.

    With a path the page is written there. Without one the walk shows itself in a notebook; in a terminal the steps
    are printed.

    Args:
        graph: a `Graph` that has been run (from `micrograd.trace`), or a tensor; a backward graph walks too. With
            `steps` a train step: a function of parameters and data that returns the loss and the new parameters, or
            one that calls ``loss.backward()`` and moves its parameters, as ``optimizer.step()`` does.
        path: an ``.html`` file.
        steps: how often to run the train step, which is called unchanged; the page goes from iteration to iteration.
        args: the arguments of the train step.
        lang: the language to begin with, ``en`` or ``zh``; the page has a switch.
        title: of the page; "Walk through" and the name of the graph where left out.
        seed: the gradient of the output to walk back from, as for `Graph.backward`: an array of the shape of the
            output. Where left out that of the last `backward`; where there was none 1 for a single number, and made-up
            numbers for an array.
        derivation: from `micrograd.derive`, of the same function: written beside the page, which links to it. It
            needs a path.

    Raises:
        GraphError: the graph has not been run or has more than 2,000 nodes; the path does not end in ``.html``; a
            function is no train step. TypeError: neither a graph nor a tensor. OSError: the file cannot be written.

    >>> import micrograd as mg
    >>> a = mg.Tensor(3.0)
    >>> made = walk(a * a + a)
    >>> len(made.data["steps"]), made.data["graphs"]["backward"]["nodes"][-1]["name"]
    (9, 'dx')
    """
    if path is not None:
        path = html_path(path)  # before the work
    elif derivation is not None:
        raise GraphError("a derivation is written beside the page of a walk: give a path, such as walk(g, 'bn.html').")
    if steps is None:
        made = _of_a_graph(graph, lang, title, seed)
    else:
        made = _of_training(graph, args, steps, lang, title, seed)
    if path is not None:
        made.save(path, derivation)
    elif sys.stdout.isatty():
        sys.stdout.write(plain_text.text_of(made.data, plain_text.coloured(sys.stdout)))
    return made


def _of_a_graph(graph: Any, lang: str, title: str | None, seed: Any) -> Walk:
    if isinstance(graph, Tensor):
        graph = Graph.of(graph)
    if what_ran(graph) is not None:
        raise TypeError(
            f"walk steps through what ran to its end; {type(graph).__name__} was raised before that. draw(error) draws "
            "what ran, up to the line that broke."
        )
    if not isinstance(graph, Graph):
        raise TypeError(
            f"walk takes a Graph or a Tensor; got {type(graph).__name__}. Use micrograd.trace(f, x) for a function, or "
            "walk(train_step, steps=20) for a function that trains."
        )
    return Walk(walk_data(graph, lang=lang, title=title, seed=seed), graph)


def _of_training(step: Any, args: Sequence[Any], steps: int, lang: str, title: str | None, seed: Any) -> Walk:
    if not callable(step) or isinstance(step, (Tensor, Graph)):
        raise TypeError(f"with steps= walk takes a train step, a function; got {type(step).__name__}.")
    if seed is not None:
        raise GraphError("the walk back through training begins at the loss, whose gradient is 1; leave out seed=.")
    iterated = iterations(step, args, steps)
    return Walk(training_walk_data(iterated, lang=lang, title=title), iterated[0].graph)
