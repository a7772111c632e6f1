"""Tuning over trees takes the steps that tuning without them takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tunelift.core.recipe import load_recipe
from tunelift.engine.support import PLAIN
from tunelift.plan import prepare
from tunelift.tuning.tune import tune_model

DEMO = Path(__file__).parents[2] / "examples" / "tweets" / "recipe.yaml"
LARGEST_DIFFERENCE = 1e-3


def learning_curve(examples: int, folder: Path, trees: bool) -> list[float]:
    recipe = load_recipe(DEMO, ["tune.precision=float32", "tune.epochs=1"])
    own = prepare(recipe, accept_terms=False).own
    if not trees:
        own.base.model.set_attn_implementation(PLAIN)
    report = tune_model(own.base, own.training[:examples], own.validation[:4], recipe.tune, recipe.seed, folder)
    return report.training_losses


def assert_one_curve(examples: int, folder: Path) -> None:
    curves: dict[bool, Any] = {trees: learning_curve(examples, folder / str(trees), trees) for trees in (True, False)}
    assert len(curves[True]) == len(curves[False]) == examples // 8
    assert curves[True][0] != curves[True][-1]
    differences = [abs(ours - plain) for ours, plain in zip(curves[True], curves[False], strict=True)]
    print(f"largest difference of {len(differences)} losses: {max(differences):.1e}")
    assert max(differences) <= LARGEST_DIFFERENCE


def test_the_demo_begins_to_learn_as_without_trees(tmp_path: Path) -> None:
    assert_one_curve(24, tmp_path)


@pytest.mark.long
def test_the_demo_learns_as_without_trees(tmp_path: Path) -> None:
    assert_one_curve(600, tmp_path)
