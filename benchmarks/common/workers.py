"""A worker: a process that loads a model once and does one repetition of a piece of work for every line it is sent.

Every message is one JSON object on a line. The worker first says which versions it runs; then it answers each
configuration with its measurement. While one worker computes, the others wait for input.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

from common.workloads import REPOSITORY

BENCHMARKS = REPOSITORY / "benchmarks"
PEERS_PYTHON = REPOSITORY / ".venv-peers" / "bin" / "python"
LOGS = REPOSITORY / "runs" / "benchmarks" / "logs"
LOG_LINES = 15

Message = dict[str, Any]


def serve(packages: list[str], repeat: Callable[[Message], Message]) -> None:
    """The worker's end.

    Args:
        packages: Distributions whose versions are told.
        repeat: Does one repetition of a configuration and returns its measurement.
    """
    # Libraries print; what they print goes to the log, and standard output is left to the messages.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps({package: version(package) for package in packages}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(repeat(json.loads(line))), file=answers, flush=True)


class KilledError(Exception):
    """The system ended a worker, as it does where memory does not suffice."""


class Worker:
    """The script's end; a context manager that ends the process.

    Args:
        module: What the process runs, for example "ours.tune"; those in `peers` run in the peers' environment.
    """

    def __init__(self, module: str) -> None:
        python = peers_python() if module.startswith("peers.") else Path(sys.executable)
        LOGS.mkdir(parents=True, exist_ok=True)
        self.log = LOGS / f"{module}.log"
        with self.log.open("w") as log:
            # Without a network no library shall wait for one.
            environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}
            self.process = subprocess.Popen(
                [python, "-m", module],
                cwd=BENCHMARKS,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.versions = self._receive()

    def measure(self, configuration: Message) -> Message:
        """Have one repetition done.

        Raises:
            KilledError: The system ended the process.
        """
        print(json.dumps(configuration), file=self.process.stdin, flush=True)
        return self._receive()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()

    def _receive(self) -> Message:
        line = cast(IO[str], self.process.stdout).readline()
        if not line:
            if self.process.wait() == -signal.SIGKILL:
                raise KilledError
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_LINES:])
            sys.exit(f"error: a worker ended, {self.log.name} says:\n{tail}")
        return json.loads(line)


def peers_python() -> Path:
    """The interpreter of the peers' environment."""
    if not PEERS_PYTHON.is_file():
        sys.exit("error: .venv-peers: the environment of the peers is missing - run: make bench")
    return PEERS_PYTHON
