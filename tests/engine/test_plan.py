from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunelift.engine import plan, tree
from tunelift.engine.plan import Plan, computed_tokens, plan_stems, plan_trees

TOKENS = st.integers(0, 3)  # few, so that many sequences begin alike
SEQUENCES = st.lists(st.lists(TOKENS, min_size=1, max_size=12), min_size=1, max_size=12)


@pytest.fixture(params=[0, 3, 16])
def segment_cost(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    for module in (tree, plan):
        monkeypatch.setattr(module, "SEGMENT_COST", request.param)
    monkeypatch.setattr(plan, "PASS_COST", 0)
    return int(request.param)


def slots(sequences: list[list[int]], group: list[int], depth: int = 0) -> int:
    """Tokens of a group if everything that is equal is shared."""
    prefixes = {tuple(sequences[index][:end]) for index in group for end in range(1, len(sequences[index]) + 1)}
    return sum(len(prefix) > depth for prefix in prefixes)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequences=SEQUENCES, budget=st.integers(1, 60))
def test_a_plan_holds_each_sequence_once_and_keeps_to_the_budget(
    segment_cost: int, sequences: list[list[int]], budget: int
) -> None:
    made = plan_trees(sequences, budget)
    assert sorted(index for batch in made for index in batch) == list(range(len(sequences)))
    assert made == plan_trees(sequences, budget)
    for batch in made:
        assert len(plan_trees([sequences[index] for index in batch], 10**9)) == 1
        assert len(batch) == 1 or slots(sequences, batch) <= budget


def stems(made: Plan, above: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], list[int]]]:
    """Every group with all tokens of the stems above it."""
    path = above + made.stem
    for group in made.groups:
        yield path, group
    for part in made.below:
        yield from stems(part, path)


def own_stems(made: Plan) -> Iterator[tuple[int, ...]]:
    """The stem of every plan below."""
    for part in made.below:
        yield part.stem
        yield from own_stems(part)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequences=SEQUENCES, budget=st.integers(1, 30), data=st.data())
def test_stems_begin_their_sequences_and_leave_what_is_not_free(
    segment_cost: int, sequences: list[list[int]], budget: int, data: st.DataObject
) -> None:
    free = [data.draw(st.integers(0, len(sequence) - 1)) for sequence in sequences]
    made = plan_stems(sequences, free, budget)
    assert made == plan_stems(sequences, free, budget)
    found = list(stems(made))
    assert sorted(index for _, group in found for index in group) == list(range(len(sequences)))
    assert all(0 < len(stem) <= budget for stem in own_stems(made))
    for path, group in found:
        assert all(tuple(sequences[index][: len(path)]) == path and len(path) <= free[index] for index in group)
        assert len(group) == 1 or slots(sequences, group, len(path)) <= plan.WHOLE * budget


def test_a_family_little_larger_than_the_budget_is_one_tree() -> None:
    families = [[[*range(start, start + 300), *range(n, n + 90)] for n in range(3)] for start in (1000, 2000)]
    sequences = [*families[0], *families[1]]
    made = plan_stems(sequences, [300] * 6, 500)
    assert ([sorted(group) for group in made.groups], made.below) == ([[0, 1, 2], [3, 4, 5]], [])
    # One that is larger is divided, and what begins alike becomes a stem.
    assert [len(part.stem) for part in plan_stems(sequences, [300] * 6, 400).below] == [300, 300]
    # One that is smaller is not divided to fill what another has left.
    assert [len(group) for group in plan_stems([*families[0], *families[1][:1]], [300] * 4, 700).groups] == [3, 1]


def test_a_stem_is_made_where_it_pays() -> None:
    instruction = list(range(1000, 1300))
    sequences = [[*instruction, *range(100 * number, 100 * number + 80)] for number in range(8)]
    free = [350] * 8
    whole = plan_stems(sequences, free, 300 + 8 * 80)
    assert (len(whole.groups), whole.below) == (1, [])
    divided = plan_stems(sequences, free, 320)
    assert divided.groups == []
    assert [part.stem for part in divided.below] == [tuple(instruction)]
    assert [len(group) for group in divided.below[0].groups] == [4, 4]
    assert computed_tokens(sequences, divided) == computed_tokens(sequences, whole) == 300 + 8 * 80
    # Two passes over ten tokens more are cheaper than a pass of their own.
    assert plan_stems([sequence[290:] for sequence in sequences], [60] * 8, 400).below == []


def test_nothing_but_what_is_free_stands_in_stems() -> None:
    sequences = [list(range(400))] * 3 + [[*range(400), 7]] * 3
    assert plan_stems(sequences, [0] * 6, 100).below == []
    made = plan_stems([[*range(300), *range(n, n + 90)] for n in range(5)], [200] * 5, 100)
    assert list(own_stems(made)) == [tuple(range(100)), tuple(range(100, 200))]


def test_ten_thousand_choices_are_planned() -> None:
    question = list(range(200))
    sequences = [[*question, choice] for choice in range(10_000)]
    assert plan_trees(sequences, 4096)[0][:3] == [0, 1, 2]
    assert computed_tokens(sequences, plan_stems(sequences, [200] * 10_000, 4096)) == 200 + 10_000


def test_one_sequence_longer_than_the_budget_is_a_group_of_its_own() -> None:
    assert plan_trees([[1] * 100, [2] * 5, [3] * 4], 10) == [[0], [1, 2]]
    assert plan_stems([[1] * 100, [2] * 5, [3] * 4], [99, 4, 3], 10) == Plan((), [[0], [1, 2]], [])


def test_trees_are_even_and_the_largest_comes_first() -> None:
    sequences = [list(range(100 * number, 100 * number + 60 + number)) for number in range(9)]
    # Filled one after the other, they would have 266, 250 and 60.
    sizes = [slots(sequences, group) for group in plan_trees(sequences, 300)]
    assert sizes == [68 + 67 + 66, 65 + 64 + 63, 62 + 61 + 60]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequences=SEQUENCES, budget=st.integers(1, 60), most=st.integers(1, 5))
def test_no_smaller_budget_gives_as_few_trees(
    segment_cost: int, sequences: list[list[int]], budget: int, most: int
) -> None:
    made = plan_trees(sequences, budget, most)
    assert max(map(len, made)) <= most
    for smaller in range(1, budget):
        fewer = plan_trees(sequences, smaller, most)
        assert len(fewer) > len(made) or fewer == made


def test_a_sequence_alone_needs_no_stem() -> None:
    assert plan_stems([list(range(2000))], [400], 512) == Plan((), [[0]], [])


def test_no_sequences_make_no_plan() -> None:
    assert plan_trees([], 100) == []
    assert plan_stems([], [], 100) == Plan((), [], [])
