"""Everything that a report says, gathered by the pipeline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tunelift.comparison.contamination import TrainingOverlap
from tunelift.comparison.costs import Costs
from tunelift.comparison.flips import Flips
from tunelift.comparison.records import Comparison, ConditionScore, Contrast
from tunelift.comparison.seeds import SeedResult
from tunelift.core.records import Finding, Sample
from tunelift.diagnosis.records import Diagnosis
from tunelift.evaluation.calibration import Calibration
from tunelift.evaluation.contamination.hint import MembershipHint
from tunelift.evaluation.temperature import TemperatureCheck
from tunelift.probes.canaries import LeakageResult
from tunelift.probes.records import ProbeResult
from tunelift.probes.safety_results import SafetyResult
from tunelift.probes.search import PromptSearch


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run.

    Attributes:
        name: Name of the run.
        task: Name of the task.
        model: The base model, as the recipe names it.
        folder: The run directory, as shown to the user.
        comparison: The conditions and their contrasts.
        diagnosis: Where the condition under study still fails.
        findings: What the checks of data and prompts noticed.
        tuning: A `TuningReport` as plain data; None where nothing was tuned.
        seconds_per_1000: Seconds for 1000 answers, by condition; None where it was not measured.
        samples: The answers, by condition.
        facts: The content of ``run.json`` (``versions``, ``hardware``, ``model``, ``data``, ``determinism``,
            ``stages`` with seconds and peak memory) and the resolved ``recipe`` as YAML. Every key may be missing.
        probes: What other wordings, orders, texts and tasks changed.
        safety: What tuning does to bias and safety; None where that was not asked for.
        leakage: What the models give away of planted secrets; None where none were planted.
        sources: Where items come from, ``file:row`` by id, as far as it is known.
        seeds: Conditions that were repeated with other seeds of tuning.
        searches: What was tried to find the best prompt.
        overlap: Which test items stand in the training data, too.
        membership: A hint whether the untuned model has seen them before; None where that was not asked for.
        flips: Why items became right or wrong, for every contrast.
        calibrations: How far probabilities can be believed, by condition that has such.
        temperature: What correcting those of the tuned model is worth; None where that was not asked for.
        costs: What answers and tuning cost; None where it was not assessed.
    """

    name: str
    task: str
    model: str
    folder: str
    comparison: Comparison
    diagnosis: Diagnosis | None
    findings: list[Finding]
    tuning: dict[str, Any] | None
    seconds_per_1000: dict[str, float | None]
    samples: dict[str, list[Sample]]
    facts: dict[str, Any]
    probes: list[ProbeResult] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    seeds: tuple[SeedResult, ...] = ()
    safety: SafetyResult | None = None
    leakage: LeakageResult | None = None
    searches: list[PromptSearch] = field(default_factory=list)
    overlap: TrainingOverlap | None = None
    membership: MembershipHint | None = None
    flips: tuple[Flips, ...] = ()
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    temperature: TemperatureCheck | None = None
    costs: Costs | None = None

    @property
    def studied(self) -> ConditionScore:
        """The condition that the report is about: the diagnosed one, or else the last."""
        name = self.diagnosis.condition if self.diagnosis else self.comparison.conditions[-1].name
        return next(score for score in self.comparison.conditions if score.name == name)

    @property
    def is_graded(self) -> bool:
        """Whether answers have other scores than those of right and wrong."""
        metric = self.comparison.metric
        return any(sample.metrics.get(metric) not in (0, 1) for sample in self.samples.get(self.studied.name, ()))

    @property
    def has_choices(self) -> bool:
        """Whether every item has a fixed set of possible answers."""
        return all(sample.choices for sample in self.samples.get(self.studied.name, ()))

    @property
    def contrasts(self) -> list[Contrast]:
        """The contrasts of the studied condition first, then the others."""
        return sorted(self.comparison.contrasts, key=lambda contrast: contrast.candidate != self.studied.name)
