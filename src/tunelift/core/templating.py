"""Jinja templates from strangers, rendered in a sandbox.

A template reads the fields of one row and nothing else. It can neither repeat nor pad a text and loops only over what
the row holds, so that no expression fills the memory and no loop is endless. It inserts texts and numbers: a null would
become the word "None", and a list its Python source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import jinja2
from jinja2 import meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tunelift.core.errors import UserError, nearest, shorten_text

LONGEST_RANGE = 1000
DEEPEST_LOOP = 2
PADDING = frozenset({"center", "expandtabs", "format", "format_map", "ljust", "rjust", "to_bytes", "zfill"})
UNBOUNDED_FILTERS = ("batch", "center", "format", "indent", "random", "round", "slice", "tojson", "wordwrap", "xmlattr")


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**":
            raise SecurityError('"**" is not allowed')
        if not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise SecurityError(f'"{operator}" is allowed only between numbers')
        return super().call_binop(context, operator, left, right)

    def wrap_str_format(self, value: Any) -> None:
        """No wrapper: `format` is refused with the other methods that pad."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return attr not in PADDING and super().is_safe_attribute(obj, attr, value)


def _range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > LONGEST_RANGE:
        raise SecurityError(f"range() is limited to {LONGEST_RANGE} numbers")
    return numbers


class _NotTextError(Exception):
    """A template inserts a value that is no text."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _only_text(value: Any) -> Any:
    if not isinstance(value, str | int | float | jinja2.Undefined):
        raise _NotTextError(value)
    return value


def _no_null(value: Any) -> Any:
    if value is None:
        raise _NotTextError(value)
    return value


@lru_cache(maxsize=2)
def _environment(check: Callable[[Any], Any]) -> _Sandbox:
    environment = _Sandbox(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, finalize=check)
    environment.globals = {"range": _range}
    for name in UNBOUNDED_FILTERS:
        del environment.filters[name]
    return environment


@lru_cache(maxsize=256)
def _compile(template: str, check: Callable[[Any], Any]) -> tuple[jinja2.Template, nodes.Template]:
    tree = _environment(check).parse(template)
    if tree.find(nodes.Macro) or tree.find(nodes.CallBlock) or any(loop.recursive for loop in tree.find_all(nodes.For)):
        raise SecurityError("macros and recursive loops are not allowed")
    if _loop_depth(tree) > DEEPEST_LOOP:
        raise SecurityError(f"loops may be nested {DEEPEST_LOOP} deep")
    return _environment(check).from_string(template), tree


def _loop_depth(node: nodes.Node) -> int:
    inner = max((_loop_depth(child) for child in node.iter_child_nodes()), default=0)
    return inner + isinstance(node, nodes.For)


def used_fields(template: str, where: str) -> frozenset[str]:
    """The names of the fields that a template uses.

    Raises:
        UserError: The template is malformed; `where` is named.
    """
    try:
        _, tree = _compile(template, _only_text)
    except (jinja2.TemplateError, RecursionError) as error:
        raise _malformed(where, error) from error
    return frozenset(meta.find_undeclared_variables(tree) - _environment(_only_text).globals.keys())


def needed_fields(template: str, where: str) -> frozenset[str]:
    """Those of the fields that a template uses which no row can be without.

    Raises:
        UserError: The template is malformed; `where` is named.
    """
    used = used_fields(template, where)
    return used.intersection(_always_read(_compile(template, _only_text)[1]))


def _always_read(node: nodes.Node) -> Iterator[str]:
    """Names that are read whatever the row holds: not those in branches, loops, tests and defaults."""
    if isinstance(node, nodes.Name):
        yield node.name
    elif isinstance(node, nodes.If | nodes.CondExpr):
        yield from _always_read(node.test)
    elif isinstance(node, nodes.For):
        yield from _always_read(node.iter)
    elif isinstance(node, nodes.And | nodes.Or):
        yield from _always_read(node.left)
    elif not isinstance(node, nodes.Test) and not (isinstance(node, nodes.Filter) and node.name in ("default", "d")):
        for child in node.iter_child_nodes():
            yield from _always_read(child)


def render(template: str, fields: dict[str, Any], where: str) -> str:
    """Render a template with the fields of one row.

    Args:
        template: A Jinja template, or the name of a field, which stands for its value.
        fields: The values it may use.
        where: Named in errors, for example "tasks/tweets.yaml: doc_to_text, data/train.jsonl:12".

    Raises:
        UserError: The template is malformed, uses a field that is not there, inserts what is neither text nor number,
            or does what the sandbox forbids.
    """
    return _render(template, fields, where, _only_text)


def render_list(template: str, fields: dict[str, Any], where: str) -> str:
    """Render a template of a list: as `render`, but values stand there as Python writes them.

    Raises:
        UserError: As `render`; of the values only null is refused.
    """
    return _render(template, fields, where, _no_null)


def _render(template: str, fields: dict[str, Any], where: str, check: Callable[[Any], Any]) -> str:
    try:
        return str(check(fields[template])) if template in fields else _compile(template, check)[0].render(fields)
    except _NotTextError as error:
        used = {template} if template in fields else used_fields(template, where)
        names = [name for name in sorted(used) if fields.get(name) is error.value]
        raise _not_text(where, error.value, names) from error
    except jinja2.UndefinedError as error:
        name = str(error.message).partition("'")[2].partition("'")[0]
        what = f"the template uses a field that is not there ({error})"
        raise UserError(where, what, nearest(name, fields)) from error
    except (jinja2.TemplateError, RecursionError) as error:
        raise _malformed(where, error) from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UserError(where, f"the template fails on this row: {error}", "correct the template or the row") from error


def _malformed(where: str, error: Exception) -> UserError:
    return UserError(where, f"the template cannot be rendered: {error}", "correct the template")


def _not_text(where: str, value: Any, names: list[str]) -> UserError:
    """The error for a value that is no text, and the fields that hold it."""
    holder, name = (f'field "{names[0]}"', names[0]) if names else ("an expression of the template", "field")
    if value is None:
        hint = f'fill it in, or leave such rows out with where: "{name} is not none"'
        return UserError(where, f"{holder} is empty (null)", hint)
    part = f"{name}.{next(iter(value))}" if isinstance(value, dict) and value else f"{name}[0]"
    hint = f'take one text out of it, for example "{{{{ {part} }}}}"'
    return UserError(where, f"{holder} holds not one text but {shorten_text(value)}", hint)
