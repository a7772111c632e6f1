from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunelift.core.errors import UserError
from tunelift.evaluation.execution import sandbox
from tunelift.evaluation.execution.sandbox import (
    LANDLOCK_AND_SECCOMP,
    SECCOMP,
    Execution,
    Limits,
    isolation,
    run_python,
)

SHORT = Limits(seconds=5.0, processor_seconds=1.0, memory=1 << 28)


def can_confine() -> bool:
    try:
        return isolation() == LANDLOCK_AND_SECCOMP
    except UserError:
        return False


pytestmark = pytest.mark.skipif(not can_confine(), reason="programs cannot be confined on this machine")


@pytest.fixture(autouse=True)
def nothing_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("tunelift-")]


def run(program: str, checks: str = "") -> Execution:
    return run_python(program, checks, limits=SHORT)


def test_a_program_and_its_checks() -> None:
    result = run("print('out'); x = 'é三'", "assert x == 'é三'; print(x)")
    assert (result.completed, result.exit, result.timed_out) == (True, 0, False)
    assert (result.stdout, result.stderr, result.isolation) == ("out\né三\n", "", LANDLOCK_AND_SECCOMP)
    assert 0 < result.seconds < 60


@pytest.mark.parametrize(
    ("program", "checks", "error"),
    [
        ("x = 1", "assert x == 2", "AssertionError"),
        ("x =", "", "SyntaxError"),
        ("x = '''", "assert 1 == 2\n'''", "SyntaxError"),
        ("1 / 0", "", "ZeroDivisionError"),
        ("f = lambda: f()\nf()", "", "RecursionError"),
        ("x = '\udcff\0'", "", "Error"),
    ],
)
def test_errors_are_no_pass(program: str, checks: str, error: str) -> None:
    result = run(program, checks)
    assert not result.completed
    assert result.exit != 0
    assert error in result.stderr


@pytest.mark.parametrize(
    "program",
    [
        "import os; os._exit(0)",
        "import sys; sys.exit(0)",
        "exit()",
        "raise SystemExit(0)",
        "import os; f = lambda: os._exit(0)",
        "import os; os.write(3, b'1' * 32); os._exit(0)",
        "import os\nfor i in range(64):\n  try: os.write(i, b'0' * 32)\n  except OSError: pass\nos._exit(0)",
        "import builtins; builtins.exec = builtins.compile = lambda *a: None; f = lambda: 2",
        "import builtins; builtins.AssertionError = type('A', (), {}); f = lambda: 2",
        "import builtins; builtins.sum = builtins.isinstance = lambda *a: True; f = lambda: 2",
        "sum = isinstance = all = lambda *a: True\nf = lambda: 2",
        "import builtins\ndef f():\n  builtins.sum = lambda *a: 1\n  return 2",
        "__builtins__['sum'] = lambda *a: 1; f = lambda: 2",
        "import os; os.write = os._exit = lambda *a: None; f = lambda: 2",
        "import sys; sys.settrace(lambda *a: None); f = lambda: 2",
        "import atexit, os; atexit.register(os._exit, 0); f = lambda: 2",
    ],
)
def test_tricks_are_no_pass(program: str) -> None:
    assert not run(program, "assert isinstance(f(), int)\nassert sum([f()]) == 1").completed


def test_kept_names_hide_builtins_from_the_checks() -> None:
    program, checks = "def sum(a, b): return 6", "assert sum(10, 15) == 6"
    assert not run_python(program, checks, limits=SHORT).completed
    assert run_python(program, checks, keep=["sum"], limits=SHORT).completed


def test_time_is_limited() -> None:
    started = time.monotonic()
    busy = run("while True: pass")
    assert (busy.completed, busy.timed_out) == (False, True)
    idle = run_python("import time; time.sleep(60)", limits=Limits(seconds=0.3))
    assert (idle.completed, idle.timed_out) == (False, True)
    stubborn = run("import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass")
    assert not stubborn.completed
    assert time.monotonic() - started < 30


def test_memory_and_files_are_limited() -> None:
    assert "MemoryError" in run("x = bytearray(1 << 30)").stderr
    assert "MemoryError" in run("x = []\nwhile True: x.append(bytearray(1 << 20))").stderr
    limits = Limits(file_size=1000, open_files=16)
    assert "File too large" in run_python("with open('a', 'wb') as f: f.write(bytes(2000))", limits=limits).stderr
    assert "Too many open files" in run_python("x = [open('/dev/null') for _ in range(99)]", limits=limits).stderr
    with pytest.raises(UserError, match=r"could not be confined.*too narrow"):
        run_python("", limits=Limits(open_files=3))


