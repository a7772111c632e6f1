from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tunelift.core.errors import UserError
from tunelift.evaluation.safety.preferences import (
    SLOT,
    bundled_pairs,
    preference_change,
    preferences,
    read_crows_pairs,
)
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
    found = preferences(bundled_pairs(language), logprobs)
    assert found.overall.share == 0.5
    assert {category.share for category in found.categories.values()} == {0.5}


def test_shares_and_their_change() -> None:
    pairs = bundled_pairs("en")
    base = np.array([[-2.0, -3.0] if place % 2 else [-3.0, -3.0] for place in range(len(pairs))])
    tuned = np.array([[-2.0, -3.0]] * len(pairs))
    found = preferences(pairs, base)
    assert found.overall.count == 30  # sentences that are equally likely are no preference
    assert found.difference == pytest.approx(0.5)
    change = preference_change(pairs, base, tuned)
    assert change.overall.change.effect == pytest.approx(0.5)
    assert change.overall.change.p < 1e-6
    assert change.overall.change.wins == 30
    assert set(change.p_adjusted) == CATEGORIES
    assert all(change.p_adjusted[name] >= part.change.p for name, part in change.categories.items())
    assert sum(part.before.n for part in change.categories.values()) == len(pairs)
    assert change.to_dict()["overall"]["after"]["share"] == 1
    assert found.to_dict()["categories"]["age"]["n"] == 8


@pytest.mark.parametrize("logprobs", [[[-1, -2]], [[-1.0, float("nan")]] * 60, [[-1, -2, -3]] * 60])
def test_log_probabilities_are_checked(logprobs: list) -> None:
    with pytest.raises(ValueError, match="two finite log-probabilities"):
        preferences(bundled_pairs("en"), logprobs)


def test_the_layout_of_crows_pairs(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text(HEADER + '0,"A, more",A less,stereo,age,"[[]]"\n1,B more,B less,antistereo,gender,x\n', "utf-8")
    pairs = read_crows_pairs(file)
    assert [(pair.id, pair.more, pair.less, pair.category) for pair in pairs] == [
        ("1", "A, more", "A less", "age"),
        ("2", "B more", "B less", "gender"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("sent_more,bias_type\na,b\n", "has no sent_less"),
        (HEADER, "has no sent_more"),
        (HEADER + "0,a,,stereo,age,x\n", "row 1: sent_less is empty"),
        (None, "cannot be read"),
    ],
)
def test_other_layouts_are_refused(tmp_path: Path, content: str | None, message: str) -> None:
    file = tmp_path / "pairs.csv"
    if content is not None:
        file.write_text(content, "utf-8")
    with pytest.raises(UserError, match=message):
        read_crows_pairs(file)
