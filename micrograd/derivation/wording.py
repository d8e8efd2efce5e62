"""Say every rule, its reason and every other sentence in English and in Simplified Chinese: one table."""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["ASSUMED", "LANGUAGES", "RULES", "WORDS", "Phrase", "say"]

LANGUAGES = ("en", "zh")
Phrase: TypeAlias = tuple[str, str]
"""A text in each of `LANGUAGES`."""

RULES: dict[str, tuple[Phrase, Phrase]] = {
    "substitute": (
        ("put earlier lines in", "代入前面的行"),
        ("Earlier lines are put in where they are used.", "在用到前面各行的地方，把它们代进来。"),
    ),
    "collect": (
        ("collect factors", "合并因子"),
        (
            "Equal factors become powers; signs and numbers come to the front.",
            "相同的因子合并成幂，符号和数字提到最前面。",
        ),
    ),
    "linear": (
        ("sums are linear", "求和是线性的"),
        (
            "A sum of terms is the sum of the sums, and what does not vary along the summed axis comes out of the sum.",
            "各项之和的求和等于分别求和再相加；沿求和轴不变的因子可以提到求和号外面。",
        ),
    ),
    "cancel": (
        ("terms cancel", "各项抵消"),
        ("Terms that are equal but for their sign cancel.", "只差一个符号的两项互相抵消。"),
    ),
    "vanish": (
        ("a sum that is known", "已知的和"),
        (
            "This sum is always the same number, whatever the input is: the forward pass makes it so.",
            "无论输入是什么，这个和总是同一个数：这是前向计算决定的。",
        ),
    ),
    "definition": (
        ("a value of the forward pass", "前向计算中的值"),
        (
            "A value of the forward pass is put in place of what defines it.",
            "用前向计算中的值代替它的定义式。",
        ),
    ),
    "cases": (
        ("the same in both cases", "两种情况结果相同"),
        (
            "Where a number is positive and where it is negative, the line is the same expression.",
            "某个量为正和为负时，这一行是同一个表达式。",
        ),
    ),
    "relation": (
        ("a definition, the other way round", "反过来用定义"),
        ("A definition is used the other way round, so that terms cancel.", "反过来使用定义，使若干项抵消。"),
    ),
    "known sum": (
        ("computed already", "已经算过"),
        ("This has been computed already, for another gradient.", "在求另一个梯度时已经算过。"),
    ),
    "regroup": (
        ("sum in the other order", "交换求和次序"),
        (
            "A double sum is summed in the other order, which makes a value of the forward pass appear.",
            "交换二重求和的次序，前向计算中的一个值就出现了。",
        ),
    ),
    "factor": (
        ("factor", "提取公因子"),
        ("The factors that all terms share come out in front of a bracket.", "把各项的公因子提到括号前面。"),
    ),
    "name": (
        ("name a product", "给乘积命名"),
        ("A product that occurs several times is computed once.", "多次出现的乘积只算一次。"),
    ),
    "pick": (
        ("a one-hot row picks", "独热行的挑选"),
        (
            "Times a one-hot row only the entry at the label counts, and the row sums to 1.",
            "乘以独热行之后只剩标签处的那一项，而且该行之和为 1。",
        ),
    ),
}
"""The name of each rule, and its reason in one sentence."""

ASSUMED: dict[str, Phrase] = {
    "real": (
        "Computed with real numbers: no NaN, no infinity, no rounding.",
        "按实数计算：没有 NaN，没有无穷大，不计舍入误差。",
    ),
    "what is divided by is not 0": (
        "What the function divides by is not 0, and what it takes roots of is not negative.",
        "被除的量不为 0，被开方的量不为负。",
    ),
    "what a logarithm is taken of is positive": (
        "What the function takes logarithms of is positive.",
        "被取对数的量为正。",
    ),
    "what cases are split by is not 0": (
        "What the function takes the sign or the absolute value of, or compares with 0, is not 0.",
        "被取绝对值、取符号或与 0 比较的量不为 0。",
    ),
    "positive": ("{names} > 0.", "{names} > 0。"),
    "labels": ("The labels {names} are in range.", "标签 {names} 在范围之内。"),
}
"""What a derivation assumes."""

