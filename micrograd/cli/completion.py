"""Print the script that completes `micrograd` in a shell; shtab writes it from the parser."""

from __future__ import annotations

import argparse
from typing import Any

from micrograd.errors import MissingExtraError

__all__ = ["PrintCompletion"]


class PrintCompletion(argparse.Action):
    """Print the completion for a shell, and end.

    Raises:
        MissingExtraError: shtab is not installed.
    """

    def __call__(self, parser: argparse.ArgumentParser, _: Any, values: Any, __: Any = None) -> None:
        """Print it: files and folders are completed where an argument is one."""
        try:
            import shtab
        except ImportError as error:
            raise MissingExtraError(
                "--print-completion needs shtab, which is not installed: pip install shtab"
            ) from error
        for known in _parsers(parser):
            for action in known._actions:
                kind = str(action.metavar)
                if kind.startswith(("FILE", "FOLDER")) or action.dest == "target":
                    action.complete = shtab.FILE if kind != "FOLDER" else shtab.DIRECTORY  # type: ignore[attr-defined]
        print(shtab.complete(parser, shell=values))
        parser.exit()


def _parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Return a parser and those of its commands."""
    found = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += action.choices.values()
    return found
