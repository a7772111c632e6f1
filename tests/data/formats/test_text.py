from __future__ import annotations

import json

import pytest

from tunelift.core.errors import UserError
from tunelift.data.formats import read_file

CHINESE = [
    "房间很干净，服务员的态度也非常好，下次还会再来。",
    "等了两个小时才送到，饭都凉了，味道也很一般。",
    "这本书的内容非常丰富，我给孩子买了一套，他很喜欢。",
]
TRADITIONAL = [
    "房間很乾淨，服務員的態度也非常好，下次還會再來。",
    "等了兩個小時才送到，飯都涼了，味道也很一般。",
    "這本書的內容非常豐富，我給孩子買了一套，他很喜歡。",
]
GERMAN = [
    "Das Wetter ist schön, aber die Straße vor dem Haus bleibt naß.",
    "Die Gemüsesuppe schmeckte köstlich und kostete nur fünf €.",
    "Übrigens gibt es schon wieder Ärger mit dem „Motor“ – leider.",
]
PLAIN = str.maketrans("€„“–", "E''-")
TURKISH = ["Işık söndü, şimdi her yer karanlık oldu.", "Çok güzel bir gün, teşekkür ederim dostlarım."] * 3


def read(path, texts, encoding, mark=""):
    path.write_bytes(
        (mark + "".join(json.dumps({"t": text}, ensure_ascii=False) + "\n" for text in texts)).encode(encoding)
    )
    rows = read_file(path)
    return [row.fields["t"] for row in rows.rows], rows.findings


@pytest.mark.parametrize(
    ("texts", "encoding", "named"),
    [
        (CHINESE, "gb18030", "gb18030"),
        (CHINESE, "gbk", "gb18030"),
        (TRADITIONAL, "big5", "big5hkscs"),
        (GERMAN, "cp1252", "cp1252"),
        ([text.translate(PLAIN) for text in GERMAN] * 2, "latin-1", "cp1252"),
        (CHINESE, "utf-16", "utf-16"),
        (CHINESE, "utf-32", "utf-32"),
    ],
)
def test_other_encodings_are_recognised_and_told(tmp_path, texts, encoding, named):
    got, [finding] = read(tmp_path / "a.jsonl", texts, encoding)
    assert got == texts
    assert finding.message == f"was read as {named}, not as UTF-8"
    assert finding.rows == (str(tmp_path / "a.jsonl"),)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf8_is_not_worth_a_remark(tmp_path, encoding):
    assert read(tmp_path / "a.jsonl", CHINESE, encoding) == (CHINESE, [])


def test_utf16_is_recognised_by_its_mark_in_either_byte_order(tmp_path):
    for encoding in ("utf-16-le", "utf-16-be"):
        got, _ = read(tmp_path / "a.jsonl", CHINESE, encoding, mark="\ufeff")
        assert got == CHINESE


@pytest.mark.parametrize(
    ("texts", "encoding"),
    [
        (["很好"], "gb18030"),  # too short to tell
        (TURKISH, "cp1254"),  # like Western text, of which it is none
        (["これはとても良い本です。", "今日は天気がいいですね。"] * 3, "euc-jp"),
        (["Привет, как дела сегодня?", "Это очень хорошая книга."] * 5, "koi8-r"),
    ],
)
def test_what_is_not_sure_is_an_error(tmp_path, texts, encoding):
    with pytest.raises(UserError, match=r"a.jsonl:1: is not UTF-8"):
        read(tmp_path / "a.jsonl", texts, encoding)


def test_damaged_utf8_is_taken_for_nothing_else(tmp_path):
    path = tmp_path / "a.csv"
    lines = ["text", *CHINESE * 5]
    content = "\n".join(lines).encode()
    path.write_bytes(content.replace("饭".encode(), "饭".encode()[:2]))
    with pytest.raises(UserError, match=r"a.csv:3: is not UTF-8 .* 4 more lines have the same problem"):
        read_file(path)


def test_commas_and_backslashes_within_characters_end_no_value(tmp_path):
    texts = ["功能許蓋", "一個功能，許多蓋子。"]  # their second bytes in Big5 are signs of ASCII
    path = tmp_path / "a.csv"
    path.write_bytes("\n".join(["text,label", *(f"{text},1" for text in texts + TRADITIONAL)]).encode("big5"))
    assert [row.fields["text"] for row in read_file(path).rows] == texts + TRADITIONAL
