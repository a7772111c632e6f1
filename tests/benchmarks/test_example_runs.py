from __future__ import annotations

from pathlib import Path

import pytest

from example_runs import cells, found, main
from tunelift.comparison.compare import compare
from tunelift.core.files import write_json
from tunelift.core.records import Sample


def answers(name: str, right: int) -> list[Sample]:
    """Forty items, the first of which are answered rightly."""
    return [
        Sample(
            example_id=f"e{index}",
            doc_id=index,
            doc={},
            target="a",
            condition=name,
            output="a" if index < right else "b",
            answer="a" if index < right else "b",
            finish_reason="stop",
            choices=None,
            metrics={"acc": float(index < right)},
        )
        for index in range(40)
    ]


def test_the_table_says_what_the_comparison_says(tmp_path: Path) -> None:
    samples = {"zero-shot": answers("zero-shot", 10), "tuned": answers("tuned", 30)}
    comparison = compare(samples, [("tuned", "zero-shot")], "task", 1)
    write_json(tmp_path / "comparison.json", comparison.to_dict())
    results = found(tmp_path / "comparison.json")
    (line,) = cells({"example": "one", "minutes": 1.25, "results": results})
    assert line == ["one", "acc", "25.0", "75.0", "p < 0.0001", "-", "-", "1.2"]
    assert comparison.contrasts[0].p < 0.0001


def test_an_unknown_example_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["example_runs.py", "--only", "tweets/recipe", "nothing"])
    with pytest.raises(SystemExit, match='no example "nothing"'):
        main()
