"""Find inputs that make every mistake in a handwritten backward visible."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, overload

from micrograd.errors import GraphError
from micrograd.marker.inputs.guessing import fitted
from micrograd.marker.probing.lint import Lint, judged
from micrograd.marker.probing.visibility import VISIBLE
from micrograd.marker.probing.visible_inputs import VisibleProbe, searched

__all__ = ["Lint", "VisibleProbe", "probe"]


@overload
def probe(
    forward: Callable[..., Any], *example: Any, lint: None = None, seed: int = 0, tolerance: float = VISIBLE
) -> VisibleProbe: ...
@overload
def probe(forward: Callable[..., Any], *example: Any, lint: Any, seed: int = 0, tolerance: float = VISIBLE) -> Lint: ...
def probe(
    forward: Callable[..., Any], *example: Any, lint: Any = None, seed: int = 0, tolerance: float = VISIBLE
) -> VisibleProbe | Lint:
    """Inputs on which every mistake in a handwritten backward of `forward` shows; or a judgement of inputs you have.

    The backward pass of the engine is made wrong in every way that people make it wrong: each path left out, subtracted
    or doubled, each factor, eps and 1/N missing, each sum along another axis. Inputs are drawn until each of these
    changes a gradient by more than `tolerance` of its largest entry. What no input shows is harmless, and the result
    says why.

    Args:
        forward: a function of NumPy arrays. It is executed.
        *example: its arguments in order: arrays, or shapes in their place, and what else it takes. What is left out
            is guessed from the parameters' names (``x``, ``gamma``, ``w``, ``bn_param``...). Or one dictionary of them.
        lint: the arguments of a test that exists, in order, and the upstream gradient behind them; or a dictionary.
            Then the result is what that test cannot see, and why.
        seed: of the random numbers.
        tolerance: what counts as seen.

    Raises:
        GraphError: no arguments were found with which the function runs, or it cannot be traced.

    >>> import numpy as np
    >>> def scale(x, gamma):
    ...     out = gamma * x
    ...     return out
    >>> probe(scale)
    <VisibleProbe of scale: x (5, 3), gamma (3,), upstream (5, 3); shows 18 of 18 mistakes>
    >>> x, ones = np.random.default_rng(0).standard_normal((5, 3)), np.ones((5, 3))
    >>> probe(scale, lint=(x, np.ones(3), ones))
    <Lint of a test of scale: cannot see 5 of 18 mistakes>
    """
    if not callable(forward):
        raise GraphError(
            f"probe needs a function of arrays; got {type(forward).__name__}. Pass batchnorm_forward itself."
        )
    if lint is not None:
        return judged(forward, lint, seed=seed, tolerance=tolerance)
    given: Any = example
    if (
        len(example) == 1
        and isinstance(example[0], Mapping)
        and {*example[0]} <= {*inspect.signature(forward).parameters}
    ):
        given = example[0]
    search = searched(forward, fitted(forward, given), seed=seed, tolerance=tolerance)
    return search.chosen(forward, tolerance)
