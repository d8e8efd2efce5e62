"""Write the compact backward as one function that runs by itself: what it needs of the forward, then its lines."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from micrograd.derivation.kernel import Poly
from micrograd.derivation.printing.numpy_code import NumpyCode, ident, inlined
from micrograd.derivation.search import Search, names

__all__ = ["Written", "write_function"]


@dataclass(frozen=True, slots=True)
class Written:
    """A function as text.

    Attributes:
        name: of the function.
        source: its text.
        constants: arrays of the forward that are neither arguments nor computed, by name.
        gradients: names of the results, in order.
    """

    name: str
    source: str
    constants: Mapping[str, Any]
    gradients: tuple[str, ...]

    def function(self, **more: Any) -> Callable[..., Any]:
        """Return the function itself; `inspect.getsource` shows its text."""
        file = f"<{self.name}>"
        linecache.cache[file] = (len(self.source), None, self.source.splitlines(keepends=True), file)
        space: dict[str, Any] = {"np": np, **self.constants, **more}
        exec(compile(self.source, file, "exec"), space)  # noqa: S102 - made of the names in the user's own source
        made: Callable[..., Any] = space[self.name]
        return made


def write_function(search: Search, lines: Mapping[str, Poly], run: int = 0) -> Written:
    """Write the function ``f_backward(dout, x, ...)``, which returns the gradients of the inputs.

    Args:
        search: what is known.
        lines: the program.
        run: whose constant arrays are taken.
    """
    net = search.net
    need = _needed(search, lines)
    inputs = {n.name for n in net.runs[0].forward.inputs}
    code = NumpyCode(search)
    code.usable = {*inputs}
    forward = []
    for n in [n for n in net.values if n in need]:
        v = net.values[n]
        called = v.definition is None or v.op == "where"  # not as a sum with masks: -1e9 would cost all digits
        forward += [code.as_called(v)] if called or v.definition is None else code.line(n, v.definition)
        code.usable.add(n)
    backward = code.statements(lines)
    statements = [*forward, *backward]
    before = code.preamble(statements, of_inputs=True)
    text = "\n".join([*before, *statements])
    constants = {
        ident(n): net.array(v, run) if v.op == "constant" else np.asarray(net.runs[run].forward.fixed[v.index])
        for n, v in net.values.items()
        if v.op in ("constant", "parameter") and v.index >= 0 and ident(n) in text
    }
    numbers = {n: c for n, c in net.constants.items() if n.isidentifier() and n in text}
    graph = net.runs[0].forward
    name = f"{graph.name if graph.name.isidentifier() else 'f'}_backward"
    given = [*(ident(c) for c in net.cotangents if net.values[c].shape), *_parameters(search, numbers)]
    local = [f"{n} = {c!r}" for n, c in numbers.items() if not any(g.split("=")[0] == n for g in given)]
    gradients = tuple(called for called, _ in net.results())
    body = [*_guard(search), *local, *before, *statements, f"return {', '.join(ident(n) for n in gradients)}"]
    source = f"def {name}({', '.join(given)}):\n" + "".join(f"    {line}\n" for line in body)
    return Written(name, source, constants, gradients)


def _guard(search: Search) -> list[str]:
    """Return the statements that refuse other sizes, where the program has been derived for one only."""
    run = search.net.runs[0]
    shapes = {ident(n.name): n.shape for n in run.forward.inputs if n.shape}
    if len(search.net.runs) > 1 or not shapes:
        return []
    tests = " or ".join(f"{n}.shape != {shape}" for n, shape in shapes.items())
    wanted = ", ".join(f"{n} {shape}" for n, shape in shapes.items())
    return [f"if {tests}:", f'    raise ValueError("derived for these shapes only: {wanted}")']


def _needed(search: Search, lines: Mapping[str, Poly]) -> set[str]:
    """Return the values of the forward that a program reads, and those that they need."""
    net, code = search.net, NumpyCode(search)
    code.statements(lines)
    need: set[str] = set()
    order = list(net.values)
    definitions = [net.values[n].definition for n in sorted(code.temporary)]
    waiting = [n for p in [*lines.values(), *(p for p in definitions if p is not None)] for n in _reads(search, p)]
    while waiting:
        n = waiting.pop()
        v = net.values[n]
        if n not in need and not v.backward and v.op not in ("input", "onehot", "parameter", "constant"):
            need.add(n)
            usable = order[: order.index(n)]
            waiting += (
                [o for o in net.operands(v) if isinstance(o, str)]
                if v.definition is None or v.op == "where"
                else sorted(names(inlined(search, v.definition, usable=usable)))
            )
    return need


def _reads(search: Search, p: Poly) -> list[str]:
    return sorted(names(inlined(search, p)))


def _parameters(search: Search, numbers: Mapping[str, float]) -> list[str]:
    """Return the parameters in the order of the user's function: arrays, integer labels, then named numbers."""
    net = search.net
    arrays = [n.name for n in net.runs[0].forward.inputs]
    labels = [one.source for one in net.onehots.values()]
    plain = [n for n in [*net.arguments, *arrays, *labels] if n in {*arrays, *labels}]
    plain += [n for n in [*arrays, *labels] if n not in plain]
    settings = [f"{n}={numbers[n]!r}" for n in net.arguments if n in numbers]
    return [*dict.fromkeys(map(ident, plain)), *settings]
