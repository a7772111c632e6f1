from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from math import inf
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from tunelift.core.errors import UserError
from tunelift.evaluation.metrics.metric import Metric, Outcome
from tunelift.evaluation.metrics.translation import _edits, bleu, chrf, chrf_plus_plus, ter

WORDS = {
    "en": ["the", "cat", "sat", "on", "a", "mat", "Mat,", "don't", "3.5", ".", "&quot;", "-"],
    "zh": ["猫", "坐在", "垫子", "上", "，", "。", "2024年", "iPhone", " ", "“好”", "（一）"],
}
PEERS: dict[str, dict[str, tuple[Callable[..., Metric], Any]]] = {
    "en": {
        "bleu": (bleu, BLEU(tokenize="13a")),
        "chrf": (chrf, CHRF()),
        "chrf++": (chrf_plus_plus, CHRF(word_order=2)),
        "ter": (ter, TER()),
    },
    "zh": {
        "bleu": (bleu, BLEU(tokenize="zh")),
        "chrf": (chrf, CHRF()),
        "chrf++": (chrf_plus_plus, CHRF(word_order=2)),
        "ter": (ter, TER(normalized=True, asian_support=True)),
    },
}


def texts(language: str) -> st.SearchStrategy[str]:
    separator = "" if language == "zh" else " "
    return st.lists(st.sampled_from(WORDS[language]), max_size=9).map(separator.join) | st.text(max_size=8)


def corpora(language: str) -> st.SearchStrategy[list[tuple[str, list[str]]]]:
    """Answers, some of them empty, each with as many references."""
    text = texts(language)
    return st.integers(1, 3).flatmap(
        lambda count: st.lists(st.tuples(text, st.lists(text, min_size=count, max_size=count)), min_size=1, max_size=5)
    )


def outcomes_of(corpus: list[tuple[str, list[str]]]) -> list[Outcome]:
    return [Outcome(answer, tuple(references)) for answer, references in corpus]


def corpus_score(peer: Any, corpus: list[tuple[str, list[str]]]) -> float:
    streams = list(zip(*(references for _, references in corpus), strict=True))
    return peer.corpus_score([answer for answer, _ in corpus], streams).score


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", ["bleu", "chrf", "chrf++", "ter"])
@settings(max_examples=60)
@given(data=st.data())
def test_scores_are_those_of_sacrebleu(language: str, name: str, data: st.DataObject) -> None:
    corpus = data.draw(corpora(language))
    make, peer = PEERS[language][name]
    metric = make(language)
    assert metric.name == name
    assert metric.of(outcomes_of(corpus)) == pytest.approx(corpus_score(peer, corpus), abs=1e-9)


@pytest.mark.parametrize("name", ["bleu", "chrf", "chrf++", "ter"])
def test_a_resampled_corpus_is_scored_from_the_sums(name: str) -> None:
    corpus = [
        ("the cat sat on the mat", ["the cat sat on a mat", "a cat is on the mat"]),
        ("", ["nothing was said", "silence"]),
        ("there is a dog in the old house", ["a dog is in the house", "there is a dog in the house"]),
        ("completely wrong words here now", ["the weather is fine today", "it is sunny"]),
    ]
    make, peer = PEERS["en"][name]
    metric = make("en")
    weights = np.random.default_rng(7).multinomial(4, [0.25] * 4, size=20)
    scores = metric.score(metric.statistics(outcomes_of(corpus)), weights.astype(float))
    for draw, score in zip(weights, scores, strict=True):
        resampled = [item for item, count in zip(corpus, draw, strict=True) for _ in range(count)]
        assert score == pytest.approx(corpus_score(peer, resampled), abs=1e-9)


@pytest.mark.parametrize("answer", ["the cat sat on a mat", "the cat", "cat", "wrong", "", "sat cat the"])
def test_bleu_of_single_items_is_that_of_sentences(answer: str) -> None:
    references = ["the cat sat on the mat", "the cat"]
    metric = bleu("en")
    single = metric.per_item(metric.statistics([Outcome(answer, tuple(references))]))
    peer = BLEU(tokenize="13a", effective_order=True)
    assert single[0] == pytest.approx(peer.sentence_score(answer, references).score, abs=1e-9)


def test_chinese_is_split_into_characters() -> None:
    near = [Outcome("今天天气很好。", ("今天天气真好。",))]
    assert 30 < bleu("zh").of(near) < 70
    assert bleu("en").of(near) == 0
    assert ter("zh").of(near) == pytest.approx(100 / 7)
    assert ter("en").of(near) == 100


def test_numbers_of_references_may_differ_and_no_answer_is_empty() -> None:
    outcomes = [Outcome(None, ("the cat",)), Outcome("the cat sat on a mat", ("x", "the cat sat on a mat"))]
    for make in (bleu, chrf, chrf_plus_plus):
        assert 0 < make("en").of(outcomes) < 100
        assert make("en").of(outcomes[1:]) == pytest.approx(100)
    assert ter("en").of(outcomes[:1]) == 100
    assert ter("en").of([Outcome("", ("",))]) == 0
    assert ter("en").of([Outcome("x", ("",))]) == 100


def test_arguments() -> None:
    outcome = [Outcome("THE CAT SAT ON IT", ("the cat sat on it",))]
    assert bleu("en").of(outcome) == 0
    assert bleu("en", lowercase=True).of(outcome) == pytest.approx(100)
    assert chrf("en", lowercase=True).of(outcome) == pytest.approx(100)
    assert ter("en", case_sensitive=True).of(outcome) == 100
    assert bleu("ja", tokenize="char").of([Outcome("今日は良い天気", ("今日は良い天気",))]) == pytest.approx(100)
    with pytest.raises(UserError, match=r'there is no tokenizer "spm" - '):
        bleu("en", tokenize="spm")


@pytest.mark.skipif(find_spec("MeCab") is not None, reason="MeCab is installed")
def test_a_tokenizer_that_is_not_installed() -> None:
    with pytest.raises(UserError, match=r'needs MeCab, which is not installed - install it, or set "tokenize: char"'):
        bleu("ja")


def test_ranges_and_directions() -> None:
    for make in (bleu, chrf, chrf_plus_plus):
        metric = make("en")
        assert (metric.low, metric.high, metric.higher_is_better, metric.is_mean) == (0.0, 100.0, True, False)
    assert (ter("en").low, ter("en").high, ter("en").higher_is_better) == (0.0, inf, False)


def test_edits_of_one_answer_are_searched_once() -> None:
    outcomes = [Outcome(f"the cat sat on mat {number}", ("on the mat sat the cat",)) for number in range(3)]
    first = ter("en").of(outcomes)
    misses = _edits.cache_info().misses
    assert ter("en").of(outcomes) == first
    assert _edits.cache_info().misses == misses
