"""Define each operation as an expression of its operands: one entry per row of the table that is more than a function.

A row that is not here and works entry by entry is a function of its operands, of which nothing is known but that
equal operands give equal results. Broadcasts, transposes and reshapes only move labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from micrograd.derivation.kernel import Algebra, F, Label, Poly, const, scale, value
from micrograd.derivation.lifting.axes import picked_rows, unit_index
from micrograd.derivation.lifting.net import Net, Onehot, Value
from micrograd.derivation.lifting.numbers import number, uniform
from micrograd.primitives import TABLE

__all__ = ["define_all", "entry"]

Rule = Callable[[Net, Value], Poly | None]
"""Returns what a value is, or None where it stands for itself."""


def define_all(net: Net) -> None:
    """Set the definition of every value, and note which are positive, masks or one-hot."""
    algebra = net.algebra
    for v in list(net.values.values()):
        if v.dtype == "bool":
            algebra.masks.add(v.name)
        v.definition = p = define(net, v)
        if p and all(c > 0 and all(algebra.is_nonnegative(a, e) for a, e in m) for m, c in p.items()):
            algebra.nonnegative.add(v.name)
            if any(all(algebra.is_positive(a) for a, _ in m) for m in p):
                algebra.positive.add(v.name)
    run = net.runs[0]
    net.outputs = [net.names["b", n.index] for n in run.backward.outputs]
    net.cotangents = [v.name for v in net.values.values() if v.backward and v.op == "input"]


def define(net: Net, v: Value) -> Poly | None:
    """Return a value in terms of its operands."""
    if v.op in ("input", "parameter", "constant", "onehot"):
        return None
    rule = _RULES.get(v.op)
    if rule is not None:
        return rule(net, v)
    if TABLE[v.op].kind == "map" and not net.node(v).attrs:
        return net.algebra.apply(v.op, *_operands(net, v))
    raise net.unsupported(v, v.op, "write it with sums, products, powers, exp, log, matmul, max and where")


# ---- operands ----------------------------------------------------------------------------------------------


def entry(net: Net, name: str, labels: Sequence[Label]) -> Poly:
    """Return an entry of a value; of an array whose entries are all the same that number."""
    v = net.values[name]
    if v.op == "constant" and uniform(net.array(v)) is not None:
        return number(net, v)
    return value(name, labels)


def _at(net: Net, v: Value, slot: int) -> Poly:
    """Return an operand at the labels of the result, aligned as NumPy broadcasts."""
    o = net.operands(v)[slot]
    if not isinstance(o, str):
        return number(net, v, slot)
    src = net.values[o]
    lead = len(v.dims) - len(src.dims)
    return entry(net, o, [label for a, own in enumerate(src.dims) if own for label in v.dims[a + lead]])


def _operands(net: Net, v: Value) -> list[Poly]:
    return [_at(net, v, slot) for slot in range(len(net.node(v).operands))]


# ---- entry by entry ----------------------------------------------------------------------------------------


def _entrywise(f: Callable[..., Poly]) -> Rule:
    """Make a rule of a formula in the algebra and the operands."""
    return lambda net, v: f(net.algebra, *_operands(net, v))


def _pow(net: Net, v: Value) -> Poly:
    exponent = net.node(v).attrs["exponent"]
    q = F(exponent).limit_denominator(1000)
    if float(q) != float(exponent) or any(
        net.node(v, run).attrs["exponent"] != exponent for run in range(len(net.runs))
    ):
        raise net.unsupported(v, f"the power {exponent}", "use an exponent that is a fraction, such as 2 or 0.5")
    return net.algebra.power(_at(net, v, 0), q)


def _sqrt(net: Net, v: Value) -> Poly:
    net.algebra.nonnegative.add(v.name)
    return net.algebra.power(_at(net, v, 0), F(1, 2))


def _exp(net: Net, v: Value) -> Poly:
    net.algebra.positive.add(v.name)
    return net.algebra.apply("exp", _at(net, v, 0))


def _where(net: Net, v: Value) -> Poly:
    chosen, yes, no = _operands(net, v)
    o = net.operands(v)[0]
    if not isinstance(o, str) or net.values[o].dtype != "bool":
        raise net.unsupported(v, "where with a condition that is no truth value", "write a comparison, such as m > 0")
    k = net.algebra
    return k.add(k.mul(chosen, yes), k.mul(k.sub(const(1), chosen), no))


def _cast(net: Net, v: Value) -> Poly:
    src = net.values[net.operand(v)]
    if v.dtype[:5] != "float" or src.dtype[:3] not in ("boo", "int", "uin", "flo"):
        raise net.unsupported(v, f"a cast from {src.dtype} to {v.dtype}", "keep numbers as floats")
    return _at(net, v, 0)


def _largest(net: Net, v: Value) -> None:
    """The largest stands for itself: which operand it is decides the gradient, by comparisons."""
    signs = [isinstance(o, str) and o in net.algebra.positive for o in net.operands(v)]
    if any(signs) and v.op == "maximum":
        net.algebra.positive.add(v.name)
    if v.op == "maximum" and any(o in (0, 0.0) for o in net.operands(v) if not isinstance(o, str)):
        net.algebra.nonnegative.add(v.name)


# ---- axes --------------------------------------------------------------------------------------------------


def _sum(net: Net, v: Value) -> Poly:
    o = net.operand(v)
    src = net.values[o]
    axes, keep = net.axes(v, len(src.shape))
    labels: list[Label] = []
    bound: list[Label] = []
    at = 0
    for a, own in enumerate(src.dims):
        if a in axes:
            made = [net.algebra.fresh(r) for r, _ in own]
            bound += made
            labels += made
            at += keep
        else:
            labels += v.dims[at]
            at += 1
    return net.algebra.sum_over(bound, entry(net, o, labels))


def _reshape(net: Net, v: Value) -> Poly:
    return entry(net, net.operand(v), v.labels)


def _transpose(net: Net, v: Value) -> Poly:
    place = {a: i for i, a in enumerate(net.node(v).attrs["axes"])}
    src = net.values[net.operand(v)]
    return entry(net, src.name, [label for a in range(len(src.dims)) for label in v.dims[place[a]]])


def _matmul(net: Net, v: Value) -> Poly:
    x, y = (net.values[net.operand(v, slot)] for slot in (0, 1))
    inner = tuple(net.algebra.fresh(r) for r, _ in x.dims[-1])
    lead = v.dims[:-2]

    def batch(w: Value) -> list[Label]:
        own = w.dims[:-2]
        return [label for a, d in enumerate(own) if d for label in lead[a + len(lead) - len(own)]]

    left = [*batch(x), *(v.dims[-2] if x.dims[-2] else ()), *inner]
    right = [*batch(y), *inner, *(v.dims[-1] if y.dims[-1] else ())]
    return net.algebra.sum_over(inner, net.algebra.mul(entry(net, x.name, left), entry(net, y.name, right)))


def _gather(net: Net, v: Value) -> Poly:
    src = net.values[net.operand(v)]
    if picked_rows(net, v) is None:
        return _moved(net, v)
    y = _onehot(net, v, src)
    bound = tuple(net.algebra.fresh(r) for r, _ in src.dims[1])
    at = (*v.dims[0], *bound)
    return net.algebra.sum_over(bound, net.algebra.mul(value(y, at), entry(net, src.name, at)))


def _scatter(net: Net, v: Value) -> Poly:
    if picked_rows(net, v) is None:
        return _moved(net, v)
    o = net.operands(v)[0]
    y = _onehot(net, v, v)
    put = entry(net, o, v.dims[0] if net.values[o].dims[0] else ()) if isinstance(o, str) else number(net, v, 0)
    return net.algebra.mul(value(y, v.labels), put)


def _moved(net: Net, v: Value) -> Poly:
    """An index of None, full slices and 0 of unit axes only moves labels."""
    o = net.operands(v)[0]
    if not isinstance(o, str):
        return number(net, v, 0)
    src = net.values[o]
    to = {}
    for a, b in unit_index(net, v):
        s, d = (a, b) if v.op == "gather" else (b, a)
        to[s] = v.dims[d]
    return entry(net, o, [label for a in range(len(src.dims)) for label in to.get(a, ())])


def _onehot(net: Net, v: Value, big: Value) -> str:
    """Return the name of the one-hot rows of the integers that index `v`."""
    side = "b" if v.backward else "f"
    runs = range(len(net.runs))
    columns = [picked_rows(net, v, run) for run in runs]
    for name, known in net.onehots.items():
        w = next(u for u in net.values.values() if u.index == known.node[1] and u.backward == (known.node[0] == "b"))
        same = all(_equal(picked_rows(net, w, run), columns[run]) for run in runs)
        if same and net.values[name].labels == big.labels:
            return name
    first = columns[0]
    source = next((a for a, x in net.arguments.items() if _equal(x, first)), "y")
    label = "Y"
    while label in net.values or label in net.arguments or label in net.size_name.values():
        label += "_"
    net.onehots[label] = Onehot(source, (side, v.index))
    net.values[label] = Value(label, "onehot", big.shape, big.dims, big.labels, None, own=True)
    net.algebra.onehot[label] = len(big.dims[0])
    return label


def _equal(x: object, y: object) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind in "iu" and isinstance(y, np.ndarray) and np.array_equal(x, y)


_RULES: dict[str, Rule] = {
    "add": _entrywise(Algebra.add),
    "sub": _entrywise(Algebra.sub),
    "mul": _entrywise(Algebra.mul),
    "div": _entrywise(lambda k, x, y: k.mul(x, k.power(y, -1))),
    "neg": _entrywise(lambda _, x: scale(x, -1)),
    "reciprocal": _entrywise(lambda k, x: k.power(x, -1)),
    "log1p": _entrywise(lambda k, x: k.apply("log", k.add(const(1), x))),
    "expm1": _entrywise(lambda k, x: k.sub(k.apply("exp", x), const(1))),
    "square": _entrywise(lambda k, x: k.power(x, 2)),
    "pow": _pow,
    "sqrt": _sqrt,
    "exp": _exp,
    "where": _where,
    "cast": _cast,
    "maximum": _largest,
    "max": _largest,
    "sum": _sum,
    "broadcast": lambda net, v: _at(net, v, 0),
    "reshape": _reshape,
    "transpose": _transpose,
    "matmul": _matmul,
    "gather": _gather,
    "scatter": _scatter,
}
