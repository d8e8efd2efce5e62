"""Check gradients of your functions, and the laws that every primitive obeys for rows that you add.

>>> import numpy as np
>>> check_grad(np.tanh, np.array([0.1, -2.0])).entries
2
>>> from micrograd.primitives import TABLE
>>> check_primitive(TABLE["mul"]) > 100  # laws times cases
True
"""

from __future__ import annotations

from micrograd.testing.domains import DOMAINS, Case, cases_of
from micrograd.testing.grad_check import NOT_ANALYTIC, GradCheck, GradientError, check_grad
from micrograd.testing.laws import LAWS, LawError, check_primitive

__all__ = [
    "DOMAINS", "LAWS", "NOT_ANALYTIC", "Case", "GradCheck", "GradientError", "LawError", "cases_of", "check_grad",
    "check_primitive",
]  # fmt: skip
