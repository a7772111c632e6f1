"""What the numbers of a run depend on, written into its directory."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from tunelift import __version__
from tunelift.core import hardware
from tunelift.core.evaluation import place_tasks
from tunelift.core.files import content_hash, write_text
from tunelift.core.recipe import dump_recipe
from tunelift.core.store import RunStore
from tunelift.data.tasks import dump_task
from tunelift.plan import Plan
from tunelift.probes.ask import probe_stages


def record_facts(store: RunStore, plan: Plan) -> None:
    """Enter into the run directory what the run depends on; results that depended on something else are outdated."""
    recipe, base = plan.recipe, plan.own.base
    names = {name: system.model for name, system in recipe.systems.items() if system.model}
    systems = {
        name: system.model_copy(update={"model": _absolute(names[name])}) if name in names else system
        for name, system in recipe.systems.items()
    }
    paths: dict[str, Any] = {"task": "task.yaml", "model": _absolute(recipe.model), "systems": systems}
    paths |= {"data": recipe.data and _absolute(recipe.data), "models": list(map(_absolute, recipe.models))}
    paths |= {"evaluate": place_tasks(recipe.evaluate, Path.cwd())}
    texts = {"task.yaml": dump_task(plan.task), "recipe.yaml": dump_recipe(recipe.model_copy(update=paths))}
    files = [store.folder / name for name in texts]
    if any(not file.is_file() or file.read_text(encoding="utf-8") != texts[file.name] for file in files):
        gone = {name for name in store.record["stages"] if name.startswith("conditions/")}
        gone -= {f"conditions/{name}" for name in recipe.conditions}
        gone |= {name for name in store.record["stages"] if name.startswith("tune/")}
        gone -= {f"tune/{name}" for name in recipe.systems}
        gone |= {name for name in store.record["stages"] if name.startswith("probes/")} - probe_stages(plan.probes)
        gone |= {name for name in store.record["stages"] if name.startswith("search/")}
        gone -= {f"search/{name}" for name, condition in recipe.conditions.items() if condition.prompting.wordings}
        gone |= set() if recipe.evaluate.membership else {"membership"}
        store.forget([*gone, "comparison", "contamination", "probes", "safety", "diagnosis", "evidence", "report"])
    for file in files:
        write_text(file, texts[file.name])
    packages = ("torch", "transformers", "peft", "accelerate", "numpy", "scikit-learn")
    others: dict[str, Any] = {system.name: system.base for system in plan.models[1:]}
    others |= {system.name: system.base for system in plan.heads}
    store.update(
        seed=recipe.seed,
        versions={"tunelift": __version__, **{package: version(package) for package in packages}},
        hardware=hardware.describe(),
        model={"name": base.name, "sha256": base.fingerprint},
        systems={name: {"name": model.name, "sha256": model.fingerprint} for name, model in others.items()},
        data={"sha256": plan.data.hash, "counts": plan.data.counts},
        chat_template_sha256=content_hash(base.tokenizer.chat_template),
        determinism=determinism(),
    )


def _absolute(model: str) -> str:
    path = Path(model)
    return str(path.resolve()) if path.exists() else model


def determinism() -> dict[str, list[str]]:
    """What comes out the same when a run is repeated with one seed on one machine, and what does not."""
    same = ["splits", "demonstrations", "initial adapter", "order of training examples", "dropout", "greedy answers"]
    other = ["timings", "results on another machine or with another number of threads: sums are rounded differently"]
    if hardware.device() == "cuda":
        other.append("last digits of sums on a GPU, whose kernels may add in a different order each time")
    return {"repeatable": same, "not repeatable": other}
