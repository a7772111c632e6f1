"""Runs a Python program that nobody has read, confined by the Linux kernel.

The program runs in a process of its own, in a session of its own, without a shell, without the variables of the
environment, in an empty folder that is removed afterwards, under limits of time, memory, file size, open files and
output. Two mechanisms that any user may apply to a process of his confine it; neither can be undone from inside:

- A seccomp filter refuses all system calls but those of a list (`sandbox_calls`). There are no sockets, no new
  processes or threads, no signals to other processes, no changes of rights, owners or attributes.
- Landlock refuses all files but two kinds: Python, its packages and the system's libraries can be read, and plain
  files in the folder can be made, read, changed and removed.

Isolation is then "landlock and seccomp". Where a kernel has no Landlock (it came with Linux 5.13), isolation is
"seccomp" alone: no file can be made, changed or removed anywhere, but all files of the user can be read, and what is
read can be printed. Without filters (on other systems than Linux, or other processors than x86-64 and ARM64) nothing
is run.

Not protected: names, sizes and times of files, which can be asked for; the space on the disk of the temporary folder,
as long as the program runs; the processor, which is busy for that time. A fault of the kernel or of the processor is a
fault of the sandbox: it is no virtual machine.
"""

from __future__ import annotations

import base64
import json
import math
import os
import platform
import secrets
import selectors
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tunelift.core.errors import UserError
from tunelift.evaluation.execution.sandbox_calls import ARCHITECTURES, call_filter
from tunelift.evaluation.execution.sandbox_child import has_filters, landlock_version

