"""The whole loop: check, baselines, tuning, evaluation, comparison, diagnosis, report.

Read `run` from top to bottom. Every stage writes its files into the run directory and is skipped when its inputs are
those of last time; what a stage needs from an earlier one it reads from those files, so that a run that was killed
and started again computes from the same numbers as an undisturbed one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tunelift import __version__
from tunelift.comparison.compare import compare
from tunelift.comparison.records import Comparison
from tunelift.core import hardware
from tunelift.core.cache import cache_folder
from tunelift.core.files import content_hash, file_hash, read_json, write_json, write_text
from tunelift.core.progress import say
from tunelift.core.recipe import Condition, Recipe, dump_recipe
from tunelift.core.records import Example, Finding, Prompt, Sample, as_dict
from tunelift.core.store import RunStore, open_store
from tunelift.data.checks import check_examples, refuse_errors
from tunelift.data.examples import LoadedTask, draw_positions, load_examples
from tunelift.data.tasks import Task, dump_task, load_task
from tunelift.diagnosis.errors import Diagnosis, diagnose
from tunelift.evaluation.baselines import fit_majority, fit_tfidf
from tunelift.evaluation.evaluate import Evaluation, evaluate_model, evaluate_predictor
from tunelift.evaluation.results import read_samples, write_evaluation
from tunelift.models.load import LanguageModel, load_model, load_tuned
from tunelift.prompts.build import PromptStyle, answer_prompts, question_text, training_prompts
from tunelift.prompts.checks import check_prompts
from tunelift.report.html import render_html
from tunelift.report.markdown import model_card, render_markdown
from tunelift.report.record import RunReport
from tunelift.report.summary import summary_text
from tunelift.tuning.checkpoints import remove_checkpoints
from tunelift.tuning.tune import check_tunable, tune_model


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run works on, once recipe, data and tokenizer are read.

    Attributes:
        recipe: The recipe.
        task: The task.
        data: The examples of the task.
        positions: Which items of the test split are asked, the same for every condition.
        items: These items.
        style: How prompts are rendered.
        training: Prompts with answers to tune on.
        validation: The same for measuring the loss.
        prompts: The prompts of every condition that asks a language model.
        context: The longest sequence that the model takes.
    """

    recipe: Recipe
    task: Task
    data: LoadedTask
    positions: list[int]
    items: list[Example]
    style: PromptStyle
    training: list[Prompt]
    validation: list[Prompt]
    prompts: dict[str, list[Prompt]]
    context: int


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
        plan, base = prepare(recipe, accept_terms)
        findings = check(store, plan)
        record_facts(store, plan, base)
        for name, condition in recipe.conditions.items():
            if condition.system in ("majority", "tfidf"):
                answer_classically(store, plan, name, condition)
        for name, condition in recipe.conditions.items():
            if condition.system == "base":
                answer(store, plan, name, condition, base)
        if has_tuned(recipe):
            tune(store, plan, base)
            tuned = load_tuned(base, folder / "model", recipe.tune.precision, accept_terms)
            for name, condition in recipe.conditions.items():
                if condition.system == "tuned":
                    answer(store, plan, name, condition, tuned)
        samples = {name: condition_samples(store, name) for name in recipe.conditions}
        comparison = compare_conditions(store, plan, samples)
        diagnosis = diagnose_errors(store, plan, samples, comparison)
        return report(store, plan, findings, samples, comparison, diagnosis)


def has_tuned(recipe: Recipe) -> bool:
    """Whether any condition asks for the tuned model."""
    return any(condition.system == "tuned" for condition in recipe.conditions.values())


def prepare(recipe: Recipe, accept_terms: bool) -> tuple[Plan, LanguageModel]:
    """Read task, model and data; the model is the untuned one."""
    task = load_task(recipe.task)
    base = load_model(recipe.model, recipe.tune.precision, accept_terms)
    return make_plan(recipe, task, base), base


def make_plan(recipe: Recipe, task: Task, base: LanguageModel) -> Plan:
    """Read the data of the task, draw the test items, and render every prompt of the run."""
    data = load_examples(task, cache_folder() / "splits")
    positions = draw_positions(len(data.splits.test), recipe.limit, recipe.seed)
    items = [data.splits.test[position] for position in positions]
    style = PromptStyle(task, base.tokenizer, chat=task.render == "chat")
    prompts = {
        name: answer_prompts(style, condition.prompting, items, data.splits.train, recipe.seed)
        for name, condition in recipe.conditions.items()
        if condition.system in ("base", "tuned")
    }
    training = training_prompts(style, data.splits.train)
    validation = training_prompts(style, data.splits.validation)
    return Plan(recipe, task, data, positions, items, style, training, validation, prompts, base.context)


