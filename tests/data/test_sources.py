from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys

import pytest
import zstandard

from tunelift.core.errors import UserError
from tunelift.data.sources import read_path, read_pool, read_splits
from tunelift.data.tasks import Task


def task(path, **keys) -> Task:
    return Task(task="t", dataset_path=str(path), doc_to_text="{{q}}", doc_to_target="{{a}}", **keys)


def write_rows(path, *questions):
    path.write_text("".join(json.dumps({"q": question, "a": "x"}) + "\n" for question in questions))
    return path


def questions(rows):
    return [row.fields["q"] for row in rows.rows]


@pytest.fixture
def folder(tmp_path):
    for name in ("train", "validation", "test", "dev"):
        write_rows(tmp_path / f"{name}.jsonl", name)
    (tmp_path / "README.md").write_text("not data")
    return tmp_path


def test_folder_by_the_usual_names(folder):
    assert {split: questions(rows) for split, rows in read_splits(task(folder)).items()} == {
        "train": ["train"],
        "validation": ["validation"],
        "test": ["test"],
    }


def test_named_splits_only(folder):
    read = read_splits(task(folder, training_split="train", test_split="dev"))
    assert {split: questions(rows) for split, rows in read.items()} == {
        "train": ["train"],
        "validation": [],
        "test": ["dev"],
    }


def test_as_in_the_harness_validation_is_tested_on_where_no_test_split_is_named(folder):
    read = read_splits(task(folder, fewshot_split="dev", validation_split="validation"))
    assert questions(read["train"]) == ["dev"]
    assert questions(read["validation"]) == []
    assert questions(read["test"]) == ["validation"]


def test_unknown_split_leads_to_the_nearest(folder):
    with pytest.raises(UserError, match='no split "tests" - did you mean "test"'):
        read_splits(task(folder, test_split="tests"))


def test_one_file_is_a_pool_and_has_no_test_split(tmp_path):
    path = write_rows(tmp_path / "all.jsonl", "one", "two")
    sizes = {"train": 1, "validation": 1, "test": 1}
    assert questions(read_pool(task(path, split=sizes))) == ["one", "two"]
    with pytest.raises(UserError, match="no test split, only train"):
        read_splits(task(path))


def test_pool_of_several_parts_must_be_named(folder):
    sizes = {"train": 1, "validation": 1, "test": 1}
    with pytest.raises(UserError, match="has splits already"):
        read_pool(task(folder, split=sizes))
    assert questions(read_pool(task(folder, split=sizes, training_split="dev"))) == ["dev"]


def test_data_files(folder):
    one, two = str(folder / "train.jsonl"), str(folder / "test.jsonl")
    sizes = {"train": 1, "validation": 1, "test": 1}
    assert questions(read_pool(task("json", dataset_kwargs={"data_files": one}, split=sizes))) == ["train"]
    assert questions(read_pool(task("json", dataset_kwargs={"data_files": [one, two]}, split=sizes))) == [
        "train",
        "test",
    ]
    read = read_splits(task("json", dataset_kwargs={"data_files": {"train": [one, one], "test": two}}))
    assert [questions(rows) for rows in read.values()] == [["train", "train"], [], ["test"]]


@pytest.mark.parametrize("files", [None, [], {}, 3, {"train": [1]}, {"train": []}])
def test_malformed_data_files(files):
    with pytest.raises(UserError, match="needs data_files"):
        read_splits(task("json", dataset_kwargs={"data_files": files}))


def test_what_files_do_not_take(folder):
    with pytest.raises(UserError, match="takes no dataset_name"):
        read_splits(task(folder, dataset_name="main"))
    with pytest.raises(UserError, match="csv takes no sep"):
        read_splits(task("csv", dataset_kwargs={"data_files": "a.csv", "sep": ";"}))


def test_folder_without_or_with_ambiguous_files(tmp_path):
    with pytest.raises(UserError, match="holds no data files"):
        read_splits(task(tmp_path))
    write_rows(tmp_path / "test.jsonl", "a")
    (tmp_path / "test.csv").write_text("q,a\n1,2\n")
    with pytest.raises(UserError, match="several files named test"):
        read_splits(task(tmp_path))


@pytest.mark.parametrize("path", ["data/none.jsonl", "./none", "/no/such/folder", "a/b/c"])
def test_what_cannot_be_a_hub_id_is_a_missing_file(path):
    with pytest.raises(UserError, match="file not found"):
        read_splits(task(path))


def test_shards_of_a_split_belong_together(tmp_path):
    for number in range(2):
        write_rows(tmp_path / f"train-{number:05}-of-00002.jsonl", f"train {number}")
    write_rows(tmp_path / "test-00000-of-00001.jsonl", "test")
    read = read_splits(task(tmp_path))
    assert questions(read["train"]) == ["train 0", "train 1"]
    assert questions(read["test"]) == ["test"]
    (tmp_path / "train-00001-of-00002.jsonl").unlink()
    with pytest.raises(UserError, match="holds 1 file of train, which has 2 by their names"):
        read_splits(task(tmp_path))


def test_compressed_files_of_a_folder(tmp_path):
    (tmp_path / "train.jsonl.gz").write_bytes(gzip.compress(b'{"q": "one", "a": "x"}'))
    (tmp_path / "test.csv.zst").write_bytes(zstandard.ZstdCompressor().compress(b"q,a\ntwo,x\n"))
    assert [questions(rows) for rows in read_splits(task(tmp_path)).values()] == [["one"], [], ["two"]]
    write_rows(tmp_path / "train.jsonl", "one")
    with pytest.raises(UserError, match="several files named train"):
        read_splits(task(tmp_path))


