"""What follows from judgements, whoever gave them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tunelift.evaluation.judges.agreement import units_of
from tunelift.evaluation.judges.pairwise import JudgedPair, Share, share_of
from tunelift.evaluation.judges.people import Judgement
from tunelift.statistics.paired import PairedResult

LEVEL = 0.05

Verdict = Literal["better", "worse", "undecided"]


def outcome_of(result: PairedResult) -> Verdict:
    """What a preference shows of the candidate at the level of 5 %."""
    if result.p > LEVEL or result.effect == 0:
        return "undecided"
    return "better" if result.effect > 0 else "worse"


def verdict_shares(judged: Sequence[JudgedPair | Judgement]) -> tuple[Share, Share, Share]:
    """How often the candidate was preferred, the baseline, and neither; at least one was judged."""
    units = units_of(judged)
    wins, losses, ties = (
        share_of([(unit, float(each.score == score)) for unit, each in zip(units, judged, strict=True)])
        for score in (1.0, 0.0, 0.5)
    )
    return wins, losses, ties
