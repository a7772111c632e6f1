from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import pytest

from tunelift.core.errors import UserError
from tunelift.models.endpoint import Endpoint, Generation, ask, check_endpoint
from tunelift.serve.app import create_app
from tunelift.serve.server import listen

KEY = "sk-secret-1234567890"


@dataclass
class Script:
    """What a server does, and what it has seen: `answer` gives status, headers and body of each request."""

    answer: Callable[[dict[str, Any], int], tuple[int, dict[str, str], bytes]]
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    running: int = 0
    most: int = 0
    lock: Any = field(default_factory=Lock)


@contextmanager
def serving(script: Script) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            with script.lock:
                script.running += 1
                script.most = max(script.most, script.running)
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                script.bodies.append(body)
                script.keys.append(self.headers.get("Authorization"))
                script.paths.append(self.path)
                number = len(script.bodies)
            status, headers, answer = script.answer(body, number)
            with script.lock:
                script.running -= 1
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def completion(text: Any, finish_reason: str | None = "stop", **others: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
    return json.dumps({"choices": [choice], **others}).encode()


def echo(body: dict[str, Any], number: int) -> tuple[int, dict[str, str], bytes]:
    text = body["messages"][-1]["content"]
    return 200, {}, completion(f"{text}!", usage={"prompt_tokens": len(text), "completion_tokens": 2})


def endpoint(url: str, **others: Any) -> Endpoint:
    return Endpoint(url, "m", **{"first_wait": 0.001, "retries": 3, "timeout": 5.0, **others})


def refusing(status: int, body: bytes = b"", **headers: str) -> Script:
    return Script(lambda *_: (status, headers, body))


def failure(script: Script, **others: Any) -> UserError:
    with serving(script) as url, pytest.raises(UserError) as caught:
        ask(endpoint(url, **others), [user("x")], Generation())
    return caught.value


def test_answers_come_in_the_order_of_the_questions_and_not_more_at_once_than_allowed() -> None:
    def slow_first(body: dict[str, Any], number: int) -> tuple[int, dict[str, str], bytes]:
        time.sleep(0.05 if body["messages"][-1]["content"] == "q0" else 0.005)
        return echo(body, number)

    script, done = Script(slow_first), []
    with serving(script) as url:
        asked = [user(f"q{number}") for number in range(20)]
        replies = ask(endpoint(url, max_parallel=3), asked, Generation(), done.append)
    assert [reply.text for reply in replies] == [f"q{number}!" for number in range(20)]
    assert 1 < script.most <= 3
    assert sum(done) == 20
    assert (replies[0].prompt_tokens, replies[0].completion_tokens, replies[0].finish_reason) == (2, 2, "stop")
    assert replies[0].seconds > 0.04


def test_what_is_sent() -> None:
    script = Script(echo)
    generation = Generation(7, ("\n", "b", "c", "d", "e"), seed=5)
    with serving(script) as url:
        ask(endpoint(url), [user("x")], generation)
        assert script.bodies[0] == {
            "model": "m",
            "messages": user("x"),
            "temperature": 0.0,
            "max_tokens": 7,
            "stop": ["\n", "b", "c", "d"],
            "seed": 5,
        }
        others = {"temperature": None, "reasoning_effort": "low"}
        named = endpoint(f"{url}/chat/completions/", length_parameter="max_completion_tokens", parameters=others)
        ask(named, [user("x")], Generation(7))
    assert script.bodies[1] == {
        "model": "m",
        "messages": user("x"),
        "max_completion_tokens": 7,
        "reasoning_effort": "low",
    }
    assert script.paths[0] == script.paths[1] == "/v1/chat/completions"
    assert script.keys == [None, None]


def test_the_key_comes_from_the_environment_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", f" {KEY}\n")
    script = Script(echo)
    with serving(script) as url:
        keyed = endpoint(url, key_variable="SOME_KEY")
        ask(keyed, [user("x")], Generation())
    assert script.keys == [f"Bearer {KEY}"]
    assert KEY not in repr(keyed)
    bodies = [json.dumps({"error": {"message": f"bad key {KEY}"}}).encode(), f"no {KEY}".encode()]
    scripts = [refusing(status, body) for status in (200, 400, 401, 403, 404, 429, 503) for body in bodies]
    for failing in scripts:
        error = failure(failing, key_variable="SOME_KEY", retries=0)
        while error is not None:
            assert KEY not in str(error)
            error = error.__cause__


@pytest.mark.parametrize("name", [KEY, "sk_lower", ""])
def test_a_key_in_place_of_its_variable_is_refused_and_not_shown(name: str) -> None:
    with pytest.raises(UserError, match="not the name of an environment variable") as caught:
        check_endpoint(endpoint("http://127.0.0.1:1/v1", key_variable=name))
    assert not name or name not in str(caught.value)


def test_a_missing_or_broken_key_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    keyed = endpoint("http://127.0.0.1:1/v1", key_variable="SOME_KEY")
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(UserError, match="SOME_KEY holds no key"):
        check_endpoint(keyed)
    monkeypatch.setenv("SOME_KEY", f"{KEY}\nX-Header: y")
    with pytest.raises(UserError, match="signs that cannot be sent") as caught:
        check_endpoint(keyed)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://host/v1", "127.0.0.1:8000", "", "http://", "http://host:port/v1", "http://[::1/v1",
        f"http://user:{KEY}@host/v1", f"http://host/v1?key={KEY}", f"http://host/v1#{KEY}", "http://host/v 1",
    ],
)  # fmt: skip
def test_an_address_must_be_one_and_nothing_more(url: str) -> None:
    with pytest.raises(UserError, match="the url") as caught:
        check_endpoint(endpoint(url))
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_a_busy_or_failing_server_is_asked_again(status: int) -> None:
    script = Script(lambda body, number: echo(body, number) if number > 2 else (status, {}, b"busy"))
    with serving(script) as url:
        assert ask(endpoint(url), [user("x")], Generation())[0].text == "x!"
    assert len(script.bodies) == 3


