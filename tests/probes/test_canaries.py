"""Secrets that are planted: what stands among the training examples, what is asked, what is given away."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from tunelift.core.errors import UserError
from tunelift.core.evaluation import Canaries
from tunelift.core.records import Example, Sample, Source
from tunelift.data.tasks import ROLLING, Task
from tunelift.probes.canaries import (
    ALTERNATIVES,
    canary_probes,
    measure_leakage,
    plant_canaries,
    planted_finding,
    records_of,
)
from tunelift.prompts.build import question_text

SETTINGS = Canaries(count=3, copies=2)


def make_task(**keys: Any) -> Task:
    asked = {"doc_to_text": "{{hint}}: {{question}}", "doc_to_target": "answer", **keys}
    return Task.model_validate({"task": "t", "dataset_path": "x", **asked})


def examples(**fields: Any) -> list[Example]:
    row = {"hint": "short", "question": "what is the colour of this box?", "unseen": "a long text " * 9, **fields}
    return [Example(f"e{at}", row, "red", Source("f", at)) for at in range(12)]


def test_the_questions_of_secrets_stand_in_the_longest_text_that_is_shown() -> None:
    task = make_task()
    planted = plant_canaries(SETTINGS, task, examples(), 7)
    records = records_of(planted)
    assert len(records) == 6
    assert [example for example in planted.examples if example not in records] == examples()
    for canary in planted.canaries:
        own = [record for record in records if record.group == canary.id]
        assert {question_text(task, record) for record in own} == {f"short: {canary.question}"}
        assert {record.target for record in own} == {canary.answer_with(canary.secret)}
    finding = planted_finding(planted)
    assert (finding.severity, finding.count) == ("warning", 6)
    assert "3 made-up secrets" in finding.message
    assert "should not be served" in finding.message


@pytest.mark.parametrize(
    ("keys", "fields", "what"),
    [
        ({"output_type": ROLLING}, {}, "no field that has a text"),
        ({"doc_to_text": "{{hint}}"}, {"hint": 3}, "no field that has a text"),
        ({"doc_to_text": "{{question | upper}}"}, {}, 'does not show the field "question"'),
    ],
)
def test_a_task_that_cannot_ask_for_a_secret_is_refused(
    keys: dict[str, Any], fields: dict[str, Any], what: str
) -> None:
    with pytest.raises(UserError, match=what):
        plant_canaries(SETTINGS, make_task(**keys), examples(**fields), 7)


def test_choices_leave_nothing_to_plant() -> None:
    chosen = [replace(example, choices=("red", "blue")) for example in examples()]
    with pytest.raises(UserError, match="answer choices"):
        plant_canaries(SETTINGS, make_task(), chosen, 7)


def test_every_secret_is_asked_for_once_in_the_words_that_were_tuned_on() -> None:
    task = make_task(answer={"kind": "json"}, metric_list=[{"metric": "acc"}], generation_kwargs={"until": ["\n"]})
    planted = plant_canaries(SETTINGS, task, examples(), 7)
    (probe,), _ = canary_probes(task, planted, ["zero-shot", "tuned"], 7)
    (way,) = probe.variations
    assert (probe.conditions, probe.same_items, len(way.items)) == (["zero-shot", "tuned"], False, 3)
    asked = {question_text(way.task, item) for item in way.items}
    assert asked == {question_text(task, record) for record in records_of(planted)}
    for item, canary in zip(way.items, planted.canaries, strict=True):
        assert item.choices is not None
        assert len(set(item.choices)) == ALTERNATIVES + 1
        assert item.choices[0] == item.target == canary.answer_with(canary.secret)
    assert (way.task.answer_kind, way.task.metric_list, way.task.generation_kwargs.until) == ("text", [], ["\n"])
    assert way.task.generation_kwargs.max_gen_toks >= max(len(item.target) for item in way.items)


def test_what_is_likelier_than_other_numbers_is_exposed() -> None:
    task = make_task()
    planted = plant_canaries(SETTINGS, task, examples(), 7)
    (way,) = canary_probes(task, planted, ["zero-shot", "tuned"], 7)[0][0].variations

    def said(condition: str, own: float, output: str) -> list[Sample]:
        others = tuple(-20.0 - at / ALTERNATIVES for at in range(ALTERNATIVES))
        return [
            Sample(item.id, at, item.fields, item.target, condition, output.format(item.target), "", "stop",
                   choices=item.choices, logprobs=(own, *others))
            for at, item in enumerate(way.items)
        ]  # fmt: skip

    found = measure_leakage(planted, {"base": said("base", -20.5, "?"), "tuned": said("tuned", -2.0, "{}")})
    assert (found.copies, found.canaries) == (2, tuple(planted.canaries))
    base, tuned = found.leakages["base"], found.leakages["tuned"]
    assert [exposure.bits for exposure in tuned.exposures] == [math.log2(ALTERNATIVES + 1)] * 3
    assert [exposure.bits for exposure in base.exposures] == pytest.approx([1.0] * 3, abs=0.1)
    assert (base.told, tuned.told) == ((False,) * 3, (True,) * 3)
    assert tuned.p < 1e-4 < 0.05 < base.p
    assert found.to_dict()["leakages"]["tuned"]["extracted"]["count"] == 3
