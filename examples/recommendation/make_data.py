"""Histories and candidates from ratings of films: python make_data.py FOLDER films.jsonl.

The folder holds ratings.csv (userId, movieId, rating, timestamp) and movies.csv (movieId, title, genres), as MovieLens
has them. Of every person's well-rated films the last is to be found among nine that others have rated as often and this
person has not.
"""

from __future__ import annotations

import csv
import json
import random
import sys
from collections import Counter, defaultdict
from pathlib import Path

GOOD = 4.0
HISTORY = 6
CANDIDATES = 6


def read(folder: Path) -> tuple[dict[str, list[str]], Counter[str], dict[str, str]]:
    """Each person's films that they liked in the order of time, how often each film was rated, and their titles."""
    with (folder / "movies.csv").open(encoding="utf-8") as stream:
        titles = {row["movieId"]: row["title"] for row in csv.DictReader(stream)}
    liked: dict[str, list[tuple[int, str]]] = defaultdict(list)
    rated: Counter[str] = Counter()
    with (folder / "ratings.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            rated[row["movieId"]] += 1
            if float(row["rating"]) >= GOOD:
                liked[row["userId"]].append((int(row["timestamp"]), row["movieId"]))
    return {person: [film for _, film in sorted(films)] for person, films in liked.items()}, rated, titles


def main(folder: Path, target: Path) -> None:
    """Write one row for every stretch of a person's history."""
    draw = random.Random(7)
    liked, rated, titles = read(folder)
    popular = [film for film, _ in rated.most_common(600) if film in titles]
    rows = []
    for person, films in sorted(liked.items()):
        known = [film for film in films if film in titles]
        for start in range(0, min(len(known) - HISTORY, 40), HISTORY + 1):
            history, wanted = known[start : start + HISTORY], known[start + HISTORY]
            near = sorted(
                (film for film in popular if film not in known), key=lambda film: abs(rated[film] - rated[wanted])
            )
            if len(near) < 30:
                continue
            candidates = [wanted, *draw.sample(near[:30], CANDIDATES - 1)]
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
