from __future__ import annotations

from collections import Counter

import pytest

from tunelift.evaluation.robustness.edits import DECISIVE, is_decisive
from tunelift.evaluation.robustness.segmentation import CHINESE_SIGN, chinese_words
from tunelift.evaluation.robustness.word_lists import FOLDER, alternatives, read_table, spelt

GROUPS = ("synonyms.en", "synonyms.zh", "homophones.en", "spellings.en")
TABLES = sorted(path.stem for path in FOLDER.glob("*.tsv"))


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_clean(name: str) -> None:
    rows = read_table(name)
    assert len(rows) > 10
    assert len(set(rows)) == len(rows)
    assert all(field == field.strip() and field for row in rows for field in row)


@pytest.mark.parametrize("name", GROUPS)
def test_no_entry_stands_in_two_groups(name: str) -> None:
    entries = Counter(entry.casefold() for group in read_table(name) for entry in group)
    assert [entry for entry, count in entries.items() if count > 1] == []
    assert all(len(group) > 1 for group in read_table(name))
    assert len(alternatives(name)) == len(spelt(name)) == len(entries)


@pytest.mark.parametrize("name", GROUPS)
def test_no_group_negates_or_counts(name: str) -> None:
    found = [entry for group in read_table(name) for entry in group if DECISIVE.search(entry)]
    assert found == []


def test_sizes() -> None:
    assert len(alternatives("synonyms.en")) > 400
    assert len(alternatives("synonyms.zh")) > 400
    assert len(read_table("lookalikes.zh")) > 1000


def test_looking_alike_is_mutual() -> None:
    pairs = {(sign, other) for sign, others in read_table("lookalikes.zh") for other in others}
    assert all((other, sign) in pairs for sign, other in pairs)
    assert all(CHINESE_SIGN.fullmatch(sign) and sign != other for sign, other in pairs)
    assert not any(is_decisive(sign) for sign, _ in pairs)


def test_letters_look_like_other_letters() -> None:
    table = {letter: others for letter, *others in read_table("lookalikes.en")}
    assert all(len(letter) == 1 and letter.isascii() and letter.isalpha() for letter in table)
    assert all(letter not in others and len(set(others)) == len(others) for letter, others in table.items())


def test_chinese_synonyms_are_words_of_the_segmentation() -> None:
    """Entries that jieba splits would never be found; replacements may be."""
    split = [entry for entry in spelt("synonyms.zh") if chinese_words(entry) != [(0, len(entry))]]
    assert len(split) < 0.05 * len(spelt("synonyms.zh"))