WORDS: dict[str, Phrase] = {
    "title": ("{name}: from the staged backward to the compact formula", "{name}：从逐步反向到紧凑公式"),
    "steps": ("Steps", "步骤"),
    "result": ("The result", "结果"),
    "before": ("before", "变化前"),
    "after": ("after", "变化后"),
    "facts": ("Why this sum is known", "为什么这个和是已知的"),
    "uses": ("uses {names}", "用到 {names}"),
    "in numpy": ("This line in NumPy", "这一行的 NumPy 代码"),
    "assumes": ("Assumed", "前提"),
    "proved": ("proved exactly", "已精确证明"),
    "field": ("equal over a finite field", "在有限域上相等"),
    "not asked": ("finite field: not asked, too large or too many roots", "有限域：规模太大或根式太多，未检验"),
    "float": ("error in float64: {error}", "float64 误差：{error}"),
    "sizes.all": ("Proved for every length of {names}.", "对 {names} 的任意长度都成立。"),
    "sizes.some": ("Proved for every length of {names}; {fixed} built into the function.",
                   "对 {names} 的任意长度都成立；{fixed} 写死在函数里。"),
    "sizes.one": ("Proved for the lengths of this run: {fixed}.", "仅对本次运行的长度证明：{fixed}。"),
    "none": (
        "The staged backward is already as short as it gets; no rule changes it.",
        "逐步反向已经最短，没有规则能再化简它。",
    ),
    "note.time": (
        "{line}: the staged line stays; there was no time for more ({seconds:g} s).",
        "{line}：保留逐步形式；时间用完了（{seconds:g} 秒）。",
    ),
    "note.unproved": (
        "{line}: the staged line stays; no shorter form of it could be proved.",
        "{line}：保留逐步形式；没有更短的形式得到证明。",
    ),
    "note.longer": (
        "The staged backward stays: the derived one has more operations ({after} against {before}).",
        "保留逐步反向：推导出的形式运算更多（{after} 对 {before}）。",
    ),
    "note.versions": ("{names}: {name}, assigned again.", "{names}：再次赋值后的 {name}。"),
    "note.doubted": (
        "The staged backward stays: {judge} doubts the compact one.",
        "保留逐步反向：{judge}对紧凑形式有疑问。",
    ),
    "judge.exact": ("the exact judge", "精确判定"),
    "judge.field": ("the judge over a finite field", "有限域判定"),
    "judge.float": ("the judge in float64", "float64 判定"),
    "previous": ("Previous step", "上一步"),
    "next": ("Next step", "下一步"),
    "theme": ("Dark or light", "深色或浅色"),
    "language": ("中文", "English"),
    "slider": ("Step", "步骤"),
    "keys": ("Keys: ← and → step, Home and End jump.", "按键：← 和 → 逐步，Home 和 End 跳到首尾。"),
    "skip": ("Skip to the step", "跳到当前步骤"),
    "say": ("Step {step} of {steps}, {line}, {rule}.", "第 {step} 步，共 {steps} 步，{line}，{rule}。"),
    "line.times": ("{target} is {factor} times what it must be.", "{target} 是正确值的 {factor} 倍。"),
    "line.excess": ("{target} is too large by {excess}.", "{target} 比正确值多了 {excess}。"),
    "line.lacks": ("{target} lacks {excess}.", "{target} 少了 {excess}。"),
    "line.because": ("{target} is right, always, because {facts}.", "{target} 总是对的，因为 {facts}。"),
    "line.follows": ("{target} is right.", "{target} 是对的。"),
    "line.carried": (
        "The step to {target} is right; it carries on the mistake in {detail}.",
        "{target} 这一步是对的；它沿用了 {detail} 中的错误。",
    ),
    "line.own": ("{target} is a value of your own.", "{target} 是你自己引入的值。"),
    "line.wrong": ("{target} is not what it must be.", "{target} 不等于正确值。"),
    "line.shape": ("{target} has another shape than the gradient: {detail}.", "{target} 的形状与梯度不同：{detail}。"),
    "line.unknown": ("{target} cannot be compared: {detail}", "{target} 无法比较：{detail}"),
    "no script": ("This page needs JavaScript to step; all steps are printed below.",
                  "本页需要 JavaScript 才能逐步查看；全部步骤列在下面。"),
}  # fmt: skip
"""Every other sentence."""


def say(phrase: Phrase, lang: str, **holes: object) -> str:
    """Return a phrase in a language, its holes filled.

    >>> say(WORDS["uses"], "zh", names="mu")
    '用到 mu'
    """
    return phrase[LANGUAGES.index(lang)].format(**holes)
