"""Questions about small tables and queries that answer them, made by a script: python make_data.py queries.jsonl."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

COUNT = 1200
NUMBER, TEXT = "INTEGER", "TEXT"
# The columns of each table; first the one that names a row, and words for its other texts.
TABLES = {
    "employees": (
        {"name": TEXT, "department": TEXT, "salary": NUMBER, "age": NUMBER},
        ["sales", "research", "support"],
    ),
    "films": ({"title": TEXT, "director": TEXT, "year": NUMBER, "minutes": NUMBER}, ["Varda", "Ozu", "Kiarostami"]),
    "shops": ({"name": TEXT, "city": TEXT, "staff": NUMBER, "revenue": NUMBER}, ["Lyon", "Graz", "Turin"]),
    "plants": ({"species": TEXT, "family": TEXT, "height": NUMBER, "price": NUMBER}, ["mint", "rose", "palm"]),
    "matches": ({"opponent": TEXT, "stadium": TEXT, "goals": NUMBER, "visitors": NUMBER}, ["North Park", "Old Mill"]),
    "books": ({"title": TEXT, "author": TEXT, "pages": NUMBER, "copies": NUMBER}, ["Lem", "Le Guin", "Calvino"]),
    "houses": ({"address": TEXT, "district": TEXT, "rooms": NUMBER, "rent": NUMBER}, ["harbour", "old town", "hills"]),
    "trains": ({"line": TEXT, "destination": TEXT, "seats": NUMBER, "delay": NUMBER}, ["Bergen", "Oslo", "Narvik"]),
}


def query(draw: random.Random) -> tuple[str, str, str]:
    """A table, a question about it, and the query."""
    table = draw.choice(sorted(TABLES))
    columns, words = TABLES[table]
    name, text = (column for column, kind in columns.items() if kind == TEXT)
    number = draw.choice([column for column, kind in columns.items() if kind == NUMBER])
    word, value = draw.choice(words), draw.randint(2, 90)
    sign, side = draw.choice([(">", "above"), ("<", "below")])
    function, size = draw.choice([("MAX", "largest"), ("MIN", "smallest"), ("AVG", "average"), ("SUM", "total")])
    order, first = draw.choice([("ASC", "smallest"), ("DESC", "largest")])
    return draw.choice(
        [
            (
                table,
                f"How many {table} are there with a {number} {side} {value}?",
                f"COUNT(*) FROM {table} WHERE {number} {sign} {value}",
            ),
            (table, f"What is the {size} {number} of the {table}?", f"{function}({number}) FROM {table}"),
            (
                table,
                f"What is the {size} {number} of the {table} whose {text} is {word}?",
                f"{function}({number}) FROM {table} WHERE {text} = '{word}'",
            ),
            (
                table,
                f"List the {name} of all {table} with a {number} {side} {value}.",
                f"{name} FROM {table} WHERE {number} {sign} {value}",
            ),
            (
                table,
                f"List the {name} of all {table} by {number}, the {first} first.",
                f"{name} FROM {table} ORDER BY {number} {order}",
            ),
            (
                table,
                f"List the {name} of all {table} whose {text} is not {word}.",
                f"{name} FROM {table} WHERE {text} != '{word}'",
            ),
        ]
    )


def main(target: Path) -> None:
    """Write the questions, each once."""
    draw = random.Random(7)
    rows: dict[str, dict[str, str]] = {}
    while len(rows) < COUNT:
        table, question, rest = query(draw)
        columns = ", ".join(f"{column} {kind}" for column, kind in TABLES[table][0].items())
        rows.setdefault(
            question,
            {"question": question, "schema": f"CREATE TABLE {table} ({columns});", "sql": f"SELECT {rest}"},
        )
    target.write_text("".join(json.dumps(row) + "\n" for row in rows.values()), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
