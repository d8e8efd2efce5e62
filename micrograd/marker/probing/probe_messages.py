"""What probes and the judgement of a test say, in English and in Simplified Chinese."""

from __future__ import annotations

import numpy as np

from micrograd.marker.messages import Phrase, say
from micrograd.marker.mistakes import MISTAKES
from micrograd.marker.probing.trial import Mutant

__all__ = ["WORDS", "described", "number"]

WORDS: dict[str, Phrase] = {
    # a probe
    "probe.inputs": ("{name}: {inputs}", "{name}：{inputs}"),
    "probe.part": (
        "The graph is very large: {tried} of its {possible} possible mistakes were tried, evenly spread.",
        "计算图很大：在 {possible} 种可能的错误中，均匀地选试了 {tried} 种。",
    ),
    "probe.all": (
        "Each of {visible} mistakes changes a gradient by at least {least} of its size (the least: {faintest}).",
        "{visible} 种错误中的每一种都使某个梯度至少改变其大小的 {least}（最小的是：{faintest}）。",
    ),
    "probe.most": (
        "{seen} of {visible} mistakes change a gradient by more than {bar} of its size. The others change:",
        "{visible} 种错误中有 {seen} 种使某个梯度的改变超过其大小的 {bar}。其余的改变为：",
    ),
    "probe.faint": ("  {mistake}: {change}", "  {mistake}：{change}"),
    "probe.hidden": ("No input shows these (tried on {tried}):", "以下情况任何输入都察觉不到（试了 {tried} 组）："),
    "probe.identity": (
        "  {mistake}: {identity}, within {error} of its terms",
        "  {mistake}：{identity}，误差在各项的 {error} 之内",
    ),
    "probe.harmless": ("  {mistake}: changes nothing", "  {mistake}：没有任何影响"),
    # a test that exists
    "lint.good": (
        "This test sees all {visible} mistakes that can be seen.",
        "这个测试能察觉全部 {visible} 种可以察觉的错误。",
    ),
    "lint.blind": (
        "This test cannot see {blind} of {visible} mistakes: they change no gradient by more than {bar} of its size.",
        "这个测试察觉不到 {visible} 种错误中的 {blind} 种：各梯度的改变都不超过其大小的 {bar}。",
    ),
    "lint.cause": ("- {cause}: hides {count}, as", "- {cause}：掩盖了 {count} 种，例如"),
    "lint.mistake": ("    {mistake} (changes {change})", "    {mistake}（改变 {change}）"),
    "lint.together": (
        "- only several of these together, or other numbers, show {count} more, as",
        "- 要同时改掉其中几处，或换一组数，才能察觉另外 {count} 种，例如",
    ),
    "cause.constant": ("{name} = {value} everywhere", "{name} 处处为 {value}"),
    "cause.rows": ("{name} has the same rows", "{name} 的每一行都相同"),
    "cause.equal": ("{first} = {second} = {length}", "{first} = {second} = {length}"),
    "cause.few": ("{axis} = {length}", "{axis} = {length}"),
    "cause.eps": ("eps = {value}, too small for its absence to show", "eps = {value}，小到漏掉了也看不出"),
    "cause.scale": (
        "{name} spreads by {value}, beside which the eps of the function is nothing",
        "{name} 的标准差为 {value}，相比之下函数中的 eps 微不足道",
    ),
    "trap.zero": (
        "{output} is 0 for any such input: here {size}, the sum of terms of {terms}. A relative error of it is noise.",
        "对这类输入，{output} 总是 0：这里是 {size}，由大小为 {terms} 的各项相加而得。它的相对误差只是噪声。",
    ),
    "trap.cancels": (
        "{output} is only {ratio} of its terms ({size} of {terms}): compare it on the scale of the terms too.",
        "{output} 只有其各项的 {ratio}（{size} 对 {terms}）：比较时还要参照各项的大小。",
    ),
    "trap.two": (
        "N = 2: two values are normalized to +1 and -1 whatever they are; what is left of {output} is of order eps.",
        "N = 2：两个数归一化之后总是 +1 和 -1，{output} 只剩下 eps 的量级。",
    ),
    "trap.numeric": (
        "A numerical gradient (h = {step}) agrees with {output} to {error} only; no test can ask for more.",
        "数值梯度（h = {step}）与 {output} 只能吻合到 {error}；测试的要求不能比这更严。",
    ),
    "trap.shape": (
        (
            "Mistakes that change only a shape, (1, D) for (D,): {count}. np.allclose and rel_error broadcast and "
            "miss them."
        ),
        "有 {count} 种错误只改变形状，如 (1, D) 与 (D,)：np.allclose 和 rel_error 会广播，察觉不到。",
    ),
    "trap.float32": (
        "{name} is {dtype}, whose rounding alone changes {output} by {error}: test gradients in float64.",
        "{name} 是 {dtype}，仅舍入就使 {output} 改变 {error}：请用 float64 检验梯度。",
    ),
    "lint.traps": ("Worth knowing:", "还应知道："),
    "lint.trap": ("- {trap}", "- {trap}"),
    "lint.better": (
        "Better: {inputs}, which shows {seen} of {visible}. It is mg.probe({name}).",
        "更好的输入：{inputs}，能察觉 {visible} 种中的 {seen} 种。即 mg.probe({name})。",
    ),
}


def described(mutant: Mutant, language: str = "en") -> str:
    """Return a mistake in words: ``dxmu2 left out of dmu``."""
    row = MISTAKES[mutant.kind]
    whole = mutant.what == mutant.target and row.planted_whole[0]
    phrase = row.planted_whole if whole else row.planted
    return say(language, phrase, what=mutant.what, other=mutant.other, target=mutant.target)


def number(value: float) -> str:
    """Return a size in as few digits as it deserves.

    >>> number(0.0065887), number(5.88e-17), number(0.0)
    ('0.0066', '5.9e-17', '0')
    """
    return "inf" if np.isinf(value) else f"{value:.2g}"
