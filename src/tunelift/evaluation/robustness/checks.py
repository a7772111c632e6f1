"""Instructions to the model that stand in a user's own data, as a finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tunelift.core.records import Example, Finding
from tunelift.data.contents import contents_of
from tunelift.data.formats import place
from tunelift.data.layouts.conversations import turn_text
from tunelift.data.reader import is_conversation
from tunelift.data.tasks import Task
from tunelift.evaluation.robustness.detection import scan

SHOWN = 5


def check_injections(task: Task, examples: Sequence[Example]) -> list[Finding]:
    """Look for texts that speak to the model that reads them.

    Args:
        task: The task; the words of its templates are left out.
        examples: Those that are trained on and asked. In a dialogue the system may say what it likes.
    """
    contents = zip(contents_of(task, examples), examples, strict=True)
    found = scan(_said(task, example) or content for content, example in contents)
    kinds = Counter(kind for injections in found.values() for kind in {injection.kind for injection in injections})
    if not found:
        return []
    listed = ", ".join(f"{kind} {count:,}" for kind, count in kinds.most_common())
    message = f"texts hold what reads like an instruction to the model ({listed})"
    remedy = "look at these rows; leave them out unless such texts are what the task is about"
    rows = tuple(place(examples[position].source) for position in list(found)[:SHOWN])
    return [Finding("injection-in-data", "warning", message, len(found), remedy, rows)]


def _said(task: Task, example: Example) -> str:
    """The turns of a dialogue without those of the system; empty for any other question."""
    turns = example.fields.get(task.doc_to_text)
    if not is_conversation(turns):
        return ""
    return "\n\n".join([*(turn_text(turn) for turn in turns if turn["role"] != "system"), example.target])
