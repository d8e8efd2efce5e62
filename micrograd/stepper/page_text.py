"""Hold every string that a walk shows, in English and in Simplified Chinese, under the same keys.

`PAGE` has the strings of the page's script, with holes ``{0}``, ``{1}``; `SENTENCES` those of the steps, with holes by
name. The Chinese terms are those of the field: 计算图, 前向传播, 反向传播, 梯度, 上游梯度, 广播, 节点, 边.
"""

from __future__ import annotations

from functools import lru_cache

__all__ = ["COMPACT", "LANGUAGES", "PAGE", "SENTENCES", "WHY", "page_words", "say"]

LANGUAGES = ("en", "zh")

COMPACT = ("Why is this backward the same as the compact formula?", "为什么这个反向与紧凑公式是一回事？")
"""The link to the derivation, where there is one beside the page."""

PAGE: dict[str, tuple[str, str]] = {
    "language": ("中文", "English"),
    "theme_auto": ("Light or dark: as the system", "浅色或深色：跟随系统"),
    "theme_light": ("Light or dark: light", "浅色或深色：浅色"),
    "theme_dark": ("Light or dark: dark", "浅色或深色：深色"),
    "skip": ("Skip to the step", "跳到当前步骤"),
    "source": ("Source", "源代码"),
    "graph": ("Graph", "计算图"),
    "happens": ("What happens here", "本步发生了什么"),
    "controls": ("Step controls", "步进控制"),
    "first": ("First step", "第一步"),
    "previous_stage": ("Previous stage", "上一阶段"),
    "previous": ("Previous step", "上一步"),
    "next": ("Next step", "下一步"),
    "next_stage": ("Next stage", "下一阶段"),
    "last": ("Last step", "最后一步"),
    "play": ("Play", "播放"),
    "pause": ("Pause", "暂停"),
    "speed": ("Speed", "速度"),
    "step": ("Step", "步"),
    "step_of": ("step {0} of {1}", "第 {0} 步，共 {1} 步"),
    "forward": ("forward", "前向"),
    "backward": ("backward", "反向"),
    "turn_forward": ("To the forward pass here", "转到此处的前向传播"),
    "turn_backward": ("To the backward pass here", "转到此处的反向传播"),
    "no_other_direction": ("No gradient passes here.", "此处没有梯度经过。"),
    "find": ("Find a node", "查找节点"),
    "find_none": ("No node is called {0}.", "没有名为 {0} 的节点。"),
    "predict": ("Predict first", "先预测"),
    "predict_ask": ("What is {0}?", "{0} 是多少？"),
    "predict_given": ("A given value: nothing to predict.", "这是给定的值，无需预测。"),
    "predict_check": ("Check", "检查"),
    "predict_show": ("Show it", "显示答案"),
    "predict_number": (
        "Please type a number, such as -0.25 or 1/3; two digits are enough.",
        "请输入一个数，例如 -0.25 或 1/3；两位有效数字即可。",
    ),
    "predict_right": ("Right: {0}.", "正确：{0}。"),
    "predict_off": ("It is {0}. You were off by {1}.", "答案是 {0}，你的答案差了 {1}。"),
    "predict_sign": ("The sign is wrong.", "符号错了。"),
    "predict_factor": ("A factor: yours is {0} times the right one.", "差一个因子：你的是正确值的 {0} 倍。"),
    "predict_sum": (
        "The sum is missing: that is one of the terms that are summed over axis {0}.",
        "漏了求和：这只是沿轴 {0} 求和的其中一项。",
    ),
    "predict_transposed": ("Transposed: that is the number at {0}.", "转置了：那是 {0} 处的数。"),
    "predict_path": ("A missing path: {0} was left out of the sum.", "漏了一条路径：求和时缺少 {0}。"),
    "predict_coarse": ("Right to one digit: {0}.", "一位有效数字正确：{0}。"),
    "ask_kind": ("Predict:", "预测："),
    "ask_number": ("a number", "数值"),
    "ask_shape": ("the shape", "形状"),
    "ask_rule": ("the rule", "规则"),
    "shape_ask": ("What is the shape of {0}?", "{0} 的形状是什么？"),
    "shape_is": ("It is {0}.", "答案是 {0}。"),
    "shape_bad": (
        "Please type a shape, such as (4, 3), or () for one number.",
        "请输入形状，例如 (4, 3)；一个数写作 ()。",
    ),
    "shape_sum": ("That is the shape before the sum over axis {0}.", "那是沿轴 {0} 求和之前的形状。"),
    "shape_kept": ("The axis that is summed goes; it does not stay as 1.", "被求和的轴会消失，不会保留为 1。"),
    "shape_transposed": ("Transposed.", "转置了。"),
    "shape_unknown": (
        "A gradient has the shape of the value that it belongs to.",
        "梯度的形状与它所属的值的形状相同。",
    ),
    "rule_ask": ("Which rule gives {0}?", "{0} 由哪条规则得到？"),
    "rule_right": ("Right.", "正确。"),
    "rule_sum": ("The sum over the broadcast axis is missing.", "漏了沿广播轴的求和。"),
    "rule_path": ("A path is missing from the sum.", "求和中漏掉了一条路径。"),
    "rule_transposed": ("The matrix has to be transposed.", "矩阵需要转置。"),
    "rule_local": (
        "The local derivative is missing: the gradient that arrives is multiplied by it.",
        "漏了局部导数：传来的梯度要乘以它。",
    ),
    "rule_factor": ("There is no such factor.", "没有这个因子。"),
    "predict_unknown": (
        "It is none of: a sign, a factor, a missing sum or path, a transposed matrix. Look at the rule again.",
        "既不是符号、因子、漏掉的求和或路径，也不是转置。请再看一遍规则。",
    ),
    "hidden": ("hidden until you answer", "回答后显示"),
    "help": ("Help", "帮助"),
    "close": ("Close", "关闭"),
    "key_step": ("one step back or on", "后退或前进一步"),
    "key_stage": ("one stage back or on", "后退或前进一个阶段"),
    "key_ends": ("first or last step", "第一步或最后一步"),
    "key_turn": ("forward or backward pass of this node", "在此节点的前向与反向之间切换"),
    "key_find": ("find a node", "查找节点"),
    "key_help": ("this help", "本帮助"),
    "key_close": ("close", "关闭"),
    "key_play": ("play or pause", "播放或暂停"),
    "key_cells": (
        "in a table: go to a cell and choose it; the cells it comes from and goes to light up",
        "在表格中：移到并选择一个元素，它的来源与去向会亮起",
    ),
    "help_edges": (
        "Point at an edge of the graph, or reach it with Tab, for its local derivative.",
        "将指针放在图的边上，或用 Tab 键移到边上，可看到它的局部导数。",
    ),
    "help_link": ("The address ends in #step=…: it links to this step.", "网址以 #step=… 结尾：它链接到这一步。"),
    "help_colours": ("Forward lines are black and solid, backward lines are red.", "前向边为黑色，反向边为红色。"),
    "stages": ("Stages", "阶段"),
    "collapse": ("Fold stage: {0}", "折叠阶段：{0}"),
    "expand": ("Unfold stage: {0}", "展开阶段：{0}"),
    "zoom_in": ("Zoom in", "放大"),
    "zoom_out": ("Zoom out", "缩小"),
    "zoom_fit": ("Fit the graph into its place", "适应窗口"),
    "rule": ("The rule", "规则"),
    "why": ("Why?", "为什么？"),
    "numbers": ("With numbers, for {0}", "代入数值，以 {0} 为例"),
    "operands": ("What goes in", "输入"),
    "result": ("What comes out", "输出"),
    "value": ("value", "值"),
    "gradient": ("gradient", "梯度"),
    "upstream": ("The gradient that arrives", "传来的梯度"),
    "reads": ("Forward values that the rule reads", "规则用到的前向值"),
    "contribution": ("What goes back along this edge", "沿这条边传回的梯度"),
    "sum": ("The sum over paths: {0}", "各路径之和：{0}"),
    "so_far": ("so far", "至此"),
    "still_to_come": ("still to come: {0}", "尚未到达：{0}"),
    "running": ("{0} so far", "{0}（部分和）"),
    "no_value": ("no value", "无值"),
    "scalar": ("number", "标量"),
    "mean": ("mean", "均值"),
    "range": ("range", "范围"),
    "histogram": ("histogram", "直方图"),
    "corner": ("corner", "左上角"),
    "cell_from": ("comes from", "来自"),
    "cell_to": ("goes to", "去向"),
    "and_more": ("and {0} more", "以及另外 {0} 个"),
    "path_from": ("{0} from {1}", "{0} 来自 {1}"),
    "local": ("local derivative", "局部导数"),
    "edge": ("edge from {0} to {1}", "从 {0} 到 {1} 的边"),
    "edge_plain": ("{0} goes into {1}; no gradient comes back.", "{0} 进入 {1}；没有梯度传回。"),
    "node": ("node {0}", "节点 {0}"),
    "near": ("{0}, what it reads and what reads it", "{0}，它的输入与使用它的节点"),
    "divider": ("Size of the panes: drag, or use the arrow keys", "窗格大小：拖动或用方向键调整"),
    "line": ("line {0}", "第 {0} 行"),
    "live": ("Change a number", "改变数值"),
    "live_help": (
        "Type a number and press Enter: everything is computed again in this page.",
        "输入数值后按回车：整个计算会在本页中重新进行。",
    ),
    "live_changed": ("numbers changed", "数值已改变"),
    "live_bad": ("Not a number: {0}", "不是数：{0}"),
    "reset": ("Reset", "重置"),
    "parameter": ("parameter", "参数"),
    "input": ("input", "输入"),
    "constant": ("constant", "常数"),
    "inline": ("{0} in {1}", "{1} 中的 {0}"),
    "large": ("This graph is too large for live changes: {0} cells.", "此图太大，无法实时修改：{0} 个元素。"),
    "print_title": ("Step by step", "逐步打印"),
    "fold_axis": ("Σ over axis {0}", "Σ 沿轴 {0}"),
    "fold_before": ("{0} before the sum", "求和之前的 {0}"),
    "path_seed": ("{0}, given", "{0}（给定）"),
    "no_script": ("This page needs JavaScript to step.", "逐步演示需要 JavaScript。"),
    "no_source": ("The source of this graph is not known.", "找不到此图的源代码。"),
    "training": ("Training", "训练"),
    "after_loss": ("after the loss", "损失之后"),
    "iteration": ("Iteration", "迭代"),
    "iteration_previous": ("Previous iteration  [", "上一次迭代  ["),
    "iteration_next": ("Next iteration  ]", "下一次迭代  ]"),
    "iteration_of": ("iteration {0} of {1}: loss {2}", "第 {0} 次迭代，共 {1} 次：损失 {2}"),
    "loss_curve": ("The loss goes from {0} to {1} in {2} iterations.", "损失在 {2} 次迭代中从 {0} 变为 {1}。"),
    "paths_sum": ("Σ of {0} paths", "{0} 条路径之和"),
}

