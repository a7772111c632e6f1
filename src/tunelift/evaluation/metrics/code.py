"""Programs that a model wrote, judged by running their tests in a sandbox."""

from __future__ import annotations

import ast
import builtins
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import comb
from typing import Any

import numpy as np

from tunelift.core.errors import UserError, shorten_text
from tunelift.core.hardware import quota_cores
from tunelift.core.progress import progress
from tunelift.evaluation.execution.sandbox import Limits, isolation, run_python
from tunelift.evaluation.metrics.metric import Array, Metric, Outcome

FENCE = re.compile(
    r"^[ \t]*(?P<marks>`{3,}|~{3,})[ \t]*(?P<language>[\w+#.-]*)[^\n]*\n(?P<code>.*?)"
    r"(?:^[ \t]*(?P=marks)[ \t]*$|\Z)",
    re.DOTALL | re.MULTILINE,
)
PYTHON = {"", "python", "python3", "py"}
DEFINITION = re.compile(r"^(?:async[ \t]+def|def|class)[ \t]", re.MULTILINE)
INDENTATION = "    "


def extract_code(text: str) -> str:
    """The Python code in an output.

    Of the blocks between fences, those that name another language are left out; of the others, the first that defines
    a function or a class is taken, or else the first. A block whose end was cut off counts. Without a block, the whole
    text is the code. Indentation is kept.
    """
    blocks = list(FENCE.finditer(text))
    python = [block["code"] for block in blocks if block["language"].lower() in PYTHON]
    codes = python or [block["code"] for block in blocks] or [text]
    return next(filter(DEFINITION.search, codes), codes[0]).strip("\n").rstrip()


def estimate_pass_at_k(samples: int, passed: int, k: int) -> float:
    """Probability that one of k programs passes, without bias, from more samples than k (Chen et al. 2021, eq. 1).

    Args:
        samples: How many programs were written, at least k.
        passed: How many of them passed.
        k: How many may be tried.
    """
    return 1.0 - comb(samples - passed, k) / comb(samples, k)


def program_of(answer: str, fields: Mapping[str, Any]) -> str:
    """The program that an answer amounts to.

    Where the prompt is code that begins the function `entry_point`, as in HumanEval, the answer may continue it, also
    without the indentation of its first line, or define the function anew; imports and helpers of the prompt then stay
    before it. Otherwise the answer is the program.

    Args:
        answer: The code of the answer.
        fields: The row; "prompt" and "entry_point" are looked at.
    """
    prompt, name = str(fields.get("prompt", "")), str(fields.get("entry_point", ""))
    definition = re.compile(rf"^(?:async[ \t]+)?def[ \t]+{re.escape(name)}\b", re.MULTILINE)
    begun = list(definition.finditer(prompt)) if name else []
    if not begun:
        return answer
    if definition.search(answer):
        return prompt[: begun[-1].start()] + answer
    lost = prompt.endswith("\n") and answer[:1].strip()
    return prompt + (INDENTATION if lost else "") + answer


def checks_of(fields: Mapping[str, Any]) -> str:
    """The tests of a row as one program that raises an exception where the tested one is wrong.

    Args:
        fields: The row. "test" is a program, which may define ``check(candidate)`` for `entry_point` as in HumanEval,
            or a list of assertions; "test_list" is another name for it, as in MBPP, where "test_imports" or
            "test_setup_code" comes before it.

    Raises:
        UserError: There are no tests, or they are no Python.
    """
    tests = fields.get("test") or fields.get("test_list")
    if not isinstance(tests, str | Sequence) or not tests:
        what = f"no tests in the row {shorten_text(dict(fields))}"
        raise UserError("pass_at_k", what, 'give each row a "test": a program, or a list of assertions')
    parts = [*_lines(fields.get("test_imports")), *_lines(fields.get("test_setup_code")), *_lines(tests)]
    checks = "\n".join(parts)
    name = fields.get("entry_point")
    if name and re.search(r"^def[ \t]+check\b", checks, re.MULTILINE):
        checks += f"\ncheck({name})\n"
    try:
        ast.parse(checks)
    except (SyntaxError, ValueError) as error:
        raise UserError(
            "pass_at_k", f"tests that are no Python ({error}): {shorten_text(checks)}", "mend them"
        ) from None
    return checks


