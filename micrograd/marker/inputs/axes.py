"""Read in the text of a forward which axes its arguments have: ``gamma[:, None]`` one, einsum gives each a letter."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["Axes", "axes_written"]


@dataclass(frozen=True, slots=True)
class Axes:
    """What the text says of the axes of parameters.

    Attributes:
        spread: of each parameter that gets new axes, by an index, which of the axes it then has are its own.
        letters: the letters that einsum has for the axes of each; the same letter is the same length.
    """

    spread: Mapping[str, tuple[bool, ...]] = field(default_factory=dict)
    letters: Mapping[str, str] = field(default_factory=dict)

    def put_into(self, entries: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return a guess with these axes; None where the guess has no array that goes with them."""
        made = {**entries, **dict(self._by_letters(entries))}
        for name, own in self.spread.items():
            like = next((e.dims for n, e in made.items() if n != name and len(e.dims) == len(own)), None)
            if name not in made or like is None:
                return None
            dims = tuple(dim for dim, kept in zip(like, own, strict=True) if kept)
            if len(made[name].dims) != len(dims):
                made[name] = replace(made[name], dims=dims)
        return made

    def _by_letters(self, entries: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        meaning: dict[str, str | int] = {}
        for name, letters in self.letters.items():
            if name not in entries:
                continue
            guessed = entries[name].dims if len(entries[name].dims) == len(letters) else ()
            for letter, dim in zip(letters, guessed or letters, strict=True):
                free = guessed and isinstance(dim, str) and dim not in meaning.values()
                meaning.setdefault(letter, dim if free else f"{letter}_")
            yield name, replace(entries[name], dims=tuple(meaning[letter] for letter in letters))


def axes_written(tree: ast.AST, names: set[str]) -> Axes:
    """Return what the text of a forward says of the axes of its parameters.

    >>> axes_written(ast.parse("np.einsum('nd,dm->nm', x, w) + b[None, :]"), {"x", "w", "b"}).letters
    {'x': 'nd', 'w': 'dm'}
    """
    spread: dict[str, tuple[bool, ...]] = {}
    letters: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Tuple(elts=parts)) if name in names:
                own = tuple(_is_whole(part) for part in parts)
                if not all(own) and all(whole or _is_new(part) for whole, part in zip(own, parts, strict=True)):
                    spread.setdefault(name, own)
            case ast.Call(func=ast.Attribute(attr="einsum"), args=[ast.Constant(value=str(subscripts)), *operands]):
                for text, operand in zip(subscripts.replace(" ", "").split("->")[0].split(","), operands, strict=False):
                    if isinstance(operand, ast.Name) and operand.id in names and text.isalpha():
                        letters.setdefault(operand.id, text)
    return Axes(spread, letters)


def _is_whole(part: ast.expr) -> bool:
    return isinstance(part, ast.Slice) and part.lower is part.upper is part.step is None


def _is_new(part: ast.expr) -> bool:
    return (isinstance(part, ast.Constant) and part.value is None) or ast.unparse(part) == "np.newaxis"
