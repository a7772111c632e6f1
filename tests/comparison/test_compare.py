from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from tunelift.comparison.compare import compare, known_metric
from tunelift.comparison.records import Comparison
from tunelift.core.errors import UserError
from tunelift.core.records import Sample
from tunelift.evaluation.evaluate import with_metrics
from tunelift.evaluation.metrics.probabilities import auc
from tunelift.statistics.bayes import paired_posterior
from tunelift.statistics.intervals import wilson
from tunelift.statistics.paired import compare_binary, compare_means
from tunelift.statistics.sample_size import required_items, required_items_for_mean, round_up

CHOICES = ("yes", "no")


def make(
    condition: str, answers: list[str | None], targets: list[str], choice_acc: list[int] | None = None
) -> list[Sample]:
    samples = [
        Sample(
            example_id=f"e{index}",
            doc_id=index,
            doc={"text": f"question {index}"},
            target=target,
            condition=condition,
            output=answer or "?",
            answer=answer,
            finish_reason="stop" if answer else "length",
            choices=CHOICES,
            metrics={"acc": float(answer == target)},
        )
        for index, (answer, target) in enumerate(zip(answers, targets, strict=True))
    ]
    if choice_acc is None:
        return samples
    pairs = zip(samples, choice_acc, strict=True)
    return [replace(sample, metrics={**sample.metrics, "choice_acc": float(score)}) for sample, score in pairs]


TARGETS = ["yes", "yes", "yes", "no", "yes", "no"]
BASE = make("base", ["yes", None, "no", "no", None, "yes"], TARGETS, [1, 1, 0, 1, 0, 0])
TUNED = make("tuned", ["yes", "yes", "yes", "yes", "yes", "no"], TARGETS, [1, 1, 1, 0, 1, 1])
CONTRAST = [("tuned", "base")]


def test_scores_of_a_condition() -> None:
    comparison = compare({"base": BASE, "tuned": TUNED}, CONTRAST, "t", seed=1, systems={"tuned": "tuned model"})
    base, tuned = comparison.conditions
    assert (base.system, tuned.system) == ("base", "tuned model")
    assert (base.score, base.items, base.unparsed, base.truncated) == (pytest.approx(1 / 3), 6, 2, 2)
    assert base.interval == wilson(2, 6)
    answers = [sample.answer or "none of them" for sample in TUNED]
    assert tuned.balanced_accuracy == pytest.approx(balanced_accuracy_score(TARGETS, answers))
    assert tuned.choice_accuracy == pytest.approx(5 / 6)


def test_a_contrast() -> None:
    comparison = compare({"base": BASE, "tuned": TUNED}, CONTRAST, "t", seed=1)
    (contrast,) = comparison.contrasts
    before, after = ([sample.metrics["acc"] for sample in samples] for samples in (BASE, TUNED))
    assert contrast.result == compare_binary(before, after)
    assert contrast.won == ("e1", "e2", "e4", "e5")
    assert contrast.lost == ("e3",)
    assert (contrast.ability_gain, contrast.format_gain) == (pytest.approx(2 / 6), pytest.approx(1 / 6))
    assert contrast.balanced is not None
    assert contrast.balanced.effect == pytest.approx(((1 - 1 / 4) + (1 / 2 - 1 / 2)) / 2)
    assert contrast.detectable_effect is not None
    assert comparison.groups is None


@given(st.permutations(range(6)))
def test_the_order_of_answers_does_not_matter(order: list[int]) -> None:
    shuffled = [TUNED[index] for index in order]
    assert compare({"base": BASE, "tuned": shuffled}, CONTRAST, "t", 1) == compare(
        {"base": BASE, "tuned": TUNED}, CONTRAST, "t", 1
    )


@given(st.lists(st.tuples(*[st.integers(0, 1)] * 4), min_size=1, max_size=20))
def test_the_gain_splits_into_format_and_ability(rows: list[tuple[int, int, int, int]]) -> None:
    base, tuned, base_choice, tuned_choice = (list(column) for column in zip(*rows, strict=True))
    targets = ["yes"] * len(rows)
    conditions = {
        "base": make("base", ["yes" if right else None for right in base], targets, base_choice),
        "tuned": make("tuned", ["yes" if right else None for right in tuned], targets, tuned_choice),
    }
    comparison = compare(conditions, CONTRAST, "t", seed=1)
    (contrast,), (before, after) = comparison.contrasts, comparison.conditions
    assert contrast.format_gain is not None
    assert contrast.ability_gain is not None
    assert contrast.format_gain + contrast.ability_gain == pytest.approx(contrast.result.effect, abs=1e-12)
    assert contrast.ability_gain == pytest.approx(after.choice_accuracy - before.choice_accuracy, abs=1e-12)


