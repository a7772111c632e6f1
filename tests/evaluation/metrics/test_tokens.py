from __future__ import annotations

import pytest

from tunelift.core.errors import UserError
from tunelift.evaluation.metrics.metric import Outcome
from tunelift.evaluation.metrics.tokens import answer_text, reference_texts, words_of


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("Don't panic: it's 3.5 km!", "en", ["don", "t", "panic", "it", "s", "3", "5", "km"]),
        ("", "en", []),
        ("我在2024年用iPhone拍照。", "zh", ["我", "在", "2024", "年", "用", "iphone", "拍", "照"]),
        ("价格是3.5元，共1,000件。", "zh", ["价", "格", "是", "3.5", "元", "共", "1,000", "件"]),
        ("ＧＰＴ４，版本２．０", "zh", ["gpt4", "版", "本", "2.0"]),
        ("1，2，3", "zh", ["1", "2", "3"]),
        ("二〇二四年，《红楼梦》", "zh", ["二", "〇", "二", "四", "年", "红", "楼", "梦"]),
        ("𠮷野家", "zh", ["𠮷", "野", "家"]),
        ("……？！", "zh", []),
        ("東京タワー", "ja", ["東", "京", "タ", "ワ", "ー"]),
        ("Über Straßen_bahn, naïve", "de", ["über", "strassen", "bahn", "naïve"]),
        ("हिन्दी भाषा।", "hi", ["हिन्दी", "भाषा"]),
    ],
)
def test_words(text: str, language: str, words: list[str]) -> None:
    assert words_of(text, language) == words


def test_texts_of_an_outcome() -> None:
    assert answer_text(Outcome(None, ("x",))) == ""
    assert answer_text(Outcome({"名": 1}, ("x",))) == '{"名": 1}'
    assert reference_texts(Outcome("x", ("a", ["b"]))) == ("a", '["b"]')
    with pytest.raises(UserError, match="no reference answer"):
        reference_texts(Outcome("x", ()))
