from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from tunelift.core.errors import UserError
from tunelift.serve.server import listen, serve


def test_a_folder_is_served_until_interrupted(
    tiny_model: Callable[..., Any], tokenizer: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "tiny"
    tiny_model("llama", vocabulary=2000).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"

    def use() -> int:
        client = openai.OpenAI(base_url=url, api_key="none", max_retries=50)
        try:
            usage = client.completions.create(model="tiny", prompt=[50, 51, 52]).usage
            return usage.completion_tokens if usage else 0
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    with ThreadPoolExecutor(1) as other:
        used = other.submit(use)
        serve(str(folder), port=port, max_new_tokens=3)
    assert used.result() == 3
    assert f"tiny is served at {url} (end with Ctrl-C)\n" in capsys.readouterr().err


def test_a_port_in_use_is_told_before_the_model_is_loaded(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"127.0.0.1:{port}: the port is in use - choose another one with --port"):
            serve(str(tmp_path / "no model"), port=port)


@pytest.mark.parametrize(
    ("host", "port", "message"),
    [
        ("127.0.0.1", 65536, "is not a port"),
        ("127.0.0.1", -1, "is not a port"),
        ("192.0.2.1", 0, "cannot be listened on"),
        ("no host", 0, "cannot be listened on"),
    ],
)
def test_addresses_that_cannot_be_listened_on(host: str, port: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        listen(host, port)


def test_a_wrong_model_frees_the_port(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    with pytest.raises(UserError, match="is a folder without config"):
        serve(str(tmp_path), port=port)
    listen("127.0.0.1", port).close()


@pytest.mark.parametrize("package", ["fastapi", "uvicorn"])
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=r"needs FastAPI and uvicorn - run: pip install 'tunelift\[serve\]'"):
        serve("bundled/smollm2-135m-instruct")
