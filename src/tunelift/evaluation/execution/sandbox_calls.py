"""The system calls that a confined program may make, as a filter for Linux's seccomp.

What is not listed is refused: sockets, new processes and threads, signals to others, changes of rights and owners,
mounts, tracing. A program can then compute, ask for memory, tell the time and use the files that it may open. A pair of
sockets that are joined to each other is no way out; asyncio needs one.
"""

from __future__ import annotations

import struct
from errno import ENOSYS, EPERM

# Each call with its number on x86-64 and on 64-bit ARM ("-": there is none), from Linux's asm/unistd_64.h and
# asm-generic/unistd.h. Numbers of system calls never change.
COMPUTING = """
    read 0 63, pread64 17 67, readv 19 65, preadv 295 69, write 1 64, pwrite64 18 68, writev 20 66, pwritev 296 70,
    lseek 8 62, close 3 57, fstat 5 80, stat 4 -, lstat 6 -, newfstatat 262 79, statx 332 291, access 21 -,
    faccessat 269 48, faccessat2 439 439, readlink 89 -, readlinkat 267 78, getdents 78 -, getdents64 217 61,
    getcwd 79 17, chdir 80 49, fchdir 81 50, statfs 137 43, fstatfs 138 44, dup 32 23, dup2 33 -, dup3 292 24,
    pipe 22 -, pipe2 293 59, poll 7 -, ppoll 271 73, select 23 -, pselect6 270 72, epoll_create 213 -,
    epoll_create1 291 20, epoll_ctl 233 21, epoll_wait 232 -, epoll_pwait 281 22, eventfd2 290 19,
    mmap 9 222, munmap 11 215, mremap 25 216, mprotect 10 226, madvise 28 233, brk 12 214, msync 26 227,
    mincore 27 232, futex 202 98,
    clock_gettime 228 113, clock_getres 229 114, clock_nanosleep 230 115, nanosleep 35 101, gettimeofday 96 169,
    time 201 -, times 100 153, getitimer 36 102, setitimer 38 103, alarm 37 -,
    rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139, rt_sigpending 127 136, rt_sigtimedwait 128 137,
    sigaltstack 131 132, pause 34 -, restart_syscall 219 128, sendto 44 206, recvfrom 45 207,
    getpid 39 172, getppid 110 173, gettid 186 178, getuid 102 174, geteuid 107 175, getgid 104 176, getegid 108 177,
    getgroups 115 158, getpgid 121 155, getpgrp 111 -, getsid 124 156, getrusage 98 165, sysinfo 99 179,
    uname 63 160, sched_yield 24 124, sched_getaffinity 204 123, getrandom 318 278, umask 95 166, exit 60 93,
    exit_group 231 94
"""
CHANGING_FILES = """
    ftruncate 77 46, fallocate 285 47, fsync 74 82, fdatasync 75 83, unlink 87 -, unlinkat 263 35, rename 82 -,
    renameat 264 38, renameat2 316 276, sendfile 40 71, copy_file_range 326 285
"""
WITH_CONDITIONS = "open 2 -, openat 257 56, fcntl 72 25, ioctl 16 29, socketpair 53 199"

# Number in the kernel's audit interface, column of the tables above.
ARCHITECTURES = {"x86_64": (0xC000003E, 1), "aarch64": (0xC00000B7, 2)}

ACCESS_MODE, CREATE, TRUNCATE = 0o3, 0o100, 0o1000  # of open
DUPLICATE_AND_LOCK = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030)  # of fcntl; not the ones that send signals to others
ASK_AND_BLOCK = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # of ioctl; not the ones that set flags of files
STREAM, SOCKET_KIND = 1, 0xF  # of socketpair; datagram sockets could still be sent from to any other
ANY_BITS = 0xFFFFFFFF

NEWER_THAN_THE_LIST = 451  # such a call is "not there" rather than "forbidden": the C library then uses an older one

LOAD, EQUAL, AT_LEAST, AND, RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000, 0x80000000
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in seccomp_data


def call_numbers(calls: str, architecture: str) -> dict[str, int]:
    """The numbers of the calls of one table.

    Args:
        calls: One of the tables of this module.
        architecture: A key of ARCHITECTURES.
    """
    column = ARCHITECTURES[architecture][1]
    entries = [entry.split() for entry in calls.replace("\n", " ").split(",") if entry.strip()]
    return {entry[0]: int(entry[column]) for entry in entries if entry[column] != "-"}


def call_filter(architecture: str, change_files: bool) -> bytes:
    """The filter as the kernel takes it: an array of `struct sock_filter`.

    Args:
        architecture: A key of ARCHITECTURES.
        change_files: Whether files may be created, written and removed; where, is not for this filter to say.
    """
    tables = COMPUTING + "," + CHANGING_FILES if change_files else COMPUTING
    conditions = call_numbers(WITH_CONDITIONS, architecture)
    lines = [
        _line(LOAD, ARCHITECTURE),
        _line(EQUAL, ARCHITECTURES[architecture][0], 1, 0),
        _line(RETURN, KILL),
        _line(LOAD, NUMBER),
        _line(AT_LEAST, NEWER_THAN_THE_LIST, 0, 1),
        _line(RETURN, REFUSE | ENOSYS),
    ]
    for number in call_numbers(tables, architecture).values():
        lines += [_line(EQUAL, number, 0, 1), _line(RETURN, ALLOW)]
    for name, (argument, mask, values) in _conditions(change_files).items():
        if name in conditions:
            lines += _condition(conditions[name], argument, mask, values)
    return b"".join([*lines, _line(RETURN, REFUSE | EPERM)])


def _conditions(change_files: bool) -> dict[str, tuple[int, int, tuple[int, ...]]]:
    """Calls that depend on an argument: which one, the bits that count, the values that they may have."""
    read_only = (ACCESS_MODE | CREATE | TRUNCATE, (0,))
    # Emptying a file without opening it for writing is what older versions of Landlock do not see.
    read_and_write = (ACCESS_MODE | TRUNCATE, (0, 1, 2, 1 | TRUNCATE, 2 | TRUNCATE))
    modes = read_and_write if change_files else read_only
    return {
        "open": (1, *modes),
        "openat": (2, *modes),
        "socketpair": (1, SOCKET_KIND, (STREAM,)),
        "fcntl": (1, ANY_BITS, DUPLICATE_AND_LOCK),
        "ioctl": (1, ANY_BITS, ASK_AND_BLOCK),
    }


def _condition(number: int, argument: int, mask: int, values: tuple[int, ...]) -> list[bytes]:
    """Lines that decide one call by its argument and are skipped at any other call."""
    tests = [line for value in values for line in (_line(EQUAL, value, 0, 1), _line(RETURN, ALLOW))]
    body = [_line(LOAD, ARGUMENTS + 8 * argument), _line(AND, mask), *tests, _line(RETURN, REFUSE | EPERM)]
    return [_line(EQUAL, number, 0, len(body)), *body]


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
