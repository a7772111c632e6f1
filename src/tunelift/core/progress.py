"""Progress bars on standard error, with rate and time left."""

from __future__ import annotations

import sys
from typing import Any


def progress(total: int, label: str, unit: str = "item") -> Any:
    """A progress bar that is used as a context manager and advanced with ``update(n)``.

    Args:
        total: How many units the work has.
        label: What is being done.
        unit: What is counted; "token" shows thousands as k.

    Returns:
        A tqdm bar on standard error, which writes at most twice a second, and every ten seconds where
        standard error is a file.
    """
    from tqdm import tqdm

    interval = 0.5 if sys.stderr.isatty() else 10.0
    return tqdm(
        total=total,
        desc=label,
        unit=unit,
        unit_scale=total > 10_000,
        mininterval=interval,
        file=sys.stderr,
        leave=False,
    )


def say(message: str) -> None:
    """One line about the course of the work, on standard error."""
    print(message, file=sys.stderr, flush=True)
