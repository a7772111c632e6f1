from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.core.records import Prompt
from tunelift.report.preview import preview, printable


class Letters:
    """Each token is a letter."""

    def decode(self, token_ids: list[int]) -> str:
        return "".join(map(chr, token_ids))


def test_supervised_tokens_are_marked() -> None:
    text = "Good?yes."
    supervised = tuple(letter in "yes." for letter in text)
    prompt = Prompt("1", text, tuple(map(ord, text)), supervised)
    assert preview(prompt, Letters(), colour=False) == "Good?[[yes.]]\n"
    assert preview(prompt, Letters(), colour=True) == "Good?\x1b[1;32myes.\x1b[0m\n"


@given(st.text())
def test_data_cannot_drive_a_terminal(text: str) -> None:
    shown = printable(text)
    assert all(letter.isprintable() or letter in "\n\t" or letter.isspace() for letter in shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\x1b[31mRED\x07", r"\x1b[31mRED\x07"), ("a\u202eb", r"a\u202eb"), ("好\n\t🙂", "好\n\t🙂"), ("\r", r"\r")],
)
def test_control_characters_become_escapes(text: str, shown: str) -> None:
    assert printable(text) == shown
