"""What test items have in common with training data, in the words that all forms of the report share."""

from __future__ import annotations

from collections.abc import Sequence

from tunelift.comparison.contamination import PARAPHRASE, OverlapPair, TrainingOverlap
from tunelift.comparison.records import Comparison, Contrast, contrast_p_text
from tunelift.core.errors import counted
from tunelift.evaluation.contamination.hint import MembershipHint
from tunelift.evaluation.contamination.overlap import Kind
from tunelift.report.section import Section
from tunelift.report.wording import NONE, interval_text, metric_name, one_line, outcome, percent, points

SHOWN = 20
KIND_NAMES: dict[Kind, str] = {
    "exact": "the same text",
    "near-duplicate": "small changes",
    "n-grams": "stands in the row",
    "paraphrase": "close in meaning",
}


def contamination_sections(
    overlap: TrainingOverlap | None, comparison: Comparison, hint: MembershipHint | None = None
) -> list[Section]:
    """The sections of the report.

    Args:
        overlap: What was found; None where nothing was looked for.
        comparison: The conditions on all items.
        hint: What the base model seems to know.
    """
    sections = []
    if overlap:
        sections.append(_overlap_section(overlap))
    if overlap and overlap.clean:
        sections.append(_clean_section(comparison, overlap.clean))
    if hint:
        question = "Whether the untuned model finds the test items more familiar than other texts of their source"
        sections.append(Section("membership", "Familiarity of the test items", question, [hint.sentence]))
    return sections


def _overlap_section(overlap: TrainingOverlap) -> Section:
    found = [_found(overlap)] if overlap.overlapping else []
    none = f"None of the {counted(overlap.items, 'test item')} was found in {counted(overlap.rows, 'training row')}."
    sentences = [*(found or [none]), *_paraphrases(overlap)]
    if overlap.overlapping and overlap.clean is None:
        left = counted(overlap.items - len(overlap.overlapping), "item")
        sentences.append(f"Without them {left} would be left, too few to compare on.")
    if len(overlap.pairs) > SHOWN:
        sentences.append(f"The table shows {SHOWN} of {len(overlap.pairs):,} pairs, the most certain first.")
    heading, rows = _pairs_table(overlap.pairs[:SHOWN])
    title, question = "Test items in the training data", "What was asked, compared with every row that was trained on"
    return Section("overlap", title, question, sentences, heading, rows, summary=found)


def _found(overlap: TrainingOverlap) -> str:
    number, counts = len(overlap.overlapping), overlap.counts
    kinds = {
        "as they are": counts["exact"],
        "with small changes": counts["near-duplicate"],
        "inside of a row": counts["n-grams"],
    }
    listed = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items() if count)
    share = percent(number / overlap.items)
    verb = "stands" if number == 1 else "stand"
    return f"{number:,} of {counted(overlap.items, 'test item')} ({share} %) {verb} in the training data: {listed}."


def _paraphrases(overlap: TrainingOverlap) -> list[str]:
    if overlap.looked_for == ("exact",):
        return ["Only copies were looked for, since the task says that its rows are alike by design."]
    if PARAPHRASE not in overlap.looked_for:
        return ["Paraphrases were not looked for."]
    number = overlap.counts[PARAPHRASE]
    if not number:
        return []
    verb = "is" if number == 1 else "are"
    return [
        f"{counted(number, 'further item')} {verb} close in meaning to a training row. Texts on one subject often are: "
        "look at them; they count as clean."
    ]


def _pairs_table(pairs: Sequence[OverlapPair]) -> tuple[list[str], list[list[str]]]:
    rows = [
        [one_line(pair.item_place), percent(pair.similarity), KIND_NAMES[pair.kind], one_line(pair.row_place)]
        for pair in pairs
    ]
    return ["test item", "similarity (%)", "kind", "training row"], rows


def _clean_section(every: Comparison, clean: Comparison) -> Section:
    scores = {score.name: score for score in clean.conditions}
    rows = [
        [
            one_line(score.name),
            percent(score.score, every.scale),
            interval_text(score.interval, every.scale),
            NONE,
            percent(scores[score.name].score, clean.scale),
            interval_text(scores[score.name].interval, clean.scale),
            NONE,
        ]
        for score in every.conditions
    ]
    pairs = list(zip(every.contrasts, clean.contrasts, strict=True))
    rows += [[_name(one), *_effect(one, every.scale), *_effect(other, clean.scale)] for one, other in pairs]
    heading = ["", f"{every.items:,} items", "95 % interval", "p", f"{clean.items:,} clean", "95 % interval", "p"]
    title = "Scores without these items"
    question = f"{metric_name(every)} of every condition, and every effect, on the items that were not found"
    return Section("clean-items", title, question, [_changed(pairs, clean)], heading, rows)


def _effect(contrast: Contrast, scale: float) -> list[str]:
    result = contrast.result
    return [points(result.effect, scale), interval_text(result.interval, scale), contrast_p_text(contrast)]


def _name(contrast: Contrast) -> str:
    return one_line(f"{contrast.candidate} vs {contrast.baseline}")


def _changed(pairs: Sequence[tuple[Contrast, Contrast]], clean: Comparison) -> str:
    """Which outcomes are others on the clean items."""
    outcomes = [(_name(one), outcome(one), outcome(other)) for one, other in pairs]
    changed = [f"{name} ({before}, now {after})" for name, before, after in outcomes if before != after]
    number = counted(clean.items, "clean item")
    if not changed:
        return f"No contrast has another outcome on the {number}."
    hint = "; fewer items can leave undecided what all of them decide" if "now undecided" in " ".join(changed) else ""
    return f"Other outcomes on the {number}: {', '.join(changed)}{hint}."
