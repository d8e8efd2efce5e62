"""Run `micrograd check`: mark the pairs of a student's file, as text, JSON, a page, or tests for a grader."""

from __future__ import annotations

import argparse
import ast
import json
import re
import shlex
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from micrograd.cli.arguments import eps_number, input_shape, seconds_number, seed_number, setting, whole
from micrograd.cli.probing import shapes_and_settings
from micrograd.cli.terminal import CommandError, Terminal, writable
from micrograd.cli.user_file import text_of
from micrograd.errors import MicrogradError
from micrograd.marker.messages import LANGUAGES

if TYPE_CHECKING:
    from micrograd.marker.inputs.pairs import Pair
    from micrograd.marker.report import Report

__all__ = ["add_check"]


def add_check(commands: Any) -> None:
    """Add the command and its arguments."""
    check = commands.add_parser(
        "check",
        help="mark a handwritten backward, line by line",
        description="Mark the handwritten backwards of a Python file against the graphs of their forwards: the first "
        "wrong line, what kind of mistake it is, and a fix that has been tried. NAME_forward goes with NAME_backward "
        "by itself, and a loss that returns (loss, dx) is both. The file is EXECUTED, with your rights, in a process "
        "of its own with limits of time and memory; that is no sandbox. Exit code: 0 all right, 1 a mistake, 2 it "
        "could not be run.",
        allow_abbrev=False,
    )
    check.add_argument("file", metavar="FILE.py", help="the student's file; it is executed")
    check.add_argument("--forward", metavar="NAME", help="the forward, or Class.method (default: found by its name)")
    check.add_argument("--backward", metavar="NAME", help="the backward (default: all that are found)")
    check.add_argument(
        "--input", metavar="NAME=SHAPE", type=input_shape, action="append", default=[],
        help="shape of an array argument of the forward, as x=5x3 (default: made up by its name)",
    )  # fmt: skip
    check.add_argument(
        "--param", metavar="NAME=VALUE", type=setting, action="append", default=[],
        help="another argument of the forward, as \"pool_param={'stride': 2}\"",
    )  # fmt: skip
    check.add_argument("--eps", type=eps_number, help="short for --param eps=EPS")
    check.add_argument(
        "--hint", choices=("where", "kind", "fix"), default="fix",
        help="how much is given away: the line, the kind of mistake too, or the fix as well (default: fix)",
    )  # fmt: skip
    check.add_argument("--lang", choices=LANGUAGES, default="en", help="the language (default: en)")
    check.add_argument(
        "--reference", metavar="NAME", default="", help="compare the forward with one of micrograd's: batch_norm"
    )
    check.add_argument("--format", choices=("text", "json"), default="text", help="of what is printed (default: text)")
    check.add_argument("-o", "--output", metavar="FILE", help="a page, bn.html, or with --emit the file for the grader")
    check.add_argument(
        "--emit", choices=("otter", "nbgrader"), help="write tests with partial credit from a right solution"
    )
    check.add_argument("--force", action="store_true", help="replace the output if it exists")
    check.add_argument("--seconds", type=seconds_number, default=10.0, help="time limit of one pair (default: 10)")
    check.add_argument(
        "--memory", metavar="MB", type=whole(64, 1 << 20), default=2048, help="its limit (default: 2048)"
    )
    check.add_argument("--seed", type=seed_number, default=0, help="of the random inputs (default: 0)")
    check.set_defaults(run=_check)


def _output(options: argparse.Namespace, pairs: Sequence[Pair]) -> Path | None:
    """Return the path of the page or of the tests, checked before the work starts."""
    if options.output is None and not options.emit:
        return None
    if len(pairs) > 1:
        raise CommandError(
            f"one pair goes into a file, and {options.file} has {len(pairs)}; name one: --backward {pairs[0].backward}",
            2,
        )
    suffix = {"otter": ".py", "nbgrader": ".ipynb"}.get(options.emit, ".html")
    output = Path(options.output or f"{pairs[0].backward if pairs else 'check'}{suffix}")
    if output.suffix.lower() != suffix:
        what = f"tests for {options.emit} are" if options.emit else "the page is"
        raise CommandError(f"{output}: {what} written as {suffix}; name it {output.with_suffix(suffix)}", 2)
    writable(output, options.force)
    return output


def _own_inputs(source: str) -> tuple[list[Any], list[Any]]:
    """Return the inputs and settings with which an exercise wants to be marked, as its text shows the command.

    With others a line that is right for its own shapes may be wrong.
    """
    inputs: list[Any] = []
    settings: list[Any] = []
    command = re.search(r"^(?:# )? {4}micrograd check (.*)$", source, re.MULTILINE)
    try:
        words = shlex.split(command[1]) if command else []
        for option, value in pairwise(words):
            if option == "--input":
                inputs.append(input_shape(value))
            elif option == "--param":
                settings.append(setting(value))
    except (ValueError, argparse.ArgumentTypeError):  # it is prose
        return [], []
    return inputs, settings


