"""The endpoints of the OpenAI API on one model."""

from __future__ import annotations

import asyncio
import copy
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException

from tunelift.core.errors import UserError
from tunelift.core.seeds import derive_seed
from tunelift.models.load import LanguageModel
from tunelift.prompts.chat import encode_chat, turn_borders
from tunelift.serve.generation import Options, Piece, stream_tokens
from tunelift.serve.protocol import (
    CHAT,
    COMPLETION,
    END_OF_STREAM,
    AnswerRequest,
    ApiError,
    ChatRequest,
    CompletionRequest,
    Form,
    choice,
    event,
    invalid_request,
    usage,
)


@dataclass(frozen=True, slots=True)
class Service:
    """What answers requests.

    Attributes:
        loaded: The model.
        tokenizer: A copy of its tokenizer for reading prompts. A tokenizer keeps settings from one call to the
            next, so the thread that generates must not share one with the thread that reads prompts.
        model_id: What clients call the model.
        max_new_tokens: Length of answers where a request does not say.
        system: System turn of conversations that have none.
        stop: Texts that end an answer where a request names none.
        borders: Texts that end every answer to a conversation, because another turn begins behind them.
        worker: One thread, and thereby the queue: requests are answered one after another as they arrived.
    """

    loaded: LanguageModel
    tokenizer: Any
    model_id: str
    max_new_tokens: int
    system: str | None
    stop: tuple[str, ...]
    borders: tuple[str, ...]
    worker: Executor

    def check_model(self, model_id: str) -> None:
        """Raise an `ApiError` unless this model is meant."""
        if model_id != self.model_id:
            message = f"there is no model {model_id!r} here, only {self.model_id!r}"
            raise ApiError(404, message, "model", "model_not_found")

    def encode_conversation(self, request: ChatRequest) -> list[int]:
        """Token ids of a conversation, rendered as in training."""
        messages = [message.as_message() for message in request.messages]
        if self.system and all(message["role"] != "system" for message in messages):
            messages.insert(0, {"role": "system", "content": self.system})
        try:
            return encode_chat(self.tokenizer, messages)
        except UserError as error:
            raise ApiError(400, error.what, "messages", "invalid_conversation") from error

    def encode_prompt(self, request: CompletionRequest) -> list[int]:
        """Token ids of a text as it stands, control tokens included."""
        if isinstance(request.prompt, str):
            token_ids = list(self.tokenizer(request.prompt)["input_ids"])
        else:
            token_ids = request.prompt
        size = self.loaded.model.get_input_embeddings().num_embeddings
        if not token_ids or not all(0 <= token < size for token in token_ids):
            message = f"the prompt must have at least one token, and token ids between 0 and {size - 1}"
            raise ApiError(400, message, "prompt", "invalid_prompt")
        return token_ids

    def options(self, request: AnswerRequest, prompt_tokens: int) -> Options:
        """How to answer a request; an answer is never longer than the context has room for."""
        room = self.loaded.context - prompt_tokens
        if room < 1:
            message = f"the prompt has {prompt_tokens} tokens; the model takes {self.loaded.context}, answer included"
            param = "messages" if isinstance(request, ChatRequest) else "prompt"
            raise ApiError(400, message, param, "context_length_exceeded")
        borders = self.borders if isinstance(request, ChatRequest) else ()
        return Options(
            max_new_tokens=min(request.limit or self.max_new_tokens, room),
            stop=(*(self.stop if request.stop is None else request.stop), *borders),
            temperature=request.temperature,
            top_p=request.top_p,
            seed=secrets.randbits(63) if request.seed is None else derive_seed(request.seed, "sampling"),
        )

    async def answer(self, form: Form, request: AnswerRequest, prompt_ids: list[int], connection: Request) -> Response:
        """Generate an answer and write it, whole or as a stream."""
        options = self.options(request, len(prompt_ids))
        head = {
            "id": f"{form.prefix}{uuid.uuid4().hex}",
            "object": form.part_object if request.stream else form.whole_object,
            "created": int(time.time()),
            "model": self.model_id,
            "system_fingerprint": f"fp_{self.loaded.fingerprint[:16]}",
        }

        def generate(cancelled: Event) -> Iterator[Piece]:
            return stream_tokens(self.loaded, prompt_ids, options, cancelled)

        pieces = in_worker(self.worker, generate, connection)
        if request.stream:
            events = _events(form, head, pieces, len(prompt_ids), request.stream_options.include_usage)
            return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        answer = [piece async for piece in pieces]
        if not answer or answer[-1].finish_reason is None:
            return Response(status_code=499)  # The client has left; nobody reads this.
        text, last = "".join(piece.text for piece in answer), answer[-1]
        choices = [choice(form.whole(text), last.finish_reason)]
        return JSONResponse({**head, "choices": choices, "usage": usage(len(prompt_ids), last.completion_tokens)})


