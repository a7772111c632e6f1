"""Test items that stand in the training data, and the conditions compared once more without them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tunelift.comparison.compare import compare
from tunelift.comparison.records import Comparison, rounded
from tunelift.core.errors import UserError
from tunelift.core.records import Example, Sample
from tunelift.data.contents import contents_of, questions_of
from tunelift.data.formats import place
from tunelift.data.splits import NEAR
from tunelift.data.tasks import Task
from tunelift.evaluation.contamination.overlap import KINDS, Embed, Kind, Overlap, find_overlaps
from tunelift.evaluation.metrics.metric import Metric

# Close embeddings are often a common subject; such items are shown, but neither counted nor taken out.
PARAPHRASE: Kind = "paraphrase"
FEWEST_CLEAN = 10
# Characters of questions that are embedded, which takes a core of a CPU about ten seconds; no more than this many count
# of each, since the encoder reads no more.
MOST_EMBEDDED, LONGEST_EMBEDDED = 100_000, 1000


@dataclass(frozen=True, slots=True)
class OverlapPair:
    """A test item and the training row that it has most in common with.

    Attributes:
        item: Id of the test item.
        item_place: Where it stands, ``file:row``.
        row: Id of the training row.
        row_place: Where that stands.
        kind: See `evaluation.contamination.overlap.Overlap`.
        similarity: By the measure of the kind, up to 1.
    """

    item: str
    item_place: str
    row: str
    row_place: str
    kind: Kind
    similarity: float


@dataclass(frozen=True, slots=True)
class TrainingOverlap:
    """What the test items of a run have in common with what it trained on.

    Attributes:
        items: Number of test items.
        rows: Number of training rows.
        pairs: The test items that were found, the most certain first.
        looked_for: The kinds that were looked for.
        clean: The conditions on the items without overlap; None where no item overlaps, or fewer than ten would be
            left.
    """

    items: int
    rows: int
    pairs: tuple[OverlapPair, ...]
    looked_for: tuple[Kind, ...]
    clean: Comparison | None

    @property
    def overlapping(self) -> tuple[OverlapPair, ...]:
        """The pairs that count: those with the same words."""
        return tuple(pair for pair in self.pairs if pair.kind != PARAPHRASE)

    @property
    def counts(self) -> dict[Kind, int]:
        """How many test items were found, by kind."""
        kinds = Counter(pair.kind for pair in self.pairs)
        return {kind: kinds[kind] for kind in KINDS}

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data, numbers with 10 significant digits."""
        data: dict[str, Any] = rounded(asdict(self))
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TrainingOverlap:
        """The result that `to_dict` wrote."""
        pairs = tuple(OverlapPair(**pair) for pair in data["pairs"])
        clean = Comparison.from_dict(data["clean"]) if data["clean"] else None
        return cls(**{**data, "pairs": pairs, "looked_for": tuple(data["looked_for"]), "clean": clean})


def find_training_overlap(
    task: Task,
    training: Sequence[Example],
    items: Sequence[Example],
    samples_by_condition: Mapping[str, Sequence[Sample]],
    planned: Sequence[tuple[str, str]],
    seed: int,
    metrics: Sequence[Metric] = (),
    systems: Mapping[str, str] | None = None,
) -> TrainingOverlap:
    """Find the test items that stand in the training data, and compare the conditions on the others.

    Args:
        task: The task.
        training: What was trained on.
        items: The test items that were asked.
        samples_by_condition: The answers to them; with `planned`, `seed`, `metrics` and `systems` as for `compare`.
        planned: The contrasts to make.
        seed: Seed of tests that draw at random.
        metrics: What to compare by.
        systems: What answered, by name of the condition.
    """
    embed = encoder_for(task, [*training, *items])
    looked_for = KINDS[:1] if alike_by_design(task) else tuple(kind for kind in KINDS if embed or kind != PARAPHRASE)
    pairs = [pair for pair in find_pairs(task, training, items, embed) if pair.kind in looked_for]
    gone = {pair.item for pair in pairs if pair.kind != PARAPHRASE}
    clean = None
    if gone and len(items) - len(gone) >= FEWEST_CLEAN:
        left = {
            name: [sample for sample in samples if sample.example_id not in gone]
            for name, samples in samples_by_condition.items()
        }
        clean = compare(left, planned, task.task, seed, metrics, systems)
    return TrainingOverlap(len(items), len(training), tuple(pairs), looked_for, clean)


def find_pairs(
    task: Task, training: Sequence[Example], items: Sequence[Example], embed: Embed | None = None
) -> list[OverlapPair]:
    """The test items that stand in the training data, each with the row that it has most in common with.

    What is asked is compared, and once more together with the answer where that is free.

    Args:
        task: The task.
        training: What was trained on.
        items: The test items.
        embed: Embeddings of texts, to look for paraphrases of questions.

    Returns:
        The most certain first, then the most similar.
    """
    everything, rows = [*training, *items], len(training)
    sources = [example.source for example in training]
    questions, contents = questions_of(task, everything), contents_of(task, everything)
    found = [find_overlaps(questions[:rows], sources, questions[rows:], embed).overlaps]
    if contents != questions:
        found.append(find_overlaps(contents[:rows], sources, contents[rows:]).overlaps)
    best = [min(filter(None, ways), key=_rank, default=None) for ways in zip(*found, strict=True)]
    pairs = [(item, overlap) for item, overlap in zip(items, best, strict=True) if overlap]
    pairs.sort(key=lambda pair: _rank(pair[1]))
    return [
        OverlapPair(
            item=item.id,
            item_place=place(item.source),
            row=training[overlap.row].id,
            row_place=place(overlap.source),
            kind=overlap.kind,
            similarity=overlap.similarity,
        )
        for item, overlap in pairs
    ]


def _rank(overlap: Overlap) -> tuple[int, float]:
    """The more certain, then the more similar comes first."""
    return KINDS.index(overlap.kind), -overlap.similarity


def alike_by_design(task: Task) -> bool:
    """Whether a task says that its rows are made from patterns: then nothing but copies means anything.

    What such rows have in common counts as set phrases, and the few words that are left are alike by chance.
    """
    return task.split is not None and task.split.similarity > NEAR


def encoder_for(task: Task, examples: Sequence[Example]) -> Embed | None:
    """What embeds the texts of a task: the bundled encoder, where it knows their language and they are not too many.

    None, too, where its package is not installed, and where the rows of the task are alike by design.
    """
    from tunelift.models.bundled import part_files
    from tunelift.models.embedder import NAME, embed_texts

    if task.language != "en" or alike_by_design(task):
        return None
    if sum(min(len(text), LONGEST_EMBEDDED) for text in questions_of(task, examples)) > MOST_EMBEDDED:
        return None
    try:
        part_files(NAME)
    except UserError:
        return None
    return embed_texts
