"""`tunelift judge` as it is entered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from tunelift.cli import main


@pytest.fixture
def run(make_run: Callable[..., Path]) -> Path:
    return make_run(base=["1 x", "2 x", "3 x", "4 same"], tuned=["2 y", "3 y", "2 y", "4 same"])


@pytest.fixture(scope="module")
def url(tiny_folder: Path) -> Iterator[str]:
    """Our own server with a tiny model."""
    import uvicorn

    from tunelift.models.load import load_model
    from tunelift.serve.app import create_app
    from tunelift.serve.server import listen

    with listen("127.0.0.1", 0) as listener:
        app = create_app(load_model(str(tiny_folder)), "tiny", 16, None)
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join()


def entered(*arguments: object) -> int:
    return main(["judge", *map(str, arguments)])


def test_a_model_behind_an_endpoint_and_the_same_model_here(
    run: Path, url: str, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run / "judgements" / "tuned-vs-base.json"
    short = ("--max-tokens", 4, "--rubric", "- Is it right?")
    assert entered(run, "tuned", "base", "--endpoint", url, "--judge", "tiny", *short) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"tuned vs base · 4 items, in both orders by tiny at {url}"
    assert lines[-2].startswith("no verdict: of 3 pairs the judge ")  # its weights are random
    assert lines[-1] == str(path)
    elsewhere = json.loads(path.read_text(encoding="utf-8"))
    assert entered(run, "tuned", "base", "--model", tiny_folder, *short, "--json") == 0
    here = json.loads(capsys.readouterr().out)
    assert here == json.loads(path.read_text(encoding="utf-8"))
    assert (elsewhere["judge"], here["judge"]) == (f"tiny at {url}", str(tiny_folder))
    assert elsewhere["preference"] == here["preference"]
    assert entered(run, "tuned", "base", "--endpoint", url, "--judge", "small") == 2
    assert "there is no model 'small' here" in capsys.readouterr().err


def test_people(
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    higher: Callable[[str, str], str],
    fill_in: Callable[..., Path],
) -> None:
    folder = tmp_path / "pairs"
    assert entered(run, "tuned", "base", "--export", folder) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{folder}/judgements.jsonl: 4 pairs to judge; give every person a copy",
        f"{folder}/key.json: says whose answers they are; keep it to yourself",
    ]
    names = ("ann", "li")
    files = [fill_in(folder / "judgements.jsonl", tmp_path / f"{name}.jsonl", higher) for name in names]
    assert entered(run, "--people", *files, "--key", folder / "key.json") == 0
    text = capsys.readouterr().out
    assert text.startswith("tuned vs base · 3 items whose answers differ, judged by 2 people\n")
    assert "Krippendorff's alpha 1.000 on 3 items\nno preference between tuned and base could be shown\n" in text
    assert entered(run, "--people", *files, "--key", folder / "key.json", "--json") == 0
    assert json.loads(capsys.readouterr().out)["pairs"][0]["wins"]["value"] == pytest.approx(2 / 3)
    assert entered(run, "base", "tuned", "--export", tmp_path / "more", "--limit", 2, "--json") == 0
    more = json.loads(capsys.readouterr().out)
    assert len(Path(more["pairs"]).read_text(encoding="utf-8").splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "tunelift judge: the following arguments are required: run - see tunelift judge --help"),
        (["r"], "tunelift judge: one of the arguments --endpoint --model --export --people is required"),
        (["r", "a", "b", "--model", "m", "--export", "f"], "tunelift judge: argument --export: not allowed with"),
        (["r", "a", "b", "--endpoint", "u"], "tunelift judge: --endpoint needs --judge - see tunelift judge --help"),
        (["r", "--model", "m"], "tunelift judge: --model needs CANDIDATE and BASELINE"),
        (["r", "a", "--export", "f"], "tunelift judge: --export needs BASELINE"),
        (["r", "--people", "p"], "tunelift judge: --people needs --key"),
        (
            ["r", "a", "b", "--model", "m", "--key-variable", "K"],
            "tunelift judge: --model does not take --key-var",
        ),
        (["r", "a", "b", "--export", "f", "--with-reference"], "tunelift judge: --export does not take --with-ref"),
        (["r", "a", "b", "--people", "p", "--key", "k"], "tunelift judge: --people does not take BASELINE and CANDID"),
        (["r", "--people", "p", "--key", "k", "--people", "q"], "tunelift judge: 2 groups of files with 1 key - write"),
        (["r", "a", "b", "--model", "m", "--limit", "0"], "tunelift judge: argument --limit: "),
        (["r", "a", "b", "--model", "m"], "r: is not a run directory"),
        (["r", "a", "b", "--endpoint", "", "--judge", ""], "r: is not a run directory"),
    ],
)
def test_a_wrong_command_line(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert entered(*arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"error: {message}")
    assert output.err.count("\n") == 1


def test_faults_are_found_before_a_judge_is_asked(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert entered(run, "tunde", "base", "--model", "no/model") == 2
    assert "has no answers of a condition" in capsys.readouterr().err
    assert entered(run, "tuned", "base", "--endpoint", "127.0.0.1", "--judge", "m") == 2
    assert "the url is not an http or https address" in capsys.readouterr().err
    assert not (run / "judgements").exists()
