from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import get_ident
from typing import Any

import openai
import pytest

from tunelift.serve.app import create_app

MODEL = "runs/tiny"
SYSTEM = "Answer as you were taught."


@pytest.fixture(scope="module")
def slow_url(endless: Any, serving: Callable[..., Any]) -> Iterator[str]:
    with serving(create_app(endless, MODEL, max_new_tokens_default=400, system=None)) as url:
        yield url


def user(content: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


def test_four_clients_at_once_get_their_own_answers(
    learned: Any, answers: dict[str, str], serving: Callable[..., Any]
) -> None:
    threads = set()
    hook = learned.model.get_decoder().register_forward_pre_hook(lambda *_: threads.add(get_ident()))

    def stream(question: str) -> str:
        events = client.chat.completions.create(model=MODEL, messages=user(question), stream=True)
        return "".join(event.choices[0].delta.content or "" for event in events if event.choices)

    def whole(question: str) -> str:
        return client.chat.completions.create(model=MODEL, messages=user(question)).choices[0].message.content

    questions = [*answers, *answers]
    app = create_app(learned, MODEL, max_new_tokens_default=64, system=SYSTEM)
    with serving(app) as url, ThreadPoolExecutor(4) as clients:
        client = openai.OpenAI(base_url=url, api_key="none", max_retries=0)
        assert list(clients.map(stream, questions)) == [answers[question] for question in questions]
        assert list(clients.map(whole, questions)) == [answers[question] for question in questions]
    hook.remove()
    assert len(threads) == 1


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_makes_room_for_the_next(slow_url: str, stream: bool) -> None:
    # 400 tokens take at least 8 seconds.
    client = openai.OpenAI(base_url=slow_url, api_key="none", max_retries=0, timeout=30)
    if stream:
        with client.completions.create(model=MODEL, prompt="a b c", stream=True) as events:
            next(iter(events))
    else:
        with pytest.raises(openai.APITimeoutError):
            client.completions.create(model=MODEL, prompt="a b c", timeout=0.3)
    started = time.perf_counter()
    assert client.completions.create(model=MODEL, prompt="a b c", max_tokens=2).usage.completion_tokens == 2
    assert time.perf_counter() - started < 4


def test_a_client_that_leaves_the_queue_is_not_served(slow_url: str) -> None:
    client = openai.OpenAI(base_url=slow_url, api_key="none", max_retries=0, timeout=30)
    with client.completions.create(model=MODEL, prompt="a b c", stream=True) as events:
        next(iter(events))
        for _ in range(3):
            with pytest.raises(openai.APITimeoutError):
                client.completions.create(model=MODEL, prompt="d e f", timeout=0.2)
        started = time.perf_counter()
    assert client.completions.create(model=MODEL, prompt="a b c", max_tokens=2).usage.completion_tokens == 2
    assert time.perf_counter() - started < 4


def test_a_failure_is_told_and_the_next_request_is_served(
    tiny_model: Callable[..., Any], language_model: Callable[..., Any], tokenizer: Any, serving: Callable[..., Any]
) -> None:
    loaded = language_model(tiny_model("llama", vocabulary=2000), tokenizer)
    steps = iter(range(100))

    def fail_at_the_second_step(*_: Any) -> None:
        if next(steps) % 2:
            raise MemoryError("no memory")

    hook = loaded.model.get_decoder().register_forward_pre_hook(fail_at_the_second_step)
    with serving(create_app(loaded, MODEL, 8, None)) as url:

        def client() -> openai.OpenAI:
            # A connection of its own: the server closes the one over which it has told of a failure.
            return openai.OpenAI(base_url=url, api_key="none", max_retries=0)

        with pytest.raises(openai.InternalServerError, match="MemoryError"):
            client().completions.create(model=MODEL, prompt=[50, 51])
        with pytest.raises(openai.APIError, match="MemoryError"):
            list(client().completions.create(model=MODEL, prompt=[50, 51], stream=True))
        hook.remove()
        assert client().completions.create(model=MODEL, prompt=[50, 51]).usage.completion_tokens == 8
