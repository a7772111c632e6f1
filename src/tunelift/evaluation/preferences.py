"""What the log-probabilities of choices say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tunelift.core.records import CHOICE


def choice_probabilities(logprobs: Sequence[float]) -> tuple[float, ...]:
    """Probabilities of the choices, if one of them is answered."""
    shifted = np.exp(np.array(logprobs) - max(logprobs))
    return tuple((shifted / shifted.sum()).tolist())


def preferred_choices(
    logprobs: Sequence[float], choices: Sequence[str], encoded: Mapping[str, Sequence[int]]
) -> dict[str, str]:
    """The choice that each rule prefers: by the metric that says whether it is right.

    A sum of log-probabilities favours short choices. Divided by the number of tokens, or of bytes in UTF-8, which
    does not depend on the tokenizer, it does not.

    Args:
        logprobs: Of the choices, in nats, summed over their tokens.
        choices: The choices.
        encoded: Token ids of each choice.
    """
    lengths = {
        CHOICE: [1] * len(choices),
        f"{CHOICE}_tokens": [len(encoded[choice]) for choice in choices],
        f"{CHOICE}_bytes": [len(choice.encode()) for choice in choices],
    }
    return {
        rule: choices[max(range(len(choices)), key=lambda place: logprobs[place] / max(sizes[place], 1))]
        for rule, sizes in lengths.items()
    }
