from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tunelift.data.bundled import TWEETS, read_bundled
from tunelift.evaluation.robustness.attack import Attacked, Item, attack
from tunelift.evaluation.robustness.edits import protected_spans
from tunelift.evaluation.robustness.summary import attack_success, rate, worst_case
from tunelift.evaluation.robustness.table import perturbations_of

PERTURB = perturbations_of("en", ["typos", "keyboard", "lookalikes", "synonyms", "case", "word-order", "distractors"])
Losses = Callable[[Sequence[str], Sequence[str]], np.ndarray]


@pytest.fixture(scope="session")
def classifier(tweets: list[tuple[str, str]]) -> Any:
    """A real classifier of real tweets, none of which are attacked."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    attacked = {text for text, _ in tweets}
    rows = [row.fields for row in read_bundled(TWEETS).rows[::11] if row.fields["text"] not in attacked]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10, max_iter=200))
    return model.fit([row["text"] for row in rows], [row["sentiment"] for row in rows])


@pytest.fixture(scope="session")
def items(tweets: list[tuple[str, str]]) -> list[Item]:
    return [Item(str(at), text) for at, (text, _) in enumerate(tweets)]


@pytest.fixture(scope="session")
def losses(classifier: Any, tweets: list[tuple[str, str]]) -> Losses:
    column = {label: at for at, label in enumerate(classifier.classes_)}

    def of(ids: Sequence[str], texts: Sequence[str]) -> np.ndarray:
        targets = [column[tweets[int(item)][1]] for item in ids]
        return -np.log(classifier.predict_proba(texts)[np.arange(len(texts)), targets])

    return of


def right(classifier: Any, tweets: list[tuple[str, str]], texts: Sequence[str]) -> np.ndarray:
    return (classifier.predict(texts) == [label for _, label in tweets]).astype(float)


@pytest.fixture(scope="session")
def found(items: list[Item], losses: Losses) -> list[Attacked]:
    return attack(items, PERTURB, losses, budget=16, rounds=4, strength=0.2, seed=7)


def test_an_attack_lowers_accuracy(
    found: list[Attacked], classifier: Any, tweets: list[tuple[str, str]], items: list[Item]
) -> None:
    before = right(classifier, tweets, [item.text for item in items])
    after = right(classifier, tweets, [result.text for result in found])
    assert before.mean() > 0.5
    assert worst_case(before, [after]).mean() < before.mean() - 0.1
    assert rate(attack_success(before, after), np.ones((1, len(items))))[0] > 0.1


def test_losses_are_those_of_the_texts(found: list[Attacked], losses: Losses, items: list[Item]) -> None:
    assert [result.id for result in found] == [item.id for item in items]
    assert np.allclose([result.loss for result in found], losses([r.id for r in found], [r.text for r in found]))
    assert np.allclose([r.clean_loss for r in found], losses([i.id for i in items], [i.text for i in items]))
    for result, item in zip(found, items, strict=True):
        assert (result.loss > result.clean_loss) == (result.text != item.text) == bool(result.perturbations)
        assert len(result.perturbations) <= 4
        assert result.evaluations <= 16


def test_one_call_for_all_items_of_a_round(items: list[Item], losses: Losses) -> None:
    calls: list[int] = []

    def counted(ids: Sequence[str], texts: Sequence[str]) -> np.ndarray:
        calls.append(len(texts))
        return losses(ids, texts)

    results = attack(items, PERTURB, counted, budget=10, rounds=3, seed=7)
    assert len(calls) == 4
    assert calls[0] == len(items)
    assert sum(calls[1:]) == sum(result.evaluations for result in results) <= 10 * len(items)


def test_items_do_not_depend_on_each_other(found: list[Attacked], items: list[Item], losses: Losses) -> None:
    backwards = attack(items[::-1], PERTURB, losses, budget=16, rounds=4, strength=0.2, seed=7)
    alone = attack(items[5:6], PERTURB, losses, budget=16, rounds=4, strength=0.2, seed=7)
    assert [result.text for result in backwards[::-1]] == [result.text for result in found]
    assert [result.perturbations for result in backwards[::-1]] == [result.perturbations for result in found]
    assert alone[0].text == found[5].text


def test_the_seed_matters(found: list[Attacked], items: list[Item], losses: Losses) -> None:
    other = attack(items, PERTURB, losses, budget=16, rounds=4, strength=0.2, seed=8)
    assert [result.text for result in other] != [result.text for result in found]


def test_the_worst_of_all_that_were_scored_is_kept(items: list[Item], losses: Losses) -> None:
    scored: list[tuple[float, str]] = []

    def recorded(ids: Sequence[str], texts: Sequence[str]) -> np.ndarray:
        values = losses(ids, texts)
        scored.extend(zip(values, texts, strict=True))
        return values

    (result,) = attack(items[:1], PERTURB, recorded, budget=12, rounds=3, seed=1)
    assert (result.loss, result.text) == max(scored, key=lambda pair: pair[0])
    assert len({text for _, text in scored}) == len(scored) == result.evaluations + 1


def test_protected_strings_survive(items: list[Item], losses: Losses) -> None:
    guarded = [Item(item.id, item.text, tuple(item.text.split()[:3])) for item in items]
    for result, item in zip(attack(guarded, PERTURB, losses, strength=1, seed=7), guarded, strict=True):
        for string in item.protected:
            assert len(protected_spans(result.text, [string])) >= len(protected_spans(item.text, [string]))


def test_a_system_that_minds_nothing_keeps_its_texts(items: list[Item]) -> None:
    results = attack(items, PERTURB, lambda ids, texts: np.zeros(len(texts)), seed=7)
    assert [result.text for result in results] == [item.text for item in items]
    assert {result.perturbations for result in results} == {()}


def test_nothing_to_attack() -> None:
    assert attack([], PERTURB, lambda ids, texts: []) == []
    (result,) = attack([Item("a", "")], PERTURB, lambda ids, texts: np.ones(len(texts)))
    assert (result.text, result.evaluations) == ("", 0)


def test_refusals(items: list[Item], losses: Losses) -> None:
    with pytest.raises(ValueError, match="ids of items"):
        attack([items[0], items[0]], PERTURB, losses)
    with pytest.raises(ValueError, match="4 rounds need"):
        attack(items, PERTURB, losses, budget=3)
    with pytest.raises(ValueError, match="finite losses"):
        attack(items, PERTURB, lambda ids, texts: np.full(len(texts), np.nan))
    with pytest.raises(ValueError, match="finite losses"):
        attack(items, PERTURB, lambda ids, texts: np.zeros(3))
