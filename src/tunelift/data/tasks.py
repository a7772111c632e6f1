"""The task file: what to ask, what the answer is, and how it is scored.

Keys that EleutherAI's lm-evaluation-harness has keep their names and meaning; those in `OURS` are ours. A task of
a ready type (``type: entities``) begins with the keys of that type, which stand in ``types/``; its own override them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, JsonValue, NonNegativeInt, PrivateAttr, field_validator

from tunelift.core.config import FileName, Places, Strict, build, read_yaml
from tunelift.core.errors import UserError, nearest
from tunelift.core.recipe import HeadKind
from tunelift.data.task_parts import AnswerKind, AnswerRules, Generation, SplitSizes

OURS = frozenset(
    {
        "language",
        "split",
        "group_by",
        "where",
        "render",
        "type",
        "labels",
        "fields",
        "format",
        "answer",
        "turns",
        "head",
        "templates",
    }
)
TYPES = Path(__file__).with_name("types")
LANGUAGES = ("en", "zh")
MOST_INCLUDES = 50
ROLLING = "loglikelihood_rolling"
PREPARE = "remove it, and prepare the data beforehand"
# Keys of the harness that would change what is measured: what each is for, and what to do instead.
UNSUPPORTED = {
    "custom_dataset": ("data from Python code", PREPARE),
    "process_docs": ("Python hooks", PREPARE),
    "process_results": ("Python hooks", PREPARE),
    "class": ("a task in Python code", "write the task with templates"),
    "filter_list": ("filters", "remove it; answer: {pattern: ...} says which part of an answer is read"),
    "fewshot_config": ("few-shot settings of its own", "remove it, and let the recipe choose demonstrations"),
    "group": ("a group of tasks", "name the files of its tasks"),
    "doc_to_image": ("images", PREPARE),
    "doc_to_audio": ("audio", PREPARE),
    "use_prompt": ("PromptSource prompts", "write the prompt as doc_to_text and doc_to_target"),
}


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
        output_type: How the harness would score it. "loglikelihood_rolling" asks nothing: the target is a text whose
            probability is measured.
        target_delimiter: Between question and answer of a plain prompt.
        fewshot_delimiter: Between the demonstrations of a plain prompt.
        num_fewshot: Demonstrations, where neither recipe nor command line says.
        generation_kwargs: How answers are generated.
        repeats: Answers to one item; must be 1, since they are greedy.
        metric_list: Metrics with their arguments, the headline first; by default those of the kind of answer.
        should_decontaminate: Whether the harness looks for test items in training data of its own.
        doc_to_decontamination_query: What it looks for.
        metadata: Free; ``version`` is written into the results.
        language: Language of the texts, "en" or "zh".
        split: Sizes, where the data is one pool of rows.
        group_by: Field that names the cluster a row belongs to.
        where: Condition on the fields, as a Jinja expression, that a row must meet.
        render: "chat" renders with the chat template of the model, "plain" as the harness does without one.
        type: A ready type of task, whose keys stand in front of the file's own.
        labels: The classes or kinds that answers name: a list, or a mapping from the name in the data to the wording
            in prompts and answers. Templates have the wordings as ``labels`` and the mapping as ``wording``.
        fields: Further fields of every row: name to a Jinja expression over its fields, for example a field's name.
        format: Layout of the data's columns ("alpaca", "messages", "conll", ...), where it is not to be recognised.
        answer: How an answer is read out of what a model says.
        turns: Which answers of a dialogue are asked for: the last alone, or all.
        head: What kind of head the task is for, where its kind of answer does not say it.
        templates: The same question in other words, to see how much the wording matters; nothing is tuned on them.
    """

    task: FileName
    task_alias: str | None = None
    tag: list[str] | str | None = None
    dataset_path: str = Field(min_length=1)
    dataset_name: str | None = None
    dataset_kwargs: dict[str, JsonValue] = Field(default_factory=dict)
    training_split: str | None = None
    validation_split: str | None = None
    test_split: str | None = None
    fewshot_split: str | None = None
    description: str = ""
    doc_to_text: str
    doc_to_target: str | int
    doc_to_choice: list[str] | str | None = None
    output_type: Literal["generate_until", "multiple_choice", "loglikelihood_rolling"] = "generate_until"
    target_delimiter: str = " "
    fewshot_delimiter: str = "\n\n"
    num_fewshot: NonNegativeInt | None = None
    generation_kwargs: Generation = Generation()
    repeats: Literal[1] = 1
    metric_list: list[dict[str, JsonValue]] = Field(default_factory=list)
    should_decontaminate: bool = False
    doc_to_decontamination_query: str | None = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    language: Literal["en", "zh"] = "en"
    split: SplitSizes | None = None
    group_by: str | None = None
    where: str | None = None
    render: Literal["chat", "plain"] = "chat"
    type: str | None = None
    labels: list[str] | dict[str, str] = Field(default_factory=list)
    fields: dict[str, str] = Field(default_factory=dict)
    format: str | None = None
    answer: AnswerRules = AnswerRules()
    turns: Literal["last", "all"] = "last"
    head: HeadKind | None = None
    templates: list[str] = Field(default_factory=list)
    _places: Places = PrivateAttr(default_factory=dict)

    @field_validator("labels", mode="before")
    @classmethod
    def _names_are_texts(cls, labels: Any) -> Any:
        """``{1: positive, 0: negative}``: what the data has as numbers are names all the same."""
        if not isinstance(labels, dict):
            return labels
        return {
            str(name) if isinstance(name, int) and not isinstance(name, bool) else name: wording
            for name, wording in labels.items()
        }

    @field_validator("labels")
    @classmethod
    def _wordings_differ(cls, labels: list[str] | dict[str, str]) -> list[str] | dict[str, str]:
        counts = Counter(labels.values() if isinstance(labels, dict) else labels)
        if repeated := [wording for wording, count in counts.items() if count > 1]:
            hint = "answers could not be told apart; an expression under fields makes one label of several"
            raise ValueError(f'say "{repeated[0]}" twice - {hint}')
        return labels

    @property
    def wording(self) -> dict[str, str]:
        """The wording of each label in prompts and answers, by its name in the data."""
        return self.labels if isinstance(self.labels, dict) else {label: label for label in self.labels}

    @property
    def answer_kind(self) -> AnswerKind:
        """The form of an answer."""
        return self.answer.kind or ("choice" if self.doc_to_choice is not None else "text")

    def context(self, fields: dict[str, Any]) -> dict[str, Any]:
        """What templates may use: the fields of a row, and the labels.

        The labels of the task hide fields of the row that are called so: those could be the answer. Where the task
        has none, it is the fields that count.
        """
        labels = {"labels": list(self.wording.values()), "wording": self.wording}
        return {**fields, **labels} if self.labels else {**labels, **fields}

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
    data, places = _with_type(data, places, path)
    for key, (what, hint) in UNSUPPORTED.items():
        if key in data:
            raise UserError(places.get((key,), path), f'"{key}" ({what}) is not supported', hint)
    if not OURS & data.keys():
        data["render"] = "plain"
    # In the harness a key without a value is one that is not given.
    task = build(Task, {key: value for key, value in data.items() if value is not None}, path, places)
    if task.doc_to_choice == "labels" and task.labels:
        task = task.model_copy(update={"doc_to_choice": list(task.wording.values())})
    task._places = places
    _need_choices(task)
    _check_synonyms(task)
    if task.answer.range and task.answer_kind != "number":
        raise UserError(task.place("answer"), "answer.range is for answers of the kind number", "remove it")
    return task.model_copy(update=_with_files(task, lambda name: _beside(path, name)))


