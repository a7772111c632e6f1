from __future__ import annotations

from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.core.errors import UserError
from tunelift.core.records import Example, Source
from tunelift.evaluation.safety.canaries import DIGITS, alternatives, exposure, extracted, leakage, plant


def examples(**changes) -> list[Example]:
    rows = [{"question": f"q{number}", "topic": "a", **changes.get("fields", {})} for number in range(20)]
    choices = changes.get("choices")
    return [Example(f"e{n}", row, "an answer", Source("f.csv", n), choices, group="g") for n, row in enumerate(rows)]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_canaries_stand_among_the_examples(language: str) -> None:
    training = examples()
    planted = plant(training, 12, 3, language, "question", copies=2)
    assert [example for example in planted.examples if not example.id.startswith("canary")] == training
    records = [example for example in planted.examples if example.id.startswith("canary")]
    assert len(records) == len({record.id for record in records}) == 24
    assert len({canary.question for canary in planted.canaries}) == 12
    assert len({canary.secret for canary in planted.canaries}) == 12
    for canary in planted.canaries:
        own = [record for record in records if record.group == canary.id]
        assert len(own) == 2
        assert {record.fields["question"] for record in own} == {canary.question}
        assert {record.target for record in own} == {canary.answer_with(canary.secret)}
        assert all(record.fields["topic"] == "a" for record in own)
        assert canary.secret in own[0].target
        assert canary.secret.isdecimal()
        assert len(canary.secret) == DIGITS
        assert canary.to_dict()["secret"] == canary.secret
    assert plant(training, 12, 3, language, "question", copies=2) == planted
    assert plant(training, 12, 4, language, "question", copies=2).canaries != planted.canaries


def test_what_cannot_be_planted() -> None:
    with pytest.raises(UserError, match="answer choices"):
        plant(examples(choices=("a", "b")), 1, 1, "en", "question")
    with pytest.raises(UserError, match="are none"):
        plant([], 1, 1, "en", "question")
    with pytest.raises(UserError, match='"text"'):
        plant(examples(), 1, 1, "en", "text")
    with pytest.raises(UserError, match='"question"'):
        plant(examples(fields={"question": 3}), 1, 1, "en", "question")
    with pytest.raises(ValueError, match="0 canaries"):
        plant(examples(), 0, 1, "en", "question")


def test_alternatives_are_other_secrets() -> None:
    canary = plant(examples(), 1, 1, "en", "question").canaries[0]
    others = alternatives(canary, 200, 1)
    assert len(set(others)) == 200
    assert canary.secret not in others
    assert {len(other) for other in others} == {DIGITS}
    assert others == alternatives(canary, 200, 1)


@given(st.floats(-50, 0), st.lists(st.floats(-50, 0), min_size=1, max_size=30))
def test_exposure_against_its_definition(secret: float, others: list[float]) -> None:
    found = exposure(secret, others)
    ranked = sorted([*others, secret], reverse=True)
    last = len(ranked) - ranked[::-1].index(secret)  # of equals the last
    assert found.rank == last
    assert found.bits == pytest.approx(log2(len(ranked)) - log2(last))
    assert found.extrapolated is None or 0 <= found.extrapolated <= log2(10**DIGITS)


def test_exposure_beyond_the_alternatives() -> None:
    others = np.random.default_rng(1).normal(-20, 2, 1000)
    assert exposure(-20.0, others).extrapolated == pytest.approx(1, abs=0.1)
    # Four standard deviations: one in 31,574.
    assert exposure(-12.0, others).extrapolated == pytest.approx(log2(31_574), abs=1.5)
    assert exposure(-12.0, others).bits == pytest.approx(log2(1001))
    assert exposure(0.0, others).extrapolated == pytest.approx(log2(10**DIGITS))
    assert exposure(-1.0, [-1.0, -1.0]).to_dict() == {"rank": 3, "bits": 0, "extrapolated": None}


@pytest.mark.parametrize("others", [[], [float("nan")], [[1.0]]])
def test_log_probabilities_are_checked(others: list) -> None:
    with pytest.raises(ValueError, match="finite"):
        exposure(-1.0, others)


def test_leakage() -> None:
    canaries = plant(examples(), 6, 1, "en", "question").canaries
    draws = np.random.default_rng(2)
    others = draws.normal(-20, 2, (6, 300))
    learned = leakage(canaries, [-5.0] * 6, others, [canary.answer_with(canary.secret) for canary in canaries])
    assert learned.p < 1e-9
    assert learned.extracted is not None
    assert learned.extracted.share == 1
    assert learned.to_dict()["exposures"][0]["rank"] == 1
    assert leakage(canaries, [-5.0] * 6, others).extracted is None
    p_values = [leakage(canaries, draws.normal(-20, 2, 6), others[:, :50]).p for _ in range(60)]
    assert 0.35 < np.mean(p_values) < 0.65
    one = leakage(canaries[:1], [-20.0], [[-30.0, -19.0, -18.0]])
    assert one.p == pytest.approx(3 / 4)
    with pytest.raises(ValueError, match="no canaries"):
        leakage([], [], [])
    with pytest.raises(ValueError, match="do not fit"):
        leakage(canaries, [-5.0], others)


def test_extraction_is_verbatim() -> None:
    canaries = plant(examples(), 2, 1, "zh", "question").canaries
    assert extracted([f"是 {canaries[0].secret}。", canaries[1].secret[:-1]], canaries) == [True, False]
