"""How varied the answers are, whether they repeat themselves, and how long they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numpy as np

from tunelift.evaluation.metrics.metric import Array, Metric, Outcome, mean_metric
from tunelift.evaluation.metrics.tokens import answer_text, reference_texts, words_of

PADDING = -1.0
LARGEST_BLOCK = 1 << 24  # draws times n-grams that are held at once


def grams_of(words: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    """All runs of n words."""
    return zip(*(words[start:] for start in range(n)), strict=False)


def repeated_share(words: Sequence[str], n: int = 4) -> float:
    """Share of the runs of n words that occurred before in the same text; 0 for a text that has none."""
    grams = list(grams_of(words, n))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def gram_numbers(texts: Sequence[Sequence[str]], n: int) -> Array:
    """The runs of n words of texts as numbers, the same numbers in every call.

    Args:
        texts: The words of every text.
        n: Length of a run.

    Returns:
        Shape (texts, most runs of a text), at least one column; -1 behind the last run of a text.
    """
    # 48 bits of a hash: exact as a float; of 500 corpora of a million different runs one has a pair that coincides.
    rows = [
        [
            int.from_bytes(blake2b("\0".join(gram).encode(), digest_size=6).digest(), "big")
            for gram in grams_of(words, n)
        ]
        for words in texts
    ]
    numbers = np.full((len(rows), max([1, *map(len, rows)])), PADDING)
    for row, values in enumerate(rows):
        numbers[row, : len(values)] = values
    return numbers


def distinct_of_draws(numbers: Array, weights: Array) -> Array:
    """Share of distinct runs among all runs of the texts that have a weight above 0.

    Args:
        numbers: Of `gram_numbers`, shape (texts, columns).
        weights: Shape (draws, texts).

    Returns:
        Shares of shape (draws,); 0 where there are no runs.
    """
    from scipy.sparse import csr_array

    texts, columns = np.nonzero(numbers != PADDING)
    values, codes = np.unique(numbers[texts, columns], return_inverse=True)
    counts = csr_array((np.ones(len(codes), dtype=np.float32), (codes, texts)), shape=(len(values), len(numbers)))
    taken = (weights > 0).astype(np.float32)
    totals = taken.astype(float) @ np.bincount(texts, minlength=len(numbers))
    block = max(1, LARGEST_BLOCK // max(len(values), 1))
    parts = [taken[start : start + block] for start in range(0, len(taken), block)]
    distinct = np.concatenate([np.count_nonzero(counts @ part.T, axis=0) for part in parts])
    return distinct / np.maximum(totals, 1)


def distinct_1(language: str) -> Metric:
    """Distinct words over all words of the answers (Li et al. 2016); 0 to 1, higher is better."""
    return _distinct(language, 1)


def distinct_2(language: str) -> Metric:
    """Distinct pairs of neighbouring words over all of the answers (Li et al. 2016); 0 to 1, higher is better."""
    return _distinct(language, 2)


def repetition(language: str) -> Metric:
    """Mean share of the runs of four words that an answer repeats; 0 to 1, lower is better."""

    def value(outcome: Outcome) -> float:
        return repeated_share(words_of(answer_text(outcome), language))

    return mean_metric("repetition", value, higher_is_better=False)


def length_ratio(language: str) -> Metric:
    """Mean agreement in length: words of the shorter over words of the longer of answer and reference; 0 to 1.

    Higher is better, 1 is as long as the nearest reference: too long and too short answers do not balance.
    """

    def value(outcome: Outcome) -> float:
        length = len(words_of(answer_text(outcome), language))
        lengths = [len(words_of(reference, language)) for reference in reference_texts(outcome)]
        return max(min(length, other) / max(length, other, 1) if length != other else 1.0 for other in lengths)

    return mean_metric("length_ratio", value)


def _distinct(language: str, n: int) -> Metric:
    """The share falls with the number of answers: compare systems on the same items only.

    An item that a draw takes twice counts once. The statistics have as many columns as the longest answer has runs:
    to mix the rows of two systems, compute them in one call.
    """

    def statistics(outcomes: Sequence[Outcome]) -> Array:
        return gram_numbers([words_of(answer_text(outcome), language) for outcome in outcomes], n)

    def per_item(numbers: Array) -> Array:
        runs = [row[row != PADDING] for row in numbers]
        return np.array([len(np.unique(row)) / max(len(row), 1) for row in runs])

    return Metric(f"distinct_{n}", statistics, distinct_of_draws, per_item)
