"""Run `micrograd exercise`: write a backward pass with blanks or a planted mistake, as a file or a notebook."""

from __future__ import annotations

import argparse
import inspect
import shlex
from pathlib import Path
from typing import Any

from micrograd.cli.arguments import whole
from micrograd.cli.probing import forward_of, of_a_forward, shapes_and_settings
from micrograd.cli.terminal import CommandError, Terminal, typed, writable
from micrograd.cli.user_file import at_user_line, explained
from micrograd.errors import MicrogradError
from micrograd.marker.exercises.exercise_messages import EXERCISES

__all__ = ["add_exercise"]

_LESSONS = ("batchnorm", "layernorm", "groupnorm", "softmax", "affine_relu")


def add_exercise(commands: Any) -> None:
    """Add the command and its arguments."""
    exercise = commands.add_parser(
        "exercise",
        help="write an exercise: a backward pass with blanks, or with a planted mistake",
        description="Write an exercise, and its solution beside it: the backward pass of a layer, made from its graph, "
        "with blanks to fill in or with a mistake to find. `micrograd check` marks it. The layers: "
        f"{', '.join(_LESSONS)}; or a function of a file, which is EXECUTED, with your rights.",
        allow_abbrev=False,
    )
    exercise.add_argument("target", metavar="NAME", help="a layer, or FILE.py:FUNCTION")
    exercise.add_argument(
        "--kind", choices=EXERCISES, default="line",
        help="what is left out: a line, a local rule, a path and its sum, a shape, an axis; or a bug is planted "
        "(default: line)",
    )  # fmt: skip
    exercise.add_argument(
        "--blanks", type=whole(1, 100), help="how many blanks, paths or bugs (default: 3, and one bug)"
    )
    of_a_forward(exercise)
    exercise.add_argument(
        "-o", "--output", metavar="FILE", help="bn.py, or bn.ipynb for a notebook (default: NAME_exercise.py)"
    )
    exercise.add_argument("--force", action="store_true", help="replace the files if they exist")
    exercise.set_defaults(run=_exercise)


def _exercise(options: argparse.Namespace, terminal: Terminal) -> None:
    from micrograd.drawing.picture import write
    from micrograd.marker.exercises.exercises import LESSONS, exercise, lesson, lesson_of
    from micrograd.marker.exercises.files import check_options, notebook_text, python_text, solution_path, suffix_of

    name = options.target.rpartition(":")[2] if ":" in options.target else Path(options.target).stem
    output = Path(options.output or f"{name}_exercise.py")
    try:
        suffix = suffix_of(output)
    except MicrogradError as error:
        raise CommandError(str(error), 2) from None
    for path in (output, solution_path(output)):
        writable(path, options.force)
    if options.target in LESSONS:
        start, path = lesson(options.target, options.lang), Path(f"{options.target}.py")
    elif options.target.endswith(".py") or ":" in options.target:
        _, forward, path = forward_of(options.target)
        with at_user_line(path):
            start = lesson_of(forward)
    else:
        raise CommandError(f"no exercise {options.target!r}; there are {', '.join(LESSONS)}, or FILE.py:FUNCTION", 2)
    parameters = list(inspect.signature(start.forward).parameters)
    example = shapes_and_settings(options, parameters, start.forward.__name__)
    blanks = options.blanks or (1 if options.kind == "bug" else 3)
    with at_user_line(path), explained(start.forward, example, path):
        made = exercise(start, options.kind, blanks=blanks, seed=options.seed, language=options.lang, example=example)
    command = _command(options, blanks)
    for at, solved in ((output, False), (solution_path(output), True)):
        text = (
            notebook_text(made, command, solved=solved)
            if suffix == ".ipynb"
            else python_text(made, output.name, command, solved=solved)
        )
        write(at, text)
    what = "planted" if made.kind == "bug" else "blank"
    terminal.say(f"{output}: {len(made.answers)} {what}; the solution is in {solution_path(output)}")
    if suffix == ".py":
        terminal.say(f"mark it: {typed('check', str(output), *check_options(made))}")


def _command(options: argparse.Namespace, blanks: int) -> str:
    """Return the command that writes this exercise again."""
    words = ["micrograd", "exercise", options.target, "--kind", options.kind, "--blanks", str(blanks)]
    words += ["--seed", str(options.seed)] + (["--lang", options.lang] if options.lang != "en" else [])
    words += [f"--input={name}={'x'.join(map(str, shape)) or 'scalar'}" for name, shape in options.input]
    words += [f"--param={name}={value!r}" for name, value in options.param]
    words += [f"--eps={options.eps}"] if options.eps is not None else []
    return shlex.join(words)