def record_facts(store: RunStore, plan: Plan, base: LanguageModel) -> None:
    """Enter into the run directory what the run depends on; results that depended on something else are outdated."""
    model = Path(plan.recipe.model)
    paths = {"task": "task.yaml", "model": str(model.resolve()) if model.exists() else plan.recipe.model}
    texts = {
        "task.yaml": dump_task(plan.task),
        "recipe.yaml": dump_recipe(plan.recipe.model_copy(update=paths)),
    }
    files = [store.folder / name for name in texts]
    if any(not file.is_file() or file.read_text(encoding="utf-8") != texts[file.name] for file in files):
        gone = {name for name in store.record["stages"] if name.startswith("conditions/")}
        gone -= {f"conditions/{name}" for name in plan.recipe.conditions}
        store.forget([*gone, "comparison", "diagnosis", "report"])
    for file in files:
        write_text(file, texts[file.name])
    packages = ("torch", "transformers", "peft", "accelerate", "numpy", "scikit-learn")
    store.update(
        seed=plan.recipe.seed,
        versions={"tunelift": __version__, **{package: version(package) for package in packages}},
        hardware=hardware.describe(),
        model={"name": base.name, "sha256": base.fingerprint},
        data={"sha256": plan.data.hash, "counts": plan.data.counts},
        chat_template_sha256=content_hash(base.tokenizer.chat_template),
        determinism=determinism(),
    )


def determinism() -> dict[str, list[str]]:
    """What comes out the same when a run is repeated with one seed on one machine, and what does not."""
    same = ["splits", "demonstrations", "initial adapter", "order of training examples", "dropout", "greedy answers"]
    other = ["timings", "results on another machine or with another number of threads: sums are rounded differently"]
    if hardware.device() == "cuda":
        other.append("last digits of sums on a GPU, whose kernels may add in a different order each time")
    return {"repeatable": same, "not repeatable": other}


def find_faults(plan: Plan) -> list[Finding]:
    """Look at data and prompts before anything expensive happens."""
    splits = replace(plan.data.splits, test=plan.items)
    examples = [*splits.train, *splits.validation, *splits.test]
    return [
        *plan.data.findings,
        *check_examples(splits, plan.task),
        *check_prompts(plan.style, examples, plan.training + plan.validation, plan.prompts, plan.context),
    ]


def check(store: RunStore, plan: Plan) -> list[Finding]:
    """Write down what the checks notice, and say what the user should know of.

    Raises:
        UserError: A finding makes the run meaningless.
    """
    path = store.folder / "check.json"
    findings = find_faults(plan)
    content = {"counts": plan.data.counts, "findings": [as_dict(finding) for finding in findings]}
    refuse_errors(findings, plan.recipe.task)
    if has_tuned(plan.recipe):
        check_tunable(plan.training, plan.validation)

    def work() -> list[Path]:
        write_json(path, content)
        return [path]

    store.stage("check", [__version__, content], work)
    for finding in findings:
        if finding.severity == "warning":
            say(f"check: {finding.message} ({finding.count}) - {finding.remedy}")
    return findings


def answer_classically(store: RunStore, plan: Plan, name: str, condition: Condition) -> None:
    """Answer the items with a baseline that knows nothing of language models."""
    splits = plan.data.splits

    def work() -> list[Path]:
        train, validation, items = (_questions(plan, part) for part in (splits.train, splits.validation, plan.items))
        targets = [example.target for example in splits.train]
        if condition.system == "majority":
            predict = fit_majority(targets)
        else:
            held_out = (validation, [example.target for example in splits.validation])
            predict = fit_tfidf(train, targets, held_out, plan.task.language, plan.recipe.seed)
        evaluation = evaluate_predictor(predict, plan.task, splits.test, plan.positions, items, name)
        return _write(store, plan, evaluation, condition)

    store.stage(f"conditions/{name}", [*_asked(plan), condition.model_dump(), plan.recipe.seed], work)


def answer(store: RunStore, plan: Plan, name: str, condition: Condition, model: LanguageModel) -> None:
    """Answer the items with a language model."""
    test = plan.data.splits.test

    def work() -> list[Path]:
        evaluation = evaluate_model(model, plan.style, test, plan.positions, plan.prompts[name], name)
        return _write(store, plan, evaluation, condition)

    computed = [model.fingerprint, str(model.model.dtype), plan.style.tokenizer.chat_template]
    store.stage(f"conditions/{name}", [*_asked(plan), *computed, prompts_hash(plan.prompts[name])], work)


