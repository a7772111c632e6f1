from __future__ import annotations

import json
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.comparison.costs import ConditionCost, Cost, Costs, Tuning, Usage, answer_cost, assess_costs, frontier
from tunelift.core.prices import Prices

ZERO = Usage("zero-shot", 0.5, 100.0, 50_000, 5_000)
FEW = Usage("few-shot", 0.7, 360.0, 400_000, 5_000, shots=4)
TUNED = Usage("tuned", 0.8, 90.0, 50_000, 4_000, tuning="tune")
TUNING = {"tune": Tuning(1800.0, 2_000_000_000)}
RUN = [ZERO, FEW, TUNED]


def test_money_by_the_hour() -> None:
    costs = assess_costs(RUN, TUNING, Prices(per_hour=2.0, currency="EUR"))
    assert [each.per_1000.money for each in costs.conditions] == pytest.approx([100 / 1800, 0.2, 0.05])
    (tuning,) = costs.tunings
    assert (tuning.cost.money, tuning.peak_memory_bytes) == (pytest.approx(1.0), 2_000_000_000)
    money = next(each for each in costs.break_even if each.unit == "money")
    assert (money.tuned, money.few_shot, money.reason) == ("tuned", "few-shot", None)
    assert money.answers == ceil(1000 * 1.0 / 0.15)
    assert money.improvement == pytest.approx(0.1)
    assert costs.currency == "EUR"


def test_seconds_need_no_prices() -> None:
    costs = assess_costs(RUN, TUNING, Prices())
    assert [each.unit for each in costs.break_even] == ["seconds"]
    assert costs.break_even[0].answers == ceil(1000 * 1800 / 270)
    assert [each.unit for each in costs.frontiers] == ["seconds"]
    assert all(each.per_1000.money is None and each.per_1000.joules is None for each in costs.conditions)


def test_tokens_are_paid_by_the_million_and_tuning_by_the_hour() -> None:
    prices = Prices(per_hour=2.0, per_million_prompt_tokens=1.0, per_million_completion_tokens=4.0)
    costs = assess_costs(RUN, TUNING, prices)
    assert [each.per_1000.money for each in costs.conditions] == pytest.approx([0.07, 0.42, 0.066])
    assert costs.break_even[0].answers == ceil(1000 * 1.0 / (0.42 - 0.066))


def test_energy_is_measured_or_given_and_has_a_price() -> None:
    prices = Prices(watts=200, per_kilowatt_hour=0.3)
    given_ = answer_cost(FEW, prices)
    assert (given_.joules, given_.money) == (pytest.approx(72_000), pytest.approx(0.3 * 72_000 / 3.6e6))
    measured = answer_cost(Usage("few-shot", 0.7, 360.0, joules=36_000), prices)
    assert (measured.joules, measured.money) == (36_000, pytest.approx(0.003))
    both = answer_cost(FEW, Prices(watts=200, per_kilowatt_hour=0.3, per_hour=2.0))
    assert both.money == pytest.approx(0.2 + 0.006)


def test_what_is_not_known_has_no_cost() -> None:
    assert answer_cost(FEW, Prices(per_kilowatt_hour=0.3)).money is None
    assert answer_cost(Usage("a", 0.5), Prices(per_hour=1.0)).money is None
    prices = Prices(per_million_prompt_tokens=1.0, per_million_completion_tokens=1.0)
    assert answer_cost(Usage("a", 0.5, seconds=10.0), prices).money is None
    assert [each.reason for each in assess_costs(RUN, TUNING, prices).break_even] == [
        "the cost of tuning is not known",
        None,
    ]
    unknown = assess_costs([Usage("few-shot", 0.7, shots=4), TUNED], TUNING, Prices())
    assert [each.reason for each in unknown.break_even] == ["the cost of answers is not known"]
    assert unknown.frontiers[0].unknown == ("few-shot",)
    assert assess_costs(RUN, {}, Prices()).break_even[0].reason == "the cost of tuning is not known"


def test_tuning_that_makes_answers_no_cheaper_never_pays() -> None:
    slow = Usage("tuned", 0.8, 360.0, tuning="tune")
    (result,) = assess_costs([FEW, slow], TUNING, Prices()).break_even
    assert result.answers is None
    assert result.reason == "an answer of tuned costs no less than one of few-shot"


def test_lower_can_be_better() -> None:
    costs = assess_costs([FEW, TUNED], TUNING, Prices(), higher_is_better=False)
    assert costs.break_even[0].improvement == pytest.approx(-0.1)
    assert costs.frontiers[0].conditions == ("tuned", "few-shot")


def test_who_dominates_whom() -> None:
    (result,) = assess_costs(RUN, TUNING, Prices()).frontiers
    assert result.conditions == ("tuned",)
    assert result.dominated == {"zero-shot": ("tuned",), "few-shot": ("tuned",)}


def test_equal_points_share_the_frontier() -> None:
    same = [ConditionCost(name, 0.5, Cost(None, None, 10.0), None) for name in ("a", "b")]
    assert frontier(same, "seconds", 1).conditions == ("a", "b")


coarse = st.integers(0, 4)


@given(st.lists(st.tuples(coarse, st.none() | coarse), min_size=1, max_size=8))
def test_the_frontier_is_its_definition(points: list[tuple[int, int | None]]) -> None:
    costs = [ConditionCost(str(at), score, Cost(cost, None, None), None) for at, (score, cost) in enumerate(points)]
    result = frontier(costs, "money", 1)
    named = {*result.conditions, *result.dominated, *result.unknown}
    assert len(named) == len(points) == len(result.conditions) + len(result.dominated) + len(result.unknown)
    for name, (score, cost) in enumerate(points):
        if cost is None:
            assert str(name) in result.unknown
            continue
        better = [
            str(other)
            for other, (its, price) in enumerate(points)
            if price is not None and its >= score and price <= cost and (its > score or price < cost)
        ]
        assert result.dominated.get(str(name), ()) == tuple(better)
    scores = {name: points[int(name)][0] for name in result.conditions}
    assert list(scores.values()) == sorted(scores.values())  # on the frontier, what costs more scores no worse


@given(
    st.floats(0, 1e6),
    st.floats(0, 1e4),
    st.floats(0, 1e4),
    st.none() | st.floats(0, 100),
    st.none() | st.floats(1, 500),
)
def test_break_even_is_the_first_number_that_pays(
    tuning: float, few: float, tuned: float, hour: float | None, watts: float | None
) -> None:
    usages = [Usage("few-shot", 0.5, few, shots=1), Usage("tuned", 0.6, tuned, tuning="tune")]
    costs = assess_costs(usages, {"tune": Tuning(tuning)}, Prices(per_hour=hour, watts=watts))
    assert len(costs.break_even) == 1 + (hour is not None) + (watts is not None)
    for result in costs.break_even:
        once = costs.tunings[0].cost.of(result.unit)
        other, mine = (each.per_1000.of(result.unit) for each in costs.conditions)
        assert (result.answers is None) == (result.reason is not None)
        if result.answers is not None:
            assert result.answers * (other - mine) / 1000 >= once * (1 - 1e-9)
            assert (result.answers - 1) * (other - mine) / 1000 <= once * (1 + 1e-9)
    assert Costs.from_dict(json.loads(json.dumps(costs.to_dict()))) == costs
