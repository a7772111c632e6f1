from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from lm_eval.api.metrics import mean_stderr
from scipy import stats

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def calibration() -> Iterator[ModuleType]:
    """The script, which runs with its own folder on the path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield import_module("calibration")


@pytest.fixture(scope="module")
def populations(calibration: ModuleType) -> ModuleType:
    return import_module("common.populations")


@pytest.mark.parametrize("kind", ["binary", "continuous", "micro F1", "chrF"])
@pytest.mark.parametrize("grouped", [False, True])
def test_the_true_effect_is_that_of_many_items(populations: ModuleType, kind: str, grouped: bool) -> None:
    source = populations.modelled(kind, 1.0, grouped)
    generator = np.random.default_rng(3)
    assert source.truth(0.0) == pytest.approx(0.0, abs=1e-12)
    for share in (0.0, 0.3, 1.0):
        data = populations.drawn(source, 30_000, share, generator)
        once = np.ones((1, len(data.baseline)))
        effect = source.score(data.candidate, once) - source.score(data.baseline, once)
        assert float(effect[0]) == pytest.approx(source.truth(share), abs=0.02 * abs(source.truth(1.0)))


def test_clusters_are_drawn_and_swapped_whole(populations: ModuleType) -> None:
    first = np.arange(12.0)[:, None]
    clusters = np.array([2, 0, 1, 1, 2, 2, 0, 3, 3, 3, 3, 0])
    source = populations.population("sum", lambda sums: sums[..., 0], first, first + 100, clusters)
    assert source.differing() == 1.0
    data = populations.drawn(source, 50, 0.0, np.random.default_rng(1))
    assert set(np.abs(data.candidate - data.baseline).ravel()) == {100.0}
    members = [sorted(np.flatnonzero(clusters == cluster)) for cluster in range(4)]
    directions = set()
    for group in range(50):
        inside = data.groups == group
        items = np.minimum(data.baseline, data.candidate)[inside, 0].astype(int)
        assert sorted(items) in members
        (direction,) = set((data.candidate - data.baseline)[inside, 0])
        directions.add(direction)
    assert directions == {-100.0, 100.0}
    affected = populations.drawn(source, 50, 1.0, np.random.default_rng(1))
    assert (affected.candidate > affected.baseline).all()


def test_the_peers_claim_is_theirs(calibration: ModuleType, populations: ModuleType) -> None:
    generator = np.random.default_rng(2)
    data = populations.drawn(populations.modelled("continuous", 1.0, False), 80, 0.2, generator)
    source = populations.modelled("continuous", 1.0, False)
    errors = [calibration.standard_error(source, one, generator) for one in (data.baseline, data.candidate)]
    assert errors == pytest.approx([mean_stderr(one[:, 0].tolist()) for one in (data.baseline, data.candidate)])
    effect = float((data.candidate - data.baseline)[:, 0].mean())
    claim = calibration.unpaired_claim(effect, tuple(errors))
    # The script model_comparator.py of lm-evaluation-harness.
    z = effect / np.sqrt(errors[0] ** 2 + errors[1] ** 2)
    assert claim.p == pytest.approx(2 * stats.norm.sf(abs(z)))
    assert (claim.low + claim.high) / 2 == pytest.approx(effect)


def test_the_bands_are_those_of_the_binomial_distribution(calibration: ModuleType) -> None:
    highest, lowest = calibration.bands(2000, 64)
    assert stats.binom.sf(2000 * highest, 2000, 0.05) <= 0.01 / 64 < stats.binom.sf(2000 * highest - 1, 2000, 0.05)
    assert stats.binom.cdf(2000 * lowest - 1, 2000, 0.95) < 0.01 / 64 <= stats.binom.cdf(2000 * lowest, 2000, 0.95)


def test_a_claim_that_does_not_hold_is_named(calibration: ModuleType) -> None:
    row = {
        "effect": 0.1,
        "detectable": 0.1,
        "without effect": {"ours": {"found": 0.09, "covered": 0.95}},
        "with effect": {"ours": {"found_better": 0.7, "covered": 0.9}},
    }
    named = calibration.failures(row, 0.068, 0.932)
    assert [text.split()[0] for text in named] == ["9.0%", "90.0%", "70.0%"]
    assert calibration.failures(row | {"detectable": None}, 0.1, 0.89) == []


def run(calibration: ModuleType, monkeypatch: pytest.MonkeyPatch, output: Path, *options: str) -> dict:
    monkeypatch.setattr(sys, "argv", ["calibration.py", "--draws", "49", "--output", str(output), *options])
    calibration.main()
    return json.loads(output.read_text())


def test_a_small_simulation(
    calibration: ModuleType,
    populations: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(populations, "RENEWED", {"many differ": 1.0})
    monkeypatch.setattr(calibration, "ITEMS", (100,))
    monkeypatch.setattr(calibration, "CLUSTERS", (12,))
    results = run(calibration, monkeypatch, tmp_path / "one.json", "--comparisons", "30")
    cells = {calibration.name_of(cell): cell for cell in results["cells"]}
    assert len(cells) == 8
    assert results["machine"]
    printed = capsys.readouterr().out
    assert all(name in printed for name in cells)
    for name, cell in cells.items():
        assert cell["without effect"]["ours"]["found"] <= 0.2, name
        if not cell["grouped"]:
            assert cell["without effect"]["unpaired"]["found"] <= 0.1, name
        if "shrunk" in cell["without effect"]:
            assert cell["without effect"]["shrunk"]["found"] >= 0.3, name
    assert run(calibration, monkeypatch, tmp_path / "two.json", "--comparisons", "30")["cells"] == results["cells"]


def test_samples_of_a_run(calibration: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    generator, paths = np.random.default_rng(5), []
    for name in ("base", "tuned"):
        paths.append(tmp_path / name / "samples_task_2026-11-01T00-00-00.000000.jsonl")
        paths[-1].parent.mkdir()
        lines = [
            {"doc_id": i, "doc": {"text": str(i)}, "target": "a cat", "filtered_resps": [answer], "group": f"g{i // 3}"}
            | {"acc": float(answer == "a cat"), "resps": [[answer]], "filter": "none", "metrics": ["acc"]}
            for i, answer in enumerate(generator.choice(["a cat", "a car"], 60))
        ]
        paths[-1].write_text("".join(json.dumps(line) + "\n" for line in lines))
    monkeypatch.setattr(calibration, "CLUSTERS", (15,))
    samples = ("--samples", *map(str, paths), "--comparisons", "20")
    results = run(calibration, monkeypatch, tmp_path / "samples.json", *samples)
    assert [calibration.name_of(cell) for cell in results["cells"]] == [
        "acc, samples, 15 clusters",
        "chrF, samples, 15 clusters",
    ]
    assert 0.3 < results["cells"][0]["differing"] < 0.7
