from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.data.layouts.common import UnusableError
from tunelift.data.layouts.instructions import (
    EMPTY_ANSWER,
    alpaca_columns,
    from_alpaca,
    from_natural_instructions,
    from_preference,
    from_prompt_completion,
    from_prompt_source,
    to_alpaca,
    to_prompt_completion,
)


def turns(*texts):
    return [
        {"role": role, "content": text} for role, text in zip(["user", "assistant"] * len(texts), texts, strict=False)
    ]


def test_alpaca_with_everything():
    fields = {"instruction": "Add.", "input": "1 1", "output": 2, "system": "s", "history": [["q", "a"]]}
    made = from_alpaca(fields, [])
    assert made == {
        **fields,
        "messages": [{"role": "system", "content": "s"}, *turns("q", "a", "Add.\n1 1", "2")],
    }
    assert alpaca_columns(made) == {**fields, "output": "2"}


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_alpaca_without_an_input(empty):
    assert from_alpaca({"instruction": "q", "input": empty, "output": "a"}, [])["messages"] == turns("q", "a")
    assert from_alpaca({"instruction": empty, "input": "q", "output": "a"}, [])["messages"] == turns("q", "a")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"instruction": "q", "output": ""}, '"output" is empty'),
        ({"instruction": "q", "output": None}, '"output" is empty'),
        ({"instruction": "", "input": None, "output": "a"}, '"instruction" is empty'),
        ({"instruction": ["q"], "output": "a"}, '"instruction" is not a text'),
        ({"instruction": "q", "output": True}, '"output" is not a text'),
        ({"instruction": "q", "output": "a", "history": [["q"]]}, '"history" is not a list'),
        ({"instruction": "q", "output": "a", "history": [["q", ""]]}, "a turn is empty"),
    ],
)
def test_alpaca_rows_that_cannot_be_used(fields, reason):
    with pytest.raises(UnusableError, match=reason):
        from_alpaca(fields, [])


def test_prompt_and_completion_are_texts_or_messages():
    fields = {"prompt": "q", "completion": "a"}
    assert from_prompt_completion(fields, []) == fields
    made = from_prompt_completion({"prompt": turns("q"), "completion": [{"role": "assistant", "content": "a"}]}, [])
    assert made["messages"] == turns("q", "a")
    for bad in ({"prompt": "q"}, {"prompt": "q", "completion": " "}, {"prompt": [], "completion": "a"}):
        with pytest.raises(UnusableError):
            from_prompt_completion(bad, [])


def test_preferences_keep_their_fields():
    fields = {"prompt": "q", "chosen": "a", "rejected": "b"}
    assert from_preference(fields, []) == fields
    assert (
        from_preference({"instruction": "Add.", "input": "1", "chosen": "a", "rejected": "b"}, [])["prompt"]
        == "Add.\n1"
    )
    dialogue = {"prompt": "q", "chosen": turns("q", "a"), "rejected": turns("q", "b")}
    assert from_preference(dialogue, []) == dialogue
    for bad in ({"rejected": "a"}, {"rejected": ""}, {"chosen": None}, {"rejected": turns("q", "a")}, {"prompt": ""}):
        with pytest.raises(UnusableError):
            from_preference(fields | bad, [])


def test_natural_instructions_have_all_right_answers():
    fields = {"Definition": ["Say it."], "input": "q", "output": ["a", "b"], "task": "t"}
    made = from_natural_instructions(fields, [])
    assert made == {
        **fields, "instruction": "Say it.", "input": "q", "output": "a", "outputs": ["a", "b"],
    }  # fmt: skip
    remarks: list[str] = []
    assert from_natural_instructions(fields | {"output": ["", "b"]}, remarks)["outputs"] == ["b"]
    assert remarks == [EMPTY_ANSWER]
    for bad in ({"output": []}, {"output": [""]}, {"output": None}, {"Definition": []}, {"Definition": None}):
        with pytest.raises(UnusableError):
            from_natural_instructions(fields | bad, [])


@pytest.mark.parametrize(
    "names", [("inputs", "targets"), ("input", "target"), ("inputs_pretokenized", "targets_pretokenized")]
)
def test_rendered_templates(names):
    fields = {names[0]: "q", names[1]: "a", "language": "en"}
    assert from_prompt_source(fields, []) == {**fields, "prompt": "q", "completion": "a"}
    with pytest.raises(UnusableError):
        from_prompt_source({names[0]: "q"}, [])


TEXTS = st.text(min_size=1).filter(str.strip)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1), st.none() | TEXTS)
def test_a_conversation_as_alpaca_and_back_is_the_same(pairs, system):
    messages = [{"role": "system", "content": system}] if system else []
    messages += turns(*(text for pair in pairs for text in pair))
    assert from_alpaca(to_alpaca({"messages": messages}), [])["messages"] == messages


def test_what_a_layout_has_no_place_for():
    call = {"role": "assistant", "content": "", "tool_calls": [{}]}
    with pytest.raises(UnusableError, match="tools"):
        to_alpaca({"messages": [*turns("q"), call]})
    with pytest.raises(UnusableError, match="several turns"):
        to_prompt_completion({"messages": turns("q", "a", "q", "a")})
    with pytest.raises(UnusableError, match="system turn"):
        to_prompt_completion({"messages": [{"role": "system", "content": "s"}, *turns("q", "a")]})
    assert to_prompt_completion({"messages": turns("q", "a")}) == {"prompt": "q", "completion": "a"}
