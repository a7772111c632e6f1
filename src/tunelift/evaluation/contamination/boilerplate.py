"""Words that stand in many texts - instructions, signatures, set phrases - and texts without them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tunelift.evaluation.contamination.ngrams import NGrams, read_ngrams
from tunelift.evaluation.metrics.tokens import MIXED

# An n-gram is boilerplate from this share of the texts on, and from this number of them.
COMMON, FEWEST = 0.005, 10


def boilerplate(training: Sequence[str], test: Sequence[str]) -> NDArray[np.uint64]:
    """The n-grams that stand in many of the different training texts or in many of the different test texts.

    A test item that was copied into many training rows is not boilerplate: an item of which nothing would be left
    keeps the n-grams that it does not share with many other items.

    Args:
        training: Normalised training texts, or an even sample of them where there are millions of characters.
        test: Normalised test texts.

    Returns:
        Keys of n-grams, ascending.
    """
    items = list(dict.fromkeys(test))
    ngrams = read_ngrams(items)
    in_test = _common(ngrams)
    in_training = _common(read_ngrams(list(dict.fromkeys(training))))
    left = _cut_all(items, ngrams, np.union1d(in_training, in_test))
    emptied = [number for number, text in enumerate(left) if not MIXED.search(text)]
    copied = ngrams.key[np.isin(ngrams.owner, emptied)]
    return np.union1d(np.setdiff1d(in_training, copied), in_test)


def without_boilerplate(texts: Sequence[str], common: NDArray[np.uint64]) -> list[str]:
    """Texts without the words of common n-grams.

    Args:
        texts: Normalised texts.
        common: Keys of n-grams.

    Returns:
        The texts; one of which no word would be left stays as it is.
    """
    left = _cut_all(texts, read_ngrams(texts), common)
    return [rest if MIXED.search(rest) else text for rest, text in zip(left, texts, strict=True)]


def _common(ngrams: NGrams) -> NDArray[np.uint64]:
    keys, frequencies = ngrams.frequencies()
    return keys[frequencies >= max(FEWEST, COMMON * ngrams.texts)]


def _cut_all(texts: Sequence[str], ngrams: NGrams, common: NDArray[np.uint64]) -> list[str]:
    hit = np.isin(ngrams.key, common)
    covered: dict[int, set[int]] = {}
    for owner, begin, end in zip(
        *(part[hit].tolist() for part in (ngrams.owner, ngrams.begin, ngrams.end)), strict=True
    ):
        covered.setdefault(owner, set()).update(range(begin, end))
    return [_cut(text, covered[number]) if number in covered else text for number, text in enumerate(texts)]


def _cut(text: str, covered: set[int]) -> str:
    """A text without some of its words, each up to the beginning of the next."""
    begins = [match.start() for match in MIXED.finditer(text)]
    pieces = [text[: begins[0]]]
    pieces += [
        text[begin:end] for number, (begin, end) in enumerate(pairwise([*begins, len(text)])) if number not in covered
    ]
    return "".join(pieces).strip()
