"""The judgement of a test that exists: what it cannot see, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import micrograd as mg
from micrograd.batchnorm import batchnorm_forward
from micrograd.cli import main
from micrograd.errors import GraphError
from micrograd.marker.probing.lint import Lint
from micrograd.marker.probing.probe_messages import described


def arrays(n: int = 5, d: int = 3) -> tuple[Any, Any, Any, Any]:
    """The same in every run, whatever ran before: of two rows that happen to be close the trap is none."""
    rng = np.random.default_rng(n * d)
    return rng.normal(2.0, 1.5, (n, d)), rng.normal(size=d), rng.normal(size=d), rng.normal(size=(n, d))


def causes(lint: Lint) -> dict[str, int]:
    return {cause.text() if cause.key else "": len(cause.hides) for cause in lint.causes}


def traps(lint: Lint) -> set[str]:
    return {trap.key for trap in lint.traps}


def biased(x, w, b, gamma, beta):  # type: ignore[no-untyped-def]
    z = x @ w + b
    out, _ = batchnorm_forward(z, gamma, beta)
    return out


def test_a_good_test_is_called_good() -> None:
    x, gamma, beta, dout = arrays()
    lint = mg.probe(batchnorm_forward, lint=(x, gamma, beta, 0.2, dout))
    assert lint.ok
    assert lint.causes == ()
    assert lint.text().startswith(f"This test sees all {lint.visible} mistakes that can be seen.")
    assert "Better:" not in lint.text()


def test_a_probe_judged_as_a_test_is_good() -> None:
    found = mg.probe(batchnorm_forward)
    assert mg.probe(batchnorm_forward, lint=(*found.arguments.values(), found.upstream)).ok


def test_gamma_of_ones_and_dout_of_ones_are_blind_to_most() -> None:
    x, _, beta, _ = arrays()
    lint = mg.probe(batchnorm_forward, lint=(x, np.ones(3), beta, np.ones((5, 3))))
    assert len(lint.blind) > lint.visible / 2
    found = causes(lint)
    assert found["upstream = 1 everywhere"] > 50
    assert found["gamma = 1 everywhere"] >= 3
    assert traps(lint) >= {"trap.zero", "trap.shape"}
    text = lint.text()
    assert f"This test cannot see {len(lint.blind)} of {lint.visible} mistakes" in text
    assert "- dx is 0 for any such input: here " in text
    assert "Better: x (5, 3), gamma (3,), beta (3,), eps = 0.2, upstream (5, 3), which shows " in text
    assert "It is mg.probe(batchnorm_forward)." in text
    assert (
        repr(lint) == f"<Lint of a test of batchnorm_forward: cannot see {len(lint.blind)} of {lint.visible} mistakes>"
    )


def test_gamma_of_ones_alone_hides_gamma() -> None:
    x, _, beta, dout = arrays()
    lint = mg.probe(batchnorm_forward, lint=(x, np.ones(3), beta, 0.2, dout))
    said = {described(mutant) for mutant, _ in lint.blind}
    assert said == {
        "gamma missing in dxhat",
        "gamma twice in dxhat",
        "1/(gamma) for gamma in dxhat",
        "gammax for xhat in dgamma",
    }
    assert causes(lint) == {"gamma = 1 everywhere": 4}


def test_a_small_eps_hides_that_it_is_missing() -> None:
    x, gamma, beta, dout = arrays()
    lint = mg.probe(batchnorm_forward, lint=(x, gamma, beta, dout))
    assert causes(lint) == {"eps = 1e-05, too small for its absence to show": 4}
    assert {mutant.kind for mutant, _ in lint.blind} == {"eps_missing"}
    assert all(1e-7 < change < 1e-4 for _, change in lint.blind)


def test_a_stricter_test_sees_it() -> None:
    x, gamma, beta, dout = arrays()
    assert mg.probe(batchnorm_forward, lint=(x, gamma, beta, dout), tolerance=1e-8).ok


def test_equal_axes_hide_the_wrong_length() -> None:
    x, gamma, beta, dout = arrays(4, 4)
    lint = mg.probe(batchnorm_forward, lint=(x, gamma, beta, 0.2, dout))
    assert causes(lint) == {"N = D = 4": 2}
    assert {mutant.kind for mutant, _ in lint.blind} == {"wrong_count"}


def test_two_rows_leave_little_of_dx() -> None:
    x, gamma, beta, dout = arrays(2, 3)
    lint = mg.probe(batchnorm_forward, lint=(x, gamma, beta, dout))
    assert traps(lint) >= {"trap.cancels", "trap.two", "trap.numeric"}
    assert (
        "N = 2: two values are normalized to +1 and -1 whatever they are; what is left of dx is of order eps."
        in str(lint)
    )
    holes = next(trap.holes for trap in lint.traps if trap.key == "trap.numeric")
    assert holes["output"] == "dx"
    assert 1e-7 < float(holes["error"]) < 1e-3


def test_four_rows_are_no_trap() -> None:
    x, gamma, beta, dout = arrays(4, 3)
    assert traps(mg.probe(batchnorm_forward, lint=(x, gamma, beta, dout))) == {"trap.shape"}


def test_float32_is_noticed() -> None:
    test = [np.asarray(a, np.float32) for a in arrays()]
    lint = mg.probe(batchnorm_forward, lint=test)
    holes = next(trap.holes for trap in lint.traps if trap.key == "trap.float32")
    assert 1e-9 < float(holes["error"]) < 1e-4


def test_a_hard_coded_eps_and_a_bias_before_the_norm() -> None:
    rng = np.random.default_rng(0)
    test = {"x": rng.normal(size=(5, 3)), "w": rng.normal(size=(3, 4)), "b": np.zeros(4), "gamma": rng.normal(size=4),
            "beta": np.zeros(4), "dout": rng.normal(size=(5, 4))}  # fmt: skip
    lint = mg.probe(biased, lint=test)
    (cause,) = lint.causes
    assert cause.key == "cause.scale"
    assert "beside which the eps of the function is nothing" in cause.text()
    assert "- db is 0 for any such input: here " in str(lint)


def test_rows_that_are_all_the_same() -> None:
    x, gamma, beta, dout = arrays()
    lint = mg.probe(batchnorm_forward, lint=(x, gamma, beta, 0.2, np.broadcast_to(dout[:1], (5, 3)).copy()))
    assert any(cause.key == "cause.rows" for cause in lint.causes)
    assert "upstream has the same rows" in causes(lint)


def test_a_loss_needs_no_upstream() -> None:
    def loss(x, y):  # type: ignore[no-untyped-def]
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        p = e / np.sum(e, axis=1, keepdims=True)
        return -np.sum(np.log(p[np.arange(len(y)), y])) / len(y)

    rng = np.random.default_rng(0)
    lint = mg.probe(loss, lint=(rng.normal(size=(5, 3)), np.array([0, 2, 1, 1, 0])))
    assert lint.ok
    equal = mg.probe(loss, lint=(rng.normal(size=(3, 3)), np.array([0, 2, 1])))
    assert {mutant.kind for mutant, _ in equal.blind} <= {"wrong_count", "wrong_axis"}


def test_lists_are_taken_as_arrays() -> None:
    assert mg.probe(lambda x: x * x, lint=([1.0, 2.0, 4.0], [1.0, 3.0, 2.0])).visible > 3


def test_what_does_not_run_is_refused() -> None:
    x, gamma, beta, _ = arrays()
    with pytest.raises(
        GraphError, match=r"lint: batchnorm_forward\(x.* does not run on these 2 values \(TypeError: missing .* 'beta'"
    ):
        mg.probe(batchnorm_forward, lint=(x, gamma))
    with pytest.raises(GraphError, match="give its arguments in order, and the upstream gradient"):
        mg.probe(batchnorm_forward, lint=(x, gamma, beta, 1e-5, np.ones((2, 2))))


def test_the_judgement_in_chinese() -> None:
    x, _, beta, _ = arrays(2, 2)
    lint = mg.probe(batchnorm_forward, lint=(x, np.ones(2), beta, np.ones((2, 2))))
    text = lint.text("zh")
    assert f"这个测试察觉不到 {lint.visible} 种错误中的 {len(lint.blind)} 种" in text
    assert "upstream 处处为 1" in text
    assert "更好的输入：" in text


def test_causes_are_told_with_unlike_examples() -> None:
    x, _, beta, _ = arrays()
    lint = mg.probe(batchnorm_forward, lint=(x, np.ones(3), beta, np.ones((5, 3))))
    shown = [line for line in lint.text().splitlines() if line.startswith("    ")]
    kinds = {described(mutant): mutant.kind for mutant, _ in lint.blind}
    assert len({kinds[line.strip().rpartition(" (changes")[0]] for line in shown[:3]}) == 3


# ---- on the command line --------------------------------------------------------

FILE = """
import numpy as np


