"""A run with every kind of condition: seeds, models, the best prompt, the nearest question, an endpoint."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from transformers import LlamaForCausalLM

from tunelift.api import run
from tunelift.core.errors import UserError
from tunelift.core.files import read_json
from tunelift.core.recipe import load_recipe
from tunelift.core.store import read_store
from tunelift.engine.forward import takes_trees
from tunelift.evaluation.evaluate import evaluate_model
from tunelift.evaluation.results import read_samples
from tunelift.models.load import load_model, load_weights
from tunelift.report.record import RunReport
from tunelift.tuning.tune import tune_model


def whole_models() -> int:
    """How many models have their weights in memory."""
    return sum(type(one) is LlamaForCausalLM and one.device.type != "meta" for one in gc.get_objects())


def counting(function: Callable[..., Any], present: list[int]) -> Callable[..., Any]:
    """The function; before each call it enters how many models there are."""

    def counted(*arguments: Any, **named: Any) -> Any:
        present.append(whole_models())
        return function(*arguments, **named)

    return counted


@pytest.fixture
def prepared(project: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Writes a recipe with other top-level keys."""

    def make(**keys: Any) -> Path:
        recipe = project(seeds=[3, 4], **keys.pop("tune", {}))
        data = yaml.safe_load(recipe.read_text(encoding="utf-8")) | keys
        recipe.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
        return recipe

    return make


def test_seeds_models_and_the_best_prompt(prepared: Callable[..., Path], tmp_path: Path, tiny_folder: Path) -> None:
    conditions = {"nearest": {}, "zero-shot": {}, "best-prompt": {"wordings": 1, "shots": 2}, "tuned": {}}
    settings = {
        "evaluate": {"temperature": True, "membership": True},
        "prices": {"per_hour": 2.0},
        "models": [str(tiny_folder)],
    }
    recipe = prepared(conditions=conditions, **settings)
    report = run(load_recipe(recipe), tmp_path / "run")
    names = {score.name: score for score in report.comparison.conditions}
    other = f"zero-shot-{tiny_folder.name}"
    assert set(names) == {*conditions, "tuned-seed-4", other, f"best-prompt-{tiny_folder.name}"}
    assert names[other].score == names["zero-shot"].score  # the same model by another name
    contrasts = {(contrast.candidate, contrast.baseline) for contrast in report.comparison.contrasts}
    assert ("tuned", "zero-shot") in contrasts
    assert ("best-prompt", "zero-shot") in contrasts
    assert not any("seed" in name for contrast in contrasts for name in contrast)

    (seeds,) = report.seeds
    assert seeds.condition == "tuned"
    assert list(seeds.seeds) == ["tuned", "tuned-seed-4"]
    weights = [
        next((tmp_path / "run" / place / "model").glob("*.safetensors")) for place in (".", "systems/tuned-seed-4")
    ]
    assert weights[0].read_bytes() != weights[1].read_bytes()

    search = next(search for search in report.searches if search.condition == "best-prompt")
    assert [(one.wording, one.shots) for one in search.candidates] == [
        ("own", 0),
        ("please", 0),
        ("own", 2),
        ("please", 2),
    ]
    assert search.candidates[search.best].score == max(one.score for one in search.candidates)
    chosen = search.candidates[search.best]
    templates = {sample.template for sample in report.samples["best-prompt"]}
    shown = {len(sample.demonstrations) for sample in report.samples["best-prompt"]}
    assert (templates, shown) == ({chosen.wording}, {chosen.shots})

    assert report.temperature is not None
    assert report.temperature.temperature > 0
    exported = read_json(tmp_path / "run" / "model" / "temperature.json")
    assert exported == {"temperature": report.temperature.temperature}
    assert report.membership is not None
    assert "hint" in report.membership.sentence
    assert report.overlap is not None
    assert report.overlap.items == report.comparison.items

    assert report.costs is not None
    costs = {cost.condition: cost.per_1000 for cost in report.costs.conditions}
    assert costs["tuned"].money == pytest.approx(2.0 * costs["tuned"].seconds / 3600)
    assert set(report.calibrations) == set(names) - {"nearest", "tuned-seed-4"}
    evidence = read_json(tmp_path / "run" / "evidence.json")
    assert set(evidence) == {"seeds", "flips", "searches", "calibration", "temperature", "canaries", "costs"}
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert 'id="search-best-prompt"' in page


