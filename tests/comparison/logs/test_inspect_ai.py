"""Logs that Inspect itself wrote (data/make.py says how) are read as Inspect reads them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.comparison.logs.inspect_ai import read_eval, read_json_log
from tunelift.core.errors import UserError

DATA = Path(__file__).parent / "data"
JSON = json.loads((DATA / "base.json").read_bytes())


def test_both_formats_of_a_real_log_say_the_same() -> None:
    log, as_json = read_eval(DATA / "base.eval"), read_json_log(DATA / "base.json")
    assert log.samples == as_json.samples
    assert (log.name, log.task, log.documents) == ("mockllm/model", "sums", None)
    assert [sample.example_id for sample in log.samples] == [f"sum-{number}" for number in range(6)]
    assert log.samples[0].doc == {"input": [["system", "Answer with the number."], ["user", "7 + 5"]]}
    assert log.samples[0].target == "12"


@pytest.mark.parametrize("name", ["base", "tuned"])
def test_epochs_are_reduced_as_inspect_reduces_them(name: str) -> None:
    log = read_eval(DATA / f"{name}.eval")
    metrics = ["match", "graded", "parted.length", "parted.distance", "partly"]
    means = {
        metric: fmean(sample.metrics[metric] for sample in log.samples if metric in sample.metrics)
        for metric in metrics
    }
    assert means == pytest.approx(dict(log.scores))
    assert list(log.scores) == metrics


def test_a_score_that_is_no_number_is_left_out() -> None:
    """Under BASE "partly" scores no epoch of the fourth item, and one of two of the last: where the answer was 3."""
    samples = read_eval(DATA / "base.eval").samples
    assert [sample.metrics.get("partly") for sample in samples] == [1, 1, 0.5, None, 0, 0]
    assert [sample.metrics["graded"] for sample in samples] == [1, 1, 0.5, 0.5, 0.5, 0.25]


def test_another_reducer_gives_another_score_than_the_mean() -> None:
    mean, best = read_eval(DATA / "base.eval"), read_eval(DATA / "best-of-two.eval")
    assert mean.samples == best.samples
    assert (mean.scores["graded"], best.scores["graded"]) == (0.625, pytest.approx(5 / 6))


def test_groups_are_named_by_metadata() -> None:
    assert {sample.group for sample in read_eval(DATA / "base.eval").samples} == {None}
    samples = read_eval(DATA / "base.eval", "operation").samples
    assert [sample.group for sample in samples] == ["+", "-", "*", "/", "+", "-"]
    with pytest.raises(UserError, match=r'6 of 6 items have no "operations" to group .* did you mean "operation"'):
        read_eval(DATA / "base.eval", "operations")


def write(folder: Path, log: Any) -> Path:
    (folder / "log.json").write_text(json.dumps(log), encoding="utf-8")
    return folder / "log.json"


def sample(**keys: Any) -> dict[str, Any]:
    return {"id": 1, "epoch": 1, "input": "7 + 5", "target": ["12", "twelve"], "scores": {"s": {"value": 1}}} | keys


def values(folder: Path, *scores: Any) -> dict[str, float]:
    """The metrics of one sample with these values in its epochs."""
    epochs = [sample(epoch=number, scores={"s": {"value": value}}) for number, value in enumerate(scores)]
    (found,) = read_json_log(write(folder, JSON | {"samples": epochs})).samples
    return found.metrics


# What `value_to_float` of inspect_ai.scorer makes of them; it takes what it cannot read for 0, which hides a mistake.
@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("C", 1), ("P", 0.5), ("I", 0), ("N", 0), ("yes", 1), ("No", 0), ("TRUE", 1), ("false", 0), ("0.25", 0.25),
        (True, 1), (False, 0), (3, 3), (0.75, 0.75), ("c", None), ("", None), ("nan", None), (float("inf"), None),
        ([1, 0], None), (None, None), (10**400, None),
    ],
)  # fmt: skip
def test_values_of_scores(tmp_path: Path, value: Any, number: float | None) -> None:
    assert values(tmp_path, value) == ({} if number is None else {"s": number})


def test_epochs_without_a_score_do_not_count(tmp_path: Path) -> None:
    assert values(tmp_path, "C", float("nan"), "I", "C") == {"s": pytest.approx(2 / 3)}
    assert values(tmp_path, {"a": "C", "b": 3}, {"a": "I", "b": None}) == {"s.a": 0.5, "s.b": 3.0}


def test_ids_of_messages_and_kinds_of_ids_do_not_matter(tmp_path: Path) -> None:
    inputs = [[{"role": "user", "content": "7 + 5", "id": name, "source": "input"}] for name in ("x", "y")]
    first, second = (
        read_json_log(write(tmp_path, JSON | {"samples": [sample(input=each)]})).samples for each in inputs
    )
    assert first == second
    assert (first[0].example_id, first[0].target) == ("1", '["12","twelve"]')


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda log: log["samples"], r'is no log of Inspect \(it has no "eval"\) - '),
        (lambda log: {"results": {}}, "is no log of Inspect"),
        (
            lambda log: log | {"status": "cancelled"},
            'is of an evaluation with the status "cancelled" - finish it first',
        ),
        (lambda log: log | {"invalidated": True}, "holds samples that were declared invalid - "),
        (lambda log: log | {"samples": None}, "holds no samples - evaluate without --no-log-samples"),
        (lambda log: log | {"samples": []}, "holds no samples - "),
        (lambda log: log | {"samples": [sample(), 7]}, r"log\.json:sample 2: is no sample of Inspect - copy the log"),
        (lambda log: log | {"samples": [sample(id=1.5)]}, "sample 1: is no sample"),
        (lambda log: log | {"samples": [sample(epoch="1")]}, "sample 1: is no sample"),
        (lambda log: log | {"samples": [sample(scores=[1])]}, "sample 1: is no sample"),
        (lambda log: log | {"samples": [sample(scores={"s": 1})]}, "sample 1: is no sample"),
        (lambda log: log | {"samples": [sample(), sample(id="1")]}, 'sample 2: is epoch 1 of sample "1" once more - '),
    ],
)
def test_logs_that_are_refused(tmp_path: Path, change: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_json_log(write(tmp_path, change(JSON)))


def test_a_sample_of_an_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("samples/a_epoch_1.json", "[]")
        made.writestr("header.json", json.dumps({key: JSON[key] for key in JSON if key != "samples"}))
    with pytest.raises(UserError, match=r"log\.eval:samples/a_epoch_1\.json: is no sample of Inspect - "):
        read_eval(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(
    header=st.dictionaries(
        st.sampled_from(["eval", "status", "results", "invalidated", "samples"]), VALUES, max_size=2
    ),
    keys=st.dictionaries(st.sampled_from(["id", "epoch", "input", "target", "scores", "metadata"]), VALUES, max_size=2),
    scores=st.dictionaries(st.text(max_size=2), st.dictionaries(st.just("value"), VALUES), max_size=2),
)
def test_any_log_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, header: dict[str, Any], keys: dict[str, Any], scores: dict[str, Any]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    path = write(folder, JSON | {"samples": [sample(scores=scores) | keys]} | header)
    try:
        log = read_json_log(path)
    except UserError:
        return
    assert len(log.samples) == 1
