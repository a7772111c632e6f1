"""What a condition still gets wrong: confusions, unusable answers, and flips against a baseline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import nan
from typing import Any

from tunelift.comparison.compare import HEADLINE
from tunelift.comparison.records import Comparison
from tunelift.core.records import Sample
from tunelift.diagnosis.proposals import propose
from tunelift.diagnosis.records import Confusion, ConfusionTable, Diagnosis
from tunelift.probes.records import ProbeResult

__all__ = ["Diagnosis", "diagnose"]


def diagnose(
    samples_by_condition: Mapping[str, Sequence[Sample]],
    comparison: Comparison,
    tuning: dict[str, Any] | None,
    train_counts: Mapping[str, int],
    probes: Sequence[ProbeResult] = (),
) -> Diagnosis:
    """Say where a run still fails, and what follows for the next round.

    The condition under study is the first tuned one; the last one where nothing was tuned.

    Args:
        samples_by_condition: The answers that were compared, by name of the condition.
        comparison: The comparison of all conditions.
        tuning: A `TuningReport` as plain data; None where nothing was tuned.
        train_counts: Training examples by reference answer.
        probes: What other wordings, orders, texts and tasks changed.
    """
    tuned = [score.name for score in comparison.conditions if score.system == "tuned"]
    condition = tuned[0] if tuned else comparison.conditions[-1].name
    samples = samples_by_condition[condition]
    classes = shared_choices(samples) if comparison.metric == HEADLINE else None
    contrast = next((contrast for contrast in comparison.contrasts if contrast.candidate == condition), None)
    diagnosis = Diagnosis(
        condition=condition,
        baseline=contrast.baseline if contrast else None,
        items=len(samples),
        wrong=_wrong(samples, comparison),
        table=confusion_table(samples, classes) if classes else None,
        confusions=confusions(samples, classes) if classes else (),
        unparsed=sum(sample.answer is None for sample in samples),
        truncated=sum(sample.finish_reason == "length" for sample in samples),
        won=contrast.won if contrast else (),
        lost=contrast.lost if contrast else (),
    )
    return replace(diagnosis, proposals=propose(diagnosis, comparison, tuning, train_counts, probes))


def _wrong(samples: Sequence[Sample], comparison: Comparison) -> tuple[str, ...]:
    """The items that leave something to be wished for; none where the score has no best value."""
    if comparison.best is None:
        return ()
    values = {sample.example_id: sample.metrics.get(comparison.metric, nan) for sample in samples}
    return tuple(identity for identity, value in values.items() if not comparison.is_right(value))


def shared_choices(samples: Sequence[Sample]) -> tuple[str, ...] | None:
    """The choices of the first item, if all items have the same ones in any order and answers are among them."""
    different = {frozenset(sample.choices or ()) for sample in samples}
    choices = samples[0].choices or ()
    said = [answer for sample in samples for answer in (sample.target, sample.answer) if answer is not None]
    return choices or None if len(different) == 1 and all(answer in choices for answer in said) else None


def confusion_table(samples: Sequence[Sample], classes: tuple[str, ...]) -> ConfusionTable:
    """Count items by target and answer."""
    columns = {answer: column for column, answer in enumerate([*classes, None])}
    rows = {target: [0] * len(columns) for target in classes}
    for sample in samples:
        rows[sample.target][columns[sample.answer]] += 1
    return ConfusionTable(classes, tuple(map(tuple, rows.values())))


def confusions(samples: Sequence[Sample], classes: Sequence[str]) -> tuple[Confusion, ...]:
    """The wrong cells of the confusion table with their items: largest first, equal ones in the order of classes."""
    ids: defaultdict[tuple[str, str | None], list[str]] = defaultdict(list)
    for sample in samples:
        if sample.answer != sample.target:
            ids[sample.target, sample.answer].append(sample.example_id)
    order = {answer: position for position, answer in enumerate([*classes, None])}
    cells = [Confusion(target, answer, len(items), tuple(items)) for (target, answer), items in ids.items()]
    return tuple(sorted(cells, key=lambda cell: (-cell.count, order[cell.target], order[cell.answer])))
