"""Whether a model knows test items better than other texts of their kind: a hint from Min-K%++, and what it is worth.

Texts of the same source are what values are compared with, since values of another source differ for many reasons
besides (see `membership`). The price is that a model which has seen the whole source shows no difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tunelift.core.errors import UserError
from tunelift.core.records import Prompt
from tunelift.evaluation.contamination.membership import min_k_plus_plus_hint
from tunelift.models.load import LanguageModel
from tunelift.prompts.chat import encode_texts
from tunelift.statistics.independent import difference_interval
from tunelift.statistics.intervals import Interval, record_of

LONGEST = 512  # tokens of a text that are read; twice the longest texts of the papers, in words
TOKENS_OF_A_GROUP = 4096


@dataclass(frozen=True, slots=True)
class MembershipHint:
    """How well a model knows test items and other texts of their source.

    Attributes:
        model: Name of the model.
        items: Min-K%++ of each test item, in standard deviations; the larger, the likelier a member. Texts without
            tokens are left out, here and below.
        references: Likewise for the other texts.
        difference: Mean of the items minus mean of the references.
        interval: Its interval; None where the values cannot give one.
    """

    model: str
    items: tuple[float, ...]
    references: tuple[float, ...]
    difference: float
    interval: Interval | None

    @property
    def sentence(self) -> str:
        """What was found, and what it cannot show."""
        means = f"{np.mean(self.items):.2f} over {len(self.items):,} test items"
        means += f" and {np.mean(self.references):.2f} over {len(self.references):,} training rows"
        limits = ""
        if self.interval:
            limits = f" (95 % interval {self.interval.low:+.2f} to {self.interval.high:+.2f})"
        return (
            f"Min-K%++ of {self.model} is on average {means}, a difference of {self.difference:+.2f} standard "
            f"deviations{limits}: {self._reading}. This is a hint and no proof: such values tell seen from unseen "
            "texts hardly better than chance where both come from one source, and a model that has seen all of the "
            "source shows no difference, either."
        )

    @property
    def _reading(self) -> str:
        if self.interval is None:
            return "too little to say anything"
        if self.interval.low > 0:
            return "the test items are more familiar to the model than the training rows, as if it had seen them before"
        if self.interval.high < 0:
            return "the test items are less familiar to the model than the training rows"
        return "no sign that the model knows the test items better than the training rows"

    def to_dict(self) -> dict[str, Any]:
        """The hint as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> MembershipHint:
        """The hint that `to_dict` wrote."""
        parts = {"items": tuple(data["items"]), "references": tuple(data["references"])}
        return record_of(cls, {**data, **parts})


def membership_hint(
    loaded: LanguageModel,
    items: Sequence[str],
    references: Sequence[str],
    item_groups: ArrayLike | None = None,
    reference_groups: ArrayLike | None = None,
) -> MembershipHint:
    """Compare how well a model knows two sets of texts; this costs one pass over all of them.

    Args:
        loaded: The model, untuned: tuning makes it know the training rows.
        items: The texts of test items.
        references: Texts of the same source that nobody tests on, such as training rows of the same template. Other
            lengths or another subject make a difference of their own.
        item_groups: Group id of each item, where items belong together.
        reference_groups: Likewise for the references.

    Raises:
        UserError: The model is an encoder-decoder, which gives a text no probability of its own; or one of the sets
            has no text with a token.
    """
    ours, theirs = (min_k_plus_plus_values(loaded, texts) for texts in (items, references))
    kept, others = np.isfinite(ours), np.isfinite(theirs)
    if not kept.any() or not others.any():
        raise UserError(loaded.name, "has no texts to compare the familiarity of", "give texts that are not empty")
    ours, theirs = ours[kept], theirs[others]
    difference = float(ours.mean() - theirs.mean())
    ours_groups = None if item_groups is None else np.asarray(item_groups)[kept]
    theirs_groups = None if reference_groups is None else np.asarray(reference_groups)[others]
    interval = difference_interval(ours, theirs, ours_groups, theirs_groups)
    return MembershipHint(loaded.name, tuple(ours.tolist()), tuple(theirs.tolist()), difference, interval)


def min_k_plus_plus_values(loaded: LanguageModel, texts: Sequence[str]) -> NDArray[np.float64]:
    """Min-K%++ of texts under a model, of each the first 512 tokens.

    Returns:
        Shape (texts,), in standard deviations; NaN for a text without tokens.

    Raises:
        UserError: The model is an encoder-decoder.
    """
    from tunelift.engine.encoder_decoder import is_encoder_decoder
    from tunelift.engine.likelihood import supervised_moments

    if is_encoder_decoder(loaded.model):
        hint = "leave the membership hint out"
        raise UserError(loaded.name, "is an encoder-decoder, which gives a text no probability of its own", hint)
    values = np.full(len(texts), np.nan)
    prompts = [prompt for prompt in _prompts(loaded, texts) if len(prompt.token_ids) > 1]
    if prompts:
        moments = supervised_moments(loaded.model, prompts, TOKENS_OF_A_GROUP)
        logprobs, means, deviations = zip(*(part.T for part in moments), strict=True)
        values[[int(prompt.example_id) for prompt in prompts]] = min_k_plus_plus_hint(logprobs, means, deviations)
    return values


def _prompts(loaded: LanguageModel, texts: Sequence[str]) -> list[Prompt]:
    """Texts of which every token is predicted, named by their numbers; as in `prompts.build.text_prompts`."""
    tokenizer = loaded.tokenizer
    first = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    room = min(LONGEST, loaded.context - 1)
    encoded = [ids[:room] for ids in encode_texts(tokenizer, texts)]
    return [Prompt(str(number), "", (first, *ids), (False, *(True for _ in ids))) for number, ids in enumerate(encoded)]
