"""The observer of a trace: it notes where each node comes from, and what a traced function writes into."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import CodeType, FrameType
from typing import Any

import numpy as np

from micrograd.engine import Tensor
from micrograd.errors import GraphError
from micrograd.graph.build import Mark
from micrograd.primitives import where
from micrograd.source.ownership import PACKAGE
from micrograd.source.positions import Source, author_frames, source_of
from micrograd.tracing.array import Traced
from micrograd.tracing.clone import Twins
from micrograd.tracing.storage import Memory, Write

__all__ = ["Recorder"]

_LAYERS = os.path.join(PACKAGE, "nn", "")


class Recorder:
    """What a trace knows while it runs."""

    def __init__(self, outermost: FrameType, f: object, twins: Twins) -> None:
        self.outermost = outermost
        self.f = f
        self.twins = twins
        self.marks: dict[Tensor, Mark] = {}
        self.order: list[Tensor] = []
        self.kept: set[FrameType] = set()  # frames of layers, so that their ids stay theirs
        self.versions: dict[Tensor, tuple[Memory, Write]] = {}
        self.written: set[Tensor] = set()  # values that went into a part of an array
        self._sources: dict[tuple[CodeType, int], Source] = {}

    def _source(self, frame: FrameType) -> Source:
        key = frame.f_code, frame.f_lasti
        if key not in self._sources:
            self._sources[key] = source_of(frame)
        return self._sources[key]

    def recorded(self, node: Tensor) -> None:
        """Note the author's frames, up to the one that called `trace`."""
        mark = self.marks[node] = Mark()
        self.order.append(node)
        inner: FrameType | None = sys._getframe(1)
        for frame in author_frames(2, until=self.outermost):
            if not mark.sources:
                while inner is not None and inner.f_back is not frame:
                    inner = inner.f_back
                mark.call = inner
            mark.sources.append(self._source(frame))
            if mark.stage is None and frame.f_code.co_filename.startswith(_LAYERS):
                layer = frame.f_locals.get("self", self.f)
                if layer is not self.f:
                    self.kept.add(frame)
                    mark.stage = (id(frame), type(layer).__name__)

    def pulled(self, node: Tensor, g: Any, parts: list[Any]) -> None:
        """Backward passes inside the traced function are recorded like anything else."""

    # ---- what memories ask for -----------------------------------------------------------------------

    def here(self) -> list[Source]:
        """The author's frames at this moment, innermost first."""
        return [self._source(frame) for frame in author_frames(2, until=self.outermost)]

    def recorded_so_far(self) -> int:
        """How many nodes have been recorded."""
        return len(self.order)

    def composed(self, memory: Memory, write: Write, before: int, parts: Sequence[Any]) -> None:
        """The nodes since number `before` make a version of an array out of `parts`."""
        made = self.order[before:]
        for node in made:
            mark = self.marks[node]
            mark.sources, mark.call = write.sources, None
            mark.constants = ["mask" if node.row is where else "", *[""] * len(node.args)]
        if made:
            self.versions[made[-1]] = memory, write
        self.written.update(part for part in parts if isinstance(part, Tensor))

    def writes(self, memory: Memory) -> None:
        """Refuse to write into an array of the caller's that another of theirs shares memory with."""
        origin = memory.origin
        if origin is None:
            return
        for other in self.twins.memories:
            if other is memory or other.origin is None or not (other.tracked or memory.tracked):
                continue
            if np.may_share_memory(other.origin, origin) and np.shares_memory(other.origin, origin):
                raise GraphError(
                    "the array that is written into shares its memory with another array that the function is given, "
                    "which NumPy would change too; pass a copy of one of them."
                )

    def adopted(self, array: np.ndarray[Any, Any]) -> Traced:
        """A plain array that something tracked is written into, traced from now on.

        Raises:
            GraphError: the author has another name for it, under which it would stay plain.
        """
        names: set[tuple[int, str]] = set()
        for frame in author_frames(2, until=self.outermost):
            names.update((id(frame), name) for name, value in frame.f_locals.items() if value is array)
        if len(names) > 1:
            raise GraphError(
                f"a traced value is written into a plain array that has {len(names)} names here "
                f"({', '.join(sorted(name for _, name in names))}): under the others its gradient would be lost "
                "silently. Make it inside the traced function, with np.zeros or np.array."
            )
        return self.twins.array(array)
