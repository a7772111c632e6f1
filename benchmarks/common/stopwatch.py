"""Wall time, and how much of the machine was had during it."""

from __future__ import annotations

import time


class Stopwatch:
    """Runs from when it is made.

    Attributes:
        seconds: Wall time at the last look.
        cores: Processor time of this process over wall time: less than the number of cores in plain arithmetic, and
            much less where other processes took them.
    """

    def __init__(self) -> None:
        self._started = time.perf_counter(), time.process_time()
        self.seconds = self.cores = 0.0

    def look(self) -> None:
        """Note the time."""
        wall, processor = self._started
        self.seconds = time.perf_counter() - wall
        self.cores = (time.process_time() - processor) / self.seconds
