"""What the model will see, checked before it costs an hour."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from itertools import takewhile
from typing import Any

from tunelift.core.records import Example, Finding, Prompt
from tunelift.data.tasks import ROLLING
from tunelift.prompts.build import PromptStyle, answer_ends, completion_ids, question_text
from tunelift.prompts.chat import control_tokens_in, encode_texts, stop_token_id

# Below this many examples, what they end in says nothing; shorter endings cost too little to speak of.
FEWEST_EXAMPLES, LONGEST_ENDING = 20, 12


def check_prompts(
    style: PromptStyle,
    examples: list[Example],
    training: list[Prompt],
    answering: dict[str, list[Prompt]],
    context: int,
    untrained: Collection[int],
) -> list[Finding]:
    """All findings about rendered prompts.

    Args:
        style: How they were rendered.
        examples: Every example of the splits.
        training: The training and validation prompts.
        answering: The test prompts of every condition.
        context: The longest sequence that the model takes, in tokens.
        untrained: Control tokens that the model has never been trained on.
    """
    places = {example.id: f"{example.source.file}:{example.source.row}" for example in examples}
    if style.task.output_type == ROLLING:  # whole texts: long ones are cut into windows where they are measured
        return [*_too_long(training, {}, style, places, context), *_empty(training, places)]
    return [
        *_too_long(training, answering, style, places, context),
        *_empty([*training, *(prompt for prompts in answering.values() for prompt in prompts)], places),
        *_control_tokens(style, examples, places),
        *_stop_token(style.tokenizer, training, untrained, places),
        *_answers(style, examples, places),
        *_ends_within(style, examples, places),
        *_instruction_behind(style, examples),
    ]


def _finding(
    check: str, severity: str, message: str, remedy: str, ids: Iterable[str], places: dict[str, str]
) -> list[Finding]:
    rows = [places[example_id] for example_id in ids]
    return [Finding(check, severity, message, len(rows), remedy, tuple(rows[:5]))] if rows else []


def _too_long(
    training: list[Prompt], answering: dict[str, list[Prompt]], style: PromptStyle, places: dict[str, str], context: int
) -> list[Finding]:
    found = []
    limits = {"training": (training, context)}
    new_tokens = style.task.generation_kwargs.max_gen_toks
    limits |= {name: (prompts, context - new_tokens) for name, prompts in answering.items()}
    for name, (prompts, limit) in limits.items():
        ids = [prompt.example_id for prompt in prompts if len(prompt.token_ids) > limit]
        longest = max((len(prompt.token_ids) for prompt in prompts), default=0)
        room = f", {new_tokens} of it for the answer" if name != "training" else ""
        message = (
            f"{name} prompts are longer than the model's context of {context} tokens{room}; the longest has {longest}"
        )
        remedy = "shorten the texts, use fewer demonstrations, or a smaller max_gen_toks"
        found += _finding("prompt-too-long", "error", message, remedy, ids, places)
    return found


def _empty(prompts: list[Prompt], places: dict[str, str]) -> list[Finding]:
    ids = dict.fromkeys(prompt.example_id for prompt in prompts if prompt.supervised[:1] != (False,))
    message = "prompts have no token before the answer; a model needs one to begin with"
    return _finding(
        "empty-prompt", "error", message, "fill in or leave out these rows, or add a description", ids, places
    )


def _control_tokens(style: PromptStyle, examples: list[Example], places: dict[str, str]) -> list[Finding]:
    texts = {example.id: question_text(style.task, example) + example.target for example in examples}
    ids = [name for name, text in texts.items() if control_tokens_in(style.tokenizer, text)]
    message = "texts hold control tokens of the model; they are encoded as plain text"
    return _finding(
        "control-tokens-in-data", "warning", message, "look at these rows: are they scraped chats?", ids, places
    )


def _stop_token(
    tokenizer: Any, training: list[Prompt], untrained: Collection[int], places: dict[str, str]
) -> list[Finding]:
    stop = stop_token_id(tokenizer)
    if training and stop in untrained:
        token = tokenizer.convert_ids_to_tokens(stop)
        message = f'answers end in "{token}", which the model has never been trained on; it can hardly learn to stop'
        remedy = "tune all weights, since an adapter leaves those that write this token as they are"
        if stop != tokenizer.eos_token_id:  # in which answers end without a template
            remedy = f"take the chat template out of the tokenizer, so that answers end in another token, or {remedy}"
        return [Finding("stop-token-unknown", "warning", message, len(training), remedy)]
    ids = [prompt.example_id for prompt in training if not prompt.supervised[-1] or prompt.token_ids[-1] != stop]
    message = "training prompts do not end in a supervised stop token; the model would not learn to stop"
    return _finding("stop-token-not-trained", "error", message, "correct the chat template", ids, places)


def _answers(style: PromptStyle, examples: list[Example], places: dict[str, str]) -> list[Finding]:
    limit = style.task.generation_kwargs.max_gen_toks
    answers = completion_ids(style, [example.target for example in examples])
    ids = [example.id for example, answer in zip(examples, answers, strict=True) if len(answer) + 1 > limit]
    message = f"reference answers are longer than max_gen_toks ({limit}); the model could not give them"
    found = _finding("answer-cut-off", "warning", message, "raise generation_kwargs.max_gen_toks", ids, places)
    choices = sorted({choice for example in examples for choice in example.choices or ()})[:100]
    sizes = dict(zip(choices, map(len, completion_ids(style, choices)), strict=True))
    if 0 in sizes.values():
        message = "a choice is empty; it has no token that could be answered or scored"
        found.append(Finding("empty-choice", "error", message, 1, "word every choice in doc_to_choice"))
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{choice} {size}" for choice, size in sizes.items())
        message = f"choices differ in their number of tokens ({listed}); summed log-probability favours the shorter"
        remedy = "read choice scores with that in mind, or word the choices equally long"
        found.append(Finding("uneven-choices", "info", message, len(sizes), remedy))
    return found


def _ends_within(style: PromptStyle, examples: list[Example], places: dict[str, str]) -> list[Finding]:
    """References that hold what ends an answer. A line break behind them, which nothing reads, is no loss."""
    if style.task.output_type != "generate_until":
        return []
    within = {example.id: [end for end in answer_ends(style) if end in example.target.rstrip()] for example in examples}
    found = dict.fromkeys(end for ends in within.values() for end in ends)
    listed = ", ".join(json.dumps(end, ensure_ascii=False) for end in found)
    message = f"reference answers hold a text that ends an answer ({listed}); the model could not give them whole"
    remedy = "word these answers differently, or change generation_kwargs.until or the chat template"
    return _finding("answer-cut-off", "warning", message, remedy, filter(within.get, within), places)


def _instruction_behind(style: PromptStyle, examples: list[Example]) -> list[Finding]:
    """What all questions end in: the engine computes once only what they begin with."""
    questions = {question_text(style.task, example) for example in examples}
    if len(questions) < FEWEST_EXAMPLES:
        return []
    backwards = [question[::-1] for question in questions]
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(min(backwards), max(backwards), strict=False))
    ending = "".join(character for character, _ in alike)[::-1]
    tokens = len(encode_texts(style.tokenizer, [ending])[0])
    if tokens <= LONGEST_ENDING:
        return []
    message = f"all questions end in the same {tokens} tokens, which have to be computed for every one of them"
    remedy = "put the instruction before the text: what all questions begin with is computed once"
    return [Finding("instruction-behind-text", "info", message, len(questions), remedy)]
