"""Run a command of micrograd on files that are given as text, and return what it prints and writes, as text.

The page's worker calls this, in Pyodide; it works anywhere. Each run has a folder of its own, so nothing that is known
of a file, such as its lines, can be of an older text.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from micrograd.marker.messages import problem, translated
from micrograd.marker.process.limits import Late, deadline
from micrograd.marker.student.recording import line_of

__all__ = ["run"]

_MOST = 1 << 16  # characters of what is printed
_LATE = 3  # exit code of a loop that was ended
_FAULT = 4  # exit code of a mistake of micrograd's own


def run(
    main: Callable[[Sequence[str]], int],
    words: Sequence[str],
    given: Mapping[str, str],
    wanted: Sequence[str],
    seconds: float,
) -> str:
    r"""Return the exit code, what was printed, and the files that were written, as JSON.

    Args:
        main: of the commands, `micrograd.cli.main`.
        words: of the command.
        given: the files that are there before, text by name; the first is the user's.
        wanted: names of the files to return, where they were written.
        seconds: after which a loop in the user's file is ended.

    >>> made = json.loads(run(lambda words: print(*words) or 0, ["draw"], {"f.py": ""}, ["f.py"], 1.0))
    >>> made["code"], made["said"], made["files"]
    (0, 'draw\n', {'f.py': ''})
    """
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace", write_through=True)
    typed = sys.stdin
    with tempfile.TemporaryDirectory(prefix="micrograd-", ignore_cleanup_errors=True) as folder:
        for name, text in given.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        user = os.path.join(folder, next(iter(given), ""))
        language = words[words.index("--lang") + 1] if "--lang" in words else "en"
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), _in(folder):
            sys.stdin = io.StringIO()
            try:
                with deadline(user, seconds):
                    code = main(words)
            except Late as late:
                code = _LATE
                line = line_of(late, user)
                at = os.path.basename(user) + (f":{line}" if line else "")
                printed.write(translated(problem("time", at=at, seconds=f"{late.seconds:g}"), language))
            except BaseException as error:  # noqa: BLE001 - the page has to go on
                code = _FAULT
                printed.write(f"{type(error).__name__}: {error}")
            finally:
                sys.stdin = typed
        made = {name: path.read_text(encoding="utf-8") for name in wanted if (path := Path(folder, name)).is_file()}
    printed.seek(0)
    said = printed.read().replace(f"{folder}{os.sep}", "")
    said = re.sub(r"[^\n\t\x20-\U0010ffff]", "", said)
    if len(said) > _MOST:
        said = f"{said[:_MOST]}\n... {len(said) - _MOST} more characters"
    return json.dumps({"code": code, "said": said, "files": made})


@contextlib.contextmanager
def _in(folder: str) -> Iterator[None]:
    """Work in a folder, and put back what the user's file changes outside it."""
    path, modules = [*sys.path], {*sys.modules}
    with contextlib.chdir(folder), np.errstate():
        try:
            yield
        finally:
            sys.path[:] = path
            for name in {*sys.modules} - modules:
                if str(getattr(sys.modules[name], "__file__", None) or "").startswith(folder):
                    del sys.modules[name]
