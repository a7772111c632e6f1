"""GGUF files, dequantised once into the cache and from then on loaded as safetensors."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from tunelift.core.cache import cache_folder, cached_folder
from tunelift.core.errors import UserError
from tunelift.core.progress import say

# Part of the cache key: raise it when the conversion changes.
CONVERSION = 1


def converted_folder(sha256: str) -> Path:
    """Where in the cache the conversion of a GGUF file with this hash stands, or will stand."""
    return cache_folder() / _cache_name(sha256)


def _cache_name(sha256: str) -> str:
    return f"models/{sha256[:16]}-{CONVERSION}"


def convert(parts: Sequence[Path], name: str, expected_sha256: str | None = None) -> Path:
    """The folder with the dequantised weights, configuration and tokenizer of a GGUF file.

    Args:
        parts: The file, or its parts in order.
        name: What to call it in messages.
        expected_sha256: Hash of the whole file, where it is known.

    Raises:
        UserError: The file is damaged, is not GGUF, or holds an architecture that Transformers cannot read.
    """
    with parts[0].open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise UserError(name, "is not a GGUF file", "check the path; a GGUF file begins with the letters GGUF")

    def make(folder: Path) -> None:
        if expected_sha256 and _sha256(parts) != expected_sha256:
            raise UserError(name, "the installed file is damaged (its hash is wrong)", "install its package again")
        _dequantise(parts, name, folder)

    return cached_folder(_cache_name(expected_sha256 or _sha256(parts)), make)


def _sha256(parts: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        with part.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _dequantise(parts: Sequence[Path], name: str, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    say(f"converting {name} once; it loads from the cache from now on")
    scratch = folder / "scratch"
    scratch.mkdir()
    with (scratch / "model.gguf").open("wb") as stream:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, stream)
    try:
        tokenizer = AutoTokenizer.from_pretrained(scratch, gguf_file="model.gguf")
        model = AutoModelForCausalLM.from_pretrained(scratch, gguf_file="model.gguf", dtype=torch.float32)
    except Exception as error:  # a damaged file can fail anywhere in the library
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        hint = "check that the file is whole and its architecture supported by Transformers"
        raise UserError(name, f"cannot be read: {reason}", hint) from error
    shutil.rmtree(scratch)
    # The weights are plain tensors by now; what the quantizer leaves behind only refuses to be saved.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.config._name_or_path = name
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
