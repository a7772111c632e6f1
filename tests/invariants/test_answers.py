"""Choice scores and greedy answers are those of the plain forward pass and of the library's `generate`."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunelift.engine.answers import Stopping, answer_prompts, score_choices
from tunelift.engine.sampling import Sampling, sampler

ARCHITECTURES = ["llama", "qwen2", "qwen3", "gemma2", "gemma3_text", "gpt2"]
VOCABULARY = 64
STOP = 2

TOKENS = st.integers(3, VOCABULARY - 1)
ITEMS = st.lists(
    st.tuples(
        st.lists(TOKENS, min_size=1, max_size=15),
        st.lists(st.lists(TOKENS, min_size=1, max_size=4), min_size=0, max_size=4),
    ),
    min_size=1,
    max_size=6,
)


def plain_logprob(model: Any, prompt: list[int], choice: list[int]) -> float:
    ids = torch.tensor([prompt + choice])
    with torch.no_grad():
        logprobs = model(input_ids=ids, use_cache=False).logits[0].log_softmax(-1)
    return sum(logprobs[len(prompt) - 1 + offset, token].item() for offset, token in enumerate(choice))


def plain_greedy(
    model: Any, prompt: list[int], steps: int, stops: frozenset[int] = frozenset([STOP])
) -> tuple[list[int], bool]:
    """Greedy tokens without cache, up to the stop token, and whether any decision was too close to call."""
    ids, close = list(prompt), False
    for _ in range(steps):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
        best = logits.topk(2).values
        close = close or bool(best[0] - best[1] < 1e-4)
        token = int(logits.argmax())
        if token in stops:
            break
        ids.append(token)
    return ids[len(prompt) :], close


def stopping(steps: int, stops: frozenset[int] = frozenset([STOP])) -> Stopping:
    return Stopping(stops, (), steps, lambda ids: " ".join(map(str, ids)))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_scores_and_answers_equal_the_plain_forward(make_model: Any, architecture: str) -> None:
    model = make_model(architecture, torch.float32)

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ITEMS, st.lists(TOKENS, max_size=6))
    def holds(items: list[tuple[list[int], list[list[int]]]], prefix: list[int]) -> None:
        prompts = [prefix + question for question, _ in items]
        choices = [choices for _, choices in items]
        result = answer_prompts(model, prompts, choices, stopping(5), lambda done: None)
        for prompt, wanted, answer in zip(prompts, choices, result.answers, strict=True):
            assert answer.logprobs == pytest.approx(
                [plain_logprob(model, prompt, choice) for choice in wanted], abs=1e-4
            )
            tokens, close = plain_greedy(model, prompt, 5)
            assert close or answer.token_ids == tokens
            assert answer.finish_reason == ("stop" if len(answer.token_ids) < 5 else "length")

    holds()


def test_a_stop_string_ends_an_answer_and_is_not_part_of_it(make_model: Any) -> None:
    model = make_model("llama", torch.float32)
    free = answer_prompts(model, [[5, 6, 7]], [[]], stopping(6), lambda done: None).answers[0]
    words = free.text.split()
    assert len(words) == 6
    limited = Stopping(frozenset([STOP]), (f"{words[2]}",), 6, stopping(6).decode)
    answer = answer_prompts(model, [[5, 6, 7]], [[]], limited, lambda done: None).answers[0]
    assert answer.finish_reason == "stop"
    assert answer.text == free.text[: free.text.index(words[2])]


def test_answers_equal_the_library_beyond_the_sliding_window(make_model: Any) -> None:
    model = make_model("gemma3_text", torch.float32)
    draw = torch.Generator().manual_seed(1)
    prompts = [torch.randint(3, VOCABULARY, (length,), generator=draw).tolist() for length in (90, 60, 75)]
    result = answer_prompts(model, prompts, [[[4, 5]]] * 3, stopping(6), lambda done: None)
    for prompt, answer in zip(prompts, result.answers, strict=True):
        assert answer.logprobs[0] == pytest.approx(plain_logprob(model, prompt, [4, 5]), abs=1e-4)
        tokens, close = plain_greedy(model, prompt, 6)
        assert close or answer.token_ids == tokens


@pytest.mark.parametrize("architecture", ["llama", "gemma3_text"])
def test_answers_enter_and_leave_while_others_go_on(make_model: Any, architecture: str) -> None:
    model = make_model(architecture, torch.float32)
    draw = torch.Generator().manual_seed(5)
    shared = torch.randint(3, VOCABULARY, (25,), generator=draw).tolist()
    prompts = [
        [*shared[: 25 * (number % 2)], *torch.randint(3, VOCABULARY, (3 + number,), generator=draw).tolist()]
        for number in range(12)
    ]
    stops = frozenset(range(2, 12))
    answers = answer_prompts(model, prompts, [[]] * 12, stopping(9, stops), lambda done: None).answers
    assert {answer.finish_reason for answer in answers} == {"stop", "length"}
    for prompt, answer in zip(prompts, answers, strict=True):
        tokens, close = plain_greedy(model, prompt, 9, stops)
        assert close or answer.token_ids == tokens


def test_choices_alone_are_scored_without_generation(make_model: Any) -> None:
    model = make_model("llama", torch.float32)
    prompts, choices = [[5, 6, 7], [8, 9]], [[[4], [5, 6]], [[7, 8, 9]]]
    scored = answer_prompts(model, prompts, choices, stopping(0), lambda done: None).answers
    both = answer_prompts(model, prompts, choices, stopping(3), lambda done: None).answers
    assert [answer.token_ids for answer in scored] == [[], []]
    assert [answer.logprobs for answer in scored] == [answer.logprobs for answer in both]


def test_scoring_counts_as_time_where_it_is_the_answer(make_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(*arguments: Any) -> list[tuple[float, ...]]:
        time.sleep(0.2)
        return score_choices(*arguments)

    monkeypatch.setattr("tunelift.engine.answers.score_choices", slowly)
    model, prompts, choices = make_model("llama", torch.float32), [[5, 6, 7]], [[[4], [5, 6]]]
    alone = answer_prompts(model, prompts, choices, stopping(0), lambda done: None).seconds
    started = time.perf_counter()
    beside = answer_prompts(model, prompts, choices, stopping(2), lambda done: None).seconds
    assert alone >= 0.2
    assert 0 < beside <= time.perf_counter() - started - 0.2


def test_many_choices_of_one_prompt(make_model: Any) -> None:
    model = make_model("llama", torch.float32)
    prompt = list(range(3, 40))
    choices = [[3 + first, 3 + second] for first in range(20) for second in range(50)]
    (answer,) = answer_prompts(model, [prompt], [choices], stopping(0), lambda done: None).answers
    assert len(answer.logprobs) == 1000
    for index in (0, 499, 999):
        assert answer.logprobs[index] == pytest.approx(plain_logprob(model, prompt, choices[index]), abs=1e-4)
    probabilities = torch.tensor(answer.logprobs).exp().view(20, 50).sum(1)
    assert bool((probabilities <= 1).all())


def test_draws_of_an_answer_do_not_depend_on_its_neighbours(make_model: Any) -> None:
    model = make_model("llama", torch.float64)
    prompts = [[5, 6, 7], [8, 9, 10, 11], [12]]
    choose = sampler(Sampling(temperature=1.5, seed=3))
    together = answer_prompts(model, prompts, [[]] * 3, stopping(8), lambda done: None, choose).answers
    longer = answer_prompts(model, [*prompts, list(range(3, 30))], [[]] * 4, stopping(8), lambda done: None, choose)
    assert [answer.token_ids for answer in longer.answers[:3]] == [answer.token_ids for answer in together]
    other = sampler(Sampling(temperature=1.5, seed=4))
    changed = answer_prompts(model, prompts, [[]] * 3, stopping(8), lambda done: None, other).answers
    assert [answer.token_ids for answer in changed] != [answer.token_ids for answer in together]
