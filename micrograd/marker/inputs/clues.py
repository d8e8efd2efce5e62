"""Read in the text of a forward and its backward what their arguments must be, whatever these are called.

A gradient that is computed says that its argument is an array; ``p.shape`` too; ``table[ids]`` says whole numbers;
``log(p)`` beside ``1 - p`` numbers between 0 and 1; ``y == 1`` zeros and ones; a sum over axis 0 a batch.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from micrograd.marker.gradient_names import gradient_target, normal

__all__ = [
    "Axes", "Clues", "axes_written", "built", "clues_of", "compared", "parameters", "settings_read", "source_of",
]  # fmt: skip

Function = Callable[..., Any]

_OF_ARRAYS = {"shape", "size", "T", "ndim", "sum", "mean", "reshape", "dot", "max", "min", "copy", "astype", "ravel"}
_OF_NUMBERS = {"zeros_like", "ones_like", "empty_like", "full_like"}
_BATCH = re.compile(r"keepdims|axis\s*=\s*(-?1|\(0)|\[:, *None\]|\.(sum|mean|var|std|max)\((-?1|\(0)|shape\[1\]")
_BATCH_BACK = re.compile(r"axis\s*=\s*0|\.(sum|mean)\(0\)|np\.(sum|mean)\([^()]*, *0\)")
_SINGLE = re.compile(r"np\.(outer|diag|diagflat|eye|identity)\(")


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


@dataclass(frozen=True, slots=True)
class Clues:
    """What the texts of a forward and its backward say of the forward's parameters.

    Attributes:
        graded: those that the backward computes a gradient for, by the names of its variables.
        arrays: those that are used as arrays are.
        chances: those that are numbers between 0 and 1.
        truths: those that hold zeros and ones.
        rows: those that are whole numbers, which pick rows of another: of ``table[ids]`` ids with table.
        read: those that the backward reads too, from its own parameters, a cache or its object.
        axes: which axes they have, as far as the forward says it.
        batch: whether the first axis counts examples: there is a sum over it, or over one that is not the first.
    """

    graded: frozenset[str] = frozenset()
    arrays: frozenset[str] = frozenset()
    chances: frozenset[str] = frozenset()
    truths: frozenset[str] = frozenset()
    rows: Mapping[str, str] = field(default_factory=dict)
    read: frozenset[str] = frozenset()
    batch: bool = False
    axes: Axes = field(default_factory=Axes)


def parameters(function: Function) -> list[inspect.Parameter]:
    """Return the parameters that a call can give one by one: without `self`, ``*args`` and ``**kwargs``."""
    every = inspect.signature(function).parameters.values()
    return [p for p in every if p.name != "self" and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def source_of(function: Function) -> str:
    """Return the text of a function; nothing where it cannot be found."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return ""


def _tree(function: Function) -> ast.AST:
    try:
        return ast.parse(textwrap.dedent(source_of(function)))
    except SyntaxError:
        return ast.Module([], [])


def clues_of(forward: Function, backward: Function | None = None) -> Clues:
    """Return what the texts of a pair say; of a forward alone where the backward is left out.

    >>> def f(x, p): ...
    >>> clues_of(f).graded
    frozenset()
    """
    names = [name for name in inspect.signature(forward).parameters if name != "self"]
    ahead, text = _tree(forward), source_of(forward)
    trees = [(ahead, {*names})]
    graded, read, batch = set[str](), set[str](), bool(_BATCH.search(text))
    if backward is not None and backward is not forward:
        back, behind = _tree(backward), source_of(backward)
        trees.append((back, {*names} & {*inspect.signature(backward).parameters}))
        written = {normal(target) for name in _written(back) if (target := gradient_target(name))}
        graded = {name for name in names if normal(name) in written}
        read = {*_read(back, backward)} & {*names}
        batch = (batch or bool(_BATCH.search(behind) or _BATCH_BACK.search(behind))) and not _SINGLE.search(behind)
    arrays = {name for tree, known in trees for name in _arrays(tree) if name in known}
    chances, clipped, truths = set[str](), set[str](), set[str]()
    rows: dict[str, str] = {}
    for node in ast.walk(ahead):
        match node:
            case ast.BinOp(left=ast.Constant(value=1 | 1.0), op=ast.Sub(), right=ast.Name(id=name)) if "log(" in text:
                chances.add(name)
            case ast.Call(
                func=ast.Attribute(attr="clip"),
                args=[ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name), _, high],
            ) if "log(" in text:
                if re.fullmatch(r"1(\.0*)?( - .*)?", ast.unparse(high)):  # p = np.clip(p, eps, 1 - eps)
                    clipped.add(name)
            case ast.Compare(left=ast.Name(id=name), comparators=[ast.Constant(value=0 | 1)]) if isinstance(
                node.ops[0], (ast.Eq, ast.NotEq)
            ):
                truths.add(name)
            case ast.Subscript(value=ast.Name() | ast.Attribute(value=ast.Name(id="self")), slice=ast.Name(id=name)):
                rows[name] = node.value.id if isinstance(node.value, ast.Name) else node.value.attr  # type: ignore[attr-defined]
            case ast.Call(func=ast.Attribute(attr="take"), args=[ast.Name(id=table), ast.Name(id=name), *_]):
                rows[name] = table
    assigned = {n.id for n in ast.walk(ahead) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    rows = {n: table for n, table in rows.items() if n in names and n not in {*assigned, *rows.values()}}
    known = frozenset(names) - assigned
    chances = {*(known & chances), *({*names} & clipped)}
    return Clues(
        frozenset(graded), frozenset(arrays), frozenset(chances), known & truths, rows, frozenset(read), batch,
        axes_written(ahead, {*known}),
    )  # fmt: skip


def _written(tree: ast.AST) -> Iterator[str]:
    """Yield the names and attributes that a text writes to."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def _read(tree: ast.AST, backward: Function) -> Iterator[str]:
    """Yield what a backward reads that comes from outside: its parameters, what it unpacks, its object's attributes."""
    own = {*inspect.signature(backward).parameters}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=entries)], value=ast.Name() | ast.Attribute() | ast.Subscript()):
                own |= {entry.id for entry in entries if isinstance(entry, ast.Name)}
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Subscript()):
                own.add(name)
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Load()):
                yield name
    yield from own


