"""Tasks whose keys do not fit each other or the data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from .projects import TASK, WORDS, Malformed, Row, project


def metric(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The key of a task that names one metric."""
    return {"metric_list": [{"metric": name, **arguments}]}


def answers(kind: str) -> dict[str, Any]:
    """Answers that are no choices."""
    return {"answer": {"kind": kind}, "doc_to_choice": None}


# A repetition of repetitions, which takes ages to find that a text of many letters does not end as it should.
ENDLESS = {
    "answer": {"kind": "number", "pattern": r"(\w|\w\w)+$"},
    "doc_to_choice": None,
    "doc_to_target": "{{ text|replace(' ', '') ~ text|replace(' ', '') ~ text|replace(' ', '') ~ '!' }}",
}
MANY = {"train": 99, "validation": 9, "test": 9}
TASKS: list[tuple[str, dict[str, Any], str]] = [
    ("unknown type", {"type": "clasification"}, 'no task type "clasification"'),
    ("type in another folder", {"type": "../types/code"}, "no task type"),
    ("unknown layout", {"format": "conl"}, "layout"),
    ("layout of other data", {"format": "conll"}, "conll"),
    ("layout of conversations", {"format": "messages"}, "messages"),
    ("unknown metric", {"metric_list": [{"metric": "acuracy"}]}, 'no metric "acuracy"'),
    ("no metric", {"metric_list": [{}]}, "no metric"),
    ("metric that is a list", {"metric_list": [{"metric": ["acc"]}]}, "no metric"),
    ("metric twice", {"metric_list": [{"metric": "acc"}, {"metric": "acc"}]}, "stands twice"),
    ("unknown argument", metric("f1", {"avrage": "macro"}), 'no argument "avrage"'),
    ("argument of the task", metric("f1", {"labels": ["a"]}), 'no argument "labels"'),
    ("no average", metric("f1", {"average": "mean"}), "average"),
    ("average of a list", metric("f1", {"average": ["macro"]}), "average"),
    ("class of another task", metric("f1", {"of": "ugly"}), "ugly"),
    ("k of letters", metric("ndcg", {"k": "three"}), "ndcg.*k"),
    ("k of none", metric("ndcg", {"k": 0}), "ndcg.*k"),
    ("bins of none", metric("ece", {"bins": 0}), "ece.*bins"),
    ("bins of a list", metric("ece", {"bins": [3]}), "ece.*bins"),
    ("tolerance of letters", metric("number_match", {"relative": "small"}), "relative"),
    ("missing value of letters", metric("mae", {"missing": "none"}), "missing"),
    ("unknown tokenizer", metric("bleu", {"tokenize": "klingon"}), "klingon"),
    ("unknown scheme", {**metric("entity_f1", {"scheme": "loose"}), **answers("entities")}, "scheme"),
    ("metric of another answer", metric("entity_f1", {}), "entity_f1.*entities, not choice"),
    ("no class out of scope", {"metric_list": [{"metric": "in_scope_acc"}]}, "out_of_scope"),
    ("ignored expression that is none", metric("exact_match", {"regexes_to_ignore": ["("]}), "exact_match.*'\\('"),
    ("ignored expression that is a number", metric("exact_match", {"regexes_to_ignore": [3]}), "regexes"),
    ("execution without leave", {**metric("pass_at_k", {}), **answers("code")}, "allow_execution"),
    ("range of a text", {"answer": {"kind": "text", "range": [0, 1]}, "doc_to_choice": None}, "answer.range"),
    ("range from large to small", {"answer": {"kind": "number", "range": [1, 0]}, "doc_to_choice": None}, "range"),
    ("pattern that is none", {"answer": {"pattern": "("}}, "answer.pattern"),
    ("pattern that repeats too often", {"answer": {"pattern": "a{9999999999999999999999}"}}, "answer.pattern"),
    ("pattern nested too deeply", {"answer": {"pattern": "(" * 5000 + ")" * 5000}}, "answer.pattern"),
    ("pattern with an unknown group", {"answer": {"pattern": "(?P=a)"}}, "answer.pattern"),
    ("kind of another answer", {"answer": {"kind": "number"}, "doc_to_choice": None}, "number"),
    ("answers that are no JSON", {"answer": {"kind": "json"}, "doc_to_choice": None}, "json"),
    ("labels of another task", {"answer": {"kind": "labels"}, "doc_to_choice": None, "labels": ["x", "y"]}, "labels"),
    ("ranking without candidates", {"answer": {"kind": "ranking"}, "doc_to_choice": None}, "ranking"),
    ("answer that is no choice", {"doc_to_choice": ["bad", "ugly"]}, "is not one of the choices"),
    ("choices twice", {"doc_to_choice": ["bad", "good", "good"]}, "twice"),
    ("choices that differ in case", {"doc_to_choice": ["bad", "good", "GOOD"]}, "differ only"),
    ("empty choice", {"doc_to_choice": ["bad", "good", ""]}, "empty"),
    ("no choices", {"doc_to_choice": []}, "choices"),
    ("choices that are not asked for", {"doc_to_choice": None, "output_type": "multiple_choice"}, "choice"),
    ("index beyond the choices", {"doc_to_target": 2}, "not an index"),
    ("index without choices", {"doc_to_target": 0, "doc_to_choice": None}, "no choices"),
    ("labels without a class", {"doc_to_choice": "labels", "labels": ["bad"]}, "not one of the choices"),
    ("no labels", {"doc_to_choice": "labels"}, "doc_to_choice"),
    ("condition that no row meets", {"where": "label == 'ugly'"}, "label == 'ugly'"),
    ("missing group", {"group_by": "author"}, "author"),
    ("missing training split", {"training_split": "trian", "test_split": "test"}, 'no split "trian"'),
    ("missing test split", {"test_split": "tset"}, 'no split "tset"'),
    ("missing data file", {"dataset_path": "data/trian.jsonl"}, "not found"),
    ("data of another kind", {"dataset_path": "task.yaml", "test_split": "train"}, "not a known kind"),
    ("data that is a model", {"dataset_path": "json"}, "data_files"),
    ("unknown bundled data", {"dataset_path": "bundled/tweats", "test_split": "train"}, "tweets"),
    ("data with a null byte", {"dataset_path": "data\0"}, "data"),
    ("data with a long name", {"dataset_path": "a" * 5000}, "a{50}"),
    ("no data", {"dataset_path": ""}, "dataset_path"),
    ("nameless data files", {"dataset_path": "json", "dataset_kwargs": {"data_files": {"train": 3}}}, "data_files"),
    ("unknown argument of the data", {"dataset_kwargs": {"field": "data"}}, "field"),
    ("data on the hub", {"dataset_path": "nobody/nothing"}, "nobody/nothing"),
    ("split of divided data", {"split": {"train": 3, "validation": 3, "test": 3}}, "splits already"),
    ("split of more than there is", {"dataset_path": "data/train.jsonl", "split": MANY}, "need 117"),
    ("Python hook", {"process_docs": "utils.process"}, "process_docs"),
    ("filters", {"filter_list": [{"name": "a"}]}, "filter_list"),
    ("name with a slash", {"task": "../a"}, "task"),
    ("name of dots", {"task": ".."}, "task"),
    ("long name", {"task": "a" * 300}, "task"),
    ("name with a line break", {"task": "a\nb"}, "task"),
    ("date in the metadata", {"metadata": {"version": date(2026, 1, 2)}}, "metadata"),
    ("date in a metric", metric("acc", {"name": date(2026, 1, 2)}), "metric_list"),
    ("pattern without an end", ENDLESS, "task.yaml:13: the pattern .* takes more than"),
    ("no answer key", {"doc_to_target": None}, "doc_to_target"),
    ("sampled answers", {"generation_kwargs": {"do_sample": True}}, "do_sample"),
    ("several answers", {"repeats": 2}, "repeats"),
]  # fmt: skip


