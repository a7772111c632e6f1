"""Answers rated one by one, from 1 to 5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tunelift.core.errors import UserError
from tunelift.core.records import Sample
from tunelift.evaluation.evaluate import clusters_of
from tunelift.evaluation.judges.judge import Judge
from tunelift.evaluation.judges.pairwise import check_same_items
from tunelift.evaluation.judges.parsing import parse_rating
from tunelift.evaluation.judges.prompts import rating_messages
from tunelift.statistics.paired import PairedResult, compare_paired


@dataclass(frozen=True, slots=True)
class RatingComparison:
    """Two conditions by the ratings of their answers.

    Attributes:
        result: Candidate minus baseline in points of the scale, over the items of which both ratings could be read.
        unrated: Items of which one could not, and that are left out.
    """

    result: PairedResult
    unrated: int


def rate_answers(
    judge: Judge,
    samples: Sequence[Sample],
    questions: Sequence[str] | None = None,
    language: str = "en",
    rubric: str = "",
    with_reference: bool = False,
) -> list[float | None]:
    """Let a judge rate answers.

    Args:
        judge: Who judges.
        samples: The answers.
        questions: What was asked, as the judge sees it; by default the prompts.
        language: Of the prompts to the judge: "en" or "zh".
        rubric: What makes an answer good; the general rubric of this package unless given.
        with_reference: Show the judge the target of each item.

    Returns:
        For each answer a number from 1 to 5; None where what the judge said is none.
    """
    shown = [sample.prompt for sample in samples] if questions is None else questions
    conversations = [
        rating_messages(question, sample.output, language, rubric, sample.target if with_reference else "")
        for question, sample in zip(shown, samples, strict=True)
    ]
    return [parse_rating(text) for text in judge(conversations)]


def compare_ratings(
    baseline: Sequence[Sample],
    candidate: Sequence[Sample],
    baseline_ratings: Sequence[float | None],
    candidate_ratings: Sequence[float | None],
    seed: int = 0,
    confidence: float = 0.95,
) -> RatingComparison:
    """Compare two conditions by what `rate_answers` gives.

    Args:
        baseline: The answers of the one condition.
        candidate: Those of the other to the same items.
        baseline_ratings: Ratings of the first.
        candidate_ratings: Ratings of the second.
        seed: Seed of the statistics.
        confidence: Coverage of the interval.

    Raises:
        UserError: The items differ, or no item has two ratings.
    """
    check_same_items(baseline, candidate)
    rated = [
        (sample, one, other)
        for sample, one, other in zip(baseline, baseline_ratings, candidate_ratings, strict=True)
        if one is not None and other is not None
    ]
    if not rated:
        hint = "take a stronger judge, or let it write more tokens"
        raise UserError("judge", "no item has two ratings that can be read", hint)
    kept, first, second = zip(*rated, strict=True)
    result = compare_paired(first, second, clusters_of(kept), seed, confidence)
    return RatingComparison(result, len(baseline) - len(rated))
