"""Whether what was learnt carries over to rows that were held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tunelift.comparison.compare import compare
from tunelift.comparison.records import Comparison
from tunelift.core.records import Example, Sample, Source, Splits
from tunelift.data.tasks import Task
from tunelift.evaluation.metrics.metric import mean_metric
from tunelift.probes.records import ProbeResult, VariationResult
from tunelift.probes.transfer import find_transfers, unseen_probe
from tunelift.report.probes import probe_sections
from tunelift.statistics.independent import compare_effects
from tunelift.statistics.multiplicity import holm

TASK = Task.model_validate(
    {"task": "t", "dataset_path": "x", "doc_to_text": "{{text}}", "doc_to_target": "label"}
    | {"split": {"train": 1, "validation": 1, "test": 1, "hold_out": "domain == 'books'"}}
)
ITEMS = [Example(f"e{at}", {"text": f"word {at}"}, "yes", Source("x", at)) for at in range(9)]


def compared(before: Sequence[float], after: Sequence[float], metric: str = "acc") -> Comparison:
    plain = Sample("", 0, {}, target="yes", condition="", output="yes", answer="yes", finish_reason="stop")
    answers = {
        name: [replace(plain, example_id=f"e{at}", metrics={metric: value}) for at, value in enumerate(values)]
        for name, values in (("zero-shot", before), ("tuned", after))
    }
    measured = mean_metric(metric, lambda outcome: outcome.values[metric])
    return compare(answers, [("tuned", "zero-shot")], "t", 7, [measured], {"zero-shot": "base", "tuned": "tuned"})


SEEN = compared([0.0] * 100 + [1.0] * 100, [1.0] * 180 + [0.0] * 20)  # + 40 points
LESS = compared([0.0] * 50 + [1.0] * 50, [1.0] * 55 + [0.0] * 1 + [1.0] * 44)
ALIKE = compared([0.0] * 50 + [1.0] * 50, [1.0] * 40 + [0.0] * 10 + [1.0] * 50)
NONE_AT_ALL = compared([0.0, 1.0] * 30, [0.0, 1.0] * 30)


def result_of(name: str, **ways: Comparison) -> ProbeResult:
    variations = tuple(VariationResult(way, f"rows with {way}", comparison) for way, comparison in ways.items())
    return ProbeResult(name, variations, transfers=find_transfers(variations, SEEN))


def test_the_effect_on_other_items_is_held_against_that_on_the_test_items() -> None:
    result = result_of("held-out", alike=ALIKE, none=NONE_AT_ALL, other=compared([0.0] * 20, [1.0] * 20, "f1"))
    assert list(result.transfers) == ["alike", "none"]
    seen = SEEN.contrasts[0].result
    expected = [compare_effects(way.contrasts[0].result, seen) for way in (ALIKE, NONE_AT_ALL)]
    assert [transfer.difference for transfer in result.transfers.values()] == expected
    assert [transfer.seen for transfer in result.transfers.values()] == [seen, seen]
    adjusted = [transfer.adjusted_p for transfer in result.transfers.values()]
    assert adjusted == pytest.approx(holm([difference.p for difference in expected]))
    again = ProbeResult.from_dict(result.to_dict())
    assert again.transfers["none"].difference.effect == pytest.approx(-0.4)
    assert ProbeResult.from_dict(again.to_dict()) == again


def test_a_run_without_the_contrast_has_nothing_to_hold_it_against() -> None:
    way = VariationResult("rows", "", ALIKE)
    assert find_transfers([way], replace(SEEN, contrasts=())) == {}
    assert find_transfers([replace(way, comparison=replace(ALIKE, contrasts=()))], SEEN) == {}


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        (ALIKE, "no difference of the two could be shown."),
        (NONE_AT_ALL, "tuning gives less on the rows that were held out, and on these no gain could be shown."),
        (compared([0.0] * 100, [1.0] * 100), "tuning gives more on the rows that were held out."),
    ],
)
def test_what_is_said_of_seen_and_unseen_rows(rows: Comparison, verdict: str) -> None:
    (section,) = probe_sections([result_of("unseen", books=rows)])
    (sentence,) = section.summary
    assert sentence.startswith("tuned against zero-shot, accuracy: +40.0 points (95 % interval ")
    assert f") on the 200 test items, {100 * rows.contrasts[0].result.effect:+.1f} points (" in sentence
    assert f" on {rows.items} held-out rows; difference " in sentence
    assert sentence.endswith(f": {verdict}")
    (row,) = section.rows
    cells = dict(zip(section.heading, row, strict=True))
    assert cells["minus that on the test items"] == f"{100 * rows.contrasts[0].result.effect - 40:+.1f}"


def test_other_tasks_have_the_comparison_in_their_table() -> None:
    (section,) = probe_sections([result_of("held-out", alike=ALIKE, other=compared([0.0] * 20, [1.0] * 20, "f1"))])
    cells = [dict(zip(section.heading, row, strict=True))["minus that on the test items"] for row in section.rows]
    assert cells == ["+0.0", "-"]
    assert not any("held-out row" in sentence for sentence in section.sentences)


def test_held_out_rows_are_asked_up_to_the_limit() -> None:
    splits = Splits(ITEMS[:2], [], [], ITEMS)
    (probe,), findings = unseen_probe(TASK, splits, ["zero-shot", "tuned"], 5, 7)
    (way,) = probe.variations
    assert (probe.name, probe.questions, probe.conditions, findings) == ("unseen", 5, ["zero-shot", "tuned"], [])
    assert (way.pool, way.description) == (ITEMS[:2], "rows with domain == 'books'")
    assert [item for item in ITEMS if item in way.items] == way.items
    assert unseen_probe(TASK, Splits(ITEMS, [], ITEMS), ["tuned"], 5, 7) == ([], [])


@pytest.mark.parametrize(("conditions", "check"), [([], "probe-impossible"), (["tuned"], "probe-alone")])
def test_a_run_says_where_held_out_rows_show_nothing(conditions: list[str], check: str) -> None:
    probes, (finding,) = unseen_probe(TASK, Splits(ITEMS, [], [], ITEMS), conditions, 5, 7)
    assert (len(probes), finding.check) == (len(conditions), check)
