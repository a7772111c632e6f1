from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.comparison.compare import compare
from tunelift.comparison.seeds import SeedResult, compare_seeds
from tunelift.core.records import Sample
from tunelift.evaluation.metrics.classification import f1
from tunelift.evaluation.metrics.metric import Metric, mean_metric
from tunelift.statistics.variance import variance_components

ACC = mean_metric("acc", lambda outcome: outcome.values["acc"])
ERROR = mean_metric("error", lambda outcome: outcome.values["error"], higher_is_better=False)
REPEATS = {"tuned-seed-8": "tuned", "tuned-seed-9": "tuned"}


def answers(values: Sequence[float], metric: str = "acc", groups: Sequence[str] = ()) -> list[Sample]:
    return [
        Sample(
            f"e{at}",
            at,
            {},
            "yes",
            "c",
            output="yes" if value else "no",
            answer="yes" if value else "no",
            finish_reason="stop",
            choices=("yes", "no"),
            metrics={metric: float(value)},
            group=groups[at] if groups else None,
        )
        for at, value in enumerate(values)
    ]


def drawn(seed: int, count: int = 60, metric: str = "acc") -> dict[str, list[Sample]]:
    generator = np.random.default_rng(seed)
    skills = {"zero-shot": 0.4, "tuned": 0.7, "tuned-seed-8": 0.72, "tuned-seed-9": 0.66}
    return {name: answers((generator.random(count) < skill).tolist(), metric) for name, skill in skills.items()}


def values(samples: Sequence[Sample], metric: str = "acc") -> np.ndarray:
    return np.array([sample.metrics[metric] for sample in samples])


def test_scores_and_components_are_those_of_the_table() -> None:
    samples = drawn(1)
    (result,) = compare_seeds(samples, REPEATS, ["zero-shot"], ACC)
    names = ["tuned", "tuned-seed-8", "tuned-seed-9"]
    assert (result.condition, list(result.seeds)) == ("tuned", names)
    assert list(result.seeds.values()) == pytest.approx([values(samples[name]).mean() for name in names])
    assert result.spread.mean == pytest.approx(np.mean(list(result.seeds.values())))
    table = np.stack([values(samples[name]) - values(samples["zero-shot"]) for name in names], axis=1)
    assert result.against == {"zero-shot": variance_components(table)}


@given(st.permutations(range(12)))
def test_items_are_paired_by_their_id(order: list[int]) -> None:
    samples = drawn(2, 12)
    shuffled = samples | {"tuned-seed-8": [samples["tuned-seed-8"][at] for at in order]}
    assert compare_seeds(shuffled, REPEATS, ["zero-shot"], ACC) == compare_seeds(samples, REPEATS, ["zero-shot"], ACC)


def test_an_improvement_is_positive_where_lower_is_better() -> None:
    samples = drawn(3, metric="error")
    (result,) = compare_seeds(samples, REPEATS, ["zero-shot"], ERROR)
    assert result.against["zero-shot"].mean == pytest.approx(
        values(samples["zero-shot"], "error").mean() - result.spread.mean
    )


def test_a_score_that_is_no_mean_has_a_spread_and_no_components() -> None:
    samples = drawn(4)
    metric = f1(("yes", "no"))
    named = {name: [_with(sample, metric) for sample in part] for name, part in samples.items()}
    (result,) = compare_seeds(named, REPEATS, ["zero-shot"], metric)
    assert result.against == {"zero-shot": None}
    comparison = compare(named, [], "t", seed=1, metrics=[metric])
    scores = {score.name: score.score for score in comparison.conditions}
    assert result.seeds == pytest.approx({name: scores[name] for name in result.seeds})


def _with(sample: Sample, metric: Metric) -> Sample:
    sample.metrics[metric.name] = sample.metrics["acc"]
    return sample


def test_groups_count_as_one() -> None:
    groups = [f"g{at // 2}" for at in range(40)]
    once = {name: values(part) for name, part in drawn(5, 20).items()}
    twice = {name: answers(np.repeat(each, 2).tolist(), groups=groups) for name, each in once.items()}
    (alone,) = compare_seeds({name: answers(each.tolist()) for name, each in once.items()}, REPEATS, ["zero-shot"], ACC)
    (doubled,) = compare_seeds(twice, REPEATS, ["zero-shot"], ACC)
    assert doubled.against["zero-shot"].interval is not None
    widths = [each.against["zero-shot"].interval.high - each.against["zero-shot"].mean for each in (alone, doubled)]
    assert widths[1] >= 0.98 * widths[0]


def test_several_conditions_are_repeated_and_two_seeds_have_no_interval() -> None:
    samples = {name: answers([1, 0, 1, 1]) for name in ("tuned", "few", "tuned-seed-2", "few-seed-2", "base")}
    repeats = {"few-seed-2": "few", "tuned-seed-2": "tuned"}
    results = compare_seeds(samples, repeats, ["base"], ACC)
    assert [(each.condition, list(each.seeds)) for each in results] == [
        ("tuned", ["tuned", "tuned-seed-2"]),
        ("few", ["few", "few-seed-2"]),
    ]
    assert all(each.against["base"].interval is None for each in results)


def test_nothing_is_said_where_nothing_is_repeated_or_there_is_one_item() -> None:
    assert compare_seeds(drawn(6), {}, ["zero-shot"], ACC) == ()
    (result,) = compare_seeds({"a": answers([1]), "b": answers([0]), "base": answers([1])}, {"b": "a"}, ["base"], ACC)
    assert result.against == {"base": None}


@given(st.integers(0, 2**32 - 1), st.integers(2, 20))
def test_a_round_trip_through_json(seed: int, count: int) -> None:
    (result,) = compare_seeds(drawn(seed, count), REPEATS, ["zero-shot"], ACC)
    assert SeedResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result
