from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tunelift.comparison.reading import compare_pair, find_log, read_pair
from tunelift.comparison.records import Comparison
from tunelift.core.errors import UserError

LOGS = Path(__file__).parent / "logs" / "data"
NAME = "samples_arc_easy_2026-08-21T10-11-12.345678.jsonl"


def compare_files(a: Path, b: Path, metric: str | None = None, filter: str | None = None) -> Comparison:
    return compare_pair(read_pair(a, b, filter), metric)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def harness_line(doc_id: int, doc: dict[str, Any], filter: str = "none", **metrics: Any) -> dict[str, Any]:
    """A line as lm-evaluation-harness 0.4.13 writes it for multiple choice; numbers in responses are text."""
    context = f"Question: {doc['question']}\nAnswer:"
    return {
        "doc_id": doc_id,
        "doc": doc,
        "target": str(doc["answer"]),
        "arguments": {f"gen_args_{i}": {"arg_0": context, "arg_1": f" {c}"} for i, c in enumerate(("yes", "no"))},
        "resps": [[["-1.25", "True"]], [["-3.5", "False"]]],
        "filtered_resps": [["-1.25", "True"], ["-3.5", "False"]],
        "filter": filter,
        "metrics": list(metrics),
        "doc_hash": digest(json.dumps(doc, indent=2, ensure_ascii=False)),
        "prompt_hash": digest(context),
        "target_hash": digest(str(doc["answer"])),
        **metrics,
    }


def write(folder: Path, lines: list[dict[str, Any]], name: str = NAME) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
    return folder / name


DOCS = [{"question": f"Is {index} gerade? 是吗", "answer": index % 2} for index in range(8)]
RIGHT_A, RIGHT_B = [1, 0, 0, 0, 1, 0, 1, 0], [1, 1, 1, 0, 0, 1, 1, 1]


def harness_lines(right: list[int]) -> list[dict[str, Any]]:
    scores = zip(DOCS, right, strict=True)
    return [harness_line(index, doc, acc=float(s), acc_norm=1.0) for index, (doc, s) in enumerate(scores)]


def test_two_files_of_the_harness(tmp_path: Path) -> None:
    a = write(tmp_path / "base__model", harness_lines(RIGHT_A))
    b = write(tmp_path / "tuned__model", harness_lines(RIGHT_B)[::-1])
    comparison = compare_files(a, b)
    (contrast,) = comparison.contrasts
    assert (comparison.task, comparison.metric, comparison.items) == ("arc_easy", "acc", 8)
    assert (contrast.candidate, contrast.baseline) == ("tuned__model", "base__model")
    assert (contrast.won, contrast.lost) == (("1", "2", "5", "7"), ("4",))
    assert contrast.result.effect == pytest.approx(3 / 8)
    assert (comparison.conditions[0].unparsed, comparison.conditions[0].truncated) == (0, None)
    assert compare_files(a.parent, b.parent) == comparison


def our_line(line: dict[str, Any], choice_acc: int) -> dict[str, Any]:
    """A line as our own writer adds to it."""
    return line | {
        "metrics": ["acc", "choice_acc"],
        "choice_acc": float(choice_acc),
        "example_id": f"row-{line['doc_id']}",
        "group": f"document {line['doc_id'] // 2}",
        "condition": "tuned",
        "template": "default",
        "logprobs": [-1.25, -3.5],
        "tokens": {"prompt": 12, "completion": 1},
        "finish_reason": "length" if line["doc_id"] == 3 else "stop",
        "choices": ["0", "1"],
        "answer": None if line["doc_id"] == 3 else "0",
        "choice_answer": "0",
    }


def test_our_own_files_carry_groups_choices_and_the_split(tmp_path: Path) -> None:
    lines_a = [our_line(line, 0) | {"condition": "base"} for line in harness_lines(RIGHT_A)]
    lines_b = [our_line(line, line["doc_id"] % 2) for line in harness_lines(RIGHT_B)]
    comparison = compare_files(write(tmp_path / "a", lines_a), write(tmp_path / "b", lines_b))
    (contrast,) = comparison.contrasts
    assert (contrast.candidate, contrast.baseline, comparison.groups) == ("tuned", "base", 4)
    assert contrast.won[0] == "row-1"
    assert (contrast.ability_gain, contrast.format_gain) == (pytest.approx(0.5), pytest.approx(-0.125))
    assert contrast.balanced is not None
    assert (comparison.conditions[1].unparsed, comparison.conditions[1].truncated) == (1, 1)