def test_output_is_cut_and_does_not_block() -> None:
    result = run_python(
        "import sys\nprint('x' * 10**7)\nprint('y' * 10**6, file=sys.stderr)", limits=Limits(output=1000)
    )
    assert result.completed
    assert (result.stdout, result.stderr) == ("x" * 1000, "y" * 1000)
    assert run("import sys, os; sys.stdout.close(); os.close(1); os.close(2)").completed


def refused(attempts: list[str]) -> dict[str, str]:
    """The error of each attempt, all in one program; those that were not refused have none."""
    program = (
        f"attempts = {attempts!r}\n"
        "for attempt in attempts:\n"
        "    try: exec(attempt, {})\n"
        "    except (Exception, SystemExit) as error: print(attempt, '=>', type(error).__name__, flush=True)\n"
        "    else: print(attempt, '=>', flush=True)\n"
    )
    result = run_python(program, limits=Limits(processor_seconds=20))
    assert result.completed, result
    return dict(
        line.rstrip().split(" => ") if " => " in line else (line[:-3], "") for line in result.stdout.splitlines()
    )


def test_no_processes_signals_or_sockets() -> None:
    attempts = [
        "import os; os.fork()",
        "import os; os.posix_spawn('/bin/true', ['true'], {})",
        "import subprocess; subprocess.run(['/bin/true'])",
        "import os; os.execv('/bin/true', ['true'])",
        "import threading; threading.Thread(target=print).start()",
        "import multiprocessing; multiprocessing.Process(target=print).start()",
        "import os, signal; os.kill(os.getppid(), signal.SIGTERM)",
        "import os, signal; os.killpg(os.getpgid(os.getppid()), signal.SIGTERM)",
        "import os, fcntl; r, w = os.pipe(); fcntl.fcntl(r, fcntl.F_SETOWN, os.getppid())",
        "import os; os.setsid()",
        "import os; os.nice(-5)",
        "import os; os.sched_setaffinity(os.getppid(), {0})",
        "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1000, 1000))",
        "import os, resource; resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
        "import socket; socket.socket()",
        "import socket; socket.socket(socket.AF_UNIX)",
        "import socket; socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9')",
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import ctypes; ctypes.CDLL(None).fork() < 0 and 1 / 0",
        "import ctypes; ctypes.CDLL(None).syscall(425, 8, 0) < 0 and 1 / 0",
    ]
    errors = refused(attempts)
    assert list(errors) == attempts
    assert all(errors.values()), errors


def test_a_fork_bomb_goes_nowhere() -> None:
    result = run("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass")
    assert (result.completed, result.timed_out) == (False, True)


def test_files_outside_are_out_of_reach(tmp_path: Path) -> None:
    secret, folder = tmp_path / "secret.txt", tmp_path / "folder"
    secret.write_text("private")
    folder.mkdir()
    before = os.stat(secret)
    attempts = [
        f"print(open({str(secret)!r}).read())",
        "print(open('/etc/passwd').read())",
        f"import os; print(os.listdir({str(Path.home())!r}))",
        "import os; print(open(f'/proc/{os.getppid()}/environ').read())",
        "import os; print(os.listdir('..'))",
        f"import os; os.symlink({str(secret)!r}, 'link'); print(open('link').read())",
        f"import os; os.link({str(secret)!r}, 'link'); print(open('link').read())",
        f"open({str(secret)!r}, 'w')",
        f"open({str(secret)!r}, 'a')",
        f"open({str(folder / 'new')!r}, 'w')",
        f"import os; os.truncate({str(secret)!r}, 0)",
        f"import os; os.open({str(secret)!r}, os.O_RDONLY | os.O_TRUNC)",
        "import os; os.open(os.__file__, os.O_RDONLY | os.O_TRUNC)",
        "import os; open(os.__file__, 'a')",
        f"import os; os.remove({str(secret)!r})",
        f"import os; os.rename({str(secret)!r}, 'mine')",
        f"import os; os.rmdir({str(folder)!r})",
        f"import os; os.chmod({str(secret)!r}, 0o777)",
        f"import os; os.chown({str(secret)!r}, 0, 0)",
        f"import os; os.utime({str(secret)!r})",
        f"import os; os.setxattr({str(secret)!r}, 'user.x', b'')",
        "import os; os.chroot('.')",
        "open('/dev/shm/x', 'w')",
        "open('/dev/tty')",
    ]
    errors = refused(attempts)
    assert list(errors) == attempts
    assert all(errors.values()), errors
    assert secret.read_text() == "private"
    after = os.stat(secret)
    assert (after.st_mode, after.st_uid, after.st_mtime_ns) == (before.st_mode, before.st_uid, before.st_mtime_ns)
    left = [path.name for path in tmp_path.iterdir() if not path.name.startswith("tunelift-")]
    assert sorted(left) == ["folder", "secret.txt"]


