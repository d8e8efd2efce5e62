"""Parse command-line arguments, and report what each may be."""

from __future__ import annotations

import argparse
import ast
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = [
    "eps_number",
    "input_shape",
    "input_value",
    "of_a_function",
    "rate_number",
    "seconds_number",
    "seed_number",
    "setting",
    "whole",
]

_SIZES = "sizes of 1 to 1000000 joined by x, at most 10 million numbers, as in 4x3; or scalar"


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return the argument type of a whole number in a range.

    >>> whole(1, 10)("3")
    3
    """

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"expected a whole number from {low} to {high}; got {text!r}")
        return value

    return parse


def _real(low: float, high: float, words: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high or math.isinf(value):
            raise argparse.ArgumentTypeError(f"expected {words}; got {text!r}")
        return value

    return parse


def input_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """Parse ``NAME=SHAPE``.

    >>> input_shape("x=4x3")
    ('x', (4, 3))
    """
    name, _, sizes = text.partition("=")
    parts = sizes.split("x")
    if name.isidentifier() and sizes == "scalar":
        return name, ()
    if not name.isidentifier() or not all(
        re.fullmatch(r"[0-9]{1,7}", part) and 0 < int(part) <= 10**6 for part in parts
    ):
        raise argparse.ArgumentTypeError(f"expected NAME=SHAPE with {_SIZES}; got {text!r}")
    shape = tuple(map(int, parts))
    if math.prod(shape) > 10**7:
        raise argparse.ArgumentTypeError(f"expected NAME=SHAPE with {_SIZES}; got {text!r}, {math.prod(shape)} numbers")
    return name, shape


def input_value(text: str) -> tuple[str, Any]:
    """Parse ``NAME=SHAPE``, or ``NAME=NUMBERS``: a number, nested lists of numbers, or a ``.npy`` file.

    A whole number above 0 is a size, as in 4x3; write 4.0 for the number.

    Returns:
        The name, and a shape (a tuple) or an array.

    >>> input_value("x=4x3"), input_value("a=-4.0"), input_value("x=[[1, 2], [3, 4]]")[1].tolist()
    (('x', (4, 3)), ('a', array(-4.)), [[1.0, 2.0], [3.0, 4.0]])
    """
    name, equals, numbers = text.partition("=")
    if not name.isidentifier() or not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=SHAPE or NAME=NUMBERS; got {text!r}")
    if numbers.lower().endswith(".npy"):
        return name, _loaded(numbers)
    if "x" in numbers or numbers == "scalar" or re.fullmatch(r"[0-9]{1,7}", numbers):
        return input_shape(text)
    try:
        return name, np.asarray(ast.literal_eval(numbers), dtype=float)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise argparse.ArgumentTypeError(
            f"{name}: expected NAME=SHAPE with {_SIZES}; or numbers, as -4.0, [[1, 2], [3, 4]] or data.npy; "
            f"got {numbers!r}"
        ) from None


def _loaded(file: str) -> Any:
    """Read an array of numbers from a ``.npy`` file; nothing in it is executed."""
    try:
        array = np.load(file, allow_pickle=False)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{file}: cannot be read ({error.strerror or error})") from None
    except (ValueError, EOFError) as error:
        raise argparse.ArgumentTypeError(f"{file}: is no array that np.save wrote ({error})") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        raise argparse.ArgumentTypeError(f"{file}: holds {getattr(array, 'dtype', 'several arrays')}; expected numbers")
    return array


def setting(text: str) -> tuple[str, Any]:
    """Parse ``NAME=VALUE``.

    >>> setting("axis=(0, 1)")
    ('axis', (0, 1))
    """
    name, equals, value = text.partition("=")
    if not name.isidentifier() or not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE; got {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise argparse.ArgumentTypeError(
            f"{name}: expected a Python number, string, tuple, list or dict; got {value!r}"
        ) from None


seed_number = whole(0, 2**32 - 1)
eps_number = _real(0.0, math.inf, "a finite number >= 0")
seconds_number = _real(0.1, 3600.0, "a number of seconds from 0.1 to 3600")
rate_number = _real(1e-12, 1e6, "a number from 1e-12 to 1e6")


def of_a_function(command: argparse.ArgumentParser, output: str) -> None:
    """Add the arguments of a command that traces a function."""
    command.add_argument("target", metavar="FILE.py:FUNCTION", help="the function to trace; the file is executed")
    command.add_argument(
        "--input",
        metavar="NAME=SHAPE|NUMBERS",
        type=input_value,
        action="append",
        default=[],
        help=f"an array argument: {_SIZES}, which is filled with random numbers; or numbers of your own, as a=-4.0, "
        "x=[[1,2],[3,4]] or x=data.npy; shapes that are left out are guessed from the parameters' names",
    )
    command.add_argument(
        "--param", metavar="NAME=VALUE", type=setting, action="append", default=[], help="another argument, like axis=0"
    )
    command.add_argument("--eps", type=eps_number, help="short for --param eps=EPS")
    command.add_argument("-o", "--output", metavar="FILE", help=output)
    command.add_argument("--force", action="store_true", help="replace the output if micrograd did not write it")
    command.add_argument("--seed", type=seed_number, default=0, help="seed of the random inputs (default: 0)")
    command.add_argument(
        "--dtype", choices=("float32", "float64"), default="float64", help="dtype of the inputs (default: float64)"
    )
