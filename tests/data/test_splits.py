from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.core.errors import UserError
from tunelift.core.records import Example, Source
from tunelift.data.splits import NEAR, Candidate, apportion, divide_pool, keep_splits
from tunelift.data.task_parts import SplitSizes

SPLITS = ("train", "validation", "test")
CHOICES = ("yes", "no")


def row(position, text, target="yes", choices=CHOICES, group=None, file="data.jsonl") -> Candidate:
    source = Source(file, position + 1)
    example = Example(f"t-{position}", {"q": text, "a": target}, target, source, choices, group)
    return Candidate(position, example, text, text)


def words(count: int, seed: int = 0) -> list[str]:
    """Texts that are not alike."""
    generator = Random(seed)
    return ["".join(generator.choices("abcdefghijklmnopqrstuvwxyz", k=20)) for _ in range(count)]


def pool(count: int, **keys) -> list[Candidate]:
    return [row(number, text, "yes" if number % 3 else "no", **keys) for number, text in enumerate(words(count))]


def all_rows(plan) -> list[int]:
    return [position for positions in plan.splits.values() for position in positions]


@given(st.dictionaries(st.text(max_size=2), st.integers(1, 50), min_size=1), st.data())
def test_apportion(counts, data):
    total = sum(counts.values())
    size = data.draw(st.integers(0, total))
    quotas = apportion(counts, size)
    assert sum(quotas.values()) == size
    for kind, count in counts.items():
        assert quotas[kind] <= count
        assert abs(quotas[kind] - size * count / total) < 1


def test_sizes_are_exact_and_stratified():
    plan = divide_pool(pool(300), SplitSizes(train=100, validation=31, test=62), "data")
    assert {split: len(rows) for split, rows in plan.splits.items()} == {"train": 100, "validation": 31, "test": 62}
    assert len(set(all_rows(plan))) == 193
    for split, no in (("train", 33), ("validation", 10), ("test", 21)):
        assert Counter(position % 3 == 0 for position in plan.splits[split])[True] == pytest.approx(no, abs=1)
    assert plan.counts == {"not drawn": 107}
    assert plan.findings == []


def test_all_rows_can_be_drawn():
    plan = divide_pool(pool(101), SplitSizes(train=50, validation=25, test=26), "data")
    assert sorted(all_rows(plan)) == list(range(101))


def test_rows_with_choices_of_their_own_are_drawn_at_random():
    rows = [row(number, text, f"a{number}", (f"a{number}", "b")) for number, text in enumerate(words(100))]
    drawn = divide_pool(rows, SplitSizes(train=50, validation=10, test=30), "data").splits["test"]
    assert drawn != sorted(drawn)
    assert sum(position >= 50 for position in drawn) in range(5, 26)


def test_test_split_depends_on_seed_only():
    rows = pool(200)
    sizes = SplitSizes(train=100, validation=20, test=40)
    test = divide_pool(rows, sizes, "data").splits["test"]
    assert divide_pool(rows, SplitSizes(train=20, validation=5, test=40), "data").splits["test"] == test
    assert divide_pool(rows[::-1], sizes, "data").splits["test"] == test
    assert divide_pool(rows, SplitSizes(train=100, validation=20, test=40, seed=8), "data").splits["test"] != test


def test_duplicates_are_left_out_and_counted():
    a, b, c, d, *others = words(24)
    texts = [a, a.upper(), b, b, c, c[:-1] + "?", d, f" {d} "]
    targets = ["yes", "yes", "yes", "no", "no", "no", "no", "no"]
    rows = [row(number, text, target) for number, (text, target) in enumerate(zip(texts, targets, strict=True))]
    rows += [row(number, text) for number, text in enumerate(others, start=8)]
    plan = divide_pool(rows, SplitSizes(train=20, validation=1, test=2), "data")
    assert sorted(all_rows(plan)) == [0, 4, 6, *range(8, 28)]
    assert plan.counts == {"conflicting answers": 2, "exact duplicates": 2, "near duplicates": 1}
    found = {finding.check: finding for finding in plan.findings}
    assert found["conflicting-answers"].rows == ("data.jsonl:3", "data.jsonl:4")
    assert found["exact-duplicate"].rows == ("data.jsonl:2 = data.jsonl:1", "data.jsonl:8 = data.jsonl:7")
    assert found["near-duplicate"].rows == ("data.jsonl:6 = data.jsonl:5",)


def test_different_free_answers_do_not_conflict():
    rows = [row(number, text, str(number), choices=None) for number, text in enumerate(["same", "same", *words(3)])]
    plan = divide_pool(rows, SplitSizes(train=2, validation=1, test=1), "data")
    assert plan.counts == {"exact duplicates": 1}


def test_too_few_rows():
    with pytest.raises(UserError) as error:
        divide_pool([*pool(10), row(10, words(10)[0])], SplitSizes(train=8, validation=2, test=1), "data.csv")
    assert str(error.value).startswith("data.csv: has 9 usable rows of 11, but the splits need 11")
    with pytest.raises(
        UserError, match=r"has 1 usable row of 2, .* \(left out: 0 conflicting, 1 repeated, 0 near dupl"
    ):
        divide_pool([row(0, "same"), row(1, "same")], SplitSizes(train=1, validation=1, test=1), "data.csv")


