"""Sphinx directives of the book: what a lesson's pages show is made from its Python file while they are built.

A page ``book/LANGUAGE/STEM.md`` belongs to ``book/lessons/STEM.py``. On it

    {lesson}            minutes, the page in the other language, the lesson's file
    {cell} NAME         a cell, and what it printed
    {picture}           the graph
    {walk}              the graph, to be stepped through
    {failures}          what students get wrong, and what it does
    {predict}           a question, its first paragraph; ``:value:`` is computed, and folded away with the rest
    {try-it}            links to the playground
    {exercise}          the exercise, and its files
    {solution} STEM     on the page of answers: the solution, folded away
    {value}`EXPR`       in a sentence: a number, computed
"""

from __future__ import annotations

import html
import os
import re
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from lesson import Failure, Lesson, lesson
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

from micrograd import __version__
from micrograd.playground.lab import fragment, playground_of

COLUMN, PHONE = 640, 350  # pixels of text
OTHER = {"en": "zh", "zh": "en"}
THEME = {  # what the theme says around a page
    "Next": "下一页", "Previous": "上一页", "Home": "首页", "On this page": "本页内容", "Search": "搜索",
    "Back to top": "回到顶部", "View this page": "查看本页源文件", "Copyright": "版权所有",
}  # fmt: skip
PLAYGROUND, MEGABYTES = "playground.html", 17
LESSON = re.compile(r"book/(en|zh)/\d\d-[\w-]+")
HAN, STOP = "[\u4e00-\u9fff]", "[\u3000-\u303f\uff00-\uffef]"
WORDS = {
    "en": {
        "lesson": "About {minutes} minutes. [中文]({other}). All the code of this lesson: {file}.",
        "stop": ".",
        "picture": "The graph of {name}: values in black, gradients in red",
        "walk": "Walk through {name}",
        "alone": "Open the walk on a page of its own",
        "look": "Show the answer",
        "exercise": "Download it as [a Python file]({py}) or as [a notebook]({ipynb}).",
        "mark": "Fill in the blanks, then have it marked. Begin with the smallest hint:",
        "more": "If the line alone does not help, `--hint kind` says what kind of mistake it is. "
                "`--hint fix` says what to write: keep it for the end.",
        "solution": "Show the solution",
        "planted": "{count} mistakes were planted, one at a time, in the right backward of `{name}`. "
                   "Here are the kinds that are made most often, and what each of them did.",
        "example": "For example: *{planted}*.",
        "raises": "NumPy stops with an error.",
        "shape": "`{gradient}` gets the shape `{wrong}`; it should be `{right}`.",
        "change": "No error, and the shapes fit. But `{gradient}` is off by up to {change} of its largest entry.",
        "number": "No error. But `{gradient}` is off by {change}.",
        "step": "Ask yourself: {step}",
        "try": "**Try it here**, with nothing to install: [open the function](https://function) to draw it, walk "
               "through it and change it, or [open the exercise](https://exercise) and have it marked. "
               "Python itself is loaded into your browser, {megabytes} MB the first time.",
    },
    "zh": {
        "lesson": "约 {minutes} 分钟。[English]({other})。本课的全部代码：{file}。",
        "stop": "。",
        "picture": "{name} 的计算图：数值为黑色，梯度为红色",
        "walk": "逐步走过 {name}",
        "alone": "在单独的页面中打开",
        "look": "看答案",
        "exercise": "下载：[Python 文件]({py})，或 [notebook]({ipynb})。",
        "mark": "填好空，然后交给程序批改。先看最少的提示：",
        "more": "只知道哪一行还不够，就用 `--hint kind`，它会说出错误的类型。"
                "`--hint fix` 会直接说怎么改：留到最后再用。",
        "solution": "看解答",
        "planted": "我们在 `{name}` 的正确反向传播里，每次埋下一个错误，"
                   "一共试了 {count} 个。下面是最常见的几类，以及各自的后果。",
        "example": "例如：{planted}。",
        "raises": "NumPy 会报错停下。",
        "shape": "`{gradient}` 的形状成了 `{wrong}`，应当是 `{right}`。",
        "change": "不报错，形状也对，可是 `{gradient}` 的误差达到其最大元素的 {change}。",
        "number": "不报错，可是 `{gradient}` 差了 {change}。",
        "step": "问问自己：{step}",
        "try": "**试一试**，什么都不用安装：[打开函数](https://function)，画图、逐步走、随意修改；"
               "或者[打开练习](https://exercise)，当场批改。Python 会载入浏览器，第一次要下载 {megabytes} MB。",
    },
}  # fmt: skip


