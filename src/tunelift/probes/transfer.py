"""Whether what was learnt carries over: the effect of tuning on items of another kind beside that on the test items."""

from __future__ import annotations

from collections.abc import Sequence

from tunelift.comparison.records import Comparison
from tunelift.core.records import Finding, Splits
from tunelift.data.examples import draw_positions
from tunelift.data.tasks import Task
from tunelift.probes.records import Transfer, VariationResult
from tunelift.probes.variation import UNASKED, UNSEEN, Probe, Variation
from tunelift.statistics.independent import compare_effects
from tunelift.statistics.multiplicity import holm


def unseen_probe(
    task: Task, splits: Splits, conditions: list[str], limit: int, seed: int
) -> tuple[list[Probe], list[Finding]]:
    """The probe about the rows that the task holds out, and a finding where it cannot show what tuning changes.

    Args:
        task: The task of the run.
        splits: Its examples; those of the training split may be shown as demonstrations.
        conditions: Whose systems are asked, in the words and with the demonstrations of the condition.
        limit: At most so many rows, a seeded random subset.
        seed: Of the run.
    """
    if task.split is None or not splits.held_out:
        return [], []
    if not conditions:
        return [], [Finding("probe-impossible", "info", "no held-out rows could be asked", 0, UNASKED)]
    positions = sorted(draw_positions(len(splits.held_out), limit, seed))
    asked = [splits.held_out[at] for at in positions]
    way = Variation("held-out-rows", f"rows with {task.split.hold_out}", task, asked, splits.train)
    findings = asked_alone("the held-out rows", conditions, len(asked))
    return [Probe(UNSEEN, [way], False, conditions, [])], findings


def asked_alone(what: str, conditions: Sequence[str], count: int) -> list[Finding]:
    """A finding where other items are asked of one of the two models alone.

    Args:
        what: The items.
        conditions: Whose systems are asked.
        count: How many items or tasks.
    """
    if len(conditions) != 1:
        return []
    message = f"{what} are asked of {conditions[0]} alone, which does not show what tuning changes"
    remedy = "add a condition that asks the untuned model, or the tuned one"
    return [Finding("probe-alone", "warning", message, count, remedy)]


def find_transfers(variations: Sequence[VariationResult], comparison: Comparison) -> dict[str, Transfer]:
    """Hold the effect of tuning on other items against that on the test items, where both have the same score.

    Args:
        variations: Of a probe about other items than those of the run.
        comparison: The conditions on the items of the run.

    Returns:
        By variation.
    """
    own = {(contrast.candidate, contrast.baseline): contrast.result for contrast in comparison.contrasts}
    effects = {}
    for way in variations:
        other, contrasts = way.comparison, way.comparison.contrasts[:1]
        is_same = (other.metric, other.scale, other.higher_is_better) == (
            comparison.metric,
            comparison.scale,
            comparison.higher_is_better,
        )
        seen = [own[key] for contrast in contrasts if (key := (contrast.candidate, contrast.baseline)) in own]
        if is_same and seen:
            effects[way.name] = (seen[0], contrasts[0].result)
    found = {name: (seen, compare_effects(unseen, seen)) for name, (seen, unseen) in effects.items()}
    known = {name: difference.p for name, (_, difference) in found.items() if difference.p is not None}
    adjusted = dict(zip(known, map(float, holm(list(known.values()))), strict=True))
    return {name: Transfer(seen, difference, adjusted.get(name)) for name, (seen, difference) in found.items()}
