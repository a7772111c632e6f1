from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from tunelift.evaluation.metrics import relations
from tunelift.evaluation.metrics.metric import Outcome

RELATIONS = ("Cause-Effect", "Component-Whole", "Entity-Origin", "Message-Topic")
CLASSES = ("Other", *(f"{name}({direction})" for name in RELATIONS for direction in ("e1,e2", "e2,e1")))
pairs = st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from((*CLASSES, None))), min_size=1, max_size=40)
SEMEVAL = Path(__file__).parents[4] / "shared" / "data" / "semeval2010_task8"


def official_score(pairs: list[tuple[str, str | None]]) -> float:
    """The score from the confusion matrix that the official script prints, with wrong directions in a column apart."""
    names = sorted({reference.split("(")[0] for reference, _ in pairs})
    matrix: dict[tuple[str, str], int] = {}
    for reference, answer in pairs:
        row, column = reference.split("(")[0], (answer or "Other").split("(")[0]
        if row == column and reference != answer and answer is not None:
            column = "wrong direction"
        matrix[row, column] = matrix.get((row, column), 0) + 1
    scores = []
    for name in names:
        hits = matrix.get((name, name), 0)
        answered = sum(count for (_, column), count in matrix.items() if column == name)
        answered += matrix.get((name, "wrong direction"), 0)
        asked = sum(count for (row, _), count in matrix.items() if row == name)
        precision, recall = hits / answered if answered else 0.0, hits / asked
        if name != "Other":
            scores.append(2 * precision * recall / (precision + recall) if hits else 0.0)
    return sum(scores) / len(scores) if scores else 0.0


@given(pairs)
def test_the_official_score(pairs: list[tuple[str, str | None]]) -> None:
    outcomes = [Outcome(answer, (reference,)) for reference, answer in pairs]
    assert relations.semeval_f1().of(outcomes) == pytest.approx(official_score(pairs), abs=1e-9)


@settings(max_examples=40)
@given(pairs)
def test_without_wrong_directions_it_is_the_macro_average_of_sklearn(pairs: list[tuple[str, str | None]]) -> None:
    straight = [(reference.split("(")[0], (answer or "Other").split("(")[0]) for reference, answer in pairs]
    asked, answered = zip(*straight, strict=True)
    names = sorted(set(asked) - {"Other"})
    expected = f1_score(asked, answered, labels=names, average="macro", zero_division=0) if names else 0
    score = relations.semeval_f1().of([Outcome(answer, (reference,)) for reference, answer in straight])
    assert score == pytest.approx(expected, abs=1e-9)


def test_the_official_score_by_hand() -> None:
    rows = [
        ("Cause-Effect(e1,e2)", "Cause-Effect(e1,e2)"),
        ("Cause-Effect(e1,e2)", "Cause-Effect(e2,e1)"),
        ("Cause-Effect(e2,e1)", "Other"),
        ("Other", "Cause-Effect(e2,e1)"),
        ("Message-Topic(e1,e2)", "Message-Topic(e1, e2)"),
        ("Other", "Entity-Origin(e1,e2)"),
        ("Other", "Other"),
        ("Other", None),
    ]
    outcomes = [Outcome(answer, (reference,)) for reference, answer in rows]
    metric = relations.semeval_f1()
    assert metric.of(outcomes) == pytest.approx((1 / 3 + 1) / 2)
    assert list(metric.per_item(metric.statistics(outcomes))) == [1, 0, 0, 0, 1, 0, 1, 0]


def test_real_classes() -> None:
    file = SEMEVAL / "test.tsv"
    if not file.is_file():
        pytest.skip("the data of SemEval-2010 task 8 are not here")
    with file.open(encoding="utf-8") as lines:
        gold = [row[0] for row in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]
    shifted = [answer if place % 3 else gold[place - 1] for place, answer in enumerate(gold)]
    outcomes = [Outcome(answer, (reference,)) for reference, answer in zip(gold, shifted, strict=True)]
    expected = official_score(list(zip(gold, shifted, strict=True)))
    assert len({reference.split("(")[0] for reference in gold}) == 10
    assert 0.5 < relations.semeval_f1().of(outcomes) < 0.9
    assert relations.semeval_f1().of(outcomes) == pytest.approx(expected)


def test_triples() -> None:
    reference = [["《红楼梦》", "作者", "曹雪芹"], ["Ada", "born in", "London"], ["Ada", "died in", "London"]]
    answer = [
        ["红楼梦", "作者", "曹雪芹。"],
        ["ada", "Born in", "“London”"],
        ["ADA", "born in", "London"],
        ["Ada", "x", "y"],
    ]
    outcomes = [Outcome(answer, (reference,)), Outcome(None, ([["a", "b", "c"]],))]
    assert relations.relation_precision().of(outcomes) == pytest.approx(2 / 3)
    assert relations.relation_recall().of(outcomes) == pytest.approx(2 / 4)
    assert relations.relation_f1().of(outcomes) == pytest.approx(2 * 2 / (3 + 4))
    # Without predicates Ada and London are one pair.
    assert relations.relation_f1(predicate=False).of(outcomes) == pytest.approx(2 * 2 / (3 + 3))
    assert relations.relation_f1(predicate=False).name == "relation_f1_pairs"
    metric = relations.relation_f1()
    assert metric.per_item(metric.statistics([*outcomes, Outcome([], ([],))])) == pytest.approx([4 / 6, 0, 1])


triples = st.lists(st.tuples(*[st.sampled_from("ab")] * 3), max_size=6)


@settings(max_examples=30)
@given(triples, triples)
def test_f1_is_the_harmonic_mean(answer: list[tuple[str, ...]], reference: list[tuple[str, ...]]) -> None:
    outcomes = [Outcome(answer, (reference,))]
    precision, recall = relations.relation_precision().of(outcomes), relations.relation_recall().of(outcomes)
    expected = 2 * precision * recall / (precision + recall) if precision else 0
    assert relations.relation_f1().of(outcomes) == pytest.approx(expected)
