"""micrograd: the graph engine that shows its work.

A small reverse-mode autodiff engine on NumPy. Plain NumPy code goes in; its graph comes out, with the user's own
names, to be drawn, stepped through and differentiated again.

>>> import numpy as np, micrograd as mg
>>> mg.grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
array([2., 4.])
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys
from importlib.machinery import PathFinder, SourceFileLoader
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

from micrograd import name_conflict as _name_conflict  # noqa: F401 (first: another distribution may share our folder)
from micrograd.display import Displayed as _Displayed
from micrograd.engine import Tensor as Tensor
from micrograd.engine import Value as Value
from micrograd.engine import no_grad as no_grad
from micrograd.errors import MicrogradError as MicrogradError
from micrograd.primitives import Primitive as Primitive

if TYPE_CHECKING:
    from micrograd import functional as functional
    from micrograd import nn as nn
    from micrograd import optim as optim
    from micrograd import testing as testing
    from micrograd.anomaly import checked as checked
    from micrograd.batchnorm import BatchSizeWarning as BatchSizeWarning
    from micrograd.batchnorm import PrecisionWarning as PrecisionWarning
    from micrograd.batchnorm import batch_norm as batch_norm
    from micrograd.batchnorm import batch_norm_inference as batch_norm_inference
    from micrograd.batchnorm import tolerance
    from micrograd.compiler import compile as compile  # noqa: A004 (mg.compile)
    from micrograd.derivation import derive as derive
    from micrograd.drawing import draw as draw
    from micrograd.drawing.tex import tikz as tikz
    from micrograd.graph import Graph as Graph
    from micrograd.graph import graph_size as graph_size
    from micrograd.graph.formulas import latex as latex
    from micrograd.marker.probing import probe as probe
    from micrograd.marker.process.session import check as check
    from micrograd.stepper import walk as walk
    from micrograd.tracing import trace as trace
    from micrograd.training import data as data
    from micrograd.transforms import grad as grad
    from micrograd.transforms import gradients as gradients
    from micrograd.transforms import hessian as hessian
    from micrograd.transforms import jacobian as jacobian
    from micrograd.transforms import jvp as jvp
    from micrograd.transforms import value_and_grad as value_and_grad
    from micrograd.transforms import vjp as vjp

    numerics = tolerance

# Loaded when first asked for: `import micrograd` itself stays fast, and brings NumPy and the standard library only.
_LAZY = {
    **dict.fromkeys(
        ("grad", "gradients", "hessian", "jacobian", "jvp", "value_and_grad", "vjp"), "micrograd.transforms"
    ),
    **dict.fromkeys(("Graph", "graph_size"), "micrograd.graph"),
    **dict.fromkeys(
        ("BatchSizeWarning", "PrecisionWarning", "batch_norm", "batch_norm_inference"), "micrograd.batchnorm"
    ),
    "check": "micrograd.marker.process.session",
    "checked": "micrograd.anomaly",
    "compile": "micrograd.compiler",
    "derive": "micrograd.derivation",
    "draw": "micrograd.drawing",
    "latex": "micrograd.graph.formulas",
    "probe": "micrograd.marker.probing",
    "tikz": "micrograd.drawing.tex",
    "trace": "micrograd.tracing",
    "walk": "micrograd.stepper",
}
_MODULES = {
    **{name: f"micrograd.{name}" for name in ("export", "functional", "nn", "optim", "testing")},
    "checkpoint": "micrograd.training.checkpoint",
    "data": "micrograd.training.data",
    "numerics": "micrograd.batchnorm.tolerance",
}

# Import paths of earlier versions. Tests that `micrograd check --emit` wrote name one of them.
_FORMER_PATHS = {
    f"micrograd.{former}": f"micrograd.{now}"
    for former, now in {
        "checkpoint": "training.checkpoint",
        "data": "training.data",
        "train": "training.loop",
        "numerics": "batchnorm.tolerance",
        "notation": "graph.formulas",
        "graph.tracer": "tracing.tracer",
        "marker.session": "marker.process.session",
        "marker.probes": "marker.probing",
        "marker.lint": "marker.probing.lint",
        "marker.traps": "marker.probing.traps",
        "marker.visibility": "marker.probing.visibility",
        "marker.listing": "export.numpy_source.listing",
        "buffers": "core.array_pool",
        "arraylike": "core.arraylike",
    }.items()
}


# Names that have left a module for another one, which may stand above it: found when somebody asks for them. A name
# that is another one now is written `former=now`.
_FORMER_NAMES = {
    f"micrograd.{former}": {
        name.partition("=")[0]: (f"micrograd.{now}", name.rpartition("=")[2]) for name in names.split()
    }
    for former, names, now in (
        ("graph", "trace", "tracing"),
        ("marker.exercises", "Answer Exercise LESSONS Lesson exercise lesson lesson_of", "marker.exercises.exercises"),
        ("marker.probing", "LARGE SPREADS Search make", "marker.probing.visible_inputs"),
        ("nn.initializers", "lsuv", "nn.unit_variance"),
    )
}


class _FormerPaths(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Import a module that has moved under the path that it had before: the same module, not a copy."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:  # noqa: ARG002
        if fullname in _FORMER_NAMES:
            spec = PathFinder.find_spec(fullname, path)
            if spec is not None and isinstance(spec.loader, SourceFileLoader):
                spec.loader = _WithFormerNames(spec.loader.name, spec.loader.path)
            return spec
        return importlib.util.spec_from_loader(fullname, self) if fullname in _FORMER_PATHS else None

    def create_module(self, spec: Any) -> Any:
        module = importlib.import_module(_FORMER_PATHS[spec.name])
        spec.loader_state = module.__spec__  # the import system writes its own over it
        return module

    def exec_module(self, module: Any) -> None:
        module.__spec__ = module.__spec__.loader_state


class _WithFormerNames(SourceFileLoader):
    """Load a module that still gives the names that have moved elsewhere."""

    def exec_module(self, module: Any) -> None:
        super().exec_module(module)
        moved = _FORMER_NAMES[module.__name__]

        def find(name: str) -> Any:
            if name not in moved:
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            now, called = moved[name]
            return getattr(importlib.import_module(now), called)

        module.__getattr__ = find


sys.meta_path.insert(0, _FormerPaths())


def _drawn(shown: Any) -> str:
    """Return the picture of a tensor or graph as SVG."""
    from micrograd.drawing import draw

    return draw(shown).svg


_Displayed.drawer = staticmethod(_drawn)

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
        value = importlib.import_module(_MODULES[name])
    else:
        raise AttributeError(f"module 'micrograd' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
