"""What is wrong with examples, found before a run costs an hour; "error" is kept for what makes it meaningless."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from tunelift.core.errors import UserError, shorten
from tunelift.core.records import Example, Finding, Splits
from tunelift.core.texts import normalise_answer
from tunelift.data.duplicates import exact_groups
from tunelift.data.formats import Row, place
from tunelift.data.reader import make_reader
from tunelift.data.tasks import Task

SHOWN = 5
LONG = 4000
RARE = 0.1
SHIFT = 0.1
SIGNIFICANCE = 0.01
FEW = 100
# An exact sign test on 5 items cannot fall below p = 0.05, even if all of them change in one direction.
HOPELESS = 5
# What the smallest difference is computed for: the share of items that two systems answer differently,
# a two-sided test at 5 percent, and a power of 80 percent.
CHANGED = 0.3
NORMAL_QUANTILES = 1.96 + 0.84


def check_examples(splits: Splits, task: Task) -> list[Finding]:
    """Look for faults that a user should know of before a run.

    What was left out while loading, and what splits share, is in `LoadedTask.findings`.

    Returns:
        Findings, errors first.
    """
    findings = check_answers(splits) + _labels(splits) + _texts(splits, task) + _size(splits.test)
    findings += _demonstrations(task)
    return sorted(findings, key=lambda finding: ("error", "warning", "info").index(finding.severity))


def refuse_errors(findings: Iterable[Finding], where: object) -> None:
    """Stop at the first finding that makes a run meaningless.

    Args:
        findings: What checks of data and prompts have noticed.
        where: What was checked, for the error: the task.

    Raises:
        UserError: A finding has the severity "error".
    """
    for finding in findings:
        if finding.severity == "error":
            rows = ", ".join(finding.rows) + (", ..." if finding.count > len(finding.rows) else "")
            counted = f"{finding.count} {'row' if finding.count == 1 else 'rows'}"
            concerned = f"{counted}: {rows}" if finding.rows else finding.count
            raise UserError(where, f"{finding.message} ({concerned})", finding.remedy)


def _finding(check: str, severity: str, message: str, remedy: str, examples: list[Example]) -> list[Finding]:
    """A finding about some examples; none if there are none."""
    rows = tuple(place(example.source) for example in examples[:SHOWN])
    return [Finding(check, severity, message, len(examples), remedy, rows)] if examples else []


def check_answers(splits: Splits) -> list[Finding]:
    """Answers that are empty or all the same, and choices that cannot be told apart in what a model says."""
    everything = [*splits.train, *splits.validation, *splits.test, *splits.held_out]
    empty = [example for example in everything if not example.target.strip()]
    findings = _finding("empty-answer", "error", "rows have an empty answer", "fill them in or remove them", empty)
    for name, part in (("train", splits.train), ("test", splits.test)):
        if len(part) > 1 and len({example.target for example in part}) == 1:
            message = f'all {name} rows have the same answer "{part[0].target[:60]}"'
            remedy = "check doc_to_target, and whether the file is sorted by answer and cut off"
            findings += _finding("single-answer", "error", message, remedy, part)
    offered = {item.choices for item in everything if item.choices}
    alike = {choices for choices in offered if len(set(map(normalise_answer, choices))) < len(choices)}
    repeated = [item for item in everything if item.choices in alike]
    message = "rows offer the same choice twice, or choices that differ only in case and punctuation"
    findings += _finding("repeated-choice", "warning", message, "make their choices differ", repeated)
    single = [item for item in everything if item.choices is not None and len(item.choices) == 1]
    message = "rows offer only one choice, so that nothing else can be answered"
    return findings + _finding("single-choice", "warning", message, "add the others, or leave these rows out", single)


def _labels(splits: Splits) -> list[Finding]:
    """How answers are distributed, where all rows have the same choices and there is something to train on."""
    choices = {example.choices for example in [*splits.train, *splits.validation, *splits.test]}
    if len(choices) != 1 or None in choices or not splits.train or not splits.test:
        return []
    train, test = (Counter(example.target for example in part) for part in (splits.train, splits.test))
    unseen = sorted(test.keys() - train.keys())
    findings = _finding(
        "unseen-answer",
        "warning",
        f"test rows have an answer that no training row has ({shorten(unseen)})",
        "add training rows with these answers",
        [example for example in splits.test if example.target in unseen],
    )
    rare = sorted(answer for answer in train if train[answer] < RARE * max(train.values()))
    findings += _finding(
        "imbalance",
        "info",
        f"training rows have an answer over ten times rarer than the most frequent one ({shorten(rare)})",
        "look at macro F1 beside accuracy, or add rows with these answers",
        [example for example in splits.train if example.target in rare],
    )
    return findings + _shift(train, test)


def _shift(train: Counter[str], test: Counter[str]) -> list[Finding]:
    """Whether answers are distributed differently: by size (total variation) and beyond chance (chi-squared)."""
    from scipy.stats import chi2_contingency

    answers = sorted(train.keys() | test.keys())
    gaps = {answer: test[answer] / test.total() - train[answer] / train.total() for answer in answers}
    distance = sum(map(abs, gaps.values())) / 2
    table = [[counts[answer] for answer in answers] for counts in (train, test)]
    if distance <= SHIFT or chi2_contingency(table).pvalue >= SIGNIFICANCE:
        return []
    most = max(answers, key=lambda answer: abs(gaps[answer]))
    message = (
        f'answers are distributed differently in train and test: "{most}" is {train[most] / train.total():.0%} of '
        f"train and {test[most] / test.total():.0%} of test; test rows that would have to change"
    )
    remedy = "draw both from one pool with split, unless this difference is what you want to test"
    return [Finding("answer-shift", "warning", message, round(distance * test.total()), remedy)]


def _texts(splits: Splits, task: Task) -> list[Finding]:
    """Questions that are empty, very long, or asked twice in the test split."""
    examples = [*splits.test, *splits.train, *splits.validation, *splits.held_out]
    rows = [Row(example.fields, example.source) for example in examples]
    reader = make_reader(task, rows)
    pairs = list(zip(examples, rows, strict=True))
    empty = [example for example, row in pairs if not reader.content(row).strip()]
    remedy = "remove them, or check doc_to_text"
    findings = _finding("empty-question", "warning", "rows ask nothing: their fields are empty", remedy, empty)
    long = [example for example, row in pairs if len(reader.question(row)) + len(example.target) > LONG]
    remedy = "the model may cut them off; shorten them"
    findings += _finding("long-text", "info", f"rows have more than {LONG:,} characters", remedy, long)
    asked = [f"{reader.question(row)}\n{reader.own_choices(row)}" for row in rows[: len(splits.test)]]
    again = [examples[position] for group in exact_groups(asked) for position in group[1:]]
    message = "test rows ask what an earlier one asks, which makes intervals too narrow"
    return findings + _finding("repeated-test-question", "warning", message, "remove them", again)


def _size(test: list[Example]) -> list[Finding]:
    """Whether the test split can show anything.

    The smallest difference of two accuracies that is found four times in five is about
    (1.96 + 0.84) * sqrt(d / n) with d the share of items on which two systems differ (Miettinen 1968).
    """
    count = len({example.id if example.group is None else example.group for example in test})
    unit = "items" if count == len(test) else "groups"
    enough = math.ceil(CHANGED * (NORMAL_QUANTILES / 0.1) ** 2)
    remedy = f"test on {enough} {unit} to see differences of 10 points"
    if count <= HOPELESS:
        message = f"so few test {unit} cannot show any difference at p < 0.05"
        return [Finding("few-test-items", "error", message, count, remedy)]
    if count < FEW:
        smallest = 100 * min(1.0, NORMAL_QUANTILES * math.sqrt(CHANGED / count))
        message = f"so few test {unit} show only differences of about {smallest:.0f} points or more"
        if unit == "groups":
            message += ", if what stands in a group is right or wrong together"
        return [Finding("few-test-items", "warning", message, count, remedy)]
    return []


def _demonstrations(task: Task) -> list[Finding]:
    """A split for demonstrations is not used beside a training split."""
    if task.fewshot_split is None or task.training_split in (None, task.fewshot_split):
        return []
    message = f'demonstrations come from "{task.training_split}", not from "{task.fewshot_split}"'
    return [Finding("fewshot-split", "warning", message, 0, "remove fewshot_split or training_split")]
