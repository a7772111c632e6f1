from __future__ import annotations

import builtins
import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from tunelift.core.errors import UserError
from tunelift.evaluation.metrics.metric import Outcome
from tunelift.evaluation.metrics.summaries import (
    rouge1,
    rouge2,
    rouge_l,
    rouge_l_sum,
    rouge_lcs,
    rouge_lcs_sum,
    rouge_n,
    tokeniser,
)

METRICS = {"rouge1": rouge1, "rouge2": rouge2, "rougeL": rouge_l, "rougeLsum": rouge_l_sum}
PEER, STEMMING_PEER = RougeScorer(list(METRICS)), RougeScorer(list(METRICS), use_stemmer=True)
ENGLISH = st.lists(
    st.sampled_from(
        ["the", "cat", "cats", "running", "ran", "Don't", "a-b", "\n", "\n\n", ".", "naïve", "42", "flies"]
    ),
    max_size=14,
).map(" ".join) | st.text(max_size=20)
CHINESE = st.text("今天气很好我们去公园", min_size=2, max_size=15)


@given(ENGLISH, st.lists(ENGLISH, min_size=1, max_size=3), st.sampled_from(list(METRICS)))
def test_english_is_the_package_rouge_score(answer: str, references: list[str], name: str) -> None:
    metric = METRICS[name]("en")
    expected = PEER.score_multi(references, answer)[name].fmeasure
    assert metric.name == name
    assert metric.of([Outcome(answer, tuple(references))]) == pytest.approx(expected, abs=1e-9)


@given(ENGLISH, ENGLISH)
def test_precision_and_recall_are_those_of_rouge_score(answer: str, reference: str) -> None:
    expected = PEER.score(reference, answer)
    tokenise = tokeniser("en", "characters", use_stemmer=False)
    ours, theirs = tokenise(answer), tokenise(reference)
    lines = [[tokenise(line) for line in text.split("\n")] for text in (answer, reference)]
    overlaps = [rouge_n(ours, theirs, 1), rouge_n(ours, theirs, 2), rouge_lcs(ours, theirs), rouge_lcs_sum(*lines)]
    for name, overlap in zip(METRICS, overlaps, strict=True):
        assert overlap == pytest.approx(tuple(expected[name]), abs=1e-9)


@given(ENGLISH, ENGLISH)
def test_stems_are_those_of_rouge_score(answer: str, reference: str) -> None:
    expected = STEMMING_PEER.score(reference, answer)
    for name in ("rouge1", "rougeL"):
        metric = METRICS[name]("en", use_stemmer=True)
        assert metric.of([Outcome(answer, (reference,))]) == pytest.approx(expected[name].fmeasure, abs=1e-9)


@given(CHINESE, CHINESE)
def test_chinese_is_the_package_rouge_chinese_on_characters(answer: str, reference: str) -> None:
    rouge_chinese = pytest.importorskip("rouge_chinese")
    peer = rouge_chinese.Rouge(exclusive=False)
    expected = peer.get_scores(" ".join(answer), " ".join(reference))[0]
    ours, theirs = list(answer), list(reference)
    overlaps = {
        "rouge-1": rouge_n(ours, theirs, 1),
        "rouge-2": rouge_n(ours, theirs, 2),
        "rouge-l": rouge_lcs(ours, theirs),
    }
    for name, overlap in overlaps.items():
        assert overlap[:2] == pytest.approx((expected[name]["p"], expected[name]["r"]), abs=1e-9)
        assert overlap.f1 == pytest.approx(expected[name]["f"], abs=1e-7)  # it adds 1e-8 below the line
    assert rouge_l("zh").of([Outcome(f"《{answer}》。", (reference,))]) == overlaps["rouge-l"].f1


def test_chinese_by_hand() -> None:
    outcome = [Outcome("我用iPhone拍照", ("我用 iphone 拍了照片。",))]
    # 我 用 iphone 拍 照 against 我 用 iphone 拍 了 照 片
    assert rouge1("zh").of(outcome) == pytest.approx(2 * 5 / (5 + 7))
    assert rouge2("zh").of(outcome) == pytest.approx(2 * 3 / (4 + 6))
    assert rouge_l("zh").of(outcome) == pytest.approx(2 * 5 / (5 + 7))
    assert rouge1("en").of([Outcome("今天", ("今天",))]) == 0


def test_words_of_jieba(cache: Path) -> None:
    pytest.importorskip("jieba")
    assert tokeniser("zh", "jieba", use_stemmer=False)("我来到北京清华大学，ＯＫ。") == [
        "我",
        "来到",
        "北京",
        "清华大学",
        "ok",
    ]
    assert (cache / "jieba.cache").is_file()
    outcome = [Outcome("我来到北京", ("他来到北京",))]
    assert rouge1("zh", words="jieba").of(outcome) == pytest.approx(2 / 3)
    assert rouge1("zh").of(outcome) == pytest.approx(4 / 5)


def test_no_answer_and_empty_texts_score_nothing() -> None:
    for metric in (make("en") for make in METRICS.values()):
        assert (
            metric.statistics([Outcome(None, ("cat",)), Outcome("", ("",)), Outcome("?", ("x",))]).tolist()
            == [[0.0]] * 3
        )
        assert (metric.low, metric.high, metric.higher_is_better, metric.is_mean) == (0.0, 1.0, True, True)


@pytest.mark.parametrize(
    ("language", "arguments", "message"),
    [
        ("en", {"words": "jieba"}, 'jieba splits Chinese, the language is "en"'),
        ("zh", {"words": "words"}, 'there is no way to split words named "words" - valid: characters, jieba'),
        ("zh", {"use_stemmer": True}, 'the stemmer is for English, the language is "zh"'),
    ],
)
def test_arguments_that_do_not_fit(language: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        rouge1(language, **arguments)


@pytest.mark.parametrize(("package", "arguments"), [("jieba", {"words": "jieba"}), ("nltk", {"use_stemmer": True})])
def test_a_package_that_is_not_installed(
    package: str, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real_import = builtins.__import__

    def without(name: str, *rest: Any, **options: Any) -> Any:
        if name.split(".")[0] == package:
            raise ImportError(name)
        return real_import(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=f"needs {package}, which is not installed - run: pip install {package}"):
        rouge_l("zh" if package == "jieba" else "en", **arguments)


def test_a_thousand_long_pairs_take_no_time() -> None:
    draw = random.Random(7)
    pairs = [[[str(draw.randrange(60)) for _ in range(200)] for _ in range(2)] for _ in range(1000)]
    started = time.perf_counter()
    for ours, theirs in pairs:
        rouge_lcs(ours, theirs)
    assert time.perf_counter() - started < 5
