"""Test items that stand in the training data: as they are, changed a little, inside a longer text, or paraphrased."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tunelift.core.records import Source
from tunelift.data.duplicates import near_matches, normalise
from tunelift.data.splits import NEAR
from tunelift.evaluation.contamination.boilerplate import boilerplate, without_boilerplate
from tunelift.evaluation.contamination.ngrams import most_shared, read_ngrams

Kind = Literal["exact", "near-duplicate", "n-grams", "paraphrase"]
Embed = Callable[[Sequence[str]], ArrayLike]
Match = tuple[Kind, int, int, float]  # kind, training text of a block, item, similarity

# From the most certain to the least; an item is reported by the first that it is found by.
KINDS: tuple[Kind, ...] = ("exact", "near-duplicate", "n-grams", "paraphrase")
# Five n-grams are seven words in a row, or ten ideographs; fewer are common in texts that have nothing to do with each
# other. An item that has fewer must stand there whole, and have three: five words, or eight ideographs.
ENOUGH_SHARED, FEWEST_WHOLE = 5, 3
BLOCK = 4_000_000  # characters of training texts that are in memory as n-grams at once
ITEMS = 100  # whose cosines with a block are in memory at once


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which similarity on an item counts as found; what the defaults find stands at the top of this package.

    Attributes:
        near: Jaccard similarity of the shingles of near duplicates.
        ngrams: Share of the item's n-grams that stand in one training text.
        cosine: Cosine of the embeddings of paraphrases.
    """

    near: float = NEAR
    ngrams: float = 0.6
    cosine: float = 0.85


@dataclass(frozen=True, slots=True)
class Overlap:
    """The training text that a test item has most in common with.

    Attributes:
        kind: "exact" (the same text), "near-duplicate", "n-grams" (most of the item stands in the text) or
            "paraphrase" (close embeddings; the least certain).
        similarity: By the measure of the kind, from its threshold to 1.
        row: Position of the training text.
        source: Its file and row.
    """

    kind: Kind
    similarity: float
    row: int
    source: Source


@dataclass(frozen=True, slots=True)
class Contamination:
    """What test items have in common with training data.

    Attributes:
        overlaps: For each item the best match, or None where there is none.
    """

    overlaps: tuple[Overlap | None, ...]

    @property
    def clean(self) -> NDArray[np.bool_]:
        """Which items were not found in the training data. Shape (items,)."""
        return np.array([overlap is None for overlap in self.overlaps], dtype=np.bool_)

    @property
    def counts(self) -> dict[Kind, int]:
        """How many items were found, by kind."""
        kinds = Counter(overlap.kind for overlap in self.overlaps if overlap)
        return {kind: kinds[kind] for kind in KINDS}


def find_overlaps(
    training: Sequence[str],
    sources: Sequence[Source],
    test: Sequence[str],
    embed: Embed | None = None,
    thresholds: Thresholds | None = None,
) -> Contamination:
    """Find the test items that the training data contains.

    What many texts share - the instruction of a task, set phrases - is left out of all of them first.

    Args:
        training: Everything that was trained on, questions and answers. A row may give several texts: a question
            is then compared without its answer. More than a few million characters are compared in blocks, and what
            they share is judged by an even sample.
        sources: Where each training text comes from.
        test: The text of each item: its fields, not the rendered prompt.
        embed: Embeddings of texts, shape (texts, width), by a model that knows their language; without it
            paraphrases are not looked for.
        thresholds: From which similarities on an item counts as found.

    Raises:
        ValueError: There are not as many sources as training texts, or a threshold is out of range.
    """
    if len(sources) != len(training):
        raise ValueError(f"{len(training)} training texts have {len(sources)} sources")
    limits = thresholds or Thresholds()
    blocks = max(1, -(-sum(map(len, training)) // BLOCK))
    size = max(1, -(-len(training) // blocks))
    items = [normalise(text) for text in test]
    common = boilerplate([normalise(text) for text in training[::blocks]], items)
    cut_items = without_boilerplate(items, common)
    embedded = _unit(embed(cut_items)) if embed else None
    found: list[Overlap | None] = [None] * len(items)
    for first in range(0, len(training), size):
        block = [normalise(text) for text in training[first : first + size]]
        cut = without_boilerplate(block, common)
        matches = [
            *_equal(block, items),
            *_near(cut, cut_items, limits.near),
            *_containing(cut, cut_items, limits.ngrams),
        ]
        if embed and embedded is not None:
            matches += _close(_unit(embed(cut)), embedded, limits.cosine)
        for kind, row, item, similarity in matches:
            overlap = Overlap(kind, similarity, first + row, sources[first + row])
            found[item] = _better(found[item], overlap)
    return Contamination(tuple(found))


def _better(one: Overlap | None, other: Overlap) -> Overlap:
    """The more certain of two; of equals the first."""
    if one is None:
        return other
    return min(one, other, key=lambda overlap: (KINDS.index(overlap.kind), -overlap.similarity))


def _equal(block: Sequence[str], items: Sequence[str]) -> Iterator[Match]:
    rows: dict[str, int] = {}
    for row, text in enumerate(block):
        rows.setdefault(text, row)
    for item, text in enumerate(items):
        if text in rows:
            yield "exact", rows[text], item, 1.0


def _near(block: list[str], items: list[str], threshold: float) -> Iterator[Match]:
    for row, item, similarity in near_matches(block, items, threshold):
        yield "near-duplicate", row, item, similarity


def _containing(block: Sequence[str], items: Sequence[str], threshold: float) -> Iterator[Match]:
    """The text of the block that has most of each item's n-grams, where it has enough of them."""
    shared = most_shared(read_ngrams(block), read_ngrams(items))
    enough = (shared.count >= ENOUGH_SHARED) | ((shared.count >= FEWEST_WHOLE) & (shared.share == 1))
    for item in np.flatnonzero((shared.share >= threshold) & enough).tolist():
        yield "n-grams", int(shared.reference[item]), item, float(shared.share[item])


def _close(block: NDArray[np.floating], items: NDArray[np.floating], threshold: float) -> Iterator[Match]:
    """The text of the block whose embedding is closest to each item's, where it is close enough."""
    for first in range(0, len(items), ITEMS):
        cosines = items[first : first + ITEMS] @ block.T
        nearest = cosines.argmax(axis=1).tolist()
        for item, (row, cosine) in enumerate(zip(nearest, cosines.max(axis=1).tolist(), strict=True), start=first):
            if cosine >= threshold:
                yield "paraphrase", row, item, min(cosine, 1.0)


def _unit(vectors: ArrayLike) -> NDArray[np.floating]:
    """Rows scaled to length 1; rows of zeros stay."""
    rows = np.asarray(vectors)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)
