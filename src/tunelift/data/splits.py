"""Which rows are for training, validation and testing, so that nothing that is tested on was trained on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from tunelift.core.errors import UserError, counted
from tunelift.core.files import content_hash
from tunelift.core.records import Example, Finding
from tunelift.core.seeds import derive_seed
from tunelift.data.duplicates import drop_near_duplicates, exact_groups, near_matches, normalise
from tunelift.data.formats import place
from tunelift.data.task_parts import SplitSizes

# Jaccard similarity from which rows of different splits are called near duplicates.
NEAR = 0.6
# Share of the test items from which exact copies of training rows stop a run.
LEAK_THAT_STOPS = 0.01
HELD_OUT_OF, MOST_HELD_OUT, HELD_OUT_SEED = 10, 200, 7
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that can go into a split.

    Attributes:
        position: Its number among all rows that were read, from 0.
        example: The row as an example.
        question: What is asked, with the choices of the row's own, for finding exact duplicates.
        content: The same without the words of the template, which would make short questions alike.
    """

    position: int
    example: Example
    question: str
    content: str


CandidatePair = tuple[Candidate, Candidate]


@dataclass(frozen=True, slots=True)
class Plan:
    """Which rows go where.

    Attributes:
        splits: Positions of rows by split; those that are held out from all of them, if any, as "held_out".
        counts: How many rows were dropped, by reason.
        findings: What was noticed on the way.
    """

    splits: dict[str, list[int]]
    counts: dict[str, int]
    findings: list[Finding]


def divide_pool(pool: list[Candidate], sizes: SplitSizes, name: str, held_out: Collection[int] = frozenset()) -> Plan:
    """Remove duplicates from one pool of rows and draw splits of exact sizes.

    Near duplicates of one group stay, since a group is on one side and counts as one in statistics.

    The test split is drawn first and from the rows' content, so that it depends neither on the sizes of the others
    nor on the order of the file. The draw is stratified by answer where all rows have the same choices; where rows
    have groups it takes whole groups instead.

    Args:
        pool: The rows.
        sizes: Of the splits.
        name: Names the data in errors.
        held_out: Positions of the rows that meet `sizes.hold_out`. They are not drawn, and neither is any row of their
            groups.

    Raises:
        UserError: Too few rows are left, or none that is held out.
    """
    kept, repeated, conflicting = _without_exact_duplicates(pool)
    groups = [row.example.group for row in kept]
    alike = drop_near_duplicates([row.content for row in kept], sizes.similarity, groups)
    near = [(kept[i], kept[j]) for i, j, _ in alike]
    too_near = {row.position for _, row in near}
    apart, torn, kept = _without_held_out([row for row in kept if row.position not in too_near], held_out)
    if sizes.hold_out and not apart:
        hint = "correct the condition, or remove it"
        raise UserError(name, f'no usable row meets the condition "{sizes.hold_out}" of split.hold_out', hint)
    needed = sizes.train + sizes.validation + sizes.test
    if len(kept) < needed:
        what = f"has {counted(len(kept), 'usable row')} of {len(pool):,}, but the splits need {needed:,}"
        near_ones = counted(len(near), "near duplicate")
        dropped = f"left out: {len(conflicting):,} conflicting, {len(repeated):,} repeated, {near_ones}"
        dropped += f", {len(apart) + len(torn):,} held out" if apart else ""
        hint = "lower the sizes under split, add rows, or raise split.similarity if rows are alike by design"
        raise UserError(name, f"{what} ({dropped})", hint)
    drawn, cut = _draw(kept, sizes, name)
    findings = [
        *_left_out("conflicting-answers", "rows ask the same and are answered differently", conflicting),
        *_left_out("cut-group", "rows belong to a group that was cut at the size of its split", cut),
        *_left_out("held-out-group", "rows belong to a group of which other rows are held out", torn),
        *_pairs_left_out("exact-duplicate", "rows ask the same as an earlier one", repeated),
        *_pairs_left_out("near-duplicate", f"rows are near duplicates (similarity {sizes.similarity} or more)", near),
    ]
    counts = {
        "conflicting answers": len(conflicting),
        "exact duplicates": len(repeated),
        "near duplicates": len(near),
        "cut groups": len(cut),
        "groups of held-out rows": len(torn),
        "not drawn": len(kept) - needed - len(cut),
    }
    parts = drawn | ({"held_out": apart} if apart else {})
    splits = {split: [row.position for row in rows] for split, rows in parts.items()}
    return Plan(splits, {reason: count for reason, count in counts.items() if count}, findings)


