"""Samples files of lm-evaluation-harness, whose layout is also tunelift's own."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from tunelift.comparison.logs.log import Log, as_number, named_groups
from tunelift.core.errors import UserError, nearest, shorten
from tunelift.core.records import Sample
from tunelift.evaluation.metrics.table import LOG_LIKELIHOOD

PERPLEXITY = "perplexity"
INVALID = "[invalid]"  # what the harness's regex filters write when nothing matches
FILE_NAME = re.compile(r"samples_(?P<task>.+?)(?:_(?P<date>\d{4}-\d{2}-\d{2}T.*))?")


def read_harness(path: Path, group_by: str | None = None, filter: str | None = None) -> Log:
    """Read a samples file, our own or one of lm-evaluation-harness.

    Args:
        path: JSON lines in the harness's layout.
        group_by: The field of documents whose value names the group; the samples' own groups unless given.
        filter: The filter to read where the file holds several; one that holds fewer is read as it is.

    Returns:
        The samples in the order of `doc_id`, with the hashes of their documents. The name is that of the condition,
        or of the folder. Directions and scores are those of the results file beside the samples.

    Raises:
        UserError: The file is missing, holds no samples, has lines that are no samples, or the filter must be
            chosen.
    """
    rows = _read_rows(path)
    filters = sorted({_filter(row) for row in rows})
    chosen = _chosen(path, filters, filter)
    rows = sorted((row for row in rows if chosen in (None, _filter(row))), key=lambda row: row["doc_id"])
    groups = [row.get("group") for row in rows]
    if group_by:
        groups = list(named_groups(path, group_by, [row.get("doc") for row in rows]))
    match = FILE_NAME.fullmatch(path.stem)
    higher_is_better, scores = _recorded(path, chosen)
    return Log(
        path=path,
        kind="samples",
        name=str(rows[0].get("condition") or path.resolve().parent.name or path.stem),
        task=match["task"] if match else path.stem,
        samples=[_sample(row, group) for row, group in zip(rows, groups, strict=True)],
        documents=[str(row.get("doc_hash") or _document_hash(row["doc"])) for row in rows],
        higher_is_better=higher_is_better,
        scores=scores,
        filters=filters,
    )


def _read_rows(path: Path) -> list[dict[str, Any]]:
    rows, malformed = [], []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if _is_sample(row):
            rows.append(row)
        else:
            malformed.append(number)
    if malformed:
        what = f"is not a sample; {len(malformed)} such lines in the file: {shorten(malformed)}"
        hint = 'every line must be a JSON object with "doc_id", "doc" and its metrics; write the file again'
        raise UserError(f"{path}:{malformed[0]}", what, hint)
    if not rows:
        raise UserError(path, "holds no samples", "write them with --log_samples")
    return rows


def _is_sample(row: Any) -> bool:
    if not isinstance(row, dict) or type(row.get("doc_id")) is not int:
        return False
    lists = [row.get(name) for name in ("metrics", "choices")]
    return ("doc" in row or bool(row.get("doc_hash"))) and all(_is_texts(value) for value in lists)


def _is_texts(value: Any) -> bool:
    """Whether this is a list of texts, or nothing."""
    return value is None or (isinstance(value, list) and all(isinstance(each, str) for each in value))


def _filter(row: dict[str, Any]) -> str:
    return str(row.get("filter", "none"))


def _chosen(path: Path, filters: list[str], filter: str | None) -> str | None:
    """The filter whose rows are read; None where there is nothing to choose."""
    if len(filters) < 2:
        return None
    if filter is None:
        raise UserError(path, f"holds the answers of {len(filters)} filters", f"choose one: {', '.join(filters)}")
    if filter not in filters:
        raise UserError(path, f'has no filter "{filter}"', nearest(filter, filters))
    return filter


def _document_hash(document: Any) -> str:
    """The harness's hash of a document."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _sample(row: dict[str, Any], group: Any) -> Sample:
    filtered = _first(row.get("filtered_resps"))
    names = row.get("metrics") or row.keys() - {"doc_id"}
    numbers = {name: as_number(row.get(name)) for name in names}
    perplexity = numbers.get(PERPLEXITY)
    if perplexity is not None and perplexity <= 0:  # no perplexity is below 1: the harness keeps its logarithm there
        numbers[LOG_LIKELIHOOD] = numbers.pop(PERPLEXITY)
    return Sample(
        example_id=str(row.get("example_id", row["doc_id"])),
        doc_id=row["doc_id"],
        doc=row.get("doc", {}),
        target=str(row.get("target", "")),
        condition=str(row.get("condition") or ""),
        output=_first(row.get("resps")),
        answer=row.get("answer", None if filtered == INVALID else filtered),
        finish_reason=row.get("finish_reason") or "",
        choices=tuple(row["choices"]) if row.get("choices") else None,
        metrics={name: number for name, number in numbers.items() if number is not None},
        group=None if group is None else str(group),
    )


def _first(responses: Any) -> str:
    """The first response of nested lists of them."""
    while isinstance(responses, list) and responses:
        responses = responses[0]
    return str(responses)


def _recorded(samples: Path, filter: str | None) -> tuple[dict[str, bool], dict[str, float]]:
    """Whether higher is better, and the score, by metric, as the results file beside samples has them."""
    match = FILE_NAME.fullmatch(samples.stem)
    if match is None or match["date"] is None:
        return {}, {}
    try:
        results = json.loads(samples.with_name(f"results_{match['date']}.json").read_bytes())
        directions = dict(results["higher_is_better"][match["task"]])
        keyed = [(*key.split(","), value) for key, value in results["results"][match["task"]].items()]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}, {}
    scores = {}
    for name, *filters, value in reversed(keyed):  # the first of a name is the one that counts
        if isinstance(value, float) and (filter is None or filter in filters):
            scores[name] = value
    return {name: higher for name, higher in directions.items() if isinstance(higher, bool)}, scores
