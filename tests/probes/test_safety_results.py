"""What the answers to the probes about bias and safety say."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tunelift.core.records import Example, Sample
from tunelift.data.tasks import Task
from tunelift.evaluation.metrics.table import make_metrics
from tunelift.probes.safety import preference_texts, requested
from tunelift.probes.safety_results import SafetyResult, measure_safety
from tunelift.statistics.multiplicity import holm

TASK = Task.model_validate({"task": "t", "dataset_path": "x", "doc_to_text": "{{text}}", "doc_to_target": "label"})
METRIC = make_metrics(TASK)[0]
REFUSAL = "I'm sorry, but I can't help with that."
SAID = "the quick brown fox jumps over the lazy dog and runs away " * 3


def sample(item: Example, output: str = "", **keys: Any) -> Sample:
    said = Sample(item.id, 0, item.fields, item.target, "c", output, output, "stop", **keys)
    return replace(said, metrics={"acc": float(output == "yes")})


def texts(stereotyped: bool) -> list[Sample]:
    items = preference_texts(TASK, 1000, 1).items
    likely = {"more": -1.0 if stereotyped else -3.0, "less": -2.0}
    return [sample(item, reference_logprob=likely[item.fields["side"]]) for item in items]


def requests(refused: bool, said: str = "Gladly.") -> list[Sample]:
    return [
        sample(item, REFUSAL if refused and not item.fields["safe"] else said)
        for item in requested(TASK, 1000, 1).items
    ]


def items(outputs: str) -> list[Sample]:
    words = {"y": "yes", "n": "no", "s": SAID, "f": "fuck"}
    return [
        Sample(
            f"i{at}", at, {}, "yes", "c", words[letter], words[letter], "stop", metrics={"acc": float(letter == "y")}
        )
        for at, letter in enumerate(outputs)
    ]


def measure(
    swaps: dict[str, str] | None = None, names: tuple[str, ...] = ("base", "tuned"), **keys: Any
) -> SafetyResult:
    asked = {
        "preferences": {"pairs": {name: texts(name == "tuned") for name in names}},
        "requests": {"contrasts": {name: requests(name == "base") for name in names}},
    }
    if swaps:
        asked["swaps"] = {"name": {name: items(swaps[name]) for name in names}}
    plain = {name: items(keys.get("plain", "y" * 20)) for name in names}
    return measure_safety(asked, plain, METRIC, keys.get("trained"), seed=1)


def test_stereotypes_refusals_and_toxicity_before_and_after() -> None:
    found = measure()
    overall, *categories = found.preferences
    assert {name: rate.share for name, rate in overall.rates.items()} == {"base": 0, "tuned": 1}
    assert overall.change is not None
    assert overall.change.result.effect == 1
    assert overall.change.adjusted_p < 1e-6
    assert len(categories) == 7
    assert {category.rates["tuned"].share for category in categories} == {1}
    assert sum(category.rates["base"].n for category in categories) == overall.rates["base"].n == 60
    unsafe, safe = found.refusals
    assert {name: rate.share for name, rate in unsafe.rates.items()} == {"base": 1, "tuned": 0}
    assert {name: rate.share for name, rate in safe.rates.items()} == {"base": 0, "tuned": 0}
    assert found.toxicity[0].rates["tuned"].count == 0
    assert (found.swaps, found.answers) == ((), ())


def test_p_values_are_corrected_for_the_main_measures_and_for_the_categories() -> None:
    found = measure()
    main = [measure.change for measure in (found.preferences[0], *found.refusals, found.toxicity[0])]
    for changes in (main, [measure.change for measure in found.preferences[1:]]):
        known = [change for change in changes if change]
        adjusted = holm([change.result.p for change in known])
        assert [change.adjusted_p for change in known] == pytest.approx(list(adjusted))
        assert len(known) == len(changes) > 3


def test_answers_that_change_with_the_person() -> None:
    found = measure({"base": "n" * 10 + "y" * 10, "tuned": "y" * 19 + "n"})
    (swap,) = found.swaps
    assert {name: rate.share for name, rate in swap.changed.rates.items()} == {"base": 0.5, "tuned": 0.05}
    assert swap.changed.change is not None
    assert swap.changed.change.result.effect == pytest.approx(-0.45)
    scores = {name: (change.result.baseline, change.result.candidate) for name, change in swap.scores.items()}
    assert scores == {"base": (1, 0.5), "tuned": (1, 0.95)}
    assert swap.difference is not None
    assert swap.difference.result.effect == pytest.approx(0.45)


def test_a_free_answer_that_differs_in_case_is_the_same() -> None:
    plain = items("y")
    after = [replace(plain[0], output=" Yes.", answer=" Yes.")]
    asked = {
        "preferences": {"pairs": {"tuned": texts(True)}},
        "requests": {"contrasts": {"tuned": requests(False)}},
        "swaps": {"name": {"tuned": after}},
    }
    found = measure_safety(asked, {"tuned": plain}, METRIC, None, seed=1)
    assert found.swaps[0].changed.rates["tuned"].count == 0


def test_only_the_items_that_have_a_swap_are_held_against_it() -> None:
    assert measure({"base": "yn", "tuned": "yy"}, plain="ynyyyy").swaps[0].changed.rates["base"].n == 2


def test_free_answers_are_searched() -> None:
    toxic, copies = measure(plain="f" + "s" * 2 + "y" * 7, trained=[f"Once {SAID}."]).answers
    assert (toxic.rates["tuned"].count, copies.rates["tuned"].count) == (1, 2)


def test_one_condition_has_rates_and_no_changes() -> None:
    found = measure({"tuned": "yn"}, names=("tuned",), trained=["yes"])
    measures = [found.swaps[0].changed, *found.preferences, *found.refusals, *found.toxicity, *found.answers]
    assert all(measure.change is None and list(measure.rates) == ["tuned"] for measure in measures)
    assert found.swaps[0].difference is None


@pytest.mark.parametrize("names", [("base", "tuned"), ("tuned",)])
def test_a_round_trip_through_json(names: tuple[str, ...]) -> None:
    found = measure({"base": "yyn", "tuned": "yny"}, names=names, trained=["yes"])
    again = SafetyResult.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.to_dict() == found.to_dict()
    assert again.swaps[0].scores["tuned"].result.n == 3
