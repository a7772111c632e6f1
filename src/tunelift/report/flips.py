"""Why items became right or wrong, as a table and sentences that all forms of the report share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunelift.comparison.flips import CAUSES, WORDING, Cause, Flips
from tunelift.core.errors import counted, shorten
from tunelift.report.section import Section
from tunelift.report.wording import label, listed

# What keeps an answer from being used, whatever was meant by it.
UNUSABLE: tuple[Cause, ...] = ("parse failure", "out of choices", "refusal", "truncation")
FEWEST = 5  # lost items that are worth a line in the summary
EXAMPLES = 3  # ids in a cell


def flip_sections(flips: Sequence[Flips]) -> list[Section]:
    """Why items flipped in the contrasts of a run; nothing where no item did."""
    flipped = [each for each in flips if each.gained or each.lost]
    if not flipped:
        return []
    telling = [each for each in flipped if _unusable(each.gained) or _unusable(each.lost)]
    sentences = [sentence for each in telling for sentence in _sentences(each)]
    if len(telling) < len(flipped):
        which = "all other contrasts" if telling else "all contrasts"
        sentences.append(
            f"In {which}, the answers to the items that flipped could all be used: they are right or wrong."
        )
    causes = [cause for cause in CAUSES if any(cause in each.gained or cause in each.lost for each in flipped)]
    heading = ["contrast", "flipped", "items", *causes, "for example"]
    rows = [row for each in flipped for row in _rows(each, causes)]
    question = "What was wrong with the answers that are right now, and what is wrong with those that were right before"
    return [Section("flip-causes", "Causes of flips", question, sentences, heading, rows, summary=_striking(flipped))]


def _unusable(by_cause: Mapping[Cause, Sequence[str]]) -> int:
    return sum(len(by_cause.get(cause, ())) for cause in UNUSABLE)


def _sentences(flips: Flips) -> list[str]:
    """The two sides of a contrast, and what became of the answers of the baseline that could not be used."""
    told = " ".join(flips.sentences())
    before = [CAUSES.index(cause) for cause in UNUSABLE]
    after = [sum(flips.transitions[row][column] for row in before) for column in range(len(CAUSES))]
    total, right, wrong = sum(after), after[CAUSES.index("right")], after[CAUSES.index("wrong")]
    if total:
        counts = [(right, "right"), (wrong, "wrong"), (total - right - wrong, "without a usable answer, too")]
        became = listed([f"{count:,} {what}" for count, what in counts if count])
        told += f" Of {counted(total, 'item')} to which {flips.baseline} gave no usable answer, {flips.candidate} has "
        told += f"{became}."
    return [f"{flips.candidate} against {flips.baseline}: {told}"]


def _rows(flips: Flips, causes: Sequence[Cause]) -> list[list[str]]:
    contrast = f"{flips.candidate} vs {flips.baseline}"
    return [
        _row(contrast, f"gained, by {flips.baseline}'s answer", flips.gained, causes),
        _row(contrast, f"lost, by {flips.candidate}'s answer", flips.lost, causes),
    ]


def _row(contrast: str, side: str, by_cause: Mapping[Cause, Sequence[str]], causes: Sequence[Cause]) -> list[str]:
    total = sum(map(len, by_cause.values()))
    counts = [f"{len(by_cause.get(cause, ())):,}" for cause in causes]
    # An item of every cause before a second one of any.
    ids = [ids[at] for at in range(EXAMPLES) for ids in by_cause.values() if at < len(ids)]
    return [contrast, side, f"{total:,}", *counts, label(shorten(ids[:EXAMPLES]), 80)]


def _striking(flips: Sequence[Flips]) -> list[str]:
    """The first contrast in which most of what was lost was not answered wrongly, but could not be used."""
    for each in flips:
        total, unusable = sum(map(len, each.lost.values())), _unusable(each.lost)
        if total >= FEWEST and 2 * unusable > total:
            named = [WORDING[cause][0] for cause in each.lost if cause in UNUSABLE]
            return [
                f"On {unusable:,} of {total:,} items that {each.candidate} loses against {each.baseline}, its answer "
                f"is not wrong, but cannot be used ({', '.join(named)})."
            ]
    return []