def test_groups_stay_on_one_side():
    rows = [row(number, text, group=f"document {number // 7}") for number, text in enumerate(words(140))]
    plan = divide_pool(rows, SplitSizes(train=60, validation=20, test=30), "data")
    assert {split: len(positions) for split, positions in plan.splits.items()} == {
        "train": 60,
        "validation": 20,
        "test": 30,
    }
    groups = {split: {position // 7 for position in positions} for split, positions in plan.splits.items()}
    assert not groups["train"] & groups["test"]
    assert not groups["train"] & groups["validation"]
    assert not groups["validation"] & groups["test"]
    # The groups that were cut: 30 = 4 * 7 + 2, 20 = 2 * 7 + 6, 60 = 8 * 7 + 4 rows were taken.
    assert plan.counts["cut groups"] == 5 + 1 + 3
    assert plan.counts["not drawn"] == 140 - 110 - 9
    with pytest.raises(UserError, match="groups that are too large"):
        divide_pool(rows, SplitSizes(train=100, validation=20, test=20), "data")


def test_rows_without_a_group_stand_alone():
    rows = [row(number, text, group="one" if number < 5 else None) for number, text in enumerate(words(40))]
    plan = divide_pool(rows, SplitSizes(train=10, validation=10, test=15), "data")
    sides = [split for split, positions in plan.splits.items() if any(position < 5 for position in positions)]
    assert len(sides) <= 1
    assert plan.counts.get("cut groups", 0) < 5


def given_splits(copies: int, near: int):
    """100 test rows, of which some stand in train too, and some nearly."""
    train = [row(number, text, file="train.jsonl") for number, text in enumerate(words(50))]
    texts = [text.upper() for text in words(copies)]
    texts += [text[:-1] + "?" for text in words(50)[copies : copies + near]]
    texts += words(100 - len(texts), seed=1)
    test = [row(50 + number, text, file="test.jsonl") for number, text in enumerate(texts)]
    return {"train": train, "validation": [], "test": test}


@pytest.mark.parametrize(("copies", "severity"), [(1, "warning"), (2, "error")])
def test_given_splits_are_kept_and_what_they_share_is_found(copies, severity):
    splits = given_splits(copies, 3)
    plan = keep_splits(splits)
    assert plan.splits == {name: [item.position for item in rows] for name, rows in splits.items()}
    exact, near = plan.findings
    assert (exact.check, exact.severity, exact.count) == ("exact-duplicate-across-splits", severity, copies)
    assert exact.rows[0] == "test.jsonl:51 = train.jsonl:1"
    assert (near.check, near.severity, near.count) == ("near-duplicate-across-splits", "warning", 3)
    assert near.rows[0] == f"test.jsonl:{51 + copies} = train.jsonl:{1 + copies}"


def test_validation_is_compared_with_both_others():
    text = words(1)[0]
    shared = {"train": [row(0, text)], "validation": [row(1, text)], "test": [row(2, text)]}
    messages = [finding.message for finding in keep_splits(shared).findings]
    assert messages == [
        "validation rows (of 1) also stand in train",
        "test rows (of 1) also stand in train",
        "test rows (of 1) also stand in validation",
    ]


def test_nothing_shared_is_nothing_found():
    assert keep_splits(given_splits(0, 0)).findings == []
    assert NEAR == 0.6  # docs name it


def test_held_out_rows_stand_apart_and_so_do_those_that_are_like_them():
    texts = words(60)
    texts += [texts[0][:-1] + "?", texts[59].upper()]  # like a row that is not held out, and like one that is
    rows = [row(number, text) for number, text in enumerate(texts)]
    sizes = SplitSizes(train=20, validation=5, test=10, hold_out="true")
    plan = divide_pool(rows, sizes, "data", range(40, 61))
    assert plan.splits["held_out"] == list(range(40, 60))
    assert {position for split in SPLITS for position in plan.splits[split]} <= set(range(40))
    assert plan.counts == {"exact duplicates": 1, "near duplicates": 1, "not drawn": 5}
    without = divide_pool(rows[:40], SplitSizes(train=20, validation=5, test=10), "data").splits
    assert {split: plan.splits[split] for split in SPLITS} == without


def test_no_group_is_held_out_in_part():
    rows = [row(number, text, group=f"author {number // 4}") for number, text in enumerate(words(80))]
    rows[79] = row(79, words(1, seed=9)[0])  # of no group
    held_out = [*range(0, 40, 4), 78]
    plan = divide_pool(rows, SplitSizes(train=16, validation=4, test=8, hold_out="true"), "data", held_out)
    drawn = {position for split in SPLITS for position in plan.splits[split]}
    assert plan.splits["held_out"] == held_out
    assert drawn <= {*range(40, 76), 79}
    assert plan.counts["groups of held-out rows"] == 30 + 2
    (finding,) = (finding for finding in plan.findings if finding.check == "held-out-group")
    assert (finding.count, finding.rows[0]) == (32, "data.jsonl:2")


def test_what_is_held_out_is_missing_elsewhere_and_never_nothing():
    sizes = SplitSizes(train=8, validation=2, test=2, hold_out="n > 3")
    with pytest.raises(
        UserError, match=r"needs? 12 \(left out: 0 conflicting, 0 repeated, 0 near duplicates, 9 held out"
    ):
        divide_pool(pool(20), sizes, "data", range(9))
    with pytest.raises(UserError, match=r'^data: no usable row meets the condition "n > 3" of split.hold_out'):
        divide_pool(pool(20), sizes, "data")
