"""Examples to prompts: the question with its demonstrations, and for training the answer behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tunelift.core.errors import UserError
from tunelift.core.recipe import Prompting
from tunelift.core.records import Example, Prompt
from tunelift.core.templating import render
from tunelift.data.layouts.conversations import calls, turn_text
from tunelift.data.reader import is_conversation, transcript
from tunelift.data.tasks import ROLLING, Task
from tunelift.prompts.chat import Message, encode_chats, encode_texts, render_chat, stop_token_id, turn_borders
from tunelift.prompts.demonstrations import make_selector


@dataclass(frozen=True, slots=True)
class PromptStyle:
    """Everything besides the example that decides how a prompt is rendered.

    Attributes:
        task: Its templates, description and delimiters.
        tokenizer: With a chat template, unless it is an encoder-decoder's.
        chat: Rendered as a chat, or as plain text in the way of the harness. Without a chat template both are plain
            text; the answer that is asked for in a chat has no delimiter before it.
    """

    task: Task
    tokenizer: Any
    chat: bool = True


def stop_strings(task: Task, chat: bool) -> tuple[str, ...]:
    """Texts that end an answer: the task's own; for a plain prompt without any, as in the harness, the delimiter.

    An empty text would end every answer before it begins, and is none.
    """
    until = task.generation_kwargs.until
    strings = tuple(filter(None, [until] if isinstance(until, str) else until))
    return strings or (() if chat else tuple(filter(None, [task.fewshot_delimiter])))


def answer_ends(style: PromptStyle) -> tuple[str, ...]:
    """All texts that end an answer: the stop strings, and in a chat what begins another turn."""
    borders = turn_borders(style.tokenizer) if style.chat else ()
    return (*stop_strings(style.task, style.chat), *borders)


def question_text(task: Task, example: Example) -> str:
    """The rendered question of an example, without description and demonstrations.

    Raises:
        UserError: The template cannot be rendered with this row.
    """
    if is_conversation(example.fields.get(task.doc_to_text)):
        return transcript(example.fields[task.doc_to_text])
    where = f"task {task.task}: doc_to_text, {example.source.file}:{example.source.row}"
    return render(task.doc_to_text, task.context(example.fields), where)


def answer_prompts(
    style: PromptStyle, prompting: Prompting, items: list[Example], pool: list[Example], seed: int
) -> list[Prompt]:
    """The prompts of all items under one prompting.

    Args:
        style: How they are rendered.
        prompting: Number and choice of the demonstrations.
        items: The items to answer.
        pool: The examples that may be shown as demonstrations.
        seed: Seed of the run.

    Raises:
        UserError: There are fewer examples to show than are asked for.
    """
    if style.task.output_type == ROLLING:
        return text_prompts(style, items)
    return build_prompts(style, items, choose_demonstrations(style.task, prompting, items, pool, seed))


def choose_demonstrations(
    task: Task, prompting: Prompting, items: Sequence[Example], pool: Sequence[Example], seed: int
) -> list[list[Example]]:
    """The demonstrations of every item.

    Args:
        task: The task.
        prompting: Number and choice of the demonstrations.
        items: The items to answer.
        pool: The examples that may be shown as demonstrations.
        seed: Seed of the run.

    Raises:
        UserError: There are fewer examples to show than are asked for.
    """
    if prompting.shots > len(pool):
        what = f"{prompting.shots} demonstrations are asked for, but there are only {len(pool)} training examples"
        raise UserError(f"task {task.task}", what, "use fewer shots, or name a training_split or fewshot_split")
    shown = list(pool) if prompting.shots else []
    questions = {example.id: question_text(task, example) for example in [*items, *shown]}
    select = make_selector(prompting, shown, questions, seed)
    return [select(item) for item in items]


def build_prompts(
    style: PromptStyle, examples: Sequence[Example], demonstrations: Sequence[Sequence[Example]]
) -> list[Prompt]:
    """The prompts of examples that are to be answered.

    Args:
        style: How they are rendered.
        examples: The examples.
        demonstrations: What is shown before each.

    Raises:
        UserError: The chat template refuses a conversation.
    """
    pairs = list(zip(examples, demonstrations, strict=True))
    if style.chat and style.tokenizer.chat_template:
        conversations = [messages_of(style, example, shown) for example, shown in pairs]
        texts = [
            _rendered(style.tokenizer, conversation, example)
            for conversation, example in zip(conversations, examples, strict=True)
        ]
        encoded = encode_chats(style.tokenizer, conversations)
    else:
        texts = [_plain(style.task, example, shown) for example, shown in pairs]
        encoded = encode_texts(style.tokenizer, texts, special_tokens=True)
    return [
        Prompt(
            example.id,
            text,
            tuple(token_ids),
            (False,) * len(token_ids),
            demonstrations=tuple(demonstration.id for demonstration in shown),
        )
        for (example, shown), text, token_ids in zip(pairs, texts, encoded, strict=True)
    ]


def _rendered(tokenizer: Any, conversation: list[Message], example: Example) -> str:
    try:
        return render_chat(tokenizer, conversation)
    except UserError as error:
        place = f"{example.source.file}:{example.source.row}"
        raise UserError(place, f"{error.where}: {error.what}", error.hint) from error


def training_prompts(style: PromptStyle, examples: Sequence[Example]) -> list[Prompt]:
    """The prompts with their answers, without demonstrations.

    Supervised are the answer's tokens and the stop token behind them; all tokens but the first of a text whose
    probability is measured.
    """
    if style.task.output_type == ROLLING:
        return text_prompts(style, examples)
    prompts = build_prompts(style, examples, [()] * len(examples))
    stop = stop_token_id(style.tokenizer)
    answers = completion_ids(style, [example.target for example in examples])
    return [_completed(style, prompt, [*answer, stop]) for prompt, answer in zip(prompts, answers, strict=True)]


def text_prompts(style: PromptStyle, examples: Sequence[Example]) -> list[Prompt]:
    """The targets alone, as texts of which every token is predicted.

    In front of a text stands the token that begins one, or else the one that ends the text before.
    """
    first = style.tokenizer.bos_token_id
    first = style.tokenizer.eos_token_id if first is None else first
    encoded = encode_texts(style.tokenizer, [example.target for example in examples])
    return [
        Prompt(example.id, example.target, (first, *ids), (False, *(True for _ in ids)))
        for example, ids in zip(examples, encoded, strict=True)
    ]


def _completed(style: PromptStyle, prompt: Prompt, completion: Sequence[int]) -> Prompt:
    return Prompt(
        example_id=prompt.example_id,
        text=prompt.text + style.tokenizer.decode(completion),
        token_ids=(*prompt.token_ids, *completion),
        supervised=(*prompt.supervised, *(True for _ in completion)),
    )


def completion_ids(style: PromptStyle, answers: Sequence[str]) -> list[list[int]]:
    """Token ids of answers behind their prompts, without the stop token.

    A chat answer follows the generation prompt directly; a plain one follows the task's target delimiter. The same
    ids are trained on and scored.
    """
    delimiter = "" if style.chat else style.task.target_delimiter
    return encode_texts(style.tokenizer, [delimiter + answer for answer in answers])


def messages_of(style: PromptStyle, example: Example, demonstrations: Sequence[Example]) -> list[Message]:
    """The chat that asks an example: the description, the demonstrations with their answers, the question."""
    description = _description(style.task, example)
    messages = [{"role": "system", "content": description}] if description else []
    for shown in demonstrations:
        messages += [*_turns(style, shown), {"role": "assistant", "content": shown.target}]
    return messages + _turns(style, example)


def _turns(style: PromptStyle, example: Example) -> list[Message]:
    """The question as a turn of the user, or the conversation that a field holds."""
    conversation = example.fields.get(style.task.doc_to_text)
    if is_conversation(conversation):
        has_tools = "tool_calls" in style.tokenizer.chat_template
        return [_turn(turn, has_tools) for turn in conversation]
    return [{"role": "user", "content": question_text(style.task, example)}]


def _turn(turn: dict[str, Any], has_tools: bool) -> Message:
    """A turn of a conversation; its calls of tools stand in the text where the chat template does not write them."""
    called = [{"type": "function", "function": call} for call in calls(turn)]
    if not (called and has_tools):
        return {"role": turn["role"], "content": turn_text(turn)}
    return {"role": turn["role"], "content": turn["content"], "tool_calls": called}


def _plain(task: Task, example: Example, demonstrations: Sequence[Example]) -> str:
    shown = [question_text(task, shown) + task.target_delimiter + shown.target for shown in demonstrations]
    return _description(task, example) + task.fewshot_delimiter.join([*shown, question_text(task, example)])


def _description(task: Task, example: Example) -> str:
    """The description, which may be a template, too."""
    where = f"task {task.task}: description, {example.source.file}:{example.source.row}"
    return render(task.description, task.context(example.fields), where)