def test_our_file_against_one_of_the_harness_without_documents(tmp_path: Path) -> None:
    theirs = [{k: v for k, v in line.items() if k != "doc"} for line in harness_lines(RIGHT_A)]
    ours = [our_line(line, 1) for line in harness_lines(RIGHT_B)]
    comparison = compare_files(write(tmp_path / "theirs", theirs), write(tmp_path / "ours", ours))
    assert comparison.items == 8
    assert comparison.groups == 4
    assert comparison.contrasts[0].ability_gain is None


def test_names_that_are_equal_are_told_apart(tmp_path: Path) -> None:
    a = write(tmp_path / "model", harness_lines(RIGHT_A))
    comparison = compare_files(a, a)
    assert [condition.name for condition in comparison.conditions] == ["A (model)", "B (model)"]
    assert comparison.contrasts[0].result.p == 1


def test_documents_that_occur_twice_are_paired_in_order(tmp_path: Path) -> None:
    docs = [DOCS[0], DOCS[1], DOCS[0]]
    a = [harness_line(index, doc, acc=float(index == 2)) for index, doc in enumerate(docs)]
    b = [harness_line(index, doc, acc=1.0) for index, doc in enumerate(docs)]
    (contrast,) = compare_files(write(tmp_path / "a", a), write(tmp_path / "b", b[::-1])).contrasts
    assert contrast.won == ("0", "1")
    with pytest.raises(UserError, match=r"1 only in .*\(2\)"):
        compare_files(write(tmp_path / "a", a), write(tmp_path / "b", b[:2]))


def test_different_items_are_refused(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a", harness_lines(RIGHT_A)[2:]), write(tmp_path / "b", harness_lines(RIGHT_B)[:-1])
    with pytest.raises(UserError, match=r"hold different items: 1 only in .* \(7\); 2 only in .* \(0, 1\) - "):
        compare_files(a, b)


def test_a_filter_that_must_be_chosen(tmp_path: Path) -> None:
    lines = [
        harness_line(index, doc, filter=name, exact_match=float(name == "flexible-extract"))
        for index, doc in enumerate(DOCS)
        for name in ("strict-match", "flexible-extract")
    ]
    file = write(tmp_path, lines)
    assert compare_files(file, file, filter="strict-match").metric == "exact_match"
    table = tmp_path / "scores.csv"
    table.write_text("id,acc\n1,1\n")
    with pytest.raises(UserError, match=r'scores\.csv: have no filter "strict-match" - leave --filter out'):
        compare_files(table, table, filter="strict-match")


def test_a_file_with_one_filter_or_none_is_read_as_it_is(tmp_path: Path) -> None:
    names = ("strict-match", "flexible-extract")
    scored = [
        harness_line(n, doc, filter=name, acc=float(name == names[1])) for n, doc in enumerate(DOCS) for name in names
    ]
    several, single = write(tmp_path / "several", scored), write(tmp_path / "single", harness_lines(RIGHT_A))
    scores = table(tmp_path, "scores.csv", id=range(8), acc=RIGHT_B)
    for other, mean in ((single, 3 / 8), (scores, 6 / 8)):
        (contrast,) = compare_files(several, other, filter="flexible-extract").contrasts
        assert (contrast.result.baseline, contrast.result.candidate) == (1, mean)
        (contrast,) = compare_files(other, several, filter="strict-match").contrasts
        assert (contrast.result.baseline, contrast.result.candidate) == (mean, 0)
        with pytest.raises(UserError, match=r'several.*: has no filter "strict" - did you mean "strict-match"'):
            compare_files(several, other, filter="strict")
    assert compare_files(single, scores, filter="none").items == 8
    with pytest.raises(UserError, match=r'single.* and .*scores\.csv: have no filter "strict" - valid here: none'):
        compare_files(single, scores, filter="strict")


def test_the_metric_is_chosen_or_asked_for(tmp_path: Path) -> None:
    def file(name: str, **metrics: Any) -> Path:
        return write(tmp_path / name, [harness_line(index, doc, **metrics) for index, doc in enumerate(DOCS)])

    only, pair, several = file("only", em=1), file("pair", f1=["0", "1"]), file("several", em=1, rouge=0.3)
    assert compare_files(only, only).metric == "em"
    assert compare_files(several, several, metric="rouge").metric == "rouge"
    with pytest.raises(UserError, match="several metrics - choose one: em, rouge"):
        compare_files(several, several)
    with pytest.raises(UserError, match='"rogue" has no number for every item - did you mean "rouge"'):
        compare_files(several, several, metric="rogue")
    with pytest.raises(UserError, match="no metric with a number"):
        compare_files(pair, pair)
    with pytest.raises(UserError, match='"f1" has no number'):
        compare_files(pair, pair, metric="f1")


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="file not found"):
        compare_files(tmp_path / "missing.jsonl", tmp_path / "missing.jsonl")
    with pytest.raises(UserError, match="holds no samples_"):
        find_log(tmp_path)
    file = write(tmp_path, [])
    assert find_log(tmp_path) == file
    (tmp_path / "log.eval").touch()
    with pytest.raises(UserError, match=r"holds 2 logs - name one of them: log\.eval, samples_arc"):
        find_log(tmp_path)
    (tmp_path / "notes.md").touch()
    with pytest.raises(UserError, match=r'"\.md" is not a known kind of log - use one of \.jsonl, \.eval, \.json'):
        compare_files(tmp_path / "notes.md", file)


