from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any

import pytest
import torch

from tunelift.core.recipe import Prompting
from tunelift.core.records import Example, Prompt, Sample
from tunelift.evaluation.evaluate import (
    Evaluation,
    clusters_of,
    evaluate_model,
    evaluate_predictor,
)
from tunelift.evaluation.metrics.metric import mean_metric
from tunelift.evaluation.parsing.choices import parse_choice
from tunelift.prompts.build import PromptStyle, answer_prompts

TEXTS = ["I love it", "Terrible, never again!", "The gate opens at nine o'clock on Tuesday", "哈哈 🙂", "ok"]


def plain_logprob(model: Any, prompt: Prompt, choice: list[int]) -> float:
    """Summed log-probability of a choice from one unpadded forward pass of prompt and choice together."""
    ids = torch.tensor([[*prompt.token_ids, *choice]])
    with torch.no_grad():
        logprobs = model(ids).logits[0].log_softmax(-1)
    behind = range(len(prompt.token_ids), ids.shape[1])
    return sum(logprobs[index - 1, ids[0, index]].item() for index in behind)


def plain_answer(loaded: Any, prompt: Prompt, max_new_tokens: int) -> tuple[str, str]:
    """Text and finish reason of the library's own greedy generation."""
    ids = torch.tensor([prompt.token_ids])
    stops = sorted(loaded.stop_token_ids)
    output = loaded.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=max_new_tokens,
        eos_token_id=stops,
        pad_token_id=stops[0],
    )[0, ids.shape[1] :].tolist()
    stopped = output[-1] in stops
    return loaded.tokenizer.decode(output, skip_special_tokens=True), "stop" if stopped else "length"


def run(
    loaded: Any, task: Any, examples: list[Example], chat: bool, **prompting: Any
) -> tuple[Evaluation, list[Prompt]]:
    style = PromptStyle(task, loaded.tokenizer, chat)
    prompts = answer_prompts(style, Prompting(**prompting), examples[:3], examples[3:], seed=7)
    return evaluate_model(loaded, style, examples[:3], range(3), prompts, "zero-shot"), prompts


@pytest.fixture(scope="session")
def examples(make_example: Callable[..., Any]) -> list[Example]:
    targets = ["very positive", "negative", "neutral", "very positive", "neutral"]
    return [make_example(f"e{n}", text, target) for n, (text, target) in enumerate(zip(TEXTS, targets, strict=True))]


@pytest.mark.parametrize(
    ("system", "chat", "shots"),
    [("tiny", True, 0), ("tiny", True, 2), ("tiny", False, 0), ("tiny", False, 2), ("smollm2", True, 0)],
)
def test_scores_and_answers_are_those_of_the_plain_library(
    request: pytest.FixtureRequest,
    make_task: Callable[..., Any],
    examples: list[Example],
    system: str,
    chat: bool,
    shots: int,
) -> None:
    loaded = request.getfixturevalue(system)
    # Twelve tokens so that the real model ends some of its answers.
    task = make_task(generation_kwargs={"max_gen_toks": 12, "until": ["no stop string"]})
    evaluation, prompts = run(loaded, task, examples, chat, shots=shots)
    for sample, prompt, example in zip(evaluation.samples, prompts, examples, strict=False):
        delimiter = "" if chat else " "
        encoded = [
            loaded.tokenizer(delimiter + choice, add_special_tokens=False)["input_ids"]
            for choice in example.choices or ()
        ]
        expected = [plain_logprob(loaded.model, prompt, choice) for choice in encoded]
        assert sample.logprobs == pytest.approx(expected, abs=1e-4 if system == "tiny" else 1e-3)
        assert (example.choices or ())[expected.index(max(expected))] == sample.choice_answer
        assert (sample.output, sample.finish_reason) == plain_answer(loaded, prompt, 12)


def test_a_sample_holds_what_was_asked_and_answered(tiny: Any, make_task: Any, examples: list[Example]) -> None:
    evaluation, prompts = run(tiny, make_task(), examples, True, shots=1)
    assert (evaluation.task, evaluation.condition, evaluation.model) == ("toy", "zero-shot", "tiny")
    assert evaluation.seconds > 0
    assert [sample.doc_id for sample in evaluation.samples] == [0, 1, 2]
    for sample, prompt, example in zip(evaluation.samples, prompts, examples, strict=False):
        assert (sample.example_id, sample.doc, sample.target) == (example.id, example.fields, example.target)
        assert (sample.prompt, sample.demonstrations) == (prompt.text, prompt.demonstrations)
        assert sample.answer == parse_choice(sample.output, example.choices)
        assert list(sample.metrics) == ["acc", "choice_acc", "choice_acc_tokens", "choice_acc_bytes"]
        assert sample.metrics["acc"] == float(sample.answer == example.target)
        assert sample.metrics["choice_acc"] == float(sample.choice_answer == example.target)
        assert sample.tokens["prompt"] == len(prompt.token_ids)
        assert sample.tokens["completion"] <= 6
    accuracy = sum(sample.metrics["choice_acc"] for sample in evaluation.samples) / 3
    assert evaluation.mean("choice_acc") == pytest.approx(accuracy)
    assert str(evaluation).startswith("toy · zero-shot: 3 items, acc ")


