"""The command ``micrograd``: draw a function's graph or walk through it, train on digits, run the demonstration.

Plain text everywhere, prettier where `rich` is installed and a person is watching. Whatever goes wrong is told in one
line: exit 2 where the command was at fault, 1 where the file or the training was, 130 after Ctrl-C; a reader that
closes the pipe is no error.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import math
import os
import re
import sys
import tokenize
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import micrograd
from micrograd.errors import MicrogradError, MissingExtraError

if TYPE_CHECKING:
    from micrograd.graph import Graph

__all__ = ["Terminal", "main"]

_SIZES = "sizes of 1 to 1000000 joined by x, at most 10 million numbers, as in 4x3; or scalar"
_ASCII = str.maketrans(
    {
        "→": "->",
        "Σ": "sum",
        "×": "x",
        "·": "*",
        "−": "-",
        "…": "...",
        "\u202f": " ",
        "≤": "<=",
        "√": "sqrt",
        "²": "^2",
        "³": "^3",
        "ᵀ": "^T",
        "ᐟ": "/",
    }
)


class _CommandError(Exception):
    """What ends the command: a line for the person, and the exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


# ---- what a person sees --------------------------------------------------------


class Terminal:
    """Writes lines, tables and progress as well as the terminal can: in ASCII, uncoloured, without a moving bar."""

    def __init__(self) -> None:
        self.rich: Any = None
        encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
        self.watched = sys.stdout.isatty()
        if self.watched and encoding == "utf8" and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb":
            try:
                from rich.console import Console
            except ImportError:
                return
            self.rich = Console(highlight=False)

    def say(self, text: str = "") -> None:
        """One line (or several) on the standard output."""
        encoding = sys.stdout.encoding or "ascii"
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            text = text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Columns: the first to the left, the others to the right."""
        if self.rich is not None:
            from rich import box
            from rich.table import Table
            from rich.text import Text

            pretty = Table(box=box.SIMPLE_HEAD, header_style="bold")
            for number, title in enumerate(head):
                pretty.add_column(Text(title), justify="left" if number == 0 else "right")
            for row in rows:
                pretty.add_row(*map(Text, row))
            self.rich.print(pretty)
            return
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        for row in (head, ["-" * width for width in widths], *rows):
            first, *others = (
                cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            self.say("  " + "  ".join([first, *others]).rstrip())

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Callable[[int, str], None]]:
        """A bar: call what is given with the steps done and a remark. Where nobody watches, a line now and then."""
        if self.rich is not None:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[remark]}"),
            )
            with Progress(*columns, console=self.rich) as bar:
                task = bar.add_task(label, total=total, remark="")
                yield lambda done, remark: bar.update(task, completed=done, remark=remark)
            return

        def show(done: int, remark: str) -> None:
            if self.watched:
                filled = round(24 * done / total)
                sys.stdout.write(f"\r{label} [{'#' * filled}{'.' * (24 - filled)}] {done}/{total}  {remark} ")
                sys.stdout.flush()
            elif done == total or done % max(1, total // 4) == 0:
                self.say(f"{label}  {done}/{total}  {remark}")

        try:
            yield show
        finally:
            if self.watched:
                sys.stdout.write("\n")
                sys.stdout.flush()


# ---- arguments --------------------------------------------------------


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"expected a whole number from {low} to {high}; got {text!r}")
        return value

    return parse


def _real(low: float, high: float, words: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high or math.isinf(value):
            raise argparse.ArgumentTypeError(f"expected {words}; got {text!r}")
        return value

    return parse


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, _, sizes = text.partition("=")
    parts = sizes.split("x")
    if name.isidentifier() and sizes == "scalar":
        return name, ()
    if not name.isidentifier() or not all(
        re.fullmatch(r"[0-9]{1,7}", part) and 0 < int(part) <= 10**6 for part in parts
    ):
        raise argparse.ArgumentTypeError(f"expected NAME=SHAPE with {_SIZES}; got {text!r}")
    shape = tuple(map(int, parts))
    if math.prod(shape) > 10**7:
        raise argparse.ArgumentTypeError(f"expected NAME=SHAPE with {_SIZES}; got {text!r}, {math.prod(shape)} numbers")
    return name, shape


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name.isidentifier() or not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE; got {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise argparse.ArgumentTypeError(
            f"{name}: expected a Python number, string, tuple or such; got {value!r}"
        ) from None


_seed = _whole(0, 2**32 - 1)
_eps = _real(0.0, math.inf, "a finite number >= 0")
_rate = _real(1e-12, 1e6, "a number from 1e-12 to 1e6")


def _of_a_function(command: argparse.ArgumentParser, output: str) -> None:
    """The arguments of a command that traces a function."""
    command.add_argument("target", metavar="FILE.py:FUNCTION", help="the function to trace; the file is executed")
    command.add_argument(
        "--input", metavar="NAME=SHAPE", type=_shape, action="append", default=[], help=f"an array argument: {_SIZES}"
    )
    command.add_argument(
        "--param", metavar="NAME=VALUE", type=_setting, action="append", default=[], help="another argument, as axis=0"
    )
    command.add_argument("--eps", type=_eps, help="short for --param eps=EPS")
    command.add_argument("-o", "--output", metavar="FILE", help=output)
    command.add_argument("--force", action="store_true", help="replace the output if it exists")
    command.add_argument("--seed", type=_seed, default=0, help="of the random inputs (default: 0)")
    command.add_argument(
        "--dtype", choices=("float32", "float64"), default="float64", help="of the inputs (default: float64)"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="micrograd", description="The graph engine that shows its work.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"micrograd {micrograd.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    draw = commands.add_parser(
        "draw",
        help="draw the graph of a NumPy function",
        description="Draw the graph of a NumPy function in a Python file, with values and gradients. "
        "Tracing EXECUTES the file and the function, with your rights: draw only files that you would run. "
        "Inputs are random normal numbers.",
        allow_abbrev=False,
    )
    _of_a_function(draw, "bn.svg or bn.dot; bn.png and bn.pdf need the dot program (default: FUNCTION.svg)")
    draw.add_argument("--direction", choices=("LR", "TB"), default="LR", help="left to right, or top to bottom")
    draw.add_argument("--backward", action="store_true", help="draw the backward pass as a graph of its own")
    draw.add_argument("--no-values", action="store_true", help="shapes instead of numbers")
    draw.add_argument("--no-grads", action="store_true", help="the forward pass only")
    draw.add_argument("--no-stages", action="store_true", help="no frames around the steps")
    draw.add_argument("--full", action="store_true", help="a box for every primitive, however many there are")
    draw.set_defaults(run=_draw)

    walk = commands.add_parser(
        "walk",
        help="step through the graph of a NumPy function, forward and backward",
        description="Step through the graph of a NumPy function in a Python file, node by node, forward and backward: "
        "as a page for the browser (one file, works offline), or without -o as text. "
        "Tracing EXECUTES the file and the function, with your rights: walk only files that you would run. "
        "Inputs are random normal numbers.",
        allow_abbrev=False,
    )
    _of_a_function(walk, "bn.html; where left out the steps are printed")
    walk.add_argument("--lang", choices=("en", "zh"), default="en", help="the language to begin with (default: en)")
    walk.add_argument("--step", action="store_true", help="print one step for each press of Enter")
    walk.add_argument("--backward", action="store_true", help="walk through the backward pass as a graph of its own")
    walk.set_defaults(run=_walk)

    train = commands.add_parser(
        "train",
        help="train a network on real data",
        description="Train the perceptron 64-64-64-10 on the 1,797 handwritten digits of scikit-learn.",
        allow_abbrev=False,
    )
    train.add_argument("data", choices=("digits",), help="the data set")
    train.add_argument(
        "--epochs", type=_whole(1, 10000), default=20, help="how often all examples are seen (default: 20)"
    )
    train.add_argument("--lr", type=_rate, default=0.1, help="learning rate at the start (default: 0.1)")
    train.add_argument("--batch-size", type=_whole(2, 1437), default=64, help="rows in a step (default: 64)")
    train.add_argument("--no-batch-norm", action="store_true", help="leave batch normalization out")
    train.add_argument("--seed", type=_seed, default=0, help="of the weights and the order (default: 0)")
    train.add_argument("--out", metavar="FILE.svg", help="write the learning curves there")
    train.add_argument("--force", action="store_true", help="replace that file if it exists")
    train.set_defaults(run=_train)

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
        help="where the pictures go; existing ones are replaced (default: out)",
    )
    demo.add_argument("--epochs", type=_whole(1, 10000), default=20, help="of each training (default: 20)")
    demo.set_defaults(run=_demo)
    return parser


# ---- the author's file --------------------------------------------------------


def _load(path: Path) -> types.ModuleType:
    """Execute a Python file as a module. Raises _CommandError, with the author's own line, for what is wrong in it."""
    if not path.is_file():
        raise _CommandError(
            f"{path}: {'is a directory' if path.is_dir() else 'no such file'}; give FILE.py:FUNCTION", 2
        )
    try:
        with tokenize.open(path) as file:
            text = file.read()
    except UnicodeDecodeError as error:
        raise _CommandError(
            f"{path.name}: not {error.encoding} text (byte 0x{error.object[error.start]:02x}); save it as UTF-8", 1
        ) from None
    except SyntaxError as error:
        raise _CommandError(f"{path.name}: {error.msg}; save it as UTF-8", 1) from None
    except OSError as error:
        raise _CommandError(f"{path}: cannot be read ({error.strerror})", 2) from None
    name = path.stem if path.stem.isidentifier() and path.stem not in sys.modules else f"_drawn_{path.stem}"
    module = types.ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    with _at_their_line(path):
        exec(compile(text, str(path), "exec"), module.__dict__)  # noqa: S102 - said in the help and in SECURITY.md
    return module


