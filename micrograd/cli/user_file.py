"""Execute the user's file, find the function in it and make its arguments; report errors at the user's own line."""

from __future__ import annotations

import argparse
import inspect
import json
import sys
import tokenize
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from micrograd.cli.terminal import CommandError
from micrograd.errors import MicrogradError, MissingExtraError

__all__ = ["arguments_for", "at_user_line", "explained", "first_line", "function_in", "load", "text_of"]


def text_of(path: Path, wanted: str = "FILE.py:FUNCTION") -> str:
    """Return the text of a Python file, or of a notebook's cells. Raises CommandError where it cannot be read."""
    if not path.is_file():
        raise CommandError(f"{path}: {'is a directory' if path.is_dir() else 'no such file'}; give {wanted}", 2)
    try:
        with tokenize.open(path) as file:
            text = file.read()
        return _cells(text) if path.suffix == ".ipynb" else text
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise CommandError(f"{path.name}: is no notebook ({error})", 1) from None
    except UnicodeDecodeError as error:
        raise CommandError(
            f"{path.name}: not {error.encoding} text (byte 0x{error.object[error.start]:02x}); save it as UTF-8", 1
        ) from None
    except SyntaxError as error:
        raise CommandError(f"{path.name}: {error.msg}; save it as UTF-8", 1) from None
    except OSError as error:
        raise CommandError(f"{path}: cannot be read ({error.strerror})", 2) from None


