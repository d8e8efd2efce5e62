"""How many lines of a source text carry code: the measure of the engine's budget."""

from __future__ import annotations

import ast
import io
import tokenize

ENGINE_LIMIT = 120

_EMPTY = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def code_lines(text: str) -> int:
    """The lines of `text` that carry code: not blank, not comment, not docstring.

    A statement over four lines counts four, so that golf on either side gains nothing.
    """
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            quoted = node.body[0]
            docstrings.update(range(quoted.lineno, (quoted.end_lineno or quoted.lineno) + 1))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _EMPTY:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)
