"""Names, genders and regions in Chinese texts: the edits that exchange them.

What is found has to begin and end where words do (by jieba), so that 其他, 吉他 and 河南大学 stay as they are.
"""

from __future__ import annotations

import re
from functools import cache
from random import Random

from tunelift.evaluation.robustness.edits import Edit
from tunelift.evaluation.robustness.segmentation import chinese_words
from tunelift.evaluation.safety.persons import OTHER, draw_names, draw_origin, known_names, name_lists
from tunelift.evaluation.safety.tables import read_table

HAN_ORIGINS = ("han-older", "han-younger")
TITLES = (
    "先生|女士|小姐|太太|老师|医生|大夫|经理|教授|师傅|阿姨|叔叔|同学|同志|律师|警官|主任|护士"
    "|总(?![是会在共的体得算之有])"
)
# Where another gender would say nonsense.
BODILY = re.compile("怀孕|孕妇|孕期|分娩|生孩子|生下|产后|月经|痛经|子宫|卵巢|哺乳|母乳|前列腺|睾丸|精子|胡子|胡须")
# Everybody, whichever gender.
GENERIC = re.compile("[他她]们?(?:/|／|或|或者|和|（|\\()[他她]们?[）)]?")
# Behind a region these name something in particular.
INSTITUTIONS = re.compile(
    "(?:师范|农业|工业|理工|科技|医科|财经|交通)?(?:大学|学院|卫视|航空|银行|日报|电视台)|队|[菜路]"
)
PEOPLE = re.compile("省|市|人")
BEHIND_NAMES = re.compile("[说问的和与跟同是在有把被给对也去来想买从比要会能都到用走吃看]")
PARTICULAR = re.compile("[·•・]|胡志明|孔明|(?:教堂|大桥|广场|医院)$")


def chinese_edits(text: str, kind: str, generator: Random) -> list[Edit]:
    """The edits that exchange all names, genders or regions of a text; none where that cannot be done.

    Args:
        text: The text.
        kind: "name" (same gender, another origin or generation), "gender" (pronouns, nouns and names) or "region"
            (provinces, autonomous regions, municipalities, countries; each within its kind).
        generator: Draws what stands there instead.

    Raises:
        UserError: jieba is not installed.
    """
    if kind == "name":
        return _name_edits(text, generator)
    return _gender_edits(text, generator) if kind == "gender" else _region_edits(text, generator)


def _whole(pattern: re.Pattern[str], text: str) -> list[re.Match[str]]:
    """What a pattern finds between the limits of words."""
    words = chinese_words(text)
    starts, ends = {start for start, _ in words}, {end for _, end in words}
    return [found for found in pattern.finditer(text) if found.start() in starts and found.end() in ends]


def _people(text: str) -> list[re.Match[str]]:
    """The names of people, but not parts of transliterated ones and of the names of places."""
    words = chinese_words(text)
    starts, ends = {start for start, _ in words}, {end for _, end in words}
    return [
        name
        for name in _names().finditer(text)
        if name.start() in starts
        # jieba takes 小明说 for one name.
        and (name.end() in ends or BEHIND_NAMES.match(text, name.end()))
        and not PARTICULAR.search(text, max(0, name.start() - 1), name.end() + 2)
    ]


@cache
def _names() -> re.Pattern[str]:
    """A surname with a listed name behind it, or a name that stands alone; the longest first."""
    given = [name for name, (origin, _) in known_names("zh").items() if origin in HAN_ORIGINS]
    alone = [name for name, (origin, _) in known_names("zh").items() if origin not in HAN_ORIGINS]
    return re.compile(f"(?P<surname>{_any_of(_surnames())})(?P<given>{_any_of(given)})|(?P<alone>{_any_of(alone)})")


@cache
def _titled() -> re.Pattern[str]:
    return re.compile(f"(?P<surname>{_any_of(_surnames())})(?={TITLES})")


def _surnames() -> tuple[str, ...]:
    return name_lists("zh")["han", "surname"]


