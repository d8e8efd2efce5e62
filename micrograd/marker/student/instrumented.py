"""The student's backward as a program that can be run in variants: watched, or with an expression exchanged.

The functions are compiled from their syntax trees into a namespace of their own, which starts as a copy of the
student's module: the module itself is never changed.
"""

from __future__ import annotations

import ast
import copy
import types
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from micrograd.errors import GraphError
from micrograd.marker.gradient_names import meanings
from micrograd.marker.student.statements import (
    Root,
    Scope,
    Statement,
    Target,
    Text,
    defined,
    is_static,
    path_of,
    reads_of,
    roots_of,
    targets_of,
)  # fmt: skip

__all__ = ["HOLE", "StudentCode"]

HOLE = "__mg_value"
_BLOCKS = (ast.For, ast.While, ast.If, ast.With, ast.Try)
_UNWATCHED = (
    ast.ClassDef, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.Pass, ast.Break, ast.Continue, ast.Delete,
)  # fmt: skip


class StudentCode:
    """The backward and the functions of the same file that it calls.

    Args:
        source: the text of the file.
        module: the file, executed.
        name: of the backward; ``Class.method`` for a method.

    Raises:
        GraphError: the text holds no such function.
    """

    def __init__(self, source: str, module: types.ModuleType, name: str, file: str) -> None:
        self.text = Text(source)
        self.module = module
        self.name = name
        self.file = file
        self.tree = ast.parse(source, file)
        written = defined(self.tree.body)
        known = {key: _undecorated(function) for key, function in written.items()}
        if name not in known:
            raise GraphError(f"{file}: no function {name!r} in the text.")
        self.static = is_static(written[name])
        self.functions: dict[str, ast.FunctionDef] = {name: known[name]}
        queue = [name]
        while queue:
            current = queue.pop()
            owner = current.partition(".")[0] if "." in current else ""
            for node in ast.walk(known[current]):
                called = ""
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                    called = node.id
                elif isinstance(node, ast.Attribute) and path_of(node.value) == "self" and owner:
                    called = f"{owner}.{node.attr}"
                if called in known and called not in self.functions:
                    self.functions[called] = known[called]
                    queue.append(called)
        self.statements: list[Statement] = []
        self._controls: list[int] = []
        watched = {key: self._watch(key, function) for key, function in self.functions.items()}
        self._plain_codes = {key: self._code(function) for key, function in self.functions.items()}
        self._watched_codes = {key: self._code(function) for key, function in watched.items()}

    # ---- variants ------------------------------------------------------------------------------------

    def of_text(self, source: str) -> StudentCode | None:
        """Return the backward of another text of the file; None where that is no Python, or holds no such function."""
        try:
            return StudentCode(source, self.module, self.name, self.file)
        except (SyntaxError, GraphError, ValueError):
            return None

    def _code(self, function: ast.FunctionDef) -> types.CodeType:
        module = ast.Module([function], [])
        try:
            return compile(module, self.file, "exec", dont_inherit=True)
        except TypeError:  # nodes of ours without a place in the text: to give all of them one takes longer than this
            return compile(ast.fix_missing_locations(module), self.file, "exec", dont_inherit=True)

    def _build(
        self, codes: Mapping[str, types.CodeType], extra: Mapping[str, Any]
    ) -> tuple[Callable[..., Any], dict[str, Any]]:
        space = {**vars(self.module), **extra}
        methods: dict[str, Any] = {}
        for key, code in codes.items():
            owner, _, name = key.rpartition(".")
            own = dict(space) if owner else space
            exec(code, own)  # noqa: S102 - the student's function, as the whole check
            if owner:
                made = own[name]
                methods[name] = types.FunctionType(
                    made.__code__, space, made.__name__, made.__defaults__, made.__closure__
                )
        if "." not in self.name:
            return space[self.name], space
        if self.static:
            return methods[self.name.rpartition(".")[2]], space

        def bound(receiver: Any, *args: Any, **kwargs: Any) -> Any:
            for name, method in methods.items():
                receiver.__dict__[name] = types.MethodType(method, receiver)
            try:
                return methods[self.name.rpartition(".")[2]](receiver, *args, **kwargs)
            finally:
                for name in methods:
                    receiver.__dict__.pop(name, None)

        return bound, space

    def plain(self) -> Callable[..., Any]:
        """Return the backward as it is."""
        return self._build(self._plain_codes, {})[0]

    def watched(self, hooks: Mapping[str, Any]) -> Callable[..., Any]:
        """Return the backward with a call before and after every statement.

        ``__mg_at``, ``__mg_put``, ``__mg_return``.
        """
        return self._build(self._watched_codes, hooks)[0]

    def with_function(self, key: str, function: ast.FunctionDef) -> Callable[..., Any]:
        """Return the backward with one function exchanged for an edited one."""
        return self._build({**self._plain_codes, key: self._code(function)}, {})[0]

    def with_hole(self, statement: Statement, root: Root) -> tuple[Callable[..., Any], dict[str, Any]]:
        """Return the backward with an expression exchanged for the global `HOLE`, and the namespace for its value."""
        function = replaced(self.functions[statement.function], root.expr, ast.Name(HOLE, ast.Load()))
        codes = {**self._plain_codes, statement.function: self._code(function)}
        return self._build(codes, {})

    def with_expression(self, statement: Statement, root: Root, node: ast.expr, new: ast.expr) -> ast.FunctionDef:
        """Return the function of a statement with one sub-expression of one of its expressions exchanged."""
        made: ast.FunctionDef = replaced(self.functions[statement.function], root.expr, replaced(root.expr, node, new))
        return made

    def edited(self, statement: Statement, start: int, end: int, new: str) -> ast.FunctionDef | None:
        """Return the function of a statement after a change of the text inside it; None where it is no Python then."""
        node = statement.node
        head = self.text.range(node)
        if isinstance(node, _BLOCKS):
            return None
        line_start = self.text.starts[node.lineno - 1]
        text = " " * (head[0] - line_start) + self.text.source[head[0] : start] + new + self.text.source[end : head[1]]
        try:
            made = ast.parse("if 1:\n" + ("" if text[:1].isspace() else " ") + text).body[0]
        except (SyntaxError, ValueError):
            return None
        body = made.body  # type: ignore[attr-defined]
        for inner in body:
            ast.increment_lineno(inner, node.lineno - 2)
        function: ast.FunctionDef = replaced(self.functions[statement.function], node, body)
        for other in (s.node for s in self.statements if s.function == statement.function):
            if head[1] <= self.text.range(other)[0] and self.text.range(other)[1] <= end:  # a change of both
                function = replaced(function, other, [])
        return function

    def loops_of(self, statement: Statement) -> tuple[str, ...]:
        """Return the variables of the loops around a statement, the outermost first."""
        heads = [self.statements[number] for number in statement.controls]
        return tuple(name for head in heads if isinstance(head.node, ast.For) for name in head.names)

    def scope(self, names: Mapping[str, Any], statement: Statement | None = None) -> Scope:
        """Return what expressions are evaluated in, with these variables; with the loops around a statement, if any."""
        loops = self.loops_of(statement) if statement is not None else ()
        return Scope(names, {**vars(self.module), **names}, self.text, loops, self.items if loops else (), self.said)

    @cached_property
    def said(self) -> dict[str, tuple[str, ...]]:
        """Return what the other functions of the file assign to plain variables, in one line."""
        own = {id(node) for function in self.functions.values() for node in ast.walk(function)}
        found: dict[str, list[str]] = {}
        for node in ast.walk(self.tree):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if id(node) not in own:
                    text = self.text.of(value)
                    found.setdefault(name, []).extend([] if "\n" in text else [text])
        return {name: tuple(dict.fromkeys(texts)) for name, texts in found.items()}

    @cached_property
    def items(self) -> tuple[str, ...]:
        """Return what the text of the file reads of arrays by variables, or writes of values: ``w[f]``, ``h[:, t]``."""
        parts = (n for n in ast.walk(self.tree) if isinstance(n, ast.Subscript))
        read = [n for n in parts if isinstance(n.ctx, ast.Load) or not meanings(path_of(n.value))]
        named = [n for n in read if any(isinstance(part, ast.Name) for part in ast.walk(n.slice))]
        return tuple(dict.fromkeys(self.text.of(node) for node in named))

    # ---- watching ------------------------------------------------------------------------------------

    def _watch(self, key: str, function: ast.FunctionDef) -> ast.FunctionDef:
        made = copy.copy(function)
        made.body = self._block(function.body, key, False, _locals(function))
        return made

    def _block(self, body: list[ast.stmt], key: str, looped: bool, local: set[str]) -> list[ast.stmt]:
        return [made for node in body for made in self._one(node, key, looped, local)]

    def _one(self, node: ast.stmt, key: str, looped: bool, local: set[str]) -> list[ast.stmt]:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inner = copy.copy(node)
            inner.body = self._block(node.body, key, looped, local | _locals(node))
            return [inner]
        if isinstance(node, _UNWATCHED) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            return [node]
        statement = Statement(len(self.statements), node, key, looped, controls=tuple(self._controls))
        statement.roots = roots_of(node)
        self.statements.append(statement)
        before = _call("__mg_at", statement.number, at=node)
        if isinstance(node, ast.Return):
            statement.reads = reads_of([node.value] if node.value else [])
            made = ast.copy_location(ast.Return(None), node)
            value = node.value or ast.copy_location(ast.Constant(None), node)
            made.value = ast.copy_location(ast.Call(ast.Name("__mg_return", ast.Load()), [value], []), node)
            return [before, made]
        if isinstance(node, _BLOCKS):
            return [before, self._head(node, statement, key, looped, local)]
        expressions: list[ast.expr] = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        if isinstance(node, ast.Assign):
            statement.targets = tuple(t for target in node.targets for t in targets_of(target))
            expressions = [node.value, *(_inner(target) for target in node.targets)]
        elif isinstance(node, ast.AugAssign):
            statement.targets = tuple(targets_of(node.target))
            statement.in_place = True
            expressions = [node.value, node.target]
        elif isinstance(node, ast.AnnAssign):
            statement.targets = tuple(targets_of(node.target)) if node.value else ()
            expressions = [node.value] if node.value else []
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            seen: dict[str, Target] = {}
            for name in ast.walk(node.value):
                spelled = path_of(name) if isinstance(name, (ast.Name, ast.Attribute)) else ""
                whole = isinstance(name, ast.Name) or spelled.startswith("self.")
                if whole and spelled.partition(".")[0] in local:
                    seen.setdefault(spelled, Target(spelled, name))  # type: ignore[arg-type]
            statement.targets = tuple(seen.values())
            statement.in_place = statement.writes_by_call = True
        walrus = [n for e in expressions for n in ast.walk(e) if isinstance(n, ast.NamedExpr)]
        statement.targets += tuple(Target(n.target.id, n.target) for n in walrus)
        statement.in_place = statement.in_place or any(target.item for target in statement.targets)
        statement.reads = reads_of(expressions)
        return [before, node, *self._puts(statement)]

    def _puts(self, statement: Statement) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for target in statement.targets:
            if target.name == "self":
                continue
            load, store = copy.deepcopy(target.expr), copy.deepcopy(target.expr)
            load.ctx, store.ctx = ast.Load(), ast.Store()  # type: ignore[attr-defined]
            call = ast.Call(
                ast.Name("__mg_put", ast.Load()), [ast.Constant(statement.number), ast.Constant(target.name), load], []
            )
            made.append(_at(ast.Assign([store], call), statement.node))
        return made

    def _head(self, node: ast.stmt, statement: Statement, key: str, looped: bool, local: set[str]) -> ast.stmt:
        """Return a block whose statements are watched."""
        made: Any = copy.copy(node)
        if isinstance(node, ast.For):
            statement.targets = tuple(targets_of(node.target))
        head = getattr(node, "iter", getattr(node, "test", None))
        statement.reads = reads_of([head] if head else [])
        self._controls.append(statement.number)
        for part in ("body", "orelse", "finalbody"):
            inside = looped or (part == "body" and isinstance(node, (ast.For, ast.While)))
            if hasattr(node, part):
                setattr(made, part, self._block(getattr(node, part), key, inside, local))
        if isinstance(node, ast.For):
            made.body = [*self._puts(statement), *made.body]
        elif isinstance(node, ast.Try):
            made.handlers = [copy.copy(handler) for handler in node.handlers]
            for handler in made.handlers:
                handler.body = self._block(handler.body, key, looped, local)
        self._controls.pop()
        return made  # type: ignore[no-any-return]


