"""What follows from the answers of a run."""

from __future__ import annotations

from typing import Any

import pytest

from tunelift.evidence import joules_of_answers


def test_answers_take_the_energy_of_their_share_of_the_stage() -> None:
    stage = {"joules": 3000.0, "seconds": 60.0}  # 50 watts, whatever of it was answering
    assert joules_of_answers(stage, 12.0) == pytest.approx(600.0)
    assert joules_of_answers(stage, 120.0) == pytest.approx(6000.0)  # 1,000 answers, of fewer items


@pytest.mark.parametrize(
    "stage", [{"joules": None, "seconds": 60.0}, {"seconds": 60.0}, {"joules": 0.5, "seconds": 0.0}]
)
def test_energy_that_was_not_measured_is_not_known(stage: dict[str, Any]) -> None:
    assert joules_of_answers(stage, 12.0) is None
