from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunelift.evaluation.contamination.ngrams import most_shared, read_ngrams
from tunelift.evaluation.metrics.tokens import words_of

# Few words, so that texts share n-grams; ideographs and words mixed.
TEXTS = st.lists(st.lists(st.sampled_from(["a", "b", "好", "坏"]), max_size=12).map(" ".join), max_size=8)


def runs(text: str) -> list[tuple[int, int, tuple[str, ...]]]:
    """The definition, written plainly: from each word the shortest run that weighs 6."""
    words = words_of(text, "zh")
    found = []
    for begin in range(len(words)):
        for end in range(begin + 1, len(words) + 1):
            if sum(1 if "\u4e00" <= word <= "\u9fff" else 2 for word in words[begin:end]) >= 6:
                found.append((begin, end, tuple(words[begin:end])))
                break
    return found


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_ngrams_are_the_shortest_runs_of_weight_six(texts: list[str]) -> None:
    expected = [(owner, *run) for owner, text in enumerate(texts) for run in runs(text)]
    ngrams = read_ngrams(texts)
    assert ngrams.texts == len(texts)
    assert list(zip(ngrams.owner, ngrams.begin, ngrams.end, strict=True)) == [run[:3] for run in expected]
    words_of_key = dict(zip(ngrams.key.tolist(), [run[3] for run in expected], strict=True))
    assert [words_of_key[key] for key in ngrams.key.tolist()] == [run[3] for run in expected]
    assert len(words_of_key) == len({run[3] for run in expected})


def test_three_words_or_six_ideographs_are_one_ngram() -> None:
    ngrams = read_ngrams(["one two three", "one two", "一二三四五六七", "一二三 four five", "!? 👍", ""])
    assert ngrams.owner.tolist() == [0, 2, 2, 3, 3]
    assert (ngrams.end - ngrams.begin).tolist() == [3, 6, 6, 5, 4]


def test_a_passage_has_the_same_ngrams_wherever_it_stands() -> None:
    passage = "the cat sat on 垫子 and slept"
    alone, inside = read_ngrams([passage]), read_ngrams([f"前面 before {passage} after 后面"])
    assert np.isin(alone.key, inside.key).all()


def test_frequencies_count_texts_not_occurrences() -> None:
    keys, frequencies = read_ngrams(["a b c a b c", "a b c", "c b a"]).frequencies()
    (a_b_c,) = read_ngrams(["a b c"]).key
    assert frequencies[keys == a_b_c].tolist() == [2]
    assert np.array_equal(keys, np.unique(keys))


@settings(max_examples=100, deadline=None)
@given(TEXTS, TEXTS)
def test_the_reference_with_most_of_the_ngrams_is_found(references: list[str], queries: list[str]) -> None:
    shared = most_shared(read_ngrams(references), read_ngrams(queries))
    sets = [{run[2] for run in runs(text)} for text in references]
    for number, query in enumerate(queries):
        wanted = {run[2] for run in runs(query)}
        counts = [len(wanted & have) for have in sets]
        best = max(counts, default=0)
        assert shared.count[number] == best
        assert shared.reference[number] == (counts.index(best) if best else -1)
        assert shared.share[number] == pytest.approx(best / max(len(wanted), 1))
