from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from tunelift.statistics.multiplicity import holm

families = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(families)
@settings(max_examples=25, deadline=None)
def test_it_is_that_of_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1], abs=1e-15)


@given(families, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(p_values: list[float], random) -> None:
    order = random.sample(range(len(p_values)), len(p_values))
    assert holm(np.array(p_values)[order]) == pytest.approx(holm(p_values)[order])


def test_worked_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]).tolist() == []


@pytest.mark.parametrize("p_values", [[0.1, 1.2], [-0.1], [float("nan")], [[0.1]]])
def test_what_is_no_p_value_is_refused(p_values: list) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm(p_values)
