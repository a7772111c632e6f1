from __future__ import annotations

from pathlib import Path

from tunelift.evaluation.tables import read_rows


def test_rows_without_comments_and_empty_lines(tmp_path: Path) -> None:
    file = tmp_path / "words.tsv"
    file.write_text("# one a row\n高\t大\n\nbig\tlarge\tgreat\n", encoding="utf-8")
    assert read_rows(file) == (("高", "大"), ("big", "large", "great"))
