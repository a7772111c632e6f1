from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.core.errors import UserError
from tunelift.evaluation.safety.persons import known_names
from tunelift.evaluation.safety.swaps import KINDS, swap, swap_fields

ENGLISH = "Emily James her his him he she Mr. Mrs. an a Indian Germany woman men King of the . ? '"
CHINESE = "王伟 他 她们 王女士 其他 河南省 小明 女儿 的 说 ，"
WORDS = st.sampled_from([*ENGLISH.split(), *CHINESE.split()])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He saw her and gave her his book.", "She saw him and gave him her book."),
        ("She told her mother that the car is hers.", "He told his father that the car is his."),
        ("The choice is his.", "The choice is hers."),
        ("It took her 20 minutes to make her bed.", "It took him 20 minutes to make his bed."),
        ("They let her go; her dog stayed with her.", "They let him go; his dog stayed with him."),
        ("She's proud of herself.", "He's proud of himself."),
        ("HE SAID IT.", "SHE SAID IT."),
        ("An actress came.", "An actor came."),
        ("A waiter and an actor", "A waitress and an actress"),
        ("Her husband is a policeman.", "His wife is a policewoman."),
        ("Mr. Darcy and Mrs Hill", "Ms. Darcy and Mr Hill"),
        ("Mom called Uncle Tobias.", "Dad called Aunt Tobias."),
    ],
)
def test_english_gender(text: str, expected: str) -> None:
    assert swap(text, "en", "gender", Random(1)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "The theme is there.",
        "Everybody knows what he or she wants.",
        "A user can change his/her password.",
        "She is pregnant with her first child.",
        "I ate at Burger King on Mother's Day.",
        "Write to her@example.com or @she.",
        "Ladies and gentlemen, welcome.",
        "",
    ],
)
def test_english_texts_without_a_gender_to_swap(text: str) -> None:
    assert swap(text, "en", "gender", Random(1)) is None


def test_english_names_keep_their_gender_and_are_the_same_at_every_mention() -> None:
    text = "Emily Smith met James. James's dog likes Emily, and Mrs. Smith likes James' dog."
    people, surnames = known_names("en"), known_names("en", ("surname",))
    for seed in range(20):
        found = swap(text, "en", "name", Random(seed))
        assert found is not None
        match = re.fullmatch(r"(\w+) (\w+) met (\w+)\. \3's dog likes \1, and Mrs\. \2 likes \3's dog\.", found)
        assert match is not None
        assert (people[match[1]][1], people[match[3]][1]) == ("female", "male")
        assert len({people[match[1]][0], people[match[3]][0], surnames[match[2]][0]}) == 1
        assert people[match[1]][0] != "english"


@pytest.mark.parametrize(
    "text",
    ["Emily Dickinson wrote poems.", "King James ruled.", "St. John was here", "Johnson & Co", "Emilys", "emily"],
)
def test_names_of_somebody_in_particular_stay(text: str) -> None:
    assert swap(text, "en", "name", Random(1)) is None


def test_english_regions() -> None:
    for seed in range(30):
        found = swap("An Indian chef from India taught two Indians.", "en", "region", Random(seed))
        assert found is not None
        match = re.fullmatch(r"(An?) (.+) chef from (.+) taught two (.+)s\.", found)
        assert match is not None
        assert match[2] == match[4] != "Indian"
        assert (match[1] == "An") == (match[2][0] in "AEIOU")
    assert swap("She moved from Ohio to Texas.", "en", "region", Random(1)) not in (None, "")
    for text in ("New Mexico", "Ohio State", "the Indian Ocean", "Put it into German.", "South America", "china"):
        assert swap(text, "en", "region", Random(1)) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("她的儿子和其他人弹吉他。", "他的女儿和其他人弹吉他。"),
        ("王先生说他很满意。", "王女士说她很满意。"),
        ("李女士的女儿是男演员吗？", "李先生的儿子是女演员吗？"),
        ("小女孩找爸爸。", "小男孩找妈妈。"),
    ],
)
def test_chinese_gender(text: str, expected: str) -> None:
    assert swap(text, "zh", "gender", Random(1)) == expected


@pytest.mark.parametrize(
    "text", ["其他人在弹吉他。", "他们都来了。", "请用户填写他/她的地址。", "她怀孕了。", "维他命"]
)
def test_chinese_texts_without_a_gender_to_swap(text: str) -> None:
    assert swap(text, "zh", "gender", Random(1)) is None


def test_chinese_names() -> None:
    text = "小明问王建国：“王先生，小红来了吗？”小明走了。"
    seen = set()
    for seed in range(30):
        found = swap(text, "zh", "name", Random(seed))
        assert found is not None
        match = re.fullmatch(r"(.+)问(.+)：“(.+)先生，(.+)来了吗？”\1走了。", found)
        assert match is not None
        assert match[2] == match[3]
        assert len({match[1], match[2], match[4]}) == 3
        names = known_names("zh")
        genders = [(names.get(match[i]) or names[match[i].removeprefix("王")])[1] for i in (1, 2, 4)]
        assert genders == ["male", "male", "female"]
        seen.add(match[1])
    assert len(seen) > 5
    for text in ("胡志明市很热。", "约翰·丁加特说", "钱总是不够。", "王伟明来了。"):
        assert swap(text, "zh", "name", Random(1)) is None


def test_chinese_regions() -> None:
    found = swap("河南人到河南省和浙江旅游，也去美国。", "zh", "region", Random(4))
    assert found is not None
    match = re.fullmatch(r"(.+)人到\1省和(.+)旅游，也去(.+)。", found)
    assert match is not None
    assert len({"河南", "浙江", match[1], match[2]}) == 4
    assert match[3] != "美国"
    assert swap("他在河南大学读书。", "zh", "region", Random(1)) is None


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", KINDS)
@given(words=st.lists(WORDS, max_size=12), seed=st.integers(0, 3))
def test_any_text(language: str, kind: str, words: list[str], seed: int) -> None:
    text = ("" if language == "zh" else " ").join(words)
    found = swap(text, language, kind, Random(seed))
    assert found != text
    assert found == swap(text, language, kind, Random(seed))


def test_choices_stay_and_with_them_the_text() -> None:
    text = "Emily and Rachel race. Emily wins. Who wins?"
    assert swap(text, "en", "name", Random(1)) is not None
    assert swap(text, "en", "name", Random(1), ["Emily", "Rachel"]) is None
    assert swap(text, "en", "name", Random(1), ["yes", "no"]) is not None
    assert swap("Is he a man or a woman?", "en", "gender", Random(1), ["man", "woman"]) is None


def test_fields_are_swapped_together() -> None:
    fields = {"text": "Emily left.", "question": "Where is Emily?", "label": "Emily", "n": 3}
    found = swap_fields(fields, ["text", "question", "n"], "en", "name", Random(2))
    assert found is not None
    name = found["text"].split()[0]
    assert found == {"text": f"{name} left.", "question": f"Where is {name}?", "label": "Emily", "n": 3}
    assert fields["text"] == "Emily left."
    assert swap_fields(fields, ["n"], "en", "name", Random(2)) is None
    assert swap_fields({"text": "Emily\0"}, ["text"], "en", "name", Random(2)) is None


def test_unknown_names() -> None:
    with pytest.raises(UserError, match='did you mean "gender"'):
        swap("x", "en", "genders", Random(1))
    with pytest.raises(UserError, match="no word lists"):
        swap("x", "de", "name", Random(1))
