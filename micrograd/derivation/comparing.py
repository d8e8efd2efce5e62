"""Say by which formula a line of a hand derivation is off: twice what it must be, or too large by a term.

Each line is NumPy in the names of the forward and of earlier lines. It is traced like any other code, at every size of
the derivation, and compared with the gradient that the chain rule gives. Later lines are compared on true values, so
that a mistake counts once.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from micrograd.derivation.derivation import Derivation
from micrograd.derivation.kernel import Atom, F, Label, Mono, Poly, atoms, const, frozen, mono, scale, size, thaw, var
from micrograd.derivation.lifting import Net, Run, Unsupported
from micrograd.derivation.lifting.axes import assign_axes, picked_rows
from micrograd.derivation.lifting.numbers import UnknownNumber
from micrograd.derivation.lifting.rows import define_all
from micrograd.derivation.printing.formulas import Formulas
from micrograd.derivation.printing.numpy_code import NumpyCode
from micrograd.derivation.search import factored
from micrograd.derivation.wording import WORDS, say
from micrograd.errors import GraphError, MicrogradError
from micrograd.graph import Graph
from micrograd.graph.backward import Pairs
from micrograd.tracing import trace

__all__ = ["Comparer", "Comparison"]

Verdict = Literal["follows", "carried", "own", "wrong", "shape", "unknown"]
_FACTORS = (F(-1), F(2), F(1, 2), F(-2), F(-1, 2))
_LONGEST = 3  # factors of a quotient that is said
_OF_THE_LINE = "·"  # before the names of a line's own values


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is found of one line.

    Attributes:
        target: what the line assigns.
        verdict: ``follows``; ``carried``: right, but it reads a wrong line; ``own``: a value that the engine has no
            gradient for; ``wrong``; ``shape``; ``unknown``: an operation that has no formula here.
        times: the factor by which it is off, as a formula; empty where it is none.
        excess: what it is too large by, as a formula; empty where a factor says it.
        lacks: what it leaves out, as a formula, where the excess is less than nothing.
        because: facts about sums that make a line right that leaves something out, each with its proof.
        detail: for ``carried`` the lines, for ``shape`` both shapes, for ``unknown`` the refusal.
        formula: the factor, or the excess, as an expression.
        facts: those of `because`, as expressions.
    """

    target: str
    verdict: Verdict
    times: str = ""
    excess: str = ""
    lacks: str = ""
    because: tuple[str, ...] = ()
    detail: str = ""
    formula: Poly | None = field(default=None, repr=False, compare=False)
    facts: tuple[tuple[Poly, Poly], ...] = field(default=(), repr=False, compare=False)

    def message(self, lang: str = "en") -> str:
        """Return the comparison in a sentence."""
        if self.times:
            return say(WORDS["line.times"], lang, target=self.target, factor=self.times)
        if self.excess:
            return say(WORDS["line.excess"], lang, target=self.target, excess=self.excess)
        if self.lacks:
            return say(WORDS["line.lacks"], lang, target=self.target, excess=self.lacks)
        if self.because:
            return say(WORDS["line.because"], lang, target=self.target, facts=", ".join(self.because))
        return say(WORDS[f"line.{self.verdict}"], lang, target=self.target, detail=self.detail)


