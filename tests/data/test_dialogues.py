from __future__ import annotations

import pytest

from tunelift.core.errors import UserError
from tunelift.core.records import Source
from tunelift.data.dialogues import turn_rows
from tunelift.data.formats import Row

TURNS = [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Bye"), ("assistant", "See you")]
MESSAGES = [{"role": role, "content": content} for role, content in TURNS]


def test_every_answer_can_be_asked_for() -> None:
    rows = turn_rows([Row({"messages": MESSAGES, "id": 3}, Source("f", 1))], "messages", "all")
    assert [(row.fields["reply"], row.fields["turn"], len(row.fields["messages"])) for row in rows] == [
        ("Hello", 1, 2),
        ("See you", 2, 4),
    ]
    assert len({row.fields["dialogue"] for row in rows}) == 1
    assert all(row.fields["id"] == 3 for row in rows)


def test_by_default_the_last_is_asked_for() -> None:
    (row,) = turn_rows([Row({"messages": MESSAGES}, Source("f", 1))], "messages", "last")
    assert (row.fields["reply"], row.fields["messages"][-1]) == ("See you", {"role": "user", "content": "Bye"})


def test_other_rows_stay_as_they_are() -> None:
    row = Row({"text": "x"}, Source("f", 1))
    assert turn_rows([row], "messages", "all") == [row]


def test_a_dialogue_without_an_answer_is_refused() -> None:
    with pytest.raises(UserError, match='f:7: "messages" holds no answer of the assistant'):
        turn_rows([Row({"messages": MESSAGES[:2]}, Source("f", 7))], "messages", "last")
