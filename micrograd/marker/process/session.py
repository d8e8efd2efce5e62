"""`check`: functions of a program or a notebook, marked in a process of their own.

That process gets text, so the text of both functions is found, with that of the helpers they call; what else they need
by name goes along as values or as imports. Functions of a module take their whole file; those of a notebook or an
interactive session, or made inside another function, are put together from their pieces, the backward at its own lines.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

from micrograd.errors import GraphError, MicrogradError
from micrograd.graph import Graph
from micrograd.marker.process.limits import Limits
from micrograd.marker.process.packing import packed
from micrograd.marker.process.runner import Request, run
from micrograd.marker.report import Report

__all__ = ["check", "request_for"]

Function = Callable[..., Any]


def check(
    backward: Function,
    forward: Function | Graph,
    *arrays: Any,
    upstream: Any = None,
    reference: str = "",
    seconds: float = 10.0,
    seed: int = 0,
) -> Report:
    """Mark a handwritten backward against the graph of its forward, line by line.

    The functions are run in a process of their own, with limits of time and memory; that is no sandbox. Shapes and
    names tell what to call them with; the numbers are drawn so that every mistake shows.

    Args:
        backward: ``backward(dout, cache)``, or ``backward(dout, x, gamma, beta)``; the forward again for a function
            that returns ``(loss, dx)``.
        forward: ``forward(x, gamma, beta) -> out``, or ``(out, cache)``; or its graph from `micrograd.trace`.
        *arrays: arguments of the forward, or shapes in their place; made up by their names where left out.
        upstream: the gradient of the output to check with as well, for exactly these arrays.
        reference: compare the forward with one of micrograd's, as ``batch_norm``.
        seconds: the limit of time.
        seed: of the numbers.

    Returns:
        The report. It prints as text, shows itself in a notebook, and ``assert_ok()`` is for tests.

    Raises:
        GraphError: the source of a function cannot be found. DTypeError: an argument that no process can be sent.

    >>> def square_forward(x):
    ...     return x * x, x
    >>> def square_backward(dout, cache):
    ...     return cache * dout
    >>> check(square_backward, square_forward).findings[0].ratio
    '1/2'
    """
    if isinstance(forward, Graph):
        arrays = arrays or tuple(forward.value[node.name] for node in forward.inputs)
        forward = _forward_of(forward, backward)
    return run(request_for(backward, forward, arrays, upstream, reference, seed), Limits(seconds=seconds))


def _forward_of(graph: Graph, backward: Function) -> Function:
    """Return the function that a graph was traced from, found by its name beside the backward."""
    found = getattr(backward, "__globals__", {}).get(graph.name)
    if not callable(found):
        raise GraphError(
            f"check cannot find the function {graph.name!r} that this graph was traced from; "
            "pass the function itself: check(backward, forward, *arrays)."
        )
    return found  # type: ignore[no-any-return]


def request_for(
    backward: Function,
    forward: Function,
    arrays: tuple[Any, ...] = (),
    upstream: Any = None,
    reference: str = "",
    seed: int = 0,
) -> Request:
    """Return what the runner is asked for two functions.

    Raises:
        GraphError: the source of one cannot be found.
    """
    functions = [_plain(backward), _plain(forward)]
    kind = "loss" if functions[0] is functions[1] else "function"
    files = {function.__code__.co_filename for function in functions}
    whole = [_importable(function) for function in functions]
    if len(files) == 1 and all(whole):
        file = files.pop()
        source, namespace = _text(file), dict[str, Any]()
    else:
        file = functions[0].__code__.co_filename
        source, namespace = _pieces(functions)
    backward_name, forward_name = (function.__qualname__.rpartition(">.")[2] for function in functions)
    return Request(source, file, forward_name, backward_name, kind, arrays, upstream, reference, namespace, seed)


def _plain(function: Any) -> types.FunctionType:
    """Return the function under decorators. Raises GraphError for what is none."""
    found = inspect.unwrap(function) if callable(function) else function
    if isinstance(found, types.MethodType):
        raise GraphError(
            f"check takes functions, and {found.__qualname__} is bound to an object; for the methods of a layer use "
            f"the command: micrograd check FILE.py --backward {found.__qualname__}."
        )
    if not isinstance(found, types.FunctionType):
        raise GraphError(f"check takes Python functions; got {type(found).__name__}.")
    if found.__name__ == "<lambda>":
        raise GraphError("check takes functions that have a name; write the lambda as a def.")
    return found


def _importable(function: types.FunctionType) -> bool:
    """Return whether the function stands at the top of a module's file, which can be executed as it is."""
    module = sys.modules.get(function.__module__)
    file = getattr(module, "__file__", None)
    return (
        function.__module__ != "__main__"
        and "<locals>" not in function.__qualname__
        and file == function.__code__.co_filename
        and getattr(module, function.__qualname__.partition(".")[0], None) is not None
    )


