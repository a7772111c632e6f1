from __future__ import annotations

import importlib.util
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunelift.core.records import Source
from tunelift.data.bundled import PACKAGES, read_bundled
from tunelift.evaluation.contamination import overlap
from tunelift.evaluation.contamination.overlap import Contamination, Thresholds, find_overlaps

ENGLISH = [
    "Where do emperor penguins breed, and how do the males keep the single egg warm during the long winter?",
    "A train leaves Bristol at nine and arrives in London at a quarter to eleven; how long was it under way?",
    "Name the gas that plants take in through their leaves when the sun is shining on them.",
    "Which painter cut off part of his own ear and later painted himself with the bandage?",
]
CHINESE = [
    "帝企鹅在什么地方繁殖，雄企鹅又是怎样在漫长的冬天里给唯一的一枚蛋保温的？",
    "这家酒店离地铁站很近，房间虽然不大但是非常干净，前台的服务态度也特别好。",
    "请问植物在阳光照射下通过叶片吸收的是空气中的哪一种气体？",
    "哪一位画家曾经割下自己的一部分耳朵，后来又画了一幅缠着绷带的自画像？",
]
# Alike in subject or wording, but nothing that an item could be answered from.
UNRELATED = [
    "King penguins live on islands further north and take turns in keeping their egg warm on their feet.",
    "A train that leaves Leeds at ten is late by half an hour because of snow on the line.",
    "这家餐厅离地铁站不远，菜的味道一般，服务员也不太热情，不会再来了。",
    "哪一位作曲家在失去听力以后仍然写出了他最有名的交响曲？",
]


def find(training: list[str], test: list[str], **keys) -> Contamination:
    sources = [Source("train.jsonl", number) for number in range(1, len(training) + 1)]
    return find_overlaps(training, sources, test, **keys)


def only(training: str, test: str) -> tuple[str, float] | None:
    (found,) = find([training], [test]).overlaps
    return (found.kind, found.similarity) if found else None


@pytest.mark.parametrize("items", [ENGLISH, CHINESE])
def test_planted_copies_are_found_with_their_row(items: list[str]) -> None:
    copy, edited, inside, _ = items
    half = len(edited) // 2
    training = [
        *UNRELATED,
        copy.upper() + " ",
        f"{edited[: half - 3]}{edited[half:]}",
        f"{UNRELATED[0]} {inside} {UNRELATED[2]} {UNRELATED[1]}",
    ]
    result = find(training, items)
    kinds = [(found.kind, found.row, found.source) if found else None for found in result.overlaps]
    assert kinds == [
        ("exact", 4, Source("train.jsonl", 5)),
        ("near-duplicate", 5, Source("train.jsonl", 6)),
        ("n-grams", 6, Source("train.jsonl", 7)),
        None,
    ]
    assert result.clean.tolist() == [False, False, False, True]
    assert result.counts == {"exact": 1, "near-duplicate": 1, "n-grams": 1, "paraphrase": 0}
    assert [found.similarity for found in result.overlaps if found][::2] == [1.0, 1.0]


def test_unrelated_texts_are_not_found() -> None:
    assert find(UNRELATED, ENGLISH + CHINESE).clean.all()


@pytest.mark.parametrize(
    ("row", "item", "kind"),
    [
        (
            "good morning, i am lost: where is the nearest bank, please?",
            "where is the nearest bank",
            "n-grams",
        ),  # three n-grams, whole
        ("tell me, where is the nearest cash machine", "where is the nearest pharmacy", None),
        ("well, can you tell me more about those famous old cathedrals", "can you tell me", None),  # two n-grams
        ("他说今天的天气真的很好啊，我们一起去爬山吧", "今天的天气真的很好", "n-grams"),
        ("他说今天的天气不好，我们留在家里看书吧", "今天的天气真的很好", None),
    ],
)
def test_short_items_inside_a_text(row: str, item: str, kind: str | None) -> None:
    found = only(row, item)
    assert (found and found[0]) == kind


@pytest.mark.parametrize(
    "instruction",
    [
        "Read the following sentence carefully and say whether its tone is positive, negative or neutral:",
        "请仔细阅读下面的句子，然后判断它表达的情感是正面、负面还是中性：",
    ],
)
def test_an_instruction_that_all_share_is_no_overlap(instruction: str) -> None:
    training = [f"{instruction} c{n}a c{n}b" for n in range(30)]
    test = [f"{instruction} d{n}a d{n}b" for n in range(15)] + ["c3a c3b"]
    assert find(training[:1], test[:1]).counts["near-duplicate"] == 1, "one instruction alone looks like content"
    result = find(training, test)
    assert result.clean.tolist() == [True] * 15 + [False]
    assert result.overlaps[-1].row == 3


def test_an_item_repeated_in_many_rows_is_found() -> None:
    rows = [f"x{n}a x{n}b {ENGLISH[1]} y{n}a y{n}b" for n in range(30)]
    assert find(rows, ENGLISH).clean.tolist() == [True, False, True, True]


