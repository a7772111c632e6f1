from __future__ import annotations

import json

import pytest

from tunelift.core.errors import UserError
from tunelift.data.formats import iterate_rows, read_file

ROWS = [{"a": 1}, {"a": 2}]


def write(path, value, indent=None):
    path.write_text(value if isinstance(value, str) else json.dumps(value, indent=indent))
    return path


def fields(path, columns=None):
    return [row.fields for row in read_file(path, columns).rows]


@pytest.mark.parametrize("key", ["data", "rows", "instances", "Instances"])
@pytest.mark.parametrize("indent", [None, 1])
def test_rows_under_a_usual_key(tmp_path, key, indent):
    path = write(tmp_path / "a.json", {"version": 1, key: ROWS}, indent)
    rows = read_file(path)
    assert [row.fields for row in rows.rows] == ROWS
    assert [row.source.row for row in rows.rows] == [1, 2]
    assert f'the rows stand under "{key}"' in rows.findings[0].message


def test_the_key_can_be_named(tmp_path):
    path = write(tmp_path / "a.json", {"train": ROWS, "test": [["x", "y"]]}, 1)
    with pytest.raises(UserError, match=r"holds one object, .* \(train, test\): a.json#KEY"):
        read_file(path)
    assert fields(f"{path}#train") == ROWS
    assert read_file(f"{path}#train").findings == []
    assert fields(f"{path}#test", ["text", "label"]) == [{"text": "x", "label": "y"}]
    with pytest.raises(UserError, match='no list of rows "tests" - did you mean "test"'):
        read_file(f"{path}#tests")


def test_an_object_of_objects_is_their_list(tmp_path):
    path = write(tmp_path / "a.json", {"one": {"a": 1}, "two": {"a": 2}}, 1)
    rows = read_file(path)
    assert [row.fields for row in rows.rows] == [{"key": "one", "a": 1}, {"key": "two", "a": 2}]
    assert "each of its values is a row" in rows.findings[0].message


def test_one_object_a_line_stays_a_row(tmp_path):
    row = {"messages": [{"role": "user", "content": "q"}]}
    assert fields(write(tmp_path / "a.json", row)) == [row]
    nested = [{"data": [{"b": 1}]}, {"data": []}]
    lines = write(tmp_path / "b.json", "".join(json.dumps(row) + "\n" for row in nested))
    assert fields(lines) == nested


def test_lines_of_a_json_file_are_counted_with_the_blank_ones(tmp_path):
    path = write(tmp_path / "a.json", '\n{"a": 1}\n\n{"a": 2}\n')
    assert [row.source.row for row in iterate_rows(path)] == [2, 4]


def test_a_task_of_super_natural_instructions(tmp_path):
    task = {
        "Contributors": ["x"],
        "Definition": ["Say it."],
        "Categories": ["Misc."],
        "Positive Examples": [{"input": "a", "output": "b"}],
        "Instances": [{"id": "1", "input": "c", "output": ["d", "e"]}],
    }
    assert fields(write(tmp_path / "task1_say.json", task, 1)) == [
        {
            "task": "task1_say", "Definition": ["Say it."], "Categories": ["Misc."],
            "id": "1", "input": "c", "output": ["d", "e"],
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.jsonl", '{"a": {"b": 1, "b": 2}}', ':1: has "b" twice'),
        ("a.json", '[{"a": 1}, {"a": 1, "a": 2}]', ':2: has "a" twice'),
        ("a.json", '{"data": [],\n"data": []}', 'has "data" twice'),
        ("a.json", '{"data": []}', "holds no rows"),
        ("a.jsonl", '{"a": ' + "9" * 400 + "}", ":1: is not JSON"),
        ("a.jsonl", '{"a": ' + "[" * 200 + "]" * 200 + "}", ":1: is nested too deeply"),
        ("a.json", '[{"a": ' + "[" * 200 + "]" * 200 + "}]", ":1: is nested too deeply"),
        ("a.json", '{"a": 1,\n"b"', ":2: is not JSON"),
        ("a.json", "null", ":1: is not a JSON object but null"),
    ],
)
def test_malformed_json(tmp_path, name, content, what):
    with pytest.raises(UserError) as error:
        read_file(write(tmp_path / name, content))
    assert what in str(error.value)


def test_whole_numbers_of_any_usual_size_are_kept(tmp_path):
    rows = [{"a": 2**64 + 1, "b": -(10**30), "c": 1e300}]
    assert fields(write(tmp_path / "a.jsonl", json.dumps(rows[0]))) == rows


def test_many_keys_are_compared_at_once(tmp_path):
    keys = ", ".join(f'"k{number}": 1' for number in range(100_000))
    with pytest.raises(UserError, match='has "k99999" twice'):
        read_file(write(tmp_path / "a.jsonl", f'{{{keys}, "k99999": 2}}'))


def test_lists_without_names_lead_to_column_names(tmp_path):
    with pytest.raises(UserError, match=r"name their values: dataset_kwargs: \{column_names"):
        read_file(write(tmp_path / "a.json", '[["how far is it", "distance"]]'))
