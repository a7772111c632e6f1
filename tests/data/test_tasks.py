from __future__ import annotations

from pathlib import Path

import pytest

from tunelift.core.errors import UserError
from tunelift.data.tasks import load_task

MINIMAL = 'task: t\ndataset_path: data.jsonl\ndoc_to_text: "{{text}}"\ndoc_to_target: label\n'


def write(folder: Path, text: str, name: str = "task.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_with_keys_of_the_harness_only_is_rendered_as_the_harness_does(tmp_path: Path) -> None:
    assert load_task(write(tmp_path, MINIMAL + "test_split: test\n")).render == "plain"
    assert load_task(write(tmp_path, MINIMAL + "language: zh\n")).render == "chat"


def test_data_files_beside_the_task_are_found_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_text("{}\n")
    assert load_task(write(tmp_path, MINIMAL)).dataset_path == str(tmp_path / "data.jsonl")
    named = (
        MINIMAL.replace("data.jsonl", "json") + "dataset_kwargs: {data_files: {test: data.jsonl, train: other.jsonl}}\n"
    )
    files = load_task(write(tmp_path, named)).dataset_kwargs["data_files"]
    assert files == {"test": str(tmp_path / "data.jsonl"), "train": "other.jsonl"}


def test_include_takes_over_what_is_not_said_again(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL + "num_fewshot: 3\n", "base.yaml")
    task = load_task(write(tmp_path, "include: base.yaml\ntask: other\n"))
    assert (task.task, task.num_fewshot) == ("other", 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "doc_to_txt: x\n", r'task\.yaml:5: unknown key "doc_to_txt" - did you mean "doc_to_text"\?'),
        (MINIMAL + "num_fewshot: many\n", r'task\.yaml:5: "num_fewshot" is \'many\''),
        (MINIMAL + "process_docs: x\n", r"task\.yaml:5: .* is not supported"),
        (MINIMAL + "process_docs: !function utils.f\n", "runs Python code"),
        (MINIMAL + "include: task.yaml\n", "includes itself"),
        (MINIMAL + "include: [a, b]\n", "must be one file name"),
        (MINIMAL + "include: missing.yaml\n", r"missing\.yaml: file not found"),
        (MINIMAL + "split: {train: 5}\n", r'key "split\.validation" is missing'),
        ("task: t\n", "is missing"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_task(write(tmp_path, text))
