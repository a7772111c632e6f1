"""Jinja templates from strangers, rendered in a sandbox.

A template reads the fields of one row and nothing else. It can neither repeat nor pad a text and loops only over what
the row holds, so that no expression fills the memory and no loop is endless.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tunelift.core.errors import UserError, nearest

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


@lru_cache(maxsize=1)
def _environment() -> _Sandbox:
    environment = _Sandbox(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.globals = {"range": _range}
    for name in UNBOUNDED_FILTERS:
        del environment.filters[name]
    return environment


@lru_cache(maxsize=256)
def _compile(template: str) -> jinja2.Template:
    tree = _environment().parse(template)
    if tree.find(nodes.Macro) or tree.find(nodes.CallBlock) or any(loop.recursive for loop in tree.find_all(nodes.For)):
        raise SecurityError("macros and recursive loops are not allowed")
    if _loop_depth(tree) > DEEPEST_LOOP:
        raise SecurityError(f"loops may be nested {DEEPEST_LOOP} deep")
    return _environment().from_string(template)


def _loop_depth(node: nodes.Node) -> int:
    inner = max((_loop_depth(child) for child in node.iter_child_nodes()), default=0)
    return inner + isinstance(node, nodes.For)


def render(template: str, fields: dict[str, Any], where: str) -> str:
    """Render a template with the fields of one row.

    Args:
        template: A Jinja template, or the name of a field, which stands for its value.
        fields: The values it may use.
        where: Named in errors, for example "tasks/tweets.yaml: doc_to_text, data/train.jsonl:12".

    Raises:
        UserError: The template is malformed, uses a field that is not there, or does what the sandbox forbids.
    """
    if template in fields:
        return str(fields[template])
    try:
        return _compile(template).render(fields)
    except jinja2.UndefinedError as error:
        name = str(error.message).partition("'")[2].partition("'")[0]
        what = f"the template uses a field that is not there ({error})"
        raise UserError(where, what, nearest(name, fields)) from error
    except (jinja2.TemplateError, RecursionError) as error:
        raise UserError(where, f"the template cannot be rendered: {error}", "correct the template") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UserError(where, f"the template fails on this row: {error}", "correct the template or the row") from error
