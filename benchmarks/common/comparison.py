"""One comparison: find a peer's best configurations, then measure them in turn with ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from common.measure import alternate, fast_precisions
from common.workers import KilledError, Message, Worker

# A precision and a batch size.
Key: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Peer:
    """What stands against tunelift.

    Attributes:
        module: Its worker.
        name: For tables.
        size: What its worker calls the batch size.
        precisions: Those that it can run in.
        sizes: Batch sizes to try.
        first_size: The batch size with which the precisions are tried.
        unit: What the work is counted in.
    """

    module: str
    name: str
    size: str
    precisions: tuple[str, ...]
    sizes: tuple[int, ...]
    first_size: int
    unit: str

    def label(self, key: Key) -> str:
        """A configuration for tables."""
        return f"{self.name}, {key[0]}, {self.size.replace('_', '-')} {key[1]}"

    def settings(self, key: Key) -> Message:
        """A configuration for the worker."""
        return {"precision": key[0], self.size: key[1]}

    def parse(self, text: str) -> Key:
        """A configuration from the command line, like "bfloat16:8"."""
        precision, _, size = text.rpartition(":")
        if precision not in self.precisions or not size.isdigit():
            raise SystemExit(f'error: --peer: "{text}" is none of {", ".join(self.precisions)} with ":" and a size')
        return precision, int(size)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was measured.

    Attributes:
        measured: For every side its repetitions, ours first.
        trials: The rate of each configuration of the peer that was tried.
        versions: Of the packages of both sides.
    """

    measured: dict[str, list[Message]]
    trials: dict[str, float]
    versions: dict[str, dict[str, str]]


def compare(
    ours: str,
    peer: Peer,
    configuration: Message,
    part: Callable[[int], Message],
    *,
    same: Sequence[str],
    only: str | None,
    repeats: int,
) -> Comparison:
    """Measure our side and the peer's best configurations.

    Args:
        ours: Our worker's module.
        peer: The peer.
        configuration: The work, for both sides.
        part: What replaces the work in a trial and in a warm-up, given the batch size.
        same: The peer's precisions that are the same as ours.
        only: The one configuration of the peer to measure, if no others are to be tried.
        repeats: Number of rounds.
    """
    trials = {} if only else _try_all(peer, configuration, part, same)
    chosen = [peer.parse(only)] if only else _choose(trials, same)
    with ExitStack() as stack:
        # Every configuration has a process of its own, so that its memory is its own.
        workers = [stack.enter_context(Worker(module)) for module in (ours, *[peer.module for _ in chosen])]
        sides = {"tunelift": (workers[0], configuration, part(peer.first_size))}
        for key, worker in zip(chosen, workers[1:], strict=True):
            sides[peer.label(key)] = (worker, configuration | peer.settings(key), part(key[1]))
        for worker, work, small in sides.values():
            worker.measure(work | small)
        turns = {name: _once(worker, work) for name, (worker, work, _) in sides.items()}
        measured = alternate(turns, repeats)
    versions = {"ours": workers[0].versions, "peer": workers[1].versions}
    return Comparison(measured, {peer.label(key): rate for key, rate in trials.items()}, versions)


def _once(worker: Worker, work: Message) -> Callable[[], Message]:
    return lambda: worker.measure(work)


def _try_all(
    peer: Peer, configuration: Message, part: Callable[[int], Message], same: Sequence[str]
) -> dict[Key, float]:
    """The rate of each of the peer's configurations that was tried.

    Every precision is tried with one size, then other sizes in the fastest precision, and in the fastest of those that
    are the same as ours: smaller and larger ones for as long as they are faster.
    """
    found: dict[Key, float] = {}

    def attempt(key: Key) -> float:
        if key not in found:
            found[key] = _rate(peer, key, configuration | part(key[1]))
        return found[key]

    precisions = fast_precisions(peer.precisions)
    for precision in precisions:
        attempt((precision, peer.first_size))
    ranked = sorted(precisions, key=lambda precision: -found[precision, peer.first_size])
    for precision in dict.fromkeys((ranked[0], *[name for name in ranked if name in same][:1])):
        for sizes in _smaller_and_larger(peer):
            for before, size in pairwise((peer.first_size, *sizes)):
                if attempt((precision, size)) <= found[precision, before]:
                    break
    return {key: rate for key, rate in found.items() if rate}


def _smaller_and_larger(peer: Peer) -> tuple[list[int], list[int]]:
    """Sizes below and above the first one, the closest first."""
    smaller = [size for size in peer.sizes if size < peer.first_size]
    return smaller[::-1], [size for size in peer.sizes if size > peer.first_size]


def _rate(peer: Peer, key: Key, work: Message) -> float:
    """The rate of one configuration in a process of its own; 0 where memory does not suffice."""
    with Worker(peer.module) as worker:
        try:
            one = worker.measure(work | peer.settings(key))
        except KilledError:
            print(
                f"  tried {peer.label(key)}: the system ended it, as it does where memory does not suffice", flush=True
            )
            return 0.0
    rate: float = one[peer.unit] / one["seconds"]
    print(f"  tried {peer.label(key)}: {rate:,.1f} {peer.unit}/s", flush=True)
    return rate


def _choose(trials: dict[Key, float], same: Sequence[str]) -> list[Key]:
    """The fastest configuration, and the fastest with our precision, or the second fastest where that is the same."""
    first, second, *_ = ranked = sorted(trials, key=lambda key: -trials[key])
    ours = next((key for key in ranked if key[0] in same), first)
    return [first, ours if ours != first else second]
