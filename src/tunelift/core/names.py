"""The systems that every recipe knows by name."""

from __future__ import annotations

CLASSICAL = ("majority", "tfidf", "nearest")
BASE, TUNED = "base", "tuned"
BUILT_IN_SYSTEMS = (*CLASSICAL, BASE, TUNED)