def _lines(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(item) for item in value or ()]


def builtins_under_test(checks: str, entry_point: str | None) -> set[str]:
    """Names of functions under test that are names of builtins, too, such as `sum` in ``assert sum(10, 15) == 6``.

    A builtin that the tests call is one under test if it is the entry point or if they call nothing else.
    """
    called = {
        node.func.id
        for node in ast.walk(ast.parse(checks))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    if entry_point is None and called <= vars(builtins).keys():
        return called
    return {entry_point} if entry_point else set()


def pass_at_k(*, allow_execution: bool = False, k: int = 1, timeout: float = 5.0, memory: int = 1 << 30) -> Metric:
    """Mean probability that one of k programs passes all tests (Chen et al. 2021); 0 to 1, higher is better.

    An answer is a program or the end of one, see `program_of`, or a list of at least k of them; None passes no test.
    The tests stand in the row, see `checks_of`. Programs run confined, see `sandbox`, as many at a time as there are
    cores.

    Args:
        allow_execution: Whether programs that a model wrote may be run.
        k: How many programs may be tried.
        timeout: Seconds of processor time for one program and its tests, rounded up; by the clock, they may take three
            times as long, so that a busy machine makes no right program wrong.
        memory: Bytes of address space that a program may use.

    Raises:
        UserError: Execution is not allowed, or programs cannot be confined on this machine.
        ValueError: An argument is not positive.
    """
    if not allow_execution:
        what = "the answers are programs, and running them must be allowed"
        raise UserError("pass_at_k", what, "pass --allow-execution, or set evaluate.allow_execution in the recipe")
    if k < 1 or timeout <= 0 or memory < 1:
        raise ValueError("k, timeout and memory must be positive")
    isolation()
    limits = Limits(seconds=3 * timeout, processor_seconds=timeout, memory=memory)

    def statistics(outcomes: Sequence[Outcome]) -> Array:
        answers = [_samples(outcome.answer, k) for outcome in outcomes]
        checks = [checks_of(outcome.fields) for outcome in outcomes]
        jobs = [
            (program_of(answer, outcome.fields), check, builtins_under_test(check, outcome.fields.get("entry_point")))
            for outcome, check, samples in zip(outcomes, checks, answers, strict=True)
            for answer in samples
            if answer is not None
        ]
        passed = iter(_run_all(jobs, limits))
        counts = [sum(next(passed) for answer in samples if answer is not None) for samples in answers]
        values = [estimate_pass_at_k(len(samples), c, k) for samples, c in zip(answers, counts, strict=True)]
        return np.array(values, dtype=float).reshape(-1, 1)

    def score(values: Array, weights: Array) -> Array:
        return np.asarray((weights @ values)[:, 0] / weights.sum(axis=1))

    return Metric(f"pass@{k}", statistics, score, lambda values: values[:, 0], is_mean=True)


def _samples(answer: Any, k: int) -> list[str | None]:
    """The programs of one item; what is no text passes nothing."""
    samples = list(answer) if isinstance(answer, list | tuple) else [answer]
    if len(samples) < k:
        what = f"an item has {len(samples)} answers, and pass@{k} needs at least {k}"
        raise UserError("pass_at_k", what, "generate more answers of each item, or ask for a smaller k")
    return [sample if isinstance(sample, str) else None for sample in samples]


def _run_all(jobs: Sequence[tuple[str, str, set[str]]], limits: Limits) -> list[bool]:
    """Whether each program passes its checks; threads that wait for processes, in the order of the jobs."""
    cores = min(quota_cores() or 64, os.cpu_count() or 1)

    def passes(job: tuple[str, str, set[str]]) -> bool:
        program, checks, keep = job
        completed = run_python(program, checks, keep=keep, limits=limits).completed
        bar.update(1)
        return completed

    with progress(len(jobs), "running programs", "program") as bar, ThreadPoolExecutor(cores) as pool:
        return list(pool.map(passes, jobs))
