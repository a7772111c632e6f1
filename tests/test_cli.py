from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tunelift import __version__
from tunelift.cli import main, run_name
from tunelift.core.errors import UserError


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line of a command that the user must change something for."""
    assert main([str(argument) for argument in arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    lines = [line for line in output.err.splitlines() if not line.startswith("Loading weights")]
    assert len(lines) == 1
    where, separator, rest = lines[0].removeprefix("error: ").partition(": ")
    assert lines[0].startswith("error: ")
    assert where
    assert separator
    assert all(rest.partition(" - "))
    return lines[0].removeprefix("error: ")


VERBS = ["run", "check", "tune", "evaluate", "compare", "judge", "report", "export", "serve", "doctor"]


@pytest.mark.parametrize("verb", ["run", "check", "tune"])
@pytest.mark.parametrize(
    ("changes", "overrides", "message"),
    [
        ({"sed": 7}, [], ':3: unknown key "sed" - did you mean "seed"?'),
        ({"tune": {"epochs": "many"}}, [], ":4: \"tune.epochs\" is 'many', but input should be a valid integer"),
        ({"task": "no.yaml"}, [], ':2: task file "no.yaml" not found - paths are relative to '),
        ({"conditions": {"zero-sho": {}}}, [], ':4: "conditions.zero-sho" is not a built-in condition - did you mean'),
        ({}, ["tune.epoch=3"], '--set tune.epoch=3: unknown key "tune.epoch" - did you mean "epochs"?'),
        ({}, ["tune.epochs"], "--set tune.epochs: is not KEY=VALUE"),
    ],
)
def test_a_wrong_recipe(
    capsys: pytest.CaptureFixture[str],
    recipe_file: Callable[..., Path],
    verb: str,
    changes: dict[str, object],
    overrides: list[str],
    message: str,
) -> None:
    path = recipe_file(**changes)
    line = fails(capsys, verb, path, *(f"--set={override}" for override in overrides))
    assert line.removeprefix(str(path)).startswith(message)
    assert not (path.parent / "runs").exists()


@pytest.mark.parametrize("verb", ["run", "check", "tune"])
def test_a_missing_recipe(capsys: pytest.CaptureFixture[str], tmp_path: Path, verb: str) -> None:
    assert fails(
        capsys, verb, tmp_path / "no.yaml"
    ) == f"{tmp_path}/no.yaml: file not found - check the path; it is " + ("relative to where you are")


def test_a_wrong_task(
    capsys: pytest.CaptureFixture[str], recipe_file: Callable[..., Path], task_file: Callable[..., Path], tmp_path: Path
) -> None:
    recipe = recipe_file()
    task = task_file(doc_to_txt="{{text}}")
    number = task.read_text().splitlines().index("doc_to_txt: '{{text}}'") + 1
    line = fails(capsys, "check", recipe)
    assert line.startswith(f'{task}:{number}: unknown key "doc_to_txt" - did you mean "doc_to_text"?')
    line = fails(capsys, "evaluate", "--model", "no/model", "--tasks", task)
    assert line.startswith(f"{task}:{number}: unknown key")
    line = fails(capsys, "evaluate", "--model", "no/model", "--tasks", f"{task},{tmp_path}/no.yaml")
    assert line.startswith(f"{task}:{number}: unknown key")


def test_faults_of_every_task_are_found_before_a_model_is_loaded(
    capsys: pytest.CaptureFixture[str], recipe_file: Callable[..., Path], tmp_path: Path
) -> None:
    recipe_file()
    good = tmp_path / "task.yaml"
    bad = tmp_path / "bad.yaml"
    bad.write_text(good.read_text(encoding="utf-8") + "\nmetric_list: [{metric: no_such_metric}]\n", encoding="utf-8")
    line = fails(capsys, "evaluate", "--model", "no/model", "--tasks", f"{good},{bad}")
    assert "no_such_metric" in line


@pytest.mark.parametrize("model", ["no-such-model", "no/such-model", "bundled/smollm", "missing.gguf", "./missing"])
def test_an_unknown_model(
    capsys: pytest.CaptureFixture[str], recipe_file: Callable[..., Path], tmp_path: Path, model: str
) -> None:
    line = fails(capsys, "check", recipe_file(model=model))
    assert line.startswith(f"{model}: ")
    line = fails(capsys, "evaluate", "--model", model, "--tasks", tmp_path / "task.yaml")
    assert line.startswith(f"{model}: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "tunelift: the following arguments are required: COMMAND - see tunelift --help"),
        (["rnu"], "tunelift: argument COMMAND: invalid choice: 'rnu' "),
        (["run"], "tunelift run: the following arguments are required: recipe - see tunelift run --help"),
        (["run", "a", "b"], "tunelift: unrecognized arguments: b"),
        (["run", "a", "--no-such"], "tunelift: unrecognized arguments: --no-such"),
        (["run", "a", "--set"], "tunelift run: argument --set: expected one argument"),
        (["evaluate", "--model", "m"], "tunelift evaluate: the following arguments are required: --tasks"),
        (
            ["evaluate", "--model", "m", "--tasks", "t", "--limit", "0"],
            'tunelift evaluate: argument --limit: "0" is not a whole number from 1 on',
        ),
        (
            ["evaluate", "--model", "m", "--tasks", "t", "--num_fewshot", "-1"],
            "tunelift evaluate: argument --num_fewshot: ",
        ),
        (
            ["evaluate", "--model", "m", "--tasks", "t", "--seed", "x"],
            "tunelift evaluate: argument --seed: invalid int",
        ),
        (["serve", "m", "--port", "http"], 'tunelift serve: argument --port: "http" is not a whole number from 0 on'),
        (["export", "runs/a"], "tunelift export: the following arguments are required: --to"),
        (["export", "runs/a", "--to", "onnx"], "tunelift export: argument --to: invalid choice: 'onnx'"),
    ],
)
def test_a_wrong_command_line(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert fails(capsys, *arguments).startswith(message)


def test_what_is_not_a_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for verb in (["report"], ["export", "--to", "merged"]):
        line = fails(capsys, *verb, tmp_path)
        assert line.startswith(f"{tmp_path}: is not a run directory (no run.json) - ")
    (tmp_path / "run.json").write_text('{"format": 1, "stages": {}}')
    for verb in (["report"], ["export", "--to", "merged"]):
        assert "is not finished - continue it with: tunelift run RECIPE" in fails(capsys, *verb, tmp_path)
    (tmp_path / "run.json").write_text("{")
    assert fails(capsys, "report", tmp_path).startswith(f"{tmp_path}/run.json: is damaged")


def test_files_that_cannot_be_compared(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert fails(capsys, "compare", tmp_path, tmp_path).startswith(
        f"{tmp_path}: holds no samples_*.jsonl and no *.eval - "
    )
    assert fails(capsys, "compare", tmp_path / "a.jsonl", tmp_path / "b.jsonl").startswith(
        f"{tmp_path}/a.jsonl: file not found - "
    )


def test_the_summary_of_a_finished_run_is_shown_again(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    files = {"model/README.md": "", "report.html": "", "summary.txt": ""}
    stages = {"report": {"inputs": "", "files": files, "replaced": []}}
    (tmp_path / "run.json").write_text(json.dumps({"format": 1, "stages": stages}))
    (tmp_path / "summary.txt").write_text("tweets · 400 test items\n", encoding="utf-8")
    assert main(["report", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"tweets · 400 test items\nreport: {tmp_path}/report.html\n"


def test_a_model_is_evaluated_into_a_folder_of_its_name(
    capsys: pytest.CaptureFixture[str], task_file: Callable[..., Path], tiny_folder: Path, cache: Path, tmp_path: Path
) -> None:
    path = task_file()
    rows = [{"text": f"{n**9} {n**8 % 1009} {n**7}", "label": ["negative", "neutral"][n % 2]} for n in range(90)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    arguments = ["--model", f"{tiny_folder}//", "--tasks", str(path), "--limit", "5", "--output_path", str(tmp_path)]
    assert main(["evaluate", *arguments, "--log_samples"]) == 0
    assert "tiny · tiny 0-shot: 5 items, acc " in capsys.readouterr().out
    (file,) = tmp_path.glob("*/results_*.json")
    record = json.loads(file.read_text())
    assert file.parent.name == record["model_name_sanitized"]
    assert record["n-samples"] == {"tiny": {"original": 30, "effective": 5}}
    (samples,) = file.parent.glob("samples_tiny_*.jsonl")
    positions = [json.loads(line)["doc_id"] for line in samples.read_text().splitlines()]
    assert len(set(positions)) == 5
    assert max(positions) < 30
    assert positions != list(range(5))


def test_prompts_that_do_not_fit_are_not_answered(
    capsys: pytest.CaptureFixture[str], task_file: Callable[..., Path], tiny_folder: Path, cache: Path, tmp_path: Path
) -> None:
    path = task_file(split={"train": 1, "validation": 1, "test": 6}, doc_to_text="word " * 700 + "{{text}}")
    arguments = ["--model", str(tiny_folder), "--tasks", str(path), "--output_path", str(tmp_path / "results")]
    assert main(["evaluate", *arguments]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: task tiny: tiny 0-shot prompts are longer than the model's context of 512 tokens")
    assert not (tmp_path / "results").exists()


def test_errors_of_the_system_are_one_line_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    stages = {"report": {"inputs": "", "files": {"summary.txt": "gone"}, "replaced": []}}
    (tmp_path / "run.json").write_text(json.dumps({"format": 1, "stages": stages}))
    line = fails(capsys, "report", tmp_path)
    assert line.startswith(f"{tmp_path}/summary.txt: No such file or directory - check the path")


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="file not found"):
        main(["run", str(tmp_path / "no.yaml"), "--debug"])


def test_an_interruption_is_no_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, recipe_file: Callable[..., Path]
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tunelift.core.recipe.load_recipe", interrupt)
    assert main(["run", str(recipe_file())]) == 130
    assert capsys.readouterr().err == "stopped; the same command goes on from here\n"


@pytest.mark.parametrize("verb", [[], *([verb] for verb in VERBS)])
def test_help_of_every_command(capsys: pytest.CaptureFixture[str], verb: list[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main([*verb, "--help"])
    assert done.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: {' '.join(['tunelift', *verb])} ")
    assert all(name in text for name in (VERBS if not verb else ["--debug"]))


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["--version"])
    assert done.value.code == 0
    assert capsys.readouterr().out == f"tunelift {__version__}\n"


@pytest.mark.parametrize(
    ("recipe", "name"),
    [("examples/tweets/recipe.yaml", "tweets"), ("examples/tweets.yaml", "tweets"), ("a/b/fast.yml", "fast")],
)
def test_a_run_is_named_after_its_recipe(recipe: str, name: str) -> None:
    assert run_name(Path(recipe)) == name


def start(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    source = Path(main.__code__.co_filename).parents[1]
    command = [sys.executable, "-m", "tunelift.cli", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_as_a_program_it_exits_with_two_and_one_line(tmp_path: Path, recipe_file: Callable[..., Path]) -> None:
    recipe_file(sed=1)
    for arguments in (["run", "no.yaml"], ["run", "recipe.yaml"], ["compare", "a", "b"], ["rnu"]):
        done = start(*arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
    assert start("run", "no.yaml", "--debug", cwd=tmp_path).stderr.startswith("Traceback")


def test_the_command_line_starts_without_the_heavy_libraries(tmp_path: Path) -> None:
    code = "import sys, tunelift.cli; tunelift.cli.main(['report', '.']); print(sorted(sys.modules))"
    source = Path(main.__code__.co_filename).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    heavy = {"torch", "transformers", "sklearn", "scipy", "datasets", "pandas", "numpy"}
    assert not heavy & set(done.stdout.strip("[]\n").replace("'", "").split(", "))
