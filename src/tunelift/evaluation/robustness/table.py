"""All perturbations, one a line, each of which keeps the right answer. Another one is a function and a line here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from tunelift.core.errors import UserError, nearest
from tunelift.core.seeds import generator
from tunelift.evaluation.robustness import frames, order, sounds, spelling, surface, wording

LANGUAGES = ("en", "zh")


class Perturb(Protocol):
    """A pure function: the same text, state of the generator and strength give the same result."""

    def __call__(self, text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
        """The perturbed text.

        Args:
            text: The text.
            generator: Draws what is changed and how.
            strength: Share of the units that are changed, 0 to 1, as far as they can be; 0 changes nothing.
            protected: Strings that survive wherever they stand, such as the words of choices and entities.
        """


@dataclass(frozen=True, slots=True)
class Perturbation:
    """An entry of the table.

    Attributes:
        name: Its name, the same for what corresponds in the other language.
        language: "en" or "zh": of which language it changes words; those of others it leaves alone.
        perturb: The function.
        unit: Of what the strength is a share.
        description: What it does, in a line.
    """

    name: str
    language: str
    perturb: Perturb
    unit: str
    description: str


# fmt: off
PERTURBATIONS = (
    Perturbation("typos", "en", spelling.typos_en, "words", "letters swapped, dropped or doubled"),
    Perturbation("typos", "zh", spelling.typos_zh, "characters", "characters swapped within a word or doubled"),
    Perturbation("keyboard", "en", spelling.keyboard_en, "words", "letters of a key beside the right one"),
    Perturbation("lookalikes", "en", spelling.lookalikes_en, "words", "letters that look alike (0 for o)"),
    Perturbation("lookalikes", "zh", spelling.lookalikes_zh, "characters", "what looks alike (已 for 己)"),
    Perturbation("homophones", "en", sounds.homophones_en, "words", "words that sound alike (there for their)"),
    Perturbation("homophones", "zh", sounds.homophones_zh, "characters", "what sounds alike (再 for 在)"),
    Perturbation("near-homophones", "zh", sounds.near_homophones_zh, "characters", "another tone, or z for zh"),
    Perturbation("case", "en", surface.case_en, "words", "capitals and small letters"),
    Perturbation("punctuation", "en", surface.punctuation_en, "marks", "marks left out or doubled"),
    Perturbation("punctuation", "zh", surface.punctuation_zh, "marks", "marks left out, doubled, or a space"),
    Perturbation("width", "zh", surface.width_zh, "signs", "full width and half width exchanged"),
    Perturbation("spaces", "en", surface.spaces_en, "gaps", "several spaces, or none behind a mark"),
    Perturbation("spaces", "zh", surface.spaces_zh, "gaps", "spaces between characters"),
    Perturbation("synonyms", "en", wording.synonyms_en, "words", "words and phrases of the same meaning"),
    Perturbation("synonyms", "zh", wording.synonyms_zh, "words", "words of the same meaning"),
    Perturbation("spellings", "en", wording.spellings_en, "words", "British and American spelling exchanged"),
    Perturbation("contractions", "en", wording.contractions_en, "words", "it is and it's exchanged"),
    Perturbation("politeness", "en", frames.politeness_en, "text", "a greeting before, or thanks behind"),
    Perturbation("politeness", "zh", frames.politeness_zh, "text", "a greeting before, or thanks behind"),
    Perturbation("reporting", "en", frames.reporting_en, "text", "framed as what somebody wrote"),
    Perturbation("reporting", "zh", frames.reporting_zh, "text", "framed as what somebody wrote"),
    Perturbation("word-order", "en", order.word_order_en, "words", "neighbouring words swapped"),
    Perturbation("word-order", "zh", order.word_order_zh, "words", "neighbouring words swapped"),
    Perturbation("clause-order", "en", order.clause_order_en, "sentences", "if a, b said as b if a"),
    Perturbation("clause-order", "zh", order.clause_order_zh, "sentences", "clauses between commas swapped"),
    Perturbation("sentence-order", "en", order.sentence_order_en, "sentences", "neighbouring sentences swapped"),
    Perturbation("sentence-order", "zh", order.sentence_order_zh, "sentences", "neighbouring sentences swapped"),
    Perturbation("distractors", "en", frames.distractors_en, "sentences", "neutral sentences before or behind"),
    Perturbation("distractors", "zh", frames.distractors_zh, "sentences", "neutral sentences before or behind"),
)
# fmt: on


def perturbations_of(language: str, names: Sequence[str] | None = None) -> list[Perturbation]:
    """The perturbations of a language.

    Args:
        language: "en" or "zh"; none are known of other languages.
        names: Which; None for all.

    Raises:
        UserError: The language or a name is unknown.
    """
    if language not in LANGUAGES:
        raise UserError(
            "robustness", f'there are no perturbations for the language "{language}"', "set language: en or zh"
        )
    known = {entry.name: entry for entry in PERTURBATIONS if entry.language == language}
    for name in names or ():
        if name not in known:
            raise UserError("robustness", f'there is no perturbation "{name}" for {language}', nearest(name, known))
    return [known[name] for name in names] if names is not None else list(known.values())


def perturb_item(
    item_id: str, text: str, perturbation: Perturbation, strength: float, seed: int, protected: Sequence[str] = ()
) -> str:
    """Perturb the text of one item, whichever other items there are.

    Args:
        item_id: Its id, on which the draws depend.
        text: Its text.
        perturbation: How.
        strength: Share of the units that are changed.
        seed: Seed of the run.
        protected: Strings that survive.
    """
    draws = generator(seed, "perturbation", perturbation.name, item_id)
    return perturbation.perturb(text, draws, strength, protected)