def _cells(text: str) -> str:
    """Return the code of a notebook: its cells one after the other, lines for IPython alone as comments."""
    cells = [cell["source"] for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    found = []
    for number, cell in enumerate(cells, 1):
        lines = (cell if isinstance(cell, str) else "".join(cell)).split("\n")
        magic = lines[0].startswith("%%")
        found += [
            f"# cell {number}",
            *(f"# {one}" if magic or one.lstrip()[:1] in ("%", "!") else one for one in lines),
        ]
    return "\n".join(found) + "\n"


def load(path: Path) -> types.ModuleType:
    """Execute a Python file as a module. Raises CommandError, with the user's own line, for what is wrong in it."""
    text = text_of(path)
    name = path.stem if path.stem.isidentifier() and path.stem not in sys.modules else f"_drawn_{path.stem}"
    module = types.ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    with at_user_line(path):
        exec(compile(text, str(path), "exec"), module.__dict__)  # noqa: S102 - said in the help and in SECURITY.md
    return module


@contextmanager
def at_user_line(path: Path) -> Iterator[None]:
    """Report what the user's code raises with the innermost line of the user's file, and no traceback."""
    try:
        yield
    except (CommandError, MissingExtraError):
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the user's code raises
        raise CommandError(_reported(error, path), 1) from None


@contextmanager
def explained(function: Callable[..., Any], given: dict[str, Any], path: Path) -> Iterator[None]:
    """Where no arguments are found with which a function runs, report what it raises on those that are made up."""
    try:
        yield
    except MicrogradError as error:
        cause = _cause(function, given, path)
        if not cause:
            raise
        raise CommandError(f"{path.name}: {first_line(error)} With arrays made up it raised {cause}", 1) from None


def _cause(function: Callable[..., Any], given: dict[str, Any], path: Path) -> str:
    """Return what a function raises on every guess of its arguments; nothing where a guess fits."""
    from micrograd.marker.inputs.calling import Stopped, Watch
    from micrograd.marker.inputs.guessing import fitted

    watch = Watch(function)
    try:
        fitted(watch.forward, given)
    except Stopped as stopped:  # what has nothing to do with the arguments
        return _reported(stopped.args[0], path)
    except MicrogradError:
        cause = watch.cause(getattr(function, "__name__", ""))
        return "" if cause is None else _reported(cause, path)
    return ""


def _reported(error: BaseException, path: Path) -> str:
    """Return what the user's code raised, with its innermost line."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path.name}:{error.lineno}: {error.msg}"
    at = _line(error, path)
    if isinstance(error, SystemExit):
        return f"{at}: the code called exit({error.code!r}); put that under if __name__ == '__main__'"
    kind = "" if isinstance(error, MicrogradError) else f"{type(error).__name__}: "
    return f"{at}: {kind}{first_line(error)}"


def _line(error: BaseException, path: Path) -> str:
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"{path.name}:{line}" if line else path.name


def first_line(error: BaseException) -> str:
    """Return the message of an error as one line."""
    return " ".join(str(error).split()) or "no message"


def function_in(module: types.ModuleType, name: str, path: Path) -> Callable[..., Any]:
    """Return the function of that name. Raises CommandError where there is none, and lists those that there are."""
    found = vars(module).get(name)
    if callable(found) and not isinstance(found, type):
        return found  # type: ignore[no-any-return]
    own = [
        key for key, value in vars(module).items() if inspect.isfunction(value) and value.__module__ == module.__name__
    ]
    there = f"it defines {', '.join(own)}" if own else "it defines no functions"
    what = "no function" if found is None else f"{type(found).__name__}, not a function, is called"
    raise CommandError(f"{path.name}: {what} {name!r}; {there}", 1)


def arguments_for(function: Callable[..., Any], name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the arrays and settings, by parameter; arrays that are left out are guessed from the parameters' names.

    Raises:
        CommandError: they do not fit the signature, or no guess fits.
    """
    parameters = inspect.signature(function).parameters
    settings = dict(options.param)
    if options.eps is not None:
        settings["eps"] = options.eps
    shapes = dict(options.input)
    listed = ", ".join(parameters) or "none"
    open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    for given in [*shapes, *settings]:
        if given not in parameters and not open_ended:
            raise CommandError(f"{name} has no parameter {given!r}; its parameters: {listed}", 2)
    if both := sorted(set(shapes) & set(settings)):
        raise CommandError(f"{both[0]!r} is given as --input and as a setting; give it once", 2)
    bound = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    missing = [
        p.name
        for p in parameters.values()
        if p.default is p.empty and p.kind not in bound and p.name not in shapes and p.name not in settings
    ]
    rng = np.random.default_rng(options.seed)
    arrays = {key: _array(value, rng, options.dtype) for key, value in shapes.items()}
    given = {**arrays, **settings}
    return given if not missing else _completed(function, name, given, missing, options)


def _array(value: Any, rng: np.random.Generator, dtype: str) -> Any:
    """Return random numbers of a shape, or the given numbers; whole numbers of a file stay whole, as labels are."""
    if isinstance(value, tuple):
        return np.asarray(rng.standard_normal(value), dtype)
    return value.astype(dtype) if value.dtype.kind == "f" else value


def _completed(
    function: Callable[..., Any], name: str, given: dict[str, Any], missing: list[str], options: argparse.Namespace
) -> dict[str, Any]:
    """Return what is given and, for what is missing, arrays with which the function runs, as `check` guesses them."""
    from micrograd.marker.inputs.calling import Stopped, Watch
    from micrograd.marker.inputs.conventions import sizes_of
    from micrograd.marker.inputs.guessing import fitted

    path = Path(getattr(getattr(inspect.unwrap(function), "__code__", None), "co_filename", ""))
    watch = Watch(function)
    try:
        layout = fitted(watch.forward, given)
        sizes = {**sizes_of(layout)[0], **layout.sizes}  # those of what is given, where it has any
        made = layout.draw(np.random.default_rng(options.seed), sizes)
    except Stopped as stopped:  # what has nothing to do with the arguments
        raise CommandError(_reported(stopped.args[0], path), 1) from None
    except SystemExit as error:
        raise CommandError(_reported(error, path), 1) from None
    except MicrogradError:
        cause = watch.cause(name)
        tried = "" if cause is None else f"; with arrays made up by the names it raised {_reported(cause, path)}"
        raise CommandError(
            f"{name} needs {', '.join(missing)}: "
            f"give --input {missing[0]}=4x3 (an array) or --param {missing[0]}=VALUE{tried}",
            2,
        ) from None
    floats = {key: v for key, v in made.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f"}
    made = {**made, **{key: np.asarray(value, options.dtype) for key, value in floats.items()}}
    return {**given, **{key: value for key, value in made.items() if key in missing}}
