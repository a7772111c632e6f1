from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunelift.data.layouts.common import UnusableError
from tunelift.data.layouts.conversations import (
    calls,
    check_turns,
    conversation,
    from_messages,
    from_sharegpt,
    to_sharegpt,
    turn_text,
)

SYSTEM = {"role": "system", "content": "Be short."}
USER = {"role": "user", "content": "q"}
ANSWER = {"role": "assistant", "content": "a"}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}],
}
RESULT = {"role": "tool", "content": "2", "tool_call_id": "1"}


def messages(*turns, **fields):
    return from_messages({"messages": list(turns), **fields}, [])["messages"]


def test_messages_stay_what_they_are():
    for turns in (
        [USER, ANSWER],
        [SYSTEM, USER, ANSWER, USER, ANSWER],
        [USER, CALL, RESULT, RESULT, ANSWER],
        [USER, CALL],
    ):
        assert messages(*turns) == turns


def test_roles_parts_and_the_system_column():
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    got = messages({"role": "human", "content": parts}, {**ANSWER, "name": "bot"}, system="Be short.")
    assert got == [SYSTEM, {"role": "user", "content": "one two"}, {**ANSWER, "name": "bot"}]
    assert messages({"role": "developer", "content": "Be short."}, USER, ANSWER, system="x")[0] == SYSTEM
    assert messages({"role": "usr", "content": "q"}, {"role": "sys", "content": "a"}) == [USER, ANSWER]
    assert messages(USER, {**CALL, "content": None})[1] == CALL
    assert messages(USER, CALL, {**RESULT, "content": None}, ANSWER)[2] == {**RESULT, "content": ""}


def test_sharegpt_with_tools():
    fields = {
        "id": 7,
        "conversations": [
            {"from": "human", "value": "q"},
            {"from": "function_call", "value": '{"name": "add", "arguments": {"a": 1}}'},
            {"from": "observation", "value": "2"},
            {"from": "gpt", "value": "a"},
        ],
        "system": "Be short.",
        "tools": '[{"name": "add"}]',
    }
    function = {"name": "add", "arguments": {"a": 1}}
    assert from_sharegpt(fields, []) == {
        **fields,
        "tools": [{"name": "add"}],
        "messages": [
            SYSTEM,
            USER,
            {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]},
            {"role": "tool", "content": "2"},
            ANSWER,
        ],
    }


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([], "there are none"),
        ("q", "no list of objects"),
        ([USER, "a"], "no list of objects"),
        ([USER], "the last answer is missing"),
        ([USER, CALL, RESULT], "the last answer is missing"),
        ([SYSTEM], "the last answer is missing"),
        ([ANSWER], "the assistant speaks first"),
        ([SYSTEM, ANSWER, USER, ANSWER], "the assistant speaks first"),
        ([USER, USER, ANSWER], "do not take turns"),
        ([USER, ANSWER, ANSWER], "do not take turns"),
        ([USER, CALL, RESULT, USER, ANSWER], "do not take turns"),
        ([USER, SYSTEM, ANSWER], "does not stand at the beginning"),
        ([USER, RESULT, ANSWER], "follows no call"),
        ([USER, ANSWER, RESULT], "follows no call"),
        ([{**USER, "content": " \n"}, ANSWER], "a turn is empty"),
        ([USER, {"role": "assistant"}], "a turn is empty"),
        ([USER, {**ANSWER, "content": 3}], "not a text"),
        ([{**USER, "role": "sys"}, ANSWER], '"sys" is not a known role'),
        ([{**USER, "role": None}, ANSWER], '"None" is not a known role'),
        ([{**USER, "content": [{"type": "image_url", "image_url": {}}]}, ANSWER], 'of the kind "image_url"'),
        ([USER, {"from": "function_call", "value": "{"}], "malformed"),
        ([USER, {"from": "function_call", "value": "{}"}], "has no name"),
    ],
)
def test_conversations_that_cannot_be_used(turns, reason):
    with pytest.raises(UnusableError, match=reason):
        conversation({}, turns)


@pytest.mark.parametrize("tools", ["{", "3", {"name": "add"}])
def test_tools_that_cannot_be_used(tools):
    with pytest.raises(UnusableError):
        messages(USER, ANSWER, tools=tools)


def test_no_tools_are_none():
    for tools in (None, "", "[]", []):
        assert from_messages({"messages": [USER, ANSWER], "tools": tools}, [])["tools"] == tools


TEXTS = st.text("aé高\n \"'", min_size=1, max_size=5).filter(str.strip)
ARGUMENTS = st.one_of(TEXTS, st.dictionaries(TEXTS, st.integers()))
FUNCTIONS = st.fixed_dictionaries({"name": TEXTS, "arguments": ARGUMENTS})
CALLS = st.lists(st.fixed_dictionaries({"id": TEXTS, "type": st.just("function"), "function": FUNCTIONS}), min_size=1)
EXTRA = st.dictionaries(st.sampled_from(["name", "weight", "tool_call_id"]), TEXTS)


@st.composite
def conversations(draw):
    """Any conversation that can be used."""
    turns = [{"role": "system", "content": draw(TEXTS)}] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        turns.append({**draw(EXTRA), "role": "user", "content": draw(TEXTS)})
        for _ in range(draw(st.integers(0, 2))):
            turns.append({"role": "assistant", "content": draw(st.text()), "tool_calls": draw(CALLS)})
            turns += [{**draw(EXTRA), "role": "tool", "content": draw(TEXTS)} for _ in range(draw(st.integers(1, 2)))]
        turns.append({**draw(EXTRA), "role": "assistant", "content": draw(TEXTS)})
    tools = draw(st.lists(st.fixed_dictionaries({"name": TEXTS}), min_size=1, max_size=2) | st.none())
    return {"messages": turns, **({"tools": tools} if tools else {})}


@settings(max_examples=50)
@given(conversations())
def test_sharegpt_and_back_is_the_same(fields):
    check_turns(fields["messages"])
    assert from_messages(fields, []) == fields
    row = json.loads(json.dumps(to_sharegpt(fields)))
    back = from_sharegpt(row, [])
    assert {name: back.get(name) for name in ("messages", "tools")} == {"tools": None, **fields}


def test_calls_as_openai_had_them_before_tools():
    call = {"role": "assistant", "content": None, "function_call": {"name": "add", "arguments": '{"a": 1}'}}
    made = from_messages({"messages": [USER, call, {"role": "function", "name": "add", "content": "2"}, ANSWER]}, [])
    assert calls(made["messages"][1]) == [{"name": "add", "arguments": {"a": 1}}]
    assert made["messages"][2] == {"role": "tool", "name": "add", "content": "2"}


def test_calls_in_sharegpt_are_json_once():
    call = {"type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    turns = [USER, {"role": "assistant", "content": "", "tool_calls": [call]}, {"role": "tool", "content": "2"}, ANSWER]
    made = to_sharegpt(from_messages({"messages": turns}, []))["conversations"][1]
    assert json.loads(made["value"]) == [{"name": "add", "arguments": {"a": 1}}]


@pytest.mark.parametrize("listed", ["add", [1], [{"function": "add"}], None])
def test_calls_that_are_none(listed):
    assert turn_text({"role": "assistant", "content": "So.", "tool_calls": listed}) == "So."
