"""Encoder-decoders (T5 and BART kind): the encoder reads the prompt, the decoder writes the answer.

Prompts stand side by side, padded behind their tokens and masked, and are encoded once, whatever is scored or generated
behind them. Nothing is shared between prompts, since what a token of an encoder sees stands on both of its sides.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunelift.engine.modes import evaluation_mode
from tunelift.engine.padding import READ_TOGETHER, pad, plan_pairs, scores_behind
from tunelift.engine.projection import causal_model, rows_at_once, widened
from tunelift.engine.refusal import RefusedError, failing_as
from tunelift.engine.tree import Indices

# Relative to the norm of the log-probabilities of single prompts, in float32 and in fewer bits: the two ways differ by
# rounding alone.
TOLERANCE, COARSE_TOLERANCE = 1e-4, 0.05


def is_encoder_decoder(model: Any) -> bool:
    """Whether a language model has an encoder for the prompt and a decoder for the answer."""
    return bool(model.config.is_encoder_decoder)


def first_tokens(model: Any) -> list[int]:
    """The tokens that the decoder begins with: the start token, and what the model has to say first.

    For BART that is BOS, for models of several languages the language to write.

    Args:
        model: An encoder-decoder.

    Raises:
        RefusedError: Neither a start token nor BOS is known.
    """
    settings = model.generation_config
    start = settings.bos_token_id if settings.decoder_start_token_id is None else settings.decoder_start_token_id
    if not isinstance(start, int):
        raise RefusedError("its configuration has no decoder_start_token_id")
    return [start] if settings.forced_bos_token_id is None else [start, settings.forced_bos_token_id]


def plan_completions(
    model: Any, sequences: Sequence[Sequence[int]], borders: Sequence[int], budget: int
) -> list[list[int]]:
    """Group prompts with completions, so that each group fits into memory.

    Args:
        model: An encoder-decoder.
        sequences: Token ids.
        borders: For each sequence how many of its tokens the encoder reads.
        budget: As for `padding.plan_pairs`.
    """
    started = len(first_tokens(model))
    lengths = [(border, started + len(tokens) - border) for tokens, border in zip(sequences, borders, strict=True)]
    return plan_pairs(lengths, budget, rows_at_once(model))


def completion_logits(model: Any, sequences: Sequence[Sequence[int]], keep: Sequence[Indices]) -> Tensor:
    """Run a model over prompts and what stands behind them.

    Args:
        model: An encoder-decoder.
        sequences: Token ids.
        keep: For every sequence the indices whose logits are wanted, in ascending order. The encoder reads it up to
            the first of them, the decoder what follows.

    Returns:
        ``[wanted tokens, vocabulary]``, sequence by sequence, in float32 at least. They carry gradients where those are
        enabled.
    """
    device = next(model.parameters()).device
    started = first_tokens(model)
    borders = [int(indices[0]) + 1 for indices in keep]
    token_ids, mask = pad([tokens[:border] for tokens, border in zip(sequences, borders, strict=True)])
    decoder_ids, _ = pad([[*started, *tokens[border:]] for tokens, border in zip(sequences, borders, strict=True)])
    logits = model(
        input_ids=token_ids.to(device),
        attention_mask=mask.to(device),
        # Its padding stands behind what is wanted, where a decoder does not look.
        decoder_input_ids=decoder_ids.to(device),
        use_cache=False,
    ).logits
    rows = np.repeat(np.arange(len(keep)), [len(indices) for indices in keep])
    places = np.concatenate([np.asarray(indices) - indices[0] for indices in keep]) + len(started) - 1
    return widened(logits[torch.from_numpy(rows).to(device), torch.from_numpy(places).to(device)])


def probe(model: Any) -> tuple[list[list[int]], list[int], list[list[int]]]:
    """Prompts of tokens that every vocabulary has, answers, and the prompt that each of them answers."""
    draw = np.random.default_rng(0)
    size = min(model.config.get_text_config().vocab_size, 1000)
    prompts = [draw.integers(3, size, length).tolist() for length in (9, 4, 14)]
    return prompts, [0, 1, 1, 2], [draw.integers(3, size, length).tolist() for length in (3, 4, 2, 3)]


def compare_with_single(model: Any) -> None:
    """Compare the log-probabilities of answers side by side with those of single ones.

    Args:
        model: An encoder-decoder.

    Raises:
        RefusedError: They differ, or cannot be computed.
    """
    prompts, numbers, answers = probe(model)
    with failing_as(RefusedError), torch.inference_mode(), evaluation_mode(model):
        state = EncoderDecoderState(model)
        state.read(range(3), prompts)
        found = state.score(numbers, answers)
        single = []
        for number, answer in zip(numbers, answers, strict=True):
            begun = len(prompts[number]) - 1
            places = begun + np.arange(len(answer))
            logits = completion_logits(model, [[*prompts[number], *answer[:-1]]], [places])
            single.append(logits.log_softmax(-1)[range(1, len(answer)), answer[1:]])
    difference = ((found - torch.cat(single)).norm() / torch.cat(single).norm()).item()
    if not difference <= (TOLERANCE if model.dtype == torch.float32 else COARSE_TOLERANCE):
        raise RefusedError(f"side by side, log-probabilities differ by {difference:.1e} from single ones")


class EncoderDecoderState:
    """Prompts that have been encoded, and what grows behind them, as `side_by_side.PlainState` has them.

    Args:
        model: An encoder-decoder.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.device = next(model.parameters()).device
        self.started = first_tokens(model)
        self.numbers: list[int] = []

    def plan(self, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
        """Which prompts to read together."""
        lengths = [(len(prompt), len(self.started)) for prompt in prompts]
        return plan_pairs(lengths, READ_TOGETHER, rows_at_once(self.model))

    def has_room(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> bool:
        """Prompts are read when none is left."""
        return not self.numbers

    def read(self, numbers: Sequence[int], prompts: Sequence[Sequence[int]]) -> Tensor:
        """Encode prompts and start the decoder.

        Args:
            numbers: What they are called from now on.
            prompts: Token ids, none of them empty.

        Returns:
            Logits ``[prompts, vocabulary]`` of the first token of each answer.
        """
        token_ids, mask = pad(prompts)
        self.numbers = list(numbers)
        self.mask = mask.to(self.device)
        encoder = causal_model(self.model).get_encoder()
        self.encoded = encoder(input_ids=token_ids.to(self.device), attention_mask=self.mask)
        self.cache: Any = None  # the library makes the one that the model needs
        return self._step(torch.tensor([self.started] * len(prompts)))

    def score(self, numbers: Sequence[int], continuations: Sequence[Sequence[int]]) -> Tensor:
        """Log-probability of each token of continuations but the first, which are forgotten afterwards.

        Args:
            numbers: The prompt that each continues.
            continuations: Token ids, at least two each.

        Returns:
            One continuation behind the other, in nats.
        """

        def logits_of(rows: Tensor, token_ids: Tensor, _: Tensor, cache: Any) -> Tensor:
            logits: Tensor = self._run(token_ids, self._encoded(rows), self.mask[rows], cache).logits
            return logits

        rows = [self.numbers.index(number) for number in numbers]
        most = rows_at_once(self.model)
        return scores_behind(self.cache, self.mask, rows, continuations, most, logits_of)

    def step(self, numbers: Sequence[int], token_ids: Sequence[int]) -> Tensor:
        """Append one token to the answer of each prompt that is left, in the order in which they were read.

        Returns:
            Logits ``[prompts, vocabulary]`` behind these tokens.

        Raises:
            ValueError: There are others, or another order.
        """
        if list(numbers) != self.numbers:
            raise ValueError(f"prompts {self.numbers} go on together, not {list(numbers)}")
        return self._step(torch.tensor(token_ids)[:, None])

    def drop(self, numbers: Sequence[int]) -> None:
        """Forget prompts and what stands behind them."""
        left = [place for place, number in enumerate(self.numbers) if number not in set(numbers)]
        if 0 < len(left) < len(self.numbers):
            kept = torch.tensor(left, device=self.device)
            self.cache.reorder_cache(kept)
            self.mask, self.encoded = self.mask[kept], self._encoded(kept)
        self.numbers = [self.numbers[place] for place in left]

    def _step(self, token_ids: Tensor) -> Tensor:
        output = self._run(token_ids, self.encoded, self.mask, self.cache)
        self.cache = output.past_key_values
        return widened(output.logits[:, -1])

    def _encoded(self, rows: Tensor) -> Any:
        """Some rows of what the encoder has given."""
        chosen = copy.copy(self.encoded)
        chosen.last_hidden_state = chosen.last_hidden_state[rows]
        return chosen

    def _run(self, token_ids: Tensor, encoded: Any, mask: Tensor, cache: Any) -> Any:
        return self.model(
            encoder_outputs=encoded,
            attention_mask=mask,
            decoder_input_ids=token_ids.to(self.device),
            past_key_values=cache,
            use_cache=True,
        )
