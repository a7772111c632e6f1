"""What a judge is asked, in English and in Chinese."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tunelift.core.errors import UserError, nearest
from tunelift.core.files import content_hash
from tunelift.prompts.chat import Message

FOLDER = Path(__file__).with_name("data")
LANGUAGES = ("en", "zh")
CODE_LENGTH = 6


def pairwise_messages(
    question: str, first: str, second: str, language: str = "en", rubric: str = "", reference: str = ""
) -> list[Message]:
    """Ask which of two answers is better: A, B or tie.

    The parts stand between lines with a code that depends on their texts, so that no answer can end its part by itself.
    There is no system turn, which some chat templates refuse.

    Args:
        question: What was asked.
        first: The answer that is shown as A.
        second: The answer that is shown as B.
        language: Of the prompt: "en" or "zh".
        rubric: What makes an answer good, a line for each point; the general one of this package unless given.
        reference: An answer that is right; empty where there is none.

    Raises:
        UserError: There is no prompt in this language.
    """
    if language not in LANGUAGES:
        raise UserError("judge", f'there is no prompt in the language "{language}"', nearest(language, LANGUAGES))
    code = _code(question, first, second, reference)
    shown = _text(f"reference-{language}").format(text=reference, code=code) if reference else ""
    points = (rubric or _text(f"rubric-{language}")).strip()
    parts = {"question": question, "first": first, "second": second, "rubric": points, "reference": shown}
    text = _text(f"pairwise-{language}").format(code=code, **parts)
    return [{"role": "user", "content": text.strip()}]


@cache
def _text(name: str) -> str:
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def _code(*texts: str) -> str:
    """The same in both orders of two answers."""
    return content_hash(sorted(texts))[:CODE_LENGTH]
