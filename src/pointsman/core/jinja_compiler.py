"""Statements of the jinja2 format: each node becomes a closure that writes.

With `core.jinja_expressions`, this turns the tree that Jinja2's parser makes into one function
of a `Run`. Imported only once a jinja2 template is met, as it needs the package jinja2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from jinja2 import nodes

from pointsman.core import jinja_runtime as runtime
from pointsman.core.jinja_expressions import BLOCK_TEXT, Expression, Expressions
from pointsman.core.jinja_runtime import Loop, Macro, Missing, Namespace, Run, Stopped, refuse

Statement: TypeAlias = Callable[[Run], None]
Store: TypeAlias = Callable[[Run, Any], None]


class Compiler(Expressions):
    """Compiles one tree; `uses` is then filled with the variables it takes from outside.

    Raises:
        TemplateSyntaxError: the template uses what is not available.
    """

    _assigned: frozenset[str] = frozenset()

    def template(self, tree: nodes.Template) -> Statement:
        """The whole template as one statement."""
        stored = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "store"}
        self._assigned = frozenset(stored | {macro.name for macro in tree.find_all(nodes.Macro)})
        return self._body(tree.body)

    def _body(self, body: list[nodes.Node]) -> Statement:
        steps = [self._statement(node) for node in body]
        if len(steps) == 1:
            return steps[0]

        def run_all(run: Run) -> None:
            for step in steps:
                step(run)

        return run_all

    def _statement(self, node: nodes.Node) -> Statement:
        compile_it = getattr(self, f"_do_{type(node).__name__.lower()}", None)
        if compile_it is None:
            self.refuse_node(node)
        with self.deeper(node):
            return compile_it(node)  # type: ignore[no-any-return]

    def _do_output(self, node: nodes.Output) -> Statement:
        parts: list[tuple[str, Expression | None, int]] = []
        for child in node.nodes:
            if isinstance(child, nodes.TemplateData):
                parts.append((child.data, None, 0))
            else:
                parts.append(("", self.expression(child), child.lineno))

        def write(run: Run) -> None:
            for text, expression, line in parts:
                if expression is None:
                    run.write(text)
                else:
                    run.line = line
                    run.write(run.text(expression(run)))

        return write

    def _do_if(self, node: nodes.If) -> Statement:
        branches = [
            (self.expression(branch.test), self._body(branch.body))
            for branch in (node, *node.elif_)
        ]
        otherwise = self._body(node.else_)
        line = node.lineno

        def choose(run: Run) -> None:
            run.line = line
            for test, body in branches:
                run.spend(0)
                if run.truth(test(run)):
                    return body(run)
            return otherwise(run)

        return choose

    def _do_for(self, node: nodes.For) -> Statement:
        if node.recursive:
            self.refuse("recursive loops aren't available", node, "Use a macro that calls itself.")
        iterable = self.expression(node.iter)
        outside = set(self._bound)
        store = self._target(node.target)
        test = self.expression(node.test) if node.test else None
        self._bound.add("loop")
        body = self._body(node.body)
        self._bound = set(outside)
        otherwise = self._body(node.else_)
        self._bound = outside
        line = node.lineno

        def loop(run: Run) -> None:
            run.line = line
            items = run.items(iterable(run))
            outer = run.names
            cost = len(outer) >> 2
            if test is not None:
                items = [item for item in items if chosen(run, item, outer, cost)]
            state = Loop(items)
            for item in items:
                run.spend(cost)
                state.index0 += 1
                run.names = {**outer, "loop": state}
                store(run, item)
                body(run)
            run.names = outer
            if not items:
                otherwise(run)

        def chosen(run: Run, item: Any, outer: dict[str, Any], cost: int) -> bool:
            run.spend(cost)
            run.names = dict(outer)
            store(run, item)
            verdict = run.truth(test(run))  # type: ignore[misc]
            run.names = outer
            return verdict

        return loop

    def _do_assign(self, node: nodes.Assign) -> Statement:
        expression = self.expression(node.node)
        store = self._target(node.target)
        line = node.lineno

        def assign(run: Run) -> None:
            run.line = line
            run.spend(0)
            value = expression(run)
            if isinstance(value, Missing):
                refuse(value, "")
            store(run, value)

        return assign

    def _do_assignblock(self, node: nodes.AssignBlock) -> Statement:
        body = self._scoped(node.body)
        apply = self.expression(node.filter) if node.filter else None
        store = self._target(node.target)

        def assign(run: Run) -> None:
            value = _captured(run, body)
            store(run, _filtered(run, apply, value))

        return assign

    def _do_filterblock(self, node: nodes.FilterBlock) -> Statement:
        body = self._scoped(node.body)
        apply = self.expression(node.filter)

        def write(run: Run) -> None:
            run.write(run.text(_filtered(run, apply, _captured(run, body))))

        return write

    def _do_with(self, node: nodes.With) -> Statement:
        values = [self.expression(value) for value in node.values]
        outside = set(self._bound)
        stores = [self._target(target) for target in node.targets]
        body = self._body(node.body)
        self._bound = outside

        def bind(run: Run) -> None:
            given = [value(run) for value in values]
            for store, value in zip(stores, given, strict=True):
                store(run, value)
            body(run)

        return _in_own_scope(bind)

    def _do_scope(self, node: nodes.Scope) -> Statement:
        return self._scoped(node.body)

    def _do_macro(self, node: nodes.Macro) -> Statement:
        self._bound.add(node.name)
        outside = set(self._bound)
        parameters = [argument.name for argument in node.args]
        self._bound |= self._assigned | set(parameters)  # it may be called after later blocks
        defaults = [self.expression(default) for default in node.defaults]
        first_default = len(parameters) - len(defaults)
        body = self._body(node.body)
        self._bound = outside
        name = node.name

        def define(run: Run) -> None:
            scope = run.names

            def call(run: Run, given: list[Any], named: dict[str, Any]) -> str:
                run.calls += 1
                run.spend(len(scope) >> 2)
                if run.calls > runtime.MAX_CALLS:
                    raise Stopped(f"the macro {name} calls itself too deeply", "render_limit")
                if len(given) > len(parameters) or not named.keys() <= set(parameters):
                    raise Stopped(f"the macro {name} takes ({', '.join(parameters)})")
                outer, run.names = run.names, dict(scope)
                for index, parameter in enumerate(parameters):
                    if index < len(given):
                        value = given[index]
                    elif parameter in named:
                        value = named[parameter]
                    elif index >= first_default:
                        value = defaults[index - first_default](run)
                    else:
                        value = Missing(parameter)
                    run.names[parameter] = value
                text = _captured(run, body)
                run.names = outer
                run.calls -= 1
                return text

            scope[name] = Macro(name, call)

        return define

    def _scoped(self, body: list[nodes.Node]) -> Statement:
        outside = set(self._bound)
        statement = self._body(body)
        self._bound = outside
        return _in_own_scope(statement)

    def _target(self, node: nodes.Node) -> Store:
        """What stores a value under a name, under several, or in a namespace."""
        if isinstance(node, nodes.Name):
            name = node.name
            self._bound.add(name)

            def store(run: Run, value: Any) -> None:
                run.names[name] = value

            return store
        if isinstance(node, nodes.NSRef):
            holder, key = node.name, node.attr

            def store_in(run: Run, value: Any) -> None:
                space = run.names.get(holder)
                if not isinstance(space, Namespace):
                    raise Stopped(f"{holder} is not a namespace, so nothing can be set in it")
                space.values[key] = value

            return store_in
        if not isinstance(node, nodes.Tuple):
            self.refuse_node(node)
        stores = [self._target(item) for item in node.items]

        def unpack(run: Run, value: Any) -> None:
            items = run.items(value)
            if len(items) != len(stores):
                raise Stopped(f"{len(items)} values can't be set to {len(stores)} names")
            for each, item in zip(stores, items, strict=True):
                each(run, item)

        return unpack


def _in_own_scope(statement: Statement) -> Statement:
    def scoped(run: Run) -> None:
        outer = run.names
        run.spend(len(outer) >> 2)
        run.names = dict(outer)
        statement(run)
        run.names = outer

    return scoped


def _captured(run: Run, body: Statement) -> str:
    outer, run.out = run.out, []
    body(run)
    text = "".join(run.out)
    run.out = outer
    return text


def _filtered(run: Run, apply: Expression | None, text: str) -> Any:
    if apply is None:
        return text
    run.names[BLOCK_TEXT] = text
    return apply(run)
