"""The package in Pyodide, under node: everything can be imported, and the results are those of this machine."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from page_modules import NODE

import micrograd as mg
from micrograd.cli import main
from micrograd.drawing import engines
from micrograd.marker.process.limits import Limits
from micrograd.marker.process.runner import Request, run
from micrograd.playground.own_files import own_parts
from micrograd.playground.release import Release
from micrograd.playground.running import run as run_command

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NODE is None, reason="NO TESTS IN PYODIDE: node is not installed"),
]

# What has LLVM make machine code is imported when something is compiled; there is no LLVM in a browser.
OF_LLVM = {"micrograd.compiler.cache.cache", "micrograd.compiler.machine.assembling"}
MODULES = sorted(
    {module.name for module in pkgutil.walk_packages(mg.__path__, "micrograd.") if "__main__" not in module.name}
    - OF_LLVM
)
DOT = 'digraph{node[shape=box,fixedsize=true,label=""];a[width=1];b[width=2];a->b[id=x];b->c;a->c}'
RIGHT = """\
import numpy as np

def f_forward(x, gamma):
    y = gamma * x
    out = np.tanh(y) + y
    return out, (x, gamma, y)

def f_backward(dout, cache):
    x, gamma, y = cache
    dy = dout * (1 - np.tanh(y)**2) + dout
    return dy * gamma, (dy * x).sum(axis=0)
"""
TEXTS = {
    "right": RIGHT,
    "wrong": RIGHT.replace(".sum(axis=0)", ".sum(axis=1)"),
    "path": RIGHT.replace(" + dout\n", "\n"),
    "syntax": RIGHT.replace("sum(axis=0)\n", "sum(axis=0) +\n"),
    "exit": RIGHT.replace("    y = gamma", "    exit()\n    y = gamma"),
}
LOOP = RIGHT.replace("    y = gamma", "    while True:\n        pass\n    y = gamma")
COMMANDS = {
    "walk": (["walk", "yours.py:f_forward", "-o", "walk.html"], ["walk.html"]),
    "draw": (["draw", "yours.py:f_forward", "-o", "graph.svg"], ["graph.svg"]),
    "derive": (["derive", "yours.py:f_forward"], []),
    "text": (["walk", "yours.py:f_forward", "--lang", "zh"], []),
    "exercise": (["exercise", "softmax", "--seed", "2", "-o", "e.py"], ["e.py", "e_solution.py"]),
}
PROGRAM = """
import importlib, json, time
asked = json.loads(ASKED)
made = {"failed": {}}
for name in asked["modules"]:
    try:
        importlib.import_module(name)
    except BaseException as error:
        made["failed"][name] = f"{type(error).__name__}: {error}"
