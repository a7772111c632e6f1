"""What the layouts of all families share."""

from __future__ import annotations

import json
from typing import Any

Fields = dict[str, Any]


class UnusableError(Exception):
    """A row that cannot be used; its text is the reason, the same for all rows with the same fault."""


def text_of(fields: Fields, name: str) -> str:
    """A field as text; numbers are written out, and what is missing or null is empty.

    Raises:
        UnusableError: It is anything else.
    """
    value = fields.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UnusableError(f'"{name}" is not a text')
    return str(value)


def filled_text(fields: Fields, name: str) -> str:
    """A field as text that is not blank.

    Raises:
        UnusableError: It is blank, missing or no text.
    """
    text = text_of(fields, name)
    if not text.strip():
        raise UnusableError(f'"{name}" is empty')
    return text


def has_texts(fields: Fields, *names: str) -> bool:
    """Whether a row has these fields, each a text, a number or null."""
    return all(name in fields and (fields[name] is None or isinstance(fields[name], str | int)) for name in names)


def decoded(value: Any) -> Any:
    """A value that can be JSON inside of a text: the value of that.

    Raises:
        UnusableError: It is a text, and not of JSON.
    """
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise UnusableError("JSON inside of a text is malformed") from error
