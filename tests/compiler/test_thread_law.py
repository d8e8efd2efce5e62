"""The law of printed programs: a right one is taken, and each way to be wrong is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from idioms import IDIOMS, arguments
from thread_law import LawError, broken, own_memory, uphold
from two_threads import small_passes

import micrograd as mg
from micrograd.compiler.codegen.loops import Nest
from micrograd.compiler.codegen.lower import Native, lower
from micrograd.program.capture import capture

RIGHT = """
def native0(tid, sizes, numbers, sync, board, work_float64, x1, x0):
    if tid == 0:
        store(sync, 9, take(board, 0) + 1)
    elif take(sync, 0) != 0:
        return 0
    n0 = sizes[0]
    a1 = at(x1, 0, n0)
    n1 = sizes[1]
    n2 = sizes[2]
    a2 = at(work_float64, n1, n2)
    a3 = at(x0, 0, n0)
    n3 = sizes[3]
    n4 = sizes[4]
    a4 = at(work_float64, n3, n4)
    n5 = sizes[5]
    a5 = at(work_float64, n5 + tid * n4, n4)
    n6 = sizes[6]
    bad = 0
    if tid == 0:
        store(sync, 2, 1)
    else:
        while load(sync, 2) < 1:
            leave_core()
    c = take(sync, 4)
    while c < n2:
        k = c
        lo = k * n6
        hi = min(n0, lo + n6)
        p = f64(0)
        i0 = lo
        while i0 < hi:
            a5[0] = a3[i0]
            u = a5[0]
            p += u
            i0 += 1
        a2[k] = p
        take(sync, 5)
        c = take(sync, 4)
    if tid == 0:
        while load(sync, 5) < n2:
            leave_core()
    if tid == 0:
        s = f64(0)
        c = 0
        while c < n2:
            s = s + a2[c]
            c += 1
        a4[0] = s
    if tid == 0:
        store(sync, 2, 2)
    else:
        while load(sync, 2) < 2:
            leave_core()
    h = a4[0]
    c = take(sync, 6)
    while c < n2:
        k = n2 - 1 - c
        lo = k * n6
        hi = min(n0, lo + n6)
        i0 = lo
        while i0 < hi:
            t = a3[i0] / h
            if not np.abs(t) < np.inf:
                bad = 1
            a1[i0] = t
            i0 += 1
        take(sync, 7)
        c = take(sync, 6)
    if tid == 0:
        while load(sync, 7) < n2:
            leave_core()
    if bad != 0:
        store(sync, 3, 1)
    if tid != 0:
        store(sync, 1, 1)
        return 0
    if take(sync, 0) != 0:
        while load(sync, 1) == 0:
            leave_core()
    return load(sync, 3)
"""

SECOND_MEETING = """    if tid == 0:
        store(sync, 2, 2)
    else:
        while load(sync, 2) < 2:
            leave_core()
"""
FIRST_END, SECOND_END = (
    f"""    if tid == 0:
        while load(sync, {counter}) < n2:
            leave_core()
"""
    for counter in (5, 7)
)
LAST_WAIT = """    if take(sync, 0) != 0:
        while load(sync, 1) == 0:
            leave_core()
