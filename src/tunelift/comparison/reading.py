"""Compare the logs of two systems, whatever kind of file each is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isclose
from pathlib import Path

from tunelift.comparison.compare import HEADLINE, compare, known_metric
from tunelift.comparison.logs.harness import read_harness
from tunelift.comparison.logs.inspect_ai import read_eval, read_json_log
from tunelift.comparison.logs.log import Log, printable
from tunelift.comparison.logs.tables import read_table
from tunelift.comparison.records import Comparison
from tunelift.core.errors import UserError, counted, nearest, shorten
from tunelift.core.files import canonical_json
from tunelift.core.records import CHOICE, Sample
from tunelift.evaluation.evaluate import data_of, score_of
from tunelift.evaluation.metrics.metric import Metric
from tunelift.evaluation.metrics.table import direction_of, range_of

FILTERED = ".jsonl"
READERS: dict[str, Callable[[Path, str | None], Log]] = {
    FILTERED: read_harness,
    ".eval": read_eval,
    ".json": read_json_log,
    ".csv": read_table,
    ".tsv": read_table,
}
LARGEST = 1e100  # the squares of larger scores are beyond what numbers can be

Pair = tuple[Log, Log]


def read_pair(
    a: str | Path,
    b: str | Path,
    filter: str | None = None,
    group_by: str | None = None,
    lower_is_better: Sequence[str] = (),
) -> Pair:
    """Read two logs of the same items.

    Two logs whose items have documents are paired by the hash of these, and equal documents in their order; others
    by the ids of the items, whose targets must then be the same where both logs have them. So must their texts in
    logs of one kind; different kinds put one question in different forms.

    Args:
        a: The baseline: a samples file of tunelift or lm-evaluation-harness (.jsonl), a log of Inspect (.eval, .json),
            a table of scores (.csv, .tsv), or a folder that holds exactly one samples file or .eval.
        b: The candidate.
        filter: The harness's filter to compare, in files that hold several; others are read as they are.
        group_by: The field of documents, key of metadata or column of tables that says which items belong together.
        lower_is_better: Metrics of which that is so; of others it is as the files say, or else their name.

    Returns:
        Baseline and candidate with different names, their samples in the same order and with the same ids, groups,
        documents and targets where one of them has none; those of different kinds have the documents of one.

    Raises:
        UserError: A file is missing or malformed, the two hold different items, a filter must be chosen, or a field
            or metric is not there.
    """
    first, second = (_read_log(find_log(Path(path)), filter, group_by) for path in (a, b))
    _check_filter(first, second, filter)
    by_document = first.documents is not None and second.documents is not None
    one, other = (dict(zip(_keys(log, by_document), log.samples, strict=True)) for log in (first, second))
    _check_same_items(first.path, one, second.path, other)
    partners = [_partners(one[key], other[key], first.kind == second.kind) for key in one]
    _check_same_content(first.path, second.path, partners)
    names = [first.name, second.name]
    if first.name == second.name:
        names = [f"A ({first.name})", f"B ({second.name})"]
    higher = {**second.higher_is_better, **first.higher_is_better, **dict.fromkeys(lower_is_better, False)}
    pair = (
        replace(first, name=names[0], samples=[sample for sample, _ in partners], higher_is_better=higher),
        replace(second, name=names[1], samples=[sample for _, sample in partners], higher_is_better=higher),
    )
    for metric in lower_is_better:
        choose_metric(pair, metric, f"--lower-is-better {metric}")
    return pair


def compare_pair(pair: Pair, metric: str | None = None) -> Comparison:
    """Compare two logs; positive effects mean that the second is better.

    Args:
        pair: What `read_pair` gives.
        metric: A metric with a number for every item; "acc", or the only one, unless given.

    Returns:
        A comparison with one contrast. What is compared are means over the items; where the score of all items is
        recorded and is another number, such as F1, the metric is called its mean.

    Raises:
        UserError: The metric is not there, or must be chosen, or items differ in text or target.
    """
    chosen = metric_of(pair, choose_metric(pair, metric))
    comparison = compare(
        {log.name: log.samples for log in pair},
        [(pair[1].name, pair[0].name)],
        task=" / ".join(dict.fromkeys(filter(None, (log.task for log in pair)))) or "scores",
        seed=0,
        metrics=[chosen],
    )
    name = shown_name(pair, chosen)
    says_direction = chosen.name in pair[0].higher_is_better or direction_of(chosen.name) is not None
    return replace(
        comparison,
        metric=name,
        contrasts=tuple(replace(each, metric=name) for each in comparison.contrasts),
        assumes_direction=not says_direction,
        assumes_unit=(chosen.low, chosen.high) != range_of(chosen.name),
    )


def choose_metric(pair: Pair, metric: str | None = None, where: str | None = None) -> str:
    """The metric to compare two logs by.

    Args:
        pair: What `read_pair` gives.
        metric: The one that is asked for; "acc", or the only one, unless given.
        where: Where it was asked for, for the error; by default the files.

    Raises:
        UserError: It is not there, or not for every item, or too large to be reckoned with; or there are several and
            none is asked for.
    """
    place = where or f"{pair[0].path} and {pair[1].path}"
    samples = [sample for log in pair for sample in log.samples]
    every = set.intersection(*(set(sample.metrics) for sample in samples))
    available = sorted(every - {CHOICE})
    if metric is not None and metric not in every:
        hint = nearest(metric, available) if available else "only metrics with a number an item can be compared"
        lacking = dict.fromkeys(sample.example_id for sample in samples if metric not in sample.metrics)
        partly = any(metric in sample.metrics for sample in samples)
        which = f"; it lacks {shorten(lacking)}" if partly else ""
        raise UserError(place, f'"{metric}" has no number for every item{which}', hint)
    if metric is None and not available:
        raise UserError(place, "share no metric with a number for every item", "corpus metrics cannot be compared")
    if metric is None and HEADLINE not in available and len(available) > 1:
        raise UserError(place, "hold several metrics", f"choose one: {', '.join(available)}")
    chosen = metric or (HEADLINE if HEADLINE in available else available[0])
    if huge := dict.fromkeys(sample.example_id for sample in samples if abs(sample.metrics[chosen]) > LARGEST):
        what = f'"{chosen}" is beyond {LARGEST:g} for {counted(len(huge), "item")} ({shorten(huge)})'
        raise UserError(place, what, "correct these scores")
    return chosen


def metric_of(pair: Pair, name: str) -> Metric:
    """The mean of the values that two logs hold of a metric, with its direction."""
    samples = [sample for log in pair for sample in log.samples]
    return known_metric(name, samples, pair[0].higher_is_better.get(name))


def shown_name(pair: Pair, metric: Metric) -> str:
    """What is compared: a metric, or the mean of its values where it is recorded to be another number."""
    means = [score_of(metric, data_of(metric, log.samples)) for log in pair]
    recorded = [log.scores.get(metric.name, mean) for log, mean in zip(pair, means, strict=True)]
    if all(isclose(*scores, rel_tol=1e-6, abs_tol=1e-6) for scores in zip(recorded, means, strict=True)):
        return metric.name
    return f"mean of {metric.name} of single items"


def find_log(path: Path) -> Path:
    """The file that a path means.

    Raises:
        UserError: There is no file, or the folder does not hold exactly one ``samples_*.jsonl`` or ``*.eval``.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise UserError(path, "file not found", "name a log, or the folder that holds one")
    if (path / "run.json").is_file():
        conditions = shorten(sorted(folder.name for folder in (path / "conditions").glob("*"))) or "there are none yet"
        what = "is a run, which holds the answers of several conditions"
        raise UserError(path, what, f"name one of them as {path}/conditions/NAME: {conditions}")
    files = sorted([*path.glob("samples_*.jsonl"), *path.glob("*.eval")])
    if not files:
        raise UserError(
            path, "holds no samples_*.jsonl and no *.eval", f"name a file that ends in {', '.join(READERS)}"
        )
    if len(files) > 1:
        names = shorten(file.name for file in files)
        raise UserError(path, f"holds {len(files)} logs", f"name one of them: {names}")
    return files[0]


