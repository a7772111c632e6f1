from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tunelift.core.errors import UserError
from tunelift.core.files import write_text
from tunelift.data.tasks import Task, dump_task
from tunelift.judging.answers import read_answers


def test_the_answers_of_two_conditions(make_run: Callable[..., Path]) -> None:
    run = make_run(base=["1", "2"], tuned=["3", "4"])
    answers = read_answers(run, "tuned", "base")
    assert [sample.output for sample in answers.candidate] == ["3", "4"]
    assert [sample.output for sample in answers.baseline] == ["1", "2"]
    # Neither the prompt as a model has seen it, nor demonstrations.
    assert answers.questions == ["You count.\n\nSay a number: text 0", "You count.\n\nSay a number: text 1"]
    assert (answers.language, answers.seed, set(answers.hashes)) == ("en", 7, {"base", "tuned"})
    again = read_answers(make_run(name="other", base=["1", "2"], tuned=["3", "5"]), "tuned", "base")
    assert again.hashes["base"] == answers.hashes["base"]
    assert again.hashes["tuned"] != answers.hashes["tuned"]


def test_a_subset_is_the_same_for_both_and_every_time(make_run: Callable[..., Path]) -> None:
    run = make_run(base=[f"{at} x" for at in range(50)], tuned=[f"{at} y" for at in range(50)])
    first, second = read_answers(run, "tuned", "base", 8), read_answers(run, "tuned", "base", 8)
    ids = [sample.example_id for sample in first.baseline]
    assert len(ids) == len(set(ids)) == 8
    assert ids == [sample.example_id for sample in first.candidate] != [f"e{at}" for at in range(8)]
    assert first == second
    assert first.hashes == read_answers(run, "tuned", "base").hashes
    assert len(read_answers(run, "tuned", "base", 90).questions) == 50


def test_a_conversation_is_shown_as_a_transcript(make_run: Callable[..., Path]) -> None:
    run = make_run(base=["1"], tuned=["2"])
    task = Task(task="talk", dataset_path="x", doc_to_text="messages", doc_to_target="label", language="zh")
    write_text(run / "task.yaml", dump_task(task))
    turns = [("user", "Hello"), ("assistant", "Hi"), ("user", "Why?")]
    for file in run.glob("conditions/*/*.jsonl"):
        row = json.loads(file.read_text(encoding="utf-8"))
        row["doc"]["messages"] = [{"role": role, "content": content} for role, content in turns]
        file.write_text(json.dumps(row) + "\n", encoding="utf-8")
    answers = read_answers(run, "tuned", "base")
    assert answers.questions == ["user: Hello\nassistant: Hi\nuser: Why?"]
    assert answers.language == "zh"


def test_what_cannot_be_read_is_told(make_run: Callable[..., Path], tmp_path: Path) -> None:
    run = make_run(base=["1"], tuned=["2"])
    for conditions, message in (
        (("tuned", "tuned"), "condition tuned: is compared with itself - choose two conditions"),
        (("tunde", "base"), 'has no answers of a condition "tunde" - did you mean "tuned"?'),
        (("tuned", "../x"), 'has no answers of a condition "../x" - valid here: base, tuned'),
    ):
        with pytest.raises(UserError) as caught:
            read_answers(run, *conditions)
        assert message in str(caught.value)
    with pytest.raises(UserError, match="is not a run directory"):
        read_answers(tmp_path / "nothing", "tuned", "base")
    with pytest.raises(UserError, match=r'stage "conditions/base" is not finished'):
        read_answers(make_run(name="empty"), "tuned", "base")
    with pytest.raises(UserError, match="answered different items"):
        read_answers(make_run(name="longer", base=["1", "2"], tuned=["3"]), "tuned", "base")
    (file,) = run.glob("conditions/tuned/*.jsonl")
    file.write_text('{"resps": []}\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"samples_numbers_now.jsonl:1: is not a sample of tunelift"):
        read_answers(run, "tuned", "base")
