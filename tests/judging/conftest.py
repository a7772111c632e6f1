"""Fixtures for judging the answers of runs.

make_run  test     make_run(groups=None, **outputs): a run directory whose conditions gave these outputs, one an item
judging   session  judging(say): a judge that calls say(first, second) with the two answers as it is shown them
higher    session  a judge that knows: the higher of the numbers that answers begin with is better
fill_in   session  fill_in(pairs, file, say, rater=""): a copy of exported pairs in which a person has judged
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tunelift.core.files import write_jsonl, write_text
from tunelift.core.records import Sample
from tunelift.core.store import open_store
from tunelift.data.tasks import Task, dump_task
from tunelift.evaluation.results import sample_line

PART = re.compile(r"=== (?:Answer|回答)(?:[AB]| [AB]).*? ===\n(.*?)\n=== (?:End of answer|回答[AB]结束)", re.DOTALL)
TASK = Task(
    task="numbers",
    dataset_path="rows.jsonl",
    description="You count.",
    doc_to_text="Say a number: {{text}}",
    doc_to_target="label",
)


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    def make(groups: Sequence[str] | None = None, name: str = "run", **outputs: Sequence[str]) -> Path:
        folder = tmp_path / name
        with open_store(folder) as store:
            store.update(seed=7)
            write_text(folder / "task.yaml", dump_task(TASK))
            for condition, texts in outputs.items():
                store.stage(f"conditions/{condition}", texts, lambda c=condition, t=texts: write(folder, c, t, groups))
        return folder

    return make


def write(folder: Path, condition: str, outputs: Sequence[str], groups: Sequence[str] | None) -> list[Path]:
    path = folder / "conditions" / condition / "samples_numbers_now.jsonl"
    samples = [
        Sample(
            f"e{at}", at, {"text": f"text {at}", "label": f"target {at}"}, f"target {at}", condition, output, output,
            "stop", prompt=f"<prompt {at}>", group=groups[at] if groups else None,
        )
        for at, output in enumerate(outputs)
    ]  # fmt: skip
    write_jsonl(path, [sample_line(sample, TASK) for sample in samples])
    return [path]


@pytest.fixture(scope="session")
def judging() -> Callable[..., Any]:
    def make(say: Callable[[str, str], str]) -> Any:
        def judge(conversations: Sequence[list[dict[str, Any]]]) -> list[str]:
            return [say(*PART.findall(messages[-1]["content"])) for messages in conversations]

        return judge

    return make


def better(first: str, second: str) -> str:
    one, other = (int(text.split()[0]) for text in (first, second))
    return "A" if one > other else "B" if other > one else "tie"


@pytest.fixture(scope="session")
def higher() -> Callable[[str, str], str]:
    return better


@pytest.fixture(scope="session")
def fill_in() -> Callable[..., Path]:
    def fill(pairs: Path, file: Path, say: Callable[[str, str], str], rater: str = "") -> Path:
        rows = [json.loads(line) for line in pairs.read_text(encoding="utf-8").splitlines()]
        write_jsonl(file, [{**row, "verdict": say(row["A"], row["B"]), "rater": rater} for row in rows])
        return file

    return fill
