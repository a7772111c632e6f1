from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tunelift.core.errors import UserError
from tunelift.core.recipe import (
    Condition,
    Full,
    Lora,
    Method,
    Prompting,
    Recipe,
    Tune,
    change_recipe,
    dump_recipe,
    load_recipe,
)

START = "model: m\ntask: task.yaml\n"


def load(folder: Path, text: str = "", *overrides: str) -> Recipe:
    (folder / "task.yaml").touch()
    (folder / "recipe.yaml").write_text(START + text, encoding="utf-8")
    return load_recipe(folder / "recipe.yaml", list(overrides))


def test_short_names_stand_for_a_system_and_a_prompting(tmp_path: Path) -> None:
    conditions = """
conditions:
  majority: {}
  tfidf:
  zero-shot: {}
  few-shot: {select: bm25}
  few-shot-8: {system: base, prompting: {shots: 8}}
  tuned: {}
  tuned-few-shot: {system: tuned, prompting: {shots: 2, select: balanced}}
  零样本: {system: base}
"""
    assert load(tmp_path, conditions).conditions == {
        "majority": Condition(system="majority"),
        "tfidf": Condition(system="tfidf"),
        "zero-shot": Condition(system="base"),
        "few-shot": Condition(system="base", prompting=Prompting(shots=4, select="bm25")),
        "few-shot-8": Condition(system="base", prompting=Prompting(shots=8)),
        "tuned": Condition(system="tuned"),
        "tuned-few-shot": Condition(system="tuned", prompting=Prompting(shots=2, select="balanced")),
        "零样本": Condition(system="base"),
    }


@pytest.mark.parametrize("spec", ["{shots: 2}", "{prompting: {shots: 2}}", "{prompting: {shots: 3}, shots: 2}"])
def test_a_short_name_takes_its_prompting_directly_or_under_its_key(tmp_path: Path, spec: str) -> None:
    assert load(tmp_path, f"conditions: {{few-shot: {spec}}}").conditions["few-shot"].prompting == Prompting(shots=2)


