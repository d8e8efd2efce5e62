"""The command ``micrograd``: draw a function's graph or walk through it, train on digits, run the demonstration.

Plain text everywhere, prettier where `rich` is installed and a person is watching. Whatever goes wrong is told in one
line: exit 2 where the command was at fault, 1 where the file or the training was, 130 after Ctrl-C; a reader that
closes the pipe is no error.
"""

from __future__ import annotations

from micrograd.cli.commands import main
from micrograd.cli.terminal import Terminal

__all__ = ["Terminal", "main"]
