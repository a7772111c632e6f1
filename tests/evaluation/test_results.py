"""The files have the layout of lm-evaluation-harness: compared with those that it writes itself for the same task."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from statistics import stdev
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tunelift.comparison.reading import compare_pair, read_pair
from tunelift.core.errors import UserError
from tunelift.core.records import Sample
from tunelift.data.examples import load_examples
from tunelift.data.tasks import load_task
from tunelift.evaluation.evaluate import Evaluation, evaluate_model, evaluate_predictor
from tunelift.evaluation.results import read_samples, write_evaluation
from tunelift.prompts.build import PromptStyle, build_prompts

ROWS = [{"text": f'row {n} 好 \u2028 \x85 "q"', "label": ("no", "yes")[n % 2], "n": n} for n in range(14)]
GENERATION = {
    "output_type": "generate_until",
    "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4},
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
}
CHOICE = {
    "output_type": "multiple_choice",
    "doc_to_choice": ["no", "yes"],
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}
# Facts about the harness itself, or about a chat template that a plain rendering does not use.
SCORES = ["acc", "choice_acc", "choice_acc_tokens", "choice_acc_bytes"]
SILENT = {"git_hash", "upper_git_hash", "lm_eval_version", "system_instruction", "chat_template"}


def task_keys(name: str, kind: dict[str, Any], shots: int) -> dict[str, Any]:
    return {
        "task": name,
        "dataset_path": "json",
        "training_split": "train",
        "test_split": "test",
        "description": "Say yes or no.\n\n",
        "doc_to_text": "Question: {{text}} ({{n}})\nAnswer:",
        "doc_to_target": "label",
        "num_fewshot": shots,
        "metadata": {"version": 1.0},
        **kind,
    }


TASKS = {
    f"{kind['output_type']}_{shots}": task_keys(f"{kind['output_type']}_{shots}", kind, shots)
    for kind in (GENERATION, CHOICE)
    for shots in (0, 2)
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("harness")
    for split, rows in (("train", ROWS[:6]), ("test", ROWS[6:])):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def theirs(folder: Path) -> dict[str, Path]:
    """What the harness writes with its own dummy model: the results file, and the samples file of every task."""
    import lm_eval
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.models.dummy import DummyLM
    from lm_eval.tasks import TaskManager

    files = {split: str(folder / f"{split}.jsonl") for split in ("train", "test")}
    data = {"dataset_kwargs": {"data_files": files, "cache_dir": str(folder / "cache")}}
    tracker = EvaluationTracker(output_path=str(folder / "theirs"))
    results = lm_eval.simple_evaluate(
        model=DummyLM(),
        tasks=[{**keys, **data, "fewshot_config": {"sampler": "first_n"}} for keys in TASKS.values()],
        evaluation_tracker=tracker,
        task_manager=TaskManager(include_defaults=False),
        log_samples=True,
        bootstrap_iters=0,
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for name, rows in samples.items():
        tracker.save_results_samples(task_name=name, samples=rows)
    written = next((folder / "theirs").iterdir())
    found = {name: next(written.glob(f"samples_{name}_*.jsonl")) for name in TASKS}
    return {"results": next(written.glob("results_*.json")), **found}


@pytest.fixture(scope="module")
def ours(folder: Path, tiny: Any) -> dict[str, Any]:
    """What we write for the same tasks, shown the same demonstrations."""
    made = {}
    for name, keys in TASKS.items():
        path = folder / f"{name}.yaml"
        files = {"train": "train.jsonl", "test": "test.jsonl"}
        path.write_text(yaml.safe_dump({**keys, "dataset_kwargs": {"data_files": files}}), encoding="utf-8")
        task = load_task(path)
        splits = load_examples(task, folder / "splits").splits
        style = PromptStyle(task, tiny.tokenizer, chat=task.render == "chat")
        shown = splits.train[: keys["num_fewshot"]]
        prompts = build_prompts(style, splits.test, [shown] * len(splits.test))
        evaluation = evaluate_model(tiny, style, splits.test, range(len(prompts)), prompts, "tiny")
        results, samples = write_evaluation(evaluation, task, len(shown), folder / "ours" / name, {})
        made[name] = SimpleNamespace(task=task, evaluation=evaluation, results=results, samples=samples)
    return made


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def shape(value: Any) -> Any:
    """The JSON types of a value; numbers are one type, and only the first element of a list counts."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


