"""Expressions of the jinja2 format: each node becomes a closure that returns a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NoReturn, TypeAlias

from jinja2 import nodes

from pointsman.core import jinja_runtime as runtime
from pointsman.core.jinja_filters import FILTERS
from pointsman.core.jinja_methods import TESTS, call_method
from pointsman.core.jinja_runtime import Macro, Missing, Namespace, Run, Stopped, refuse
from pointsman.core.tags import Position, Variable, syntax_error
from pointsman.core.variables import suggestion

Expression: TypeAlias = Callable[[Run], Any]

BLOCK_TEXT: Final = "\0text"
"""Where a filter block leaves its text for the filter; no template can spell this name."""


class Expressions:
    """Compiles expressions; `uses` fills with the variables they take from outside.

    `_bound` has the names that the template itself has set by the node at hand.
    """

    def __init__(
        self,
        names: Mapping[tuple[int, str], int],
        position: Callable[[int], Position],
        tag_on: Callable[[int], Position],
    ) -> None:
        self.uses: dict[str, Variable] = {}
        self._names = names
        self._position = position
        self._tag_on = tag_on
        self._bound: set[str] = set()
        self._depth = 0

    def expression(self, node: nodes.Node) -> Expression:
        name = type(node).__name__
        if name in _BINARY:
            with self.deeper(node):
                return self._binary(node, _BINARY[name])
        if name in _UNARY:
            with self.deeper(node):
                return self._unary(node, _UNARY[name])
        compile_it = getattr(self, f"_get_{name.lower()}", None)
        if compile_it is None:
            self.refuse_node(node)
        with self.deeper(node):
            return compile_it(node)  # type: ignore[no-any-return]

    @contextmanager
    def deeper(self, node: nodes.Node) -> Iterator[None]:
        """One level further down. The limit keeps what was accepted here renderable where
        less of Python's stack is left.
        """
        self._depth += 1
        if self._depth > runtime.MAX_NESTING:
            self.refuse("it is nested too deeply", node, "Split it with {% set %}.")
        yield
        self._depth -= 1

    def _get_const(self, node: nodes.Const) -> Expression:
        value = node.value
        if isinstance(value, int) and value.bit_length() > runtime.MAX_BITS:
            self.refuse("the number is too large", node, "Pass it as text.")
        return lambda run: value

    def _get_templatedata(self, node: nodes.TemplateData) -> Expression:
        value = node.data
        return lambda run: value

    def _get_name(self, node: nodes.Name) -> Expression:
        name = node.name
        if name not in self._bound:
            self._note(node, required=True)
        missing = Missing(name)
        return lambda run: run.names.get(name, missing)

    def _note(self, node: nodes.Name, *, required: bool) -> None:
        """Record the use of an outside variable. Once asked whether it is defined, it is
        free to be left out: what asks will also guard its other uses.
        """
        known = self.uses.get(node.name)
        if known is None:
            offset = self._names.get((node.lineno, node.name))
            at = self._tag_on(node.lineno) if offset is None else self._position(offset)
            self.uses[node.name] = Variable(node.name, at, required)
        elif known.required and not required:
            self.uses[node.name] = Variable(node.name, known.position, required=False)

    def _asked(self, node: nodes.Node) -> Expression:
        """An operand that may be undefined."""
        if isinstance(node, nodes.Name) and node.name not in self._bound:
            self._note(node, required=False)
        return self.expression(node)

    def _get_tuple(self, node: nodes.Tuple) -> Expression:
        items = [self.expression(item) for item in node.items]

        def make(run: Run) -> Any:
            run.spend(len(items))
            return tuple([item(run) for item in items])

        return make

    def _get_list(self, node: nodes.List) -> Expression:
        items = [self.expression(item) for item in node.items]

        def make(run: Run) -> Any:
            run.spend(len(items))
            return [item(run) for item in items]

        return make

    def _get_dict(self, node: nodes.Dict) -> Expression:
        pairs = [(self.expression(pair.key), self.expression(pair.value)) for pair in node.items]

        def make(run: Run) -> Any:
            run.spend(2 * len(pairs))
            made = {}
            for key, value in pairs:
                text = key(run)
                if not isinstance(text, str):
                    refuse(text, "be the key of an object")
                made[text] = value(run)
            return made

        return make

    def _get_condexpr(self, node: nodes.CondExpr) -> Expression:
        test, yes = self.expression(node.test), self.expression(node.expr1)
        no = self.expression(node.expr2) if node.expr2 else lambda run: ""
        return lambda run: yes(run) if run.truth(test(run)) else no(run)

    def _get_and(self, node: nodes.And) -> Expression:
        left, right = self.expression(node.left), self.expression(node.right)

        def both(run: Run) -> Any:
            run.spend(0)
            value = left(run)
            return right(run) if run.truth(value) else value

        return both

    def _get_or(self, node: nodes.Or) -> Expression:
        left, right = self.expression(node.left), self.expression(node.right)

        def either(run: Run) -> Any:
            run.spend(0)
            value = left(run)
            return value if run.truth(value) else right(run)

        return either

    def _get_not(self, node: nodes.Not) -> Expression:
        operand = self.expression(node.node)
        return lambda run: not run.truth(operand(run))

    def _get_compare(self, node: nodes.Compare) -> Expression:
        first = self.expression(node.expr)
        steps = [(step.op, self.expression(step.expr)) for step in node.ops]

        def compare(run: Run) -> bool:
            run.spend(0)
            left = first(run)
            for operator, expression in steps:
                right = expression(run)
                if not runtime.compare(run, operator, left, right):
                    return False
                left = right
            return True

        return compare

    def _get_concat(self, node: nodes.Concat) -> Expression:
        items = [self.expression(item) for item in node.nodes]

        def concat(run: Run) -> str:
            texts = [run.text(item(run)) for item in items]
            run.room_for(sum(map(len, texts)))
            return "".join(texts)

        return concat

    def _get_getattr(self, node: nodes.Getattr) -> Expression:
        value, name = self.expression(node.node), node.attr
        return lambda run: runtime.attribute(run, value(run), name)

    def _get_getitem(self, node: nodes.Getitem) -> Expression:
        value = self.expression(node.node)
        if isinstance(node.arg, nodes.Slice):
            parts = [
                self.expression(part) if part else lambda run: None
                for part in (node.arg.start, node.arg.stop, node.arg.step)
            ]
            return lambda run: runtime.cut(run, value(run), *[part(run) for part in parts])
        key = self.expression(node.arg)
        return lambda run: runtime.attribute(run, value(run), key(run))

    def _get_test(self, node: nodes.Test) -> Expression:
        name = node.name
        if name in ("defined", "undefined"):
            operand = self._asked(node.node)
            wanted = name == "defined"
            return lambda run: isinstance(operand(run), Missing) is not wanted
        test = TESTS.get(name)
        if test is None:
            self._refuse_name("test", name, TESTS, node)
        operand = self.expression(node.node)
        arguments, named = self._arguments(node)
        return lambda run: run.truth(test(run, operand(run), *arguments(run), **named(run)))

    def _get_filter(self, node: nodes.Filter) -> Expression:
        name = node.name
        apply = FILTERS.get(name)
        if apply is None:
            self._refuse_name("filter", name, FILTERS, node)
        arguments, named = self._arguments(node)
        if node.node is None:  # the filter of a block: the text is handed over
            operand: Expression = lambda run: run.names[BLOCK_TEXT]  # noqa: E731
        elif name in ("default", "d"):
            operand = self._asked(node.node)
        else:
            operand = self.expression(node.node)
        return lambda run: apply(run, operand(run), *arguments(run), **named(run))

    def _get_call(self, node: nodes.Call) -> Expression:
        arguments, named = self._arguments(node)
        callee = node.node
        if isinstance(callee, nodes.Getattr):
            owner, method = self.expression(callee.node), callee.attr
            return lambda run: call_method(run, owner(run), method, arguments(run), named(run))
        if not isinstance(callee, nodes.Name):
            self.refuse("only macros, functions and methods can be called", node, "Use a filter.")
        name = callee.name
        if name in _GLOBALS and name not in self._bound:
            build = _GLOBALS[name]
            return lambda run: build(run, *arguments(run), **named(run))
        if name not in self._bound:
            self._refuse_name("function", name, _GLOBALS, node)
        return lambda run: _call(run, name, arguments(run), named(run))

    def _arguments(
        self, node: Any
    ) -> tuple[Callable[[Run], list[Any]], Callable[[Run], dict[str, Any]]]:
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            self.refuse("* and ** aren't available", node, "Write the arguments out.")
        positional = [self.expression(argument) for argument in node.args]
        keywords = [(pair.key, self.expression(pair.value)) for pair in node.kwargs]

        def given(run: Run) -> list[Any]:
            return [_solid(argument(run)) for argument in positional]

        def named(run: Run) -> dict[str, Any]:
            return {key: _solid(value(run)) for key, value in keywords}

        return given, named

    def _binary(self, node: Any, operate: Callable[[Run, Any, Any], Any]) -> Expression:
        left, right = self.expression(node.left), self.expression(node.right)

        def compute(run: Run) -> Any:
            run.spend(0)
            return operate(run, left(run), right(run))

        return compute

    def _unary(self, node: Any, operate: Callable[[Run, Any], Any]) -> Expression:
        operand = self.expression(node.node)
        return lambda run: operate(run, operand(run))

    # -- refusals

    def refuse(self, problem: str, node: nodes.Node, hint: str) -> NoReturn:
        raise syntax_error(problem, self._tag_on(node.lineno), hint=hint)

    def _refuse_name(self, what: str, name: str, known: Mapping[str, Any], node: Any) -> NoReturn:
        near = suggestion(name, list(known))
        names = ", ".join(sorted(name for name in known if name.isidentifier()))
        self.refuse(f"there is no {what} {name!r}", node, near or f"There are: {names}.")

    def refuse_node(self, node: nodes.Node) -> NoReturn:
        what = type(node).__name__
        if what in ("Include", "Import", "FromImport", "Extends"):
            self.refuse(
                f"{{% {what.lower().removeprefix('from')} %}} isn't available: there are no files",
                node,
                "Write {{> name@alias }} to include another prompt.",
            )
        self.refuse(
            f"{{% {what.lower()} %}} isn't available", node, "Use a macro, or leave it out."
        )


def _call(run: Run, name: str, given: list[Any], named: dict[str, Any]) -> Any:
    macro = run.names.get(name)
    if not isinstance(macro, Macro):
        raise Stopped(f"{name} is not a macro, so it can't be called")
    return macro.call(run, given, named)


def _solid(value: Any) -> Any:
    if isinstance(value, Missing):
        refuse(value, "")
    return value


def _range(run: Run, *bounds: Any) -> list[int]:
    if not 1 <= len(bounds) <= 3 or not all(isinstance(bound, int) for bound in bounds):
        raise Stopped("range takes one to three whole numbers")
    if len(bounds) == 3 and bounds[2] == 0:
        raise Stopped("range can't go on in steps of 0")
    numbers = range(*bounds)
    try:
        size = len(numbers)
    except OverflowError:
        size = runtime.MAX_RANGE + 1
    if size > runtime.MAX_RANGE:
        raise Stopped(f"range has more than {runtime.MAX_RANGE:,} numbers", "render_limit")
    run.spend(size)
    return list(numbers)


def _namespace(run: Run, **values: Any) -> Namespace:
    run.spend(len(values))
    return Namespace(values)


def _dict(run: Run, **values: Any) -> dict[str, Any]:
    run.spend(len(values))
    return values


_GLOBALS: Final[dict[str, Callable[..., Any]]] = {
    "range": _range,
    "namespace": _namespace,
    "dict": _dict,
}
_BINARY: Final = {
    "Add": runtime.add,
    "Sub": runtime.subtract,
    "Mul": runtime.multiply,
    "Div": runtime.divide,
    "FloorDiv": runtime.floor_divide,
    "Mod": runtime.modulo,
    "Pow": runtime.power,
}
_UNARY: Final = {"Neg": runtime.negate, "Pos": runtime.plus}
