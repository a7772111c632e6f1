from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.comparison.gain import split_gain

changes = st.floats(-1, 1)


@given(changes, changes)
def test_the_parts_add_up(headline: float, choice: float) -> None:
    gain = split_gain(headline, choice)
    assert gain.format + gain.ability == pytest.approx(headline, abs=1e-12)
    assert gain.ability == choice


@given(changes)
def test_without_a_change_of_choices_all_is_format(headline: float) -> None:
    assert split_gain(headline, 0.0).format == headline


@given(changes, changes)
def test_the_way_back_undoes_it(headline: float, choice: float) -> None:
    forth, back = split_gain(headline, choice), split_gain(-headline, -choice)
    assert (forth.format, forth.ability) == (-back.format, -back.ability)