WHY: dict[str, tuple[str, str]] = {
    "add": (
        "A sum hands the gradient on to each term: its local derivative is 1.",
        "和把梯度原样传给每一项：局部导数为 1。",
    ),
    "sub": (
        "In a difference the local derivative of the first term is 1, that of the second −1.",
        "差中第一项的局部导数为 1，第二项为 −1。",
    ),
    "mul": (
        "In a product the local derivative of one factor is the other factor.",
        "乘积中一个因子的局部导数就是另一个因子。",
    ),
    "div": (
        "In a quotient a/b the local derivative of a is 1/b, that of b is −a/b².",
        "商 a/b 中 a 的局部导数为 1/b，b 的局部导数为 −a/b²。",
    ),
    "pow": ("The power rule: the derivative of xⁿ is n·xⁿ⁻¹.", "幂法则：xⁿ 的导数为 n·xⁿ⁻¹。"),
    "sum": (
        "Every cell counts once in the sum, so each receives the gradient of the sum.",
        "每个元素在求和中只计一次，因此各自得到和的梯度。",
    ),
    "max": (
        "Only the largest cell decides the result, so only it receives the gradient.",
        "只有最大的元素决定结果，因此只有它得到梯度。",
    ),
    "maximum": (
        "Only the larger of the two decides the result, so only it receives the gradient.",
        "只有较大者决定结果，因此只有它得到梯度。",
    ),
    "contract": (
        "Each number meets a row or column of the other matrix: the gradient is multiplied by that matrix, transposed.",
        "每个数都与另一矩阵的一行或一列相乘：梯度要乘以该矩阵的转置。",
    ),
    "move": ("Cells only change places, so the gradient takes the way back.", "元素只是换了位置，梯度沿原路返回。"),
    "map": (
        "The chain rule: the gradient that arrives times the local derivative.",
        "链式法则：传来的梯度乘以局部导数。",
    ),
    "fold": (
        "One number was broadcast to many cells: each sends a gradient back, and these are added up.",
        "一个数被广播到多个元素：每个都传回梯度，因此要相加。",
    ),
    "fork": (
        "The value is used more than once: a change in it reaches the result on every path, so the paths are added.",
        "这个值被多次使用：它的变化沿每条路径影响结果，因此各路径要相加。",
    ),
}
"""Why a rule is as it is, by the operation, else by its kind; and of a sum over a broadcast axis, or over paths."""

