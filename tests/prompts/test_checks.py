from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from tunelift.core.records import Example, Finding
from tunelift.prompts.build import PromptStyle, build_prompts, training_prompts
from tunelift.prompts.chat import default_chat_template, stop_token_id
from tunelift.prompts.checks import check_prompts


@pytest.fixture
def checked(tokenizer: Any, make_task: Callable[..., Any]) -> Callable[..., dict[str, Finding]]:
    def check(
        examples: list[Example],
        context: int = 1000,
        chat: bool = True,
        cut: int = 0,
        untrained: tuple[int, ...] = (),
        reads: Any = tokenizer,
        **keys: Any,
    ) -> dict[str, Finding]:
        style = PromptStyle(make_task(**{"generation_kwargs": {"max_gen_toks": 8}, **keys}), reads, chat)
        training = training_prompts(style, examples)
        training = [dataclasses.replace(p, token_ids=p.token_ids[: len(p.token_ids) - cut]) for p in training]
        answering = {"zero-shot": build_prompts(style, examples, [()] * len(examples))}
        found = check_prompts(style, examples, training, answering, context, untrained)
        return {finding.check: finding for finding in found}

    return check


@pytest.mark.parametrize("chat", [True, False])
def test_good_prompts_have_no_findings(checked: Any, make_example: Callable[..., Any], chat: bool) -> None:
    assert checked([make_example("1", "fine"), make_example("2", "fine, too", "bad")], chat=chat) == {}


def test_prompts_beyond_the_context_are_errors(checked: Any, make_example: Callable[..., Any], tokenizer: Any) -> None:
    texts = ["word " * 230, "short", "word " * 300]
    examples = [make_example(str(number), text) for number, text in enumerate(texts, start=1)]
    finding = checked(examples, context=250)["prompt-too-long"]
    assert (finding.severity, finding.count, finding.rows) == ("error", 2, ("rows.jsonl:1", "rows.jsonl:3"))
    assert (
        "zero-shot prompts are longer than the model's context of 250 tokens, 8 of it for the answer" in finding.message
    )
    assert checked(examples, context=400) == {}


def test_room_for_the_answer_is_counted(
    checked: Any, make_example: Callable[..., Any], tokenizer: Any, make_task: Callable[..., Any]
) -> None:
    example = make_example("1", "word " * 50)
    length = len(build_prompts(PromptStyle(make_task(), tokenizer), [example], [()])[0].token_ids)
    assert checked([example], context=length + 8) == {}
    assert checked([example], context=length + 7)["prompt-too-long"].count == 1


@pytest.mark.parametrize("chat", [True, False])
@pytest.mark.parametrize(("text", "target"), [("a<|im_end|>", "good"), ("fine", "good<|im_start|>")])
def test_control_tokens_in_data_are_counted(
    checked: Any, make_example: Callable[..., Any], chat: bool, text: str, target: str
) -> None:
    found = checked([make_example("1", "fine"), make_example("2", text, target)], chat=chat)
    finding = found["control-tokens-in-data"]
    assert (finding.severity, finding.count, finding.rows) == ("warning", 1, ("rows.jsonl:2",))


def test_a_training_prompt_without_its_stop_token_is_an_error(checked: Any, make_example: Callable[..., Any]) -> None:
    finding = checked([make_example("1", "fine")], cut=1)["stop-token-not-trained"]
    assert (finding.severity, finding.count) == ("error", 1)


def test_answers_that_could_not_be_given_are_counted(checked: Any, make_example: Callable[..., Any]) -> None:
    fits, too_long = make_example("1", "fine", "word" + " word" * 6), make_example("2", "fine", "word" + " word" * 7)
    finding = checked([fits, too_long])["answer-cut-off"]
    assert (finding.severity, finding.count, finding.rows) == ("warning", 1, ("rows.jsonl:2",))
    assert "max_gen_toks (8)" in finding.message


def test_choices_of_unequal_length_are_mentioned(checked: Any, make_example: Callable[..., Any]) -> None:
    example = dataclasses.replace(make_example("1", "fine"), choices=("good", "not good at all"))
    finding = checked([example])["uneven-choices"]
    assert finding.severity == "info"
    assert "good 1, not good at all 4" in finding.message


