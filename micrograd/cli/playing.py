"""Run `micrograd playground`: write the page in which micrograd runs in a browser."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from micrograd.cli.terminal import CommandError, Terminal, is_ours, writable
from micrograd.cli.user_file import text_of
from micrograd.errors import MicrogradError

__all__ = ["add_playground"]


def add_playground(commands: Any, version: str) -> None:
    """Add the command and its arguments; `version` is micrograd's."""
    playground = commands.add_parser(
        "playground",
        help="write a page in which all of this runs in a browser, with nothing to install",
        description="Write the playground: a page with an editor, in which draw, walk, check, derive and exercise run "
        "in the browser. As one file (-o lab.html), which works offline, opened from disk; or as a folder (-o lab) for "
        "any web server. Python in the browser is Pyodide: --pyodide names a folder with its downloaded release, whose "
        "files are checked and put into the page; without it the page loads them from Pyodide's public address, and "
        "says so. The file is read, not executed.",
        allow_abbrev=False,
    )
    playground.add_argument(
        "file", metavar="FILE.py", nargs="?", help="what stands in the editor (default: a backward with a mistake)"
    )
    playground.add_argument(
        "-o", "--output", metavar="FILE.html|FOLDER", default="lab.html", help="where it goes (default: lab.html)"
    )
    playground.add_argument("--pyodide", metavar="FOLDER", help="an unpacked release of Pyodide, to put into the page")
    playground.add_argument(
        "--lang", choices=("en", "zh"), default="en", help="the language to begin with (default: en)"
    )
    playground.add_argument("--force", action="store_true", help="replace the output if micrograd did not write it")
    playground.set_defaults(run=lambda options, terminal: _playground(options, terminal, version))


def _output(options: argparse.Namespace) -> tuple[Path, bool]:
    """Return where the page goes, and whether that is a folder. Raises CommandError where it cannot be written."""
    output = Path(options.output)
    if output.suffix.lower() in (".html", ".htm"):
        writable(output, options.force, make=True)
        return output, False
    if output.suffix and not output.is_dir():
        raise CommandError(f"{output}: the playground is one file, as lab.html, or a folder, as lab", 2)
    if output.exists() and not output.is_dir():
        raise CommandError(f"{output} is a file; name a folder, or a page such as lab.html", 2)
    if output.is_dir() and any(output.iterdir()) and not options.force and not is_ours(output / "index.html"):
        raise CommandError(f"{output} is not empty, and micrograd did not write it; use --force to write into it", 2)
    writable(output / "index.html", options.force, make=True)
    return output, True


def _playground(options: argparse.Namespace, terminal: Terminal, version: str) -> None:
    from micrograd.playground.lab import playground_of
    from micrograd.playground.release import ADDRESS, VERSION, release_in

    output, folder = _output(options)
    text, name = None, "yours.py"
    if options.file is not None:
        path = Path(options.file)
        stem = re.sub(r"[^\w.]", "_", path.stem)
        text, name = text_of(path, "FILE.py"), f"{stem}.py"
    try:
        release = None if options.pyodide is None else release_in(options.pyodide)
    except MicrogradError as error:
        raise CommandError(str(error), 2) from None
    made = playground_of(text, name, version=version, lang=options.lang, release=release, folder=folder)
    page = made.save(output)
    size = len(made.html.encode()) + sum(map(len, made.beside.values()))
    whence = {
        "inside": f"Pyodide {VERSION} is inside: it works offline, opened from disk",
        "folder": f"Pyodide {VERSION} is inside; try it: python -m http.server --directory {output}",
        "public": f"it loads Pyodide {VERSION} from {ADDRESS}; --pyodide FOLDER puts a release inside",
    }[made.source]
    terminal.say(f"{page}: {size / 1e6:.1f} MB; {whence}")
