"""Call a user's function with arguments that are known by parameter."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = ["call_by_parameter"]


def call_by_parameter(
    function: Callable[..., Any],
    arguments: Mapping[str, Any],
    *,
    through: Callable[..., Any] | None = None,
    seed: int | None = None,
) -> Any:
    """Call a function with copies of its arguments: positional-only ones in order, the others by keyword.

    Args:
        function: what is called.
        arguments: by parameter.
        through: what calls it, as `micrograd.trace` does: it is given the function first.
        seed: of ``np.random`` before the call, which users' dropout draws from; as it is where None.

    >>> def power(x, /, exponent):
    ...     return x**exponent
    >>> call_by_parameter(power, {"x": 3, "exponent": 2})
    9
    """
    kinds = {name: p.kind for name, p in inspect.signature(function).parameters.items()}
    given = copy.deepcopy(dict(arguments))
    first = [given.pop(name) for name in arguments if kinds.get(name) is inspect.Parameter.POSITIONAL_ONLY]
    if seed is not None:
        np.random.seed(seed % 2**32)  # noqa: NPY002 - the generator that such functions use
    return function(*first, **given) if through is None else through(function, *first, **given)
