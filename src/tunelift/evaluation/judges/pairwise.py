"""Two conditions' answers to identical items, compared by a judge in both orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunelift.core.errors import UserError
from tunelift.core.records import Sample
from tunelift.evaluation.evaluate import clusters_of
from tunelift.evaluation.judges.judge import Judge
from tunelift.evaluation.judges.parsing import FIRST, SECOND, TIE, parse_verdict
from tunelift.evaluation.judges.prompts import pairwise_messages
from tunelift.statistics.intervals import Interval, score_interval
from tunelift.statistics.paired import PairedResult, compare_paired

BASELINE, CANDIDATE = "baseline", "candidate"


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """What a judge says of the two answers to one item.

    Attributes:
        example_id: The item.
        group: Its cluster.
        baseline_first: "baseline", "candidate" or "tie", when the baseline's answer stood first; None where the verdict
            could not be read, or the judge was not asked.
        candidate_first: The same when the candidate's stood first.
        asked: False where the two answers are the same text: that is a tie, and the judge was not asked.
        score: 1 where the candidate is preferred in both orders, 0 where the baseline is, otherwise 0.5.
        longer: Whose answer has more characters; "tie" where they are equally long.
        said: What the judge said, when the baseline's answer stood first and when the candidate's did, with A for the
            answer that stood first and B for the other; empty where it was not asked.
    """

    example_id: str
    group: str | None
    baseline_first: str | None
    candidate_first: str | None
    asked: bool
    score: float
    longer: str
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """How often something was so.

    Attributes:
        value: Share of the cases.
        interval: Its interval.
        n: Number of cases.
    """

    value: float
    interval: Interval | None
    n: int


@dataclass(frozen=True, slots=True)
class Preference:
    """What a judge prefers.

    Attributes:
        baseline: Name of the one condition.
        candidate: Name of the other.
        pairs: What was said of each item, in their order.
        result: Share of the candidate's wins minus that of its losses, an item whose orders disagree being a tie; its
            `candidate` is the win rate in which ties are half a win.
        wins: Items that the candidate wins in both orders.
        losses: Items that the baseline wins in both orders.
        ties: All others, those with the same text from both included.
        identical: Items with the same text from both.
        unparsed: Verdicts that could not be read, of the two for every item that was asked.
        first_wins: Of the verdicts that name a winner, how often it is the answer that stood first; a judge without
            position bias has 0.5. None where no verdict names one.
        consistent: Of the items with two verdicts, how often both say the same. None where there is no such item.
        longer_wins: Of the items with a winner and answers of different length, how often the longer one wins. It is
            bias only as far as longer answers are not better.
    """

    baseline: str
    candidate: str
    pairs: tuple[JudgedPair, ...]
    result: PairedResult
    wins: int
    losses: int
    ties: int
    identical: int
    unparsed: int
    first_wins: Share | None
    consistent: Share | None
    longer_wins: Share | None


def compare_answers(
    judge: Judge,
    baseline: Sequence[Sample],
    candidate: Sequence[Sample],
    questions: Sequence[str] | None = None,
    language: str = "en",
    rubric: str = "",
    with_reference: bool = False,
    seed: int = 0,
    confidence: float = 0.95,
) -> Preference:
    """Let a judge compare the answers of two conditions, each pair in both orders.

    Args:
        judge: Who judges.
        baseline: The answers of the one condition.
        candidate: Those of the other to the same items in the same order.
        questions: What was asked, as the judge sees it; by default the shorter of an item's two prompts.
        language: Of the prompts to the judge: "en" or "zh".
        rubric: What makes an answer good; the general rubric of this package unless given.
        with_reference: Show the judge the target of each item.
        seed: Seed of the statistics.
        confidence: Coverage of the intervals.

    Raises:
        UserError: The two have no items, or different ones; the judge cannot be asked.
    """
    check_same_items(baseline, candidate)
    shown = questions_of(baseline, candidate) if questions is None else questions
    differing = [
        at for at, pair in enumerate(zip(baseline, candidate, strict=True)) if pair[0].output != pair[1].output
    ]
    conversations = [
        pairwise_messages(
            shown[at], first[at].output, second[at].output, language, rubric, first[at].target if with_reference else ""
        )
        for first, second in ((baseline, candidate), (candidate, baseline))
        for at in differing
    ]
    texts = judge(conversations) if conversations else []
    said = dict(zip(differing, zip(texts[: len(differing)], texts[len(differing) :], strict=True), strict=True))
    pairs = [_pair(*answers, said.get(at, ())) for at, answers in enumerate(zip(baseline, candidate, strict=True))]
    return summarise(pairs, baseline[0].condition, candidate[0].condition, clusters_of(baseline), seed, confidence)


def check_same_items(baseline: Sequence[Sample], candidate: Sequence[Sample]) -> None:
    """Raise a `UserError` unless two conditions answered the same items in the same order."""
    ids = [[sample.example_id for sample in samples] for samples in (baseline, candidate)]
    if ids[0] != ids[1] or not ids[0]:
        what = "the two conditions answered different items" if any(ids) else "there are no answers to compare"
        raise UserError("judge", what, "compare two conditions of one run")


def questions_of(baseline: Sequence[Sample], candidate: Sequence[Sample]) -> list[str]:
    """The shorter of the two prompts of each item: the one with fewer demonstrations."""
    return [min(one.prompt, other.prompt, key=len) for one, other in zip(baseline, candidate, strict=True)]


def _pair(baseline: Sample, candidate: Sample, said: tuple[str, ...]) -> JudgedPair:
    verdict, turned = map(parse_verdict, said) if said else (None, None)
    first = {FIRST: BASELINE, SECOND: CANDIDATE, TIE: TIE, None: None}[verdict]
    second = {FIRST: CANDIDATE, SECOND: BASELINE, TIE: TIE, None: None}[turned]
    score = {BASELINE: 0.0, CANDIDATE: 1.0}.get(first or "", 0.5) if first == second else 0.5
    difference = len(candidate.output) - len(baseline.output)
    longer = CANDIDATE if difference > 0 else BASELINE if difference else TIE
    return JudgedPair(baseline.example_id, baseline.group, first, second, bool(said), score, longer, said)


def summarise(
    pairs: Sequence[JudgedPair],
    baseline: str,
    candidate: str,
    groups: NDArray[np.int64] | None,
    seed: int = 0,
    confidence: float = 0.95,
) -> Preference:
    """What judged pairs say together.

    Args:
        pairs: The pairs.
        baseline: Name of the one condition.
        candidate: Name of the other.
        groups: Group id of each pair, shape (pairs,); None where every item stands alone.
        seed: Seed of the statistics.
        confidence: Coverage of the intervals.
    """
    scores = np.array([pair.score for pair in pairs])
    units = np.arange(len(pairs)) if groups is None else groups
    asked = [(unit, pair) for unit, pair in zip(units.tolist(), pairs, strict=True) if pair.asked]
    firsts = [
        (unit, float(said == stood))
        for unit, pair in asked
        for said, stood in ((pair.baseline_first, BASELINE), (pair.candidate_first, CANDIDATE))
        if said in (BASELINE, CANDIDATE)
    ]
    same = [
        (unit, float(pair.baseline_first == pair.candidate_first))
        for unit, pair in asked
        if pair.baseline_first is not None and pair.candidate_first is not None
    ]
    longer = [
        (unit, float((pair.longer == CANDIDATE) == (pair.score == 1)))
        for unit, pair in asked
        if pair.score != 0.5 and pair.longer != TIE
    ]
    wins, losses = int(np.sum(scores == 1)), int(np.sum(scores == 0))
    return Preference(
        baseline=baseline,
        candidate=candidate,
        pairs=tuple(pairs),
        result=compare_paired(1 - scores, scores, groups, seed, confidence),
        wins=wins,
        losses=losses,
        ties=len(pairs) - wins - losses,
        identical=len(pairs) - len(asked),
        unparsed=sum([pair.baseline_first, pair.candidate_first].count(None) for _, pair in asked),
        first_wins=share_of(firsts, confidence) if firsts else None,
        consistent=share_of(same, confidence) if same else None,
        longer_wins=share_of(longer, confidence) if longer else None,
    )


def share_of(cases: Sequence[tuple[int, float]], confidence: float = 0.95) -> Share:
    """The share of cases that are 1, from the group and the value of each, at least one."""
    groups, values = (np.array(column) for column in zip(*cases, strict=True))
    clusters = groups if len(np.unique(groups)) < len(groups) else None
    return Share(float(values.mean()), score_interval(values, clusters, confidence), len(values))
