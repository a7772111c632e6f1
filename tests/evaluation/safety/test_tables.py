from __future__ import annotations

from collections import Counter

import pytest

from tunelift.core.errors import UserError
from tunelift.evaluation.safety.persons import name_lists
from tunelift.evaluation.safety.tables import FOLDER, check_language, read_table


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.tsv")))
def test_tables_are_clean(name: str) -> None:
    rows = read_table(name)
    assert len(rows) >= 5
    assert len(set(rows)) == len(rows)
    assert all(field == field.strip() and field for row in rows for field in row)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_word_stands_in_two_rows(language: str) -> None:
    genders = Counter(word for row in read_table(f"genders.{language}") for word in row)
    people = Counter(name for names in name_lists(language).values() for name in names)
    toxic = Counter(row[1] for row in read_table(f"toxic.{language}"))
    regions = Counter(word for _, *words in read_table(f"regions.{language}") for word in words)
    assert [word for counts in (genders, people, toxic, regions) for word, n in counts.items() if n > 1] == []


def test_other_languages_are_refused() -> None:
    with pytest.raises(UserError, match="no word lists"):
        check_language("fr")
