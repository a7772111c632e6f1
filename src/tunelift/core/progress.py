"""Progress bars on standard error, with rate and time left."""

from __future__ import annotations

import sys
from typing import Any, TextIO


def progress(total: int, label: str, unit: str = "item") -> Any:
    """A progress bar that is used as a context manager and advanced with ``update(n)``.

    Args:
        total: How many units the work has.
        label: What is being done.
        unit: What is counted; "token" shows thousands as k.

    Returns:
        A tqdm bar on standard error, which writes at most twice a second; where standard error is a file, a line
        every ten seconds.
    """
    from tqdm import tqdm

    terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        desc=label,
        unit=unit,
        unit_scale=total > 10_000,
        mininterval=0.5 if terminal else 10.0,
        file=sys.stderr if terminal else Lines(sys.stderr),
        leave=False,
        disable=not total,
    )


class Lines:
    """Writes each state of a bar as a line of its own, so that a log holds no control characters.

    Args:
        stream: Where the lines go.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> None:
        """Write what a bar writes; what it only clears is left out."""
        if line := text.strip():
            self.stream.write(f"{line}\n")

    def flush(self) -> None:
        """Pass on what has been written."""
        self.stream.flush()


def say(message: str) -> None:
    """One line about the course of the work, on standard error."""
    print(message, file=sys.stderr, flush=True)
