"""BLEU, chrF, chrF++ and TER: the counts of sacrebleu (Post 2018), and the scores as functions of their sums."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from math import inf
from typing import Any

import numpy as np

from tunelift.core.errors import UserError, nearest
from tunelift.evaluation.metrics.metric import Array, Metric, Outcome, sums_metric
from tunelift.evaluation.metrics.tokens import answer_text, reference_texts

ORDERS = 4
TOKENIZERS = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
# The others of sacrebleu download a model.
OFFLINE_TOKENIZERS = ("13a", "char", "intl", "ja-mecab", "ko-mecab", "none", "zh")


def bleu_of_sums(sums: Array, effective_order: bool = False) -> Array:
    """BLEU of sums of counts, with the smoothing "exp" of sacrebleu (Papineni et al. 2002; Chen and Cherry 2014).

    Args:
        sums: Shape (..., 10): length of the answers, length of the nearest references, matches of n-grams of 1 to 4
            words, n-grams of 1 to 4 words in the answers.
        effective_order: Leave orders out of which the answers have no n-gram; without it such a score is 0.

    Returns:
        Scores of shape (...), 0 to 100.
    """
    length, reference_length = sums[..., 0], sums[..., 1]
    matches, totals = sums[..., 2 : 2 + ORDERS], sums[..., 2 + ORDERS :]
    counted = totals > 0
    # The first order without a match counts half a match, the second a quarter, and so on.
    missing = counted & (matches == 0)
    smoothed = np.where(missing, 0.5 ** np.cumsum(missing, axis=-1), matches)
    logs = np.log(np.where(counted, _ratio(smoothed, totals), 1.0))
    orders = np.maximum(counted.sum(axis=-1), 1) if effective_order else ORDERS
    penalty = np.minimum(0.0, 1 - _ratio(reference_length, length))
    scores = 100 * np.exp(penalty + logs.sum(axis=-1) / orders)
    defined = (matches.sum(axis=-1) > 0) & (effective_order | counted.all(axis=-1))
    return np.where(defined, scores, 0.0)


def chrf_of_sums(sums: Array) -> Array:
    """The chrF of sums of counts: F2 of precision and recall averaged over the orders (Popović 2015, 2017).

    Args:
        sums: Shape (..., 3 * orders): for every order the n-grams of the answers, of the references, and the matches.

    Returns:
        Scores of shape (...), 0 to 100.
    """
    counts = sums.reshape(*sums.shape[:-1], -1, 3)
    answers, references, matches = counts[..., 0], counts[..., 1], counts[..., 2]
    counted = (answers > 0) & (references > 0)
    orders = np.maximum(counted.sum(axis=-1), 1)
    precision = np.where(counted, _ratio(matches, answers), 0).sum(axis=-1) / orders
    recall = np.where(counted, _ratio(matches, references), 0).sum(axis=-1) / orders
    return 100 * _ratio(5 * precision * recall, 4 * precision + recall)


def ter_of_sums(sums: Array) -> Array:
    """TER of sums of counts: edits per word of the references, in per cent (Snover et al. 2006).

    Args:
        sums: Shape (..., 2): edits, and the mean number of words of an item's references.

    Returns:
        Scores of shape (...), from 0; 100 where there are edits and no words.
    """
    edits, words = sums[..., 0], sums[..., 1]
    return 100 * np.where(words > 0, _ratio(edits, words), edits > 0)


def bleu(language: str, *, tokenize: str | None = None, lowercase: bool = False) -> Metric:
    """BLEU of all answers together; 0 to 100, higher is better.

    The scores of single items leave out orders of which an answer has no n-gram, as sacrebleu advises for sentences.

    Args:
        language: Of the answers.
        tokenize: Tokenizer of sacrebleu; by default "13a", in Chinese "zh" (by character), in Japanese and Korean
            MeCab.
        lowercase: Ignore case.

    Raises:
        UserError: There is no such tokenizer, or it is not installed.
    """
    from sacrebleu.metrics.bleu import BLEU

    name = tokenize or TOKENIZERS.get(language, "13a")
    if name not in OFFLINE_TOKENIZERS:
        raise UserError("bleu", f'there is no tokenizer "{name}"', nearest(name, OFFLINE_TOKENIZERS))
    try:
        scorer = BLEU(tokenize=name, lowercase=lowercase)
    except (RuntimeError, ImportError) as error:
        hint = 'install it, or set "tokenize: char"'
        raise UserError("bleu", f'the tokenizer "{name}" needs MeCab, which is not installed', hint) from error
    metric = sums_metric("bleu", partial(_counts, scorer), bleu_of_sums, high=100.0)
    return replace(metric, per_item=partial(bleu_of_sums, effective_order=True))


def chrf(language: str, *, lowercase: bool = False) -> Metric:
    """The chrF of all answers together, by runs of 1 to 6 characters; 0 to 100, higher is better.

    Args:
        language: Of the answers; the same counts for all.
        lowercase: Ignore case.
    """
    from sacrebleu.metrics.chrf import CHRF

    return sums_metric("chrf", partial(_counts, CHRF(lowercase=lowercase)), chrf_of_sums, high=100.0)


def chrf_plus_plus(language: str, *, lowercase: bool = False) -> Metric:
    """chrF++ of all answers together: chrF with runs of 1 and 2 words; 0 to 100, higher is better.

    Args:
        language: Of the answers. Words are split at white space, so that a Chinese clause is one word.
        lowercase: Ignore case.
    """
    from sacrebleu.metrics.chrf import CHRF

    scorer = CHRF(word_order=2, lowercase=lowercase)
    return sums_metric("chrf++", partial(_counts, scorer), chrf_of_sums, high=100.0)


def ter(language: str, *, case_sensitive: bool = False) -> Metric:
    """Translation edit rate of all answers together, in per cent; from 0, lower is better.

    Sacrebleu searches the shifts of words in pure Python: some tenths of a second for a pair of 35 words each.

    Args:
        language: Of the answers. Chinese and Japanese are split into characters and punctuation; other languages at
            white space only, as sacrebleu does by default.
        case_sensitive: Do not ignore case.
    """
    by_character = language in ("zh", "ja")

    def counts(outcome: Outcome) -> tuple[float, ...]:
        return _edits(answer_text(outcome), reference_texts(outcome), by_character, case_sensitive)

    return sums_metric("ter", counts, ter_of_sums, high=inf, higher_is_better=False)


@lru_cache(maxsize=1 << 17)
def _edits(answer: str, references: tuple[str, ...], by_character: bool, case_sensitive: bool) -> tuple[float, ...]:
    """The counts of TER, kept since the search is slow and the same answers are scored, shown and compared."""
    from sacrebleu.metrics.ter import TER

    # Without normalisation sacrebleu ignores its support of Asian languages.
    scorer = TER(normalized=by_character, asian_support=by_character, case_sensitive=case_sensitive)
    return tuple(scorer._extract_corpus_statistics([answer], [[reference] for reference in references])[0])


def _ratio(part: Array, whole: Array) -> Array:
    return part / np.where(whole > 0, whole, np.inf)


def _counts(scorer: Any, outcome: Outcome) -> list[float]:
    """The sufficient statistics of one item, which sacrebleu's own significance tests resample, too."""
    references = [[reference] for reference in reference_texts(outcome)]
    return list(scorer._extract_corpus_statistics([answer_text(outcome)], references)[0])
