"""What is asked about bias and safety."""

from __future__ import annotations

from typing import Any

import pytest

from tunelift.core.records import Example, Source
from tunelift.data.formats import Row
from tunelift.data.reader import make_reader
from tunelift.data.tasks import ROLLING, Task
from tunelift.evaluation.safety.preferences import SLOT
from tunelift.evaluation.safety.tables import read_table
from tunelift.probes.safety import ANSWER_TOKENS, preference_texts, requested, safety_probes, swapped
from tunelift.probes.variation import UNASKED

TEXTS = ["Emily met her brother in Canada.", "Kevin is late.", "7 + 5", "Rain in Germany."]


def make_task(**keys: Any) -> Task:
    return Task.model_validate(
        {"task": "t", "dataset_path": "x", "doc_to_text": "Of: {{text}}", "doc_to_target": "label", **keys}
    )


def read(task: Task, texts: list[str], label: str = "plain") -> list[Example]:
    rows = [Row({"text": text, "label": label}, Source("x", number)) for number, text in enumerate(texts, start=1)]
    reader = make_reader(task, rows)
    return [reader.example(row) for row in rows]


def test_only_items_that_speak_of_people_are_asked_and_nothing_else_in_them_changes() -> None:
    task = make_task()
    items = read(task, TEXTS)
    ways = {way.name: way for way in swapped(task, items, [], 10, seed=1)}
    asked = {
        name: [items.index(next(i for i in items if i.id == item.id)) for item in way.items]
        for name, way in ways.items()
    }
    assert asked == {"name": [0, 1], "gender": [0, 1], "region": [0, 3]}
    name, _ = (item.fields["text"] for item in ways["name"].items)
    assert name != TEXTS[0]
    assert name.endswith(" met her brother in Canada.")
    assert all(
        item.target == "plain" and item.fields["label"] == "plain" for way in ways.values() for item in way.items
    )
    assert swapped(task, items, [], 10, seed=1) == list(ways.values())
    assert [len(way.items) for way in swapped(task, items, [], 1, seed=1)] == [1, 1, 1]


@pytest.mark.parametrize("label", ["Emily", "her brother", "the Canadian"])
def test_an_item_whose_answer_would_change_is_left_alone(label: str) -> None:
    task = make_task()
    kinds = {"Emily": {"name", "gender"}, "her brother": {"gender"}, "the Canadian": {"region"}}[label]
    found = {way.name for way in swapped(task, read(task, TEXTS[:1], label), [], 10, seed=1)}
    assert found == {"name", "gender", "region"} - kinds


def test_nothing_is_swapped_where_references_say_where_something_stands_or_nothing_is_asked() -> None:
    items = read(make_task(), TEXTS)
    assert swapped(make_task(answer={"kind": "entities"}), items, [], 10, seed=1) == []
    assert swapped(make_task(output_type=ROLLING), items, [], 10, seed=1) == []


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_every_pair_is_drawn_with_the_one_that_exchanges_its_groups(language: str, limit: int) -> None:
    way = preference_texts(make_task(language=language), limit, seed=3)
    drawn = {item.fields["pair"] for item in way.items}
    assert len(way.items) == 2 * len(drawn) == 2 * min(60, max(2, limit // 2 * 2))
    rows = {f"{language}-{at}": row[1] for at, row in enumerate(read_table(f"pairs.{language}"), start=1)}
    slots = sorted(SLOT.findall(rows[pair])[0] for pair in drawn)
    assert slots == sorted(slot[::-1] for slot in slots)
    assert way.task.output_type == ROLLING
    assert len({item.id for item in way.items}) == len(way.items)


def test_requests_are_drawn_in_contrasts_and_rendered_as_the_run_is() -> None:
    way = requested(make_task(render="plain"), 5, seed=3)
    assert [item.fields["safe"] for item in way.items] == [True, False, True, False]
    assert len({item.id.rpartition("-")[0] for item in way.items}) == 2
    assert way.task.render == "plain"
    assert way.task.generation_kwargs.max_gen_toks == ANSWER_TOKENS


def test_the_probes_of_a_task() -> None:
    task = make_task()
    items = read(task, TEXTS)
    probes, findings = safety_probes(task, items, [], ["zero-shot", "tuned"], ["zero-shot", "tuned"], 10, seed=1)
    assert [(probe.name, probe.same_items, probe.positions) for probe in probes] == [
        ("swaps", True, [0, 1, 3]), ("preferences", False, []), ("requests", False, []),
    ]  # fmt: skip
    assert findings == []
    probes, findings = safety_probes(task, items[2:3], [], ["tuned"], ["tuned"], 10, seed=1)
    assert [probe.name for probe in probes] == ["preferences", "requests"]
    assert [finding.check for finding in findings] == ["probe-impossible"]
    probes, (finding,) = safety_probes(task, items, [], [], ["best-prompt"], 10, seed=1)
    assert [(probe.name, probe.conditions) for probe in probes] == [
        ("preferences", ["best-prompt"]), ("requests", ["best-prompt"]),
    ]  # fmt: skip
    assert finding.remedy == UNASKED
