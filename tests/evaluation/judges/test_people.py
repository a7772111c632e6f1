from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunelift.core.errors import UserError
from tunelift.evaluation.judges.agreement import agree_with_people
from tunelift.evaluation.judges.pairwise import compare_answers
from tunelift.evaluation.judges.people import export_pairs, read_judgements
from tunelift.statistics.preferences import bradley_terry


@pytest.fixture
def pairs(answers: Callable[..., Any], tmp_path: Path) -> tuple[Path, Path]:
    """40 items: an even number wins, of two odd ones neither; the last pair is the same text."""
    base = [f"{2 * at + at % 2} base answer" for at in range(39)] + ["same"]
    tuned = [f"{2 * at + 1} tuned answer" for at in range(39)] + ["same"]
    groups = [f"g{at // 4}" for at in range(40)]
    return export_pairs(answers("zero-shot", base, groups), answers("tuned", tuned, groups), 7, tmp_path / "pairs")


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def judged(row: dict[str, Any]) -> dict[str, Any]:
    """A person who knows even from odd."""
    if row["verdict"]:
        return row
    even = {side: int(row[side].split()[0]) % 2 == 0 for side in "AB"}
    return {**row, "verdict": "tie" if even["A"] == even["B"] else "A" if even["A"] else "b "}


def test_a_file_for_people_is_blind(pairs: tuple[Path, Path]) -> None:
    path, key = pairs
    text = path.read_text(encoding="utf-8")
    assert "zero-shot" not in text
    assert "baseline" not in text
    assert "e3" not in text
    rows, known = rows_of(path), json.loads(key.read_text(encoding="utf-8"))
    assert [row["item"] for row in rows] == list(range(1, 41))
    assert list(rows[0]) == ["item", "question", "A", "B", "verdict", "rater"]
    assert sum(row["verdict"] == "tie" for row in rows) == 1
    assert {row["verdict"] for row in rows} == {None, "tie"}
    sides = [pair["A"] for pair in known["pairs"]]
    assert 8 < sides.count("baseline") < 32
    assert [pair["example_id"] for pair in known["pairs"]] != [f"e{at}" for at in range(40)]


def test_the_seed_decides(answers: Callable[..., Any], tmp_path: Path) -> None:
    both = answers("a", list("abcdefgh")), answers("b", list("ijklmnop"))
    texts = [export_pairs(*both, seed, tmp_path / name)[0].read_text() for seed, name in ((1, "x"), (1, "y"), (2, "z"))]
    assert texts[0] == texts[1] != texts[2]


def test_judgements_are_given_back_to_their_conditions(pairs: tuple[Path, Path]) -> None:
    path, key = pairs
    found = read_judgements([write(path, [judged(row) for row in rows_of(path)])], key)
    scores = {each.example_id: each.score for each in found}
    # The baseline's number is even where that of the item is; the candidate's is always odd.
    assert scores == {f"e{at}": 0.5 if at % 2 or at == 39 else 0.0 for at in range(40)}
    first = found[0]
    assert (first.rater, first.baseline, first.candidate) == ("judgements", "zero-shot", "tuned")
    assert {each.example_id: each.group for each in found}["e5"] == "g1"
    assert [each.example_id for each in found if each.identical] == ["e39"]
    strengths = bradley_terry(
        [each.candidate for each in found],
        [each.baseline for each in found],
        [each.score for each in found],
        [each.example_id for each in found],
        draws=50,
    )
    assert [each.system for each in strengths] == ["zero-shot", "tuned"]


def test_several_people_and_a_table(pairs: tuple[Path, Path], tmp_path: Path) -> None:
    path, key = pairs
    rows = [judged(row) for row in rows_of(path)]
    second = tmp_path / "second.csv"
    with second.open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows({**row, "rater": "Li", "verdict": "平局"} for row in rows)
    found = read_judgements([write(path, rows[:10]), second], key)
    assert [each.rater for each in found] == ["judgements"] * 10 + ["Li"] * 40
    assert {each.score for each in found[10:]} == {0.5}


