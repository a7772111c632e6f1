"""Jinja templates from strangers, rendered in a sandbox."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tunelift.core.errors import UserError, nearest


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.globals.clear()  # range() and friends can be asked to build something endless
    return environment


@lru_cache(maxsize=256)
def _compile(template: str) -> jinja2.Template:
    return _environment().from_string(template)


def render(template: str, fields: dict[str, Any], where: str) -> str:
    """Render a template with the fields of one row.

    Args:
        template: A Jinja template, or the name of a field, which stands for its value.
        fields: The values it may use.
        where: Named in errors, for example "tasks/tweets.yaml: doc_to_text, data/train.jsonl:12".

    Raises:
        UserError: The template is malformed, uses a field that is not there, or tries to leave the sandbox.
    """
    if template in fields:
        return str(fields[template])
    try:
        return _compile(template).render(fields)
    except jinja2.UndefinedError as error:
        name = str(error.message).partition("'")[2].partition("'")[0]
        raise UserError(where, f"the template uses a field that is not there ({error})", nearest(name, fields)) from error
    except jinja2.TemplateError as error:
        raise UserError(where, f"the template cannot be rendered: {error}", "correct the template") from error
    except (TypeError, ValueError, ZeroDivisionError, OverflowError, AttributeError) as error:
        raise UserError(where, f"the template fails on this row: {error}", "correct the template or the row") from error