def _text(file: str) -> str:
    import linecache

    linecache.checkcache(file)
    return "".join(linecache.getlines(file))


def _source(function: Any) -> tuple[str, int]:
    """Return the text of a function or class, at the margin, and its first line; GraphError if there is none."""
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        raise GraphError(
            f"the source of {function.__qualname__} cannot be found; define it in a file or in a notebook's cell."
        ) from None
    return textwrap.dedent("".join(lines)), max(1, first)


def _needs(code: types.CodeType) -> Iterator[str]:
    """Yield the names that code may ask its module for."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _needs(constant)


def _surroundings(function: types.FunctionType) -> dict[str, Any]:
    """Return what a function finds outside itself, by the names that it uses."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
    inner = {}
    for name, cell in cells:
        try:
            inner[name] = cell.cell_contents
        except ValueError:  # not filled yet
            continue
    return {n: function.__globals__[n] for n in _needs(function.__code__) if n in function.__globals__} | inner


def _defined_with(function: Any, text: str) -> dict[str, Any]:
    """Return what a definition reads while it is made: decorators, defaults, annotations; by name, where known."""
    module = sys.modules.get(function.__module__)
    known = getattr(function, "__globals__", vars(module) if module else {})
    try:
        made = ast.parse(text)
    except SyntaxError:  # the report says so
        return {}
    for node in [*ast.walk(made)]:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.body = []  # runs later, and its names are known from its code
    names = {node.id for node in ast.walk(made) if isinstance(node, ast.Name)}
    return {name: known[name] for name in names if name in known}


def _pieces(functions: list[types.FunctionType]) -> tuple[str, dict[str, Any]]:
    """Return the text of functions and of their helpers, the first at its own lines; and the rest of what they need."""
    namespace: dict[str, Any] = {}
    texts: dict[str, tuple[str, int]] = {}
    queue: list[Any] = list(functions)
    while queue:
        function = queue.pop(0)
        if function.__name__ in texts:
            continue
        texts[function.__name__] = text, _ = _source(function)
        namespace |= {n: value for n, value in _defined_with(function, text).items() if not _is_own(value)}
        members = [function] if isinstance(function, types.FunctionType) else list(vars(function).values())
        for member in members:
            if not isinstance(member, types.FunctionType):
                continue
            for name, value in _surroundings(member).items():
                if _is_own(value):
                    queue.append(value)
                    if value.__name__ != name:
                        raise GraphError(
                            f"{member.__qualname__} calls {value.__name__} by the name {name}; use its own."
                        )
                else:
                    namespace[name] = value
    (text, first), *others = texts.values()
    source = "\n" * (first - 1) + text + "".join(f"\n\n{other}" for other, _ in others)
    return source, {name: value for name, value in namespace.items() if _can_go(value)}


def _is_own(value: Any) -> bool:
    """Return whether this is a function or class of the student's rather than one of a module that can be imported."""
    if isinstance(value, type):
        return value.__module__ == "__main__" or "<locals>" in value.__qualname__
    return isinstance(value, types.FunctionType) and not _importable(value) and value.__name__ != "<lambda>"


def _can_go(value: Any) -> bool:
    try:
        packed(value)
    except MicrogradError:
        return False
    return True
