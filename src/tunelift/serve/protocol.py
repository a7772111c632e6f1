"""What goes over the wire: requests, answers and errors in the form of the OpenAI API.

A parameter that this server does not know, or that asks for an answer that it cannot give, is an error and never
ignored. Accepted without effect are only parameters that do not concern the answer, such as `user`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Response
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tunelift.prompts.chat import Message

WITHOUT_EFFECT = frozenset({"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"})
# Parameters that are accepted only with the value that asks for nothing.
NEUTRAL: dict[str, Any] = {
    "n": 1,
    "best_of": 1,
    "echo": False,
    "suffix": "",
    "logprobs": False,
    "top_logprobs": 0,
    "logit_bias": {},
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "tools": [],
    "tool_choice": "none",
    "response_format": {"type": "text"},
    "modalities": ["text"],
}


class ApiError(Exception):
    """A request that cannot be answered.

    Args:
        status: HTTP status.
        message: What is wrong.
        param: The parameter that is wrong.
        code: A word for programs.
    """

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code

    def body(self) -> dict[str, Any]:
        """The error as an object for JSON."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> Response:
        """The error as an HTTP response; in ASCII, because a message may quote what has no encoding."""
        return Response(json.dumps(self.body()), self.status, media_type="application/json")


def invalid_request(errors: Sequence[dict[str, Any]]) -> ApiError:
    """The errors that validation found in a request, as one: the first gives parameter and code."""
    code = errors[0]["type"]
    if code == "json_invalid":
        return ApiError(400, f"the body is not JSON: {errors[0]['ctx']['error']}", code=code)
    if code == "model_attributes_type":
        return ApiError(400, "the body is not a JSON object; send one, with Content-Type: application/json", code=code)
    places = [_place(error) for error in errors]
    reasons = [error["msg"] for error in errors]
    messages = [f"{place}: {reason}" if place else reason for place, reason in zip(places, reasons, strict=True)]
    return ApiError(400, "; ".join(messages), places[0], code)


def _place(error: dict[str, Any]) -> str | None:
    return ".".join(str(part) for part in error["loc"][1:]) or error.get("ctx", {}).get("param")


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PydanticCustomError("invalid_text", "holds half of a surrogate pair") from error
    return text


Text = Annotated[str, AfterValidator(_encodable)]
StopString = Annotated[str, Field(min_length=1), AfterValidator(_encodable)]


class _Strict(BaseModel):
    """No key passes unknown; null is the same as leaving a key out."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, data: Any) -> Any:
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data


class TextPart(_Strict):
    """One part of a message; only text is served."""

    type: Literal["text"]
    text: Text


def _text_as_part(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


class ChatMessage(_Strict):
    """One turn."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[list[TextPart], BeforeValidator(_text_as_part)]

    def as_message(self) -> Message:
        """The turn as the chat template takes it: parts joined without anything between, developer as system."""
        role = "system" if self.role == "developer" else self.role
        return {"role": role, "content": "".join(part.text for part in self.content)}


class StreamOptions(_Strict):
    """What a stream holds besides the text."""

    include_usage: bool = False


def _text_as_list(stop: Any) -> Any:
    return [stop] if isinstance(stop, str) else stop


class AnswerRequest(_Strict):
    """What both kinds of request have in common. `stop` is None where the request says nothing about it."""

    model: Text
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float = Field(0.0, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    stop: Annotated[list[StopString] | None, Field(max_length=4), BeforeValidator(_text_as_list)] = None
    seed: int | None = None
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()

    @model_validator(mode="before")
    @classmethod
    def _refuse_unsupported(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        for name in NEUTRAL.keys() & data.keys():
            value, neutral = data[name], NEUTRAL[name]
            if value is not None and (value != neutral or isinstance(value, bool) != isinstance(neutral, bool)):
                context = {"param": name, "neutral": json.dumps(neutral)}
                raise PydanticCustomError("unsupported_value", "only {neutral} is supported here", context)
        return {key: value for key, value in data.items() if key not in NEUTRAL and key not in WITHOUT_EFFECT}

    @property
    def limit(self) -> int | None:
        """The largest number of new tokens that the request asks for."""
        return self.max_completion_tokens or self.max_tokens


class ChatRequest(AnswerRequest):
    """A conversation that is to be continued by the assistant."""

    messages: list[ChatMessage] = Field(min_length=1)


class CompletionRequest(AnswerRequest):
    """A text, or its token ids, that is to be continued."""

    prompt: str | list[int]

    @field_validator("prompt", mode="before")
    @classmethod
    def _one_prompt(cls, prompt: Any) -> Any:
        if isinstance(prompt, str):
            return _encodable(prompt)
        if isinstance(prompt, list) and all(type(token) is int for token in prompt):
            return prompt
        message = "must be one text or one list of token ids; send one request for each prompt"
        raise PydanticCustomError("invalid_prompt", message)


@dataclass(frozen=True, slots=True)
class Form:
    """How an endpoint writes answers.

    Attributes:
        prefix: Beginning of the ids of its answers.
        whole_object: Name of an answer.
        part_object: Name of one event of a streamed answer.
        whole: Text to the content of a choice.
        part: Piece of text to the content of a choice in a stream.
        opening: Content of the first event of a stream, where there is one before the text.
    """

    prefix: str
    whole_object: str
    part_object: str
    whole: Callable[[str], dict[str, Any]]
    part: Callable[[str], dict[str, Any]]
    opening: dict[str, Any] | None = None


CHAT = Form(
    prefix="chatcmpl-",
    whole_object="chat.completion",
    part_object="chat.completion.chunk",
    whole=lambda text: {"message": {"role": "assistant", "content": text}},
    part=lambda text: {"delta": {"content": text}},
    opening={"delta": {"role": "assistant", "content": ""}},
)
COMPLETION = Form(
    prefix="cmpl-",
    whole_object="text_completion",
    part_object="text_completion",
    whole=lambda text: {"text": text},
    part=lambda text: {"text": text},
)


def choice(content: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    """The only choice of an answer or of an event."""
    return {"index": 0, **content, "logprobs": None, "finish_reason": finish_reason}


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """How many tokens an answer took."""
    total = prompt_tokens + completion_tokens
    return {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": total}


def event(data: dict[str, Any]) -> str:
    """One server-sent event."""
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


END_OF_STREAM = "data: [DONE]\n\n"
