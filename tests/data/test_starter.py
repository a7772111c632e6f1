from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tunelift.cli import main
from tunelift.core.errors import UserError
from tunelift.data.starter import starter
from tunelift.data.tasks import LANGUAGES, load_task, task_types


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", task_types())
def test_a_starter_is_a_task_once_its_blanks_are_filled(name: str, language: str, tmp_path: Path) -> None:
    text = starter(name, language).replace("NAME\n", "mine\n").replace("DATA.jsonl", "rows.jsonl")
    (tmp_path / "task.yaml").write_text(text, encoding="utf-8")
    task = load_task(tmp_path / "task.yaml")
    assert (task.type, task.language) == (name, language)


@pytest.mark.parametrize("name", task_types())
def test_what_a_starter_shows_is_what_the_type_says(name: str, tmp_path: Path) -> None:
    """Taking the signs of comment away from its last part changes nothing."""
    text = starter(name).replace("NAME\n", "mine\n")
    head, shown = text.split("to say it otherwise.\n")
    open_text = head + "to say it otherwise.\n" + shown.replace("# ", "", 1).replace("\n# ", "\n")
    assert yaml.safe_load(open_text)
    (tmp_path / "task.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "open.yaml").write_text(open_text, encoding="utf-8")
    assert load_task(tmp_path / "task.yaml").model_dump() == load_task(tmp_path / "open.yaml").model_dump()


def test_the_command_writes_a_file_and_never_over_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "task.yaml"
    assert main(["task", "new", "entities", "--language", "zh", "--output", str(target)]) == 0
    assert target.read_text(encoding="utf-8") == starter("entities", "zh")
    assert main(["task", "new", "entities", "--output", str(target)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["task", "types"]) == 0
    assert all(name in capsys.readouterr().out for name in ("entities",))


def test_a_type_that_there_is_not_is_refused() -> None:
    with pytest.raises(UserError, match='did you mean "entities"'):
        starter("entitys")
    with pytest.raises(UserError, match='language "fr"'):
        starter("entities", "fr")