def test_items_do_not_change_each_other(tiny: Any, make_task: Any, examples: list[Example]) -> None:
    """The same item alone and among others, in another order, gets the same scores and the same answer."""
    style = PromptStyle(make_task(), tiny.tokenizer)
    prompts = answer_prompts(style, Prompting(), examples, [], seed=7)
    together = evaluate_model(tiny, style, examples, range(4, -1, -1), prompts[::-1], "a").samples[::-1]
    for position, (prompt, sample) in enumerate(zip(prompts, together, strict=True)):
        alone = evaluate_model(tiny, style, examples, [position], [prompt], "a").samples[0]
        assert alone.doc_id == sample.doc_id == position
        assert alone.example_id == examples[position].id
        assert alone.output == sample.output
        assert alone.logprobs == pytest.approx(sample.logprobs, abs=1e-5)


def test_a_task_without_choices_has_no_choice_scores(tiny: Any, make_task: Any, make_example: Any) -> None:
    task = make_task(doc_to_choice=None)
    examples = [make_example("e", "text", "free", None)]
    style = PromptStyle(task, tiny.tokenizer)
    prompts = answer_prompts(style, Prompting(), examples, [], 7)
    (sample,) = evaluate_model(tiny, style, examples, [0], prompts, "a").samples
    assert (sample.choices, sample.logprobs, sample.choice_answer) == (None, None, None)
    assert list(sample.metrics) == ["acc"]


def test_stop_strings_end_an_answer(tiny: Any, make_task: Any, examples: list[Example]) -> None:
    free, _ = run(tiny, make_task(), examples, True)
    text = free.samples[0].output
    middle = text[len(text) // 2]
    stopped, _ = run(tiny, make_task(generation_kwargs={"max_gen_toks": 6, "until": middle}), examples, True)
    assert stopped.samples[0].output == text[: text.index(middle)]
    assert stopped.samples[0].finish_reason == "stop"


def test_a_plain_prompt_stops_at_the_delimiter_as_in_the_harness(tiny: Any, make_task: Any, examples: Any) -> None:
    free, _ = run(tiny, make_task(generation_kwargs={"max_gen_toks": 6, "until": ["no stop"]}), examples, False)
    delimiter = free.samples[0].output[3]
    stopped, _ = run(tiny, make_task(fewshot_delimiter=delimiter), examples, False)
    text = free.samples[0].output
    assert stopped.samples[0].output == text[: text.index(delimiter)]


def test_a_free_answer_may_differ_in_case_and_punctuation(make_task: Any, make_example: Any) -> None:
    examples = [make_example(f"e{n}", "text", target, None) for n, target in enumerate(["Paris", "-1", "two", "x"])]
    answers = ["paris.", "1", "Two", "y"]
    evaluation = evaluate_predictor(lambda texts: answers, make_task(), examples, range(4), [""] * 4, "tfidf")
    assert [sample.metrics for sample in evaluation.samples] == [{"acc": 1.0}, {"acc": 0.0}, {"acc": 1.0}, {"acc": 0.0}]


def test_a_predictor_answers_every_item(make_task: Any, make_example: Any) -> None:
    examples = [make_example("a", "one", "neutral", group="g"), make_example("b", "two", "negative")]
    evaluation = evaluate_predictor(
        lambda texts: ["neutral"] * len(texts), make_task(), examples, [0, 1], ["q1", "q2"], "majority"
    )
    assert [sample.metrics for sample in evaluation.samples] == [{"acc": 1.0}, {"acc": 0.0}]
    first = evaluation.samples[0]
    assert (first.prompt, first.output, first.answer, first.group) == ("q1", "neutral", "neutral", "g")
    assert (first.finish_reason, first.logprobs, first.tokens) == ("prediction", None, {})
    assert evaluation.model == evaluation.condition == "majority"


def test_an_answer_that_is_none_of_an_items_choices_is_no_answer(make_task: Any, make_example: Any) -> None:
    examples = [make_example("a", "one", "yes", ("no", "yes")), make_example("b", "two", "yes", ("yes", "maybe"))]
    evaluation = evaluate_predictor(lambda texts: ["no", "no"], make_task(), examples, [0, 1], ["", ""], "tfidf")
    assert [(sample.output, sample.answer) for sample in evaluation.samples] == [("no", "no"), ("no", None)]


def test_items_are_numbered_by_their_place_in_the_test_split(make_task: Any, make_example: Any) -> None:
    test = [make_example(f"e{n}", f"text {n}") for n in range(5)]
    evaluation = evaluate_predictor(lambda texts: ["neutral"] * 2, make_task(), test, [3, 1], ["", ""], "majority")
    assert [(sample.doc_id, sample.example_id) for sample in evaluation.samples] == [(3, "e3"), (1, "e1")]
    assert evaluation.available == 5


def test_scores_that_are_no_shares_are_shown_with_their_digits() -> None:
    values = [0.031, 0.034, 0.036]
    samples = [
        Sample(f"e{at}", at, {}, "x", "c", "x", "x", "stop", metrics={"nll": value}) for at, value in enumerate(values)
    ]
    metric = mean_metric("nll", lambda outcome: 0.0, high=inf, higher_is_better=False)
    assert "nll 0.034 (0.027 to 0.040)" in str(Evaluation("t", "c", "m", samples, 3, 0.0, [metric]))


def test_an_item_without_a_group_is_its_own() -> None:
    samples = [Sample(f"e{at}", at, {}, "x", "c", "x", "x", "stop", group=group) for at, group in enumerate("ab")]
    assert clusters_of(samples) is None
    clusters = clusters_of(
        [*samples, replace(samples[0], example_id="e2"), replace(samples[0], example_id="e3", group=None)]
    )
    assert clusters is not None
    assert clusters.tolist() == [0, 1, 0, 2]
