from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.evaluation.metrics import diversity
from tunelift.evaluation.metrics.diversity import distinct_1, distinct_2, length_ratio, repetition
from tunelift.evaluation.metrics.metric import Outcome
from tunelift.evaluation.metrics.tokens import words_of
from tunelift.statistics.resampling import resampled_interval

TEXTS = st.lists(
    st.lists(st.sampled_from(["a", "b", "c", "dd", "1"]), max_size=6).map(" ".join), min_size=1, max_size=6
)


def plain_distinct(texts: list[str], n: int) -> float:
    grams = [tuple(words[i : i + n]) for words in map(str.split, texts) for i in range(len(words) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 0.0


def outcomes_of(texts: list[str]) -> list[Outcome]:
    return [Outcome(text, ("x",)) for text in texts]


@given(TEXTS, st.data())
def test_items_with_a_weight_count_once(texts: list[str], data: st.DataObject) -> None:
    draws = data.draw(st.lists(st.lists(st.integers(0, 2), min_size=len(texts), max_size=len(texts)), min_size=1))
    for n, metric in ((1, distinct_1("en")), (2, distinct_2("en"))):
        statistics = metric.statistics(outcomes_of(texts))
        taken = [[text for text, weight in zip(texts, draw, strict=True) if weight] for draw in draws]
        expected = [plain_distinct(some, n) for some in taken]
        assert metric.score(statistics, np.array(draws, dtype=float)) == pytest.approx(expected)
        assert metric.of(outcomes_of(texts)) == pytest.approx(plain_distinct(texts, n))
        assert metric.per_item(statistics) == pytest.approx([plain_distinct([text], n) for text in texts])


def test_draws_are_taken_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = distinct_1("en")
    statistics = metric.statistics(outcomes_of(["a b", "b c", "", "d d d"]))
    weights = np.random.default_rng(7).integers(0, 2, (50, 4)).astype(float)
    whole = metric.score(statistics, weights)
    monkeypatch.setattr(diversity, "LARGEST_BLOCK", 12)
    assert metric.score(statistics, weights).tolist() == whole.tolist()


def test_the_rows_of_two_systems_can_be_mixed() -> None:
    metric = distinct_2("en")
    first, second = ["a b c", "b c d"], ["c d e", "a b"]
    rows = metric.statistics(outcomes_of(first + second))
    assert metric.score(rows[[0, 3]], np.ones((1, 2))) == pytest.approx([plain_distinct(["a b c", "a b"], 2)])
    assert metric.statistics(outcomes_of(first)).tolist() == rows[:2].tolist()


def test_chinese_is_counted_by_character() -> None:
    texts = outcomes_of(["好的好的", "好GPT4"])
    assert distinct_1("zh").of(texts) == pytest.approx(3 / 6)
    assert distinct_2("zh").of(texts) == pytest.approx(3 / 4)
    assert distinct_1("zh").of([Outcome(None, ("x",))]) == 0


def test_thousands_of_draws_take_seconds() -> None:
    rng = np.random.default_rng(7)
    words = np.array([f"w{number}" for number in range(5000)])
    texts = [" ".join(rng.choice(words, 30)) for _ in range(500)]
    metric = distinct_2("en")
    statistics = metric.statistics(outcomes_of(texts))
    started = time.perf_counter()
    metric.score(statistics, rng.multinomial(500, [1 / 500] * 500, size=2000).astype(float))
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize(
    ("text", "language", "share"),
    [
        ("one two three four", "en", 0),
        ("one two three", "en", 0),
        ("", "en", 0),
        ("a b c d a b c d a b c d", "en", 1 - 4 / 9),
        ("very very very very very", "en", 1 / 2),
        ("好好好好好好", "zh", 2 / 3),
    ],
)
def test_repetition(text: str, language: str, share: float) -> None:
    assert repetition(language).of([Outcome(text, ("x",))]) == pytest.approx(share)


def test_length_ratio() -> None:
    outcomes = [
        Outcome("one two", ("one two three four",)),
        Outcome("one two three four", ("one", "one two three")),
        Outcome(None, ("one",)),
        Outcome("", ("",)),
    ]
    assert length_ratio("en").statistics(outcomes)[:, 0] == pytest.approx([1 / 2, 3 / 4, 0, 1])
    assert length_ratio("zh").of([Outcome("很好", ("非常好。",))]) == pytest.approx(2 / 3)
    assert words_of("非常好。", "zh") == ["非", "常", "好"]


def test_directions() -> None:
    better = {
        make("en").name: make("en").higher_is_better for make in (distinct_1, distinct_2, repetition, length_ratio)
    }
    assert better == {"distinct_1": True, "distinct_2": True, "repetition": False, "length_ratio": True}


@pytest.mark.parametrize("make", [distinct_1, distinct_2])
def test_the_interval_holds_the_score_itself(make: Any) -> None:
    """A bootstrap draw has fewer different answers, in which more of the words are distinct."""
    generator = np.random.default_rng(1)
    shares = 1 / np.arange(1, 301)
    texts = [" ".join(f"w{word}" for word in generator.choice(300, 8, p=shares / shares.sum())) for _ in range(80)]
    metric = make("en")
    outcomes = [Outcome(text, ("",)) for text in texts]
    interval = resampled_interval(metric.score, metric.statistics(outcomes), draws=500)
    assert interval is not None
    assert interval.low < metric.of(outcomes) < interval.high
