from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunelift.engine import tree
from tunelift.engine.tree import build_tree

TOKENS = st.integers(0, 3)  # few, so that many sequences begin alike
SEQUENCES = st.lists(st.lists(TOKENS, min_size=1, max_size=12), min_size=1, max_size=12)


@pytest.fixture(params=[0, 3, 16])
def segment_cost(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(tree, "SEGMENT_COST", request.param)
    return int(request.param)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequences=SEQUENCES)
def test_every_sequence_stands_in_the_tree(segment_cost: int, sequences: list[list[int]]) -> None:
    built = build_tree(sequences)
    for number, sequence in enumerate(sequences):
        path = built.path(number)
        assert built.token_ids[path].tolist() == sequence
        assert built.positions[path].tolist() == list(range(len(sequence)))
    used = np.concatenate([segment.own for segment in built.segments])
    assert used.tolist() == list(range(len(built.token_ids)))
    for number, segment in enumerate(built.segments):
        assert segment.length > 0
        assert segment.parent is None or segment.parent < number
        above = [] if segment.parent is None else built.segments[segment.parent].path.tolist()
        assert segment.path[: len(segment.path) - segment.length].tolist() == above


@given(SEQUENCES)
def test_without_cost_nothing_stands_twice(sequences: list[list[int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree, "SEGMENT_COST", 0)
        slots = len(build_tree(sequences).token_ids)
    assert slots == len({tuple(sequence[:end]) for sequence in sequences for end in range(1, len(sequence) + 1)})


@given(SEQUENCES)
def test_sharing_saves_more_than_it_costs(sequences: list[list[int]]) -> None:
    built = build_tree(sequences)
    children = [segment.parent for segment in built.segments]
    distinct = len({tuple(sequence) for sequence in sequences})
    lengths = sum(map(len, {tuple(sequence) for sequence in sequences}))
    shared = [number for number in range(len(built.segments)) if children.count(number) > 0]
    assert len(built.token_ids) <= lengths - tree.SEGMENT_COST * len(shared)
    assert len(built.segments) - len(shared) <= distinct


def test_equal_sequences_and_nested_ones_share_everything() -> None:
    long = list(range(100, 160))
    built = build_tree([long, long, long[:40]])
    assert len(built.token_ids) == 60
    assert built.path(0).tolist() == built.path(1).tolist()
    assert built.path(2).tolist() == built.path(0).tolist()[:40]


def test_levels_share_what_is_above_them() -> None:
    instruction, questions = list(range(50)), [list(range(100 * number, 100 * number + 30)) for number in range(2, 5)]
    choices = [[7, 8], [9]]
    built = build_tree([instruction + question + choice for question in questions for choice in choices])
    assert len(built.token_ids) == 50 + 3 * 30 + 3 * 3
    assert len(built.segments) == 1 + 3 + 6


def test_ten_thousand_choices_are_one_tree() -> None:
    question = list(range(200))
    built = build_tree([[*question, choice // 100, choice % 100] for choice in range(10_000)])
    assert len(built.token_ids) == 200 + 100 + 10_000


@pytest.mark.parametrize("sequences", [[[]], [[5], []], [[], [5, 6]]])
def test_an_empty_sequence_is_refused(sequences: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="a sequence has no token"):
        build_tree(sequences)
