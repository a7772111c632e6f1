"""Why items flipped between two conditions: what was the matter with the answers on either side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import nan
from typing import Any, Literal, get_args

from tunelift.comparison.records import Comparison, Contrast
from tunelift.core.errors import counted
from tunelift.core.records import Sample
from tunelift.core.texts import normalise_answer
from tunelift.evaluation.parsing.choices import said_choices
from tunelift.evaluation.parsing.refusals import refuses

Cause = Literal["right", "wrong", "parse failure", "out of choices", "refusal", "truncation"]
CAUSES: tuple[Cause, ...] = get_args(Cause)

# Characters; what is longer, and than every choice, is a text in which no answer was found rather than an answer.
LONGEST_ANSWER = 30
# A cause in a sentence about several answers and about one: those of the baseline were, those of the candidate are.
WORDING: dict[Cause, tuple[str, str]] = {
    "right": ("right", "right"),
    "wrong": ("wrong answers", "a wrong answer"),
    "parse failure": ("parse failures", "a parse failure"),
    "out of choices": ("none of the choices", "none of the choices"),
    "refusal": ("refusals", "a refusal"),
    "truncation": ("cut off", "cut off"),
}


@dataclass(frozen=True, slots=True)
class Flips:
    """Why items flipped in one contrast.

    Attributes:
        candidate: Name of the condition in question.
        baseline: Name of the condition that it is held against.
        gained: Ids of the items on which the candidate scores higher, by the cause of the baseline's answer; the most
            frequent cause first.
        lost: Ids of the items on which the baseline scores higher, by the cause of the candidate's answer.
        transitions: Number of all items by cause of the baseline's answer (rows) and of the candidate's (columns),
            both in the order of `CAUSES`.
    """

    candidate: str
    baseline: str
    gained: dict[Cause, tuple[str, ...]]
    lost: dict[Cause, tuple[str, ...]]
    transitions: tuple[tuple[int, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """The flips as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Flips:
        """The flips that `to_dict` wrote, also when they have been through JSON."""
        sides = {side: {cause: tuple(ids) for cause, ids in data[side].items()} for side in ("gained", "lost")}
        return cls(**{**data, **sides, "transitions": tuple(map(tuple, data["transitions"]))})

    def sentences(self) -> list[str]:
        """What flipped and why, such as "Of 3 items gained, 2 were refusals before."; none where nothing did."""
        told = [
            _sentence("gained", self.gained, ("was", "were"), "before"),
            _sentence("lost", self.lost, ("is", "are"), "now"),
        ]
        return [sentence for sentence in told if sentence]


def _sentence(flipped: str, by_cause: Mapping[Cause, Sequence[str]], verbs: tuple[str, str], when: str) -> str:
    total = sum(map(len, by_cause.values()))
    if not total:
        return ""
    parts = [f"{len(ids):,} {verbs[len(ids) != 1]} {WORDING[cause][len(ids) == 1]}" for cause, ids in by_cause.items()]
    listed = " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
    return f"Of {counted(total, 'item')} {flipped}, {listed} {when}."


def find_flips(samples_by_condition: Mapping[str, Sequence[Sample]], comparison: Comparison) -> tuple[Flips, ...]:
    """Why items flipped, for every contrast of a comparison in its order.

    Args:
        samples_by_condition: The answers that were compared, by name of the condition.
        comparison: Their comparison.
    """
    causes = {
        name: {sample.example_id: cause(sample, comparison.metric, comparison.is_right) for sample in samples}
        for name, samples in samples_by_condition.items()
    }
    return tuple(
        _flips(contrast, causes[contrast.baseline], causes[contrast.candidate]) for contrast in comparison.contrasts
    )


def _flips(contrast: Contrast, before: Mapping[str, Cause], after: Mapping[str, Cause]) -> Flips:
    counts = Counter((before[identity], after[identity]) for identity in before)
    return Flips(
        candidate=contrast.candidate,
        baseline=contrast.baseline,
        gained=_by_cause(contrast.won, before),
        lost=_by_cause(contrast.lost, after),
        transitions=tuple(tuple(counts[row, column] for column in CAUSES) for row in CAUSES),
    )


def _by_cause(ids: Sequence[str], causes: Mapping[str, Cause]) -> dict[Cause, tuple[str, ...]]:
    found = {cause: tuple(identity for identity in ids if causes[identity] == cause) for cause in CAUSES}
    return dict(sorted(((cause, each) for cause, each in found.items() if each), key=lambda pair: -len(pair[1])))


def cause(sample: Sample, comparison_metric: str, is_right: Callable[[float], bool]) -> Cause:
    """What is the matter with an answer; the first of these that applies.

    "right": It scores best.
    "refusal": The output begins with one, and no reference or choice does.
    "wrong": One of the choices was answered, or the answer is read from an output that ended by itself.
    "truncation": The output was cut off.
    "out of choices": A short output, or an answer that another program read, says none of the choices.
    "parse failure": Nothing could be parsed, or the output names several choices or only denies them.

    Args:
        sample: The answer. Synonyms of the task are not known here: an output that names several of them counts as
            out of choices.
        comparison_metric: The score; an answer without it is not right.
        is_right: Whether a value of the score is the best.
    """
    if is_right(sample.metrics.get(comparison_metric, nan)):
        return "right"
    if refuses(sample.output) and not any(map(refuses, (sample.target, *(sample.choices or ())))):
        return "refusal"
    if sample.choices and _is_choice(sample.answer, sample.choices):
        return "wrong"
    if sample.finish_reason == "length":
        return "truncation"
    if sample.choices and not isinstance(sample.answer, list):
        return "out of choices" if _is_other(sample.answer, sample.output, sample.choices) else "parse failure"
    return "parse failure" if sample.answer is None else "wrong"


def _is_choice(answer: Any, choices: Sequence[str]) -> bool:
    """Whether an answer is a choice or a list of choices, as lists are parsed."""
    return answer in choices or (isinstance(answer, list) and bool(answer))


def _is_other(answer: Any, output: str, choices: Sequence[str]) -> bool:
    """Whether something other than the choices was answered."""
    if answer is not None:
        return bool(normalise_answer(str(answer)))
    said = normalise_answer(output)
    longest = max(LONGEST_ANSWER, *map(len, choices))
    return any(map(str.isalnum, said)) and len(said) <= longest and not said_choices(output, choices).mentioned
