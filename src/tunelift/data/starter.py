"""A task file to begin with: what `tunelift task new` writes."""

from __future__ import annotations

from tunelift.core.errors import UserError, nearest
from tunelift.data.tasks import LANGUAGES, TYPES, task_types

LABELS = "{{ labels"

TEXT = """\
# A task of the type {name}. Replace what stands in capital letters.
task: NAME
type: {name}
language: {language}
{about}

# A data file (.jsonl, .json, .csv, .tsv, .parquet, .xlsx, ...), a folder of such, or a hub id.
dataset_path: DATA.jsonl
# How many rows are used for what. Remove it if the data has the splits train, validation and test already.
split: {{train: 600, validation: 150, test: 400}}
{labels}
# Fields that your rows call otherwise, as expressions over them.
# fields: {{{field}: THEIR_NAME}}
# Rows of one document, author or dialogue stay together, and statistics take them as one.
# group_by: FIELD

# What the type says; take away the "#" of a key to say it otherwise.
{defaults}
"""


def starter(name: str, language: str = "en") -> str:
    """A commented task file of a ready type.

    Args:
        name: Name of the type.
        language: Language of the task.

    Raises:
        UserError: There is no such type or language.
    """
    if name not in task_types():
        raise UserError(f'task type "{name}"', "does not exist", nearest(name, task_types()))
    if language not in LANGUAGES:
        raise UserError(f'language "{language}"', "has no templates", nearest(language, LANGUAGES))
    lines = (TYPES / f"{name}.yaml").read_text(encoding="utf-8").rstrip().split("\n")
    about = [line for line in lines if line.startswith("#")]
    keys = _in_language([line for line in lines if not line.startswith("#")], language)
    labels = (
        "# Its classes; or a mapping from names in the data to wordings: {1: positive, 0: negative}.\nlabels: [A, B]\n"
    )
    return TEXT.format(
        name=name,
        language=language,
        about="\n".join(about),
        labels=labels if any(LABELS in line or "wording[" in line for line in keys) else "",
        field=_first_field(about[0]),
        defaults="\n".join(f"# {line}" for line in keys),
    )


def _in_language(lines: list[str], language: str) -> list[str]:
    """Lines of a type's file, of keys given by language those of one language."""
    chosen: list[str] = []
    for line in lines:
        text = line.strip()
        if text.startswith(tuple(f"{code}: " for code in LANGUAGES)) and line.startswith("  "):
            if text.startswith(f"{language}: "):
                chosen[-1] = f"{chosen[-1].rstrip()} {text.removeprefix(f'{language}: ')}"
            continue
        chosen.append(line)
    return chosen


def _first_field(about: str) -> str:
    """The name of the first field that the comment of a type lists."""
    return about.partition("Field")[2].partition(":")[2].strip().split(",")[0].split(" ")[0].rstrip(".;")
