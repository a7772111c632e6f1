from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tunelift.core.errors import UserError
from tunelift.core.recipe import Full, Lora, Method, Tune
from tunelift.core.records import Prompt
from tunelift.models.load import LanguageModel, load_model, load_tuned
from tunelift.tuning import trainer as trainer_module
from tunelift.tuning.checkpoints import remove_checkpoints
from tunelift.tuning.loop import TuningReport
from tunelift.tuning.tune import tune_model

VOCABULARY = 64


def prompts(count: int, seed: int) -> list[Prompt]:
    """The answer is a function of the first token, so that there is something to learn."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        kind = number % 3
        ids = (10 + kind, *(draw.randint(20, VOCABULARY - 1) for _ in range(draw.randint(2, 12))), 4, 5 + kind, 2)
        made.append(Prompt(f"{seed}-{number}", "", ids, (False,) * (len(ids) - 2) + (True, True)))
    return made


TRAINING, VALIDATION = prompts(44, 1), prompts(9, 2)
LORA = Method(lora=Lora(rank=4, dropout=0.1))


@pytest.fixture
def fresh(tiny_model: Any, tokenizer: Any) -> Any:
    def make() -> LanguageModel:
        model = tiny_model("llama", vocabulary=VOCABULARY, dtype=torch.float32)
        return LanguageModel("tiny", model, tokenizer, "tiny", "fingerprint")

    return make


def settings(**changes: Any) -> Tune:
    chosen = {"learning_rate": 5e-3, "epochs": 3, "batch_size": 8, "checkpoint_steps": 4, "precision": "float32"}
    return Tune.model_validate({"method": LORA, **chosen, **changes})


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(next((folder / "model").glob("*.safetensors")))


def same_weights(first: Path, second: Path) -> bool:
    a, b = weights(first), weights(second)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def tune(loaded: LanguageModel, chosen: Tune, folder: Path) -> TuningReport:
    return tune_model(loaded, TRAINING, VALIDATION, chosen, 7, folder)


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


@pytest.mark.parametrize("method", [LORA, Method(full=Full())], ids=["lora", "full"])
def test_tuning_learns_and_writes_what_serving_needs(fresh: Any, tmp_path: Path, method: Method) -> None:
    report = tune(fresh(), settings(method=method, epochs=8, learning_rate=2e-2), tmp_path)
    assert report.steps == report.planned_steps == 8 * 6
    assert report.validation_losses[-1] < 0.7 * report.training_losses[0]
    assert len(report.training_losses) == report.steps
    assert report.supervised_tokens == 2 * len(TRAINING)
    written = {file.name for file in (tmp_path / "model").iterdir()}
    assert {"tokenizer.json", "generation_config.json", "tuning.json"} <= written
    assert not any(name.endswith((".bin", ".pt", ".pkl")) for name in written)
    assert any((tmp_path / "tensorboard").iterdir())
    remove_checkpoints(tmp_path)
    assert not (tmp_path / "checkpoints").exists()
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert max(steps) == report.steps


def test_repeated_tuning_gives_identical_weights(fresh: Any, tmp_path: Path) -> None:
    first, second = (tune(fresh(), settings(), tmp_path / name) for name in ("a", "b"))
    assert first == second
    assert same_weights(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("step", [1, 5, 8, 13, 17])
def test_resumed_tuning_equals_undisturbed_tuning(
    fresh: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    undisturbed = tune(fresh(), settings(), tmp_path / "whole")
    with monkeypatch.context() as patch:
        kill_at(patch, step)
        with pytest.raises(KilledError):
            tune(fresh(), settings(), tmp_path / "killed")
    assert not (tmp_path / "killed" / "model").exists()
    assert tune(fresh(), settings(), tmp_path / "killed") == undisturbed
    assert same_weights(tmp_path / "whole", tmp_path / "killed")


def test_a_damaged_checkpoint_is_not_resumed_from(fresh: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = tune(fresh(), settings(), tmp_path / "whole")
    with monkeypatch.context() as patch:
        kill_at(patch, 13)
        with pytest.raises(KilledError):
            tune(fresh(), settings(), tmp_path / "killed")
    newest = next((tmp_path / "killed" / "checkpoints").glob("*/checkpoint-12"))
    file = newest / "optimizer.pt"
    file.write_bytes(file.read_bytes()[:-100])
    assert tune(fresh(), settings(), tmp_path / "killed") == undisturbed
    assert same_weights(tmp_path / "whole", tmp_path / "killed")


def test_a_checkpoint_of_other_settings_is_not_resumed_from(
    fresh: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, 9)
        with pytest.raises(KilledError):
            tune(fresh(), settings(), tmp_path / "a")
    tune(fresh(), settings(learning_rate=1e-3), tmp_path / "a")
    tune(fresh(), settings(learning_rate=1e-3), tmp_path / "b")
    assert same_weights(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("budget", [1, 40, 100_000])
def test_the_size_of_micro_batches_does_not_change_the_trajectory(
    fresh: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    monkeypatch.setattr("tunelift.tuning.loop.TOKEN_BUDGET", {"cpu": budget, "cuda": budget, "mps": budget})
    without_dropout = settings(method=Method(lora=Lora(rank=4)), epochs=1)
    loaded = fresh()
    loaded.model.double()
    report = tune(loaded, without_dropout, tmp_path / "other")
    monkeypatch.undo()
    reference = fresh()
    reference.model.double()
    expected = tune(reference, without_dropout, tmp_path / "reference")
    assert report.training_losses == pytest.approx(expected.training_losses, abs=1e-6)


def test_tuning_stops_early_and_keeps_the_best_weights(fresh: Any, tmp_path: Path) -> None:
    report = tune(
        fresh(), settings(epochs=40, learning_rate=0.5, patience=2, schedule="constant", warmup=0.0), tmp_path
    )
    losses = report.validation_losses
    best = losses.index(min(losses))
    assert report.steps < report.planned_steps
    assert len(losses) - 1 - best == 2
    assert report.best_step == (best + 1) * 6


@pytest.mark.parametrize("every", [1, 4, 6])
def test_a_run_killed_after_stopping_early_does_not_go_on(fresh: Any, tmp_path: Path, every: int) -> None:
    stopping = settings(
        epochs=40, learning_rate=0.5, patience=1, schedule="constant", warmup=0.0, checkpoint_steps=every
    )
    undisturbed = tune(fresh(), stopping, tmp_path)
    assert undisturbed.steps < undisturbed.planned_steps
    expected = weights(tmp_path)
    shutil.rmtree(tmp_path / "model")
    assert tune(fresh(), stopping, tmp_path) == undisturbed
    again = weights(tmp_path)
    assert all(torch.equal(expected[name], again[name]) for name in expected)


def test_how_often_checkpoints_are_written_does_not_matter_for_going_on(
    fresh: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, 9)
        with pytest.raises(KilledError):
            tune(fresh(), settings(), tmp_path)
    (kept,) = (tmp_path / "checkpoints").glob("*/checkpoint-8")
    with monkeypatch.context() as patch:
        kill_at(patch, 8)
        with pytest.raises(KilledError):
            tune(fresh(), settings(checkpoint_steps=50), tmp_path)
    tune(fresh(), settings(epochs=1), tmp_path)
    assert kept.is_dir()


@pytest.mark.parametrize("method", [LORA, Method(full=Full())], ids=["lora", "full"])
def test_a_tuned_model_can_be_tuned_again(tmp_path: Path, tiny_folder: Path, method: Method) -> None:
    first = tune(load_model(str(tiny_folder), "float32"), settings(epochs=4, learning_rate=2e-2), tmp_path / "first")
    again = load_model(str(tmp_path / "first" / "model"), "float32")
    report = tune(again, settings(method=method, epochs=1, learning_rate=1e-4), tmp_path / "second")
    assert report.validation_losses[-1] == pytest.approx(min(first.validation_losses), rel=0.05)
    assert min(first.validation_losses) < 0.9 * first.training_losses[0]
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        loaded = load_model(str(tmp_path / "second" / "model"), "float32").model(ids).logits
        tuned = load_tuned(again, tmp_path / "second" / "model", "float32").model
        torch.testing.assert_close(loaded, tuned(ids).logits)


def test_an_adapter_leaves_its_base_as_it_was(fresh: Any, tmp_path: Path) -> None:
    def logits(model: Any) -> torch.Tensor:
        with torch.no_grad():
            return model(torch.tensor([[5, 6, 7, 8]])).logits

    base = fresh()
    before = logits(base.model)
    tune(base, settings(epochs=1), tmp_path)
    assert torch.equal(logits(base.model), before)
    tuned = load_tuned(base, tmp_path / "model", "float32")
    assert not torch.equal(logits(tuned.model), before)
    with tuned.model.disable_adapter():
        assert torch.equal(logits(tuned.model), before)


def test_nothing_supervised_is_an_error(fresh: Any, tmp_path: Path) -> None:
    unsupervised = [Prompt("a", "", (5, 6, 7), (False, False, False))]
    with pytest.raises(UserError, match="have no supervised token"):
        tune_model(fresh(), [*TRAINING, *unsupervised], VALIDATION, settings(), 7, tmp_path)


def test_a_loss_that_is_not_finite_stops_the_run(fresh: Any, tmp_path: Path) -> None:
    loaded = fresh()
    with torch.no_grad():
        next(loaded.model.parameters()).fill_(float("nan"))
    with pytest.raises(UserError, match=r"step 1: the loss is nan - lower tune\.learning_rate"):
        tune(loaded, settings(), tmp_path)
