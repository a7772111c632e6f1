"""The systems that every recipe knows by name."""

from __future__ import annotations

NEAREST = "nearest"
CLASSICAL = ("majority", "tfidf", NEAREST)
BASE, TUNED = "base", "tuned"
BUILT_IN_SYSTEMS = (*CLASSICAL, BASE, TUNED)
