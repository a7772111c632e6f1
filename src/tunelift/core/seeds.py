"""Seeds: every random draw has its own generator, derived from the run's seed and the draw's name."""

from __future__ import annotations

import hashlib
from random import Random


def derive_seed(seed: int, *names: object) -> int:
    """A 63-bit seed that depends on the run's seed and on what it is for.

    Args:
        seed: The seed of the run.
        names: What the draw is for, for example ``"split", "tweets"``.
    """
    text = "\x1f".join([str(seed), *(str(name) for name in names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: object) -> Random:
    """A generator of its own for one purpose; see `derive_seed`."""
    return Random(derive_seed(seed, *names))  # noqa: S311


def seed_torch(seed: int) -> None:
    """Seed PyTorch, NumPy and Python for code that draws from their global generators (dropout, LoRA weights)."""
    from transformers import set_seed

    set_seed(seed % 2**32)
