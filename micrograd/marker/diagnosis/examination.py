"""The student's backward beside the engine's, statement by statement: which lines are right, which are under suspicion.

A statement is *right* if what it wrote is what its name says, by the engine; *known* if it is anything that the engine
knows; *suspect* if its name says what it should be and it is not that; else *unknown*, which says nothing: other
factorings are as good as ours.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from micrograd.marker.gradient_names import meanings, normal
from micrograd.marker.repair.node_edits import Change
from micrograd.marker.repair.search import Goal, Mended, SearchJob, States, states_of
from micrograd.marker.report import Finding, shown
from micrograd.marker.student.instrumented import StudentCode
from micrograd.marker.student.recording import Event, Recording, record
from micrograd.marker.student.statements import Root, Statement, path_of
from micrograd.marker.truth.alignment import Quantities, Quantity, agree, as_array
from micrograd.marker.truth.cases import MISSING, Case, close, judged

__all__ = ["Examination", "Status", "absent", "fits", "lacking", "last_return", "missing", "unpacked"]


# ---- statement by statement ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of a statement.

    Attributes:
        state: ``right``, ``known``, ``suspect``, ``unknown`` or ``outside`` (it only hands on what came in).
        name: the variable that says so.
        expected: per case, what it should be; of a suspect.
    """

    state: str
    name: str = ""
    expected: tuple[Quantity | None, ...] = ()


def fits(value: Any, wanted: Any) -> bool:
    """Return whether a value is another, unit axes and constant axes apart."""
    got, want = as_array(value), np.asarray(wanted)
    if got.dtype.kind not in "fiub":
        return False
    if got.shape == want.shape:
        return agree(got, want)
    if got.size == want.size:
        squeezed = tuple(n for n in got.shape if n != 1) == tuple(n for n in want.shape if n != 1)
        return squeezed and agree(got.reshape(want.shape), want)
    try:
        return np.broadcast_shapes(got.shape, want.shape) == want.shape and agree(
            np.broadcast_to(got, want.shape), want
        )
    except ValueError:
        return False


