"""Nearness in meaning: the cosine of sentence embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tunelift.core.errors import UserError
from tunelift.evaluation.metrics.metric import Array, Metric, Outcome
from tunelift.evaluation.metrics.tokens import answer_text, reference_texts
from tunelift.models.embedder import embed_texts


def cosines(pairs: Sequence[tuple[str, str]]) -> Array:
    """Cosine of the embeddings of pairs of English texts; every text is embedded once.

    Returns:
        Shape (pairs,), -1 to 1. A blank text is like another blank one, cosine 1, and unlike any other, cosine 0.
    """
    texts = sorted({text for pair in pairs for text in pair})
    row = {text: index for index, text in enumerate(texts)}
    embeddings = embed_texts(texts).astype(float)
    firsts, seconds = (embeddings[[row[pair[place]] for pair in pairs]] for place in (0, 1))
    values = np.clip(np.sum(firsts * seconds, axis=1), -1.0, 1.0)
    blank = np.array([[not text.strip() for text in pair] for pair in pairs], dtype=bool).reshape(-1, 2)
    return np.where(blank.any(axis=1), blank.all(axis=1), values)


def semantic_similarity(language: str) -> Metric:
    """Mean cosine of the embeddings of answer and nearest reference; -1 to 1, higher is better.

    Args:
        language: Of the answers; the encoder knows English only.

    Raises:
        UserError: The language is another one.
    """
    if language != "en":
        hint = "take it out, or measure nearness by chrf or rougeL"
        raise UserError("semantic_similarity", f'knows English only, the language is "{language}"', hint)

    def statistics(outcomes: Sequence[Outcome]) -> Array:
        references = [reference_texts(outcome) for outcome in outcomes]
        pairs = [
            (answer_text(outcome), text) for outcome, texts in zip(outcomes, references, strict=True) for text in texts
        ]
        starts = np.cumsum([0, *map(len, references)])[:-1]
        return np.maximum.reduceat(cosines(pairs), starts)[:, None]

    def score(values: Array, weights: Array) -> Array:
        return np.asarray((weights @ values)[:, 0] / weights.sum(axis=1))

    return Metric("semantic_similarity", statistics, score, lambda values: values[:, 0], is_mean=True, low=-1.0)