@contextmanager
def _at_their_line(path: Path) -> Iterator[None]:
    """Tell what the author's code raises with the innermost line of the author's file, and no traceback."""
    try:
        yield
    except SyntaxError as error:
        if error.filename != str(path):
            raise _CommandError(f"{_line(error, path)}: {type(error).__name__}: {_first_line(error)}", 1) from None
        raise _CommandError(f"{path.name}:{error.lineno}: {error.msg}", 1) from None
    except MissingExtraError:
        raise
    except SystemExit as error:
        raise _CommandError(
            f"{_line(error, path)}: the code called exit({error.code!r}); put that under if __name__ == '__main__'", 1
        ) from None
    except Exception as error:  # noqa: BLE001 - whatever the author's code raises
        kind = "" if isinstance(error, MicrogradError) else f"{type(error).__name__}: "
        raise _CommandError(f"{_line(error, path)}: {kind}{_first_line(error)}", 1) from None


def _line(error: BaseException, path: Path) -> str:
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"{path.name}:{line}" if line else path.name


def _first_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or "no message"


def _function(module: types.ModuleType, name: str, path: Path) -> Callable[..., Any]:
    found = vars(module).get(name)
    if callable(found) and not isinstance(found, type):
        return found  # type: ignore[no-any-return]
    own = [
        key for key, value in vars(module).items() if inspect.isfunction(value) and value.__module__ == module.__name__
    ]
    there = f"it defines {', '.join(own)}" if own else "it defines no functions"
    what = "no function" if found is None else f"{type(found).__name__}, not a function, is called"
    raise _CommandError(f"{path.name}: {what} {name!r}; {there}", 1)