class Comparer:
    """Compares the lines of a hand derivation, in order, with a derivation.

    >>> import numpy as np, micrograd as mg
    >>> def unit(x):
    ...     norm = np.sqrt(np.sum(x**2, axis=1, keepdims=True))
    ...     y = x / norm
    ...     return y
    >>> comparer = Comparer(mg.derive(unit, np.array([[3.0, 4.0], [1.0, 2.0]])))
    >>> comparer.line("dx = (dy - np.sum(dy * y, axis=1, keepdims=True) * y) / norm**2").message()
    'dx is 1/norm times what it must be.'
    """

    def __init__(self, derivation: Derivation) -> None:
        self.derivation, self.search = derivation, derivation.search
        self.net, self.algebra, self.book = self.search.net, self.search.algebra, self.search.book
        self.formulas = Formulas(self.search)
        self.wrong: set[str] = set()
        backward = self.net.runs[0].backward
        self._aliases = {n.name: self.net.names["b", n.index] for n in backward.nodes}
        self._aliases |= {a: self._aliases[n] for a, n in backward.aliases.items() if n in self._aliases}
        self._own: dict[str, tuple[tuple[Label, ...], tuple[Poly, Poly]]] = {}
        self._spaces = [self._space(i) for i in range(len(self.net.runs))]

    def _space(self, run: int) -> dict[str, Any]:
        """Return the values that a line may read, in one run."""
        forward, backward = self.net.runs[run].forward, self.net.runs[run].backward
        space: dict[str, Any] = {n.name: forward.values[n.index] for n in forward.nodes if n.name.isidentifier()}
        space |= {n.name: backward.values[n.index] for n in backward.nodes if n.name.isidentifier()}
        space |= {called: backward.values[n.index] for n in backward.nodes if (called := self.net.names["b", n.index])}
        for alias, name in self._aliases.items():
            space.setdefault(alias, space.get(name))
        space |= {name: self.net.lengths[run][r] for r, name in self.net.size_name.items()}
        for label, one in self.net.onehots.items():
            side, index = one.node
            v = next(u for u in self.net.values.values() if u.index == index and u.backward == (side == "b"))
            columns = picked_rows(self.net, v, run)
            assert columns is not None
            classes = self.net.lengths[run][self.net.values[label].labels[-1][0]]
            space |= {label: np.eye(classes)[columns], one.source: columns}
        return space | {n: c for n, c in self.net.constants.items() if n.isidentifier()}

    # ---- one line ------------------------------------------------------------------------------------

    def line(self, text: str, reference: str = "") -> Comparison:
        """Compare one line, ``name = expression``, with the gradient of that name.

        Args:
            text: the line.
            reference: the name of the gradient, where the line calls it otherwise.

        Raises:
            GraphError: the line is no assignment of one name, or reads a name that nobody knows.
        """
        target, tree = _parsed(text)
        name = self._resolved(reference or target)
        try:
            labels, forms, shape = self._lifted(target, tree, name)
        except (Unsupported, UnknownNumber) as error:
            return Comparison(target, "unknown", detail=str(error) or "a number that is not recognised")
        if name not in self.net.values:
            self._own[target] = (labels, forms)
            return Comparison(target, "own")
        v = self.net.values[name]
        if shape != v.shape:
            self.wrong.add(target)
            return Comparison(target, "shape", detail=f"{shape}, {v.shape}")
        to = dict(zip(labels, v.labels, strict=True))
        mine, short = (self.algebra.relabel(p, to) for p in forms)
        if self.algebra.is_zero(self.algebra.sub(mine, self.book.leaf(name))):
            self.wrong.discard(target)
            read = sorted(self.wrong & {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)})
            if read:
                return Comparison(target, "carried", detail=", ".join(read))
            facts = self._facts(short, name)
            shown = self.formulas.text
            because = tuple(dict.fromkeys(f"{shown(left)} = {shown(right)}" for left, right in facts))
            return Comparison(target, "follows", because=because, facts=facts)
        self.wrong.add(target)  # later lines are compared on the true value: a mistake counts once
        strict, self.search.cover.strict = self.search.cover.strict, False
        try:
            return self._difference(target, short, name)
        finally:
            self.search.cover.strict = strict

    def bind(self, identifier: str, name: str) -> None:
        """Let lines read a value, or a gradient, by another name; `name` is its name in the derivation's net."""
        self._aliases[identifier] = name
        v = self.net.values[name]
        for run, space in zip(self.net.runs, self._spaces, strict=True):
            graph = run.backward if v.backward else run.forward
            space[identifier] = graph.values[v.index]

    def code(self, formula: Poly, name: str) -> list[str]:
        """Return a formula as NumPy: statements, the last of which assigns to the gradient whose shape it has."""
        code = NumpyCode(self.search)
        statements = code.line(name, formula)
        return [*code.preamble(statements), *statements]

    def _resolved(self, name: str) -> str:
        return name if name in self.net.values else self._aliases.get(name, name)

    def _facts(self, short: Poly, name: str) -> tuple[tuple[Poly, Poly], ...]:
        """Return the facts about sums without which the line would not be right."""
        k, line = self.algebra, self.search.lines.get(name)
        staged = self.net.values[name].definition if line is None else line.staged
        wide = k.rebuild(staged or {}, lambda a: self.book.at(self.book.product, a))
        log: list[tuple[Atom, Poly]] = []
        self.book.settled(k.sub(wide, short), log)
        return tuple((var(a), p) for a, p in log)

    def _difference(self, target: str, mine: Poly, name: str) -> Comparison:
        """Return in which way a line is off: by a factor, or by what it has too much, in the names of the forward."""
        k, cover, cost = self.algebra, self.search.cover, self.search.cost
        truth, shown = self.book.opened(name), self.formulas.text
        for c in _FACTORS:
            if k.is_zero(self.book.leaves(k.sub(mine, scale(truth, c)))):
                return Comparison(target, "wrong", times=str(c), formula=const(c))
        for r, n in self.net.size_name.items():
            for e, said in ((1, n), (-1, f"1/{n}")):
                if k.is_zero(self.book.leaves(k.sub(mine, k.mul(truth, k.power(size(r), e))))):
                    return Comparison(target, "wrong", times=said, formula=k.power(size(r), e))
        subsets = self.search.subsets("")
        if mine and truth and (quotient := self._quotient(mine, truth)) is not None:
            options = [p for s in subsets if (p := cover.folded(quotient, s)) is not None and not _sums(p)]
            if options:
                best = min(options, key=cost.symbols)
                return Comparison(target, "wrong", times=shown(best), formula=best)
        off, _ = self.book.shrunk(self.book.settled(k.sub(mine, truth)))
        found = [factored(p, cost) for s in subsets if (p := cover.folded(off, s)) is not None]
        if not found:
            return Comparison(target, "wrong")
        best = min(found, key=lambda p: self.search.score(p, self.net.values[name]))
        if all(c < 0 for c in best.values()):
            return Comparison(target, "wrong", lacks=shown(scale(best, -1)), formula=best)
        return Comparison(target, "wrong", excess=shown(best), formula=best)

    def _quotient(self, mine: Poly, truth: Poly) -> Poly | None:
        """Return a short monomial by which one expression is the other, where there is one."""
        k = self.algebra
        first = min(truth, key=repr)
        for m in mine:
            ratio = k.mul({m: mine[m]}, k.power({first: truth[first]}, -1))
            if len(ratio) != 1 or len(next(iter(ratio))) > _LONGEST:
                continue
            if k.is_zero(self.book.leaves(k.sub(mine, k.mul(truth, ratio)))):
                return ratio
        return None

    # ---- from text to an expression ------------------------------------------------------------------

    def _lifted(
        self, target: str, tree: ast.expr, name: str
    ) -> tuple[tuple[Label, ...], tuple[Poly, Poly], tuple[int, ...]]:
        """Return the labels of a line, what it says at the level of leaves and of products, and its shape."""
        runs, read = self._traced(target, tree)
        numbers = {n: self._spaces[0][n] for n in read if isinstance(self._spaces[0][n], float)}
        net = Net(runs, numbers, algebra=self.algebra, prefix=_OF_THE_LINE)
        assign_axes(net)
        to = self._ranges(net, name)
        net.size_name = {r: self.net.size_name.get(to[r], net.size_name[r]) for r in net.length}
        define_all(net)
        out = net.values[net.names["f", runs[0].forward.outputs[0].index]]
        forms = tuple(self._opened(net, out.name, to, level) for level in (0, 1))
        labels = tuple((to[r], i) for r, i in out.labels)
        return labels, (forms[0], forms[1]), out.shape

    def _traced(self, target: str, tree: ast.expr) -> tuple[list[Run], list[str]]:
        """Trace a line at every size; what it computes is a value that later lines may read."""
        read = sorted({n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} - {"np"})
        for n in read:
            if n not in self._spaces[0]:
                raise GraphError(f"{target} reads {n!r}, which is no value of the forward and no earlier line.")
        arrays = [n for n in read if isinstance(self._spaces[0][n], np.ndarray) and self._floats(n)]
        called = target if target not in arrays else f"{target}_"
        text = f"def line({', '.join(arrays)}):\n    {called} = {ast.unparse(tree)}\n    return {called}\n"
        file = f"<line of {target}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        runs, results = [], []
        for space in self._spaces:
            scope: dict[str, Any] = {"np": np, **{n: space[n] for n in read if n not in arrays}}
            exec(compile(text, file, "exec"), scope)  # noqa: S102 - the user's own line
            try:
                with np.errstate(all="ignore"):  # a wrong line may take roots of negative numbers
                    graph = trace(scope["line"], *(space[n] for n in arrays))
            except MicrogradError as error:
                raise Unsupported(str(error)) from None
            runs.append(Run(graph, Graph([], []), Pairs()))
            results.append(graph.values[graph.outputs[0].index])
        if self._resolved(target) not in self.net.values:
            for space, value in zip(self._spaces, results, strict=True):
                space[target] = np.asarray(value)
        return runs, read

    def _floats(self, name: str) -> bool:
        return bool(self._spaces[0][name].dtype.kind == "f")

    def _ranges(self, net: Net, name: str) -> dict[int, int]:
        """Return which axis of the derivation each axis of a line is."""
        to: dict[int, int] = {}
        for v in net.values.values():
            if v.op == "input":
                for own, known in zip(v.labels, self._labels(v.name[len(_OF_THE_LINE) :]), strict=True):
                    to.setdefault(own[0], known[0])
        out = net.values[net.names["f", net.runs[0].forward.outputs[0].index]]
        of = self.net.values.get(name)
        if of is not None and len(of.labels) == len(out.labels):  # axes of no operand, as of np.ones((N, D))
            for own, known in zip(out.labels, of.labels, strict=True):
                to.setdefault(own[0], known[0])
        for r in net.length:
            to.setdefault(r, 1000 + r)
        return to

    def _labels(self, name: str) -> Sequence[Label]:
        return self._own[name][0] if name in self._own else self.net.values[self._resolved(name)].labels

    def _opened(self, net: Net, name: str, to: Mapping[int, int], level: int) -> Poly:
        """Return a value of a line in terms of the derivation, at the level of leaves (0) or of products (1)."""
        memo: dict[str, Poly] = {}

        def form(n: str) -> Poly:
            if n not in memo:
                v = net.values[n]
                if v.definition is not None:
                    memo[n] = self.algebra.rebuild(_moved(v.definition, to), entry)
                else:
                    memo[n] = self._known(n[len(_OF_THE_LINE) :], level, [(to[r], i) for r, i in v.labels])
            return memo[n]

        def entry(a: Any) -> Poly | None:
            v = net.values.get(a[1])
            if v is None:
                return None
            return self.algebra.relabel(form(a[1]), dict(zip([(to[r], i) for r, i in v.labels], a[2], strict=True)))

        return form(name)

    def _known(self, name: str, level: int, labels: Sequence[Label]) -> Poly:
        if name in self._own:
            own, forms = self._own[name]
            return self.algebra.relabel(forms[level], dict(zip(own, labels, strict=True)))
        name = self._resolved(name)
        v = self.net.values.get(name)
        if v is None:
            raise Unsupported(f"{name} is no value of the forward")
        p = self.book.leaf(name) if level == 0 else self.book.product(name)
        return self.algebra.relabel(p, dict(zip(v.labels, labels, strict=True)))


