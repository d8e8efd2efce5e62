"""The names and stages of recorded nodes, out of the author's source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from micrograd.engine import Tensor
from micrograd.graph.build import Mark
from micrograd.source.names import Place, function_lines, place_of, stage_titles, statement_end
from micrograd.source.positions import Source
from micrograd.tracing.storage import Memory, Write

__all__ = ["Namer"]


class Namer:
    """Names the nodes of one trace.

    Args:
        marks: where the nodes come from.
        inputs: the names of the inputs.
        outputs: the nodes answered.
        lasts: the nodes that end a call of the author's.
        versions: the nodes that are an array after a write to a part of it.
        written: the nodes whose value went into a part of an array: its name is not theirs.
    """

    def __init__(
        self, marks: dict[Tensor, Mark], inputs: Mapping[Tensor, str], outputs: Sequence[Tensor],
        lasts: Iterable[Tensor], versions: Mapping[Tensor, tuple[Memory, Write]], written: Iterable[Tensor],
    ) -> None:  # fmt: skip
        self.marks, self.inputs, self.outputs = marks, inputs, {*outputs}
        self.lasts, self.versions, self.written = {*lasts}, versions, {*written}
        self._places: dict[Source, Place | None] = {}
        self._stages: dict[tuple[tuple[Source, ...], str], tuple[Any, ...]] = {}

    def place(self, source: Source) -> Place | None:
        """`place_of`, asked once for each source."""
        if source not in self._places:
            self._places[source] = place_of(source)
        return self._places[source]

    def name(self) -> None:
        """Give each node its statement, its name and its stage."""
        for node, mark in self.marks.items():
            if not mark.sources:
                continue
            if node in self.versions:
                mark.statement = mark.name = self._array_name(*self.versions[node])
            else:
                self._name_value(node, mark)
            if mark.stage is None:
                key = (*mark.sources,), mark.statement
                if key not in self._stages:
                    self._stages[key] = self._stage_key(mark.sources, mark.statement)
                mark.stage = self._stages[key]

    def _name_value(self, node: Tensor, mark: Mark) -> None:
        place: Place | None = None
        whole = node in self.lasts
        for source in mark.sources:  # outwards through helpers, as long as the value is just returned
            place = self.place(source)
            if place is None or not place.returns:
                break
            whole = whole and place.whole
        mark.statement = place.target if place else ""
        if place and place.item and node in self.written:
            whole = False
        if place and place.returns and node in self.outputs and whole:
            mark.statement = mark.name = "out"
        elif place and place.target and place.whole and whole:
            mark.name = place.target
        elif place and place.returns and not mark.statement:
            mark.statement = "out"

    def _array_name(self, memory: Memory, write: Write) -> str:
        """What the author calls an array that was written into."""
        place = self.place(write.sources[0]) if write.sources else None
        if write.direct and place is not None and place.target:
            return place.target
        first = memory.first
        if first is not None:
            if first in self.inputs:
                return self.inputs[first]
            if (mark := self.marks.get(first)) is not None and (mark.name or mark.statement):
                return mark.name or mark.statement
        for source in memory.made:
            made = self.place(source)
            if made is not None and made.target:
                return made.target
            if made is None or not made.returns:
                break
        return place.target if place is not None else ""

    def _stage_key(self, sources: Sequence[Source], statement: str) -> tuple[Any, ...]:
        """What decides the stage: the outermost step comment above or beside a statement; else the statement."""
        lines = [place.line if (place := self.place(source)) else source.line for source in sources]
        for source, line in zip(reversed(sources), reversed(lines), strict=True):
            first, last = function_lines(source.file, line)
            titles = stage_titles(source.file, first, last)
            if titles:
                before = [(at, title) for at, title in titles if at <= statement_end(source.file, line)]
                return (source.file, *before[-1]) if before else (source.file, first, "")
        return (sources[-1].file, lines[-1], statement)