def test_texts_are_data_where_there_is_nothing_else(tmp_path):
    for name in ("README.txt", "test.txt"):
        (tmp_path / name).write_text("a\nb\n")
    assert [row.fields["text"] for row in read_splits(task(tmp_path))["test"].rows] == ["a", "b"]
    write_rows(tmp_path / "test.jsonl", "one")
    assert questions(read_splits(task(tmp_path))["test"]) == ["one"]


def test_a_folder_of_tasks_is_one_pool(tmp_path):
    for name in ("task002_a", "task010_b"):
        value = {"Definition": ["Say it."], "Instances": [{"id": name, "input": "q", "output": ["a"]}]}
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    rows = read_pool(task(tmp_path, split={"train": 1, "validation": 1, "test": 1}))
    assert [row.fields["task"] for row in rows.rows] == ["task002_a", "task010_b"]
    [finding] = rows.findings
    assert (finding.count, finding.rows) == (2, (f"{tmp_path}/task002_a.json", f"{tmp_path}/task010_b.json"))


def test_what_was_dropped_and_remarked_of_several_files_is_kept(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.conll").write_text("x O\ny\n\nz O\n O\n")
    files = [str(tmp_path / "a.conll"), str(tmp_path / "b.conll")]
    rows = read_path_of(files)
    assert rows.dropped == {"a word has no tag": 2}
    assert rows.places["a word has no tag"] == (f"{files[0]}:2", f"{files[1]}:2")
    assert [(finding.count, len(finding.rows)) for finding in rows.findings] == [(2, 2)]


def read_path_of(files):
    sizes = {"train": 1, "validation": 1, "test": 1}
    return read_pool(task("json", dataset_kwargs={"data_files": files}, split=sizes))


def test_parts_of_files_and_names_of_columns(tmp_path):
    path = tmp_path / "all.json"
    path.write_text(json.dumps({"train": [["one", "x"]], "test": [["two", "y"]]}))
    sizes = {"train": 1, "validation": 1, "test": 1}
    names = {"column_names": ["q", "a"]}
    assert questions(read_pool(task(f"{path}#test", split=sizes, dataset_kwargs=names))) == ["two"]
    files = {"data_files": {"train": f"{path}#train", "test": f"{path}#test"}, **names}
    assert questions(read_splits(task("json", dataset_kwargs=files))["train"]) == ["one"]
    (tmp_path / "all.tsv").write_text("one\tx\n")
    assert questions(read_path(tmp_path / "all.tsv", ["q", "a"])) == ["one"]
    with pytest.raises(UserError, match="column_names is not a list of names"):
        read_pool(task(path, split=sizes, dataset_kwargs={"column_names": "q"}))


def test_a_path_with_several_splits_is_no_pool(folder):
    with pytest.raises(UserError, match="holds several splits"):
        read_path(folder)


@pytest.fixture
def saved(tmp_path):
    datasets = pytest.importorskip("datasets")
    one, two = (datasets.Dataset.from_list([{"q": name, "a": "x"}]) for name in ("one", "two"))
    datasets.DatasetDict({"train": one, "test": two}).save_to_disk(str(tmp_path / "several"))
    one.save_to_disk(str(tmp_path / "single"))
    return tmp_path


def test_what_the_hub_library_saved(saved):
    read = read_splits(task(saved / "several"))
    assert [questions(rows) for rows in read.values()] == [["one"], [], ["two"]]
    assert read["test"].rows[0].source.file == f"{saved}/several/test"
    assert questions(read_path(saved / "single")) == ["one"]
    with pytest.raises(UserError, match="takes no split"):
        read_splits(task(saved / "several", dataset_kwargs={"split": "train"}))
    with pytest.raises(UserError, match="names its columns itself"):
        read_path(saved / "single", ["q", "a"])
    next((saved / "single").glob("*.arrow")).write_bytes(b"broken")
    with pytest.raises(UserError, match="was saved by save_to_disk, but cannot be read"):
        read_path(saved / "single")


def test_loaders_of_the_hub_library(tmp_path):
    pytest.importorskip("datasets")
    (tmp_path / "test.txt").write_text("one\ntwo\n")
    kwargs = {"data_files": {"test": str(tmp_path / "test.txt")}, "cache_dir": str(tmp_path / "cache")}
    rows = read_splits(task("text", dataset_kwargs=kwargs))["test"].rows
    assert [row.fields for row in rows] == [{"text": "one"}, {"text": "two"}]
    assert [(row.source.file, row.source.row) for row in rows] == [("text/test", 1), ("text/test", 2)]


def test_unreachable_hub_is_an_error_for_the_user():
    pytest.importorskip("datasets")
    code = (
        "from tunelift.core.errors import UserError\n"
        "from tunelift.data.sources import read_splits\nfrom tunelift.data.tasks import Task\n"
        "try: read_splits(Task(task='t', dataset_path='tunelift/none', doc_to_text='', doc_to_target=''))\n"
        "except UserError as error: print(error)"
    )
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("tunelift/none: is neither a file here nor could it be loaded from the hub (")
    assert done.stdout.count("\n") == 1
