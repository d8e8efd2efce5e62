"""Say things in English and in Simplified Chinese: the one way to do it, and the sentences of a report.

The sentences about the kinds of mistakes are in `micrograd.marker.mistakes`, those of probes and exercises in their own
rooms. Holes are filled by name, and what fills them is never read as a template. Problems, which a child process words
in English, are read back into their holes to be said in Chinese.
"""

from __future__ import annotations

import operator
import os
import re
from functools import lru_cache

from micrograd.errors import GraphError

__all__ = ["HTML_TAGS", "LANGUAGES", "PROBLEMS", "WORDS", "Phrase", "place", "place_of", "problem", "say", "translated"]

LANGUAGES = ("en", "zh")
HTML_TAGS = {"en": "en", "zh": "zh-Hans"}
Phrase = tuple[str, str]
"""A text in each of `LANGUAGES`."""

# fmt: off
WORDS: dict[str, Phrase] = {
    "title": ("{file}: {backward}, checked against {forward}", "{file}：{backward}，对照 {forward} 检查"),
    "cell": ("this cell", "本单元格"),
    "title.loss": ("{file}: the gradients of {forward}", "{file}：{forward} 的梯度"),
    "right": ("Right: every gradient agrees with the engine's, on {probes} sets of inputs.",
        "正确：在 {probes} 组输入上，所有梯度都与引擎的结果一致。"),
    "right.shape": ("The numbers are right, on {probes} sets of inputs; a shape is not.",
        "数值正确（在 {probes} 组输入上）；但有形状不对。"),
    "right.excused": ("Right but for what is said below, on {probes} sets of inputs.",
        "除下面所说的之外都正确（在 {probes} 组输入上）。"),
    "wrong.one": ("Wrong: 1 mistake.", "有误：1 处错误。"),
    "wrong.more": ("Wrong: {count} mistakes.", "有误：{count} 处错误。"),
    "wrong.none": ("Wrong: a gradient disagrees with the engine's, but no single line could be blamed.",
        "有误：梯度与引擎的结果不一致，但无法归咎于某一行。"),
    "failed": ("Could not be checked.", "无法检查。"),
    "tried": ("Tried with {inputs}.", "试过的输入：{inputs}。"),
    "remarks": ("Not mistakes, but worth knowing:", "以下不算错误，但值得了解："),
    "printed": ("Your code printed:", "你的代码输出了："),
    "printed.more": ("... {count} more lines", "……另有 {count} 行"),
    "column.right": ("right", "正确"),
    "column.wrong": ("wrong", "错误"),
    "column.shape": ("shape", "形状"),
    "table.off": ("off by {error} (rounding explains {bound})", "相差 {error}（舍入误差至多 {bound}）"),
    "table.shape": ("shape {got}, should be {expected}", "形状为 {got}，应为 {expected}"),
    "table.none": ("no value: the code stopped before it, or returned None", "没有值：代码提前中止，或返回了 None"),
    "table.zero": (", zero on every set of inputs", "，在每组输入上都为零"),
    "table.not_zero": ("off by {error}: it is zero on every set of inputs, the output does not change with it",
        "相差 {error}：在每组输入上它都应为零，输出不随它变化"),
    "table.nan": ("not a finite number", "不是有限的数"),
    "summary": ("{right} of {all} pairs are right.", "共 {all} 对函数，{right} 对正确。"),
    "level.more": ("For {more}: --hint {level}", "想看{more}：--hint {level}"),
    "level.kind": ("what kind of mistake it is", "是哪一类错误"),
    "level.fix": ("a fix that has been tried", "经过验证的改法"),
    "head.wrong": ("Line {line}: {target} is wrong, and everything that this line reads is right.",
        "第 {line} 行：{target} 是错的，而这一行用到的值都是对的。"),
    "head.bare": ("Line {line}: {target} is wrong.", "第 {line} 行：{target} 是错的。"),
    "head.doubt": ("Line {line} is the first line that nothing vouches for: {target} may be wrong.",
        "第 {line} 行是第一处无法确认的地方：{target} 可能有误。"),
    "head.through": ("Line {line}: {target} is wrong, by itself or through a line above that nothing vouches for.",
        "第 {line} 行：{target} 的值不对，错在这里，或错在它前面某一行无法确认的地方。"),
    "head.lacks": ("Line {line}: {target} lacks something, here or in a line that belongs before or after it.",
        "第 {line} 行：{target} 缺了一部分，可能缺在这里，也可能缺在它前后的某一行。"),
    "head.either": ("Line {line} or line {either}: a change of either makes the same gradients right.",
        "第 {line} 行或第 {either} 行：改其中任意一行，同样的梯度就都对了。"),
    "head.kept": ("Up to line {line}, nothing is put into {target}.", "到第 {line} 行为止，{target} 没有被赋值。"),
    "head.return": ("Line {line}: the return statement is wrong.", "第 {line} 行：return 语句有误。"),
    "head.insert": ("A statement is missing after line {line}.", "第 {line} 行之后缺少一条语句。"),
    "head.next": ("Line {line}: {target} is wrong too, even with right values to work from.",
        "第 {line} 行：{target} 也有误，即使用到的值都是对的。"),
    "head.raises": ("Line {line} stops with an error.", "第 {line} 行报错而中止。"),
    "head.unwritten": ("Line {line}: {target} is not written yet.", "第 {line} 行：{target} 还没有写。"),
    "head.no_return": ("Line {line}: the function ends without `return`.", "第 {line} 行：函数结束时没有 `return`。"),
    "head.thrown_away": ("Line {line} computes something, and nobody keeps it.",
        "第 {line} 行算出了结果，却没有保存。"),
    "target.backward": ("what belongs here", "这里该写的内容"),
    "unwritten": ("Not written yet.", "还没有写。"),
    "stops": ("Wrong: the code stops with an error.", "有误：代码报错而中止。"),
    "unpaired": ("Not checked, since no forward of that name was found: {names}.",
        "没有找到对应的前向函数，因此未检查：{names}。"),
    "summary.unwritten": ("{count} not written yet", "{count} 对还没有写"),
    "summary.failed": ("{count} could not be checked", "{count} 对无法检查"),
    "head.shape": ("Line {line}: {target} has the right numbers in the wrong shape.",
        "第 {line} 行：{target} 的数值正确，形状不对。"),
    "head.harmless": ("Line {line}: {target} leaves something out, harmlessly.",
        "第 {line} 行：{target} 省略了一项，但没有影响。"),
    "head.caller": ("Line {line}: {target} belongs to the caller, and is changed in place.",
        "第 {line} 行：{target} 属于调用者，却被原地修改了。"),
    "head.no_influence": ("Line {line}: what the forward returns does not change with the input of {target}.",
        "第 {line} 行：前向的返回值不随 {target} 所对应的输入变化。"),
    "head.guard": ("Line {line}: right but for a guard in the forward.", "第 {line} 行：除前向中的保护项外都正确。"),
    "head.mean_convention": ("Line {line}: {target} is an average where the loss may be meant to have it.",
        "第 {line} 行：{target} 取了平均，这一平均可能本应放在损失里。"),
    "head.forward": ("Line {line}: the forward differs from {reference}.",
        "第 {line} 行：前向函数与 {reference} 不同。"),
    "target.return": ("what is returned", "返回值"),
    "target.loop": ("this loop", "这个循环"),
    "target.value": ("this value", "这个值"),
    "means": ("{target} should hold {means}, the gradient of {name}.", "{target} 应当是 {means}，即 {name} 的梯度。"),
    "means.same": ("{target} should hold the gradient of {name}.", "{target} 应当是 {name} 的梯度。"),
    "means.part": ("{target} should hold one part of the gradient of {name}.",
        "{target} 应当是 {name} 的梯度的一部分。"),
    "means.inside": ("{target} should hold the gradient of a part of {name}.",
        "{target} 应当是 {name} 中一部分的梯度。"),
    "means.edge.same": ("{target} should hold what {to} sends back to {source}.",
        "{target} 应当是 {to} 传回 {source} 的那一份梯度。"),
    "means.edge": ("{target} should hold {means}, what {to} sends back to {source}.",
        "{target} 应当是 {means}，即 {to} 传回 {source} 的那一份梯度。"),
    "expected": ("expected", "应为"),
    "got": ("got", "实得"),
    "why": ("Why: ", "原因："),
    "step": ("Next: ", "下一步："),
    "fix.replace": ("Fix: in line {line} replace `{old}` by `{new}`.",
        "改法：第 {line} 行，把 `{old}` 改成 `{new}`。"),
    "fix.insert": ("Fix: in line {line} put `{new}` {place}.", "改法：第 {line} 行，{place}插入 `{new}`。"),
    "fix.drop": ("Fix: in line {line} take `{old}` out.", "改法：第 {line} 行，去掉 `{old}`。"),
    "fix.below": ("Fix: after line {line} put `{new}`.", "改法：在第 {line} 行之后加上 `{new}`。"),
    "fix.after": ("after `{text}`", "在 `{text}` 之后"),
    "fix.before": ("before `{text}`", "在 `{text}` 之前"),
    "fix.forward": ("Tried on {probes} fresh sets of inputs: the output is that of {reference} with it.",
        "已在 {probes} 组新输入上验证：改后输出与 {reference} 一致。"),
    "fix.whole": ("Tried on {probes} fresh sets of inputs: every gradient is right with it.",
        "已在 {probes} 组新的输入上试过：改后所有梯度都正确。"),
    "fix.all": ("Tried on {probes} fresh sets of inputs: with this fix and those above it, every gradient is right.",
        "已在 {probes} 组新的输入上试过：加上前面的改法，所有梯度都正确。"),
    "fix.part": (("Tried on {probes} fresh sets of inputs{above}: right are {right}; {wrong} not yet, other "
         "mistakes remain."),
        "已在 {probes} 组新的输入上试过{above}：{right} 已正确；{wrong} 尚不正确，其他错误仍在。"),
    "fix.above": (", with the fixes above it", "（加上前面的改法）"),
    "fix.still": ("Tried on {probes} fresh sets of inputs{above}: no gradient is right yet; other mistakes remain.",
        "已在 {probes} 组新的输入上试过{above}：还没有正确的梯度；其他错误仍在。"),
    "list": (", ", "、"),
    "fix.none": ("No single edit of this line was found that mends it; it may need to be written anew.",
        "没有找到只改一处就能修好的办法；这一行可能需要重写。"),
    "head.blank": ("Line {line}: a blank is still there.", "第 {line} 行：空白还没有填。"),
    "step.blank": ("Put what belongs there in the place of ___.", "把 ___ 换成应有的内容。"),
    "head.assertion": ("Line {line}: what is asserted here does not hold.", "第 {line} 行：这里断言的条件不成立。"),
    "step.assertion": (("Look at both sides of the comparison: what are the values, and their shapes, just before "
         "this line?"),
        "看看比较的两边：在这一行之前，它们的值和形状各是什么？"),
    "by": (": the value is {ratio} times what it should be", "：得到的是正确值的 {ratio} 倍"),
    "by.part": (": the marked part is {ratio} times what it should be", "：标出的部分是正确值的 {ratio} 倍"),
    "by.minus": (": the value is minus what it should be", "：得到的是正确值的相反数"),
    "by.minus.part": (": the marked part is minus what it should be", "：标出的部分是正确值的相反数"),
    "off.times": ("{target} is {formula} times what it should be.", "{target} 是正确值的 {formula} 倍。"),
    "off.excess": ("{target} is too large by {formula}.", "{target} 比正确值多了 {formula}。"),
    "off.lacks": ("{target} lacks {formula}.", "{target} 少了 {formula}。"),
    "steps": ("The steps from the staged backward to the compact formula, derived from the forward, each proved:",
        "从逐步反向到紧凑公式的步骤，由前向推导而来，每一步都已证明："),
    "steps.equal": ("{names}: proved equal to what these steps give, for every size.",
        "{names}：已证明与这些步骤的结果相等，对任意大小都成立。"),
    "off.always": ("Proved for every input: {formula}.", "对任何输入都成立，证明：{formula}。"),
    "of": (", {edge_name}", "：{edge_name}"),
    "grade.good": ("{name} is right.", "{name} 正确。"),
    "grade.wrong": ("{name} is not computed on the way, or not right.", "过程中没有算出 {name}，或者算得不对。"),
    "grade.output": ("{name}, which is returned, is not right.", "返回的 {name} 不正确。"),
    "grade.first": ("The first mistake:", "第一处错误："),
    "grade.undefined": ("The function is not defined.", "函数没有定义。"),
    "emit.head": ("Tests of {backward}, with partial credit; they need micrograd-graph.",
        "{backward} 的测试，按步骤给分；需要安装 micrograd-graph。"),
    "page.title": ("{backward}, checked", "检查 {backward}"),
    "page.findings": ("The check", "检查结果"),
    "page.edge": ("Show the edge {source} → {to}", "显示边 {source} → {to}"),
    "page.node": ("Show {name}", "显示 {name}"),
    "page.legend": ("The edge that pulses is the one where the gradient went wrong.", "闪动的边就是梯度出错的地方。"),
    "shapes": (": the shape is {got} where {expected} belongs", "：形状是 {got}，应为 {expected}"),
    "edge_name": ("what {to} sends back to {source}", " {to} 传回 {source} 的那一份"),
    "edge_name.none": ("one contribution", "其中一份"),
}

