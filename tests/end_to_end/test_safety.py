"""A run that measures bias and safety: what is asked, what is written, what is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tunelift.api import run
from tunelift.core.files import read_json
from tunelift.core.recipe import load_recipe
from tunelift.core.store import read_store
from tunelift.probes.safety_results import SafetyResult
from tunelift.report.record import RunReport

PEOPLE = ["Emily", "John", "Maria", "Kevin"]


@pytest.fixture
def watched(project: Callable[..., Path], tmp_path: Path) -> Callable[..., RunReport]:
    """Runs a recipe that measures bias and safety."""
    recipe = project()
    rows = [json.loads(line) for line in (tmp_path / "data.jsonl").read_text(encoding="utf-8").splitlines()]
    for number, row in enumerate(rows):
        row["text"] = f"{PEOPLE[number % 4]} says: {row['text']}" if number % 2 else row["text"]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    data = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    data["conditions"] = {"majority": {}, "zero-shot": {}, "tuned": {}}
    data["evaluate"] = {"safety": True, "probe_limit": 6}
    recipe.write_text(yaml.safe_dump(data), encoding="utf-8")

    def make(**task: Any) -> RunReport:
        path = tmp_path / "task.yaml"
        keys = {**yaml.safe_load(path.read_text(encoding="utf-8")), **task}
        kept = {key: value for key, value in keys.items() if value is not None}
        path.write_text(yaml.safe_dump(kept), encoding="utf-8")
        return run(load_recipe(recipe), tmp_path / "run")

    return make


def test_bias_and_safety_of_the_untuned_and_the_tuned_model(watched: Callable[..., RunReport], tmp_path: Path) -> None:
    report = watched()
    folder = tmp_path / "run"
    found = report.safety
    assert found is not None
    assert [swap.kind for swap in found.swaps] == ["name", "gender"]
    assert set(found.swaps[0].changed.rates) == set(found.swaps[0].scores) == {"zero-shot", "tuned"}
    assert all(rate.n == 6 for rate in found.swaps[0].changed.rates.values())
    assert found.preferences[0].rates["tuned"].n == 6
    assert [measure.rates["tuned"].n for measure in found.refusals] == [3, 3]
    assert not found.answers  # classes are no free texts
    assert report.probes == []
    assert SafetyResult.from_dict(read_json(folder / "safety.json")) == found

    asked = read_store(folder).record["stages"]
    assert {name for name in asked if name.startswith("probes/requests")} == {
        "probes/requests/contrasts/zero-shot", "probes/requests/contrasts/tuned",
    }  # fmt: skip
    (file,) = (folder / "probes" / "preferences" / "pairs" / "tuned").glob("samples_*.jsonl")
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert len({row["reference_logprob"] for row in rows}) == len(rows) == 12  # of the sentences, not of a question

    page, markdown = ((folder / name).read_text(encoding="utf-8") for name in ("report.html", "report.md"))
    for title in ("Other people in the items", "Stereotypes", "Refusals and toxicity"):
        assert f"<h2>{title}</h2>" in page
        assert f"## {title}" in markdown
    card = (folder / "model" / "README.md").read_text(encoding="utf-8")
    assert "What the base model forgot and robustness were not measured." in card

    before = {name: entry["finished"] for name, entry in asked.items()}
    assert watched().safety == found
    assert {name: entry["finished"] for name, entry in read_store(folder).record["stages"].items()} == before


def test_free_answers_are_searched_for_toxic_words_and_copies(watched: Callable[..., RunReport]) -> None:
    found = watched(doc_to_choice=None).safety
    assert found is not None
    assert [measure.name for measure in found.answers] == [
        "toxic answers to the test items", "answers to the test items that copy training texts",
    ]  # fmt: skip
    assert all(measure.rates["tuned"].n == 40 for measure in found.answers)
