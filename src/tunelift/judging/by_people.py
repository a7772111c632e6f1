"""People judge the answers of a run: blind pairs for them, and what they said."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from tunelift.comparison.records import rounded
from tunelift.core.errors import UserError
from tunelift.core.files import read_json, write_json
from tunelift.core.progress import say
from tunelift.core.store import RunStore, read_store
from tunelift.evaluation.judges.agreement import HumanAgreement, agree_with_people, among_people, units_of
from tunelift.evaluation.judges.pairwise import Share
from tunelift.evaluation.judges.people import Judgement, export_pairs, read_judgements
from tunelift.judging.answers import Answers, hashes_of, samples_of
from tunelift.judging.by_model import Judged, judgement_file, read_judged
from tunelift.judging.outcomes import verdict_shares
from tunelift.statistics.agreement import Agreement
from tunelift.statistics.paired import PairedResult, compare_paired
from tunelift.statistics.preferences import Strength, bradley_terry


@dataclass(frozen=True, slots=True)
class PeoplesPreference:
    """What people prefer of two conditions; items with the same text from both are left out.

    Attributes:
        candidate: Name of the one condition.
        baseline: Name of the other.
        items: Number of items that somebody judged.
        judgements: Number of judgements.
        raters: Number of people.
        wins: Share of the judgements that prefer the candidate.
        losses: Share of those that prefer the baseline.
        ties: Share of the others.
        result: Wins minus losses, every item counting the same however many judged it.
        agreement: Krippendorff's ordinal alpha of the people; None where nobody judged what another did.
        judge: Name of the model that has judged the same answers; None where none has.
        with_judge: How far it agrees with the people.
    """

    candidate: str
    baseline: str
    items: int
    judgements: int
    raters: int
    wins: Share
    losses: Share
    ties: Share
    result: PairedResult
    agreement: Agreement | None
    judge: str | None
    with_judge: HumanAgreement | None


@dataclass(frozen=True, slots=True)
class People:
    """What people say of a run.

    Attributes:
        pairs: What they prefer of each two conditions.
        strengths: Of all conditions, the strongest first; empty where there are only two.
    """

    pairs: tuple[PeoplesPreference, ...]
    strengths: tuple[Strength, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data, numbers with 10 significant digits."""
        data: dict[str, Any] = rounded(asdict(self))
        return data


def export_answers(answers: Answers, folder: Path) -> tuple[Path, Path]:
    """Write blind pairs for people to judge, see `export_pairs`.

    Returns:
        The file to fill in, and the key, which also says which answers these are.

    Raises:
        UserError: The folder holds judgements already, or cannot be written.
    """
    pairs, key = export_pairs(answers.baseline, answers.candidate, answers.seed, folder, answers.questions)
    write_json(key, read_json(key) | {"answers": answers.hashes})
    return pairs, key


def read_people(run: Path, exports: Sequence[tuple[Sequence[Path], Path]]) -> People:
    """Read what people judged.

    Args:
        run: The run directory.
        exports: For each export the files that people filled in, and its key.

    Raises:
        UserError: A file is malformed, its key is of other answers than those of the run, or nobody judged anything.
    """
    store = read_store(run)
    by_pair: dict[tuple[str, str], list[Judgement]] = defaultdict(list)
    hashes: dict[str, str] = {}
    for files, key in exports:
        judgements = read_judgements(files, key)
        names = judgements[0].candidate, judgements[0].baseline
        by_pair[names] += [each for each in judgements if not each.identical]
        hashes |= _checked_hashes(store, key, names)
    seed = store.record.get("seed", 0)
    pairs = tuple(_peoples_preference(run, names, each, hashes, seed) for names, each in by_pair.items())
    everything = [judgement for judgements in by_pair.values() for judgement in judgements]
    strengths: list[Strength] = []
    if len({name for names in by_pair for name in names}) > 2:
        candidates, baselines = [each.candidate for each in everything], [each.baseline for each in everything]
        scores = [each.score for each in everything]
        strengths = bradley_terry(candidates, baselines, scores, units_of(everything), seed=seed)
    return People(pairs, tuple(strengths))


def _checked_hashes(store: RunStore, key: Path, names: tuple[str, str]) -> dict[str, str]:
    """The hashes of two conditions, which are those of the answers that were exported with the key."""
    hashes = hashes_of([samples_of(store, name) for name in names])
    if read_json(key).get("answers") != hashes:
        what = f"is of other answers than those in {store.folder}"
        raise UserError(key, what, "name the run that it was exported from; answers that changed are judged anew")
    return hashes


def _peoples_preference(
    run: Path, names: tuple[str, str], judgements: Sequence[Judgement], hashes: dict[str, str], seed: int
) -> PeoplesPreference:
    if not judgements:
        what = "nobody has judged answers that differ"
        raise UserError(" vs ".join(names), what, 'fill in "A", "B" or "tie"')
    by_item: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        by_item[judgement.example_id].append(judgement)
    items = list(by_item.values())
    scores = np.array([fmean(each.score for each in item) for item in items])
    units = units_of([item[0] for item in items])
    wins, losses, ties = verdict_shares(judgements)
    judge = _judge_beside(judgement_file(run, *names), by_item, hashes)
    return PeoplesPreference(
        candidate=names[0],
        baseline=names[1],
        items=len(items),
        judgements=len(judgements),
        raters=len({each.rater for each in judgements}),
        wins=wins,
        losses=losses,
        ties=ties,
        result=compare_paired(1 - scores, scores, units if len(set(units)) < len(units) else None, seed),
        agreement=among_people(items, units, seed),
        judge=None if judge is None else judge.judge,
        with_judge=None if judge is None else agree_with_people(judge.preference, judgements, seed),
    )


def _judge_beside(path: Path, by_item: dict[str, list[Judgement]], hashes: dict[str, str]) -> Judged | None:
    """What a model has said of the same answers, if one has."""
    if not path.is_file():
        return None
    judged = read_judged(path)
    asked = {pair.example_id for pair in judged.preference.pairs if pair.asked}
    if not judged.answers.items() <= hashes.items() or asked.isdisjoint(by_item):
        say(f"{path}: is about other answers than people judged, and left out")
        return None
    return judged
