"""The largest resident size of this process during a piece of work."""

from __future__ import annotations

import ctypes
import gc
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

STATUS = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs")
SAMPLING = 0.02


@dataclass(slots=True)
class Peak:
    """Sizes in bytes: before the work, and the largest during it."""

    before: int
    largest: int = 0

    @property
    def above(self) -> int:
        """What the work needed in addition to what was there."""
        return self.largest - self.before


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Measure the peak of what is done inside; it is known afterwards.

    The system keeps the peak itself where it may be reset; otherwise a thread looks fifty times a second.
    """
    release()
    peak = Peak(_size("VmRSS"))
    try:
        RESET.write_text("5")
    except OSError:
        yield from _sampled(peak)
        return
    yield peak
    peak.largest = _size("VmHWM")


def release() -> None:
    """Give back what is no longer used, so that one repetition's leavings do not count for the next."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _sampled(peak: Peak) -> Iterator[Peak]:
    done = threading.Event()

    def look() -> None:
        while not done.wait(SAMPLING):
            peak.largest = max(peak.largest, _size("VmRSS"))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    yield peak
    done.set()
    thread.join()


def _size(name: str) -> int:
    found = re.search(rf"^{name}:\s*(\d+) kB", STATUS.read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
