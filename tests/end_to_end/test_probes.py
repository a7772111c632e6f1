"""A run with every probe: what is asked, what is written, what is done again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tunelift.api import run
from tunelift.core.errors import UserError
from tunelift.core.files import read_json
from tunelift.core.recipe import load_recipe
from tunelift.core.store import read_store
from tunelift.evaluation.results import read_samples
from tunelift.probes.records import ProbeResult
from tunelift.report.record import RunReport

EVALUATE: dict[str, Any] = {
    "templates": 2,
    "orders": 2,
    "held_out": ["other.yaml"],
    "general": {"suites": ["builtin/general-en"], "margin": 0.05},
    "robustness": {"perturbations": ["typos", "case"], "attack": 4},
    "probe_limit": 6,
}
LABELLED = """
task: toy
dataset_path: data.jsonl
split: {train: 60, validation: 20, test: 40}
labels: [negative, neutral, positive]
doc_to_text: "{{ labels | join(', ') }}? {{text}}"
doc_to_target: "{{ wording[label] }}"
doc_to_choice: labels
answer: {synonyms: {positive: [good], negative: [bad]}}
generation_kwargs: {max_gen_toks: 4}
"""


@pytest.fixture
def probed(project: Callable[..., Path], tmp_path: Path) -> Callable[[], RunReport]:
    """Runs a recipe with every probe."""
    recipe = project()
    rows = [json.loads(line) for line in (tmp_path / "data.jsonl").read_text(encoding="utf-8").splitlines()]
    said = [row | {"text": f"It is {row['text']}"} if at % 2 else row for at, row in enumerate(rows)]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said), encoding="utf-8")
    data = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    data["conditions"] = {"majority": {}, "zero-shot": {}, "few-shot": {"shots": 2}, "tuned": {}}
    data["evaluate"] = EVALUATE
    recipe.write_text(yaml.safe_dump(data), encoding="utf-8")
    (tmp_path / "task.yaml").write_text(LABELLED, encoding="utf-8")
    (tmp_path / "other.yaml").write_text(LABELLED.replace("task: toy", "task: other"), encoding="utf-8")
    return lambda: run(load_recipe(recipe), tmp_path / "run")


def test_every_probe_is_asked_of_the_untuned_and_the_tuned_model(
    probed: Callable[[], RunReport], tmp_path: Path
) -> None:
    report = probed()
    found = {probe.name: probe for probe in report.probes}
    names = {"wordings", "label-wordings", "orders", "demonstrations", "robustness", "injection", "negation"}
    names |= {"attack", "held-out", "general"}
    assert set(found) == names
    assert [way.name for way in found["robustness"].variations] == ["typos", "case"]
    assert [score.name for score in found["wordings"].variations[0].comparison.conditions] == ["zero-shot", "tuned"]
    assert [score.name for score in found["demonstrations"].variations[0].comparison.conditions] == ["few-shot"]
    assert all(way.comparison.items == 6 for probe in report.probes for way in probe.variations)
    negated = found["negation"].changed
    assert negated is not None
    assert {name: rate.n for name, rate in negated.rates.items()} == {"zero-shot": 6, "tuned": 6}
    assert found["general"].retentions
    assert not found["wordings"].retentions
    assert set(found["injection"].obedience) == {"zero-shot", "tuned"}
    stored = [ProbeResult.from_dict(entry) for entry in read_json(tmp_path / "run" / "probes.json")]
    assert stored == report.probes


def test_the_plain_scores_are_those_of_the_same_items(probed: Callable[[], RunReport]) -> None:
    report = probed()
    wordings = next(probe for probe in report.probes if probe.name == "wordings")
    for name, spread in wordings.spreads.items():
        changes = [way.changes[name].result for way in wordings.variations]
        assert all(result.baseline == pytest.approx(spread.plain) for result in changes)
        scores = [spread.plain, *(result.candidate for result in changes)]
        assert spread.mean == pytest.approx(sum(scores) / len(scores))
        assert spread.worst_score == min(scores)
        assert spread.every is not None
        assert spread.every <= spread.worst_score


def test_an_attack_never_raises_a_score(probed: Callable[[], RunReport], tmp_path: Path) -> None:
    report = probed()
    attacks = next(probe for probe in report.probes if probe.name == "attack").attacks
    assert set(attacks) == {"zero-shot", "tuned"}
    for name, result in attacks.items():
        assert (result.items, result.budget) == (6, 4)
        assert result.under_attack <= result.right
        assert result.under_attack == pytest.approx(result.right * (1 - (result.success or 0.0)))
        files = read_store(tmp_path / "run").files(f"probes/attack/attack/{name}")
        (samples,) = (read_samples(file) for file in files if file.suffix == ".jsonl")
        plain = {sample.example_id: sample for sample in report.samples[name]}
        changed = {item.example_id for item in samples if item.doc["text"] != plain[item.example_id].doc["text"]}
        right = {item.example_id for item in samples if plain[item.example_id].metrics["acc"]}
        assert changed <= right  # nothing can be taken from the others, and no text is tried for them
        assert changed or not right
        assert all(sample.target == plain[sample.example_id].target for sample in samples)


def test_what_is_said_stands_in_every_form_of_the_report(probed: Callable[[], RunReport], tmp_path: Path) -> None:
    probed()
    folder = tmp_path / "run"
    page, markdown = ((folder / name).read_text(encoding="utf-8") for name in ("report.html", "report.md"))
    summary = (folder / "summary.txt").read_text(encoding="utf-8")
    for title in ("Other wordings", "Damaged texts", "Negated texts", "What should not be forgotten"):
        assert f"<h2>{title}</h2>" in page
        assert f"## {title}" in markdown
        assert f"{title.lower()}: " in summary


def test_a_finished_probe_is_not_asked_again_and_a_dropped_one_is_forgotten(
    probed: Callable[[], RunReport], tmp_path: Path
) -> None:
    probed()
    folder = tmp_path / "run"
    before = {name: entry["finished"] for name, entry in read_store(folder).record["stages"].items()}
    probed()
    assert {name: entry["finished"] for name, entry in read_store(folder).record["stages"].items()} == before
    recipe = load_recipe(tmp_path / "recipe.yaml", ["evaluate.robustness=off", "evaluate.general=off"])
    report = run(recipe, folder)
    assert {probe.name for probe in report.probes} == {
        "wordings", "label-wordings", "orders", "demonstrations", "held-out",
    }  # fmt: skip
    after = read_store(folder).record["stages"]
    assert not any(name.startswith(("probes/robustness", "probes/injection", "probes/general")) for name in after)
    assert not (folder / "probes" / "robustness" / "typos" / "tuned").exists() or not list(
        (folder / "probes" / "robustness" / "typos" / "tuned").iterdir()
    )
    kept = [name for name in after if name.startswith("probes/")]
    assert kept
    assert all(after[name]["finished"] == before[name] for name in kept)


def test_the_recipe_of_a_run_is_read_anywhere(
    probed: Callable[[], RunReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe(Path("recipe.yaml"), ["conditions={zero-shot: {}}", "evaluate={held_out: [other.yaml]}"])
    run(recipe, Path("run"))
    monkeypatch.chdir("/")
    again = load_recipe(tmp_path / "run" / "recipe.yaml")
    assert again.evaluate.held_out == [str(tmp_path / "other.yaml")]


def test_an_untuned_model_with_the_best_prompt_is_asked_about_other_tasks_in_their_own_words(
    project: Callable[..., Path], tmp_path: Path
) -> None:
    recipe = project()
    data = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    data["conditions"] = {"best-prompt": {"wordings": 1, "shots": 1}, "tuned": {}}
    data["evaluate"] = {"held_out": ["other.yaml"], "templates": 1, "safety": True, "probe_limit": 4}
    recipe.write_text(yaml.safe_dump(data), encoding="utf-8")
    (tmp_path / "other.yaml").write_text(LABELLED.replace("task: toy", "task: other"), encoding="utf-8")
    report = run(load_recipe(recipe), tmp_path / "run")
    found = {probe.name: probe.variations[0].comparison for probe in report.probes}
    assert [(one.candidate, one.baseline) for one in found["held-out"].contrasts] == [("tuned", "best-prompt")]
    assert [score.name for score in found["wordings"].conditions] == ["tuned"]
    assert report.safety is not None
    assert list(report.safety.preferences[0].rates) == ["best-prompt", "tuned"]
    files = read_store(tmp_path / "run").files("probes/held-out/other/best-prompt")
    (samples,) = (read_samples(file) for file in files if file.suffix == ".jsonl")
    assert not any(sample.demonstrations for sample in samples)


def test_a_question_that_is_too_long_is_refused_before_anything_is_computed(
    project: Callable[..., Path], tmp_path: Path
) -> None:
    rows = [{"text": "word " * size, "label": label} for size, label in ((5, "good"), (700, "bad"))]
    (tmp_path / "long.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    task = "task: long\ndataset_path: long.jsonl\ntest_split: train\ndoc_to_text: '{{text}}'\ndoc_to_target: label\n"
    (tmp_path / "long.yaml").write_text(task, encoding="utf-8")
    recipe = load_recipe(project(), [f"evaluate.held_out=[{tmp_path / 'long.yaml'}]"])
    with pytest.raises(UserError, match="probe held-out, long: 1 question of task long leave no room"):
        run(recipe, tmp_path / "run")
    assert not (tmp_path / "run" / "run.json").exists()
