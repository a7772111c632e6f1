from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.core.errors import UserError
from tunelift.prompts.chat import (
    control_tokens_in,
    default_chat_template,
    encode_chat,
    encode_texts,
    render_chat,
    stop_token_id,
    turn_borders,
)

STOP, BEGIN = 2, 1  # <|im_end|> and <|im_start|> of SmolLM2
WORDS = st.text(st.sampled_from("ab 1.\n二?🙂"), max_size=20)
HOSTILE = st.lists(st.sampled_from(["<|im_end|>", "<|im_start|>", "<|endoftext|>", "system\n", "a", " ", "\n"])).map(
    "".join
)
CONVERSATIONS = st.builds(
    lambda system, turns, last: [
        *([{"role": "system", "content": system}] if system else []),
        *(
            message
            for question, answer in turns
            for message in ({"role": "user", "content": question}, {"role": "assistant", "content": answer})
        ),
        {"role": "user", "content": last},
    ],
    WORDS,
    st.lists(st.tuples(WORDS, WORDS), max_size=2),
    WORDS,
)


def user(content: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": content}]


@given(messages=CONVERSATIONS)
def test_a_conversation_is_encoded_as_the_tokenizer_does(tokenizer: Any, messages: list[dict[str, str]]) -> None:
    expected = tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    assert encode_chat(tokenizer, messages) == expected
    assert tokenizer.decode(expected) == render_chat(tokenizer, messages)


@given(text=HOSTILE)
def test_control_tokens_typed_in_a_text_stay_text(tokenizer: Any, text: str) -> None:
    ids, harmless = encode_chat(tokenizer, user(text)), encode_chat(tokenizer, user("harmless"))
    special = set(tokenizer.added_tokens_decoder)
    assert [token for token in ids if token in special] == [token for token in harmless if token in special]
    assert text in tokenizer.decode(ids)
    assert not special & set(encode_texts(tokenizer, [text])[0])
    assert tokenizer.decode(encode_texts(tokenizer, [text])[0]) == text


def test_control_tokens_in_any_turn_stay_text(tokenizer: Any) -> None:
    hostile, harmless = (
        [
            {"role": "system", "content": text},
            *user(text),
            {"role": "assistant", "content": text},
            *user(text),
        ]
        for text in ("a<|im_end|>b<|im_start|>", "ab")
    )
    assert encode_chat(tokenizer, hostile).count(STOP) == encode_chat(tokenizer, harmless).count(STOP) == 4
    assert encode_chat(tokenizer, hostile).count(BEGIN) == 5


def test_nothing_is_added_to_plain_data(tokenizer: Any, plain_tokenizer: Any) -> None:
    assert encode_texts(tokenizer, [" positive"])[0] == [2731]
    assert encode_texts(tokenizer, ["positive"])[0] == [16185]
    assert encode_texts(plain_tokenizer, [""])[0] == []
    assert plain_tokenizer("")["input_ids"] == [plain_tokenizer.bos_token_id]


def test_the_stop_token_is_what_the_template_puts_behind_an_answer(tokenizer: Any) -> None:
    assert stop_token_id(tokenizer) == STOP


def test_the_default_template_uses_chatml_where_the_vocabulary_has_its_marks(tokenizer: Any) -> None:
    bare = copy.deepcopy(tokenizer)
    bare.chat_template = default_chat_template(bare, ())
    assert bare.chat_template != tokenizer.chat_template
    assert stop_token_id(bare) == STOP
    messages = [{"role": "system", "content": "Be short."}, *user("Hi")]
    # Its BOS is <|im_start|>, which begins the first turn; it must not stand twice.
    text = "<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert render_chat(bare, messages) == text
    assert tokenizer.decode(encode_chat(bare, messages)) == text
    bare.bos_token = "<|endoftext|>"
    assert render_chat(bare, messages) == f"<|endoftext|>{text}"
    assert encode_chat(bare, messages).count(bare.bos_token_id) == 1


def test_marks_that_the_model_does_not_know_are_not_used(tokenizer: Any) -> None:
    bare = copy.deepcopy(tokenizer)
    bare.chat_template = default_chat_template(bare, (STOP,))
    assert stop_token_id(bare) == bare.eos_token_id
    assert "Assistant:\n" in render_chat(bare, user("Hi"))


def test_the_default_template_of_gemma(gemma_tokenizer: Any) -> None:
    messages = [
        {"role": "system", "content": "Be short."},
        *user("Hi"),
        {"role": "assistant", "content": "Ho"},
        *user("<end_of_turn>再见"),
    ]
    expected = (
        "<bos><start_of_turn>user\nBe short.\n\nHi<end_of_turn>\n<start_of_turn>model\nHo<end_of_turn>\n"
        "<start_of_turn>user\n<end_of_turn>再见<end_of_turn>\n<start_of_turn>model\n"
    )
    ids = encode_chat(gemma_tokenizer, messages)
    assert render_chat(gemma_tokenizer, messages) == expected
    assert gemma_tokenizer.decode(ids) == expected
    assert ids.count(gemma_tokenizer.bos_token_id) == 1
    assert ids[0] == gemma_tokenizer.bos_token_id
    assert stop_token_id(gemma_tokenizer) == 106
    assert ids.count(106) == 3


def test_the_default_template_without_marks_uses_words(plain_tokenizer: Any) -> None:
    chat = copy.deepcopy(plain_tokenizer)
    chat.chat_template = default_chat_template(chat, ())
    messages = [
        {"role": "system", "content": "Be short."},
        *user("Hi</s>"),
        {"role": "assistant", "content": "Ho"},
        *user("Hm"),
    ]
    ids = encode_chat(chat, messages)
    assert (
        render_chat(chat, messages)
        == "<s>Be short.\n\nUser:\nHi</s>\n\nAssistant:\nHo</s>\n\nUser:\nHm\n\nAssistant:\n"
    )
    assert chat.decode(ids) == render_chat(chat, messages)
    assert (ids[0], ids.count(chat.bos_token_id), ids.count(chat.eos_token_id)) == (chat.bos_token_id, 1, 1)
    assert stop_token_id(chat) == chat.eos_token_id


def test_where_words_mark_the_turns_another_one_ends_an_answer(tokenizer: Any, plain_tokenizer: Any) -> None:
    chat = copy.deepcopy(plain_tokenizer)
    assert turn_borders(chat) == ()
    chat.chat_template = default_chat_template(chat, ())
    assert turn_borders(chat) == ("\nUser:", "\nAssistant:")
    # Marked by a control token, or by nothing that would be a line of its own.
    assert turn_borders(tokenizer) == ()
    chat.chat_template = "{% for message in messages %}{{ message.content }}</s>{% endfor %}"
    assert turn_borders(chat) == ()


@pytest.mark.parametrize(
    ("user_mark", "assistant_mark", "expected"),
    [
        ("User: ", "Assistant: ", ("\nUser:", "\nAssistant:")),
        ("### Instruction:\n", "### Response:\n", ("\n### Instruction:", "\n### Response:")),
        ("问：", "答：", ("\n问：", "\n答：")),
        # A line of an answer may begin with "Users"; one that says nothing else is none of an answer.
        ("User\n", "Assistant \n", ("\nUser\n", "\nAssistant \n")),
        ("User ", "Assistant ", ()),
        ("> ", "- ", ()),
    ],
)
@pytest.mark.parametrize("end", ["</s>\n\n", " </s>\n", "\n\n"])
def test_no_line_of_an_answer_is_taken_for_the_border_of_turns(
    plain_tokenizer: Any, user_mark: str, assistant_mark: str, expected: tuple[str, ...], end: str
) -> None:
    chat = copy.deepcopy(plain_tokenizer)
    chat.chat_template = (
        f"{{% for message in messages %}}{{% if message.role == 'user' %}}{user_mark}{{{{ message.content }}}}\n\n"
        f"{{% else %}}{assistant_mark}{{{{ message.content }}}}{end}{{% endif %}}{{% endfor %}}"
    )
    assert turn_borders(chat) == expected


def test_a_template_for_one_question_alone_has_no_borders(plain_tokenizer: Any) -> None:
    chat = copy.deepcopy(plain_tokenizer)
    refusal = "{% if messages | length > 2 %}{{ raise_exception('one question alone') }}{% endif %}"
    chat.chat_template = refusal + default_chat_template(chat, ())
    assert turn_borders(chat) == ()
    assert stop_token_id(chat) == chat.eos_token_id


@pytest.mark.parametrize("end", ["\n\n", "  ", "\n\n</s>", " </s>", ""])
def test_white_space_does_not_end_an_answer(plain_tokenizer: Any, end: str) -> None:
    chat = copy.deepcopy(plain_tokenizer)
    chat.add_tokens(["\n", "\n\n", "  "])  # as in the vocabularies of Gemma and of GPT-NeoX
    chat.chat_template = f"{{% for message in messages %}}{{{{ message.content + {end!r} }}}}{{% endfor %}}"
    assert stop_token_id(chat) == chat.eos_token_id
    chat.eos_token = None
    if "</s>" not in end:
        with pytest.raises(UserError, match="has no token that could end an answer"):
            stop_token_id(chat)


def test_a_template_that_changes_answers_says_nothing_about_their_end(plain_tokenizer: Any) -> None:
    chat = copy.deepcopy(plain_tokenizer)
    chat.chat_template = "{{ bos_token }}{% for message in messages %}{{ message.content | upper }}\n{% endfor %}"
    assert stop_token_id(chat) == chat.eos_token_id
    assert turn_borders(chat) == ()


def test_an_empty_system_turn_is_none(tokenizer: Any, plain_tokenizer: Any, gemma_tokenizer: Any) -> None:
    bare = copy.deepcopy(tokenizer)
    bare.chat_template = default_chat_template(bare, ())
    plain = copy.deepcopy(plain_tokenizer)
    plain.chat_template = default_chat_template(plain, ())
    for chat in (bare, plain, gemma_tokenizer):
        without = [*user("Hi"), {"role": "assistant", "content": ""}, *user("")]
        assert render_chat(chat, [{"role": "system", "content": ""}, *without]) == render_chat(chat, without)


def test_a_model_without_any_end_token_is_refused(plain_tokenizer: Any) -> None:
    endless = copy.deepcopy(plain_tokenizer)
    endless.eos_token = None
    endless.chat_template = default_chat_template(endless, ())
    with pytest.raises(UserError, match="has no token that could end an answer - give the tokenizer an eos_token"):
        stop_token_id(endless)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ raise_exception('System role not supported') }}", "the chat template fails: System role not supported"),
        ("{{ messages[0].content.no.such }}", "the chat template fails: "),
        ("{% for message in messages %}", "the chat template fails: "),
    ],
)
def test_a_template_that_refuses_is_named(tokenizer: Any, template: str, message: str) -> None:
    broken = copy.deepcopy(tokenizer)
    broken.chat_template = template
    uses: list[Callable[[], object]] = [
        lambda: encode_chat(broken, user("Hi")),
        lambda: render_chat(broken, user("Hi")),
        lambda: stop_token_id(broken),
    ]
    for use in uses:
        with pytest.raises(UserError, match=message) as caught:
            use()
        assert caught.value.where == tokenizer.name_or_path


def test_control_tokens_in_a_text_are_found(tokenizer: Any) -> None:
    assert control_tokens_in(tokenizer, "a <|im_end|> b <|im_start|>") == ["<|im_start|>", "<|im_end|>"]
    assert control_tokens_in(tokenizer, "a < |im_end|> b") == []
