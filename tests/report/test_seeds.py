from __future__ import annotations

from dataclasses import replace

import pytest

from tunelift.comparison.compare import compare, known_metric
from tunelift.comparison.records import Comparison
from tunelift.comparison.seeds import SeedResult, compare_seeds
from tunelift.core.records import Sample
from tunelift.report.record import RunReport
from tunelift.report.seeds import seed_sections
from tunelift.report.wording import percent, points


def repeated(report: RunReport, count: int) -> tuple[tuple[SeedResult, ...], Comparison]:
    """The tuned condition with so many further seeds: every seventh item is answered otherwise."""
    samples = dict(report.samples)
    for seed in range(count):
        samples[f"tuned-seed-{seed}"] = [
            replace(sample, metrics={"acc": 1 - sample.metrics["acc"]} if at % 7 == seed else sample.metrics)
            for at, sample in enumerate(samples["tuned"])
        ]
    names = {name: "tuned" for name in samples if name.startswith("tuned-")}
    metric = known_metric("acc", samples["tuned"])
    return compare_seeds(samples, names, ["zero-shot"], metric), compare(samples, [], "t", seed=1)


def test_nothing_is_said_where_nothing_is_repeated(english: RunReport) -> None:
    assert seed_sections((), english.comparison) == []


def test_the_settings_come_before_the_spread(english: RunReport) -> None:
    seeds, comparison = repeated(english, 2)
    (section,) = seed_sections(seeds, comparison)
    (result,), found = seeds, seeds[0].against["zero-shot"]
    contrast, spread = section.sentences
    assert contrast.startswith("On average over all seeds, tuned is better than zero-shot: ")
    assert f"{points(found.mean)} points with these 3" in contrast
    assert f"{percent(found.interval.low)} to {percent(found.interval.high)}" in contrast
    assert all(f"{name} {percent(score)}" in spread for name, score in result.seeds.items())
    assert f"standard deviation of {percent(result.spread.deviation)} points" in spread
    assert section.rows[0][:2] == ["tuned vs zero-shot", points(found.mean)]
    assert len(section.rows[0]) == len(section.heading)
    (summary,) = section.summary
    assert summary.endswith("better than zero-shot.")


@pytest.mark.parametrize(("shift", "said"), [(-0.6, "is worse than"), (-0.25, "No difference between tuned and")])
def test_what_is_not_better_is_not_called_so(english: RunReport, shift: float, said: str) -> None:
    (result,), comparison = repeated(english, 2)
    found = result.against["zero-shot"]
    moved = replace(found, mean=found.mean + shift, interval=replace(found.interval, low=shift, high=shift + 0.4))
    (section,) = seed_sections([replace(result, against={"zero-shot": moved})], comparison)
    assert said in section.sentences[0]
    assert "better" not in section.summary[0]


def test_two_seeds_have_no_interval(english: RunReport) -> None:
    (section,) = seed_sections(*repeated(english, 1))
    assert section.sentences[0].endswith("is not known: two seeds are too few for an interval.")
    assert "95 % interval" not in section.sentences[1]
    assert section.rows[0][2] == "-"


def test_of_a_score_that_is_no_mean_only_effects_are_known(english: RunReport) -> None:
    (result,), comparison = repeated(english, 2)
    (section,) = seed_sections([replace(result, against={"zero-shot": None})], comparison)
    assert section.sentences[0].endswith("a mean over several items.")
    assert section.rows[0][2:6] == ["-"] * 4


def test_a_fall_is_an_improvement_where_lower_is_better(english: RunReport) -> None:
    samples: dict[str, list[Sample]] = {
        name: [replace(sample, metrics={"ter": 2 - sample.metrics["acc"]}) for sample in english.samples[name]]
        for name in ("zero-shot", "tuned", "few-shot")
    }
    metric = known_metric("ter", samples["tuned"], higher_is_better=False)
    seeds = compare_seeds(samples, {"few-shot": "tuned"}, ["zero-shot"], metric)
    (section,) = seed_sections(seeds, compare(samples, [], "t", seed=1, metrics=[metric]))
    assert section.rows[0][1].startswith("+")
    assert " points" not in section.sentences[1]
    assert "%" not in section.sentences[1]
