from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tunelift.engine.batches import common_prefix_length, plan_batches

LENGTHS = st.lists(st.integers(1, 300), max_size=80)


@given(LENGTHS, st.integers(1, 1000))
def test_every_sequence_is_in_one_batch_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = plan_batches(lengths, budget)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or max(lengths[index] for index in batch) * len(batch) <= budget
    longest = [max(lengths[index] for index in batch) for batch in batches]
    assert longest == sorted(longest, reverse=True)


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=8), min_size=1, max_size=6))
def test_the_common_prefix_is_the_longest_that_leaves_a_token(sequences: list[list[int]]) -> None:
    length = common_prefix_length(sequences)
    assert all(sequence[:length] == sequences[0][:length] for sequence in sequences)
    assert all(len(sequence) > length for sequence in sequences)
    longer = length + 1
    assert any(len(sequence) <= longer or sequence[:longer] != sequences[0][:longer] for sequence in sequences)


def test_no_sequences_have_no_prefix() -> None:
    assert common_prefix_length([]) == 0
