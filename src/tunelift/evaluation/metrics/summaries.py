"""ROUGE-1, ROUGE-2, ROUGE-L and ROUGE-Lsum (Lin 2004), in English equal to the package rouge_score."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from tunelift.core.chinese import word_splitter
from tunelift.core.errors import UserError
from tunelift.evaluation.metrics.diversity import grams_of
from tunelift.evaluation.metrics.metric import Metric, Outcome, mean_metric
from tunelift.evaluation.metrics.tokens import answer_text, reference_texts, words_of

CHARACTERS, JIEBA = "characters", "jieba"


class Overlap(NamedTuple):
    """What an answer and a reference have in common.

    Attributes:
        precision: As a share of the answer.
        recall: As a share of the reference.
        f1: Their harmonic mean.
    """

    precision: float
    recall: float
    f1: float


def rouge_n(answer: Sequence[str], reference: Sequence[str], n: int) -> Overlap:
    """ROUGE-N of words: matches of runs of n words, each counted as often as it stands in both."""
    ours, theirs = Counter(grams_of(answer, n)), Counter(grams_of(reference, n))
    return _overlap((ours & theirs).total(), ours.total(), theirs.total())


def rouge_lcs(answer: Sequence[str], reference: Sequence[str]) -> Overlap:
    """ROUGE-L of words: their longest common subsequence."""
    return _overlap(_length(_lcs_rows(reference, answer)[-1], len(reference)), len(answer), len(reference))


def rouge_lcs_sum(answer: Sequence[Sequence[str]], reference: Sequence[Sequence[str]]) -> Overlap:
    """ROUGE-Lsum of the words of sentences: every reference sentence against the union over the answer's sentences.

    A word counts at most as often as it stands in either text, as in ROUGE 1.5.5.
    """
    ours, theirs = (Counter(word for sentence in sentences for word in sentence) for sentences in (answer, reference))
    left = ours & theirs
    hits = 0
    for sentence in reference:
        union = set().union(*(_lcs_positions(sentence, other) for other in answer))
        for position in sorted(union):
            if left[sentence[position]] > 0:
                left[sentence[position]] -= 1
                hits += 1
    return _overlap(hits, ours.total(), theirs.total())


def rouge1(language: str, *, words: str = CHARACTERS, use_stemmer: bool = False) -> Metric:
    """ROUGE-1, F1 of words: mean over the items of the best reference; 0 to 1, higher is better.

    Args:
        language: Of the answers; see `tokeniser` for the other arguments and errors.
        words: "characters" or "jieba".
        use_stemmer: Compare stems.
    """
    return _rouge("rouge1", tokeniser(language, words, use_stemmer), lambda ours, theirs: rouge_n(ours, theirs, 1))


def rouge2(language: str, *, words: str = CHARACTERS, use_stemmer: bool = False) -> Metric:
    """ROUGE-2, F1 of pairs of words; otherwise as `rouge1`."""
    return _rouge("rouge2", tokeniser(language, words, use_stemmer), lambda ours, theirs: rouge_n(ours, theirs, 2))


def rouge_l(language: str, *, words: str = CHARACTERS, use_stemmer: bool = False) -> Metric:
    """ROUGE-L, F1 of the longest common subsequence; otherwise as `rouge1`."""
    return _rouge("rougeL", tokeniser(language, words, use_stemmer), rouge_lcs)


def rouge_l_sum(language: str, *, words: str = CHARACTERS, use_stemmer: bool = False) -> Metric:
    """ROUGE-Lsum, F1 with a union over sentences, which stand on lines of their own; otherwise as `rouge1`."""
    tokenise = tokeniser(language, words, use_stemmer)
    return _rouge("rougeLsum", lambda text: [tokenise(line) for line in text.split("\n")], rouge_lcs_sum)


def tokeniser(language: str, words: str, use_stemmer: bool) -> Callable[[str], list[str]]:
    """What splits a text into the words that are compared.

    Args:
        language: Of the texts.
        words: In Chinese "characters" (Latin words and numbers stay whole) or "jieba" for the words of that package.
        use_stemmer: In English the stems of Porter (1980) for words of more than three letters; needs nltk.

    Raises:
        UserError: An argument does not fit the language, or a package is not installed.
    """
    if words not in (CHARACTERS, JIEBA):
        raise UserError("rouge", f'there is no way to split words named "{words}"', f"valid: {CHARACTERS}, {JIEBA}")
    if words == JIEBA and language != "zh":
        raise UserError("rouge", f'jieba splits Chinese, the language is "{language}"', "leave words out")
    if use_stemmer and language != "en":
        raise UserError("rouge", f'the stemmer is for English, the language is "{language}"', "leave use_stemmer out")
    if words == JIEBA:
        return _jieba_words()
    if use_stemmer:
        stem = _stemmer()
        return lambda text: [stem(word) if len(word) > 3 else word for word in words_of(text, language)]
    return lambda text: words_of(text, language)


def _rouge(name: str, split: Callable[[str], Any], compare: Callable[[Any, Any], Overlap]) -> Metric:
    def value(outcome: Outcome) -> float:
        answer = split(answer_text(outcome))
        return max(compare(answer, split(reference)).f1 for reference in reference_texts(outcome))

    return mean_metric(name, value)


def _overlap(hits: int, answer: int, reference: int) -> Overlap:
    if not hits:
        return Overlap(0.0, 0.0, 0.0)
    return Overlap(hits / answer, hits / reference, 2 * hits / (answer + reference))


def _lcs_rows(first: Sequence[str], second: Sequence[str]) -> list[int]:
    """The table of longest common subsequences, one integer for every prefix of `second` (Hyyrö 2004).

    Bit i of a row is 0 where the subsequence of `first[: i + 1]` is longer than that of `first[:i]`.
    """
    every = (1 << len(first)) - 1
    places: dict[str, int] = {}
    for position, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << position
    rows = [every]
    for word in second:
        matches = rows[-1] & places.get(word, 0)
        rows.append(((rows[-1] + matches) | (rows[-1] - matches)) & every)
    return rows


def _length(row: int, prefix: int) -> int:
    """Length of the longest common subsequence with the first `prefix` words."""
    return prefix - (row & ((1 << prefix) - 1)).bit_count()


def _lcs_positions(first: Sequence[str], second: Sequence[str]) -> set[int]:
    """Positions in `first` of one longest common subsequence: of several the one that rouge_score takes."""
    rows = _lcs_rows(first, second)
    positions = set()
    i, j = len(first), len(second)
    while i and j:
        if first[i - 1] == second[j - 1]:
            i, j = i - 1, j - 1
            positions.add(i)
        elif _length(rows[j - 1], i) > _length(rows[j], i - 1):
            j -= 1
        else:
            i -= 1
    return positions


def _stemmer() -> Callable[[str], str]:
    try:
        from nltk.stem.porter import PorterStemmer
    except ImportError as error:
        raise UserError("rouge", "use_stemmer needs nltk, which is not installed", "run: pip install nltk") from error
    return lru_cache(maxsize=1 << 16)(PorterStemmer().stem)


def _jieba_words() -> Callable[[str], list[str]]:
    splitter = word_splitter("rouge")

    def words(text: str) -> list[str]:
        folded = unicodedata.normalize("NFKC", text).casefold()
        return [word for word in splitter.lcut(folded) if any(sign.isalnum() for sign in word)]

    return words
