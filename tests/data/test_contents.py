from __future__ import annotations

from tunelift.core.records import Example, Source
from tunelift.data.contents import contents_of, questions_of
from tunelift.data.tasks import Task


def task(**keys) -> Task:
    keys = {"doc_to_text": "Read this: {{text}} What is it?", "doc_to_target": "answer", **keys}
    return Task(task="t", dataset_path="rows.jsonl", **keys)


def example(target: str, **fields) -> Example:
    return Example("e", {"answer": target, **fields}, target, Source("rows.jsonl", 1))


def test_a_free_answer_belongs_to_what_is_said_and_the_template_does_not():
    rows = [example("a long answer", text="a text"), example("another", text="b")]
    assert [text.split() for text in questions_of(task(), rows)] == [["a", "text"], ["b"]]
    assert contents_of(task(), rows)[0].split() == ["a", "text", "a", "long", "answer"]


def test_one_of_a_few_choices_does_not():
    rows = [example("yes", text="a text", options=["yes", "no"]), example("no", text="b", options=["no", "maybe"])]
    shared = task(doc_to_choice=["yes", "no"])
    assert contents_of(shared, rows) == questions_of(shared, rows)
    assert contents_of(shared, rows)[1].split() == ["b"]
    own = task(doc_to_choice="options")
    assert [text.split() for text in contents_of(own, rows)] == [["a", "text", "yes", "no"], ["b", "no", "maybe"]]


def test_a_text_whose_probability_is_measured_stands_there_once():
    rolling = task(output_type="loglikelihood_rolling", doc_to_target="answer", doc_to_text="")
    assert contents_of(rolling, [example("some prose"), example("more")]) == ["some prose", "more"]


def test_turns_of_a_dialogue():
    turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
    assert contents_of(task(doc_to_text="messages"), [example("Bye", messages=turns)]) == [
        "user: Hello\nassistant: Hi\nBye"
    ]


def test_nothing():
    assert contents_of(task(), []) == []
