from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunelift.core.recipe import Prompting
from tunelift.core.records import Example
from tunelift.prompts.demonstrations import make_selector, words

TEXTS = st.text(st.sampled_from("ab好坏 !"), max_size=8)


def shown(select: Any, shots: int, pool: list[Example], items: list[Example], seed: int = 7) -> list[list[str]]:
    questions = {example.id: example.fields["text"] for example in [*pool, *items]}
    choose = make_selector(Prompting(shots=shots, select=select), pool, questions, seed)
    return [[example.id for example in choose(item)] for item in items]


@settings(max_examples=40)
@given(
    texts=st.lists(TEXTS, min_size=1, max_size=8),
    query=TEXTS,
    shots=st.integers(0, 8),
    seed=st.integers(0, 9),
    select=st.sampled_from(["random", "balanced", "bm25"]),
)
def test_a_choice_is_repeatable_and_never_the_item_itself(
    make_example: Callable[..., Any], texts: list[str], query: str, shots: int, seed: int, select: str
) -> None:
    pool = [make_example(f"p{number}", text, ("good", "bad")[number % 2]) for number, text in enumerate(texts)]
    items = [make_example("i", query), pool[0]]
    chosen = shown(select, shots, pool, items, seed)
    assert chosen == shown(select, shots, pool, items, seed)
    assert len(chosen[0]) == min(shots, len(pool))
    assert pool[0].id not in chosen[1]
    for ids in chosen:
        assert len(set(ids)) == len(ids)
        assert set(ids) <= {example.id for example in pool}


def test_random_and_balanced_show_the_same_before_every_item(make_example: Callable[..., Any]) -> None:
    pool = [make_example(f"p{number}", f"text {number}", "abc"[number % 3]) for number in range(30)]
    items = [make_example(f"i{number}", f"item {number}") for number in range(3)]
    for select in ("random", "balanced"):
        first, *others = shown(select, 4, pool, items)
        assert others == [first, first]
        assert shown(select, 4, pool, items, seed=8)[0] != first


@pytest.mark.parametrize("shots", [3, 4, 7])
def test_balanced_shows_every_answer_equally_often(make_example: Callable[..., Any], shots: int) -> None:
    targets = ["rare"] * 3 + ["common"] * 40 + ["usual"] * 20
    pool = [make_example(f"p{number}", f"text {number}", target) for number, target in enumerate(targets)]
    by_id = {example.id: example.target for example in pool}
    for seed in range(10):
        (ids,) = shown("balanced", shots, pool, [make_example("i", "item")], seed)
        counts = Counter(map(by_id.get, ids))
        assert len(counts) == 3
        assert max(counts.values()) - min(counts.values()) <= 1


def test_balanced_fills_up_when_an_answer_runs_out(make_example: Callable[..., Any]) -> None:
    pool = [make_example(f"p{number}", "text", "rare" if number == 0 else "common") for number in range(5)]
    (ids,) = shown("balanced", 5, pool, [make_example("i", "item")])
    assert sorted(ids) == ["p0", "p1", "p2", "p3", "p4"]


def test_balanced_begins_with_different_answers_under_different_seeds(make_example: Callable[..., Any]) -> None:
    pool = [make_example(f"p{number}", "text", "abc"[number % 3]) for number in range(9)]
    by_id = {example.id: example.target for example in pool}
    first = {by_id[shown("balanced", 1, pool, [make_example("i", "item")], seed)[0][0]] for seed in range(30)}
    assert first == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("texts", "query", "order"),
    [
        (["the cat sat", "a dog ran far", "the cat and the dog", "rain"], "the cat sat down", ["p2", "p0"]),
        (["房间很干净", "服务态度恶劣", "书的内容不错", "天气"], "这本书内容很不错", ["p0", "p2"]),
        (["Ärger", "ÄRGER im Büro", "Freude"], "ärger im büro", ["p0", "p1"]),
    ],
)
def test_bm25_shows_the_most_similar_last(
    make_example: Callable[..., Any], texts: list[str], query: str, order: list[str]
) -> None:
    pool = [make_example(f"p{number}", text) for number, text in enumerate(texts)]
    assert shown("bm25", 2, pool, [make_example("i", query)]) == [order]


def test_bm25_ranks_as_the_formula_does(make_example: Callable[..., Any]) -> None:
    """Robertson's BM25 with Lucene's weight of rare words, computed by hand: k1 = 1.5, b = 0.75."""
    from math import log

    texts = ["a b b c", "a a a", "b c d e f", "c", "d d e", "a c e"]
    documents = [words(text) for text in texts]
    average = sum(map(len, documents)) / len(documents)

    def score(query: str, document: list[str]) -> float:
        total = 0.0
        for word in words(query):
            containing = sum(word in other for other in documents)
            rarity = log(1 + (len(documents) - containing + 0.5) / (containing + 0.5))
            count = document.count(word)
            total += rarity * count / (count + 1.5 * (0.25 + 0.75 * len(document) / average))
        return total

    pool = [make_example(f"p{number}", text) for number, text in enumerate(texts)]
    for query in ("a", "b d", "e e c", "f a b"):
        ranked = sorted(range(len(texts)), key=lambda index: (-score(query, documents[index]), index))
        assert shown("bm25", 6, pool, [make_example("i", query)]) == [[f"p{index}" for index in ranked[::-1]]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't STOP, ok?", ["don", "t", "stop", "ok"]),
        ("snake_case 3.5", ["snake", "case", "3", "5"]),
        ("我爱NLP，真的", ["我", "爱", "nlp", "真", "的"]),
        ("ひらがな カナ", ["ひ", "ら", "が", "な", "カ", "ナ"]),
        ("!? 🙂", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected
