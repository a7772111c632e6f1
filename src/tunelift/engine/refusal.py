"""What a model says to a way of computing it that it does not take, which is found out by trying."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tunelift.core.errors import first_line

# What models raise that are computed in a way they do not know.
FAILURES = (ValueError, TypeError, KeyError, AttributeError, RuntimeError, IndexError)


class RefusedError(Exception):
    """A model cannot be computed in some way; the message says why."""


@contextmanager
def failing_as(refusal: Callable[[str], Exception]) -> Iterator[None]:
    """Raise what a refusal makes of the first line of an error, where a model fails in between."""
    try:
        yield
    except FAILURES as error:
        raise refusal(first_line(error)) from error
