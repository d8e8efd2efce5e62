"""Keep edits as edits of the original text: what is edited twice is one edit, and all of them apply together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Patch", "Piece"]


@dataclass(frozen=True, slots=True)
class Piece:
    """One range of the original text, and what comes there."""

    start: int
    end: int
    new: str


@dataclass(frozen=True, slots=True)
class Patch:
    """Edits of one text, in order, none over another.

    >>> once = Patch().then(4, 5, "bb")  # of "a = b + c": "a = bb + c"
    >>> once.then(9, 10, "d").pieces
    (Piece(start=4, end=5, new='bb'), Piece(start=8, end=9, new='d'))
    >>> once.then(5, 8, "-").pieces
    (Piece(start=4, end=7, new='b-'),)
    """

    pieces: tuple[Piece, ...] = ()

    def then(self, start: int, end: int, new: str) -> Patch:
        """Return the patch with one edit more, of a range of the text that it makes."""
        before: list[Piece] = []
        inside: list[Piece] = []
        after: list[Piece] = []
        shift = 0
        for piece in self.pieces:
            first, last = piece.start + shift, piece.start + shift + len(piece.new)
            shift += len(piece.new) - piece.end + piece.start
            bare = start == end or first == last  # what is put between two characters belongs to what touches it
            if (first <= end and start <= last) if bare else (first < end and start < last):
                inside.append(piece)
                new = piece.new[: max(0, start - first)] + new + (piece.new[end - first :] if end < last else "")
            else:
                (before if last <= start else after).append(piece)
        gone = sum(len(p.new) - p.end + p.start for p in before)
        merged = Piece(start - gone, end - gone, new)
        if inside:
            behind = gone + sum(len(p.new) - p.end + p.start for p in inside)
            merged = Piece(min(inside[0].start, start - gone), max(inside[-1].end, end - behind), new)
        return Patch((*before, merged, *after))

    def origin(self, offset: int) -> int:
        """Return where a place of the text that it makes lies in the original."""
        shift = 0
        for piece in self.pieces:
            first = piece.start + shift
            if offset <= first:
                break
            if offset < first + len(piece.new):
                return piece.start + min(offset - first, piece.end - piece.start)
            shift += len(piece.new) - piece.end + piece.start
        return offset - shift

    def applied(self, source: str) -> str:
        """Return the text with all of them made."""
        for piece in reversed(self.pieces):
            source = source[: piece.start] + piece.new + source[piece.end :]
        return source

    @staticmethod
    def of(pieces: Iterable[Piece]) -> Patch:
        """Return the patch of edits of the original text that do not overlap."""
        return Patch(tuple(sorted(pieces, key=lambda piece: (piece.start, piece.end))))