def test_a_run_is_no_log_but_its_conditions_are(tmp_path: Path) -> None:
    for name, right in (("zero-shot", RIGHT_A), ("tuned", RIGHT_B)):
        write(tmp_path / "conditions" / name, harness_lines(right))
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UserError, match=r"several conditions - name one of them as .*/conditions/NAME: tuned, zero-s"):
        find_log(tmp_path)
    comparison = compare_files(tmp_path / "conditions" / "zero-shot", tmp_path / "conditions" / "tuned")
    assert comparison.contrasts[0].result.effect == 3 / 8


def write_results(samples: Path, **keys: Any) -> None:
    date = samples.stem.rpartition("_")[2]
    samples.with_name(f"results_{date}.json").write_text(json.dumps(keys), "utf-8")


def test_results_beside_the_samples_tell_the_direction(tmp_path: Path) -> None:
    a, b = (
        write(tmp_path / name, [harness_line(at, doc, slips=value + at) for at, doc in enumerate(DOCS)])
        for name, value in (("a", 2.0), ("b", 1.0))
    )
    assert compare_files(a, b).contrasts[0].result.effect == -1
    for path, mean in ((a, 5.5), (b, 4.5)):
        scores = {"arc_easy": {"name": "arc_easy", "slips_stderr,none": 0.5, "slips,none": mean}}
        write_results(path, results=scores, higher_is_better={"arc_easy": {"slips": False}})
    comparison = compare_files(a, b)
    assert comparison.contrasts[0].result.effect == 1
    assert (comparison.metric, comparison.higher_is_better) == ("slips", False)
    write_results(a, results=[], higher_is_better={"arc_easy": 3})
    assert not compare_files(a, b).higher_is_better


def test_a_score_that_is_no_mean_is_not_passed_off_as_one(tmp_path: Path) -> None:
    a, b = (
        write(tmp_path / name, [harness_line(at, doc, f1_macro=float(right)) for at, (doc, right) in enumerate(rows)])
        for name, rows in (("a", zip(DOCS, RIGHT_A, strict=True)), ("b", zip(DOCS, RIGHT_B, strict=True)))
    )
    for path in (a, b):
        write_results(path, results={"arc_easy": {"f1_macro,none": 0.31}}, higher_is_better={"arc_easy": {}})
    comparison = compare_files(a, b)
    assert comparison.metric == comparison.contrasts[0].metric == "mean of f1_macro of single items"
    assert comparison.conditions[0].score == 3 / 8


def table(folder: Path, name: str, **columns: list[Any]) -> Path:
    path = folder / name
    rows = [list(columns), *zip(*columns.values(), strict=True)]
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows), "utf-8")
    return path


def test_tables_are_paired_by_id_in_any_order(tmp_path: Path) -> None:
    a = table(tmp_path, "base.csv", id=range(8), acc=RIGHT_A)
    b = table(tmp_path, "tuned.csv", acc=RIGHT_B[::-1], id=range(7, -1, -1), input=["?"] * 8)
    comparison = compare_files(a, b)
    assert (comparison.task, comparison.items) == ("scores", 8)
    assert [condition.name for condition in comparison.conditions] == ["base", "tuned"]
    assert comparison.contrasts[0].won == ("1", "2", "5", "7")
    assert (comparison.conditions[0].unparsed, comparison.conditions[0].truncated) == (0, None)
    harness = write(tmp_path / "a", harness_lines(RIGHT_A))
    mixed = compare_files(harness, table(tmp_path, "scores.csv", id=range(8), acc=RIGHT_B))
    assert mixed.contrasts[0].result == comparison.contrasts[0].result


