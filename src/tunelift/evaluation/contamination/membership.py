"""Hints whether a model has seen a text in pretraining, from the probabilities that it gives to the text's tokens.

They are hints and no more. Above chance on texts that differ in date from the pretraining data, they are hardly above
it where members and others come from one source (Duan et al. 2024, 2402.07841). A value says nothing by itself:
compare test items with texts of the same kind and length that are certainly newer than the model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

SHARE = 0.2  # of the tokens of a text, as in both papers


def min_k_hint(logprobs: Sequence[ArrayLike], share: float = SHARE) -> NDArray[np.float64]:
    """A hint of membership: Min-K% (Shi et al. 2024, 2310.16789), the mean over the least probable tokens of a text.

    A text that was not seen tends to have a few tokens that surprise the model.

    Args:
        logprobs: For each text the log-probability of each token given those before it, in nats, shape (tokens,).
        share: Of the tokens, rounded down, but one at least; above 0 and at most 1.

    Returns:
        Shape (texts,), in nats; the larger, the likelier a member. NaN for a text without tokens.
    """
    return np.array([_mean_of_lowest(np.asarray(part, dtype=np.float64), share) for part in logprobs])


def min_k_plus_plus_hint(
    logprobs: Sequence[ArrayLike], means: Sequence[ArrayLike], deviations: Sequence[ArrayLike], share: float = SHARE
) -> NDArray[np.float64]:
    """A hint of membership: Min-K%++ (Zhang et al. 2025, 2404.02936), Min-K% of standardised log-probabilities.

    A token counts by how far its log-probability lies above or below that of a token which the model would draw
    itself, in standard deviations. A seen text lies near a mode of the model's distribution.

    Args:
        logprobs: As for `min_k_hint`.
        means: Expected log-probability of the next token under the model's own distribution at each of these places:
            the sum of p log p over the vocabulary, in nats.
        deviations: Its standard deviation under that distribution: the root of the sum of p (log p)^2, less the
            squared mean; in nats. Where it is 0 all possible tokens are equally probable, and the token counts 0.
        share: As for `min_k_hint`.

    Returns:
        Shape (texts,), in standard deviations; the larger, the likelier a member. NaN for a text without tokens.
    """
    scores = [_standardised(*parts) for parts in zip(logprobs, means, deviations, strict=True)]
    return min_k_hint(scores, share)


def _standardised(logprobs: ArrayLike, means: ArrayLike, deviations: ArrayLike) -> NDArray[np.float64]:
    distance = np.asarray(logprobs, dtype=np.float64) - np.asarray(means, dtype=np.float64)
    spread = np.asarray(deviations, dtype=np.float64)
    return np.divide(distance, spread, out=np.zeros_like(distance), where=spread > 0)


def _mean_of_lowest(values: NDArray[np.float64], share: float) -> float:
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, not {share}")
    count = max(1, int(len(values) * share))
    return float(np.partition(values, count - 1)[:count].mean()) if len(values) else float("nan")
