"""Exercises: made from graphs, right when solved, wrong when not, the same from the same seed."""

from __future__ import annotations

import ast
import json
import linecache
import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from micrograd.cli import exercising, main
from micrograd.cli.terminal import typed
from micrograd.errors import GraphError
from micrograd.export.numpy_source.listing import Line
from micrograd.marker.exercises import exercise_messages, exercises
from micrograd.marker.exercises.blanks import axis_blanked, mistakes_in, rule_blanked, shape_blanked
from micrograd.marker.exercises.exercise_messages import COMMENTS, EXERCISES, WORDS
from micrograd.marker.exercises.exercises import LESSONS, Exercise, Lesson, exercise, lesson, lesson_of
from micrograd.marker.exercises.files import notebook_text, python_text, solution_path, suffix_of
from micrograd.marker.inputs.guessing import make
from micrograd.marker.messages import LANGUAGES, say
from micrograd.marker.mistakes import MISTAKES
from micrograd.marker.probing.trial import Trial

COMMENT = re.compile(r"# step (\d+): (.*)")
MADE = {
    (name, kind): exercise(lesson(name), kind, seed=5, blanks=2)
    for name in LESSONS
    for kind in EXERCISES
    if (name, kind) != ("affine_relu", "edge")
}


def run(text: str) -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": "exercise"}
    exec(compile(text, "exercise.py", "exec"), space)
    return space


def apart(made: Exercise, text: str) -> float:
    """How far the gradients of a file are from the engine's."""
    space, worst = run(text), 0.0
    forward, backward = space[made.forward], space[made.backward]
    start = lesson_of_text(made)
    for probe in make(start, seed=77):
        trial = Trial(start, probe.arguments, seed=probe.seed)
        got = backward(*trial.upstream, forward(**probe.arguments)[-1])
        for mine, true in zip(got if isinstance(got, tuple) else (got,), trial.outputs() or (), strict=True):
            assert np.shape(mine) == np.shape(true)
            worst = max(worst, float(np.abs(mine - true).max() / np.abs(true).max()))
    return worst


def lesson_of_text(made: Exercise) -> Any:
    file = f"<lesson {made.forward}>"
    linecache.cache[file] = (len(made.given), None, made.given.splitlines(keepends=True), file)
    space: dict[str, Any] = {"__name__": "lesson"}
    exec(compile(made.given, file, "exec"), space)
    return space[made.forward]


# ---- lessons --------------------------------------------------------


@pytest.mark.parametrize("name", LESSONS)
def test_lessons_know_nothing_of_micrograd_and_hold_no_backward(name: str) -> None:
    text = lesson(name).text
    assert "micrograd" not in text
    assert "backward" not in text
    assert text.startswith("import numpy as np\n")


@pytest.mark.parametrize("name", LESSONS)
def test_every_comment_of_a_lesson_is_translated(name: str) -> None:
    english, chinese = lesson(name).text, lesson(name, "zh").text
    assert COMMENT.findall(english)
    assert english.count("#") == chinese.count("#") == len(COMMENT.findall(english))
    assert not COMMENT.findall(chinese)
    assert all(f"# 第{number}步：{COMMENTS[comment]}\n" in chinese for number, comment in COMMENT.findall(english))


def test_a_forward_may_take_arguments_by_position_only() -> None:
    text = lesson("affine_relu").text.replace("(x, w, b)", "(x, /, w, b)")
    start = Lesson(text, exercises._executed(text, "affine_relu_forward"))
    assert "/" in text
    assert exercise(start, "line").asked == exercise(lesson("affine_relu"), "line").asked


def test_no_translation_is_left_over() -> None:
    assert {*COMMENTS} == {comment for name in LESSONS for _, comment in COMMENT.findall(lesson(name).text)}


def test_words_have_the_same_holes_in_both_languages() -> None:
    import string

    for key, sentences in WORDS.items():
        holes = [{hole for _, hole, _, _ in string.Formatter().parse(sentence) if hole} for sentence in sentences]
        assert holes[0] == holes[1], key
    assert {f"task.{kind}" for kind in EXERCISES} <= {*WORDS}
    assert exercise_messages.EXERCISES is exercising.EXERCISES
    assert exercising._LESSONS == LESSONS


