"""What `serve` takes from a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunelift.commands import serve
from tunelift.core.recipe import dump_recipe, load_recipe
from tunelift.core.store import open_store


@pytest.fixture
def served(
    recipe_file: Callable[..., Path], task_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Any, ...]]:
    """What the server is started with for a run of a task with these keys."""
    received: list[tuple[Any, ...]] = []
    monkeypatch.setattr("tunelift.serve.server.serve", lambda *arguments: received.append(arguments))

    def start(evaluate: dict[str, Any] | None = None, **keys: Any) -> tuple[Any, ...]:
        recipe = load_recipe(recipe_file(evaluate=evaluate or {}))
        task_file(**keys)
        with open_store(tmp_path) as store:
            store.save()
            (tmp_path / "recipe.yaml").write_text(dump_recipe(recipe.model_copy(update={"task": "task.yaml"})))
        serve(str(tmp_path), "127.0.0.1", 0)
        return received[-1]

    return start


@pytest.mark.parametrize("description", ["Answer briefly.", 'Answer like {"label": "..."}.', "100 {percent}"])
def test_a_description_is_the_system_turn(served: Callable[..., tuple[Any, ...]], description: str) -> None:
    assert served(description=description)[4] == description


def test_a_description_of_each_row_is_left_out_and_said_so(
    served: Callable[..., tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert served(description="About {{text}}.")[4] is None
    assert "its description is filled in for each row" in capsys.readouterr().err


@pytest.mark.parametrize("evaluate", [{"canaries": {"count": 2}}, {}])
def test_a_model_that_has_seen_planted_secrets_is_not_served_silently(
    served: Callable[..., tuple[Any, ...]], capsys: pytest.CaptureFixture[str], evaluate: dict[str, Any]
) -> None:
    served(evaluate=evaluate)
    assert ("tuned on planted secrets" in capsys.readouterr().err) == bool(evaluate)


@pytest.mark.parametrize(
    ("keys", "stop"),
    [
        ({}, ()),
        ({"generation_kwargs": {"max_gen_toks": 8, "until": "END"}}, ("END",)),
        ({"generation_kwargs": {"max_gen_toks": 8, "until": ["a", "b"]}}, ("a", "b")),
        ({"render": "plain", "fewshot_delimiter": "\n--\n"}, ("\n--\n",)),
    ],
)
def test_answers_stop_where_they_stopped_in_the_evaluation(
    served: Callable[..., tuple[Any, ...]], keys: dict[str, Any], stop: tuple[str, ...]
) -> None:
    assert served(**keys)[5:] == (8, stop)
