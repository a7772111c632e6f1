from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tunelift.comparison.records import Comparison, ConditionScore, Contrast
from tunelift.diagnosis.proposals import (
    add_rare_class,
    beat_classical,
    end_answers,
    enlarge_test,
    keep_abilities,
    name_choices,
    propose,
    separate_classes,
    train_on_more_kinds,
    tune_less,
    tune_longer,
)
from tunelift.diagnosis.records import Confusion, ConfusionTable, Diagnosis
from tunelift.probes.records import ProbeResult, Retention, Transfer, VariationResult
from tunelift.statistics.independent import EffectDifference
from tunelift.statistics.intervals import Interval
from tunelift.statistics.margins import MarginTest
from tunelift.statistics.paired import PairedResult


def diagnosis(cells: list[tuple[str, str | None, int]], **changes: Any) -> Diagnosis:
    """A diagnosis of 100 items with these confusions."""
    total = sum(count for _, _, count in cells)
    confusions = tuple(
        Confusion(target, answer, n, tuple(f"{target}-{i}" for i in range(n))) for target, answer, n in cells
    )
    values: dict[str, Any] = {
        "condition": "tuned",
        "baseline": "zero-shot",
        "items": 100,
        "wrong": tuple(f"row-{i}" for i in range(total)),
        "table": None,
        "confusions": confusions,
        "unparsed": 0,
        "truncated": 0,
        "won": (),
        "lost": (),
    }
    return Diagnosis(**(values | changes))


def contrast(
    baseline: str, before: float, after: float, p: float, smallest: float | None = 0.05, needed: int | None = None
) -> Contrast:
    result = PairedResult(after - before, None, p, "test", 400, None, None, before, after, None)
    return Contrast("tuned", baseline, "acc", result, None, smallest, None, None, (), (), required_items=needed)


def tuning(validation: list[float], best: int, training: list[float]) -> dict[str, Any]:
    return {
        "validation_losses": validation, "best_step": best, "training_losses": training, "steps": len(training),
    }  # fmt: skip


def test_the_largest_confusion_is_to_be_separated() -> None:
    found = separate_classes(diagnosis([("a", None, 30), ("b", "c", 12), ("c", "b", 3)]))
    assert found is not None
    assert str(found) == "add training examples that tell b from c (12 of 45 errors are b taken for c)"


@pytest.mark.parametrize("cells", [[], [("a", None, 30)], [("a", "b", 4)], [("a", None, 60), ("b", "c", 7)]])
def test_few_or_scattered_confusions_propose_nothing(cells: list[tuple[str, str | None, int]]) -> None:
    assert separate_classes(diagnosis(cells)) is None


TUNING: dict[str, Any] = {"validation_losses": [], "best_step": 0, "training_losses": [], "steps": 0}
TABLE = ConfusionTable(("common", "rare"), ((85, 5, 0), (8, 2, 0)))


def test_a_rare_class_that_fails_needs_examples() -> None:
    found = add_rare_class(
        diagnosis([("rare", "common", 8), ("common", "rare", 5)], table=TABLE), {"common": 592, "rare": 8}
    )
    assert found is not None
    assert found.action == "add training examples of rare"
    assert found.evidence == "only 8 of 600 have this answer, and 8 of its 10 test items are wrong"


@pytest.mark.parametrize(
    ("table", "train_counts"),
    [
        (TABLE, {"common": 400, "rare": 200}),
        (TABLE, {}),
        (None, {"common": 592, "rare": 8}),
        (ConfusionTable(("common", "rare"), ((80, 10, 0), (1, 9, 0))), {"common": 592, "rare": 8}),
    ],
)
def test_a_class_that_is_not_rare_or_does_well_needs_none(table: Any, train_counts: dict[str, int]) -> None:
    cells = [("rare", "common", 8), ("common", "rare", 5)]
    assert add_rare_class(diagnosis(cells, table=table), train_counts) is None


def test_unusable_answers() -> None:
    assert name_choices(diagnosis([])) is None
    assert end_answers(diagnosis([]), TUNING) is None
    found = name_choices(diagnosis([], unparsed=7, table=TABLE))
    assert str(found) == "name the choices in the instruction (7 of 100 answers of tuned are not one of them)"
    assert "7 of 100" in str(name_choices(diagnosis([], unparsed=7)))
    assert end_answers(diagnosis([], truncated=4), TUNING) is None
    for tuned in (TUNING, None):
        found = str(end_answers(diagnosis([], truncated=9), tuned))
        assert found.startswith("raise generation_kwargs.max_gen_toks (9 of 100")
    assert "until the model stops" in str(end_answers(diagnosis([], truncated=51), TUNING))


def test_nothing_of_tuning_is_proposed_where_nothing_was_tuned() -> None:
    found = str(end_answers(diagnosis([], truncated=51), None))
    assert "or tune the model (51 of 100" in found
    assert "tune.epochs" not in found


def test_a_loss_that_still_falls_asks_for_more_epochs() -> None:
    found = tune_longer(tuning([0.9, 0.7], 20, [1.0] * 20))
    assert str(found) == "raise tune.epochs (the validation loss was still falling at the end, from 0.900 to 0.700)"


@pytest.mark.parametrize("losses", [[0.9], [0.9, 0.899], [0.0004, 0.0001], [0.7, 0.9], [0.5, 0.9, 0.6]])
def test_a_loss_that_does_not_fall_asks_for_nothing(losses: list[float]) -> None:
    assert tune_longer(tuning(losses, 10, [1.0] * 20)) is None


