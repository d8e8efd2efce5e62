"""Derive the compact backward of a function: `derive` and what it returns."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from micrograd.derivation.judges import Checked, judged
from micrograd.derivation.kernel import OutOfTime, Poly, thread_time
from micrograd.derivation.lifting import Net, lift, lift_graph
from micrograd.derivation.printing.formulas import Formulas
from micrograd.derivation.printing.function import Written, write_function
from micrograd.derivation.printing.numpy_code import NumpyCode, ident
from micrograd.derivation.search import (
    Move,
    Search,
    between_layers,
    known_facts,
    operations,
    program_of,
    proof_of,
    read_often,
    staged_program,
)
from micrograd.derivation.wording import ASSUMED, LANGUAGES, RULES, WORDS, say
from micrograd.errors import GraphError
from micrograd.graph import Graph

__all__ = ["Derivation", "DerivationError", "Fact", "Step", "derive"]

_SECONDS = 2.0
_SHORT = 0.6  # of the staged operations: a result that is not shorter is tried layer by layer too
_CLEARER = (1.1, 0.7)  # of the staged operations and lines: that much shorter, a few operations more are no harm
_PATIENCE = 2  # times as long may the proofs of `check` take
_QUIET = ("substitute", "collect")  # rules that alone are not worth showing a line that is not kept


class DerivationError(GraphError):
    """A derivation that one of the judges doubts; it is not printed."""


@dataclass(frozen=True, slots=True)
class Fact:
    """An equation that holds whatever the input is.

    Attributes:
        left, right: its sides, as text.
        proof: from the left side to the right, one expression after another; each equals the one before.
        proved: that has been proved exactly.
    """

    left: str
    right: str
    proof: tuple[str, ...]
    proved: bool

    def __str__(self) -> str:
        return f"{self.left} = {self.right}"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a derivation.

    Attributes:
        line: the gradient that it changes.
        rule: the key of the rule, the same in every language.
        name, reason: the rule's name and its reason in one sentence.
        before, after: the right-hand side, as text.
        facts: values whose definitions are used, and sums that are known.
        proved: both sides have been proved equal, exactly.
    """

    line: str
    rule: str
    name: str
    reason: str
    before: str
    after: str
    facts: tuple[str, ...]
    proved: bool


