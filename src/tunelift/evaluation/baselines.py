"""What a sceptic would try first: the most frequent answer, TF-IDF with logistic regression, the nearest question."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunelift.core.errors import UserError

# Inverse strength of the regularisation; the second is taken where nothing can be chosen on.
STRENGTHS = (1.0, 10.0, 100.0)
TINY = 1e-12  # in place of a divisor of 0

Predictor = Callable[[Sequence[str]], list[str]]


def fit_majority(targets: Sequence[str]) -> Predictor:
    """The most frequent answer of the training split; of equally frequent ones the first by name.

    Raises:
        UserError: There are no training rows.
    """
    if not targets:
        hint = "name a training_split in the task, or take majority, tfidf and nearest out of the conditions"
        raise UserError("majority, tfidf and nearest", "need training rows, and there are none", hint)
    counts = Counter(targets)
    answer = min(counts, key=lambda target: (-counts[target], target))
    return lambda texts: [answer] * len(texts)


def fit_tfidf(
    texts: Sequence[str],
    targets: Sequence[str],
    validation: tuple[Sequence[str], Sequence[str]],
    language: str,
    seed: int,
) -> Predictor:
    """Logistic regression on TF-IDF weights; its regularisation is chosen on the validation split, where there is one.

    Args:
        texts: The rendered questions of the training split.
        targets: Their answers.
        validation: Questions and answers of the validation split; both can be empty.
        language: "zh" counts characters in runs of 1 to 3, other languages count words in runs of 1 to 2. Texts
            without a single word (of two letters or more) are counted by characters, too.
        seed: Seed of the run.

    Raises:
        UserError: There are no training rows.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    if len(set(targets)) <= 1:
        return fit_majority(targets)
    grams = _grams(texts, language)
    candidates = [
        make_pipeline(
            TfidfVectorizer(sublinear_tf=True, **grams),
            LogisticRegression(C=strength, max_iter=2000, random_state=seed % 2**32),
        ).fit(list(texts), list(targets))
        for strength in (STRENGTHS if validation[0] else STRENGTHS[1:2])
    ]
    best = max(candidates, key=lambda candidate: candidate.score(*validation)) if validation[0] else candidates[0]
    return lambda texts: [str(answer) for answer in best.predict(list(texts))]


def fit_nearest(texts: Sequence[str], targets: Sequence[str], language: str) -> Predictor:
    """The answer to the most similar training question, by the cosine of TF-IDF weights: what free answers need.

    Args:
        texts: The questions of the training split.
        targets: Their answers.
        language: See `fit_tfidf`.

    Raises:
        UserError: There are no training rows.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    if len(set(targets)) <= 1:
        return fit_majority(targets)
    vectorizer = TfidfVectorizer(sublinear_tf=True, **_grams(texts, language))
    known = vectorizer.fit_transform(list(texts))

    def predict(asked: Sequence[str]) -> list[str]:
        similar = vectorizer.transform(list(asked)) @ known.T
        return [targets[place] for place in similar.toarray().argmax(axis=1)]

    return predict


def fit_nearest_embedding(
    texts: Sequence[str], targets: Sequence[str], embed: Callable[[Sequence[str]], NDArray[Any]]
) -> Predictor:
    """The same by the cosine of embeddings, which are alike for what is said in other words, too.

    Every dimension is standardised over the training questions: in a decoder a few large ones outweigh all others.

    Args:
        texts: The questions of the training split.
        targets: Their answers.
        embed: Texts to rows.

    Raises:
        UserError: There are no training rows.
    """
    if len(set(targets)) <= 1:
        return fit_majority(targets)
    embedded = embed(texts).astype(float)  # a dimension that is always the same has no deviation only so
    mean, deviation = embedded.mean(axis=0), embedded.std(axis=0) + TINY

    def directions(rows: NDArray[Any]) -> NDArray[Any]:
        standard = (rows - mean) / deviation
        return standard / (np.linalg.norm(standard, axis=1, keepdims=True) + TINY)

    known = directions(embedded)
    return lambda asked: [targets[place] for place in (directions(embed(asked)) @ known.T).argmax(axis=1)]


def _grams(texts: Sequence[str], language: str) -> dict[str, Any]:
    """What is counted: words where there are such, characters otherwise."""
    by_words = language != "zh" and any(re.search(r"\w\w", text) for text in texts)
    return {"ngram_range": (1, 2)} if by_words else {"analyzer": "char", "ngram_range": (1, 3)}
