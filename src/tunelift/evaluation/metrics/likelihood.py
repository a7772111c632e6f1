"""How likely a model finds the reference: a continuous measure, also where no answer is right."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import inf, isfinite, log

import numpy as np

from tunelift.evaluation.metrics.metric import Array, Metric, Outcome, UnavailableError, mean_metric, sums_metric
from tunelift.evaluation.metrics.tokens import reference_texts, words_of

LARGEST_EXPONENT = 700.0  # exp of more is infinite


def byte_count(text: str) -> int:
    """Length of a text in UTF-8."""
    return len(text.encode())


def word_count(text: str, language: str) -> int:
    """Number of words: split at white space as in lm-evaluation-harness; characters in Chinese."""
    return len(words_of(text, language)) if language == "zh" else len(re.split(r"\s+", text))


def bits_of_sums(sums: Array) -> Array:
    """Bits per unit of sums of shape (..., 2): negative log-probabilities in nats, and units."""
    return _nats_of_sums(sums) / log(2)


def perplexity_of_sums(sums: Array) -> Array:
    """Perplexity per unit of sums of shape (..., 2): negative log-probabilities in nats, and units."""
    return np.exp(np.minimum(_nats_of_sums(sums), LARGEST_EXPONENT))


def bits_per_byte(language: str) -> Metric:
    """Bits per UTF-8 byte of the first references, all items together; from 0, lower is better."""
    return _sums("bits_per_byte", byte_count, bits_of_sums)


def byte_perplexity(language: str) -> Metric:
    """Perplexity per UTF-8 byte of the first references, all items together; from 1, lower is better."""
    return _sums("byte_perplexity", byte_count, perplexity_of_sums)


def word_perplexity(language: str) -> Metric:
    """Perplexity per word of the first references, all items together; from 1, lower is better.

    Args:
        language: Of the references. Words are what stands between white space, in Chinese characters.
    """
    return _sums("word_perplexity", lambda text: word_count(text, language), perplexity_of_sums)


def perplexity(language: str) -> Metric:
    """Perplexity per item: exp of the mean negative log-probability of the first reference; from 1, lower is better."""
    return _sums("perplexity", lambda text: 1, perplexity_of_sums)


def reference_logprob(language: str) -> Metric:
    """Mean over the items of the log-probability of the first reference per UTF-8 byte; in nats, up to 0."""
    name = "reference_logprob"
    return mean_metric(
        name,
        lambda outcome: _logprob(name, outcome) / max(byte_count(_scored_text(outcome)), 1),
        low=-inf,
        high=0.0,
    )


def _nats_of_sums(sums: Array) -> Array:
    return sums[..., 0] / np.where(sums[..., 1] > 0, sums[..., 1], 1)


def _sums(name: str, units: Callable[[str], int], of_sums: Callable[[Array], Array]) -> Metric:
    def counts(outcome: Outcome) -> tuple[float, float]:
        return -_logprob(name, outcome), units(_scored_text(outcome))

    low = 1.0 if of_sums is perplexity_of_sums else 0.0
    return sums_metric(name, counts, of_sums, low=low, high=inf, higher_is_better=False)


def _scored_text(outcome: Outcome) -> str:
    """What the log-probability is of: of a problem with a solution the whole solution, not only its result."""
    return outcome.target if outcome.target is not None else reference_texts(outcome)[0]


def _logprob(name: str, outcome: Outcome) -> float:
    if outcome.reference_logprob is None:
        hint = "only a language model that has scored the references has it; take the metric out for what has not"
        raise UnavailableError(name, "the log-probability of the reference is not known", hint)
    if not isfinite(outcome.reference_logprob):
        hint = "load the model in float32 or bfloat16: its numbers have overflowed, or its weights are damaged"
        raise UnavailableError(name, "the log-probability of a reference is not a finite number", hint)
    return outcome.reference_logprob
