"""What random programs are written with: a table of statements, to be extended by a line each.

In a statement ``{kind:name}`` stands for a variable of a kind, drawn from those that are alive, and ``{name}`` for the
same one again. Kinds: ``f`` floats, ``i`` whole numbers, ``b`` truth values, ``a`` any of them, ``l`` a list of arrays;
a digit behind it is the number of axes, ``n`` at least one. Besides: ``new`` a variable to be assigned, ``k`` a number,
``w`` a small whole number, ``at`` an index of the variable before it, ``ax`` an axis of it, ``dt`` a type of entries,
``fdt`` a type of floats, ``order`` an order in memory, ``shape`` a shape, ``un`` an elementwise function.
A line ``{body}`` is filled with statements; what is assigned above it is alive in it.
"""

from __future__ import annotations

import textwrap

__all__ = ["ARRAYS", "HEADER", "SLOTS", "SMOOTH", "STATEMENTS", "UNARY"]

HEADER = "import copy\nimport math\n\nimport micrograd as mg\nimport numpy as np\n"

SLOTS = {
    "k": ["0.5", "2", "3.0", "-1.5", "0.1", "1", "1.0", "-1", "0", "0.0", "0.25", "np.float64(0.5)", "np.float32(2)"],
    "w": ["1", "2", "3"],
    "dt": ["float", "np.float64", "np.float32", "np.float16", "int", "np.int32", "np.uint8", "bool", "'f4'", "np.int8"],
    "fdt": ["float", "np.float64", "np.float32", "np.float16"],
    "order": ["'C'", "'F'", "'A'", "'K'"],
    "shape": ["(3,)", "3", "(2, 3)", "(3, 3)", "(3, 2)", "(1, 3)", "(3, 1)", "()", "(0,)", "(0, 3)"],
}

UNARY = (
    *(
        [
            "exp",
            "log",
            "sqrt",
            "tanh",
            "square",
            "abs",
            "negative",
            "sin",
            "cos",
            "log1p",
            "expm1",
            "sign",
            "floor",
            "ceil",
            "rint",
            "reciprocal",
        ]
    ),
    *(["positive", "sinh", "cosh", "arctan", "cbrt", "exp2", "isnan", "isfinite", "arcsinh", "fabs", "trunc"]),
)

INDICES = {
    0: ["()", "...", "None"],
    1: [
        *("0", "-1", "1:", ":2", "::2", "::-1", ":", "...", "None", ":, None", "np.newaxis, ...", "[0, -1]", "0:0"),
        *("np.array([0, 1, 0])", "[True, False, True]", "{a} > 0", "np.argsort({a})", "np.abs({a}) < 1"),
    ],
    2: [
        *("0", "-1", "1:", ":, 1", "..., 0", "::-1", ":, ::-1", "None", ":, None", "0, 1", "-1, -1", "[0, 1, 0]", ":"),
        *("[0, 1], [1, 0]", "np.array([[0], [1]]), [0, 1]", "{a} > 0", "1:, :2", "...", "::2, 1:", "np.newaxis, 0"),
        *(":, [0, 0]", "np.arange(2), 0", "np.argmax({a}, axis=0)", "..., None", "{a}[:, 0] > 0"),
    ],
    3: ["0", "..., 0", ":, 0", "0, 0", "::-1", ":, :, ::-1", "{a} > 0", "..., None, 0"],
}

