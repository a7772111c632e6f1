from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from tunelift.core.records import Sample
from tunelift.evaluation.calibration import Calibration, measure_calibration
from tunelift.evaluation.temperature import TemperatureCheck, check_temperature, fit_temperature
from tunelift.report.calibration import calibration_sections
from tunelift.report.wording import percent


def drawn(seed: int, sharpness: float = 1.0, count: int = 400) -> list[Sample]:
    """Answers of a model whose log-probabilities are so many times too far apart."""
    generator = np.random.default_rng(seed)
    logits = 1.5 * generator.standard_normal((count, 2))
    true, given = (np.exp(k * logits) / np.exp(k * logits).sum(axis=1, keepdims=True) for k in (1.0, sharpness))
    right = (generator.random(count) < true[:, 1]).astype(int)
    return [
        Sample(
            f"e{at}", at, {}, ("no", "yes")[right[at]], "c", "", None, "stop",
            choices=("no", "yes"), probabilities=tuple(given[at].tolist()),
        )
        for at in range(count)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def calibrations() -> dict[str, Calibration]:
    return {
        name: measure_calibration(drawn(seed, sharpness), 7)
        for seed, (name, sharpness) in enumerate({"zero-shot": 1.0, "tuned": 4.0, "shy": 0.3}.items())
    }


def temperature() -> TemperatureCheck:
    return check_temperature(fit_temperature(drawn(5, 4.0)), drawn(6, 4.0), 7)


def test_nothing_is_said_without_probabilities() -> None:
    assert calibration_sections({}, None, "tuned") == []


def test_the_studied_condition_comes_first(calibrations: dict[str, Calibration]) -> None:
    (section,) = calibration_sections(calibrations, None, "tuned")
    tuned, selective, zero, shy = section.sentences
    assert tuned.startswith("tuned is too sure of itself: ")
    assert f"right in {percent(calibrations['tuned'].accuracy)} % of 400 items" in tuned
    assert selective.startswith("Answering only the 80 % of the items that it is surest of, tuned would be right in ")
    assert zero.startswith("No fault of the probabilities of zero-shot could be shown: ")
    assert shy.startswith("shy is less sure of itself than it could be: ")
    assert [row[0] for row in section.rows] == list(calibrations)
    assert [row[-1] for row in section.rows] == ["no fault could be shown", "too high", "too low"]
    assert all(len(row) == len(section.heading) for row in section.rows)


def test_only_a_large_fault_of_the_studied_condition_is_striking(calibrations: dict[str, Calibration]) -> None:
    assert len(calibration_sections(calibrations, None, "tuned")[0].summary) == 1
    assert calibration_sections(calibrations, None, "zero-shot")[0].summary == []


def test_a_gap_that_cancels_out_is_neither_too_high_nor_too_low(calibrations: dict[str, Calibration]) -> None:
    mixed = replace(calibrations["tuned"], confidence=calibrations["tuned"].accuracy)
    (section,) = calibration_sections({"tuned": mixed}, None, "tuned")
    assert "partly too high and partly too low" in section.sentences[0]
    assert section.rows[0][-1] == "partly too high, partly too low"


def test_a_temperature_that_helps(calibrations: dict[str, Calibration]) -> None:
    check = temperature()
    sentence = calibration_sections(calibrations, check, "tuned")[0].sentences[2]
    assert f"divided by {check.temperature:.2f}" in sentence
    assert f"the calibration error falls by {percent(check.ece.effect)} points" in sentence
    assert f"the loss falls by {check.nll.effect:.3f} nats an item" in sentence
    assert "no change shown" not in sentence


def test_a_temperature_that_does_harm_or_nothing(calibrations: dict[str, Calibration]) -> None:
    check = temperature()
    low, high = check.ece.interval.low, check.ece.interval.high
    worse = replace(check.ece, effect=-check.ece.effect, interval=replace(check.ece.interval, low=-high, high=-low))
    doubtful = replace(check.nll, p=0.3)
    changed = replace(check, temperature=100.0, ece=worse, nll=doubtful)
    sentence = calibration_sections(calibrations, changed, "tuned")[0].sentences[2]
    assert f"rises by {percent(check.ece.effect)} points (95 % interval {percent(low)} to {percent(high)}" in sentence
    assert sentence.endswith("p = 0.30; no change shown).")
    assert "at an end of its range" in sentence


def test_the_chart_has_the_diagonal_and_at_most_three_conditions(calibrations: dict[str, Calibration]) -> None:
    four = {**calibrations, "another": calibrations["shy"]}
    root = ElementTree.fromstring(calibration_sections(four, None, "tuned")[0].chart)
    assert len(root.findall(".//polyline")) == 3
    assert len(root.findall("line[@class='zero']")) == 1
    assert "tuned: " in root.findtext("desc")
    assert "another" not in root.findtext("desc")


def test_a_condition_that_has_no_probabilities_gives_way(calibrations: dict[str, Calibration]) -> None:
    (section,) = calibration_sections(calibrations, None, "majority")
    assert section.sentences[0].startswith("shy ")