def keep_splits(splits: dict[str, list[Candidate]]) -> Plan:
    """Splits as they were given: nothing is removed, and what they share is found.

    Args:
        splits: Candidates by "train", "validation" and "test".
    """
    train, validation, test = splits["train"], splits["validation"], splits["test"]
    later = {"validation": validation, "test": test}
    findings = _shared("train", train, later) + _shared("validation", validation, {"test": test})
    return Plan({split: [row.position for row in rows] for split, rows in splits.items()}, {}, findings)


def add_validation(splits: dict[str, list[Candidate]]) -> tuple[dict[str, list[Candidate]], list[Finding]]:
    """Give a task that has training rows but none for validation a tenth of them, at most 200.

    Args:
        splits: Candidates by "train", "validation" and "test".

    Returns:
        The splits, and a finding that says so; with fewer than 20 training rows the splits as they are.
    """
    train = splits["train"]
    size = min(MOST_HELD_OUT, len(train) // HELD_OUT_OF)
    if splits["validation"] or size < 2:
        return splits, []
    ordered = sorted(train, key=lambda row: derive_seed(HELD_OUT_SEED, "validation", content_hash(row.example.fields)))
    if any(row.example.group is not None for row in train):
        taken, rest, surplus = _take_groups(ordered, size, HELD_OUT_SEED)
        taken = [*taken, *surplus]
    else:
        taken, rest = _take_stratified(ordered, size)
    kept = {row.position for row in rest}
    message = "training rows are used for validation, since the data has no split for it"
    remedy = "name a validation_split if there is one"
    finding = Finding("validation-held-out", "info", message, len(taken), remedy)
    return {**splits, "train": [row for row in train if row.position in kept], "validation": taken}, [finding]


def _without_exact_duplicates(
    pool: list[Candidate],
) -> tuple[list[Candidate], list[CandidatePair], list[Candidate]]:
    """The first of each group of rows that ask the same; none of them where choices are answered differently.

    Returns:
        The rows to keep, the repeated ones beside the one they repeat, and those with conflicting answers.
    """
    repeated: list[CandidatePair] = []
    conflicting: list[Candidate] = []
    for group in exact_groups([row.question for row in pool]):
        rows = [pool[position] for position in group]
        if rows[0].example.choices and len({row.example.target for row in rows}) > 1:
            conflicting += rows
        else:
            repeated += [(rows[0], row) for row in rows[1:]]
    out = {row.position for row in conflicting} | {row.position for _, row in repeated}
    return [row for row in pool if row.position not in out], repeated, conflicting


def _without_held_out(
    rows: list[Candidate], held_out: Collection[int]
) -> tuple[list[Candidate], list[Candidate], list[Candidate]]:
    """The rows that are held out, others of their groups, and the rest."""
    apart = [row for row in rows if row.position in held_out]
    groups = {row.example.group for row in apart} - {None}
    others = [row for row in rows if row.position not in held_out]
    torn = [row for row in others if row.example.group in groups]
    return apart, torn, [row for row in others if row.example.group not in groups]


def _draw(rows: list[Candidate], sizes: SplitSizes, name: str) -> tuple[dict[str, list[Candidate]], list[Candidate]]:
    """Rows by split, and those of cut groups."""
    rest = sorted(rows, key=lambda row: derive_seed(sizes.seed, "split", content_hash(row.example.fields)))
    grouped = any(row.example.group is not None for row in rows)
    drawn: dict[str, list[Candidate]] = {"train": [], "validation": [], "test": []}
    cut: list[Candidate] = []
    for split, size in (("test", sizes.test), ("validation", sizes.validation), ("train", sizes.train)):
        if len(rest) < size:
            left = counted(len(rest), "row")
            what = f"has groups that are too large for these splits: {left} left, but {split} needs {size:,}"
            raise UserError(name, what, "lower the sizes under split, or remove group_by")
        if grouped:
            drawn[split], rest, surplus = _take_groups(rest, size, sizes.seed)
            cut += surplus
        else:
            drawn[split], rest = _take_stratified(rest, size)
    return drawn, cut


def _take_stratified(rows: list[Candidate], size: int) -> tuple[list[Candidate], list[Candidate]]:
    """The first rows of each answer, in proportion; and the rest. Both keep their order."""
    common = len({row.example.choices for row in rows}) == 1 and rows[0].example.choices is not None
    strata: dict[str, list[Candidate]] = defaultdict(list)
    for row in rows:
        strata[row.example.target if common else ""].append(row)
    quotas = apportion({answer: len(members) for answer, members in strata.items()}, size)
    taken = {row.position for answer, members in strata.items() for row in members[: quotas[answer]]}
    return [row for row in rows if row.position in taken], [row for row in rows if row.position not in taken]


def apportion(counts: dict[str, int], size: int) -> dict[str, int]:
    """Divide `size` in proportion to counts by the method of largest remainders.

    Args:
        counts: How many there are of each kind; at least `size` together.
        size: How many are wanted.

    Returns:
        How many to take of each kind, never more than there are; ties go to the kind that sorts first.
    """
    total = sum(counts.values())
    quotas = {kind: size * count // total for kind, count in counts.items()}
    order = sorted(counts, key=lambda kind: (-(size * counts[kind] % total), kind))
    for kind in order[: size - sum(quotas.values())]:
        quotas[kind] += 1
    return quotas


def _take_groups(
    rows: list[Candidate], size: int, seed: int
) -> tuple[list[Candidate], list[Candidate], list[Candidate]]:
    """Rows of whole groups up to a size, the rows of other groups, and the surplus of the last group taken."""
    groups: dict[str, list[Candidate]] = defaultdict(list)
    for row in rows:
        groups[row.example.group if row.example.group is not None else content_hash(row.example.fields)].append(row)
    order = sorted(groups, key=lambda group: derive_seed(seed, "group", group))
    ordered = [row for group in order for row in groups[group]]
    last = ordered[size - 1].example.group
    surplus = [row for row in ordered[size:] if last is not None and row.example.group == last]
    return ordered[:size], ordered[size + len(surplus) :], surplus


def _shared(reference: str, earlier: list[Candidate], later: dict[str, list[Candidate]]) -> list[Finding]:
    """What later splits have in common with an earlier one."""
    first = {normalise(row.question): row for row in reversed(earlier)}
    exact: dict[str, list[CandidatePair]] = {split: [] for split in later}
    others: list[tuple[str, Candidate]] = []
    for split, rows in later.items():
        for row in rows:
            match = first.get(normalise(row.question))
            if match:
                exact[split].append((row, match))
            else:
                others.append((split, row))
    near: dict[str, list[CandidatePair]] = {split: [] for split in later}
    for i, j, _ in near_matches([row.content for row in earlier], [row.content for _, row in others], NEAR):
        split, row = others[j]
        near[split].append((row, earlier[i]))
    findings = []
    for split, rows in later.items():
        stops = (reference, split) == ("train", "test") and len(exact[split]) > LEAK_THAT_STOPS * len(rows)
        severity = "error" if stops else "warning"
        what = f"{split} rows (of {len(rows):,}) also stand in {reference}"
        findings += _across("exact-duplicate-across-splits", severity, what, exact[split])
        what += f" with small changes (similarity {NEAR} or more)"
        findings += _across("near-duplicate-across-splits", "warning", what, near[split])
    return findings


def _across(check: str, severity: str, message: str, pairs: list[CandidatePair]) -> list[Finding]:
    remedy = 'remove them from one of the two, or merge the files and let "split" divide them'
    return [Finding(check, severity, message, len(pairs), remedy, _pairs(pairs))] if pairs else []


def _left_out(check: str, message: str, rows: list[Candidate]) -> list[Finding]:
    shown = tuple(place(row.example.source) for row in rows[:SHOWN])
    remedy = "they were left out; look at a few: labels or groups may not be what they seem"
    return [Finding(check, "warning", message, len(rows), remedy, shown)] if rows else []


def _pairs_left_out(check: str, message: str, pairs: list[CandidatePair]) -> list[Finding]:
    remedy = "the later row of each pair was left out; nothing to do"
    shown = _pairs([(row, earlier) for earlier, row in pairs])
    return [Finding(check, "info", message, len(pairs), remedy, shown)] if pairs else []


def _pairs(pairs: list[CandidatePair]) -> tuple[str, ...]:
    """``file:row = file:row`` for the first few."""
    return tuple(f"{place(row.example.source)} = {place(other.example.source)}" for row, other in pairs[:SHOWN])
