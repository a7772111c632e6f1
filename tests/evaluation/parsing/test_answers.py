from __future__ import annotations

from typing import Any

import pytest

from tunelift.core.records import Example, Source
from tunelift.data.task_parts import AnswerRules
from tunelift.data.tasks import Task
from tunelift.evaluation.parsing.answers import check_references, extract_sql, parse_answer, reference_answers


def make(kind: str, target: str = "x", fields: dict[str, Any] | None = None, **rules: Any) -> tuple[Task, Example]:
    task = Task(
        task="t",
        dataset_path="d",
        doc_to_text="{{ q }}",
        doc_to_target="a",
        labels=["A", "B"],
        answer=AnswerRules(kind=kind, **rules),
    )
    return task, Example("e", fields or {}, target, Source("d", 1), others=("y",))


@pytest.mark.parametrize(
    ("kind", "output", "answer"),
    [
        ("text", " a text \n", "a text"),
        ("text", " ", None),
        ("labels", "b, A", ["A", "B"]),
        ("number", "so it is #### 1,234", 1234.0),
        ("number", "none", None),
        ("json", 'said {"a": 1}', {"a": 1}),
        ("code", "```python\nx = 1\n```", "x = 1"),
        ("sql", "```sql\nSELECT 1;\n```", "SELECT 1"),
        ("sql", "SELECT 1; SELECT 2", "SELECT 1"),
        ("sql", "SELECT ';' AS \"a;b\" -- ;\nFROM t; SELECT 2", "SELECT ';' AS \"a;b\" -- ;\nFROM t"),
        ("sql", "It is ```sql SELECT 1```", "SELECT 1"),
        ("sql", ";", None),
    ],
)
def test_every_kind_has_its_form(kind: str, output: str, answer: Any) -> None:
    task, example = make(kind)
    parsed = parse_answer(output, task, example)
    assert parsed.strip() == answer if kind == "code" else parsed == answer


@pytest.mark.parametrize(("output", "answer"), [("-1", -1.0), ("0.5", 0.5), ("1.01", None), ("25000", None)])
def test_a_number_out_of_range_is_no_answer(output: str, answer: float | None) -> None:
    assert parse_answer(output, *make("number", range=[-1.0, 1.0])) == answer


def test_a_pattern_takes_the_last_match() -> None:
    task, example = make("text", pattern=r"answer is (\w+)")
    assert parse_answer("The answer is no. The answer is yes.", task, example) == "yes"
    assert parse_answer("yes", task, example) is None


def test_references_have_the_form_of_answers() -> None:
    assert reference_answers(*make("text")) == ("x", "y")
    assert reference_answers(*make("number", "3 + 4 = 7 #### 7")) == (7.0,)
    entities = [{"type": "A", "start": 0, "end": 1, "text": "x"}]
    assert reference_answers(*make("entities", fields={"entities": entities})) == ([["A", 0, 1, "x"]],)
    assert reference_answers(*make("triples", fields={"triples": [["a", "B", "c"]]})) == ([["a", "B", "c"]],)
    assert reference_answers(*make("ranking")) == (["x"],)


def test_a_reference_that_no_answer_can_equal_is_an_error() -> None:
    task, example = make("number", "seven apples and some")
    (finding,) = check_references([example], task)
    assert (finding.severity, finding.count, finding.rows) == ("error", 1, ("d:1",))
    assert not check_references([make("number", "7")[1]], task)


def test_sql_without_an_end_is_taken_whole() -> None:
    assert extract_sql("SELECT a\nFROM t") == "SELECT a\nFROM t"
