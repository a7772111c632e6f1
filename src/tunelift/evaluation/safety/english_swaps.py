"""Names, genders and regions in English texts: the edits that exchange them.

Edits leave alone what they are not sure of: "Emily Dickinson" and "Ohio State" name something in particular, "he or
she" nobody, and "her" is "him" or "his" by rules on the word behind and the verb before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from random import Random

from tunelift.evaluation.robustness.edits import Edit
from tunelift.evaluation.robustness.wording import article_edit, recase
from tunelift.evaluation.safety.persons import OTHER, draw_names, draw_origin, known_names
from tunelift.evaluation.safety.tables import read_table

START, END = r"(?<![\w@#/-])(?<![\w]['’])", r"(?![\w-])"
# Not the names of people on the street.
PARTICULAR = re.compile(
    r"\b(?:King|Queen|Prince|Princess|Saint|St\.?|Lake|Mount|Pope|Fort|San|Santa|Port|Cape|Hurricane|New|Little) $"
)
NEXT_CAPITAL = re.compile(r" (?:[A-Z]\. ?)?([A-Z][\w’'-]+)")
TITLED = re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Professor|Sir|Madam)\.? $")
SENTENCE_START = re.compile(r"(?:^|[.!?:;\n\0])[\s\"'“”‘’(\[*-]*$")
# Where another gender would say nonsense.
BODILY = re.compile(
    r"\b(?:pregnan\w*|gave birth|giv(?:e|es|ing) birth|breast-?feed\w*|menstrua\w*|menopaus\w*|ovar\w+|uter\w+"
    r"|vagina\w*|cervical|prostate|testic\w+|sperm|penis|womb|beards?|bearded|mustaches?|moustaches?)\b",
    re.IGNORECASE,
)
# Everybody, whichever gender.
GENERIC = re.compile(
    r"\bs/he\b|\b(?:he|she|his|her|him|hers|himself|herself)(?:\s*/\s*|\s+(?:or|and)\s+)(?:he|she|his|her|him|hers"
    r"|himself|herself)\b|\bladies and gentlemen\b|\bsir or madam\b",
    re.IGNORECASE,
)
PRONOUN = re.compile(rf"{START}(?:him|his|hers?)\b(?!-)", re.IGNORECASE)
BEHIND = re.compile(r"[ \t]+([A-Za-z]+)")
BEFORE = re.compile(r"(\w+)\s+$")
GIVING = re.compile(
    r"(?:giv(?:es?|en|ing)|gave|tells?|told|telling|ask(?:s|ed|ing)?|show(?:s|ed|n|ing)?|offer(?:s|ed|ing)?|sends?|sent"
    r"|brings?|brought|teach(?:es|ing)?|taught|costs?|owe[sd]?|lends?|lent|promise[sd]?)$",
    re.IGNORECASE,
)
# Behind these a number is what somebody gets: "it took her 5 minutes", but "her 5 minutes were over".
MEASURING = re.compile(
    r"(?:take|takes|took|taken|pay|pays|paid|charge[sd]?|costs?|earn(?:s|ed)?|lasts?|lasted|sav(?:es?|ed)|gave|gives?"
    r"|owe[sd]?|buys?|bought|lent)$",
    re.IGNORECASE,
)
NUMBER = re.compile(r"[ \t]+[$€£]?\d")
CAUSING = re.compile(
    r"(?:lets?|letting|makes?|made|making|help(?:s|ed|ing)?|sees?|saw|seen|watch(?:ed|es|ing)?|hears?|heard|keeps?|kept"
    r"|leav(?:es?|ing)|left|found|have|having)$",
    re.IGNORECASE,
)
LANGUAGE = r"(?:in|into|to|speaks?|spoke|speaking|spoken|learn\w*|stud\w+|fluent|translat\w+)"


def english_edits(text: str, kind: str, generator: Random) -> list[Edit]:
    """The edits that exchange all names, genders or regions of a text; none where that cannot be done.

    Args:
        text: The text.
        kind: "name" (same gender, another origin), "gender" (pronouns, nouns, titles and names) or "region"
            (countries with their people, or states of the USA).
        generator: Draws what stands there instead.
    """
    if kind == "name":
        return _name_edits(text, generator)
    return _gender_edits(text, generator) if kind == "gender" else _region_edits(text, generator)


def _mentions(text: str) -> tuple[list[re.Match[str]], list[re.Match[str]]]:
    """The first names and the surnames that are those of unknown people."""
    surnames = known_names("en", ("surname",))
    first, last, named = [], [], set()
    for found in _any_of(tuple(known_names("en"))).finditer(text):
        behind = NEXT_CAPITAL.match(text, found.end())
        if PARTICULAR.search(text, 0, found.start()) or (behind and behind[1] not in surnames):
            continue
        first.append(found)
        if behind:
            named.add(behind[1])
    for found in _any_of(tuple(surnames)).finditer(text):
        titled = TITLED.search(text, 0, found.start())
        if found[0] in named or (titled and not NEXT_CAPITAL.match(text, found.end())):
            last.append(found)
    return first, last


def _name_edits(text: str, generator: Random) -> list[Edit]:
    first, last = _mentions(text)
    people, families = known_names("en"), known_names("en", ("surname",))
    kinds = {found[0]: people[found[0]] for found in first}
    kinds |= {found[0]: families[found[0]] for found in last}
    origin = draw_origin(
        {origin for origin, _ in kinds.values()}, {kind for _, kind in kinds.values()}, "en", generator
    )
    wanted = {name: (origin, kind) for name, (_, kind) in kinds.items()}
    new = draw_names(wanted, "en", set(re.findall(r"\w+", text)), generator)
    return _renamed(text, [*first, *last], new or {})


def _renamed(text: str, found: Iterable[re.Match[str]], new: dict[str, str]) -> list[Edit]:
    edits = []
    for name in found:
        if name[0] in new:
            # "James' car" becomes "Omar's car".
            bare = name[0].endswith("s") and re.match(r"['’](?!\w)", text[name.end() :])
            edits.append(Edit(name.start(), name.end() + bool(bare), new[name[0]] + ("'s" if bare else "")))
    return edits


def _gender_edits(text: str, generator: Random) -> list[Edit]:
    if BODILY.search(text):
        return []
    first, _ = _mentions(text)
    people = known_names("en")
    wanted = {found[0]: (people[found[0]][0], OTHER[people[found[0]][1]]) for found in first}
    new = draw_names(wanted, "en", set(re.findall(r"\w+", text)), generator)
    if new is None:
        return []
    edits = [*_renamed(text, first, new), *_noun_edits(text), *_pronoun_edits(text), *_title_edits(text)]
    generic = [found.span() for found in GENERIC.finditer(text)]
    return [edit for edit in edits if not any(start < edit.end and edit.start < end for start, end in generic)]


def _noun_edits(text: str) -> list[Edit]:
    """Nouns and the pronouns that have one form in the other gender."""
    others = {one: other for row in read_table("genders.en") for one, other in (row, row[::-1])} | {"mum": "dad"}
    edits = []
    for found in _any_of(tuple(others), whole_case=False).finditer(text):
        word = found[0]
        # A capital inside a sentence makes a name of it: Burger King, Mother's Day.
        common = word.islower() or word.isupper() or word.lower() in _words("address")
        if common or SENTENCE_START.search(text, 0, found.start()):
            edits.append(article_edit(text, *found.span(), recase(word, word.lower(), others[word.lower()])))
    return edits


def _pronoun_edits(text: str) -> list[Edit]:
    edits = []
    for found in PRONOUN.finditer(text):
        word = found[0].lower()
        if word == "her":
            other = "him" if _stands_alone(text, found) else "his"
        elif word == "his":
            other = "hers" if _ends_phrase(text, found.end()) else "her"
        else:
            other = "her" if word == "him" else "his"
        edits.append(Edit(*found.span(), recase(found[0], word, other)))
    return edits


def _stands_alone(text: str, her: re.Match[str]) -> bool:
    """Whether "her" is an object and no possessive."""
    if _ends_phrase(text, her.end()):
        return True
    behind, before = BEHIND.match(text, her.end()), BEFORE.search(text, max(0, her.start() - 20), her.start())
    if before is None:
        return False
    if behind is None:
        return bool(MEASURING.match(before[1]) and NUMBER.match(text, her.end()))
    if CAUSING.match(before[1]):
        return behind[1].lower() in _words("verb")
    return bool(GIVING.match(before[1])) and behind[1].lower() not in _words("possessed")


def _ends_phrase(text: str, end: int) -> bool:
    """Whether what follows can be no noun: a mark, the end, or a function word."""
    behind = BEHIND.match(text, end)
    if behind is None:
        return not re.match(r"[ \t]+[\w\"“'‘(*$]", text[end:])
    return behind[1].lower() in _words("function")


def _title_edits(text: str) -> list[Edit]:
    titles = {"Mr": "Ms", "Mrs": "Mr", "Ms": "Mr", "Miss": "Mr"}
    found = re.finditer(rf"{START}(?:Mrs|Mr|Ms|Miss)(?=\.? [A-Z])", text)
    return [Edit(*title.span(), titles[title[0]]) for title in found]


def _region_edits(text: str, generator: Random) -> list[Edit]:
    places = {name: row for row in _regions() for name in row[1:]}
    found = [place for place in _any_of(tuple(places)).finditer(text) if _is_region(text, place)]
    named = list(dict.fromkeys(places[place[0]] for place in found))
    # Another language is another task: "Translate into German".
    if any(_names_language(text, place) for place in found if len(places[place[0]]) > 2):
        return []
    new: dict[tuple[str, ...], tuple[str, ...]] = {}
    for row in named:
        used = [*named, *new.values()]
        free = [other for other in _regions() if (other[0], len(other)) == (row[0], len(row)) and other not in used]
        if not free:
            return []
        new[row] = generator.choice(free)
    return [
        article_edit(text, *place.span(), new[row][row.index(place[0])])
        for place in found
        for row in [places[place[0]]]
    ]


@cache
def _regions() -> tuple[tuple[str, ...], ...]:
    return read_table("regions.en")


def _is_region(text: str, place: re.Match[str]) -> bool:
    """Not part of another name: New Mexico, Ohio State, Indian Ocean, North America."""
    before = re.search(r"\b(?:New|North|South|West|East|Northern|Southern|Latin|Central)[ -]$", text[: place.start()])
    return before is None and NEXT_CAPITAL.match(text, place.end()) is None


def _names_language(text: str, place: re.Match[str]) -> bool:
    if place[0] in _countries():
        return False
    before = re.search(rf"\b{LANGUAGE} $", text[: place.start()], re.IGNORECASE)
    return before is not None and not re.match(r" [a-z]", text[place.end() :])


@cache
def _words(kind: str) -> frozenset[str]:
    return frozenset(word for name, *words in read_table("grammar.en") if name == kind for word in words)


@cache
def _countries() -> frozenset[str]:
    return frozenset(row[1] for row in _regions())


@cache
def _any_of(words: tuple[str, ...], whole_case: bool = True) -> re.Pattern[str]:
    """Any of the words as a whole word, the longest first."""
    longest = sorted(words, key=len, reverse=True)
    return re.compile(f"{START}(?:{'|'.join(map(re.escape, longest))}){END}", 0 if whole_case else re.IGNORECASE)