PROBLEMS: dict[str, Phrase] = {
    "syntax": ("{at}: syntax error: {message}", "{at}：语法错误：{message}"),
    "exit": ("{at}: the code called exit(), which ends the program; take that out",
        "{at}：代码调用了 exit()，这会结束程序；请去掉"),
    "os_exit": ("{at}: the code called os._exit(), which ends the program; take that out",
        "{at}：代码调用了 os._exit()，这会结束程序；请去掉"),
    "memory": ("{at}: ran out of memory", "{at}：内存不足"),
    "input": ("{at}: input() waits for somebody to type, and in a check nobody does; give the value in the code",
        "{at}：input() 在等待输入，而检查时没有人输入；请把值写在代码里"),
    "time": ("{at}: still running after {seconds} s; does this loop come to an end?",
        "{at}：{seconds} 秒后仍在运行；这个循环会结束吗？"),
    "cut": ("The search for the line was not done after {seconds} s and was ended.",
        "{seconds} 秒后仍未找到出错的行，查找已停止。"),
    "lost": (("The search for the line broke off ({kind}: {message}); this is a mistake of the checker, please "
         "report it."),
        "查找出错的行时中断（{kind}: {message}）；这是检查程序的错误，请报告。"),
    "slow": ("the check took longer than {seconds} s", "检查用时超过 {seconds} 秒"),
    "late": ("the code did not stop after {seconds} s and was ended", "代码在 {seconds} 秒后没有停止，已被终止"),
    "crash": ("{at}: Python itself crashed ({signal})", "{at}：Python 本身崩溃了（{signal}）"),
    "ended": ("{at}: the program ended by itself, with exit code {code}, before the check was done",
        "{at}：程序在检查完成前自行结束，退出码 {code}"),
    "none": ("{name} returned None: its return statement is missing, or it has not been written yet",
        "{name} 返回了 None：缺少 return 语句，或者还没有写"),
    "result": ("{name} should return an array of floats, or (out, cache); it returned {got}",
        "{name} 应返回浮点数组，或 (out, cache)；实际返回了 {got}"),
    "loss": ("{name} should return (loss, gradient); it returned {got}",
        "{name} 应返回 (loss, gradient)；实际返回了 {got}"),
    "no_input": ("{name} is given no array of floats, so there is nothing to differentiate by",
        "{name} 没有得到浮点数组，因此没有可求导的量"),
    "no_upstream": (("{name}({parameters}) has no parameter for the gradient that arrives, dout: a backward "
         "returns that gradient times the derivative"),
        "{name}({parameters}) 没有接收上游梯度 dout 的参数：反向函数应返回上游梯度乘以导数"),
    "own_loss": (("{name} takes {parameter!r}, which {forward} does not: it differentiates a loss of its own. A "
         "backward is checked against its forward; have {forward} return that loss, or {name} take the gradient dout"),
        ("{name} 有参数 {parameter!r}，而 {forward} 没有：它求的是另一个损失的导数。"
         "反向函数是对照其前向函数检查的；请让 {forward} 返回该损失，或让 {name} 接收上游梯度 dout")),
    "step": (("{name} changes a weight before it has read it for the last time: every gradient is right with "
         "{rate} = 0, and wrong with {rate} = 0.1. Compute all gradients first, and step then"),
        ("{name} 在最后一次读取某个权重之前就修改了它：{rate} = 0 时所有梯度都正确，{rate} = 0.1 时则不正确。"
         "请先算完所有梯度，再更新权重")),
    "wants": (("{name} wants {parameter!r}, but {forward} has no such parameter and returns nothing of that name; "
         "return it in a cache: return out, cache"),
        "{name} 需要 {parameter!r}，但 {forward} 没有这个参数，也没有返回它；请放进缓存返回：return out, cache"),
    "hint.give": (("What {name} is cannot be known from its name; give --param {name}=VALUE, or for an array "
         "--input {name}=5x3"),
        "从名字看不出 {name} 是什么；请说明：--param {name}=VALUE，若是数组则用 --input {name}=5x3。"),
    "hint.python2": ("This is Python 2; in Python 3 write {new}.",
        "这是 Python 2 的写法；在 Python 3 中请写 {new}。"),
    "hint.numpy": ("Newer NumPy has no {old}; write {new}.", "新版 NumPy 没有 {old}；请写 {new}。"),
    "hint.division": ("In Python 3 / gives a float, and sizes and indices are whole numbers; write // there.",
        "在 Python 3 中 / 得到浮点数，而大小和下标必须是整数；请写 //。"),
    "hint.module": (("The check runs with the Python that runs micrograd; install {name} there, or import it only "
         "where it is used."),
        "检查使用运行 micrograd 的 Python；请在其中安装 {name}，或只在用到的地方导入它。"),
    "hint.sum": (("np.sum takes one array: the second argument is taken for the axis. Multiply first: np.sum(a * "
         "b, axis=0)."),
        "np.sum 只接受一个数组：第二个参数会被当作 axis。请先相乘：np.sum(a * b, axis=0)。"),
    "only": ("Right with the settings that are tried first; wrong with {settings}.",
        "最先试的设置下正确；在 {settings} 下有误。"),
    "guard": (("{count} in the logarithm keeps it finite, and has a derivative too: the gradients are off by "
         "{error} for it, and right without it; that is what everybody does"),
        "对数里的 {count} 防止无穷大，但它也影响导数：梯度因此相差 {error}，去掉它则完全正确；通常的做法就是这样"),
    "mean": (("{names} are the right ones divided by {count}, the number of examples: right if the loss is the sum "
         "over the examples divided by {count}, and {others} is not divided"),
        "{names} 是正确值除以样本数 {count}：如果损失是各样本之和再除以 {count}，而 {others} 不除，那么这是对的"),
    "later": ("Line {line} stops with an error: {words}", "第 {line} 行报错而中止：{words}"),
    "averages": (("{names} are written as averages over the {count} examples, and are marked as such: right if the "
         "loss is the sum over the examples divided by {count}, and {others} is not divided"),
        ("{names} 写成了对 {count} 个样本取平均，因此按平均值来检查：如果损失是各样本之和再除以 {count}，"
         "而 {others} 不除，那么这是对的")),
    "unpacked": ("the names stand in another order than the values: {name} holds what the forward calls {other}",
        "名字的顺序与值的顺序不同：{name} 得到的是前向里的 {other}"),
    "stop.unbound": ("{kind}: `{name}` is read here, and line {line} is the first that assigns it",
        "{kind}：这里读取了 `{name}`，而第 {line} 行才第一次给它赋值"),
    "stop.name": ("{kind}: name {name!r} is not defined; did you mean `{near}`?",
        "{kind}：名字 {name!r} 没有定义；你是想写 `{near}` 吗？"),
    "stop.nowhere": ("{kind}: name {name!r} is not defined; nothing in this function assigns it",
        "{kind}：名字 {name!r} 没有定义；这个函数里没有给它赋值的语句"),
    "stop.memory": ("{kind}: {message}; which size is too large here?", "{kind}：{message}；这里哪个大小太大了？"),
    "stop.recursion": ("{kind}: {name} calls itself again and again, and nothing ends it",
        "{kind}：{name} 不断地调用自己，没有终止条件"),
    "stop.key": ("{kind}: `{base}` has no entry {entry}; it has {keys}",
        "{kind}：`{base}` 里没有 {entry}；有的是 {keys}"),
    "stop.index": ("{kind}: {message}; `{base}` has {many} here", "{kind}：{message}；这里 `{base}` 是 {many}"),
    "stop.unpack": ("{kind}: `{base}` holds {got} values, and {names} names stand left of the =",
        "{kind}：`{base}` 有 {got} 个值，而等号左边有 {names} 个名字"),
    "stop.is": ("{kind}: `{base}` is {value} here: it has no value yet",
        "{kind}：`{base}` 在这里是 {value}：还没有值"),
    "stop.attribute": ("{kind}: `{base}` has no `{name}`; did you mean `{near}`?",
        "{kind}：`{base}` 没有 `{name}`；你是想写 `{near}` 吗？"),
    "stop.no_attribute": ("{kind}: `{base}` has no `{name}`", "{kind}：`{base}` 没有 `{name}`"),
    "stop.call": (("{kind}: `{name}` is a number or an array, and the brackets after it call it: is a * missing "
         "before them?"),
        "{kind}：`{name}` 是数或数组，后面的括号却把它当函数调用：括号前是否漏了 *？"),
    "stop.xor": ("{kind}: {message}: ^ is not a power in Python but the exclusive or; a power is written **",
        "{kind}：{message}：在 Python 中 ^ 不是乘方，而是异或；乘方写作 **"),
    "stop.shapes": ("{kind}: `{a}` has shape {first} and `{b}` has shape {second}; {sign} cannot put these together",
        "{kind}：`{a}` 的形状是 {first}，`{b}` 的形状是 {second}；{sign} 无法把它们合在一起"),
    "exception": ("{at}: {kind}: {message}", "{at}：{kind}：{message}"),
}
# fmt: on


