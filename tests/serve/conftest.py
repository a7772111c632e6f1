"""Fixtures for serving.

answers   session   what `learned` has learned: question to answer
learned   session   a tiny model that gives these answers, each behind its own chat prompt, and then ends its turn
talkative session   a tiny model with the template of words that, behind its answer, writes on as the user
endless   session   a tiny random model that never ends its turn and takes a fiftieth of a second for a token
serving   session   serving(app): a context in which the app is served on a free port; gives the URL of the API
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Thread
from typing import Any

import pytest

ANSWERS = {
    "Count.": "one two three, four five; six seven",
    "你好吗？": "我很好，谢谢！今天天气不错：𠮷野家 🙂。\n 换行",
    "Classify.": "positive",
    "And in the end?": "The love you take\nis equal to the love you make.",
}
SYSTEM = "Answer as you were taught."


@pytest.fixture(scope="session")
def answers() -> dict[str, str]:
    return ANSWERS


@pytest.fixture(scope="session")
def learned(tiny_model: Callable[..., Any], language_model: Callable[..., Any], tokenizer: Any) -> Any:
    loaded = language_model(tiny_model("llama", len(tokenizer)), tokenizer)
    teach(loaded.model, tokenizer, ANSWERS)
    return loaded


@pytest.fixture(scope="session")
def talkative(tiny_model: Callable[..., Any], language_model: Callable[..., Any], tokenizer: Any) -> Any:
    from tunelift.prompts.chat import default_chat_template, stop_token_id

    chat = copy.deepcopy(tokenizer)
    chat.chat_template = default_chat_template(tokenizer, (stop_token_id(tokenizer),))
    loaded = language_model(tiny_model("llama", len(tokenizer)), chat)
    teach(loaded.model, chat, {"Well?": "Users\nask.\n\nUser:\nMore"})
    return loaded


def teach(model: Any, tokenizer: Any, answers: dict[str, str]) -> None:
    """Tune a tiny model until it gives these answers."""
    import torch

    from tunelift.prompts.chat import encode_chat, encode_texts, stop_token_id

    rows = []
    for question, answer in answers.items():
        prompt = encode_chat(tokenizer, [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}])
        rows.append((prompt, [*encode_texts(tokenizer, [answer])[0], stop_token_id(tokenizer)]))
    width = max(len(prompt) + len(answer) for prompt, answer in rows)
    token_ids = torch.zeros(len(rows), width, dtype=torch.long)
    supervised = torch.zeros(len(rows), width, dtype=torch.bool)
    for row, (prompt, answer) in enumerate(rows):
        token_ids[row, : len(prompt) + len(answer)] = torch.tensor([*prompt, *answer])
        supervised[row, len(prompt) : len(prompt) + len(answer)] = True
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(100):
        states = model.model(token_ids).last_hidden_state[:, :-1][supervised[:, 1:]]
        loss = torch.nn.functional.cross_entropy(model.lm_head(states), token_ids[supervised])
        if loss.item() < 0.02:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.fixture(scope="session")
def endless(tiny_model: Callable[..., Any], language_model: Callable[..., Any], tokenizer: Any) -> Any:
    model = tiny_model("llama", len(tokenizer))
    model.get_decoder().register_forward_pre_hook(lambda *_: time.sleep(0.02))
    return language_model(model, tokenizer)


@pytest.fixture(scope="session")
def serving() -> Callable[[Any], AbstractContextManager[str]]:
    return run_server


@contextmanager
def run_server(app: Any) -> Iterator[str]:
    import uvicorn

    from tunelift.serve.server import listen

    with listen("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join()
