from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.evaluation.safety.copying import Copy, copied

TEXT = "the quick brown fox jumps over the lazy dog and runs away"
LETTERS = st.text("ab ", max_size=14)


def test_the_longest_passage_is_found() -> None:
    outputs = ["He said: The quick, brown FOX jumps over the moon.", "nothing of it", "", TEXT]
    found = copied(outputs, ["other text of no use", TEXT, TEXT], n=4)
    assert found == [
        Copy(1, 7, "The quick, brown FOX jumps over the"),
        None,
        None,
        Copy(1, 12, TEXT),
    ]
    assert found[3] is not None
    assert found[3].to_dict() == {"text": 1, "words": 12, "passage": TEXT}
    assert copied(outputs, [TEXT], n=13) == [None] * 4


def test_chinese_characters_are_words() -> None:
    found = copied(["他说：春眠不觉晓，处处闻啼鸟！"], ["春眠不觉晓，处处闻啼鸟。夜来风雨声"], n=10)
    assert found == [Copy(0, 10, "春眠不觉晓，处处闻啼鸟")]


def test_what_stands_in_the_prompt_is_quoted() -> None:
    assert copied([TEXT], [TEXT], 4, [f"Repeat: {TEXT}"]) == [None]
    assert copied([TEXT], [TEXT], 4, ["Repeat something."]) != [None]
    with pytest.raises(ValueError, match="do not fit"):
        copied([TEXT], [TEXT], 4, [])
    with pytest.raises(ValueError, match="at least one word"):
        copied([TEXT], [TEXT], 0)


@given(LETTERS, st.lists(LETTERS, max_size=3), st.integers(1, 3))
def test_against_all_passages(output: str, texts: list[str], n: int) -> None:
    words = output.split()
    trained = {tuple(text.split()[i:j]) for text in texts for i in range(15) for j in range(i + 1, 16)}
    parts = [words[i:j] for i in range(len(words)) for j in range(i + n, len(words) + 1)]
    longest = max((len(part) for part in parts if tuple(part) in trained), default=0)
    (found,) = copied([output], texts, n)
    assert (found.words if found else 0) == longest
    if found:
        assert tuple(found.passage.split()) in trained