def test_without_choice_scores_the_gain_is_not_split() -> None:
    majority = make("majority", ["yes"] * 6, TARGETS)
    (contrast,) = compare({"majority": majority, "tuned": TUNED}, [("tuned", "majority")], "t", 1).contrasts
    assert (contrast.format_gain, contrast.ability_gain) == (None, None)


def test_items_of_one_group_are_not_independent() -> None:
    grouped = {
        name: [replace(sample, group="ab"[sample.doc_id % 2]) for sample in samples]
        for name, samples in (("base", BASE), ("tuned", TUNED))
    }
    comparison = compare(grouped, CONTRAST, "t", seed=1)
    before, after = ([sample.metrics["acc"] for sample in samples] for samples in (BASE, TUNED))
    assert comparison.groups == 2
    assert comparison.contrasts[0].result == compare_means(before, after, [0, 1] * 3, seed=1)
    # Both groups gain, and one of two sign patterns has that: nothing more can be known from two groups.
    assert comparison.contrasts[0].balanced is not None
    assert comparison.contrasts[0].balanced.p == 0.5


def test_groups_of_one_item_are_no_groups() -> None:
    single = [replace(sample, group=sample.example_id) for sample in BASE]
    assert compare({"base": single, "tuned": TUNED}, CONTRAST, "t", 1) == compare(
        {"base": BASE, "tuned": TUNED}, CONTRAST, "t", 1
    )


def test_choices_that_differ_from_item_to_item_are_no_classes() -> None:
    conditions = {
        name: [replace(sample, choices=(sample.target, f"other {sample.doc_id}")) for sample in samples]
        for name, samples in (("base", BASE), ("tuned", TUNED))
    }
    comparison = compare(conditions, CONTRAST, "t", seed=1)
    assert comparison.conditions[0].balanced_accuracy is None
    assert comparison.contrasts[0].balanced is None


def test_another_metric_has_neither_split_nor_balance() -> None:
    generator = np.random.default_rng(1)
    conditions = {
        name: [replace(sample, metrics={**sample.metrics, "f1": generator.random()}) for sample in samples]
        for name, samples in (("base", BASE), ("tuned", TUNED))
    }
    (contrast,) = compare(conditions, CONTRAST, "t", 1, [known_metric("f1", conditions["base"])]).contrasts
    assert contrast.result.wins is None
    assert (contrast.balanced, contrast.ability_gain) == (None, None)


@pytest.mark.parametrize(
    ("tuned", "message"),
    [
        (TUNED[1:], r'condition "tuned": has other items than "base": 1 missing \(e0\) - '),
        ([*TUNED, replace(TUNED[0], example_id="z")], r"1 more \(z\) - "),
        ([*TUNED[2:], replace(TUNED[0], example_id="z")], r"2 missing \(e0, e1\), 1 more \(z\) - "),
        ([*TUNED, TUNED[3]], "answers items more than once: e3 - "),
        ([*TUNED[:5], replace(TUNED[5], target="yes")], 'another text or target than in "base": e5 - '),
        ([replace(TUNED[0], doc={"text": "changed"}), *TUNED[1:]], "another text or target .*: e0 - "),
        ([], "has no answers - "),
        ([*TUNED[:5], replace(TUNED[5], metrics={"f1": 1.0})], '1 answers have no finite "acc": e5 - '),
        ([*TUNED[:5], replace(TUNED[5], metrics={"acc": float("nan")})], '1 answers have no finite "acc": e5 - '),
    ],
)
def test_what_cannot_be_paired_is_refused(tuned: list[Sample], message: str) -> None:
    with pytest.raises(UserError, match=message):
        compare({"base": BASE, "tuned": tuned}, CONTRAST, "t", seed=1)


def test_an_unknown_condition_is_refused() -> None:
    with pytest.raises(UserError, match='no condition "tunde" - did you mean "tuned"'):
        compare({"base": BASE, "tuned": TUNED}, [("tunde", "base")], "t", seed=1)


def test_documents_that_went_through_json_are_the_same() -> None:
    lists = [replace(sample, doc={**sample.doc, "tags": ["a", "b"]}) for sample in BASE]
    tuples = [replace(sample, doc={**sample.doc, "tags": ("a", "b")}) for sample in TUNED]
    assert compare({"base": lists, "tuned": tuples}, CONTRAST, "t", seed=1).items == 6


