"""Run `micrograd probe`: find inputs that make every mistake visible, or say what an existing test cannot see."""

from __future__ import annotations

import argparse
import ast
import inspect
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from micrograd.cli.arguments import eps_number, input_shape, seed_number, setting
from micrograd.cli.terminal import CommandError, Terminal, writable
from micrograd.cli.user_file import at_user_line, explained, function_in, load, text_of
from micrograd.marker.messages import LANGUAGES

__all__ = ["add_probe", "forward_of", "of_a_forward", "shapes_and_settings"]


def of_a_forward(command: argparse.ArgumentParser) -> None:
    """Add the arguments of a command that makes up inputs of a forward."""
    command.add_argument(
        "--input", metavar="NAME=SHAPE", type=input_shape, action="append", default=[],
        help="shape of an array argument, as x=5x3 (default: made up by its name)",
    )  # fmt: skip
    command.add_argument(
        "--param", metavar="NAME=VALUE", type=setting, action="append", default=[],
        help="another argument, as \"pool_param={'stride': 2}\"",
    )  # fmt: skip
    command.add_argument("--eps", type=eps_number, help="short for --param eps=EPS")
    command.add_argument("--lang", "--language", choices=LANGUAGES, default="en", help="the language (default: en)")
    command.add_argument("--seed", type=seed_number, default=0, help="of the random numbers (default: 0)")


def shapes_and_settings(options: argparse.Namespace, parameters: Any, forward: str) -> dict[str, Any]:
    """Return the arguments that were given: shapes, which stand for random arrays, and values.

    Args:
        options: the command's.
        parameters: of the forward; None where they are not known.
        forward: its name.

    Raises:
        CommandError: one is given twice, or the forward has no such parameter.
    """
    settings = dict(options.param) | ({} if options.eps is None else {"eps": options.eps})
    shapes = dict(options.input)
    if both := sorted(set(shapes) & set(settings)):
        raise CommandError(f"{both[0]!r} is given as --input and as a setting; give it once", 2)
    for name in {**shapes, **settings}:
        if parameters is not None and name not in parameters:
            raise CommandError(f"{forward} has no parameter {name!r}; its parameters: {', '.join(parameters)}", 2)
    return {**shapes, **settings}


def forward_of(target: str) -> tuple[types.ModuleType, Callable[..., Any], Path]:
    """Execute the user's file and return the forward in it: the one named, or the only one. Raises CommandError."""
    from micrograd.marker.inputs.pairs import pairs_in

    file, colon, name = target.rpartition(":")
    if not colon or not name.isidentifier():
        file, name = target, ""
    path = Path(file).absolute()
    if not name:
        found = list(
            dict.fromkeys(pair.forward for pair in pairs_in(text_of(path), path.name) if "." not in pair.forward)
        )
        if len(found) != 1:
            there = f"it has {', '.join(found)}" if found else "no forward and backward were found by their names"
            raise CommandError(f"{path.name}: {there}; name the function: {file}:FUNCTION", 2)
        name = found[0]
    module = load(path)
    return module, function_in(module, name, path), path


def add_probe(commands: Any) -> None:
    """Add the command and its arguments."""
    probe = commands.add_parser(
        "probe",
        help="inputs that make every mistake in a handwritten backward visible",
        description="Find inputs on which every mistake in a backward of the function shows, and say which mistakes no "
        "input can show; or with --lint say what a test that exists cannot see, and why. The file is EXECUTED, with "
        "your rights. Exit code of --lint: 0 it sees everything, 1 it does not.",
        allow_abbrev=False,
    )
    probe.add_argument("target", metavar="FILE.py[:FUNCTION]", help="the forward function; the file is executed")
    of_a_forward(probe)
    probe.add_argument(
        "--lint", metavar="TEST",
        help="the test: FILE.npz with the arguments by name and the upstream gradient as dout; or Python, evaluated in "
        "the file: a name, or '(x, gamma, beta, dout)'",
    )  # fmt: skip
    probe.add_argument("-o", "--output", metavar="FILE.npz", help="write the inputs there, the gradient as dout")
    probe.add_argument("--format", choices=("text", "json"), default="text", help="of the output (default: text)")
    probe.add_argument("--force", action="store_true", help="replace the output if it exists")
    probe.set_defaults(run=_probe)


def _probe(options: argparse.Namespace, terminal: Terminal) -> int:
    from micrograd.marker.probing import probe
    from micrograd.marker.probing.lint import judged

    output = None if options.output is None else Path(options.output)
    if output is not None:
        if output.suffix.lower() != ".npz":
            raise CommandError(f"{output}: inputs are written as .npz; name it {output.with_suffix('.npz')}", 2)
        if options.lint is not None:
            raise CommandError("--lint judges inputs that there are; give it or -o, not both", 2)
        writable(output, options.force)
    module, forward, path = forward_of(options.target)
    if options.lint is not None:
        if options.format == "json":
            raise CommandError("--lint prints text only; leave --format json out", 2)
        if options.input or options.param or options.eps is not None:
            raise CommandError("--lint brings all arguments; leave --input, --param and --eps out", 2)
        test = _test(options.lint, module, path)
        with at_user_line(path):
            lint = judged(forward, test, seed=options.seed)
        terminal.say(lint.text(options.lang))
        return 0 if lint.ok else 1
    example = shapes_and_settings(options, list(inspect.signature(forward).parameters), forward.__name__)
    with at_user_line(path), explained(forward, example, path):
        found = probe(forward, example, seed=options.seed)
    terminal.say(found.as_json() if options.format == "json" else found.text(options.lang))
    if output is not None:
        upstream = found.upstream if isinstance(found.upstream, tuple) else (found.upstream,)
        ups = {"dout" if len(upstream) == 1 else f"dout{i}": g for i, g in enumerate(upstream, 1)}
        numbers = {
            name: value for name, value in found.arguments.items() if isinstance(value, (np.ndarray, float, int))
        }
        np.savez(output, **numbers, **ups)  # type: ignore[arg-type]
        if options.format == "text":
            terminal.say(f"{output}: {', '.join([*numbers, *ups])}")
    return 0


def _test(text: str, module: types.ModuleType, path: Path) -> Any:
    """Return the test that was given: arrays of a file, or an expression of the user's. Raises CommandError."""
    if text.lower().endswith(".npz"):
        try:
            with np.load(text, allow_pickle=False) as file:
                return {name: _number(file[name]) for name in file.files}
        except (OSError, ValueError) as error:
            raise CommandError(f"{text}: cannot be read as .npz ({error})", 2) from None
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError:
        raise CommandError(
            f"--lint {text!r}: expected FILE.npz, a name in {path.name}, or Python such as '(x, gamma, beta, dout)'", 2
        ) from None
    space = {"np": np, **vars(module)}
    try:
        return eval(compile(tree, "--lint", "eval"), space)  # noqa: S307 - the user's own, as is the file
    except Exception as error:  # noqa: BLE001 - whatever the user's code raises
        raise CommandError(f"--lint {text!r}: {type(error).__name__}: {error}", 2) from None


def _number(array: Any) -> Any:
    return array if array.shape else array.item()