def batchnorm_forward(x, gamma, beta, eps=1e-5):
    mu = np.mean(x, axis=0)
    xmu = x - mu
    var = np.mean(xmu**2, axis=0)
    xhat = xmu / np.sqrt(var + eps)
    out = gamma * xhat + beta
    return out, (xhat, gamma)


def batchnorm_backward(dout, cache):
    pass


rng = np.random.default_rng(0)
blind = (rng.standard_normal((4, 5)), np.ones(5), np.zeros(5), np.ones((4, 5)))
good = (rng.standard_normal((4, 5)), rng.uniform(1.5, 2, 5), np.zeros(5), 0.3, rng.standard_normal((4, 5)))
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("layers.py").write_text(FILE, encoding="utf-8")
    return "layers.py"


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_probe_finds_the_forward_by_itself(capsys: pytest.CaptureFixture[str], file: str) -> None:
    code, out, err = said(capsys, "probe", file)
    assert (code, err) == (0, "")
    assert out.startswith("batchnorm_forward: x (5, 3), gamma (3,), beta (3,), eps = 0.2, upstream (5, 3)\nEach of ")
    code, out, _ = said(capsys, "probe", f"{file}:batchnorm_forward", "--input", "x=7x4", "--lang", "zh")
    assert "batchnorm_forward：x (7, 4)" in out
    assert "以下情况任何输入都察觉不到" in out


