"""The task file: what to ask, what the answer is, and how it is scored.

Keys that EleutherAI's lm-evaluation-harness has keep their names and meaning; `language`, `split`, `group_by`,
`where` and `render` are ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, NonNegativeInt, PositiveInt, PrivateAttr

from tunelift.core.config import FileName, Places, Strict, build, read_yaml
from tunelift.core.errors import UserError

OURS = frozenset({"language", "split", "group_by", "where", "render"})
UNSUPPORTED = {
    "custom_dataset": "data from Python code",
    "process_docs": "Python hooks",
    "process_results": "Python hooks",
    "filter_list": "filters",
    "fewshot_config": "few-shot settings of its own",
    "doc_to_image": "images",
    "doc_to_audio": "audio",
    "use_prompt": "PromptSource prompts",
}


class SplitSizes(Strict):
    """How one pool of rows is divided: seeded, stratified by answer, near duplicates kept on one side.

    Attributes:
        train: Number of training examples.
        validation: Number of validation examples.
        test: Number of test examples.
        seed: The draw. It belongs to the task, so that the test set stays the same when a run's seed changes.
    """

    train: PositiveInt
    validation: PositiveInt
    test: PositiveInt
    seed: int = 7


class Generation(Strict):
    """How answers are generated.

    Attributes:
        until: Texts that end the answer.
        max_gen_toks: Largest number of new tokens.
        do_sample: Must be False: answers are greedy, so that they can be repeated.
        temperature: Must be 0.
    """

    until: list[str] | str = Field(default_factory=list)
    max_gen_toks: PositiveInt = 256
    do_sample: Literal[False] = False
    temperature: Literal[0] = 0


class Task(Strict):
    """One task file.

    Attributes:
        task: Name; files of results bear it.
        dataset_path: A data file, a folder, ``bundled/...``, a hub id, or json/csv/parquet with data_files.
        dataset_name: Configuration of a hub data set.
        dataset_kwargs: Further arguments, among them ``data_files``.
        training_split: Name of the split that is tuned on.
        validation_split: Name of the split that settings are chosen on.
        test_split: Name of the split that is reported.
        fewshot_split: Name of the split that demonstrations come from; the training split unless given.
        description: Text before every prompt: the system turn of a chat prompt.
        doc_to_text: Template of the question.
        doc_to_target: Template, field or index of the answer.
        doc_to_choice: The possible answers: a list, a field that holds one, or a template of one.
        output_type: How the harness would score it.
        target_delimiter: Between question and answer of a plain prompt.
        fewshot_delimiter: Between the demonstrations of a plain prompt.
        num_fewshot: Demonstrations, where neither recipe nor command line says.
        generation_kwargs: How answers are generated.
        repeats: Answers to one item; must be 1, since they are greedy.
        metric_list: Metrics of the harness, with whatever arguments they have.
        should_decontaminate: Whether the harness looks for test items in training data of its own.
        doc_to_decontamination_query: What it looks for.
        metadata: Free; ``version`` is written into the results.
        language: Language of the texts, "en" or "zh".
        split: Sizes, where the data is one pool of rows.
        group_by: Field that names the cluster a row belongs to.
        where: Condition on the fields, as a Jinja expression, that a row must meet.
        render: "chat" renders with the chat template of the model, "plain" as the harness does without one.
    """

    task: FileName
    task_alias: str | None = None
    tag: list[str] | str | None = None
    dataset_path: str
    dataset_name: str | None = None
    dataset_kwargs: dict[str, Any] = Field(default_factory=dict)
    training_split: str | None = None
    validation_split: str | None = None
    test_split: str | None = None
    fewshot_split: str | None = None
    description: str = ""
    doc_to_text: str
    doc_to_target: str | int
    doc_to_choice: list[str] | str | None = None
    output_type: Literal["generate_until", "multiple_choice"] = "generate_until"
    target_delimiter: str = " "
    fewshot_delimiter: str = "\n\n"
    num_fewshot: NonNegativeInt | None = None
    generation_kwargs: Generation = Generation()
    repeats: Literal[1] = 1
    metric_list: list[dict[str, Any]] = Field(default_factory=list)
    should_decontaminate: bool = False
    doc_to_decontamination_query: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    language: Literal["en", "zh"] = "en"
    split: SplitSizes | None = None
    group_by: str | None = None
    where: str | None = None
    render: Literal["chat", "plain"] = "chat"
    _places: Places = PrivateAttr(default_factory=dict)

    def place(self, key: str) -> str:
        """Where a key stands: the task file with its line, if the task was read from one."""
        return self._places.get((key,), f"task {self.task}")


def load_task(path: str | Path) -> Task:
    """Read a task file, following ``include``.

    Args:
        path: The YAML file. A file with only keys of the harness is rendered as the harness does, without a chat
            template.

    Returns:
        The task; data files that stand beside the task file are named relative to the current directory.

    Raises:
        UserError: The file is missing or malformed, has an unknown key, or needs what is not supported.
    """
    path = Path(path)
    data, places = _read_with_includes(path, ())
    for key, what in UNSUPPORTED.items():
        if key in data:
            where = places.get((key,), path)
            hint = "remove it; prepare the data beforehand, and let the recipe choose demonstrations"
            raise UserError(where, f'"{key}" ({what}) is not supported', hint)
    if not OURS & data.keys():
        data["render"] = "plain"
    # In the harness a key without a value is one that is not given.
    task = build(Task, {key: value for key, value in data.items() if value is not None}, path, places)
    task._places = places
    paths = {"dataset_path": _beside(path, task.dataset_path), "dataset_kwargs": dict(task.dataset_kwargs)}
    files = task.dataset_kwargs.get("data_files")
    if isinstance(files, str):
        paths["dataset_kwargs"]["data_files"] = _beside(path, files)
    elif isinstance(files, dict):
        paths["dataset_kwargs"]["data_files"] = {split: _beside(path, file) for split, file in files.items()}
    return task.model_copy(update=paths)


def dump_task(task: Task) -> str:
    """The task with every default, as YAML; data files are named absolutely, so that it can be read from anywhere."""
    data = task.model_dump(exclude_none=True)
    if Path(task.dataset_path).exists():
        data["dataset_path"] = str(Path(task.dataset_path).resolve())
    files = task.dataset_kwargs.get("data_files")
    if files:
        named = {"": files} if isinstance(files, str) else files
        found = {split: str(Path(file).resolve()) if Path(file).exists() else file for split, file in named.items()}
        data["dataset_kwargs"]["data_files"] = found if isinstance(files, dict) else found[""]
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def _beside(task_file: Path, name: Any) -> Any:
    """A file name relative to the task file where such a file exists, as it is otherwise."""
    beside = task_file.parent / name if isinstance(name, str) else None
    return str(beside) if beside and beside.exists() else name


def _read_with_includes(path: Path, seen: tuple[Path, ...]) -> tuple[dict[str, Any], Places]:
    if path.resolve() in seen:
        raise UserError(path, "includes itself", "remove one of the include lines")
    data, places = read_yaml_task(path)
    included = data.pop("include", None)
    if included is None:
        return data, places
    if not isinstance(included, str):
        raise UserError(places["include",], '"include" must be one file name', "write include: base.yaml")
    file = path.parent / included
    if not file.is_file():
        raise UserError(places["include",], f"include: {file}: file not found", "it is relative to this file")
    base, base_places = _read_with_includes(file, (*seen, path.resolve()))
    return {**base, **data}, {**base_places, **places}


def read_yaml_task(path: Path) -> tuple[dict[str, Any], Places]:
    """Read one task file without its includes.

    Raises:
        UserError: It has the tag ``!function``, which would run Python code.
    """
    if path.is_file() and "!function" in path.read_text(encoding="utf-8", errors="replace"):
        raise UserError(path, "runs Python code (!function)", "put the result of the function into the data instead")
    return read_yaml(path)
