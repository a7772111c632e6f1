"""What follows from the answers of a run: each piece from the files of the run directory, written beside them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tunelift import __version__
from tunelift.comparison.compare import compare
from tunelift.comparison.contamination import TrainingOverlap, encoder_for, find_training_overlap
from tunelift.comparison.costs import Costs, Tuning, Usage, assess_costs
from tunelift.comparison.flips import Flips, find_flips
from tunelift.comparison.records import Comparison
from tunelift.comparison.seeds import SeedResult, compare_seeds
from tunelift.core.files import content_hash, file_hash, read_json, write_json
from tunelift.core.names import BASE, TUNED
from tunelift.core.records import Sample
from tunelift.core.store import RunStore
from tunelift.data.formats.rows import place
from tunelift.data.tasks import ROLLING, Task, dump_task
from tunelift.diagnosis.errors import Diagnosis, diagnose
from tunelift.diagnosis.slices import compare_slices, find_slices
from tunelift.evaluation.calibration import Calibration, has_probabilities, measure_calibration
from tunelift.evaluation.contamination.hint import MembershipHint
from tunelift.evaluation.metrics.metric import Metric
from tunelift.evaluation.metrics.table import make_metrics
from tunelift.evaluation.results import read_samples
from tunelift.evaluation.temperature import TemperatureCheck, check_temperature, fit_temperature
from tunelift.plan import Plan, kinds_of, planned_contrasts, tuning_stage
from tunelift.probes.ask import probe_samples
from tunelift.probes.canaries import LeakageResult, measure_leakage
from tunelift.probes.compare import compare_probe
from tunelift.probes.records import ProbeResult
from tunelift.probes.safety_results import SafetyResult, measure_safety
from tunelift.probes.search import PromptSearch
from tunelift.probes.transfer import find_transfers
from tunelift.probes.variation import CANARIES, SAFETY, TEMPERATURE, UNSEEN


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that a run has found out.

    Attributes:
        samples: The answers, by condition.
        comparison: The conditions and their contrasts.
        overlap: Which test items stand in the training data, too, and the comparison without them.
        membership: A hint whether the untuned model has seen the test items before, where it was asked for.
        seeds: Conditions that were repeated with other seeds of tuning.
        flips: Why items became right or wrong, for every contrast.
        probes: What other wordings, orders, texts and tasks changed.
        safety: What tuning does to bias and safety; None where that was not asked for.
        searches: What was tried to find the best prompt.
        calibrations: How far probabilities can be trusted, by condition that has such.
        temperature: The temperature that corrects those of the tuned model, where it was asked for.
        leakage: What the models give away of planted secrets; None where none were planted.
        costs: What answers and tuning cost.
        diagnosis: What is still wrong, and what follows for the next round.
    """

    samples: dict[str, list[Sample]]
    comparison: Comparison
    overlap: TrainingOverlap
    membership: MembershipHint | None
    seeds: tuple[SeedResult, ...]
    flips: tuple[Flips, ...]
    probes: list[ProbeResult]
    safety: SafetyResult | None
    searches: list[PromptSearch]
    calibrations: dict[str, Calibration]
    temperature: TemperatureCheck | None
    leakage: LeakageResult | None
    costs: Costs
    diagnosis: Diagnosis


def examine(store: RunStore, plan: Plan) -> Evidence:
    """Find out everything that the answers of a finished run say."""
    samples = {name: condition_samples(store, name) for name in plan.recipe.conditions}
    comparison = compare_conditions(store, plan, samples)
    probes = compare_probes(store, plan, samples, comparison)
    diagnosis = diagnose_errors(store, plan, samples, comparison, probes)
    seed = plan.recipe.seed
    evidence = Evidence(
        samples=samples,
        comparison=comparison,
        overlap=find_overlap(store, plan, samples),
        membership=read_membership(store, plan),
        seeds=compare_seeds(samples, plan.recipe.repeats, baselines(plan), plan.metrics[0]),
        flips=find_flips(samples, comparison),
        probes=probes,
        safety=examine_safety(store, plan, samples),
        searches=prompt_searches(store, plan),
        calibrations={
            name: measure_calibration(part, seed)
            for name, part in samples.items()
            if name not in plan.recipe.repeats and has_probabilities(part)
        },
        temperature=measure_temperature(store, plan, samples),
        leakage=find_leakage(store, plan),
        costs=weigh_costs(store, plan, comparison),
        diagnosis=diagnosis,
    )
    write_further(store, plan, evidence)
    return evidence


