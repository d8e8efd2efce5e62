"""What the tests call that `micrograd check --emit` writes: one gradient of a check, asserted with our message."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from micrograd.marker.messages import WORDS, say, translated
from micrograd.marker.present.rendering import findings_of
from micrograd.marker.present.telling import told
from micrograd.marker.report import Finding, Report

__all__ = ["assert_gradient", "assert_step", "judge"]

Function = Callable[..., Any]


@lru_cache(maxsize=8)
def _report(forward: Function, backward: Function) -> Report:
    """Return one check for all tests of a pair; functions that are defined anew are others."""
    from micrograd.marker.process.session import check

    return check(backward, forward)


def _checked(forward: Any, backward: Any, language: str) -> Report:
    for function in (forward, backward):
        if not callable(function):
            raise AssertionError(say(language, WORDS["grade.undefined"]))
    return _report(forward, backward)


def assert_gradient(forward: Any, backward: Any, name: str, *, hint: str = "kind", language: str = "en") -> None:
    """Assert that one of the gradients that the backward returns is right.

    Args:
        forward: the forward function.
        backward: the handwritten backward; the forward again where it returns its gradients itself.
        name: of the gradient, as ``dgamma``.
        hint: how much the message gives away: ``where``, ``kind`` or ``fix``.
        language: of the message, ``en`` or ``zh``.

    Raises:
        AssertionError: it is wrong, or nothing could be run.
    """
    judge(_checked(forward, backward, language), name, step=False, hint=hint, language=language)


def assert_step(forward: Any, backward: Any, name: str, *, hint: str = "kind", language: str = "en") -> None:
    """Assert that the backward computes a gradient on its way, under whatever name; or is right without it.

    Args:
        forward: the forward function.
        backward: the handwritten backward.
        name: of the gradient, as ``dvar``.
        hint: how much the message gives away: ``where``, ``kind`` or ``fix``.
        language: of the message, ``en`` or ``zh``.

    Raises:
        AssertionError: it does not.
    """
    judge(_checked(forward, backward, language), name, step=True, hint=hint, language=language)


def judge(report: Report, name: str, *, step: bool, hint: str = "kind", language: str = "en") -> None:
    """Assert that a report finds a gradient right: one of those returned, or a step on the way.

    Raises:
        AssertionError: with what the report says of it.
    """
    right = name in report.held if step else any(output.right for output in report.outputs if output.name == name)
    if report.ok or right:
        return
    if report.verdict == "failed":
        raise AssertionError(translated(report.problem, language))
    mistakes = findings_of(report)[0]
    own = next((finding for finding in mistakes if name in (finding.means, finding.target)), None)
    lines = [say(language, WORDS["grade.wrong" if step else "grade.output"], name=name)]
    if own is not None:
        lines += _lines(report, own, hint, language)
    elif mistakes:
        lines += [say(language, WORDS["grade.first"]), *_lines(report, mistakes[0], hint, language)]
    raise AssertionError("\n".join(lines))


def _lines(report: Report, finding: Finding, hint: str, language: str) -> list[str]:
    shown = told(report, finding, hint=hint, language=language)
    code = [f"    {number} | {text}" for number, text, _ in shown.code]
    diff = [f"    {number} {sign} {text}" for sign, number, text in shown.diff]
    return [shown.head, *code, *shown.sentences, *filter(None, [shown.step]), *diff, *filter(None, [shown.proof])]
