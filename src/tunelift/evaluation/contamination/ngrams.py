"""Texts as n-grams in a few arrays, and the share of a text's n-grams that stand in another.

An n-gram is a run of words of a weight: an ideograph weighs 1 and any other word 2, so that a run of weight 6 is six
Chinese characters or three English words. It depends on nothing around it: the same passage has the same n-grams
wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from tunelift.evaluation.metrics.tokens import MIXED, SIGNS

# A changed word spoils but three n-grams, and hardly any text shares half of its n-grams with another by chance.
WEIGHT = 6
IDEOGRAPH = re.compile(f"[{SIGNS}]")
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, with the bits of the golden ratio: multiplying spreads small changes


@dataclass(frozen=True, slots=True)
class NGrams:
    """The n-grams of many texts, one a place; a place without one, at the end of a text, is left out.

    Attributes:
        owner: Number of the text. int64, shape (n-grams,), ascending.
        begin: Number of its first word in the text. int64, shape (n-grams,).
        end: Number of the word behind its last. int64, shape (n-grams,).
        key: 64-bit hash of its words; it differs between processes. uint64, shape (n-grams,).
        texts: Number of texts.
    """

    owner: NDArray[np.int64]
    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    key: NDArray[np.uint64]
    texts: int

    def frequencies(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """The different n-grams, ascending, and in how many texts each of them stands."""
        _, keys = _distinct(self.owner, self.key)
        return np.unique(keys, return_counts=True)


def read_ngrams(texts: Sequence[str]) -> NGrams:
    """The n-grams of texts.

    Args:
        texts: Normalised texts; words are what `metrics.tokens` calls so, without punctuation.
    """
    words = [MIXED.findall(text) for text in texts]
    sizes = np.fromiter(map(len, words), np.int64, len(words))
    every = list(chain.from_iterable(words))
    ids = np.fromiter(map(hash, every), np.int64, len(every)).view(np.uint64)
    light = np.fromiter(map(bool, map(IDEOGRAPH.match, every)), np.bool_, len(every))
    weights = np.concatenate([[0], np.cumsum(2 - light)])  # of all words before a place
    owners = np.repeat(np.arange(len(words)), sizes)
    starts = np.cumsum(sizes) - sizes
    ends = np.searchsorted(weights, weights[:-1] + WEIGHT)
    begins = np.flatnonzero(ends <= (starts + sizes)[owners])
    ends = ends[begins]
    keys = np.zeros(len(begins), dtype=np.uint64)
    for offset in range(WEIGHT):
        inside = begins + offset < ends
        keys[inside] = _mixed(keys[inside], ids[begins[inside] + offset])
    owners = owners[begins]
    return NGrams(owners, begins - starts[owners], ends - starts[owners], keys, len(words))


def _mixed(keys: NDArray[np.uint64], ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hashes of runs that are one word longer."""
    longer = (keys ^ ids) * MULTIPLIER
    return longer ^ (longer >> np.uint64(29))


def _distinct(owners: NDArray[np.int64], keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """The different pairs of text and n-gram, by text, then n-gram."""
    order = np.lexsort((keys, owners))
    owners, keys = owners[order], keys[order]
    fresh = np.ones(len(keys), dtype=np.bool_)
    fresh[1:] = (owners[1:] != owners[:-1]) | (keys[1:] != keys[:-1])
    return owners[fresh], keys[fresh]


@dataclass(frozen=True, slots=True)
class SharedNGrams:
    """The reference that has most of each query's n-grams.

    Attributes:
        reference: Its number, the first of several; -1 where none has any. int64, shape (queries,).
        count: How many different n-grams of the query stand in it. int64, shape (queries,).
        share: The same as a share of those of the query; 0 for a query without n-grams. float64, shape (queries,).
    """

    reference: NDArray[np.int64]
    count: NDArray[np.int64]
    share: NDArray[np.float64]


def most_shared(references: NGrams, queries: NGrams) -> SharedNGrams:
    """For each query the one reference that has most of its different n-grams.

    One reference and not all together: pieces of a text stand somewhere in any large set, and the longest match in
    one place is the better sign of contamination (Singh et al. 2024, 2411.03923).
    """
    query, keys = _distinct(queries.owner, queries.key)
    total = np.bincount(query, minlength=queries.texts)
    wanted, which = np.unique(keys, return_inverse=True)
    by_ngram = np.argsort(which, kind="stable")
    starts = np.searchsorted(which[by_ngram], np.arange(len(wanted) + 1))
    found = np.isin(references.key, wanted)
    reference, keys = _distinct(references.owner[found], references.key[found])
    ngram = np.searchsorted(wanted, keys)
    # Every occurrence in a reference meets all queries that have the n-gram.
    meetings = starts[ngram + 1] - starts[ngram]
    before = np.cumsum(meetings) - meetings
    met = query[by_ngram[np.repeat(starts[ngram] - before, meetings) + np.arange(meetings.sum())]]
    pairs, counts = np.unique(met * references.texts + np.repeat(reference, meetings), return_counts=True)
    return _most(pairs // max(references.texts, 1), pairs % max(references.texts, 1), counts, total)


def _most(
    query: NDArray[np.int64], reference: NDArray[np.int64], counts: NDArray[np.int64], total: NDArray[np.int64]
) -> SharedNGrams:
    """The pair with the largest count of each query; `query`, then `reference` ascend."""
    order = np.lexsort((-reference, counts, query))
    query, reference, counts = query[order], reference[order], counts[order]
    last = np.ones(len(query), dtype=np.bool_)
    last[:-1] = query[1:] != query[:-1]
    best, count = np.full(len(total), -1), np.zeros(len(total), dtype=np.int64)
    best[query[last]] = reference[last]
    count[query[last]] = counts[last]
    return SharedNGrams(best, count, count / np.maximum(total, 1))