def condition_samples(store: RunStore, name: str) -> list[Sample]:
    """The samples of a condition, from its files."""
    return next(read_samples(file) for file in store.files(f"conditions/{name}") if file.name.startswith("samples_"))


def compare_conditions(store: RunStore, plan: Plan, samples: dict[str, list[Sample]]) -> Comparison:
    """Compare all conditions on their identical items."""
    path, systems, planned = store.folder / "comparison.json", kinds_of(plan.recipe), contrasts_of(plan)

    def work() -> list[Path]:
        comparison = compare(samples, planned, plan.task.task, plan.recipe.seed, plan.metrics, systems)
        write_json(path, comparison.to_dict())
        return [path]

    store.stage("comparison", [__version__, samples_hashes(store, plan), systems, plan.recipe.seed], work)
    return Comparison.from_dict(read_json(path))


def find_overlap(store: RunStore, plan: Plan, samples: dict[str, list[Sample]]) -> TrainingOverlap:
    """Say which test items stand in the training data, too, and what the others alone show."""
    path, systems, seed = store.folder / "contamination.json", kinds_of(plan.recipe), plan.recipe.seed
    task, train = plan.task, plan.data.splits.train

    def work() -> list[Path]:
        planned, metrics = contrasts_of(plan), plan.metrics
        write_json(
            path, find_training_overlap(task, train, plan.items, samples, planned, seed, metrics, systems).to_dict()
        )
        return [path]

    has_encoder = encoder_for(task, [*train, *plan.items]) is not None
    places = [place(example.source) for example in [*train, *plan.items]]
    data = [dump_task(task), plan.data.hash, content_hash(places), samples_hashes(store, plan)]
    store.stage("contamination", [__version__, data, has_encoder, systems, seed], work)
    return TrainingOverlap.from_dict(read_json(path))


def read_membership(store: RunStore, plan: Plan) -> MembershipHint | None:
    """The hint whether the untuned model has seen the test items before, where the recipe asks for it."""
    if not plan.recipe.evaluate.membership:
        return None
    (file,) = store.files("membership")
    return MembershipHint.from_dict(read_json(file))


def compare_probes(
    store: RunStore, plan: Plan, samples: dict[str, list[Sample]], comparison: Comparison
) -> list[ProbeResult]:
    """Say what other wordings, orders, texts, rows and tasks changed."""
    path, systems, seed = store.folder / "probes.json", kinds_of(plan.recipe), plan.recipe.seed
    probes = [probe for probe in plan.probes if probe.name not in (TEMPERATURE, CANARIES, *SAFETY)]

    def metrics(task: Task) -> list[Metric]:
        return make_metrics(task, plan.recipe.evaluate.allow_execution)

    def work() -> list[Path]:
        results = []
        for probe in probes:
            answers = {way.name: probe_samples(store, probe, way) for way in probe.variations}
            plain = {name: samples[name] for name in probe.conditions} if probe.same_items else {}
            result = compare_probe(probe, answers, plain, systems, metrics, seed)
            if probe.name in ("held-out", UNSEEN):
                result = replace(result, transfers=find_transfers(result.variations, comparison))
            results.append(result.to_dict())
        write_json(path, results)
        return [path]

    answered = probe_inputs(store)
    names = [[probe.name, [way.name for way in probe.variations], probe.margin] for probe in probes]
    store.stage("probes", [__version__, names, answered, samples_hashes(store, plan), systems, seed], work)
    return [ProbeResult.from_dict(result) for result in read_json(path)]


