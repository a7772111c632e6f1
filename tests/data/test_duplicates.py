from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunelift.data.duplicates import (
    drop_near_duplicates,
    exact_groups,
    near_matches,
    normalise,
)


def shingles(text: str) -> set[str]:
    """The definition, written plainly."""
    text = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    letters = [letter for letter in text if letter != " "]
    chinese = sum("\u4e00" <= letter <= "\u9fff" for letter in letters) * 2 > len(letters)
    n = 3 if chinese else 5
    return {text[start : start + n] for start in range(len(text) - n + 1)} or {text}


def jaccard(a: str, b: str) -> float:
    x, y = shingles(a), shingles(b)
    return len(x & y) / len(x | y)


# A small alphabet and short texts, so that near duplicates are common.
TEXTS = st.lists(st.text("abAB 好坏，", max_size=14), max_size=14)
THRESHOLDS = st.sampled_from([0.3, 0.5, 0.6, 0.7, 0.8, 1.0])


def test_normalise():
    assert normalise("  Ｇｏｏｄ\tDAY\n\u3000 ") == "good day"


def test_exact_groups():
    assert exact_groups(["a b", "c", "A  B", "C ", "d", "a b"]) == [[0, 2, 5], [1, 3]]
    assert exact_groups([]) == []


@settings(max_examples=200, deadline=None)
@given(TEXTS, THRESHOLDS)
def test_dropping_leaves_no_near_duplicates_and_drops_nothing_else(texts, threshold):
    dropped = drop_near_duplicates(texts, threshold, [None] * len(texts))
    gone = {j for _, j, _ in dropped}
    kept = [i for i in range(len(texts)) if i not in gone]
    assert all(jaccard(texts[i], texts[j]) < threshold for i in kept for j in kept if i < j)
    for i, j, similarity in dropped:
        assert i in kept
        assert i < j
        assert similarity == max(jaccard(texts[k], texts[j]) for k in kept if k < j) >= threshold


@settings(max_examples=200, deadline=None)
@given(TEXTS, TEXTS, THRESHOLDS)
def test_matches_equal_brute_force(references, queries, threshold):
    expected = []
    for j, query in enumerate(queries):
        best = max(((jaccard(reference, query), -i) for i, reference in enumerate(references)), default=(0.0, 0))
        if best[0] >= threshold:
            expected.append((-best[1], j, best[0]))
    assert near_matches(references, queries, threshold) == expected


def test_chains_are_not_followed():
    """Each text is near the next, the ends are not alike: only neighbours of a kept text go."""
    texts = ["".join(chr(0x61 + (start + offset) % 26) for offset in range(20)) for start in range(0, 12, 3)]
    assert jaccard(texts[0], texts[1]) >= 0.6 > jaccard(texts[0], texts[2])
    assert [pair[:2] for pair in drop_near_duplicates(texts, 0.6, [None] * len(texts))] == [(0, 1), (2, 3)]


def test_texts_of_one_group_may_be_alike() -> None:
    texts = ["the same long question about a text", "the same long question about a text!", "something else entirely"]
    assert [pair[:2] for pair in drop_near_duplicates(texts, 0.6, ["a", "b", "c"])] == [(0, 1)]
    assert drop_near_duplicates(texts, 0.6, ["a", "a", "c"]) == []


def test_short_texts_are_not_all_alike():
    assert drop_near_duplicates(["好", "坏", "ok", "no", "", "OK"], 0.5, [None] * 6) == [(2, 5, 1.0)]


def test_characters_beyond_one_unit_and_lone_surrogates():
    assert drop_near_duplicates(["😀😀😀😀😀😀", "😀😀😀😀😀😀!", "\ud83d"], 0.5, [None] * 3) == [(0, 1, 0.5)]


def test_threshold_is_checked():
    with pytest.raises(ValueError, match="threshold"):
        drop_near_duplicates(["a"], 0.0, [None])
