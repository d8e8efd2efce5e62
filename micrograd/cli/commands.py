"""Define the commands, and run one of them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

import micrograd
from micrograd.cli.arguments import of_a_function, whole
from micrograd.cli.checking import add_check
from micrograd.cli.completion import PrintCompletion
from micrograd.cli.deriving import add_derive
from micrograd.cli.exercising import add_exercise
from micrograd.cli.playing import add_playground
from micrograd.cli.probing import add_probe
from micrograd.cli.terminal import ASCII, CommandError, Terminal, writable
from micrograd.cli.training import add_train
from micrograd.cli.user_file import arguments_for, at_user_line, first_line, function_in, load
from micrograd.errors import MicrogradError, MissingExtraError

if TYPE_CHECKING:
    from micrograd.derivation import Derivation
    from micrograd.graph import Graph
    from micrograd.stepper.walk_types import WalkData

__all__ = ["main"]

_EXECUTES = (
    "Tracing EXECUTES the file and the function, with your rights: {} only files that you would run. "
    "Inputs for which you give no numbers are random normal numbers."
)


def _target(options: argparse.Namespace) -> tuple[Path, str]:
    """Return the path of the user's file and the name of the function in it."""
    file, colon, name = options.target.rpartition(":")
    if not colon or not name.isidentifier() or not file:
        raise CommandError(f"{options.target}: expected FILE.py:FUNCTION, such as examples/bn.py:batchnorm_forward", 2)
    return Path(file).absolute(), name


def _called(path: Path, name: str, options: argparse.Namespace) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return the user's function, its file executed, and its arguments."""
    function = function_in(load(path), name, path)
    return function, arguments_for(function, name, options)


def _traced(
    path: Path, called: tuple[Callable[..., Any], dict[str, Any]], options: argparse.Namespace, *, backward: bool
) -> Graph:
    """Trace the user's function; with `backward` run the backward pass too, from 1 or from random numbers."""
    from micrograd.tracing import trace

    function, arguments = called
    with at_user_line(path):
        graph = trace(function, **arguments)
    if backward:
        first = graph.outputs[0]
        seed = np.random.default_rng(options.seed + 1).standard_normal(first.shape)
        with at_user_line(path):
            graph.backward(np.asarray(seed, first.dtype) if first.shape else None)  # of a single number it is 1
    return graph


def _draw(options: argparse.Namespace, terminal: Terminal) -> None:
    from micrograd.drawing import draw
    from micrograd.drawing.picture import suffix_of
    from micrograd.graph.broken import what_ran

    path, name = _target(options)
    output = Path(options.output or f"{name}.svg")
    try:
        suffix_of(output)
    except MicrogradError as error:
        raise CommandError(str(error), 2) from None
    writable(output, options.force, make=True)
    broken = ""
    try:
        graph: Graph | BaseException = _traced(
            path, _called(path, name, options), options, backward=not options.no_grads or options.backward
        )
    except CommandError as error:
        if what_ran(error.__context__) is None or error.__context__ is None:
            raise
        graph, broken = error.__context__, str(error)
    picture = draw(
        graph,
        output,
        direction=options.direction,
        width=options.width,
        depth=options.depth,
        values=not options.no_values,
        grads=not options.no_grads,
        backward=options.backward and not broken,
        group=None if options.no_stages else "stage",
        full=options.full,
    )
    if broken:
        raise CommandError(f"{broken.rstrip('.')}; {output} shows what ran before it", 1)
    if picture.note:
        terminal.say(picture.note)
    assert not isinstance(graph, BaseException)
    terminal.say(f"{output}: {len(graph.nodes)} nodes, {len(graph.stages)} stages, {output.stat().st_size} bytes")


def _derived(
    function: Callable[..., Any], arguments: dict[str, Any], lang: Literal["en", "zh"], terminal: Terminal
) -> Derivation | None:
    """Return the derivation that a walk links to, or None, said why, where the function has none."""
    from micrograd.derivation import derive

    try:
        made = derive(function, lang=lang, **arguments)
        _ = made.steps  # the judges are asked before anything is written
    except MicrogradError as error:
        terminal.say(f"no derivation, so no link: {first_line(error)}")
        return None
    return made


