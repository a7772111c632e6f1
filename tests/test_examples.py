"""Every recipe under examples/ reads, and its task fits its data."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tunelift.core.recipe import load_recipe
from tunelift.data.examples import load_examples
from tunelift.data.tasks import load_task
from tunelift.evaluation.metrics.table import make_metrics

EXAMPLES = Path(__file__).parents[1] / "examples"
RECIPES = sorted(path for path in EXAMPLES.glob("*/*.yaml") if "task" not in path.stem)
SHARED = Path(__file__).parents[2] / "shared" / "data"
# What the example's script reads, if it reads anything, and what a recipe is given directly.
SOURCES = {
    "intents": ["clinc150/data_full.json", "clinc150/domains.json"],
    "recommendation": ["movielens_small"],
}
FILES = {
    "arithmetic/school": "gsm8k/train_1000.jsonl",
    "commonsense/recipe": "arc_easy/arc_easy.jsonl",
    "dialogue/recipe": "crosswoz_sample/val_first60.json",
    "entities-en/recipe": "en_ner/wikigold.conll",
    "entities-zh/recipe": "zh_ner/cluener_train.jsonl",
    "extractive-qa/recipe": "xquad_en_zh/xquad_en_300.jsonl",
    "language-modelling/recipe": "wikitext2/test.txt",
    "multi-label/recipe": "en_ner/wikigold.conll",
    "relation-classification/recipe": "semeval2010_task8/train.tsv",
    "relation-extraction/recipe": "duie_zh/duie_train_1500.jsonl",
    "summarisation/recipe": "csl_zh/ts_dev.tsv",
    "text-to-sql/wikisql": "wikisql_sample/wikisql_800.jsonl",
    "translation/recipe": "tatoeba_zh_en/tatoeba_cmn_eng.jsonl",
}


def name_of(path: Path) -> str:
    return path.relative_to(EXAMPLES).with_suffix("").as_posix()


def data_of(recipe: Path, folder: Path, own: str) -> str:
    """Where the data of an example is: bundled, made by its script, or a file that the user gives."""
    script = recipe.parent / "make_data.py"
    given = FILES.get(name_of(recipe))
    if own.startswith("bundled/"):
        return own
    sources = [SHARED / source for source in ([given] if given else SOURCES.get(recipe.parent.name, []))]
    for source in sources:
        if not source.exists():
            pytest.skip(f"{source} is not here")
    if given:
        return str(sources[0])
    target = folder / "made.jsonl"
    subprocess.run([sys.executable, str(script), *map(str, sources), str(target)], check=True, timeout=120)
    return str(target)


@pytest.mark.parametrize("path", RECIPES, ids=name_of)
def test_an_example_reads_and_its_task_fits_its_data(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path)
    task = load_task(recipe.task)
    data = data_of(path, tmp_path, task.dataset_path)
    loaded = load_examples(task.model_copy(update={"dataset_path": data}))
    sizes = {part: len(getattr(loaded.splits, part)) for part in ("train", "validation", "test")}
    assert task.split is not None
    assert sizes == task.split.model_dump(include=set(sizes))
    assert make_metrics(task, recipe.evaluate.allow_execution)
    assert not [finding for finding in loaded.findings if finding.severity == "error"]


def test_a_made_file_is_the_same_every_time(tmp_path: Path) -> None:
    script = EXAMPLES / "code" / "make_data.py"
    for name in ("first", "second"):
        subprocess.run([sys.executable, str(script), str(tmp_path / name)], check=True, timeout=120)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
