from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.evaluation.robustness.edits import (
    Edit,
    apply,
    decisive_spans,
    fixed_spans,
    is_decisive,
    make_edits,
    protected_spans,
    share,
)

TEXT = "abcdefghij" * 3


def parts(text: str, spans: list[tuple[int, int]]) -> list[str]:
    return [text[start:end] for start, end in spans]


@pytest.mark.parametrize(
    ("strength", "units", "count"),
    [(0, 10, 0), (0.1, 30, 3), (0.1, 31, 4), (0.01, 5, 1), (1, 7, 7), (0.5, 0, 0), (0.7, 10, 7)],
)
def test_share_is_rounded_up(strength: float, units: int, count: int) -> None:
    assert share(strength, units) == count


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strength_is_a_share(strength: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        make_edits("text", [], 1, strength, Random(1), ())


def test_edits_are_applied_from_left_to_right() -> None:
    assert apply("one two", [Edit(4, 7, "2"), Edit(0, 3, "1"), Edit(7, 7, "!")]) == "1 2!"
    assert apply("one", []) == "one"


EDITS = st.lists(
    st.tuples(st.integers(0, len(TEXT)), st.integers(0, 3), st.sampled_from(["", "X", "YY"])).map(
        lambda parts: Edit(parts[0], min(len(TEXT), parts[0] + parts[1]), parts[2])
    ),
    max_size=20,
    unique_by=lambda edit: (edit.start, edit.end),
)


@given(EDITS, st.floats(0, 1), st.integers(0, 5), st.lists(st.integers(0, 25), max_size=3))
def test_edits_do_not_overlap_and_spare_what_is_to_be_avoided(
    edits: list[Edit], strength: float, seed: int, starts: list[int]
) -> None:
    avoid = [(start, start + 4) for start in starts]
    changed = make_edits(TEXT, edits, 10, strength, Random(seed), avoid)
    # What is avoided survives in its order, with nothing inside.
    place = 0
    for start, end in sorted(set(avoid)):
        found = changed.find(TEXT[start:end], place)
        assert found >= 0
        place = found
    assert sum(changed.count(sign) for sign in "XY") <= 2 * share(strength, 10)


@given(st.integers(0, 50), st.floats(0, 1), st.floats(0, 1))
def test_a_stronger_perturbation_makes_the_edits_of_the_weaker(seed: int, one: float, other: float) -> None:
    edits = [Edit(at, at + 1, "#") for at in range(len(TEXT))]
    weak, strong = (make_edits(TEXT, edits, len(TEXT), s, Random(seed), ()) for s in sorted([one, other]))
    assert all(b == "#" for a, b in zip(weak, strong, strict=True) if a == "#")
    assert strong.count("#") == share(max(one, other), len(TEXT))


def test_insertions_may_stand_between_two_avoided_parts_but_not_inside_one() -> None:
    edits = [Edit(at, at, "|") for at in range(7)]
    assert make_edits("abcdef", edits, 7, 1, Random(1), [(0, 3), (3, 5)]) == "|abc|de|f|"
    assert make_edits("abcdef", edits, 7, 1, Random(1), [(0, 3), (2, 5)]) == "|abcde|f|"


def test_protected_strings_are_whole_words_in_any_case() -> None:
    assert parts("No news, nobody said NO.", protected_spans("No news, nobody said NO.", ["no"])) == ["No", "NO"]
    assert parts("很好，好的", protected_spans("很好，好的", ["好"])) == ["好", "好"]
    assert protected_spans("anything", [""]) == []


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("see http://t.co/aB1?x=2 now", ["http://t.co/aB1?x=2"]),
        ("链接http://t.cn/abc很好", ["http://t.cn/abc"]),
        ("@united to #Boston &amp; back", ["@united", "#Boston", "&amp;"]),
        ("#今天#好天气", ["#今天#"]),
        ("a@b.com wrote <mask> [输出] {{text}}", ["a@b.com", "<mask>", "[输出]", "{{text}}"]),
        ("I <3 it, 1 < 2", []),
    ],
)
def test_what_is_always_fixed(text: str, fixed: list[str]) -> None:
    assert parts(text, fixed_spans(text)) == fixed


@pytest.mark.parametrize(
    ("text", "decisive"),
    [
        ("It is not bad, isn't it? No!", ["not", "isn't", "No"]),
        ("nothing noteworthy about the knot", ["nothing"]),
        ("it didnt work without 3.5 GB at 10:30, B2B", ["didnt", "without", "3.5", "10:30", "B2B"]),
        ("不错，没有问题，非常好，非我所愿", ["不", "没", "非"]),
        ("十分好，等十分钟，一块儿，一块钱", ["十分", "一块"]),
        ("等了3个小时，一直等，一个人，第三次，二十天", ["3", "一个", "第三", "二十天"]),
    ],
)
def test_what_decides_the_answer(text: str, decisive: list[str]) -> None:
    assert parts(text, decisive_spans(text)) == decisive


def test_decisive_characters() -> None:
    assert all(map(is_decisive, "不没无五两"))
    assert not any(map(is_decisive, "好坏人大"))


@pytest.mark.parametrize("text", ["a" * 100_000, "a." * 50_000, "{{" * 50_000, "不" * 100_000, "<a" * 50_000])
def test_long_runs_take_no_time(text: str) -> None:
    decisive_spans(text)