def test_paraphrases_are_found_by_their_embeddings() -> None:
    vectors = {
        "first": [3.0, 4.0],
        "close": [30.0, 41.0],
        "far": [-4.0, 3.0],
        "second": [8.0, -6.0],
        "none": [0.0, 0.0],
    }
    result = find(["far", "close"], ["first", "second", "none"], embed=lambda texts: [vectors[text] for text in texts])
    first = result.overlaps[0]
    assert (first.kind, first.row) == ("paraphrase", 1)
    assert first.similarity == pytest.approx((3 * 30 + 4 * 41) / (5 * np.hypot(30, 41)))
    assert result.clean.tolist() == [False, True, True]
    assert result.counts["paraphrase"] == 1


def test_the_more_certain_kind_is_reported() -> None:
    training = [f"{UNRELATED[0]} {ENGLISH[0]}", ENGLISH[0].replace("winter", "winters"), ENGLISH[0]]
    embed = lambda texts: np.ones((len(texts), 2))  # noqa: E731
    for rows, kind in ((3, "exact"), (2, "near-duplicate"), (1, "n-grams")):
        (found,) = find(training[:rows], ENGLISH[:1], embed=embed).overlaps
        assert (found.kind, found.row) == (kind, rows - 1)
    assert find(training[:1], ENGLISH[1:2], embed=embed).overlaps[0].kind == "paraphrase"


def test_thresholds_decide() -> None:
    training = [ENGLISH[0].replace("emperor penguins", "the birds")]
    similarity = find(training, ENGLISH[:1]).overlaps[0].similarity
    strict = Thresholds(near=similarity + 0.01, ngrams=1.0)
    assert find(training, ENGLISH[:1], thresholds=strict).clean.all()
    equal = Thresholds(near=similarity, ngrams=1.0)
    assert not find(training, ENGLISH[:1], thresholds=equal).clean.any()


def test_nothing_to_compare() -> None:
    assert find([], ENGLISH).clean.all()
    assert find(ENGLISH, []).overlaps == ()
    assert find(["", "👍"], ["?", ""], embed=lambda texts: np.zeros((len(texts), 3))).overlaps[0] is None


def test_each_training_text_needs_a_source() -> None:
    with pytest.raises(ValueError, match="2 training texts have 1 sources"):
        find_overlaps(["a", "b"], [Source("rows.jsonl", 1)], ["a"])


TEXTS = st.lists(
    st.lists(st.sampled_from(["alpha", "beta", "gamma", "好", "坏", "的"]), min_size=1, max_size=12).map(" ".join),
    max_size=8,
)


@settings(max_examples=30, deadline=None)
@given(TEXTS, TEXTS, st.randoms())
def test_the_order_of_rows_and_items_does_not_matter(training: list[str], test: list[str], chance) -> None:
    rows, items = (chance.sample(range(len(part)), len(part)) for part in (training, test))
    expected = find(training, test).overlaps
    found = find([training[row] for row in rows], [test[item] for item in items]).overlaps
    for item, overlap_ in zip(items, found, strict=True):
        before = expected[item]
        assert (overlap_ and (overlap_.kind, overlap_.similarity)) == (before and (before.kind, before.similarity))


@settings(max_examples=30, deadline=None)
@given(TEXTS, TEXTS)
def test_the_size_of_blocks_does_not_matter(training: list[str], test: list[str]) -> None:
    expected = find(training, test)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlap, "BLOCK", 30)
        assert find(training, test) == expected


@settings(max_examples=30, deadline=None)
@given(TEXTS.filter(lambda texts: len(texts) > 1))
def test_equality_and_nearness_are_symmetric_containment_is_not_below_them(texts: list[str]) -> None:
    one, other = texts[:2]
    there, back = only(one, other), only(other, one)
    if (there and there[0]) in ("exact", "near-duplicate"):
        assert there == back
    assert not find(texts, texts).clean.any()


def planted(texts: list[str], others: list[str], chance: random.Random) -> dict[str, list[str]]:
    """Copies of texts: as they are, with a word in fifteen missing, with halves swapped, and between two others."""
    halves = [(text[: len(text) // 2], text[len(text) // 2 :]) for text in texts]
    separator = " " if " " in texts[0] else ""
    words = [text.split(" ") if separator else list(text) for text in texts]
    return {
        "copied": texts,
        "edited": [separator.join(word for word in part if chance.random() > 1 / 15) for part in words],
        "reordered": [f"{second} {first}" for first, second in halves],
        "inside": [f"{chance.choice(others)} {text} {chance.choice(others)}" for text in texts],
    }


@pytest.mark.parametrize("name", ["bundled/tweets", "bundled/reviews-zh"])
def test_precision_and_recall_on_real_texts(name: str) -> None:
    if not importlib.util.find_spec(PACKAGES[name][0]):
        pytest.skip("package not installed")
    texts = list(dict.fromkeys(row.fields["text"] for row in read_bundled(name).rows))
    chance = random.Random(7)
    chance.shuffle(texts)
    texts = [text for text in texts if 30 <= len(text) <= 300][:800]
    training, items, others = texts[:500], texts[500:600], texts[600:]
    assert find(training, others).clean.mean() > 0.95  # there are real near duplicates among tweets
    for kind, copies in planted(items, training, chance).items():
        result = find(training + copies, items)
        right = [found is not None and found.row == 500 + n for n, found in enumerate(result.overlaps)]
        assert np.mean(right) > (0.9 if kind in ("copied", "inside") else 0.8), kind