@pytest.mark.parametrize("name", TASKS)
def test_every_prompt_is_that_of_the_harness(theirs: dict[str, Path], ours: dict[str, Any], name: str) -> None:
    pairs = list(zip(lines(theirs[name]), lines(ours[name].samples), strict=True))
    assert len(pairs) == 8
    for their, our in pairs:
        assert our["arguments"]["gen_args_0"]["arg_0"] == their["arguments"]["gen_args_0"]["arg_0"]
        assert our["prompt_hash"] == their["prompt_hash"]
        assert our["doc"] == their["doc"]
        for key in ("doc_id", "doc_hash", "target", "target_hash"):
            assert our[key] == their[key]


@pytest.mark.parametrize("name", ["generate_until_0", "generate_until_2"])
def test_a_sample_has_every_key_of_the_harness(theirs: dict[str, Path], ours: dict[str, Any], name: str) -> None:
    for their, our in zip(lines(theirs[name]), lines(ours[name].samples), strict=True):
        expected = shape({key: value for key, value in their.items() if key not in their["metrics"]})
        found = shape({key: our[key] for key in expected})
        settings, our_settings = (shaped["arguments"]["gen_args_0"].pop("arg_1") for shaped in (expected, found))
        assert found == expected
        assert settings.items() <= our_settings.items()
        assert all(isinstance(our[metric], float) for metric in our["metrics"])


@pytest.mark.parametrize("name", ["multiple_choice_0", "multiple_choice_2"])
def test_choices_are_generated_answers_in_the_same_keys(
    theirs: dict[str, Path], ours: dict[str, Any], name: str
) -> None:
    for their, our in zip(lines(theirs[name]), lines(ours[name].samples), strict=True):
        assert {key: type(our.get(key)) for key in their} == {key: type(value) for key, value in their.items()}
        assert our["metrics"] == SCORES


@pytest.mark.parametrize("name", TASKS)
def test_the_results_have_every_key_of_the_harness(theirs: dict[str, Path], ours: dict[str, Any], name: str) -> None:
    their, our = json.loads(theirs["results"].read_text()), json.loads(ours[name].results.read_text())
    assert not their.keys() - our.keys()
    said = [key for key in their.keys() - SILENT if their[key] is not None]
    assert {key: type(our[key]) for key in said} == {key: type(their[key]) for key in said}
    by_task = [key for key in said if isinstance(their[key], dict) and name in their[key]]
    assert {"results", "configs", "versions", "n-shot", "higher_is_better", "n-samples", "task_hashes"} == set(by_task)
    for key in ("n-shot", "n-samples", "versions", "task_hashes"):
        assert our[key][name] == their[key][name], key
    assert our["fewshot_as_multiturn"] == their["fewshot_as_multiturn"]
    facts = ("name", "alias", "sample_len")
    assert [our["results"][name][key] for key in facts] == [their["results"][name][key] for key in facts]
    scores = set(SCORES) if name.startswith("multiple_choice") else {"exact_match"}
    assert our["higher_is_better"][name] == dict.fromkeys(scores, True)
    named = {f"{score}{suffix},none" for score in scores for suffix in ("", "_stderr")}
    assert our["results"][name].keys() == {*facts, *named}


def test_the_harness_shows_our_results_in_its_table(ours: dict[str, Any]) -> None:
    from lm_eval.utils import make_table

    made = ours["multiple_choice_2"]
    record = json.loads(made.results.read_text())
    table = make_table(record)
    row = next(line for line in table.splitlines() if "choice_acc" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2:5] == ["none", "2", "choice_acc"]
    assert float(cells[6]) == pytest.approx(made.evaluation.mean("choice_acc"), abs=1e-4)