def test_a_server_says_how_long_to_wait() -> None:
    script = Script(lambda body, number: echo(body, number) if number > 1 else (429, {"Retry-After": "0.2"}, b""))
    started = time.perf_counter()
    with serving(script) as url:
        ask(endpoint(url), [user("x")], Generation())
    assert time.perf_counter() - started > 0.2


def test_a_server_that_goes_on_failing_is_given_up() -> None:
    script = refusing(503, b'{"error": {"message": "out of\\nmemory"}}')
    assert "fails (503, 4 times: out of memory)" in str(failure(script))
    assert len(script.bodies) == 4
    assert "has no room for requests (429" in str(failure(refusing(429)))


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (400, b'{"error": {"message": "too long", "code": "context_length_exceeded"}}', r"a request \(400: too long"),
        (401, b'{"detail": "who are you?"}', "asks for a key"),
        (404, b'{"error": {"message": "no such model"}}', 'has no model "m"'),
        (422, b"\x1b[31mred\x1b[0m", r"\?\[31mred"),
        (422, b"", "no message"),
        (400, b"[" * 5000, "refuses a request"),
    ],
)
def test_a_refusal_is_told_at_once(status: int, body: bytes, message: str) -> None:
    script = refusing(status, body)
    with pytest.raises(UserError, match=message):
        raise failure(script)
    assert len(script.bodies) == 1


def test_a_redirect_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    elsewhere = Script(echo)
    with serving(elsewhere) as other:
        for status in (301, 302, 307, 308):
            assert "has moved" in str(failure(refusing(status, Location=other), key_variable="SOME_KEY"))
    assert elsewhere.bodies == []


