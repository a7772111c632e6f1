from __future__ import annotations

import socket
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from tunelift.core.errors import UserError
from tunelift.evaluation.metrics.ifeval import followed, ifeval
from tunelift.evaluation.metrics.metric import Outcome

pytest.importorskip("if_verifiable", reason="the package if-verifiable is not installed")

ROWS: list[tuple[str, dict[str, Any], str, str]] = [
    ("keywords:existence", {"keywords": ["tea", "milk"]}, "Milk in my TEA", "Milk"),
    ("keywords:frequency", {"keyword": "tea", "frequency": 2, "relation": "at least"}, "tea, tea", "tea"),
    ("keywords:forbidden_words", {"forbidden_words": ["tea"]}, "coffee", "tea"),
    ("keywords:letter_frequency", {"letter": "T", "let_frequency": 2, "let_relation": "less than"}, "tea", "tot"),
    ("keywords:letter_frequency", {"letter": "#", "let_frequency": 2, "let_relation": "at least"}, "# a\n# b", "# a"),
    ("language:response_language", {"language": "de"}, "Das ist ein deutscher Satz.", "This is an English sentence."),
    ("length_constraints:number_sentences", {"num_sentences": 2, "relation": "at least"}, "One. Two.", "One by Dr. X."),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "a\n***\nb", "a\n\nb"),
    ("length_constraints:number_words", {"num_words": 3, "relation": "less than"}, "two words", "these are three"),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Then"},
        "First this.\n\nThen that.",
        "First this.\n\nNow that.",
    ),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[name] at [place]", "[name]"),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Bye.\nP.S. Hi", "Bye."),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* a\n* b", "* a\n* b\n- c"),
    ("detectable_format:constrained_response", {}, "My answer is yes.", "yes"),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 1}, "*this* one", "this one"),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Part", "num_sections": 2},
        "Part 1 a Part 2 b",
        "Part 1",
    ),
    ("detectable_format:json_format", {}, '```json\n{"a": 1}\n```', "a: 1"),
    ("detectable_format:title", {}, "<<Tea>>\nGood.", "Tea\nGood."),
    ("combination:two_responses", {}, "a\n******\nb", "a\n******\na"),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Why tea?"}, "Why tea? Because.", "Because."),
    ("startend:end_checker", {"end_phrase": "That is all."}, "Tea. That is all.", "Tea."),
    ("startend:quotation", {}, '"tea"', "tea"),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "at least"},
        "I LIKE. tea",
        "Tea LIKE",
    ),
    ("change_case:english_capital", {}, "THIS IS ALL ABOUT THE TEA.", "This is all about the tea."),
    ("change_case:english_lowercase", {}, "this is all about the tea.", "This is all about the tea."),
    ("punctuation:no_comma", {}, "tea and milk", "tea, milk"),
]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def row(*instructions: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    names, arguments = zip(*instructions, strict=True)
    return {"instruction_id_list": list(names), "kwargs": [{"unused": None, **each} for each in arguments]}


@pytest.mark.parametrize(("instruction", "arguments", "good", "bad"), ROWS, ids=[each[0] for each in ROWS])
def test_instructions(instruction: str, arguments: dict[str, Any], good: str, bad: str) -> None:
    for loose in (False, True):
        assert followed(good, row((instruction, arguments)), loose) == [True]
        assert followed("", row((instruction, arguments)), loose) == [False]
    assert followed(bad, row((instruction, arguments))) == [False]


def test_all_instructions_of_the_package_are_covered() -> None:
    from if_verifiable.ifeval import INSTRUCTION_DICT

    assert {each[0] for each in ROWS} == set(INSTRUCTION_DICT)


def test_the_scores_are_those_of_the_package() -> None:
    from if_verifiable import evaluate_output_for_sample

    own = {"length_constraints:number_sentences", "change_case:capital_word_frequency"}
    known = [each for each in ROWS if each[0] not in own and each[1].get("letter") != "#"]
    for first, second in pairwise(known):
        for output in (first[2], second[3], f"Sure!\n{first[2]}", f"*{second[2]}*\nHope this helps"):
            data = row((first[0], first[1]), (second[0], second[1]))
            sample = SimpleNamespace(prompt="", **data)
            _, expected = evaluate_output_for_sample("ifeval", sample, output)
            outcome = Outcome(None, ("",), output, data)
            for level, partial in (("prompt", "binary"), ("instruction", "partial")):
                for loose, mode in ((False, "strict"), (True, "loose")):
                    metric = ifeval(level=level, loose=loose)  # type: ignore[arg-type]
                    assert metric.name == f"ifeval_{level}_{mode}"
                    assert metric.of([outcome]) == getattr(expected, f"{partial}_{mode}"), (first[0], output)


def test_levels() -> None:
    tea, title = ("punctuation:no_comma", {}), ("detectable_format:title", {})
    outcomes = [Outcome(None, ("",), "tea", row(tea, title)), Outcome(None, ("",), "Sure,\n<<tea>>", row(tea))]
    assert ifeval().of(outcomes) == 0
    assert ifeval(loose=True).of(outcomes) == 1 / 2
    assert ifeval(level="instruction").of(outcomes) == 1 / 3
    assert ifeval().is_mean


@pytest.mark.parametrize(
    ("instruction", "arguments", "message"),
    [
        ("punctuation:no_coma", {}, 'did you mean "punctuation:no_comma"'),
        ("punctuation:no_comma", {"x": 1}, "wrong arguments"),
        ("detectable_format:number_bullet_lists", {}, "num_bullets missing"),
        ("detectable_format:number_bullet_lists", {"num_bullets": -1}, "num_bullets missing or out of range"),
        ("length_constraints:number_words", {"num_words": 3, "relation": "about"}, "relation"),
        ("length_constraints:number_sentences", {"num_sentences": 3, "relation": "about"}, "wrong arguments"),
        ("length_constraints:number_sentences", {"num_sentences": 3}, "relation"),
        ("keywords:existence", {"keywords": ["("]}, "wrong arguments"),
        (
            "length_constraints:nth_paragraph_first_word",
            {"num_paragraphs": 1, "nth_paragraph": 2, "first_word": "a"},
            "nth_paragraph missing or out of range",
        ),
        ("keywords:existence", {"keywords": []}, "keywords missing"),
    ],
)
def test_arguments_that_make_no_sense(instruction: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        followed("text", row((instruction, arguments)))


def test_rows_without_instructions() -> None:
    with pytest.raises(UserError, match="no instruction_id_list"):
        followed("text", {})
    with pytest.raises(UserError, match="1 instructions with 0 kwargs"):
        followed("text", {"instruction_id_list": ["punctuation:no_comma"], "kwargs": []})
    with pytest.raises(UserError, match="level"):
        ifeval(level="item")  # type: ignore[arg-type]
