"""Shrink a program that fails: leave out lines and arguments' entries for as long as it fails in the same way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from .judging import Odd, Verdict, judge
from .programs import Program

__all__ = ["shrink"]


def shrink(program: Program, verdict: Verdict, tries: int = 400) -> Program:
    """Return a shorter program of which the same route is wrong in the same way."""
    routes = ["vjp", verdict.route] if verdict.route != "vjp" else ["vjp"]
    if verdict.why.startswith("gradient unlike that of "):
        routes = [verdict.why.rsplit(" ", 1)[1], verdict.route]
    return reduced(program, lambda shorter: _fails(shorter, verdict, routes), tries)


def reduced(program: Program, fails: Callable[[Program], bool], tries: int = 400) -> Program:
    """Return the shortest program that is come to while `fails` holds."""
    found = True
    while found and tries > 0:
        found = False
        for text in _shorter(program.text):
            tries -= 1
            if tries > 0 and text != program.text and fails(Program(text)):
                program, found = Program(text), True
                break
    return program


def _fails(program: Program, verdict: Verdict, routes: list[str]) -> bool:
    try:
        compile(program.text, "shorter", "exec")
        found = judge(program, routes)
    except (Odd, SyntaxError, IndexError, ValueError):
        return False
    return any((v.outcome, v.route, v.why) == (verdict.outcome, verdict.route, verdict.why) for v in found)


def _head(lines: list[str], at: int) -> str:
    """Return the line that the block of a line begins with."""
    indent = len(lines[at]) - len(lines[at].lstrip())
    outer = (line for line in reversed(lines[:at]) if line.strip() and len(line) - len(line.lstrip()) < indent)
    return next(outer, "").strip()


def _shorter(text: str) -> Iterator[str]:
    """Texts with a line less, or a block of them, or a returned part, or an argument."""
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("def f("))
    last = next(i for i, line in enumerate(lines) if line.startswith("def arguments"))
    for at in range(last - 1, first, -1):
        if not lines[at].strip() or lines[at].startswith("    return"):
            continue
        indent = len(lines[at]) - len(lines[at].lstrip())
        end = at + 1
        while end < last and lines[end].strip() and len(lines[end]) - len(lines[end].lstrip()) > indent:
            end += 1
        if _head(lines, at).startswith("while"):
            continue  # without what ends it, it would not end
        yield "\n".join([*lines[:at], *lines[end:], ""])
        if end > at + 1:  # the block without its head
            yield "\n".join([*lines[:at], *(line[4:] for line in lines[at + 1 : end]), *lines[end:], ""])
        if "; " in lines[at]:
            yield "\n".join([*lines[:at], lines[at].split("; ")[0], *lines[at + 1 :], ""])
    for at in range(first, last):
        if lines[at].startswith("    return np.concatenate(["):
            parts = re.findall(r"np\.ravel\(\w+\)(?: \* 1\.0)?", lines[at])
            for left in range(len(parts)):
                kept = parts[:left] + parts[left + 1 :]
                if kept:
                    returned = f"    return np.concatenate([{', '.join(kept)}])"
                    yield "\n".join([*lines[:at], returned, *lines[at + 1 :], ""])
            if len(parts) == 1:
                yield "\n".join([*lines[:at], f"    return {parts[0][9:].replace(')', '')}", *lines[at + 1 :], ""])
    for name in "zyx":
        if re.search(rf"^    {name} = ", text[text.index("def arguments") :], re.MULTILINE):
            without = re.sub(rf"^    {name} = .*\n", "", text[text.index("def arguments") :], flags=re.MULTILINE)
            head = text[: text.index("def arguments")]
            bare = re.sub(rf"def f\((.*?)(?:, )?\b{name}\b", r"def f(\1", head).replace("def f(, ", "def f(")
            yield bare + re.sub(rf"return (.*?)\b{name}, ?", r"return \1", without)
            if not re.search(rf"^    {name} = .*\.reshape", text, re.MULTILINE):
                continue
            plain = re.sub(
                rf"^    {name} = (?:np\.\w+\()*(np\.array\(.*?, (?:np\.)?\w+\))\.reshape.*$",
                rf"    {name} = \1",
                text,
                flags=re.MULTILINE,
            )
            yield plain
