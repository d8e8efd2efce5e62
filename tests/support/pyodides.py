"""Python for browsers, for the tests that run micrograd in it: a downloaded release, where one is given.

`MICROGRAD_PYODIDE` names the folder of the unpacked release. Without it every test that asks for it is skipped and
says so; with `MICROGRAD_PYODIDE=required` it fails.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from micrograd.playground.release import VERSION, Release, release_in


@pytest.fixture(scope="session")
def pyodide() -> Release:
    named = os.environ.get("MICROGRAD_PYODIDE", "")
    if named in ("", "required"):
        reason = f"NO TESTS IN PYODIDE: MICROGRAD_PYODIDE names no folder with the unpacked release {VERSION}"
        (pytest.fail if named else pytest.skip)(reason)
    return release_in(Path(named))
