"""Run the demonstration: draw batch normalization, compare it with handwritten gradients, and train on digits."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from micrograd.batchnorm import batch_norm, batchnorm_backward, batchnorm_forward
from micrograd.batchnorm.tolerance import unit_roundoff
from micrograd.cli.terminal import Terminal, typed
from micrograd.drawing import draw, training_curves
from micrograd.graph import Graph
from micrograd.tracing import trace
from micrograd.training.loop import train_digits

__all__ = ["FOURTEEN", "agreement", "demo"]

FOURTEEN = (
    "dbeta", "dgammax", "dgamma", "dxhat", "divar", "dxmu1", "dsqrtvar", "dvar", "dsq", "dxmu2", "dx1", "dmu", "dx2",
    "dx",
)  # fmt: skip
"""The gradients that the handwritten backward pass names, in its order: steps 9 to 0."""
_EXACT = FOURTEEN[:6]  # the same arithmetic in the same order: equal to the last bit, or wrong


def variables_of(function: Callable[..., Any], *args: Any) -> dict[str, Any]:
    """Call a function and return its local variables as they are when it returns.

    >>> def f(x):
    ...     y = x + 1
    ...     return y
    >>> variables_of(f, 2)
    {'x': 2, 'y': 3}
    """
    kept: dict[str, Any] = {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and frame.f_code is function.__code__:
            kept.update(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function(*args)
    finally:
        sys.setprofile(before)
    return kept


def allowed(hand: dict[str, Any], u: float) -> dict[str, Any]:
    """Bound how far composed and handwritten gradients may be apart, entry by entry.

    Roundings are counted from where they differ. Down to `dxmu1` both compute the same. The handwritten pass then has
    ``-1 / sqrtvar**2 * divar`` where the table has ``-divar * ivar * ivar``: at most 7 u apart; each product after it
    rounds once more on either side, all within 16 u of the size; a sum adds what its terms may.
    """
    size = {name: np.abs(hand[name].astype(np.float64)) for name in FOURTEEN}
    rows = len(size["dx"])
    bound = {name: 16 * u * size[name] for name in ("dsqrtvar", "dvar", "dsq", "dxmu2")}
    bound["dx1"] = bound["dxmu2"] + 2 * u * size["dx1"]
    bound["dmu"] = bound["dx1"].sum(axis=0) + 2 * rows * u * size["dx1"].sum(axis=0)
    bound["dx2"] = bound["dmu"] / rows + 4 * u * size["dx2"]
    bound["dx"] = bound["dx1"] + bound["dx2"] + 2 * u * size["dx"]
    return bound


def agreement(graph: Graph, hand: dict[str, Any]) -> list[tuple[str, str, str, str, bool]]:
    """Compare the fourteen gradients of a traced batch norm with the handwritten ones.

    Args:
        graph: the traced composed batch norm, after `backward`.
        hand: the variables of the handwritten backward pass, by name.

    Returns:
        For each: name, shape, largest difference in units of roundoff of its largest entry, the difference allowed,
        and whether they agree.
    """
    backward = graph.backward_graph()
    u = unit_roundoff(hand["dx"].dtype)
    bounds = allowed(hand, u)
    rows = []
    for name in FOURTEEN:
        composed, written = backward.value[name], hand[name]
        unit = u * float(np.abs(written).max(initial=0.0)) or 1.0
        if composed.shape != written.shape:
            rows.append((name, f"{composed.shape} for {written.shape}", "", "", False))
        elif name in _EXACT:
            same = bool(np.array_equal(composed, written))
            apart = float(np.abs(composed - written).max(initial=0.0)) / unit
            rows.append((name, str(written.shape), f"{apart:.1f} u", "bitwise", same))
        else:
            apart = np.abs(composed - written)
            worst = float(apart.max(initial=0.0)) / unit
            most = float(bounds[name].max(initial=0.0)) / unit
            rows.append(
                (name, str(written.shape), f"{worst:.1f} u", f"{most:.0f} u", bool((apart <= bounds[name]).all()))
            )
    return rows


def _compare(terminal: Terminal, folder: Path) -> bool:
    rng = np.random.default_rng(0)
    x, gamma, beta, dout = rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=3), rng.normal(size=(4, 3))
    graph = trace(batch_norm, x, gamma, beta).backward(dout)
    draw(graph, folder / "bn.svg")
    draw(graph, folder / "bn.dot")
    draw(graph, folder / "bn-backward.svg", backward=True)
    _, cache = batchnorm_forward(x, gamma, beta)
    rows = agreement(graph, variables_of(batchnorm_backward, dout, cache))
    terminal.say("Batch normalization, composed of primitives: the gradient of every stage beside the handwritten one.")
    terminal.say("(u is one rounding, 2^-53, of the largest entry; the first six must agree to the last bit.)")
    terminal.table(
        ("gradient", "shape", "apart", "allowed", ""),
        [(*row[:4], "equal" if row[4] and row[2] == "0.0 u" else "ok" if row[4] else "WRONG") for row in rows],
    )
    return all(row[4] for row in rows)


def demo(terminal: Terminal, folder: Path, epochs: int = 20) -> None:
    """Write the pictures into `folder`, print the table, train with and without batch norm and print both accuracies.

    Raises:
        NumericalError: composed and handwritten gradients differ.
    """
    from micrograd.cli.training import curves
    from micrograd.errors import NumericalError

    start = time.perf_counter()
    equal = _compare(terminal, folder)
    terminal.say()
    if not equal:
        raise NumericalError("the composed gradient is not the handwritten one; see the table.")
    terminal.say("The composed gradient equals the handwritten one at every stage.")
    terminal.say()
    terminal.say("Training 64-64-64-10 on 1,437 handwritten digits, testing on 360 others.")
    histories = {}
    for label, batch_norm_ in (("with batch norm", True), ("without", False)):
        with terminal.progress(f"{label:<16}", epochs) as show:

            def show_epoch(now: Any, show: Callable[[int, str], None] = show) -> None:
                show(now.epoch, f"loss {now.train_loss:.4f}, test {now.test_accuracy:.1%}")

            _, histories[label] = train_digits(batch_norm=batch_norm_, epochs=epochs, progress=show_epoch)
    training_curves(
        {k: curves(v) for k, v in histories.items()}, folder / "training.svg", title="Training on handwritten digits"
    )
    for label, history in histories.items():
        terminal.say(f"Test accuracy {label}: {history.test_accuracy[-1]:.1%}")
    terminal.say()
    written = {
        "bn.svg": "the staged graph: forward values in black, gradients in red",
        "bn.dot": "the same for Graphviz",
        "bn-backward.svg": "the backward pass as a graph of its own",
        "training.svg": "learning curves",
    }
    for name, what in written.items():
        terminal.say(f"{folder / name}: {what}")
    terminal.say(f"Done in {time.perf_counter() - start:.0f} s; open the .svg files in a browser.")
    terminal.say()
    for line in _next():
        terminal.say(line)


def _next() -> tuple[str, str]:
    """Say what to do next, and the command for it: in a clone its homework, elsewhere an exercise."""
    homework = Path(__file__).parents[2] / "examples" / "homework.py"
    if homework.exists():
        near = homework.relative_to(Path.cwd()) if homework.is_relative_to(Path.cwd()) else homework
        return "Next, have a homework marked that has a mistake in it:", f"  {typed('check', str(near))}"
    written = Path("batchnorm_exercise.py")
    if written.exists():
        return "Next, fill in the blanks of the exercise and have it marked:", f"  {typed('check', str(written))}"
    return "Next, write an exercise, a backward pass with blanks:", f"  {typed('exercise', 'batchnorm')}"
