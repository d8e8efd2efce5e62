"""The script of the page: modules that a browser could load one by one, joined into one script."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import types
from collections import Counter
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

import pytest
from page_modules import (
    IMPORT,
    NODE,
    checked,
    declared,
    names,
    needs_node,
    needs_tsc,
    type_errors,
    undefined_imports,
    untyped,
)

import micrograd as mg
from micrograd.stepper import walk_types
from micrograd.stepper.page_script import join_modules, page_file, script

PAGES = Path(mg.__file__).parent / "stepper" / "page"
MODULES = sorted(path.relative_to(PAGES).as_posix() for path in PAGES.rglob("*.js"))
OF_TRAINING = {"training.js", "model/frames.js", "view/loss_curve.js"}
RULES = (
    "declare const RULES: {map: Record<string, (x: number[], a: any) => any>, "
    "cast: Record<string, (x: any, a?: any) => any>, reduce: Record<string, string>};\n"
)
"""What stands before the modules of a walk: the table's rows."""
# ---- the modules ----------------------------------------------------------------------------------------


@needs_node
@pytest.mark.parametrize("module", MODULES)
def test_every_module_is_javascript(module: str) -> None:
    assert checked(page_file(module), "--input-type=module") == ""


@needs_node
def test_the_joined_script_is_javascript() -> None:
    assert checked(script()) == ""
    assert checked(script(None, "training.js")) == ""


@needs_node
def test_the_syntax_check_can_fail() -> None:
    assert "SyntaxError" in checked(script().replace("const ", "const const ", 1))
    assert "SyntaxError" in checked("const a = 1;\nconst a = 2;\n")  # what two modules of one name would come to


def test_every_name_that_is_imported_is_exported() -> None:
    modules = {module: page_file(module) for module in MODULES}
    assert undefined_imports(PAGES, modules) == []
    renamed = modules | {"model/words.js": modules["model/words.js"].replace("function t(", "function text(")}
    assert "main.js: t" not in undefined_imports(PAGES, renamed)
    assert "view/arrays.js: t" in undefined_imports(PAGES, renamed)


@pytest.mark.parametrize("module", MODULES)
def test_every_name_that_is_imported_is_used(module: str) -> None:
    text = page_file(module)
    rest = IMPORT.sub("", text)
    assert [n for listed, _ in IMPORT.findall(text) for n in names(listed) if not re.search(rf"\b{n}\b", rest)] == []


def test_no_name_is_declared_in_two_modules() -> None:
    """They share one function once they are joined."""
    found = Counter(name for module in MODULES for name in declared(page_file(module)))
    assert [name for name, count in found.items() if count > 1] == []
    assert {"data", "steps", "forward", "render", "svg"} <= set(found)


def test_every_module_says_its_job_first() -> None:
    for module in MODULES:
        assert re.match(r"// [A-Z]", page_file(module)), module


@pytest.mark.parametrize("module", MODULES)
def test_every_function_has_types(module: str) -> None:
    assert untyped(page_file(module)) == []


def test_the_test_of_types_can_fail() -> None:
    assert untyped("const f = (x) => x;\n") == ["f"]
    assert untyped("/** Do it. */\nfunction f(x, y) {\n}\n") == ["f(x, y)"]
    assert untyped("/**\n * Do it.\n * @param {number} x\n */\nexport const f = (x) => x;\n") == []


@needs_tsc
def test_the_modules_keep_their_types(tmp_path: Path) -> None:
    assert type_errors(tmp_path, PAGES, RULES) == ""
    copy = tmp_path / "page"
    shutil.copytree(PAGES, copy)
    module = copy / "model" / "words.js"
    module.write_text(module.read_text(encoding="utf-8").replace("state.language", "state.tongue"), encoding="utf-8")
    assert "words.js" in type_errors(tmp_path, copy, RULES)


def in_node(folder: Path, program: str) -> Any:
    """What a program prints as JSON, which imports modules that need no page."""
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    shutil.copytree(PAGES / "model", folder / "model")
    (folder / "try.js").write_text(program, encoding="utf-8")
    command = [NODE or "node", str(folder / "try.js")]
    return json.loads(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)


@needs_node
def test_guesses_are_judged_in_node(tmp_path: Path) -> None:
    numbers = [("0.02", 0.0222, 1), ("0.022", 0.0222, 2), ("0.023", 0.0222, 0), ("1.0", 1.046, 2), ("-0,88", -0.88322, 2),
               ("0", 0.003, 0), ("2e-2", 0.0222, 1), ("1/3", 1 / 3, 0), ("12", 12.4, 2), ("x", 0.0, 0)]  # fmt: skip
    shapes = [([3], None), ([4, 3], ["shape_sum", "0"]), ([1, 3], ["shape_kept"]), ([5], ["shape_unknown"])]
    texts = [("(4, 3)", [4, 3]), ("4x3", [4, 3]), ("4 3", [4, 3]), ("3,", [3]), ("()", []), ("", None), ("a", None)]
    program = f"""
import {{roundedDigits, shapeVerdict, typedShape}} from './model/judging.js';
const value = (text) => Number(text.replace(',', '.'));
console.log(JSON.stringify([
  {json.dumps(numbers)}.map(([text, right]) => roundedDigits(text, value(text), right)),
  {json.dumps(shapes)}.map(([guess]) => shapeVerdict(guess, [3], [4, 3], [0])),
  {json.dumps(texts)}.map(([text]) => typedShape(text))]));
"""
    assert in_node(tmp_path, program) == [[n[2] for n in numbers], [s[1] for s in shapes], [t[1] for t in texts]]