"""

WRONG: dict[str, tuple[list[tuple[str, str]], str]] = {
    "a variable that thread 0 sets": ([("        a4[0] = s", "        k10 = s"), ("h = a4[0]", "h = k10")], "thread 1 reads k10"),
    "a variable that no thread sets": ([("h = a4[0]", "h = k10")], "thread 0 reads k10"),
    "a variable set in a loop that may never run": ([("h = a4[0]", "h = u")], "thread 0 reads u"),
    "a variable set in one of two ways": ([("h = a4[0]", "if bad == 0:\n        v = 1\n    h = v")], "thread 1 reads v"),
    "no meeting": ([(SECOND_MEETING, "")], "thread 1 reads work_float64 at n3, which thread 0 writes unmet"),
    "a meeting that was": ([("load(sync, 2) < 2", "load(sync, 2) < 1")], "thread 1 reads work_float64 at n3, which thread 0"),
    "a meeting before the number is set": ([(SECOND_MEETING, ""), (FIRST_END, FIRST_END + SECOND_MEETING)], "thread 1 reads work_float64 at n3"),
    "a meeting that never comes": ([("load(sync, 2) < 2", "load(sync, 2) < 3")], "waits until counter 2 is 3, which nobody"),
    "no end of a pass": ([(FIRST_END, "")], "thread 0 reads work_float64 at n1, which thread 1 writes unmet"),
    "an end after fewer chunks": ([("load(sync, 5) < n2", "load(sync, 5) < n4")], "waits until counter 5 is n4, which nobody"),
    "done before it is written": ([("        a2[k] = p\n        take(sync, 5)\n", "        take(sync, 5)\n        a2[k] = p\n")],
                                  "thread 0 reads work_float64 at n1, which thread 1 writes unmet"),
    "no end at all": ([(SECOND_END, ""), (LAST_WAIT, "")], "thread 0 returns while thread 1 may still write x1"),
    "chunks from a counter that is used up": ([("take(sync, 6)", "take(sync, 4)")], "takes chunks by counter 4, as line"),
    "both write one entry": ([("a1[i0] = t", "a1[0] = t")], "writes x1 at 0, which thread 0 writes unmet"),
    "both write one entry of two chunks": ([("a1[i0] = t", "a1[hi] = t")], "writes x1 at 0, which thread 0 writes unmet"),
    "chunks that overlap": ([("a1[i0] = t", "a1[i0 + n3] = t")], "writes x1 at 0, which thread 0 writes unmet"),
    "what the other writes in the same pass": ([("t = a3[i0] / h", "t = a1[0] / h")], "reads x1 at 0, which thread 0 writes unmet"),
    "both do what one should": ([("    if tid == 0:\n        s = f64(0)", "    if bad == 0:\n        s = f64(0)")],
                                "thread 1 writes work_float64 at n3, which thread 0 writes unmet"),
    "memory of its own that the other filled": ([("a4 = at(work_float64, n3, n4)", "a4 = at(work_float64, n3 + tid * n4, n4)")],
                                                "thread 1 reads work_float64 at n3 + tid * n4, which nobody has filled"),
    "memory of its own after the pass": ([("h = a4[0]", "h = a5[0]")], "reads work_float64 at n5 + tid * n4, which nobody"),
    "memory before it is filled": ([("            u = a5[0]", "            u = a1[i0]")], "reads x1 at 0, which nobody"),
    "memory from nowhere": ([("h = a4[0]", "h = x0[0]")], "goes by x0, which points nowhere"),
}  # fmt: skip


def changed(edits: list[tuple[str, str]]) -> str:
    text = RIGHT
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return text


def test_a_right_program_is_taken() -> None:
    assert broken(RIGHT) == []
    uphold(RIGHT)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_program_is_found(name: str) -> None:
    edits, said = WRONG[name]
    text = changed(edits)
    assert any(said in sentence for sentence in broken(text)), broken(text)
    with pytest.raises(LawError, match="line"):
        uphold(text)


def test_memory_that_only_this_function_fills_is_filled() -> None:
    text = changed([("        a4[0] = s\n", "")])
    assert broken(text) == []  # an earlier function may have filled it
    assert any("thread 1 reads work_float64 at n3, which nobody has filled" in said for said in broken(text, ["n3"]))


def test_a_statement_that_the_law_does_not_know_is_not_passed_over() -> None:
    with pytest.raises(NotImplementedError, match="the law knows no Delete"):
        broken(RIGHT.replace("    bad = 0\n", "    bad = 0\n    del bad\n"))


def blocks(text: str) -> list[tuple[int, int]]:
    """The first and last lines of the blocks ``if tid == 0:`` at the top of a function, with what ``else:`` holds."""
    lines, found = text.splitlines(), []
    for place, line in enumerate(lines):
        if line == "    if tid == 0:" and "store(sync, " not in lines[place + 1].replace("store(sync, 2, ", ""):
            end = place + 1
            while lines[end].startswith("        ") or lines[end] == "    else:":
                end += 1
            found.append((place, end))
    return found


def test_whatever_one_thread_does_between_two_passes_is_needed() -> None:
    """Drop one block after the other of what was printed: each time a thread reads what it cannot know."""
    f, letters = IDIOMS["nested"]
    with small_passes():
        lowered = lower(capture(f, tuple(arguments(letters, 8, 5, "float64")), {}), {}, 2)
    (native,) = (step for step in lowered.steps if isinstance(step, Native))
    own = own_memory(native.segment)
    assert broken(native.source, own) == []
    found = blocks(native.source)
    lines = native.source.splitlines()
    # the first meeting comes before anything is written, and whoever returns waits for the other after the last pass
    meetings = [place for place, (start, _) in enumerate(found) if "store(sync, 2" in lines[start + 1]]
    assert len(meetings) == 3
    for place, (start, end) in enumerate(found):
        rest = "\n".join([*lines[:start], *lines[end:]])
        assert bool(broken(rest, own)) == (place not in (meetings[0], len(found) - 1)), "\n".join(lines[start:end])


def test_what_the_compiler_prints_in_these_tests_is_held_to_the_law(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the fault that it was written for put back: numbers for a shared pass stand in variables of thread 0."""
    kept = Nest._kept

    def variable(nest: Nest, at: int, item: Any) -> Any:
        return kept(nest, at, item) if nest._support(item) else ("keep", item, nest.writer.name("k"))

    monkeypatch.setattr(Nest, "_kept", variable)
    with pytest.raises(LawError, match=r"thread 1 reads k\d+, which it may not have set"):
        mg.compile(lambda x: x / np.sqrt(np.sum(x * x)), threads=2)(np.ones((560, 260)))
