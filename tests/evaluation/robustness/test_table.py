"""What holds for every perturbation, on real texts and on any."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk import edit_distance

from tunelift.core.errors import UserError
from tunelift.evaluation.robustness.edits import DECISIVE, protected_spans, share
from tunelift.evaluation.robustness.segmentation import chinese_signs, english_words
from tunelift.evaluation.robustness.table import PERTURBATIONS, Perturbation, perturb_item, perturbations_of

pytest.importorskip("pypinyin")
Texts = Callable[[str], list[str]]

every = pytest.mark.parametrize("entry", PERTURBATIONS, ids=lambda entry: f"{entry.name}-{entry.language}")
# Those that change words or characters one by one, so that what decides an answer has to stay.
SINGLE = {"typos", "keyboard", "lookalikes", "homophones", "near-homophones", "synonyms", "word-order"}
# The largest edit distance of one touched unit.
DISTANCE = {
    ("typos", "en"): 2,
    ("typos", "zh"): 2,
    ("keyboard", "en"): 1,
    ("lookalikes", "en"): 2,
    ("lookalikes", "zh"): 1,
    ("homophones", "zh"): 1,
    ("near-homophones", "zh"): 1,
}


def units(text: str, language: str) -> int:
    return len(english_words(text)) if language == "en" else len(chinese_signs(text))


@every
def test_strength_0_is_identity(entry: Perturbation, texts: Texts) -> None:
    for text in texts(entry.language):
        assert entry.perturb(text, Random(1), 0) == text


@every
def test_the_same_draws_give_the_same_text(entry: Perturbation, texts: Texts) -> None:
    for index, text in enumerate(texts(entry.language)):
        once, again = (perturb_item(str(index), text, entry, 0.5, 7) for _ in range(2))
        assert once == again


@every
def test_real_texts_change(entry: Perturbation, texts: Texts) -> None:
    """Spelling and the order of clauses differ in few tweets, all others in many."""
    changed = [perturb_item(str(at), text, entry, 0.5, 7) != text for at, text in enumerate(texts(entry.language))]
    rare = {("spellings", "en"), ("clause-order", "en"), ("sentence-order", "en")}
    assert sum(changed) >= (1 if (entry.name, entry.language) in rare else 0.2 * len(changed))


@every
def test_protected_strings_survive(entry: Perturbation, texts: Texts) -> None:
    draws = Random(3)
    for text in texts(entry.language):
        at = draws.randrange(len(text))
        words = re.findall(r"\w+|[^\w\s]+", text)
        protected = [draws.choice(words), text[at : at + 5].strip()]
        changed = entry.perturb(text, draws, 1, protected)
        for string in filter(None, protected):
            before = len(protected_spans(text, [string]))
            assert changed.casefold().count(string.casefold()) >= before


@every
def test_the_other_language_is_left_alone(entry: Perturbation, texts: Texts) -> None:
    # Chinese reviews hold English words, whose perturbation is right.
    others = texts("en") if entry.language == "zh" else [re.sub("[!-~]", "", text) for text in texts("zh")]
    for text in others:
        assert entry.perturb(text, Random(1), 1) == text


@pytest.mark.parametrize(
    "entry", [entry for entry in PERTURBATIONS if entry.name in SINGLE], ids=lambda entry: entry.name + entry.language
)
def test_negations_and_numbers_stay(entry: Perturbation, texts: Texts) -> None:
    for text in texts(entry.language):
        before = Counter(found[0] for found in DECISIVE.finditer(text))
        after = Counter(found[0] for found in DECISIVE.finditer(entry.perturb(text, Random(1), 1)))
        assert before <= after


@pytest.mark.parametrize(
    "entry",
    [entry for entry in PERTURBATIONS if (entry.name, entry.language) in DISTANCE],
    ids=lambda entry: entry.name + entry.language,
)
@pytest.mark.parametrize("strength", [0.05, 0.3])
def test_edit_distance_is_bounded(entry: Perturbation, strength: float, texts: Texts) -> None:
    most = DISTANCE[entry.name, entry.language]
    for text in texts(entry.language)[:15]:
        changed = entry.perturb(text, Random(1), strength)
        assert edit_distance(text, changed) <= most * share(strength, units(text, entry.language))


@every
@settings(max_examples=20)
@given(text=st.text(max_size=60), seed=st.integers(0, 3), strength=st.floats(0, 1))
def test_any_text_is_taken(entry: Perturbation, text: str, seed: int, strength: float) -> None:
    assert isinstance(entry.perturb(text, Random(seed), strength, [text[:3]]), str)
    assert entry.perturb(text, Random(seed), 0) == text


@every
@pytest.mark.parametrize("text", ["", " ", "\n", "?", "😀", "a", "好", "http://t.co/x", "😀房间 good 很好👍🏽"])
def test_short_texts(entry: Perturbation, text: str) -> None:
    assert entry.perturb(text, Random(1), 1, [text]) or text == ""
    with pytest.raises(ValueError, match="between 0 and 1"):
        entry.perturb(text, Random(1), 1.5)


def test_draws_depend_on_the_item_alone(texts: Texts) -> None:
    entry = perturbations_of("en", ["typos"])[0]
    text = texts("en")[0]
    alone = perturb_item("a", text, entry, 0.3, 7)
    assert alone == perturb_item("a", text, entry, 0.3, 7)
    assert len({perturb_item(name, text, entry, 0.3, 7) for name in "abcdef"}) > 3
    assert len({perturb_item("a", text, entry, 0.3, seed) for seed in range(6)}) > 3


def test_names() -> None:
    assert len({(entry.name, entry.language) for entry in PERTURBATIONS}) == len(PERTURBATIONS)
    assert [entry.name for entry in perturbations_of("zh", ["width", "typos"])] == ["width", "typos"]
    assert len(perturbations_of("en")) + len(perturbations_of("zh")) == len(PERTURBATIONS)


def test_errors_name_the_nearest() -> None:
    with pytest.raises(UserError, match='did you mean "typos"'):
        perturbations_of("en", ["typo"])
    with pytest.raises(UserError, match="en or zh"):
        perturbations_of("fr")
