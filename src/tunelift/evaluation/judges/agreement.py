"""How far a judge agrees with people, and people with each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from statistics import multimode

from tunelift.core.errors import UserError
from tunelift.evaluation.judges.pairwise import JudgedPair, Preference, Share, share_of
from tunelift.evaluation.judges.people import Judgement
from tunelift.statistics.agreement import Agreement, cohen_kappa, krippendorff_alpha

SCORES = (0.0, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class HumanAgreement:
    """A judge beside people.

    Attributes:
        same: How often the judge says what most people say: candidate, baseline, or a tie.
        kappa: Cohen's kappa of the two.
        raters: Number of people.
        among_people: Krippendorff's ordinal alpha of the people; None where nobody judged what another did. A judge can
            hardly agree more with people than these do with each other.
    """

    same: Share
    kappa: Agreement
    raters: int
    among_people: Agreement | None


def agree_with_people(preference: Preference, judgements: Sequence[Judgement], seed: int = 0) -> HumanAgreement:
    """Compare a judge with people on the items that both judged.

    Items with the same text from both conditions are left out: everybody agrees on them.

    Args:
        preference: What the judge says.
        judgements: What people say of the same two conditions; see `read_judgements`.
        seed: Seed of the bootstrap.

    Raises:
        UserError: They judged other conditions, or no item that the judge did.
    """
    names = preference.baseline, preference.candidate
    of_pair = [each for each in judgements if (each.baseline, each.candidate) == names and not each.identical]
    by_item: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in of_pair:
        by_item[judgement.example_id].append(judgement)
    both = [pair for pair in preference.pairs if pair.asked and pair.example_id in by_item]
    if not both:
        what = f"no item of {names[1]} against {names[0]} was judged by people and by the judge"
        raise UserError("judgements", what, "take judgements of the same two conditions")
    people = [_majority([each.score for each in by_item[pair.example_id]]) for pair in both]
    judge = [pair.score for pair in both]
    groups = units_of(both)
    cases = [(group, float(one == other)) for group, one, other in zip(groups, judge, people, strict=True)]
    raters = list(dict.fromkeys(each.rater for each in of_pair))
    kappa = cohen_kappa(judge, people, SCORES, None, groups, seed)
    return HumanAgreement(
        share_of(cases), kappa, len(raters), among_people([by_item[pair.example_id] for pair in both], groups, seed)
    )


def _majority(scores: Sequence[float]) -> float:
    """What most say: a tie where no verdict is more frequent than all others."""
    modes = multimode(scores)
    return modes[0] if len(modes) == 1 else 0.5


def units_of(judged: Sequence[JudgedPair | Judgement]) -> list[int]:
    """What belongs together, as a number for each: the group, or the item where it stands alone."""
    keys = [("item", each.example_id) if each.group is None else ("group", each.group) for each in judged]
    codes = {key: code for code, key in enumerate(dict.fromkeys(keys))}
    return [codes[key] for key in keys]


def among_people(items: Sequence[Sequence[Judgement]], units: Sequence[int], seed: int) -> Agreement | None:
    """How far people agree with each other; None where no item was judged by two.

    Args:
        items: The judgements of each item.
        units: Which items belong together, as a number for each.
        seed: Seed of the bootstrap.
    """
    if all(len(item) < 2 for item in items):
        return None
    raters = list(dict.fromkeys(each.rater for item in items for each in item))
    said = [{each.rater: each.score for each in item} for item in items]
    ratings = [[scores.get(rater, nan) for rater in raters] for scores in said]
    return krippendorff_alpha(ratings, "ordinal", units, seed)
