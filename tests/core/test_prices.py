from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tunelift.core.config import build
from tunelift.core.errors import UserError
from tunelift.core.prices import Prices


def test_nothing_has_to_be_known() -> None:
    prices = build(Prices, {}, Path("recipe.yaml"), {})
    assert prices == Prices()
    assert prices.of_machine(3600.0, 3.6e6) is None
    assert prices.of_tokens(1.0, 1.0) is None
    assert prices.joules(1.0, None) is None


def test_what_machine_and_tokens_cost() -> None:
    prices = Prices(per_hour=2.0, per_kilowatt_hour=0.5, per_million_prompt_tokens=1.0, per_million_completion_tokens=3)
    assert prices.of_machine(1800.0, 7.2e6) == pytest.approx(1.0 + 1.0)
    assert prices.of_machine(1800.0, None) is None
    assert prices.of_tokens(2e6, 1e6) == pytest.approx(5.0)
    assert prices.of_tokens(None, 1e6) is None
    assert prices.by_token
    assert not Prices(per_hour=0).by_token
    assert Prices(per_hour=0).of_machine(10.0, None) == 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"per_huor": 1}, 'unknown key "per_huor" - did you mean "per_hour"'),
        ({"per_hour": -1}, '"per_hour" is -1, but input should be greater than or equal to 0'),
        ({"per_hour": True}, "should not be a boolean"),
        ({"per_hour": float("inf")}, "finite"),
        ({"watts": 0}, '"watts" is 0, but input should be greater than 0'),
        ({"currency": ""}, "currency"),
        ({"per_million_prompt_tokens": 1}, "together - write 0 for what is free"),
    ],
)
def test_what_is_refused(data: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(Prices, data, "recipe.yaml", {(key,): "recipe.yaml:1" for key in data})
