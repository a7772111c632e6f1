"""The search for the peer's best configuration tries what may be it, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

PRECISIONS = ("bfloat16", "float32 with autocast", "float32")
SIZES = (1, 2, 4, 8, 16, 32)
BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def comparison() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield import_module("common.comparison")


def rates(best_size: int, room: int = 32) -> dict[tuple[str, int], float]:
    """Faster the closer to one size, in the second precision fastest; 0 where memory does not suffice."""
    by_precision = dict(zip(PRECISIONS, (2.0, 3.0, 1.0), strict=True))
    return {
        (precision, size): factor / (1 + abs(SIZES.index(size) - SIZES.index(best_size))) if size <= room else 0.0
        for precision, factor in by_precision.items()
        for size in SIZES
    }


@pytest.mark.parametrize("best_size", SIZES)
@pytest.mark.parametrize("room", [4, 8, 32])
def test_the_best_sizes_are_found(
    comparison: ModuleType, monkeypatch: pytest.MonkeyPatch, best_size: int, room: int
) -> None:
    true, tried = rates(best_size, room), []

    def rate(_: object, key: tuple[str, int], __: object) -> float:
        tried.append(key)
        return true[key]

    monkeypatch.setattr(comparison, "_rate", rate)
    monkeypatch.setattr(comparison, "fast_precisions", tuple)
    peer = comparison.Peer("module", "peer", "batch", PRECISIONS, SIZES, 4, "tokens")
    found = comparison._try_all(peer, {}, lambda size: {}, same=["bfloat16"])
    assert len(tried) == len(set(tried)) < len(true)
    assert {key: true[key] for key in found} == found
    for precision in ("bfloat16", "float32 with autocast"):
        assert max(rate for key, rate in found.items() if key[0] == precision) == max(
            rate for key, rate in true.items() if key[0] == precision
        )
    assert comparison._choose(found, ["bfloat16"])[1][0] == "bfloat16"
