"""Serving a model until the user ends it."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from tunelift.core.errors import UserError
from tunelift.core.progress import say
from tunelift.models.load import load_model


def serve(
    name: str,
    host: str = "127.0.0.1",
    port: int = 8000,
    accept_terms: bool = False,
    system: str | None = None,
    max_new_tokens: int = 256,
    stop: tuple[str, ...] = (),
) -> None:
    """Serve a model over the OpenAI API until Ctrl-C.

    There is no authentication: the default host can be reached from this machine only.

    Args:
        name: The model, as `load_model` takes it; clients call it so, or by the last part of its path.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        accept_terms: The user accepts the terms of use of a bundled model that has such.
        system: The task's description, the system turn of conversations that have none.
        max_new_tokens: Length of an answer, in tokens, where a request does not say.
        stop: The task's stop strings, for requests that name none.

    Raises:
        UserError: A package is missing, the port is in use, or the model cannot be loaded.
    """
    if not all(find_spec(package) for package in ("fastapi", "uvicorn")):
        raise UserError("tunelift serve", "needs FastAPI and uvicorn", "run: pip install 'tunelift[serve]'")
    import uvicorn

    from tunelift.serve.app import create_app

    # The port is taken before the model is loaded, so that a port in use is told at once.
    with listen(host, port) as listener:
        loaded = load_model(name, accept_terms=accept_terms)
        model_id = Path(name).resolve().name if Path(name).exists() else name
        app = create_app(loaded, model_id, max_new_tokens, system, stop)
        address, number = listener.getsockname()[:2]
        url = f"http://[{address}]:{number}/v1" if ":" in address else f"http://{address}:{number}/v1"
        say(f"{model_id} is served at {url} (end with Ctrl-C)")
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        UserError: The port is in use, or one cannot listen there.
    """
    where = f"{host}:{port}"
    if not 0 <= port <= 65535:
        raise UserError(where, "is not a port", "choose one between 1 and 65535 with --port")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UserError(where, "the port is in use", "choose another one with --port") from error
        raise UserError(where, f"cannot be listened on ({error.strerror})", "check --host and --port") from error