class Examination:
    """Recordings of one state of the program on all cases, and what they show.

    Args:
        program: the student's text, perhaps with earlier mistakes mended.
        cases: the probes.
        quantities: what the engine knows of each.
    """

    def __init__(self, program: StudentCode, cases: Sequence[Case], quantities: Sequence[Quantities]) -> None:
        self.program = program
        self.cases = cases
        self.quantities = quantities
        every = set(range(len(program.statements)))
        self.recordings = [record(program, case.call, scopes=every if not n else set()) for n, case in enumerate(cases)]
        self.found = [
            judged(case, recording.result) if recording.error is None else None
            for case, recording in zip(cases, self.recordings, strict=True)
        ]
        self.states: list[States | None] = [None if one is None else states_of(one) for one in self.found]
        self.aliases = [self._aliases(n) for n in range(len(cases))]
        self._status: dict[int, Status] = {}
        self._places: dict[int, dict[int, int]] = {}
        self.forward_part, self._loss_at = self._loss_part()

    def _loss_part(self) -> tuple[set[int], int]:
        """Of a loss that returns its gradient: the statements that the loss depends on, and the last one's place."""
        task, recording = self.cases[0].task, self.recordings[0]
        if task.forward != task.backward or not recording.events:
            return set(), -1
        end = recording.events[-1]
        root = next((r for r in end.statement.roots if r.position == (task.call.outputs[0] or 0)), None)
        if root is None:
            return set(), -1
        numbers = recording.slice_of([w for name, w in end.reads.items() if w is not None and _reads(root, name)])
        return numbers, max(numbers, default=-1)

    # ---- outputs -------------------------------------------------------------------------------------

    @property
    def wrong(self) -> frozenset[int]:
        """Positions of gradients that are wrong on some case; all of them where it raises."""
        count = len(self.cases[0].task.call.results)
        if any(states is None for states in self.states):
            return frozenset(range(count))
        return frozenset(
            position for position in range(count)
            if any(states is not None and states[position] in ("wrong", "missing") for states in self.states)
        )  # fmt: skip

    @property
    def misshapen(self) -> frozenset[int]:
        """Positions of gradients with right numbers in another shape."""
        count = len(self.cases[0].task.call.results)
        shaped = (p for p in range(count) if any(states and states[p] == "shape" for states in self.states))
        return frozenset(shaped) - self.wrong

    def statements_of(self, position: int) -> set[int]:
        """Return the statements that a returned gradient depends on, on any case."""
        found: set[int] = set()
        for recording in self.recordings:
            found |= recording.slice_of(self.last_events(recording, position))
        return found

    def last_events(self, recording: Recording, position: int) -> list[Event]:
        """Return the events that wrote a returned gradient; the last event where the function raised."""
        if recording.error is not None or not recording.events:
            return [recording.last] if recording.last is not None else []
        ends = [e for e in recording.events if e.statement.roots and _is_return(e) and e.caller is None]
        if not ends:
            return recording.events[-1:]
        end = ends[-1]
        key = self.cases[0].task.call.results[position][0]
        if isinstance(key, str) and key.startswith("."):
            return _writers(recording, f"self{key}") or [end]
        root = next((r for r in end.statement.roots if r.position == key or (key == 0 and r.position == -1)), None)
        if root is None or len(end.statement.roots) == 1:
            if isinstance(key, str):
                found = [w for name, w in end.reads.items() if w is not None and name.endswith(f"[{key!r}]")]
                if found:
                    return found
            return [end]
        events = [writer for name, writer in end.reads.items() if writer is not None and _reads(root, name)]
        if path_of(root.expr) and events:
            return events
        made = Event(end.statement, end.occurrence, {str(n): e for n, e in enumerate(events)}, calls=end.calls)
        return [made]

    # ---- statements ----------------------------------------------------------------------------------

    def _aliases(self, number: int) -> dict[str, str]:
        """Variables of the backward that hold forward values, with the node's name."""
        quantities, recording = self.quantities[number], self.recordings[number]
        found: dict[str, str] = {}
        if not quantities.all:
            return found

        def look(name: str, value: Any) -> None:
            if name in found or not isinstance(value, (np.ndarray, np.floating)):
                return
            equal = quantities.equal_to(value, ("value",))
            if equal:
                same = [q for q in equal if normal(q.label) == normal(name)]
                found[name] = (same or equal)[0].label

        if recording.events and recording.events[0].scope:
            for name, value in recording.events[0].scope.items():
                look(name, value)
        for event in recording.events[:400]:
            for name, value in event.writes.items():
                if not meanings(name) or event.statement.number < 3:
                    look(name, value)
        return found

    def status(self, number: int) -> Status:
        """Return what is known of a statement."""
        if number not in self._status:
            statement = self.program.statements[number]
            status = self._judge(statement)
            early = ("suspect", "unknown") if number in self.forward_part else ("unknown",)
            if self.before_loss(number) and status.state in early:
                status = Status("known", status.name)
            self._status[number] = status
        return self._status[number]

    def before_loss(self, number: int) -> bool:
        """Return whether a statement belongs to the forward, in a function that returns a loss and its gradient.

        One with a gradient's name does not.
        """
        names = self.program.statements[number].names
        return number in self.forward_part or (number < self._loss_at and not any(meanings(name) for name in names))

    def _judge(self, statement: Statement) -> Status:
        if statement.unpacks:
            return Status("outside")
        if not statement.targets:
            return Status("unknown")
        known = True
        for target in statement.targets:
            found = [self._judge_name(statement, target.name, number) for number in range(len(self.cases))]
            states = {state for state, _ in found}
            if "suspect" in states:
                return Status("suspect", target.name, tuple(quantity for _, quantity in found))
            if "odd" in states:
                return Status("odd", target.name)
            if states <= {"right", "misshapen"} and "misshapen" in states:
                return Status("misshapen", target.name, tuple(quantity for _, quantity in found))
            if "size" in states:
                return Status("size", target.name)
            if states <= {"right"} and len(statement.targets) == 1:
                return Status("right", target.name, tuple(quantity for _, quantity in found))
            known = known and states <= {"right", "known", "absent"}
        return Status("known" if known else "unknown", statement.targets[0].name)

    def _judge_name(self, statement: Statement, name: str, number: int) -> tuple[str, Quantity | None]:
        events = [e for e in self.recordings[number].of(statement.number) if name in e.writes]
        if not events:
            return "absent", None
        value, quantities = events[-1].writes[name], self.quantities[number]
        if isinstance(value, (int, np.integer)):
            return "size", None
        if not isinstance(value, (np.ndarray, np.floating, float)):
            return "known", None  # settings, containers
        if self._is_buffer(statement, name, value):
            return "known", None
        meant = quantities.meant_by(name, self.aliases[number])
        for quantity in meant:
            if fits(value, quantity.value):
                if quantity.kind == "grad" and meant[0].kind == "edge" and not quantities.names(quantity, name):
                    return "unknown", quantity  # dxmu2 is dsq: where sq goes by xmu2, but xmu has a second path
                same = np.shape(value) == np.shape(quantity.value)
                return ("right" if same or np.size(value) != np.size(quantity.value) else "misshapen"), quantity
        if meant and statement.in_place and (name in self._upstream(number) or self._was_right(events[-1], name)):
            return "unknown", None  # dout[mask] = 0: from here on it is the gradient of something else
        if meant:
            parts = (str(q.key[1]).partition("_")[0] for q in quantities.equal_to(value, ("grad",)))
            if any(normal(part) == normal(base) for part in parts for base, _ in meanings(name)):
                return "known", None  # of a part of the forward's statement: ds of q @ k.T in s = q @ k.T / 2
            if statement.looped and all(
                any(fits(e.writes[name], q.value) for q in quantities.all if q.kind != "value") for e in events[:40]
            ):
                return "known", None
            local = self.goes_on(statement, name, number) or not self._follows(events[-1], number)
            local = local or self._divided_later(statement, name, value, meant[0].value)
            return ("unknown" if local else "suspect"), meant[0]
        named = [q for q in quantities.by_name.get(normal(name), ()) if q.kind == "value"]
        if statement.looped:
            seen = [bool(quantities.equal_to(e.writes[name])) for e in events[:24]]
            if seen and not any(seen) and named and not statement.in_place:
                return "odd", None
            return ("known" if seen and seen[0] else "unknown"), None  # later rounds may read what is wrong
        if quantities.equal_to(value):
            return "known", None
        if named and not statement.in_place:
            return "suspect", named[0]
        return "unknown", None

    def _divided_later(self, statement: Statement, name: str, value: Any, meant: Any) -> bool:
        """Return whether a value is a loss's gradient times a number of entries, by which a later line may divide."""
        if any(argument.origin == "upstream" for argument in self.cases[0].task.call.arguments):
            return False
        ratio = np.ravel(value)[:1] / np.ravel(meant)[:1] if np.shape(value) == np.shape(meant) and np.all(meant) else 0
        counts = np.array([*np.shape(value), np.size(value)])
        if np.size(ratio) != 1 or not np.isclose(ratio, counts).any() or not fits(value, ratio * meant):
            return False
        later = [s for s in self.program.statements if s.number > statement.number and name in s.reads]
        return any(isinstance(n, ast.Div) for s in later for root in s.roots for n in ast.walk(root.expr))

    def _upstream(self, number: int) -> set[str]:
        """Return the names by which the gradients that arrive come in."""
        return {a.name for a in self.cases[number].task.call.arguments if a.origin == "upstream"}

    def _follows(self, event: Event, number: int) -> bool:
        """Return whether a value is made of the gradient that arrives; else ``du`` may be the slope of u itself."""
        ups = self._upstream(number)
        if not ups or event.caller is not None or event.calls or not self._meets(event.statement.number, ups):
            return True
        slices = self.recordings[number].slice_of([event])
        ends = [s for s in self.program.statements if isinstance(s.node, ast.Return)]
        returned = any(path_of(root.expr) in event.writes for s in ends for root in s.roots)
        return returned or any(ups & {*self.program.statements[n].reads} for n in slices)

    def _was_right(self, event: Event, name: str) -> bool:
        """Return whether a variable held what its name says before a statement changed it in place."""
        writer = event.reads.get(name)
        return (
            writer is not None
            and writer.statement != event.statement
            and self.status(writer.statement.number).state == "right"
        )

    def _meets(self, number: int, ups: set[str]) -> bool:
        """Return whether a gradient that depends on a statement also depends on what arrives, on any way."""
        slices = (self.statements_of(p) for p in range(len(self.cases[0].task.call.results)))
        return any(ups & {*self.program.statements[n].reads} for s in slices if number in s for n in s)

    def goes_on(self, statement: Statement, name: str, number: int = 0) -> bool:
        """Return whether the name is written again later: what it should be at the end, it need not be yet."""
        events = self.recordings[number].of(statement.number)
        if not events:
            return False
        return any(
            other.number != statement.number
            and other.function == statement.function
            and name in other.names
            and not _only_moves(other, name)
            and self.recordings[number].of(other.number)
            and self._place(number, other.number) > self._place(number, statement.number)
            for other in self.program.statements
        )

    def _place(self, case: int, number: int) -> int:
        """When a statement ran last."""
        if case not in self._places:
            self._places[case] = {e.statement.number: at for at, e in enumerate(self.recordings[case].events)}
        return self._places[case].get(number, -1)

    def _is_buffer(self, statement: Statement, name: str, value: Any) -> bool:
        """Return whether a value is only what others are written into: zeros, before a change in place."""
        if not isinstance(statement.node, ast.Assign) or not isinstance(value, np.ndarray) or np.any(value):
            return False
        return any(
            other.in_place and name in other.names and other.function == statement.function
            for other in self.program.statements
        )

    def in_order(self, number: int) -> bool:
        """Return whether a statement only unpacks, and each name gets what the forward calls so."""
        statement, values = self.program.statements[number], self.quantities[0].values
        events = self.recordings[0].of(number)[-1:]
        return statement.unpacks and all(
            name in values and fits(value, values[name].value) for e in events for name, value in e.writes.items()
        )

    def reads_right(self, number: int) -> bool:
        """Return whether nothing that a statement reads is suspect or unknown."""
        for recording in self.recordings:
            for event in recording.of(number)[-1:]:
                for parent in event.parents:
                    if parent.statement.number == number or parent is event.caller:
                        continue
                    if self.status(parent.statement.number).state in ("suspect", "unknown", "odd"):
                        return False
        return True

    def vouched(self, number: int) -> bool:
        """Return whether every value that a statement reads is known to be right, on every case."""
        for recording, quantities in zip(self.recordings, self.quantities, strict=True):
            for event in recording.of(number)[-1:]:
                if event.calls or event.caller is not None:
                    return False
                for name, writer in event.reads.items():
                    if writer is not None and not self._vouches(writer, name, quantities):
                        return False
        return True

    def doubtful(self, number: int, names: Container[str]) -> list[int]:
        """Return the statements that wrote what one reads under some names, and that nothing vouches for."""
        last = [event for event in self.recordings[0].of(number)[-1:] if event.caller is None]
        return sorted({
            writer.statement.number for event in last for name, writer in event.reads.items()
            if name in names and writer is not None and writer.statement.number != number
            and not self._vouches(writer, name, self.quantities[0])
        })  # fmt: skip

    def settled(self, number: int) -> bool:
        """Return whether a statement can be no mistake: all that it wrote is known to be right, or it only hands on."""
        statement = self.program.statements[number]
        if self.status(number).state in ("right", "outside", "size"):
            return True
        events = self.recordings[0].of(number)[-1:]
        return bool(events and statement.targets) and all(
            self._vouches(event, name, self.quantities[0]) for event in events for name in event.writes
        )

    def _vouches(self, writer: Event, name: str, quantities: Quantities) -> bool:
        """Return whether a variable holds what its name says, or came in, or is an empty buffer."""
        status = self.status(writer.statement.number)
        if status.state in ("right", "outside") or name not in writer.writes:
            return status.state in ("right", "outside")
        value = writer.writes[name]
        if status.state != "known" or not isinstance(value, (np.ndarray, np.floating, float)):
            return status.state == "known"
        named = (q for q in quantities.equal_to(value, ("value",)) if normal(q.label) == normal(name))
        return any(named) or not np.any(value)

    def ancestors(self, number: int) -> list[int]:
        """Return what a statement depends on, in order of execution."""
        found: set[int] = set()
        for recording in self.recordings:
            found |= recording.slice_of(recording.of(number)[-1:])
        return [n for n in self.order() if n in found and n != number]

    def good(self) -> set[int]:
        """Return the statements that a right gradient depends on."""
        states = [s for s in self.states if s is not None]
        right = (p for p in range(len(states[0]) if states else 0) if all(s[p] == "right" for s in states))
        return set[int]().union(*map(self.statements_of, right))

    def candidates(self, wrong: frozenset[int]) -> tuple[list[int], dict[int, set[int]]]:
        """Return the statements that a wrong gradient depends on, in order of execution."""
        slices = {position: self.statements_of(position) for position in wrong}
        union: set[int] = set().union(*slices.values())
        if any(recording.error is not None for recording in self.recordings):
            union |= set(self.order())
        returns = {s.number for s in self.program.statements if isinstance(s.node, ast.Return)}
        return [number for number in self.order() if number in union or number in returns], slices

    def failing(self) -> int:
        """Return the statement at which the code raises; -1 where it does not."""
        recording = self.recordings[0]
        return recording.last.statement.number if recording.error is not None and recording.last is not None else -1

    def negative(self, number: int) -> bool:
        """Return whether a line holds minus the gradient that its name says: a sign that is the user's to choose."""
        status = self.status(number)
        held = zip(self.written(number, status.name), status.expected, strict=False)
        return status.state == "suspect" and all(
            isinstance(value, (np.ndarray, float))
            and np.asarray(value).dtype.kind in "if"  # a mask has no minus
            and quantity is not None
            and fits(-value, quantity.value)
            for value, quantity in held
        )

    def order(self) -> list[int]:
        """Statement numbers in the order in which they first ran."""
        return list(dict.fromkeys(e.statement.number for e in self.recordings[0].events))

    def substituted(self, statement: Statement, name: str, values: Sequence[Any]) -> list[States | None]:
        """Return the states of the gradients, case by case, with other values put where a statement wrote `name`."""
        found: list[States | None] = []
        for number, case in enumerate(self.cases):
            last = len(self.recordings[number].of(statement.number)) - 1
            value = values[number]

            def put(old: Any, occurrence: int, last: int = last, value: Any = value) -> Any:
                return np.array(value) if occurrence == last and value is not None else old

            recording = record(self.program, case.call, replacements={(statement.number, name): put})
            found.append(None if recording.error else states_of(judged(case, recording.result)))
        return found

    def shapes_for(self, statement: Statement, status: Status) -> Iterator[list[Any]]:
        """Yield the expected values of a suspect: in the shape that it has, as they are, with the reduced axis kept."""
        wanted = [None if q is None else np.asarray(q.value) for q in status.expected]
        got = []
        for recording in self.recordings:
            events = [e for e in recording.of(statement.number) if status.name in e.writes]
            got.append(as_array(events[-1].writes[status.name]) if events else None)
        reshaped = [
            w.reshape(g.shape) if w is not None and g is not None and w.size == g.size else w
            for w, g in zip(wanted, got, strict=True)
        ]
        yield reshaped
        if any(a is not None and b is not None and a.shape != b.shape for a, b in zip(reshaped, wanted, strict=True)):
            yield wanted
        if all(w is None or w.ndim == 1 for w in wanted):
            yield [w if w is None else w[None, :] for w in wanted]
            yield [w if w is None else w[:, None] for w in wanted]

    def written(self, number: int, name: str) -> list[Any]:
        """Return what a statement wrote last under a name, per case; `MISSING` where it did not."""
        found = []
        for recording in self.recordings:
            events = [e for e in recording.of(number) if name in e.writes]
            found.append(events[-1].writes[name] if events else MISSING)
        return found

    def wrote_zeros(self, statement: Statement) -> bool:
        """Return whether a statement wrote nothing but zeros under its first name."""
        return all(map(_zeros, self.written(statement.number, statement.names[0])))