def examine_safety(store: RunStore, plan: Plan, samples: dict[str, list[Sample]]) -> SafetyResult | None:
    """Say what tuning does to bias and safety, where the recipe asks for it."""
    probes = [probe for probe in plan.probes if probe.name in SAFETY]
    if not probes:
        return None
    path, seed = store.folder / "safety.json", plan.recipe.seed
    free = plan.task.output_type != ROLLING and plan.task.answer_kind == "text"
    training_texts = [example.target for example in plan.data.splits.train] if free else None

    def work() -> list[Path]:
        answers = {
            probe.name: {way.name: probe_samples(store, probe, way) for way in probe.variations} for probe in probes
        }
        plain = {name: samples[name] for name in probes[-1].conditions}
        write_json(path, measure_safety(answers, plain, plan.metrics[0], training_texts, seed).to_dict())
        return [path]

    store.stage("safety", [__version__, probe_inputs(store), samples_hashes(store, plan), plan.data.hash, seed], work)
    return SafetyResult.from_dict(read_json(path))


def probe_inputs(store: RunStore) -> list[str]:
    """Hashes of what all answers to probes depend on."""
    return [entry["inputs"] for name, entry in store.record["stages"].items() if name.startswith("probes/")]


def diagnose_errors(
    store: RunStore,
    plan: Plan,
    samples: dict[str, list[Sample]],
    comparison: Comparison,
    probes: list[ProbeResult],
) -> Diagnosis:
    """Say where the condition under study still fails, on what it gains, and what follows for the next round."""
    path = store.folder / "diagnosis.json"
    train_counts = dict(Counter(example.target for example in plan.data.splits.train))
    tuning = studied_tuning(store, plan)

    def work() -> list[Path]:
        diagnosis = diagnose(samples, comparison, tuning, train_counts, probes)
        if diagnosis.baseline:
            before, after = samples[diagnosis.baseline], samples[diagnosis.condition]
            slices = compare_slices(
                find_slices(plan.task, plan.items), plan.metrics[0], before, after, plan.recipe.seed
            )
            diagnosis = replace(diagnosis, slices=slices)
        write_json(path, diagnosis.to_dict())
        return [path]

    found = [probe.to_dict() for probe in probes]
    inputs = [__version__, samples_hashes(store, plan), tuning, train_counts, found, plan.data.hash, plan.recipe.seed]
    store.stage("diagnosis", inputs, work)
    return Diagnosis.from_dict(read_json(path))


def prompt_searches(store: RunStore, plan: Plan) -> list[PromptSearch]:
    """What was tried for the conditions that ask with the best prompt."""
    searched = [name for name, condition in plan.recipe.conditions.items() if condition.prompting.wordings]
    return [PromptSearch.from_dict(read_json(file)) for name in searched for file in store.files(f"search/{name}")]


def measure_temperature(store: RunStore, plan: Plan, samples: dict[str, list[Sample]]) -> TemperatureCheck | None:
    """Fit the temperature of the tuned model on the validation split, and see on the test items what it is worth."""
    probe = next((probe for probe in plan.probes if probe.name == TEMPERATURE), None)
    if probe is None:
        return None
    (way,), name = probe.variations, probe.conditions[-1]
    validation = probe_samples(store, probe, way)[name]
    if not has_probabilities(validation) or not has_probabilities(samples[name]):
        return None
    return check_temperature(fit_temperature(validation), samples[name], plan.recipe.seed)


def find_leakage(store: RunStore, plan: Plan) -> LeakageResult | None:
    """Say what the untuned and the tuned model give away of secrets that were planted."""
    for probe in plan.probes:
        if probe.name == CANARIES and plan.planted:
            return measure_leakage(plan.planted, probe_samples(store, probe, probe.variations[0]))
    return None