def test_items_of_one_id_must_have_one_text_and_target(tmp_path: Path) -> None:
    a = table(tmp_path, "a.csv", id=[1, 2, 3], input=["x", "y", "z"], target=[1, 2, 3], acc=[1, 0, 1])
    b = table(tmp_path, "b.csv", id=[3, 2, 1], input=["z", "?", "x"], target=[3, 2, 0], acc=[1, 0, 1])
    with pytest.raises(
        UserError, match=r"a\.csv and .*b\.csv: give 2 items different texts or targets \(1, 2\) - evalu"
    ):
        read_pair(a, b)
    with pytest.raises(UserError, match=r"hold different items: 2 only in .*a\.csv \(2, 3\); 1 only in .*c\.csv \(4\)"):
        read_pair(a, table(tmp_path, "c.csv", id=[1, 4], acc=[1, 1]))
    inspect = read_pair(LOGS / "base.eval", table(tmp_path, "d.csv", id=[f"sum-{n}" for n in range(6)], graded=[1] * 6))
    assert [sample.doc for sample in inspect[1].samples] == [sample.doc for sample in inspect[0].samples]
    harness = [harness_line(n, doc, graded=1.0) | {"example_id": f"sum-{n}"} for n, doc in enumerate(DOCS[:6])]
    with pytest.raises(UserError, match="give 6 items different texts or targets"):
        read_pair(LOGS / "base.eval", write(tmp_path / "harness", harness))


def test_logs_of_different_kinds_need_only_the_same_targets(tmp_path: Path) -> None:
    """Each kind puts a question in a form of its own."""
    inspect = json.loads((LOGS / "base.json").read_bytes())
    asked = {"epoch": 1, "scores": {"acc": {"value": "C"}}}
    inspect["samples"] = [asked | {"id": n, "input": doc["question"], "target": "1"} for n, doc in enumerate(DOCS)]
    log = tmp_path / "log.json"
    log.write_text(json.dumps(inspect), "utf-8")
    lines = [line | {"target": "1"} for line in harness_lines(RIGHT_B)]
    harness = write(tmp_path / "harness", lines)
    texts = [f"{doc['question']}?" for doc in DOCS]
    scores = table(tmp_path, "scores.csv", id=range(8), input=texts, target=[1] * 8, acc=RIGHT_A)
    untold = table(tmp_path, "untold.csv", id=range(8), input=texts, acc=RIGHT_A)
    for one, other in ((log, harness), (harness, scores), (scores, log), (untold, log), (harness, untold)):
        assert compare_files(one, other, "acc").items == compare_files(other, one, "acc").items == 8
    changed = write(tmp_path / "changed", [*lines[:7], lines[7] | {"target": "2"}])
    with pytest.raises(UserError, match=r"give 1 item different texts or targets \(7\)"):
        compare_files(log, changed, "acc")


@pytest.mark.parametrize("huge", [1.1e100, -1e200, 1e308])
def test_scores_that_are_too_large_are_refused(tmp_path: Path, huge: float) -> None:
    a, b = (table(tmp_path, name, id=range(3), acc=[0, 1, 1], score=[0, huge, 1]) for name in ("a.csv", "b.csv"))
    assert compare_files(a, b, "acc").items == 3
    with pytest.raises(UserError, match=r'a\.csv and .*: "score" is beyond 1e\+100 for 1 item \(1\) - '):
        compare_files(a, b, "score")
    large = table(tmp_path, "large.csv", id=range(3), score=[0, 1e100, -1e100])
    json.dumps(compare_files(large, large, "score").to_dict(), allow_nan=False)


def test_scores_next_to_nothing_are_nothing(tmp_path: Path) -> None:
    a, b = (
        table(tmp_path, f"{name}.csv", id=range(30), chance=[number * factor for number in range(30)])
        for name, factor in (("a", 1e-200), ("b", 3e-200))
    )
    comparison = compare_files(a, b)
    assert (comparison.contrasts[0].result.effect, comparison.contrasts[0].result.p) == (0, 1)
    json.dumps(comparison.to_dict(), allow_nan=False)


def test_the_mean_of_huge_epochs_is_refused(tmp_path: Path) -> None:
    log = json.loads((LOGS / "base.json").read_bytes())
    log["samples"] = [
        {"id": 1, "epoch": epoch, "input": "?", "target": "1", "scores": {"s": {"value": 1.7e308}}} for epoch in (1, 2)
    ]
    path = tmp_path / "log.json"
    path.write_text(json.dumps(log))
    with pytest.raises(UserError, match=r'"s" is beyond 1e\+100 for 1 item'):
        compare_files(path, path)


