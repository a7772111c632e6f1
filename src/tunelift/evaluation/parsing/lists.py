"""Lists in what a model says: labels, entities, triples, JSON, an order of candidates."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from tunelift.core.texts import normalise_answer
from tunelift.evaluation.parsing.choices import bounded_pattern, mentions, parse_choice

NOTHING = frozenset({"none", "nothing", "no entities", "[]", "{}", "无", "没有"})
SEPARATORS = re.compile(r"[,，、;；\n]")
MOST_BEGINNINGS = 50  # of lists and objects that are tried; each try can take as long as the text
BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)、])\s+")
COLON = re.compile(r"\s*[:：]\s*")
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
    found = [parse_choice(part, labels, synonyms, strict) for part in parts]
    if not any(found) or (strict and None in found):
        return None
    return [label for label in labels if label in found]


def parse_entities(
    output: str, text: str, wording: Mapping[str, str], synonyms: Synonyms, strict: bool
) -> list[list[Any]] | None:
    """The entities that an output lists, found again in the text.

    Args:
        output: A line for each, ``TYPE: mention``, or several mentions behind a type, separated by semicolons; or JSON:
            types to lists of mentions, or a list of objects with `type` and `text`.
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
    known = [(kind, mention) for kind, mention in named if kind is not None and mention]
    if not known or (strict and (len(known) < len(pairs) or len(pairs) < len(_listed(output)))):
        return None
    return locate(known, text)


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
        output: A line for each, ``subject | predicate | object``; or JSON, a list of lists of three texts.
        wording: Wording of each predicate, by predicate.
        synonyms: Other wordings, by predicate.
        strict: Take only an output in which every line can be read.

    Returns:
        For each ``[subject, predicate, object]``; None when nothing could be read and the output does not say that
        there is nothing.
    """
    if _says_nothing(output):
        return []
    value = parse_json(output)
    rows = value if isinstance(value, list) else [BAR.split(line.strip()) for line in _listed(output)]
    whole = [row for row in rows if isinstance(row, list) and len(row) == 3 and all(isinstance(x, str) for x in row)]
    named = [[subject, _label(predicate, wording, synonyms), obj] for subject, predicate, obj in whole]
    known = [[str(part) for part in triple] for triple in named if all(triple)]
    return known if known and not (strict and len(known) < len(rows)) else None


def parse_json(output: str) -> Any:
    """The JSON value in an output: the whole of it, or the first list or object in it; None where there is none."""
    stripped = output.strip()
    for start in [0, *(match.start() for match in islice(re.finditer(r"[\[{]", stripped), MOST_BEGINNINGS))]:
        try:
            return json.JSONDecoder().raw_decode(stripped, start)[0]
        except ValueError:
            continue
        except RecursionError:
            break  # thousands of brackets would be tried one by one
    return None


def parse_ranking(output: str, candidates: Sequence[str]) -> list[str] | None:
    """The candidates in the order in which an output names them; those that it does not name are left out.

    Returns:
        None when it names none.
    """
    text = normalise_answer(output)
    named = {normalise_answer(candidate): candidate for candidate in candidates}
    found = mentions(text, list(named))
    return [named[name] for name in sorted(found, key=text.find)] or None


def _says_nothing(output: str) -> bool:
    return normalise_answer(output) in NOTHING or output.strip() in NOTHING


def _lines(output: str) -> str:
    return "\n".join(BULLET.sub("", line) for line in output.split("\n"))


def _listed(output: str) -> list[str]:
    return [line for line in _lines(output).split("\n") if line.strip()]


def _typed_pairs(output: str) -> list[tuple[str, str]]:
    value = parse_json(output)
    if isinstance(value, dict):
        return [(kind, str(mention)) for kind, found in value.items() for mention in _as_list(found)]
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return [(str(item.get("type", "")), str(item.get("text", ""))) for item in value]
    parts = [COLON.split(line.strip(), maxsplit=1) for line in _listed(output)]
    return [(part[0], mention.strip()) for part in parts if len(part) == 2 for mention in re.split(r"[;；]", part[1])]


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