def _zeros(value: Any) -> bool:
    return isinstance(value, (np.ndarray, float, int)) and not np.any(value)


def _writers(recording: Recording, path: str) -> list[Event]:
    """Return the last event that wrote ``self.grads.W``, or what it lies in; parts of a container count."""
    found: list[Event] = []
    for event in recording.events:
        names = [re.sub(r"[\[\]'.]+", ".", name).strip(".") for name in event.writes]
        if any(name == path or (path.startswith(f"{name}.") and name != "self") for name in names):
            found = [event]
    return found


def _only_moves(statement: Statement, name: str) -> bool:
    """Return whether a statement only brings a variable into another shape: ``dx = dx.reshape(x.shape)``."""
    match statement.node:
        case ast.Assign(value=ast.Attribute(value=ast.Name(id=other), attr="T")):
            return other == name
        case ast.Assign(value=ast.Call(func=ast.Attribute(value=ast.Name(id=other), attr=method), args=args)):
            moves = ("reshape", "transpose", "squeeze", "ravel", "flatten", "astype", "copy", "swapaxes")
            first = args[0].id if args and isinstance(args[0], ast.Name) else ""
            return method in moves and (other == name or (other in ("np", "numpy") and first == name))
    return False


def _is_return(event: Event) -> bool:
    return isinstance(event.statement.node, ast.Return)


