"""A run whose task holds out the rows of a domain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tunelift.api import run
from tunelift.core.files import read_json
from tunelift.core.recipe import load_recipe
from tunelift.core.store import read_store
from tunelift.evaluation.results import read_samples
from tunelift.probes.records import ProbeResult

BUNDLED = "bundled/smollm2-135m-instruct"


def hold_out(recipe: Path, **keys: object) -> None:
    """Change the project's task so that texts with a word of one domain are held out."""
    task = recipe.parent / "task.yaml"
    data = yaml.safe_load(task.read_text(encoding="utf-8"))
    data["split"] |= {"hold_out": "'great' in text or 'awful' in text or 'gate' in text"}
    task.write_text(yaml.safe_dump(data), encoding="utf-8")
    settings = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    conditions = {"majority": {}, "zero-shot": {}, "tuned": {}}
    settings |= {"conditions": conditions, "evaluate": {"probe_limit": 12}} | keys
    recipe.write_text(yaml.safe_dump(settings), encoding="utf-8")


def is_held_out(text: str) -> bool:
    return any(word in text for word in ("great", "awful", "gate"))


@pytest.mark.parametrize("model", [None, pytest.param(BUNDLED, marks=pytest.mark.long)])
def test_held_out_rows_are_asked_untuned_and_tuned_and_held_against_the_test_items(
    project: Callable[..., Path], tmp_path: Path, model: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = project(rows=220, epochs=1)
    hold_out(recipe, **({"model": model} if model else {}))
    report = run(load_recipe(recipe), tmp_path / "run")
    store = read_store(tmp_path / "run")
    asked = {}
    for name in ("zero-shot", "tuned"):
        files = store.files(f"probes/unseen/held-out-rows/{name}")
        (asked[name],) = (read_samples(file) for file in files if file.suffix == ".jsonl")
        assert len(asked[name]) == 12
        assert all(is_held_out(sample.doc["text"]) for sample in asked[name])
        assert not any(is_held_out(sample.doc["text"]) for sample in report.samples[name])
    assert "probe unseen: 1 variation, 12 questions for each of zero-shot, tuned" in capsys.readouterr().err
    (probe,) = report.probes
    (way,) = probe.variations
    transfer = probe.transfers[way.name]
    (main,) = (contrast for contrast in report.comparison.contrasts if contrast.baseline == "zero-shot")
    assert transfer.seen == main.result
    unseen = way.comparison.contrasts[0].result
    assert unseen.baseline == pytest.approx(sum(sample.metrics["acc"] for sample in asked["zero-shot"]) / 12)
    assert transfer.difference.effect == pytest.approx(unseen.effect - main.result.effect)
    assert [ProbeResult.from_dict(entry) for entry in read_json(tmp_path / "run" / "probes.json")] == [probe]
    for name in ("report.html", "report.md"):
        assert "Seen and unseen rows" in (tmp_path / "run" / name).read_text(encoding="utf-8")
    summary = (tmp_path / "run" / "summary.txt").read_text(encoding="utf-8")
    assert "seen and unseen rows: tuned against zero-shot, accuracy: " in summary
