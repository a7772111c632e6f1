from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef

from tunelift.engine import projection
from tunelift.engine.modes import without_autocast
from tunelift.engine.projection import cross_entropy_sum


@pytest.mark.parametrize("rows_at_once", [2, 100])
def test_autocast_keeps_no_states_once_their_gradients_are_known(
    tiny_model: Any, rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model("llama", dtype=torch.float32)
    monkeypatch.setattr(projection, "LOGITS", rows_at_once * model.config.vocab_size)
    with torch.autocast("cpu", torch.bfloat16):
        hidden = torch.randn(5, model.config.hidden_size, requires_grad=True)
        loss = cross_entropy_sum(model, hidden, torch.arange(5))
        with without_autocast(hidden.device):
            loss.backward()
        assert hidden.grad is not None
        kept = StorageWeakRef(hidden.untyped_storage())
        del hidden, loss
        assert kept.expired()


def test_gradients_are_taken_once(tiny_model: Any) -> None:
    model = tiny_model("llama")
    hidden = torch.randn(5, model.config.hidden_size, requires_grad=True)
    loss = cross_entropy_sum(model, hidden, torch.arange(5))
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="are known once"):
        loss.backward()
