"""micrograd: the graph engine that shows its work.

A small reverse-mode autodiff engine on NumPy. Plain NumPy code goes in; its graph comes out, with the author's own
names, to be drawn, stepped through and differentiated again.

>>> import numpy as np, micrograd as mg
>>> mg.grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
array([2., 4.])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

from micrograd import name_conflict as _namesake  # noqa: F401 (it says when another distribution shares our folder)
from micrograd.engine import Tensor as Tensor
from micrograd.engine import Value as Value
from micrograd.engine import no_grad as no_grad
from micrograd.errors import MicrogradError as MicrogradError

if TYPE_CHECKING:
    from micrograd.training import data as data
    from micrograd import functional as functional
    from micrograd import nn as nn
    from micrograd.batchnorm import tolerance as numerics
    from micrograd import optim as optim
    from micrograd import testing as testing
    from micrograd.anomaly import checked as checked
    from micrograd.batchnorm import BatchSizeWarning as BatchSizeWarning
    from micrograd.batchnorm import PrecisionWarning as PrecisionWarning
    from micrograd.batchnorm import batch_norm as batch_norm
    from micrograd.batchnorm import batch_norm_inference as batch_norm_inference
    from micrograd.compiler import compile as compile  # noqa: A004 (mg.compile)
    from micrograd.drawing import draw as draw
    from micrograd.drawing.tex import tikz as tikz
    from micrograd.graph import Graph as Graph
    from micrograd.graph import graph_size as graph_size
    from micrograd.tracing import trace as trace
    from micrograd.marker.probing import probe as probe
    from micrograd.marker.process.session import check as check
    from micrograd.graph.formulas import latex as latex
    from micrograd.stepper import walk as walk
    from micrograd.transforms import grad as grad
    from micrograd.transforms import gradients as gradients
    from micrograd.transforms import hessian as hessian
    from micrograd.transforms import jacobian as jacobian
    from micrograd.transforms import jvp as jvp
    from micrograd.transforms import value_and_grad as value_and_grad
    from micrograd.transforms import vjp as vjp

# Loaded when first asked for: `import micrograd` itself stays fast, and brings NumPy and the standard library only.
_LAZY = {
    **dict.fromkeys(
        ("grad", "gradients", "hessian", "jacobian", "jvp", "value_and_grad", "vjp"), "micrograd.transforms"
    ),
    **dict.fromkeys(("Graph", "graph_size", "trace"), "micrograd.graph"),
    **dict.fromkeys(
        ("BatchSizeWarning", "PrecisionWarning", "batch_norm", "batch_norm_inference"), "micrograd.batchnorm"
    ),
    "check": "micrograd.marker.process.session",
    "checked": "micrograd.anomaly",
    "compile": "micrograd.compiler",
    "draw": "micrograd.drawing",
    "latex": "micrograd.graph.formulas",
    "probe": "micrograd.marker.probing.visible_inputs",
    "tikz": "micrograd.drawing.tex",
    "walk": "micrograd.stepper",
}
_MODULES = ("checkpoint", "data", "export", "functional", "nn", "numerics", "optim", "testing")

__all__ = [  # noqa: PLE0604 (the lazy names are strings too)
    "MicrogradError",
    "Tensor",
    "Value",
    "no_grad",
    *_LAZY,
    *_MODULES,
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"micrograd.{name}")
    else:
        raise AttributeError(f"module 'micrograd' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