def replaced(function: Any, old: ast.AST, new: Any) -> Any:
    """Return a copy of a syntax tree with one node (found by identity) exchanged; only the way there is copied."""

    def visit(node: ast.AST) -> ast.AST | None:
        for name, value in ast.iter_fields(node):
            items = value if isinstance(value, list) else [value]
            for position, item in enumerate(items):
                inner = new if item is old else visit(item) if isinstance(item, ast.AST) else None
                if inner is not None:
                    made, put = copy.copy(node), inner if isinstance(inner, list) else [inner]
                    whole = [*items[:position], *put, *items[position + 1 :]]
                    setattr(made, name, whole if isinstance(value, list) else inner)
                    return made
        return None

    if function is old:
        return new
    found = visit(function)
    if found is None:
        raise GraphError("the node to exchange is not in the tree")
    return found


def _undecorated(function: ast.FunctionDef) -> ast.FunctionDef:
    made = copy.copy(function)
    made.decorator_list = []
    return made


def _locals(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    names = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return names | {n.arg for n in ast.walk(function.args) if isinstance(n, ast.arg)}


def _inner(target: ast.expr) -> ast.expr:
    """Return what evaluating a target reads: the index, and the array that an item is written to."""
    if path_of(target):
        return ast.Constant(None)
    if isinstance(target, (ast.Tuple, ast.List)):
        return ast.Tuple([_inner(element) for element in target.elts], ast.Load())
    return target


def _at(made: ast.stmt, node: ast.stmt) -> ast.stmt:
    """Return `made` with every position that of `node`: errors and frames name the student's line."""
    for inner in ast.walk(made):
        if isinstance(inner, (ast.expr, ast.stmt)):
            ast.copy_location(inner, node)
    return made


def _call(name: str, number: int, at: ast.stmt) -> ast.stmt:
    return _at(ast.Expr(ast.Call(ast.Name(name, ast.Load()), [ast.Constant(number)], [])), at)
