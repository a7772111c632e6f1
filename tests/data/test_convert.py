from __future__ import annotations

import json

import pytest

from tunelift.cli import main
from tunelift.core.errors import UserError
from tunelift.data.convert import ENDINGS, convert_file
from tunelift.data.formats import read_file
from tunelift.data.layouts import canonical_rows

CHATS = [
    [{"role": "user", "content": "Say\t'a', \"b\"\nand c"}, {"role": "assistant", "content": "a, b"}],
    [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}],
]
LONG = [{"role": "system", "content": "s"}, *CHATS[0], *CHATS[1]]
TAGGED = "-DOCSTART-\tO\n\nAnn\tB-PER\nLee\tI-PER\n!\tO\n\n\n高\tB-PER\n勇\tI-PER\n\n-DOCSTART-\tO\n\nParis\tB-LOC\n"


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def messages(path):
    rows, _ = canonical_rows(read_file(path))
    return [row.fields["messages"] for row in rows.rows]


@pytest.fixture
def chats(tmp_path):
    return write(tmp_path / "chats.jsonl", [{"messages": chat, "id": number} for number, chat in enumerate(CHATS)])


@pytest.mark.parametrize(
    ("layout", "ending"),
    [
        (layout, ending)
        for layout in ("alpaca", "messages", "sharegpt")
        for ending in ENDINGS[layout]
        if ending != ".tsv"
    ],
)
def test_every_layout_of_conversations_in_every_container(chats, tmp_path, layout, ending):
    target = tmp_path / f"out{ending}"
    conversion = convert_file(chats, target, layout)
    assert (conversion.read_as, conversion.written, conversion.dropped) == ("messages", 2, {})
    assert canonical_rows(read_file(target))[1] == layout
    assert messages(target) == CHATS
    back = tmp_path / "back.jsonl"
    convert_file(target, back, "messages")
    assert messages(back) == CHATS


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".parquet"])
def test_prompts_and_completions(chats, tmp_path, ending):
    target = tmp_path / f"out{ending}"
    convert_file(chats, target, "prompt-completion")
    rows = [row.fields for row in read_file(target).rows]
    assert rows == [{"prompt": chat[0]["content"], "completion": chat[1]["content"]} for chat in CHATS]


def test_what_cannot_be_converted_is_counted_with_its_place(tmp_path):
    source = write(tmp_path / "a.jsonl", [{"messages": chat} for chat in (CHATS[0], LONG, CHATS[1], CHATS[0][:1])])
    conversion = convert_file(source, tmp_path / "out.csv", "alpaca")
    assert conversion.written == 2
    assert conversion.dropped == {"the last answer is missing": 1, 'a table has no place for "history"': 1}
    assert conversion.places['a table has no place for "history"'] == (f"{source}:2",)
    assert str(conversion).splitlines() == [
        "2 rows written, from messages to alpaca",
        f"1 row left out: the last answer is missing ({source}:4)",
        f'1 row left out: a table has no place for "history" ({source}:2)',
    ]
    assert json.dumps(conversion.to_dict())
    tabs = convert_file(source, tmp_path / "out.tsv", "prompt-completion")
    assert tabs.written == 1
    assert "values of a .tsv file cannot hold tabs or line breaks" in tabs.dropped
    convert_file(source, tmp_path / "out.jsonl", "alpaca")
    assert messages(tmp_path / "out.jsonl") == [CHATS[0], LONG, CHATS[1]]


def test_further_fields_are_kept_on_demand(chats, tmp_path):
    convert_file(chats, tmp_path / "out.jsonl", "alpaca", keep=["id", "nothing"])
    rows = [row.fields for row in read_file(tmp_path / "out.jsonl").rows]
    assert [sorted(row) for row in rows] == [["id", "input", "instruction", "output"]] * 2


