"""The whole loop: check, baselines, tuning, evaluation, comparison, diagnosis, report.

Read `run` from top to bottom. Every stage writes its files into the run directory and is skipped when its inputs are
those of last time; what a stage needs from an earlier one it reads from those files, so that a run that was killed
and started again computes from the same numbers as an undisturbed one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from tunelift import __version__
from tunelift.core.files import content_hash, file_hash, read_json, write_json, write_text
from tunelift.core.names import CLASSICAL, NEAREST
from tunelift.core.progress import say
from tunelift.core.recipe import Recipe, dump_recipe
from tunelift.core.records import Example, Finding, Prompt, as_dict
from tunelift.core.store import RunStore, open_store
from tunelift.data.checks import refuse_errors
from tunelift.data.contents import contents_of, questions_of
from tunelift.data.examples import draw_positions
from tunelift.data.tasks import dump_task
from tunelift.evaluation.baselines import fit_majority, fit_nearest, fit_nearest_embedding, fit_tfidf
from tunelift.evaluation.contamination.hint import membership_hint
from tunelift.evaluation.endpoints import endpoint_messages, evaluate_endpoint
from tunelift.evaluation.evaluate import Evaluation, evaluate_model, evaluate_predictor
from tunelift.evaluation.heads import HeadSystem, evaluate_head, head_hash, tune_head_system
from tunelift.evaluation.results import write_evaluation
from tunelift.evidence import Evidence, condition_results, condition_samples, examine, studied_tuning
from tunelift.facts import record_facts
from tunelift.heads.model import load_head
from tunelift.models.adapters import remove_adapter
from tunelift.models.card import loading_kind
from tunelift.models.embedder import embed_texts, embedder_hash
from tunelift.models.load import LanguageModel, check_trees, load_tuned, release, restore
from tunelift.plan import EndpointSystem, LanguageSystem, Plan, conditions_of, find_faults, has_tuned, prepare
from tunelift.probes.ask import announce, ask_probes, remove_unrecorded
from tunelift.probes.search import PromptSearch, candidates_of, chosen_prompts, search_prompt
from tunelift.prompts.build import PromptStyle, question_text
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
        if recipe.evaluate.membership:
            restore(plan.own.base, recipe.tune.precision, accept_terms)
            look_for_membership(store, plan)
        for endpoint in plan.endpoints:
            answer_elsewhere(store, plan, endpoint)
        for system, following in zip_longest(plan.models, plan.models[1:]):
            restore(system.base, system.settings.precision, accept_terms)
            check_trees(system.base, [*chain.from_iterable(system.prompts.values())])
            for name in system.untuned:
                answer(store, plan, system, name, system.base)
                probe(store, plan, name, system.base)
            if system.tuned:
                answer_tuned(store, plan, system, accept_terms)
            if following is None or following.base is not system.base:
                release(system.base)  # one model is in memory at a time
        for head in plan.heads:
            tune_with_head(store, plan, head)
            answer_with_head(store, plan, head)
        return report(store, plan, findings, examine(store, plan))


def system_folder(store: RunStore, system: LanguageSystem | HeadSystem) -> Path:
    """Where the tuned model of a system stands."""
    return store.folder / "systems" / system.name if system.name else store.folder


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
        read = _contents if condition.system == NEAREST else _questions
        train, validation, items = (read(plan, part) for part in (splits.train, splits.validation, plan.items))
        targets = [example.target for example in splits.train]
        if condition.system == "majority":
            predict = fit_majority(targets)
        elif condition.encoder:
            predict = fit_nearest_embedding(train, targets, partial(embed_texts, name=condition.encoder))
        elif condition.system == NEAREST or plan.task.doc_to_choice is None:
            predict = fit_nearest(train, targets, plan.task.language)
        else:
            held_out = (validation, [example.target for example in splits.validation])
            predict = fit_tfidf(train, targets, held_out, plan.task.language, plan.recipe.seed)
        allowed = plan.recipe.evaluate.allow_execution
        evaluation = evaluate_predictor(predict, plan.task, splits.test, plan.positions, items, name, allowed)
        return _write(store, plan, evaluation, None)

    encoder = embedder_hash(condition.encoder) if condition.encoder else None
    store.stage(f"conditions/{name}", [*_asked(plan), condition.model_dump(), encoder, plan.recipe.seed], work)


def answer(store: RunStore, plan: Plan, system: LanguageSystem, name: str, model: LanguageModel) -> None:
    """Answer the items with a language model."""
    style, prompts = prompts_of(store, plan, system, name, model)

    def work() -> list[Path]:
        allowed = plan.recipe.evaluate.allow_execution
        evaluation = evaluate_model(model, style, plan.data.splits.test, plan.positions, prompts, name, allowed)
        return _write(store, plan, evaluation, style.tokenizer.chat_template if style.chat else None)

    computed = [model.fingerprint, str(model.model.dtype), style.tokenizer.chat_template]
    store.stage(f"conditions/{name}", [*_asked(plan), *computed, prompts_hash(prompts)], work)


def answer_tuned(store: RunStore, plan: Plan, system: LanguageSystem, accept_terms: bool) -> None:
    """Tune a language model, and let it answer the items; its base is then as it was, or has given its memory back."""
    tune(store, system)
    if system.settings.method.full:
        release(system.base)  # tuning has used it up, and a whole tuned model takes its place
    model = tuned(store, system, accept_terms)
    for name in system.tuned:
        answer(store, plan, system, name, model)
        probe(store, plan, name, model)
    remove_adapter(model.model)


def prompts_of(
    store: RunStore, plan: Plan, system: LanguageSystem, name: str, model: LanguageModel
) -> tuple[PromptStyle, list[Prompt]]:
    """The prompts of a condition; where it asks for the best ones, they are looked for on the validation split."""
    prompting, splits, seed = plan.recipe.conditions[name].prompting, plan.data.splits, plan.recipe.seed
    if not prompting.wordings:
        return system.style, system.prompts[name]
    path = store.folder / "conditions" / name / "search.json"
    limit = plan.recipe.evaluate.probe_limit
    validation = [splits.validation[at] for at in sorted(draw_positions(len(splits.validation), limit, seed))]
    candidates = candidates_of(plan.task, prompting, validation, splits.train)

    def work() -> list[Path]:
        allowed = plan.recipe.evaluate.allow_execution
        write_json(path, search_prompt(model, candidates, plan.metrics[0], name, seed, allowed).to_dict())
        return [path]

    tried = [[dump_task(way.task), count.model_dump()] for way, count in candidates]
    computed = [model.fingerprint, str(model.model.dtype), system.style.tokenizer.chat_template]
    store.stage(f"search/{name}", [*_asked(plan), tried, [item.id for item in validation], computed, seed], work)
    return chosen_prompts(PromptSearch.from_dict(read_json(path)), candidates, system.style, plan.items, seed)


def answer_elsewhere(store: RunStore, plan: Plan, system: EndpointSystem) -> None:
    """Let an endpoint answer the items, under every condition that asks it."""
    endpoint = system.endpoint
    for name, shown in system.shown.items():

        def work(name: str = name, shown: list[list[Example]] = shown) -> list[Path]:
            allowed = plan.recipe.evaluate.allow_execution
            test, positions = plan.data.splits.test, plan.positions
            evaluation = evaluate_endpoint(endpoint, plan.task, test, positions, shown, name, allowed)
            return _write(store, plan, evaluation, None)

        asked = [endpoint_messages(plan.task, *item) for item in zip(plan.items, shown, strict=True)]
        served = [endpoint.url, endpoint.model, endpoint.length_parameter, dict(endpoint.parameters)]
        store.stage(f"conditions/{name}", [*_asked(plan), served, content_hash(asked)], work)


def probe(store: RunStore, plan: Plan, name: str, model: LanguageModel) -> None:
    """Ask the model of a condition what the recipe wants to know besides."""
    probes = [probe for probe in plan.probes if name in probe.conditions]
    if probes:
        seconds = condition_results(store, name)["seconds_per_1000_answers"]
        ask_probes(store, probes, plan.recipe, name, model, condition_samples(store, name), seconds)


def look_for_membership(store: RunStore, plan: Plan) -> None:
    """Compare how familiar the untuned model is with the test items and with training items, which are of one source.

    Raises:
        UserError: There are no training items to compare with, or the model is an encoder-decoder.
    """
    path, train, base = store.folder / "membership.json", plan.data.splits.train, plan.own.base
    references = [train[at] for at in draw_positions(len(train), len(plan.items), plan.recipe.seed)]

    def work() -> list[Path]:
        texts = [contents_of(plan.task, part) for part in (plan.items, references)]
        grouped = [[item.group or item.id for item in part] for part in (plan.items, references)]
        groups = grouped if plan.task.group_by else [None, None]
        write_json(path, membership_hint(base, *texts, *groups).to_dict())
        return [path]

    compared = [item.id for item in references]
    store.stage("membership", [*_asked(plan), base.fingerprint, str(base.model.dtype), compared], work)


def tune(store: RunStore, system: LanguageSystem) -> None:
    """Tune a language model."""
    folder = system_folder(store, system)

    def work() -> list[Path]:
        tune_model(system.base, system.training, system.validation, system.settings, system.seed, folder)
        return tuned_files(folder)

    prompts = [prompts_hash(system.training), prompts_hash(system.validation)]
    settings = system.settings.model_dump(exclude={"checkpoint_steps", "seeds"})
    inputs = [__version__, system.base.fingerprint, str(system.base.model.dtype), prompts, settings, system.seed]
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
    folder, seed = system_folder(store, system), plan.recipe.seed_of(system.settings)

    def work() -> list[Path]:
        tune_head_system(system, seed, folder)
        return tuned_files(folder)

    store.stage(f"tune/{system.name}", [__version__, *head_hash(system), seed], work)
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


def report(store: RunStore, plan: Plan, findings: list[Finding], evidence: Evidence) -> RunReport:
    """Write the report as a page, as Markdown and as the summary that is printed."""
    result = RunReport(
        name=store.folder.name,
        task=plan.task.task,
        model=plan.recipe.model,
        folder=str(store.folder),
        comparison=evidence.comparison,
        overlap=evidence.overlap,
        membership=evidence.membership,
        seeds=evidence.seeds,
        flips=evidence.flips,
        probes=evidence.probes,
        safety=evidence.safety,
        leakage=evidence.leakage,
        searches=evidence.searches,
        calibrations=evidence.calibrations,
        temperature=evidence.temperature,
        costs=evidence.costs,
        diagnosis=evidence.diagnosis,
        findings=findings,
        tuning=studied_tuning(store, plan),
        seconds_per_1000={
            name: condition_results(store, name)["seconds_per_1000_answers"] for name in evidence.samples
        },
        samples=evidence.samples,
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
            if evidence.temperature:
                pages["model/temperature.json"] = json.dumps({"temperature": evidence.temperature.temperature}) + "\n"
        for name, text in pages.items():
            write_text(store.folder / name, text)
        return [store.folder / name for name in pages]

    stages = {name: entry["files"] for name, entry in store.record["stages"].items() if name != "report"}
    facts = {name: fact for name, fact in result.facts.items() if name != "stages"}
    store.stage("report", [__version__, result.name, facts, stages, content_hash(result.sources)], work)
    return result


def prompts_hash(prompts: Sequence[Prompt]) -> str:
    """Hash of what the model is given."""
    return content_hash([[prompt.example_id, prompt.token_ids, prompt.supervised] for prompt in prompts])


def _questions(plan: Plan, examples: list[Example]) -> list[str]:
    return [question_text(plan.task, example) for example in examples]


def _contents(plan: Plan, examples: list[Example]) -> list[str]:
    """The same without the words of the template, which make all questions alike."""
    return questions_of(plan.task, examples)


def _asked(plan: Plan) -> list[Any]:
    """What every condition's answers depend on: the whole task, its data, and which items are asked."""
    return [__version__, dump_task(plan.task), plan.data.hash, [example.id for example in plan.items]]


def _write(store: RunStore, plan: Plan, evaluation: Evaluation, chat_template: str | None) -> list[Path]:
    stage = f"conditions/{evaluation.condition}"
    remove_unrecorded(store, stage)
    facts: dict[str, Any] = {
        "config": {"seed": plan.recipe.seed, "limit": plan.recipe.limit},
        "chat_template": chat_template,
    }
    shots = plan.recipe.conditions[evaluation.condition].prompting.shots
    return write_evaluation(evaluation, plan.task, shots, store.folder / stage, facts)
