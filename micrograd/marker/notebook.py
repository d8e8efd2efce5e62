"""Write a notebook as text (nbformat 4.5): an exercise is one, and what nbgrader marks is one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["cell", "notebook"]


def cell(kind: str, name: str, source: str, about: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a cell, ``code`` or ``markdown``, with its id, its text and what others want to know about it."""
    made = {"cell_type": kind, "id": name, "metadata": about or {}, "source": source.splitlines(keepends=True)}
    return made | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def notebook(cells: Sequence[Mapping[str, Any]]) -> str:
    """Return the notebook with these cells."""
    book = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"
