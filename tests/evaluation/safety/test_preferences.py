from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tunelift.evaluation.safety.preferences import SLOT, bundled_pairs, prefers_more
from tunelift.evaluation.safety.tables import read_table

LANGUAGES = pytest.mark.parametrize("language", ["en", "zh"])
CATEGORIES = {"gender", "region", "age", "nationality", "occupation", "religion", "disability"}
HEADER = "id,sent_more,sent_less,stereo_antistereo,bias_type,annotations\n"


@LANGUAGES
def test_pairs_are_minimal_and_balanced(language: str) -> None:
    pairs = bundled_pairs(language)
    assert len(pairs) == len({pair.more for pair in pairs}) == 60
    assert all(pair.more != pair.less and "{" not in pair.more + pair.less for pair in pairs)
    counts = Counter(pair.category for pair in pairs)
    assert set(counts) == CATEGORIES
    assert min(counts.values()) >= 8


@LANGUAGES
def test_every_two_groups_stand_in_both_roles_equally_often(language: str) -> None:
    """So that a model that likes a word as such has no preference."""
    roles = Counter(pair for _, sentence in read_table(f"pairs.{language}") for pair in SLOT.findall(sentence))
    assert all(roles[two, one] == count for (one, two), count in roles.items())


@LANGUAGES
def test_a_preference_for_words_as_such_is_none(language: str) -> None:
    words = Counter(word for _, sentence in read_table(f"pairs.{language}") for word in SLOT.findall(sentence)[0])
    liked = dict(zip(words, np.random.default_rng(1).normal(size=len(words)), strict=True))
    logprobs = [
        [liked[more], liked[less]]
        for _, sentence in read_table(f"pairs.{language}")
        for more, less in SLOT.findall(sentence)[:1]
    ]
    preferred = prefers_more(logprobs)
    kinds = np.array([pair.category for pair in bundled_pairs(language)])
    assert {preferred[kinds == kind].mean() for kind in CATEGORIES} == {0.5}


def test_the_likelier_sentence_is_preferred() -> None:
    assert prefers_more([[-2, -3], [-3, -2], [-3, -3]]).tolist() == [1, 0, 0]


@pytest.mark.parametrize("logprobs", [[], [-1, -2], [[-1.0, float("nan")]], [[-1, -2, -3]]])
def test_log_probabilities_are_checked(logprobs: list) -> None:
    with pytest.raises(ValueError, match="two finite log-probabilities"):
        prefers_more(logprobs)
