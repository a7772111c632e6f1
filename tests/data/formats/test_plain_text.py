from __future__ import annotations

import pytest

from tunelift.core.errors import UserError
from tunelift.data.formats import read_file

BIO = "\nThe\tO\nEuropean\tB-ORG\nUnion\tI-ORG\n\n\nParis\tB-LOC\r\n"


def read(path, content, part="", columns=None):
    path.write_text(content, newline="")
    return read_file(f"{path}{part}", columns)


def fields(rows):
    return [(row.source.row, row.fields) for row in rows.rows]


def test_a_row_a_line_or_a_paragraph(tmp_path):
    text = " = Title =\n\none\r\ntwo\n\n\nthree"
    path = tmp_path / "a.txt"
    lines = [(1, {"text": " = Title ="}), (3, {"text": "one"}), (4, {"text": "two"}), (7, {"text": "three"})]
    assert fields(read(path, text)) == lines
    paragraphs = [(1, {"text": " = Title ="}), (3, {"text": "one\ntwo"}), (7, {"text": "three"})]
    assert fields(read(path, text, "#paragraphs")) == paragraphs
    with pytest.raises(UserError, match='"paragraph" is no part of a text - did you mean "paragraphs"'):
        read(path, text, "#paragraph")


@pytest.mark.parametrize("name", ["a.conll", "a.txt", "a.BIO"])
def test_words_with_tags(tmp_path, name):
    assert fields(read(tmp_path / name, BIO)) == [
        (2, {"tokens": ["The", "European", "Union"], "tags": ["O", "B-ORG", "I-ORG"]}),
        (7, {"tokens": ["Paris"], "tags": ["B-LOC"]}),
    ]


def test_text_that_is_to_be_read_as_lines(tmp_path):
    assert fields(read(tmp_path / "a.txt", "a O\nb O\n", "#lines")) == [(1, {"text": "a O"}), (2, {"text": "b O"})]


def test_columns_of_words(tmp_path):
    content = "-DOCSTART- -X- O O\n\nEU NNP B-NP I-ORG\n\nIt PRP B-NP O\n-DOCSTART- -X- O O\nYes UH O O\n"
    plain = read(tmp_path / "a.conll", content)
    assert [row.fields["tags"] for row in plain.rows] == [["I-ORG"], ["O"], ["O"]]
    assert plain.dropped == {}
    named = read(tmp_path / "a.conll", content, columns=["token", "pos", "tag", "entity"])
    assert [row.fields["tags"] for row in named.rows] == [["B-NP"], ["B-NP"], ["O"]]
    with pytest.raises(UserError, match="called token, or none tag"):
        read(tmp_path / "a.conll", content, columns=["word", "tag"])


def test_documents_are_numbered_where_they_are_marked(tmp_path):
    content = "a O\n\n-DOCSTART- O\n\nb O\n\nc O\n\n-DOCSTART- O\nd O\n"
    rows = read(tmp_path / "a.conll", content).rows
    assert [(row.fields["tokens"], row.fields["document"]) for row in rows] == [
        (["a"], 1), (["b"], 2), (["c"], 2), (["d"], 3),
    ]  # fmt: skip


def test_words_without_tags_and_tags_without_words_are_counted(tmp_path):
    path = tmp_path / "a.conll"
    rows = read(path, "a O\nb\n\n O\nc O\n\n\tO\nd\tO\n")
    assert [row.fields["tokens"] for row in rows.rows] == [["c"], ["d"]]
    assert rows.dropped == {"a word has no tag": 1}
    assert rows.places == {"a word has no tag": (f"{path}:2",)}
    [finding] = rows.findings
    assert (finding.message, finding.count, finding.rows) == (
        "lines have a tag but no word", 2, (f"{path}:4", f"{path}:7"),
    )  # fmt: skip


def test_the_original_form_of_semeval(tmp_path):
    first = '1\t"The <e1>cat</e1> sat on the <e2>mat</e2>."\nOther\nComment: no\n\n'
    content = first + '2\t"x <e1>a</e1> <e2>b</e2>"\nR(e1,e2)\n\nx\n'
    path = tmp_path / "a.txt"
    rows = read(path, content)
    assert [row.fields for row in rows.rows] == [
        {
            "id": "1",
            "sentence": "The <e1>cat</e1> sat on the <e2>mat</e2>.",
            "relation": "Other",
            "comment": "Comment: no",
        },
        {"id": "2", "sentence": "x <e1>a</e1> <e2>b</e2>", "relation": "R(e1,e2)"},
    ]
    assert rows.places == {"not a numbered sentence with its relation below": (f"{path}:8",)}


def test_marked_sentences_with_relations_need_no_header(tmp_path):
    sentence = "the <e1>a</e1> of <e2>b</e2>"
    assert fields(read(tmp_path / "a.tsv", f"R\t{sentence}\n")) == [(1, {"relation": "R", "sentence": sentence})]
    assert fields(read(tmp_path / "b.tsv", f"{sentence}\tR\n")) == [(1, {"sentence": sentence, "relation": "R"})]


def test_named_columns_of_a_text_file_are_separated_by_tabs(tmp_path):
    assert fields(read(tmp_path / "a.txt", "sport\tthe game\n", columns=["label", "text"])) == [
        (1, {"label": "sport", "text": "the game"})
    ]


@pytest.mark.parametrize("name", ["a.conll", "a.txt"])
def test_comments_of_tagged_words(tmp_path, name):
    text = "# id 5e domain=en\nEU _ _ B-ORG\n# _ _ O\n\n# id 6\nParis _ _ B-LOC\n"
    assert fields(read(tmp_path / name, text)) == [
        (1, {"tokens": ["EU", "#"], "tags": ["B-ORG", "O"]}),
        (5, {"tokens": ["Paris"], "tags": ["B-LOC"]}),
    ]
