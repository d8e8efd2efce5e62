"""What importing says where Karpathy's distribution shares the folder with ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import micrograd

HOUSE = Path(micrograd.__file__).parent


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of packages that holds a copy of ours."""
    shutil.copytree(HOUSE, tmp_path / "micrograd", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def importing(module: str, site: Path, *options: str) -> str:
    """What Python prints on stderr when it imports `module` from `site`."""
    done = subprocess.run(
        [sys.executable, *options, "-c", f"import {module}"], env=os.environ | {"PYTHONPATH": str(site)}, cwd=site,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.stderr


def test_alone_it_says_nothing(site: Path) -> None:
    assert importing("micrograd.nn", site) == ""


def test_his_files_beside_ours_are_a_warning(site: Path) -> None:
    (site / "micrograd" / "nn.py").write_text("")
    said = importing("micrograd.nn", site)
    assert "NamesakeWarning: Karpathy's distribution `micrograd` is installed in the same folder" in said
    assert "`pip uninstall micrograd`" in said
    assert "Traceback" not in said


def test_ours_overwritten_by_his_is_an_error(site: Path) -> None:
    for name in ("__init__.py", "engine.py", "nn.py"):
        (site / "micrograd" / name).write_text("")
    said = importing("micrograd.nn", site)
    assert "ImportError: files of micrograd-graph in" in said
    assert "`pip install --force-reinstall --no-deps micrograd-graph`" in said


def test_ours_removed_with_his_is_an_error(site: Path) -> None:
    for name in ("__init__.py", "engine.py"):
        (site / "micrograd" / name).unlink()
    # -S: without site-packages, where another copy of ours would be found instead of a folder without __init__.py
    assert "ImportError: files of micrograd-graph in" in importing("micrograd.nn", site, "-S")
