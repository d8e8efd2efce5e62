"""Print lines, tables and progress: plainly, or through `rich` where it is installed and the output is a terminal."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["ASCII", "CommandError", "Terminal", "is_ours", "typed", "writable"]

ASCII = str.maketrans(
    {
        "→": "->",
        "Σ": "sum",
        "×": "x",
        "÷": "/",
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


class CommandError(Exception):
    """End the command with a message of one line and an exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def writable(path: Path, force: bool, *, make: bool = False) -> None:
    """Refuse an output that cannot be written, before the work starts; with `make` its folder will be made.

    Raises:
        CommandError: the file is there and not ours, or the folder is missing or cannot be written.
    """
    if path.is_dir():
        raise CommandError(f"{path} is a directory; name a file in it, such as {path / 'bn.svg'}", 2)
    if path.exists() and not force and not is_ours(path):
        raise CommandError(f"{path} exists, and micrograd did not write it; use --force to replace it", 2)
    folder = path.parent
    if not make and not folder.is_dir():
        raise CommandError(f"the folder {folder} does not exist; make it first", 2)
    while not folder.exists():  # it is made when there is something to put in it
        folder = folder.parent
    if not folder.is_dir():
        raise CommandError(f"{folder} is a file; choose another folder than {path.parent}", 2)
    if not os.access(folder, os.W_OK):
        raise CommandError(f"the folder {folder} cannot be written; choose another", 2)


def typed(*words: str) -> str:
    """Spell a command of micrograd as it must be typed in the shell that this process was started from.

    The program is named as it was found: by its name where that is on the PATH, else by its path, or as a module of
    the interpreter that runs.
    """
    started = Path(sys.argv[0])
    by_name = started.stem == "micrograd" and (started.exists() or shutil.which("micrograd") is not None)
    program = [_program(started)] if by_name else [_program(Path(sys.executable)), "-m", "micrograd"]
    return (subprocess.list2cmdline if os.name == "nt" else shlex.join)([*program, *words])


def _program(path: Path) -> str:
    """Return a name that the shell finds, else the path, relative to the folder of the shell where it lies in that."""
    whole = os.path.abspath(path)
    found = shutil.which(path.name)
    if found is not None and os.path.abspath(found) == whole:
        return path.name
    near = os.path.relpath(whole) if os.path.splitdrive(whole)[0] == os.path.splitdrive(os.getcwd())[0] else whole
    if near.startswith(os.pardir):
        return whole
    return near if os.sep in near else os.path.join(os.curdir, near)


_OURS = (
    (b'<svg xmlns="http://www.w3.org/2000/svg" class="mg-', b""),
    (b"digraph {\n\tgraph [fontname=Courier", b""),
    (b"<!doctype html>", b"default-src 'none'; script-src 'sha256-"),
    (b"<!doctype html>", b'<meta name="generator" content="micrograd playground">'),
)  # fmt: skip


def is_ours(path: Path) -> bool:
    """Check whether micrograd wrote a file: a picture, a graph in DOT, a page of a walk, a playground."""
    try:
        with path.open("rb") as file:
            head = file.read(600)
    except OSError:
        return False
    return any(head.startswith(start) and inside in head for start, inside in _OURS)


class Terminal:
    """Write lines, tables and progress as the output can show them: in ASCII, or without colours and a moving bar."""

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
        """Write one line, or several, to the standard output."""
        encoding = sys.stdout.encoding or "ascii"
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            text = text.translate(ASCII).encode(encoding, "replace").decode(encoding)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write a table: its first column to the left, the others to the right."""
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
        """Show progress: call what is yielded with the steps done and a remark. Outside a terminal, print lines."""
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
