from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunelift.core.cache import is_intact
from tunelift.core.errors import UserError
from tunelift.models.bundled import part_files
from tunelift.models.gguf import convert, converted_folder
from tunelift.models.load import load_model

HIDDEN, INNER, LAYERS, HEADS, KEY_HEADS = 32, 64, 2, 4, 2
Weights = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Weights]:
    """A small GGUF file with some quantised weights, and all weights as its own library dequantises them."""
    import gguf
    from gguf.quants import dequantize, quantize
    from tokenizers.pre_tokenizers import ByteLevel

    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *sorted(ByteLevel.alphabet()), "ab", "abc", "Ġa"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.NORMAL] * (len(tokens) - 3))
    writer.add_token_merges(["a b", "ab c", "Ġ a"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    key_size = HIDDEN // HEADS * KEY_HEADS
    shapes = {"token_embd": (len(tokens), HIDDEN), "output_norm": (HIDDEN,)}
    for layer in range(LAYERS):
        block = {
            "attn_norm": (HIDDEN,),
            "attn_q": (HIDDEN, HIDDEN),
            "attn_k": (key_size, HIDDEN),
            "attn_v": (key_size, HIDDEN),
            "attn_output": (HIDDEN, HIDDEN),
            "ffn_norm": (HIDDEN,),
            "ffn_gate": (INNER, HIDDEN),
            "ffn_up": (INNER, HIDDEN),
            "ffn_down": (HIDDEN, INNER),
        }
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in block.items()}
    draw, weights = np.random.default_rng(7), {}
    kinds = gguf.GGMLQuantizationType
    for name, shape in shapes.items():
        kind = kinds.F32 if "norm" in name else kinds.Q4_1 if "ffn" in name else kinds.Q8_0
        packed = quantize(draw.standard_normal(shape).astype(np.float32), kind)
        writer.add_tensor(f"{name}.weight", packed, raw_dtype=kind)
        weights[name] = dequantize(packed, kind).reshape(shape)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path, weights


def unpermuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """llama.cpp stores the two halves of the rotary dimensions of each head interleaved."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def test_a_file_is_dequantised_weight_by_weight(made: tuple[Path, Weights], cache: Path) -> None:
    path, weights = made
    loaded = load_model(str(path), "float32")
    state = {name: tensor.numpy() for name, tensor in loaded.model.state_dict().items()}
    names = {
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    }
    for layer in range(LAYERS):
        for ours, theirs in names.items():
            found = state[f"model.layers.{layer}.{ours}.weight"]
            np.testing.assert_array_equal(found, weights[f"blk.{layer}.{theirs}"])
        for part, heads in (("q", HEADS), ("k", KEY_HEADS)):
            expected = unpermuted(weights[f"blk.{layer}.attn_{part}"], heads)
            np.testing.assert_array_equal(state[f"model.layers.{layer}.self_attn.{part}_proj.weight"], expected)
    np.testing.assert_array_equal(state["model.embed_tokens.weight"], weights["token_embd"])
    np.testing.assert_array_equal(state["lm_head.weight"], weights["token_embd"])
    np.testing.assert_array_equal(state["model.norm.weight"], weights["output_norm"])
    assert loaded.tokenizer.decode(loaded.tokenizer("abc a<|im_end|>")["input_ids"]) == "abc a<|im_end|>"
    assert loaded.stop_token_ids == {2}
    assert loaded.context == 64


def test_it_is_converted_once_and_again_when_damaged(
    made: tuple[Path, Weights], cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, _ = made
    folder = convert([path], "tiny")
    assert convert([path], "tiny") == folder == converted_folder(hashlib.sha256(path.read_bytes()).hexdigest())
    assert capsys.readouterr().err.count("converting tiny once") == 1
    assert not any(file.suffix == ".gguf" for file in folder.rglob("*")), "the copy that was read is not kept"
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    assert is_intact(convert([path], "tiny"))
    assert capsys.readouterr().err.count("converting tiny once") == 1
    assert weights.read_bytes() == whole


def test_parts_make_up_one_file(made: tuple[Path, Weights], cache: Path, tmp_path: Path) -> None:
    content = made[0].read_bytes()
    parts = [tmp_path / "part1", tmp_path / "part2"]
    parts[0].write_bytes(content[:1000])
    parts[1].write_bytes(content[1000:])
    assert convert(parts, "parts", hashlib.sha256(content).hexdigest()) == convert([made[0]], "whole")
    with pytest.raises(UserError, match="the installed file is damaged"):
        convert(parts[:1], "parts", hashlib.sha256(b"other").hexdigest())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: b"", "is not a GGUF file - check the path"),
        (lambda content: b"PK\3\4" + content[4:], "is not a GGUF file"),
        (lambda content: content[:4], "cannot be read: .* - check that the file is whole"),
        (lambda content: content[:2000], "cannot be read: "),
        (lambda content: content[: len(content) // 2], "cannot be read: "),
        (lambda content: content[:8] + b"\xff" * 64 + content[72:], "cannot be read: "),
        (lambda content: content.replace(b"llama", b"lloma"), "cannot be read: "),
    ],
)
def test_a_file_that_is_not_whole_or_not_gguf(
    made: tuple[Path, Weights], cache: Path, tmp_path: Path, damage: Callable[[bytes], bytes], message: str
) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(damage(made[0].read_bytes()))
    with pytest.raises(UserError, match=message) as caught:
        load_model(str(path))
    assert caught.value.where == str(path)
    assert not list(cache.glob("models/*/"))


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(UserError, match=r"missing\.gguf: file not found"):
        load_model("missing.gguf")


@pytest.mark.long
def test_the_cached_model_is_the_file_tensor_for_tensor(smollm2: Any) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    (file,) = part_files("bundled/smollm2-135m-instruct")
    direct = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32).state_dict()
    state = smollm2.model.state_dict()
    assert state.keys() == direct.keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in direct.items())
