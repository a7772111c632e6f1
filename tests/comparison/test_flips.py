from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.comparison.compare import compare, known_metric
from tunelift.comparison.flips import CAUSES, Flips, cause, find_flips
from tunelift.core.records import Sample
from tunelift.evaluation.parsing.choices import parse_choice

CHOICES = ("negative", "neutral", "positive")


def said(output: str, target: str = "positive", finish: str = "stop", **keys: Any) -> Sample:
    """A sample of a task with choices, as `evaluate_model` makes it."""
    answer = parse_choice(output, CHOICES)
    sample = Sample("0", 0, {}, target, "base", output, answer, finish, choices=CHOICES)
    return replace(sample, metrics={"acc": float(answer == target)}, **keys)


def cause_of(sample: Sample) -> str:
    return cause(sample, "acc", lambda value: value >= 1)


@pytest.mark.parametrize(
    ("output", "finish", "expected"),
    [
        ("positive", "stop", "right"),
        ("Positive.", "length", "right"),
        ("negative", "stop", "wrong"),
        ("negative\n\nText: and so on without end", "length", "wrong"),
        ("joyful", "stop", "out of choices"),
        ("The sentiment is joyful.", "stop", "out of choices"),
        ("喜悦", "stop", "out of choices"),
        ("", "stop", "parse failure"),
        ("?!", "stop", "parse failure"),
        ("neutral or negative", "stop", "parse failure"),
        ("not positive", "stop", "parse failure"),
        ("To tell what somebody feels, one has to read the text with care and weigh it.", "stop", "parse failure"),
        ("To tell what somebody feels, one", "length", "truncation"),
        ("I'm sorry, but I cannot determine the sentiment.", "length", "refusal"),
        ("I'm sorry, but I can't help with negative texts.", "stop", "refusal"),
        ("抱歉，我无法判断这段文字的情感。", "stop", "refusal"),
    ],
)
def test_the_cause_of_an_answer_among_choices(output: str, finish: str, expected: str) -> None:
    assert cause_of(said(output, finish=finish)) == expected


@pytest.mark.parametrize(
    ("answer", "output", "finish", "expected"),
    [
        (7.0, "so it is 7", "stop", "wrong"),
        (7.0, "so far it is 7, and then we", "length", "truncation"),
        (None, "no number", "stop", "parse failure"),
        (None, "no number", "length", "truncation"),
        ("I cannot provide that.", "I cannot provide that.", "stop", "refusal"),
        ([], "none", "stop", "wrong"),
    ],
)
def test_the_cause_of_a_free_answer(answer: Any, output: str, finish: str, expected: str) -> None:
    sample = Sample("0", 0, {}, "8", "base", output, answer, finish, metrics={"acc": 0.0})
    assert cause_of(sample) == expected


def test_what_another_program_read_can_be_none_of_the_choices() -> None:
    assert cause_of(replace(said("?"), answer="joyful")) == "out of choices"
    assert cause_of(replace(said("?"), answer="")) == "parse failure"
    assert cause_of(replace(said("?"), answer=["negative"])) == "wrong"
    assert cause_of(replace(said("?"), answer=[])) == "wrong"


def test_where_refusing_is_asked_for_it_is_no_refusal() -> None:
    refusal = "I cannot answer that."
    asked = Sample("0", 0, {}, "I'm sorry, but I can't help with that.", "b", refusal, refusal, "stop")
    assert cause_of(asked) == "wrong"
    chosen = replace(said("negative"), output=refusal, answer=refusal, choices=(refusal, "positive"))
    assert cause_of(chosen) == "wrong"


def test_a_score_without_a_best_value_is_never_right() -> None:
    assert cause(said("positive"), "acc", lambda value: False) == "wrong"
    assert cause(replace(said("positive"), metrics={}), "acc", lambda value: value >= 1) == "wrong"


OUTPUTS = ("positive", "negative", "joyful", "", "I'm sorry, but I can't do that.", "positive or negative, or")
outputs = st.sampled_from([(output, finish) for output in OUTPUTS for finish in ("stop", "length")])


def answered(condition: str, given_: list[tuple[str, str]]) -> list[Sample]:
    return [
        replace(said(output, finish=finish), example_id=f"e{number}", doc={"n": number}, condition=condition)
        for number, (output, finish) in enumerate(given_)
    ]


@given(st.lists(st.tuples(outputs, outputs), min_size=1, max_size=12))
def test_flips_are_those_of_the_comparison(pairs: list[tuple[tuple[str, str], tuple[str, str]]]) -> None:
    before, after = (answered(name, list(side)) for name, side in zip("ab", zip(*pairs, strict=True), strict=True))
    comparison = compare({"a": before, "b": after[::-1]}, [("b", "a")], "t", seed=1)
    (flips,) = find_flips({"a": before, "b": after[::-1]}, comparison)
    (contrast,) = comparison.contrasts
    assert sorted(i for ids in flips.gained.values() for i in ids) == sorted(contrast.won)
    assert sorted(i for ids in flips.lost.values() for i in ids) == sorted(contrast.lost)
    assert "right" not in flips.gained | flips.lost
    right = CAUSES.index("right")
    gained, lost = (sum(map(len, side.values())) for side in (flips.gained, flips.lost))
    assert sum(row[right] for row in flips.transitions) - flips.transitions[right][right] == gained
    assert sum(flips.transitions[right]) - flips.transitions[right][right] == lost
    assert sum(map(sum, flips.transitions)) == len(pairs)
    assert Flips.from_dict(json.loads(json.dumps(flips.to_dict()))) == flips
    assert len(flips.sentences()) == bool(gained) + bool(lost)


def test_what_is_said_of_flips() -> None:
    before = answered(
        "base", [("", "stop"), ("", "stop"), ("joyful", "stop"), ("positive", "stop"), ("negative", "stop")]
    )
    after = answered("tuned", [*[("positive", "stop")] * 3, ("negative", "stop"), ("negative", "stop")])
    samples = {"base": before, "tuned": after}
    (flips,) = find_flips(samples, compare(samples, [("tuned", "base")], "t", seed=1))
    assert flips.gained == {"parse failure": ("e0", "e1"), "out of choices": ("e2",)}
    assert flips.lost == {"wrong": ("e3",)}
    assert flips.transitions[CAUSES.index("wrong")][CAUSES.index("wrong")] == 1
    assert flips.sentences() == [
        "Of 3 items gained, 2 were parse failures and 1 was none of the choices before.",
        "Of 1 item lost, 1 is a wrong answer now.",
    ]


def test_a_score_in_parts_flips_too() -> None:
    samples = {
        name: [
            replace(each, metrics={"f1": value})
            for each, value in zip(answered(name, [("negative", "stop")] * 2), given_, strict=True)
        ]
        for name, given_ in (("a", (0.2, 1.0)), ("b", (0.6, 0.9)))
    }
    comparison = compare(samples, [("b", "a")], "t", 1, [known_metric("f1", samples["a"])])
    (flips,) = find_flips(samples, comparison)
    assert flips.gained == {"wrong": ("e0",)}
    assert flips.lost == {"wrong": ("e1",)}
