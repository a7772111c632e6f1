"""The metrics of IFEval (Zhou et al. 2023), by the checkers of the package ``if-verifiable``.

A row has the fields of the data set: ``instruction_id_list``, and ``kwargs`` with a mapping for each instruction.
Nothing is downloaded and nothing drawn by chance. Three checkers are replaced: sentences are counted by the package's
own rules, since its checker needs a model of NLTK, and can be a few more or fewer; capital words are found by NLTK's
tokenizer without that model, and are the same; and a letter that is none of the alphabet is counted instead of being
exchanged for a random one. Detection of languages is seeded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

from tunelift.core.errors import UserError, nearest
from tunelift.evaluation.metrics.constraints import share_metric
from tunelift.evaluation.metrics.counts import check_word
from tunelift.evaluation.metrics.metric import Metric, Outcome, mean_metric

Level = Literal["prompt", "instruction"]
Check = Callable[[str], bool]


def ifeval(*, level: Level = "prompt", loose: bool = False) -> Metric:
    """Accuracy of IFEval; 0 to 1, higher is better.

    Args:
        level: "prompt", the share of items with all instructions followed, or "instruction", the share of
            instructions followed.
        loose: Whether it is enough that one variant of the output follows an instruction: without its first line,
            its last line, both, or its asterisks.

    Raises:
        UserError: The package is not installed; or, when outcomes are scored, fields are missing or wrong.
    """
    check_word("ifeval", "level", level, get_args(Level))
    _checkers()
    name = f"ifeval_{level}_{'loose' if loose else 'strict'}"

    def results(outcome: Outcome) -> list[bool]:
        return followed(outcome.output, outcome.fields, loose)

    if level == "prompt":
        return mean_metric(name, lambda outcome: float(all(results(outcome))))
    return share_metric(name, results)


def followed(output: str, row: Mapping[str, Any], loose: bool = False) -> list[bool]:
    """Whether an output follows each instruction of a row; an empty one follows none.

    Args:
        output: The text.
        row: With ``instruction_id_list`` and ``kwargs``.
        loose: See `ifeval`.

    Raises:
        UserError: A field is missing, an instruction unknown, or an argument of it missing or wrong.
    """
    instructions, arguments = row.get("instruction_id_list"), row.get("kwargs")
    if not isinstance(instructions, list | tuple) or not isinstance(arguments, list | tuple):
        hint = "give every row the two lists that the data set of IFEval has"
        raise UserError("metric ifeval", "a row has no instruction_id_list or no kwargs", hint)
    if len(instructions) != len(arguments):
        what = f"{len(instructions)} instructions with {len(arguments)} kwargs"
        raise UserError("metric ifeval", what, "give one mapping for each instruction, {} where there is no argument")
    texts = [text for text in (_variants(output) if loose else [output]) if text.strip()]
    return [_follows(texts, *each) for each in zip(instructions, arguments, strict=True)]


def _follows(texts: Sequence[str], instruction: str, given: Mapping[str, Any] | None) -> bool:
    arguments = {key: value for key, value in (given or {}).items() if value is not None}
    where = f"metric ifeval, {instruction}"
    try:
        check = OWN[instruction](**arguments) if instruction in OWN else _packaged(instruction, arguments)
        return any(check(text) for text in texts)
    except (TypeError, ValueError, KeyError, re.error) as error:
        hint = "see the kwargs that the data set of IFEval gives for this instruction"
        raise UserError(where, f"wrong arguments: {error}", hint) from None


def _packaged(instruction: str, arguments: Mapping[str, Any]) -> Check:
    """The check of the package, with exactly these arguments."""
    checkers = _checkers()
    if instruction not in checkers:
        raise UserError("metric ifeval", f'unknown instruction "{instruction}"', nearest(instruction, checkers))
    checker = checkers[instruction](instruction)
    drawn = [key for key in checker.get_instruction_args_keys() if not _given(key, arguments)]
    if drawn:
        raise ValueError(f"{', '.join(drawn)} missing or out of range")
    checker.build_description(**arguments)
    return checker.check_following


def _given(key: str, arguments: Mapping[str, Any]) -> bool:
    """Whether an argument has a value that the package takes; else it would draw one by chance."""
    value = arguments.get(key)
    if key == "nth_paragraph":
        return value in range(1, int(arguments.get("num_paragraphs") or 0) + 1)
    return value >= 0 if isinstance(value, int | float) else bool(value)


def _sentences(*, num_sentences: int, relation: str) -> Check:
    from if_verifiable.ifeval.instructions_util import split_into_sentences

    return lambda text: _compare(len(split_into_sentences(text)), relation, num_sentences)


def _capital_words(*, capital_frequency: int, capital_relation: str) -> Check:
    from nltk.tokenize import word_tokenize

    def check(text: str) -> bool:
        found = sum(word.isupper() for word in word_tokenize(text, preserve_line=True))
        return _compare(found, capital_relation, capital_frequency)

    return check


def _letters(*, letter: str, let_frequency: int, let_relation: str) -> Check:
    return lambda text: _compare(text.lower().count(letter.strip().lower()), let_relation, let_frequency)


OWN: dict[str, Callable[..., Check]] = {
    "length_constraints:number_sentences": _sentences,
    "change_case:capital_word_frequency": _capital_words,
    "keywords:letter_frequency": _letters,
}


def _compare(count: int, relation: str, threshold: int) -> bool:
    return {"less than": count < threshold, "at least": count >= threshold}[relation]


def _variants(output: str) -> list[str]:
    from if_verifiable.common import get_loose_transformations

    return get_loose_transformations(output)


def _checkers() -> dict[str, Any]:
    try:
        import langdetect
        from if_verifiable.ifeval import INSTRUCTION_DICT
    except ImportError as error:
        hint = "install it: pip install if-verifiable"
        raise UserError("metric ifeval", f"needs the package if-verifiable ({error})", hint) from None
    langdetect.DetectorFactory.seed = 0
    return INSTRUCTION_DICT
