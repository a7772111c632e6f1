"""Word problems of one or two steps with their reasoning, made by a script: python make_data.py problems.jsonl."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

PEOPLE = ["Ann", "Ben", "Carla", "David", "Emma", "Farid", "Grace", "Hugo", "Ines", "Jonas"]
THINGS = ["apples", "books", "coins", "pencils", "stamps", "cards", "shells", "marbles", "buttons", "photos"]
COUNT = 2000


def problem(draw: random.Random) -> tuple[str, str]:
    """A question, and its solution with the answer behind ####."""
    name, other = draw.sample(PEOPLE, 2)
    thing = draw.choice(THINGS)
    first, second, third = draw.randint(2, 30), draw.randint(2, 20), draw.randint(2, 9)
    kind = draw.randrange(4)
    if kind == 0:
        question = f"{name} has {first} {thing} and finds {second} more. How many {thing} does {name} have now?"
        return question, f"{first} + {second} = {first + second} #### {first + second}"
    if kind == 1:
        total = first + second
        question = f"{name} has {total} {thing} and gives {second} to {other}. How many {thing} does {name} keep?"
        return question, f"{total} - {second} = {first} #### {first}"
    if kind == 2:
        question = f"{name} has {third} boxes with {second} {thing} in each. How many {thing} are there altogether?"
        return question, f"{third} * {second} = {third * second} #### {third * second}"
    total = first + third
    question = (
        f"{name} has {first} {thing}. {other} gives {name} {third} more, and then {name} doubles the number of "
        f"{thing} in a game. How many {thing} does {name} have at the end?"
    )
    return question, f"{first} + {third} = {total}, {total} * 2 = {2 * total} #### {2 * total}"


def main(target: Path) -> None:
    """Write the problems, each once."""
    draw = random.Random(7)
    problems: dict[str, str] = {}
    while len(problems) < COUNT:
        question, solution = problem(draw)
        problems[question] = solution
    rows = [{"question": question, "solution": solution} for question, solution in problems.items()]
    target.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
