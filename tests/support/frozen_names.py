"""What a user can name: public names with their parameters, options of the commands, fields of the files.

Everything is reached as it was reached before the modules moved, by the former import paths and by the commands, so
that the same collector serves the old layout and the new one. `frozen_names.txt` is what it found in the old one.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib
import inspect
import io
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

PATH = Path(__file__).with_name("frozen_names.txt")

Facts = dict[str, list[str]]

# The modules that the reference pages document or the papers import from, as they were called.
PUBLIC = [
    "micrograd",
    "micrograd.anomaly",
    "micrograd.arraylike",
    "micrograd.batchnorm",
    "micrograd.buffers",
    "micrograd.checkpoint",
    "micrograd.cli",
    "micrograd.compiler",
    "micrograd.compiler.report",
    "micrograd.data",
    "micrograd.drawing",
    "micrograd.drawing.tex",
    "micrograd.engine",
    "micrograd.errors",
    "micrograd.export",
    "micrograd.export.programs",
    "micrograd.functional",
    "micrograd.graph",
    "micrograd.graph.graph",
    "micrograd.graph.tracer",
    "micrograd.marker",
    "micrograd.marker.exercises",
    "micrograd.marker.grading",
    "micrograd.marker.lint",
    "micrograd.marker.listing",
    "micrograd.marker.probes",
    "micrograd.marker.report",
    "micrograd.marker.session",
    "micrograd.marker.traps",
    "micrograd.marker.visibility",
    "micrograd.modes",
    "micrograd.nn",
    "micrograd.nn.activations",
    "micrograd.nn.attention",
    "micrograd.nn.convolution",
    "micrograd.nn.initializers",
    "micrograd.nn.linear",
    "micrograd.nn.module",
    "micrograd.nn.normalization",
    "micrograd.nn.overview",
    "micrograd.nn.scalar",
    "micrograd.nn.sequential",
    "micrograd.nn.windows",
    "micrograd.notation",
    "micrograd.numerics",
    "micrograd.numpy_api",
    "micrograd.optim",
    "micrograd.optim.clipping",
    "micrograd.optim.optimizers",
    "micrograd.optim.schedules",
    "micrograd.primitives",
    "micrograd.source",
    "micrograd.stepper",
    "micrograd.testing",
    "micrograd.testing.domains",
    "micrograd.testing.grad_check",
    "micrograd.testing.laws",
    "micrograd.train",
    "micrograd.transforms",
]

HOMEWORK = """
import numpy as np

def scale_forward(x, gamma, beta):
    out = gamma * x + beta
    cache = (x, gamma)
    return out, cache

def scale_backward(dout, cache):
    x, gamma = cache
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout, axis=0)
    dx = dout * gamma
    return dx, dgamma, dbeta