def test_a_loss_that_rose_asks_for_less() -> None:
    found = tune_less(tuning([0.7, 0.9], 10, [2.0] * 10 + [1.0] * 10))
    assert found is not None
    assert found.action == "lower tune.epochs or tune.learning_rate"
    assert "rose from 0.700 at step 10 to 0.900 at step 20" in found.evidence


@pytest.mark.parametrize(
    ("validation", "training"),
    [
        ([0.9, 0.7], [2.0] * 10 + [1.0] * 10),
        ([0.7, 0.703], [2.0] * 10 + [1.0] * 10),
        ([0.7, 0.9], [1.0] * 10 + [2.0] * 10),
        # Higher than just before, if lower than at the beginning.
        ([0.7, 0.9], [9.0] * 8 + [1.0] * 2 + [2.0] * 2),
    ],
)
def test_no_overfitting_asks_for_nothing(validation: list[float], training: list[float]) -> None:
    assert tune_less(tuning(validation, 10 if validation[0] < validation[1] else 20, training)) is None


def test_the_best_classical_baseline_that_is_not_beaten() -> None:
    contrasts = [
        contrast("majority", 0.4, 0.6, 0.001),
        contrast("tfidf", 0.58, 0.6, 0.4),
        contrast("other", 0.5, 0.6, 0.06),
    ]
    found = beat_classical(contrasts, {"a": 600})
    assert found is not None
    assert found.action.endswith("or use tfidf")
    assert found.evidence == "tuned is not shown to be better than tfidf: 60.0 against 58.0"
    assert beat_classical(contrasts[:1], {"a": 600}) is None


def test_a_baseline_that_is_better_is_not_beaten_however_small_p_is() -> None:
    found = beat_classical([contrast("tfidf", 0.7, 0.6, 0.001)], {})
    assert found is not None
    assert found.action.endswith("or use tfidf")
    assert found.evidence == "tuned is worse than tfidf: 60.0 against 70.0"


def test_a_larger_test_set_is_proposed_where_it_is_practical() -> None:
    unshown = contrast("few-shot", 0.50, 0.53, 0.2, smallest=0.06, needed=1600)
    found = enlarge_test([contrast("tfidf", 0.51, 0.53, 0.2, needed=3000), unshown])
    assert found is not None
    assert found.action == "test on about 1,600 items"
    assert found.evidence == "+3.0 against few-shot, but 400 items can show no less than 6.0"
    tiny = enlarge_test([replace(unshown, detectable_effect=None)])
    assert tiny is not None
    assert tiny.evidence == "+3.0 against few-shot, but 400 items can show nothing"


@pytest.mark.parametrize(
    ("p", "needed"),
    [(0.01, 1600), (0.9, 3700), (0.2, None)],
)
def test_a_larger_test_set_is_not_proposed_otherwise(p: float, needed: int | None) -> None:
    assert enlarge_test([contrast("few-shot", 0.5, 0.53, p, needed=needed)]) is None


def test_a_run_without_faults_proposes_nothing() -> None:
    scores = [
        ConditionScore(name, name, 400, 0.9, None, None, None, 0, 0) for name in ("majority", "zero-shot", "tuned")
    ]
    contrasts = (contrast("majority", 0.4, 0.9, 0.0001), contrast("zero-shot", 0.5, 0.9, 0.0001))
    comparison = Comparison("tweets", "acc", 400, None, tuple(scores), contrasts)
    fine = diagnosis([("a", "b", 1)], table=TABLE)
    assert propose(fine, comparison, tuning([0.7, 0.699], 20, [1.0] * 20), {"common": 300, "rare": 300}) == ()
    unparsed = propose(replace(fine, unparsed=3), comparison, None, {})
    assert [proposal.action for proposal in unparsed] == ["name the choices in the instruction"]


@pytest.mark.parametrize(("high", "proposed"), [(-0.06, True), (-0.01, False), (0.02, False)])
def test_abilities_that_were_lost_by_more_than_the_margin_are_to_be_kept(high: float, proposed: bool) -> None:
    test = MarginTest(-0.1, Interval(-0.2, high, 0.9, "t"), 1.0, 0.05, "lost", "t", 300)
    probe = ProbeResult("general", (), retentions=(Retention("choice_acc", test, 0.571, 0.42, 100.0),))
    proposal = keep_abilities([probe])
    assert (proposal is not None) == proposed
    if proposal:
        assert "tune.learning_rate" in proposal.action
        assert proposal.evidence == "general abilities were lost: choice_acc 57.1 before, 42.0 after"


@pytest.mark.parametrize(
    ("name", "effect", "p", "proposed"),
    [("unseen", -0.4, 0.01, True), ("unseen", -0.4, 0.2, False), ("unseen", 0.4, 0.01, False),
     ("unseen", -0.4, None, False), ("held-out", -0.4, 0.01, False)],
)  # fmt: skip
def test_more_kinds_of_rows_are_to_be_trained_on_where_less_carries_over(
    name: str, effect: float, p: float | None, proposed: bool
) -> None:
    there = contrast("zero-shot", 0.4, 0.5, 0.5)
    way = VariationResult("held-out-rows", "", Comparison("t", "acc", 100, None, (), (there,)))
    transfer = Transfer(contrast("zero-shot", 0.3, 0.8, 0.001).result, EffectDifference(effect, None, p), p)
    proposal = train_on_more_kinds([ProbeResult(name, (way,), transfers={way.name: transfer})])
    assert (proposal is not None) == proposed
    if proposal:
        said = "tuning improves acc by +10.0 on the rows that are held out, and by +50.0 on the test items"
        assert proposal.evidence == said
