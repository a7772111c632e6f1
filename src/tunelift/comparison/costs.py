"""Cost against benefit: what answers cost under each condition, and when tuning has paid for itself.

Few-shot prompts cost at every answer, tuning costs once. All costs of answers are those of 1,000.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any, Literal, get_args

from tunelift.core.prices import Prices

Unit = Literal["money", "joules", "seconds"]
UNITS: tuple[Unit, ...] = get_args(Unit)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a condition scored and what its answers took, for 1,000 of them. None is what is not known.

    Attributes:
        condition: Its name.
        score: Its score.
        seconds: Time on the machine, without what only an evaluation needs.
        prompt_tokens: Tokens of prompts, demonstrations included.
        completion_tokens: Tokens of answers.
        joules: Energy in that time, as measured.
        tuning: Name of the tuning that it needs; None where nothing was tuned for it.
        shots: Number of demonstrations.
    """

    condition: str
    score: float
    seconds: float | None = None
    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    joules: float | None = None
    tuning: str | None = None
    shots: int = 0


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a tuning took.

    Attributes:
        seconds: Time on the machine.
        peak_memory_bytes: Largest memory; None where it is not known.
        joules: Energy, as measured; None where it is not known.
    """

    seconds: float
    peak_memory_bytes: int | None = None
    joules: float | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What some work costs, in every unit in which that is known.

    Attributes:
        money: In the currency of the prices.
        joules: Energy.
        seconds: Time on the machine.
    """

    money: float | None
    joules: float | None
    seconds: float | None

    def of(self, unit: Unit) -> float | None:
        """The cost in one unit."""
        return {"money": self.money, "joules": self.joules, "seconds": self.seconds}[unit]


@dataclass(frozen=True, slots=True)
class ConditionCost:
    """Score and cost of a condition.

    Attributes:
        condition: Its name.
        score: Its score.
        per_1000: What 1,000 of its answers cost.
        tuning: Name of the tuning that it needs; None where nothing was tuned for it.
    """

    condition: str
    score: float
    per_1000: Cost
    tuning: str | None


@dataclass(frozen=True, slots=True)
class TuningCost:
    """What a tuning cost.

    Attributes:
        name: Its name.
        cost: Its cost.
        peak_memory_bytes: Largest memory; None where it is not known.
    """

    name: str
    cost: Cost
    peak_memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class BreakEven:
    """After how many answers a tuning has paid for itself against prompting with demonstrations.

    Attributes:
        tuned: The tuned condition.
        few_shot: The condition with demonstrations.
        unit: What is paid in.
        answers: Their number; None where it never pays, or that is not known.
        reason: Why there is no number; None where there is one.
        improvement: How much better the tuned condition scores; negative where it is cheaper, but worse.
    """

    tuned: str
    few_shot: str
    unit: Unit
    answers: int | None
    reason: str | None
    improvement: float