def _sums(p: Poly) -> bool:
    """Check that an expression has a sum in it: as a factor it explains nothing."""
    return any(a[0] == "S" for a in atoms(p))


def _parsed(text: str) -> tuple[str, ast.expr]:
    try:
        body = ast.parse(text.strip()).body
    except SyntaxError as error:
        raise GraphError(f"{text.strip()!r} is no line of Python: {error.msg}.") from None
    if len(body) != 1 or not isinstance(body[0], ast.Assign) or len(body[0].targets) != 1:
        raise GraphError(f"{text.strip()!r}: expected one assignment, such as dx = gamma * dout.")
    target = body[0].targets[0]
    if not isinstance(target, ast.Name):
        raise GraphError(f"{text.strip()!r}: expected a name on the left, such as dx = gamma * dout.")
    return target.id, body[0].value


def _moved(p: Poly, to: Mapping[int, int]) -> Poly:
    """Return an expression with its axes called as another net calls them."""

    def label(one: Label) -> Label:
        r = to.get(one[0], one[0])
        return (r, one[1]) if len(one) == 2 else (r, "@", one[2], tuple(map(label, one[3])))

    def atom(a: Any) -> Any:
        match a[0]:
            case "v":
                return ("v", a[1], tuple(map(label, a[2])))
            case "n":
                return ("n", to.get(a[1], a[1]))
            case "S":
                return ("S", tuple(sorted(map(label, a[1]))), moved(a[2]))
            case "P":
                return ("P", frozen(_moved(thaw(a[1]), to)))
            case "f":
                return (*a[:2], *(frozen(_moved(thaw(q), to)) for q in a[2:]))
        return a

    def moved(m: Mono) -> Mono:
        return mono((atom(a), e) for a, e in m)

    return {moved(m): c for m, c in p.items()}