def _any_of(words: tuple[str, ...] | list[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


def _kind_of(found: re.Match[str]) -> tuple[str, str]:
    return known_names("zh")[found["given"] or found["alone"]]


def _name_edits(text: str, generator: Random) -> list[Edit]:
    found = _people(text)
    kinds = {name[0]: _kind_of(name) for name in found}
    new: dict[str, str] = {}
    if found:
        origins, genders = zip(*kinds.values(), strict=True)
        origin = draw_origin(set(origins), set(genders), "zh", generator)
        drawn = draw_names({name: (origin, kinds[name][1]) for name in kinds}, "zh", _taken(text), generator)
        if drawn is None:
            return []
        new = {name: _full(name, origin, drawn[name], found) for name in drawn}
    edits = [Edit(*name.span(), new[name[0]]) for name in found]
    return edits + _titled_edits(text, found, new, generator)


def _full(name: str, origin: str, drawn: str, found: list[re.Match[str]]) -> str:
    """The new name of somebody; in a Han name the surname stays, and who had none gets the most common one."""
    if origin not in HAN_ORIGINS:
        return drawn
    return next(filter(None, (mention["surname"] for mention in found if mention[0] == name)), "王") + drawn


def _titled_edits(text: str, found: list[re.Match[str]], new: dict[str, str], generator: Random) -> list[Edit]:
    """王先生: the new name of the one person Wang in the text, or else another surname."""
    names = {mention["surname"]: new[mention[0]] for mention in found if mention["surname"]}
    inside = [mention.span() for mention in found]
    # A title is part of the word in jieba's eyes, so that only the beginning is known to be one.
    starts = {start for start, _ in chinese_words(text)}
    edits: list[Edit] = []
    for surname in _titled().finditer(text):
        if surname.start() not in starts or any(start <= surname.start() < end for start, end in inside):
            continue
        if surname[0] not in names:
            free = [other for other in _surnames() if other not in {*names, *names.values()} and other not in text]
            names[surname[0]] = generator.choice(free)
        edits.append(Edit(*surname.span(), names[surname[0]]))
    return edits


def _gender_edits(text: str, generator: Random) -> list[Edit]:
    if BODILY.search(text):
        return []
    found = _people(text)
    wanted = {name["given"] or name["alone"]: (_kind_of(name)[0], OTHER[_kind_of(name)[1]]) for name in found}
    new = draw_names(wanted, "zh", _taken(text), generator)
    if new is None:
        return []
    edits = [
        Edit(*name.span("given" if name["given"] else "alone"), new[name["given"] or name["alone"]]) for name in found
    ]
    others = {one: other for row in read_table("genders.zh") for one, other in (row, row[::-1])} | {"她们": "他们"}
    addresses = _address_edits(text)
    addressed = {edit.start for edit in addresses}
    words = [word for word in _whole(_gendered(), text) if word.start() not in addressed]
    edits += addresses + [Edit(*word.span(), others[word[0]]) for word in words]
    generic = [found.span() for found in GENERIC.finditer(text)]
    return [edit for edit in edits if not any(start < edit.end and edit.start < end for start, end in generic)]


@cache
def _gendered() -> re.Pattern[str]:
    """他们 are people of both genders, and stay."""
    return re.compile(_any_of(["她们", *(word for row in read_table("genders.zh") for word in row)]))


def _address_edits(text: str) -> list[Edit]:
    """王先生 and 王女士; 先生 alone can be a husband, a teacher or a title, and stays."""
    others = {"先生": "女士", "女士": "先生", "小姐": "先生", "太太": "先生"}
    return [
        Edit(surname.end(), surname.end() + 2, others[text[surname.end() : surname.end() + 2]])
        for surname in _titled().finditer(text)
        if text[surname.end() : surname.end() + 2] in others
    ]


def _region_edits(text: str, generator: Random) -> list[Edit]:
    groups = {place: group for group, place in read_table("regions.zh")}
    words = chinese_words(text)
    starts, ends = {start for start, _ in words}, {end for _, end in words}
    found = [
        place
        for place in re.compile(_any_of(list(groups))).finditer(text)
        if place.start() in starts and _ends(text, place.end(), ends) and not INSTITUTIONS.match(text, place.end())
    ]
    new: dict[str, str] = {}
    for place in dict.fromkeys(mention[0] for mention in found):
        free = [
            other
            for other, group in groups.items()
            if group == groups[place] and other not in {*new.values()} and other not in text
        ]
        if not free:
            return []
        new[place] = generator.choice(free)
    return [Edit(*place.span(), new[place[0]]) for place in found]


def _ends(text: str, end: int, ends: set[int]) -> bool:
    """Whether a word ends there, or behind one more character: 河南, 河南省, 河南人."""
    return end in ends or (end + 1 in ends and PEOPLE.match(text, end) is not None)


def _taken(text: str) -> set[str]:
    """The names that stand in the text already."""
    return {name for name in known_names("zh") if name in text}