def _walk(options: argparse.Namespace, terminal: Terminal) -> None:
    from micrograd.stepper import Walk, derivation_path, html_path
    from micrograd.stepper.page_data import walk_data
    from micrograd.stepper.plain_text import coloured, paged, text_of

    path, name = _target(options)
    output = None if options.output is None else Path(options.output)
    if output is not None:
        if options.step:
            raise CommandError("--step prints the steps; give it or -o, not both", 2)
        try:
            html_path(output)
        except MicrogradError as error:
            raise CommandError(str(error), 2) from None
        writable(output, options.force, make=True)
        if options.derive:
            writable(derivation_path(output), options.force, make=True)
    elif options.derive:
        raise CommandError("--derive writes a page beside that of the walk; give -o bn.html too", 2)
    derived = None
    if options.train:
        if options.derive:
            raise CommandError("--derive is of one function, --train of many calls; leave one of them out", 2)
        data = _trained(path, name, options)
    else:
        called = _called(path, name, options)
        graph = _traced(path, called, options, backward=True)
        derived = _derived(*called, options.lang, terminal) if options.derive else None
        data = walk_data(graph.backward_graph() if options.backward else graph, lang=options.lang)
    if output is not None:
        Walk(data).save(output, derived)
        size, nodes = output.stat().st_size, len(data["graphs"]["forward"]["nodes"])
        terminal.say(f"{output}: {nodes} nodes, {len(data['steps'])} steps, {size} bytes")
        if derived is not None:
            terminal.say(f"{derivation_path(output)}: {len(derived.steps)} steps to the compact formula")
    elif options.step:

        def ask(question: str) -> str:
            terminal.say(question)
            return input()

        paged(data, terminal.say, ask, coloured(sys.stdout))
    else:
        terminal.say(text_of(data, coloured(sys.stdout)).rstrip("\n"))


def _in_order(function: Callable[..., Any], arguments: dict[str, Any]) -> list[Any]:
    """Return the arguments by position, up to the last that is given; those between have their defaults."""
    parameters = signature(function).parameters
    count = max((at for at, name in enumerate(parameters, 1) if name in arguments), default=0)
    return [arguments.get(name, parameters[name].default) for name in [*parameters][:count]]


def _trained(path: Path, name: str, options: argparse.Namespace) -> WalkData:
    """Run the user's train step, and return the data of the walk through it."""
    from micrograd.stepper.training import iterations, training_walk_data

    if options.backward:
        raise CommandError("--train shows the backward pass of every iteration; leave out --backward", 2)
    function = function_in(load(path), name, path)
    arguments = arguments_for(function, name, options) if signature(function).parameters else {}
    with at_user_line(path):
        made = iterations(function, _in_order(function, arguments), options.steps)
        return training_walk_data(made, lang=options.lang)


def _demo(options: argparse.Namespace, terminal: Terminal) -> None:
    from micrograd.cli.demo import demo

    folder = Path(options.out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"cannot make the folder {folder} ({error.strerror}); choose another", 2) from None
    demo(terminal, folder, options.epochs)


