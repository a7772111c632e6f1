from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tunelift.core.errors import UserError
from tunelift.core.recipe import HeadSettings
from tunelift.heads.settings import HeadConfig, make_config

LABELS = ["a", "b"]


def test_pooling_follows_what_tokens_see() -> None:
    assert make_config(HeadSettings(), LABELS, sees_all=True, context=512).pooling == "mean"
    assert make_config(HeadSettings(), LABELS, sees_all=False, context=512).pooling == "last"
    assert make_config(HeadSettings(pooling="first"), LABELS, sees_all=True, context=512).pooling == "first"


def test_the_model_bounds_the_length() -> None:
    assert make_config(HeadSettings(max_length=300), LABELS, True, context=200).max_length == 200
    config = make_config(HeadSettings(max_length=100), LABELS, True, context=200)
    assert (config.max_length, config.overlap) == (100, 33)
    with pytest.raises(UserError, match=r"head\.max_length: is 3 - give at least 8 tokens"):
        make_config(HeadSettings(max_length=3), LABELS, True, context=200)


def test_outputs_of_kinds() -> None:
    def outputs(kind: Any) -> tuple[str, ...]:
        return make_config(HeadSettings(kind=kind), LABELS, True, 512).outputs

    assert outputs("classification") == outputs("labels") == outputs("relation") == ("a", "b")
    assert outputs("regression") == ("value",)
    assert outputs("entities") == ("O", "B-a", "I-a", "B-b", "I-b")


def test_weights_by_name() -> None:
    config = make_config(HeadSettings(kind="entities", class_weights={"O": 0.5}), LABELS, True, 512)
    assert config.class_weights == (0.5, 1.0, 1.0, 1.0, 1.0)
    with pytest.raises(UserError, match=r'head\.class_weights\.B-c: is not an output of the head - did you mean "B-'):
        make_config(HeadSettings(kind="entities", class_weights={"B-c": 2.0}), LABELS, True, 512)


def test_labels_are_several_and_different() -> None:
    with pytest.raises(UserError, match=r"head: of its labels there are 1 - .* needs at least 2, each once"):
        make_config(HeadSettings(), ["a"], True, 512)
    with pytest.raises(UserError, match=r"labels one occurs twice"):
        make_config(HeadSettings(), ["a", "a"], True, 512)
    assert make_config(HeadSettings(kind="regression"), [], True, 512).labels == ()


@pytest.mark.parametrize("keys", [{"focal_gamma": 2}, {"class_weights": "balanced"}, {"label_smoothing": 0.1}])
def test_a_regression_has_no_classes(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="a regression has no classes"):
        HeadSettings.model_validate({"kind": "regression", **keys})


def test_a_saved_head_is_the_same(make_head: Any) -> None:
    config = make_head("entities", class_weights={"O": 0.5}, focal_gamma=1.5)
    assert HeadConfig.model_validate_json(config.model_dump_json()) == config
