"""Loading a language model by name: bundled, GGUF file, folder, run directory or hub id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunelift.core import hardware
from tunelift.core.cache import MANIFEST
from tunelift.core.errors import UserError, first_line, nearest, shorten
from tunelift.core.files import content_hash, file_hash, read_json
from tunelift.core.progress import say
from tunelift.core.records import Prompt
from tunelift.models.adapters import ADAPTER, merge_adapter
from tunelift.models.bundled import MODELS, bundled_folder, bundled_model, part_files
from tunelift.models.gguf import convert, converted_folder
from tunelift.models.vocabulary import untrained_tokens
from tunelift.prompts.chat import default_chat_template, stop_token_id

# Prompts whose logits are compared with those of the plain way.
SELF_CHECK = 4
# The file that makes a folder one of a model with a head.
HEAD = "head.json"
# What to do with a model that is none of language.
ENCODERS = "an encoder takes a head, as a system of a recipe"


@dataclass(slots=True)
class LanguageModel:
    """A model with its tokenizer, ready to be used.

    Attributes:
        name: As the user wrote it.
        model: The network; a PEFT model where it has an adapter.
        tokenizer: With a chat template, its own or our default; that of an encoder-decoder has one only if it brings
            it.
        source: The folder or hub id that it was loaded from.
        fingerprint: Hash of configuration and weights, for the run record.
        untrained_tokens: Control tokens that it has never been trained on.
    """

    name: str
    model: Any
    tokenizer: Any
    source: str
    fingerprint: str
    untrained_tokens: frozenset[int] = frozenset()

    @property
    def context(self) -> int:
        """The longest sequence that the model takes, in tokens."""
        return longest_sequence(self.model)

    @property
    def stop_token_ids(self) -> frozenset[int]:
        """Tokens that end an answer: those of the generation configuration and the one of the chat template."""
        configured = self.model.generation_config.eos_token_id
        token_ids = configured if isinstance(configured, list) else [configured]
        return frozenset([*(token for token in token_ids if token is not None), stop_token_id(self.tokenizer)])


def longest_sequence(model: Any) -> int:
    """The longest sequence that a model takes, in tokens."""
    config = model.config.get_text_config()
    if getattr(config, "relative_attention_num_buckets", None) and model.config.is_encoder_decoder:
        return 1 << 30  # T5 knows distances alone; what its configuration calls n_positions limits nothing
    longest = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or 1 << 30
    rotary = getattr(config, "rope_parameters", None) or {}
    if rotary.get("rope_type") in ("dynamic", "longrope"):
        # Beyond it the positions of all sequences that are computed together depend on the longest of them.
        longest = min(longest, rotary.get("original_max_position_embeddings") or longest)
    return int(longest)


def load_model(name: str, precision: str = "auto", accept_terms: bool = False) -> LanguageModel:
    """Load a language model.

    Args:
        name: ``bundled/...``, a ``.gguf`` file, a folder with weights or with an adapter, a run directory, or a
            hub id.
        precision: "float32", "bfloat16", or "auto" for what this machine computes fast.
        accept_terms: The user accepts the terms of use of a bundled model that has such.

    Raises:
        UserError: There is no such model, its package is not installed, or its files are damaged.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    source = locate(name, accept_terms)
    if (Path(source) / HEAD).is_file():
        raise UserError(name, "is a model with a head", "load it as the README.md beside it says")
    if (Path(source) / ADAPTER).is_file():
        return _load_adapter(name, Path(source), precision, accept_terms)
    tokenizer = load_tokenizer(name, source)
    with _explained(name):
        pairs = AutoConfig.from_pretrained(source).is_encoder_decoder
    model = load_weights(name, source, precision, AutoModelForSeq2SeqLM if pairs else AutoModelForCausalLM)
    _prepare(name, model)
    return _finish(name, model, tokenizer, source)


