from __future__ import annotations

from dataclasses import replace

from tunelift.comparison.compare import compare
from tunelift.comparison.contamination import OverlapPair, TrainingOverlap
from tunelift.evaluation.contamination.hint import MembershipHint
from tunelift.evaluation.contamination.overlap import KINDS, Kind
from tunelift.report.contamination import contamination_sections
from tunelift.report.record import RunReport
from tunelift.statistics.intervals import Interval


def pair(number: int, kind: Kind = "exact", similarity: float = 1.0) -> OverlapPair:
    return OverlapPair(
        f"row-{number}", f"test.jsonl:{number}", f"train-{number}", f"train.jsonl:{number}", kind, similarity
    )


def overlap_of(report: RunReport, pairs: list[OverlapPair], looked_for: tuple[Kind, ...] = KINDS) -> TrainingOverlap:
    """What is found out of a report's items when these pairs are."""
    gone = {pair.item for pair in pairs if pair.kind != "paraphrase"}
    left = {
        name: [sample for sample in samples if sample.example_id not in gone]
        for name, samples in report.samples.items()
    }
    planned = [(contrast.candidate, contrast.baseline) for contrast in report.comparison.contrasts]
    clean = compare(left, planned, report.task, 7) if gone else None
    return TrainingOverlap(report.comparison.items, 1200, tuple(pairs), looked_for, clean)


def test_nothing_was_looked_for_or_found(english: RunReport) -> None:
    assert contamination_sections(None, english.comparison) == []
    (section,) = contamination_sections(overlap_of(english, []), english.comparison)
    assert section.sentences == ["None of the 400 test items was found in 1,200 training rows."]
    assert (section.rows, section.summary) == ([], [])
    for looked_for, said in (
        (KINDS[:3], "Paraphrases were not looked for."),
        (KINDS[:1], "Only copies were looked for"),
    ):
        (section,) = contamination_sections(overlap_of(english, [], looked_for), english.comparison)
        assert section.sentences[1].startswith(said)


def test_what_was_found_and_the_scores_without_it(english: RunReport) -> None:
    pairs = [pair(0), pair(1), pair(2, "near-duplicate", 0.716), pair(3, "n-grams", 0.8), pair(4, "paraphrase", 0.9)]
    first, second = contamination_sections(overlap_of(english, pairs), english.comparison)
    kinds = "2 as they are, 1 with small changes, 1 inside of a row"
    found = f"4 of 400 test items (1.0 %) stand in the training data: {kinds}."
    assert first.summary == [found]
    assert first.sentences[0] == found
    assert first.sentences[1].startswith("1 further item is close in meaning to a training row.")
    assert len(first.sentences) == 2
    assert first.rows[2] == ["test.jsonl:2", "71.6", "small changes", "train.jsonl:2"]
    assert [len(row) for row in first.rows] == [len(first.heading)] * 5
    assert second.heading[1::3] == ["400 items", "396 clean"]
    assert [row[0] for row in second.rows[:5]] == [score.name for score in english.comparison.conditions]
    assert second.rows[5][0] == "tuned vs few-shot"
    assert {len(row) for row in second.rows} == {len(second.heading)}
    assert second.summary == []


def test_outcomes_that_stay(english: RunReport) -> None:
    found = overlap_of(english, [pair(0)])
    *_, section = contamination_sections(found, english.comparison)
    assert section.sentences == ["No contrast has another outcome on the 399 clean items."]


def test_long_tables_are_cut_and_few_clean_items_are_told(english: RunReport) -> None:
    pairs = [pair(number) for number in range(25)]
    (section,) = contamination_sections(replace(overlap_of(english, pairs), items=30, clean=None), english.comparison)
    assert len(section.rows) == 20
    assert section.sentences[1:] == [
        "Without them 5 items would be left, too few to compare on.",
        "The table shows 20 of 25 pairs, the most certain first.",
    ]


def test_outcomes_that_change_are_named(english: RunReport) -> None:
    wins = english.comparison.contrasts[0].won
    found = overlap_of(english, [replace(pair(0), item=item) for item in wins])
    *_, section = contamination_sections(found, english.comparison)
    assert section.sentences[0].startswith("Other outcomes on the ")
    assert "tuned vs few-shot (better, now worse)" in section.sentences[0]


def test_the_hint_has_a_section_of_its_own(english: RunReport) -> None:
    hint = MembershipHint("base", (0.1, 0.2), (0.1, 0.3), -0.05, Interval(-1.0, 0.9, 0.95, "Welch"))
    (section,) = contamination_sections(None, english.comparison, hint)
    assert section.sentences == [hint.sentence]
