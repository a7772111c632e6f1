"""Every real data set beside the repository is read, and recognised as what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunelift.data.formats import READERS, read_file, split_name
from tunelift.data.layouts import canonical_rows
from tunelift.data.sources import read_path

SETS = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not SETS.is_dir(), reason="the shared data sets are not here")

LAYOUTS = {
    "alpaca_zh_supplement": "alpaca",
    "crosswoz_sample": "messages",
    "dirty_zh_medical": "alpaca",
    "dolly_3k": "alpaca",
    "duie_zh": "triples",
    "en_ner": "conll",
    "llamafactory_demo": "alpaca",
    "oasst_zh": "alpaca",
    "rasbt_instruction/instruction-data-with-preference.json": "preference",
    "rasbt_instruction": "alpaca",
    "semeval2010_task8": "relation",
    "tallrec_movie": "alpaca",
    "zh_ner/cluener_dev.jsonl": "spans",
    "zh_ner/cluener_train.jsonl": "spans",
    "zh_ner": "conll",
}
NO_ROWS = ("clinc150", "flan_templates", "promptsource_templates")
COLUMNS = {"csl_zh": ["task", "abstract", "title"], "flan_cot": ["question", "answer", "reason"]}


def files():
    names = ("SOURCE", "README", "LICENSE")
    found = [path for path in sorted(SETS.glob("*/*")) if split_name(path)[1] in READERS and path.stem not in names]
    return [path for path in found if path.parent.name not in NO_ROWS]


@pytest.mark.parametrize("path", files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_file_is_read_and_recognised(path):
    folder = path.parent.name
    rows = read_file(path, COLUMNS.get(folder))
    read, layout = canonical_rows(rows)
    assert layout == LAYOUTS.get(f"{folder}/{path.name}", LAYOUTS.get(folder))
    assert len(read.rows) + sum(read.dropped.values()) - sum(rows.dropped.values()) == len(rows.rows)
    assert len(read.rows) > 0.99 * len(rows.rows)


def test_the_tasks_of_super_natural_instructions_are_one_pool():
    read, layout = canonical_rows(read_path(SETS / "natural_instructions_v2_train" / "tasks"))
    assert layout == "natural-instructions"
    assert (len(read.rows), read.dropped) == (7128, {'"output" is empty': 1})
    assert len({row.fields["task"] for row in read.rows}) == 60


def test_lists_under_a_key():
    rows = read_file(SETS / "clinc150" / "data_full.json#test", ["query", "intent"]).rows
    assert len(rows) == 4499
    assert set(rows[0].fields) == {"query", "intent"}