ARRAYS = {
    "make": """
        {new} = np.zeros({shape})
        {new} = np.zeros({shape}, {dt})
        {new} = np.ones({shape}, dtype={fdt})
        {new} = np.full({shape}, {k})
        {new} = np.empty_like({f:p}); {new}[...] = {p} * {k}
        {new} = np.zeros_like({a:p})
        {new} = np.ones_like({f:p})
        {new} = np.full_like({f:p}, {f0})
        {new} = np.zeros({f:p}.shape)
        {new} = np.zeros_like({f:p}, dtype={dt})
        {new} = np.arange(3) * {k}
        {new} = np.arange(3.0)
        {new} = np.eye(3)
        {new} = np.linspace(0, 1, 3)
        {new} = np.arange(6).reshape(2, 3)
        {new} = np.array([{f0}, {f0}, {k}])
        {new} = np.array([{f1:p}, {p}])
        {new} = [{fn}, {fn}]
        {new} = [{f0} for _ in range(3)]
        {new} = {f:p}
        {new} = {a:p}
    """,
    "write": """
        {fn:p}[{at}] = {k}
        {fn:p}[{at}] = {f0}
        {fn:p}[{at}] = {f}
        {fn:p}[{at}] += {f0}
        {fn:p}[{at}] *= {k}
        {fn:p}[{at}] -= {f}
        {an:p}[{at}] = {an:q}[{at}]
        {f:p} += {k}
        {f:p} += {f}
        {f:p} *= {f}
        {f:p} -= {p}.mean()
        {f:p} /= {k}
        {f:p} **= 2
        {i:p} += {w}
        {i:p} *= {i}
        {i:p} //= {w}
        {b:p} &= {b}
        {b:p} |= {f} > {k}
        {in:p}[{at}] = {w}
        {in:p}[{at}] = {f0}
        {bn:p}[{at}] = {b}
        {fn:p}[{p} > {k}] = {f0}
        {fn:p}[{p} < 0] *= {k}
        {fn:p}[{bn:m}] = {f}[{m}]
        {fn:p}[...] = {f}
        {fn:p}[:] = {f}
        {fn:p}.fill({k})
        {fn:p}.flat[0] = {f0}
        {fn:p}.sort()
        {fn:p}[[0, -1]] = {p}[[-1, 0]]
        {fn:p}[0], {p}[-1] = {p}[-1], {p}[0]
        {fn:p}[1:] = {p}[:-1]
        {fn:p}[1:] += {p}[:-1]
        {f1:p}.reshape(-1)[0] = {k}
        {f2:p}.T[0] = {f0}
        {f2:p}.ravel()[1] = {f0}
        np.add({f:p}, {f}, out={p})
        np.multiply({f:p}, {k}, out={p})
        np.exp({f}, out={f:p})
        np.add.at({fn:p}, [0, 0, -1], {f0})
        np.copyto({fn:p}, {f})
        np.copyto({fn:p}, {f}, where={b})
        np.put({fn:p}, [0, 1], {f0})
        np.fill_diagonal({f2:p}, {f0})
        np.putmask({fn:p}, {p} > 0, {f0})
        np.clip({f:p}, -1, 1, out={p})
        np.maximum({f:p}, {k}, out={p})
        np.nan_to_num({fn:p}, copy=False)
        np.minimum({i:p}, {w}, out={p})
        np.sum({f2:p}, axis=0, out={p}[0])
        {l:p}[0] = {fn}
        {l:p}[0] *= {k}
        if len({l:p}) < 6: {p}.append({fn})
        {l:p}[-1][...] = {k}
    """,
    "view": """
        {new} = {an:p}[{at}]
        {new} = {fn:p}[{at}]
        {new} = {fn:p}[{at}]; {new} *= {k}
        {new} = {fn:p}.T
        {new} = {fn:p}.T; {new}[0] = {k}
        {new} = {fn:p}.reshape(-1)
        {new} = np.reshape({fn:p}, (-1, 1))
        {new} = {fn:p}.reshape(-1, order={order})
        {new} = {fn:p}.ravel({order})
        {new} = {fn:p}.ravel(); {new}[0] = {f0}
        {new} = {fn:p}.ravel({order}); {new} += {k}
        {new} = {fn:p}.flatten({order})
        {new} = np.swapaxes({f2:p}, 0, 1)
        {new} = np.transpose({fn:p})
        {new} = np.atleast_2d({f:p})
        {new} = np.squeeze({fn:p})
        {new} = np.expand_dims({f:p}, 0)
        {new} = np.broadcast_to({f:p}, (2, *{p}.shape))
        {new} = np.flip({fn:p}); {new} += {k}
        {new} = {fn:p}.view()
        {new} = {fn:p}[:]
        {new} = np.asarray({f:p})
        {new} = np.diagonal({f2:p})
        {new}, *_ = np.array_split({fn:p}, 2)
        {new}, *_ = {fn:p}
        {new} = np.moveaxis({f2:p}, 0, 1)
        {new} = np.roll({fn:p}, {w}); {new}[0] = {k}
        {new} = np.rot90({f2:p})
        {new} = np.ravel({f:p}); {new} *= {k}
        {new} = {l:p}[0]
    """,
    "arithmetic": """
        {new} = {f} + {f}
        {new} = {f} - {f}
        {new} = {f} * {f}
        {new} = {f} * {k}
        {new} = {k} - {f}
        {new} = {f} / (1 + {f:p} * {p})
        {new} = {f} / {k}
        {new} = {f} ** 2
        {new} = {f} ** {k}
        {new} = ({f:p} * {p} + 0.5) ** {f}
        {new} = -{f}
        {new} = {f} % {k}
        {new} = {f} // {k}
        {new} = abs({f})
        {new} = {f} * {i}
        {new} = {f} + {b}
        {new} = {f} * {b}
        {new} = {f} / {i}
        {new} = {k} / {i}
        {new} = np.divide({i}, {w})
        {new} = {f2:p} @ {f}
        {new} = {f1:p} @ {f1:q}
        {new} = {f2:p} @ {p}.T
        {new} = np.dot({fn}, {fn})
        {new} = np.outer({f1}, {f})
        {new} = np.maximum({f}, {f})
        {new} = np.minimum({f}, {k})
        {new} = np.minimum({f}, {i})
        {new} = np.maximum({f}, 0)
        {new} = np.where({b}, {f}, {f})
        {new} = np.where({f:p} > {k}, {p}, {k})
        {new} = np.where({f:p} == {k}, {p}, {f})
        {new} = np.clip({f}, -0.5, {k})
        {new} = np.hypot({f}, {f})
        {new} = np.logaddexp({f}, {f})
        {new} = np.arctan2({f}, {f})
        {new} = np.einsum('ij,ij->i', {f2:p}, {p})
        {new} = np.einsum('ij->ji', {f2:p})
        {new} = np.add({f}, {f}, dtype={fdt})
        {new} = np.tensordot({f2:p}, {p}, axes={w})
        {new} = np.multiply.outer({f1}, {f1})
        {new} = np.subtract({b}, {f})
        {new} = math.exp({f0})
        {new} = math.sqrt(abs({f0}))
        {new} = sum({fn:p})
        {new} = max({f0}, {f0})
        {new} = {f0} * {f1:p}[0]
        {new} = np.linalg.norm({f:p})
        {new} = np.square({f}, dtype=np.float32)
        {new} = divmod({f}, 2)[1]
    """,
    "elementwise": """
        {new} = np.{un}({f})
        {new} = np.{un}({f:p} * {p} + 0.5)
        {new} = np.{un}({a})
        {new} = np.{un}({f}) * {f}
    """,
    "whole": """
        {new} = {i} + {i}
        {new} = {i} * {w}
        {new} = {i} - {w}
        {new} = {i} % {w}
        {new} = {i} // {w}
        {new} = -{i}
        {new} = {f:p}.astype({dt})
        {new} = np.sum({b})
        {new} = np.count_nonzero({f:p} > {k})
        {new} = np.argmax({fn})
        {new} = np.argsort({fn})
        {new} = np.cumsum({b})
        {new} = {fn:p}.shape[0]
        {new} = len({fn:p})
        {new} = {fn:p}.size
        {new} = np.arange(len({fn:p}))
        {new} = np.searchsorted(np.arange(3.0), {f})
        {new} = np.bitwise_and({i}, {i})
        {new} = {i} << {w}
        {new} = np.nonzero({fn})[0]
        {new} = np.sign({i})
        {new} = np.array([1, 2, 0])
        {new} = int({w})
    """,
    "truth": """
        {new} = {f} > {k}
        {new} = {f} <= {f}
        {new} = {f} == {f}
        {new} = {f:p} == {p}.max()
        {new} = {f:p} != {p}
        {new} = {i} == {w}
        {new} = ({f:p} > 0) & ({p} < 1)
        {new} = ({f:p} > 0) | {b}
        {new} = ~{b}
        {new} = {b} ^ {b}
        {new} = np.isnan({f})
        {new} = np.logical_and({f:p} > 0, {b})
        {new} = np.logical_not({b})
        {new} = np.any({b})
        {new} = np.all({b}, axis=0)
        {new} = {f:p}.shape == {f:q}.shape
        {new} = np.isclose({f}, {k})
        {new} = ({f} > {k}) * 1
        {new} = ({f} > {k}) * 1.0
        {new} = ({f:p} > {k}) * 1.0 - ({p} > 0) * 1.0
        {new} = ({f} > {k}) * {f}
        {new} = ({f:p} > 0) @ ({p} > 0)
        {new} = ({f} > 0) + ({f} > {k})
        {new} = ({f} > {k}) == 1
        {new} = ({f} > {k}).astype({dt})
    """,
    "reduce": """
        {new} = np.sum({f})
        {new} = np.sum({fn:p}, axis={ax})
        {new} = np.sum({fn:p}, axis={ax}, keepdims=True)
        {new} = np.sum({f}, dtype={fdt})
        {new} = {f:p}.sum()
        {new} = {fn:p}.sum({ax})
        {new} = np.mean({f})
        {new} = np.mean({fn:p}, axis={ax})
        {new} = {fn:p}.mean(axis={ax}, keepdims=True)
        {new} = {f:p} - {p}.mean()
        {new} = np.var({f})
        {new} = np.std({f:p} + {k})
        {new} = np.var({fn:p}, axis={ax}, ddof=1)
        {new} = np.max({fn})
        {new} = np.max({fn:p}, axis={ax})
        {new} = np.min({fn:p}, axis={ax}, keepdims=True)
        {new} = np.prod({fn})
        {new} = np.prod({fn:p}, axis={ax})
        {new} = np.cumsum({fn})
        {new} = np.cumsum({fn:p}, axis={ax})
        {new} = np.cumprod({fn:p})
        {new} = np.sum({fn:p}, where={p} > 0)
        {new} = np.mean({fn:p}, where={p} < 1)
        {new} = np.sum({f}, initial={k})
        {new} = np.max({fn}, initial={k})
        {new} = np.add.reduce({fn:p}, axis={ax})
        {new} = np.add.reduce({fn:p}, axis=None)
        {new} = np.multiply.reduce({fn})
        {new} = np.maximum.reduce({fn})
        {new} = np.add.accumulate({fn})
        {new} = np.maximum.accumulate({fn})
        {new} = np.trace({f2})
        {new} = np.sum({f:p} * ({p} > 0)) / np.sum({p} > 0)
        {new} = np.average({f:p}, weights={p} > 0)
        {new} = np.average({f:p})
        {new} = np.ptp({fn})
        {new} = np.median({fn})
        {new} = np.nansum({f})
        {new} = np.nanmax({fn})
        {new} = np.mean({i})
        {new} = np.mean(np.full(40000, {f0}, np.float16))
        {new} = np.max(np.full(70000, {f0}, np.float16)) * 0.5
        {new} = np.mean({b})
        {new} = np.sum({i}) * {f}
        {new} = np.linalg.norm({f2:p}, axis=1)
        {new} = np.diff({fn})
        {new} = np.any({f:p} > 0)
        {new} = sum({l})
    """,
    "order": """
        {new} = np.sort({fn})
        {new} = np.sort({fn:p}, axis={ax})
        {new} = np.take({fn}, [0, 1, 0])
        {new} = np.take_along_axis({f2:p}, np.argsort({p}, axis=1), axis=1)
        {new} = np.concatenate([{fn:p}, {p}])
        {new} = np.concatenate([{fn}, {fn}])
        {new} = np.stack([{f:p}, {p} * {k}])
        {new} = np.stack([{f:p}, {p}], axis=-1)
        {new} = np.hstack([{fn:p}, {fn}])
        {new} = np.vstack([{fn}, {fn}])
        {new} = np.pad({fn}, 1)
        {new} = np.pad({fn}, 1, mode='edge')
        {new} = np.tile({f}, 2)
        {new} = np.repeat({fn}, 2)
        {new} = np.roll({fn}, {w})
        {new} = np.triu({f2})
        {new} = np.tril({fn})
        {new} = np.append({f}, {f0})
        {new} = np.delete({fn}, 0)
        {new} = np.insert({fn}, 1, {f0})
        {new} = np.array(list({fn:p}))
        {new} = np.array([row * {k} for row in {fn:p}])
        {new} = np.stack([e + {k} for e in {fn:p}])
        {new} = np.diag({fn})
        {new} = np.select([{f:p} > 1, {p} > 0], [{p} * 2, {p}], {k})
        {new} = np.choose([0, 1, 0], [{f1:p}, {p} * 2])
        {new} = np.flatnonzero({f:p} > 0)
        {new} = np.extract({f:p} > 0, {p})
        {new} = np.compress([True, False, True], {f1})
    """,
    "copy": """
        {new} = {a:p}.copy()
        {new} = {fn:p}.copy(); {new}[0] = {k}
        {new} = {fn:p}.copy({order})
        {new} = np.array({f:p})
        {new} = np.array({f:p}, dtype={fdt})
        {new} = np.array({fn:p}, order={order})
        {new} = np.array({f:p}, ndmin=2)
        {new} = np.array({f:p}, copy=True); {new} *= 2
        {new} = copy.copy({a:p})
        {new} = copy.deepcopy({a:p})
        {new} = copy.deepcopy({l:p})
        {new} = list({l:p})
        {new} = {f:p}.astype({fdt})
        {new} = {a:p}.astype({fdt})
        {new} = {f:p}.astype({p}.dtype, copy=False)
        {new} = np.ascontiguousarray({fn:p})
        {new} = np.asfortranarray({f2:p})
        {new} = np.asarray({f:p}, dtype={fdt})
        {new} = +{f:p}
        {new} = {f:p} * 1
        {new} = {f:p} + 0
    """,
    "number": """
        {new} = {f:p}.item() if {p}.size == 1 else 1
        {new} = {f0} * 1.0
        {new} = float({w})
        {new} = bool({w})
        {new} = 3.0 if {k} in {i} else 0.5
        {new} = 3.0 if {i0} in (1, 2) else 0.5
        {new} = np.float64({k})
        {new} = {f:p}.ndim + {w}
        {new} = {f:p}.dtype.itemsize
    """,
    "value": """
        {new} = float({f0})
        {new} = int({f0}) + 1
        {new} = 2.0 if {f0} > {k} else 0.5
        {new} = 3.0 if {k} in {f} else 0.5
        {new} = 3.0 if {f0} == {k} else {f}
        {new} = {f:p}.max() if {p}.any() else {p}
        {new} = {fn:p}[int({w})] if {f0} else {p}
        {new} = {f:p}.tolist()
    """,
    "shape": """
        {new} = {f:p} * 2 if {p}.ndim > 1 else {p} + 1
        {new} = {f:p} if {p}.size > 2 else {f}
        {new} = {f:p} * len({p}.shape)
        {new} = {f:p} * {p}.shape[-1]
        {new} = {f:p} * 2 if {p}.dtype == np.float64 else {p}
        {new} = {f:p} / {p}.size
        {new} = {f:p} if isinstance({p}, np.ndarray) else {f}
        {new} = {f:p} if np.ndim({p}) else {k}
        {new} = {f:p} * ({p}.dtype.kind == 'f')
    """,
    "transform": """
        {new} = mg.grad(lambda u: np.sum(u ** 3))({f:p})
        {new} = mg.grad(lambda u: np.sum(np.tanh(u) * {k}))({fn:p})
        {new} = mg.vjp(lambda u: u * u, {fn:p})[1]({p})[0]
        {new} = mg.jvp(lambda u: u ** 2, [{fn:p}], [{p}])[1]
    """,
}
"""Statements by kind."""