def test_the_harness_finds_our_files(ours: dict[str, Any]) -> None:
    from lm_eval.utils import get_results_filenames, get_sample_results_filenames

    made = ours["generate_until_0"]
    names = [str(made.results), str(made.samples)]
    assert get_results_filenames(names) == names[:1]
    assert get_sample_results_filenames(names) == names[1:]
    time = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{6}"
    assert re.fullmatch(rf"results_{time}\.json", made.results.name)
    assert re.fullmatch(rf"samples_generate_until_0_{time}\.jsonl", made.samples.name)


def test_datasets_loads_our_samples(ours: dict[str, Any], tmp_path: Path) -> None:
    import datasets

    path = str(ours["multiple_choice_0"].samples)
    loaded = datasets.load_dataset("json", data_files=path, split="train", cache_dir=str(tmp_path))
    assert loaded["doc_id"][:] == list(range(8))
    assert loaded[3]["doc"] == ROWS[9]


def test_files_of_the_harness_and_of_ours_are_compared(theirs: dict[str, Path], ours: dict[str, Any]) -> None:
    same = compare_pair(read_pair(theirs["multiple_choice_0"], theirs["multiple_choice_0"]))
    assert (same.items, same.metric, same.contrasts[0].result.effect) == (8, "acc", 0.0)
    mixed = compare_pair(read_pair(theirs["multiple_choice_2"], ours["multiple_choice_2"].samples))
    their_accuracy = json.loads(theirs["results"].read_text())["results"]["multiple_choice_2"]["acc,none"]
    our_accuracy = ours["multiple_choice_2"].evaluation.mean("acc")
    assert mixed.contrasts[0].result.effect == pytest.approx(our_accuracy - their_accuracy)
    written = compare_pair(read_pair(theirs["generate_until_0"], theirs["generate_until_2"]))
    assert written.metric == "exact_match"


def test_samples_are_read_as_they_were_written(ours: dict[str, Any]) -> None:
    for made in ours.values():
        assert read_samples(made.samples) == made.evaluation.samples


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
SAMPLES = st.builds(
    Sample,
    example_id=TEXTS,
    doc_id=st.integers(0),
    doc=st.dictionaries(TEXTS, TEXTS | st.none() | st.integers(), max_size=2),
    target=TEXTS,
    condition=TEXTS,
    output=TEXTS,
    answer=st.none() | TEXTS,
    finish_reason=TEXTS,
    prompt=TEXTS,
    choices=st.none() | st.lists(TEXTS, max_size=2).map(tuple),
    logprobs=st.none() | st.lists(st.floats(max_value=0, allow_nan=False), max_size=2).map(tuple),
    choice_answer=st.none() | TEXTS,
    tokens=st.dictionaries(TEXTS, st.integers(), max_size=2),
    metrics=st.dictionaries(st.sampled_from(["acc", "choice_acc"]), st.floats(0, 1)),
    group=st.none() | TEXTS,
    demonstrations=st.lists(TEXTS, max_size=2).map(tuple),
)


@given(samples=st.lists(SAMPLES, max_size=3))
def test_any_sample_survives_writing_and_reading(
    make_task: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory, samples: list[Sample]
) -> None:
    """Line separators inside texts do not end a line of the file."""
    from tunelift.core.files import write_jsonl
    from tunelift.evaluation.results import sample_line

    path = tmp_path_factory.getbasetemp() / "samples.jsonl"
    write_jsonl(path, [sample_line(sample, make_task()) for sample in samples])
    assert read_samples(path) == samples