class Derivation:
    """Hold the way from the staged backward pass to the compact formula. It prints as text.

    Attributes:
        name: of the function.
        lang: the language of texts, ``en`` or ``zh``.
        seconds: the processor time that the search was given.
        search: the lines with their moves, for those who want the expressions themselves.
        lines: the program, by name, as expressions.
    """

    def __init__(self, net: Net, *, lang: str = "en", seconds: float = _SECONDS) -> None:
        self.lang, self.seconds = lang, seconds
        self.name = net.runs[0].forward.name
        self._net = net
        self._longer: tuple[int, int] | None = None
        self._doubted: str | None = None
        end = thread_time() + seconds
        self.search, self.lines = _searched(net, (), end)
        before, after = _count(staged_program(self.search)), _count(self.lines)
        tried: list[Sequence[str]] = [()]
        for bound, cuts in ((_SHORT, between_layers(net)), (1.0, read_often(self.search))):
            if after > bound * before and cuts and cuts not in tried:  # each layer, or each shared line, by itself
                tried.append(cuts)
                search, lines = _searched(net, cuts, max(end, thread_time() + seconds / 2))
                if _count(lines) < after:
                    self.search, self.lines, after = search, lines, _count(lines)
        staged = staged_program(self.search)
        clearer = after <= _CLEARER[0] * before and len(self.lines) <= _CLEARER[1] * len(staged)
        if after > before and not clearer:
            self._longer = before, after
            self.lines = staged

    # ---- checks --------------------------------------------------------------------------------------

    @cached_property
    def _checked(self) -> Checked:
        found = self._judged(self.lines)
        if not found.agreed and not self._longer:
            staged = staged_program(self.search)
            again = self._judged(staged)
            if again.agreed:
                self._doubted = _doubting(found)
                self.lines = staged
                self.__dict__.pop("_written", None)
                return again
        return found

    def _judged(self, lines: dict[str, Poly]) -> Checked:
        self._net.algebra.deadline = thread_time() + _PATIENCE * max(self.seconds, _SECONDS)
        try:
            return judged(self.search, lines, write_function(self.search, lines))
        finally:
            self._net.algebra.deadline = None

    def check(self) -> Checked:
        """Ask all three judges: exact, over a finite field, and in float64.

        Returns:
            What each of them says; true where none doubts it.

        >>> import numpy as np, micrograd as mg
        >>> d = mg.derive(lambda x: np.exp(x) / np.sum(np.exp(x)), np.array([1.0, 2.0, 3.0]))
        >>> checked = d.check()
        >>> checked.exact, checked.field, checked.error < 1e-12
        (True, True, True)
        """
        return self._checked

    def _trusted(self) -> Derivation:
        """Raise DerivationError where a judge doubts the result; nothing doubtful is printed."""
        found = self._checked
        if not found.agreed:
            raise DerivationError(
                f"derive({self.name}): {_doubting(found)} doubts the result, so it is not printed. "
                "Please report the function; mg.walk shows its staged backward."
            )
        return self

    # ---- what is found -------------------------------------------------------------------------------

    @cached_property
    def formulas(self) -> Formulas:
        """Return what prints expressions of this derivation."""
        return Formulas(self.search)

    @cached_property
    def moves(self) -> tuple[Move, ...]:
        """Return the moves that are shown: of lines that are kept, or that do more than put others in."""
        self._trusted()
        if self._longer or self._doubted:
            return ()
        shown, out = self.formulas.text, []
        for n in self.search.order:
            moves = self.search.lines[n].moves
            if n in self.lines or any(m.rule not in _QUIET for m in moves):
                out += [m for m in moves if shown(m.before) != shown(m.after)]
        return tuple(out)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return the steps, in order."""
        shown = self.formulas.text
        return tuple(
            Step(
                m.line,
                m.rule,
                say(RULES[m.rule][0], self.lang),
                say(RULES[m.rule][1], self.lang),
                shown(m.before),
                shown(m.after),
                (*m.names, *(f"{shown(left)} = {shown(right)}" for left, right in m.facts)),
                m.proved,
            )
            for m in self.moves
        )

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        """Return what the forward pass makes true of sums of its values, whatever the input is; each is proved."""
        self._net.algebra.deadline = thread_time() + self.seconds
        used = [fact for m in self.moves for fact in m.facts]
        found = known_facts(self.search)
        self._net.algebra.deadline = None
        return tuple({str(f): f for f in (self.fact(*equation) for equation in [*used, *found])}.values())

    def fact(self, left: Poly, right: Poly) -> Fact:
        """Return an equation with its proof, as text."""
        shown = self.formulas.text
        proof = list(dict.fromkeys(shown(p) for p in proof_of(self.search, left, right)))
        return Fact(shown(left), shown(right), tuple(proof), self.search.book.same(left, right))

    @cached_property
    def program(self) -> tuple[str, ...]:
        """Return the statements of the compact backward, in the user's names: it reads values of the forward."""
        self._trusted()
        before, statements = NumpyCode(self.search).program(self.lines)
        return (*before, *statements)

    def line(self, name: str, p: Poly) -> str:
        """Return one line of the way as NumPy."""
        return "\n".join(NumpyCode(self.search).line(name, p))

    @cached_property
    def _written(self) -> Written:
        self._trusted()
        return write_function(self.search, self.lines)

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what is to be said of the result: for which sizes it holds, and where a staged line stayed."""
        self._trusted()
        out = [self._said_of_sizes()]
        if self._longer:
            before, after = self._longer
            out.append(say(WORDS["note.longer"], self.lang, before=before, after=after))
        elif self._doubted:
            out.append(say(WORDS["note.doubted"], self.lang, judge=self._doubted))
        else:
            out += [
                say(WORDS[f"note.{line.note}"], self.lang, line=n, seconds=self.seconds)
                for n, line in self.search.lines.items()
                if line.note and n in self.lines
            ]
            if not self.moves:
                out.append(say(WORDS["none"], self.lang))
        return (*out, *self._said_of_versions())

    def _said_of_versions(self) -> list[str]:
        """Return which names of the program are later values of a name that the user assigned again."""
        text, versions = "\n".join(self.program), dict[str, list[str]]()
        for n in self._net.values:
            name, later, rest = n.partition("'")
            if later and not rest.strip("'0123456789") and re.search(rf"(?<![\w.]){ident(n)}(?!\w)", text):
                versions.setdefault(name, []).append(ident(n))
        values = self._net.values
        own = {
            name: n for name, n in versions.items() if name in values and values[name].own and not values[name].backward
        }
        return [say(WORDS["note.versions"], self.lang, names=", ".join(n), name=name) for name, n in own.items()]

    def _said_of_sizes(self) -> str:
        net = self._net
        names = {r: net.size_name[r] for v in net.values.values() if v.op == "input" for d in v.dims for r, _ in d}
        free = [n for r, n in names.items() if len({lengths[r] for lengths in net.lengths}) > 1]
        fixed = [f"{n} = {net.length[r]}" for r, n in names.items() if n not in free]
        key = "sizes.one" if fixed and not free else "sizes.some" if fixed else "sizes.all"
        if not names:
            return say(ASSUMED["real"], self.lang)
        return say(WORDS[key], self.lang, names=", ".join(free), fixed=", ".join(fixed))

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Return what is assumed of the numbers."""
        self._trusted()
        out = [say(ASSUMED["real"], self.lang)]
        out += [say(ASSUMED[key], self.lang) for key in sorted(self._net.algebra.assumed)]
        named = [n for n in self._net.constants if n.isidentifier()]
        if named:
            out.append(say(ASSUMED["positive"], self.lang, names=", ".join(named)))
        labels = [one.source for one in self._net.onehots.values()]
        if labels:
            out.append(say(ASSUMED["labels"], self.lang, names=", ".join(dict.fromkeys(labels))))
        return tuple(out)

    # ---- how it is shown -----------------------------------------------------------------------------

    def numpy(self) -> Callable[..., Any]:
        """Return the compact backward as a function that runs by itself.

        It takes the gradient of each output (none for a loss), then the arguments of the user's function, computes
        what it needs of the forward and returns the gradients of the inputs, in order; at any size that fits.
        `inspect.getsource` shows its text.

        Raises:
            DerivationError: one of the judges doubts it.

        >>> import numpy as np, micrograd as mg
        >>> def softmax(x):
        ...     e = np.exp(x)
        ...     p = e / np.sum(e, axis=1, keepdims=True)
        ...     return p
        >>> backward = mg.derive(softmax, np.array([[1.0, 2.0, 4.0]])).numpy()
        >>> backward(np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 0.0, 0.0]])).round(3)
        array([[ 0.222, -0.111, -0.111]])
        """
        return self._written.function()

    @property
    def source(self) -> str:
        """Return the text of the function that `numpy` returns."""
        return self._written.source

    def latex(self) -> str:
        """Return the steps and the result in LaTeX, for an environment that knows ``align*`` (amsmath)."""
        write, rows, last = self.formulas.latex, [], ""
        for m in self.moves:
            if m.line != last:
                rows.append(rf"{self._tex(m.line)} &= {write(m.before)}")
                last = m.line
            rows.append(rf"&= {write(m.after)} && \text{{{say(RULES[m.rule][0], self.lang)}}}")
        rows += [
            rf"{self._tex(n)} &= {write(p)}" for n, p in self.lines.items() if n not in {m.line for m in self.moves}
        ]
        return "\\begin{align*}\n" + " \\\\\n".join(rows) + "\n\\end{align*}\n"

    def _tex(self, name: str) -> str:
        return self.formulas.latex({((("v", name, ()), 1),): 1})

    def html(self, path: str | os.PathLike[str] | None = None, *, lang: str | None = None) -> str | Path:
        """Return the page, one file that asks the network for nothing; with a path write it there and return that.

        Args:
            path: an ``.html`` file; an existing one is replaced.
            lang: the language to begin with; the page has a switch.

        Raises:
            GraphError: the path does not end in ``.html``, or a judge doubts the result (`DerivationError`).
            OSError: the file cannot be written.
        """
        from micrograd.derivation.printing.page import page_of

        if path is None:
            return page_of(self, lang or self.lang)
        file = Path(path)
        if file.suffix.lower() not in (".html", ".htm"):
            raise GraphError(
                f"cannot write a derivation to {str(path)!r}: the suffix {file.suffix!r} is not .html; name it bn.html."
            )
        file.write_text(page_of(self, lang or self.lang), encoding="utf-8")
        return file

    def data(self) -> dict[str, Any]:
        """Return everything that is shown, as plain data for JSON."""
        checked = self._trusted().check()
        return {
            "name": self.name,
            "steps": [
                {
                    "line": s.line, "rule": s.rule, "name": s.name, "reason": s.reason, "before": s.before,
                    "after": s.after, "facts": list(s.facts), "proved": s.proved,
                }
                for s in self.steps
            ],
            "facts": [
                {"left": f.left, "right": f.right, "proof": list(f.proof), "proved": f.proved} for f in self.facts
            ],
            "program": list(self.program),
            "source": self.source,
            "notes": list(self.notes),
            "assumptions": list(self.assumptions),
            "checked": {"exact": checked.exact, "field": checked.field, "error": checked.error},
        }  # fmt: skip

    def __str__(self) -> str:
        self._trusted()
        out = [say(WORDS["title"], self.lang, name=self.name), ""]
        last = ""
        for i, s in enumerate(self.steps, 1):
            if s.line != last:
                out.append(f"{s.line} = {s.before}")
                last = s.line
            out.append(f"  = {s.after}")
            uses = f" ({say(WORDS['uses'], self.lang, names=', '.join(s.facts))})" if s.facts else ""
            out.append(f"      {i}. {s.name}{uses}")
        out += ["", f"{say(WORDS['result'], self.lang)}:", *(f"    {line}" for line in self.program), "", *self.notes]
        out += [*self.assumptions, "; ".join(self.badges) + "."]
        return "\n".join(out)

    @property
    def badges(self) -> tuple[str, ...]:
        """Return what each judge says, in a few words."""
        checked = self._checked
        return (
            say(WORDS["proved"], self.lang),
            say(WORDS["field" if checked.field else "not asked"], self.lang),
            say(WORDS["float"], self.lang, error=f"{checked.error:.0e}"),
        )

    def in_language(self, lang: str) -> Derivation:
        """Return the same derivation with texts in another language."""
        other = copy.copy(self)
        other.lang = lang
        return other

    def __repr__(self) -> str:
        return f"<Derivation: {self.name}, {len(self.lines)} lines>"

    def _repr_html_(self) -> str:
        from micrograd.derivation.printing.page import frame_of

        return frame_of(self)

    def _repr_latex_(self) -> str:
        return self.latex()


