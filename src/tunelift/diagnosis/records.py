"""What a diagnosis found, as records that survive a round trip through JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tunelift.comparison.records import rounded
from tunelift.statistics.independent import EffectDifference
from tunelift.statistics.intervals import record_of
from tunelift.statistics.paired import PairedResult


@dataclass(frozen=True, slots=True)
class ConfusionTable:
    """Items by what they are and what was answered.

    Attributes:
        classes: The choices that all items share.
        counts: Items by target (rows, as `classes`) and answer (columns, as `classes`, then "not parsed").
    """

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Confusion:
    """Items of one class that were all given the same wrong answer.

    Attributes:
        target: The reference answer.
        answer: What was answered; None where nothing could be parsed.
        count: Number of items.
        ids: The items.
    """

    target: str
    answer: str | None
    count: int
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """One step for the next round.

    Attributes:
        action: What to do.
        evidence: The number of this run that it follows from.
    """

    action: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.action} ({self.evidence})"


@dataclass(frozen=True, slots=True)
class SliceEffect:
    """The effect on items that have something in common.

    Attributes:
        by: What they have in common: the right answer, the length, or the name of a field.
        value: Which one.
        effect: On these items, positive where the condition under study is better than its baseline.
        difference: This effect minus that on all other items.
        adjusted_p: P-value of the difference after the correction of Benjamini and Hochberg for the number of slices;
            None where it cannot be told.
    """

    by: str
    value: str
    effect: PairedResult
    difference: EffectDifference
    adjusted_p: float | None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Where one condition still fails.

    Attributes:
        condition: The condition under study.
        baseline: The condition that the flips are counted against; None when there is no contrast with one.
        items: Number of items.
        wrong: Ids of the items whose answer has less than the best score; empty where there is no best.
        table: Items by target and answer; None for free answers and for choices that differ by item.
        confusions: The cells of the table that hold errors, the largest first; empty without a table.
        unparsed: Answers from which nothing could be parsed.
        truncated: Answers that were cut off.
        won: Ids of the items on which the condition scores higher than the baseline.
        lost: Ids of the items on which the baseline scores higher.
        proposals: Steps for the next round, each from a number of this run.
        slices: The effect against the baseline on kinds of items, beside that on the others.
    """

    condition: str
    baseline: str | None
    items: int
    wrong: tuple[str, ...]
    table: ConfusionTable | None
    confusions: tuple[Confusion, ...]
    unparsed: int
    truncated: int
    won: tuple[str, ...]
    lost: tuple[str, ...]
    proposals: tuple[Proposal, ...] = ()
    slices: tuple[SliceEffect, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The diagnosis as plain data, numbers with 10 significant digits."""
        data: dict[str, Any] = rounded(asdict(self))
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Diagnosis:
        """The diagnosis that `to_dict` wrote, also when it has been through JSON."""
        table = data["table"]
        return cls(
            **{
                **data,
                "table": table and ConfusionTable(tuple(table["classes"]), tuple(map(tuple, table["counts"]))),
                "confusions": tuple(Confusion(**{**cell, "ids": tuple(cell["ids"])}) for cell in data["confusions"]),
                "proposals": tuple(Proposal(**proposal) for proposal in data["proposals"]),
                "slices": tuple(map(_slice_effect, data["slices"])),
                **{name: tuple(data[name]) for name in ("wrong", "won", "lost")},
            }
        )


def _slice_effect(data: dict[str, Any]) -> SliceEffect:
    kinds = {"effect": PairedResult, "difference": EffectDifference}
    return SliceEffect(**{**data, **{name: record_of(kind, data[name]) for name, kind in kinds.items()}})