def _need_choices(task: Task) -> None:
    """Refuse a task that asks for a choice and offers none."""
    for key, value in (("output_type", task.output_type), ("answer", task.answer.kind)):
        if task.doc_to_choice is None and value in ("multiple_choice", "choice", "ranking"):
            raise UserError(task.place(key), f"{value} needs choices, and there are none", "give doc_to_choice")


def _check_synonyms(task: Task) -> None:
    """Refuse further wordings of an answer that does not exist, where the file says which answers there are."""
    known = {
        "choice": task.doc_to_choice,
        "labels": list(task.wording.values()),
        "entities": list(task.wording),
        "triples": list(task.wording),
    }
    for answer in task.answer.synonyms:
        where = task._places.get(("answer", "synonyms", answer), task.place("answer"))
        if task.answer_kind not in known:
            what = f"answer.synonyms: an answer of the kind {task.answer_kind} has none"
            raise UserError(where, what, "remove them; answer: {pattern: ...} says which part of an answer is read")
        answers = known[task.answer_kind]
        if isinstance(answers, list) and answers and answer not in answers:
            raise UserError(where, f'answer.synonyms: "{answer}" is none of the answers', nearest(answer, answers))


def dump_task(task: Task) -> str:
    """The task with every default, as YAML; data files are named absolutely, so that it can be read from anywhere."""
    data = task.model_dump(exclude_none=True) | _with_files(task, _absolute)
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def _with_files(task: Task, place: Callable[[str], str]) -> dict[str, Any]:
    """The keys of a task that name data files, with another name for each file."""

    def placed(value: Any) -> Any:
        if isinstance(value, dict):
            return {split: placed(files) for split, files in value.items()}
        if isinstance(value, list):
            return list(map(placed, value))
        return place(value) if isinstance(value, str) else value

    arguments = dict(task.dataset_kwargs)
    if "data_files" in arguments:
        arguments["data_files"] = placed(arguments["data_files"])
    return {"dataset_path": place(task.dataset_path), "dataset_kwargs": arguments}


