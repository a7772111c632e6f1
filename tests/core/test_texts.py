from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.core.texts import normalise_answer


@given(st.text())
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalise_answer(text)
    assert normalise_answer(once) == once


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (" Yes.\n", "yes"),
        ("ｙｅｓ", "yes"),
        ("“正面”。", "正面"),
        ("-1", "-1"),
        ("C++", "c++"),
        (".5", ".5"),
        ("?!", "?!"),
    ],
)
def test_what_says_nothing_is_taken_off(text: str, form: str) -> None:
    assert normalise_answer(text) == form