def test_lower_is_better_takes_the_same_tests() -> None:
    def wrong(samples: list[Sample]) -> list[Sample]:
        return [replace(each, metrics={"hamming_loss": 1 - each.metrics["acc"]}) for each in samples]

    conditions = {"base": wrong(BASE), "tuned": wrong(TUNED)}
    metric = known_metric("hamming_loss", conditions["base"])
    (contrast,) = compare(conditions, CONTRAST, "t", 1, [metric]).contrasts
    (right,) = compare({"base": BASE, "tuned": TUNED}, CONTRAST, "t", 1).contrasts
    result = contrast.result
    assert (result.baseline, result.candidate) == (pytest.approx(4 / 6), pytest.approx(1 / 6))
    assert (result.method, result.p, result.interval) == (right.result.method, right.result.p, right.result.interval)
    assert (result.wins, result.losses, result.effect) == (4, 1, right.result.effect)
    assert (contrast.won, contrast.lost) == (right.won, right.lost)


@pytest.mark.parametrize(
    ("name", "values", "scale", "best"),
    [
        ("acc", (0, 0.5), 100, 1), ("hamming_loss", (0, 0.5), 100, 0), ("ece", (0, 0.5), 100, 0),
        ("brier_score", (0, 0.5), 1, 0), ("nll", (0, 0.5), 1, None), ("WER", (0, 0.5), 1, None),
        ("bleu", (0, 0.5), 1, 100), ("mcc", (-1, 0.5), 100, 1), ("em", (0, 0.5), 100, 1), ("em", (0, 5), 1, None),
        ("acc", (0, 50), 1, None), ("error", (0, 0.5), 100, 0),
    ],
)  # fmt: skip
def test_a_share_is_known_by_its_range(
    name: str, values: tuple[float, float], scale: float, best: float | None
) -> None:
    conditions = {
        side: [replace(each, metrics={name: values[each.doc_id % 2]}) for each in samples]
        for side, samples in (("base", BASE), ("tuned", TUNED))
    }
    comparison = compare(conditions, CONTRAST, "t", 1, [known_metric(name, conditions["base"])])
    assert (comparison.scale, comparison.best) == (scale, best)


def test_a_further_metric_without_finite_values_is_left_out() -> None:
    broken = [replace(each, metrics={**each.metrics, "nll": float("nan")}) for each in BASE]
    tuned = [replace(each, metrics={**each.metrics, "nll": 1.0}) for each in TUNED]
    metrics = [known_metric(name, BASE) for name in ("acc", "nll")]
    comparison = compare({"base": broken, "tuned": tuned}, CONTRAST, "t", 1, metrics)
    assert [condition.others for condition in comparison.conditions] == [{}, {"nll": 1.0}]
    assert comparison.contrasts[0].others == {}


def test_p_values_of_several_contrasts_are_corrected_for_their_number() -> None:
    targets = ["yes", "no"] * 20
    right = make("right", list(targets), targets)
    never = make("never", [None] * 40, targets)
    sometimes = make("sometimes", [*targets[:12], *[None] * 28], targets)
    planned = [("right", "never"), ("right", "sometimes"), ("sometimes", "never")]
    comparison = compare({"right": right, "never": never, "sometimes": sometimes}, planned, "t", seed=1)
    plain = sorted(contrast.result.p for contrast in comparison.contrasts)
    steps = [plain[0] * 3, max(plain[0] * 3, plain[1] * 2), max(plain[0] * 3, plain[1] * 2, plain[2])]
    assert sorted(contrast.p for contrast in comparison.contrasts) == pytest.approx(steps)
    (single,) = compare({"right": right, "never": never}, planned[:1], "t", seed=1).contrasts
    assert single.adjusted_p is None
    assert single.p == single.result.p
    assert Comparison.from_dict(comparison.to_dict()).contrasts[1].adjusted_p == pytest.approx(
        comparison.contrasts[1].p
    )


def test_ability_is_the_contrast_of_the_choice_scores() -> None:
    (contrast,) = compare({"base": BASE, "tuned": TUNED}, CONTRAST, "t", seed=1).contrasts
    before, after = ([sample.metrics["choice_acc"] for sample in samples] for samples in (BASE, TUNED))
    assert contrast.ability == compare_binary(before, after)
    assert contrast.ability_gain == pytest.approx(contrast.ability.effect)
    without = [replace(sample, metrics={"acc": sample.metrics["acc"]}) for sample in BASE]
    assert compare({"base": without, "tuned": TUNED}, CONTRAST, "t", seed=1).contrasts[0].ability is None


