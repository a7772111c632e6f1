"""A client of any endpoint of the OpenAI API: conversations to answers, in order.

The key stands in an environment variable, is read where requests are sent, and appears in no record, message or error.
Requests are never redirected, so that no other server gets it.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from http.client import HTTPException
from threading import Event
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from tunelift import __version__
from tunelift.core.errors import UserError, counted
from tunelift.core.seeds import generator
from tunelift.prompts.chat import Message

CHAT = "/chat/completions"
# What the OpenAI API takes; an answer is cut at further ones when it has arrived.
MOST_STOP_STRINGS = 4
LONGEST_WAIT = 60.0  # seconds
LARGEST_BODY = 2**24  # bytes
LONGEST_MESSAGE = 300  # characters of what a server says that are shown
UNPRINTABLE = re.compile(r"[^!-~]")
# In capitals, so that a key that stands here by mistake is not taken for a name and shown.
VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model answers.

    Attributes:
        url: Base address as other clients take it, for example ``http://127.0.0.1:8000/v1``.
        model: What the server calls the model.
        key_variable: Name of the environment variable that holds the key; None where none is needed.
        max_parallel: Largest number of requests at one time.
        timeout: Seconds without any sign of the server after which a request counts as lost.
        retries: How often a request is repeated that was lost or that a busy or failing server refused.
        first_wait: Seconds before the first repetition; they double every time, up to a minute.
        length_parameter: What the server calls the largest number of new tokens: "max_tokens", for some models
            "max_completion_tokens".
        parameters: Further parameters of every request, or other values of ours; None leaves one out.
    """

    url: str
    model: str
    key_variable: str | None = None
    max_parallel: int = 4
    timeout: float = 120.0
    retries: int = 6
    first_wait: float = 0.5
    length_parameter: str = "max_tokens"
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Generation:
    """How answers are generated.

    Attributes:
        max_tokens: Largest number of new tokens.
        stop: Texts that end an answer and are not part of it.
        temperature: 0 asks for the most probable tokens.
        seed: Of draws; servers that have none ignore or refuse it.
    """

    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    temperature: float = 0.0
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint answered.

    Attributes:
        text: The answer; empty where the server gave none.
        finish_reason: "stop", "length", "content_filter", or what else the server says.
        prompt_tokens: Number of tokens of the prompt; None where the server does not say.
        completion_tokens: Number of tokens of the answer, in the server's way of counting.
        seconds: From sending the request that was answered to the end of the answer.
    """

    text: str
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class _Response:
    """What came back: a status with a body, or the reason why nothing did."""

    status: int = 0
    body: bytes = b""
    retry_after: str = ""
    lost: str = ""
    seconds: float = 0.0

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed later."""
        return bool(self.lost) or self.status in (408, 429) or self.status >= 500


def ask(
    endpoint: Endpoint,
    conversations: Sequence[list[Message]],
    generation: Generation,
    on_progress: Callable[[int], object] = lambda count: None,
) -> list[Reply]:
    """Ask for the next turn of conversations.

    Args:
        endpoint: Whom to ask.
        conversations: Messages with `role` and `content`.
        generation: How to answer.
        on_progress: Called with the number of answers that have arrived since the last call.

    Returns:
        The answers in the order of the conversations.

    Raises:
        UserError: The endpoint cannot be reached, refuses key, model or request, goes on failing, or answers something
            else than a chat completion. It is the error of the first conversation that has one.
    """
    stopped = Event()
    send = partial(_send, endpoint, _connection(endpoint), _address(endpoint), _key(endpoint), stopped)
    bodies = [_body(endpoint, messages, generation) for messages in conversations]
    workers = ThreadPoolExecutor(max(1, endpoint.max_parallel), thread_name_prefix="endpoint")
    replies = []
    try:
        for response in workers.map(send, bodies, range(len(bodies))):
            replies.append(_reply(endpoint, response, generation.stop))
            on_progress(1)
    finally:
        stopped.set()
        workers.shutdown(cancel_futures=True)
    return replies