@dataclass(frozen=True, slots=True)
class Frontier:
    """The conditions that no other beats in score and cost at once, by the scores as they were observed.

    Attributes:
        unit: What the cost of 1,000 answers is counted in; that of tuning is no part of it.
        conditions: Those on the frontier, the cheapest first.
        dominated: The others, each with the conditions that cost no more and score no worse, and are better in one.
        unknown: Conditions whose cost is not known.
    """

    unit: Unit
    conditions: tuple[str, ...]
    dominated: dict[str, tuple[str, ...]]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Costs:
    """Cost and benefit of the conditions of a run.

    Attributes:
        currency: Of all money.
        conditions: Score and cost of each.
        tunings: What each tuning cost.
        break_even: For each tuned condition, each one with demonstrations, and each unit in which some cost is known.
        frontiers: One for each such unit.
    """

    currency: str
    conditions: tuple[ConditionCost, ...]
    tunings: tuple[TuningCost, ...]
    break_even: tuple[BreakEven, ...]
    frontiers: tuple[Frontier, ...]

    def to_dict(self) -> dict[str, Any]:
        """The costs as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Costs:
        """The costs that `to_dict` wrote, also when they have been through JSON."""
        return cls(
            currency=data["currency"],
            conditions=tuple(ConditionCost(**{**c, "per_1000": Cost(**c["per_1000"])}) for c in data["conditions"]),
            tunings=tuple(TuningCost(**{**tuning, "cost": Cost(**tuning["cost"])}) for tuning in data["tunings"]),
            break_even=tuple(BreakEven(**each) for each in data["break_even"]),
            frontiers=tuple(map(_frontier, data["frontiers"])),
        )


def _frontier(data: dict[str, Any]) -> Frontier:
    dominated = {name: tuple(by) for name, by in data["dominated"].items()}
    return Frontier(data["unit"], tuple(data["conditions"]), dominated, tuple(data["unknown"]))


def assess_costs(
    usages: Sequence[Usage], tunings: Mapping[str, Tuning], prices: Prices, higher_is_better: bool = True
) -> Costs:
    """Cost and benefit of the conditions of a run.

    Args:
        usages: What each condition scored and used.
        tunings: What each tuning took, by its name. A tuning that is not there has an unknown cost.
        prices: What the user pays.
        higher_is_better: Direction of the score.
    """
    costs = [ConditionCost(usage.condition, usage.score, answer_cost(usage, prices), usage.tuning) for usage in usages]
    tuned = {name: tuning_cost(tuning, prices) for name, tuning in tunings.items()}
    units = [unit for unit in UNITS if any(each.per_1000.of(unit) is not None for each in costs)]
    sign = 1 if higher_is_better else -1
    pairs = [
        (mine, other)
        for mine in costs
        for other, usage in zip(costs, usages, strict=True)
        if mine.tuning is not None and other.tuning is None and usage.shots > 0
    ]
    unknown = Cost(None, None, None)
    return Costs(
        currency=prices.currency,
        conditions=tuple(costs),
        tunings=tuple(TuningCost(name, tuned[name], tunings[name].peak_memory_bytes) for name in tunings),
        break_even=tuple(
            break_even(mine, other, tuned.get(mine.tuning or "", unknown), unit, sign * (mine.score - other.score))
            for mine, other in pairs
            for unit in units
        ),
        frontiers=tuple(frontier(costs, unit, sign) for unit in units),
    )


def answer_cost(usage: Usage, prices: Prices) -> Cost:
    """What 1,000 answers cost: by the token where tokens have a price, else by the machine's time and electricity."""
    joules = prices.joules(usage.seconds, usage.joules)
    by_token = prices.of_tokens(usage.prompt_tokens, usage.completion_tokens)
    money = by_token if prices.by_token else prices.of_machine(usage.seconds, joules)
    return Cost(money, joules, usage.seconds)


def tuning_cost(tuning: Tuning, prices: Prices) -> Cost:
    """What a tuning cost, by the machine's time and electricity."""
    joules = prices.joules(tuning.seconds, tuning.joules)
    return Cost(prices.of_machine(tuning.seconds, joules), joules, tuning.seconds)


def break_even(
    tuned: ConditionCost, few_shot: ConditionCost, tuning: Cost, unit: Unit, improvement: float
) -> BreakEven:
    """After how many answers tuning has cost no more than prompting with demonstrations: tuning / saving per answer.

    Args:
        tuned: The tuned condition.
        few_shot: The one with demonstrations.
        tuning: What tuning cost.
        unit: What is paid in.
        improvement: How much better the tuned condition scores.
    """
    once, mine, others = tuning.of(unit), tuned.per_1000.of(unit), few_shot.per_1000.of(unit)
    answers, reason = None, None
    if mine is None or others is None:
        reason = "the cost of answers is not known"
    elif once is None:
        reason = "the cost of tuning is not known"
    elif once == 0 and mine <= others:
        answers = 0
    elif mine >= others:
        reason = f"an answer of {tuned.condition} costs no less than one of {few_shot.condition}"
    else:
        answers = ceil(1000 * once / (others - mine))
    return BreakEven(tuned.condition, few_shot.condition, unit, answers, reason, improvement)


def frontier(costs: Sequence[ConditionCost], unit: Unit, sign: int) -> Frontier:
    """The conditions that are not dominated (Pareto).

    Args:
        costs: Score and cost of each condition.
        unit: What cost is counted in.
        sign: 1 where a higher score is better, else -1.
    """
    points = {each.condition: (-sign * each.score, each.per_1000.of(unit)) for each in costs}
    known = {name: (score, cost) for name, (score, cost) in points.items() if cost is not None}
    # Points are such that less is better in both; equal ones do not dominate each other.
    better = {
        name: tuple(
            other for other, place in known.items() if place != mine and place[0] <= mine[0] and place[1] <= mine[1]
        )
        for name, mine in known.items()
    }
    best = sorted((name for name in known if not better[name]), key=lambda name: known[name][1])
    dominated = {name: by for name, by in better.items() if by}
    return Frontier(unit, tuple(best), dominated, tuple(name for name in points if name not in known))
