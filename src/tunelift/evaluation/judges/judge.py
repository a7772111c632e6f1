"""Who judges: an endpoint, a local language model, or any function that answers conversations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tunelift.core.errors import UserError
from tunelift.core.progress import progress
from tunelift.models.endpoint import Endpoint, Generation, ask
from tunelift.prompts.chat import Message, encode_chats

if TYPE_CHECKING:
    from tunelift.models.load import LanguageModel

# Conversations to answers, in order.
Judge = Callable[[Sequence[list[Message]]], list[str]]

# A verdict is one token; some models begin with a sentence.
MAX_TOKENS = 64


def endpoint_judge(endpoint: Endpoint, max_tokens: int = MAX_TOKENS) -> Judge:
    """A judge behind an endpoint.

    Args:
        endpoint: Whom to ask.
        max_tokens: Largest number of tokens of a verdict; models that think first need more.
    """

    def judge(conversations: Sequence[list[Message]]) -> list[str]:
        with progress(len(conversations), "judge", "verdict") as bar:
            replies = ask(endpoint, conversations, Generation(max_tokens), bar.update)
        return [reply.text for reply in replies]

    return judge


def model_judge(loaded: LanguageModel, max_tokens: int = MAX_TOKENS) -> Judge:
    """A local language model as a judge.

    Args:
        loaded: The model.
        max_tokens: Largest number of tokens of a verdict.
    """

    def judge(conversations: Sequence[list[Message]]) -> list[str]:
        from tunelift.engine.answers import Stopping, answer_prompts

        prompts = encode_chats(loaded.tokenizer, conversations)
        longest = max(map(len, prompts), default=0)
        if longest + max_tokens > loaded.context:
            what = f"a question to the judge has {longest} tokens; the model takes {loaded.context}, verdict included"
            raise UserError(loaded.name, what, "take a judge with a longer context, or shorter answers")
        stopping = Stopping(
            token_ids=loaded.stop_token_ids,
            strings=(),
            max_new_tokens=max_tokens,
            decode=lambda ids: loaded.tokenizer.decode(ids, skip_special_tokens=True),
        )
        with progress(len(prompts), "judge", "verdict") as bar:
            answers = answer_prompts(loaded.model, prompts, [()] * len(prompts), stopping, bar.update).answers
        return [answer.text for answer in answers]

    return judge
