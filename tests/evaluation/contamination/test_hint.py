from __future__ import annotations

import json
import random
from collections.abc import Callable
from string import ascii_lowercase
from typing import Any

import numpy as np
import pytest
import torch

from tunelift.core.errors import UserError
from tunelift.evaluation.contamination import hint
from tunelift.evaluation.contamination.hint import MembershipHint, membership_hint, min_k_plus_plus_values
from tunelift.evaluation.contamination.membership import min_k_plus_plus_hint
from tunelift.statistics.intervals import Interval


def texts(seed: int, count: int = 12) -> list[str]:
    draw = random.Random(seed)
    return [
        " ".join("".join(draw.choices(ascii_lowercase, k=4)) for _ in range(draw.randint(2, 3))) for _ in range(count)
    ]


@pytest.fixture(scope="module")
def loaded(tiny_model: Callable[..., Any], tokenizer: Any, language_model: Callable[..., Any]) -> Any:
    return language_model(tiny_model("llama", vocabulary=len(tokenizer)), tokenizer)


def learn(model: Any, tokenizer: Any, rows: list[str]) -> None:
    """Make a model know some texts by heart."""
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    batch = tokenizer(rows, return_tensors="pt", padding=True)
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    for _ in range(12):
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def test_values_are_those_of_the_model(loaded: Any, tokenizer: Any) -> None:
    values = min_k_plus_plus_values(loaded, ["", *texts(1, 3)])
    assert np.isnan(values).tolist() == [True, False, False, False]
    for text, value in zip(texts(1, 3), values[1:], strict=True):
        first = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        ids = torch.tensor([[first, *tokenizer(text)["input_ids"]]])
        with torch.no_grad():
            logprobs = loaded.model(input_ids=ids).logits[0, :-1].double().log_softmax(-1)
        means = (logprobs.exp() * logprobs).sum(-1)
        spreads = (logprobs.exp() * (logprobs - means[:, None]) ** 2).sum(-1).sqrt()
        chosen = logprobs.gather(-1, ids[0, 1:, None])[:, 0]
        (expected,) = min_k_plus_plus_hint([chosen.numpy()], [means.numpy()], [spreads.numpy()])
        assert value == pytest.approx(expected, abs=1e-3)


def test_of_a_long_text_the_beginning_is_read(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hint, "LONGEST", 40)
    long = " ".join(texts(4, 8))
    first, second = min_k_plus_plus_values(loaded, [long, f"{long} and something else"])
    assert first == second


def test_items_that_were_learned_by_heart_are_more_familiar(
    tiny_model: Callable[..., Any], tokenizer: Any, language_model: Callable[..., Any], loaded: Any
) -> None:
    items, references = texts(1, 16), texts(2, 16)
    fresh = membership_hint(loaded, items, references)
    assert fresh.interval is not None
    assert fresh.interval.low < 0 < fresh.interval.high
    assert "no sign that the model knows the test items better" in fresh.sentence
    model = tiny_model("llama", vocabulary=len(tokenizer))
    learn(model, tokenizer, items)
    found = membership_hint(language_model(model, tokenizer), [*items, ""], references)
    assert found.interval is not None
    assert found.interval.low > 0
    assert found.difference == pytest.approx(np.mean(found.items) - np.mean(found.references))
    assert (len(found.items), len(found.references)) == (16, 16)
    assert "as if it had seen them before" in found.sentence
    assert "a hint and no proof" in found.sentence
    assert MembershipHint.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_the_other_readings() -> None:
    below = MembershipHint("m", (-1.0, -1.1), (0.1, 0.2), -1.2, Interval(-1.5, -0.9, 0.95, "Welch"))
    assert "difference of -1.20 standard deviations (95 % interval -1.50 to -0.90)" in below.sentence
    assert "less familiar" in below.sentence
    unknown = MembershipHint("m", (-1.0,), (0.1, 0.2), -1.15, None)
    assert "too little to say anything" in unknown.sentence
    assert MembershipHint.from_dict(json.loads(json.dumps(unknown.to_dict()))) == unknown


def test_groups_widen_the_interval(loaded: Any) -> None:
    rows = [text for text in texts(3, 8) for _ in range(3)]
    groups = np.repeat(np.arange(8), 3)
    plain, grouped = membership_hint(loaded, rows, texts(2)), membership_hint(loaded, rows, texts(2), groups)
    assert plain.interval is not None
    assert grouped.interval is not None
    assert grouped.difference == plain.difference
    assert grouped.interval.high > plain.interval.high


def test_what_cannot_be_compared(loaded: Any, tokenizer: Any, language_model: Callable[..., Any]) -> None:
    from transformers import T5Config, T5ForConditionalGeneration

    with pytest.raises(UserError, match="no texts to compare"):
        membership_hint(loaded, ["", ""], ["a text"])
    config = T5Config(vocab_size=128, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    pairs = language_model(T5ForConditionalGeneration(config), tokenizer)
    with pytest.raises(UserError, match="is an encoder-decoder"):
        membership_hint(pairs, ["a text"], ["a text"])
