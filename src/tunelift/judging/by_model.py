"""A model judges the answers of a run; what it says stands in ``judgements/CANDIDATE-vs-BASELINE.json``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tunelift.comparison.records import rounded
from tunelift.core.errors import UserError
from tunelift.core.files import read_json, write_json
from tunelift.evaluation.judges.agreement import SCORES
from tunelift.evaluation.judges.judge import MAX_TOKENS, Judge, endpoint_judge, model_judge
from tunelift.evaluation.judges.pairwise import Preference, compare_answers
from tunelift.judging.answers import Answers
from tunelift.judging.outcomes import Verdict, outcome_of
from tunelift.models.endpoint import Endpoint, check_endpoint

# Pairs on which a judge contradicts itself or cannot be understood; where they are more, it gives no verdict.
MOST_UNSTEADY = 1 / 3


@dataclass(frozen=True, slots=True)
class Judged:
    """What a model says of two conditions of a run.

    Attributes:
        judge: Who judged.
        language: Of its prompts.
        rubric: What it was told to look at; empty for the general rubric.
        with_reference: Whether it saw the target of each item.
        answers: Hash of all answers of each condition, by its name.
        preference: What it prefers.
    """

    judge: str
    language: str
    rubric: str
    with_reference: bool
    answers: dict[str, str]
    preference: Preference

    @property
    def contradicted(self) -> int:
        """Pairs on which the two verdicts differ."""
        both = [(pair.baseline_first, pair.candidate_first) for pair in self.preference.pairs if pair.asked]
        return sum(one != other for one, other in both if one is not None and other is not None)

    @property
    def unread(self) -> int:
        """Pairs of which a verdict could not be read."""
        asked = [pair for pair in self.preference.pairs if pair.asked]
        return sum(pair.baseline_first is None or pair.candidate_first is None for pair in asked)

    @property
    def verdict(self) -> Verdict | None:
        """What is shown of the candidate at the level of 5 %; None where the judge is not steady enough to tell."""
        asked = len(self.preference.pairs) - self.preference.identical
        if self.contradicted + self.unread > MOST_UNSTEADY * asked:
            return None
        return outcome_of(self.preference.result)

    def to_dict(self) -> dict[str, Any]:
        """The judgements and the verdict as plain data, numbers with 10 significant digits."""
        data: dict[str, Any] = rounded(asdict(self))
        counts = {"contradicted": self.contradicted, "unread": self.unread, "verdict": self.verdict}
        return {name: data[name] for name in data if name != "preference"} | counts | {"preference": data["preference"]}


def endpoint_to_ask(url: str, model: str, key_variable: str | None, max_tokens: int | None) -> tuple[str, Judge]:
    """A model behind an endpoint, found to answer, and what to call it.

    Raises:
        UserError: It does not answer.
    """
    endpoint = Endpoint(url, model, key_variable)
    check_endpoint(endpoint)
    return f"{model} at {url}", endpoint_judge(endpoint, max_tokens or MAX_TOKENS)


def model_to_ask(name: str, max_tokens: int | None, accept_terms: bool = False) -> tuple[str, Judge]:
    """A model of this machine, and what to call it.

    Raises:
        UserError: There is no such model.
    """
    from tunelift.models.load import load_model

    return name, model_judge(load_model(name, accept_terms=accept_terms), max_tokens or MAX_TOKENS)


def judge_answers(
    answers: Answers, name: str, judge: Judge, rubric: str = "", with_reference: bool = False
) -> tuple[Judged, Path]:
    """Let a model judge, and write down what it says.

    Args:
        answers: What to judge.
        name: What to call the judge.
        judge: Who judges.
        rubric: What makes an answer good; the general rubric unless given.
        with_reference: Show the target of each item.

    Returns:
        What was said, and the file that holds it.

    Raises:
        UserError: The judge cannot be asked, or the file cannot be written.
    """
    preference = compare_answers(
        judge,
        answers.baseline,
        answers.candidate,
        answers.questions,
        answers.language,
        rubric,
        with_reference,
        answers.seed,
    )
    judged = Judged(name, answers.language, rubric, with_reference, answers.hashes, preference)
    path = judgement_file(answers.run, preference.candidate, preference.baseline)
    write_json(path, judged.to_dict())
    return judged, path


def judgement_file(run: Path, candidate: str, baseline: str) -> Path:
    """Where a model's judgements of two conditions stand."""
    return run / "judgements" / f"{candidate}-vs-{baseline}.json"


def read_judged(path: Path) -> Judged:
    """Read what `judge_answers` wrote.

    Raises:
        UserError: The file is damaged, or something else.
    """
    from pydantic import TypeAdapter, ValidationError

    hint = "judge again, or remove it"
    try:
        judged = TypeAdapter(Judged).validate_python(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise UserError(path, f"is not a result of tunelift judge ({place}: {first['msg']})", hint) from error
    if not {pair.score for pair in judged.preference.pairs} <= set(SCORES):
        raise UserError(path, "is not a result of tunelift judge (a score is none of 0, 0.5 and 1)", hint)
    return judged