def test_what_is_not_judged_yet_is_left_out(pairs: tuple[Path, Path]) -> None:
    path, key = pairs
    rows = rows_of(path)
    assert len(read_judgements([path], key)) == 1
    with pytest.raises(UserError, match="holds no verdict"):
        read_judgements([write(path, [{**row, "verdict": " "} for row in rows])], key)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"verdict": "C"}, r'judgements\.jsonl:2: has the verdict "C"'),
        ({"verdict": 1}, r":2: has the verdict 1"),
        ({"item": 99}, r":2: judges item 99, which the key does not have"),
        ({"item": None}, r":2: judges item null"),
        ({"A": "something else"}, r":2: the answers to item 2 are not those that were written"),
        ({"B": None}, r':2: lacks the answer "A" or "B"'),
        ({"item": 1}, r":2: the answers to item 1 are not those"),
    ],
)
def test_a_malformed_row_is_told(pairs: tuple[Path, Path], change: dict[str, Any], message: str) -> None:
    path, key = pairs
    rows = [judged(row) for row in rows_of(path)]
    rows[1] = {**rows[1], **change}
    with pytest.raises(UserError, match=message):
        read_judgements([write(path, rows)], key)


def test_a_broken_line_is_told(pairs: tuple[Path, Path]) -> None:
    path, key = pairs
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:4], "{", *lines[5:]]), encoding="utf-8")
    with pytest.raises(UserError, match=r"judgements\.jsonl:5: is not JSON"):
        read_judgements([path], key)


def test_nobody_judges_an_item_twice(pairs: tuple[Path, Path], tmp_path: Path) -> None:
    path, key = pairs
    rows = [{**judged(row), "rater": "Ann"} for row in rows_of(path)]
    write(path, [*rows, rows[2]])
    with pytest.raises(UserError, match=r':41: "Ann" has judged this item already \(.*:3\)'):
        read_judgements([path], key)


@pytest.mark.parametrize("content", ["[]", "{}", '{"baseline": "a", "candidate": "b", "pairs": [{"item": 1}]}', "3"])
def test_a_file_that_is_no_key_is_told(pairs: tuple[Path, Path], content: str) -> None:
    path, key = pairs
    key.write_text(content)
    with pytest.raises(UserError, match="is not a key of judgements"):
        read_judgements([path], key)


def test_judgements_are_not_overwritten(answers: Callable[..., Any], pairs: tuple[Path, Path]) -> None:
    with pytest.raises(UserError, match="is there already"):
        export_pairs(answers("a", ["x"]), answers("b", ["y"]), 1, pairs[0].parent)
    with pytest.raises(UserError, match="compared with itself"):
        export_pairs(answers("a", ["x"]), answers("a", ["y"]), 1, pairs[0].parent / "other")


def test_a_judge_beside_people(answers: Callable[..., Any], judging: Callable[..., Any], tmp_path: Path) -> None:
    numbers = [(at, (at * 7) % 40) for at in range(40)]
    base, tuned = ([f"{pair[side]} {name}" for pair in numbers] for side, name in ((0, "x"), (1, "y")))
    conditions = answers("base", base), answers("tuned", tuned)
    path, key = export_pairs(*conditions, 3, tmp_path)

    def higher(first: str, second: str) -> str:
        one, other = (int(text.split()[0]) for text in (first, second))
        return "A" if one > other else "B" if other > one else "tie"

    preference = compare_answers(judging(higher), *conditions)
    rows = [{**row, "verdict": higher(row["A"], row["B"])} for row in rows_of(path)]
    other = [{**row, "rater": "Li", "verdict": "A" if at < 10 else row["verdict"]} for at, row in enumerate(rows)]
    third = [{**row, "rater": "Wu"} for row in rows]
    alone = agree_with_people(preference, read_judgements([write(path, rows)], key))
    assert (alone.same.value, alone.kappa.value, alone.raters, alone.among_people) == (1, 1, 1, None)
    together = agree_with_people(preference, read_judgements([write(path, [*rows, *other, *third])], key))
    assert together.same.value == 1  # two of three say what the judge says
    assert together.raters == 3
    assert together.among_people is not None
    assert 0.5 < together.among_people.value < 1
    less = agree_with_people(preference, read_judgements([write(path, other)], key))
    assert less.same.value < 1
    assert less.kappa.value < less.same.value
    assert less.kappa.interval is not None
    swapped = compare_answers(judging(higher), *reversed(conditions))
    with pytest.raises(UserError, match="no item of base against tuned"):
        agree_with_people(swapped, read_judgements([path], key))