@pytest.mark.parametrize(
    ("name", "higher", "assumed"),
    [
        ("WER", False, False), ("MAE", False, False), ("ppl", False, False), ("loss", False, False),
        ("grader.error_rate", False, False), ("Exact_Match", True, False), ("em", True, True), ("wer.em", True, True),
    ],
)  # fmt: skip
def test_names_tell_the_direction_in_any_case(tmp_path: Path, name: str, higher: bool, assumed: bool) -> None:
    path = table(tmp_path, "a.csv", id=range(3), **{name: [0.5, 0.25, 1]})
    comparison = compare_files(path, path)
    assert (comparison.higher_is_better, comparison.assumes_direction) == (higher, assumed)
    told = compare_pair(read_pair(path, path, lower_is_better=[name]))
    assert (told.higher_is_better, told.assumes_direction) == (False, False)


def test_the_unit_is_assumed_where_the_name_does_not_tell(tmp_path: Path) -> None:
    def read(name: str, *values: float) -> tuple[float, bool]:
        other = table(tmp_path, "b.csv", id=range(3), **{name: [0, 1, 1]})
        path = table(tmp_path, "a.csv", id=range(3), **{name: values})
        comparison = compare_files(path, other)
        return comparison.scale, comparison.assumes_unit

    assert read("acc", 0.5, 0, 1) == read("hamming_loss", 0.5, 0, 1) == (100, False)
    assert read("wer", 0.5, 0, 1) == read("NLL", 0.5, 0, 1) == (1, False)
    assert read("error", 0.5, 0, 1) == read("em", 0.5, 0, 1) == (100, True)
    assert read("error", 0.5, 0, 2) == read("acc", 0.5, 0, 2) == (1, True)


def test_logs_of_inspect_are_compared(tmp_path: Path) -> None:
    comparison = compare_files(LOGS / "base.eval", LOGS / "tuned.eval", metric="match")
    assert comparison.task == "sums"
    assert comparison.contrasts[0].result.effect == pytest.approx(0.9166667 - 0.5)  # as their headers say
    assert [condition.name for condition in comparison.conditions] == ["A (mockllm/model)", "B (mockllm/model)"]
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "tuned.eval").write_bytes((LOGS / "tuned.eval").read_bytes())
    assert compare_files(LOGS / "base.json", tmp_path / "logs", metric="match") == comparison
    best = compare_files(LOGS / "base.eval", LOGS / "best-of-two.eval", metric="graded")
    assert best.metric == "mean of graded of single items"
    with pytest.raises(
        UserError, match='"partly" has no number for every item; it lacks sum-3 - valid here: graded, ma'
    ):
        compare_files(LOGS / "base.eval", LOGS / "tuned.eval", metric="partly")


def test_groups_and_directions_that_no_file_says(tmp_path: Path) -> None:
    a = table(tmp_path, "a.csv", id=range(14), page=[n // 2 for n in range(14)], slips=[0.5] * 14)
    b = table(
        tmp_path, "b.csv", id=range(14), page=[n // 2 for n in range(14)], slips=[0.1 + n / 100 for n in range(14)]
    )
    plain = compare_files(a, b, metric="slips")
    assert (plain.groups, plain.higher_is_better, plain.contrasts[0].result.effect < 0) == (None, True, True)
    comparison = compare_pair(read_pair(a, b, group_by="page", lower_is_better=["slips"]), "slips")
    assert (comparison.groups, comparison.higher_is_better) == (7, False)
    assert comparison.contrasts[0].result.effect == -plain.contrasts[0].result.effect
    with pytest.raises(
        UserError, match=r'^--lower-is-better slip: "slip" has no number for every item - did you mean "s'
    ):
        read_pair(a, b, lower_is_better=["slip"])


def test_what_is_printed_holds_no_control_characters(tmp_path: Path) -> None:
    lines = [
        line | {"condition": "\x1b[31mred\n", "example_id": f"\ud83d{line['doc_id']}"}
        for line in harness_lines(RIGHT_A)
    ]
    path = tmp_path / "samples_x.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    comparison = compare_files(path, write(tmp_path / "b", harness_lines(RIGHT_B)))
    assert comparison.conditions[0].name == "?[31mred?"
    json.dumps(comparison.to_dict(), ensure_ascii=False).encode()