def _cache(options: argparse.Namespace, terminal: Terminal) -> None:
    from micrograd.kept.store import cache_info, clear_cache

    folder, files, size = cache_info()
    if options.tune:
        from micrograd.compiler.tuning import tune

        tune(terminal.say)
    elif folder is None:
        terminal.say("compiled functions are not kept on disk (MICROGRAD_CACHE_DIR is off)")
    elif options.clear:
        terminal.say(f"{folder}: {clear_cache()} compiled functions removed")
    else:
        terminal.say(f"{folder}: {files} compiled functions, {size} bytes")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="micrograd", description="The graph engine that shows its work.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"micrograd {micrograd.__version__}")
    parser.add_argument(
        "--print-completion",
        action=PrintCompletion,
        choices=("bash", "zsh", "tcsh"),
        help="print the script that completes this command in a shell (needs shtab)",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    draw = commands.add_parser(
        "draw",
        help="draw the graph of a NumPy function",
        description="Draw the graph of a NumPy function in a Python file, with values and gradients. "
        + _EXECUTES.format("draw"),
        allow_abbrev=False,
    )
    of_a_function(draw, "bn.svg or bn.dot; bn.png and bn.pdf need the dot program (default: FUNCTION.svg)")
    draw.add_argument(
        "--direction", choices=("LR", "TB"), help="left to right, or top to bottom, however large (default: as fits)"
    )
    draw.add_argument(
        "--width", type=whole(200, 10000), default=880, metavar="PIXELS", help="where it is looked at (default: 880)"
    )
    draw.add_argument(
        "--depth", type=whole(1, 100), help="1: each call of a helper or a layer is one box; 2: those inside these"
    )
    draw.add_argument("--backward", action="store_true", help="draw the backward pass as a graph of its own")
    draw.add_argument("--no-values", action="store_true", help="shapes instead of numbers")
    draw.add_argument("--no-grads", action="store_true", help="the forward pass only")
    draw.add_argument("--no-stages", action="store_true", help="no frames around the stages")
    draw.add_argument("--full", action="store_true", help="a box for every primitive, however many")
    draw.set_defaults(run=_draw)

    walk = commands.add_parser(
        "walk",
        help="step through the graph of a NumPy function, forward and backward",
        description="Step through the graph of a NumPy function in a Python file, node by node, forward and backward: "
        "as a page for the browser (one file, works offline), or without -o as text. " + _EXECUTES.format("walk"),
        allow_abbrev=False,
    )
    of_a_function(walk, "bn.html; without it the steps are printed")
    walk.add_argument("--lang", choices=("en", "zh"), default="en", help="the language to begin with (default: en)")
    walk.add_argument("--step", action="store_true", help="print one step for each press of Enter")
    walk.add_argument(
        "--train",
        action="store_true",
        help="the function is a train step: it takes parameters and data and returns the loss and the new parameters, "
        "or calls backward() and moves its parameters; the page shows each iteration",
    )
    walk.add_argument("--steps", type=whole(1, 500), default=20, help="iterations of --train (default: 20)")
    walk.add_argument("--backward", action="store_true", help="walk through the backward pass as a graph of its own")
    walk.add_argument(
        "--derive",
        action="store_true",
        help="write the way to the compact formula beside the page, as bn-derive.html, and link to it",
    )
    walk.set_defaults(run=_walk)

    add_derive(commands)
    add_check(commands)
    add_probe(commands)
    add_exercise(commands)
    add_train(commands)
    add_playground(commands, micrograd.__version__)

    demo = commands.add_parser(
        "demo",
        help="batch normalization: pictures, agreement, training",
        description="Draw batch normalization as a staged graph, compare composed and handwritten gradients, "
        "train on digits with and without it. Takes less than a minute.",
        allow_abbrev=False,
    )
    demo.add_argument(
        "--out",
        metavar="FOLDER",
        default="out",
        help="the folder for the pictures; existing ones are replaced (default: out)",
    )
    demo.add_argument("--epochs", type=whole(1, 10000), default=20, help="epochs of each training (default: 20)")
    demo.set_defaults(run=_demo)

    cache = commands.add_parser(
        "cache",
        help="show where compiled functions are kept on disk",
        description="Show where the machine code of compiled functions is kept, and how much of it there is. "
        "The environment variable MICROGRAD_CACHE_DIR names another folder; with the value off nothing is kept.",
        allow_abbrev=False,
    )
    what = cache.add_mutually_exclusive_group()
    what.add_argument("--clear", action="store_true", help="remove the compiled functions, and what was measured")
    what.add_argument("--tune", action="store_true", help="measure how loops are best cut and shared on this machine")
    cache.set_defaults(run=_cache)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit code.

    Args:
        arguments: without the name of the program; those of this process where left out.
    """
    try:
        options = _parser().parse_args(arguments)
        code = options.run(options, Terminal())
        sys.stdout.flush()
    except SystemExit as error:  # argparse: 0 after --help, 2 after a mistake
        return error.code if isinstance(error.code, int) else 2
    except BrokenPipeError:  # `micrograd ... | head`: the reader has enough, which is no error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _failed("interrupted", 130)
    except CommandError as error:
        return _failed(str(error), error.code)
    except MissingExtraError as error:
        return _failed(first_line(error), 2)
    except MicrogradError as error:
        return _failed(first_line(error), 1)
    except OSError as error:
        return _failed(first_line(error), 2)
    return code or 0


def _failed(message: str, code: int) -> int:
    encoding = sys.stderr.encoding or "ascii"
    sys.stderr.write(f"micrograd: {message}\n".translate(ASCII if encoding.lower().replace("-", "") != "utf8" else {})
                     .encode(encoding, "backslashreplace").decode(encoding))  # fmt: skip
    return code