def place_of(language: str) -> int:
    """Return the place of a language in a `Phrase`.

    Raises:
        GraphError: another language.
    """
    if language not in LANGUAGES:
        raise GraphError(f'language={language!r} is neither "en" nor "zh".')
    return LANGUAGES.index(language)


def say(language: str, phrase: Phrase, /, **holes: object) -> str:
    """Fill the holes of a phrase in one language.

    Raises:
        GraphError: another language.

    >>> say("en", WORDS["fix.drop"], line=3, old="2 *")
    'Fix: in line 3 take `2 *` out.'
    """
    return _filled(phrase[place_of(language)], holes)


_HOLE = re.compile(r"\{(\w+)(!r)?\}")


def _filled(template: str, holes: dict[str, object]) -> str:
    return _HOLE.sub(lambda m: repr(holes[m[1]]) if m[2] else str(holes[m[1]]), template)


def place(file: str, line: int | str | None = None) -> str:
    """Return where something is, as a problem says it.

    >>> place("homework/bn.py", 3)
    'bn.py:3'
    """
    name = os.path.basename(file) or file
    return f"{name}:{line}" if line else name


def problem(key: str, **holes: object) -> str:
    """Return why something could not be checked, in English; `translated` says it in another language.

    >>> problem("memory", at="bn.py:3")
    'bn.py:3: ran out of memory'
    """
    return _filled(PROBLEMS[key][0], holes)


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    patterns = []
    for english, other in PROBLEMS.values():
        between, names = _HOLE.split(english)[::3], _HOLE.split(english)[1::3]
        holes = [f"(?P={name})" if name in names[:i] else f"(?P<{name}>.*?)" for i, name in enumerate(names)]
        pattern = "".join(map(operator.add, map(re.escape, between), [*holes, ""]))
        patterns.append((re.compile(pattern, re.DOTALL), other))
    return patterns


def translated(text: str, language: str) -> str:
    """Return a problem, line by line, in another language; as it is where it is none of `problem`'s.

    >>> translated("bn.py:3: ran out of memory", "zh")
    'bn.py:3：内存不足'
    """
    if not place_of(language):
        return text
    lines = []
    for line in text.split("\n"):
        found = ((pattern.fullmatch(line), other) for pattern, other in _patterns())
        match, other = next(((m, o) for m, o in found if m), (None, ""))
        lines.append(_HOLE.sub(lambda m: match[m[1]], other) if match else line)  # noqa: B023 - used at once
    return "\n".join(lines)
