"""Histories and candidates from ratings of films: python make_data.py FOLDER films.jsonl.

The folder holds ratings.csv (userId, movieId, rating, timestamp) and movies.csv (movieId, title, genres), as MovieLens
has them. Of every stretch of a person's well-rated films the last is to be found among films that this person has not
rated well, drawn from all.
"""

from __future__ import annotations

import csv
import json
import random
import sys
from collections import defaultdict
from pathlib import Path

GOOD = 4.0
HISTORY = 6
CANDIDATES = 6
MOST_OF_A_PERSON = 70


def read(folder: Path) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Each person's films that they liked in the order of time, and the titles of all."""
    with (folder / "movies.csv").open(encoding="utf-8") as stream:
        titles = {row["movieId"]: row["title"] for row in csv.DictReader(stream)}
    liked: dict[str, list[tuple[int, str]]] = defaultdict(list)
    with (folder / "ratings.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if float(row["rating"]) >= GOOD:
                liked[row["userId"]].append((int(row["timestamp"]), row["movieId"]))
    return {person: [film for _, film in sorted(films)] for person, films in liked.items()}, titles


def main(folder: Path, target: Path) -> None:
    """Write one row for every stretch of a person's history."""
    draw = random.Random(7)
    liked, titles = read(folder)
    rows = []
    for person, films in sorted(liked.items()):
        known = [film for film in films if film in titles]
        unknown = sorted(titles.keys() - set(known))
        for start in range(0, min(len(known) - HISTORY, MOST_OF_A_PERSON), HISTORY + 1):
            history, wanted = known[start : start + HISTORY], known[start + HISTORY]
            others = draw.sample(unknown, CANDIDATES - 1)
            candidates = [wanted, *others]
            draw.shuffle(candidates)
            rows.append(
                {
                    "person": person,
                    "history": [titles[film] for film in history],
                    "candidates": [titles[film] for film in candidates],
                    "answer": candidates.index(wanted),
                }
            )
    target.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