def _split_part(name: str) -> tuple[str, str]:
    """The name of a file, and the part of it that is meant, with its sign: ``("a.xlsx", "#Sheet")``."""
    file, sign, part = name.partition("#")
    return (file, sign + part) if not Path(name).exists() else (name, "")


def _absolute(name: str) -> str:
    file, part = _split_part(name)
    return str(Path(file).resolve()) + part if Path(file).exists() else name


def task_types() -> list[str]:
    """The names of the ready types of tasks."""
    return sorted(file.stem for file in TYPES.glob("*.yaml"))


def _with_type(data: dict[str, Any], places: Places, path: Path) -> tuple[dict[str, Any], Places]:
    """The keys of the task's type, in its language, under its own, at the place where the type is named.

    Mappings such as ``answer`` are joined: to give synonyms does not change the kind of answer.
    """
    name = data.get("type")
    if name is None:
        return data, places
    if name not in task_types():
        raise UserError(
            places.get(("type",), path), f'there is no task type "{name}"', nearest(str(name), task_types())
        )
    base, _ = read_yaml(TYPES / f"{name}.yaml")
    language = data.get("language", "en")
    chosen = {key: _in_language(value, language) for key, value in base.items()}
    both = [key for key, value in chosen.items() if isinstance(value, dict) and isinstance(data.get(key), dict)]
    joined = {key: {**chosen[key], **data[key]} for key in both}
    return {**chosen, **data, **joined}, {**{(key,): places["type",] for key in base}, **places}


def _in_language(value: Any, language: str) -> Any:
    """The part of a value in one language, where it is given by language."""
    by_language = isinstance(value, dict) and set(value) == set(LANGUAGES)
    return value.get(language, value["en"]) if by_language else value


def _beside(task_file: Path, name: str) -> str:
    """A file name relative to the task file where such a file exists, as it is otherwise."""
    for file, part in ((name, ""), _split_part(name)):
        beside = task_file.parent / file
        if file and beside.exists():
            return str(beside) + part
    return name


def _read_with_includes(path: Path, seen: tuple[Path, ...]) -> tuple[dict[str, Any], Places]:
    if path.resolve() in seen:
        raise UserError(path, "includes itself", "remove one of the include lines")
    if len(seen) > MOST_INCLUDES:
        raise UserError(path, f"is included through more than {MOST_INCLUDES} files", "put them into one")
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
