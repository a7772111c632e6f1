"""Other wordings of the instruction and of the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunelift.core.records import Example
from tunelift.core.templating import used_fields
from tunelift.data.reader import is_conversation
from tunelift.data.tasks import Task
from tunelift.probes.variation import Variation, read_again

QUESTION = "{question}"

# What is said around a question where a task has no templates of its own: by language, name and frame.
FRAMES = {
    "en": {
        "please": "Please help me with this. {question}",
        "labelled": "Question: {question}\n\nAnswer:",
        "task": "### Task\n{question}\n\n### Answer",
        "expert": "You are an expert. Read carefully and do what is asked.\n\n{question}",
        "short": "{question}\n\nGive only the answer, without an explanation.",
        "spoken": "Hi! I have something for you: {question}\n\nThanks!",
    },
    "zh": {
        "please": "请帮我完成下面的任务。{question}",
        "labelled": "问题：{question}\n\n回答：",
        "task": "### 任务\n{question}\n\n### 答案",
        "expert": "你是一位专家。请仔细阅读，并按要求完成。\n\n{question}",
        "short": "{question}\n\n只给出答案，不要解释。",
        "spoken": "你好！有件事想请你帮忙：{question}\n\n谢谢！",
    },
}


def other_wordings(task: Task, items: Sequence[Example], pool: Sequence[Example], count: int) -> list[Variation]:
    """The task asked in other words: those of its `templates`, then frames around its question.

    Args:
        task: The task.
        items: The items to ask.
        pool: The examples that may be shown as demonstrations.
        count: How many wordings are wanted; there are fewer where the frames run out, and none of conversations.
    """
    if any(is_conversation(item.fields.get(task.doc_to_text)) for item in items):
        return []
    own = {f"template-{number}": (text, "template of the task") for number, text in enumerate(task.templates, start=1)}
    question = _as_template(task, items)
    frames = {name: (frame.replace(QUESTION, question), frame) for name, frame in FRAMES[task.language].items()}
    return [
        Variation(name, description, task.model_copy(update={"doc_to_text": text}), list(items), list(pool))
        for name, (text, description) in list((own | frames).items())[:count]
    ]


def other_labels(task: Task, items: Sequence[Example], pool: Sequence[Example]) -> list[Variation]:
    """The classes called by their first synonyms, where questions and answers take their names from `labels`."""
    synonyms = {wording: others[0] for wording, others in task.answer.synonyms.items() if others}
    renamed = {name: synonyms.get(wording, wording) for name, wording in task.wording.items()}
    in_question = {"labels", "wording"} & used_fields(task.doc_to_text, "doc_to_text")
    in_answer = "wording" in used_fields(str(task.doc_to_target), "doc_to_target")
    named = in_question and in_answer and task.doc_to_choice == list(task.wording.values())
    if not named or renamed == task.wording or len(set(renamed.values())) < len(renamed):
        return []
    answer = task.answer.model_copy(update={"synonyms": {}})
    names = dict(zip(task.wording.values(), renamed.values(), strict=True))
    metrics = [{key: renamed_in(value, names) for key, value in entry.items()} for entry in task.metric_list]
    keys = {"labels": renamed, "doc_to_choice": list(renamed.values()), "answer": answer, "metric_list": metrics}
    changed = task.model_copy(update=keys)
    described = ", ".join(renamed.values())
    return [Variation("synonyms", described, changed, read_again(changed, items), read_again(changed, pool))]


def renamed_in(value: Any, names: Mapping[str, str]) -> Any:
    """A class, or a list with classes, by other names; what is no class stays."""
    if isinstance(value, list | tuple):
        return type(value)(renamed_in(item, names) for item in value)
    return names.get(value, value) if isinstance(value, str) else value


def _as_template(task: Task, items: Sequence[Example]) -> str:
    """The question as a template, also where the task names a field."""
    is_field = any(task.doc_to_text in item.fields for item in items)
    return f"{{{{ {task.doc_to_text} }}}}" if is_field else task.doc_to_text
