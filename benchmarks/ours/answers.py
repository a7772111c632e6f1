"""tunelift's side of the answering benchmarks: from rendered texts to log-probabilities, or to generated texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from common.answering import requests_digest
from common.memory import peak_memory
from common.stopwatch import Stopwatch
from common.workers import serve
from common.workloads import Questions


def repeat(configuration: dict[str, Any]) -> dict[str, Any]:
    """Answer all items.

    Args:
        configuration: model, precision, kind, demonstrations, items, and for generation stop and max_new_tokens.
    """
    loaded = _load(configuration["model"], configuration["precision"])
    work = Questions("", configuration["demonstrations"], configuration["items"])
    prompts = [work.prompt(item) for item in work.items]
    score = configuration["kind"] == "score"
    choices = [[f" {choice}" for choice in item["choices"]] if score else [] for item in work.items]
    with peak_memory() as peak:
        watch = Stopwatch()
        answers = _answer(loaded, prompts, choices, configuration)
        watch.look()
    requests = [(prompt, end) for prompt, ends in zip(prompts, choices, strict=True) for end in ends or [""]]
    return {
        "seconds": watch.seconds,
        "cores": watch.cores,
        "memory": peak.above,
        "requests": len(requests),
        "tokens": sum(len(loaded.tokenizer(prompt + end)["input_ids"]) for prompt, end in requests),
        "digest": requests_digest(requests),
        "answers": [list(answer.logprobs) if score else [answer.text] for answer in answers],
    }


@lru_cache(maxsize=1)
def _load(model: str, precision: str) -> Any:
    from tunelift.models.load import load_model

    return load_model(model, precision, accept_terms=True)


def _answer(
    loaded: Any, prompts: Sequence[str], choices: Sequence[Sequence[str]], configuration: dict[str, Any]
) -> list[Any]:
    """The engine's answers: no token is generated where choices are scored."""
    from tunelift.engine.answers import Stopping, answer_prompts

    tokenizer = loaded.tokenizer
    prompt_ids = tokenizer(list(prompts))["input_ids"]
    stopping = Stopping(
        token_ids=frozenset([tokenizer.eos_token_id]),
        strings=(configuration["stop"],),
        max_new_tokens=0 if configuration["kind"] == "score" else configuration["max_new_tokens"],
        decode=lambda ids: tokenizer.decode(ids, skip_special_tokens=True),
    )
    choice_ids = [
        [_continuation(tokenizer, prompt, ids, choice) for choice in given]
        for prompt, ids, given in zip(prompts, prompt_ids, choices, strict=True)
    ]
    return answer_prompts(loaded.model, prompt_ids, choice_ids, stopping, lambda _: None).answers


def _continuation(tokenizer: Any, prompt: str, prompt_ids: Sequence[int], choice: str) -> list[int]:
    """A choice's tokens as the harness cuts them: those of the whole text behind those of the prompt."""
    ids = tokenizer(prompt + choice)["input_ids"]
    if ids[: len(prompt_ids)] != prompt_ids:
        raise ValueError(f"the tokens of {choice!r} do not begin where the prompt ends")
    return list(ids[len(prompt_ids) :])


if __name__ == "__main__":
    serve(["tunelift", "torch", "transformers"], repeat)