def _arguments(function: Callable[..., Any], name: str, options: argparse.Namespace) -> dict[str, Any]:
    """The arrays and settings, by parameter. Raises _CommandError where they do not fit the signature."""
    parameters = inspect.signature(function).parameters
    settings = dict(options.param)
    if options.eps is not None:
        settings["eps"] = options.eps
    shapes = dict(options.input)
    listed = ", ".join(parameters) or "none"
    open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    for given in [*shapes, *settings]:
        if given not in parameters and not open_ended:
            raise _CommandError(f"{name} has no parameter {given!r}; its parameters: {listed}", 2)
    if both := sorted(set(shapes) & set(settings)):
        raise _CommandError(f"{both[0]!r} is given as --input and as a setting; give it once", 2)
    bound = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    missing = [
        p.name
        for p in parameters.values()
        if p.default is p.empty and p.kind not in bound and p.name not in shapes and p.name not in settings
    ]
    if missing:
        raise _CommandError(
            f"{name} needs {', '.join(missing)}: "
            f"give --input {missing[0]}=4x3 (an array) or --param {missing[0]}=VALUE",
            2,
        )
    rng = np.random.default_rng(options.seed)
    arrays = {key: np.asarray(rng.standard_normal(shape), options.dtype) for key, shape in shapes.items()}
    return {**arrays, **settings}


