"""Functions of PyTorch and JAX that are given our arrays are refused in our words, with what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from paths import ROOT

import micrograd as mg
from micrograd.core.arraylike import ArrayLike
from micrograd.errors import DTypeError, GraphError, MicrogradError

pytestmark = pytest.mark.judge
X = np.array([[1.0, 2.0], [3.0, 4.0]])


def libraries(*names: str) -> dict[str, Any]:
    return {name: pytest.importorskip(name, reason="its functions are refused") for name in names}


def called(call: str, given: Any) -> Any:
    world = {"x": given, "W": np.ones((2, 2)), "np": np}
    if "torch" in call:
        world |= libraries("torch")
    if "jax" in call or "jnp" in call:
        world |= libraries("jax", "jax.numpy")
        world["jnp"] = world["jax.numpy"]
    return eval(call, world)


# The call, and what the message says to write in its place.
TORCH = {
    "torch.exp(x)": "Write np.exp",
    "torch.sum(x, dim=0)": "Write np.sum",
    "torch.cat([x, x])": "Write np.concatenate",
    "torch.mm(x, x)": "Write np.matmul",
    "torch.linalg.inv(x)": "Write np.linalg.inv",
    "torch.nn.functional.relu(x)": "mg.functional",
    "torch.nn.functional.softplus(x)": "mg.functional",
    "torch.nn.Linear(2, 2)(x)": "mg.functional",
    "torch.ones(2) * x": "Write np.multiply",
    "torch.zeros(2, 2).copy_(x)": "Write np.copy",
    "torch.as_tensor(x)": "torch.tensor(t.data)",
    "torch.tensor(x)": "torch.tensor(t.data)",
    "torch.asarray([x, x])": "torch.tensor(t.data)",
    "torch.tensor([x[0, 0], x[1, 1]])": "torch.tensor(t.data)",
}
JAX = {
    "jnp.exp(x)": "np.exp for jnp.exp",
    "jnp.stack([x, x])": "np.exp for jnp.exp",
    "jnp.ones(2) * x": "np.exp for jnp.exp",
    "jnp.asarray(x)": "jnp.asarray(t.data)",
    "jax.jit(lambda v: v * 2)(x)": "jnp.asarray(t.data)",
    "jax.grad(lambda v: v.sum())(x)": "jnp.asarray(t.data)",
}
MET = {"x * torch.ones(2)": "is a torch Tensor; pass np.asarray", "x * jnp.ones(2)": "ArrayImpl; pass np.asarray"}


@pytest.mark.parametrize("call", [*TORCH, *JAX, *MET])
def test_a_tensor_is_refused_with_what_to_write(call: str) -> None:
    with pytest.raises(MicrogradError) as raised:
        called(call, mg.Tensor(X))
    assert (TORCH | JAX | MET)[call] in str(raised.value)


def test_what_the_message_says_to_write_is_right() -> None:
    torch, jnp = libraries("torch")["torch"], libraries("jax.numpy")["jax.numpy"]
    t = mg.Tensor(X)
    assert np.array_equal(torch.tensor(t.data).numpy(), X)
    assert np.array_equal(np.asarray(jnp.asarray(t.data)), X)
    assert np.array_equal((t * np.asarray(torch.ones(2))).data, X)
    assert np.array_equal(np.multiply(t, np.asarray(jnp.ones(2))).data, X)


VERBS: dict[str, Callable[..., Any]] = {
    "trace": mg.trace,
    "grad": lambda f, *args: mg.grad(f)(*args),
    "compile": lambda f, *args: mg.compile(f)(*args),
}
INSIDE = [*TORCH, *JAX, *MET, "jax.nn.relu(x)", "jax.lax.exp(x)", "torch.from_numpy(x)"]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("call", INSIDE)
def test_a_traced_function_is_refused_at_the_users_line(
    call: str, verb: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries("torch", "jax")
    (tmp_path / "of_the_user.py").write_text(
        f"import jax\nimport jax.numpy as jnp\nimport torch\n\n\ndef f(x):\n    y = {call}\n    return y.sum()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "of_the_user", raising=False)
    from of_the_user import f  # type: ignore[import-not-found]

    if verb == "compile":
        pytest.importorskip("llvmlite", reason="compile needs it")
    with pytest.raises((GraphError, DTypeError)) as raised:
        VERBS[verb](f, X)
    said = str(raised.value)
    assert re.search(r"of_the_user\.py, line 7, in f\n +y = ", said), said
    assert "only what NumPy computes is recorded. Write " in said.replace("Only", "only"), said
    assert "TracedArray' object" not in said


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("function", ["torch.relu", "torch.exp", "jnp.exp", "jax.jit(jnp.sin)", "torch.nn.ReLU()"])
def test_a_function_of_theirs_is_refused_itself(function: str, verb: str) -> None:
    with pytest.raises(GraphError, match="only what NumPy computes is recorded"):
        VERBS[verb](called(function, None), X)


@pytest.mark.parametrize("array", ["torch.ones(2)", "jnp.ones(2)"])
def test_an_array_of_theirs_as_the_argument_is_named(array: str) -> None:
    with pytest.raises(GraphError, match=r"weights is a (torch|jaxlib) \w+: pass np\.asarray\(weights\)"):
        mg.trace(lambda weights: weights * 2, called(array, None))


def test_a_builtin_without_a_signature_is_traced_or_refused_by_what_it_does() -> None:
    assert mg.trace(np.exp, X[0]).backward(np.ones(2)).grad["x"].tolist() == np.exp(X[0]).tolist()
    with pytest.raises(GraphError, match=r"Write np\.exp"):
        mg.trace(libraries("torch")["torch"].exp, X)


def test_python_s_own_words_about_operators_are_left() -> None:
    for f in (lambda x: x + object(), lambda x: x(3)):
        with pytest.raises(TypeError) as raised:
            mg.trace(f, X)
        assert "NumPy" not in str(raised.value)


def test_without_the_protocols_their_own_error_names_a_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(ArrayLike, "__torch_function__")
    monkeypatch.delattr(ArrayLike, "__jax_array__")
    for call in ("torch.exp(x)", "jnp.exp(x)"):
        with pytest.raises(TypeError) as raised:
            called(call, mg.Tensor(X))
        assert not isinstance(raised.value, MicrogradError)


def test_the_page_of_refusals_says_what_is_said(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "reference" / "graph.md").read_text(encoding="utf-8")
    shown = re.search(r"```text\n(.*)\n  layers\.py, line (\d+), in (\w+)\n    (.*)\n", page)
    assert shown is not None
    said, line, name, code = shown.groups()
    blank = "\n" * (int(line) - 3)
    (tmp_path / "layers.py").write_text(f"import numpy as np\n{blank}def {name}(cov):\n    {code}\n    return axes\n")
    space = {"__name__": "layers"}
    exec(compile((tmp_path / "layers.py").read_text(), str(tmp_path / "layers.py"), "exec"), space)
    with pytest.raises(GraphError) as raised:
        mg.trace(space[name], np.eye(2))
    wanted = f"{said}\n  {tmp_path / 'layers.py'}, line {line}, in {name}\n    {code}\n"
    assert str(raised.value).startswith(wanted)
    for library in re.findall(r"`((?:np|torch|jnp)\.\w+\(t\.data\))`", page):
        called(library.replace("t.data", "x.data"), mg.Tensor(X))
