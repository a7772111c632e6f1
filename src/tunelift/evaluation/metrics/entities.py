"""Metrics of named entities and other spans.

Answer and first reference are lists of ``[type, start, end, text]``: characters, end exclusive, start and end -1 where
the text of an answered mention does not occur. Such a mention matches nothing and counts as a false positive. Repeated
mentions count once; an answer of None is the empty list.

There are four ways to compare, those of SemEval-2013 task 9 as the package nervaluate computes them: "strict" wants
type and both boundaries, as seqeval and conlleval do; "exact" both boundaries, whatever the type; "partial" gives half
a point for an overlap, whatever the type; "type" wants the right type and any overlap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, get_args

from tunelift.evaluation.metrics.counts import Counts, Kind, check_class, check_word, counts_metric, macro_metric
from tunelift.evaluation.metrics.metric import Metric, Outcome

Scheme = Literal["strict", "exact", "partial", "type"]
Average = Literal["micro", "macro"]
Mention = tuple[int, int, str, str]


def counts_of_mentions(answer: Iterable[Sequence[Any]], reference: Iterable[Sequence[Any]], scheme: Scheme) -> Counts:
    """Points for the answered mentions, their number, and the number of mentions asked for.

    Args:
        answer: Mentions ``[type, start, end, text]``.
        reference: Likewise.
        scheme: How they are compared.
    """
    answered, asked = _mentions(answer), _mentions(reference)
    found = [mention for mention in answered if mention[0] >= 0]
    return _points(found, asked, scheme), len(answered), len(asked)


def entity_precision(
    labels: tuple[str, ...], *, scheme: Scheme = "strict", average: Average = "micro", of: str | None = None
) -> Metric:
    """Share of answered mentions that are right; arguments as in `entity_f1`; 0 to 1, higher is better."""
    return _metric("precision", labels, scheme, average, of)


def entity_recall(
    labels: tuple[str, ...], *, scheme: Scheme = "strict", average: Average = "micro", of: str | None = None
) -> Metric:
    """Share of mentions asked for that were found; arguments as in `entity_f1`; 0 to 1, higher is better."""
    return _metric("recall", labels, scheme, average, of)


def entity_f1(
    labels: tuple[str, ...], *, scheme: Scheme = "strict", average: Average = "micro", of: str | None = None
) -> Metric:
    """F1 of entities; 0 to 1, higher is better.

    Args:
        labels: The types; empty: those of the references. Answered mentions of other types count in "micro" only.
        scheme: "strict", "exact", "partial" or "type", see the module.
        average: "micro", all mentions together, or "macro", the mean over the types that occur, each compared with
            mentions of its own type only.
        of: Only this type, instead of an average.

    Raises:
        UserError: `of` is no label.
    """
    return _metric("f1", labels, scheme, average, of)


def _metric(kind: Kind, labels: tuple[str, ...], scheme: Scheme, average: Average, of: str | None) -> Metric:
    name = f"entity_{kind}"
    check_word(name, "scheme", scheme, get_args(Scheme))
    check_word(name, "average", average, get_args(Average))
    check_class(name, labels, *([] if of is None else [of]))
    name += "" if scheme == "strict" else f"_{scheme}"

    def of_type(outcome: Outcome, wanted: str) -> Counts:
        answer, reference = ([mention for mention in side if mention[0] == wanted] for side in _sides(outcome))
        return counts_of_mentions(answer, reference, scheme)

    def of_types(outcome: Outcome, types: Sequence[str]) -> list[Counts]:
        return [of_type(outcome, wanted) for wanted in types]

    if of is not None:
        return counts_metric(f"{name}_{of}", lambda outcome: of_type(outcome, of), kind)
    if average == "macro":
        return macro_metric(f"{name}_macro", lambda outcomes: labels or _types(outcomes), of_types, kind)
    return counts_metric(name, lambda outcome: counts_of_mentions(*_sides(outcome), scheme), kind)


def _sides(outcome: Outcome) -> tuple[Sequence[Sequence[Any]], Sequence[Sequence[Any]]]:
    return outcome.answer or [], outcome.references[0]


def _types(outcomes: Sequence[Outcome]) -> list[str]:
    return sorted({mention[0] for outcome in outcomes for mention in outcome.references[0]})


def _mentions(mentions: Iterable[Sequence[Any]]) -> list[Mention]:
    """Each mention once, from left to right: start, end, type, and the text of those that have no place."""
    return sorted({(start, end, kind, text if start < 0 else "") for kind, start, end, text in mentions})


def _points(answered: list[Mention], asked: list[Mention], scheme: Scheme) -> float:
    if scheme == "strict":
        return float(len(set(answered) & set(asked)))
    if scheme == "type":
        return _right_types(answered, asked)
    places, exact = Counter(mention[:2] for mention in answered), Counter(mention[:2] for mention in asked)
    points = float((places & exact).total())
    if scheme == "exact":
        return points
    rest = _without(answered, exact), _without(asked, places)
    return points + _overlaps(*rest) / 2


def _without(mentions: list[Mention], places: Counter[tuple[int, int]]) -> list[Mention]:
    """The mentions that remain when those at some places are taken out, as many as there are."""
    taken, rest = Counter(places), []
    for mention in mentions:
        if taken[mention[:2]] > 0:
            taken[mention[:2]] -= 1
        else:
            rest.append(mention)
    return rest


def _overlaps(answered: list[Mention], asked: list[Mention]) -> int:
    """Pairs that overlap, no mention in two of them; each answered one takes the first that is left."""
    return _pair_off(answered, asked, lambda _, candidates: candidates[0])[0]


def _right_types(answered: list[Mention], asked: list[Mention]) -> float:
    """Mentions that overlap one of their type; each takes the nearest such one, else the first of another type."""

    def choose(mention: Mention, candidates: list[Mention]) -> Mention:
        same = [candidate for candidate in candidates if candidate[2] == mention[2]]
        return min(same or candidates[:1], key=lambda one: abs(one[0] - mention[0]) + abs(one[1] - mention[1]))

    return float(_pair_off(answered, asked, choose)[1])


def _pair_off(
    answered: list[Mention], asked: list[Mention], choose: Callable[[Mention, list[Mention]], Mention]
) -> tuple[int, int]:
    """Give each answered mention one of those it overlaps; how many got one, and how many one of their type."""
    left, pairs, same_type = list(asked), 0, 0
    for mention in answered:
        candidates = [other for other in left if mention[0] < other[1] and other[0] < mention[1]]
        if candidates:
            taken = choose(mention, candidates)
            left.remove(taken)
            pairs += 1
            same_type += taken[2] == mention[2]
    return pairs, same_type