def test_probe_writes_arrays_that_lint_reads(capsys: pytest.CaptureFixture[str], file: str) -> None:
    code, out, _ = said(capsys, "probe", file, "-o", "probe.npz")
    assert code == 0
    assert out.endswith("probe.npz: x, gamma, beta, eps, dout\n")
    assert said(capsys, "probe", file, "--lint", "probe.npz")[:1] == (0,)
    code, _, err = said(capsys, "probe", file, "-o", "probe.npz")
    assert (code, err) == (
        2,
        "micrograd: probe.npz exists, and micrograd did not write it; use --force to replace it\n",
    )


def test_lint_takes_names_and_expressions_of_the_file(capsys: pytest.CaptureFixture[str], file: str) -> None:
    code, out, _ = said(capsys, "probe", file, "--lint", "blind")
    assert code == 1
    assert out.startswith("This test cannot see ")
    assert said(capsys, "probe", file, "--lint", "good")[0] == 0
    test = "(rng.standard_normal((4, 5)), np.ones(5), np.zeros(5), 0.3, rng.standard_normal((4, 5)))"
    code, out, _ = said(capsys, "probe", file, "--lint", test)
    assert (code, "- gamma = 1 everywhere: hides" in out) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["layers.py", "--lint", "x +"], "--lint 'x +': expected FILE.npz, a name in layers.py, or Python such as"),
        (["layers.py", "--lint", "nothing"], "--lint 'nothing': NameError: name 'nothing' is not defined"),
        (["layers.py", "--lint", "absent.npz"], "absent.npz: cannot be read as .npz"),
        (["layers.py", "--lint", "good", "--eps", "1"], "--lint brings all arguments"),
        (["layers.py", "--lint", "good", "-o", "a.npz"], "--lint judges inputs that there are; give it or -o, not"),
        (["layers.py", "-o", "a.json"], "a.json: inputs are written as .npz; name it a.npz"),
        (["layers.py", "--input", "z=3"], "batchnorm_forward has no parameter 'z'; its parameters: x, gamma, beta"),
        (["layers.py", "--input", "x=3", "--param", "x=3"], "'x' is given as --input and as a setting; give it once"),
        (["absent.py"], "absent.py: no such file"),
        (["empty.py"], "empty.py: no forward and backward were found by their names; name the function: empt"),
        (["layers.py:nothing"], "layers.py: no function 'nothing'; it defines batchnorm_forward, batchnorm_backward"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], file: str, arguments: list[str], message: str
) -> None:
    Path("empty.py").write_text("x = 1\n", encoding="utf-8")
    code, out, err = said(capsys, "probe", *arguments)
    assert code in (1, 2)
    assert out == ""
    assert err.startswith("micrograd: ")
    assert message in err
    assert err.count("\n") == 1