def test_instructions_keep_their_input(tmp_path):
    rows = [{"instruction": "Add.", "input": "1 1", "output": "2", "more": 1}]
    source = write(tmp_path / "a.jsonl", rows)
    convert_file(source, tmp_path / "out.json", "alpaca")
    assert json.loads((tmp_path / "out.json").read_text()) == [{"instruction": "Add.", "input": "1 1", "output": "2"}]
    convert_file(source, tmp_path / "out.jsonl", "prompt-completion")
    assert read_file(tmp_path / "out.jsonl").rows[0].fields == {"prompt": "Add.\n1 1", "completion": "2"}
    (tmp_path / "in.tsv").write_text("q\ta\n")
    columns = ["prompt", "completion"]
    convert_file(tmp_path / "in.tsv", tmp_path / "named.jsonl", "messages", columns=columns)
    assert messages(tmp_path / "named.jsonl") == [
        [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    ]


def test_a_folder_of_tasks(tmp_path):
    folder = tmp_path / "tasks"
    folder.mkdir()
    for name in ("task1_a", "task2_b"):
        task = {"Definition": ["Say it."], "Instances": [{"input": name, "output": ["x", "y"]}]}
        (folder / f"{name}.json").write_text(json.dumps(task))
    conversion = convert_file(folder, tmp_path / "out.jsonl", "alpaca", keep=["task"])
    assert (conversion.read_as, conversion.written) == ("natural-instructions", 2)
    assert read_file(tmp_path / "out.jsonl").rows[1].fields == {
        "instruction": "Say it.", "input": "task2_b", "output": "x", "task": "task2_b",
    }  # fmt: skip


def test_tags_and_spans(tmp_path):
    source = tmp_path / "a.conll"
    source.write_text(TAGGED)
    convert_file(source, tmp_path / "spans.jsonl", "spans")
    assert [row.fields["text"] for row in read_file(tmp_path / "spans.jsonl").rows] == ["Ann Lee !", "高勇", "Paris"]
    convert_file(tmp_path / "spans.jsonl", tmp_path / "back.bio", "conll")
    convert_file(source, tmp_path / "other.bmes", "conll", scheme="BMES")
    assert "Ann\tB-PER\nLee\tE-PER\n" in (tmp_path / "other.bmes").read_text()
    convert_file(tmp_path / "other.bmes", tmp_path / "third.conll", "conll")
    words = [row.fields for row in read_file(source).rows]
    for name in ("back.bio", "third.conll"):
        assert [row.fields for row in read_file(tmp_path / name).rows] == words


@pytest.mark.parametrize(
    ("rows", "target", "layout", "what"),
    [
        ([{"a": 1}], "out.jsonl", "alpaca", r"layout is not recognised \(fields a\)"),
        ([{"messages": CHATS[0]}], "out.jsonl", "chat", "is not a layout that can be written"),
        ([{"messages": CHATS[0]}], "out.csv", "messages", '"messages" is not written as ".csv"'),
        ([{"messages": CHATS[0]}], "out.conll", "conll", 'cannot be converted from "messages" to "conll"'),
        ([{"text": "a", "spo_list": []}], "out.jsonl", "alpaca", 'cannot be converted from "triples"'),
        ([{"messages": LONG}], "out.jsonl", "prompt-completion", "no row can be converted"),
        ([{"messages": CHATS[0]}], "a.jsonl", "messages", "exists already"),
    ],
)
def test_conversions_that_are_refused(tmp_path, rows, target, layout, what):
    source = write(tmp_path / "a.jsonl", rows)
    before = source.read_bytes()
    with pytest.raises(UserError, match=what):
        convert_file(source, tmp_path / target, layout)
    assert source.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_the_command_takes_columns_further_fields_and_a_scheme(tmp_path, capsys):
    (tmp_path / "in.tsv").write_text("7\tHow?\tSo.\n")
    arguments = ["--to", "alpaca", "--columns", "id, prompt,completion", "--keep", "id"]
    assert main(["data", "convert", str(tmp_path / "in.tsv"), str(tmp_path / "out.jsonl"), *arguments]) == 0
    row = json.loads((tmp_path / "out.jsonl").read_text())
    assert row == {"instruction": "How?", "input": "", "output": "So.", "id": "7"}
    (tmp_path / "in.conll").write_text("Ann\tB-PER\n")
    command = ["data", "convert", str(tmp_path / "in.conll"), str(tmp_path / "out.conll"), "--to", "conll"]
    assert main([*command, "--scheme", "BIOES"]) == 0
    assert (tmp_path / "out.conll").read_text() == "Ann\tS-PER\n\n"
    assert main([*command, "--scheme", "BILOU"]) == 2
    assert main([*command, "--keep", "a,,b"]) == 2
    assert "is no list of names between commas" in capsys.readouterr().err