# ---- commands --------------------------------------------------------


def _writable(path: Path, force: bool) -> None:
    """Refuse before the work rather than after it."""
    if path.is_dir():
        raise _CommandError(f"{path} is a directory; name a file in it, as {path / 'bn.svg'}", 2)
    if not path.parent.is_dir():
        raise _CommandError(f"the folder {path.parent} does not exist; make it first", 2)
    if path.exists() and not force:
        raise _CommandError(f"{path} exists; use --force to replace it", 2)
    if not os.access(path.parent, os.W_OK):
        raise _CommandError(f"the folder {path.parent} cannot be written; choose another", 2)


def _target(options: argparse.Namespace) -> tuple[Path, str]:
    """The author's file and the name of the function in it."""
    file, colon, name = options.target.rpartition(":")
    if not colon or not name.isidentifier() or not file:
        raise _CommandError(f"{options.target}: expected FILE.py:FUNCTION, as examples/bn.py:batchnorm_forward", 2)
    return Path(file).absolute(), name


def _traced(path: Path, name: str, options: argparse.Namespace, *, backward: bool) -> Graph:
    """The graph of the author's function, after the backward pass from a random gradient if so wished."""
    from micrograd.graph import trace

    function = _function(_load(path), name, path)
    arguments = _arguments(function, name, options)
    with _at_their_line(path):
        graph = trace(function, **arguments)
    if backward:
        first = graph.outputs[0]
        seed = np.random.default_rng(options.seed + 1).standard_normal(first.shape)
        with _at_their_line(path):
            graph.backward(
                float(seed)
                if not first.shape and type(graph.value[first.name]) is float
                else np.asarray(seed, first.dtype)
            )
    return graph


def _draw(options: argparse.Namespace, terminal: Terminal) -> None:
    from micrograd.drawing import draw
    from micrograd.drawing.picture import suffix_of

    path, name = _target(options)
    output = Path(options.output or f"{name}.svg")
    try:
        suffix_of(output)
    except MicrogradError as error:
        raise _CommandError(str(error), 2) from None
    _writable(output, options.force)
    graph = _traced(path, name, options, backward=not options.no_grads or options.backward)
    picture = draw(
        graph,
        output,
        direction=options.direction,
        values=not options.no_values,
        grads=not options.no_grads,
        backward=options.backward,
        group=None if options.no_stages else "stage",
        full=options.full,
    )
    if picture.note:
        terminal.say(picture.note)
    terminal.say(f"{output}: {len(graph.nodes)} nodes, {len(graph.stages)} stages, {output.stat().st_size} bytes")