def answered(name: str, right: int, wrong: int, flipped: int = 0) -> list[Sample]:
    """The answers to so many items; of those that the baseline has right and wrong `flipped` are the other way."""
    scores = [at < right for at in range(right + wrong)]
    said = ["yes" if score != (at % 2 == 0 and at < 2 * flipped) else "no" for at, score in enumerate(scores)]
    return make(name, said, ["yes"] * (right + wrong))


def test_few_answers_that_are_right_or_wrong_say_what_to_believe() -> None:
    conditions = {"base": BASE, "tuned": TUNED}
    (contrast,) = compare(conditions, CONTRAST, "t", seed=1).contrasts
    assert contrast.posterior == paired_posterior(4, 1, 6, seed=1)
    grouped = {name: [replace(each, group="ab"[each.doc_id % 2]) for each in part] for name, part in conditions.items()}
    graded = {
        name: [replace(each, metrics={"acc": each.metrics["acc"] / 2}) for each in part]
        for name, part in conditions.items()
    }
    for others in (grouped, graded):
        assert compare(others, CONTRAST, "t", seed=1).contrasts[0].posterior is None
    many = {name: answered(name, 60, 41) for name in ("base", "tuned")}
    assert compare(many, CONTRAST, "t", seed=1).contrasts[0].posterior is None


def test_the_items_that_would_show_an_effect() -> None:
    (contrast,) = compare({"base": BASE, "tuned": TUNED}, CONTRAST, "t", seed=1).contrasts
    assert contrast.required_items == round_up(required_items(3 / 6, 5 / 6) or 0)
    none = compare({"base": BASE, "tuned": [replace(each, condition="tuned") for each in BASE]}, CONTRAST, "t", seed=1)
    assert none.contrasts[0].required_items is None
    enough = {"base": make("base", [None] * 20, ["yes"] * 20), "tuned": make("tuned", ["yes"] * 20, ["yes"] * 20)}
    assert compare(enough, CONTRAST, "t", seed=1).contrasts[0].required_items is None
    generator = np.random.default_rng(1)
    graded = {
        name: [replace(each, metrics={"acc": generator.random()}) for each in answered(name, 40, 20)]
        for name in ("base", "tuned")
    }
    (contrast,) = compare(graded, CONTRAST, "t", seed=1).contrasts
    before, after = (np.array([each.metrics["acc"] for each in graded[name]]) for name in ("base", "tuned"))
    needed = required_items_for_mean(abs(contrast.result.effect), float(np.std(after - before, ddof=1)))
    assert contrast.required_items == round_up(needed or 0)


def test_in_groups_the_reach_falls_with_the_root_of_the_number_of_items() -> None:
    generator = np.random.default_rng(2)
    targets = ["yes"] * 240
    conditions = {
        name: [
            replace(each, group=f"g{each.doc_id // 4}")
            for each in make(name, [("yes" if generator.random() < right else "no") for _ in targets], targets)
        ]
        for name, right in (("base", 0.55), ("tuned", 0.6))
    }
    (contrast,) = compare(conditions, CONTRAST, "t", seed=1).contrasts
    assert contrast.detectable_effect is not None
    growth = (contrast.detectable_effect / contrast.result.effect) ** 2
    assert growth > 1
    assert contrast.required_items == round_up(240 * growth)


def test_areas_under_the_curve_are_compared_without_resampling() -> None:
    generator = np.random.default_rng(1)

    def drawn(name: str, skill: float) -> list[Sample]:
        samples = []
        for each in make(name, ["yes", "no"] * 30, ["yes", "no", "no"] * 20):
            share = 1 / (1 + np.exp(-generator.normal(skill if each.target == "yes" else -skill)))
            samples.append(replace(each, probabilities=(float(share), float(1 - share))))
        return with_metrics(samples, [auc(CHOICES)])

    conditions = {"base": drawn("base", 0.2), "tuned": drawn("tuned", 1.0)}
    comparison = compare(conditions, CONTRAST, "t", 1, [auc(CHOICES)])
    for score in comparison.conditions:
        expected = roc_auc_score(
            [each.target == "no" for each in conditions[score.name]],
            [(each.probabilities or ())[1] for each in conditions[score.name]],
        )
        assert score.score == pytest.approx(expected)
        assert score.interval is not None
        assert score.interval.method == "DeLong, logit"
    (contrast,) = comparison.contrasts
    assert contrast.result.method == "DeLong test"
    assert contrast.result.effect == pytest.approx(comparison.conditions[1].score - comparison.conditions[0].score)
