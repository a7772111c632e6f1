"""A tuned model as a plain folder that Transformers and vLLM load, compared with what was tuned.

The written weights are read back and answer the same prompts as the model with its adapter; the differences stand
in ``export.json`` beside them.
"""

from __future__ import annotations

import gc
import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tunelift.core.errors import UserError
from tunelift.core.files import new_folder, write_json, write_text
from tunelift.models.card import loading_kind, merged_card
from tunelift.models.load import LanguageModel, load_model

RECORD = "export.json"
EMPTY_CARD = "# Model Card for Model ID"


@dataclass(frozen=True, slots=True)
class ExportCheck:
    """How the written model differs from the tuned one.

    Attributes:
        items: Prompts that both answered.
        positions: Positions whose logits were compared: the last of every prompt and all of its greedy answer.
        largest_logit_difference: Largest absolute difference of a logit.
        flips: Prompts whose greedy answers differ in a token.
        choice_flips: Prompts whose most probable choice differs.
    """

    items: int
    positions: int
    largest_logit_difference: float
    flips: int
    choice_flips: int

    def __str__(self) -> str:
        compared = f"{self.items} answers compared: {self.flips} differ, {self.choice_flips} preferred choices differ"
        return f"{compared}, largest difference of a logit {self.largest_logit_difference:.2g}"


def export_merged(
    name: str,
    target: Path,
    prompts: Sequence[Sequence[int]],
    choices: Sequence[Sequence[Sequence[int]]] | None = None,
    max_new_tokens: int = 32,
    accept_terms: bool = False,
) -> ExportCheck:
    """Write a tuned model with its adapter merged into the weights, in float32, and compare it with the original.

    The folder holds weights (safetensors), tokenizer with chat template, a generation configuration that knows the
    stop tokens, the model card where somebody has written one, and ``export.json``. One model is in memory at a
    time; the logits that are compared wait on the disk, beside the target.

    Args:
        name: A run directory, or the folder of an adapter or of a fully tuned model.
        target: The folder to write, whole or not at all; an earlier export is replaced.
        prompts: Token ids of the prompts to compare on, for example those of the test split.
        choices: For each prompt the token ids of its choices, empty where it has none.
        max_new_tokens: Longest answer that is compared. Until it is compared each of its tokens takes four bytes
            of disk for every word of the vocabulary.
        accept_terms: The user accepts the terms of use of a bundled model that has such.

    Raises:
        UserError: The target holds something else, the model cannot be loaded or merged, there is no prompt to
            compare on, or the written model computes what is not a number.
    """
    target = target.expanduser().resolve()
    _check_target(target)
    if not prompts:
        raise UserError(target, "an export needs prompts to be compared on", "give some prompts of the test split")
    choices = choices or [[] for _ in prompts]
    with new_folder(target) as staged:
        reference = staged / "reference"
        reference.mkdir()
        tuned = load_model(name, "float32", accept_terms)
        answers = _answer(tuned, prompts, choices, max_new_tokens)
        _save_logits(tuned, prompts, answers, reference)
        _write(tuned, staged)
        fingerprint = tuned.fingerprint
        del tuned
        _free_memory()
        check = _compare(load_model(str(staged), "float32"), prompts, choices, max_new_tokens, answers, reference)
        if not math.isfinite(check.largest_logit_difference):
            raise UserError(name, "its logits are not numbers", "tune again with a lower learning rate")
        shutil.rmtree(reference)
        record = {"model": name, "fingerprint": fingerprint, "precision": "float32"}
        write_json(staged / RECORD, {**record, **asdict(check)})
    return check


def _check_target(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise UserError(target, "is a file", "name a folder for the export")
    if target.is_dir() and any(target.iterdir()) and not (target / RECORD).is_file():
        raise UserError(target, "is not empty and not an earlier export", "name a new folder")


def _write(tuned: LanguageModel, folder: Path) -> None:
    """Merge the adapter, where there is one, and write everything that belongs to the model. Uses the model up."""
    from peft import PeftModel

    model = tuned.model
    if isinstance(model, PeftModel):
        try:
            model = model.merge_and_unload(safe_merge=True)
        except ValueError as error:
            hint = "tune again with a lower learning rate"
            raise UserError(tuned.name, f"cannot be merged: {error}", hint) from error
    model.config._name_or_path = ""
    model.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    tuned.tokenizer.save_pretrained(folder)
    card = Path(tuned.source) / "README.md"
    # The empty form that PEFT leaves behind speaks of an adapter, and of where its base stands on this machine.
    if card.is_file() and EMPTY_CARD not in (content := card.read_text(encoding="utf-8")):
        has_template = bool(tuned.tokenizer.chat_template)
        write_text(folder / card.name, merged_card(content, loading_kind(model), has_template))


def _answer(
    loaded: LanguageModel,
    prompts: Sequence[Sequence[int]],
    choices: Sequence[Sequence[Sequence[int]]],
    max_new_tokens: int,
) -> list[Any]:
    from tunelift.engine.answers import Stopping, answer_prompts

    stopping = Stopping(loaded.stop_token_ids, (), max_new_tokens, loaded.tokenizer.decode)
    return answer_prompts(loaded.model, prompts, choices, stopping, lambda _: None).answers


def _answer_logits(loaded: LanguageModel, prompt: Sequence[int], answer_ids: Sequence[int]) -> Any:
    """Logits ``[1 + answer length, vocabulary]`` at the last token of a prompt and at the tokens of an answer."""
    import numpy as np
    import torch

    from tunelift.engine.plain import plain_logits

    token_ids = [*prompt, *answer_ids]
    with torch.inference_mode():
        logits = plain_logits(loaded.model, [token_ids], [np.arange(len(prompt) - 1, len(token_ids))])
    return logits.float().cpu().numpy()


def _save_logits(loaded: LanguageModel, prompts: Sequence[Sequence[int]], answers: Sequence[Any], folder: Path) -> None:
    import numpy as np

    for index, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        np.save(folder / f"{index}.npy", _answer_logits(loaded, prompt, answer.token_ids), allow_pickle=False)


def _compare(
    merged: LanguageModel,
    prompts: Sequence[Sequence[int]],
    choices: Sequence[Sequence[Sequence[int]]],
    max_new_tokens: int,
    expected: Sequence[Any],
    reference: Path,
) -> ExportCheck:
    """Compare with the answers of the tuned model and its logits over them (teacher-forced)."""
    import numpy as np

    answers = _answer(merged, prompts, choices, max_new_tokens)
    differences = []
    for index, (prompt, answer) in enumerate(zip(prompts, expected, strict=True)):
        logits = _answer_logits(merged, prompt, answer.token_ids)
        differences.extend(np.abs(logits - np.load(reference / f"{index}.npy", allow_pickle=False)).max(-1))
    pairs = list(zip(expected, answers, strict=True))
    return ExportCheck(
        items=len(pairs),
        positions=len(differences),
        largest_logit_difference=float(np.max(differences)),
        flips=sum(old.token_ids != new.token_ids for old, new in pairs),
        choice_flips=sum(bool(old.logprobs) and _best(old.logprobs) != _best(new.logprobs) for old, new in pairs),
    )


def _best(logprobs: Sequence[float]) -> int:
    return max(range(len(logprobs)), key=lambda index: logprobs[index])


def _free_memory() -> None:
    """Give back what deleted models held: modules refer to each other, so that only the collector frees them."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
