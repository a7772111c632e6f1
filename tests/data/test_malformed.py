from __future__ import annotations

import importlib.util
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from tunelift.core.errors import UserError
from tunelift.data.formats import read_file
from tunelift.data.layouts import canonical_rows

COUNT = 300
SECONDS = 20
# What can leave a file that is as good as any other: a cut can fall between rows, and a text can be any.
HARMLESS = {"cut off", "bytes changed", "twice"}
HARMLESS_IN_JSON = {"number", "null byte", "line breaks and quotes"}
HARMLESS_IN_TEXTS = HARMLESS_IN_JSON | {
    "null bytes", "missing column", "truth value", "null", "nested nulls", "object in place of text", "deep nesting",
    "huge integer", "not a number", "infinite", "lone surrogate", "repeated ids", "empty answers",
}  # fmt: skip


def load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(name) / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


malformed = load("malformed_files")
FILES = malformed.malformed_files(7, COUNT)


@contextmanager
def time_limit(seconds):
    def stop(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(path):
    """The error that a file ends in, or how many of its rows are left and what is said about the others."""
    try:
        rows, _ = canonical_rows(read_file(path))
    except UserError as error:
        return error
    return len(rows.rows), [*rows.dropped, *(finding.message for finding in rows.findings)]


@pytest.mark.skipif(sys.platform == "win32", reason="the time limit needs SIGALRM")
@pytest.mark.parametrize(("name", "content", "what"), FILES, ids=[f"{what}-{name}" for name, _, what in FILES])
def test_malformed_files_end_in_an_error_or_a_remark(tmp_path, name, content, what):
    path = tmp_path / name
    path.write_bytes(content)
    with time_limit(SECONDS):
        got = outcome(path)
    if isinstance(got, UserError):
        assert got.where.startswith(str(path))
        assert got.what
        assert got.hint
    else:
        count, remarks = got
        assert count > 0
        harmless = HARMLESS_IN_JSON if ".json" in name else HARMLESS_IN_TEXTS
        assert remarks or what in HARMLESS | harmless
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_the_files_are_the_same_for_the_same_seed():
    assert malformed.malformed_files(7, 40) == FILES[:40]
    assert len({what for _, _, what in FILES}) > 50