def tune(store: RunStore, plan: Plan, base: LanguageModel) -> None:
    """Tune the base model."""
    recipe = plan.recipe

    def work() -> list[Path]:
        tune_model(base, plan.training, plan.validation, recipe.tune, recipe.seed, store.folder)
        written = [file for file in (store.folder / "model").rglob("*") if file.is_file() and file.name != "README.md"]
        return [store.folder / "log.jsonl", *written]

    prompts = [prompts_hash(plan.training), prompts_hash(plan.validation)]
    settings = recipe.tune.model_dump(exclude={"checkpoint_steps"})
    inputs = [__version__, base.fingerprint, str(base.model.dtype), prompts, settings, recipe.seed]
    store.stage("tune", inputs, work)
    remove_checkpoints(store.folder)


def condition_samples(store: RunStore, name: str) -> list[Sample]:
    """The samples of a condition, from its files."""
    return next(read_samples(file) for file in store.files(f"conditions/{name}") if file.name.startswith("samples_"))


def compare_conditions(store: RunStore, plan: Plan, samples: dict[str, list[Sample]]) -> Comparison:
    """Compare all conditions on their identical items."""
    path = store.folder / "comparison.json"
    systems = {name: condition.system for name, condition in plan.recipe.conditions.items()}

    def work() -> list[Path]:
        planned = planned_contrasts(plan.recipe.conditions)
        comparison = compare(samples, planned, plan.task.task, plan.recipe.seed, systems=systems)
        write_json(path, comparison.to_dict())
        return [path]

    store.stage("comparison", [__version__, samples_hashes(store, plan), systems, plan.recipe.seed], work)
    return Comparison.from_dict(read_json(path))


def planned_contrasts(conditions: dict[str, Condition]) -> list[tuple[str, str]]:
    """What is compared with what: tuned with everything else, then few-shot with zero-shot (elicitation)."""
    by_system = {
        system: [name for name, condition in conditions.items() if condition.system == system]
        for system in ("tuned", "base", "tfidf", "majority")
    }
    others = by_system["base"] + by_system["tfidf"] + by_system["majority"]
    shots = {name: conditions[name].prompting.shots for name in by_system["base"]}
    elicitation = [(few, zero) for few in shots for zero in shots if shots[few] > 0 and shots[zero] == 0]
    return [(tuned, other) for tuned in by_system["tuned"] for other in others] + elicitation


def diagnose_errors(store: RunStore, plan: Plan, samples: dict[str, list[Sample]], comparison: Comparison) -> Diagnosis:
    """Say where the last condition still fails, and what follows for the next round."""
    path = store.folder / "diagnosis.json"
    train_counts = dict(Counter(example.target for example in plan.data.splits.train))
    tuning = tuning_report(store) if has_tuned(plan.recipe) else None

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
    diagnosis: Diagnosis,
) -> RunReport:
    """Write the report as a page, as Markdown and as the summary that is printed."""
    result = RunReport(
        name=store.folder.name,
        task=plan.task.task,
        model=plan.recipe.model,
        folder=str(store.folder),
        comparison=comparison,
        diagnosis=diagnosis,
        findings=findings,
        tuning=tuning_report(store) if has_tuned(plan.recipe) else None,
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
        if result.tuning:
            library = "peft" if plan.recipe.tune.method.lora else "transformers"
            pages["model/README.md"] = model_card(result, plan.recipe.model, library, [plan.task.language])
        for name, text in pages.items():
            write_text(store.folder / name, text)
        return [store.folder / name for name in pages]

    stages = {name: entry["files"] for name, entry in store.record["stages"].items() if name != "report"}
    facts = {name: fact for name, fact in result.facts.items() if name != "stages"}
    store.stage("report", [__version__, result.name, facts, stages], work)
    return result


def tuning_report(store: RunStore) -> dict[str, Any] | None:
    """What tuning did, where the run has tuned."""
    path = store.folder / "model" / "tuning.json"
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


def _write(store: RunStore, plan: Plan, evaluation: Evaluation, condition: Condition) -> list[Path]:
    folder = store.folder / "conditions" / evaluation.condition
    recorded = store.record["stages"].get(f"conditions/{evaluation.condition}", {"files": {}})["files"]
    for file in [*folder.glob("results_*.json"), *folder.glob("samples_*.jsonl")]:
        if file.relative_to(store.folder).as_posix() not in recorded:
            file.unlink()  # left by a run that was killed before it could enter it
    asked = evaluation.condition in plan.prompts and plan.style.chat
    facts: dict[str, Any] = {
        "config": {"seed": plan.recipe.seed, "limit": plan.recipe.limit},
        "chat_template": plan.style.tokenizer.chat_template if asked else None,
    }
    return write_evaluation(evaluation, plan.task, condition.prompting.shots, folder, facts)