def test_its_own_folder_is_a_place_for_plain_files() -> None:
    assert run(
        "import os, tempfile\n"
        "assert os.listdir() == []\n"
        "open('a', 'w').write('text'); os.rename('a', 'b')\n"
        "assert open('b').read() == 'text'\n"
        "tempfile.NamedTemporaryFile().write(b'x')\n"
        "os.remove('b')\n"
        "open(os.devnull, 'w').write('x')\n"
    ).completed
    attempts = ["os.mkdir('a')", "os.rmdir(os.getcwd())", "os.mkfifo('a')", "os.symlink('a', 'b')"]
    assert all(refused([f"import os; {attempt}" for attempt in attempts]).values())
    assert run("for i in range(1000): open(str(i), 'w').close()").completed


def test_what_programs_need_is_there() -> None:
    result = run_python(
        "import asyncio, collections, ctypes, dataclasses, datetime, decimal, hashlib, json, math, numpy, re, sqlite3\n"
        "from zoneinfo import ZoneInfo\n"
        "@dataclasses.dataclass\n"
        "class Point:\n    x: 'int' = 1\n"
        "assert numpy.linalg.solve(numpy.eye(3), numpy.ones(3)).sum() == 3\n"
        "assert sqlite3.connect('file.db').execute('SELECT 1').fetchone() == (1,)\n"
        "async def one(): return 1\n"
        "assert asyncio.run(one()) == 1\n"
        "assert __name__ != '__main__'\n"
        "try: input()\n"
        "except EOFError: pass\n"
        "else: raise AssertionError\n"
    )
    assert result.completed, result.stderr


def test_nothing_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "private")
    result = run("import os; print(*sorted(os.environ))")
    libraries = ["MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"]
    assert set(result.stdout.split()) - {"LC_CTYPE"} == {"HOME", "PATH", "PYTHONHASHSEED", "TMPDIR", *libraries}
    hashes = {run("print(hash('text'), list({'a', 'b', 'c'}))").stdout for _ in range(2)}
    assert len(hashes) == 1


def test_without_landlock_no_file_can_be_changed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sandbox, "landlock_version", lambda: 0)
    data = tmp_path / "data.txt"
    data.write_text("data")
    result = run(f"import numpy; print(open({str(data)!r}).read())")
    assert (result.completed, result.stdout, result.isolation) == (True, "data\n", SECCOMP)
    changes = [
        "open(path, 'a')",
        "open('a', 'w')",
        "os.remove(path)",
        "os.open(path, os.O_RDONLY | os.O_TRUNC)",
        "os.open(path, os.O_RDONLY | os.O_CREAT)",
        "os.rename(path, path + 'x')",
        "os.truncate(path, 0)",
        "os.chmod(path, 0)",
        "__import__('socket').socket()",
    ]
    errors = refused([f"import os; path = {str(data)!r}; {change}" for change in changes])
    assert list(errors.values()) == ["PermissionError"] * len(changes)
    assert data.read_text() == "data"


@pytest.mark.parametrize("reason", ["system", "machine", "filters"])
def test_nothing_runs_where_it_cannot_be_confined(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if reason == "system":
        monkeypatch.setattr(sys, "platform", "darwin")
    elif reason == "machine":
        monkeypatch.setattr("platform.machine", lambda: "riscv64")
    else:
        monkeypatch.setattr(sandbox, "has_filters", lambda: False)
    with pytest.raises(UserError, match="cannot be confined here"):
        run_python("print(1)")