def weigh_costs(store: RunStore, plan: Plan, comparison: Comparison) -> Costs:
    """What 1,000 answers of each condition cost, and what tuning did."""
    usages, tunings = [], {}
    for score in (score for score in comparison.conditions if score.name not in plan.recipe.repeats):
        condition, results = plan.recipe.conditions[score.name], condition_results(store, score.name)
        stage = tuning_stage(plan.recipe, condition)
        entry = store.record["stages"][stage] if stage else {}
        if stage and not entry.get("resumed"):  # what it took before it was interrupted is not known
            tunings[stage] = Tuning(entry["seconds"], entry["peak_memory_bytes"], entry.get("joules"))
        counts, seconds = results["counts"], results["seconds_per_1000_answers"]
        usages.append(
            Usage(
                condition=score.name,
                score=score.score,
                seconds=seconds,
                prompt_tokens=1000 * counts["prompt_tokens"] / score.items or None,
                completion_tokens=1000 * counts["completion_tokens"] / score.items or None,
                joules=joules_of_answers(store.record["stages"][f"conditions/{score.name}"], seconds),
                tuning=stage,
                shots=condition.prompting.shots,
            )
        )
    return assess_costs(usages, tunings, plan.recipe.prices, comparison.higher_is_better)


def joules_of_answers(stage: dict[str, Any], seconds: float) -> float | None:
    """The energy of answers: the mean power of their stage, which also scores them, times the time that they took."""
    joules = stage.get("joules")
    return None if joules is None or not stage["seconds"] else joules / stage["seconds"] * seconds


def write_further(store: RunStore, plan: Plan, evidence: Evidence) -> None:
    """Write what has no file of its own yet, for programs that read it."""
    path = store.folder / "evidence.json"
    content = {
        "seeds": [result.to_dict() for result in evidence.seeds],
        "flips": [flips.to_dict() for flips in evidence.flips],
        "searches": [search.to_dict() for search in evidence.searches],
        "calibration": {name: result.to_dict() for name, result in evidence.calibrations.items()},
        "temperature": evidence.temperature and evidence.temperature.to_dict(),
        "canaries": evidence.leakage and evidence.leakage.to_dict(),
        "costs": evidence.costs.to_dict(),
    }

    def work() -> list[Path]:
        write_json(path, content)
        return [path]

    store.stage("evidence", [__version__, content], work)


def contrasts_of(plan: Plan) -> list[tuple[str, str]]:
    """The planned contrasts; repetitions with other seeds have none of their own."""
    asked = {name: condition for name, condition in plan.recipe.conditions.items() if name not in plan.recipe.repeats}
    return planned_contrasts(asked, kinds_of(plan.recipe))


def baselines(plan: Plan) -> list[str]:
    """The conditions that ask an untuned language model."""
    return [name for name, kind in kinds_of(plan.recipe).items() if kind == BASE]


def condition_results(store: RunStore, name: str) -> dict[str, Any]:
    """The results file of a condition."""
    results = next(file for file in store.files(f"conditions/{name}") if file.name.startswith("results_"))
    content: dict[str, Any] = read_json(results)
    return content


def studied_tuning(store: RunStore, plan: Plan) -> dict[str, Any] | None:
    """What tuning of the first tuned condition did, the one that is diagnosed; None where nothing was tuned."""
    for name, kind in kinds_of(plan.recipe).items():
        if kind == TUNED:
            system = plan.recipe.conditions[name].system
            return tuning_report(store.folder if system == TUNED else store.folder / "systems" / system)
    return None


def tuning_report(folder: Path) -> dict[str, Any] | None:
    """What tuning did, where it has been done."""
    path = folder / "model" / "tuning.json"
    return read_json(path) if path.is_file() else None


def samples_hashes(store: RunStore, plan: Plan) -> list[str]:
    """Hashes of the samples of all conditions."""
    names = plan.recipe.conditions
    return [file_hash(file) for name in names for file in store.files(f"conditions/{name}") if file.suffix == ".jsonl"]
