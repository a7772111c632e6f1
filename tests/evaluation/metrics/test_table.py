from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import pytest

from tunelift.core.errors import UserError
from tunelift.evaluation.metrics.table import (
    BY_KIND,
    FORMS,
    LOWER_IS_BETTER,
    METRICS,
    direction_of,
    make_metrics,
    range_of,
)


def make(make_task: Callable[..., Any], kind: str, *metrics: dict[str, Any]) -> Any:
    choices = {} if kind == "choice" else {"doc_to_choice": None}
    return make_task(answer={"kind": kind}, metric_list=list(metrics), **choices)


@pytest.mark.parametrize(
    ("kind", "metric", "message"),
    [
        ("choice", "label_f1", 'metric "label_f1" is for answers of the kind labels, not choice - .*kind: labels'),
        ("text", "entity_f1", "of the kind entities, not text"),
        ("labels", "f1", "of the kind choice or text, not labels"),
        ("choice", "mrr", "of the kind ranking, not choice"),
        ("triples", "mae", "of the kind number or choice or text, not triples"),
    ],
)
def test_a_metric_of_another_form_of_answer_is_refused(make_task: Any, kind: str, metric: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_metrics(make(make_task, kind, {"metric": metric}))


@pytest.mark.parametrize("kind", BY_KIND)
def test_every_kind_of_answer_has_metrics(make_task: Any, kind: str) -> None:
    metrics = make_metrics(make(make_task, kind), allow_execution=True)
    assert len(metrics) == len(BY_KIND[kind])


def test_the_names_of_the_tables_are_those_of_metrics() -> None:
    assert {name for names in FORMS for name in names} <= METRICS.keys()
    assert {kind for kinds in FORMS.values() for kind in kinds} <= BY_KIND.keys()


def test_directions_and_ranges_by_name_are_those_of_the_metrics(make_task: Any) -> None:
    kinds = {name: kinds[0] for names, kinds in FORMS.items() for name in names}
    arguments = {name: {"out_of_scope": "neutral"} for name in ("in_scope_acc", "out_of_scope_recall")}
    for name in METRICS:
        task = make(make_task, kinds.get(name, "choice"), {"metric": name, **arguments.get(name, {})})
        if name in ("ifeval", "semantic_similarity"):
            continue  # higher is better; they need packages and models
        (metric,) = make_metrics(task, allow_execution=True)
        assert (metric.name in LOWER_IS_BETTER) == (not metric.higher_is_better), name
        assert direction_of(name) == metric.higher_is_better, name
        assert range_of(name) == (metric.low, metric.high), name


@pytest.mark.parametrize(
    ("name", "higher", "ends"),
    [
        ("WER", False, (0, inf)),
        ("rougel", True, (0, 1)),
        ("ACC_norm", True, (0, 1)),
        ("grader.mae", False, (0, inf)),
        ("mae.grader", None, None),
        ("ppl", False, (1, inf)),
        ("loss", False, (0, inf)),
        ("Error_Rate", False, None),
        ("log_likelihood", True, (-inf, 0)),
        ("seconds", None, None),
    ],
)
def test_names_of_others(name: str, higher: bool | None, ends: tuple[float, float] | None) -> None:
    assert (direction_of(name), range_of(name)) == (higher, ends)
