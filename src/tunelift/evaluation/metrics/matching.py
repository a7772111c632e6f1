"""Answers that equal a reference, and the share of words that they have in common with it."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

import regex

from tunelift.core.errors import UserError
from tunelift.core.texts import PATTERN_SECONDS, ended_patterns, normalise_answer
from tunelift.evaluation.metrics.metric import Metric, Outcome, mean_metric
from tunelift.evaluation.metrics.tokens import answer_text, reference_texts, words_of

ARTICLES = re.compile(r"\b(?:a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)
CHINESE_PUNCTUATION = str.maketrans("", "", "，。、；：？！…—·～“”‘’「」『』《》〈〉（）【】〔〕")
DIGITS = str.maketrans("", "", string.digits)


def squad_words(text: str, language: str) -> list[str]:
    """The words of a text as the evaluation of SQuAD compares them (Rajpurkar et al. 2016).

    English: in lower case, without ASCII punctuation and articles, split at white space. Other languages: `words_of`,
    hence characters in Chinese, where Latin words and numbers stay whole, as in the evaluation of CMRC 2018.
    """
    if language != "en":
        return words_of(text, language)
    return ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split()


def overlap_f1(answer: Sequence[str], reference: Sequence[str]) -> float:
    """F1 of the words of an answer, as bags of words; 1 if both are empty (SQuAD 2.0, Rajpurkar et al. 2018)."""
    if not answer or not reference:
        return float(len(answer) == len(reference))
    return 2 * (Counter(answer) & Counter(reference)).total() / (len(answer) + len(reference))


def ignoring(
    text: str, language: str, case: bool, punctuation: bool, numbers: bool, patterns: Sequence[regex.Pattern[str]]
) -> str:
    """A text without what a task ignores, in the order of lm-evaluation-harness.

    Args:
        text: The text.
        language: Its language; punctuation is that of ASCII, and in Chinese its own, too.
        case: Whether case is ignored.
        punctuation: Whether punctuation is.
        numbers: Whether the digits 0 to 9 are.
        patterns: What is removed first, one after the other.

    Raises:
        UserError: A pattern takes too long.
    """
    for pattern in patterns:
        with ended_patterns("regexes_to_ignore", pattern.pattern):
            text = pattern.sub("", text, timeout=PATTERN_SECONDS)
    if case:
        text = text.lower()
    if punctuation:
        text = text.translate(PUNCTUATION)
    if punctuation and language == "zh":
        text = text.translate(CHINESE_PUNCTUATION)
    return text.translate(DIGITS) if numbers else text


def exact_match(
    language: str,
    *,
    ignore_case: bool | None = None,
    ignore_punctuation: bool | None = None,
    ignore_numbers: bool | None = None,
    regexes_to_ignore: Sequence[str] | None = None,
) -> Metric:
    """Share of answers that equal a reference; 0 to 1, higher is better.

    Without arguments case, white space, quotes and punctuation around the answer do not count (`normalise_answer`).
    With any of them the comparison is that of lm-evaluation-harness: nothing is ignored but what they name.

    Args:
        language: Of the answers.
        ignore_case: Compare in lower case.
        ignore_punctuation: Compare without punctuation.
        ignore_numbers: Compare without digits.
        regexes_to_ignore: Regular expressions whose matches are removed first.

    Raises:
        UserError: A regular expression is none.
    """
    arguments = (ignore_case, ignore_punctuation, ignore_numbers, regexes_to_ignore)
    if all(argument is None for argument in arguments):
        return _match("exact_match", normalise_answer)
    texts = [regexes_to_ignore] if isinstance(regexes_to_ignore, str) else regexes_to_ignore or ()
    patterns = [_compiled(text) for text in texts]
    case, punctuation, numbers = bool(ignore_case), bool(ignore_punctuation), bool(ignore_numbers)
    return _match("exact_match", lambda text: ignoring(text, language, case, punctuation, numbers, patterns))


def squad_exact_match(language: str) -> Metric:
    """Share of answers that equal a reference in the manner of SQuAD (`squad_words`); 0 to 1, higher is better."""
    return _match("squad_exact_match", lambda text: squad_words(text, language))


def token_f1(language: str) -> Metric:
    """F1 of the words of answer and reference in the manner of SQuAD; 0 to 1, higher is better.

    The best over the references, averaged over the items. In Chinese the words are characters, counted as bags as in
    the evaluation of DRCD; CMRC 2018 counts the longest run in common instead.
    """

    def value(outcome: Outcome) -> float:
        if outcome.answer is None:
            return 0.0
        answer = squad_words(answer_text(outcome), language)
        return max(overlap_f1(answer, squad_words(reference, language)) for reference in reference_texts(outcome))

    return mean_metric("token_f1", value)


def _match(name: str, normalise: Callable[[str], object]) -> Metric:
    def value(outcome: Outcome) -> float:
        if outcome.answer is None:
            return 0.0
        answer = normalise(answer_text(outcome))
        return float(any(normalise(reference) == answer for reference in reference_texts(outcome)))

    return mean_metric(name, value)


def _compiled(pattern: str) -> regex.Pattern[str]:
    try:
        return regex.compile(pattern)
    except (regex.error, TypeError, OverflowError, RecursionError) as error:
        raise UserError("regexes_to_ignore", f"{pattern!r} is not a regular expression: {error}", "mend it") from error
