from __future__ import annotations

import re
import shutil
import struct
import subprocess

import pytest

from tunelift.evaluation.execution.sandbox_calls import (
    ALLOW,
    ARCHITECTURES,
    CHANGING_FILES,
    COMPUTING,
    KILL,
    WITH_CONDITIONS,
    call_filter,
    call_numbers,
)

# Without these macros the generic list leaves out what only older architectures of its kind have.
OLDER = ("__ARCH_WANT_RENAMEAT", "__ARCH_WANT_SET_GET_RLIMIT", "__ARCH_WANT_NEW_STAT", "__BITS_PER_LONG=64")
HEADERS = {"x86_64": "asm/unistd_64.h", "aarch64": "asm-generic/unistd.h"}
ALL_BITS = (1 << 32) - 1
REFUSED, UNKNOWN = 0x00050000 | 1, 0x00050000 | 38


def evaluate(lines: bytes, architecture: int, number: int, *arguments: int) -> int:
    """What the kernel would do with the filter: the machine of its manual, for the operations in use."""
    data = struct.pack("=IIQ6Q", number, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
    program = list(struct.iter_unpack("=HBBI", lines))
    accumulator, position = 0, 0
    while True:
        code, if_true, if_false, value = program[position]
        position += 1
        if code == 0x20:
            accumulator = struct.unpack_from("=I", data, value)[0]
        elif code == 0x54:
            accumulator &= value
        elif code == 0x15:
            position += if_true if accumulator == value else if_false
        elif code == 0x35:
            position += if_true if accumulator >= value else if_false
        elif code == 0x06:
            return value
        else:
            raise AssertionError(f"unknown operation {code:#x}")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_numbers_are_those_of_linux(name: str) -> None:
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler to read the headers of Linux")
    command = ["cc", "-E", "-dM", *(f"-D{macro}" for macro in OLDER), "-include", HEADERS[name], "-x", "c", "/dev/null"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        pytest.skip(f"there is no {HEADERS[name]}")
    found = dict(re.findall(r"#define __NR(?:3264)?_(\w+) (\d+)", result.stdout))
    found.setdefault("newfstatat", found.get("fstatat", ""))  # one call, two names
    tables = ",".join([COMPUTING, CHANGING_FILES, WITH_CONDITIONS])
    assert call_numbers(tables, name) == {call: int(found[call]) for call in call_numbers(tables, name)}
    missing = {entry.split()[0] for entry in tables.split(",")} - call_numbers(tables, name).keys()
    assert not missing & found.keys()


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("change_files", [False, True])
def test_every_call_is_decided(name: str, change_files: bool) -> None:
    lines, architecture = call_filter(name, change_files), ARCHITECTURES[name][0]
    allowed = set(call_numbers(COMPUTING, name).values())
    allowed |= set(call_numbers(CHANGING_FILES, name).values()) if change_files else set()
    conditional = set(call_numbers(WITH_CONDITIONS, name).values())
    for number in range(600):
        decision = evaluate(lines, architecture, number, 0, ALL_BITS, ALL_BITS)
        if number in conditional:
            assert decision == REFUSED
        elif number > 450:
            assert decision == UNKNOWN
        else:
            assert decision == (ALLOW if number in allowed else REFUSED)
    # The calls of 32-bit programs on x86-64 have other numbers, or another architecture.
    assert evaluate(lines, architecture, 0x40000000) == UNKNOWN
    assert evaluate(lines, 0x40000003, 1) == KILL


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_conditions_on_arguments(name: str) -> None:
    numbers, architecture = call_numbers(WITH_CONDITIONS, name), ARCHITECTURES[name][0]

    def allows(call: str, *arguments: int, change_files: bool = True) -> bool:
        return evaluate(call_filter(name, change_files), architecture, numbers[call], *arguments) == ALLOW

    read, write, both, create, truncate, on_exec = 0, 1, 2, 0o100, 0o1000, 0o2000000
    for flags in (read, read | on_exec, write | create | truncate, both | create, both | truncate):
        assert allows("openat", 3, 0, flags)
        assert allows("openat", 3, 0, flags, change_files=False) == (flags in (read, read | on_exec))
    assert not allows("openat", 3, 0, read | truncate)
    assert allows("fcntl", 3, 1030)
    assert not allows("fcntl", 3, 8, 1)
    assert allows("ioctl", 3, 0x5401)
    assert not allows("ioctl", 3, 0x5412)
    assert allows("socketpair", 1, 1 | 0o2000000)
    assert not allows("socketpair", 1, 2)
