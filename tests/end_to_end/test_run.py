"""The whole loop with a small random model: what it writes, what it repeats, what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tunelift.api import run
from tunelift.cli import main
from tunelift.comparison.reading import compare_pair, read_pair
from tunelift.comparison.records import Comparison
from tunelift.core.errors import UserError
from tunelift.core.files import read_json, write_json
from tunelift.core.shorthand import DEFAULT_CONDITIONS
from tunelift.core.store import RunStore, read_store
from tunelift.models.load import load_model


@pytest.fixture
def finished(project: Callable[..., Path], tmp_path: Path) -> Path:
    """The run directory of a finished run."""
    run(project(), tmp_path / "run")
    return tmp_path / "run"


def samples(folder: Path, condition: str) -> list[dict[str, Any]]:
    file = next(file for file in read_store(folder).files(f"conditions/{condition}") if file.suffix == ".jsonl")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def finish_times(folder: Path) -> dict[str, str]:
    return {name: entry["finished"] + entry["inputs"] for name, entry in read_store(folder).record["stages"].items()}


def test_a_run_writes_what_its_record_says(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    expected = (
        "recipe.yaml task.yaml run.json check.json comparison.json diagnosis.json report.html report.md log.jsonl"
    )
    assert {*expected.split(), "model", "conditions", "tensorboard"} <= names
    assert {path.name for path in (finished / "conditions").iterdir()} == set(DEFAULT_CONDITIONS)
    record = read_json(finished / "run.json")
    assert {"versions", "hardware", "model", "data", "seed", "determinism", "chat_template_sha256"} <= record.keys()
    assert all(file.is_file() for name in record["stages"] for file in read_store(finished).files(name))
    comparison = Comparison.from_dict(read_json(finished / "comparison.json"))
    assert comparison.items == 40
    ids = {name: [row["example_id"] for row in samples(finished, name)] for name in DEFAULT_CONDITIONS}
    assert all(value == ids["tuned"] for value in ids.values())
    unparsed = sum(row["answer"] is None for row in samples(finished, "zero-shot"))
    assert unparsed == next(score.unparsed for score in comparison.conditions if score.name == "zero-shot")
    assert all(row["acc"] == 0 for row in samples(finished, "zero-shot") if row["answer"] is None)


def test_a_finished_run_is_not_done_again(finished: Path, tmp_path: Path) -> None:
    before = finish_times(finished)
    run(tmp_path / "recipe.yaml", finished)
    assert finish_times(finished) == before


def test_only_what_depends_on_a_change_is_done_again(finished: Path, tmp_path: Path) -> None:
    before = finish_times(finished)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace('"learning_rate": 0.01', '"learning_rate": 0.02'), encoding="utf-8")
    run(recipe, finished)
    after = finish_times(finished)
    kept = {name for name in before if before[name] == after[name]}
    assert {"check", "conditions/majority", "conditions/tfidf", "conditions/zero-shot", "conditions/few-shot"} <= kept
    assert not {"tune", "conditions/tuned"} & kept


def test_two_runs_with_one_seed_give_identical_samples(finished: Path, tmp_path: Path) -> None:
    run(tmp_path / "recipe.yaml", tmp_path / "again")
    for condition in DEFAULT_CONDITIONS:
        assert samples(finished, condition) == samples(tmp_path / "again", condition)
    assert (finished / "comparison.json").read_bytes() == (tmp_path / "again" / "comparison.json").read_bytes()


def test_the_resolved_recipe_repeats_the_run_from_anywhere(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run(finished / "recipe.yaml", tmp_path / "again")
    assert (finished / "comparison.json").read_bytes() == (tmp_path / "again" / "comparison.json").read_bytes()


def test_the_adapter_loads_in_peft_and_equals_ours(finished: Path, tiny_folder: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_folder), finished / "model").eval()
    ours = load_model(str(finished), "float32")
    ids = torch.tensor([[5, 6, 7, 8]])
    assert torch.equal(plain(ids).logits, ours.model(ids).logits)
    assert any(
        bool(weight.any())
        for name, weight in load_file(finished / "model" / "adapter_model.safetensors").items()
        if "lora_B" in name
    )
    assert ours.tokenizer.chat_template == load_model(str(tiny_folder)).tokenizer.chat_template


def test_the_comparison_of_two_files_equals_that_of_the_run(finished: Path) -> None:
    files = {name: finished / "conditions" / name for name in ("zero-shot", "tuned")}
    by_files = compare_pair(read_pair(files["zero-shot"], files["tuned"])).contrasts[0]
    comparison = Comparison.from_dict(read_json(finished / "comparison.json"))
    by_run = next(c for c in comparison.contrasts if (c.candidate, c.baseline) == ("tuned", "zero-shot"))
    assert by_files.result.effect == pytest.approx(by_run.result.effect)
    assert by_files.result.p == pytest.approx(by_run.result.p)


def test_export_and_its_check(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(finished), "--to", "merged", "--output", str(tmp_path / "merged"), "--json"]) == 0
    check = json.loads(capsys.readouterr().out)
    assert check["flips"] == 0
    assert check["largest_logit_difference"] < 1e-3
    assert not (tmp_path / "merged" / "adapter_config.json").exists()


def test_a_damaged_run_record_is_one_line(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (finished / "run.json").write_text("{")
    assert main(["run", str(tmp_path / "recipe.yaml"), "--output", str(finished)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {finished / 'run.json'}: is damaged")


def test_a_prompt_longer_than_the_context_stops_the_run(project: Callable[..., Path], tmp_path: Path) -> None:
    recipe = project()
    task = tmp_path / "task.yaml"
    task.write_text(task.read_text().replace("Sentiment of: {{text}}", "word " * 600 + "{{text}}"), encoding="utf-8")
    with pytest.raises(UserError, match=r"prompts are longer than the model's context of 512 tokens"):
        run(recipe, tmp_path / "run")
    assert not (tmp_path / "run" / "conditions").exists()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


UNTUNED = {"conditions": {"majority": {}, "tfidf": {}, "zero-shot": {}, "few-shot": {"shots": 2}}}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Sentiment of: {{text}}", "{{text|reverse}}"),
        ("doc_to_target: label", "doc_to_target: label\nrender: plain\ntarget_delimiter: '!'"),
        ("max_gen_toks: 4", "max_gen_toks: 2"),
        ("max_gen_toks: 4", "max_gen_toks: 4, until: [a]"),
        ("[negative, neutral, positive]", "[positive, neutral, negative]"),
        ("doc_to_target: label", "doc_to_target: label\nlanguage: zh"),
        ("test: 40", "test: 30"),
    ],
)
def test_a_change_of_the_task_changes_what_a_fresh_run_would(
    project: Callable[..., Path], tmp_path: Path, old: str, new: str
) -> None:
    recipe = project()
    run(recipe, tmp_path / "run", **UNTUNED)
    edit(tmp_path / "task.yaml", old, new)
    run(recipe, tmp_path / "run", **UNTUNED)
    run(recipe, tmp_path / "fresh", **UNTUNED)
    for condition in ("majority", "tfidf", "zero-shot", "few-shot"):
        assert samples(tmp_path / "run", condition) == samples(tmp_path / "fresh", condition)


def test_a_change_of_precision_changes_the_answers(project: Callable[..., Path], tmp_path: Path) -> None:
    recipe = project(precision="float32")
    run(recipe, tmp_path / "run", **UNTUNED)
    recipe = project(precision="bfloat16")
    run(recipe, tmp_path / "run", **UNTUNED)
    run(recipe, tmp_path / "fresh", **UNTUNED)
    assert samples(tmp_path / "run", "zero-shot") == samples(tmp_path / "fresh", "zero-shot")


def test_a_fault_that_was_mended_is_not_found_again(project: Callable[..., Path], tmp_path: Path) -> None:
    recipe = project()
    edit(tmp_path / "task.yaml", "max_gen_toks: 4", "max_gen_toks: 509")
    with pytest.raises(UserError, match="a smaller max_gen_toks"):
        run(recipe, tmp_path / "run", **UNTUNED)
    edit(tmp_path / "task.yaml", "max_gen_toks: 509", "max_gen_toks: 4")
    run(recipe, tmp_path / "run", **UNTUNED)


def test_check_and_a_refused_run_leave_a_finished_run_alone(finished: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    assert main(["check", str(tmp_path / "recipe.yaml"), "--set", "limit=39"]) == 0
    edit(tmp_path / "task.yaml", "max_gen_toks: 4", "max_gen_toks: 509")
    assert main(["run", str(tmp_path / "recipe.yaml"), "--output", str(finished)]) == 2
    assert {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()} == before


def test_a_condition_that_is_taken_out_leaves_nothing_behind(finished: Path, tmp_path: Path) -> None:
    card = (finished / "model" / "README.md").read_text(encoding="utf-8")
    result = run(tmp_path / "recipe.yaml", finished, conditions={"majority": {}, "zero-shot": {}})
    assert result.tuning is None
    assert "conditions/tuned" not in read_store(finished).record["stages"]
    assert not list((finished / "conditions" / "tuned").glob("*"))
    assert (
        not (finished / "model" / "README.md").exists()
        or (finished / "model" / "README.md").read_text(encoding="utf-8") == card
    )


def test_other_files_in_the_run_directory_stay(finished: Path, tmp_path: Path) -> None:
    notes = finished / "conditions" / "majority" / "notes.txt"
    notes.write_text("mine")
    (finished / "conditions" / "majority" / ".hidden").mkdir()
    run(tmp_path / "recipe.yaml", finished, limit=30)
    assert notes.read_text() == "mine"


def test_a_killed_stage_after_tuning_does_not_tune_again(
    project: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = project()
    with monkeypatch.context() as patch:
        patch.setattr("tunelift.core.store.RunStore.save", _killed_once_tuned)
        with pytest.raises(KeyboardInterrupt):
            run(recipe, tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr("tunelift.tuning.trainer.step_loss", None)
        run(recipe, tmp_path / "run", conditions={"majority": {}, "tuned": {}})
    assert not (tmp_path / "run" / "checkpoints").exists()


def _killed_once_tuned(self: RunStore) -> None:
    if "tune" in self.record["stages"]:
        raise KeyboardInterrupt
    write_json(self.folder / "run.json", self.record)


def test_a_limit_draws_the_same_items_for_every_condition(project: Callable[..., Path], tmp_path: Path) -> None:
    result = run(project(), tmp_path / "run", limit=10, conditions={"zero-shot": {}, "majority": {}})
    assert result.comparison.items == 10
    first, second = ([row["example_id"] for row in samples(tmp_path / "run", name)] for name in result.samples)
    assert first == second
