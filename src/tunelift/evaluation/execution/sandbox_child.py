"""The inside of the sandbox: confines this process, then executes what it was given.

It is started as a script and imports nothing but the standard library, so that it starts fast and holds nothing that
a program could misuse.
"""

from __future__ import annotations

import base64
import builtins
import ctypes
import errno
import json
import os
import struct
import sys
import traceback
import types
from typing import Any

# Numbers of linux/prctl.h and linux/landlock.h; those of Landlock are the same on all architectures.
SET_DEATH_SIGNAL, SET_NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER, KILL = 1, 38, 22, 2, 9
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION, PATH_BENEATH = 1, 1
WRITE_FILE, READ_FILE, READ_FOLDER, REMOVE_FILE, MAKE_FILE, TRUNCATE = (1 << bit for bit in (1, 2, 3, 5, 8, 14))
FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}  # by version; all from 5 on:
ALL_FILE_RIGHTS = (1 << 16) - 1
BIND_AND_CONNECT, SIGNALS_AND_ABSTRACT_SOCKETS = 3, 3


def library() -> ctypes.CDLL:
    """The C library."""
    return ctypes.CDLL(None, use_errno=True)


def landlock_version() -> int:
    """The version of Landlock that this kernel has; 0 where it has none."""
    return max(0, library().syscall(CREATE_RULESET, None, 0, VERSION))


def has_filters() -> bool:
    """Whether this kernel takes filters of system calls: one that does looks for the filter, which is not given."""
    return library().prctl(SET_SECCOMP, FILTER, None, 0, 0) == -1 and ctypes.get_errno() == errno.EFAULT


def main() -> None:
    """Read the request from standard input, confine this process, say so, and execute."""
    request = json.load(sys.stdin)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    confine(request)
    os.write(request["verdict"], b"\n")
    execute(request["program"], request["checks"], request["keep"], request["verdict"], request["secret"].encode())


def confine(request: dict[str, Any]) -> None:
    """Give up everything that the program does not need; there is no way back."""
    import resource

    check(library().prctl(SET_DEATH_SIGNAL, KILL, 0, 0, 0))
    for name, (soft, hard) in request["limits"].items():
        resource.setrlimit(getattr(resource, name), (soft, hard))
    check(library().prctl(SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    if request["landlock"]:
        restrict_files(request["readable"], request["folder"])
    filter_calls(base64.b64decode(request["filter"]))


def restrict_files(readable: list[str], folder: str) -> None:
    """Files beneath some paths can be read, plain files in one folder can also be made, changed and removed.

    Args:
        readable: Paths of files and folders.
        folder: The folder to work in.
    """
    call = library().syscall
    version = landlock_version()
    handled = FILE_RIGHTS.get(version, ALL_FILE_RIGHTS)
    rules = struct.pack("=QQQ", handled, BIND_AND_CONNECT, SIGNALS_AND_ABSTRACT_SOCKETS)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = check(call(CREATE_RULESET, rules, size, 0))
    change = WRITE_FILE | READ_FILE | READ_FOLDER | REMOVE_FILE | MAKE_FILE | TRUNCATE
    for path, rights in [
        *((path, READ_FILE | READ_FOLDER) for path in readable),
        (folder, change),
        (os.devnull, READ_FILE | WRITE_FILE | TRUNCATE),
    ]:
        place = os.open(path, os.O_PATH)
        rights &= handled if os.path.isdir(path) else handled & ~(READ_FOLDER | REMOVE_FILE | MAKE_FILE)
        check(call(ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", rights, place), 0))
        os.close(place)
    check(call(RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)


def filter_calls(lines: bytes) -> None:
    """Let the kernel refuse all system calls but some, see `sandbox_calls`."""
    array = ctypes.create_string_buffer(lines, len(lines))
    program = struct.pack("@HP", len(lines) // 8, ctypes.addressof(array))
    check(library().prctl(SET_SECCOMP, FILTER, program, 0, 0))


def check(result: int) -> int:
    """The result of a call of the C library.

    Raises:
        OSError: It failed.
    """
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def execute(program: str, checks: str, keep: list[str], verdict: int, secret: bytes) -> None:
    """Execute a program and then its checks, and write the secret if both came to their end.

    The checks see builtins and hooks as they were before the program ran, and none of the program's names that hide a
    builtin, but for the kept ones. Everything that is needed at the end is in local variables from the beginning.
    """
    write, leave, show, flush = os.write, os._exit, traceback.print_exc, sys.stdout.flush
    set_trace, set_profile = sys.settrace, sys.setprofile
    shared, original = vars(builtins), dict(vars(builtins))
    clear, restore = shared.clear, shared.update
    module = types.ModuleType("program")
    sys.modules["program"] = module
    names = vars(module)
    try:
        exec(compile(program, "<program>", "exec"), names)  # noqa: S102 - the sandbox is there for this
        clear()
        restore(original)
        set_trace(None)
        set_profile(None)
        seen = {name: value for name, value in names.items() if name in keep or name not in original}
        seen.update(__builtins__=dict(original), __name__="checks")
        exec(compile(checks, "<checks>", "exec"), seen)  # noqa: S102
    except BaseException:
        show()
        flush()
        leave(1)
    write(verdict, secret)
    try:
        flush()
    finally:
        leave(0)


if __name__ == "__main__":
    main()
