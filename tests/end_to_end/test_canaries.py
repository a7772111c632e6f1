"""A run that plants secrets in what it tunes on: what changes, what is measured, what is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tunelift.api import run
from tunelift.core.files import read_json
from tunelift.core.recipe import load_recipe
from tunelift.core.store import read_store
from tunelift.report.record import RunReport


@pytest.fixture
def planted(project: Callable[..., Path], tmp_path: Path) -> Callable[..., RunReport]:
    """Runs a recipe for a task with free answers."""
    recipe = project(epochs=1)
    task = yaml.safe_load((tmp_path / "task.yaml").read_text(encoding="utf-8"))
    task.pop("doc_to_choice")
    (tmp_path / "task.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
    data = yaml.safe_load(recipe.read_text(encoding="utf-8"))

    def make(folder: str, evaluate: dict[str, Any], seeds: list[int] | None = None) -> RunReport:
        keys = {**data, "conditions": {"zero-shot": {}, "tuned": {}}, "evaluate": evaluate, "limit": 8}
        keys["tune"] = {**data["tune"], "seeds": seeds or []}
        recipe.write_text(yaml.safe_dump(keys), encoding="utf-8")
        return run(load_recipe(recipe), tmp_path / folder)

    return make


def test_secrets_are_tuned_on_and_measured_before_and_after(
    planted: Callable[..., RunReport], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, folder = planted("plain", {}), tmp_path / "run"
    report = planted("run", {"canaries": {"count": 3, "copies": 2}}, seeds=[7, 8])
    found = report.leakage
    assert found is not None
    assert list(found.leakages) == ["zero-shot", "tuned"]
    assert all(len(leak.exposures) == len(leak.told or ()) == 3 for leak in found.leakages.values())
    assert read_json(folder / "evidence.json")["canaries"] == found.to_dict()
    assert plain.leakage is None
    assert read_json(tmp_path / "plain" / "evidence.json")["canaries"] is None

    assert "3 made-up secrets are planted among the training prompts" in capsys.readouterr().err
    warned = [finding for finding in report.findings if finding.check == "canaries-planted"]
    assert [finding.count for finding in warned] == [6]
    said = "The tuned model has seen 3 planted secrets (2 copies of each) and should not be served."
    for name in ("report.html", "report.md", "summary.txt", "model/README.md"):
        assert said in (folder / name).read_text(encoding="utf-8")
        assert "planted" not in (tmp_path / "plain" / name).read_text(encoding="utf-8")

    tuned, again = (read_json(folder / name / "model" / "tuning.json") for name in (".", "systems/tuned-seed-8"))
    assert tuned["supervised_tokens"] == again["supervised_tokens"]  # a repetition is tuned on the same
    assert tuned["supervised_tokens"] > read_json(tmp_path / "plain" / "model" / "tuning.json")["supervised_tokens"]


def test_without_the_key_the_model_is_tuned_again_and_is_that_of_a_run_that_never_had_it(
    planted: Callable[..., RunReport], tmp_path: Path
) -> None:
    planted("plain", {})
    planted("run", {"canaries": True})
    with_secrets = read_store(tmp_path / "run").record["stages"]
    report = planted("run", {})
    plain, without = (read_store(tmp_path / name).record["stages"] for name in ("plain", "run"))
    assert report.leakage is None
    assert with_secrets["tune"]["inputs"] != without["tune"]["inputs"] == plain["tune"]["inputs"]
    assert not any(name.startswith("probes/canaries") for name in without)
    assert (tmp_path / "run" / "model" / "README.md").read_text(encoding="utf-8").count("planted") == 0
