"""Dialogues as rows: one row for each answer that is asked for, with the turns in front of it.

The rows of one dialogue begin with the same turns, which the engine computes once; so asking for every answer costs
little more than asking for the last.
"""

from __future__ import annotations

from typing import Any, Literal

from tunelift.core.errors import UserError
from tunelift.core.files import content_hash
from tunelift.data.formats import Row, place
from tunelift.data.reader import is_conversation

ASSISTANT = "assistant"


def turn_rows(rows: list[Row], field: str, turns: Literal["last", "all"]) -> list[Row]:
    """Rows whose conversation ends where an answer is asked for.

    Args:
        rows: Rows; those whose field holds no conversation stay as they are.
        field: Name of the field with the messages.
        turns: Which answers of the assistant are asked for.

    Returns:
        Rows with the messages up to the answer in the field, the answer as `reply`, its place among the answers of
        the dialogue, from 1, as `turn`, and a name for the dialogue as `dialogue`.

    Raises:
        UserError: A conversation holds no answer of the assistant to a turn in front of it.
    """
    return [new for row in rows for new in _turns_of(row, field, turns)]


def _turns_of(row: Row, field: str, turns: Literal["last", "all"]) -> list[Row]:
    messages: Any = row.fields.get(field)
    if not is_conversation(messages):
        return [row]
    ends = [at for at, turn in enumerate(messages) if at and turn["role"] == ASSISTANT and turn.get("content")]
    if not ends:
        raise UserError(place(row.source), f'"{field}" holds no answer of the assistant', "remove the row")
    name = {"dialogue": content_hash(messages)[:12]}
    return [
        Row(
            {**name, **row.fields, field: messages[:at], "reply": messages[at]["content"], "turn": number},
            row.source,
        )
        for number, at in enumerate(ends, start=1)
        if turns == "all" or at == ends[-1]
    ]
