"""Small functions with tests, made by a script: python make_data.py functions.jsonl."""

from __future__ import annotations

import json
import operator
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

COUNT = 1200
VERBS = ["compute", "find", "get", "make", "give", "solve"]


class Made(NamedTuple):
    """What a function returns, in words, in Python, and computed here."""

    words: str
    code: str
    compute: Callable[[Any], Any]


def add(draw: random.Random) -> Made:
    """A number changed by another."""
    number, (sign, word) = draw.randint(2, 40), draw.choice([("+", "plus"), ("-", "minus"), ("*", "times")])
    change = {"+": operator.add, "-": operator.sub, "*": operator.mul}[sign]
    return Made(f"the number x {word} {number}", f"x {sign} {number}", lambda x: change(x, number))


def count(draw: random.Random) -> Made:
    """How many numbers of a list are large, small or divisible."""
    number = draw.randint(1, 30)
    sign, words = draw.choice([("> {}", "greater than"), ("< {}", "less than"), ("% {} == 0", "divisible by")])
    holds = {"> {}": operator.gt, "< {}": operator.lt, "% {} == 0": lambda n, by: n % by == 0}[sign]
    return Made(
        f"how many numbers of the list x are {words} {number}",
        f"sum(1 for n in x if n {sign.format(number)})",
        lambda x: sum(1 for n in x if holds(n, number)),
    )


def choose(draw: random.Random) -> Made:
    """The numbers of a list that are large or small, changed."""
    number, factor = draw.randint(1, 20), draw.randint(2, 9)
    sign, words = draw.choice([(">", "greater than"), ("<", "less than")])
    holds = {">": operator.gt, "<": operator.lt}[sign]
    return Made(
        f"a list of the numbers of the list x that are {words} {number}, each times {factor}",
        f"[n * {factor} for n in x if n {sign} {number}]",
        lambda x: [n * factor for n in x if holds(n, number)],
    )


def part(draw: random.Random) -> Made:
    """The beginning or the end of a list."""
    number = draw.randint(1, 6)
    cut, word = draw.choice([(slice(number), "first"), (slice(-number, None), "last")])
    code = f"x[:{number}]" if word == "first" else f"x[-{number}:]"
    return Made(f"the {word} {number} items of the list x", code, lambda x: x[cut])


MAKERS = [add, count, choose, part]
LIST = [3, 18, 7, -2, 25, 12, 40, 9, 0, 31]


def row(draw: random.Random) -> dict[str, Any]:
    """A request, its solution, and assertions about what it returns."""
    maker = draw.choice(MAKERS)
    made = maker(draw)
    name = f"{draw.choice(VERBS)}_{draw.choice('abcdefghkmnprstuvw')}"
    inputs: list[Any] = [3, -8, 21] if maker is add else [LIST, LIST[::-1], [], [5]]
    return {
        "request": f"Write a Python function {name}(x) that returns {made.words}.",
        "solution": f"def {name}(x):\n    return {made.code}\n",
        "test_list": [f"assert {name}({value!r}) == {made.compute(value)!r}" for value in inputs],
        "entry_point": name,
    }


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
