from __future__ import annotations

import pytest

from tunelift.core.errors import UserError, nearest, shorten


def test_an_error_is_one_line_of_where_what_and_hint() -> None:
    error = UserError("recipe.yaml:3", "is not YAML: bad\n  in line 3", "correct it")
    assert str(error) == "recipe.yaml:3: is not YAML: bad   in line 3 - correct it"
    assert (error.where, error.what, error.hint) == ("recipe.yaml:3", "is not YAML: bad\n  in line 3", "correct it")


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("epoch", 'did you mean "epochs"?'),
        ("few-shots", 'did you mean "few-shot"?'),
        ("x", "valid here: epochs, few-shot"),
    ],
)
def test_a_misspelt_name_leads_to_the_nearest_valid_one(written: str, hint: str) -> None:
    assert nearest(written, ["few-shot", "epochs"]) == hint


def test_long_lists_are_cut_and_counted() -> None:
    assert shorten([3, 8]) == "3, 8"
    assert shorten(range(45), limit=3) == "0, 1, 2 and 42 more"
