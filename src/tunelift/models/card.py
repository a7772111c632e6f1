"""How the card of a tuned model says that it is loaded, right for each kind of model."""

from __future__ import annotations

from typing import Any, Literal

import yaml

Kind = Literal["decoder", "encoder-decoder", "head"]

HEADING = "## How to load it"
# What the code is to be run with in its place.
FOLDER = "FOLDER OF THIS FILE"
CLASSES: dict[Kind, str] = {"decoder": "CausalLM", "encoder-decoder": "Seq2SeqLM", "head": "FeatureExtraction"}


def loading_kind(model: Any) -> Kind:
    """The kind of a language model."""
    return "encoder-decoder" if model.config.is_encoder_decoder else "decoder"


def how_to_load(kind: Kind, base_model: str, library_name: str, has_template: bool) -> str:
    """The section of a card that says how its model is loaded.

    Args:
        kind: Of the model.
        base_model: Hub id or folder of the model that was tuned.
        library_name: "peft" for an adapter, "transformers" for whole weights.
        has_template: The tokenizer has a chat template.
    """
    ours = f'import tunelift as tl\n\nmodel = tl.load_model("{FOLDER}")'
    if kind == "head":
        imported = "from pathlib import Path\n\nfrom tunelift.heads.model import load_head"
        ours = f'{imported}\n\nmodel = load_head(Path("{FOLDER}"))'
    parts = [HEADING, _code(ours), *_other_ways(kind, base_model, library_name)]
    if has_template and kind != "head":
        parts.append("Prompts are rendered with the chat template of the tokenizer beside it.")
    return "\n\n".join(parts)


def _other_ways(kind: Kind, base_model: str, library_name: str) -> list[str]:
    what = "The model below the head" if kind == "head" else "It"
    if library_name == "transformers":
        name = "AutoModel" if kind == "head" else f"AutoModelFor{CLASSES[kind]}"
        code = f'from transformers import {name}\n\nmodel = {name}.from_pretrained("{FOLDER}")'
        return [f"{what} is loaded by Transformers like any other model:", _code(code)]
    if base_model.startswith("bundled/"):
        return [f"{what} is a PEFT adapter; its base model comes with tunelift, which puts both together."]
    name = f"AutoPeftModelFor{CLASSES[kind]}"
    code = f'from peft import {name}\n\nmodel = {name}.from_pretrained("{FOLDER}")'
    return [f"{what} is a PEFT adapter, which PEFT loads with its base:", _code(code)]


def _code(code: str) -> str:
    return f"```python\n{code}\n```"


def merged_card(card: str, kind: Kind, has_template: bool) -> str:
    """The card of an adapter, for the whole weights that it was merged into.

    Args:
        card: As `report.markdown.model_card` writes it; one that somebody else has written remains as it is.
        kind: Of the model.
        has_template: The tokenizer has a chat template.
    """
    before, found, behind = card.partition(f"{HEADING}\n")
    _, limits, rest = behind.partition("\n## ")
    if not found or not before.startswith("---\n"):
        return card
    header, _, text = before.removeprefix("---\n").partition("\n---")
    facts = yaml.safe_load(header)
    facts["library_name"] = "transformers"
    facts["tags"] = [tag for tag in facts.get("tags", []) if tag not in ("lora", "peft")]
    header = yaml.safe_dump(facts, sort_keys=False, allow_unicode=True)
    section = how_to_load(kind, str(facts.get("base_model", "")), "transformers", has_template)
    return f"---\n{header}---{text}{section}\n{limits}{rest}"
