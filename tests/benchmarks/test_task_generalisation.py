from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tunelift.core.errors import UserError
from tunelift.core.records import Sample
from tunelift.statistics.paired import compare_means

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
SMALL = ("--tasks", "1", "2", "--examples", "8", "--batch", "4", "--items", "2", "--held-out", "2", "--draws", "1")


@pytest.fixture(scope="module")
def benchmark() -> Iterator[ModuleType]:
    """The script, which runs with its own folder on the path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield import_module("task_generalisation")


@pytest.fixture(scope="module")
def instruction_tasks(benchmark: ModuleType) -> ModuleType:
    return import_module("common.instruction_tasks")


@pytest.fixture(scope="module")
def generalisation(benchmark: ModuleType) -> ModuleType:
    return import_module("common.generalisation")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight tasks of four categories; the first and the last have their source in common, too."""
    folder = tmp_path_factory.mktemp("data")
    tasks = folder / "natural_instructions_v2_train" / "tasks"
    tasks.mkdir(parents=True)
    for number in range(8):
        rows = [{"id": f"{number}-{row}", "input": f"word{row} ", "output": [f"{row}\n", "one"]} for row in range(14)]
        rows += [rows[0], {"id": "long", "input": "word " * 200, "output": ["1"]}]
        rows += [{"id": "long answer", "input": "words", "output": ["1 " * 100]}]
        content = {
            "Definition": [f"Number the words in way {number}."],
            "Categories": [f"Category {number // 2}"],
            "Source": ["shared," if number in (0, 7) else f"source{number}"],
            "Domains": ["Words"],
            "Input_language": ["English"],
            "Output_language": ["English"],
            "Instances": rows,
        }
        (tasks / f"task{number:03}_words.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def tasks(instruction_tasks: ModuleType, data: Path) -> list[Any]:
    return instruction_tasks.read_tasks(
        instruction_tasks.question_task(data / "natural_instructions_v2_train" / "tasks")
    )


def test_rows_that_are_too_long_or_repeated_are_left_out(tasks: list[Any]) -> None:
    assert [task.name for task in tasks] == [f"task{number:03}_words" for number in range(8)]
    assert {len(task.examples) for task in tasks} == {14}
    example = next(example for example in tasks[3].examples if example.fields["id"] == "3-5")
    assert (example.target, example.others, example.group) == ("5", ("one",), "task003_words")
    assert tasks[0].origins == {"Categories: category 0", "Source: shared"}


def test_held_out_tasks_share_nothing_with_those_tuned_on(instruction_tasks: ModuleType, tasks: list[Any]) -> None:
    held_out = set()
    for number in range(20):
        draw = instruction_tasks.draw_tasks(tasks, number, 2, 4, (2, 14))
        assert draw == instruction_tasks.draw_tasks(tasks, number, 2, 4, (2, 14))
        assert len(draw.held_out) == 2
        assert len({task.name for task in draw.training}) == 4 <= draw.allowed
        for origins in (task.origins for task in draw.held_out):
            assert all(not task.origins & origins for task in draw.training)
        held_out |= {task.name for task in draw.held_out}
    assert len(held_out) > 4
    with pytest.raises(UserError, match="that leave 7 others"):
        instruction_tasks.draw_tasks(tasks, 1, 2, 7, (2, 14))
    with pytest.raises(UserError, match="0 tuned on"):
        instruction_tasks.draw_tasks(tasks, 1, 2, 4, (2, 15))


def test_fewer_tasks_are_the_first_of_more(instruction_tasks: ModuleType, tasks: list[Any]) -> None:
    draw = instruction_tasks.draw_tasks(tasks, 1, 2, 4, (2, 14))
    parts = {size: instruction_tasks.training_examples(draw, size, 8, 4) for size in (1, 2, 4)}
    groups = {size: [example.group for example in training] for size, (training, _) in parts.items()}
    for size, (training, validation) in parts.items():
        assert (len(training), len(validation)) == (8, 4)
        assert len({example.id for example in training + validation}) == 12
        assert set(groups[size]) == {example.group for example in validation}
        assert {groups[size].count(group) for group in groups[size]} == {8 // size}
    assert set(groups[1]) < set(groups[2]) < set(groups[4])


def answers(scores: dict[int, np.ndarray], groups: list[str]) -> dict[int, list[Sample]]:
    def sample(position: int, score: float) -> Sample:
        values = {"metrics": {"rougeL": float(score)}, "group": groups[position]}
        return Sample(str(position), position, {}, "", "", "", "", "length" if position else "stop", **values)

    return {size: [sample(at, score) for at, score in enumerate(values)] for size, values in scores.items()}


def test_gains_are_clustered_by_task_and_the_trend_is_a_slope(generalisation: ModuleType) -> None:
    generator = np.random.default_rng(1)
    groups = [f"task{at // 5}" for at in range(40)]
    before, slopes = generator.random(40), generator.normal(0.02, 0.01, 40)
    sizes = (5, 10, 40)
    after = {size: before + slopes * np.log2(size) for size in sizes}
    draws = [answers({0: before} | after, groups), answers({0: before} | after, [f"{g}!" for g in groups[::-1]])]
    both, clusters = np.tile(before, 2), groups + [f"{g}!" for g in groups[::-1]]
    found = generalisation.gains(draws, seed=3)
    assert [gain.tasks for gain in found] == list(sizes)
    for gain in found:
        assert gain.result == compare_means(both, np.tile(after[gain.tasks], 2), clusters, seed=3)
        assert gain.by_draw == pytest.approx([gain.result.effect] * 2)
        assert gain.result.p <= gain.p_adjusted <= 3 * gain.result.p
        assert gain.cut_off == pytest.approx(39 / 40)
    slope = generalisation.trend(draws, seed=3)
    assert slope.effect == pytest.approx(slopes.mean())
    assert slope.p < 0.01
    assert generalisation.trend([{size: draws[0][size] for size in (0, 5)}], seed=3) is None
    assert generalisation.task_means(draws[0])["task2"][10] == pytest.approx(after[10][10:15].mean())


def test_a_chart_without_intervals_is_whole(benchmark: ModuleType) -> None:
    figures = import_module("common.figures")
    flat = [figures.Point(x, 0.0, None, None, (0.0,)) for x in (5, 10)]
    ends = [figures.Point(5, 1.0, -0.5, 2.5, (0.5, 1.5))]
    for points in (flat, ends):
        root = ElementTree.fromstring(figures.doubling_chart("a < b", "x", "y", points))
        assert root.get("viewBox") == "0 0 560 360"
        assert "nan" not in ElementTree.tostring(root, encoding="unicode")
    bars = [part for part in root.iter() if part.get("class") == "end"]
    assert float(bars[0].get("y2", 0)) < float(bars[0].get("y1", 0))


@pytest.mark.parametrize("wrong", [["--tasks", "3", "4", "--examples", "12"], ["--tasks", "5", "--examples", "12"]])
def test_unequal_shares_are_refused(benchmark: ModuleType, wrong: list[str]) -> None:
    with pytest.raises(SystemExit):
        benchmark.options_of(wrong)


def test_a_run_that_was_cut_off_goes_on_to_the_same_numbers(
    benchmark: ModuleType,
    data: Path,
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from tunelift.tuning import tune as tuning

    tuned: list[int] = []
    tune_model, allowed = tuning.tune_model, [1]

    def counted(loaded: Any, training: list[Any], *rest: Any) -> Any:
        if len(tuned) == allowed[0]:
            raise KeyboardInterrupt
        tuned.append(len(training))
        return tune_model(loaded, training, *rest)

    def run(name: str) -> dict[str, Any]:
        output = tmp_path / f"{name}.json"
        places = ("--model", str(tiny_folder), "--data", str(data), "--precision", "float32", "--output", str(output))
        monkeypatch.setattr(sys, "argv", ["task_generalisation.py", *SMALL, *places])
        benchmark.main()
        return json.loads(output.read_text())

    monkeypatch.setattr(tuning, "tune_model", counted)
    with pytest.raises(KeyboardInterrupt):
        run("cut")
    allowed[0] = 100
    results = run("cut")
    assert tuned == [8] * 2
    assert run("cut") == results
    assert tuned == [8] * 2
    printed = capsys.readouterr().out
    assert "8 tasks have usable rows: 8 enough to be held out (2), 8 enough to be tuned on (10)." in printed
    whole = run("whole")
    seconds = [[facts.pop("seconds") for facts in draw["tuning"].values()] for draw in results["draws"]]
    assert all(second > 0 for draw in seconds for second in draw)
    for draw in whole["draws"]:
        for facts in draw["tuning"].values():
            facts.pop("seconds")
            assert facts["steps"] == facts["planned_steps"] == facts["best_step"] == 2
    assert whole == results
    assert [gain["tasks"] for gain in results["gains"]] == [1, 2]
    assert len(results["draws"][0]["held_out"]) == 2
    assert not (tmp_path / "cut" / "work").exists()
    ElementTree.parse(tmp_path / "cut.svg")
    assert (tmp_path / "cut.md").read_text().count("\n| ") == 5
