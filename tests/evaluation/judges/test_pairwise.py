from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tunelift.core.errors import UserError
from tunelift.core.records import as_dict
from tunelift.evaluation.judges.judge import endpoint_judge, model_judge
from tunelift.evaluation.judges.pairwise import compare_answers
from tunelift.models.endpoint import Endpoint
from tunelift.statistics.paired import compare_paired


def best(first: str, second: str) -> str:
    """A judge that knows: the higher number."""
    one, other = (int(text.split()[0]) for text in (first, second))
    return "A" if one > other else "B" if other > one else "tie"


def refuse(conversations: Any) -> list[str]:
    raise AssertionError("asked")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_judge_without_bias(answers: Callable[..., Any], judging: Callable[..., Any], language: str) -> None:
    baseline, candidate = answers("base", ["1", "5", "3 x", "4", "2"]), answers("tuned", ["2", "4", "3 yy", "4", "9"])
    found = compare_answers(judging(best), baseline, candidate, language=language)
    assert (found.baseline, found.candidate) == ("base", "tuned")
    assert [pair.score for pair in found.pairs] == [1, 0, 0.5, 0.5, 1]
    assert [pair.asked for pair in found.pairs] == [True, True, True, False, True]
    assert (found.wins, found.losses, found.ties, found.identical, found.unparsed) == (2, 1, 2, 1, 0)
    assert found.result == compare_paired([0, 1, 0.5, 0.5, 0], [1, 0, 0.5, 0.5, 1])
    assert found.result.effect == pytest.approx(0.2)
    assert found.first_wins is not None
    assert (found.first_wins.value, found.first_wins.n) == (0.5, 6)
    assert found.consistent is not None
    assert (found.consistent.value, found.consistent.n) == (1, 4)
    assert found.longer_wins is None  # the winners are as long as the losers
    assert as_dict(found)["pairs"][0]["baseline_first"] == "candidate"


def test_a_judge_that_takes_the_first(answers: Callable[..., Any], judging: Callable[..., Any]) -> None:
    found = compare_answers(judging(lambda *_: "A"), answers("base", "abcd"), answers("tuned", "efgh"))
    assert (found.wins, found.losses, found.ties) == (0, 0, 4)
    assert (found.first_wins.value, found.consistent.value, found.longer_wins) == (1, 0, None)
    assert (found.pairs[0].baseline_first, found.pairs[0].candidate_first) == ("baseline", "candidate")
    assert found.result.effect == 0


def test_a_judge_that_takes_the_longer(answers: Callable[..., Any], judging: Callable[..., Any]) -> None:
    longer = judging(lambda first, second: "A" if len(first) > len(second) else "B")
    found = compare_answers(longer, answers("base", ["x", "xx", "x"]), answers("tuned", ["xxx", "x", "xx"]))
    assert [pair.score for pair in found.pairs] == [1, 0, 1]
    assert (found.longer_wins.value, found.longer_wins.n, found.first_wins.value) == (1, 3, 0.5)
    shorter = judging(lambda first, second: "B" if len(first) > len(second) else "A")
    assert compare_answers(shorter, answers("base", ["x"]), answers("tuned", ["xxx"])).longer_wins.value == 0


def test_what_cannot_be_read_is_a_tie_and_counted(answers: Callable[..., Any], judging: Callable[..., Any]) -> None:
    judge = judging(lambda first, second: "A" if first == "good" else "B" if first == "bad" else "hm")
    found = compare_answers(judge, answers("base", ["bad", "x"]), answers("tuned", ["good", "y"]))
    assert [pair.score for pair in found.pairs] == [1, 0.5]
    assert (found.unparsed, found.ties) == (2, 1)
    assert (found.consistent.n, found.first_wins.n) == (1, 2)
    half = judging(lambda first, second: "B" if first == "x" else "hm")
    (pair,) = compare_answers(half, answers("base", ["x"]), answers("tuned", ["y"])).pairs
    assert (pair.baseline_first, pair.candidate_first, pair.score) == ("candidate", None, 0.5)


def test_equal_answers_are_not_judged(answers: Callable[..., Any]) -> None:
    found = compare_answers(refuse, answers("base", "ab"), answers("tuned", "ab"))
    assert (found.ties, found.identical, found.first_wins, found.consistent) == (2, 2, None, None)


def test_items_of_one_group_count_together(answers: Callable[..., Any], judging: Callable[..., Any]) -> None:
    generator = np.random.default_rng(1)
    numbers = np.repeat(generator.integers(0, 9, 20), 5), generator.integers(0, 9, 100)
    base, tuned = ([f"{number} {side}" for number in each] for each, side in zip(numbers, "xy", strict=True))
    groups = [f"document {at // 5}" for at in range(100)]
    found = compare_answers(judging(best), answers("base", base, groups), answers("tuned", tuned, groups))
    assert found.result.method == "sign flips of groups"
    assert found.first_wins.interval.method == "clustered Wilson"
    alone = compare_answers(judging(best), answers("base", base), answers("tuned", tuned))
    assert alone.result.method == "Tango interval, exact McNemar test"
    assert alone.first_wins.interval.method == "clustered Wilson"  # two verdicts on each item
    assert alone.consistent.interval.method == "Wilson"


def test_what_the_judge_is_shown(answers: Callable[..., Any]) -> None:
    seen: list[str] = []

    def judge(conversations: Any) -> list[str]:
        seen.extend(messages[0]["content"] for messages in conversations)
        return ["tie"] * len(conversations)

    base, tuned = answers("base", ["one"]), answers("tuned", ["two"])
    compare_answers(judge, base, tuned)
    compare_answers(judge, base, tuned, ["Why?"], "zh", "- 简短吗？", with_reference=True)
    assert "question 0????\n" in seen[0]  # the shorter prompt
    assert "target 0" not in seen[0]
    assert seen[0].index("one") < seen[0].index("two")
    assert seen[1].rindex("two") < seen[1].rindex("\none")
    for part in ("Why?", "- 简短吗？", "target 0"):
        assert part in seen[2]
    assert len(seen) == 4


def test_other_items_are_refused(answers: Callable[..., Any]) -> None:
    for base, tuned in (([], []), (["x"], ["x", "y"])):
        with pytest.raises(UserError, match=r"different items|no answers"):
            compare_answers(refuse, answers("base", base), answers("tuned", tuned))


def test_a_language_model_judges(tiny: Any, answers: Callable[..., Any]) -> None:
    judge = model_judge(tiny, max_tokens=2)
    base, tuned = answers("base", ["a", "b"]), answers("tuned", ["c", "d"])
    found = compare_answers(judge, base, tuned, language="zh", rubric="-")
    assert (len(found.pairs), found.wins + found.losses + found.ties) == (2, 2)
    assert judge([]) == []
    with pytest.raises(UserError, match="takes 512, verdict included"):
        judge([[{"role": "user", "content": "word " * 600}]])


def test_a_judge_that_is_not_there(answers: Callable[..., Any]) -> None:
    judge = endpoint_judge(Endpoint("http://127.0.0.1:1/v1", "nobody", retries=0))
    with pytest.raises(UserError, match="cannot be reached"):
        compare_answers(judge, answers("base", ["a"]), answers("tuned", ["b"]))
