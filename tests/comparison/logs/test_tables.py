from __future__ import annotations

from pathlib import Path

import pytest

from tunelift.comparison.logs.tables import read_table
from tunelift.core.errors import UserError


def write(folder: Path, text: str, name: str = "tuned.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_columns_with_numbers_are_metrics(tmp_path: Path) -> None:
    text = "id,acc,passed,loss,answer,note\na,1,True,0.25,yes,\nb,0,false, 1e-3,no,3\nc,0.5,TRUE,nan,no,x\n"
    log = read_table(write(tmp_path, text))
    assert (log.name, log.task, log.documents) == ("tuned", "", None)
    assert [sample.example_id for sample in log.samples] == ["a", "b", "c"]
    assert [sample.metrics for sample in log.samples] == [
        {"acc": 1.0, "passed": 1.0, "loss": 0.25},
        {"acc": 0.0, "passed": 0.0, "loss": 0.001, "note": 3.0},
        {"acc": 0.5, "passed": 1.0},
    ]
    assert [sample.answer for sample in log.samples] == [""] * 3  # not None: nothing is said about parsing


def test_input_target_and_group_are_no_metrics(tmp_path: Path) -> None:
    text = 'id\tinput\ttarget\tgroup\tpage\tacc\n1\t"7 + 5\t12\t4\t1\t1\n2\t9 - 4\t5\t\t1\t0\n'
    path = write(tmp_path, text, "base.TSV")
    first, second = read_table(path).samples
    assert (first.doc, first.target, first.group) == ({"input": '"7 + 5'}, "12", "4")
    assert second.group is None
    assert second.metrics == {"page": 1.0, "acc": 0.0}
    assert [(sample.group, sample.metrics) for sample in read_table(path, "page").samples] == [
        ("1", {"acc": 1.0}),
        ("1", {"acc": 0.0}),
    ]
    with pytest.raises(UserError, match=r'2 of 2 items have no "pag" .* did you mean "page"'):
        read_table(path, "pag")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "tuned.csv: holds no rows"),
        ("id,acc\n", "tuned.csv: holds no rows"),
        ("item,acc\n1,1\n", r'tuned\.csv: has no column "id" - call the column that names the items "id"'),
        ("id,acc\n1,1\n2,0\n1,0\n", r'tuned\.csv:2: has an "id" that stands 2 times \(1\) - give every item one row'),
        ("id,acc\n1,1\n,0\n", r'tuned\.csv:3: has no "id" - '),
        ("id,acc\n1,1,1\n2,1\n3\n", r"tuned\.csv:2: has 3 columns, but the header has 2 - .*1 more row has the same"),
        ('id,acc\n1,"1\n', r"tuned\.csv:2: is malformed"),
        ("id,acc,acc\n1,1,1\n", r"tuned\.csv:1: columns have the same name \(acc\)"),
        ("id,acc\n1,\0\n", r"tuned\.csv:2: holds a null byte"),
    ],
)
def test_malformed_tables(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_table(write(tmp_path, text))