def _reads(root: Root, name: str) -> bool:
    return any(isinstance(n, ast.expr) and path_of(n) == name for n in ast.walk(root.expr))


# ---- what is returned ---------------------------------------------------------------------------------------


def absent(now: Examination, wrong: frozenset[int]) -> frozenset[int]:
    """Return the gradients that are not returned at all."""
    if any(s is None for s in now.states):
        return frozenset()
    return frozenset(p for p in wrong if all(s is not None and s[p] == "missing" for s in now.states))


def lacking(now: Examination, statement: Statement, positions: frozenset[int]) -> Finding:
    """Return the finding for gradients that are not returned, where nothing holds them either."""
    text, case = now.program.text, now.cases[0]
    span = text.span(statement.node)
    keys = [case.task.call.results[p] for p in sorted(positions)]
    held = [f"self{key}" if isinstance(key, str) and key.startswith(".") else "" for key, _ in keys]
    names = [own or f"d{name.rpartition('.')[2]}" for own, (_, name) in zip(held, keys, strict=True)]
    return Finding(
        "wrong", "missing_result", span, text.whole_lines(span), names[0], names[0],
        expected=shown(case.expected[min(positions)]),
    )  # fmt: skip


def missing(now: Examination, wrong: frozenset[int], job: SearchJob) -> Mended | None:
    """Return whether fewer gradients are returned than asked for.

    The return statement with the variable that holds it.
    """
    lost = absent(now, wrong)
    statement = last_return(now)
    if not lost or statement is None:
        return None
    value = statement.node.value  # type: ignore[attr-defined]
    elements = list(value.elts) if isinstance(value, ast.Tuple) else [value] if value is not None else []
    keys = [key for key, _ in now.cases[0].task.call.results]
    text, events = now.program.text, now.recordings[0].of(statement.number)
    scope = (events[-1].scope if events else None) or {}
    parts = [text.of(element) for element in elements]
    for position in sorted(lost, key=lambda p: str(keys[p])):
        key, wanted = keys[position], now.cases[0].expected[position]
        bound = now.cases[0].relative * now.cases[0].scales[position]
        held = ((n, v) for n, v in scope.items() if isinstance(v, np.ndarray) and v.shape == wanted.shape)
        name = next((n for n, v in held if close(v, wanted, bound)), None)
        if not isinstance(key, int) or name is None:
            return None
        if key < len(parts):
            parts[key] = name
        else:
            parts.append(name)
    start, end = text.range(statement.node)
    if elements:
        start, end = text.range(elements[0])[0], text.range(elements[-1])[1]
    new = ", ".join(parts) if elements else f"return {', '.join(parts)}"
    return job.verified(_changed(statement, start, end, new, "returned"), Goal(tuple(now.states), frozenset(lost)))


