"""The recipes under `examples/`, and where their data are: in a package, made by a script, or a file that is given."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from common.workloads import REPOSITORY
from tunelift.core.recipe import load_recipe
from tunelift.data.tasks import load_task

EXAMPLES = REPOSITORY / "examples"
# What a script that makes data reads, and what a recipe is given directly, in a folder of public data sets.
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


def recipes() -> list[Path]:
    """Every recipe, by name."""
    return sorted(path for path in EXAMPLES.glob("*/*.yaml") if "task" not in path.stem)


def name_of(recipe: Path) -> str:
    """For example "code/human-eval"."""
    return recipe.relative_to(EXAMPLES).with_suffix("").as_posix()


def missing(recipe: Path, folder: Path) -> list[Path]:
    """What the example needs of the folder of data sets and is not there."""
    return [path for path in _sources(recipe, folder) if not path.exists()]


def data_of(recipe: Path, folder: Path, target: Path) -> str:
    """What the recipe is given as its data.

    Args:
        recipe: The recipe.
        folder: Of public data sets.
        target: File for what the example's script makes.
    """
    own = load_task(load_recipe(recipe).task).dataset_path
    if own.startswith("bundled/"):
        return own
    sources = [str(path) for path in _sources(recipe, folder)]
    if name_of(recipe) in FILES:
        return sources[0]
    target.parent.mkdir(parents=True, exist_ok=True)
    script = recipe.parent / "make_data.py"
    subprocess.run([sys.executable, str(script), *sources, str(target)], check=True, timeout=120)
    return str(target)


def _sources(recipe: Path, folder: Path) -> list[Path]:
    given = FILES.get(name_of(recipe))
    return [folder / source for source in ([given] if given else SOURCES.get(recipe.parent.name, []))]