def locate(name: str, accept_terms: bool = False) -> str:
    """The folder that holds a model, or its hub id.

    Raises:
        UserError: There is no such model, or its terms have not been accepted.
    """
    if name.startswith("bundled/"):
        return str(_locate_bundled(name, accept_terms))
    path = Path(name).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise UserError(name, "file not found", "check the path")
        return str(convert([path], name))
    if (path / "run.json").is_file():
        if not (path / "model").is_dir():
            raise UserError(name, "holds no tuned model yet", "finish it with: tunelift run RECIPE")
        return str(path / "model")
    if path.is_dir():
        if not any((path / file).is_file() for file in ("config.json", ADAPTER)):
            raise UserError(name, f"is a folder without config.json or {ADAPTER}", "name the folder of a model")
        return str(path)
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return name
    raise UserError(
        name, "is not a model", f"give a folder, a .gguf file, a hub id like org/name, or {nearest(name, MODELS)}"
    )


def _locate_bundled(name: str, accept_terms: bool) -> Path:
    if folder := bundled_folder(name):
        return folder
    model = bundled_model(name)
    parts = part_files(name)
    if model.terms and not accept_terms and not converted_folder(model.sha256).exists():
        raise UserError(name, f"is subject to {model.terms}", "read them, then add --accept-terms if you agree")
    return convert(parts, name, model.sha256)


def load_tokenizer(name: str, source: str) -> Any:
    """The tokenizer of a model.

    Raises:
        UserError: It cannot be loaded.
    """
    from transformers import AutoTokenizer

    with _explained(name):
        return AutoTokenizer.from_pretrained(source)


def load_weights(name: str, source: str, precision: str, kind: Any, spare: str = "-") -> Any:
    """Load the weights of a model onto the device.

    Args:
        name: What to call the model in messages.
        source: Its folder, or hub id.
        precision: As for `load_model`.
        kind: Class of Transformers that loads it.
        spare: What the names of weights begin with that may be missing, since nothing uses them.

    Raises:
        UserError: It cannot be loaded, or lacks weights.
    """
    import torch

    hardware.limit_threads()
    hardware.limit_kernels()
    dtype = getattr(torch, hardware.fast_precision() if precision == "auto" else precision)
    with _explained(name):
        model, found = kind.from_pretrained(source, dtype=dtype, use_safetensors=True, output_loading_info=True)
    missing = sorted(key for key in found["missing_keys"] if not key.startswith(spare))
    if missing:  # the library would only warn, and draw them at random
        raise UserError(name, f"lacks weights ({shorten(missing)})", f"copy or download it again; {ENCODERS}")
    return model.to(hardware.device()).eval()


def _prepare(name: str, model: Any) -> None:
    """Find out, by trying, whether a model can be used, and which ways of computing it a decoder takes."""
    from tunelift.engine.encoder_decoder import compare_with_single
    from tunelift.engine.refusal import RefusedError

    try:
        if model.config.is_encoder_decoder:
            compare_with_single(model)
        else:
            _prepare_decoder(name, model)
    except RefusedError as error:
        raise UserError(name, f"cannot be used: {error}", "choose another model") from error


def _prepare_decoder(name: str, model: Any) -> None:
    from tunelift.engine.refusal import RefusedError
    from tunelift.engine.support import enable_trees, predicts_ahead

    try:
        enable_trees(model)
    except RefusedError as error:
        if predicts_ahead(model):
            what = "is an encoder: every token sees those behind it, and none can be predicted"
            raise UserError(name, what, f"choose another model; {ENCODERS}") from error
        _say_without_trees(name, model, error)


def _say_without_trees(name: str, model: Any, why: Exception) -> None:
    """Say that a decoder computes the plain way, and find out, by trying, whether it can do so behind a cache."""
    from tunelift.engine.refusal import RefusedError
    from tunelift.engine.side_by_side import enable_cache

    say(f"{name}: shared prefixes are not used, since {why}")
    try:
        enable_cache(model)
    except RefusedError as error:
        say(f"{name}: answers take long, all tokens being computed again for every new one, since {error}")


def load_tuned(base: LanguageModel, folder: Path, precision: str = "auto", accept_terms: bool = False) -> LanguageModel:
    """Load what a base model was tuned to.

    Args:
        base: The base model. An adapter is put on it, not on a second copy of its weights; switch it off with
            ``model.disable_adapter()`` to have the base again.
        folder: The adapter, or whole weights.
        precision: As for `load_model`.
        accept_terms: As for `load_model`.
    """
    if (folder / ADAPTER).is_file():
        return _put_on(base, str(folder), folder)
    return load_model(str(folder), precision, accept_terms)


