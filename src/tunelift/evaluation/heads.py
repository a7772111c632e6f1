"""A model with a head on a task: its inputs from the task's examples, its tuning, and its answers as samples."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunelift.core.config import build
from tunelift.core.errors import UserError
from tunelift.core.files import content_hash
from tunelift.core.recipe import HeadKind, HeadSettings, System, Tune
from tunelift.core.records import Example, Finding, Prompt, Sample
from tunelift.data.examples import LoadedTask
from tunelift.data.tasks import Task
from tunelift.evaluation.evaluate import Evaluation, asked_sample, with_metrics
from tunelift.evaluation.metrics.table import make_metrics
from tunelift.evaluation.metrics.tokens import text_of
from tunelift.evaluation.parsing.answers import entity_rows, reference_answers
from tunelift.prompts.build import question_text

if TYPE_CHECKING:
    from tunelift.heads.inputs import HeadInputs
    from tunelift.heads.model import Backbone, HeadModel
    from tunelift.heads.predict import HeadPrediction
    from tunelift.heads.settings import HeadConfig

# By the kind of a task's answers the heads that give such, that which is meant unless another is named first.
KINDS: dict[str, tuple[HeadKind, ...]] = {
    "choice": ("classification", "relation"),
    "labels": ("labels",),
    "number": ("regression",),
    "entities": ("entities",),
}
# Only where they are asked for: free texts are seldom a few that occur again.
TEXT_KINDS: tuple[HeadKind, ...] = ("classification", "relation")


@dataclass(frozen=True, slots=True)
class HeadSystem:
    """A model with a head of a run.

    Attributes:
        name: Of the system in the recipe.
        base: The model without a head and without its weights, which are loaded again when it is tuned.
        config: The head.
        settings: How both are tuned.
        training: Inputs to tune on.
        validation: The same for measuring the loss.
        asked: The inputs of the test items, without their targets.
        rows: What these inputs were made of.
        findings: What has to be known of them.
    """

    name: str
    base: Backbone
    config: HeadConfig
    settings: Tune
    training: HeadInputs
    validation: HeadInputs
    asked: HeadInputs
    rows: list[Any]
    findings: list[Finding]


def head_system(
    name: str, system: System, task: Task, data: LoadedTask, items: Sequence[Example], model: str, accept_terms: bool
) -> HeadSystem:
    """Load the model of a head and make its inputs.

    Args:
        name: Of the system in the recipe.
        system: The system; it has a head and settings of tuning.
        task: The task.
        data: Its examples.
        items: The items that are asked.
        model: The recipe's model, where the system names none.
        accept_terms: The user accepts the terms of use of a bundled model that has such.

    Raises:
        UserError: The task is none that a head can do, or the model cannot be used.
    """
    from tunelift.heads.model import load_backbone
    from tunelift.heads.settings import make_config

    assert system.head is not None  # noqa: S101 - the recipe has seen to both
    assert system.tune is not None  # noqa: S101
    where = f"systems.{name}.head"
    kind = _kind_of(task, system.head, where)
    # Built again, since what goes together depends on the kind.
    settings = build(HeadSettings, system.head.model_dump(exclude_unset=True) | {"kind": kind}, where, {})
    base = load_backbone(system.model or model, system.tune.precision, accept_terms, settings.bidirectional)
    labels = _labels(task, kind, data.splits.train)
    config = make_config(settings, labels, base.way.sees_all, base.context, where)
    parts = [data.splits.train, data.splits.validation, list(items)]
    made = [_inputs(base, config, task, part, known) for part, known in zip(parts, (True, True, False), strict=True)]
    (training, _), (validation, _), (asked, rows) = made
    findings = _findings(name, parts, [training, validation, asked])
    base.network = base.network.to("meta")  # a run has one model at a time in memory
    return HeadSystem(name, base, config, system.tune, training, validation, asked, rows, findings)


def head_hash(system: HeadSystem) -> list[Any]:
    """What the tuned head and its answers depend on."""
    inputs = [[asdict(item) for item in part.inputs] for part in (system.training, system.validation, system.asked)]
    settings = system.settings.model_dump(exclude={"checkpoint_steps", "seeds"})
    return [system.base.fingerprint, system.config.model_dump(), settings, content_hash(inputs)]


def tune_head_system(system: HeadSystem, seed: int, folder: Path) -> None:
    """Tune the model with its head; the result stands in ``folder/model`` afterwards.

    Raises:
        UserError: There is nothing to tune on, or the loss is not finite.
    """
    from tunelift.heads.model import load_backbone
    from tunelift.heads.tune import tune_head

    # Terms of use have been accepted where there are such: it has been loaded before.
    base = load_backbone(system.base.name, system.settings.precision, True, system.config.bidirectional)
    training, validation = system.training.inputs, system.validation.inputs
    tune_head(base, system.config, training, validation, system.settings, seed, folder)


def evaluate_head(
    model: HeadModel, system: HeadSystem, task: Task, test: Sequence[Example], positions: Sequence[int], condition: str
) -> Evaluation:
    """Let a tuned head answer the test items.

    Args:
        model: The tuned model.
        system: With the inputs of the items.
        task: The task.
        test: The whole test split.
        positions: Which of its items are asked.
        condition: Name of the condition.
    """
    from tunelift.heads.predict import entity_predictions, predict_head, text_predictions

    started = time.perf_counter()
    logits = predict_head(model, system.asked.inputs)
    if system.config.kind == "entities":
        predictions = entity_predictions(model.head, system.rows, system.asked, logits)
    else:
        predictions = text_predictions(model.head, system.asked.inputs, logits)
    seconds = time.perf_counter() - started
    metrics = make_metrics(task)
    samples = [
        _sample(task, position, test[position], prediction, system.config, condition)
        for position, prediction in zip(positions, predictions, strict=True)
    ]
    return Evaluation(
        task.task, condition, system.base.name, with_metrics(samples, metrics), len(test), seconds, metrics
    )


def _kind_of(task: Task, settings: HeadSettings, where: str) -> HeadKind:
    asked = settings.kind or task.head
    known = KINDS.get(task.answer_kind, ())
    possible = TEXT_KINDS if task.answer_kind == "text" and asked else known
    kind = asked or next(iter(possible), None)
    if kind is None or kind not in possible:
        place = where if not asked else f"{where}.kind" if settings.kind else f"task {task.task}: head"
        what = f"the task's answers are of the kind {task.answer_kind}"
        hint = f"heads are for answers of the kinds {', '.join(KINDS)}, and for relations"
        if known:
            what, hint = f"is {kind}, but {what}", "write " + " or ".join(known)
        raise UserError(place, what, hint)
    return kind


def _labels(task: Task, kind: HeadKind, training: Sequence[Example]) -> list[str]:
    """The classes in the order of the task; where it names none, those of the training examples by name."""
    if kind == "entities":
        named = list(task.wording)
        return named or sorted({entity[0] for example in training for entity in entity_rows(example)})
    if isinstance(task.doc_to_choice, list):
        return task.doc_to_choice
    if task.wording:
        return list(task.wording.values())
    if kind == "labels":
        return sorted({label for example in training for label in reference_answers(task, example)[0]})
    return sorted({example.target for example in training}) if kind != "regression" else []


def _inputs(
    base: Backbone, config: HeadConfig, task: Task, examples: Sequence[Example], known: bool
) -> tuple[HeadInputs, list[Any]]:
    """The inputs of examples, with their targets where these are to be known, and the rows that they were made of."""
    from tunelift.heads.inputs import classification_inputs, entity_inputs, relation_inputs

    make_row, make_inputs = {
        "entities": (_entity_row, entity_inputs),
        "relation": (_relation_row, relation_inputs),
    }.get(config.kind, (partial(_text_row, task), classification_inputs))
    try:
        rows = [make_row(example, known) for example in examples]
        return make_inputs(base.tokenizer, config, rows), rows
    except UserError as error:  # about an example by its id
        places = {example.id: f"{example.source.file}:{example.source.row}" for example in examples}
        raise UserError(places.get(error.where, error.where), error.what, error.hint) from error


def _text_row(task: Task, example: Example, known: bool) -> Any:
    """The bare text where the row has one under its usual name, a pair likewise, the rendered question otherwise."""
    from tunelift.heads.inputs import TextRow

    fields = example.fields
    target = None
    if known:
        references = reference_answers(task, example)
        if not references:
            what = f"the reference answer cannot be read as {task.answer_kind}"
            raise UserError(example.id, what, "correct doc_to_target, or answer.kind and answer.pattern")
        target = references[0]
    if isinstance(fields.get("text_a"), str) and isinstance(fields.get("text_b"), str):
        return TextRow(example.id, fields["text_a"], fields["text_b"], target)
    text = fields["text"] if isinstance(fields.get("text"), str) else question_text(task, example)
    return TextRow(example.id, text, None, target)


def _entity_row(example: Example, known: bool) -> Any:
    from tunelift.heads.inputs import EntityRow

    return EntityRow(example.id, _own_text(example), entity_rows(example) if known else None)


def _relation_row(example: Example, known: bool) -> Any:
    from tunelift.heads.inputs import RelationRow

    first, second = _span(example, "e1"), _span(example, "e2")
    return RelationRow(example.id, _own_text(example), first, second, example.target if known else None)


def _own_text(example: Example) -> str:
    text = example.fields.get("text")
    if not isinstance(text, str):
        what = 'has no field "text" with a text, which heads for entities and relations read'
        raise UserError(f"{example.source.file}:{example.source.row}", what, "add it, or choose another head.kind")
    return text


def _span(example: Example, name: str) -> tuple[int, int]:
    entity = example.fields.get(name)
    start, end = (entity.get("start"), entity.get("end")) if isinstance(entity, dict) else (None, None)
    if not isinstance(start, int) or not isinstance(end, int):
        what = f'has no field "{name}" with the start and end of an entity, which heads for relations read'
        raise UserError(f"{example.source.file}:{example.source.row}", what, "add it, or choose another head.kind")
    return start, end


def _findings(name: str, parts: Sequence[Sequence[Example]], made: Sequence[HeadInputs]) -> list[Finding]:
    """Texts that were cut, and entities that the units of the text cannot give back."""
    places = {example.id: f"{example.source.file}:{example.source.row}" for part in parts for example in part}
    cut = [places[identity] for inputs in made for identity in inputs.cut]
    lost = [places[identity] for inputs in made for identity in inputs.lost]
    found = []
    if cut:
        message = f"texts are longer than what the head of {name} reads; their ends are left out"
        found.append(Finding("head-text-cut", "warning", message, len(cut), "raise head.max_length", tuple(cut[:5])))
    if lost:
        message = f"texts have entities that the head of {name} cannot give back: they overlap, or cut a unit"
        remedy = "nothing, if they are few; they count as not found"
        found.append(Finding("head-entity-lost", "warning", message, len(lost), remedy, tuple(lost[:5])))
    return found


def _sample(
    task: Task, position: int, example: Example, prediction: HeadPrediction, config: HeadConfig, condition: str
) -> Sample:
    prompt = Prompt(example.id, str(example.fields.get("text", "")), (), ())
    sample = asked_sample(task, position, example, prompt, condition)
    value = prediction.value
    in_order = example.choices is not None and sorted(example.choices) == sorted(config.labels)
    by_label = dict(zip(config.labels, prediction.probabilities, strict=False)) if in_order else {}
    return replace(
        sample,
        output=text_of(value),
        answer=value,
        finish_reason="prediction",
        tokens={},
        probabilities=tuple(by_label[choice] for choice in example.choices or ()) if by_label else None,
    )