import numpy as np, micrograd as mg
from micrograd.cli import main
from micrograd.drawing import engines
from micrograd.marker.process.limits import Limits
from micrograd.marker.process.runner import Request, run
from micrograd.playground.running import run as run_command
made["version"], made["layout"] = engines.version(), json.loads(engines.run(asked["dot"]))
made["reports"] = {
    name: json.loads(run(Request(text, "/nowhere/hw.py", "f_forward", "f_backward"), Limits(30.0)).to_json())
    for name, text in asked["texts"].items()
}
begun = time.monotonic()
made["loop"] = run(Request(asked["loop"], "/nowhere/hw.py", "f_forward", "f_backward"), Limits(1.0)).problem
made["stopped"] = json.loads(run_command(main, ["walk", "yours.py:f_forward"], {"yours.py": asked["loop"]}, [], 1.0))
made["seconds"] = time.monotonic() - begun
made["commands"] = {
    name: json.loads(run_command(main, words, {"yours.py": asked["texts"]["right"]}, wanted, 10.0))
    for name, (words, wanted) in asked["commands"].items()
}
import pathlib, sys
pathlib.Path("theirs.py").write_text("def here(x):\\n    return x * x\\ndef here_backward(dout, x):\\n    return dout * x\\n")
sys.path.insert(0, ".")
from theirs import here, here_backward
made["ratio"] = mg.check(here_backward, here).findings[0].ratio
import micrograd.drawing.browser_engine as b
b.browser_engine.cache_clear(); engines._wasm.cache_clear(); b.find_spec = lambda _: None
made["bare"] = str(mg.walk(mg.trace(here, np.ones(2))))
json.dumps(made)
"""
SCRIPT = """
const fs = require('node:fs');
const [folder, asked] = JSON.parse(fs.readFileSync(0, 'utf8'));
(async () => {
  const {loadPyodide} = require(`${folder}/pyodide.js`);
  const python = await loadPyodide({indexURL: folder, stdout: () => {}, stderr: () => {}});
  const site = python.runPython('import site; site.getsitepackages()[0]');
  for (const [path, form] of asked.archives) {
    python.unpackArchive(new Uint8Array(fs.readFileSync(path)), form, {extractDir: site});
  }
  python.globals.set('ASKED', JSON.stringify(asked));
  console.log(python.runPython(asked.program));
})().catch((error) => { console.error(String(error).slice(-2000)); process.exit(1); });
"""


@pytest.fixture(scope="module")
def found(pyodide: Release, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the program finds in Pyodide."""
    folder = tmp_path_factory.mktemp("pyodide")
    archives = []
    for part in (pyodide.parts[-1], *own_parts("0.1.0")):
        (folder / part.name).write_bytes(part.content or b"")
        archives.append([str(folder / part.name), "wheel" if part.name.endswith(".whl") else "zip"])
    asked = {
        "archives": archives, "program": PROGRAM, "modules": MODULES, "texts": TEXTS, "loop": LOOP, "dot": DOT,
        "commands": COMMANDS,
    }  # fmt: skip
    done = subprocess.run(
        [str(NODE), "-e", SCRIPT], input=json.dumps([str(pyodide.folder), asked]), capture_output=True, text=True,
        timeout=240, check=False, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_every_module_can_be_imported(found: dict[str, Any]) -> None:
    assert found["failed"] == {}
    assert len(MODULES) > 200


def test_pictures_are_laid_out_as_here(found: dict[str, Any]) -> None:
    assert "(WebAssembly)" in found["version"]
    assert found["layout"] == json.loads(engines.run(DOT))


def plain(report: dict[str, Any]) -> dict[str, Any]:
    """A report without the numbers that differ in their last digits, and the time."""
    outputs = [{key: output[key] for key in ("name", "right")} for output in report["outputs"]]
    findings = [
        {
            key: one[key]
            for key in ("severity", "kind", "span", "source", "target", "means", "edge", "ratio", "relation")
        }
        | {"fix": one["fix"] and {key: one["fix"][key] for key in ("span", "old", "new", "whole")}}
        for one in report["findings"]
    ]
    if report["problem"].partition(": ")[2].startswith("syntax error"):  # its column is the Python's
        findings = [one | {"span": one["span"]["line"]} for one in findings]
    words = {key: report[key] for key in ("verdict", "forward", "backward", "file", "printed")}
    return words | {"outputs": outputs, "findings": findings, "problem": report["problem"].partition(":3: ")[0]}


@pytest.mark.parametrize("name", TEXTS)
def test_a_check_finds_what_it_finds_here(name: str, found: dict[str, Any]) -> None:
    here = run(Request(TEXTS[name], "/nowhere/hw.py", "f_forward", "f_backward"), Limits(30.0))
    assert plain(found["reports"][name]) == plain(json.loads(here.to_json()))
    assert found["ratio"] == "1/2"


def test_an_endless_loop_is_ended_with_its_line(found: dict[str, Any]) -> None:
    assert found["loop"].startswith("hw.py:5: still running after 1 s") or found["loop"].startswith("hw.py:4: still")
    assert found["stopped"]["code"] == 3
    assert "yours.py:" in found["stopped"]["said"]
    assert found["seconds"] < 30


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_writes_what_it_writes_here(name: str, found: dict[str, Any]) -> None:
    words, wanted = COMMANDS[name]
    here = json.loads(run_command(main, words, {"yours.py": RIGHT}, wanted, 10.0))
    made = found["commands"][name]
    assert made["code"] == here["code"] == 0
    assert made["files"].keys() == here["files"].keys() == {*wanted}
    if name == "exercise":
        assert made["files"] == here["files"]
    assert made["said"].splitlines()[:1] == here["said"].splitlines()[:1] or name in ("walk", "draw")


def test_without_an_engine_a_walk_is_text(found: dict[str, Any]) -> None:
    assert "Compute" in found["bare"]


def test_this_machine_is_no_browser() -> None:
    assert sys.platform != "emscripten"
    assert Path(mg.__file__).is_file()
