"""The sandbox of Jinja templates from strangers: none can leave it, fill the memory, or run for long.

What a template makes is counted: every text and list with all that stands in it, and every turn of a loop. So neither
doubling a text again and again nor a list of lists of lists gets far. What would make much in a single step, such as
padding and repeating, is refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import CodeType
from typing import Any, cast

from jinja2 import StrictUndefined, nodes, pass_context, pass_environment
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.filters import make_attrgetter
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing
from jinja2.visitor import NodeTransformer

MOST = 50_000_000  # characters that one rendering may make on the way to its text
ITEM = 50  # an item of a list, and a turn of a loop, count as so many
SECONDS = 2.0  # of processor time, for one rendering
LARGEST_NUMBER = 1000  # bits of a product
LONGEST_RANGE = 1000
DEEPEST_LOOP = 2
BUDGET = " budget"  # no template can write a name with a space
REFUSED = frozenset(
    {"center", "encode", "expandtabs", "format", "format_map", "ljust", "rjust", "to_bytes", "translate", "zfill"}
)
REFUSED_FILTERS = (
    "batch", "center", "format", "indent", "pprint", "random", "round", "slice", "tojson", "urlize", "wordwrap",
    "xmlattr",
)  # fmt: skip


class ExhaustedError(SecurityError):
    """A template makes too much, or takes too long."""


class MissingError(UndefinedError):
    """A template uses what is not there.

    Attributes:
        name: What it looks for.
        holder: The mapping that does not have it; None where it is looked for elsewhere.
    """

    def __init__(self, message: str | None, name: str, holder: dict[str, Any] | None) -> None:
        super().__init__(message)
        self.name = name
        self.holder = holder


class _Missing(StrictUndefined):
    """What is not there; the error about it knows what was looked for, and where."""

    def __init__(
        self, hint: str | None = None, obj: Any = missing, name: Any = None, exc: type[Exception] = UndefinedError
    ) -> None:
        super().__init__(hint, obj, name, cast(Any, exc))
        if exc is UndefinedError:
            holder = obj if isinstance(obj, dict) else None
            self._undefined_exception = cast(Any, partial(MissingError, name=str(name), holder=holder))


class Budget:
    """What is left of what one rendering may make."""

    def __init__(self) -> None:
        self.left = MOST
        self.end = time.process_time() + SECONDS

    def spend(self, amount: int) -> None:
        """Take something away.

        Raises:
            ExhaustedError: There is not so much left.
        """
        self.left -= amount
        if self.left < 0:
            raise ExhaustedError(f"it makes texts and lists of more than {MOST:,} characters")

    def spend_value(self, value: Any) -> None:
        """Take away the size of a value: its characters and items, those inside of others each time they stand there.

        Raises:
            ExhaustedError: There is not so much left.
        """
        pending = [value]
        while pending:
            item = pending.pop()
            if isinstance(item, str):
                self.spend(len(item))
            elif isinstance(item, dict | list | tuple):
                self.spend(ITEM * len(item))
                pending.extend(item.values() if isinstance(item, dict) else item)

    def turns(self, values: Iterable[Any], cost: int) -> Iterator[Any]:
        """The values of a loop.

        Raises:
            ExhaustedError: There is not enough left for the next turn, or the time is over.
        """
        for value in values:
            self.spend(cost)
            if time.process_time() > self.end:
                raise ExhaustedError(f"it takes more than {SECONDS:.0f} seconds")
            yield value


def make_environment(check: Callable[[Any], Any]) -> Sandbox:
    """A sandbox.

    Args:
        check: Given every value that a template inserts; returns it, or raises.
    """

    @pass_context
    def inserted(context: Context, value: Any) -> Any:
        context[BUDGET].spend_value(value)
        return check(value)

    environment = Sandbox(undefined=_Missing, keep_trailing_newline=True, finalize=inserted)
    environment.globals = {"range": _range}
    for name in REFUSED_FILTERS:
        del environment.filters[name]
    environment.filters |= {"join": _join, "replace": _replace, "sum": _sum, "counted": _counted, "turns": _turns}
    return environment


class Sandbox(ImmutableSandboxedEnvironment):
    """An environment whose templates are rendered with a `Budget` under the name `BUDGET`."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Two numbers may be computed with, and texts and lists put together."""
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "**":
            raise SecurityError('"**" is not allowed')
        if operator != "+" and not numbers:
            raise SecurityError(f'"{operator}" is allowed only between numbers')
        if operator == "*" and _bits(left) + _bits(right) > LARGEST_NUMBER:
            raise SecurityError("a product is too large")
        if not numbers:
            context[BUDGET].spend_value([left, right])
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        """A method may be called, but those that can make much out of little only as the filters of their names."""
        owner, name = getattr(__obj, "__self__", None), getattr(__obj, "__name__", None)
        if isinstance(owner, str) and name == "join":
            __obj = partial(_join, __context, d=owner)
        elif isinstance(owner, str) and name == "replace":
            __obj = partial(_replace, __context, owner)
        return _counted(__context, super().call(__context, __obj, *args, **kwargs))

    def call_filter(
        self,
        name: str,
        value: Any,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        context: Context | None = None,
        eval_ctx: nodes.EvalContext | None = None,
    ) -> Any:
        """A filter by its name, as ``map`` calls it."""
        result = super().call_filter(name, value, args, kwargs, context, eval_ctx)
        return _counted(context, result) if context else result

    def wrap_str_format(self, value: Any) -> None:
        """No wrapper: `format` is refused with the other methods that pad."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """No method that makes much out of little."""
        return attr not in REFUSED and super().is_safe_attribute(obj, attr, value)

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        refuse_endless(source)
        counting = cast(nodes.Template, _Counting().visit(source)).set_environment(self)
        return super()._generate(cast(nodes.Template, counting), *args, **kwargs)

    def _compile(self, source: str, filename: str) -> CodeType:
        try:
            return super()._compile(source, filename)
        except (SyntaxError, MemoryError) as error:  # Python's own limits of nesting
            raise SecurityError("it is nested too deeply") from error


def _bits(number: float) -> int:
    return number.bit_length() if isinstance(number, int) else 0


def refuse_endless(tree: nodes.Template) -> None:
    """Refuse what repeats itself without a loop over values, and loops that are nested deeply.

    Raises:
        SecurityError: The template has such.
    """
    endless = any(map(tree.find, (nodes.Macro, nodes.CallBlock, nodes.Block)))
    if endless or any(loop.recursive for loop in tree.find_all(nodes.For)):
        raise SecurityError("macros, blocks and recursive loops are not allowed")
    if _loop_depth(tree) > DEEPEST_LOOP:
        raise SecurityError(f"loops may be nested {DEEPEST_LOOP} deep")


def _loop_depth(node: nodes.Node) -> int:
    inner = max((_loop_depth(child) for child in node.iter_child_nodes()), default=0)
    return inner + isinstance(node, nodes.For)


class _Counting(NodeTransformer):
    """Puts filters that count behind all that makes texts or lists, and behind what a loop goes over."""

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        """A node with its filter."""
        self.generic_visit(node)
        if isinstance(node, nodes.For):
            text = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
            node.iter = _filtered(cast(nodes.Expr, node.iter), "turns", [nodes.Const(ITEM + text, lineno=node.lineno)])
        elif isinstance(node, nodes.Concat):
            return _filtered(nodes.List(node.nodes, lineno=node.lineno), "join")
        elif isinstance(node, nodes.Expr) and _makes(node):
            return _filtered(node, "counted")
        return node


def _makes(node: nodes.Expr) -> bool:
    """Whether a node makes a text or a list; sums and calls are counted where they are computed."""
    if isinstance(node, nodes.Tuple):
        return node.ctx == "load"  # or it stands for several names
    if isinstance(node, nodes.Getitem):
        return isinstance(node.arg, nodes.Slice)
    return isinstance(node, nodes.List | nodes.Dict | nodes.Filter)


def _filtered(node: nodes.Expr, name: str, arguments: list[nodes.Expr] | None = None) -> nodes.Filter:
    return nodes.Filter(node, name, arguments or [], [], None, None, lineno=node.lineno)


@pass_context
def _counted(context: Context, value: Any) -> Any:
    context[BUDGET].spend_value(value)
    return value


@pass_context
def _turns(context: Context, values: Iterable[Any], cost: int) -> Iterator[Any]:
    return context[BUDGET].turns(values, cost)


@pass_context
def _join(context: Context, value: Iterable[Any], d: Any = "", attribute: str | int | None = None) -> str:
    """The filter ``join``, which counts while it collects."""
    get = make_attrgetter(context.environment, attribute) if attribute is not None else None
    texts = []
    for item in value:
        text = str(get(item) if get else item)
        context[BUDGET].spend(len(text) + len(d))
        texts.append(text)
    return str(d).join(texts)


@pass_context
def _replace(context: Context, s: Any, old: Any, new: Any, count: int | None = None) -> str:
    """The filter ``replace``, which counts beforehand."""
    text, found = str(s), str(old)
    context[BUDGET].spend(len(text) + text.count(found) * len(str(new)))
    return text.replace(found, str(new), -1 if count is None else count)


@pass_environment
def _sum(environment: Sandbox, iterable: Iterable[Any], attribute: str | int | None = None) -> Any:
    """The filter ``sum``, but only of numbers: a start that is a list would put lists together."""
    return sum(map(make_attrgetter(environment, attribute), iterable) if attribute is not None else iterable)


def _range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > LONGEST_RANGE:
        raise SecurityError(f"range() is limited to {LONGEST_RANGE} numbers")
    return numbers
