"""The answers of two conditions of a run, and what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tunelift.core.errors import UserError, nearest
from tunelift.core.files import content_hash
from tunelift.core.records import Example, Sample, Source
from tunelift.core.store import RunStore, read_store
from tunelift.data.examples import draw_positions
from tunelift.data.reader import transcript
from tunelift.data.tasks import Task, load_task
from tunelift.evaluation.endpoints import endpoint_messages
from tunelift.evaluation.judges.pairwise import check_same_items
from tunelift.evaluation.results import read_samples


@dataclass(frozen=True, slots=True)
class Answers:
    """What two conditions of a run answered.

    Attributes:
        run: The run directory.
        baseline: The answers of the one condition.
        candidate: Those of the other to the same items in the same order.
        questions: What was asked: the task's description and question, without demonstrations.
        language: Of the task: "en" or "zh".
        seed: The run's.
        hashes: Hash of all answers of each condition, whether they are to be judged or not, by its name.
    """

    run: Path
    baseline: list[Sample]
    candidate: list[Sample]
    questions: list[str]
    language: str
    seed: int
    hashes: dict[str, str]


def read_answers(run: Path, candidate: str, baseline: str, limit: int | None = None) -> Answers:
    """Read what two conditions of a run answered.

    Args:
        run: The run directory.
        candidate: Name of the condition in question.
        baseline: Name of the condition that it is held against.
        limit: Take a random subset of so many items, drawn with the seed of the run.

    Raises:
        UserError: There is no such run or no such condition in it, or the two are the same.
    """
    store = read_store(run)
    if candidate == baseline:
        raise UserError(f"condition {candidate}", "is compared with itself", "choose two conditions")
    first, second = (samples_of(store, name) for name in (baseline, candidate))
    check_same_items(first, second)
    task, seed = load_task(run / "task.yaml"), store.record.get("seed", 0)
    drawn = sorted(draw_positions(len(first), limit, seed))
    return Answers(
        run=run,
        baseline=[first[at] for at in drawn],
        candidate=[second[at] for at in drawn],
        questions=[_question(task, first[at]) for at in drawn],
        language=task.language,
        seed=seed,
        hashes=hashes_of([first, second]),
    )


def samples_of(store: RunStore, name: str) -> list[Sample]:
    """The answers of a condition of a run.

    Raises:
        UserError: There is no such condition, or it is not finished.
    """
    prefix = "conditions/"
    known = [stage.removeprefix(prefix) for stage in store.record["stages"] if stage.startswith(prefix)]
    if known and name not in known:
        raise UserError(store.folder, f'has no answers of a condition "{name}"', nearest(name, known))
    files = [file for file in store.files(prefix + name) if file.name.startswith("samples_")]
    return [sample for file in files for sample in read_samples(file)]


def hashes_of(conditions: Sequence[Sequence[Sample]]) -> dict[str, str]:
    """What the answers of conditions are known by, whatever else of their files changes."""
    return {
        samples[0].condition: content_hash([[sample.example_id, sample.output] for sample in samples])
        for samples in conditions
        if samples
    }


def _question(task: Task, sample: Sample) -> str:
    """What a person would be asked: description and question, or the transcript of a conversation."""
    source = Source(f"conditions/{sample.condition}", sample.doc_id)
    messages = endpoint_messages(task, Example(sample.example_id, sample.doc, sample.target, source), ())
    if [message["role"] for message in messages if message["role"] != "system"] != ["user"]:
        return transcript(messages)
    return "\n\n".join(message["content"] for message in messages)