def test_a_lesson_that_is_not_there() -> None:
    with pytest.raises(GraphError, match="there is no lesson 'dropout'; there are batchnorm, layernorm, groupnorm"):
        lesson("dropout")


# ---- solved and unsolved --------------------------------------------------------


@pytest.mark.parametrize("key", MADE, ids=[f"{name} {kind}" for name, kind in MADE])
def test_a_solution_is_right(key: tuple[str, str]) -> None:
    made = MADE[key]
    assert apart(made, python_text(made, "a.py", "command", solved=True)) < 1e-9


BUGS = [key for key in MADE if MADE[key].kind == "bug"]
BLANKS = [key for key in MADE if key not in BUGS]


@pytest.mark.parametrize("key", BUGS, ids=[f"{name} {kind}" for name, kind in BUGS])
def test_an_exercise_with_a_mistake_is_not(key: tuple[str, str]) -> None:
    assert apart(MADE[key], python_text(MADE[key], "a.py", "command")) > 1e-3


@pytest.mark.parametrize("key", BLANKS, ids=[f"{name} {kind}" for name, kind in BLANKS])
def test_an_exercise_with_blanks_does_not_run(key: tuple[str, str]) -> None:
    made = MADE[key]
    text = python_text(made, "a.py", "command")
    assert text.count("___") == len(made.answers) + 1  # the task names the mark
    with pytest.raises(NameError, match="name '___' is not defined"):
        apart(made, text)


@pytest.mark.parametrize("key", MADE, ids=[f"{name} {kind}" for name, kind in MADE])
def test_the_answers_fill_the_blanks(key: tuple[str, str]) -> None:
    made = MADE[key]
    lines = made.asked.split("\n")
    for answer in made.answers:
        if made.kind == "bug":
            at = next(i for i, line in enumerate(lines) if line.strip() == answer.wrong)
            lines[at] = lines[at].replace(answer.wrong, answer.right)
        else:
            at = next(i for i, line in enumerate(lines) if f"# {answer.number}: " in line)
            right = f"({answer.right})" if made.kind == "rule" else answer.right
            lines[at] = lines[at].replace("___", right)
    text = f"{made.given}\n\n" + "\n".join(lines)
    assert apart(made, text) < 1e-9


def test_a_wrong_answer_is_wrong() -> None:
    made = MADE["batchnorm", "axis"]
    with pytest.raises((ValueError, AssertionError)):
        apart(made, f"{made.given}\n\n" + made.asked.replace("___", "1"))
    made = MADE["batchnorm", "shape"]
    with pytest.raises((ValueError, AssertionError)):
        apart(made, f"{made.given}\n\n" + made.asked.replace("___", "(D, N)"))


def test_an_edge_comes_with_the_sum_that_it_goes_into() -> None:
    blanks = [line.strip() for line in MADE["batchnorm", "edge"].asked.splitlines() if "___" in line]
    assert any("all paths to" in line for line in blanks)
    assert any("what reaches" in line for line in blanks)


# ---- reproducible --------------------------------------------------------


def test_the_same_seed_makes_the_same_exercise() -> None:
    one, same = (exercise(lesson("batchnorm"), "line", seed=3) for _ in range(2))
    assert one == same
    others = {exercise(lesson("batchnorm"), "line", seed=seed).asked for seed in range(6)}
    assert len(others) > 3


def test_both_languages_ask_the_same() -> None:
    english, chinese = (exercise(lesson("softmax", lang), "line", seed=2, language=lang) for lang in LANGUAGES)
    assert english.answers == chinese.answers
    assert "# 第8步：平均意外程度" in chinese.asked
    assert "的梯度" in chinese.asked


