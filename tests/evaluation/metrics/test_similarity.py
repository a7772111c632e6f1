from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from tunelift.core.errors import UserError
from tunelift.evaluation.metrics import similarity
from tunelift.evaluation.metrics.metric import Outcome
from tunelift.evaluation.metrics.similarity import semantic_similarity
from tunelift.models.bundled import MODELS
from tunelift.models.embedder import NAME

installed = pytest.mark.skipif(find_spec(MODELS[NAME].parts[0][0]) is None, reason="bundled/minilm-l6 is not installed")


@installed
def test_what_means_the_same_is_nearer() -> None:
    reference = "A man is eating food."
    answers = ["A man is eating food.", "Somebody has a meal.", "The stock market fell on Tuesday."]
    metric = semantic_similarity("en")
    same, near, far = metric.statistics([Outcome(answer, (reference,)) for answer in answers])[:, 0]
    assert same == pytest.approx(1, abs=1e-5)
    assert far + 0.3 < near < same
    assert -0.2 < far < 0.2


@installed
def test_the_best_reference_counts_and_blank_answers_are_like_nothing() -> None:
    metric = semantic_similarity("en")
    outcomes = [
        Outcome("a dog", ("the share price", "a dog", "a cat")),
        Outcome(None, ("a dog", "a cat")),
        Outcome(" ", ("a dog",)),
        Outcome("", ("",)),
    ]
    values = metric.statistics(outcomes)
    assert values[:, 0] == pytest.approx([1, 0, 0, 1], abs=1e-5)
    assert metric.score(values, np.array([[1.0, 1.0, 0.0, 0.0]])) == pytest.approx([0.5], abs=1e-5)
    assert metric.of(outcomes) == pytest.approx(0.5, abs=1e-5)


def test_every_text_is_embedded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def embed(texts: list[str]) -> np.ndarray:
        calls.append(texts)
        return np.eye(8, dtype=np.float32)[: len(texts)]

    monkeypatch.setattr(similarity, "embed_texts", embed)
    outcomes = [Outcome("a", ("b", "c")), Outcome("b", ("b",)), Outcome("c", ("a", "b"))]
    assert semantic_similarity("en").statistics(outcomes).tolist() == [[0.0], [1.0], [0.0]]
    assert calls == [["a", "b", "c"]]


def test_other_languages_are_refused() -> None:
    with pytest.raises(UserError, match=r'semantic_similarity: knows English only, the language is "zh" - take it out'):
        semantic_similarity("zh")


def test_range_and_direction() -> None:
    metric = semantic_similarity("en")
    assert (metric.low, metric.high, metric.higher_is_better, metric.is_mean) == (-1.0, 1.0, True, True)