def _changed(statement: Statement, start: int, end: int, new: str, tag: str, detail: str = "") -> Mended:
    """Return a change of the text of a statement, not yet verified."""
    return Mended(statement, None, Change(start, end, new, tag, 1.0, detail), start, end, new, 1.0)


def last_return(now: Examination) -> Statement | None:
    """Return the return statement of the backward that ran."""
    for event in reversed(now.recordings[0].events):
        if isinstance(event.statement.node, ast.Return) and event.caller is None:
            return event.statement
    return None


def unpacked(now: Examination, wrong: frozenset[int], job: SearchJob) -> Mended | None:
    """Return whether a cache is unpacked in another order: its names hold what the forward calls otherwise."""
    text = now.program.text
    for number in now.order():
        node = now.program.statements[number].node
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple) and path_of(node.value)):
            continue
        names = [path_of(element) for element in node.targets[0].elts]
        belongs = []
        for recording, quantities in zip(now.recordings, now.quantities, strict=True):
            events = recording.of(number)
            held = [events[-1].writes.get(name) if events else None for name in names]
            labels = [[q.label for q in quantities.equal_to(v, ("value",))] if v is not None else [] for v in held]
            known = [name in quantities.values for name in names]
            right = [
                name if not named or name in found or not found
                else next((other for other in names if other in found and other != name), name)
                for name, found, named in zip(names, labels, known, strict=True)
            ]  # fmt: skip
            belongs.append(right)
        order = belongs[0]
        if order == names or sorted(order) != sorted(names) or any(one != order for one in belongs):
            continue
        elements = node.targets[0].elts
        start, end = text.range(elements[0])[0], text.range(elements[-1])[1]
        name, other = next((a, b) for a, b in zip(names, order, strict=True) if a != b)
        made = _changed(now.program.statements[number], start, end, ", ".join(order), "unpacked", f"{name}={other}")
        for wanted in (wrong, frozenset[int]()):
            if (found := job.verified(made, Goal(tuple(now.states), wanted))) is not None:
                return found
    return None
