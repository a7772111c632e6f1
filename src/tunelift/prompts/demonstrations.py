"""Which training examples are shown in a few-shot prompt."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable

from tunelift.core.recipe import Prompting
from tunelift.core.records import Example
from tunelift.core.seeds import generator

Selector = Callable[[Example], list[Example]]


def make_selector(prompting: Prompting, pool: list[Example], questions: dict[str, str], seed: int) -> Selector:
    """A function from an item to the demonstrations shown before it.

    Args:
        prompting: How many, and how they are chosen.
        pool: The examples that may be shown.
        questions: Rendered question of every example, by example id; "bm25" compares these.
        seed: Seed of the run.
    """
    if prompting.shots == 0:
        return lambda example: []
    if prompting.select == "bm25":
        return _bm25(prompting.shots, pool, questions)
    draw = _balanced if prompting.select == "balanced" else _random
    fixed = draw(prompting.shots, pool, seed)

    def select(example: Example) -> list[Example]:
        return [shown for shown in fixed if shown.id != example.id]

    return select


def _random(shots: int, pool: list[Example], seed: int) -> list[Example]:
    return generator(seed, "demonstrations").sample(pool, min(shots, len(pool)))


def _balanced(shots: int, pool: list[Example], seed: int) -> list[Example]:
    """One example of each answer in turn, in a shuffled order, until there are enough."""
    draw = generator(seed, "demonstrations")
    by_target: dict[str, list[Example]] = defaultdict(list)
    for example in draw.sample(pool, len(pool)):
        by_target[example.target].append(example)
    queues = [by_target[target] for target in sorted(by_target)]
    draw.shuffle(queues)
    rounds = [queue[turn] for turn in range(max(map(len, queues))) for queue in queues if turn < len(queue)]
    chosen = rounds[:shots]
    draw.shuffle(chosen)
    return chosen


def words(text: str) -> list[str]:
    """Lower-cased words; each Chinese, Japanese or Korean character counts as a word."""
    return re.findall(
        r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+", text.lower()
    )


def _bm25(shots: int, pool: list[Example], questions: dict[str, str]) -> Selector:
    """Okapi BM25 (Robertson and Zaragoza 2009); the best match stands last, next to the question."""
    import bm25s

    retriever = bm25s.BM25()
    # A text without a word stands as one empty word, since the library takes no empty lists.
    tokens = {name: words(question) or [""] for name, question in questions.items()}
    retriever.index([tokens[example.id] for example in pool], show_progress=False)
    indexed = {word for example in pool for word in tokens[example.id]}

    def select(example: Example) -> list[Example]:
        known = [word for word in tokens[example.id] if word in indexed]
        scores = retriever.get_scores(known) if known else [0.0] * len(pool)
        ranked = sorted(range(len(pool)), key=lambda index: (-scores[index], index))
        return [pool[index] for index in ranked if pool[index].id != example.id][:shots][::-1]

    return select
