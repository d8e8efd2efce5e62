"""Keep what ran of a traced function until an exception, with the expression that raised it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from micrograd.source.names import Source

if TYPE_CHECKING:
    from micrograd.graph.graph import Graph

__all__ = ["Failure", "keep_what_ran", "what_ran"]

_KEPT = "_micrograd_ran"


@dataclass(frozen=True, slots=True)
class Failure:
    """Hold where a function broke: the user's expression, what was raised there, and the nodes that it read."""

    source: Source | None
    message: str
    reads: tuple[int, ...]


def keep_what_ran(error: BaseException, made: Callable[[BaseException], Graph]) -> None:
    """Keep with an exception what makes the graph of what ran before it; done only where it is asked for."""
    with suppress(AttributeError):  # an exception of the user's that takes no attributes
        setattr(error, _KEPT, made)


def what_ran(error: Any) -> Graph | None:
    """Return the graph of what a traced function computed before an exception; None for any other."""
    made = getattr(error, _KEPT, None) if isinstance(error, BaseException) else None
    return None if made is None else made(error)