BLOCKS = {
    "loop": """
        for {new:r} in {fn:p}:
            {body}

        for {new:r} in {f2:p}:
            {r} -= {r}.mean()

        for {new:j} in range(len({fn:p})):
            {p}[{j}] *= {k}

        for {new:j} in range(len({fn:p})):
            {p}[{j}] = {p}[{j}] ** 2 + {j}

        for {new:j} in range({w}):
            {body}

        for {new:j}, {new:r} in enumerate({fn:p}):
            {body}

        for {new:r}, {new:t} in zip({fn}, {fn}):
            {body}

        for {new:r} in {l}:
            {body}

        for {new:r} in ({fn}, {fn}):
            {r} *= {k}

        for {new:j} in {i1}:
            {body}

        {new:o} = np.zeros(len({fn:p}))
        for {new:j} in range(len({p})):
            {o}[{j}] = np.sum({p}[{j}]) * {k}

        {new:o} = np.empty(({w}, *{f:p}.shape))
        for {new:j} in range(len({o})):
            {o}[{j}] = {p} * {j}

        {new:o} = []
        for {new:r} in {fn}:
            {o}.append({r} * {k})
        {new:o} = np.array({o})

        {new:o} = 0.0
        for {new:r} in {fn}:
            {o} += {r} * {k}

        {new:j} = 0
        while {j} < {w}:
            {fn:p}[{j} % len({p})] += {j}
            {j} += 1
    """,
    "helper": """
        def {new:h}(u, t):
            {body}
            return {f}
        {new} = {h}({f}, {f})

        def {new:h}(u):
            {body}
        {h}({fn:p})

        def {new:h}(u):
            u -= u.mean()
        {h}({fn})

        def {new:h}(u, t={k}):
            u *= t
            return u
        {new} = {h}({f})

        def {new:h}():
            {fn:p}[0] = {f0}
            return {p}
        {new} = {h}()

        {new:h} = lambda u: u * {f} + {k}
        {new} = {h}({f})

        def {new:h}(u, *rest, scale=1.0):
            for t in rest:
                u += t * scale
            return u
        {new} = {h}({f:p}.copy(), {p}, scale={k})
    """,
    "branch": """
        if {fn:p}.shape[0] > {w}:
            {body}
        else:
            {body}

        if {f:p}.ndim == {w}:
            {body}

        if {i0} > {w}:
            {body}

        if {f:p}.dtype == {fdt}:
            {body}
    """,
    "decided": """
        if {f0} > {k}:
            {body}
        else:
            {body}

        if np.any({f} > {k}):
            {body}

        if {f0} == {k}:
            {body}

        while 1 < {f0:p} < 1e9:
            {p} = {p} / 2

        if {k} in {f}:
            {body}

        try:
            {body}
        finally:
            {body}
    """,
}
"""Statements of several lines, with blank lines between them."""