def _walk(options: argparse.Namespace, terminal: Terminal) -> None:
    from micrograd.stepper import Walk, html_path
    from micrograd.stepper.data import walk_data
    from micrograd.stepper.terminal import coloured, paged, text_of

    path, name = _target(options)
    output = None if options.output is None else Path(options.output)
    if output is not None:
        if options.step:
            raise _CommandError("--step prints the steps; give it or -o, not both", 2)
        try:
            html_path(output)
        except MicrogradError as error:
            raise _CommandError(str(error), 2) from None
        _writable(output, options.force)
    graph = _traced(path, name, options, backward=True)
    if options.backward:
        graph = graph.backward_graph()
    data = walk_data(graph, lang=options.lang)
    if output is not None:
        Walk(data).save(output)
        size = output.stat().st_size
        terminal.say(f"{output}: {len(graph.nodes)} nodes, {len(data['steps'])} steps, {size} bytes")
    elif options.step:

        def ask(question: str) -> str:
            terminal.say(question)
            return input()

        paged(data, terminal.say, ask, coloured(sys.stdout))
    else:
        terminal.say(text_of(data, coloured(sys.stdout)).rstrip("\n"))


def _train(options: argparse.Namespace, terminal: Terminal) -> None:
    from micrograd.drawing import training_curves
    from micrograd.train import train_digits

    if options.out is not None:
        if Path(options.out).suffix.lower() != ".svg":
            raise _CommandError(f"--out {options.out}: learning curves are written as .svg", 2)
        _writable(Path(options.out), options.force)
    label = "without batch norm" if options.no_batch_norm else "with batch norm"
    with terminal.progress(label, options.epochs) as show:

        def tell(now: Any) -> None:
            show(now.epoch, f"loss {now.train_loss:.4f}, test {now.test_accuracy:.1%}")

        _, history = train_digits(
            batch_norm=not options.no_batch_norm, epochs=options.epochs, batch_size=options.batch_size, lr=options.lr,
            seed=options.seed, progress=tell,
        )  # fmt: skip
    terminal.say(
        f"test accuracy {history.test_accuracy[-1]:.1%} after {options.epochs} epochs, {history.seconds[-1]:.1f} s"
    )
    if options.out is not None:
        training_curves({label: curves(history)}, options.out, title="Training on handwritten digits")
        terminal.say(f"{options.out}: learning curves")


def curves(history: Any) -> Mapping[str, Sequence[float]]:
    """Of a `micrograd.train.History` what the picture shows."""
    return {"training loss": history.train_loss, "test accuracy": history.test_accuracy}


def _demo(options: argparse.Namespace, terminal: Terminal) -> None:
    from micrograd.demo import demo

    folder = Path(options.out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _CommandError(f"{folder} cannot be made a folder ({error.strerror})", 2) from None
    demo(terminal, folder, options.epochs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Answers the exit code.

    Args:
        arguments: without the name of the program; those of this process where left out.
    """
    try:
        options = _parser().parse_args(arguments)
        options.run(options, Terminal())
        sys.stdout.flush()
    except SystemExit as error:  # argparse: 0 after --help, 2 after a mistake
        return error.code if isinstance(error.code, int) else 2
    except BrokenPipeError:  # `micrograd ... | head`: nobody reads on, and nobody is at fault
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _failed("interrupted", 130)
    except _CommandError as error:
        return _failed(str(error), error.code)
    except MissingExtraError as error:
        return _failed(_first_line(error), 2)
    except MicrogradError as error:
        return _failed(_first_line(error), 1)
    except OSError as error:
        return _failed(_first_line(error), 2)
    return 0


def _failed(message: str, code: int) -> int:
    encoding = sys.stderr.encoding or "ascii"
    sys.stderr.write(f"micrograd: {message}\n".translate(_ASCII if encoding.lower().replace("-", "") != "utf8" else {})
                     .encode(encoding, "backslashreplace").decode(encoding))  # fmt: skip
    return code