def test_a_second_seed_does_not_tune_the_first_again(prepared: Callable[..., Path], tmp_path: Path) -> None:
    recipe = prepared(conditions={"zero-shot": {}, "tuned": {}})
    run(load_recipe(recipe, ["tune.seeds=[3]"]), tmp_path / "run")
    before = read_store(tmp_path / "run").record["stages"]["tune"]["finished"]
    report: RunReport = run(load_recipe(recipe), tmp_path / "run")
    record = read_store(tmp_path / "run").record["stages"]
    assert record["tune"]["finished"] == before
    assert "tune/tuned-seed-4" in record
    assert len(report.seeds) == 1


def test_systems_that_share_a_base_answer_as_if_they_had_it_alone(
    prepared: Callable[..., Path], tmp_path: Path, tiny_folder: Path
) -> None:
    """The adapter of one system is off when the next one is tuned, or asked untuned."""
    systems = {"again": {"tune": {"seeds": [3]}}, "untouched": {"model": str(tiny_folder)}}
    conditions = {"zero-shot": {}, "tuned": {}, "again": {"system": "again"}, "untouched": {"system": "untouched"}}
    report = run(load_recipe(prepared(conditions=conditions, systems=systems), ["tune.seeds=[3]"]), tmp_path / "run")
    for one, other in (("tuned", "again"), ("zero-shot", "untouched")):
        assert [s.logprobs for s in report.samples[one]] == [s.logprobs for s in report.samples[other]]
    assert load_model(str(tmp_path / "run"), "float32").fingerprint


