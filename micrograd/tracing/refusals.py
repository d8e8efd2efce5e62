"""Show the user's line under a refusal."""

from __future__ import annotations

import ast
import dis
import linecache
import re
from collections.abc import Iterator
from contextvars import ContextVar
from types import FrameType, TracebackType
from typing import Any

from micrograd.errors import DTypeError, GraphError, MicrogradError
from micrograd.numpy_api.functions import recorded
from micrograd.source.names import Source, is_users_code, is_users_file, source_of

__all__ = ["broken_at", "explain", "last_whole_number", "located", "no_function", "no_plain_number", "underlined"]


_CURRIED = ("grad", "value_and_grad", "jacobian", "hessian")
_NOT_THEIRS = re.compile(r"^(?!unsupported operand).*\bTracedArray\b(?!' object)", re.DOTALL)
"""How a library says that it does not know our arrays; what Python itself says of operators and calls is left."""


_PLAIN = (
    "a traced value is written into a plain array, which would lose its gradient silently; write into an array made "
    "with np.zeros or np.array (a = np.array(a) makes one of any)."
)
_NUMPYS_OF_ITEMS = ("Error setting single item of array.", "setting an array element with a sequence.")
no_plain_number: ContextVar[bool] = ContextVar("micrograd_no_plain_number", default=False)
"""Whether a traced value has refused to be a number: NumPy says so in words of its own, some without the cause."""
_STORE = dis.opmap["STORE_SUBSCR"]
_NO_WHOLE_NUMBER = re.compile(
    r"^Python integer (-?\d+) out of bounds for u?int\d+$|^cannot convert float (?:NaN|infinity) to integer$"
)
last_whole_number: ContextVar[int | None] = ContextVar("micrograd_last_whole_number", default=None)
"""What the last traced float that was asked for a whole number said: by NumPy, where it writes one into an array."""


def no_function(given: Any, taker: str) -> TypeError:
    """Return the error of a transform that is given something else than a function."""
    hint = f"; pass the function itself, {taker}(f)(x), not what it returns" * (taker in _CURRIED)
    return TypeError(f"{taker} takes a function; got {given!r}{hint}.")


def underlined(source: Source) -> str:
    """Underline the sub-expression in the user's line; return the place alone where the line cannot be had."""
    line = linecache.getline(source.file, source.line).rstrip("\n")
    head = f"  {source.file}, line {source.line}, in {source.function}"
    if not line.strip():
        return head
    encoded = line.encode()
    start = len(encoded[: source.column].decode(errors="replace"))
    whole = source.end_line > source.line
    end = len(line) if whole else len(encoded[: source.end_column].decode(errors="replace"))
    indent = len(line) - len(line.lstrip())
    start = max(start, indent)
    return f"{head}\n    {line[indent:]}\n    {' ' * (start - indent)}{'^' * max(end - start, 1)}"


def _innermost(traceback: TracebackType | None) -> tuple[FrameType | None, int]:
    """Return the user's innermost frame of a traceback, and the instruction at which it stood."""
    found: tuple[FrameType | None, int] = None, 0
    is_users = False
    while traceback is not None:
        frame = traceback.tb_frame
        own = is_users_code(frame.f_code.co_filename)
        if own or (is_users_file(frame.f_code.co_filename) and not is_users):
            found, is_users = (frame, traceback.tb_lasti), own
        traceback = traceback.tb_next
    return found


def broken_at(traceback: TracebackType | None) -> tuple[Source | None, list[Any]]:
    """Return the user's innermost expression in a traceback, and the values of the variables that stand in it."""
    frame, at = _innermost(traceback)
    found = None if frame is None else source_of(frame, at)
    if found is None or frame is None:
        return None, []
    try:
        tree = ast.parse(found.text.strip(), mode="eval")
    except SyntaxError:
        return found, []
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return found, [frame.f_locals[name] for name in dict.fromkeys(names) if name in frame.f_locals]


def located(message: str, traceback: TracebackType | None) -> str:
    """Put the user's innermost line in a traceback under `message`."""
    frame, at = _innermost(traceback)
    found = None if frame is None else source_of(frame, at)
    shown = underlined(found) if found is not None else ""
    return message if not shown or shown in message else f"{message}\n{shown}"


def _writes(traceback: TracebackType | None) -> bool:
    """Return whether the user's innermost frame of a traceback stood at an assignment to a place of an array."""
    frame, at = _innermost(traceback)
    return frame is not None and frame.f_code.co_code[at] == _STORE


def explain(error: Exception) -> None:
    """Put the user's line under an error of ours; raise ours where a library has put its own words in front of it."""
    refused = no_plain_number.get()
    no_plain_number.set(False)
    if refused and type(error) is ValueError and str(error) in _NUMPYS_OF_ITEMS:
        raise GraphError(located(_PLAIN, error.__traceback__)) from None
    number = _NO_WHOLE_NUMBER.match(str(error)) if isinstance(error, (OverflowError, ValueError)) else None
    if number is not None and _writes(error.__traceback__) and number[1] in (None, str(last_whole_number.get())):
        raise GraphError(located(
            f"a traced float does not fit the array of whole numbers it is written into ({error}); NumPy "
            "refuses some of these and lets others wrap around. Clip it first, or give the array dtype=float.",
            error.__traceback__,
        )) from None  # fmt: skip
    for cause in _causes(error):
        if isinstance(cause, MicrogradError):
            cause.args = (located(str(cause), error.__traceback__),)
            if cause is not error:
                raise cause.with_traceback(error.__traceback__) from None
            return
    if isinstance(error, TypeError) and "'float' object cannot be interpreted as an integer" in str(error):
        raise GraphError(located(
            "a count is a float. Python 2 divided whole numbers without a rest; write // for / where it is computed.",
            error.__traceback__,
        )) from error  # fmt: skip
    if isinstance(error, (TypeError, ValueError)) and _NOT_THEIRS.search(str(error)):
        said = f"{str(error).strip().rstrip('.')}. Only {recorded('it with NumPy functions')}"
        raise DTypeError(located(said, error.__traceback__)) from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__
