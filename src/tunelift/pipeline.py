"""The whole loop: check, baselines, tuning, evaluation, comparison, diagnosis, report.

Read `run` from top to bottom. Every stage writes its files into the run directory and is skipped when its inputs are
those of last time; what a stage needs from an earlier one it reads from those files, so that a run that was killed
and started again computes from the same numbers as an undisturbed one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tunelift import __version__
from tunelift.comparison.compare import compare
from tunelift.comparison.records import Comparison
from tunelift.core import hardware
from tunelift.core.files import content_hash, file_hash, read_json, write_json, write_text
from tunelift.core.progress import say
from tunelift.core.recipe import CLASSICAL, TUNED, Recipe, dump_recipe
from tunelift.core.records import Example, Finding, Prompt, Sample, as_dict
from tunelift.core.store import RunStore, open_store
from tunelift.data.checks import refuse_errors
from tunelift.data.tasks import Task, dump_task
from tunelift.diagnosis.errors import Diagnosis, diagnose
from tunelift.evaluation.baselines import fit_majority, fit_nearest, fit_tfidf
from tunelift.evaluation.evaluate import Evaluation, evaluate_model, evaluate_predictor
from tunelift.evaluation.heads import HeadSystem, evaluate_head, head_hash, tune_head_system
from tunelift.evaluation.metrics.metric import Metric
from tunelift.evaluation.metrics.table import make_metrics
from tunelift.evaluation.results import read_samples, write_evaluation
from tunelift.heads.model import load_head
from tunelift.models.card import loading_kind
from tunelift.models.load import LanguageModel, load_tuned
from tunelift.plan import (
    LanguageSystem,
    Plan,
    conditions_of,
    find_faults,
    has_tuned,
    kind_of,
    planned_contrasts,
    prepare,
)
from tunelift.probes.ask import announce, ask_probes, probe_samples, probe_stages
from tunelift.probes.compare import compare_probe
from tunelift.probes.records import ProbeResult
from tunelift.prompts.build import question_text
from tunelift.report.html import render_html
from tunelift.report.markdown import model_card, render_markdown
from tunelift.report.record import RunReport
from tunelift.report.summary import summary_text
from tunelift.tuning.checkpoints import remove_checkpoints
from tunelift.tuning.tune import check_tunable, tune_model


def run(recipe: Recipe, folder: Path, accept_terms: bool = False) -> RunReport:
    """Carry a recipe through the whole loop.

    Args:
        recipe: What to do.
        folder: The run directory. A run that was interrupted there goes on.
        accept_terms: The user accepts the terms of use of a bundled model that has such.

    Returns:
        The report, which also stands in the run directory.

    Raises:
        UserError: The user has to change something: recipe, data, model or machine.
    """
    with open_store(folder) as store:
        plan = prepare(recipe, accept_terms)
        findings = check(store, plan)
        record_facts(store, plan)
        announce(plan.probes)
        for name in conditions_of(recipe, *CLASSICAL):
            answer_classically(store, plan, name)
        for system in plan.models:
            for name in system.untuned:
                answer(store, plan, system, name, system.base)
                probe(store, plan, name, system.base)
            if system.tuned:
                tune(store, system, recipe.seed)
                model = tuned(store, system, accept_terms)
                for name in system.tuned:
                    answer(store, plan, system, name, model)
                    probe(store, plan, name, model)
        for head in plan.heads:
            tune_with_head(store, plan, head)
            answer_with_head(store, plan, head)
        samples = {name: condition_samples(store, name) for name in recipe.conditions}
        comparison = compare_conditions(store, plan, samples)
        probes = compare_probes(store, plan, samples)
        diagnosis = diagnose_errors(store, plan, samples, comparison)
        return report(store, plan, findings, samples, comparison, probes, diagnosis)


def system_folder(store: RunStore, system: LanguageSystem | HeadSystem) -> Path:
    """Where the tuned model of a system stands."""
    return store.folder / "systems" / system.name if system.name else store.folder


def record_facts(store: RunStore, plan: Plan) -> None:
    """Enter into the run directory what the run depends on; results that depended on something else are outdated."""
    recipe, base = plan.recipe, plan.own.base
    names = {name: system.model for name, system in recipe.systems.items() if system.model}
    systems = {
        name: system.model_copy(update={"model": _absolute(names[name])}) if name in names else system
        for name, system in recipe.systems.items()
    }
    data = recipe.data and _absolute(recipe.data)
    paths = {"task": "task.yaml", "model": _absolute(recipe.model), "data": data, "systems": systems}
    texts = {"task.yaml": dump_task(plan.task), "recipe.yaml": dump_recipe(recipe.model_copy(update=paths))}
    files = [store.folder / name for name in texts]
    if any(not file.is_file() or file.read_text(encoding="utf-8") != texts[file.name] for file in files):
        gone = {name for name in store.record["stages"] if name.startswith("conditions/")}
        gone -= {f"conditions/{name}" for name in recipe.conditions}
        gone |= {name for name in store.record["stages"] if name.startswith("tune/")}
        gone -= {f"tune/{name}" for name in recipe.systems}
        gone |= {name for name in store.record["stages"] if name.startswith("probes/")} - probe_stages(plan.probes)
        store.forget([*gone, "comparison", "probes", "diagnosis", "report"])
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


def check(store: RunStore, plan: Plan) -> list[Finding]:
    """Write down what the checks notice, and say what the user should know of.

    Raises:
        UserError: A finding makes the run meaningless.
    """
    path = store.folder / "check.json"
    findings = find_faults(plan)
    content = {"counts": plan.data.counts, "findings": [as_dict(finding) for finding in findings]}
    refuse_errors(findings, plan.recipe.task)
    for system in plan.models:
        if system.tuned:
            check_tunable(system.training, system.validation)

    def work() -> list[Path]:
        write_json(path, content)
        return [path]

    store.stage("check", [__version__, content], work)
    for finding in findings:
        if finding.severity == "warning":
            say(f"check: {finding.message} ({finding.count}) - {finding.remedy}")
    return findings


def answer_classically(store: RunStore, plan: Plan, name: str) -> None:
    """Answer the items with a baseline that knows nothing of language models."""
    splits, condition = plan.data.splits, plan.recipe.conditions[name]

    def work() -> list[Path]:
        train, validation, items = (_questions(plan, part) for part in (splits.train, splits.validation, plan.items))
        targets = [example.target for example in splits.train]
        if condition.system == "majority":
            predict = fit_majority(targets)
        elif plan.task.doc_to_choice is None:
            predict = fit_nearest(train, targets, plan.task.language)
        else:
            held_out = (validation, [example.target for example in splits.validation])
            predict = fit_tfidf(train, targets, held_out, plan.task.language, plan.recipe.seed)
        allowed = plan.recipe.evaluate.allow_execution
        evaluation = evaluate_predictor(predict, plan.task, splits.test, plan.positions, items, name, allowed)
        return _write(store, plan, evaluation, None)

    store.stage(f"conditions/{name}", [*_asked(plan), condition.model_dump(), plan.recipe.seed], work)


def answer(store: RunStore, plan: Plan, system: LanguageSystem, name: str, model: LanguageModel) -> None:
    """Answer the items with a language model."""
    prompts, style = system.prompts[name], system.style

    def work() -> list[Path]:
        allowed = plan.recipe.evaluate.allow_execution
        evaluation = evaluate_model(model, style, plan.data.splits.test, plan.positions, prompts, name, allowed)
        return _write(store, plan, evaluation, style.tokenizer.chat_template if style.chat else None)

    computed = [model.fingerprint, str(model.model.dtype), style.tokenizer.chat_template]
    store.stage(f"conditions/{name}", [*_asked(plan), *computed, prompts_hash(prompts)], work)


def probe(store: RunStore, plan: Plan, name: str, model: LanguageModel) -> None:
    """Ask the model of a condition what the recipe wants to know besides."""
    ask_probes(store, plan.probes, plan.recipe, name, model, _seconds_per_1000(store, name))


def tune(store: RunStore, system: LanguageSystem, seed: int) -> None:
    """Tune a language model."""
    folder = system_folder(store, system)

    def work() -> list[Path]:
        tune_model(system.base, system.training, system.validation, system.settings, seed, folder)
        return tuned_files(folder)

    prompts = [prompts_hash(system.training), prompts_hash(system.validation)]
    settings = system.settings.model_dump(exclude={"checkpoint_steps"})
    inputs = [__version__, system.base.fingerprint, str(system.base.model.dtype), prompts, settings, seed]
    store.stage(f"tune/{system.name}" if system.name else "tune", inputs, work)
    remove_checkpoints(folder)


def tuned(store: RunStore, system: LanguageSystem, accept_terms: bool) -> LanguageModel:
    """The tuned model of a system."""
    folder = system_folder(store, system) / "model"
    return load_tuned(system.base, folder, system.settings.precision, accept_terms)


def tuned_files(folder: Path) -> list[Path]:
    """What tuning has written, besides the model card."""
    written = [file for file in (folder / "model").rglob("*") if file.is_file() and file.name != "README.md"]
    return [folder / "log.jsonl", *written]


def tune_with_head(store: RunStore, plan: Plan, system: HeadSystem) -> None:
    """Tune a model with a head."""
    folder = system_folder(store, system)

    def work() -> list[Path]:
        tune_head_system(system, plan.recipe.seed, folder)
        return tuned_files(folder)

    store.stage(f"tune/{system.name}", [__version__, *head_hash(system), plan.recipe.seed], work)
    remove_checkpoints(folder)


def answer_with_head(store: RunStore, plan: Plan, system: HeadSystem) -> None:
    """Answer the items with a tuned model with a head, once for every condition that asks it."""
    model = None
    for name in conditions_of(plan.recipe, system.name):

        def work(name: str = name) -> list[Path]:
            nonlocal model
            model = model or load_head(system_folder(store, system) / "model", system.settings.precision, True)
            evaluation = evaluate_head(model, system, plan.task, plan.data.splits.test, plan.positions, name)
            return _write(store, plan, evaluation, None)

        tuned = [file_hash(file) for file in store.files(f"tune/{system.name}") if file.suffix == ".safetensors"]
        store.stage(f"conditions/{name}", [*_asked(plan), *head_hash(system), tuned], work)


def condition_samples(store: RunStore, name: str) -> list[Sample]:
    """The samples of a condition, from its files."""
    return next(read_samples(file) for file in store.files(f"conditions/{name}") if file.name.startswith("samples_"))


def compare_conditions(store: RunStore, plan: Plan, samples: dict[str, list[Sample]]) -> Comparison:
    """Compare all conditions on their identical items."""
    path = store.folder / "comparison.json"
    systems = {name: kind_of(plan.recipe, condition) for name, condition in plan.recipe.conditions.items()}

    def work() -> list[Path]:
        planned = planned_contrasts(plan.recipe.conditions, systems)
        comparison = compare(samples, planned, plan.task.task, plan.recipe.seed, plan.metrics, systems)
        write_json(path, comparison.to_dict())
        return [path]

    store.stage("comparison", [__version__, samples_hashes(store, plan), systems, plan.recipe.seed], work)
    return Comparison.from_dict(read_json(path))


def compare_probes(store: RunStore, plan: Plan, samples: dict[str, list[Sample]]) -> list[ProbeResult]:
    """Say what other wordings, orders, texts and tasks changed."""
    path = store.folder / "probes.json"
    systems = {name: kind_of(plan.recipe, condition) for name, condition in plan.recipe.conditions.items()}

    def metrics(task: Task) -> list[Metric]:
        return make_metrics(task, plan.recipe.evaluate.allow_execution)

    def work() -> list[Path]:
        results = []
        for asked in plan.probes:
            answers = {way.name: probe_samples(store, asked, way) for way in asked.variations}
            plain = {name: samples[name] for name in asked.conditions} if asked.same_items else {}
            results.append(compare_probe(asked, answers, plain, systems, metrics, plan.recipe.seed).to_dict())
        write_json(path, results)
        return [path]

    answered = [entry["inputs"] for name, entry in store.record["stages"].items() if name.startswith("probes/")]
    names = [[asked.name, [way.name for way in asked.variations], asked.margin] for asked in plan.probes]
    inputs = [__version__, names, answered, samples_hashes(store, plan), systems, plan.recipe.seed]
    store.stage("probes", inputs, work)
    return [ProbeResult.from_dict(result) for result in read_json(path)]


def diagnose_errors(store: RunStore, plan: Plan, samples: dict[str, list[Sample]], comparison: Comparison) -> Diagnosis:
    """Say where the last condition still fails, and what follows for the next round."""
    path = store.folder / "diagnosis.json"
    train_counts = dict(Counter(example.target for example in plan.data.splits.train))
    tuning = studied_tuning(store, plan)

    def work() -> list[Path]:
        write_json(path, diagnose(samples, comparison, tuning, train_counts).to_dict())
        return [path]

    store.stage("diagnosis", [__version__, samples_hashes(store, plan), tuning, train_counts], work)
    return Diagnosis.from_dict(read_json(path))


def report(
    store: RunStore,
    plan: Plan,
    findings: list[Finding],
    samples: dict[str, list[Sample]],
    comparison: Comparison,
    probes: list[ProbeResult],
    diagnosis: Diagnosis,
) -> RunReport:
    """Write the report as a page, as Markdown and as the summary that is printed."""
    result = RunReport(
        name=store.folder.name,
        task=plan.task.task,
        model=plan.recipe.model,
        folder=str(store.folder),
        comparison=comparison,
        probes=probes,
        diagnosis=diagnosis,
        findings=findings,
        tuning=studied_tuning(store, plan),
        seconds_per_1000={name: _seconds_per_1000(store, name) for name in samples},
        samples=samples,
        facts=store.record | {"recipe": dump_recipe(plan.recipe)},
        sources={item.id: f"{item.source.file}:{item.source.row}" for item in plan.items},
    )

    def work() -> list[Path]:
        pages = {
            "report.html": render_html(result),
            "report.md": render_markdown(result),
            "summary.txt": summary_text(result) + "\n",
        }
        if has_tuned(plan.recipe):
            library = "peft" if plan.recipe.tune.method.lora else "transformers"
            kind, has_template = loading_kind(plan.own.base.model), bool(plan.own.base.tokenizer.chat_template)
            languages = [plan.task.language]
            card = model_card(result, plan.recipe.model, library, languages, kind=kind, has_template=has_template)
            pages["model/README.md"] = card
        for name, text in pages.items():
            write_text(store.folder / name, text)
        return [store.folder / name for name in pages]

    stages = {name: entry["files"] for name, entry in store.record["stages"].items() if name != "report"}
    facts = {name: fact for name, fact in result.facts.items() if name != "stages"}
    store.stage("report", [__version__, result.name, facts, stages], work)
    return result


def studied_tuning(store: RunStore, plan: Plan) -> dict[str, Any] | None:
    """What tuning of the first tuned condition did, the one that is diagnosed; None where nothing was tuned."""
    for condition in plan.recipe.conditions.values():
        if kind_of(plan.recipe, condition) == TUNED:
            own = condition.system == TUNED
            return tuning_report(store.folder if own else store.folder / "systems" / condition.system)
    return None


def tuning_report(folder: Path) -> dict[str, Any] | None:
    """What tuning did, where it has been done."""
    path = folder / "model" / "tuning.json"
    return read_json(path) if path.is_file() else None


def prompts_hash(prompts: Sequence[Prompt]) -> str:
    """Hash of what the model is given."""
    return content_hash([[prompt.example_id, prompt.token_ids, prompt.supervised] for prompt in prompts])


def samples_hashes(store: RunStore, plan: Plan) -> list[str]:
    """Hashes of the samples of all conditions."""
    names = plan.recipe.conditions
    return [file_hash(file) for name in names for file in store.files(f"conditions/{name}") if file.suffix == ".jsonl"]


def _seconds_per_1000(store: RunStore, name: str) -> float:
    results = next(file for file in store.files(f"conditions/{name}") if file.name.startswith("results_"))
    return float(read_json(results)["seconds_per_1000_answers"])


def _questions(plan: Plan, examples: list[Example]) -> list[str]:
    return [question_text(plan.task, example) for example in examples]


def _asked(plan: Plan) -> list[Any]:
    """What every condition's answers depend on: the whole task, its data, and which items are asked."""
    return [__version__, dump_task(plan.task), plan.data.hash, [example.id for example in plan.items]]


def _write(store: RunStore, plan: Plan, evaluation: Evaluation, chat_template: str | None) -> list[Path]:
    folder = store.folder / "conditions" / evaluation.condition
    recorded = store.record["stages"].get(f"conditions/{evaluation.condition}", {"files": {}})["files"]
    for file in [*folder.glob("results_*.json"), *folder.glob("samples_*.jsonl")]:
        if file.relative_to(store.folder).as_posix() not in recorded:
            file.unlink()  # left by a run that was killed before it could enter it
    facts: dict[str, Any] = {
        "config": {"seed": plan.recipe.seed, "limit": plan.recipe.limit},
        "chat_template": chat_template,
    }
    shots = plan.recipe.conditions[evaluation.condition].prompting.shots
    return write_evaluation(evaluation, plan.task, shots, folder, facts)
