from __future__ import annotations

import pytest

from tunelift.evaluation.preferences import choice_probabilities, preferred_choices


def test_probabilities_of_choices_sum_to_one_however_small_they_are() -> None:
    assert choice_probabilities([-1000.0, -1000.0 - 1.0986122886681098]) == pytest.approx((0.75, 0.25))


def test_each_rule_divides_the_log_probabilities_by_its_own_lengths() -> None:
    encoded = {"正面": [1], "负面": [2, 3], "no": [4, 5, 6]}
    # Sums -1.0, -1.6, -2.0; a token -1.0, -0.8, -0.67; a byte -0.17, -0.27, -1.0.
    preferred = preferred_choices([-1.0, -1.6, -2.0], list(encoded), encoded)
    assert preferred == {"choice_acc": "正面", "choice_acc_tokens": "no", "choice_acc_bytes": "正面"}


def test_an_empty_choice_is_divided_by_one() -> None:
    assert preferred_choices([-0.5, -0.6], ["", "a"], {"": [], "a": [1]})["choice_acc_bytes"] == ""
