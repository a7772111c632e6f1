from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from tunelift.statistics.multiplicity import benjamini_hochberg, holm

families = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(families)
@settings(max_examples=25, deadline=None)
def test_they_are_those_of_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1], abs=1e-15)
    assert benjamini_hochberg(p_values) == pytest.approx(multipletests(p_values, method="fdr_bh")[1], abs=1e-15)


@given(families, st.randoms(use_true_random=False))
@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_the_order_does_not_matter(adjust: Callable, p_values: list[float], random) -> None:
    order = random.sample(range(len(p_values)), len(p_values))
    assert adjust(np.array(p_values)[order]) == pytest.approx(adjust(p_values)[order])


@given(families)
def test_holm_claims_no_more_than_benjamini_hochberg_which_claims_no_more_than_single_tests(
    p_values: list[float],
) -> None:
    tolerance = 1e-12
    assert np.all(holm(p_values) >= benjamini_hochberg(p_values) - tolerance)
    assert np.all(benjamini_hochberg(p_values) >= np.array(p_values) - tolerance)


def test_worked_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert holm([]).tolist() == []


@pytest.mark.parametrize("p_values", [[0.1, 1.2], [-0.1], [float("nan")], [[0.1]]])
@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_what_is_no_p_value_is_refused(adjust: Callable, p_values: list) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        adjust(p_values)
