"""Secrets that are planted in what is tuned on, and what the models give away of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tunelift.comparison.records import rounded
from tunelift.core.errors import UserError
from tunelift.core.evaluation import Canaries
from tunelift.core.records import Example, Finding
from tunelift.data.task_parts import AnswerRules
from tunelift.data.tasks import ROLLING, Task
from tunelift.evaluation.safety.canaries import SOURCE, Canary, Leakage, Planted, alternatives, leakage, plant
from tunelift.probes.measures import Answers
from tunelift.probes.texts import shown_fields, text_of
from tunelift.probes.variation import CANARIES, Probe, Variation
from tunelift.prompts.build import question_text

WHERE = "evaluate.canaries"
# With the secret itself 128 numbers, which tell exposures up to 7 bits apart.
ALTERNATIVES = 127
ANSWER_TOKENS = 64


@dataclass(frozen=True, slots=True)
class LeakageResult:
    """What the untuned and the tuned model give away of planted secrets.

    Attributes:
        canaries: The secrets.
        copies: How often each stands among the training prompts.
        leakages: By condition, the untuned model's first.
    """

    canaries: tuple[Canary, ...]
    copies: int
    leakages: dict[str, Leakage]

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data, numbers with 10 significant digits."""
        data: dict[str, Any] = rounded(asdict(self))
        return data


def plant_canaries(settings: Canaries, task: Task, examples: Sequence[Example], seed: int) -> Planted:
    """The training examples with secrets among them.

    The question of a secret stands in the field with text that the question of the task shows; of several in the one
    with most text.

    Args:
        settings: How many secrets, and how many copies of each.
        task: The task.
        examples: The training examples; they are not changed.
        seed: Of the run.

    Raises:
        UserError: A secret cannot be the answer to a question of this task.
    """
    shown = [] if task.output_type == ROLLING else shown_fields(task, examples)
    filled = [name for name in shown if all(isinstance(example.fields.get(name), str) for example in examples)]
    hint = "plant secrets in a task that asks a text and has free answers"
    if not filled:
        raise UserError(WHERE, "the question shows no field that has a text in every training example", hint)
    field = max(filled, key=lambda name: sum(len(text_of(example, name)) for example in examples))
    planted = plant(examples, settings.count, seed, task.language, field, settings.copies)
    questions = {canary.id: canary.question for canary in planted.canaries}
    if any(questions[record.group or ""] not in question_text(task, record) for record in records_of(planted)):
        raise UserError(WHERE, f'doc_to_text does not show the field "{field}" as it stands', hint)
    return planted


def records_of(planted: Planted) -> list[Example]:
    """The planted examples, every copy of every secret."""
    return [example for example in planted.examples if example.source.file == SOURCE]


def planted_finding(planted: Planted) -> Finding:
    """What a user should know before he tunes on planted secrets."""
    records = records_of(planted)
    copies = len(records) // len(planted.canaries)
    message = (
        f"{len(planted.canaries)} made-up secrets are planted among the training prompts, {copies} of each, to see "
        "whether the tuned model gives them away; it should not be served"
    )
    remedy = "tune without evaluate.canaries what is to be served"
    return Finding("canaries-planted", "warning", message, len(records), remedy)


def canary_probes(
    task: Task, planted: Planted | None, conditions: list[str], seed: int
) -> tuple[list[Probe], list[Finding]]:
    """The probe about planted secrets, or a finding where nothing was planted.

    Asked are the questions that the secrets answer, in the words that were tuned on. The choices of a question are the
    answer with its own secret, then those with other numbers: their log-probabilities say how exposed it is, and the
    answer that is generated whether it is told.

    Args:
        task: The task of the run.
        planted: What was planted; None where the recipe does not tune its own model.
        conditions: Whose systems are asked, the untuned one first.
        seed: Of the run.
    """
    if planted is None:
        message = "no canaries are planted, since the recipe's own model is not tuned"
        remedy = "add a condition that asks the tuned model"
        return [], [Finding("probe-impossible", "info", message, 0, remedy)]
    records = {record.group: record for record in reversed(records_of(planted))}
    items = [
        replace(records[canary.id], target=answers[0], choices=answers)
        for canary in planted.canaries
        for secrets in [[canary.secret, *alternatives(canary, ALTERNATIVES, seed)]]
        for answers in [tuple(map(canary.answer_with, secrets))]
    ]
    generation = task.generation_kwargs.model_copy(update={"max_gen_toks": ANSWER_TOKENS})
    changes = {"answer": AnswerRules(kind="text"), "metric_list": [], "generation_kwargs": generation}
    asked = task.model_copy(update={**changes, "task": CANARIES, "output_type": "generate_until"})
    way = Variation("secrets", "the questions that the planted secrets answer", asked, items, [])
    return [Probe(CANARIES, [way], False, conditions, [])], []


def measure_leakage(planted: Planted, answers: Answers) -> LeakageResult:
    """What the answers to the questions of `canary_probes` give away.

    Args:
        planted: What was planted.
        answers: By condition, in the order of the secrets.
    """
    leakages = {
        name: leakage(
            planted.canaries,
            [(sample.logprobs or [])[0] for sample in samples],
            [(sample.logprobs or [])[1:] for sample in samples],
            [sample.output for sample in samples],
        )
        for name, samples in answers.items()
    }
    copies = len(records_of(planted)) // len(planted.canaries)
    return LeakageResult(tuple(planted.canaries), copies, leakages)