def _arrays(tree: ast.AST) -> Iterator[str]:
    """Yield the names that are used as arrays are."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if attribute in _OF_ARRAYS:
                yield name
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Tuple() | ast.Slice()):
                yield name
            case ast.BinOp(left=left, op=ast.MatMult(), right=right):
                yield from (side.id for side in (left, right) if isinstance(side, ast.Name))
            case ast.Call(func=ast.Name(id="len"), args=[ast.Name(id=name)]):
                yield name
            case ast.Call(func=ast.Attribute(attr=called), args=[ast.Name(id=name), *_]) if called in _OF_NUMBERS:
                yield name


# ---- axes that are written ----------------------------------------------------------------------


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


# ---- dictionaries and texts ---------------------------------------------------------------------------------


def settings_read(forward: Function, parameter: str, within: tuple[Function, ...] = ()) -> dict[str, bool]:
    """Return the keys that the text of `forward` reads of a dictionary, and whether it cannot do without.

    >>> def f(x, bn_param):
    ...     return x * bn_param["scale"] + bn_param.get("eps", 1e-5)
    >>> settings_read(f, "bn_param")
    {'eps': False, 'scale': True}
    """
    found: dict[str, bool] = {}
    for node in ast.walk(_tree(forward)):
        match node:
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key)), ctx=ast.Load()):
                if name == parameter:
                    found[key] = True
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="get" | "setdefault" | "pop"),
                args=[ast.Constant(value=str(key)), *rest],
            ):
                if name == parameter:
                    found.setdefault(key, not rest)
    for helper, own in _passed_on(forward, parameter):
        if helper not in within:
            found = settings_read(helper, own, (*within, inspect.unwrap(forward))) | found
    return dict(sorted(found.items()))


def built(forward: Function, parameter: str) -> str:
    """Return how the keys of a dictionary begin that a loop puts together: ``p["W" + str(l)]``; or nothing."""
    for function, read in ((forward, parameter), *_passed_on(forward, parameter)):
        for node in ast.walk(_tree(function)):
            match node:
                case ast.Subscript(value=ast.Name(id=name), slice=ast.BinOp() | ast.JoinedStr() | ast.Call()) if (
                    name == read
                ):
                    constants = [n.value for n in ast.walk(node.slice) if isinstance(n, ast.Constant)]
                    return "".join(value for value in constants if isinstance(value, str))
    return ""


def _passed_on(function: Function, parameter: str) -> Iterator[tuple[Function, str]]:
    """Yield the helpers that a function passes its parameter to, with the parameter that it is there."""
    for node in ast.walk(_tree(function)):
        match node:
            case ast.Call(func=ast.Name(id=called), args=arguments):
                helper = getattr(inspect.unwrap(function), "__globals__", {}).get(called)
                if inspect.isfunction(helper) and helper is not inspect.unwrap(function):
                    for own, given in zip(inspect.signature(helper).parameters, arguments, strict=False):
                        if isinstance(given, ast.Name) and given.id == parameter:
                            yield helper, own


def compared(function: Function | None, parameter: str) -> list[str]:
    """Return the texts that a function compares a parameter with: ``activation == "relu"``, ``self.kind == "mse"``."""
    found = dict[str, None]()
    for node in ast.walk(_tree(function)) if function else ():
        match node:
            case ast.Compare(
                left=ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name),
                ops=[ast.Eq() | ast.NotEq()],
                comparators=[ast.Constant(value=str(text))],
            ) if name == parameter:
                found[text] = None
    return list(found)
