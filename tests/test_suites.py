from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import chisquare

import tunelift
from tunelift.core.texts import normalise_answer
from tunelift.data.checks import check_examples
from tunelift.data.duplicates import drop_near_duplicates, exact_groups
from tunelift.data.examples import load_examples
from tunelift.data.tasks import load_task
from tunelift.evaluation.metrics.table import make_metrics, needs_generation

SUITES = Path(tunelift.__file__).parent / "suites"
LANGUAGES = ["en", "zh"]
CHOICE_TASKS = ["arithmetic", "commonsense", "instructions", "knowledge", "language", "reading"]
HAN = re.compile("[\u4e00-\u9fff]")
CASES = [(language, name) for language in LANGUAGES for name in CHOICE_TASKS]

Row = dict[str, Any]


def rows_of(language: str, name: str) -> list[Row]:
    file = SUITES / f"general-{language}" / f"{name}.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def question_of(row: Row) -> str:
    return str(row.get("question") or row["context"])


def score_of_rule(rows: list[Row], rule: Callable[[str], int]) -> float:
    """Share of right answers of the rule that takes the choice with the highest value, one of them where several."""
    score = 0.0
    for row in rows:
        values = [rule(choice) for choice in row["choices"]]
        best = [place for place, value in enumerate(values) if value == max(values)]
        score += (row["answer"] in best) / len(best)
    return score / len(rows)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_suite_has_these_tasks_and_nothing_else(language):
    names = {file.name for file in (SUITES / f"general-{language}").iterdir()}
    assert names == {f"{name}.{kind}" for name in [*CHOICE_TASKS, "prose"] for kind in ("yaml", "jsonl")}


@pytest.mark.parametrize(("language", "name"), [*CASES, *((language, "prose") for language in LANGUAGES)])
def test_every_task_loads_without_findings_and_generates_nothing(language, name):
    task = load_task(SUITES / f"general-{language}" / f"{name}.yaml")
    data = load_examples(task)
    assert task.task == f"general-{language}-{name}"
    assert task.language == language
    assert task.metadata["version"] == 1
    assert not needs_generation(task)
    assert make_metrics(task)[0].name == ("bits_per_byte" if name == "prose" else "choice_acc")
    rows = rows_of(language, name)
    assert data.counts == {"read": len(rows), "train": 0, "validation": 0, "test": len(rows)}
    assert 40 <= len(rows) <= 60
    assert {finding.check for finding in data.findings + check_examples(data.splits, task)} == {"few-test-items"}
    for row, example in zip(rows, data.splits.test, strict=True):
        assert example.target == (row["text"] if name == "prose" else row["choices"][row["answer"]])
        assert example.group == row.get("group")


@pytest.mark.parametrize(("language", "name"), CASES)
def test_rows_have_one_shape(language, name):
    for number, row in enumerate(rows_of(language, name), 1):
        fields = {
            "reading": {"context", "question", "group"},
            "commonsense": {"context"},
            "language": {"context"},
        }.get(name, {"question"})
        assert row.keys() == {"id", "choices", "answer", "difficulty"} | fields
        assert row["id"] == f"{language}-{name}-{number:02d}"
        assert len(row["choices"]) == 4
        assert len(set(map(normalise_answer, row["choices"]))) == 4
        texts = [*row["choices"], *(row[field] for field in fields)]
        assert all(text == text.strip() and text for text in texts)


@pytest.mark.parametrize(("language", "name"), CASES)
def test_position_and_length_do_not_give_the_answer_away(language, name):
    rows = rows_of(language, name)
    assert chisquare([Counter(row["answer"] for row in rows)[place] for place in range(4)]).pvalue > 0.5
    for rule in (len, lambda choice: -len(choice)):
        # Two standard deviations of guessing with 48 items.
        assert score_of_rule(rows, rule) == pytest.approx(0.25, abs=0.125)


@pytest.mark.parametrize("language", LANGUAGES)
def test_length_does_not_help_in_the_whole_suite(language):
    rows = [row for name in CHOICE_TASKS for row in rows_of(language, name)]
    for rule in (len, lambda choice: -len(choice), lambda choice: len(choice.encode())):
        assert score_of_rule(rows, rule) == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_size_of_a_number_does_not_give_it_away(language):
    ranks = Counter()
    for row in rows_of(language, "arithmetic"):
        numbers = [re.match(r"\d+", choice) for choice in row["choices"]]
        if all(numbers) and not any(":" in choice for choice in row["choices"]):
            values = [int(number[0]) for number in numbers]
            ranks[sorted(values).index(values[row["answer"]])] += 1
    assert ranks.total() > 25
    assert chisquare([ranks[place] for place in range(4)]).pvalue > 0.01


@pytest.mark.parametrize(("language", "name"), CASES)
def test_difficulty_is_graded(language, name):
    counts = Counter(row["difficulty"] for row in rows_of(language, name))
    assert counts.keys() == {1, 2, 3}
    assert min(counts.values()) >= 10


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_asked_twice(language):
    tasks = {name: rows_of(language, name) for name in CHOICE_TASKS}
    questions = [question_of(row) for rows in tasks.values() for row in rows]
    assert exact_groups(questions) == []
    for rows in tasks.values():
        assert drop_near_duplicates([question_of(row) for row in rows], 0.65, [None] * len(rows)) == []
    passages = list(dict.fromkeys(row["context"] for row in tasks["reading"]))
    texts = [*passages, *(row["text"] for row in rows_of(language, "prose"))]
    assert drop_near_duplicates(texts, 0.3, [None] * len(texts)) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_four_questions_share_a_passage(language):
    rows = rows_of(language, "reading")
    assert len({(row["group"], row["context"]) for row in rows}) == len({row["group"] for row in rows}) == 12
    assert set(Counter(row["group"] for row in rows).values()) == {4}


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_are_in_the_language_of_the_suite(language):
    folder = SUITES / f"general-{language}"
    text = "".join(file.read_text(encoding="utf-8") for file in folder.glob("*.jsonl"))
    if language == "en":
        assert not HAN.search(text)
        return
    assert not re.search("[\u4e00-\u9fff][,?!:;]", text)
    asked = [question_of(row) for name in CHOICE_TASKS for row in rows_of(language, name)]
    assert all(HAN.search(question) for question in asked)


@pytest.mark.parametrize("language", LANGUAGES)
def test_prose_is_of_several_registers(language):
    rows = rows_of(language, "prose")
    assert len(rows) == 40
    assert [row["id"] for row in rows] == [f"{language}-prose-{number:02d}" for number in range(1, 41)]
    assert len({row["register"] for row in rows}) >= 8
    sizes = [len(row["text"].encode()) for row in rows]
    assert min(sizes) >= 150
    assert max(sizes) <= 400
