"""Other wordings of questions and labels."""

from __future__ import annotations

from typing import Any

import pytest

from tunelift.core.records import Example, Source
from tunelift.data.formats import Row
from tunelift.data.reader import make_reader
from tunelift.data.tasks import Task
from tunelift.evaluation.metrics.table import make_metrics
from tunelift.probes.wordings import FRAMES, other_labels, other_wordings
from tunelift.prompts.build import question_text

ROWS = [{"text": "lovely", "label": "pos"}, {"text": "awful", "label": "neg"}]


def make_task(**keys: Any) -> Task:
    return Task.model_validate(
        {"task": "t", "dataset_path": "x", "doc_to_text": "Of: {{text}}", "doc_to_target": "label", **keys}
    )


def read(task: Task, rows: list[dict[str, Any]] = ROWS) -> list[Example]:
    made = [Row(row, Source("x", number)) for number, row in enumerate(rows, start=1)]
    reader = make_reader(task, made)
    return [reader.example(row) for row in made]


def labelled(**keys: Any) -> Task:
    names = {"pos": "positive", "neg": "negative"}
    return make_task(
        labels=names,
        doc_to_text="{{ labels | join(' or ') }}? {{text}}",
        doc_to_target="{{ wording[label] }}",
        doc_to_choice=list(names.values()),
        **keys,
    )


def test_the_templates_of_the_task_come_first_then_frames() -> None:
    task = make_task(templates=["Say what {{text}} is."])
    ways = other_wordings(task, read(task), [], 3)
    assert [way.name for way in ways] == ["template-1", *list(FRAMES["en"])[:2]]
    questions = [question_text(way.task, way.items[0]) for way in ways]
    assert questions == [
        "Say what lovely is.",
        "Please help me with this. Of: lovely",
        "Question: Of: lovely\n\nAnswer:",
    ]


@pytest.mark.parametrize("language", list(FRAMES))
def test_every_frame_holds_the_question_once_and_all_differ(language: str) -> None:
    task = make_task(language=language)
    ways = other_wordings(task, read(task), [], 100)
    asked = [question_text(way.task, way.items[0]) for way in ways]
    assert len(set(asked)) == len(asked) == len(FRAMES[language])
    assert all(question.count("Of: lovely") == 1 and len(question) > len("Of: lovely") for question in asked)


def test_a_field_is_framed_as_a_template() -> None:
    task = make_task(doc_to_text="text")
    (way,) = other_wordings(task, read(task), [], 1)
    assert question_text(way.task, way.items[0]) == "Please help me with this. lovely"


def test_a_conversation_has_no_other_wording() -> None:
    task = make_task(doc_to_text="messages", doc_to_target="reply")
    rows = [{"messages": [{"role": "user", "content": "hi"}], "reply": "hello"}]
    assert other_wordings(task, read(task, rows), [], 3) == []


def test_labels_are_called_by_their_synonyms_in_question_and_answer() -> None:
    task = labelled(answer={"synonyms": {"positive": ["good", "fine"]}})
    (way,) = other_labels(task, read(task), read(task))
    assert question_text(way.task, way.items[0]) == "good or negative? lovely"
    assert [item.target for item in way.items] == ["good", "negative"]
    assert way.items[0].choices == way.pool[0].choices == ("good", "negative")
    assert [item.id for item in way.items] == [item.id for item in read(task)]


def test_metrics_name_classes_as_their_task_does() -> None:
    metrics = [{"metric": "f1", "of": "positive"}, {"metric": "f1", "name": "both", "ignore": ["positive"]}]
    task = labelled(answer={"synonyms": {"positive": ["good"]}}, metric_list=metrics)
    (way,) = other_labels(task, read(task), [])
    assert [metric.name for metric in make_metrics(way.task)] == ["f1_good", "both"]
    assert way.task.metric_list[1]["ignore"] == ["good"]


SYNONYMS = {"synonyms": {"positive": ["good"]}}


@pytest.mark.parametrize(
    "task",
    [
        labelled(),
        labelled(answer={"synonyms": {"positive": ["negative"]}}),
        labelled(answer=SYNONYMS).model_copy(update={"doc_to_text": "negative or positive? {{text}}"}),
        make_task(doc_to_choice=["pos", "neg"], answer={"synonyms": {"pos": ["good"]}}),
    ],
    ids=["no synonyms", "one name for two", "names written out", "no labels"],
)
def test_labels_keep_their_names_where_a_change_would_not_be_seen(task: Task) -> None:
    assert other_labels(task, read(task), []) == []