def tasks(model: str) -> Iterator[Malformed]:
    for what, keys, named in TASKS:
        yield Malformed(what, project(model, {**TASK, **keys}), named)


# Rows that do not fit the type of a task: the first of them, and all others are sound.

ENTITY = {"type": "PER", "start": 0, "end": 3, "text": "Ann"}
CONSTRAINTS = [{"kind": "words", "at_most": 50}]
TURNS = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
# The type, further keys of the task, and a row; every second row answers otherwise.
TYPES: dict[str, tuple[dict[str, Any], Row, Row]] = {
    "entities": ({"labels": ["PER", "LOC"]}, {"text": "Ann walks", "entities": [ENTITY]}, {"entities": []}),
    "relation-classification": (
        {"labels": ["in", "of"]},
        {"relation": "in", "sentence": "the <e1>cat</e1> in the <e2>box</e2>"},
        {"relation": "of"},
    ),
    "relation-extraction": (
        {"labels": ["in"]},
        {"text": "cat in box", "triples": [["cat", "in", "box"]]},
        {"triples": []},
    ),
    "multi-label": ({"labels": ["a", "b"]}, {"text": "both", "tags": ["a", "b"]}, {"tags": []}),
    "regression": ({}, {"text": "so so", "score": 3.5}, {"score": 4}),
    "multiple-choice": ({}, {"question": "Which?", "choices": ["x", "y"], "answer": 0}, {"answer": 1}),
    "recommendation": ({}, {"history": ["x"], "candidates": ["y", "z"], "answer": 1}, {"answer": 0}),
    "controlled-generation": (
        {},
        {"request": "Write", "constraints": CONSTRAINTS, "response": "Yes"},
        {"response": "No"},
    ),
    "dialogue": ({}, {"messages": TURNS}, {"messages": [TURNS[0], {"role": "assistant", "content": "Bye"}]}),
    "text-to-sql": (
        {},
        {"question": "How many?", "schema": "CREATE TABLE t (a INTEGER)", "sql": "SELECT a FROM t"},
        {"sql": "SELECT count(a) FROM t"},
    ),
    "entities as they are": (
        {"type": "entities", "labels": ["PER", "LOC"], "format": "as-read"},
        {"text": "Ann walks", "entities": [ENTITY]},
        {"entities": []},
    ),
    "conll": (
        {"type": "entities", "labels": ["PER"]},
        {"tokens": ["Ann", "walks"], "tags": ["B-PER", "O"]},
        {"tags": ["O", "O"]},
    ),
}
NO_SPANS = "left out.*spans are not lists"
BAD_ROWS: list[tuple[str, str, Row, str]] = [
    ("entities", "entity outside of the text", {"entities": [{**ENTITY, "end": 99}]}, "outside of its text"),
    ("entities", "entity before the text", {"entities": [{**ENTITY, "start": -4}]}, "outside of its text"),
    ("entities", "entity that ends before it begins", {"entities": [{**ENTITY, "start": 5}]}, "outside of its text"),
    ("entities", "entity of another text", {"entities": [{**ENTITY, "text": "Bob"}]}, "another text"),
    ("entities", "unknown kind of entity", {"entities": [{**ENTITY, "type": "XYZ"}]}, "train.jsonl:1: .*XYZ"),
    ("entities", "entity without a place", {"entities": [{"type": "PER", "text": "Ann"}]}, NO_SPANS),
    ("entities", "entity that is a text", {"entities": ["Ann"]}, NO_SPANS),
    ("entities", "entities that are a number", {"entities": 3}, NO_SPANS),
    ("entities", "entity with places of letters", {"entities": [{**ENTITY, "start": "0"}]}, NO_SPANS),
    ("entities", "text that is a list", {"text": ["Ann"]}, "left out"),
    ("entities as they are", "no place", {"entities": [{"type": "PER", "text": "Ann"}]}, "none of the entities"),
    ("entities as they are", "places of letters", {"entities": [{**ENTITY, "start": "0"}]}, "none of the entities"),
    ("entities as they are", "an entity that is a text", {"entities": ["Ann"]}, r"train\.jsonl:1\b"),
    ("relation-classification", "marks without an end", {"sentence": "the <e1>cat in the <e2>box</e2>"}, "left out"),
    ("relation-classification", "no marks", {"sentence": "the cat in the box"}, "left out"),
    ("relation-classification", "unknown relation", {"relation": "under"}, "train.jsonl:1: .*under"),
    ("relation-extraction", "triple of two", {"triples": [["cat", "in"]]}, r"train\.jsonl:1\b"),
    ("relation-extraction", "triple that is a number", {"triples": [3]}, r"train\.jsonl:1\b"),
    ("relation-extraction", "triples that are a text", {"triples": "cat in box"}, r"train\.jsonl:1\b"),
    ("relation-extraction", "triples that are nothing", {"triples": None}, r"train\.jsonl:1\b"),
    ("relation-extraction", "triple of numbers", {"triples": [[1, None, {}]]}, r"train\.jsonl:1\b"),
    ("multi-label", "unknown label", {"tags": ["a", "c"]}, r"train\.jsonl:1\b"),
    ("multi-label", "labels that are a number", {"tags": 3}, r"train\.jsonl:1\b"),
    ("multi-label", "labels that are nothing", {"tags": None}, r"train\.jsonl:1\b"),
    ("regression", "score of letters", {"score": "good"}, r"train\.jsonl:1\b"),
    ("regression", "score that is nothing", {"score": None}, r"train\.jsonl:1\b"),
    ("regression", "score that is a list", {"score": ["a", "b"]}, r"train\.jsonl:1\b"),
    ("multiple-choice", "index beyond the choices", {"answer": 2}, r"train\.jsonl:1\b"),
    ("multiple-choice", "negative index", {"answer": -1}, r"train\.jsonl:1\b"),
    ("multiple-choice", "choices that are a text", {"choices": "x"}, "only one choice"),
    ("multiple-choice", "no choices", {"choices": []}, r"train\.jsonl:1\b"),
    ("multiple-choice", "choices of nothing", {"choices": [None, "y"]}, r"train\.jsonl:1\b"),
    ("recommendation", "the same choice twice", {"candidates": ["x", "X"]}, "differ only in case"),
    ("recommendation", "candidates by name", {"candidates": {"a": 1}}, r"train\.jsonl:1\b"),
    ("controlled-generation", "unknown kind of constraint", {"constraints": [{"kind": "wrds"}]}, "wrds"),
    ("controlled-generation", "constraint without a kind", {"constraints": [{"at_most": 3}]}, "kind"),
    ("controlled-generation", "unknown argument", {"constraints": [{"kind": "words", "most": 3}]}, "most"),
    ("controlled-generation", "argument of letters", {"constraints": [{"kind": "words", "at_most": "3"}]}, "at_most"),
    ("controlled-generation", "constraint that is a text", {"constraints": ["short"]}, "list of constraints"),
    ("controlled-generation", "no constraints", {"constraints": None}, "list of constraints"),
    ("dialogue", "no turns", {"messages": []}, "left out"),
    ("dialogue", "turns without an answer", {"messages": TURNS[:1]}, "left out"),
    ("dialogue", "unknown role", {"messages": [{"role": "alien", "content": "a"}, TURNS[1]]}, "left out"),
    ("text-to-sql", "query that is nothing", {"sql": ""}, "sql|empty"),
    ("conll", "more tags than words", {"tags": ["B-PER", "O", "O", "O"]}, "as many tags as words"),
    ("conll", "tags of another scheme", {"tags": ["PER", "Q-X", "O"]}, "left out"),
    ("conll", "an inside without a beginning", {"tags": ["O", "I-PER", "O"]}, "break the rules"),
    ("conll", "tags that are numbers", {"tags": [1, 0, 0]}, "not lists of texts"),
]  # fmt: skip


def rows_of_types(model: str) -> Iterator[Malformed]:
    for name, what, bad, named in BAD_ROWS:
        keys, row, other = TYPES[name]
        rows = [_numbered({**row, **(other if at % 2 else {})}, at) for at in range(28)]
        for at in (0, 16):  # one that is tuned on and one that is asked
            rows[at] = {**rows[at], **bad}
        task = {"task": "typed", "type": name, "dataset_path": "data", **keys}
        yield Malformed(f"{name}: {what}", project(model, task, rows), named)


def _numbered(row: Row, number: int) -> Row:
    """A row like another, but with a text of its own."""
    word = f"{WORDS[number % len(WORDS)]} {number}"
    name = next(name for name in NUMBERED if name in row)
    if name == "messages":
        question, *answers = row[name]
        return {**row, name: [{**question, "content": f"Hello {word}"}, *answers]}
    if isinstance(row[name], str):
        return {**row, name: f"{row[name]} {word}"}
    more = {"tags": [*row["tags"], "O"]} if name == "tokens" else {}
    return {**row, name: [*row[name], word.replace(" ", "")], **more}


NUMBERED = ("sentence", "question", "request", "text", "history", "tokens", "messages")
