from __future__ import annotations

import io
import subprocess
import sys

from tunelift.core.progress import Lines


def test_a_log_holds_lines_and_no_control_characters() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    for text in ("\rtuning:   0%", "\rtuning:  50%", "\r" + " " * 20 + "\r", "\n"):
        lines.write(text)
    assert stream.getvalue() == "tuning:   0%\ntuning:  50%\n"


def test_a_bar_that_is_not_on_a_terminal_leaves_the_next_line_alone() -> None:
    code = """
from tunelift.core.progress import progress, say
with progress(3, "answers", "answer") as bar:
    for _ in range(3):
        bar.update(1)
say("error: last line")
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "\r" not in result.stderr
    assert result.stderr.splitlines()[-1] == "error: last line"
    assert result.stderr.startswith("answers:   0%")
