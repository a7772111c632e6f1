from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.comparison.compare import known_metric
from tunelift.comparison.logs.harness import read_harness
from tunelift.core.errors import UserError

NAME = "samples_arc_easy_2026-08-21T10-11-12.345678.jsonl"
DOCS = [{"question": f"Is {index} gerade? 是吗", "answer": index % 2, "page": index // 2} for index in range(6)]


def line(number: int, filter: str = "none", **metrics: Any) -> dict[str, Any]:
    return {
        "doc_id": number,
        "doc": DOCS[number],
        "target": str(DOCS[number]["answer"]),
        "resps": [["so it is 4"]],
        "filtered_resps": ["[invalid]" if filter == "strict-match" else "4"],
        "filter": filter,
        "metrics": list(metrics),
        **metrics,
    }


def write(folder: Path, lines: list[Any]) -> Path:
    (folder / NAME).write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in lines), "utf-8")
    return folder / NAME


def test_what_a_file_says(tmp_path: Path) -> None:
    lines = [line(number, acc=number % 2, acc_norm="n/a") for number in range(6)]
    log = read_harness(write(tmp_path, lines[::-1]))
    assert (log.name, log.task) == (tmp_path.name, "arc_easy")
    assert [sample.metrics for sample in log.samples] == [{"acc": number % 2} for number in range(6)]
    assert [sample.output for sample in log.samples] == ["so it is 4"] * 6
    # As lm_eval.evaluator has it: hash_string(json.dumps(doc, indent=2, default=..., ensure_ascii=False)).
    text = json.dumps(DOCS[0], indent=2, ensure_ascii=False)
    assert log.documents is not None
    assert log.documents[0] == hashlib.sha256(text.encode()).hexdigest()
    with_hashes = [each | {"doc_hash": digest} for each, digest in zip(lines, log.documents, strict=True)]
    assert read_harness(write(tmp_path, with_hashes)).documents == log.documents


def test_groups_are_the_samples_own_or_a_field_of_documents(tmp_path: Path) -> None:
    path = write(tmp_path, [line(number, acc=1) | {"group": f"g{number % 2}"} for number in range(6)])
    assert [sample.group for sample in read_harness(path).samples] == ["g0", "g1"] * 3
    assert [sample.group for sample in read_harness(path, "page").samples] == ["0", "0", "1", "1", "2", "2"]
    with pytest.raises(UserError, match=r'6 of 6 items have no "pages" to group them by \(1, .* did you mean "page"'):
        read_harness(path, "pages")


def test_one_of_several_filters_must_be_chosen(tmp_path: Path) -> None:
    names = ("strict-match", "flexible-extract")
    path = write(tmp_path, [line(number, name, exact_match=1.0) for number in range(6) for name in names])
    with pytest.raises(UserError, match="2 filters - choose one: flexible-extract, strict-match"):
        read_harness(path)
    with pytest.raises(UserError, match='no filter "strict" - did you mean "strict-match"'):
        read_harness(path, filter="strict")
    assert [sample.answer for sample in read_harness(path, filter="flexible-extract").samples] == ["4"] * 6
    assert [sample.answer for sample in read_harness(path, filter="strict-match").samples] == [None] * 6


def test_one_filter_is_no_choice(tmp_path: Path) -> None:
    log = read_harness(write(tmp_path, [line(number, acc=1.0) for number in range(6)]), filter="strict-match")
    assert (len(log.samples), log.filters) == (6, ["none"])


def test_a_perplexity_that_is_a_log_likelihood_is_called_one(tmp_path: Path) -> None:
    """As the harness writes LAMBADA: `return {"perplexity": ll, "acc": int(is_greedy)}`."""
    values = [-2.5, -0.01, 0.0, 1.0, 12.5, -3]
    log = read_harness(write(tmp_path, [line(at, perplexity=value, acc=1) for at, value in enumerate(values)]))
    assert [sample.metrics for sample in log.samples] == [
        {"log_likelihood" if value <= 0 else "perplexity": value, "acc": 1} for value in values
    ]
    assert known_metric("log_likelihood", log.samples).higher_is_better


def test_results_beside_the_samples_tell_directions_and_scores(tmp_path: Path) -> None:
    path = write(tmp_path, [line(number, acc=1) for number in range(6)])
    results = {
        "results": {"arc_easy": {"alias": "arc_easy", "acc,none": 0.75, "acc_stderr,none": "N/A", "ppl,none": 12.5}},
        "higher_is_better": {"arc_easy": {"acc": True, "ppl": False, "other": None}},
    }
    beside = tmp_path / "results_2026-08-21T10-11-12.345678.json"
    beside.write_text(json.dumps(results))
    log = read_harness(path)
    assert log.scores == {"acc": 0.75, "ppl": 12.5}
    assert log.higher_is_better == {"acc": True, "ppl": False}
    for damaged in ("[]", "{", '{"results": {"arc_easy": 3}, "higher_is_better": {"arc_easy": {}}}'):
        beside.write_text(damaged)
        assert (read_harness(path).scores, read_harness(path).higher_is_better) == ({}, {})


def test_bad_lines_are_all_counted(tmp_path: Path) -> None:
    path = write(tmp_path, [line(number, acc=1) for number in range(6)])
    content = path.read_bytes().splitlines(keepends=True)
    content[1] = b'{"doc_id": 2, "doc": {"quest\n'
    content[2] = b"[1, 2]\n"
    content[3] = b'{"doc_id": 5, "doc": "\xff"}\n'
    content[4] = b'{"acc": 1.0}\n'
    content[5] = b'{"doc_id": 5, "doc": {}, "metrics": "acc", "acc": 1.0}\n'
    path.write_bytes(b"".join(content) + b"\n")
    with pytest.raises(UserError, match=r"\.jsonl:2: is not a sample; 5 such lines in the file: 2, 3, 4, 5, 6 - "):
        read_harness(path)
    with pytest.raises(UserError, match="holds no samples - "):
        read_harness(write(tmp_path, []))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
KEYS = st.sampled_from(
    ["metrics", "group", "choices", "filtered_resps", "acc", "target", "condition", "doc", "doc_hash"]
)


@given(changes=st.dictionaries(KEYS, VALUES, max_size=3))
def test_any_value_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, changes: dict[str, Any]) -> None:
    path = write(tmp_path_factory.getbasetemp(), [line(0, acc=1) | changes])
    try:
        log = read_harness(path, "page")
    except UserError:
        return
    assert len(log.samples) == 1