class BookDirective(SphinxDirective):
    """What the directives of a lesson's page have in common."""

    has_content = False

    @property
    def language(self) -> str:
        return self.env.docname.split("/")[-2]

    @property
    def stem(self) -> str:
        return self.env.docname.split("/")[-1]

    def found(self, stem: str = "") -> Lesson:
        """Return the lesson of the page; the page is made again when its file changes."""
        made = lesson(stem or self.stem)
        self.env.note_dependency(str(made.path))
        return made

    def say(self, key: str, **holes: Any) -> str:
        return WORDS[self.language][key].format(**holes)

    def parsed(self, text: str) -> list[nodes.Node]:
        """Return Markdown as nodes."""
        box = nodes.container()
        self.state.nested_parse(StringList(text.splitlines(), self.env.docname), self.content_offset, box)
        return box.children

    def written(self, name: str, text: str) -> str:
        """Write a file beside the built page, and return its address from there."""
        path = Path(self.env.app.outdir, "book", "made", self.language, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return f"../made/{self.language}/{name}"

    def link(self, name: str, text: str, shown: str) -> str:
        return f'<a href="{self.written(name, text)}" download>{html.escape(shown)}</a>'

    def code(self, text: str, language: str = "python", kind: str = "") -> nodes.Node:
        block = nodes.literal_block(text, text, language=language)
        return nodes.container("", block, classes=["book-cell", *([kind] if kind else [])])


def size_of(svg: str) -> str:
    """Return the size of a picture as attributes: it is shown no larger than it was drawn."""
    found = re.search(r'viewBox="0 0 (\d+)\S* (\d+)', svg)
    return f'width="{found[1]}" height="{found[2]}"' if found else ""


def raw(text: str) -> nodes.raw:
    return nodes.raw("", text, format="html")


def folded(summary: str, inner: list[nodes.Node]) -> list[nodes.Node]:
    opened = f'<details class="book-folded"><summary>{html.escape(summary)}</summary>'
    return [raw(opened), *inner, raw("</details>")]


class Head(BookDirective):
    option_spec: ClassVar[Any] = {"minutes": directives.positive_int}

    def run(self) -> list[nodes.Node]:
        made = self.found()
        file = self.link(made.path.name, made.path.read_text(encoding="utf-8"), made.path.name)
        other = f"../{OTHER[self.language]}/{self.stem}.md"
        return self.parsed(self.say("lesson", minutes=self.options["minutes"], other=other, file=file))


class ShownCell(BookDirective):
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        made = self.found()
        if self.arguments[0] not in made.cells:
            raise self.error(f"{made.path.name} has no cell {self.arguments[0]!r}; there are {', '.join(made.cells)}")
        cell = made.cells[self.arguments[0]]
        shown = [self.code(cell.text)]
        if cell.output:
            shown.append(self.code(cell.output, "none", "book-output"))
        return shown


class Picture(BookDirective):
    """Two pictures: one for a column of the book, one for a phone."""

    option_spec: ClassVar[Any] = {"direction": directives.unchanged, "plain": directives.flag}

    def run(self) -> list[nodes.Node]:
        made = self.found()
        keywords = {"direction": self.options["direction"]} if "direction" in self.options else {}
        plain = {"grads": False} if "plain" in self.options else {}
        stem = f"{self.stem}{'-plain' if plain else ''}"
        wide, narrow = made.picture(width=COLUMN, **keywords, **plain), made.picture(width=PHONE, **plain)
        words = html.escape(self.say("picture", name=made.forward.__name__))
        phone = f'srcset="{self.written(f"{stem}-phone.svg", narrow)}" {size_of(narrow)}'
        image = f'src="{self.written(f"{stem}.svg", wide)}" {size_of(wide)} alt="{words}"'
        shown = f'<picture><source media="(max-width: 48em)" {phone}><img {image}></picture>'
        return [raw(f'<figure class="book-picture">{shown}</figure>')]


class Walked(BookDirective):
    option_spec: ClassVar[Any] = {"step": directives.positive_int}

    def run(self) -> list[nodes.Node]:
        made = self.found()
        at = self.written(f"{self.stem}-walk.html", made.walk(self.language)) + f"#step={self.options.get('step', 1)}"
        title = html.escape(self.say("walk", name=made.forward.__name__))
        return [
            raw(
                f'<div class="book-walk"><iframe src="{at}" title="{title}" loading="lazy"></iframe>'
                f'<p><a href="{at}">{html.escape(self.say("alone"))}</a></p></div>'
            )
        ]


class Failures(BookDirective):
    def run(self) -> list[nodes.Node]:
        made = self.found()
        shown = self.parsed(self.say("planted", count=made.probe.visible, name=made.forward.__name__))
        for found in made.failures(self.language):
            failure = found.escaped()
            inner = self.parsed(f"{failure.why}\n\n*{self.say('step', step=failure.step)}*")
            plain = re.sub(r" \([^)]*\)|（[^）]*）", "", failure.summary)
            short = re.split(": |：", plain)[0]  # without the names of other functions
            summary = short[:1].upper() + short[1:] + self.say("stop")
            title = self.parsed(f"**{summary}** {self.told(failure)}")
            shown.append(nodes.container("", *title, *inner, classes=["book-mistake"]))
        return shown

    def told(self, failure: Failure) -> str:
        """Return what a planted mistake did, in words."""
        example = self.say("example", planted=failure.planted)
        if failure.raises:
            did = self.say("raises")
        elif failure.shapes:
            did = self.say("shape", gradient=failure.gradient, right=failure.shapes[0], wrong=failure.shapes[1])
        else:
            key, change = "number" if failure.single else "change", f"{failure.change:.0%}"
            did = self.say(key, gradient=failure.gradient, change=change)
        return f"{example} {did}"


class Predict(BookDirective):
    has_content = True
    option_spec: ClassVar[Any] = {"value": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        made = self.found()
        question, _, reason = "\n".join(self.content).strip().partition("\n\n")
        answer = self.parsed(f"**`{made.text_of(self.options['value'])}`**\n\n{reason}")
        shown = [*self.parsed(question), *folded(self.say("look"), answer)]
        return [nodes.container("", *shown, classes=["book-predict"])]


class TryIt(BookDirective):
    """Link to the playground, with the lesson's function or its exercise in the editor."""

    def run(self) -> list[nodes.Node]:
        made = self.found()
        texts = {"function": made.shown_alone(), "exercise": made.files(self.language)[f"{made.name}.py"]}
        found = self.parsed(self.say("try", megabytes=MEGABYTES))
        for reference in [r for node in found for r in node.findall(nodes.reference)]:
            text = texts[reference["refuri"].removeprefix("https://")]
            reference["refuri"] = f"../../{PLAYGROUND}{fragment(text, self.language)}"
            reference["classes"] = ["external"]
        return [nodes.container("", *found, classes=["book-try"])]


class Asked(BookDirective):
    def run(self) -> list[nodes.Node]:
        made = self.found()
        files = made.files(self.language)
        names = {suffix: f"{made.name}.{suffix}" for suffix in ("py", "ipynb")}
        links = {suffix: self.written(name, files[name]) for suffix, name in names.items()}
        told = self.say("exercise", py="@py@", ipynb="@ipynb@")
        for suffix, at in links.items():
            told = told.replace(f"](@{suffix}@)", f"]@{suffix}@")
            before, _, after = told.partition(f"]@{suffix}@")
            start = before.rindex("[")
            told = f'{before[:start]}<a href="{at}" download="{names[suffix]}">{before[start + 1 :]}</a>{after}'
        lang = [] if self.language == "en" else ["--lang", self.language]
        words = ["micrograd", "check", names["py"], *made.shapes, *lang, "--hint", "where"]
        return [
            self.code(made.asked(self.language)),
            *self.parsed(told),
            *self.parsed(self.say("mark")),
            self.code(" ".join(words), "text"),
            *self.parsed(self.say("more")),
        ]


class Solution(BookDirective):
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        made = self.found(self.arguments[0])
        return folded(self.say("solution"), [self.code(made.asked(self.language, solved=True))])


class Value(SphinxRole):
    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        made = lesson(self.env.docname.split("/")[-1])
        text = made.text_of(self.text)
        return [nodes.literal(text, text)], []


def fitted_to_the_page(app: Sphinx, page: str, _template: str, context: dict[str, Any], _tree: Any) -> None:
    """Say in a Chinese page that it is one, for its fonts and for screen readers; give a lesson the whole width."""
    if page.startswith("book/zh/") or page.endswith(".zh-CN"):
        context["language"] = "zh-CN"
        before = context.get("_", app.builder.globalcontext.get("_", str))
        context["_"] = context["gettext"] = lambda text: THEME.get(text) or before(text)
    if LESSON.fullmatch(page):
        context["furo_hide_toc"] = True


def without_spaces(app: Sphinx, tree: nodes.document) -> None:
    """Join the lines of a Chinese page: where English has a space at the end of a line, Chinese has none."""
    page = app.env.docname
    if not (page.startswith("book/zh/") or page.endswith(".zh-CN")):
        return
    for paragraph in tree.findall(nodes.TextElement):
        if isinstance(paragraph, (nodes.literal_block, nodes.raw, nodes.literal)):
            continue
        for text in [child for child in paragraph.children if isinstance(child, nodes.Text) and "\n" in child]:
            at = paragraph.index(text)
            before = paragraph[at - 1].astext()[-1:] if at else ""
            after = paragraph[at + 1].astext()[:1] if at + 1 < len(paragraph) else ""
            joined = re.sub(rf"(?<={STOP})\n|(?<={HAN})\n(?={HAN})", "", f"{before}{text}{after}")
            paragraph.replace(text, nodes.Text(joined[len(before) : len(joined) - len(after)]))


def write_playground(app: Sphinx, error: Exception | None) -> None:
    """Write the playground beside the pages: one file, which loads Python from Pyodide's public address."""
    if error is None and app.builder.name == "html":
        playground_of(version=__version__).save(Path(app.outdir, PLAYGROUND))


def setup(app: Sphinx) -> dict[str, Any]:
    os.environ["NO_COLOR"] = "1"
    for name, made in {
        "lesson": Head, "cell": ShownCell, "picture": Picture, "walk": Walked, "failures": Failures,
        "predict": Predict, "try-it": TryIt, "exercise": Asked, "solution": Solution,
    }.items():  # fmt: skip
        app.add_directive(name, made)
    app.add_role("value", Value())
    app.connect("html-page-context", fitted_to_the_page, priority=900)  # after the theme's own
    app.connect("doctree-read", without_spaces)
    app.connect("build-finished", write_playground)
    app.add_css_file("book.css")
    return {"parallel_read_safe": True}
