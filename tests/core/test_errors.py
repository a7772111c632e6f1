from __future__ import annotations

import pytest

from tunelift.core.errors import UserError, counted, nearest, shorten, shorten_text


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


def test_long_names_are_cut() -> None:
    assert nearest("x", ["a" * 500]) == f"valid here: {'a' * 60}..."


def test_long_lists_are_cut_and_counted() -> None:
    assert shorten([3, 8]) == "3, 8"
    assert shorten(range(45), limit=3) == "0, 1, 2 and 42 more"


def test_a_value_is_shown_as_json_and_cut() -> None:
    assert shorten_text({"a": ["很", None]}) == '{"a": ["很", null]}'
    assert shorten_text("x" * 99) == f'"{"x" * 59}...'


def test_one_is_counted_in_the_singular() -> None:
    counts = [counted(number, "usable row") for number in (0, 1, 2, 1200)]
    assert counts == ["0 usable rows", "1 usable row", "2 usable rows", "1,200 usable rows"]
