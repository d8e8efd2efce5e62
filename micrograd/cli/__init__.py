"""Run the command ``micrograd``: draw a function's graph, walk through it, check a backward pass, train, and more.

Output is plain text, with colours where `rich` is installed and the output is a terminal. An error is one line on the
standard error: exit 2 where the command was at fault, 1 where the file or the training was, 130 after Ctrl-C; a reader
that closes the pipe is no error.
"""

from __future__ import annotations

from micrograd.cli.commands import main
from micrograd.cli.terminal import Terminal

__all__ = ["Terminal", "main"]
