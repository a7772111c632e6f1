from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest

from tunelift.core.errors import UserError
from tunelift.core.recipe import Prompting
from tunelift.core.records import Example
from tunelift.evaluation.endpoints import endpoint_messages, evaluate_endpoint
from tunelift.evaluation.evaluate import evaluate_model
from tunelift.models.endpoint import Endpoint
from tunelift.prompts.build import PromptStyle, answer_prompts, choose_demonstrations
from tunelift.serve.app import create_app
from tunelift.serve.server import listen

NOBODY = Endpoint("http://127.0.0.1:1/v1", "nobody", retries=0)


@pytest.fixture(scope="module")
def served(tiny: Any) -> Iterator[Endpoint]:
    import uvicorn

    with listen("127.0.0.1", 0) as listener:
        config = uvicorn.Config(
            create_app(tiny, "served", 256, None), log_level="critical", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", "served")
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def examples(make_example: Callable[..., Any]) -> list[Example]:
    targets = ["very positive", "negative", "neutral", "very positive", "neutral"]
    return [make_example(f"e{n}", f"text {n} 哈哈", target) for n, target in enumerate(targets)]


@pytest.mark.parametrize("shots", [0, 2])
def test_a_served_model_answers_as_the_model_itself(
    served: Endpoint, tiny: Any, make_task: Callable[..., Any], examples: list[Example], shots: int
) -> None:
    task = make_task(description="Say which.")
    items, pool, prompting = examples[:3], examples[3:], Prompting(shots=shots)
    style = PromptStyle(task, tiny.tokenizer)
    prompts = answer_prompts(style, prompting, items, pool, seed=7)
    expected = evaluate_model(tiny, style, items, [2, 0], [prompts[2], prompts[0]], "here")
    shown = choose_demonstrations(task, prompting, items, pool, seed=7)
    found = evaluate_endpoint(served, task, items, [2, 0], [shown[2], shown[0]], "there")
    assert (found.task, found.condition, found.model, found.available) == ("toy", "there", "served", 3)
    assert found.seconds > 0
    for one, other in zip(found.samples, expected.samples, strict=True):
        assert (one.example_id, one.doc_id, one.target) == (other.example_id, other.doc_id, other.target)
        assert (one.output, one.answer, one.finish_reason) == (other.output, other.answer, other.finish_reason)
        assert (one.tokens, one.demonstrations) == (other.tokens, other.demonstrations)
        assert one.metrics == {"acc": other.metrics["acc"]}
        assert (one.logprobs, one.probabilities, one.choice_answer) == (None, None, None)
        assert one.prompt.startswith("system: Say which.\nuser: Sentiment: text ")


def test_the_tasks_stop_strings_end_an_answer(
    served: Endpoint, make_task: Callable[..., Any], examples: list[Example]
) -> None:
    (free,) = evaluate_endpoint(served, make_task(), examples, [0], [[]], "c").samples
    middle = free.output[len(free.output) // 2]
    task = make_task(generation_kwargs={"max_gen_toks": 6, "until": middle})
    (stopped,) = evaluate_endpoint(served, task, examples, [0], [[]], "c").samples
    assert stopped.output == free.output[: free.output.index(middle)]
    assert stopped.finish_reason == "stop"


def test_a_task_of_plain_text_is_asked_as_a_chat(make_task: Callable[..., Any], examples: list[Example]) -> None:
    messages = endpoint_messages(make_task(render="plain", description="Say which."), examples[0], examples[1:2])
    assert messages == [
        {"role": "system", "content": "Say which."},
        {"role": "user", "content": "Sentiment: text 1 哈哈"},
        {"role": "assistant", "content": "negative"},
        {"role": "user", "content": "Sentiment: text 0 哈哈"},
    ]


def test_answers_of_tools_are_turns_of_the_user(make_task: Callable[..., Any], make_example: Any) -> None:
    turns = [
        {"role": "user", "content": "Add."},
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "add", "arguments": {"a": 1}}}]},
        {"role": "tool", "content": "2", "tool_call_id": "x"},
    ]
    example = make_example("e", "", "2", None)
    example.fields["messages"] = turns
    messages = endpoint_messages(make_task(doc_to_text="messages", doc_to_choice=None), example, [])
    assert messages == [
        {"role": "user", "content": "Add."},
        {"role": "assistant", "content": '[{"name": "add", "arguments": {"a": 1}}]'},
        {"role": "user", "content": "2"},
    ]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"output_type": "loglikelihood_rolling", "doc_to_choice": None}, "cannot tell the probability"),
        ({"output_type": "multiple_choice", "metric_list": [{"metric": "choice_acc"}]}, "choices were not scored"),
    ],
)
def test_what_needs_log_probabilities_is_refused_before_anything_is_asked(
    make_task: Callable[..., Any], examples: list[Example], keys: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        evaluate_endpoint(NOBODY, make_task(**keys), examples, [0], [[]], "c")


def test_an_endpoint_that_is_not_there_is_told(make_task: Callable[..., Any], examples: list[Example]) -> None:
    with pytest.raises(UserError, match=r"127\.0\.0\.1:1/v1: cannot be reached"):
        evaluate_endpoint(NOBODY, make_task(), examples, [0], [[]], "c")
