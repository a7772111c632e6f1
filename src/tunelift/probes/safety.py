"""What is asked about bias and safety: the run's own items with people exchanged, pairs of sentences, and requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from tunelift.core.records import Example, Finding, Source
from tunelift.core.seeds import generator
from tunelift.data.examples import draw_positions
from tunelift.data.task_parts import Generation
from tunelift.data.tasks import Task
from tunelift.evaluation.safety.preferences import bundled_pairs
from tunelift.evaluation.safety.refusals import bundled_requests
from tunelift.evaluation.safety.swaps import swap, swap_fields
from tunelift.probes.texts import changeable_fields
from tunelift.probes.variation import UNASKED, Probe, Variation, positions_of

# What is exchanged, by kind of swap.
SWAPPED = {
    "name": "people have names of another origin",
    "gender": "people have the other gender",
    "region": "other countries, provinces and peoples",
}
ANSWER_TOKENS = 48  # an answer refuses at its beginning
BUNDLED = "bundled"
# The two texts of a pair; the first is the more stereotyped one.
SIDES = ("more", "less")

Entry = TypeVar("Entry")


def safety_probes(
    task: Task,
    items: Sequence[Example],
    pool: Sequence[Example],
    own: list[str],
    others: list[str],
    limit: int,
    seed: int,
) -> tuple[list[Probe], list[Finding]]:
    """The probes about bias and safety, and a finding where no item speaks of people.

    Args:
        task: The task of the run.
        items: The items that every condition is asked.
        pool: The examples that may be shown as demonstrations; they stay as they are.
        own: The conditions whose systems are asked about the items of the run, the untuned one first.
        others: Those whose systems are asked about other items.
        limit: At most so many items of each kind, pairs of sentences, and requests.
        seed: Of the run.

    Raises:
        UserError: The texts are Chinese, and jieba is not installed.
    """
    swaps = swapped(task, items, pool, limit, seed)
    probes = [
        *([Probe("swaps", swaps, True, own, positions_of(items, swaps))] if swaps and own else []),
        Probe("preferences", [preference_texts(task, limit, seed)], False, others, []),
        Probe("requests", [requested(task, limit, seed)], False, others, []),
    ]
    message, remedy = "the probe swaps cannot be made", "no item speaks of people or places that can be exchanged"
    finding = Finding("probe-impossible", "info", message, 0, remedy if own else UNASKED)
    return probes, [] if swaps and own else [finding]


def swapped(task: Task, items: Sequence[Example], pool: Sequence[Example], limit: int, seed: int) -> list[Variation]:
    """The items with people exchanged, one variation for each kind of swap that any of them has.

    What is exchanged stands in the fields that the question shows. An item whose answers or choices would change as
    well has no swap: its right answer depends on who it is.

    Args:
        task: The task.
        items: The items.
        pool: The examples that may be shown as demonstrations.
        limit: At most so many items of each kind.
        seed: Of the run.
    """
    shown, found = changeable_fields(task, items), []
    for kind, description in SWAPPED.items():
        order = generator(seed, "items to swap", kind).sample(range(len(items)), len(items))
        chosen = dict(islice(_swaps(task, items, order, shown, kind, seed), limit))
        if chosen:
            asked = [chosen[at] for at in sorted(chosen)]
            found.append(Variation(kind, description, task, asked, list(pool)))
    return found


def preference_texts(task: Task, limit: int, seed: int) -> Variation:
    """The two sentences of every pair of this package, as texts whose probability is measured.

    Args:
        task: The task of the run, for its language.
        limit: At most so many pairs; of every two that are drawn together each has the groups of the other exchanged.
        seed: Of the run.
    """
    pairs = _drawn_in_twos(bundled_pairs(task.language), limit, seed)
    items = [
        Example(
            id=f"{pair.id}-{side}",
            fields={"pair": pair.id, "side": side, "category": pair.category},
            target=text,
            source=Source(f"{BUNDLED}/pairs.{task.language}", number),
        )
        for number, pair in enumerate(pairs, start=1)
        for side, text in zip(SIDES, (pair.more, pair.less), strict=True)
    ]
    asked = Task(
        task="preferences",
        dataset_path=f"{BUNDLED}/pairs.{task.language}",
        doc_to_text="",
        doc_to_target="",
        output_type="loglikelihood_rolling",
        language=task.language,
    )
    return Variation("pairs", "pairs of sentences that differ in the people they speak of", asked, items, [])


def requested(task: Task, limit: int, seed: int) -> Variation:
    """The safe and unsafe requests of this package, rendered as the questions of the run are.

    Args:
        task: The task of the run, for its language and rendering.
        limit: At most so many; of every two that are drawn together one is safe and one reads alike.
        seed: Of the run.
    """
    requests = _drawn_in_twos(bundled_requests(task.language), limit, seed)
    items = [
        Example(
            id=request.id,
            fields={"request": request.text, "safe": request.safe, "kind": request.kind},
            target="",
            source=Source(f"{BUNDLED}/requests.{task.language}", number),
        )
        for number, request in enumerate(requests, start=1)
    ]
    asked = Task(
        task="requests",
        dataset_path=f"{BUNDLED}/requests.{task.language}",
        doc_to_text="{{ request }}",
        doc_to_target="",
        language=task.language,
        render=task.render,
        generation_kwargs=Generation(max_gen_toks=ANSWER_TOKENS),
    )
    return Variation("contrasts", "safe requests, and unsafe ones that read alike", asked, items, [])


def _swaps(
    task: Task, items: Sequence[Example], order: Sequence[int], shown: Sequence[str], kind: str, seed: int
) -> Iterator[tuple[int, Example]]:
    """The items that have a swap, with their places."""
    for at in order:
        item, draw = items[at], generator(seed, "swap", kind, items[at].id)
        answers = [text for text in (item.target, *item.others, *(item.choices or ())) if text]
        if any(swap(text, task.language, kind, draw) is not None for text in answers):
            continue
        fixed = [*answers, *task.wording.values()]
        fields = swap_fields(item.fields, shown, task.language, kind, draw, fixed)
        if fields is not None:
            yield at, replace(item, fields=fields)


def _drawn_in_twos(entries: Sequence[Entry], limit: int, seed: int) -> list[Entry]:
    """A seeded random subset of entries of which every two neighbours belong together; at least one such two."""
    twos = [entries[at : at + 2] for at in range(0, len(entries), 2)]
    return [entry for at in sorted(draw_positions(len(twos), max(1, limit // 2), seed)) for entry in twos[at]]
