"""Chat rendering: messages to token ids through the tokenizer's own template, and the one stop token behind an answer.

Training, evaluation and serving all render here, so that a served prompt is, token for token, the one that was
trained on. Data is data: control tokens that stand in a text are encoded as plain text.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib.resources import files
from itertools import pairwise
from typing import Any

from tunelift.core.errors import UserError

Message = dict[str, Any]


def default_chat_template(tokenizer: Any, untrained: Collection[int]) -> str:
    """A chat template for a base model that has none.

    The turns are marked with control tokens that the model knows (Gemma's, or ChatML's), otherwise with the words
    "User:" and "Assistant:" and the end-of-sequence token. Each begins with BOS exactly once where the tokenizer has
    one.

    Args:
        tokenizer: Its tokenizer.
        untrained: Control tokens in the vocabulary that the model has never been trained on.
    """
    known = {token for token, token_id in tokenizer.get_vocab().items() if token_id not in untrained}
    if {"<start_of_turn>", "<end_of_turn>"} <= known:
        name = "gemma"
    elif {"<|im_start|>", "<|im_end|>"} <= known:
        name = "chatml"
    else:
        name = "plain"
    return files("tunelift.prompts").joinpath("chat_templates", f"{name}.jinja").read_text(encoding="utf-8")


def encode_chat(tokenizer: Any, messages: list[Message]) -> list[int]:
    """Token ids of one conversation, see `encode_chats`."""
    return encode_chats(tokenizer, [messages])[0]


def encode_chats(tokenizer: Any, conversations: Sequence[list[Message]]) -> list[list[int]]:
    """Token ids of conversations, each through the generation prompt.

    Without a chat template, as encoder-decoders are, they are plain text with what the tokenizer puts around one.

    Raises:
        UserError: The chat template refuses a conversation, for example a system turn.
    """
    if not tokenizer.chat_template:
        return encode_texts(tokenizer, list(map(_plain_chat, conversations)), special_tokens=True)
    return _apply_template(tokenizer, conversations, sanitize_control_tokens=True, return_dict=False)


def render_chat(tokenizer: Any, messages: list[Message]) -> str:
    """The text of a conversation through the generation prompt, for people to read.

    Raises:
        UserError: The chat template refuses the conversation.
    """
    if not tokenizer.chat_template:
        return _plain_chat(messages)
    return str(_apply_template(tokenizer, [messages], tokenize=False)[0])


def _plain_chat(messages: list[Message]) -> str:
    """A conversation as the prompt of the harness, with its default delimiters; earlier answers are demonstrations."""
    return "".join(
        f" {message['content']}\n\n" if message["role"] == "assistant" else message["content"] for message in messages
    )


def _apply_template(tokenizer: Any, conversations: Sequence[list[Message]], **options: bool) -> list[Any]:
    if not conversations:
        return []
    try:
        return list(tokenizer.apply_chat_template(list(conversations), add_generation_prompt=True, **options))
    except Exception as error:
        raise _template_error(tokenizer, error) from error


def _template_error(tokenizer: Any, error: Exception) -> UserError:
    name = getattr(tokenizer, "name_or_path", "tokenizer")
    return UserError(name, f"the chat template fails: {error}", "change the task's description or the template")


def encode_texts(tokenizer: Any, texts: Sequence[str], special_tokens: bool = False) -> list[list[int]]:
    """Token ids of plain data, in which control tokens are encoded as text.

    Args:
        tokenizer: The tokenizer.
        texts: The texts.
        special_tokens: Put what the tokenizer puts around a text, such as BOS.
    """
    if not texts:
        return []
    return list(tokenizer(list(texts), add_special_tokens=special_tokens, split_special_tokens=True)["input_ids"])


def stop_token_id(tokenizer: Any) -> int:
    """The token that ends an answer: the first token, besides white space, that the chat template puts behind one.

    Raises:
        UserError: The template puts nothing behind an answer that the model could learn to stop with, and the
            tokenizer has no end-of-sequence token.
    """
    answer = "answer"
    messages = [{"role": "user", "content": "question"}, {"role": "assistant", "content": answer}]
    try:
        rendered = tokenizer.apply_chat_template(messages, tokenize=False) if tokenizer.chat_template else answer
    except Exception as error:
        raise _template_error(tokenizer, error) from error
    behind = rendered.rpartition(answer)[2] if answer in rendered else ""
    # Line breaks and runs of spaces are added tokens, too, in some vocabularies.
    token_ids = tokenizer(behind.lstrip(), add_special_tokens=False)["input_ids"]
    if token_ids and token_ids[0] in tokenizer.added_tokens_decoder:
        return int(token_ids[0])
    if tokenizer.eos_token_id is None:
        name = getattr(tokenizer, "name_or_path", "tokenizer")
        raise UserError(name, "has no token that could end an answer", "give the tokenizer an eos_token")
    return int(tokenizer.eos_token_id)


def turn_borders(tokenizer: Any) -> tuple[str, ...]:
    """Texts that end an answer because another turn begins behind them.

    A template that marks turns with words, such as "User:", leaves a model that does not stop to write further turns;
    where control tokens mark them, or a template takes one question alone, the stop token is enough.

    Returns:
        What the template puts before a question and before an answer, each where it is an ordinary line of its own.
    """
    if not tokenizer.chat_template:
        return ()
    texts = ("first question", "first answer", "second question")
    messages = [
        {"role": role, "content": text} for role, text in zip(("user", "assistant", "user"), texts, strict=True)
    ]
    try:
        rendered = tokenizer.apply_chat_template(messages, tokenize=False)
    except Exception:  # what a template can refuse here, and does not where an answer stands last, is the next question
        return ()
    stop = tokenizer.convert_ids_to_tokens(stop_token_id(tokenizer))
    between = [rendered.partition(before)[2].partition(behind)[0] for before, behind in pairwise(texts)]
    borders = [border.rpartition(stop)[2] for border in reversed(between)]
    words = [border for border in borders if not control_tokens_in(tokenizer, border)]
    return tuple(filter(None, map(_beginning_of_line, words)))


def _beginning_of_line(border: str) -> str:
    """The words of a line that marks a turn, from the line break before them; empty where they could be an answer's.

    Marks without a letter, such as "-", begin a line of many an answer. Words that end in a letter could be the
    beginning of a longer one, as "User" is of "Users", so that the line has to end behind them.
    """
    words = border.strip()
    if not border.startswith("\n") or not any(map(str.isalpha, words)):
        return ""
    if not words[-1].isalnum():
        return f"\n{words}"
    space, line_break, _ = border[len(border.rstrip()) :].partition("\n")
    return f"\n{words}{space}{line_break}" if line_break else ""


def control_tokens_in(tokenizer: Any, text: str) -> list[str]:
    """The control tokens of the tokenizer that stand in a text."""
    special = (token.content for token in tokenizer.added_tokens_decoder.values() if token.special)
    return [content for content in special if content in text]
