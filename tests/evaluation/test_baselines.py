from __future__ import annotations

import random
from importlib.util import find_spec

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from tunelift.core.errors import UserError
from tunelift.evaluation.baselines import fit_majority, fit_nearest, fit_nearest_embedding, fit_tfidf
from tunelift.models.bundled import MODELS
from tunelift.models.embedder import NAME, embed_texts

TARGETS = ["negative", "neutral", "positive"]
FILLERS = ["the", "a", "was", "is", "very", "not", "my"]
TOPICS = {
    "negative": "bad late broken rude",
    "neutral": "gate ticket flight Tuesday",
    "positive": "good thanks great fine",
}


def rows(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Texts whose words tell their class in most cases."""
    draw = random.Random(seed)
    texts, targets = [], []
    for _ in range(count):
        target = draw.choice(TARGETS)
        topic = TOPICS[target if draw.random() < 0.8 else draw.choice(TARGETS)].split()
        texts.append(" ".join([draw.choice(topic), *draw.choices(FILLERS, k=4)]))
        targets.append(target)
    return texts, targets


def test_the_majority_is_the_most_frequent_answer() -> None:
    assert fit_majority(["b", "a", "b", "c"])(["x", "y"]) == ["b", "b"]
    assert fit_majority(["b", "a", "b", "a"])(["x"]) == ["a"]
    assert fit_majority(["a"])([]) == []


STRENGTHS = [1.0, 10.0, 100.0]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("validation", "strength"), [(rows(60, 2), 1.0), (rows(60, 5), 10.0), (rows(120, 1), 100.0), (([], []), 10.0)]
)
def test_tfidf_predicts_what_scikit_learn_does(
    language: str, validation: tuple[list[str], list[str]], strength: float
) -> None:
    """Written out without a pipeline: the strength of the regularisation is the best on the validation split."""
    (texts, targets), (unseen, _) = rows(120, 1), rows(80, 3)
    grams = {"analyzer": "char", "ngram_range": (1, 3)} if language == "zh" else {"ngram_range": (1, 2)}
    vectors = TfidfVectorizer(sublinear_tf=True, **grams)
    features = vectors.fit_transform(texts)
    models = [LogisticRegression(C=strength, max_iter=2000).fit(features, targets) for strength in STRENGTHS]
    if validation[0]:
        right = [sum(model.predict(vectors.transform(validation[0])) == validation[1]) for model in models]
        assert STRENGTHS[right.index(max(right))] == strength
    answers = [list(model.predict(vectors.transform(unseen))) for model in models]
    predict = fit_tfidf(texts, targets, validation, language, seed=7)
    assert predict(unseen) == answers[STRENGTHS.index(strength)]
    assert answers[0] != answers[1] != answers[2]
    assert set(answers[0]) == set(TARGETS)


def test_chinese_is_counted_by_characters() -> None:
    texts = ["房间干净服务好", "非常好", "服务差", "太差了", "很好吃", "差评"]
    targets = ["正面", "正面", "负面", "负面", "正面", "负面"]
    predict = fit_tfidf(texts, targets, (texts, targets), "zh", seed=7)
    assert predict(["好极了", "真差"]) == ["正面", "负面"]


def test_one_answer_only() -> None:
    predict = fit_tfidf(["a good text", "another"], ["yes", "yes"], (["x"], ["no"]), "en", seed=7)
    assert predict(["whatever", "else"]) == ["yes", "yes"]


@pytest.mark.parametrize("texts", [["🙂", "🙁", "🙂🙂", "🙁!"], ["1", "0", "1!", "0?"]])
def test_texts_without_words(texts: list[str]) -> None:
    targets = ["yes", "no", "yes", "no"]
    assert fit_tfidf(texts, targets, (texts, targets), "en", seed=7)(texts) == targets


def test_answers_and_texts_not_seen_in_training() -> None:
    texts, targets = rows(30, 1)
    predict = fit_tfidf(texts, targets, (["new words"], ["another answer"]), "en", seed=-1)
    assert set(predict(["", "quite different", "好"])) <= set(TARGETS)


def test_without_training_rows_there_is_nothing_to_fit() -> None:
    for fit in (lambda: fit_majority([]), lambda: fit_tfidf([], [], (["x"], ["no"]), "en", seed=7)):
        with pytest.raises(UserError, match="need training rows, and there are none - name a training_split"):
            fit()


def test_the_nearest_question_is_found_by_its_words() -> None:
    texts = ["the parcel was lost on its way", "the shop sent a bill twice", "a screw is missing in the box"]
    predict = fit_nearest(texts, ["delivery", "billing", "product"], "en")
    assert predict(["they sent the same bill again", "my parcel was lost"]) == ["billing", "delivery"]


def test_the_nearest_embedding_is_that_of_scikit_learn_on_standardised_dimensions() -> None:
    draw = np.random.default_rng(4)
    scale = np.array([1e3, 1.0, 1.0, 1e-2, 0.0])  # one dimension outweighs all others, one is always the same
    table = {f"text {at}": row for at, row in enumerate(draw.normal(5, 1, (60, 5)) * scale)}
    texts, targets = list(table), [str(at % 7) for at in range(60)]
    predict = fit_nearest_embedding(texts[:40], targets[:40], lambda asked: np.array([table[text] for text in asked]))
    rows = StandardScaler().fit(list(table.values())[:40]).transform(list(table.values()))
    neighbours = KNeighborsClassifier(1, metric="cosine", algorithm="brute").fit(rows[:40], targets[:40])
    assert predict(texts[40:]) == list(neighbours.predict(rows[40:]))
    assert predict(texts[:40]) == targets[:40]
    plain = KNeighborsClassifier(1, metric="cosine", algorithm="brute").fit(list(table.values())[:40], targets[:40])
    assert list(plain.predict(list(table.values())[40:])) != predict(texts[40:])


@pytest.mark.skipif(find_spec(MODELS[NAME].parts[0][0]) is None, reason=f"{NAME} is not installed")
def test_embeddings_find_what_is_said_in_other_words() -> None:
    texts = [
        "The film was a waste of my evening.",
        "The meal tasted wonderful.",
        "The bus came an hour behind schedule.",
    ]
    targets = ["cinema", "food", "travel"]
    asked = ["What a boring movie!", "Such a delicious dinner.", "Our train is late again."]
    assert fit_nearest_embedding(texts, targets, embed_texts)(asked) == targets
    assert fit_nearest(texts, targets, "en")(asked) != targets


def test_without_training_rows_nothing_is_near() -> None:
    with pytest.raises(UserError, match="need training rows"):
        fit_nearest_embedding([], [], embed_texts)
    assert fit_nearest_embedding(["a", "b"], ["yes", "yes"], embed_texts)(["c"]) == ["yes"]