def release(loaded: LanguageModel) -> None:
    """Give back the memory of a model's weights, whose shapes and configuration remain; `restore` loads them again."""
    loaded.model = loaded.model.to("meta")


def restore(loaded: LanguageModel, precision: str = "auto", accept_terms: bool = False) -> None:
    """Load the weights of a model again if they have been given back.

    Args:
        loaded: The model.
        precision: As it was loaded.
        accept_terms: As for `load_model`.
    """
    if loaded.model.device.type == "meta":
        loaded.model = load_model(loaded.name, precision, accept_terms).model


def check_trees(loaded: LanguageModel, prompts: Sequence[Prompt]) -> None:
    """Compare the logits behind a few prompts over a tree with those of the plain way, in float32.

    Loading has compared them for made-up tokens; a model can still differ on prompts that are as long as these. Where
    it does, it computes the plain way from now on, and a line says so.

    Args:
        loaded: The model.
        prompts: What it is to compute, of which the first few are taken.
    """
    from tunelift.engine.forward import takes_trees
    from tunelift.engine.refusal import RefusedError
    from tunelift.engine.support import compare_with_plain

    if not (prompts and takes_trees(loaded.model)):
        return
    try:
        compare_with_plain(loaded.model, [prompt.token_ids[: loaded.context] for prompt in prompts[:SELF_CHECK]])
    except RefusedError as error:
        _say_without_trees(loaded.name, loaded.model, error)


def _load_adapter(name: str, folder: Path, precision: str, accept_terms: bool) -> LanguageModel:
    from peft import PeftConfig

    with _explained(name):
        base = PeftConfig.from_pretrained(folder).base_model_name_or_path
    if not base:
        raise UserError(name, "does not say which model it adapts", "enter base_model_name_or_path in its config")
    return _put_on(load_model(base, precision, accept_terms), name, folder)


def _put_on(base: LanguageModel, name: str, folder: Path) -> LanguageModel:
    from peft import PeftModel

    has_tokenizer = (folder / "tokenizer_config.json").is_file()
    tokenizer = load_tokenizer(name, str(folder)) if has_tokenizer else base.tokenizer
    with _explained(name):
        model = PeftModel.from_pretrained(merge_adapter(base.model), folder).eval()
    return _finish(name, model, tokenizer, str(folder))


def _finish(name: str, model: Any, tokenizer: Any, source: str) -> LanguageModel:
    """Give a decoder a chat template, the generation configuration all stop tokens, and both a padding token."""
    untrained = untrained_tokens(model, tokenizer)
    if not tokenizer.chat_template and not model.config.is_encoder_decoder:
        tokenizer.chat_template = default_chat_template(tokenizer, untrained)
    loaded = LanguageModel(name, model, tokenizer, source, model_fingerprint(model, source), untrained)
    model.generation_config.eos_token_id = sorted(loaded.stop_token_ids)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return loaded


def model_fingerprint(model: Any, source: str) -> str:
    """Hash of the weights and the configuration; for a hub id, of its name and revision."""
    folder = Path(source)
    if (folder / MANIFEST).is_file():
        return content_hash(read_json(folder / MANIFEST))
    if folder.is_dir():
        files = sorted([*folder.glob("*.safetensors"), *folder.glob("*config.json")])
        return content_hash([[file.name, file_hash(file)] for file in files])
    return content_hash([source, getattr(model.config, "_commit_hash", None)])


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Errors of the library while loading become one line that a user understands."""
    import safetensors

    try:
        yield
    except safetensors.SafetensorError as error:
        raise UserError(name, f"its weights are damaged ({error})", "copy or download it again") from error
    except UserError:
        raise
    except Exception as error:  # a damaged file can fail anywhere in the library
        hint = "check the name; without a network use a folder, a .gguf file or bundled/smollm2-135m-instruct"
        raise UserError(name, f"cannot be loaded: {first_line(error)}", hint) from error