def _count(lines: dict[str, Poly]) -> int:
    return sum(operations(p) for p in lines.values())


def _searched(net: Net, cuts: Sequence[str], end: float) -> tuple[Search, dict[str, Poly]]:
    """Return the search and its program; what is not done in time stays staged."""
    net.algebra.deadline = end
    try:
        search = Search(net, cuts)
        try:
            return search, program_of(search)
        except OutOfTime:
            return search, {n: search.lines[n].simple for n in search.order}
    finally:
        net.algebra.deadline = None


def _doubting(checked: Checked) -> str:
    """Return which judge doubts a result."""
    key = "exact" if not checked.exact else "field" if checked.field is False else "float"
    return WORDS[f"judge.{key}"][0]


def derive(
    f: Callable[..., Any] | Graph,
    *args: Any,
    lang: Literal["en", "zh"] = "en",
    seconds: float = _SECONDS,
    **kwargs: Any,
) -> Derivation:
    """Derive the compact backward of a NumPy function, step by step, each proved, in the names of the function.

    The function is traced as by `micrograd.trace`, at the sizes given and at others: what changes with the sizes is a
    length, so that the proofs hold for every length. It must be fit to be run several times.

    Args:
        f: a function of arrays, as for `micrograd.trace`; or a `Graph` that has been run, whose proofs hold for its
            own lengths only.
        *args: its arguments: float arrays of any shape and dtype float32 or float64, integer labels, numbers.
        lang: the language of rules and reasons.
        seconds: the processor time that the search may take; after it a line stays as it was staged.
        **kwargs: its keyword arguments.

    Returns:
        The steps, the facts they use, the program, and the same as NumPy, LaTeX and a page.

    Raises:
        GraphError: `f` uses what has no formula here (concatenation, slices, general indices); the message has the
            line and the operation. Also whatever `trace` refuses.
        TypeError: `f` is neither a function nor a graph.
        ValueError: `lang` is no language that is spoken here, or `seconds` is not positive.

    >>> import numpy as np
    >>> def unit(x):
    ...     norm = np.sqrt(np.sum(x**2, axis=1, keepdims=True))
    ...     y = x / norm
    ...     return y
    >>> for line in derive(unit, np.array([[3.0, 4.0], [1.0, 2.0]])).program:
    ...     print(line)
    dx = (dy - np.sum(dy * y, axis=1, keepdims=True) * y) / norm
    """
    if lang not in LANGUAGES:
        raise ValueError(f"lang must be one of {', '.join(LANGUAGES)}; got {lang!r}.")
    if not seconds > 0:
        raise ValueError(f"seconds must be a positive number; got {seconds!r}.")
    if isinstance(f, Graph):
        if args or kwargs:
            raise TypeError("derive takes a Graph alone: its inputs are those of its last run.")
        return Derivation(lift_graph(f), lang=lang, seconds=seconds)
    if not callable(f):
        raise TypeError(f"derive takes a function and its arguments, or a Graph; got {type(f).__name__}.")
    return Derivation(lift(f, args, kwargs), lang=lang, seconds=seconds)
