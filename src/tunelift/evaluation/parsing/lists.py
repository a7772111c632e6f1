"""Lists in what a model says: labels, entities, triples, JSON, an order of candidates."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from tunelift.core.texts import normalise_answer
from tunelift.evaluation.parsing.choices import bounded_pattern, mentions, said_choices

NOTHING = frozenset({"none", "nothing", "no entities", "[]", "{}", "无", "没有"})
SEPARATORS = re.compile(r"[,，、;；\n]")
MOST_BEGINNINGS = 50  # of lists and objects that are tried; each try can take as long as the text
BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)、])\s+")
COLON = re.compile(r"\s*[:：]\s*")
RULE = re.compile(r"[\s|｜:-]*-[\s|｜:-]*")
TRIPLE = ("subject", "predicate", "object")
BAR = re.compile(r"\s*[|｜]\s*")

Synonyms = Mapping[str, Sequence[str]]


def parse_labels(output: str, labels: Sequence[str], synonyms: Synonyms, strict: bool) -> list[str] | None:
    """The labels that an output lists, in the order of `labels`.

    Args:
        output: Labels separated by commas or lines; "none" or "无" for no label.
        labels: The possible ones.
        synonyms: Other wordings of labels.
        strict: Take only an output that lists nothing else.

    Returns:
        The labels; None when there is none and the output does not say so, or, if strict, when one is not known.
    """
    if _says_nothing(output):
        return []
    parts = [part for part in SEPARATORS.split(_lines(output)) if part.strip()]
    found = [said_choices(part, labels, synonyms, strict).affirmed for part in parts]
    if not any(found) or (strict and not all(len(named) == 1 for named in found)):
        return None
    return [label for label in labels if any(label in named for named in found)]


def parse_entities(
    output: str, text: str, wording: Mapping[str, str], synonyms: Synonyms, strict: bool
) -> list[list[Any]] | None:
    """The entities that an output lists, found again in the text.

    Args:
        output: A line for each, ``TYPE: mention``, or several mentions behind a type, separated by semicolons; or JSON:
            types to lists of mentions, or a list of objects with `type` and `text`. "none" and the like, or an empty
            list, behind a type say that it has no mention.
        text: Where the mentions stand.
        wording: Wording of each type, by type.
        synonyms: Other wordings, by type.
        strict: Take only an output in which every line can be read.

    Returns:
        For each ``[type, start, end, mention]`` with `end` exclusive; -1 for both where the text does not have it
        (again). None when nothing could be read and the output does not say that there is nothing.
    """
    if _says_nothing(output):
        return []
    pairs = _typed_pairs(output)
    named = [(_label(kind, wording, synonyms), mention) for kind, mention in pairs]
    known = [(kind, mention) for kind, mention in named if kind is not None]
    if not known or (strict and (len(known) < len(pairs) or not _all_read(output, len(pairs)))):
        return None
    return locate([pair for pair in known if pair[1] and (pair[1] in text or not _says_nothing(pair[1]))], text)


def locate(mentions: Sequence[tuple[str, str]], text: str) -> list[list[Any]]:
    """Where mentions stand in a text: the first of several equal ones at the first place, the second at the second.

    Args:
        mentions: Types and mentions, in order.
        text: The text.
    """
    asked: Counter[str] = Counter()
    taken: set[tuple[str, int]] = set()
    located: list[list[Any]] = []
    for kind, mention in mentions:
        places = _places(mention, text)
        start = places[asked[mention] % len(places)] if places else -1
        asked[mention] += 1
        if start < 0 or (kind, start) in taken:
            located.append([kind, -1, -1, mention])
            continue
        taken.add((kind, start))
        located.append([kind, start, start + len(mention), text[start : start + len(mention)]])
    return located


def parse_triples(output: str, wording: Mapping[str, str], synonyms: Synonyms, strict: bool) -> list[list[str]] | None:
    """The relations that an output lists.

    Args:
        output: A line for each, ``subject | predicate | object``, also as a table; or JSON, a list of lists of three
            texts, or of objects with `subject`, `predicate` and `object`.
        wording: Wording of each predicate, by predicate.
        synonyms: Other wordings, by predicate.
        strict: Take only an output in which every line can be read.

    Returns:
        For each ``[subject, predicate, object]``; None when nothing could be read and the output does not say that
        there is nothing.
    """
    if _says_nothing(output):
        return []
    rows = _rows(output)
    whole = [
        list(map(str, row)) for row in rows if len(row) == 3 and all(isinstance(x, str | int | float) for x in row)
    ]
    named = [[subject, _label(predicate, wording, synonyms), obj] for subject, predicate, obj in whole]
    known = [[str(part) for part in triple] for triple in named if all(triple)]
    return known if known and not (strict and len(known) < len(rows)) else None


def parse_json(output: str) -> Any:
    """The JSON value in an output: the whole of it, or the first list or object in it; None where there is none."""
    # Numbers that are none, such as NaN, could not be written to a file of JSON: they stay texts.
    decoder = json.JSONDecoder(parse_constant=str, parse_float=_finite)
    beginnings = islice(re.finditer(r"[\[{]", output), MOST_BEGINNINGS)
    for start in (None, *(match.start() for match in beginnings)):
        try:
            value = decoder.decode(output) if start is None else decoder.raw_decode(output, start)[0]
            json.dumps(value, ensure_ascii=False).encode()  # half of a pair of surrogates is no text
        except ValueError:
            continue
        except RecursionError:
            break  # thousands of brackets would be tried one by one
        return value
    return None


def parse_ranking(output: str, candidates: Sequence[str]) -> list[str] | None:
    """The candidates in the order in which an output names them; those that it does not name are left out.

    Returns:
        None when it names none.
    """
    text = normalise_answer(output)
    named = {normalise_answer(candidate): candidate for candidate in candidates}
    return [named[name] for name in dict.fromkeys(name for name, _ in mentions(text, named))] or None


def _finite(number: str) -> float | str:
    return float(number) if math.isfinite(float(number)) else number


def _says_nothing(output: str) -> bool:
    return normalise_answer(output) in NOTHING or output.strip() in NOTHING


def _all_read(output: str, found: int) -> bool:
    """Whether an output consists of what was found in it, one a line or as JSON."""
    try:
        json.loads(output)
    except (ValueError, RecursionError):
        return found >= len(_listed(output))
    return True


def _lines(output: str) -> str:
    return "\n".join(BULLET.sub("", line) for line in output.split("\n"))


def _listed(output: str) -> list[str]:
    return [line for line in _lines(output).split("\n") if line.strip()]


def _rows(output: str) -> list[list[Any]]:
    """The rows of a list in JSON, perhaps wrapped in an object, or of a table in text, without its head."""
    value = parse_json(output)
    if isinstance(value, dict):
        value = next(iter(value.values())) if len(value) == 1 else [value]
    if isinstance(value, list):
        objects = [[row.get(part) for part in TRIPLE] if isinstance(row, dict) else row for row in value]
        return [row if isinstance(row, list) else [] for row in objects]
    lines = _listed(output)
    rules = [place for place, line in enumerate(lines) if RULE.fullmatch(line)]
    return [BAR.split(line.strip().strip("|｜ ")) for line in lines[rules[0] + 1 if rules else 0 :]]


def _typed_pairs(output: str) -> list[tuple[str, str]]:
    value = parse_json(output)
    if isinstance(value, dict) and len(value) == 1 and _are_objects(*value.values()):
        (value,) = value.values()  # {"entities": [...]}
    if isinstance(value, dict) and {"type", "text"} <= value.keys():
        value = [value]
    if _are_objects(value):
        return [(str(item.get("type", "")), str(item.get("text", ""))) for item in value]
    if isinstance(value, dict):
        return [(kind, str(mention or "")) for kind, found in value.items() for mention in _as_list(found) or [""]]
    parts = [COLON.split(line.strip(), maxsplit=1) for line in _listed(output)]
    return [(part[0], mention.strip()) for part in parts if len(part) == 2 for mention in re.split(r"[;；]", part[1])]


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _label(text: str, wording: Mapping[str, str], synonyms: Synonyms) -> str | None:
    """The label that a wording means; any text where the task names no labels."""
    if not wording:
        return text.strip() or None
    said = normalise_answer(text)
    for label, usual in wording.items():
        if said in map(normalise_answer, (usual, label, *synonyms.get(label, ()))):
            return label
    return None


def _places(mention: str, text: str) -> list[int]:
    """Where a mention begins in a text: as whole words, else anywhere, else anywhere without regard to case."""
    folded, folded_text = mention.casefold(), text.casefold()
    tries = [(bounded_pattern(re.escape(mention)), text), (re.escape(mention), text)]
    if len(folded) == len(mention) and len(folded_text) == len(text):  # otherwise all places would be others
        tries.append((re.escape(folded), folded_text))
    found = ([match.start() for match in re.finditer(pattern, haystack)] for pattern, haystack in tries)
    return next(filter(None, found), []) if mention else []