def create_app(
    loaded: LanguageModel,
    model_id: str,
    max_new_tokens_default: int,
    system: str | None,
    stop: tuple[str, ...] = (),
) -> FastAPI:
    """A server of the OpenAI API on one model.

    Without sampling parameters an answer is greedy (temperature 0, where OpenAI's default is 1): what is served is
    what was evaluated. Conversations are rendered as in training and evaluation; a prompt of ``/v1/completions``
    is encoded as it stands, control tokens included. Requests are answered one after another. An answer ends at
    the latest where the context does (finish reason "length"). Draws with a `seed` can be repeated.

    Args:
        loaded: The model.
        model_id: What clients call it.
        max_new_tokens_default: Length of an answer, in tokens, where a request does not say.
        system: The task's description: the system turn of a conversation that has none, because that is what was
            trained on.
        stop: The task's stop strings, for requests that name none.
    """
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="generation")
    tokenizer = copy.deepcopy(loaded.tokenizer)
    borders = turn_borders(tokenizer)
    service = Service(loaded, tokenizer, model_id, max_new_tokens_default, system, stop, borders, worker)
    card = {"id": model_id, "object": "model", "created": int(time.time()), "owned_by": "tunelift"}
    # The interactive documentation would load scripts from elsewhere.
    app = FastAPI(title="tunelift", docs_url=None, redoc_url=None)
    _answer_errors(app)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [card]}

    @app.get("/v1/models/{name:path}")
    async def model(name: str) -> dict[str, Any]:
        service.check_model(name)
        return card

    @app.post("/v1/chat/completions", response_model=None)
    async def chat(request: ChatRequest, connection: Request) -> Response:
        service.check_model(request.model)
        return await service.answer(CHAT, request, service.encode_conversation(request), connection)

    @app.post("/v1/completions", response_model=None)
    async def completions(request: CompletionRequest, connection: Request) -> Response:
        service.check_model(request.model)
        return await service.answer(COMPLETION, request, service.encode_prompt(request), connection)

    return app


def _answer_errors(app: FastAPI) -> None:
    """Every error leaves in the form that clients of the OpenAI API understand."""

    @app.exception_handler(ApiError)
    async def on_api_error(_: Request, error: ApiError) -> Response:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def on_invalid_request(_: Request, error: RequestValidationError) -> Response:
        return invalid_request(error.errors()).response()

    @app.exception_handler(HTTPException)
    async def on_http_error(_: Request, error: HTTPException) -> Response:
        return ApiError(error.status_code, error.detail).response()

    @app.exception_handler(Exception)
    async def on_failure(_: Request, error: Exception) -> Response:
        return _failure(error).response()


def _failure(error: Exception) -> ApiError:
    return ApiError(500, f"generation failed ({type(error).__name__}); the server's log says more")


async def _events(
    form: Form, head: dict[str, Any], pieces: AsyncIterator[Piece], prompt_tokens: int, include_usage: bool
) -> AsyncIterator[str]:
    """An answer as server-sent events."""
    unused = {"usage": None} if include_usage else {}
    if form.opening:
        yield event({**head, "choices": [choice(form.opening)], **unused})
    completion_tokens = 0
    try:
        async for piece in pieces:
            completion_tokens = piece.completion_tokens
            yield event({**head, "choices": [choice(form.part(piece.text), piece.finish_reason)], **unused})
    except Exception as error:
        # The status has been sent already: the client learns of it from the stream, the log from the exception.
        yield event(_failure(error).body())
        raise
    if include_usage:
        yield event({**head, "choices": [], "usage": usage(prompt_tokens, completion_tokens)})
    yield END_OF_STREAM


async def in_worker(
    worker: Executor, generate: Callable[[Event], Iterator[Piece]], connection: Request
) -> AsyncIterator[Piece]:
    """Iterate in the worker thread and hand the pieces to the event loop.

    Args:
        worker: Where to iterate.
        generate: Given an event, returns the iterator, which ends soon after the event has been set.
        connection: The event is set as soon as its client has left.
    """
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[Piece | None] = asyncio.Queue()
    cancelled = Event()

    def work() -> None:
        for piece in generate(cancelled):
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

    async def watch() -> None:
        while (await connection.receive())["type"] != "http.disconnect":
            pass
        cancelled.set()

    watcher = asyncio.create_task(watch())
    generation = loop.run_in_executor(worker, work)
    generation.add_done_callback(lambda _: pieces.put_nowait(None))
    try:
        while (piece := await pieces.get()) is not None:
            yield piece
        await generation
    finally:
        cancelled.set()
        watcher.cancel()
