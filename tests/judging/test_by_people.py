from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunelift.core.errors import UserError
from tunelift.judging.answers import read_answers
from tunelift.judging.by_model import judge_answers
from tunelift.judging.by_people import export_answers, read_people
from tunelift.judging.texts import people_text

Say = Callable[[str, str], str]


@pytest.fixture
def run(make_run: Callable[..., Path]) -> Path:
    """The tuned model is better on 20 of 30 items, worse on 5, and says the same on 5; few-shot is the worst."""
    base = ["5 x"] * 20 + ["8 x"] * 5 + ["6 same"] * 5
    return make_run(base=base, tuned=["6 words"] * 25 + ["6 same"] * 5, few=["1 y"] * 30)


@pytest.fixture
def exported(run: Path, tmp_path: Path) -> tuple[Path, Path]:
    return export_answers(read_answers(run, "tuned", "base"), tmp_path / "pairs")


def careless(at_most: int, say: Say) -> Say:
    """Someone who says A of the first few pairs."""
    seen: list[str] = []

    def judge(first: str, second: str) -> str:
        seen.append(first)
        return "A" if len(seen) <= at_most else say(first, second)

    return judge


def test_what_people_get(run: Path, exported: tuple[Path, Path]) -> None:
    rows = [json.loads(line) for line in exported[0].read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 30
    assert rows[0]["question"].startswith("You count.\n\nSay a number: text ")
    text = exported[0].read_text(encoding="utf-8")
    assert not any(word in text for word in ("tuned", "base", "target", "<prompt"))
    key = json.loads(exported[1].read_text(encoding="utf-8"))
    assert key["answers"] == read_answers(run, "tuned", "base").hashes
    with pytest.raises(UserError, match="is there already"):
        export_answers(read_answers(run, "tuned", "base"), exported[0].parent)


def test_one_person(
    run: Path, exported: tuple[Path, Path], tmp_path: Path, higher: Say, fill_in: Callable[..., Path]
) -> None:
    people = read_people(run, [([fill_in(exported[0], tmp_path / "ann.jsonl", higher)], exported[1])])
    assert people.strengths == ()
    (pair,) = people.pairs
    assert (pair.items, pair.judgements, pair.raters, pair.agreement, pair.judge) == (25, 25, 1, None, None)
    assert pair.result.effect == pytest.approx(0.6)
    assert people_text(people).splitlines() == [
        "tuned vs base · 25 items whose answers differ, judged by 1 person",
        "verdict             judgements       %   95 % interval",
        "tuned is better             20    80.0   60.9 to 91.1",
        "base is better               5    20.0   8.9 to 39.1",
        "tie                          0     0.0   0.0 to 13.3",
        "wins minus losses                +60.0   +21.7 to +82.3   p = 0.004",
        "people prefer tuned to base",
    ]


def test_several_people_beside_a_judge(
    run: Path,
    exported: tuple[Path, Path],
    tmp_path: Path,
    higher: Say,
    fill_in: Callable[..., Path],
    judging: Callable[..., Any],
) -> None:
    judge_answers(read_answers(run, "tuned", "base"), "a rule", judging(higher))
    files = [
        fill_in(exported[0], tmp_path / "1.jsonl", higher, "Ann"),
        fill_in(exported[0], tmp_path / "2.jsonl", higher, "Li"),
        fill_in(exported[0], tmp_path / "3.jsonl", careless(8, higher), "Wu"),
    ]
    people = read_people(run, [(files, exported[1])])
    (pair,) = people.pairs
    assert (pair.items, pair.judgements, pair.raters, pair.judge) == (25, 75, 3, "a rule")
    assert pair.wins.interval.method == "clustered Wilson"
    assert 0 < pair.agreement.value < 1
    assert (pair.with_judge.same.value, pair.with_judge.kappa.value) == (1, 1)
    lines = people_text(people).splitlines()
    assert lines[0] == "tuned vs base · 25 items whose answers differ, judged by 3 people"
    assert lines[-3].startswith("agreement among the people: Krippendorff's alpha 0.")
    assert lines[-2] == "a rule says what most people say on 100.0 % of 25 items (86.7 to 100.0): " + (
        "Cohen's kappa 1.000 on 25 items"
    )
    assert lines[-1] == "people prefer tuned to base"
    assert json.loads(json.dumps(people.to_dict()))["pairs"][0]["with_judge"]["raters"] == 3
    alone = read_people(run, [(files[:1], exported[1])]).pairs[0]
    assert (alone.agreement, alone.with_judge.same.value) == (None, 1)


def test_a_judge_of_other_items_is_left_out(
    run: Path,
    exported: tuple[Path, Path],
    tmp_path: Path,
    higher: Say,
    fill_in: Callable[..., Path],
    judging: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, path = judge_answers(read_answers(run, "tuned", "base"), "a rule", judging(higher))
    file = fill_in(exported[0], tmp_path / "1.jsonl", higher)
    content = json.loads(path.read_text(encoding="utf-8"))
    for change in (
        {"answers": content["answers"] | {"tuned": "0"}},
        {"preference": content["preference"] | {"pairs": []}},
    ):
        path.write_text(json.dumps(content | change), encoding="utf-8")
        assert read_people(run, [([file], exported[1])]).pairs[0].judge is None
        assert "is about other answers than people judged, and left out" in capsys.readouterr().err
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match=r"tuned-vs-base.json: is not a result of tunelift judge"):
        read_people(run, [([file], exported[1])])


def test_several_systems_have_strengths(
    run: Path, exported: tuple[Path, Path], tmp_path: Path, higher: Say, fill_in: Callable[..., Path]
) -> None:
    others = export_answers(read_answers(run, "few", "base"), tmp_path / "others")
    people = read_people(
        run,
        [
            ([fill_in(exported[0], tmp_path / "a.jsonl", higher)], exported[1]),
            ([fill_in(others[0], tmp_path / "b.jsonl", higher)], others[1]),
        ],
    )
    assert [(pair.candidate, pair.baseline) for pair in people.pairs] == [("tuned", "base"), ("few", "base")]
    assert [strength.system for strength in people.strengths] == ["tuned", "base", "few"]
    lines = people_text(people).splitlines()
    assert lines[-4].split("   ")[0] == "strength (Bradley-Terry)"
    assert [line.split()[0] for line in lines[-3:]] == ["tuned", "base", "few"]
    assert "people prefer base to few" in lines


def test_nothing_but_equal_answers_was_judged(run: Path, exported: tuple[Path, Path]) -> None:
    with pytest.raises(UserError, match="tuned vs base: nobody has judged answers that differ"):
        read_people(run, [([exported[0]], exported[1])])


def test_malformed_judgements_are_told(
    run: Path, exported: tuple[Path, Path], tmp_path: Path, higher: Say, fill_in: Callable[..., Path]
) -> None:
    file = fill_in(exported[0], tmp_path / "a.jsonl", higher)
    lines = file.read_text(encoding="utf-8").splitlines()
    row = json.loads(lines[1])
    for line, message in (
        ("{", "a.jsonl:2: is not JSON"),
        (json.dumps(row | {"verdict": "both"}), 'a.jsonl:2: has the verdict "both"'),
        (json.dumps(row | {"A": "changed"}), "a.jsonl:2: the answers to item 2 are not those that were written"),
        (json.dumps(row | {"item": 99}), "a.jsonl:2: judges item 99, which the key does not have"),
        (lines[0], 'a.jsonl:2: "a" has judged this item already'),
    ):
        file.write_text("\n".join([lines[0], line, *lines[2:]]), encoding="utf-8")
        with pytest.raises(UserError) as caught:
            read_people(run, [([file], exported[1])])
        assert message in str(caught.value)
    with pytest.raises(UserError, match="is not a key of judgements"):
        read_people(run, [([file], run / "run.json")])
    with pytest.raises(UserError, match="file not found"):
        read_people(run, [([file], tmp_path / "no.json")])


def test_a_key_of_other_answers_is_refused(
    make_run: Callable[..., Path],
    run: Path,
    exported: tuple[Path, Path],
    tmp_path: Path,
    higher: Say,
    fill_in: Callable[..., Path],
) -> None:
    file = fill_in(exported[0], tmp_path / "a.jsonl", higher)
    other = make_run(name="other", base=["5 x"] * 30, tuned=["6 y"] * 30)
    with pytest.raises(UserError, match=r"key.json: is of other answers than those in .*other - name the run"):
        read_people(other, [([file], exported[1])])
    with pytest.raises(UserError, match='has no answers of a condition "tuned"'):
        read_people(make_run(name="third", base=["5 x"] * 30), [([file], exported[1])])
