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
    assert load_task(write(tmp_path, MINIMAL + 'templates: ["Say: {{q}}"]\n')).render == "chat"


def test_data_files_beside_the_task_are_found_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_text("{}\n")
    assert load_task(write(tmp_path, MINIMAL)).dataset_path == str(tmp_path / "data.jsonl")
    named = (
        MINIMAL.replace("data.jsonl", "json") + "dataset_kwargs: {data_files: {test: data.jsonl, train: other.jsonl}}\n"
    )
    files = load_task(write(tmp_path, named)).dataset_kwargs["data_files"]
    assert files == {"test": str(tmp_path / "data.jsonl"), "train": "other.jsonl"}


@pytest.mark.parametrize("name", ["org/toy", "../../escaped", "..", "a b", "x" * 151, "情" * 51, '""'])
def test_a_name_that_files_cannot_bear_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r'task\.yaml:1: "task" cannot name a file - use letters'):
        load_task(write(tmp_path, MINIMAL.replace("task: t", f"task: {name}")))


@pytest.mark.parametrize("name", ["情感_2", "darijammlu_arabic_language_(general)", "a-b.c", "x" * 86])
def test_names_of_the_harness_and_chinese_ones_are_taken(tmp_path: Path, name: str) -> None:
    assert load_task(write(tmp_path, MINIMAL.replace("task: t", f"task: {name}"))).task == name


@pytest.mark.parametrize("key", ["doc_to_target", "num_fewshot", "group_by"])
def test_a_boolean_is_neither_number_nor_text(tmp_path: Path, key: str) -> None:
    text = MINIMAL.replace("doc_to_target: label\n", "") if key == "doc_to_target" else MINIMAL
    with pytest.raises(UserError, match=rf'"{key}" is True, but input should not be a boolean'):
        load_task(write(tmp_path, f"{text}{key}: yes\n"))


def test_keys_that_are_booleans_take_them(tmp_path: Path) -> None:
    text = "generation_kwargs: {do_sample: no}\nmetric_list: [{metric: acc, higher_is_better: yes}]\n"
    task = load_task(write(tmp_path, MINIMAL + text))
    assert (task.generation_kwargs.do_sample, task.metric_list[0]["higher_is_better"]) == (False, True)


def test_keys_of_the_harness_without_effect_are_taken(tmp_path: Path) -> None:
    """As its arc_easy.yaml and gsm8k.yaml have them."""
    keys = (
        "tag: [ai2_arc]\nrepeats: 1\ndataset_kwargs: null\nshould_decontaminate: true\n"
        'doc_to_decontamination_query: "Question: {{question}}"\n'
        "metric_list:\n  - {metric: exact_match, ignore_case: true, regexes_to_ignore: [',', '\\$']}\n"
    )
    task = load_task(write(tmp_path, MINIMAL + keys))
    assert (task.render, task.dataset_kwargs) == ("plain", {})


@pytest.mark.parametrize("name", ["arc/arc_easy", "piqa/piqa", "sciq/sciq", "swag/swag", "commonsense_qa/default"])
def test_task_files_of_the_harness_load(name: str) -> None:
    harness = pytest.importorskip("lm_eval")
    task = load_task(Path(harness.__file__).parent / "tasks" / f"{name}.yaml")
    assert task.render == "plain"


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
        (MINIMAL + "include: [a, b]\n", r'task\.yaml:5: "include" must be one file name'),
        (
            MINIMAL + "include: no.yaml\n",
            r"task\.yaml:5: include: \S+no\.yaml: file not found - it is relative to this",
        ),
        (MINIMAL + "repeats: 8\n", r'task\.yaml:5: "repeats" is 8, but'),
        (MINIMAL + "doc_to_choice: [yes, no, maybe]\n", r'5: "doc_to_choice\.0" is True, .* - put it in quotes$'),
        (MINIMAL + "doc_to_choice: [1, 2]\n", r'5: "doc_to_choice\.0" is 1, .* - put it in quotes$'),
        (MINIMAL + "split: {train: 5}\n", r'key "split\.validation" is missing'),
        ("task: t\n", "is missing"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_task(write(tmp_path, text))


@pytest.mark.parametrize(
    ("kind", "synonym", "known"),
    [("classification", "person", "PER"), ("multi-label", "person", "PER"), ("entities", "PER", "person")],
)
def test_synonyms_of_what_is_no_answer_are_refused(tmp_path: Path, kind: str, synonym: str, known: str) -> None:
    head = f"task: t\ndataset_path: data.jsonl\ntype: {kind}\nlabels: {{PER: person, LOC: place}}\n"
    answers = "answer: {{synonyms: {{{}: [one]}}}}\n"
    assert load_task(write(tmp_path, head + answers.format(synonym))).answer.synonyms == {synonym: ["one"]}
    with pytest.raises(UserError, match=rf'task\.yaml:5: answer\.synonyms: "{known}" is none of the answers - '):
        load_task(write(tmp_path, head + answers.format(known)))


def test_synonyms_of_free_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"task\.yaml:5: answer\.synonyms: an answer of the kind text has none"):
        load_task(write(tmp_path, MINIMAL + "answer: {synonyms: {a: [b]}}\n"))


def test_mappings_of_a_type_are_joined_with_those_of_the_task(tmp_path: Path) -> None:
    keys = "answer: {strict: true}\ngeneration_kwargs: {until: [.]}\n"
    task = load_task(write(tmp_path, "task: t\ndataset_path: x\ntype: entities\nlabels: [PER]\n" + keys))
    assert (task.answer.kind, task.answer.strict) == ("entities", True)
    assert (task.generation_kwargs.until, task.generation_kwargs.max_gen_toks) == (["."], 128)


def test_what_a_type_says_stands_where_the_type_is_named(tmp_path: Path) -> None:
    task = load_task(write(tmp_path, "task: t\ndataset_path: x\ntype: text-to-sql\ndoc_to_target: query\n"))
    assert task.place("doc_to_text") == f"{tmp_path}/task.yaml:3"
    assert task.place("doc_to_target") == f"{tmp_path}/task.yaml:4"


@pytest.mark.parametrize(
    ("key", "hint"), [("group: g", "name the files of its tasks"), ("filter_list: []", "which part of an answer is")]
)
def test_what_is_refused_says_what_to_do(tmp_path: Path, key: str, hint: str) -> None:
    with pytest.raises(UserError, match=rf"task\.yaml:5: .* is not supported - .*{hint}"):
        load_task(write(tmp_path, MINIMAL + key + "\n"))


@pytest.mark.parametrize("labels", ["[good, bad, good]", "{1: bad, 2: good, 3: good}"])
def test_labels_that_cannot_be_told_apart_are_refused(tmp_path: Path, labels: str) -> None:
    with pytest.raises(UserError, match=r'task\.yaml:5: "labels" say "good" twice - answers could not be told apart'):
        load_task(write(tmp_path, MINIMAL + f"labels: {labels}\n"))
