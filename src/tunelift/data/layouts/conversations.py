"""Conversations: OpenAI messages and ShareGPT to one form.

A conversation is a list of messages ``{"role": "system" or "user" or "assistant" or "tool", "content": text}``;
whatever else a message has, such as ``tool_calls``, ``tool_call_id`` or ``name``, stays in it.
"""

from __future__ import annotations

import json
from typing import Any

from tunelift.data.layouts.common import Fields, UnusableError, decoded, text_of

Message = dict[str, Any]

SYSTEM, USER, ASSISTANT, TOOL = "system", "user", "assistant", "tool"
FUNCTION_CALL = "function_call"
ROLES = {
    "system": SYSTEM, "developer": SYSTEM,
    "user": USER, "human": USER, "usr": USER, "prompter": USER,
    "assistant": ASSISTANT, "gpt": ASSISTANT, "chatgpt": ASSISTANT, "bot": ASSISTANT, "model": ASSISTANT,
    "tool": TOOL, "function": TOOL, "observation": TOOL, "tool_response": TOOL, "function_response": TOOL,
    FUNCTION_CALL: ASSISTANT, "tool_call": ASSISTANT,
}  # fmt: skip
CALLS = (FUNCTION_CALL, "tool_call")
# ShareGPT has other names for what a message is made of, and for the roles.
SHAREGPT_ROLES = {SYSTEM: "system", USER: "human", ASSISTANT: "gpt", TOOL: "observation"}
TURN_KEYS = ("role", "from", "content", "value")


def fits_messages(fields: Fields) -> bool:
    """``messages``: a list of turns."""
    return _is_list_of_objects(fields.get("messages"))


def fits_sharegpt(fields: Fields) -> bool:
    """``conversations``: a list of turns."""
    return _is_list_of_objects(fields.get("conversations"))


def from_messages(fields: Fields, remarks: list[str]) -> Fields:
    """OpenAI messages as a conversation."""
    return conversation(fields, fields.get("messages"))


def from_sharegpt(fields: Fields, remarks: list[str]) -> Fields:
    """ShareGPT conversations as a conversation."""
    return conversation(fields, fields.get("conversations"))


def conversation(fields: Fields, turns: Any) -> Fields:
    """A row with the turns of a conversation as `messages`, and with `tools` where it has such.

    Raises:
        UnusableError: The turns are malformed or do not follow each other as those of a conversation.
    """
    if not _is_list_of_objects(turns):
        raise UnusableError("the turns are no list of objects, or there are none")
    names = {str(_role(turn)) for turn in turns}
    roles = ROLES | {"sys": ASSISTANT} if names == {"usr", "sys"} else ROLES  # a dialogue with a system, which answers
    messages = [_message(turn, roles) for turn in turns]
    system = text_of(fields, "system")
    if system.strip() and messages[0]["role"] != SYSTEM:
        messages.insert(0, {"role": SYSTEM, "content": system})
    check_turns(messages)
    tools = decoded(fields.get("tools") or None)
    if tools and not isinstance(tools, list):
        raise UnusableError('"tools" is not a list')
    return {**fields, "messages": messages, **({"tools": tools} if tools else {})}


def check_turns(messages: list[Message]) -> None:
    """See that turns follow each other as those of a conversation that ends with an answer.

    A system turn can stand at the beginning; then user and assistant take turns, the user first. Answers of tools
    stand between a call by the assistant and its next turn.

    Raises:
        UnusableError: They do not.
    """
    turns = messages[1:] if messages and messages[0]["role"] == SYSTEM else messages
    before, called = SYSTEM, False
    for turn in turns:
        role = turn["role"]
        if not turn["content"].strip() and role != TOOL and not turn.get("tool_calls"):
            raise UnusableError("a turn is empty")
        if role == SYSTEM:
            raise UnusableError("a system turn does not stand at the beginning")
        if role == ASSISTANT and before == SYSTEM:
            raise UnusableError("the assistant speaks first")
        if role == TOOL and not (called or before == TOOL):
            raise UnusableError("an answer of a tool follows no call")
        if role != TOOL and (role == USER) == (before in (USER, TOOL)):
            raise UnusableError("user and assistant do not take turns")
        before, called = role, bool(turn.get("tool_calls"))
    if before != ASSISTANT:
        raise UnusableError("the last answer is missing")


