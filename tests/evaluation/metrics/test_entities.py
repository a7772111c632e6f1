from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nervaluate import Evaluator
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOB2

from tunelift.core.errors import UserError
from tunelift.data.tagging import spans_of_tags
from tunelift.evaluation.metrics import entities
from tunelift.evaluation.metrics.metric import Outcome

TYPES = ("LOC", "ORG", "PER")
SCHEMES = {"strict": "strict", "exact": "exact", "partial": "partial", "type": "ent_type"}
tag = st.sampled_from(["O", "O", *(f"{letter}-{kind}" for letter in "BI" for kind in TYPES)])
documents = st.lists(
    st.integers(1, 12).flatmap(
        lambda length: st.tuples(*[st.lists(tag, min_size=length, max_size=length) for _ in range(2)])
    ),
    min_size=1,
    max_size=5,
)
Documents = list[tuple[list[str], list[str]]]


def mentions_of(tags: list[str]) -> list[list[Any]]:
    return [[kind, start, end, ""] for kind, start, end in spans_of_tags(tags)]


def outcomes_of(documents: Documents) -> list[Outcome]:
    return [Outcome(mentions_of(answer), (mentions_of(reference),)) for reference, answer in documents]


@settings(max_examples=40)
@given(documents)
def test_strict_is_that_of_seqeval(documents: Documents) -> None:
    references, answers = (list(side) for side in zip(*documents, strict=True))
    outcomes = outcomes_of(documents)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for ours, theirs in (
            (entities.entity_precision(TYPES), precision_score(references, answers)),
            (entities.entity_recall(TYPES), recall_score(references, answers)),
            (entities.entity_f1(TYPES), f1_score(references, answers)),
            (entities.entity_f1(TYPES, average="macro"), f1_score(references, answers, average="macro")),
        ):
            expected = 0.0 if np.isnan(theirs) else theirs  # What the macro average of no type is.
            assert ours.of(outcomes) == pytest.approx(expected, abs=1e-9), ours.name


@settings(max_examples=40)
@given(documents)
def test_strict_mode_of_seqeval_for_tags_without_violations(documents: Documents) -> None:
    valid = [
        [
            [f"B-{tag[2:]}" if tag[:1] == "I" and tag[2:] != before[2:] else tag for before, tag in pairs]
            for pairs in both
        ]
        for both in [[list(zip(["O", *side], side, strict=False)) for side in document] for document in documents]
    ]
    references, answers = (list(side) for side in zip(*valid, strict=True))
    if any(tag != "O" for side in (references, answers) for tags in side for tag in tags):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = f1_score(references, answers, mode="strict", scheme=IOB2)
        assert entities.entity_f1(()).of(outcomes_of(valid)) == pytest.approx(expected, abs=1e-9)  # type: ignore[arg-type]


@settings(max_examples=40)
@given(documents)
def test_all_schemes_are_those_of_nervaluate(documents: Documents) -> None:
    references, answers = (list(side) for side in zip(*documents, strict=True))
    result = Evaluator(references, answers, tags=list(TYPES), loader="list").evaluate()
    outcomes = outcomes_of(documents)
    for scheme, theirs in SCHEMES.items():
        expected = result["overall"][theirs]
        scores = [
            factory(TYPES, scheme=scheme).of(outcomes)  # type: ignore[arg-type]
            for factory in (entities.entity_precision, entities.entity_recall, entities.entity_f1)
        ]
        assert scores == pytest.approx([expected.precision, expected.recall, expected.f1], abs=1e-9), scheme
        each = {kind: by_scheme[theirs].f1 for kind, by_scheme in result["entities"].items()}
        for kind, f1 in each.items():
            metric = entities.entity_f1(TYPES, scheme=scheme, of=kind)  # type: ignore[arg-type]
            assert metric.of(outcomes) == pytest.approx(f1, abs=1e-9), (scheme, kind)
        macro = entities.entity_f1(TYPES, scheme=scheme, average="macro").of(outcomes)  # type: ignore[arg-type]
        assert macro == pytest.approx(np.mean(list(each.values())) if each else 0, abs=1e-9), scheme


@settings(max_examples=30)
@given(documents, st.randoms(use_true_random=False))
def test_the_order_of_mentions_does_not_matter(documents: Documents, random: Any) -> None:
    for reference, answer in documents:
        first, second = mentions_of(answer), mentions_of(reference)
        mixed = [random.sample(side + side[:1], len(side + side[:1])) for side in (first, second)]
        for scheme in SCHEMES:
            expected = entities.counts_of_mentions(first, second, scheme)  # type: ignore[arg-type]
            assert entities.counts_of_mentions(*mixed, scheme) == expected  # type: ignore[arg-type]


def test_schemes_by_hand() -> None:
    reference = [["PER", 0, 12, "Ada Lovelace"], ["LOC", 20, 26, "London"], ["ORG", 30, 35, "Acorn"]]
    answer = [["PER", 0, 3, "Ada"], ["ORG", 20, 26, "London"], ["ORG", 30, 35, "Acorn"], ["ORG", -1, -1, "Nowhere"]]
    expected = {"strict": 1, "exact": 2, "partial": 2.5, "type": 2}
    for scheme, points in expected.items():
        assert entities.counts_of_mentions(answer, reference, scheme) == (points, 4, 3)  # type: ignore[arg-type]


def test_a_mention_that_does_not_occur_is_a_false_positive() -> None:
    answer = [["PER", -1, -1, "Ada"], ["PER", -1, -1, "Ada"], ["PER", -1, -1, "Eve"], ["PER", 0, 3, "Ada"]]
    for scheme in SCHEMES:
        assert entities.counts_of_mentions(answer, [["PER", 0, 3, "Ada"]], scheme) == (1, 3, 1)  # type: ignore[arg-type]


def test_mentions_that_only_touch_do_not_overlap() -> None:
    assert entities.counts_of_mentions([["PER", 0, 3, ""]], [["PER", 3, 5, ""]], "partial") == (0, 1, 1)


def test_nested_mentions() -> None:
    reference = [["ORG", 0, 10, ""], ["LOC", 4, 10, ""]]
    assert entities.counts_of_mentions(reference, reference, "partial") == (2, 2, 2)
    assert entities.counts_of_mentions([["LOC", 4, 10, ""]], reference, "partial") == (1, 1, 2)
    assert entities.counts_of_mentions([["LOC", 4, 9, ""], ["PER", 0, 10, ""]], reference, "partial") == (1.5, 2, 2)
    assert entities.counts_of_mentions([["LOC", 4, 10, ""]], reference, "type") == (1, 1, 2)


def test_items_alone() -> None:
    outcomes = [Outcome(None, ([],)), Outcome(None, ([["PER", 0, 3, "Ada"]],)), Outcome([["PER", 0, 3, "Ada"]], ([],))]
    for average in ("micro", "macro"):
        metric = entities.entity_f1(TYPES, average=average)  # type: ignore[arg-type]
        assert list(metric.per_item(metric.statistics(outcomes))) == [1, 0, 0]


def test_names_and_what_is_refused() -> None:
    assert entities.entity_f1(TYPES).name == "entity_f1"
    assert entities.entity_recall(TYPES, scheme="partial", average="macro").name == "entity_recall_partial_macro"
    for arguments in ({"scheme": "exakt"}, {"average": "weighted"}, {"of": "PRE"}):
        with pytest.raises(UserError, match="entity_f1"):
            entities.entity_f1(TYPES, **arguments)  # type: ignore[arg-type]
