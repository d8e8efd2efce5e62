"""Print expressions as NumPy, in the user's layout: axes, keepdims, None, .T and reshape come back here."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from micrograd.derivation.kernel import (
    COMPARISONS,
    ONE,
    Atom,
    F,
    Label,
    Mono,
    Poly,
    Rat,
    const,
    free_labels,
    is_plain,
    key,
    labels_of,
    magnitude,
    thaw,
    value,
)
from micrograd.derivation.lifting import Value
from micrograd.derivation.lifting.rows import entry
from micrograd.derivation.printing.layout import Axes, Torn, aligned, fit
from micrograd.derivation.search import Search, exponents_up, factored, relabel, substitute, values_in

__all__ = ["NumpyCode", "ident", "inlined"]

_SUM, _PRODUCT, _UNARY, _POWER, _ATOM = 1, 2, 3, 4, 9
_LETTERS = "abcdefghijklm"  # of einsum
_LONG = 24  # characters of a value without a name that is computed once rather than written out twice


def ident(name: str) -> str:
    """Return a name as an identifier; later values of one name are numbered.

    >>> [ident(name) for name in ("out", "x'", "x''", "dx'4_add")]
    ['out', 'x_1', 'x_2', 'dx_4_add']
    """
    numbered = re.sub(r"('+)(\d*)", lambda found: f"_{found[2] or len(found[1])}", name)
    return re.sub(r"\W", "_", numbered)


def _reads(text: str, name: str) -> bool:
    """Check that a text of statements uses a name."""
    return re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text) is not None


def _bracket(shown: tuple[str, int], need: int) -> str:
    text, level = shown
    return text if level >= need else f"({text})"


def inlined(search: Search, p: Poly, keep: Iterable[str] = (), usable: Collection[str] | None = None) -> Poly:
    """Return an expression in which values of the forward without a name of their own are written out.

    Args:
        search: what is known.
        p: the expression.
        keep: values that have been given a name.
        usable: names of the forward that may be put in place of an equal value; all where left out.
    """
    net, book = search.net, search.book

    def found(a: Atom) -> Poly | None:
        v = net.values[a[1]]
        if v.backward:
            return const(1) if v.op == "input" and v.shape == () else None
        if v.own or v.definition is None or a[1] in keep:
            return None
        to = dict(zip(v.labels, a[2], strict=True))
        for n, w in net.values.items():
            if w.own and not w.backward and book.rep.get(n) == book.rep[a[1]] and (usable is None or n in usable):
                return value(n, tuple(to[label] for label in w.labels))
        return inlined(search, relabel(v.definition, to), keep, usable)

    return substitute(search.algebra, p, found)


class NumpyCode:
    """Prints the lines of a program.

    Attributes:
        sizes: axes whose lengths have been named.
        onehots: one-hot rows that have been named.
        composites: names of the lengths of axes that are products, by value and axis.
        temporary: values of the forward without a name that are needed more than once.
        usable: names of the forward that may be used in place of an equal value; None for all.
    """

    def __init__(self, search: Search) -> None:
        self.search, self.net, self.cost = search, search.net, search.cost
        self.sizes: set[int] = set()
        self.onehots: set[str] = set()
        self.composites: dict[tuple[str, int], str] = {}
        self.temporary: set[str] = set()
        self.usable: set[str] | None = None
        self._ndim = 0  # the number of axes of what has been printed, at the outermost level

    # ---- lines ---------------------------------------------------------------------------------------

    def line(self, name: str, p: Poly) -> list[str]:
        """Return the statements that compute a value, in the layout in which most of it lies already."""
        v = self.net.values[name]
        p = inlined(self.search, p, self.temporary - {name}, self.usable)
        p = min((p, factored(p, self.cost)), key=self.cost.symbols)
        best: tuple[float, list[str], set[int], set[str]] | None = None
        before = {*self.sizes}, {*self.onehots}
        for dims in self._layouts(v, p):
            self.sizes, self.onehots = {*before[0]}, {*before[1]}
            try:
                statements = self._in_layout(v, p, dims)
            except Torn:
                continue
            text = "\n".join(statements)
            moves = text.count(".reshape") + text.count(".transpose") + 0.3 * text.count("None")
            if best is None or moves < best[0]:
                best = moves, statements, self.sizes, self.onehots
        assert best is not None
        _, statements, self.sizes, self.onehots = best
        return statements

    def _layouts(self, v: Value, p: Poly) -> list[list[tuple[Label, ...]]]:
        layouts = [list(v.dims)]
        for a in values_in(p):
            if all(is_plain(label) and label[1] >= 0 for label in a[2]):
                dims, _ = self._dims(a)
                if {label for d in dims for label in d} == {*v.labels} and dims not in layouts:
                    layouts.append(dims)
        for w in self.net.values.values():  # the layout of any value of the forward
            if w.own and not w.backward and {*w.labels} == {*v.labels} and list(w.dims) not in layouts:
                layouts.append(list(w.dims))
        split: list[tuple[Label, ...]] = [(label,) for label in v.labels]
        return layouts if split in layouts else [*layouts, split]

    def _in_layout(self, v: Value, p: Poly, dims: list[tuple[Label, ...]]) -> list[str]:
        self._ndim = 0 if p else len(dims)
        shown = self.expression(p, dims) if p else (f"np.zeros({self._shape(dims)})", _ATOM)
        statements, text = self._moved_once(shown[0])
        shown = text, shown[1]
        if p and {*v.labels} - labels_of(p):  # every term is the same along an axis
            shown = f"np.broadcast_to({shown[0]}, {self._shape(dims)})", _ATOM
        elif self._ndim < len(dims):
            shown = f"np.reshape({shown[0]}, {self._shape(dims)})", _ATOM
        if dims != list(v.dims):
            text, ndim = fit(_bracket(shown, _ATOM), dims, v.dims, self._length)
            shown = (text if ndim == len(v.dims) else f"np.reshape({text}, {self._shape(v.dims)})"), _ATOM
        return [*statements, f"{ident(v.name)} = {shown[0]}"]

    def _moved_once(self, text: str) -> tuple[list[str], str]:
        """Give a name to a value that is turned or reshaped more than once."""
        moves = re.findall(r"\w+(?:\.(?:reshape|transpose)\([^()]*\))+", text)
        statements: list[str] = []
        for move in sorted({m for m in moves if moves.count(m) > 1}, key=lambda m: (-len(m), m)):
            short = move.split(".")[0] + "_"
            while short in self.net.values or any(s.startswith(f"{short} = ") for s in statements):
                short += "_"
            statements.append(f"{short} = {move}")
            text = re.sub(rf"(?<!\w){re.escape(move)}", short, text)
        return statements, text

    def program(self, lines: Mapping[str, Poly]) -> tuple[list[str], list[str]]:
        """Return what comes before a program (lengths, one-hot rows), and its statements."""
        statements = self.statements(lines)
        return self.preamble(statements), statements

    def statements(self, lines: Mapping[str, Poly]) -> list[str]:
        """Return the statements of a program; a value without a name that is needed twice gets one."""
        count: dict[str, int] = {}
        for p in lines.values():
            for a in values_in(p):
                v = self.net.values[a[1]]
                if not v.backward and not v.own and v.definition is not None:
                    count[a[1]] = count.get(a[1], 0) + 1
        made: list[str] = []
        for n in [n for n in self.net.values if count.get(n, 0) > 1]:
            definition = self.net.values[n].definition
            assert definition is not None
            statements = self.line(n, definition)
            if len(statements[-1]) > len(ident(n)) + _LONG or "np." in statements[-1]:
                self.temporary.add(n)
                made += statements
        statements = [s for n, p in lines.items() for s in self.line(n, p)]
        again = [f"{ident(called)} = {ident(n)}" for called, n in self.net.results() if called != n]
        return [*self._largest_read(lines), *made, *statements, *again]

    def _largest_read(self, lines: Mapping[str, Poly]) -> list[str]:
        """Return the statements of largest values without a name that a program reads."""
        read = {a[1] for p in lines.values() for a in values_in(inlined(self.search, p, (), self.usable))}
        found = [v for n, v in self.net.values.items() if n in read and v.op in ("max", "maximum")]
        return [self.as_called(v) for v in found if not v.own and v.name not in (self.usable or ())]

    def as_called(self, v: Value) -> str:
        """Return the statement of a value as the user calls it: a largest, the larger of two, or a choice."""
        if v.op == "max":
            src = self.net.values[self.net.operand(v)]
            axis, keep = self.net.node(v).attrs.get("axis"), self.net.node(v).attrs.get("keepdims", False)
            text = self._entry(src.name, src.labels, src.dims)
            settings = (f", axis={axis}" if axis is not None else "") + (", keepdims=True" if keep else "")
            return f"{ident(v.name)} = np.max({text}{settings})"
        parts = []
        for slot, o in enumerate(self.net.operands(v)):
            if isinstance(o, str):
                src = self.net.values[o]
                lead = len(v.dims) - len(src.dims)
                to = [label for a, own in enumerate(src.dims) if own for label in v.dims[a + lead]]
                parts.append(self._entry(o, to, v.dims))
            else:
                parts.append(repr(self.net.node(v).operands[slot]))
        return f"{ident(v.name)} = np.{v.op}({', '.join(parts)})"

    def _entry(self, name: str, labels: Sequence[Label], target: Axes) -> str:
        p = inlined(self.search, entry(self.net, name, labels), usable=self.usable)
        return self.expression(p, target)[0]

    def preamble(self, statements: Sequence[str], *, of_inputs: bool = False) -> list[str]:
        """Return the statements that name lengths and one-hot rows, as far as the program uses them.

        Args:
            statements: the program.
            of_inputs: take lengths from the inputs only, not from values that the program computes.
        """
        used = "\n".join(statements)
        rows = []
        for y in sorted(self.onehots):
            if _reads(used, y):
                r = self.net.values[y].labels[-1][0]
                rows.append(f"{y} = np.eye({self.net.size_name[r]})[{self.net.onehots[y].source}]")
        parts, joined = [], []
        for (n, axis), m in self.composites.items():
            if _reads(used, m):
                own = self.net.values[n].dims[axis]
                product = " * ".join(self.net.size_name[r] for r, _ in own)
                joined.append(f"{m} = {product}" if of_inputs else f"{m} = {ident(n)}.shape[{axis}]")
        used = "\n".join([used, *rows, *joined])
        need = {r for r, name in self.net.size_name.items() if _reads(used, name)}
        for v in self.net.values.values():
            whole = (v.op == "input" and not v.backward) or (not of_inputs and v.own and not v.backward)
            if v.op in ("onehot", "constant") or not v.shape or not whole:
                continue
            got = [d[0][0] if len(d) == 1 else None for d in v.dims]
            if need & {*got}:
                use = [self.net.size_name[r] if r is not None and r in need else "_" for r in got]
                parts.append(f"{', '.join(use)}{',' if len(use) == 1 else ''} = {ident(v.name)}.shape")
                need -= {r for r in got if r is not None}
        return list(dict.fromkeys([*parts, *self._factors(need), *joined, *rows]))

    def _factors(self, need: set[int]) -> list[str]:
        """Name lengths that are parts of axes only: those that never change, and the whole divided by the others."""
        out = []
        fixed = {r for r in self.net.length if len({lengths[r] for lengths in self.net.lengths}) == 1}
        known: set[int] = {*self.net.length} - need
        for _ in range(len(need)):
            for r in sorted(need - known):
                name, found = self.net.size_name[r], self._as_quotient(r, known)
                if found is None and r in fixed:
                    found = str(self.net.length[r])
                elif found is None:
                    unknown = [q for v in self.net.values.values() for d in v.dims if (r, 0) in d for q, _ in d]
                    for q in dict.fromkeys(unknown):
                        if q in fixed and q not in known and q not in need:
                            out.append(f"{self.net.size_name[q]} = {self.net.length[q]}")
                            known.add(q)
                    continue
                out.append(f"{name} = {found}")
                known.add(r)
        return out

    def _as_quotient(self, r: int, known: set[int]) -> str | None:
        for v in self.net.values.values():
            for axis, own in enumerate(v.dims if v.op == "input" and not v.backward else ()):
                others = [q for q, _ in own if q != r]
                if r in {q for q, _ in own} and others and {*others} <= known:
                    under = " * ".join(self.net.size_name[q] for q in others)
                    return f"{ident(v.name)}.shape[{axis}] // {under if len(others) == 1 else f'({under})'}"
        return None

    # ---- values --------------------------------------------------------------------------------------

    def _dims(self, a: Atom) -> tuple[list[tuple[Label, ...]], list[Label]]:
        """Return the axes of an entry, without those that an array of integers picks, and these."""
        v = self.net.values[a[1]]
        to = dict(zip(v.labels, a[2], strict=True))
        out, picked = [], []
        for own in v.dims:
            picked += [to[label] for label in own if not is_plain(to[label])]
            out.append(tuple(to[label] for label in own if is_plain(to[label])))
        return out, picked

    def _value(self, a: Atom, target: Axes) -> str:
        """Return a value that broadcasts against `target`."""
        v = self.net.values[a[1]]
        if a[1] in self.net.onehots:
            self.onehots.add(a[1])
        dims, picked = self._dims(a)
        if picked:
            (label,) = picked
            to = dict(zip(v.labels, a[2], strict=True))
            index = []
            for own in v.dims:
                at = [to[one] for one in own]
                if at == [label]:
                    index.append(self.net.onehots[label[2]].source)
                elif len(at) == 1 and at[0] in label[3]:
                    self.sizes.add(at[0][0])
                    index.append(f"np.arange({self.net.size_name[at[0][0]]})")
                else:
                    index.append(":" if own else "0")
            return self._fit(f"{ident(a[1])}[{', '.join(index)}]", [tuple(label[3])], target)
        if not aligned(dims, target):  # another name of the same value may lie better
            for n, w in self.net.values.items():
                if self.usable is not None and n not in self.usable:
                    continue
                if n != a[1] and w.own and not w.backward and not v.backward and {*w.labels} == {*v.labels}:
                    to = dict(zip(v.labels, a[2], strict=True))
                    other = [tuple(to[label] for label in own) for own in w.dims]
                    if aligned(other, target) and self.search.book.rep[n] == self.search.book.rep[a[1]]:
                        return self._fit(ident(n), other, target)
        return self._fit(ident(a[1]), dims, target)

    def _fit(self, text: str, dims: Axes, target: Axes) -> str:
        text, ndim = fit(text, dims, target, self._length)
        self._ndim = max(self._ndim, ndim)
        return text

    def _inside(self, body: Mono, dims: Axes) -> str:
        """Return what is summed; its axes are not those of the result."""
        before = self._ndim
        text = self._mono(body, ONE, dims)[0]
        self._ndim = before
        return text

    def _length(self, labels: Sequence[Label]) -> str:
        names = []
        for label in labels:
            names.append(self.net.size_name[label[0]])
            self.sizes.add(label[0])
        return " * ".join(names) if names else "1"

    def _shape(self, dims: Axes) -> str:
        return "(" + ", ".join(self._length(d) for d in dims) + ("," if len(dims) == 1 else "") + ")"

    # ---- expressions ---------------------------------------------------------------------------------

    def expression(self, p: Poly, target: Axes) -> tuple[str, int]:
        """Return an expression against target axes, and how strongly it binds."""
        if not p:
            return "0", _ATOM
        terms = sorted(p.items(), key=lambda t: (t[1] < 0, self.cost.mono(t[0])[0], key(t[0])))
        text, level = "", _SUM
        for m, c in terms:
            shown = self._mono(m, magnitude(c), target)
            if not text:
                text = (
                    f"-{_bracket(shown, _PRODUCT)}" if c < 0 else shown[0] if len(terms) == 1 else _bracket(shown, _SUM)
                )
                level = _SUM if len(terms) > 1 else _PRODUCT if c < 0 else shown[1]
            else:
                text += f" - {_bracket(shown, _PRODUCT)}" if c < 0 else f" + {_bracket(shown, _SUM)}"
        return text, level

    def _size(self, a: Atom) -> int:
        return 0 if a[0] == "c" else self.cost.size(free_labels(a))

    def _mono(self, m: Mono, c: Rat, target: Axes) -> tuple[str, int]:
        """Return a product: lengths and small arrays are divided before the large ones are touched."""
        top: list[tuple[Atom, Rat]] = []
        bottom: list[tuple[Atom, Rat]] = []

        def order(f: tuple[Atom, Rat]) -> tuple[bool, bool, int, bool, str]:
            a = f[0]
            return a[0] not in "nkc", a[0] in "SP", self._size(a), a[0] == "P", key(a)

        for a, e in sorted(self._lengths(exponents_up(m)), key=order):
            (top if e > 0 else bottom).append((a, magnitude(e)))
        if c.numerator != 1 or not top:
            top.insert(0, (("c", str(c.numerator)), ONE))
        if c.denominator != 1:
            bottom.append((("c", str(c.denominator)), ONE))
        if len(top) == 1 and not bottom:
            return self._power(*top[0], target)
        largest = max((self._size(a) for a, _ in m), default=0)
        late = [f for f in top if f[0][0] != "c" and self._size(f[0]) >= largest > 1]
        early = [f for f in top if f not in late]
        small = [f for f in bottom if f[0][0] == "c" or self._size(f[0]) < largest]
        after = [f for f in bottom if f not in small]
        if not early and (small or after):
            early, late = (late, []) if len(late) == 1 else (late[:1], late[1:])
        text = " * ".join(_bracket(self._power(a, e, target), _PRODUCT + (i > 0)) for i, (a, e) in enumerate(early))
        text = text or "1"
        if small:
            texts = [_bracket(self._power(a, e, target), _PRODUCT + 1) for a, e in small]
            text += f" / {texts[0]}" if len(texts) == 1 else f" / ({' * '.join(texts)})"
        for a, e in late:
            shown = self._power(a, e, target)
            text = _bracket(shown, _PRODUCT) if text == "1" else f"{text} * {_bracket(shown, _PRODUCT + 1)}"
        for a, e in after:
            text += f" / {_bracket(self._power(a, e, target), _PRODUCT + 1)}"
        return text, _PRODUCT

    def _lengths(self, m: Mono) -> list[tuple[Atom, Rat]]:
        """Lengths whose product is the length of an axis become that one."""
        for e in (ONE, -ONE):
            have = {a[1] for a, x in m if a[0] == "n" and x == e}
            if len(have) < 2:
                continue
            for v in self.net.values.values():
                for axis, own in enumerate(v.dims):
                    mine = {label[0] for label in own}
                    if v.own and not v.backward and v.op != "input" and len(own) == len(mine) > 1 and mine == have:
                        name = self.composites.setdefault((v.name, axis), self._unused())
                        rest = [f for f in m if not (f[0][0] == "n" and f[0][1] in mine and f[1] == e)]
                        return [*rest, (("c", name), e)]
        return list(m)

    def _unused(self) -> str:
        taken = {*self.net.size_name.values(), *self.net.values, *self.composites.values()}
        return next(n for n in itertools.chain(["M"], map("M{}".format, itertools.count(1))) if n not in taken)

    def _power(self, a: Atom, e: Rat, target: Axes) -> tuple[str, int]:
        if a[0] == "c":
            return str(a[1]), _ATOM
        shown = self._atom(a, target)
        if e == 1:
            return shown
        if e == F(1, 2):
            return f"np.sqrt({shown[0]})", _ATOM
        exponent = str(e) if e.denominator == 1 else str(float(e)) if F(str(float(e))) == e else f"({e})"
        return f"{_bracket(shown, _ATOM)}**{exponent}", _POWER

    def _atom(self, a: Atom, target: Axes) -> tuple[str, int]:
        match a[0]:
            case "v":
                return self._value(a, target), _ATOM
            case "n":
                self.sizes.add(a[1])
                return self.net.size_name[a[1]], _ATOM
            case "k":
                if a[1].startswith("("):  # one less than a length
                    self.sizes |= {r for r, n in self.net.size_name.items() if a[1] == f"({n} - 1)"}
                return a[1], _ATOM
            case "P":
                return self.expression(thaw(a[1]), target)
            case "S":
                return self._sum(a, target)
        parts = [self.expression(thaw(p), target) for p in a[2:]]
        if a[1] in COMPARISONS:
            return f"{_bracket(parts[0], _SUM)} {COMPARISONS[a[1]]} {_bracket(parts[1], _SUM)}", 0
        return f"np.{a[1]}({', '.join(text for text, _ in parts)})", _ATOM

    # ---- sums ----------------------------------------------------------------------------------------

    def _sum(self, a: Atom, target: Axes) -> tuple[str, int]:
        bound, body = self.search.algebra.open_sum(a)
        labels = frozenset[Label]().union(*(free_labels(b) for b, _ in body))
        wide = [b for b, _ in body if free_labels(b) != labels]
        if len(body) == 2 and wide and all(b[0] == "v" and e == 1 for b, e in body):
            product = self._contraction(body, bound, target)
            if product is not None:
                return product
        values = [b for b in values_in({body: ONE}) if all(map(is_plain, b[2]))]
        layouts = [self._dims(b)[0] for b in sorted(values, key=lambda b: -len(b[2]))]
        by_range = {label[0]: label for label in labels}
        if len(by_range) == len(labels):  # the layout of any value of the forward, with the summed labels in it
            layouts += [
                [tuple(by_range[label[0]] for label in d) for d in w.dims]
                for w in self.net.values.values()
                if w.own and not w.backward and {label[0] for label in w.labels} == {*by_range}
                and len(w.labels) == len(labels)
            ]  # fmt: skip
        for i, dims in enumerate(layouts):
            if i == len(values) and (product := self._contraction(body, bound, target)) is not None:
                return product
            have = {label for d in dims for label in d}
            if labels <= have and all({*d} <= {*bound} or not {*d} & {*bound} for d in dims):
                with contextlib.suppress(Torn):
                    return self._reduction(body, dims, bound, target), _ATOM
        product = self._contraction(body, bound, target) or self._einsum(body, bound, labels, target)
        if product is not None:
            return product
        dims = [d for d in target if {*d} & labels] + [(label,) for label in bound]
        text = self._inside(body, dims)
        axes = [i for i, d in enumerate(dims) if d and {*d} <= {*bound}]
        rest = [d for i, d in enumerate(dims) if i not in axes]
        return self._fit(f"np.sum({text}, axis={axes[0] if len(axes) == 1 else tuple(axes)})", rest, target), _ATOM

    def _reduction(self, body: Mono, dims: Axes, bound: Sequence[Label], target: Axes) -> str:
        text = self._inside(body, dims)
        axes = [i for i, d in enumerate(dims) if d and {*d} <= {*bound}]
        where = f", axis={axes[0] if len(axes) == 1 else tuple(axes)}" if len(axes) < len(dims) else ""
        gone = [d for i, d in enumerate(dims) if i not in axes]
        kept = [() if i in axes else d for i, d in enumerate(dims)]
        if aligned(kept, target) and (kept == [*target] or not aligned(gone, target)):
            return self._fit(f"np.sum({text}{where}, keepdims=True)", kept, target)
        return self._fit(f"np.sum({text}{where})", gone, target)

    def _contraction(self, body: Mono, bound: Sequence[Label], target: Axes) -> tuple[str, int] | None:
        """Return a matrix product of two factors, of stacks of matrices too, or None where it is none."""
        if len(body) != 2 or len(bound) != 1:
            return None
        (k,) = bound
        solid = [d for d in target if d]
        both = free_labels(body[0][0]) & free_labels(body[1][0]) - {k}
        stack = [d for d in solid if len(d) == 1 and {*d} <= both]
        for first, second in itertools.permutations(body):
            left = sorted(free_labels(first[0]) - both - {k}, key=repr)
            right = sorted(free_labels(second[0]) - both - {k}, key=repr)
            if [*stack, *((label,) for label in left + right)] != solid or len(left) > 1 or len(right) > 1:
                continue
            if stack and (len(left) != 1 or len(right) != 1 or len(stack) != len(both) or len(solid) < len(target)):
                continue
            before = self._ndim
            x = self._mono((first,), ONE, [*stack, *((label,) for label in left), (k,)])
            y = self._mono((second,), ONE, [*stack, (k,), *((label,) for label in right)])
            self._ndim = before
            text = f"{_bracket(x, _POWER)} @ {_bracket(y, _POWER)}"
            if len(solid) == len(target):
                self._ndim = len(target)
                return text, _PRODUCT
            return self._fit(f"({text})", solid, target), _ATOM
        return None

    def _einsum(
        self, body: Mono, bound: Sequence[Label], labels: frozenset[Label], target: Axes
    ) -> tuple[str, int] | None:
        """Return a sum of products as einsum, or None where a factor is no plain value."""
        if len(labels) > len(_LETTERS) or any(b[0] != "v" or e != 1 for b, e in body):
            return None
        if not all(map(is_plain, (label for b, _ in body for label in b[2]))):
            return None
        dims = [self._dims(b)[0] for b, _ in body]
        free = [d[0] for d in target if len(d) == 1 and d[0] in labels and d[0] not in bound]
        if any(len(d) != 1 for own in dims for d in own) or {*free} != labels - {*bound}:
            return None
        letter = {label: _LETTERS[i] for i, label in enumerate(sorted(labels, key=repr))}
        ins = ",".join("".join(letter[d[0]] for d in own) for own in dims)
        outs = "".join(letter[label] for label in free)
        text = f"np.einsum('{ins}->{outs}', {', '.join(ident(b[1]) for b, _ in body)})"
        for b, _ in body:
            if b[1] in self.net.onehots:
                self.onehots.add(b[1])
        return self._fit(text, [(label,) for label in free], target), _ATOM