def calls(message: Message) -> list[Fields]:
    """The calls of tools in a message as name and arguments; OpenAI writes the latter as JSON inside of a text."""
    listed: Any = message.get("tool_calls")
    functions = [call.get("function", call) for call in (listed if _is_list_of_objects(listed) else [])]
    return [
        {"name": function.get("name"), "arguments": _arguments(function.get("arguments", {}))}
        for function in functions
        if isinstance(function, dict)
    ]


def turn_text(message: Message) -> str:
    """The text of a message, and its calls of tools as JSON."""
    called = calls(message)
    parts = (message.get("content"), json.dumps(called, ensure_ascii=False) if called else None)
    return "\n".join(filter(None, parts))


def to_sharegpt(fields: Fields) -> Fields:
    """A conversation in the layout of ShareGPT; `conversation` makes the same messages of it again."""
    row: Fields = {"conversations": [_sharegpt_turn(message) for message in fields["messages"]]}
    if fields.get("tools"):
        row["tools"] = json.dumps(fields["tools"], ensure_ascii=False)
    return row


def to_messages(fields: Fields) -> Fields:
    """A conversation in the layout of OpenAI."""
    return {"messages": fields["messages"], **({"tools": fields["tools"]} if fields.get("tools") else {})}


def _role(turn: Fields) -> Any:
    return turn.get("role", turn.get("from"))


def _message(turn: Fields, roles: dict[str, str]) -> Message:
    name = _role(turn)
    if not isinstance(name, str) or name not in roles:
        raise UnusableError(f'"{str(name)[:40]}" is not a known role')
    content = turn.get("content", turn.get("value"))
    others = {key: value for key, value in turn.items() if key not in TURN_KEYS}
    if isinstance(others.get(FUNCTION_CALL), dict):  # what OpenAI had before tools
        others["tool_calls"] = _tool_calls(others.pop(FUNCTION_CALL))
    if name in CALLS and not others.get("tool_calls"):
        others["tool_calls"] = _tool_calls(content)
        content = ""
    elif name in CALLS:
        content = turn.get("content")
    return {"role": roles[name], "content": _content(content), **others}


def _content(content: Any) -> str:
    """The text of a turn, which can come in parts."""
    if content is None:
        return ""
    if isinstance(content, list):
        return "".join(_part(part) for part in content)
    if not isinstance(content, str):
        raise UnusableError("the content of a turn is not a text")
    return content


def _part(part: Any) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind != "text" or not isinstance(part.get("text"), str):
        raise UnusableError(f'a turn has a part of the kind "{str(kind)[:40]}", which is not text')
    return str(part["text"])


def _arguments(value: Any) -> Any:
    try:
        inner = decoded(value)
    except UnusableError:
        return value
    return inner if isinstance(inner, dict) else value


def _tool_calls(text: Any) -> list[Fields]:
    """Calls as ShareGPT writes them: a text of JSON with name and arguments, or a list of such."""
    listed = decoded(text)
    listed = listed if isinstance(listed, list) else [listed]
    if not listed or not all(isinstance(call, dict) and isinstance(call.get("name"), str) for call in listed):
        raise UnusableError("a call of a tool has no name")
    return [
        {"type": "function", "function": {"name": call["name"], "arguments": call.get("arguments", {})}}
        for call in listed
    ]


def _sharegpt_turn(message: Message) -> Fields:
    """A turn; what ShareGPT has no name for keeps its own."""
    others = {key: value for key, value in message.items() if key not in TURN_KEYS}
    if not message.get("tool_calls"):
        return {"from": SHAREGPT_ROLES[message["role"]], "value": message["content"], **others}
    value = json.dumps(calls(message), ensure_ascii=False)
    return {"from": FUNCTION_CALL, "value": value, "content": message["content"], **others}


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