def test_a_run_that_goes_on_computes_a_model_that_takes_no_long_trees_as_before(
    prepared: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is checked on its prompts before whatever is computed first, be it answers or tuning."""

    def load_odd_weights(*arguments: Any) -> Any:
        model = load_weights(*arguments)
        model.model.layers[0].register_forward_hook(lambda _, __, hidden: hidden * (1 + 0.1 * (hidden.shape[1] > 120)))
        return model

    monkeypatch.setattr("tunelift.models.load.load_weights", load_odd_weights)
    recipe = load_recipe(prepared(conditions={"zero-shot": {}, "tuned": {}}), ["tune.seeds=[3]"])
    computed: list[bool] = []

    def answered(model: Any, *rest: Any) -> Any:
        computed.append(takes_trees(model.model))
        assert model.model.config.use_cache
        return evaluate_model(model, *rest)

    monkeypatch.setattr("tunelift.pipeline.evaluate_model", answered)
    whole = run(recipe, tmp_path / "run")
    for name in ("zero-shot", "tuned"):
        shutil.rmtree(tmp_path / "run" / "conditions" / name)
    rest = run(recipe, tmp_path / "run")
    assert computed == [False] * 4
    for name in ("zero-shot", "tuned"):
        assert [s.logprobs for s in whole.samples[name]] == [s.logprobs for s in rest.samples[name]]


def test_whole_models_are_in_memory_one_at_a_time(
    prepared: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each seed tunes the untuned model, and no other whole model is there while one is loaded or tuned."""
    present: list[int] = []
    monkeypatch.setattr("tunelift.models.load.load_weights", counting(load_weights, present))
    monkeypatch.setattr("tunelift.pipeline.tune_model", counting(tune_model, present))
    whole = {"learning_rate": 1.0e-3, "method": {"full": {}}}
    systems = {"again": {"tune": {"seeds": [3]}}, "adapted": {"tune": {"seeds": [3], "method": {"lora": {}}}}}
    conditions = {"zero-shot": {}, "tuned": {}} | {name: {"system": name} for name in systems}
    recipe = prepared(conditions=conditions, systems=systems, tune=whole)
    gc.collect()
    others = whole_models()
    report = run(load_recipe(recipe), tmp_path / "run")
    # A base is loaded, tuned, and the tuned model loaded in its place; an adapter leaves its base to the last seed.
    assert [number - others for number in present] == [0, 1, 0, *(0, 1, 0), *(0, 1), *(1, 0)]
    assert [s.logprobs for s in report.samples["tuned"]] == [s.logprobs for s in report.samples["again"]]
    assert [s.logprobs for s in report.samples["tuned"]] != [s.logprobs for s in report.samples["tuned-seed-4"]]


def test_base_models_that_are_compared_are_in_memory_one_at_a_time(
    prepared: Callable[..., Path], tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [tmp_path / name for name in ("second", "third")]
    for folder in others:
        shutil.copytree(tiny_folder, folder)
    recipe = prepared(conditions={"zero-shot": {}, "tuned": {}}, models=list(map(str, others)))
    present: list[int] = []
    monkeypatch.setattr("tunelift.pipeline.evaluate_model", counting(evaluate_model, present))
    gc.collect()
    before = whole_models()
    report = run(load_recipe(recipe, ["tune.seeds=[3]"]), tmp_path / "run")
    assert [number - before for number in present] == [1] * 4
    answered = [[sample.logprobs for sample in report.samples[f"zero-shot-{name}"]] for name in ("second", "third")]
    assert answered == [[sample.logprobs for sample in report.samples["zero-shot"]]] * 2


def test_the_best_prompt_needs_a_validation_split(prepared: Callable[..., Path], tmp_path: Path) -> None:
    recipe = prepared(conditions={"best-prompt": {}})
    task = tmp_path / "task.yaml"
    task.write_text(task.read_text().replace("validation: 20", "validation: 0"), encoding="utf-8")
    with pytest.raises(UserError, match="validation"):
        run(load_recipe(recipe), tmp_path / "run")


def test_the_validation_split_is_asked_as_the_test_items_are(prepared: Callable[..., Path], tmp_path: Path) -> None:
    conditions = {"shown": {"system": "tuned", "prompting": {"shots": 2}}}
    recipe = prepared(conditions=conditions, evaluate={"temperature": True})
    report = run(load_recipe(recipe, ["tune.seeds=[3]"]), tmp_path / "run")
    assert report.temperature is not None
    files = read_store(tmp_path / "run").files("probes/temperature/validation/shown")
    (samples,) = (read_samples(file) for file in files if file.suffix == ".jsonl")
    assert {len(sample.demonstrations) for sample in samples} == {2}


def test_what_is_not_asked_for_any_more_is_forgotten(prepared: Callable[..., Path], tmp_path: Path) -> None:
    conditions = {"zero-shot": {}, "best-prompt": {"wordings": 1}}
    recipe = prepared(conditions=conditions, evaluate={"membership": True})
    run(load_recipe(recipe), tmp_path / "run")
    again = prepared(conditions={"zero-shot": {}})
    run(load_recipe(again), tmp_path / "run")
    assert not {"search/best-prompt", "membership"} & read_store(tmp_path / "run").record["stages"].keys()
    assert not (tmp_path / "run" / "membership.json").exists()
    assert not list((tmp_path / "run" / "conditions" / "best-prompt").iterdir())


def test_the_nearest_is_found_by_words_and_by_embeddings(
    prepared: Callable[..., Path], tmp_path: Path, tiny_folder: Path
) -> None:
    alike = {"system": "nearest", "encoder": str(tiny_folder)}
    recipe = prepared(conditions={"nearest": {}, "alike": alike, "zero-shot": {}})
    samples = run(load_recipe(recipe), tmp_path / "run").samples
    assert [sample.output for sample in samples["nearest"]] != [sample.output for sample in samples["alike"]]
    assert {sample.answer for name in ("nearest", "alike") for sample in samples[name]} <= {
        "negative",
        "neutral",
        "positive",
    }
    assert all(
        sample.prompt.strip() == sample.doc["text"] for sample in samples["alike"]
    )  # without the template's words
    before = read_store(tmp_path / "run").record["stages"]["conditions/alike"]["finished"]
    run(load_recipe(recipe), tmp_path / "run")
    assert read_store(tmp_path / "run").record["stages"]["conditions/alike"]["finished"] == before