def _read_log(path: Path, filter: str | None, group_by: str | None) -> Log:
    ending = path.suffix.lower()
    if ending not in READERS:
        raise UserError(path, f'"{ending}" is not a known kind of log', f"use one of {', '.join(READERS)}")
    if ending == FILTERED:
        return printable(read_harness(path, group_by, filter))
    return printable(READERS[ending](path, group_by))


def _check_filter(first: Log, second: Log, filter: str | None) -> None:
    """A filter need not be in both logs, but in neither it is a mistake."""
    filters = {*first.filters, *second.filters}
    if filter is not None and filter not in filters:
        hint = nearest(filter, filters) if filters else "leave --filter out"
        raise UserError(f"{first.path} and {second.path}", f'have no filter "{filter}"', hint)


def _keys(log: Log, by_document: bool) -> list[tuple[str, int]]:
    """What identifies each item: its document or id, and how often that has occurred before."""
    names = log.documents if by_document and log.documents else [sample.example_id for sample in log.samples]
    occurrences: Counter[str] = Counter()
    keys = []
    for name in names:
        keys.append((name, occurrences[name]))
        occurrences[name] += 1
    return keys


def _partners(one: Sample, other: Sample, are_of_one_kind: bool) -> tuple[Sample, Sample]:
    """Two answers to one item, each with what only the other knows of it."""
    group = other.group if one.group is None else one.group
    doc = one.doc or other.doc
    return (
        replace(one, group=group, doc=doc, target=one.target or other.target),
        replace(
            other,
            example_id=one.example_id,
            group=group,
            doc=(other.doc or doc) if are_of_one_kind else doc,
            target=other.target or one.target,
        ),
    )


def _check_same_items(
    path_a: Path, first: dict[tuple[str, int], Sample], path_b: Path, second: dict[tuple[str, int], Sample]
) -> None:
    problems = []
    for path, samples, others in ((path_a, first, second), (path_b, second, first)):
        if only := [sample.example_id for key, sample in samples.items() if key not in others]:
            problems.append(f"{len(only)} only in {path} ({shorten(only)})")
    if problems:
        what = f"hold different items: {'; '.join(problems)}"
        raise UserError(f"{path_a} and {path_b}", what, "evaluate both on the same items")


def _check_same_content(path_a: Path, path_b: Path, partners: list[tuple[Sample, Sample]]) -> None:
    different = [
        one.example_id
        for one, other in partners
        if (canonical_json(one.doc), one.target) != (canonical_json(other.doc), other.target)
    ]
    if different:
        what = f"give {counted(len(different), 'item')} different texts or targets ({shorten(different)})"
        raise UserError(f"{path_a} and {path_b}", what, "evaluate both on the same items")
