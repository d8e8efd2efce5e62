"""Join the page's JavaScript modules into its one script.

The modules in ``page/`` import each other as any browser's do, so an editor and a type checker can read them. A page is
one file, which can import nothing: here each module comes after those that it imports, in one function, without its
``import`` lines, the word ``export``, its indents, its comments and the types in them. A bundler would be a dependency.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection
from functools import lru_cache
from importlib.resources import files

from micrograd.stepper.rules_js import rules

__all__ = ["join_modules", "page_file", "script"]

_IMPORT = re.compile(r"^import \{[^}]*\} from '(\.[\w./]+)';\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:const|let|function) )", re.MULTILINE)
_TYPES = re.compile(r"^[ \t]*/\*\*.*?\*/[ \t]*\n", re.MULTILINE | re.DOTALL)
_CASTS = re.compile(r"/\*\* @\w+ [^\n]*?\*/ ?")
_IDLE = re.compile(r"^[ \t]+(?://.*\n)?|(?<=\n)//.*\n|(?<=[;,{}()\]]) +// [^'\"`\n]*$", re.MULTILINE)
_LEFT = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


@lru_cache(maxsize=64)
def page_file(name: str) -> str:
    """Read a file of ``page/``, by its path in it."""
    return files("micrograd.stepper").joinpath("page", *name.split("/")).read_text(encoding="utf-8")


def join_modules(entry: str, read: Callable[[str], str]) -> str:
    r"""Join a module and all that it imports, each once and after what it imports, into one function.

    Args:
        entry: the path of the module to begin with.
        read: returns the text of a module, by its path.

    Raises:
        ValueError: modules that import each other in a circle, or an import or export of another form than
            ``import {a, b} from './c.js';`` and ``export const``, ``let`` or ``function``.

    >>> modules = {"a.js": "import {b} from './b.js';\nb();\n", "b.js": "export function b() {}\n"}
    >>> print(join_modules("a.js", modules.__getitem__))
    (() => {
    'use strict';
    function b() {}
    b();
    })();
    """
    parts: dict[str, str] = {}
    begun: list[str] = []

    def add(path: str) -> None:
        if path in parts:
            return
        if path in begun:
            circle = " -> ".join([*begun[begun.index(path) :], path])
            raise ValueError(f"modules import each other in a circle: {circle}; move what both need to a third.")
        begun.append(path)
        text = read(path)
        for match in _IMPORT.finditer(text):
            add(posixpath.normpath(posixpath.join(posixpath.dirname(path), match[1])))
        begun.pop()
        text = _IDLE.sub("", _EXPORT.sub("", _IMPORT.sub("", _CASTS.sub("", _TYPES.sub("", text)))))
        if left := _LEFT.search(text):
            raise ValueError(
                f"{path}: cannot join {left[0]!r}; write import {{a}} from './b.js'; or export const, let or function."
            )
        parts[path] = text

    add(entry)
    return f"(() => {{\n'use strict';\n{''.join(parts.values())}}})();\n"


@lru_cache(maxsize=2)
def _modules(entry: str) -> str:
    return join_modules(entry, page_file)


def script(operations: Collection[str] | None = None, entry: str = "main.js") -> str:
    """Return the script of the page: the table's rows in JavaScript, those declared since too, then the modules.

    With `operations`, names of rows, the other rows are left out; `entry` is the module to begin with.
    """
    return rules(operations) + _modules(entry)