@needs_node
def test_numbers_are_written_and_read_in_node(tmp_path: Path) -> None:
    """A module that needs no page runs where there is none."""
    program = """
import {alone, typed, writing} from './model/numbers.js';
import {broadcastCell, shapeText, unravel} from './model/shapes.js';
const write = writing([0.25, -1.5, 0]);
console.log(JSON.stringify([alone(1 / 3), alone(-2e-7), alone(NaN), typed('1/3'), typed('0,5'), typed(' \u22122 '),
  Number.isNaN(typed('x')), write(-1.5), write(0), shapeText([4]), unravel(7, [4, 3]), broadcastCell(7, [3], [4, 3])]));
"""
    assert in_node(tmp_path, program) == [
        "0.33333", "\u22122e\u22127", "NaN", 1 / 3, 0.5, -2, True, "\u22121.50", "0", "(4,)", [2, 1], 1,
    ]  # fmt: skip


# ---- joined ---------------------------------------------------------------------------------------------


def test_every_module_is_in_the_script_once() -> None:
    joined, training = script(), script(None, "training.js")
    for module in MODULES:
        first = page_file(module).splitlines()[0]
        assert training.count(first) == 1, module
        assert joined.count(first) == (module not in OF_TRAINING), module


def test_types_and_imports_are_not_in_the_script() -> None:
    assert not re.search(r"^(?:import|export)\b|@param|@returns|@typedef", script(), re.MULTILINE)


def test_a_module_comes_after_those_that_it_imports() -> None:
    modules = {"main.js": "import {b} from './x/b.js';\nimport {a} from './a.js';\nb(a);\n",
               "x/b.js": "import {a} from '../a.js';\nexport const b = () => a;\n", "a.js": "export let a = 1;\n"}  # fmt: skip
    assert join_modules("main.js", modules.__getitem__).splitlines()[2:-1] == [
        "let a = 1;",
        "const b = () => a;",
        "b(a);",
    ]


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ({"a.js": "import {b} from './b.js';\n", "b.js": "import {a} from './a.js';\n"}, r"circle: a\.js -> b\.js -> a\.js"),
        ({"a.js": "import b from './b.js';\n"}, "cannot join \"import b from './b.js';\""),
        ({"a.js": "import {b as c} from 'b';\n"}, "cannot join"),
        ({"a.js": "export default 1;\n"}, "cannot join 'export default 1;'"),
        ({"a.js": "export {b};\n"}, "cannot join"),
    ],
)  # fmt: skip
def test_what_cannot_be_joined_is_refused(modules: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        join_modules("a.js", modules.__getitem__)


# ---- the types of the data are those of Python -----------------------------------------------------------


def fields_in_javascript() -> dict[str, set[str]]:
    """The fields of every object type that data.js names; [brackets] mark those that may be missing."""
    text = page_file("model/data.js")
    found = {}
    for block in re.findall(r"/\*\*.*?\*/", text, re.DOTALL):
        if name := re.search(r"@typedef \{object\} (\w+)", block):
            found[name[1]] = set(re.findall(r"@property \{[^\n]*\} (\[?\w+\]?)$", block, re.MULTILINE))
    return found


def fields_in_python() -> dict[str, set[str]]:
    """The fields of every TypedDict."""
    found: dict[str, set[str]] = {}
    for name, made in vars(walk_types).items():
        if is_typeddict(made):
            found[name] = {*made.__required_keys__} | {f"[{key}]" for key in made.__optional_keys__}
    return found


def test_the_types_of_the_page_are_those_of_python() -> None:
    assert fields_in_javascript() == fields_in_python()
    assert len(fields_in_python()) > 12


def misfits(value: Any, kind: Any, at: str = "walk") -> list[str]:
    """Where data is not what its type says: a field too many or too few, or an object where none belongs."""
    kinds = get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if Any in kinds:
        return []
    if isinstance(value, list):
        entry = next((get_args(k)[0] for k in kinds if get_origin(k) is list), None)
        return (
            [f"{at}: a list"]
            if entry is None
            else [w for i, v in enumerate(value) for w in misfits(v, entry, f"{at}[{i}]")]
        )
    if not isinstance(value, dict):
        plain = {k for k in kinds if isinstance(k, type) and get_origin(k) is None and not is_typeddict(k)} | {
            str for k in kinds if get_origin(k) is Literal
        }
        return [] if isinstance(value, tuple(plain)) else [f"{at}: {value!r}"]
    for k in kinds:
        if get_origin(k) is dict:
            return [w for key, v in value.items() for w in misfits(v, get_args(k)[1], f"{at}.{key}")]
        if is_typeddict(k):
            hints = get_type_hints(k)
            wrong = [f"{at}: no {key}" for key in sorted({*k.__required_keys__} - {*value})]
            wrong += [f"{at}: {key}" for key in sorted({*value} - {*hints})]
            return wrong + [w for key in value if key in hints for w in misfits(value[key], hints[key], f"{at}.{key}")]
    return [f"{at}: an object"]


def test_the_data_of_a_walk_is_what_its_types_say() -> None:
    from walked import batchnorm

    data = mg.walk(batchnorm()).data
    assert misfits(data, walk_types.WalkData) == []
    first = data["steps"][0]
    broken = {**data, "steps": [{**first, "extra": 1, "node": None}], "lang_": "en", "stages": {}}
    assert misfits(broken, walk_types.WalkData) == [
        "walk: lang_",
        "walk.stages: an object",
        "walk.steps[0]: extra",
        "walk.steps[0].node: None",
    ]