def test_without_conditions_all_built_in_ones_are_run(tmp_path: Path) -> None:
    conditions = load(tmp_path).conditions
    assert list(conditions) == ["majority", "tfidf", "zero-shot", "few-shot", "tuned"]
    assert conditions["few-shot"].prompting.shots == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "conditions:\n  zero-shot: {}\n  few-shot:\n    shotz: 4\n",
            ':6: unknown key "conditions.few-shot.shotz" - did',
        ),
        (
            "conditions:\n  few-shot:\n    prompting:\n      shotz: 4\n",
            ':6: unknown key "conditions.few-shot.prompting.shotz" - did you mean "shots"?',
        ),
        (
            "conditions:\n  x:\n    system: base\n    promptin: {}\n",
            ':6: unknown key "conditions.x.promptin" - did you mean "prompting"?',
        ),
        ("conditions:\n  tuned: {}\n  few-shots: {}\n", ':5: "conditions.few-shots" is not a built-in condition - did'),
        (
            "conditions:\n  x:\n    system: bas\n",
            ':5: "conditions.x.system" is "bas", which is not a system - did you mean "base"?',
        ),
        ("conditions:\n  few-shot:\n    shots: -1\n", ':5: "conditions.few-shot.shots" is -1, but'),
        ("conditions:\n  few-shot:\n    select: best\n", ":5: \"conditions.few-shot.select\" is 'best', but"),
        ("conditions:\n  few-shot: {prompting: 4}\n", ':4: "conditions.few-shot.prompting" is 4, but'),
        ("conditions:\n  tuned: 5\n", ':4: "conditions.tuned" is 5, but'),
        ("conditions: {1: {}}\n", ':3: "conditions.1'),
        ("conditions: [tuned]\n", ":3: \"conditions\" is ['tuned'], but"),
        ("conditions: {}\n", ':3: "conditions" is empty - name at least one condition'),
        ("conditions:\n  ../x: {system: base}\n", ':4: "conditions.../x" cannot name a file - use letters'),
        ("conditions:\n  a b: {system: base}\n", ':4: "conditions.a b" cannot name a file'),
        ("conditions:\n  .x: {system: base}\n", ':4: "conditions..x" cannot name a file'),
        ("conditions:\n  '': {system: base}\n", ':4: "conditions." cannot name a file'),
        (f"conditions:\n  {'x' * 151}: {{system: base}}\n", f':4: "conditions.{"x" * 151}" cannot name a file'),
        ("conditions:\n  tfidf: {shots: 4}\n", ':4: "conditions.tfidf" takes no shots and no select - tfidf is not'),
        ("conditions:\n  majority: {select: bm25}\n", ':4: "conditions.majority" takes no shots and no select - maj'),
        ("conditions:\n  x: {system: tfidf, prompting: {shots: 1}}\n", ':4: "conditions.x" takes no shots and no sel'),
        ("tune:\n  epochs: yes\n", ':4: "tune.epochs" is True, but input should not be a boolean - YAML reads yes'),
        ("tune:\n  method: {lora: {rank: on}}\n", ':4: "tune.method.lora.rank" is True, but input should not be a b'),
        ("tune:\n  learning_rate: yes\n", ':4: "tune.learning_rate" is True, but input should not be a boolean'),
        ("limit: yes\n", ':3: "limit" is True, but input should not be a boolean'),
        ("tune: {method: {lora: {target_modules: []}}}\n", ':3: "tune.method.lora.target_modules" is [], but list'),
        ("tune: {method: {lora: {}, full: {}}}\n", ':3: "tune.method" needs exactly one method - write "lora: {ra'),
        ("tune: {method: {}}\n", ':3: "tune.method" needs exactly one method'),
        ("tune:\n  method:\n    lora:\n      rang: 4\n", ':6: unknown key "tune.method.lora.rang" - did you mean "ran'),
        ("tune:\n  method:\n    lorra: {}\n", ':5: unknown key "tune.method.lorra" - did you mean "lora"?'),
        ("tune:\n  objective: {cross_entropi: {}}\n", ':4: unknown key "tune.objective.cross_entropi" - did you mean'),
        ("tune:\n  epochs: 0\n", ':4: "tune.epochs" is 0, but input should be greater than 0'),
        ("tune:\n  warmup: 1\n", ':4: "tune.warmup" is 1, but input should be less than 1'),
        ("tune: {method: {lora: {target_modules: 5}}}\n", ':3: "tune.method.lora.target_modules" is 5, but'),
        ("limit: 0\n", ':3: "limit" is 0, but input should be greater than 0'),
        ("epochs: 2\n", ':3: unknown key "epochs" - valid here: conditions, data, evaluate, limit'),
        ("seed: now\n", ":3: \"seed\" is 'now', but input should be a valid integer"),
    ],
)
def test_every_mistake_is_named_with_its_line_and_cure(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/recipe.yaml{message}")
    assert " - " in str(caught.value)


def test_missing_keys_and_a_missing_task(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("seed: 1\n")
    with pytest.raises(UserError, match=r'recipe\.yaml: key "model" is missing'):
        load_recipe(tmp_path / "recipe.yaml")
    (tmp_path / "recipe.yaml").write_text("model: m\ntask: no/task.yaml\n")
    with pytest.raises(UserError, match=r'recipe\.yaml:2: task file "no/task\.yaml" not found - paths are relative to'):
        load_recipe(tmp_path / "recipe.yaml")
    with pytest.raises(UserError, match=r'--set task=x: task file "x" not found'):
        load(tmp_path, "", "task=x")


def test_the_task_is_found_beside_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    load(tmp_path / "sub")
    assert load_recipe(Path("sub/recipe.yaml")).task == "sub/task.yaml"
    assert load(tmp_path, f"seed: 1\n#{tmp_path}\n", f"task={tmp_path}/task.yaml").task == f"{tmp_path}/task.yaml"


def test_overrides_change_single_keys(tmp_path: Path) -> None:
    recipe = load(
        tmp_path, "tune: {epochs: 1}\nlimit: 5\n", "tune.epochs=3", "tune.method.lora.rank=4", "limit=", "seed=-1"
    )
    assert (recipe.tune.epochs, recipe.limit, recipe.seed) == (3, None, -1)
    assert recipe.tune.method == Method(lora=Lora(rank=4))
    with pytest.raises(UserError, match=r'--set tune\.epoch=3: unknown key "tune\.epoch" - did you mean "epochs"\?'):
        load(tmp_path, "", "tune.epoch=3")
    with pytest.raises(UserError, match=r"--set conditions\.few-shot\.shotz=3: unknown key .* mean \"shots\"\?"):
        load(tmp_path, "", "conditions.few-shot.shotz=3")


def test_keys_are_changed_as_data(tmp_path: Path) -> None:
    recipe = load(tmp_path, "limit: 5\nconditions: {tfidf: {}, few-shot: {shots: 2}}\ntune: {epochs: 4}\n")
    assert change_recipe(recipe, {}, "run") == recipe
    changed = change_recipe(recipe, {"limit": None, "tune": {"method": {"lora": None, "full": {}}}}, "run")
    assert (changed.limit, changed.tune) == (None, Tune(method=Method(full=Full())))
    assert changed.conditions == recipe.conditions
    assert recipe.limit == 5


def test_systems_take_changed_settings_of_tuning_and_keep_their_own(tmp_path: Path) -> None:
    systems = "systems: {wide: {tune: {epochs: 4}}, classes: {head: {}}, other: {model: n}}"
    recipe = load(tmp_path, f"tune: {{epochs: 2, batch_size: 8}}\n{systems}\n")
    again = tmp_path / "again.yaml"
    again.write_text(dump_recipe(recipe), encoding="utf-8")
    assert load_recipe(again).systems == recipe.systems
    changes = {"tune": {"epochs": 1, "batch_size": 16}}
    overridden = ["tune.epochs=1", "tune.batch_size=16"]
    for changed in (
        load(tmp_path, f"tune: {{epochs: 2, batch_size: 8}}\n{systems}\n", *overridden),
        load_recipe(again, overridden),
        change_recipe(recipe, changes, "run"),
    ):
        tuned = {name: one.tune and (one.tune.epochs, one.tune.batch_size) for name, one in changed.systems.items()}
        assert tuned == {"wide": (4, 16), "classes": (1, 16), "other": None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"limit": 10, "sed": 4}, 'run(sed=...): unknown key "sed" - did you mean "seed"?'),
        ({"limit": -1}, 'run(limit=...): "limit" is -1, but input should be greater than 0'),
        ({"tune": {"method": {"lora": {"rnk": 3}}}}, 'run(tune=...): unknown key "tune.method.lora.rnk" - did you'),
        ({"conditions": {"tunned": {}}}, 'run(conditions=...): "conditions.tunned" is not a built-in condition'),
    ],
)
def test_wrong_changes_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        change_recipe(load(tmp_path), changes, "run")
    assert str(caught.value).startswith(message)