LANDLOCK_AND_SECCOMP, SECCOMP = "landlock and seccomp", "seccomp"
SECONDS_TO_START = 60.0
SYSTEM_FILES = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"),
    *("/usr/share/zoneinfo", "/etc/localtime", "/dev/zero", "/dev/random", "/dev/urandom"),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use.

    Attributes:
        seconds: Of time by the clock, once the program has started.
        processor_seconds: Of time of the processor, start included; rounded up to whole seconds.
        memory: Bytes of address space.
        file_size: Bytes of any one file.
        open_files: Files open at one time.
        output: Bytes kept of each of its two outputs; what it writes beyond is thrown away.
    """

    seconds: float = 15.0
    processor_seconds: float = 5.0
    memory: int = 1 << 30
    file_size: int = 1 << 24
    open_files: int = 64
    output: int = 1 << 16


@dataclass(frozen=True, slots=True)
class Execution:
    """What became of a program.

    Attributes:
        completed: Whether program and checks came to their end. The inside of the sandbox says so with a secret, so
            that it cannot be had by an early exit, whatever its status.
        exit: Its exit status; negative: the number of the signal that ended it.
        timed_out: Whether it ran out of time.
        stdout: The beginning of its standard output.
        stderr: The beginning of its standard error; after an exception, with the traceback.
        seconds: From start to end by the clock.
        isolation: "landlock and seccomp" or "seccomp", see the module.
    """

    completed: bool
    exit: int
    timed_out: bool
    stdout: str
    stderr: str
    seconds: float
    isolation: str


def isolation() -> str:
    """How programs are confined on this machine: "landlock and seccomp" or "seccomp".

    Raises:
        UserError: They cannot be.
    """
    if sys.platform != "linux" or platform.machine() not in ARCHITECTURES or not has_filters():
        raise UserError(
            f"{platform.system()} on {platform.machine()}",
            "programs cannot be confined here",
            "run what executes answers on Linux (x86-64 or ARM64) with seccomp filters, or in a container of it",
        )
    return LANDLOCK_AND_SECCOMP if landlock_version() else SECCOMP


def run_python(
    program: str, checks: str = "", *, keep: Collection[str] = (), limits: Limits | None = None
) -> Execution:
    """Run a Python program, and then checks of it, confined.

    The checks are executed in the same process after the program. They see its names, except those that hide a
    builtin, and the builtins as they were before it: what the program does to `abs`, `all` or `isinstance` does not
    decide its checks. The `__name__` of the program is not "__main__". Hash values of texts are the same in every run.

    A program that sets out to deceive its checks can do so by other ways, for they share a process: it can change the
    modules that they import, give them objects that equal everything, or look for the secret in the memory. This keeps
    wrong programs from passing, not enemies; an enemy is kept from the machine.

    Args:
        program: Its source.
        checks: Source that raises an exception where the program is wrong.
        keep: Names of the program that the checks shall see although they hide a builtin.
        limits: What it may use.

    Raises:
        UserError: Programs cannot be confined on this machine.
    """
    limits = limits or Limits()
    confined_by = isolation()
    secret = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="tunelift-") as folder, tempfile.TemporaryFile() as request:
        heard, verdict = os.pipe()
        asked = {"program": program, "checks": checks, "keep": list(keep), "secret": secret, "verdict": verdict}
        request.write(json.dumps(asked | _confinement(folder, confined_by, limits)).encode())
        request.seek(0)
        started = time.monotonic()
        try:
            process = _start(folder, request, verdict)
        finally:
            os.close(verdict)
        with process, open(heard, "rb") as verdicts:
            said, timed_out = _follow(process, verdicts, limits)
    seconds = time.monotonic() - started
    if not said["verdict"]:
        reason = said["stderr"].decode(errors="replace").strip().rpartition("\n")[2] or f"exit {process.returncode}"
        raise UserError("sandbox", f"the program could not be confined: {reason}", "are its limits too narrow?")
    return Execution(
        completed=said["verdict"] == b"\n" + secret.encode(),
        exit=process.returncode,
        timed_out=timed_out or process.returncode == -signal.SIGXCPU,
        stdout=said["stdout"].decode(errors="replace"),
        stderr=said["stderr"].decode(errors="replace"),
        seconds=seconds,
        isolation=confined_by,
    )


def _confinement(folder: str, confined_by: str, limits: Limits) -> dict[str, Any]:
    """What the inside of the sandbox has to do to itself."""
    landlock = confined_by == LANDLOCK_AND_SECCOMP
    processor = math.ceil(limits.processor_seconds)
    python = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    readable = {*python, os.path.join(sys.base_prefix, "lib"), *SYSTEM_FILES}
    return {
        "folder": folder,
        "landlock": landlock,
        "readable": sorted(filter(os.path.exists, readable)),
        "filter": base64.b64encode(call_filter(platform.machine(), change_files=landlock)).decode(),
        "limits": {
            "RLIMIT_CPU": (processor, processor + 1),
            "RLIMIT_AS": (limits.memory, limits.memory),
            "RLIMIT_FSIZE": (limits.file_size, limits.file_size),
            "RLIMIT_NOFILE": (limits.open_files, limits.open_files),
            "RLIMIT_NPROC": (0, 0),
            "RLIMIT_CORE": (0, 0),
        },
    }


def _start(folder: str, request: IO[bytes], verdict: int) -> subprocess.Popen[bytes]:
    """Start the inside of the sandbox; it reads the request and answers on the file descriptor of the verdict."""
    # As python -I, but for PYTHONHASHSEED: sets of texts have the same order in every run.
    command = [sys.executable, "-s", "-P", "-B", "-X", "utf8", str(Path(__file__).with_name("sandbox_child.py"))]
    environment = {"PATH": "/usr/bin:/bin", "HOME": folder, "TMPDIR": folder, "PYTHONHASHSEED": "0"}
    # Threads are refused; libraries for linear algebra would start some.
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return subprocess.Popen(  # noqa: S603 - no shell, and nothing of the program is in the command
        command,
        cwd=folder,
        env=environment,
        stdin=request,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(verdict,),
        start_new_session=True,
    )


def _follow(process: subprocess.Popen[bytes], verdicts: IO[bytes], limits: Limits) -> tuple[dict[str, bytes], bool]:
    """Read what a process writes until it ends or its time is over; it has ended then.

    Returns:
        The beginnings of "stdout", "stderr" and "verdict", and whether it ran out of time.
    """
    said = {"stdout": bytearray(), "stderr": bytearray(), "verdict": bytearray()}
    deadline = time.monotonic() + SECONDS_TO_START
    try:
        with selectors.DefaultSelector() as selector:
            for name, stream in zip(said, filter(None, (process.stdout, process.stderr, verdicts)), strict=True):
                selector.register(stream, selectors.EVENT_READ, name)
            while selector.get_map() and time.monotonic() < deadline:
                for key, _ in selector.select(deadline - time.monotonic()):
                    chunk = os.read(key.fd, 1 << 16)
                    if not chunk:
                        selector.unregister(key.fileobj)
                    elif key.data == "verdict" and not said["verdict"]:
                        deadline = time.monotonic() + limits.seconds
                    said[key.data] += chunk[: limits.output - len(said[key.data])]
        process.wait(max(0.0, deadline - time.monotonic()))
        timed_out = False
    except subprocess.TimeoutExpired:
        timed_out = True
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return {name: bytes(text) for name, text in said.items()}, timed_out