"""
RIGHT = HOMEWORK.replace("dgamma = np.sum(dout, axis=0)", "dgamma = np.sum(dout * x, axis=0)")
BROKEN = HOMEWORK.replace("dx = dout * gamma", "dx = dout * undefined")


# ---- names ----


# How a recorded tensor keeps its operands is the engine's own affair; the pages speak of `operands` and `args`.
_SLOTS = re.compile(r"(Tensor|Value)[.(](a|b|x|y|more|row|attrs)\)?")


def _is_public(cls: type) -> bool:
    return cls.__name__ in getattr(importlib.import_module(cls.__module__), "__all__", ())


def _attributes(cls: type, *, inherited: bool) -> set[str]:
    """The public attributes of a class that our code gives it; those of public base classes only where asked for."""
    found: set[str] = set()
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] == "micrograd" and (inherited or base is cls or not _is_public(base)):
            slots = base.__dict__.get("__slots__", ())
            found |= {*vars(base), *([slots] if isinstance(slots, str) else slots)}
    if dataclasses.is_dataclass(cls):
        found |= {field.name for field in dataclasses.fields(cls)}
    return {name for name in found if not name.startswith("_")}


def _parameters(name: str, value: Any) -> Iterator[str]:
    """The parameters that a caller can name or fill, as `name(parameter)`."""
    try:
        found = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return
    for parameter in found:
        several = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if not parameter.name.startswith("_") and parameter.name != "self" and not several:
            yield f"{name}({parameter.name})"


def described(name: str, value: Any, *, inherited: bool = True) -> Iterator[str]:
    """A name, what can be reached behind it, and what it takes."""
    yield name
    if inspect.isclass(value):
        yield from _parameters(name, value)
        for attribute in _attributes(value, inherited=inherited):
            yield f"{name}.{attribute}"
            yield from _parameters(f"{name}.{attribute}", getattr(value, attribute, None))
    elif callable(value):
        yield from _parameters(name, value)
    elif isinstance(value, Mapping):
        yield from (f"{name}[{getattr(key, '__name__', key)}]" for key in value)


def names_of(module: str) -> list[str]:
    """The public names of a module: described where they are at home, and as a name where they are only shown."""
    found = importlib.import_module(module)
    lines: set[str] = set()
    for name in found.__all__:
        value = getattr(found, name)
        home = getattr(value, "__module__", None) or module
        guest = home != module and home in PUBLIC
        lines |= {name} if guest else {*described(name, value, inherited=False)}
    return sorted(line for line in lines if not _SLOTS.fullmatch(line))


def names_now(module: str, wanted: Iterable[str]) -> list[str]:
    """What a module has of the names in `wanted`, with all that stands behind each."""
    found = importlib.import_module(module)
    names = {re.split(r"[.(\[]", line)[0] for line in wanted}
    return [line for name in names if hasattr(found, name) for line in described(name, getattr(found, name))]


# ---- options of the commands ----


def _parser() -> argparse.ArgumentParser:
    """The parser of the command line, caught where it begins to parse."""
    from micrograd.cli import main

    caught: list[argparse.ArgumentParser] = []

    def catch(parser: argparse.ArgumentParser, *_: Any) -> Any:
        caught.append(parser)
        raise SystemExit(0)

    with mock.patch.object(argparse.ArgumentParser, "parse_args", catch):
        main([])
    return caught[0]


def options() -> dict[str, list[str]]:
    """For each command its arguments: spellings, choices, defaults, and how many words each takes."""
    (commands,) = (action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))
    found = {"micrograd": sorted(commands.choices)}
    for name, parser in commands.choices.items():
        lines = set()
        for action in (each for each in parser._actions if each.dest != "help"):
            for option in action.option_strings or [f"<{action.dest}>"]:
                lines |= {option, f"{option} takes {1 if action.nargs is None else action.nargs}"}
                lines |= {f"{option} = {choice}" for choice in action.choices or ()}
                lines |= {f"{option} by default {action.default!r}"}
        found[f"micrograd {name}"] = sorted(lines)
    return found


# ---- fields of what is written ----


def fields_of(data: Any, path: str = "") -> Iterator[str]:
    """The keys of JSON data by their way from the top; an entry of a list is `[]`."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield f"{path}.{key}".lstrip(".")
            yield from fields_of(value, f"{path}.{key}")
    elif isinstance(data, list):
        for value in data:
            yield from fields_of(value, f"{path}[]")


def _printed(*arguments: str) -> str:
    """What a command prints."""
    from micrograd.cli import main

    with contextlib.redirect_stdout(io.StringIO()) as text:
        main(arguments)
    return text.getvalue()


def _checked(folder: Path) -> Iterator[str]:
    for name, text in (("wrong", HOMEWORK), ("right", RIGHT), ("broken", BROKEN)):
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
        report = json.loads(_printed("check", str(folder / f"{name}.py"), "--format", "json"))
        yield from (line for line in fields_of(report) if "[].gradients." not in line)


def _probed(folder: Path) -> Iterator[str]:
    (folder / "probed.py").write_text(
        "import numpy as np\n\ndef centred(x):\n    out = x - np.mean(x, axis=0)\n    return out\n", encoding="utf-8"
    )
    yield from fields_of(json.loads(_printed("probe", f"{folder / 'probed.py'}:centred", "--format", "json")))


