"""Exact and near duplicates among texts.

Near duplicates are found exactly, not by MinHash: two sets of shingles with Jaccard similarity t share a shingle
among the rarest ones of each (prefix filter; Chaudhuri et al. 2006, Bayardo et al. 2007), so an inverted index of
those few shingles yields every candidate, and each candidate is verified. Nothing is joined transitively, which
would chain texts that are not alike.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from tunelift.core.progress import progress

Pair = tuple[int, int, float]

CHINESE_SHINGLE = 3
SHINGLE = 5
HAN = re.compile("[\u4e00-\u9fff]")
# A threshold times a length can exceed the whole number it stands for by a rounding error.
ROUNDING = 1e-9


def normalise(text: str) -> str:
    """The form in which texts are compared: NFKC, case folded, white space collapsed."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def exact_groups(texts: list[str]) -> list[list[int]]:
    """Positions of texts that are equal once normalised.

    Returns:
        Groups of at least two positions, ascending, in the order of their first member.
    """
    groups: dict[str, list[int]] = {}
    for position, text in enumerate(texts):
        groups.setdefault(normalise(text), []).append(position)
    return [group for group in groups.values() if len(group) > 1]


def drop_near_duplicates(texts: list[str], threshold: float, groups: Sequence[str | None]) -> list[Pair]:
    """The texts to drop so that no two of the others are near duplicates: each that is near an earlier kept one.

    Near is a Jaccard similarity of the shingles, which are runs of 3 characters in Chinese texts and of 5 in others; a
    shorter text is one shingle.

    Args:
        texts: The texts; they are normalised here.
        threshold: Smallest similarity, above 0 and at most 1.
        groups: The group of each text; texts of one group may be alike. None is in no group.

    Returns:
        ``(i, j, similarity)`` for every dropped text j, where i is the most similar kept text before it.
    """
    index = _Index(shingle_sets(texts), threshold)
    dropped = []
    with progress(len(texts), "near duplicates", "text") as bar:
        for j in range(len(texts)):
            matches = [match for match in index.matches(j) if groups[j] is None or groups[match[0]] != groups[j]]
            if matches:
                dropped.append(_best(matches, j))
            else:
                index.insert(j)
            bar.update()
    return dropped


def near_matches(references: list[str], queries: list[str], threshold: float) -> list[Pair]:
    """The most similar reference of every query that is a near duplicate of one.

    Returns:
        ``(i, j, similarity)`` with i a position in `references` and j one in `queries`, ordered by j.
    """
    index = _Index(shingle_sets([*references, *queries]), threshold)
    found = []
    with progress(len(references) + len(queries), "near duplicates", "text") as bar:
        for i in range(len(references)):
            index.insert(i)
            bar.update()
        for j in range(len(queries)):
            matches = index.matches(len(references) + j)
            if matches:
                found.append(_best(matches, j))
            bar.update()
    return found


def _best(matches: list[tuple[int, float]], j: int) -> Pair:
    i, similarity = max(matches, key=lambda match: (match[1], -match[0]))
    return i, j, similarity