def test_there_are_as_many_blanks_as_places() -> None:
    assert len(exercise(lesson("affine_relu"), "axis", blanks=9).answers) == 1
    assert len(exercise(lesson("batchnorm"), "line", blanks=99).answers) > 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "riddle"}, "there is no kind of exercise 'riddle'; there are line, rule, edge, shape, axis, bug"),
        ({"language": "fr"}, 'language=\'fr\' is neither "en" nor "zh"'),
        ({"kind": "edge"}, "affine_relu_backward has no place for an exercise of the kind 'edge'; choose another kind"),
    ],
)
def test_what_cannot_be_made(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        exercise(lesson("affine_relu"), **arguments)  # type: ignore[arg-type]


# ---- blanks and mistakes --------------------------------------------------------


def line(target: str, text: str, **more: str) -> Line:
    return Line(target, text, f"{target} = {text}", more.pop("kind", "path"), **more)


@pytest.mark.parametrize(
    ("made", "statement", "answer"),
    [
        (line("a", "np.sum(dout * xhat, axis=0)", upstream="dout"), "a = np.sum(dout * ___, axis=0)", "xhat"),
        (line("a", "-divar * ivar**2", upstream="divar"), "a = divar * ___", "-ivar**2"),
        (line("a", "0.5 * dstd / std", upstream="dstd"), "a = dstd * ___", "0.5 / std"),
        (line("a", "dmu / N", upstream="dmu"), "a = dmu * ___", "1 / N"),
        (line("a", "np.broadcast_to(d / N, (N, D))", upstream="d"), "a = np.broadcast_to(d * ___, (N, D))", "1 / N"),
        (line("a", "dout @ w1.T", upstream="dout"), "a = dout @ ___", "w1.T"),
        (line("a", "x.T @ dout", upstream="dout"), "a = ___ @ dout", "x.T"),
        (line("a", "np.where(h > 0, dout, 0)", upstream="dout"), "a = np.where(___, dout, 0)", "h > 0"),
    ],
)  # fmt: skip
def test_rules_are_left_out(made: Line, statement: str, answer: str) -> None:
    edit = rule_blanked(made)
    assert edit is not None
    assert (edit.statement, edit.answer) == (statement, answer)


@pytest.mark.parametrize("text", ["dout", "np.sum(dout, axis=0)", "-np.sum(dp * e, axis=1) / total**2", "a + b"])
def test_lines_without_a_rule_of_their_own(text: str) -> None:
    assert rule_blanked(line("a", text, upstream="dout" if "dout" in text else "dp")) is None


def test_axes_and_shapes_are_left_out() -> None:
    edit = axis_blanked(line("a", "np.sum(dout, axis=(0, 2), keepdims=True)"))
    assert edit is not None
    assert (edit.statement, edit.answer) == ("a = np.sum(dout, axis=___, keepdims=True)", "(0, 2)")
    assert axis_blanked(line("a", "dout * b")) is None
    edit = shape_blanked(line("a", "np.broadcast_to(b, (N, D))", shape="(N, D)"), "no", [])
    assert edit is not None
    assert (edit.statement, edit.answer) == ("a = np.broadcast_to(b, ___)", "(N, D)")
    edit = shape_blanked(line("a", "b * c", shape="(N, 2 * D)"), "no", ["N", "D"])
    assert edit is not None
    assert edit.statement == 'a = b * c\nassert a.shape == ___, "no"'
    assert shape_blanked(line("a", "b * c", shape="(N, D)"), "no", ["N"]) is None


def test_mistakes_are_planted() -> None:
    made = line("a", "-np.sum(dout * xmu, axis=0) / N", upstream="dout")
    found = {(edit.kind, edit.statement) for edit in mistakes_in(made, {"xmu": ["xhat"]})}
    assert found == {
        ("sign", "a = np.sum(dout * xmu, axis=0) / N"),
        ("gamma_missing", "a = -np.sum(dout * xmu, axis=0)"),
        ("gamma_missing", "a = -np.sum(dout, axis=0) / N"),
        ("wrong_axis", "a = -np.sum(dout * xmu, axis=1) / N"),
        ("swapped_value", "a = -np.sum(dout * xhat, axis=0) / N"),
    }
    total = line("dx", "dx1 + dx2", kind="sum")
    assert {(edit.kind, edit.statement) for edit in mistakes_in(total, {})} == {
        ("path_missing", "dx = dx1"), ("path_sign", "dx = dx1 - dx2"),
    }  # fmt: skip
    masked = line("dh", "np.where(h > 0, dout, 0)", upstream="dout")
    assert ("mask", "dh = np.where(h < 0, dout, 0)") in {(e.kind, e.statement) for e in mistakes_in(masked, {})}


@settings(max_examples=25)
@given(st.sampled_from([name for name in LESSONS if name != "affine_relu"]), st.integers(0, 10**6))
def test_a_planted_mistake_runs_and_shows(name: str, seed: int) -> None:
    made = exercise(lesson(name), "bug", blanks=1, seed=seed)
    (answer,) = made.answers
    assert answer.wrong != answer.right
    assert apart(made, python_text(made, "a.py", "c")) > 1e-3


# ---- functions of a file --------------------------------------------------------

FILE = """
import json
from math import pi

import numpy as np

SCALE = 0.044715
UNUSED = json.dumps(1)


def gelu(x):
    inner = np.sqrt(2 / pi) * (x + SCALE * x**3)
    return 0.5 * x * (1 + np.tanh(inner))


def mlp_forward(x, w1, b1, w2, b2):
    h = x @ w1 + b1
    a = gelu(h)
    out = a @ w2 + b2
    cache = (x, w1, h, a, w2)
    return out, cache
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    Path("mlp.py").write_text(FILE, encoding="utf-8")
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_a_function_comes_with_what_it_uses(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, out, err = said(capsys, "exercise", "mlp.py:mlp_forward", "--blanks", "2", "--seed", "4")
    assert (code, err) == (0, "")
    assert out == (
        "mlp_forward_exercise.py: 2 blank; the solution is in mlp_forward_exercise_solution.py\n"
        f"mark it: {typed('check', 'mlp_forward_exercise.py')}\n"
    )
    text = Path("mlp_forward_exercise.py").read_text(encoding="utf-8")
    assert "def gelu(x):" in text
    assert "SCALE = 0.044715" in text
    assert "UNUSED" not in text
    assert "import json" not in text
    assert "`micrograd exercise mlp.py:mlp_forward --kind line --blanks 2 --seed 4`" in text
    solved = run(Path("mlp_forward_exercise_solution.py").read_text(encoding="utf-8"))
    rng = np.random.default_rng(0)
    given = [rng.standard_normal(shape) for shape in ((5, 3), (3, 4), (4,), (4, 2), (2,))]
    out_, cache = solved["mlp_forward"](*given)
    dx = solved["mlp_backward"](np.ones((5, 2)), cache)[0]
    step = 1e-6 * np.eye(1, 15).reshape(5, 3)
    slope = (solved["mlp_forward"](given[0] + step, *given[1:])[0] - out_).sum() / 1e-6
    assert abs(slope - dx[0, 0]) < 1e-4


def test_a_function_typed_in_has_no_file() -> None:
    space: dict[str, Any] = {}
    exec("def f(x):\n    return x * x\n", space)
    with pytest.raises(GraphError, match="the source of f cannot be read; put it into a file"):
        lesson_of(space["f"])


# ---- files --------------------------------------------------------


def test_a_file_says_what_to_do_and_how_it_is_marked() -> None:
    made = MADE["batchnorm", "line"]
    text = python_text(made, "bn.py", "micrograd exercise batchnorm")
    assert ast.get_docstring(ast.parse(text)) == (
        "Exercise: the backward pass of batchnorm_forward.\n\n"
        "Write the lines marked ___. Each is the gradient of one value of the forward pass.\n\n"
        "Mark it with\n\n    micrograd check bn.py\n\n"
        "It names the first wrong line, the kind of mistake and a fix; --hint where or --hint kind give less away.\n\n"
        "Made by `micrograd exercise batchnorm`."
    )
    assert text.endswith("    print(mg.check(batchnorm_backward, batchnorm_forward))\n")


def test_the_solution_has_the_answers() -> None:
    made = MADE["batchnorm", "bug"]
    text = python_text(made, "bn.py", "micrograd exercise batchnorm", solved=True)
    for answer in made.answers:
        why = say("en", MISTAKES[answer.why].solution)
        assert f"{answer.number}. `{answer.right}` (it said `{answer.wrong}`: {why})" in text


def test_names_of_files() -> None:
    assert solution_path(Path("a/bn.ipynb")) == Path("a/bn_solution.ipynb")
    assert suffix_of(Path("A.PY")) == ".py"
    with pytest.raises(GraphError, match=r"a.txt: an exercise is written as .py or as .ipynb; name it a.py"):
        suffix_of(Path("a.txt"))


@pytest.mark.parametrize("solved", [False, True])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_notebook_has_the_form_that_jupyter_wants(language: str, solved: bool) -> None:
    made = exercise(lesson("layernorm", language), "rule", language=language)
    book = json.loads(notebook_text(made, "command", solved=solved))
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
    for cell in book["cells"]:
        assert {*cell} >= {"cell_type", "id", "metadata", "source"}
        assert ("outputs" in cell) == ("execution_count" in cell) == (cell["cell_type"] == "code")
        assert all(part.endswith("\n") for part in cell["source"][:-1])
    code = "\n\n".join("".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code")
    ast.parse(code)
    last = "".join(book["cells"][-1]["source"])
    call = "mg.check(layernorm_backward, layernorm_forward)"
    assert last.endswith(call if language == "en" else f'print({call}.text(language="zh"))')


def test_a_notebook_is_valid_by_its_own_schema() -> None:
    nbformat = pytest.importorskip("nbformat")
    made = MADE["groupnorm", "bug"]
    for solved in (False, True):
        nbformat.validate(nbformat.reads(notebook_text(made, "command", solved=solved), as_version=4))


# ---- the command --------------------------------------------------------


def test_the_command_writes_two_files(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, out, _ = said(capsys, "exercise", "batchnorm", "--kind", "bug", "--lang", "zh", "-o", "bn.ipynb")
    assert code == 0
    assert out == "bn.ipynb: 1 planted; the solution is in bn_solution.ipynb\n"
    book = json.loads(Path("bn.ipynb").read_text(encoding="utf-8"))
    assert "反向传播中有 1 行是错的" in "".join(book["cells"][0]["source"])
    code, _, err = said(capsys, "exercise", "batchnorm", "-o", "bn.ipynb")
    assert (code, err) == (2, "micrograd: bn.ipynb exists, and micrograd did not write it; use --force to replace it\n")
    assert said(capsys, "exercise", "batchnorm", "-o", "bn.ipynb", "--force")[0] == 0


def test_the_command_that_made_a_file_makes_it_again(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    said(capsys, "exercise", "mlp.py:gelu", "--kind", "line", "--input", "x=7x4", "--seed", "9", "-o", "a.py")
    text = Path("a.py").read_text(encoding="utf-8")
    command = text.split("Made by `micrograd ")[1].split("`")[0]
    assert said(capsys, *command.split(), "-o", "b.py")[0] == 0
    assert Path("b.py").read_text(encoding="utf-8").replace("b.py", "a.py") == text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dropout"], "no exercise 'dropout'; there are batchnorm, layernorm, groupnorm, softmax, affine_relu, or FIL"),
        (["batchnorm", "-o", "bn.txt"], "bn.txt: an exercise is written as .py or as .ipynb; name it bn.py"),
        (["batchnorm", "-o", "no/bn.py"], "the folder no does not exist; make it first"),
        (
            ["batchnorm", "--input", "z=3"],
            "batchnorm_forward has no parameter 'z'; its parameters: x, gamma, beta, eps",
        ),
        (["affine_relu", "--kind", "edge"], "affine_relu_backward has no place for an exercise of the kind 'edge'"),
        (["absent.py:f"], "absent.py: no such file"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], folder: Path, arguments: list[str], message: str
) -> None:
    code, out, err = said(capsys, "exercise", *arguments)
    assert code in (1, 2)
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert {path.name for path in folder.iterdir()} - {"__pycache__"} == {"mlp.py"}


# ---- marked by check --------------------------------------------------------


def test_check_says_what_a_wrong_shape_is(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    said(capsys, "exercise", "layernorm", "--kind", "shape", "--blanks", "1", "--seed", "3", "-o", "ln.py")
    text = Path("ln.py").read_text(encoding="utf-8")
    assert "assert " in text
    Path("ln.py").write_text(text.replace(".shape == ___", ".shape == (9, 9)"), encoding="utf-8")
    code, out, _ = said(capsys, "check", "ln.py")
    assert code == 1
    assert "what is asserted here does not hold." in out
    assert "第" in said(capsys, "check", "ln.py", "--lang", "zh")[1]


@pytest.mark.parametrize("kind", ["line", "axis", "bug"])
def test_check_marks_exercise_and_solution(capsys: pytest.CaptureFixture[str], folder: Path, kind: str) -> None:
    said(capsys, "exercise", "layernorm", "--kind", kind, "--seed", "2", "-o", "ln.py")
    code, out, _ = said(capsys, "check", "ln.py")
    assert code == 1
    text = Path("ln.py").read_text(encoding="utf-8").splitlines()
    blanks = [number for number, now in enumerate(text, 1) if "___" in now and "marked" not in now]
    assert not blanks or f"1. Line {blanks[0]}: a blank is still there.\n" in out
    code, out, _ = said(capsys, "check", "ln_solution.py")
    assert code == 0
    assert "Right: every gradient agrees with the engine's" in out


# ---- the shapes that an exercise was made with --------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("def f(x, mu, w):\n    return w * (x - mu)\n", ["x=4x3", "mu=3", "w=4x1"]),
        ("import numpy as np\n\n\ndef f(a, b):\n    return a * b + a\n", ["a=scalar", "b=scalar"]),
    ],
    ids=["broadcast", "numbers"],
)
def test_an_exercise_is_marked_with_the_shapes_that_it_was_made_with(
    text: str, shapes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(text, encoding="utf-8")
    options = [word for shape in shapes for word in ("--input", shape)]
    assert main(["exercise", "own.py:f", *options, "-o", "e.py"]) == 0
    said = capsys.readouterr().out
    assert said.rstrip().endswith(" ".join(options))
    solution = Path("e_solution.py").read_text(encoding="utf-8")
    assert solution.count("import numpy as np\n") == 1  # where the forward itself does without
    call = next(line for line in solution.splitlines() if "mg.check(" in line)
    assert main(["check", "e_solution.py", *options]) == 0
    tried = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("Tried with"))
    for shape in shapes:
        name, _, size = shape.partition("=")
        sizes = [] if size == "scalar" else [int(n) for n in size.split("x")]
        assert f"{name} {tuple(sizes)}" in tried  # not one that its name suggests
        assert f"{tuple(sizes)}" in call


# ---- what of a file comes along --------------------------------------------------------


def test_what_a_function_assigns_itself_is_not_taken_from_the_file() -> None:
    text = """import numpy as np

def helper(v):
    return 2.0 * v

scale = 3.0
y = undefined_here  # a line of the file that the function does not read
x = y

def f_forward(x):
    y = helper(x) * scale
    out = [part for part in (y,)][0]
    return out
"""
    file = "<a file of the user's>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    module = types.ModuleType("a_file_of_the_users")
    module.__file__ = file
    sys.modules[module.__name__] = module
    try:
        exec(compile(text.replace("undefined_here", "1.0"), file, "exec"), vars(module))
        given = lesson_of(module.f_forward).text
    finally:
        del sys.modules[module.__name__]
    assert "def helper" in given
    assert "scale = 3.0" in given
    assert "y = undefined_here" not in given
    assert "x = y" not in given
