from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunelift.core.errors import UserError
from tunelift.judging.answers import read_answers
from tunelift.judging.by_model import Judged, endpoint_to_ask, judge_answers, read_judged
from tunelift.judging.texts import judged_text

Say = Callable[[str, str], str]


def judge_by(say: Any, run: Path, judging: Callable[..., Any], **options: Any) -> Judged:
    return judge_answers(read_answers(run, "tuned", "base"), "a rule", judging(say), **options)[0]


@pytest.fixture
def run(make_run: Callable[..., Path]) -> Path:
    """Of 40 items the candidate is better on 24, worse on 8, the same on 4 and equally good on 4; it is longer."""
    base = [f"{5 if at < 24 else 7} x" for at in range(32)] + ["6 x"] * 4 + ["6 same"] * 4
    tuned = ["6 words"] * 36 + ["6 same"] * 4
    return make_run(base=base, tuned=tuned)


def test_a_judge_that_knows(run: Path, judging: Callable[..., Any], higher: Say) -> None:
    judged = judge_by(higher, run, judging)
    found = judged.preference
    assert (found.wins, found.losses, found.ties, found.identical, found.unparsed) == (24, 8, 8, 4, 0)
    assert (judged.verdict, judged.contradicted, judged.unread) == ("better", 0, 0)
    assert judged_text(judged).splitlines() == [
        "tuned vs base · 40 items, in both orders by a rule",
        "verdict                       items       %   95 % interval",
        "tuned is better                  24    60.0   44.6 to 73.7",
        "base is better                    8    20.0   10.5 to 34.8",
        "tie                               8    20.0   10.5 to 34.8     4 with the same text from both",
        "wins minus losses                     +40.0   +12.7 to +61.2   p = 0.007",
        "same verdict in both orders      36   100.0   90.4 to 100.0    of 36 pairs",
        "the first answer wins            32    50.0   33.6 to 66.4     of 64 verdicts",
        "the longer answer wins           24    75.0   57.9 to 86.7     of 32 pairs",
        "unreadable                        0     0.0                    of 72 verdicts",
        "the longer answer wins more often: read some pairs to see whether it deserves to",
        "the judge prefers tuned to base",
    ]


def test_what_a_judge_says_is_kept_beside_the_answers(run: Path, judging: Callable[..., Any], higher: Say) -> None:
    answers = read_answers(run, "tuned", "base")
    judged, path = judge_answers(answers, "a rule", judging(higher), "- Is it high?", True)
    assert path == run / "judgements" / "tuned-vs-base.json"
    assert read_judged(path).to_dict() == judged.to_dict()
    content = json.loads(path.read_text(encoding="utf-8"))
    assert (content["verdict"], content["rubric"], content["with_reference"]) == ("better", "- Is it high?", True)
    assert content["answers"] == answers.hashes
    said = [pair["said"] for pair in content["preference"]["pairs"]]
    assert (said[0], said[-1]) == (["B", "A"], [])  # both name the candidate; of the same text nobody was asked
    other, same = judge_answers(answers, "another", judging(lambda *_: "tie"))
    assert (same, read_judged(path).judge, other.verdict) == (path, "another", "undecided")
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_judge_is_shown_question_rubric_and_reference(run: Path) -> None:
    seen: list[str] = []

    def judge(conversations: Any) -> list[str]:
        seen.extend(messages[-1]["content"] for messages in conversations)
        return ["A"] * len(conversations)

    judge_answers(read_answers(run, "tuned", "base"), "a rule", judge, "- Is it high?", True)
    assert len(seen) == 72
    assert all(part in seen[0] for part in ("You count.\n\nSay a number: text 0", "- Is it high?", "target 0"))
    assert "<prompt" not in seen[0]


def test_a_judge_that_contradicts_itself_gives_no_verdict(run: Path, judging: Callable[..., Any]) -> None:
    judged = judge_by(lambda *_: "A", run, judging)
    assert (judged.verdict, judged.contradicted, judged.preference.first_wins.value) == (None, 36, 1)
    lines = judged_text(judged).splitlines()
    assert lines[-2:] == [
        "the judge favours the answer that stands first; both orders are asked, so this makes ties",
        "no verdict: of 36 pairs the judge contradicts itself on 36, more than a third - take a stronger one",
    ]
    assert "prefers" not in judged_text(judged)
    (row,) = [line for line in lines if line.startswith("the longer answer wins")]
    assert row.split() == ["the", "longer", "answer", "wins", "-"]