@pytest.mark.parametrize(
    "body",
    [
        b"", b"hello", b"<html>", b"[]", b"null", b"{}", b'{"choices": []}', b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": 5}}]}', b'{"error": {"message": "quota"}}', b"[" * 5000, b"\xff\xfe",
        b'{"choices": [{"message": {"content": "x"}}], "usage": 3}', b'{"choices": {"message": 1}}',
    ],
)  # fmt: skip
def test_what_is_no_answer_is_told(body: bytes) -> None:
    with pytest.raises(UserError, match="something other than a chat"):
        raise failure(refusing(200, body))


def test_answers_with_less_than_usual() -> None:
    bodies = [
        completion(None, "length"),
        completion("half \ud83d"),
        completion("x", None, usage={"prompt_tokens": "many"}),
        completion("", "tool_calls", usage=None),
    ]
    with serving(Script(lambda body, number: (200, {}, bodies[number - 1]))) as url:
        replies = ask(endpoint(url, max_parallel=1), [user("x")] * 4, Generation())
    assert [(reply.text, reply.finish_reason) for reply in replies] == [
        ("", "length"), ("half ?", "stop"), ("x", "stop"), ("", "tool_calls"),
    ]  # fmt: skip
    assert all(reply.prompt_tokens is None for reply in replies)


def test_an_answer_is_cut_where_a_server_did_not() -> None:
    with serving(Script(lambda *_: (200, {}, completion("one two three", "length")))) as url:
        cut, whole = (
            ask(endpoint(url), [user("x")], Generation(stop=stop))[0] for stop in ((" three", " two"), ("z",))
        )
    assert (cut.text, cut.finish_reason) == ("one", "stop")
    assert (whole.text, whole.finish_reason) == ("one two three", "length")


def test_a_filtered_question_has_no_answer_and_ends_nothing() -> None:
    filtered = json.dumps({"error": {"message": "filtered", "code": "content_filter"}}).encode()
    script = Script(lambda body, number: (400, {}, filtered) if number == 1 else echo(body, number))
    with serving(script) as url:
        replies = ask(endpoint(url, max_parallel=1), [user("x"), user("y")], Generation())
    assert [(reply.text, reply.finish_reason) for reply in replies] == [("", "content_filter"), ("y!", "stop")]


def test_nobody_at_the_address() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    nobody = endpoint(f"http://127.0.0.1:{port}/v1", retries=1)
    with pytest.raises(UserError, match=r"cannot be reached \(.*refused; tried 2 times\)"):
        ask(nobody, [user("x")], Generation())
    with pytest.raises(UserError, match="tried 1 time"):
        check_endpoint(nobody)
    with pytest.raises(UserError, match="cannot be reached"):
        check_endpoint(endpoint(f"http://{'x' * 80}.invalid/v1"))


def test_a_silent_server_is_lost_after_the_timeout() -> None:
    with listen("127.0.0.1", 0) as listener:  # accepts, and never answers
        silent = endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", retries=0, timeout=0.1)
        with pytest.raises(UserError, match="timed out"):
            ask(silent, [user("x")], Generation())


def test_the_first_error_ends_all() -> None:
    script = Script(lambda body, number: echo(body, number) if number < 4 else (401, {}, b"no"))
    with serving(script) as url, pytest.raises(UserError, match="asks for a key"):
        ask(endpoint(url, max_parallel=2), [user("x")] * 500, Generation())
    assert len(script.bodies) < 20


def test_a_check_finds_what_is_wrong_and_lets_a_busy_server_pass() -> None:
    script = Script(echo)
    with serving(script) as url:
        check_endpoint(endpoint(url))
    assert script.bodies[0]["max_tokens"] == 16
    for status in (429, 503):
        with serving(refusing(status)) as url:
            check_endpoint(endpoint(url))
    with serving(refusing(404)) as url, pytest.raises(UserError, match="has no model"):
        check_endpoint(endpoint(url))
    with serving(refusing(200, b"hello")) as url, pytest.raises(UserError, match="something other than a chat: hello"):
        check_endpoint(endpoint(url))


def test_no_questions() -> None:
    assert ask(endpoint("http://127.0.0.1:1/v1"), [], Generation()) == []


@pytest.fixture(scope="module")
def own_server(
    tiny_model: Callable[..., Any], language_model: Callable[..., Any], tokenizer: Any
) -> Iterator[tuple[str, Any]]:
    import uvicorn

    loaded = language_model(tiny_model("llama", vocabulary=len(tokenizer)), tokenizer)
    with listen("127.0.0.1", 0) as listener:
        app = create_app(loaded, "m", 256, None)
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1", loaded
        finally:
            server.should_exit = True
            thread.join()


def test_our_own_server_answers_as_the_model_does(own_server: tuple[str, Any]) -> None:
    from tunelift.engine.answers import Stopping, answer_prompts
    from tunelift.prompts.chat import encode_chats

    url, loaded = own_server
    conversations = [
        user("Count."),
        user("你好吗？"),
        [{"role": "system", "content": "Be brief."}, *user("Why?")],
    ]
    replies = ask(endpoint(url), conversations, Generation(max_tokens=6, seed=3))
    stopping = Stopping(
        loaded.stop_token_ids, (), 6, lambda ids: loaded.tokenizer.decode(ids, skip_special_tokens=True)
    )
    prompts = encode_chats(loaded.tokenizer, conversations)
    expected = answer_prompts(loaded.model, prompts, [()] * 3, stopping, lambda count: None).answers
    assert [(reply.text, reply.finish_reason) for reply in replies] == [
        (answer.text, answer.finish_reason) for answer in expected
    ]
    assert [reply.prompt_tokens for reply in replies] == list(map(len, prompts))
    assert [reply.completion_tokens for reply in replies] == [len(answer.token_ids) for answer in expected]
    check_endpoint(endpoint(url))
    with pytest.raises(UserError, match=r"there is no model 'n' here, only 'm'"):
        check_endpoint(Endpoint(url, "n"))