def _walked(_: Path) -> Iterator[str]:
    import micrograd as mg

    def centred(x: Any, gamma: Any) -> Any:
        mu = np.sum(x, axis=0) / 4.0
        out = gamma * (x - mu)
        return out

    graph = mg.trace(centred, np.arange(12.0).reshape(4, 3), np.ones(3))
    graph.backward(np.arange(12.0).reshape(4, 3))
    data = json.loads(mg.walk(graph).json)
    texts = {"words", "ops", "rules"}  # the strings of the page, by language
    yield from (line for line in fields_of(data) if line.partition(".")[0] not in texts or line in texts)


def _trained(folder: Path) -> Iterator[str]:
    from micrograd import data, nn

    train = importlib.import_module("micrograd.train").train
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 3)), np.arange(8) % 2
    train(
        nn.mlp([3, 4, 2], rng=0), data.Dataset(x, y, x, y), epochs=1, batch_size=4, log=folder / "log.jsonl",
        checkpoint=folder / "model.safetensors",
    )  # fmt: skip
    for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines():
        yield from (f"log: {field}" for field in fields_of(json.loads(line)))
    raw = (folder / "model.safetensors").read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    for key, value in header["__metadata__"].items():
        yield f"header: __metadata__.{key}"
        yield from (f"header: __metadata__.{key}: {field}" for field in fields_of(json.loads(value)))
    for name, entry in header.items():
        if name != "__metadata__":
            yield f"array: {name}"
            yield from (f"array: {field}" for field in entry)


def _exercised(folder: Path) -> Iterator[str]:
    output = folder / "exercise.ipynb"
    _printed("exercise", "softmax", "-o", str(output))
    yield from fields_of(json.loads(output.read_text(encoding="utf-8")))


def _emitted(folder: Path) -> Iterator[str]:
    (folder / "solution.py").write_text(RIGHT, encoding="utf-8")
    _printed("check", str(folder / "solution.py"), "--emit", "nbgrader", "-o", str(folder / "graded.ipynb"))
    yield from fields_of(json.loads((folder / "graded.ipynb").read_text(encoding="utf-8")))


FIELDS = {
    "check --format json": _checked,
    "probe --format json": _probed,
    "the data of a walk": _walked,
    "what a training writes": _trained,
    "an exercise as a notebook": _exercised,
    "tests for nbgrader": _emitted,
}


def fields(what: str) -> list[str]:
    """The fields of one kind of file or output, made anew."""
    with tempfile.TemporaryDirectory() as folder:
        return sorted(set(FIELDS[what](Path(folder))))


def collected() -> Facts:
    """Everything, as the code has it that is imported."""
    found = {f"names of {module}": names_of(module) for module in PUBLIC}
    found |= {f"options of {command}": lines for command, lines in options().items()}
    return found | {f"fields of {what}": fields(what) for what in FIELDS}


# ---- the file ----


def written(facts: Facts) -> str:
    """The facts as text: a heading for each list, its entries with commas between."""
    blocks = []
    for heading, lines in facts.items():
        rows = [""]
        for line in lines:
            if rows[-1] and len(rows[-1]) + len(line) > 116:
                rows.append("")
            rows[-1] += f" {line}," if rows[-1] else f"{line},"
        blocks.append("\n".join([f"== {heading}", *rows]))
    return "\n\n".join(blocks) + "\n"


def read(text: str) -> Facts:
    """What `written` wrote."""
    found: Facts = {}
    for block in text.split("== ")[1:]:
        heading, _, body = block.partition("\n")
        found[heading] = [line.strip() for line in body.split(",") if line.strip()]
    return found


def frozen() -> Facts:
    """Everything, as it was before the modules moved."""
    return read(PATH.read_text(encoding="utf-8"))


def missing(before: Iterable[str], now: Iterable[str]) -> list[str]:
    """What was there and is no longer."""
    return sorted({*before} - {*now})


if __name__ == "__main__":  # in a checkout of the layout that is to be kept
    PATH.write_text(written(collected()), encoding="utf-8")