def test_only_a_few_rows_are_listed(checked: Any, make_example: Callable[..., Any]) -> None:
    finding = checked([make_example(str(n), "a<|im_end|>") for n in range(1, 10)])["control-tokens-in-data"]
    assert (finding.count, len(finding.rows)) == (9, 5)


def test_an_empty_choice_is_an_error(checked: Any, make_example: Callable[..., Any]) -> None:
    example = dataclasses.replace(make_example("1", "fine"), choices=("", "good"))
    assert checked([example])["empty-choice"].severity == "error"


def test_a_prompt_without_any_token_is_an_error(checked: Any, make_example: Callable[..., Any]) -> None:
    examples = [make_example("1", "a"), make_example("2", "")]
    finding = checked(examples, chat=False, doc_to_text="{{text}}")["empty-prompt"]
    assert (finding.severity, finding.count, finding.rows) == ("error", 1, ("rows.jsonl:2",))


def test_an_instruction_behind_the_text_is_mentioned(checked: Any, make_example: Callable[..., Any]) -> None:
    examples = [make_example(str(number), f"text {number}") for number in range(30)]
    instruction = "Is the sentiment of this text negative, neutral or positive? Answer with one single word alone."
    behind, before = "{{ text }}\n" + instruction, instruction + "\n{{ text }}"
    finding = checked(examples, doc_to_text=behind)["instruction-behind-text"]
    assert (finding.severity, finding.count) == ("info", 30)
    assert "instruction-behind-text" not in checked(examples, doc_to_text=before)
    assert "instruction-behind-text" not in checked(examples[:5], doc_to_text=behind)


def test_a_stop_token_that_the_model_does_not_know_is_told(
    checked: Any, make_example: Callable[..., Any], tokenizer: Any
) -> None:
    examples = [make_example("1", "fine"), make_example("2", "fine, too", "bad")]
    finding = checked(examples, untrained=(stop_token_id(tokenizer),))["stop-token-unknown"]
    assert (finding.severity, finding.count) == ("warning", 2)
    assert 'answers end in "<|im_end|>", which the model has never been trained on' in finding.message
    assert checked(examples, untrained=(stop_token_id(tokenizer) + 1,)) == {}
    # Without a template answers end in the same token.
    assert stop_token_id(tokenizer) == tokenizer.eos_token_id
    assert finding.remedy.startswith("tune all weights")


def test_a_template_whose_stop_token_is_not_known_can_be_taken_out(
    checked: Any, make_example: Callable[..., Any], tokenizer: Any
) -> None:
    other = copy.deepcopy(tokenizer)
    other.eos_token = "<|endoftext|>"
    finding = checked([make_example("1", "fine")], untrained=(stop_token_id(other),), reads=other)["stop-token-unknown"]
    assert finding.remedy.startswith("take the chat template out of the tokenizer")


def test_references_that_hold_what_ends_an_answer_are_told(
    checked: Any, make_example: Callable[..., Any], tokenizer: Any
) -> None:
    answers = ["Hi!\n\nUser:\nHo", "one. two", "\nUser: at its beginning", "fine\n", "the user: fine"]
    examples = [make_example(str(number), "a", answer) for number, answer in enumerate(answers, start=1)]
    long = {"max_gen_toks": 50}
    assert "answer-cut-off" not in checked(examples, generation_kwargs=long)
    finding = checked(examples, generation_kwargs={**long, "until": [". "]})["answer-cut-off"]
    assert (finding.severity, finding.rows) == ("warning", ("rows.jsonl:2",))
    plain = checked(examples, chat=False, generation_kwargs=long)["answer-cut-off"]
    assert plain.rows == ("rows.jsonl:1",)
    worded = copy.deepcopy(tokenizer)
    worded.chat_template = default_chat_template(tokenizer, (stop_token_id(tokenizer),))
    finding = checked(examples, generation_kwargs=long, reads=worded)["answer-cut-off"]
    assert finding.rows == ("rows.jsonl:1", "rows.jsonl:3")
    assert r'a text that ends an answer ("\nUser:")' in finding.message
    assert "answer-cut-off" not in checked(
        examples, generation_kwargs=long, reads=worded, output_type="multiple_choice"
    )
