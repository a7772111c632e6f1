from __future__ import annotations

from math import exp, inf, log
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lm_eval.api.metrics import bits_per_byte as harness_bits
from lm_eval.api.metrics import perplexity as harness_perplexity
from lm_eval.api.metrics import weighted_perplexity
from lm_eval.api.task import PerplexityTask

from tunelift.core.errors import UserError
from tunelift.evaluation.metrics.likelihood import (
    bits_per_byte,
    byte_perplexity,
    perplexity,
    reference_logprob,
    word_perplexity,
)
from tunelift.evaluation.metrics.metric import Outcome, UnavailableError

FACTORIES = [bits_per_byte, byte_perplexity, word_perplexity, perplexity, reference_logprob]
ITEMS = st.lists(st.tuples(st.text(min_size=1, max_size=12), st.floats(-50, 0)), min_size=1, max_size=6)


def outcomes_of(items: list[tuple[str, float]]) -> list[Outcome]:
    return [Outcome(None, (text, "another"), reference_logprob=logprob) for text, logprob in items]


@given(ITEMS)
def test_values_are_those_of_the_harness(items: list[tuple[str, float]]) -> None:
    outcomes = outcomes_of(items)
    by_bytes = [(logprob, PerplexityTask.count_bytes(text)) for text, logprob in items]
    by_words = [(logprob, PerplexityTask.count_words(text)) for text, logprob in items]
    assert bits_per_byte("en").of(outcomes) == pytest.approx(harness_bits(by_bytes))
    assert byte_perplexity("en").of(outcomes) == pytest.approx(weighted_perplexity(by_bytes))
    assert word_perplexity("en").of(outcomes) == pytest.approx(weighted_perplexity(by_words))
    assert perplexity("en").of(outcomes) == pytest.approx(harness_perplexity([logprob for _, logprob in items]))


def test_values_by_hand() -> None:
    outcomes = outcomes_of([("ab cd", -10 * log(2)), ("好", -6 * log(2))])
    assert bits_per_byte("en").of(outcomes) == pytest.approx(16 / 8)
    assert byte_perplexity("en").of(outcomes) == pytest.approx(4)
    assert word_perplexity("en").of(outcomes) == pytest.approx(2 ** (16 / 3))
    assert perplexity("en").of(outcomes) == pytest.approx(2**8)
    assert reference_logprob("en").of(outcomes) == pytest.approx(-2 * log(2))
    assert bits_per_byte("en").per_item(bits_per_byte("en").statistics(outcomes)) == pytest.approx([2, 2])


def test_units_are_those_of_the_text_that_was_scored() -> None:
    """The parsed reference can be shorter than the text: the result of a solution."""
    outcome = Outcome(None, ("7",), target="3 + 4 = 7", reference_logprob=-9 * log(2))
    assert bits_per_byte("en").of([outcome]) == pytest.approx(1)
    assert reference_logprob("en").of([outcome]) == pytest.approx(-log(2))


def test_words_are_characters_in_chinese() -> None:
    outcomes = outcomes_of([("今天天气很好。", -6.0)])
    assert word_perplexity("zh").of(outcomes) == pytest.approx(exp(1))
    assert word_perplexity("en").of(outcomes) == pytest.approx(exp(6))


def test_a_reference_that_is_no_text_counts_as_json() -> None:
    outcome = [Outcome(None, ({"城": 1},), reference_logprob=-10.0)]
    assert reference_logprob("zh").of(outcome) == pytest.approx(-10 / len('{"城": 1}'.encode()))


def test_values_are_finite() -> None:
    outcomes = outcomes_of([("", -3.0), ("", -5000.0)])
    for make in FACTORIES:
        metric = make("en")
        values = metric.statistics(outcomes)
        assert np.isfinite(metric.score(values, np.ones((2, 2)))).all()
        assert np.isfinite(metric.per_item(values)).all()


@pytest.mark.parametrize("make", FACTORIES)
def test_without_log_probabilities_there_is_an_error(make: Any) -> None:
    with pytest.raises(UserError, match="the log-probability of the reference is not known - only a language model"):
        make("en").of([Outcome("x", ("x",))])


def test_ranges_and_directions() -> None:
    mean = reference_logprob("en")
    assert (mean.is_mean, mean.low, mean.high, mean.higher_is_better) == (True, -inf, 0.0, True)
    for make, low in ((bits_per_byte, 0.0), (byte_perplexity, 1.0), (word_perplexity, 1.0), (perplexity, 1.0)):
        metric = make("en")
        assert (metric.is_mean, metric.low, metric.high, metric.higher_is_better) == (False, low, inf, False)


@pytest.mark.parametrize("logprob", [float("nan"), -inf])
@pytest.mark.parametrize("make", FACTORIES)
def test_a_log_probability_is_a_number(make: Any, logprob: float) -> None:
    with pytest.raises(UnavailableError, match="is not a finite number"):
        make("en").of([Outcome("x", ("x",), reference_logprob=logprob)])
