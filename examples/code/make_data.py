"""Small functions with tests, made by a script: python make_data.py functions.jsonl."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

COUNT = 1200
VERBS = ["compute", "find", "get", "make", "give", "solve"]

Maker = Callable[[random.Random], tuple[str, str, str]]


def add(draw: random.Random) -> tuple[str, str, str]:
    """Adding or subtracting a number, or multiplying by one."""
    number, (sign, word) = draw.randint(2, 40), draw.choice([("+", "plus"), ("-", "minus"), ("*", "times")])
    return "x", f"the number x {word} {number}", f"return x {sign} {number}"


def count(draw: random.Random) -> tuple[str, str, str]:
    """How many numbers of a list are large, small or even."""
    number = draw.randint(1, 30)
    condition, words = draw.choice(
        [("> {}", "greater than {}"), ("< {}", "less than {}"), ("% {} == 0", "divisible by {}")]
    )
    text = f"how many numbers of the list x are {words.format(number)}"
    return "x", text, f"return sum(1 for n in x if n {condition.format(number)})"


def choose(draw: random.Random) -> tuple[str, str, str]:
    """The numbers of a list that are large or small, changed."""
    number, factor = draw.randint(1, 20), draw.randint(2, 9)
    sign, words = draw.choice([(">", "greater than"), ("<", "less than")])
    text = f"a list of the numbers of the list x that are {words} {number}, each times {factor}"
    return "x", text, f"return [n * {factor} for n in x if n {sign} {number}]"


def part(draw: random.Random) -> tuple[str, str, str]:
    """The beginning or the end of a list."""
    number = draw.randint(1, 6)
    code, words = draw.choice([(f"x[:{number}]", "first"), (f"x[-{number}:]", "last")])
    return "x", f"the {words} {number} items of the list x", f"return {code}"


MAKERS: list[Maker] = [add, count, choose, part]
LIST = [3, 18, 7, -2, 25, 12, 40, 9, 0, 31]


def row(draw: random.Random) -> dict[str, Any]:
    """A request, its solution, and assertions that the solution was used to write."""
    maker = draw.choice(MAKERS)
    argument, text, body = maker(draw)
    name = f"{draw.choice(VERBS)}_{draw.choice('abcdefghkmnprstuvw')}"
    solution = f"def {name}({argument}):\n    {body}\n"
    inputs: list[Any] = [3, -8, 21] if maker is add else [LIST, LIST[::-1], [], [5]]
    space: dict[str, Any] = {}
    exec(solution, space)  # noqa: S102 - written above
    checks = [f"assert {name}({value!r}) == {space[name](value)!r}" for value in inputs]
    request = f"Write a Python function {name}({argument}) that returns {text}."
    return {"request": request, "solution": solution, "test_list": checks, "entry_point": name}


def main(target: Path) -> None:
    """Write the functions; what they do is in each row another."""
    draw = random.Random(7)
    rows: dict[str, dict[str, Any]] = {}
    while len(rows) < COUNT:
        made = row(draw)
        rows.setdefault(made["request"], made)
    target.write_text("".join(json.dumps(made) + "\n" for made in rows.values()), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
