from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tunelift.data.tagging import violations
from tunelift.heads.decoding import allowed_transitions, decode_tags
from tunelift.heads.settings import tag_names


def scores(units: st.SearchStrategy[int], types: int) -> st.SearchStrategy[np.ndarray]:
    values = st.floats(-20, 0, allow_subnormal=False)
    return units.flatmap(lambda count: arrays(np.float64, (count, 1 + 2 * types), elements=values))


def is_consistent(tags: tuple[int, ...] | list[int], types: int) -> bool:
    return violations([tag_names("abcdefgh"[:types])[tag] for tag in tags]) == 0


@given(st.integers(1, 3).flatmap(lambda types: scores(st.integers(0, 30), types)))
def test_tags_are_always_consistent(logprobs: np.ndarray) -> None:
    tags = decode_tags(logprobs)
    assert len(tags) == len(logprobs)
    assert is_consistent(tags, (logprobs.shape[1] - 1) // 2)


@given(scores(st.integers(1, 4), 2))
def test_no_consistent_sequence_is_more_probable(logprobs: np.ndarray) -> None:
    def total(tags: tuple[int, ...] | list[int]) -> float:
        return sum(logprobs[unit, tag] for unit, tag in enumerate(tags))

    best = max(total(tags) for tags in product(range(5), repeat=len(logprobs)) if is_consistent(tags, 2))
    assert abs(total(decode_tags(logprobs)) - best) < 1e-9


def test_what_is_consistent_is_left_as_it_is() -> None:
    logprobs = np.log(np.full((4, 5), 0.1))
    for unit, tag in enumerate([0, 1, 2, 3]):
        logprobs[unit, tag] = np.log(0.6)
    assert decode_tags(logprobs) == [0, 1, 2, 3]


def test_only_an_entity_that_has_begun_goes_on() -> None:
    allowed = allowed_transitions(2)
    names = ["O", "B-a", "I-a", "B-b", "I-b"]
    assert [name for name, fits in zip(names, allowed[-1], strict=True) if fits] == ["O", "B-a", "B-b"]
    assert [name for name, fits in zip(names, allowed[:-1, 2], strict=True) if fits] == ["B-a", "I-a"]
