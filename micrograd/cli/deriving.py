"""Run `micrograd derive`: from the staged backward of a function to its compact formula, as text, NumPy or a page."""

from __future__ import annotations

import argparse
import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np

from micrograd.cli.arguments import seconds_number
from micrograd.cli.probing import forward_of, of_a_forward, shapes_and_settings
from micrograd.cli.terminal import CommandError, Terminal, writable
from micrograd.cli.user_file import at_user_line, explained

__all__ = ["add_derive"]


def add_derive(commands: Any) -> None:
    """Add the command and its arguments."""
    derive = commands.add_parser(
        "derive",
        help="the compact backward of a NumPy function, derived step by step",
        description="Derive the compact backward of a function from its staged one: every step a named rule, every "
        "step proved, in the names of the function. As text, or with -o as a page for the browser (one file, works "
        "offline). The file is EXECUTED, with your rights.",
        allow_abbrev=False,
    )
    derive.add_argument("target", metavar="FILE.py[:FUNCTION]", help="the forward function; the file is executed")
    of_a_forward(derive)
    derive.add_argument("-o", "--output", metavar="FILE.html", help="write the page there")
    derive.add_argument(
        "--format", choices=("text", "numpy", "latex", "json"), default="text", help="of the output (default: text)"
    )
    derive.add_argument("--seconds", type=seconds_number, default=2.0, help="processor time of the search (default: 2)")
    derive.add_argument("--force", action="store_true", help="replace the output if it exists")
    derive.set_defaults(run=_derive)


def _derive(options: argparse.Namespace, terminal: Terminal) -> None:
    from micrograd.derivation import derive
    from micrograd.marker.inputs.conventions import sizes_of
    from micrograd.marker.inputs.guessing import fitted

    output = None if options.output is None else Path(options.output)
    if output is not None:
        if output.suffix.lower() not in (".html", ".htm"):
            raise CommandError(f"{output}: the page is written as .html; name it {output.with_suffix('.html')}", 2)
        if options.format != "text":
            raise CommandError(f"--format {options.format} prints; give it or -o, not both", 2)
        writable(output, options.force)
    _, forward, path = forward_of(options.target)
    example = shapes_and_settings(options, list(inspect.signature(forward).parameters), forward.__name__)
    with at_user_line(path), explained(forward, example, path):
        layout = fitted(forward, example)
        arguments = layout.draw(np.random.default_rng(options.seed), sizes_of(layout)[0])
        made = derive(forward, lang=options.lang, seconds=options.seconds, **arguments)
        shown = {
            "text": lambda: str(made),
            "numpy": lambda: made.source.rstrip("\n"),
            "latex": lambda: made.latex().rstrip("\n"),
            "json": lambda: json.dumps(made.data(), ensure_ascii=False, indent=1),
        }[options.format]()
        if output is not None:
            made.html(output)
    if output is not None:
        terminal.say(f"{output}: {len(made.steps)} steps, {output.stat().st_size} bytes")
    else:
        terminal.say(shown)
