"""The short forms of a recipe, written out."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tunelift.core.recipe import Recipe, change_recipe, dump_recipe
from tunelift.core.shorthand import write_out

BASE: dict[str, Any] = {"model": "m/one", "task": "t.yaml"}


def recipe(**keys: Any) -> Recipe:
    return Recipe.model_validate({**BASE, **keys})


def test_every_tuned_condition_is_repeated_with_each_further_seed() -> None:
    made = recipe(
        tune={"seeds": [3, 8, 9], "epochs": 4},
        systems={"slow": {"tune": {"learning_rate": 1e-5}}, "other": {"model": "m/two"}},
        conditions={"zero-shot": {}, "tuned": {}, "tuned-few": {"system": "tuned", "prompting": {"shots": 2}},
                    "slow": {"system": "slow"}, "other": {"system": "other"}},
    )  # fmt: skip
    assert made.repeats == {f"{name}-seed-{seed}": name for name in ("tuned", "tuned-few", "slow") for seed in (8, 9)}
    assert made.conditions["tuned-few-seed-8"].prompting.shots == 2
    again = made.system(made.conditions["tuned-seed-9"].system).tune
    assert again is not None
    assert (again.seeds, again.epochs) == ([9], 4)
    slow = made.system("slow-seed-8").tune
    assert slow is not None
    assert (slow.seeds, slow.learning_rate, slow.epochs) == ([8], 1e-5, 4)
    assert made.seed_of(made.tune) == 3
    assert made.seed_of(recipe().tune) == recipe().seed


def test_other_models_are_asked_under_every_condition_of_the_untuned_one() -> None:
    made = recipe(models=["org/two", "three.gguf"], conditions={"zero-shot": {}, "few-shot": {"shots": 2}, "tuned": {}})
    assert list(made.conditions) == [
        *("zero-shot", "few-shot", "tuned"),
        *("zero-shot-two", "few-shot-two", "zero-shot-three.gguf", "few-shot-three.gguf"),
    ]
    assert made.system("two").model == "org/two"
    assert made.conditions["few-shot-two"].prompting.shots == 2


def test_a_name_alone_makes_no_repetition() -> None:
    made = recipe(conditions={"few": {"system": "base", "prompting": {"shots": 2}}, "few-seed-3": {"system": "base"}})
    assert made.repeats == {}


@pytest.mark.parametrize("keys", [{"models": ["org/two", "team/two"]}, {"systems": {"two": {"model": "org/other"}}}])
def test_a_model_is_not_taken_for_another_of_its_name(keys: dict[str, Any]) -> None:
    assert "two" in recipe(models=["org/two", "org/two"]).systems
    with pytest.raises(ValueError, match="another system is called two"):
        recipe(**{"models": ["org/two"], **keys})


def test_what_is_written_out_stays_the_same_when_it_is_read_again() -> None:
    import yaml

    made = recipe(models=["org/two"], tune={"seeds": [1, 2]})
    assert Recipe.model_validate(yaml.safe_load(dump_recipe(made))) == made


def test_what_seeds_and_models_have_added_follows_a_change() -> None:
    conditions = {"zero-shot": {}, "tuned": {}, "own": {"system": "two"}}
    made = recipe(models=["org/two"], tune={"seeds": [1, 2]}, conditions=conditions)
    assert change_recipe(made, {}, "run") == made
    changed = change_recipe(made, {"tune": {"seeds": [1, 2, 3], "epochs": 5}}, "run")
    again = [changed.systems[f"tuned-seed-{seed}"].tune for seed in (2, 3)]
    assert [settings and settings.epochs for settings in again] == [5, 5]
    alone = change_recipe(made, {"tune": {}, "models": []}, "run")
    assert set(alone.conditions) == set(conditions)
    assert set(alone.systems) == {"two"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(["systems", "models", "tune"]),
)
def test_what_is_malformed_is_left_to_the_checks(value: Any, key: str) -> None:
    """A recipe with a value of the wrong kind is refused by its checks, not by a crash in the short forms."""
    write_out({**BASE, key: value, "conditions": {"tuned": {}, "zero-shot": None}})


@pytest.mark.parametrize("seeds", [[1, 1], ["a"], 3])
def test_seeds_are_different_numbers(seeds: Any) -> None:
    with pytest.raises(ValueError, match="seed"):
        recipe(tune={"seeds": seeds})


def test_an_encoder_is_no_prompting_and_the_nearest_alone_has_one() -> None:
    made = recipe(conditions={"nearest": {"encoder": "bundled/minilm-l6"}, "alike": {"system": "nearest"}})
    assert made.conditions["nearest"].encoder == "bundled/minilm-l6"
    assert made.conditions["alike"].encoder is None
    assert Recipe.model_validate(yaml.safe_load(dump_recipe(made))) == made
    for name in ("tfidf", "zero-shot"):
        with pytest.raises(ValueError, match="takes no encoder"):
            recipe(conditions={name: {"encoder": "bundled/minilm-l6"}})