def test_a_judge_that_cannot_be_understood_gives_no_verdict(
    run: Path, judging: Callable[..., Any], higher: Say
) -> None:
    judged = judge_by(lambda first, second: "hm" if first.startswith("7") else higher(first, second), run, judging)
    assert (judged.unread, judged.verdict) == (8, "better")  # 8 of 36
    judged = judge_by(lambda first, second: "hm" if first.startswith("6") else higher(first, second), run, judging)
    assert (judged.unread, judged.contradicted, judged.verdict) == (36, 0, None)
    assert judged_text(judged).splitlines()[-1] == (
        "no verdict: of 36 pairs the judge cannot be understood on 36, more than a third - take a stronger one, or let "
        "it write more (--max-tokens)"
    )


@pytest.mark.parametrize(("wrong", "given"), [(12, True), (13, False)])
def test_a_third_of_contradictions_is_the_most(
    make_run: Callable[..., Path], judging: Callable[..., Any], higher: Say, wrong: int, given: bool
) -> None:
    run = make_run(base=[f"{at} x" for at in range(36)], tuned=[f"{at + 1} y" for at in range(36)])
    judged = judge_by(
        lambda first, second: "A" if int(second.split()[0]) < wrong and int(first.split()[0]) < wrong else
        "A" if int(min(first.split()[0], second.split()[0], key=int)) < wrong else higher(first, second),
        run, judging,
    )  # fmt: skip
    assert judged.contradicted == wrong
    assert (judged.verdict is not None) == given


def test_a_worse_candidate_and_items_of_groups(
    make_run: Callable[..., Path], judging: Callable[..., Any], higher: Say
) -> None:
    groups = [f"g{at // 4}" for at in range(40)]
    run = make_run(groups, base=["9 x"] * 40, tuned=[f"{at % 4} y" for at in range(40)])
    judged = judge_by(higher, run, judging)
    assert judged.preference.result.method == "sign flips of groups"
    assert judged_text(judged).endswith("the judge prefers base to tuned")


def test_equal_answers_are_not_judged(make_run: Callable[..., Path]) -> None:
    def refuse(conversations: Any) -> list[str]:
        raise AssertionError("asked")

    judged, _ = judge_answers(read_answers(make_run(base=["1", "2"], tuned=["1", "2"]), "tuned", "base"), "m", refuse)
    assert judged.verdict == "undecided"
    assert judged_text(judged) == "tuned vs base: the same text for every one of 2 items"


def test_a_damaged_file_is_told(run: Path, judging: Callable[..., Any], higher: Say) -> None:
    _, path = judge_answers(read_answers(run, "tuned", "base"), "a rule", judging(higher))
    sound = json.loads(path.read_text(encoding="utf-8"))
    pair = sound["preference"]["pairs"][0]
    for content, message in (
        ("{", "is damaged"),
        ("[]", "is not a result of tunelift judge"),
        ("{}", r"is not a result of tunelift judge \(judge: Field required\)"),
        (json.dumps(sound | {"preference": None}), r"\(preference: "),
        (
            json.dumps(sound | {"preference": sound["preference"] | {"pairs": [pair | {"score": "high"}]}}),
            r"\(preference.pairs.0.score: ",
        ),
        (
            json.dumps(sound | {"preference": sound["preference"] | {"pairs": [pair | {"score": 0.7}]}}),
            "a score is none of 0, 0.5 and 1",
        ),
    ):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(UserError, match=message):
            read_judged(path)


def test_an_endpoint_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(UserError, match="tried 1 time"):
        endpoint_to_ask("http://127.0.0.1:1/v1", "nobody", None, None)
    with pytest.raises(UserError, match="NO_SUCH_KEY holds no key"):
        endpoint_to_ask("http://127.0.0.1:1/v1", "nobody", "NO_SUCH_KEY", None)
