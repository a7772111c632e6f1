"""Blind judgements by people: a file to fill in, and the key that says which answer was whose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunelift.core.errors import UserError, shorten_text
from tunelift.core.files import content_hash, read_json, write_json, write_jsonl
from tunelift.core.records import Sample
from tunelift.core.seeds import generator
from tunelift.core.texts import normalise_answer
from tunelift.data.formats import iterate_rows
from tunelift.evaluation.judges.pairwise import BASELINE, CANDIDATE, check_same_items, questions_of

FILE, KEY = "judgements.jsonl", "key.json"
FIRST, SECOND, TIE = "A", "B", "tie"
VERDICTS = {"a": FIRST, "b": SECOND} | dict.fromkeys(("tie", "draw", "平局"), TIE)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one person said of the two answers to one item.

    Attributes:
        example_id: The item.
        group: Its cluster.
        rater: Who judged.
        baseline: Name of the one condition.
        candidate: Name of the other.
        score: 1 where the candidate was preferred, 0 where the baseline was, 0.5 for a tie.
        identical: Both answers are the same text.
    """

    example_id: str
    group: str | None
    rater: str
    baseline: str
    candidate: str
    score: float
    identical: bool


def export_pairs(
    baseline: Sequence[Sample],
    candidate: Sequence[Sample],
    seed: int,
    folder: Path,
    questions: Sequence[str] | None = None,
) -> tuple[Path, Path]:
    """Write the answers of two conditions for people to compare.

    A line of ``judgements.jsonl`` has `item`, `question`, the answers `A` and `B`, and two places to fill in: `verdict`
    ("A", "B" or "tie") and `rater`. It does not say whose answer is which: items are shuffled and sides drawn at
    random. Where both answers are the same text, the verdict "tie" stands there already. The key stays with
    whoever evaluates.

    Args:
        baseline: The answers of the one condition.
        candidate: Those of the other to the same items in the same order.
        seed: Seed of order and sides.
        folder: Where to write.
        questions: What was asked, as people see it; by default the shorter of an item's two prompts.

    Returns:
        The file to fill in, and the key.

    Raises:
        UserError: The items or their number differ, both conditions have one name, or the file is there already.
    """
    check_same_items(baseline, candidate)
    names = baseline[0].condition, candidate[0].condition
    path, key = folder / FILE, folder / KEY
    if names[0] == names[1]:
        raise UserError(f"condition {names[0]}", "is compared with itself", "choose two conditions")
    if path.exists():
        raise UserError(path, "is there already, perhaps with judgements", "choose another folder, or delete it")
    shown = questions_of(baseline, candidate) if questions is None else questions
    draw = generator(seed, "judgements")
    order = draw.sample(range(len(baseline)), len(baseline))
    rows, entries = [], []
    for item, at in enumerate(order, start=1):
        sides = draw.sample([(BASELINE, baseline[at].output), (CANDIDATE, candidate[at].output)], 2)
        answers = {FIRST: sides[0][1], SECOND: sides[1][1]}
        verdict = TIE if sides[0][1] == sides[1][1] else None
        rows.append({"item": item, "question": shown[at], **answers, "verdict": verdict, "rater": ""})
        whose = {FIRST: sides[0][0], SECOND: sides[1][0]}
        known = {"example_id": baseline[at].example_id, "group": baseline[at].group, "texts": _text_hash(answers)}
        entries.append({"item": item, **known, **whose})
    write_json(key, {"baseline": names[0], "candidate": names[1], "pairs": entries})
    write_jsonl(path, rows)
    return path, key


def read_judgements(files: Sequence[Path], key: Path) -> list[Judgement]:
    """Read what people judged, and say whose answers they preferred.

    Args:
        files: Filled-in copies of one ``judgements.jsonl``, or the same columns as CSV. Who judged is said in each row,
            or else by the file's name. Rows without a verdict are not judged yet, and left out.
        key: The key that was written with it.

    Raises:
        UserError: A row is malformed, belongs to another file or was changed, or one person judged an item twice.
            File and line are named.
    """
    content = read_json(key)
    try:
        names = {BASELINE: str(content[BASELINE]), CANDIDATE: str(content[CANDIDATE])}
        pairs = {str(pair["item"]): _known_pair(pair) for pair in content["pairs"]}
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(key, "is not a key of judgements", "take the key.json that was written with them") from error
    judgements: list[Judgement] = []
    places: dict[tuple[str, str], str] = {}
    for file in files:
        for row in iterate_rows(file):
            where = f"{file}:{row.source.row}"
            pair = _pair_of(where, row.fields, pairs)
            side = _verdict(where, row.fields.get("verdict"))
            if side is None:
                continue
            rater = str(row.fields.get("rater") or "").strip() or file.stem
            if earlier := places.get((rater, pair["example_id"])):
                what = f'"{rater}" has judged this item already ({earlier})'
                raise UserError(where, what, "remove one of them, or give every person a name under rater")
            places[rater, pair["example_id"]] = where
            score = 0.5 if side == TIE else float(pair[side] == CANDIDATE)
            same = normalised(row.fields[FIRST]) == normalised(row.fields[SECOND])
            known = pair["example_id"], pair["group"], rater, names[BASELINE], names[CANDIDATE]
            judgements.append(Judgement(*known, score, same))
    if not judgements:
        raise UserError(
            ", ".join(map(str, files)) or key, "holds no verdict", f'fill in "{FIRST}", "{SECOND}" or "tie"'
        )
    return judgements


def normalised(text: str) -> str:
    """A text without what editors and spreadsheets change: kinds and numbers of white space."""
    return " ".join(text.split())


def _text_hash(answers: dict[str, str]) -> str:
    return content_hash([normalised(answers[FIRST]), normalised(answers[SECOND])])


def _known_pair(pair: dict[str, Any]) -> dict[str, Any]:
    if {pair[FIRST], pair[SECOND]} != {BASELINE, CANDIDATE}:
        raise ValueError("the sides are not those of two conditions")
    return {name: pair[name] for name in ("example_id", "group", "texts", FIRST, SECOND)}


def _pair_of(where: str, fields: dict[str, Any], pairs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The pair of the key that a row judges."""
    item = str(fields.get("item"))
    if item not in pairs:
        what = f"judges item {shorten_text(fields.get('item'))}, which the key does not have"
        raise UserError(where, what, "take the key that was written with this file")
    answers = {side: fields.get(side) for side in (FIRST, SECOND)}
    if not all(isinstance(text, str) for text in answers.values()):
        raise UserError(where, f'lacks the answer "{FIRST}" or "{SECOND}"', "restore the row")
    if _text_hash({side: str(text) for side, text in answers.items()}) != pairs[item]["texts"]:
        what = f"the answers to item {item} are not those that were written"
        raise UserError(where, what, "restore them, and change nothing but verdict and rater")
    return pairs[item]


def _verdict(where: str, value: Any) -> str | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    verdict = VERDICTS.get(normalise_answer(value)) if isinstance(value, str) else None
    if verdict is None:
        raise UserError(where, f"has the verdict {shorten_text(value)}", f'write "{FIRST}", "{SECOND}" or "tie"')
    return verdict