SENTENCES: dict[str, tuple[str, str]] = {
    "title": ("Walk through {name}", "逐步演示 {name}"),
    "title.training": ("{count} iterations of {name}", "{name} 的 {count} 次迭代"),
    # ---- a step's title, and the sentence that is read aloud ----
    "head.input": ("Input {name}", "输入 {name}"),
    "head.parameter": ("Parameter {name}", "参数 {name}"),
    "head.constant": ("Constant {name}", "常数 {name}"),
    "head.forward": ("Compute {name}", "计算 {name}"),
    "head.backward": ("Gradient of {name}", "{name} 的梯度"),
    "head.edge": ("{gradient}: from {target} back to {name}", "{gradient}：由 {target} 传回 {name}"),
    "say.leaf": ("{head}, {shape}.", "{head}，{shape}。"),
    "say.line": ("Line {line}: ", "第 {line} 行："),
    "say.forward": ("{line}{formula}, {shape}.", "{line}{formula}，{shape}。"),
    "say.spread": (" {name} is broadcast from {source} to {result}.", "{name} 从 {source} 广播到 {result}。"),
    "say.summed": (" The sum runs over {axes}.", "沿{axes}求和。"),
    "say.seed": (
        "{line}{gradient} is the upstream gradient, where the walk back begins, {shape}.",
        "{line}{gradient} 是上游梯度，反向传播由此开始，{shape}。",
    ),
    "say.made": (
        " It was made up, since backward() had not been called.",
        "由于尚未调用 backward()，它是自动生成的。",
    ),
    "say.sum": (
        "{line}{gradient} arrives on {count} paths, so they are added: {formula}, {shape}.",
        "{line}{gradient} 沿 {count} 条路径传来，因此要相加：{formula}，{shape}。",
    ),
    "say.none": (
        "{line}{gradient} leads to no input, so it is not followed.",
        "{line}{gradient} 不通向任何输入，因此不再继续。",
    ),
    "say.edge": (
        "{line}{target} sends back to {name}: {formula}, {shape}.",
        "{line}{target} 传回 {name} 的梯度：{formula}，{shape}。",
    ),
    "say.folded": (
        " {name} was broadcast, so its gradient is summed over {axes}.",
        "{name} 曾被广播，因此其梯度沿{axes}求和。",
    ),
    "say.spread_back": (
        " Every cell counts alike in the sum, so the gradient is spread from {source} to {result}.",
        "求和时每个元素的权重相同，因此梯度从 {source} 扩展到 {result}。",
    ),
    "say.spread_largest": (
        " The gradient is spread from {source} to {result}, and only the largest cells get it.",
        "梯度从 {source} 扩展到 {result}，但只有最大的元素得到它。",
    ),
    "axis": ("axis {axes}", "轴 {axes} "),
    "axes": ("axes {axes}", "轴 {axes} "),
    "shape": ("shape {shape}", "形状 {shape}"),
    "one_number": ("one number", "一个数"),
    "notebook.trust": (
        "Trust this notebook to step through the graph (File, Trust Notebook).",
        "信任此笔记本后即可逐步演示（File → Trust Notebook）。",
    ),
    # ---- the terminal ----
    "terminal.forward": ("forward", "前向传播"),
    "terminal.backward": ("backward", "反向传播"),
    "terminal.more": ("Enter: next step, q: stop ", "回车：下一步，q：结束 "),
    "terminal.losses": (
        "The loss of each iteration: {losses}. The steps are those of the first.",
        "各次迭代的损失：{losses}。以下是第一次迭代的步骤。",
    ),
    "terminal.steps": (
        "{name}: {forward} steps forward, {backward} steps back",
        "{name}：前向 {forward} 步，反向 {backward} 步",
    ),
}


def page_words() -> dict[str, dict[str, str]]:
    """Return the strings of the page, by language and key."""
    words = PAGE | {f"why_{reason}": texts for reason, texts in WHY.items()}
    return {language: {key: texts[i] for key, texts in words.items()} for i, language in enumerate(LANGUAGES)}


def say(language: str, key: str, **holes: object) -> str:
    """Return the sentence under `key` with its holes filled; what fills them is never read as a template.

    >>> say("zh", "head.backward", name="xmu")
    'xmu 的梯度'
    """
    head, parts = _split(language, key)
    return head + "".join([f"{holes[name]}{rest}" for name, rest in parts])


@lru_cache(maxsize=256)
def _split(language: str, key: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    head, *parts = SENTENCES[key][LANGUAGES.index(language)].split("{")
    return head, tuple((name, rest) for name, _, rest in (part.partition("}") for part in parts))