@dataclass(frozen=True, slots=True)
class ShingleSets:
    """The shingles of many texts as one ragged array.

    Attributes:
        shingles: Ids of the distinct shingles of text 0, of text 1, ...; the rarer a shingle, the smaller its id,
            and ascending within a text. int64, shape (total,).
        starts: Where each text begins. int64, shape (texts + 1,).
        size: Number of different ids.
    """

    shingles: NDArray[np.int64]
    starts: NDArray[np.int64]
    size: int

    def of(self, position: int) -> NDArray[np.int64]:
        """The shingles of one text."""
        return self.shingles[self.starts[position] : self.starts[position + 1]]

    def sizes(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many shingles the texts at these positions have."""
        return self.starts[positions + 1] - self.starts[positions]


def shingle_sets(texts: list[str]) -> ShingleSets:
    """The character shingles of texts, normalised, rarest first."""
    normalised = [normalise(text) for text in texts]
    lengths = [CHINESE_SHINGLE if _is_chinese(text) else SHINGLE for text in normalised]
    # "\0" cannot be in a normalised text of more than control characters; it fills a short text up to one shingle.
    padded = [text.ljust(length, "\0") for text, length in zip(normalised, lengths, strict=True)]
    owners, keys = _windows(padded, np.array(lengths))
    order = np.lexsort((keys, owners))
    owners, keys = owners[order], keys[order]
    fresh = np.ones(len(keys), dtype=bool)
    fresh[1:] = (owners[1:] != owners[:-1]) | (keys[1:] != keys[:-1])
    owners, keys = owners[fresh], keys[fresh]
    _, inverse, frequency = np.unique(keys, return_inverse=True, return_counts=True)
    rank = np.empty(len(frequency), dtype=np.int64)
    rank[np.argsort(frequency, kind="stable")] = np.arange(len(frequency))
    shingles = rank[inverse]
    shingles = shingles[np.lexsort((shingles, owners))]
    starts = np.searchsorted(owners, np.arange(len(texts) + 1))
    return ShingleSets(shingles, starts, len(frequency))


def _is_chinese(text: str) -> bool:
    """Whether most characters are Han characters."""
    return 2 * len(HAN.sub("", text)) < len(text) - text.count(" ")


def _windows(texts: list[str], lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Every run of `lengths[k]` characters of text k, as the number of the text and a number for the run.

    The number has the characters as digits. It is exact for up to 7,000 different characters in runs of 5 and for
    any in runs of 3; beyond that it is a 64-bit hash.
    """
    points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    present = np.zeros(int(points.max(initial=0)) + 1, dtype=bool)
    present[points] = True
    base = np.uint64(present.sum() + 1)
    digits = np.cumsum(present).astype(np.uint64)[points]
    owner = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    owners, keys = [], []
    for length in (CHINESE_SHINGLE, SHINGLE):
        last = max(len(points) - length + 1, 0)
        inside = (owner[:last] == owner[length - 1 :]) & (lengths[owner[:last]] == length)
        begins = np.flatnonzero(inside)
        key = np.zeros(len(begins), dtype=np.uint64)
        for offset in range(length):
            key = key * base + digits[begins + offset]
        owners.append(owner[begins])
        keys.append(key)
    return np.concatenate(owners), np.concatenate(keys)


@dataclass(slots=True)
class _Index:
    """The texts inserted so far, by their rarest shingles."""

    sets: ShingleSets
    threshold: float
    postings: dict[int, list[int]] = field(default_factory=dict)
    marked: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold must be above 0 and at most 1, not {self.threshold}")
        self.marked = np.zeros(self.sets.size, dtype=bool)

    def insert(self, position: int) -> None:
        for shingle in self._prefix(position):
            self.postings.setdefault(shingle, []).append(position)

    def matches(self, position: int) -> list[tuple[int, float]]:
        """The inserted texts that are near duplicates of one, with their similarity, ascending by position."""
        lists = (self.postings.get(shingle, ()) for shingle in self._prefix(position))
        hits = Counter(chain.from_iterable(lists))
        others = np.fromiter(hits.keys(), np.int64, len(hits))
        shared = np.fromiter(hits.values(), np.int64, len(hits))
        others = np.sort(others[self._is_possible(position, others, shared)])
        if not len(others):
            return []
        similarity = self._similarity(position, others)
        near = similarity >= self.threshold
        return list(zip(others[near].tolist(), similarity[near].tolist(), strict=True))

    def _is_possible(self, position: int, others: NDArray[np.int64], shared: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether texts can be near duplicates of one, given how many of their rarest shingles they share.

        Every other shared shingle is in the rest of the text whose rarest shingles end first.
        """
        sizes, own = self.sets.sizes(others), len(self.sets.of(position))
        needed = self.threshold / (1 + self.threshold) * (sizes + own) - ROUNDING
        rest = np.ceil(self.threshold * np.maximum(sizes, own) - ROUNDING) - 1
        return (np.minimum(sizes, own) >= needed) & (shared + rest >= needed)

    def _prefix(self, position: int) -> list[int]:
        """The rarest shingles of a text, as many as a near duplicate cannot all lack."""
        own = self.sets.of(position)
        shared = math.ceil(self.threshold * len(own) - ROUNDING)
        return own[: len(own) - shared + 1].tolist()

    def _similarity(self, position: int, others: NDArray[np.int64]) -> NDArray[np.float64]:
        """Jaccard similarity of one text with several."""
        own = self.sets.of(position)
        sizes = self.sets.sizes(others)
        begins = np.cumsum(sizes) - sizes
        where = np.repeat(self.sets.starts[others] - begins, sizes) + np.arange(sizes.sum())
        self.marked[own] = True
        shared = np.add.reduceat(self.marked[self.sets.shingles[where]], begins, dtype=np.int64)
        self.marked[own] = False
        return shared / (len(own) + sizes - shared)
