from __future__ import annotations

from dataclasses import replace

from tunelift.comparison.flips import CAUSES, Cause, Flips, find_flips
from tunelift.report.flips import flip_sections
from tunelift.report.record import RunReport


def flips(
    gained: dict[Cause, int], lost: dict[Cause, int], both: dict[tuple[Cause, Cause], int] | None = None
) -> Flips:
    """Flips of which only the numbers matter; `both` are items that did not flip."""
    pairs = {(cause, "right"): count for cause, count in gained.items()}
    pairs |= {("right", cause): count for cause, count in lost.items()}
    pairs |= dict(both or {})
    ids = {side: {c: tuple(f"{side}-{c}-{n}" for n in range(k)) for c, k in part.items()} for side, part in
           (("g", gained), ("l", lost))}  # fmt: skip
    transitions = tuple(tuple(pairs.get((row, column), 0) for column in CAUSES) for row in CAUSES)
    return Flips("tuned", "zero-shot", ids["g"], ids["l"], transitions)


def test_nothing_is_said_where_nothing_flipped() -> None:
    assert flip_sections(()) == []
    assert flip_sections([flips({}, {})]) == []


def test_both_sides_are_told_and_what_became_of_unusable_answers() -> None:
    found = flips({"parse failure": 7, "wrong": 3}, {"refusal": 1}, {("parse failure", "wrong"): 2})
    (section,) = flip_sections([found])
    assert section.sentences == [
        "tuned against zero-shot: Of 10 items gained, 7 were parse failures and 3 were wrong answers before. "
        "Of 1 item lost, 1 is a refusal now. Of 9 items to which zero-shot gave no usable answer, tuned has 7 right "
        "and 2 wrong."
    ]
    assert section.heading == ["contrast", "flipped", "items", "wrong", "parse failure", "refusal", "for example"]
    assert [row[2:6] for row in section.rows] == [["10", "3", "7", "0"], ["1", "0", "0", "1"]]
    assert section.rows[0][-1] == "g-parse failure-0, g-wrong-0, g-parse failure-1"
    assert section.summary == []


def test_where_every_answer_could_be_used_that_is_all_that_is_said() -> None:
    (section,) = flip_sections([flips({"wrong": 4}, {"wrong": 2})])
    assert section.sentences == [
        "In all contrasts, the answers to the items that flipped could all be used: they are right or wrong."
    ]


def test_items_lost_because_the_answer_is_of_no_use_are_striking() -> None:
    (section,) = flip_sections([flips({"wrong": 4}, {"wrong": 2, "truncation": 5})])
    said = "On 5 of 7 items that tuned loses against zero-shot, its answer is not wrong, but cannot be used (cut off)."
    assert section.summary == [said]
    (quiet,) = flip_sections([flips({}, {"wrong": 5, "truncation": 5})])
    assert quiet.summary == []


def test_the_numbers_are_those_of_the_comparison(english: RunReport) -> None:
    (section,) = flip_sections(find_flips(english.samples, english.comparison))
    won_and_lost = [f"{len(ids):,}" for c in english.comparison.contrasts for ids in (c.won, c.lost)]
    assert [row[2] for row in section.rows] == won_and_lost
    assert all(len(row) == len(section.heading) for row in section.rows)


def test_ids_from_the_data_are_one_short_line() -> None:
    found = replace(flips({"wrong": 1}, {}), gained={"wrong": ("a\nb" * 200,)})
    (section,) = flip_sections([found])
    assert len(section.rows[0][-1]) <= 80
    assert "\n" not in section.rows[0][-1]