def _emit(options: argparse.Namespace, report: Report, pair: Pair, source: str) -> str:
    """Return the tests. Raises CommandError where the solution is not right."""
    from micrograd.marker.present import emit

    hint = "kind" if options.hint == "fix" else options.hint  # a test gives no fix away
    try:
        if options.emit == "otter":
            return emit.otter(report, pair, hint=hint, language=options.lang)
        return emit.nbgrader(report, pair, source, hint=hint, language=options.lang)
    except MicrogradError as error:
        raise CommandError(str(error), 2 if report.verdict == "failed" else 1) from None


def _failed(options: argparse.Namespace, path: Path, source: str, why: str) -> Report:
    from micrograd.marker.report import Report

    return Report("failed", options.forward or "", options.backward or "", str(path), problem=why, source=source)


def _unreadable(source: str, path: Path, options: argparse.Namespace) -> list[Report]:
    """Return the report on a text that is no Python, with the place; nothing where it is."""
    from micrograd.marker.messages import problem
    from micrograd.marker.present.advice import hint
    from micrograd.marker.student.stopping import finding_of_syntax

    if options.emit:
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(source, str(path))
    except SyntaxError as error:
        why = problem("syntax", at=f"{path.name}:{error.lineno}", message=error.msg) + hint(error)
        return [replace(_failed(options, path, source, why), findings=(finding_of_syntax(error, source),))]
    except (ValueError, RecursionError, MemoryError):
        return []
    return []


def _check(options: argparse.Namespace, terminal: Terminal) -> int:
    from micrograd.drawing.picture import write
    from micrograd.marker.inputs.pairs import chosen, unpaired
    from micrograd.marker.messages import WORDS, say
    from micrograd.marker.present.rendering import count, to_data
    from micrograd.marker.present.report_page import page_of
    from micrograd.marker.process.limits import Limits
    from micrograd.marker.process.runner import Request, run_and_walk
    from micrograd.marker.student.statements import parameters_of
    from micrograd.stepper.plain_text import coloured

    path = Path(options.file).absolute()
    source = text_of(path, "FILE.py")
    reports: list[Report] = []
    try:
        reports += _unreadable(source, path, options)
        pairs = () if reports else chosen(source, path.name, options.forward, options.backward)
    except MicrogradError as error:
        if options.format == "text" or options.emit:
            raise CommandError(str(error), 2) from None
        reports, pairs = [_failed(options, path, source, str(error))], ()
    output = _output(options, pairs)
    if len(pairs) == 1 and not options.input and not options.param:
        options.input, options.param = _own_inputs(source)
    examples = [shapes_and_settings(options, parameters_of(source, p.forward) or None, p.forward) for p in pairs]
    limits = Limits(options.seconds, options.memory << 20)
    walk = None
    if reports and options.format == "text":
        terminal.say(reports[0].text(hint=options.hint, language=options.lang, colour=coloured(sys.stdout)))
    for pair, example in zip(pairs, examples, strict=True):
        request = Request(
            source, str(path), pair.forward, pair.backward, pair.kind, example, reference=options.reference,
            seed=options.seed,
        )  # fmt: skip
        report, walk = run_and_walk(request, limits, walk=output is not None and not options.emit)
        reports.append(report)
        if options.format == "text":
            shown = report.text(hint=options.hint, language=options.lang, colour=coloured(sys.stdout))
            terminal.say(f"{shown}\n" if len(pairs) > 1 else shown)
    beside = unpaired(source, pairs) if pairs and options.forward is options.backward is None else []
    if options.format == "json":
        found = [to_data(report, hint=options.hint, language=options.lang) for report in reports]
        terminal.say(json.dumps({"version": 1, "reports": found, "not_checked": beside}, indent=2))
    elif len(pairs) > 1:
        terminal.say(count(reports, options.lang))
    if beside and options.format == "text":
        terminal.say(say(options.lang, WORDS["unpaired"], names=", ".join(beside)))
    if output is not None:
        made = (
            _emit(options, reports[0], pairs[0], source)
            if options.emit
            else page_of(reports[0], walk, hint=options.hint, language=options.lang)
        )
        write(output, made)
        if options.format == "text":
            terminal.say(f"\n{output}: {output.stat().st_size} bytes")
    verdicts = {report.verdict for report in reports}
    return 1 if "wrong" in verdicts else 2 if "failed" in verdicts else 0
