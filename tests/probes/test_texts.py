"""Which texts may be changed, and what survives in them."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tunelift.core.evaluation import Robustness
from tunelift.core.records import Example, Source
from tunelift.data.tasks import Task
from tunelift.evaluation.execution.databases import from_script
from tunelift.evaluation.robustness.table import PERTURBATIONS
from tunelift.probes.perturbations import injected, negated, perturbed
from tunelift.probes.texts import changeable_fields, language_of, longest_text, protected_texts

STRONG = Robustness(strength=1.0)
SCHEMA = "CREATE TABLE employees (name TEXT, salary INTEGER); INSERT INTO employees VALUES ('Ann', 3);"


def make_task(doc_to_text: str, **keys: Any) -> Task:
    return Task.model_validate(
        {"task": "t", "dataset_path": "x", "doc_to_text": doc_to_text, "doc_to_target": "a"} | keys
    )


def item(target: str = "x", choices: tuple[str, ...] | None = None, **fields: Any) -> Example:
    return Example("e", fields, target, Source("x", 1), choices)


def all_changed(task: Task, asked: Example) -> list[dict[str, Any]]:
    """The fields under every perturbation and with a hidden instruction."""
    ways = [*perturbed(task, [asked], [], STRONG, 7), *injected(task, [asked], [], 7)]
    assert len(ways) > 3
    return [way.items[0].fields for way in ways]


def test_a_database_and_the_names_and_values_of_the_right_query_survive() -> None:
    task = make_task("{{ schema }}\n\n{{ question }}", answer={"kind": "sql"})
    question = "Please tell me the salary of the employees whose name is Ann, and nothing else."
    asked = item("SELECT salary FROM employees WHERE name = 'Ann'", schema=SCHEMA, question=question)
    for fields in all_changed(task, asked):
        assert fields["schema"] == SCHEMA
        from_script(fields["schema"])
        assert all(word in fields["question"] for word in ("salary", "employees", "name", "Ann"))
    assert changeable_fields(make_task("{{ schema }} {{ question }}"), [asked]) == ["question", "schema"]


def test_what_a_constraint_asks_for_survives() -> None:
    task = make_task(
        'Write a sentence with the word "{{ word }}" ({{ gloss }}).', metric_list=[{"metric": "constraints"}]
    )
    constraints = [{"kind": "include", "keywords": ["table"]}, {"kind": "words", "at_most": 9}]
    asked = item(
        word="table", gloss="a piece of furniture with a table top, said of many things", constraints=constraints
    )
    for fields in all_changed(task, asked):
        assert fields["word"] == "table"
        assert "table" in fields["gloss"]
        assert fields["constraints"] == constraints


@pytest.mark.parametrize("mark", [". ", "、", ") ", "："])
def test_options_in_fields_of_their_own_stay_whole(mark: str) -> None:
    lines = "".join(f"\n{letter}{mark}{{{{ option_{letter} }}}}" for letter in "AB")
    task = make_task("{{ question }}" + lines, doc_to_choice=["A", "B"])
    options = {"option_A": "the great river Nile in Africa, which is very long", "option_B": "the Danube"}
    asked = item("A", ("A", "B"), question="Which of these rivers is it?", **options)
    for fields in all_changed(task, asked):
        assert {name: fields[name] for name in options} == options
    assert changeable_fields(task, [asked]) == ["question"]
    assert longest_text(task, asked, ["question"]) == "question"


def test_numbers_before_a_text_are_no_options() -> None:
    task = make_task("Say 0 or 1: {{ text }}", doc_to_choice=["0", "1"])
    assert changeable_fields(task, [item("0", ("0", "1"), text="it was good")]) == ["text"]


def test_a_text_that_is_a_choice_stays_whole() -> None:
    task = make_task("{{ question }} {{ one }} or {{ other }}", doc_to_choice="[one, other]")
    asked = item("a cat", ("a cat", "a dog that barks all night"), question="Which?", one="a cat",
                 other="a dog that barks all night")  # fmt: skip
    for fields in all_changed(task, asked):
        assert (fields["one"], fields["other"]) == ("a cat", "a dog that barks all night")


@pytest.mark.parametrize("kind", ["entities", "triples", "code"])
def test_nothing_is_changed_where_answers_depend_on_the_very_words(kind: str) -> None:
    task = make_task("{{ text }}", answer={"kind": kind})
    asked = item("x", text="It is late, and the function truncate(number) is not there.")
    assert perturbed(task, [asked], [], STRONG, 7) == injected(task, [asked], [], 7) == []
    assert negated(task, [asked], [], 5, 7) == []


@pytest.mark.parametrize(
    ("language", "text"), [("zh", "The weather was good yesterday."), ("en", "昨天的天气很好，我们去了公园。")]
)
def test_texts_are_damaged_in_their_own_language(language: str, text: str) -> None:
    """In translation the language of the task is that of the answers."""
    task = make_task("{{ text }}", language=language)
    asked = [item("x", text=text)]
    other = "en" if language == "zh" else "zh"
    assert language_of(task, asked, ["text"]) == other
    names = {way.name for way in perturbed(task, asked, [], STRONG, 7)}
    assert names <= {entry.name for entry in PERTURBATIONS if entry.language == other}
    assert {"typos", "politeness"} <= names


def test_texts_without_letters_have_the_language_of_the_task() -> None:
    assert language_of(make_task("{{ text }}", language="zh"), [item(text="1 + 2 = ?")], ["text"]) == "zh"


def test_protected_are_answers_choices_and_names_of_classes() -> None:
    task = make_task("{{ text }}", labels={"pos": "good"}, doc_to_choice="labels")
    assert protected_texts(task, item("good", ("good",), text="x")) == ["good"]


def test_every_perturbation_leaves_protected_texts() -> None:
    text = "The salary of Ann is in the employees table; she said it's good, if I remember, and the colour was grey."
    for entry in PERTURBATIONS:
        if entry.language == "en":
            changed = entry.perturb(text, Random(3), 1.0, ["salary", "employees"])
            assert "salary" in changed, entry.name
            assert "employees" in changed, entry.name
