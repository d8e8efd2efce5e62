"""What exercises say, in English and in Simplified Chinese, and the comments of the lessons in Chinese."""

from __future__ import annotations

import re

from micrograd.marker.messages import Phrase

__all__ = ["COMMENTS", "EXERCISES", "WORDS", "translated"]

EXERCISES = ("line", "rule", "edge", "shape", "axis", "bug")

WORDS: dict[str, Phrase] = {
    "title": ("Exercise: the backward pass of {forward}.", "练习：{forward} 的反向传播。"),
    "title.solution": ("Solution: the backward pass of {forward}.", "答案：{forward} 的反向传播。"),
    "task.line": (
        "Write the lines marked ___. Each is the gradient of one value of the forward pass.",
        "写出标有 ___ 的各行。每一行都是前向传播中某个值的梯度。",
    ),
    "task.rule": (
        "Fill in the local rules marked ___: what the upstream gradient is multiplied by.",
        "填写标有 ___ 的局部求导规则：上游梯度要乘以什么。",
    ),
    "task.edge": (
        "A value that is used more than once gets a gradient along each path. Write the path and the sum marked ___.",
        "被多次使用的值，会沿每条路径各得到一份梯度。写出标有 ___ 的路径及其总和。",
    ),
    "task.shape": (
        "Fill in the shapes marked ___ before you run anything: predict first.",
        "在运行之前填写标有 ___ 的形状：先预测。",
    ),
    "task.axis": (
        "Fill in the axes marked ___. What was broadcast forward is summed backward.",
        "填写标有 ___ 的轴。前向时广播的轴，反向时要求和。",
    ),
    "task.bug": (
        "{count} of the lines of the backward pass is wrong. Find it and mend it.",
        "反向传播中有 {count} 行是错的。找到并改正它。",
    ),
    "task.bugs": (
        "{count} lines of the backward pass are wrong. Find them and mend them.",
        "反向传播中有 {count} 行是错的。找到并改正它们。",
    ),
    "mark": ("Mark it with", "批改："),
    "mark.hint": (
        "It names the first wrong line, the kind of mistake and a fix; --hint where or --hint kind give less away.",
        "它会指出第一处错误在哪一行、属于哪一类、如何改正；加上 --hint where 或 --hint kind，提示会少一些。",
    ),
    "made": ("Made by `{command}`.", "由 `{command}` 生成。"),
    "hint.path": ("what reaches {of} from {to}", "从 {to} 传到 {of} 的梯度"),
    "hint.only": ("the gradient of {of}", "{of} 的梯度"),
    "hint.sum": ("all paths to {of} together", "传到 {of} 的所有路径之和"),
    "hint.rule": ("how {to} changes with {of}", "{to} 随 {of} 如何变化"),
    "hint.axis": ("which axis?", "哪个轴？"),
    "hint.shape": ("which shape?", "什么形状？"),
    "answers": ("Answers", "答案"),
    "answer.bug": ("{number}. `{right}` (it said `{wrong}`: {why})", "{number}. `{right}`（原文为 `{wrong}`：{why}）"),
    "cell.forward": ("The forward pass. It is right.", "前向传播，是正确的。"),
    "cell.backward": ("The backward pass.", "反向传播。"),
    "cell.mark": ("Run this cell to mark it.", "运行这个单元格来批改。"),
    "shape.assert": ("another shape was expected here", "这里应是另一个形状"),
}

COMMENTS: dict[str, str] = {
    "mean of each feature": "每个特征的均值",
    "subtract the mean": "减去均值",
    "square": "平方",
    "variance of each feature": "每个特征的方差",
    "standard deviation": "标准差",
    "invert": "取倒数",
    "normalize": "归一化",
    "scale": "缩放",
    "shift": "平移",
    "mean of each example": "每个样本的均值",
    "variance of each example": "每个样本的方差",
    "each group of channels in a row of its own": "每组通道排成一行",
    "mean of each group": "每组的均值",
    "variance of each group": "每组的方差",
    "back to images": "还原成图像",
    "scale each channel; gamma and beta have the shape (1, C, 1, 1)": (
        "缩放每个通道；gamma 和 beta 的形状是 (1, C, 1, 1)"
    ),
    "shift each channel": "平移每个通道",
    "the largest score of each example": "每个样本的最高得分",
    "subtract it, so that no exponential overflows": "减去它，以免指数溢出",
    "exponentials": "取指数",
    "their sum": "求和",
    "probabilities": "概率",
    "the probability of the right class": "正确类别的概率",
    "its logarithm": "取对数",
    "the mean surprise": "平均意外程度",
    "multiply by the weights": "乘以权重",
    "add the bias": "加上偏置",
    "let the positive ones through": "只让正数通过",
}
"""Each comment of the lessons, without its ``# step 1:``, in Chinese."""


def translated(source: str) -> str:
    """Return the text of a lesson with its comments in Chinese."""
    return re.sub(r"# step (\d+): (.*)", lambda step: f"# 第{step[1]}步：{COMMENTS[step[2]]}", source)