def check_endpoint(endpoint: Endpoint) -> None:
    """Ask something short, so that what is wrong with an endpoint is known before it is needed.

    A server that is busy or fails for the moment is no error here.

    Raises:
        UserError: See `ask`.
    """
    body = _body(endpoint, [{"role": "user", "content": "Say yes."}], Generation(max_tokens=16))
    key = _key(endpoint)
    response = _exchange(_connection(endpoint), _request(_address(endpoint), key, body), endpoint.timeout)
    if not response.may_pass or response.lost:
        _reply(endpoint, _accepted(endpoint, response, key, 1), ())


def _address(endpoint: Endpoint) -> str:
    """Where requests are sent; what could hold a key is not shown."""
    try:
        parts = urlsplit(endpoint.url)
        complete = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        complete = False
    hint = "give the base address alone, for example http://127.0.0.1:8000/v1"
    if not complete or UNPRINTABLE.search(endpoint.url):
        raise UserError(f"endpoint of {endpoint.model}", "the url is not an http or https address", hint)
    if "@" in parts.netloc or parts.query or parts.fragment:
        what = "the url holds more than an address; keys and passwords must not stand in it"
        raise UserError(f"endpoint of {endpoint.model}", what, hint)
    return endpoint.url.rstrip("/").removesuffix(CHAT) + CHAT


def _key(endpoint: Endpoint) -> str | None:
    name = endpoint.key_variable
    if name is None:
        return None
    if not VARIABLE.fullmatch(name):
        what = "key_variable is not the name of an environment variable in capitals"
        raise UserError(f"endpoint {endpoint.url}", what, "name the variable that holds the key, not the key")
    key = os.environ.get(name, "").strip()
    if not key:
        hint = "set it to the key before you start"
        raise UserError(f"endpoint {endpoint.url}", f"the environment variable {name} holds no key", hint)
    if UNPRINTABLE.search(key):
        what = f"the key in {name} has signs that cannot be sent"
        raise UserError(f"endpoint {endpoint.url}", what, "copy it again, without spaces and line ends")
    return key


class _NoRedirects(HTTPRedirectHandler):
    """A redirected request would take the key along."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follow none: the status is treated as an error."""


def _connection(endpoint: Endpoint) -> OpenerDirector:
    return build_opener(_NoRedirects)


def _body(endpoint: Endpoint, messages: list[Message], generation: Generation) -> bytes:
    """A request as JSON."""
    values = {
        "model": endpoint.model,
        "messages": messages,
        "temperature": generation.temperature,
        endpoint.length_parameter: generation.max_tokens,
        "stop": list(generation.stop[:MOST_STOP_STRINGS]) or None,
        "seed": generation.seed,
        **endpoint.parameters,
    }
    return json.dumps({name: value for name, value in values.items() if value is not None}).encode()


