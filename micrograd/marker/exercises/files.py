"""Exercises as files: Python or a notebook, and the solution in a file of its own."""

from __future__ import annotations

import ast
import shlex
from pathlib import Path

from micrograd.errors import GraphError
from micrograd.marker.exercises.exercise_messages import WORDS
from micrograd.marker.exercises.exercises import Exercise
from micrograd.marker.messages import say
from micrograd.marker.mistakes import MISTAKES
from micrograd.marker.notebook import cell, notebook

__all__ = ["check_options", "notebook_text", "python_text", "solution_path", "suffix_of"]

_SUFFIXES = (".py", ".ipynb")


def suffix_of(path: Path) -> str:
    """``.py`` or ``.ipynb``.

    Raises:
        GraphError: another one.
    """
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise GraphError(f"{path}: an exercise is written as .py or as .ipynb; name it {path.with_suffix('.py')}")
    return suffix


def solution_path(path: Path) -> Path:
    """Return where the solution goes: ``bn_solution.py`` beside ``bn.py``.

    >>> solution_path(Path("bn.py")).name
    'bn_solution.py'
    """
    return path.with_name(f"{path.stem}_solution{path.suffix}")


def _task(exercise: Exercise) -> str:
    count = len(exercise.answers)
    key = "task.bugs" if exercise.kind == "bug" and count > 1 else f"task.{exercise.kind}"
    return say(exercise.language, WORDS[key], count=count)


def _answers(exercise: Exercise) -> list[str]:
    """Return what belongs in each blank as a line of text."""
    lines = []
    for answer in exercise.answers:
        if answer.wrong:
            why = say(exercise.language, MISTAKES[answer.why].solution)
            text = {"right": answer.right, "wrong": answer.wrong, "why": why}
            lines.append(say(exercise.language, WORDS["answer.bug"], number=answer.number, **text))
        else:
            lines.append(f"{answer.number}. `{answer.right}`")
    return lines


def _title(exercise: Exercise, solved: bool) -> str:
    return say(exercise.language, WORDS["title.solution" if solved else "title"], forward=exercise.forward)


def check_options(exercise: Exercise) -> list[str]:
    """Return what `micrograd check` takes beside the file: the shapes that the exercise was made with, and so on."""
    words = [] if exercise.language == "en" else ["--lang", exercise.language]
    for name, value in exercise.example:
        if isinstance(value, tuple):
            words += ["--input", f"{name}={'x'.join(map(str, value)) or 'scalar'}"]
        else:
            words += ["--param", f"{name}={value!r}"]
    return words


def _check(exercise: Exercise) -> str:
    """Return the expression that marks it."""
    tree = ast.parse(exercise.given)
    forward = next((s for s in tree.body if isinstance(s, ast.FunctionDef) and s.name == exercise.forward), None)
    parameters = [a.arg for a in (*forward.args.posonlyargs, *forward.args.args)] if forward else []
    names = [name for name, _ in exercise.example]
    in_order = names == parameters[: len(names)]  # `mg.check` takes them by position
    shown = [exercise.backward, exercise.forward, *(repr(value) for _, value in exercise.example if in_order)]
    call = f"mg.check({', '.join(shown)})"
    return call if exercise.language == "en" else f'{call}.text(language="{exercise.language}")'


def python_text(exercise: Exercise, file: str, command: str, *, solved: bool = False) -> str:
    """Return the exercise as the text of a Python file, or its solution.

    Args:
        exercise: any.
        file: the name that the file will have.
        command: that made it.
        solved: the solution instead.
    """
    language = exercise.language
    if solved:
        told = [say(language, WORDS["answers"]), "", *_answers(exercise)]
    else:
        line = f"    micrograd {shlex.join(['check', file, *check_options(exercise)])}"
        told = [_task(exercise), "", say(language, WORDS["mark"]), "", line, "", say(language, WORDS["mark.hint"])]
    made = say(language, WORDS["made"], command=command)
    head = "\n".join([_title(exercise, solved), "", *told, "", made])
    body = exercise.solved if solved else exercise.asked
    tail = f'if __name__ == "__main__":\n    import micrograd as mg\n\n    print({_check(exercise)})\n'
    return f'"""{head}\n"""\n\n{exercise.given.rstrip()}\n\n\n{body.rstrip()}\n\n\n{tail}'


def notebook_text(exercise: Exercise, command: str, *, solved: bool = False) -> str:
    """Return the exercise as the text of a notebook (nbformat 4.5), or its solution.

    Args:
        exercise: any.
        command: that made it.
        solved: the solution instead.
    """
    language = exercise.language
    told = _answers(exercise) if solved else [_task(exercise)]
    about = "\n".join([f"# {_title(exercise, solved)}", "", *told, "", say(language, WORDS["made"], command=command)])
    mark = f"import micrograd as mg\n\n{_check(exercise)}"
    mark = mark if language == "en" else mark.replace("mg.check", "print(mg.check") + ")"
    return notebook([
        cell("markdown", "title", about),
        cell("markdown", "given", say(language, WORDS["cell.forward"])),
        cell("code", "forward", exercise.given.strip()),
        cell("markdown", "asked", say(language, WORDS["cell.backward"])),
        cell("code", "backward", (exercise.solved if solved else exercise.asked).strip()),
        cell("markdown", "marking", say(language, WORDS["cell.mark"])),
        cell("code", "mark", mark),
    ])  # fmt: skip