def test_the_numbers_of_the_results(make_task: Any, make_example: Any, tmp_path: Path) -> None:
    examples = [make_example(f"e{n}", "text", ("neutral", "negative")[n % 3 == 0]) for n in range(7)]
    evaluation = evaluate_predictor(
        lambda texts: ["neutral"] * 7, make_task(), examples, range(7), ["q"] * 7, "majority"
    )
    path = write_evaluation(evaluation, make_task(), 0, tmp_path, {"config": {"seed": 7}, "chat_template": "x"})[0]
    record = json.loads(path.read_text())
    right = [float(n % 3 != 0) for n in range(7)]
    assert record["results"]["toy"]["acc,none"] == pytest.approx(sum(right) / 7)
    assert record["results"]["toy"]["acc_stderr,none"] == pytest.approx(stdev(right) / math.sqrt(7))
    assert record["counts"] == {"unparsed": 0, "truncated": 0, "prompt_tokens": 0, "completion_tokens": 0}
    assert record["seconds_per_1000_answers"] == pytest.approx(1000 * evaluation.seconds / 7)
    assert (record["config"], record["chat_template"], record["condition"]) == ({"seed": 7}, "x", "majority")


def test_what_was_not_parsed_or_cut_off_is_counted(make_task: Any, tmp_path: Path) -> None:
    answers = [(None, "length"), ("neutral", "length"), (None, "stop"), ("neutral", "stop")]
    samples = [
        Sample(
            "e",
            n,
            {},
            "neutral",
            "c",
            "o",
            answer,
            reason,
            tokens={"prompt": 10, "completion": n},
            metrics={"acc": 0.0},
        )
        for n, (answer, reason) in enumerate(answers)
    ]
    path = write_evaluation(Evaluation("toy", "c", "org//m", samples, 9, 2.0, []), make_task(), 0, tmp_path, {})[0]
    record = json.loads(path.read_text())
    assert record["counts"] == {"unparsed": 2, "truncated": 2, "prompt_tokens": 40, "completion_tokens": 6}
    assert record["seconds_per_1000_answers"] == 500
    assert (record["model_name"], record["model_name_sanitized"]) == ("org//m", "org__m")
    assert record["n-samples"]["toy"] == {"original": 9, "effective": 4}
    single = write_evaluation(
        Evaluation("toy", "c", "m", samples[:1], 1, 2.0, []), make_task(), 0, tmp_path / "one", {}
    )[0]
    assert json.loads(single.read_text())["results"]["toy"]["acc_stderr,none"] == "N/A"


def test_the_hash_of_a_document_is_sha256_of_its_indented_json(
    make_task: Any, make_example: Any, tmp_path: Path
) -> None:
    evaluation = evaluate_predictor(lambda texts: ["neutral"], make_task(), [make_example("e", "好")], [0], ["q"], "m")
    (line,) = lines(write_evaluation(evaluation, make_task(), 0, tmp_path, {})[1])
    text = '{\n  "text": "好",\n  "label": "neutral"\n}'
    assert line["doc_hash"] == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 3],
        lambda text: "[]\n" + text,
        lambda text: text.replace('"condition"', '"other"', 1),
        lambda text: text.replace('"resps": [["neutral"]]', '"resps": []', 1),
        lambda text: text + "\n",
    ],
)
def test_a_damaged_samples_file_is_named_with_its_line(
    make_task: Any, make_example: Any, tmp_path: Path, damage: Callable[[str], str]
) -> None:
    examples = [make_example(f"e{n}", "text") for n in range(2)]
    evaluation = evaluate_predictor(lambda texts: ["neutral"] * 2, make_task(), examples, range(2), ["q"] * 2, "m")
    path = write_evaluation(evaluation, make_task(), 0, tmp_path, {})[1]
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(UserError, match=rf"{re.escape(path.name)}:\d+: is not a sample of tunelift"):
        read_samples(path)


def test_the_standard_error_takes_groups_as_a_whole(make_task: Any, make_example: Any, tmp_path: Path) -> None:
    examples = [
        make_example(f"e{n}", "text", ("neutral", "negative")[n // 4 % 2], group=f"g{n // 4}") for n in range(16)
    ]
    evaluation = evaluate_predictor(
        lambda texts: ["neutral"] * 16, make_task(), examples, range(16), ["q"] * 16, "majority"
    )
    record = json.loads(write_evaluation(evaluation, make_task(), 0, tmp_path, {})[0].read_text())
    assert record["results"]["toy"]["acc_stderr,none"] == pytest.approx(stdev([1, 0, 1, 0]) / math.sqrt(4))
