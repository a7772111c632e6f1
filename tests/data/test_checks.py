from __future__ import annotations

import math

import pytest

from tunelift.core.errors import UserError
from tunelift.core.records import Example, Finding, Source, Splits
from tunelift.data.checks import check_examples, refuse_errors
from tunelift.data.tasks import Task

CHOICES = ("no", "yes")


def task(**keys) -> Task:
    return Task(**{"task": "t", "dataset_path": "x", "doc_to_text": "Q: {{q}}", "doc_to_target": "a", **keys})


def part(name, answers, choices=CHOICES, questions=None, groups=None) -> list[Example]:
    questions = questions or [f"{name} {number}" for number in range(len(answers))]
    groups = groups or [None] * len(answers)
    return [
        Example(f"{name}-{n}", {"q": q, "a": a}, a, Source(f"{name}.jsonl", n), choices, g)
        for n, (q, a, g) in enumerate(zip(questions, answers, groups, strict=True), start=1)
    ]


def check(train=("no", "yes") * 100, test=("no", "yes") * 100, **keys):
    """Findings by check, for data that is in order but for what is given."""
    given = {"train": part("train", train), "validation": [], "test": part("test", test), "task": task(), **keys}
    found = check_examples(Splits(given["train"], given["validation"], given["test"]), given["task"])
    assert len({finding.check for finding in found}) == len(found)
    return {finding.check: finding for finding in found}


def test_nothing_wrong():
    assert check() == {}


@pytest.mark.parametrize("where", ["train", "test"])
def test_single_answer_stops_a_run(where):
    finding = check(**{where: ["yes"] * 200})["single-answer"]
    assert (finding.severity, finding.count, finding.rows[0]) == ("error", 200, f"{where}.jsonl:1")
    assert finding.message == f'all {where} rows have the same answer "yes"'


def test_empty_answer_stops_a_run():
    finding = check(validation=part("validation", ["yes", " "], None))["empty-answer"]
    assert (finding.severity, finding.count, finding.rows) == ("error", 1, ("validation.jsonl:2",))


def test_answer_never_trained_on():
    choices = ("no", "yes", "maybe")
    train, test = part("train", ["no", "yes"] * 100, choices), part("test", ["no", "yes"] * 99 + ["maybe"], choices)
    (finding,) = check_examples(Splits(train, [], test), task())
    assert (finding.check, finding.severity, finding.count, finding.rows) == (
        "unseen-answer",
        "warning",
        1,
        ("test.jsonl:199",),
    )
    assert "(maybe)" in finding.message
    assert check_examples(Splits([], [], test), task()) == []


def test_imbalance():
    answers = ["no"] * 190 + ["yes"] * 10
    finding = check(train=answers, test=answers)["imbalance"]
    assert (finding.severity, finding.count, finding.rows[0]) == ("info", 10, "train.jsonl:191")
    assert "imbalance" not in check(train=["no"] * 170 + ["yes"] * 30, test=["no"] * 170 + ["yes"] * 30)


def test_shift_must_be_large_and_beyond_chance():
    found = check(train=["no"] * 100 + ["yes"] * 100, test=["no"] * 150 + ["yes"] * 50)
    assert list(found) == ["answer-shift"]
    assert (found["answer-shift"].severity, found["answer-shift"].count) == ("warning", 50)
    assert '"no" is 50% of train and 75% of test' in found["answer-shift"].message
    assert check(train=["no"] * 5000 + ["yes"] * 5000, test=["no"] * 2750 + ["yes"] * 2250) == {}
    assert check(train=["no", "no", "yes"], test=["no", "yes"] * 100) == {}


def test_texts():
    questions = ["", "x" * 5000, "twice", "Twice ", *(f"test {number}" for number in range(196))]
    test = part("test", ["no", "yes"] * 100, questions=questions)
    found = {item.check: item for item in check_examples(Splits(part("train", ["no", "yes"] * 9), [], test), task())}
    assert (found["empty-question"].severity, found["empty-question"].rows) == ("warning", ("test.jsonl:1",))
    assert (found["long-text"].severity, found["long-text"].rows) == ("info", ("test.jsonl:2",))
    repeated = found["repeated-test-question"]
    assert (repeated.severity, repeated.rows) == ("warning", ("test.jsonl:4",))


@pytest.mark.parametrize("choices", [("a", "a", "b"), ("a", "A", "b"), ("a", "b", "b."), ("a", "“ｂ”", "b")])
def test_repeated_choice(choices):
    test = part("test", ["a", "b"] * 100, choices)
    found = check_examples(Splits([], [], test), task())
    assert [(item.check, item.count) for item in found] == [("repeated-choice", 200)]


@pytest.mark.parametrize(("count", "severity"), [(4, "error"), (6, "warning"), (98, "warning"), (100, None)])
def test_few_test_items(count, severity):
    finding = check(test=["no", "yes"] * (count // 2)).get("few-test-items")
    assert (finding and finding.severity) == severity


def test_smallest_difference_agrees_with_a_power_calculation():
    """With n = 60 and 30 % of items answered differently, the difference named is found four times in five."""
    from scipy.stats import norm

    finding = check(test=["no", "yes"] * 30)["few-test-items"]
    difference, discordant = int(finding.message.split("about ")[1].split()[0]) / 100, 0.3
    scale = math.sqrt((discordant - difference**2) / 60)
    power = norm.cdf((difference - norm.ppf(0.975) * math.sqrt(discordant / 60)) / scale)
    assert power == pytest.approx(0.8, abs=0.03)


def test_groups_count_as_units():
    test = part("test", ["no", "yes"] * 100, groups=[f"g{number // 10}" for number in range(200)])
    (finding,) = check_examples(Splits(part("train", ["no", "yes"]), [], test), task())
    assert (finding.check, finding.count) == ("few-test-items", 20)
    assert "groups show only" in finding.message
    assert finding.message.endswith("in a group is right or wrong together")


def test_split_for_demonstrations_beside_a_training_split():
    keys = {"training_split": "train", "test_split": "test"}
    assert list(check(task=task(fewshot_split="dev", **keys))) == ["fewshot-split"]
    assert check(task=task(fewshot_split="train", **keys)) == {}


def test_an_error_is_refused_with_its_rows():
    found = check_examples(Splits(part("train", ["no"] * 20), [], part("test", ["yes", ""] * 100)), task())
    with pytest.raises(UserError) as caught:
        refuse_errors(found, "task.yaml")
    rows = ", ".join(f"test.jsonl:{number}" for number in (2, 4, 6, 8, 10))
    what = f"rows have an empty answer (100 rows: {rows}, ...)"
    assert str(caught.value) == f"task.yaml: {what} - fill them in or remove them"
    few = Finding("few-test-items", "error", "so few test items", 4, "add some")
    with pytest.raises(UserError, match=r"^t: so few test items \(4\) - add some$"):
        refuse_errors([few], "t")


def test_warnings_are_not_refused():
    findings = check_examples(Splits([], [], part("test", ["no", "yes"] * 20)), task())
    assert [finding.severity for finding in findings] == ["warning"]
    refuse_errors(findings, "t")


def test_errors_come_first():
    found = check_examples(Splits(part("train", ["no"] * 19 + ["yes"]), [], part("test", ["no"] * 20)), task())
    assert [item.severity for item in found] == ["error", "warning", "info"]