def test_every_default_is_visible_in_the_dumped_recipe(tmp_path: Path) -> None:
    dumped = yaml.safe_load(dump_recipe(load(tmp_path)))

    def has_all(section: Any, data: dict[str, Any]) -> None:
        for name, field in type(section).model_fields.items():
            value = getattr(section, name)
            if value is None:
                continue
            assert (field.alias or name) in data
            if hasattr(value, "model_fields_set"):
                has_all(value, data[field.alias or name])

    recipe = load(tmp_path)
    has_all(recipe, dumped)
    assert dumped["tune"]["method"]["lora"]["rank"] == 16
    assert dumped["tune"]["objective"] == {"cross-entropy": {}}
    assert dumped["conditions"]["few-shot"] == {
        "system": "base",
        "prompting": {"shots": 4, "select": "random", "wordings": 0},
    }


PROMPTINGS = st.builds(Prompting, shots=st.integers(0, 20), select=st.sampled_from(["random", "balanced", "bm25"]))
CONDITIONS = st.builds(Condition, system=st.sampled_from(["base", "tuned"]), prompting=PROMPTINGS) | st.builds(
    Condition, system=st.sampled_from(["majority", "tfidf"])
)
NAMES = st.text("abc19-_", min_size=1) | st.sampled_from(["零样本", "few-shot", "tuned"])


@given(
    conditions=st.dictionaries(NAMES, CONDITIONS, min_size=1, max_size=4),
    tune=st.fixed_dictionaries(
        {
            "method": st.just({"full": {}}) | st.builds(lambda rank: {"lora": {"rank": rank}}, st.integers(1, 64)),
            "learning_rate": st.floats(1e-9, 1),
            "epochs": st.integers(1, 9),
        }
    ),
    limit=st.none() | st.integers(1),
    seed=st.integers(),
)
def test_a_dumped_recipe_is_loaded_as_it_was(tmp_path_factory: pytest.TempPathFactory, **keys: Any) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "task.yaml").touch()
    recipe = Recipe(model="m", task="task.yaml", **keys)
    (folder / "dumped.yaml").write_text(dump_recipe(recipe), encoding="utf-8")
    loaded = load_recipe(folder / "dumped.yaml")
    assert loaded == recipe.model_copy(update={"task": str(folder / "task.yaml")})


@pytest.mark.parametrize("recipe", sorted(Path(__file__).parents[2].glob("examples/*/recipe.yaml")), ids=str)
def test_the_examples_are_valid(recipe: Path) -> None:
    loaded = load_recipe(recipe)
    assert any(loaded.system(condition.system).tune for condition in loaded.conditions.values())


def test_the_fixture_is_a_valid_recipe(recipe_file: Callable[..., Path]) -> None:
    assert load_recipe(recipe_file(limit=3)).limit == 3


SYSTEMS = """
systems:
  other: {model: bundled/gemma3-270m}
  slow: {tune: {learning_rate: 1.0e-5}}
  head: {model: bundled/minilm-l6, head: {}}
conditions:
  zero-shot: {}
  other: {system: other, prompting: {shots: 2}}
  slow: {system: slow}
  head: {system: head}
tune: {epochs: 5, batch_size: 4}
"""


def test_a_system_takes_what_it_does_not_say_from_the_recipe(tmp_path: Path) -> None:
    recipe = load(tmp_path, SYSTEMS)
    assert (recipe.system("other").tune, recipe.system("base").tune) == (None, None)
    assert recipe.system("tuned").tune == recipe.tune
    assert recipe.system("slow").tune == recipe.tune.model_copy(update={"learning_rate": 1e-5})
    assert recipe.system("head").tune == recipe.tune  # a head is tuned in any case
    assert load(tmp_path, dump_recipe(recipe).split("\n", 2)[2]) == recipe
