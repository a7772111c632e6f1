from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import chisquare

from tunelift.engine.answers import Stopping, answer_prompts
from tunelift.engine.sampling import nucleus
from tunelift.prompts.chat import encode_chat
from tunelift.serve.generation import UNFINISHED, Options, Piece, certain_length, stream_tokens

PROMPTS = [list(range(40, 40 + length)) for length in (1, 5, 37)]


def generate(loaded: Any, prompt: list[int], **options: Any) -> list[Piece]:
    return list(stream_tokens(loaded, prompt, Options(**options), Event()))


def text_of(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def evaluated(loaded: Any, prompt: list[int], max_new_tokens: int, stop: tuple[str, ...] = ()) -> Any:
    stopping = Stopping(
        loaded.stop_token_ids, stop, max_new_tokens, lambda ids: loaded.tokenizer.decode(ids, skip_special_tokens=True)
    )
    return answer_prompts(loaded.model, [prompt], [[]], stopping, lambda _: None).answers[0]


@pytest.mark.parametrize("architecture", ["llama", "qwen3", "gemma3_text", "gpt2"])
@pytest.mark.parametrize("prompt", [PROMPTS[0], PROMPTS[2]], ids=len)
def test_the_greedy_answer_is_the_evaluated_one(
    tiny_model: Callable[..., Any],
    language_model: Callable[..., Any],
    tokenizer: Any,
    architecture: str,
    prompt: list[int],
) -> None:
    loaded = language_model(tiny_model(architecture, vocabulary=2000), tokenizer)
    expected = evaluated(loaded, prompt, 24)
    # The middle of the answer also serves as a stop string, which in general lies across tokens.
    stop = expected.text[len(expected.text) // 2 :][:3]
    for strings in ((), (stop,), ("never said", stop)):
        expected = evaluated(loaded, prompt, 24, strings)
        pieces = generate(loaded, prompt, max_new_tokens=24, stop=strings)
        assert text_of(pieces) == expected.text
        assert pieces[-1] == Piece(pieces[-1].text, len(expected.token_ids), expected.finish_reason)
        assert all(piece.finish_reason is None and piece.text for piece in pieces[:-1])


def test_what_a_generation_configuration_asks_for_has_no_effect(
    tiny_model: Callable[..., Any], language_model: Callable[..., Any], tokenizer: Any
) -> None:
    loaded = language_model(tiny_model("llama", vocabulary=2000), tokenizer)
    before = generate(loaded, PROMPTS[1], max_new_tokens=12)
    loaded.model.generation_config.update(repetition_penalty=2.0, suppress_tokens=list(range(1000)), do_sample=True)
    assert generate(loaded, PROMPTS[1], max_new_tokens=12) == before


def test_learned_answers_are_streamed_in_whole_characters(learned: Any, answers: dict[str, str]) -> None:
    for question, answer in answers.items():
        turns = [{"role": "system", "content": "Answer as you were taught."}, {"role": "user", "content": question}]
        prompt = encode_chat(learned.tokenizer, turns)
        pieces = generate(learned, prompt, max_new_tokens=100)
        assert text_of(pieces) == answer
        assert pieces[-1].finish_reason == "stop"
        assert not any(UNFINISHED in piece.text for piece in pieces)
        assert len(pieces) > len(answer.split())


def test_an_answer_that_is_cut_inside_a_character_ends_as_the_evaluated_one(
    learned: Any, answers: dict[str, str]
) -> None:
    turns = [{"role": "system", "content": "Answer as you were taught."}, {"role": "user", "content": "你好吗？"}]
    prompt = encode_chat(learned.tokenizer, turns)
    cut = set()
    for length in range(1, 12):
        pieces = generate(learned, prompt, max_new_tokens=length)
        assert text_of(pieces) == evaluated(learned, prompt, length).text
        assert (pieces[-1].completion_tokens, pieces[-1].finish_reason) == (length, "length")
        cut.add(UNFINISHED in pieces[-1].text)
    assert cut == {True, False}


@given(
    st.text("ab结束", max_size=12),
    st.text("ab结束", max_size=6),
    st.lists(st.text("ab结束", min_size=1, max_size=4), max_size=3),
    st.integers(0, 2),
)
def test_nothing_is_shown_that_is_taken_back(text: str, rest: str, stop: list[str], unfinished: int) -> None:
    assume(not any(string in text for string in stop))
    certain = certain_length(text + UNFINISHED * unfinished, stop)
    ends = [(text + rest).index(string) for string in stop if string in text + rest]
    assert certain <= min(ends, default=len(text))
    # And nothing more is held back than what some continuation would make a stop string of.
    assert certain == len(text) or any(string.startswith(text[certain:]) for string in stop)


def test_sampling_follows_temperature_and_top_p(
    tiny_model: Callable[..., Any], language_model: Callable[..., Any], tokenizer: Any
) -> None:
    loaded = language_model(tiny_model("llama", vocabulary=60), tokenizer)
    logits = loaded.model(torch.tensor([PROMPTS[0]])).logits[0, -1].double().detach().numpy()
    probabilities = np.exp((logits - logits.max()) / 0.7)
    probabilities /= probabilities.sum()
    order = np.argsort(-probabilities)
    kept = order[: int(np.searchsorted(probabilities[order].cumsum(), 0.9)) + 1]
    expected: Counter[str] = Counter()
    for token in kept:
        text = "" if token in loaded.stop_token_ids else tokenizer.decode([token], skip_special_tokens=True)
        expected[text] += probabilities[token] / probabilities[kept].sum()
    draws = 300
    drawn = Counter(
        text_of(generate(loaded, PROMPTS[0], max_new_tokens=1, temperature=0.7, top_p=0.9, seed=seed))
        for seed in range(draws)
    )
    assert set(drawn) <= set(expected)
    common = [text for text, share in expected.items() if share * draws >= 5]
    observed = [*(drawn[text] for text in common), draws - sum(drawn[text] for text in common)]
    shares = [*(expected[text] for text in common), 1 - sum(expected[text] for text in common)]
    keep = [index for index, share in enumerate(shares) if share * draws > 1e-6]
    assert len(common) > 3
    result = chisquare([observed[index] for index in keep], [shares[index] * draws for index in keep])
    assert result.pvalue > 0.001


@given(st.lists(st.floats(-8, 8), min_size=1, max_size=12, unique=True), st.floats(0.01, 1))
def test_the_nucleus_is_that_of_transformers(logits: list[float], top_p: float) -> None:
    from transformers import TopPLogitsWarper

    scores = torch.tensor(sorted(logits, reverse=True), dtype=torch.float64)
    probabilities = scores.softmax(-1)
    # Otherwise rounding decides on which side of the boundary a token lies.
    assume((probabilities.cumsum(0) - top_p).abs().min() > 1e-9)
    warped = TopPLogitsWarper(top_p)(torch.empty(1, 0), scores[None])[0]
    assert torch.equal(nucleus(probabilities, top_p) > 0, warped > -torch.inf)


def test_a_seed_repeats_an_answer_and_no_other_generator_is_touched(
    tiny_model: Callable[..., Any], language_model: Callable[..., Any], tokenizer: Any
) -> None:
    loaded = language_model(tiny_model("llama", vocabulary=2000), tokenizer)
    state = torch.get_rng_state()
    first, again, other = (
        generate(loaded, PROMPTS[1], max_new_tokens=12, temperature=1.5, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("options", [{"temperature": 1e-300}, {"temperature": 2.0, "top_p": 1e-9}])
def test_sampling_without_freedom_is_greedy(
    tiny_model: Callable[..., Any], language_model: Callable[..., Any], tokenizer: Any, options: dict[str, float]
) -> None:
    loaded = language_model(tiny_model("llama", vocabulary=2000), tokenizer)
    greedy = generate(loaded, PROMPTS[2], max_new_tokens=12)
    assert generate(loaded, PROMPTS[2], max_new_tokens=12, **options) == greedy


def test_a_cancelled_answer_ends_before_the_next_token(endless: Any) -> None:
    cancelled = Event()
    pieces = stream_tokens(endless, PROMPTS[1], Options(max_new_tokens=400), cancelled)
    next(pieces)
    cancelled.set()
    assert list(pieces) == []


def test_an_answer_that_is_cancelled_beforehand_computes_nothing(endless: Any) -> None:
    cancelled = Event()
    cancelled.set()
    passes: list[Any] = []
    hook = endless.model.register_forward_pre_hook(lambda *arguments: passes.append(arguments))
    assert list(stream_tokens(endless, PROMPTS[1], Options(max_new_tokens=400), cancelled)) == []
    hook.remove()
    assert passes == []
