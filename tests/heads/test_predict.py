from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.heads.inputs import EntityRow, HeadInput, entity_inputs
from tunelift.heads.model import HeadModel
from tunelift.heads.predict import best_threshold, entity_predictions, predict_head, text_predictions


def one(kind: str, make_head: Any, logits: list[float], **changes: Any) -> Any:
    config = make_head(kind).model_copy(update=changes)
    item = HeadInput("7", (5,), (((0,),) * config.parts,), (None,))
    (prediction,) = text_predictions(config, [item], [np.array([logits])])
    assert prediction.example_id == "7"
    return prediction


def test_a_class_and_its_probabilities(make_head: Any) -> None:
    for kind in ("classification", "relation"):
        prediction = one(kind, make_head, [0.0, np.log(3.0), 0.0])
        assert prediction.value == "b"
        assert prediction.probabilities == pytest.approx((0.2, 0.6, 0.2))


def test_labels_from_a_threshold_on(make_head: Any) -> None:
    logits = [np.log(3.0), -1000.0, -np.log(3.0)]
    assert one("labels", make_head, logits).value == ["a"]
    assert one("labels", make_head, logits).probabilities == pytest.approx((0.75, 0.0, 0.25))
    assert one("labels", make_head, logits, threshold=0.2).value == ["a", "c"]


def test_a_number_in_its_own_units(make_head: Any) -> None:
    prediction = one("regression", make_head, [1.5], mean=10.0, deviation=2.0)
    assert prediction.value == 13.0
    assert prediction.probabilities == ()


def test_entities_of_windows(tokenizer: Any, make_head: Any) -> None:
    config = make_head("entities", context=40)
    text = " ".join(f"word{number}" for number in range(60))
    rows = [EntityRow("long", text), EntityRow("empty", ""), EntityRow("short", "Anna in Bergen")]
    made = entity_inputs(tokenizer, config, rows)
    assert len(made.inputs) > 3
    wanted = {"long": {20: "B-a", 21: "I-a", 22: "I-a", 59: "B-c"}, "short": {0: "I-b", 2: "B-a"}}
    logits, unit = [], {"long": 0, "short": 0}
    for item in made.inputs:
        of = np.zeros((len(item.readings), len(config.outputs)))
        for row in of:
            tag = wanted[item.example_id].get(unit[item.example_id], "O")
            row[config.outputs.index(tag)] = 9.0
            unit[item.example_id] += 1
        logits.append(of)
    long, empty, short = entity_predictions(config, rows, made, logits)
    first, second, last = text.index("word20"), text.index("word22") + 6, text.index("word59")
    assert long.value == [["a", first, second, text[first:second]], ["c", last, last + 6, "word59"]]
    assert empty.value == []
    assert short.value[-1] == ["a", 8, 14, "Bergen"]
    # An entity does not begin inside: the nearest consistent tags are taken.
    assert all(text == rows[2].text[start:end] for _, start, end, text in short.value)


@given(
    st.integers(1, 12).flatmap(
        lambda count: st.tuples(
            st.lists(st.lists(st.integers(-4, 4), min_size=2, max_size=2), min_size=count, max_size=count),
            st.lists(st.lists(st.integers(0, 1), min_size=2, max_size=2), min_size=count, max_size=count),
        )
    )
)
def test_no_other_threshold_gives_a_higher_f1(case: tuple[list[list[int]], list[list[int]]]) -> None:
    logits, targets = case
    present = 1 / (1 + np.exp(-np.array(logits, dtype=float)))
    wanted = np.array(targets)

    def f1(threshold: float) -> float:
        given_labels = present >= threshold
        both = (given_labels & (wanted == 1)).sum()
        return float(2 * both / max(given_labels.sum() + wanted.sum(), 1))

    threshold = best_threshold([np.array([row], dtype=float) for row in logits], targets)
    assert 0 < threshold < 1
    if wanted.any():
        assert f1(threshold) == pytest.approx(max(f1(value) for value in np.linspace(0.005, 0.995, 199)))
    else:
        assert threshold == 0.5


@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_logits_stand_beside_their_inputs(
    make_backbone: Any, make_head: Any, make_inputs: Any, architecture: str
) -> None:
    backbone = make_backbone(architecture)
    config = make_head("entities", sees_all=backbone.way.sees_all, dropout=0.5)
    model = HeadModel(backbone, config, seed=1).train()
    inputs = make_inputs(config, 9)
    together = predict_head(model, inputs, token_budget=30)
    assert model.training
    for item, logits in zip(inputs, together, strict=True):
        assert logits.shape == (len(item.readings), len(config.outputs))
        np.testing.assert_allclose(logits, predict_head(model, [item])[0], rtol=1e-4, atol=1e-5)
