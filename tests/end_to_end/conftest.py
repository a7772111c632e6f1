from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LABELS = ["negative", "neutral", "positive"]
WORDS = {
    "negative": ["awful", "late", "broken", "rude", "lost", "never again"],
    "neutral": ["gate", "ticket", "Tuesday", "report", "flight", "schedule"],
    "positive": ["great", "thanks", "lovely", "perfect", "friendly", "best"],
}


@pytest.fixture
def project(tmp_path: Path, tiny_folder: Path) -> Callable[..., Path]:
    """A folder with data, task and recipe; returns the path of the recipe."""

    def make(rows: int = 140, **tune: Any) -> Path:
        draw = random.Random(5)
        with (tmp_path / "data.jsonl").open("w", encoding="utf-8") as stream:
            for number in range(rows):
                label = LABELS[number % 3]
                words = [draw.choice(WORDS[label]), *(f"{draw.randrange(10**6)}" for _ in range(3))]
                draw.shuffle(words)
                stream.write(json.dumps({"text": " ".join(words), "label": label}) + "\n")
        (tmp_path / "task.yaml").write_text(
            """
task: toy
dataset_path: data.jsonl
split: {train: 60, validation: 20, test: 40}
doc_to_text: "Sentiment of: {{text}}"
doc_to_target: label
doc_to_choice: [negative, neutral, positive]
generation_kwargs: {max_gen_toks: 4}
""",
            encoding="utf-8",
        )
        settings = {"epochs": 2, "batch_size": 8, "learning_rate": 0.01, "checkpoint_steps": 2, **tune}
        (tmp_path / "recipe.yaml").write_text(
            f"model: {tiny_folder}\ntask: task.yaml\ntune: {json.dumps(settings)}\n", encoding="utf-8"
        )
        return tmp_path / "recipe.yaml"

    return make
