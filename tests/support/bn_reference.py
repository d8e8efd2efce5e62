"""References for batch normalization: 300-bit arithmetic, and the handwritten backward pass with all its variables."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

from micrograd import batchnorm
from micrograd.engine import Tensor, sweep

PRECISION = 300  # bits

FOURTEEN = (
    "dbeta", "dgammax", "dgamma", "dxhat", "divar", "dxmu1", "dsqrtvar",
    "dvar", "dsq", "dxmu2", "dx1", "dmu", "dx2", "dx",
)  # fmt: skip
"""The intermediates of the staged backward pass, in its order."""


@dataclass(frozen=True)
class Problem:
    """A batch normalization and the gradient of its output."""

    x: np.ndarray
    gamma: np.ndarray
    beta: np.ndarray
    dout: np.ndarray
    eps: float

    @property
    def parameters(self) -> tuple[Any, ...]:
        return self.x, self.gamma, self.beta, self.eps


def probe(n: int = 5, d: int = 3, eps: float = 0.2, seed: int = 3, dtype: str = "float64") -> Problem:
    """A problem that hides nothing: N != D, eps that matters, gammas of both signs and no 1, dout of non-zero mean."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0.5, 1.5, (n, d))
    gamma = rng.uniform(0.5, 2.0, d) * np.resize([1.0, -1.0], d)
    arrays = (x, gamma, rng.normal(size=d), rng.normal(0.3, 1.0, (n, d)))
    return Problem(*(a.astype(dtype) for a in arrays), eps)


# ---- 300 bits --------------------------------------------------------------------------------------------


def _mp(array: Any) -> Any:
    return (
        np.vectorize(lambda v: mpmath.mpf(float(v)), otypes=[object])(array)
        if np.size(array)
        else np.array(array, object)
    )


def exact_out(x: Any, gamma: Any, beta: Any, eps: Any) -> tuple[Any, Any, Any]:
    """Output, x-hat and 1/sqrt(var + eps) of object arrays of mpf, at the working precision."""
    n = len(x)
    xmu = x - x.sum(axis=0) / n
    var = (xmu * xmu).sum(axis=0) / n
    ivar = np.array([1 / mpmath.sqrt(v + eps) for v in var], object)
    xhat = xmu * ivar
    return gamma * xhat + beta, xhat, ivar


def exact(problem: Problem) -> dict[str, np.ndarray]:
    """The four results, rounded once, from 300 bits; dx through the whole Jacobian of a column.

    d xhat_i / d x_j = ivar * (delta_ij - 1/N - xhat_i * xhat_j / N).
    """
    with mpmath.workprec(PRECISION):
        x, gamma, beta, dout = map(_mp, (problem.x, problem.gamma, problem.beta, problem.dout))
        n, d = x.shape
        out, xhat, ivar = exact_out(x, gamma, beta, mpmath.mpf(problem.eps))
        dx = np.empty((n, d), object)
        for column in range(d):
            h = xhat[:, column]
            slope = (np.eye(n, dtype=int) - (1 + np.outer(h, h)) / mpmath.mpf(n)) * ivar[column]
            dx[:, column] = slope.T.dot(dout[:, column] * gamma[column])
        results = {"out": out, "dx": dx, "dgamma": (dout * xhat).sum(axis=0), "dbeta": dout.sum(axis=0)}
        return {name: np.array(value, dtype=object).astype(np.float64) for name, value in results.items()}


# ---- by hand, with every variable ------------------------------------------------------------------------


class _ReturnLocals(ast.NodeTransformer):
    def visit_Return(self, node: ast.Return) -> ast.Return:
        return ast.copy_location(ast.Return(ast.parse("dict(locals())", mode="eval").body), node)


def source_of_backward() -> str:
    return textwrap.dedent(inspect.getsource(batchnorm.batchnorm_backward))


def compiled(source: str | ast.Module) -> Callable[..., Any]:
    """The function `batchnorm_backward` that `source` defines."""
    tree = ast.parse(source) if isinstance(source, str) else source
    namespace = dict(batchnorm.batchnorm_backward.__globals__)
    exec(compile(ast.fix_missing_locations(tree), "<batchnorm_backward>", "exec"), namespace)
    return namespace["batchnorm_backward"]  # type: ignore[no-any-return]


def staged_variables(dout: Any, cache: Any, source: str | None = None) -> dict[str, Any]:
    """The local variables of the handwritten backward pass as it returns."""
    tree = _ReturnLocals().visit(ast.parse(source or source_of_backward()))
    return compiled(tree)(dout, cache)  # type: ignore[no-any-return]


def staged(problem: Problem) -> dict[str, Any]:
    out, cache = batchnorm.batchnorm_forward(*problem.parameters)
    return {
        "out": out,
        **dict(zip(("dx", "dgamma", "dbeta"), batchnorm.batchnorm_backward(problem.dout, cache), strict=True)),
    }


def compact(problem: Problem) -> dict[str, Any]:
    out, cache = batchnorm.batchnorm_forward(*problem.parameters)
    gradients = batchnorm.batchnorm_backward_fused(problem.dout, cache)
    return {"out": out, **dict(zip(("dx", "dgamma", "dbeta"), gradients, strict=True))}


# ---- the engine, edge by edge ----------------------------------------------------------------------------


def forward_nodes(out: Tensor) -> dict[str, Tensor]:
    """The nodes of the staged graph by name, found from the output downwards."""
    gammax, beta = out.operands
    gamma, xhat = gammax.operands  # type: ignore[union-attr]
    xmu, ivar = xhat.operands  # type: ignore[union-attr]
    (sqrtvar,) = ivar.operands  # type: ignore[union-attr]
    (shifted,) = sqrtvar.operands  # type: ignore[union-attr]
    var, _ = shifted.operands  # type: ignore[union-attr]
    _, var_sum = var.operands  # type: ignore[union-attr]
    (sq,) = var_sum.operands  # type: ignore[union-attr]
    x, mu = xmu.operands  # type: ignore[union-attr]
    _, mu_sum = mu.operands  # type: ignore[union-attr]
    assert sq.operands == (xmu,)  # type: ignore[union-attr]
    assert mu_sum.operands == (x,)  # type: ignore[union-attr]
    found = dict(locals())
    found.pop("_")
    return found


def engine_gradients(out: Tensor, dout: Any) -> dict[str, Any]:
    """The fourteen, as the engine's sweep has them: gradients of nodes, and of edges where a node has two."""
    nodes = forward_nodes(out)
    grad, parts = {}, {}
    for node, g, sent in sweep({out: dout}):
        grad[node], parts[node] = g, sent
    found = {f"d{name}": grad[node] for name, node in nodes.items() if node in grad}
    found["dxmu1"], found["divar"] = parts[nodes["xhat"]]
    (found["dxmu2"],) = parts[nodes["sq"]]
    found["dx1"], found["dmu"] = parts[nodes["xmu"]]
    (found["dx2"],) = parts[nodes["mu_sum"]]
    return {name: found[name] for name in FOURTEEN}