WEIGHTS = {
    "make": 4,
    "write": 8,
    "view": 5,
    "arithmetic": 7,
    "elementwise": 4,
    "whole": 2,
    "truth": 3,
    "reduce": 5,
    "order": 2,
    "copy": 3,
    "number": 1,
    "shape": 2,
    "loop": 4,
    "helper": 3,
    "branch": 1,
}
RARE = {"value": 1, "decided": 1, "transform": 1}
"""Kinds that ask for values, which what is compiled has none of, or that NumPy has no word for: every 120th statement."""

SMOOTH = {
    *(
        [
            "exp",
            "log",
            "sqrt",
            "tanh",
            "square",
            "negative",
            "sin",
            "cos",
            "log1p",
            "expm1",
            "reciprocal",
            "positive",
            "sinh",
            "cosh",
            "arctan",
            "exp2",
        ]
    ),
    *(
        [
            "zeros",
            "ones",
            "full",
            "empty_like",
            "zeros_like",
            "ones_like",
            "full_like",
            "arange",
            "eye",
            "linspace",
            "array",
            "reshape",
            "ravel",
            "sum",
        ]
    ),
    *(
        [
            "mean",
            "prod",
            "cumsum",
            "outer",
            "dot",
            "einsum",
            "concatenate",
            "stack",
            "transpose",
            "swapaxes",
            "asarray",
            "expand_dims",
            "newaxis",
        ]
    ),
    *(["float64", "float32", "pi", "float16", "add", "multiply"]),
}
"""The functions of NumPy that are analytic: a program of these alone has its slope from a complex step."""


STATEMENTS: dict[str, list[str]] = {
    **{kind: [line.strip() for line in text.strip().splitlines()] for kind, text in ARRAYS.items()},
    **{kind: textwrap.dedent(text).strip().split("\n\n") for kind, text in BLOCKS.items()},
}
