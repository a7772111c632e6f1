"""Jinja templates, rendered in the sandbox.

A template reads the fields of one row and nothing else. It inserts texts and numbers: a null would become the word
"None", and a list its Python source.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import jinja2
from jinja2 import meta, nodes

from tunelift.core.errors import UserError, nearest, shorten_text
from tunelift.core.sandbox import BUDGET, Budget, ExhaustedError, MissingError, make_environment


class EndlessTemplateError(UserError):
    """A template makes too much, or takes too long; it would hardly do better on other rows."""


class MissingKeyError(UserError):
    """A template looks for a key in a mapping that does not have it.

    Attributes:
        key: What it looks for.
        holder: Name of the field that is the mapping; empty if none is.
    """

    def __init__(self, where: str, error: MissingError, fields: dict[str, Any]) -> None:
        mapping = error.holder or {}
        what = f"the template uses a field that is not there ({error})"
        super().__init__(where, what, nearest(error.name, map(str, mapping)))
        self.key = error.name
        self.holder = next((name for name, value in fields.items() if value is mapping), "")


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


_environment = lru_cache(maxsize=3)(make_environment)


@lru_cache(maxsize=256)
def _compile(template: str, check: Callable[[Any], Any]) -> tuple[jinja2.Template, nodes.Template]:
    environment = _environment(check)
    return environment.from_string(template), environment.parse(template)


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


def evaluate(expression: str, fields: dict[str, Any], where: str) -> Any:
    """The value of an expression over the fields of one row, for example ``answer.text[0]``.

    Args:
        expression: A Jinja expression, without braces.
        fields: The values it may use.
        where: Named in errors.

    Returns:
        Plain data, as JSON has it.

    Raises:
        UserError: The expression is malformed, uses a field that is not there, or does what the sandbox forbids.
    """

    def work() -> Any:
        value = _compile_expression(expression)({**fields, BUDGET: Budget()})
        if isinstance(value, jinja2.Undefined):
            str(value)  # raises the error that names what is missing
        return json.loads(json.dumps(value, ensure_ascii=False))

    return _guarded(work, expression, fields, where)


@lru_cache(maxsize=256)
def _compile_expression(expression: str) -> Callable[..., Any]:
    return _environment(_no_check).compile_expression(expression, undefined_to_none=False)


def _no_check(value: Any) -> Any:
    return value


def _render(template: str, fields: dict[str, Any], where: str, check: Callable[[Any], Any]) -> str:
    def work() -> str:
        if template in fields:
            return str(check(fields[template]))
        return _compile(template, check)[0].render({**fields, BUDGET: Budget()})

    return _guarded(work, template, fields, where)


def _guarded(work: Callable[[], Any], template: str, fields: dict[str, Any], where: str) -> Any:
    """The result of rendering; whatever goes wrong is an error of the user's."""
    try:
        return work()
    except _NotTextError as error:
        used = {template} if template in fields else used_fields(template, where)
        names = [name for name in sorted(used) if fields.get(name) is error.value]
        raise _not_text(where, error.value, names) from error
    except jinja2.UndefinedError as error:
        if isinstance(error, MissingError) and error.holder:
            raise MissingKeyError(where, error, fields) from error
        name = error.name if isinstance(error, MissingError) else ""
        what = f"the template uses a field that is not there ({error})"
        raise UserError(where, what, nearest(name, fields)) from error
    except ExhaustedError as error:
        raise EndlessTemplateError(where, f"the template cannot be rendered: {error}", "make it simpler") from error
    except (jinja2.TemplateError, RecursionError) as error:
        raise _malformed(where, error) from error
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
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
