"""Instructions and answers: Alpaca, prompt and completion, preferences, Super-NaturalInstructions, PromptSource."""

from __future__ import annotations

from typing import Any

from tunelift.data.layouts.common import Fields, UnusableError, filled_text, has_texts, text_of
from tunelift.data.layouts.conversations import ASSISTANT, SYSTEM, USER, Message, check_turns, conversation

EMPTY_ANSWER = "one of several answers is empty and was left out"
# What FLAN, P3 and xP3 call question and answer.
QUESTIONS = ("inputs_pretokenized", "inputs", "input")
ANSWERS = ("targets_pretokenized", "targets", "target")


def fits_alpaca(fields: Fields) -> bool:
    """``instruction`` and ``output``, often with ``input``, ``system`` and ``history``."""
    return has_texts(fields, "instruction", "output")


def from_alpaca(fields: Fields, remarks: list[str]) -> Fields:
    """An Alpaca row with its conversation: system, history, instruction with input, and output."""
    history = fields.get("history") or []
    if not isinstance(history, list) or not all(_is_pair(pair) for pair in history):
        raise UnusableError('"history" is not a list of questions with answers')
    system = text_of(fields, "system")
    messages: list[Message] = [{"role": SYSTEM, "content": system}] if system.strip() else []
    for question, answer in history:
        messages += single_turn(question, answer)
    messages += single_turn(instruction_with_input(fields), filled_text(fields, "output"))
    check_turns(messages)
    return {**fields, "messages": messages}


def fits_prompt_completion(fields: Fields) -> bool:
    """``prompt`` and ``completion``: texts or messages."""
    pair = (fields.get("prompt"), fields.get("completion"))
    return all(isinstance(value, str) for value in pair) or all(isinstance(value, list) for value in pair)


def from_prompt_completion(fields: Fields, remarks: list[str]) -> Fields:
    """Prompt and completion as they are; if they are messages, those of both as one conversation."""
    prompt, completion = fields.get("prompt"), fields.get("completion")
    if isinstance(prompt, list) and isinstance(completion, list):
        return conversation(fields, prompt + completion)
    filled_text(fields, "prompt")
    filled_text(fields, "completion")
    return fields


def fits_preference(fields: Fields) -> bool:
    """``chosen`` and ``rejected``, with ``prompt`` or ``instruction``."""
    return "chosen" in fields and "rejected" in fields and ("prompt" in fields or "instruction" in fields)


def from_preference(fields: Fields, remarks: list[str]) -> Fields:
    """A question as `prompt`, with an answer that was preferred to another."""
    chosen, rejected = fields.get("chosen"), fields.get("rejected")
    if isinstance(chosen, list) != isinstance(rejected, list):
        raise UnusableError('only one of "chosen" and "rejected" is a conversation')
    if not isinstance(chosen, list):
        filled_text(fields, "chosen")
        filled_text(fields, "rejected")
    if chosen == rejected:
        raise UnusableError('"chosen" and "rejected" are the same')
    if isinstance(fields.get("prompt"), list):
        return fields
    prompt = filled_text(fields, "prompt") if "prompt" in fields else instruction_with_input(fields)
    return {**fields, "prompt": prompt}


def fits_natural_instructions(fields: Fields) -> bool:
    """``Definition`` with ``input`` and ``output``."""
    return "Definition" in fields and "input" in fields and "output" in fields


def from_natural_instructions(fields: Fields, remarks: list[str]) -> Fields:
    """An instance of Super-NaturalInstructions as instruction, input and output, all right answers as `outputs`."""
    definition = fields.get("Definition")
    instruction = definition[0] if isinstance(definition, list) and definition else definition
    listed = fields.get("output")
    listed = listed if isinstance(listed, list) else [listed]
    outputs = [output for output in listed if isinstance(output, str) and output.strip()]
    if not outputs:
        raise UnusableError('"output" is empty')
    if len(outputs) < len(listed):
        remarks.append(EMPTY_ANSWER)
    row = {"instruction": instruction, "input": fields.get("input")}
    return {
        **fields,
        "instruction": filled_text(row, "instruction"),
        "input": text_of(row, "input"),
        "output": outputs[0],
        "outputs": outputs,
    }


def fits_prompt_source(fields: Fields) -> bool:
    """``inputs`` and ``targets``, or ``input`` and ``target``."""
    question, answer = _prompt_source_names(fields)
    return isinstance(fields.get(question), str) and isinstance(fields.get(answer), str)


def from_prompt_source(fields: Fields, remarks: list[str]) -> Fields:
    """A rendered template, as FLAN and xP3 have them, as prompt and completion."""
    question, answer = _prompt_source_names(fields)
    return {**fields, "prompt": filled_text(fields, question), "completion": filled_text(fields, answer)}


def _prompt_source_names(fields: Fields) -> tuple[str, str]:
    question = next((name for name in QUESTIONS if name in fields), QUESTIONS[-1])
    return question, next((name for name in ANSWERS if name in fields), ANSWERS[-1])


def instruction_with_input(fields: Fields) -> str:
    """The question of an Alpaca row: its instruction, and its input on a line of its own."""
    parts = (text_of(fields, "instruction"), text_of(fields, "input"))
    question = "\n".join(part for part in parts if part.strip())
    if not question:
        raise UnusableError('"instruction" is empty')
    return question


def single_turn(question: str, answer: str) -> list[Message]:
    """A question and its answer as messages."""
    return [{"role": USER, "content": question}, {"role": ASSISTANT, "content": answer}]


def alpaca_columns(fields: Fields) -> Fields:
    """The columns of a row that has an instruction and an output already."""
    row = {"instruction": text_of(fields, "instruction"), "input": text_of(fields, "input")}
    row["output"] = text_of(fields, "output")
    return row | {name: fields[name] for name in ("system", "history") if fields.get(name)}


def to_alpaca(fields: Fields) -> Fields:
    """A conversation in the layout of Alpaca: the last question and answer, and what was said before.

    Raises:
        UnusableError: The layout has no place for its tools.
    """
    system, turns = _system_and_turns(fields)
    *before, question, answer = [turn["content"] for turn in turns]
    row: Fields = {"instruction": question, "input": "", "output": answer}
    if system:
        row["system"] = system
    if before:
        row["history"] = [list(pair) for pair in zip(before[::2], before[1::2], strict=True)]
    return row


def to_prompt_completion(fields: Fields) -> Fields:
    """A conversation of one question and one answer as prompt and completion.

    Raises:
        UnusableError: The layout has no place for several turns, a system turn or tools.
    """
    system, turns = _system_and_turns(fields)
    if system:
        raise UnusableError("the layout has no place for a system turn")
    if len(turns) > 2:
        raise UnusableError("the layout has no place for several turns")
    return {"prompt": turns[0]["content"], "completion": turns[1]["content"]}


def _system_and_turns(fields: Fields) -> tuple[str, list[Message]]:
    messages: list[Message] = fields["messages"]
    if fields.get("tools") or any(message.get("tool_calls") for message in messages):
        raise UnusableError("the layout has no place for tools")
    if messages[0]["role"] == SYSTEM:
        return messages[0]["content"], messages[1:]
    return "", messages


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(text, str) for text in value)