def _request(address: str, key: str | None, body: bytes) -> Request:
    headers = {"Content-Type": "application/json", "User-Agent": f"tunelift/{__version__}"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    return Request(address, body, headers)  # noqa: S310 - the address is http or https


def _exchange(connection: OpenerDirector, request: Request, timeout: float) -> _Response:
    """Send a request once."""
    started = time.perf_counter()
    try:
        with connection.open(request, timeout=timeout) as response:
            status, headers, body = response.status, response.headers, response.read(LARGEST_BODY)
    except HTTPError as error:
        with error:
            return _Response(error.code, _rest_of(error), error.headers.get("Retry-After", ""))
    except URLError as error:
        return _Response(lost=str(error.reason))
    except (OSError, HTTPException, UnicodeError) as error:  # the last of a host name that none can have
        return _Response(lost=str(error) or type(error).__name__)
    return _Response(status, body, headers.get("Retry-After", ""), seconds=time.perf_counter() - started)


def _rest_of(error: HTTPError) -> bytes:
    """What a server says about an error, as far as it arrives."""
    try:
        return error.read(LARGEST_BODY)
    except (OSError, HTTPException):
        return b""


def _send(
    endpoint: Endpoint,
    connection: OpenerDirector,
    address: str,
    key: str | None,
    stopped: Event,
    body: bytes,
    number: int,
) -> _Response:
    """Send a request until it is answered, at most as often as the endpoint allows."""
    jitter = generator(number, "endpoint")
    for attempt in range(endpoint.retries + 1):
        response = _exchange(connection, _request(address, key, body), endpoint.timeout)
        if not response.may_pass or attempt == endpoint.retries:
            break
        # Requests that were refused together do not come back together.
        wait = endpoint.first_wait * 2**attempt * jitter.uniform(1.0, 1.5)
        if re.fullmatch(r"\d{1,9}(\.\d+)?", response.retry_after):
            wait = max(wait, float(response.retry_after))
        if stopped.wait(min(wait, LONGEST_WAIT)):
            break
    return _accepted(endpoint, response, key, attempt + 1)


def _accepted(endpoint: Endpoint, response: _Response, key: str | None, times: int) -> _Response:
    """A response that holds an answer, or an error that says what to do."""
    where, status = f"endpoint {endpoint.url}", response.status
    if response.lost:
        what = f"cannot be reached ({_cleaned(response.lost, key)}; tried {counted(times, 'time')})"
        raise UserError(where, what, "check the address, and that the server is running; or raise the timeout")
    if status == 200 or (status == 400 and _error_of(response.body).get("code") == "content_filter"):
        # What is wrong with an answer is told later, without the key at hand.
        return replace(response, body=response.body.replace(key.encode(), b"[key]")) if key else response
    said = _cleaned(str(_error_of(response.body).get("message") or ""), key) or "no message"
    if status in (401, 403):
        refused = f"refuses the key in {endpoint.key_variable}" if key else "asks for a key"
        hint = "correct it" if key else "name the environment variable that holds one with key_variable"
        raise UserError(where, f"{refused} ({status}: {said})", hint)
    if status == 404:
        what = f'has no model "{endpoint.model}", or none for chats (404: {said})'
        raise UserError(where, what, "correct the model's name, or the address, which mostly ends in /v1")
    if 300 <= status < 400:
        raise UserError(where, f"has moved (status {status})", "give the address that it has moved to")
    if status == 429:
        what = f"has no room for requests (429, {counted(times, 'time')}: {said})"
        raise UserError(where, what, "lower max_parallel, or wait and run the same command again")
    if status >= 500:
        what = f"fails ({status}, {counted(times, 'time')}: {said})"
        raise UserError(where, what, "look into the server's log, and run the same command again")
    hint = "a parameter under parameters replaces one of ours or, if it is null, leaves it out"
    raise UserError(where, f"refuses a request ({status}: {said})", hint)


def _error_of(body: bytes) -> dict[str, Any]:
    """The error in a body, in the form of the OpenAI API whatever form it has."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return {"message": body.decode(errors="replace")}
    error = data.get("error", data) if isinstance(data, dict) else data
    return error if isinstance(error, dict) and "message" in error else {"message": json.dumps(error)}


def _cleaned(text: str, key: str | None) -> str:
    """What a server says, fit to be shown: one line, without the key and control characters."""
    hidden = text.replace(key, "[key]") if key else text
    line = "".join(sign if sign.isprintable() else "?" for sign in " ".join(hidden.split()))
    return line if len(line) <= LONGEST_MESSAGE else f"{line[:LONGEST_MESSAGE]}..."


def _reply(endpoint: Endpoint, response: _Response, stop: Sequence[str]) -> Reply:
    """The answer in a response.

    Raises:
        UserError: There is none.
    """
    if response.status != 200:
        return Reply("", "content_filter", None, None, response.seconds)
    try:
        data = json.loads(response.body)
        choice, usage = data["choices"][0], data.get("usage") or {}
        content, finish_reason = choice["message"].get("content") or "", choice.get("finish_reason") or "stop"
        # Half of a character could not be written to a file.
        text = content.encode(errors="replace").decode()
        asked, answered = (_count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens"))
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        said = _cleaned(response.body[: 4 * LONGEST_MESSAGE].decode(errors="replace"), None)
        hint = "check that the address is one of the OpenAI API"
        raise UserError(
            f"endpoint {endpoint.url}", f"answers with something other than a chat: {said}", hint
        ) from error
    ends = [text.index(string) for string in stop if string and string in text]
    if ends:
        text, finish_reason = text[: min(ends)], "stop"
    return Reply(text, str(finish_reason), asked, answered, response.seconds)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) else None
