from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from tunelift.core.errors import UserError
from tunelift.data.tagging import Scheme, Span, spans_of_tags, tags_of_spans, violations

SCHEMES: tuple[Scheme, ...] = ("BIO", "IOB1", "BMES", "BIOES")
KINDS = ("PER", "LOC", "ORG-X", "地名")


def tags_in(letters: str) -> st.SearchStrategy[list[str]]:
    tag = st.one_of(st.just("O"), st.builds(lambda a, b: f"{a}-{b}", st.sampled_from(letters), st.sampled_from(KINDS)))
    return st.lists(tag, max_size=14)


@st.composite
def spans(draw: st.DrawFn) -> tuple[list[Span], int]:
    found, place = [], 0
    for kind, gap, length in draw(
        st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 2), st.integers(1, 4)), max_size=6)
    ):
        found.append((kind, place + gap, place + gap + length))
        place += gap + length
    return found, place + draw(st.integers(0, 2))


@pytest.mark.parametrize("scheme", SCHEMES)
@given(drawn=spans())
def test_tags_and_back(scheme: Scheme, drawn: tuple[list[Span], int]) -> None:
    tags = tags_of_spans(reversed(drawn[0]), drawn[1], scheme)
    assert len(tags) == drawn[1]
    assert spans_of_tags(tags, scheme) == drawn[0]
    assert violations(tags, scheme) == 0


@given(tags_in("BI"))
def test_any_tags_are_read_as_seqeval_reads_them(tags: list[str]) -> None:
    expected = [(kind, start, end + 1) for kind, start, end in get_entities(tags)]
    assert spans_of_tags(tags) == spans_of_tags(tags, "IOB1") == expected


@given(tags_in("BIES"))
def test_any_tags_with_ends_are_read_as_seqeval_reads_them(tags: list[str]) -> None:
    expected = [(kind, start, end + 1) for kind, start, end in get_entities(tags)]
    assert spans_of_tags(tags, "BIOES") == expected
    assert spans_of_tags([tag.replace("I-", "M-") for tag in tags], "BMES") == expected


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=60)
@given(data=st.data())
def test_tags_without_violations_are_those_of_their_spans(scheme: Scheme, data: st.DataObject) -> None:
    letters = {"BIO": "BI", "IOB1": "BI", "BMES": "BMES", "BIOES": "BIES"}[scheme]
    tags = data.draw(tags_in(letters))
    assert (violations(tags, scheme) == 0) == (tags_of_spans(spans_of_tags(tags, scheme), len(tags), scheme) == tags)


@pytest.mark.parametrize(
    ("tags", "scheme", "expected"),
    [
        ("I-PER I-PER O", "BIO", 1),
        ("I-PER I-PER O", "IOB1", 0),
        ("B-PER I-LOC", "BIO", 1),
        ("B-PER O", "IOB1", 1),
        ("I-PER B-PER", "IOB1", 0),
        ("B-PER O S-PER", "BIOES", 1),
        ("B-PER M-PER", "BMES", 1),
        ("E-PER M-PER S-PER", "BMES", 3),
        ("", "BIO", 0),
    ],
)
def test_violations(tags: str, scheme: Scheme, expected: int) -> None:
    assert violations(tags.split(), scheme) == expected


@pytest.mark.parametrize(
    ("name", "scheme", "count", "expected"),
    [
        ("en_ner/wikigold.conll", "IOB1", 3558, 0),
        ("en_ner/btc_a.conll", "BIO", 521, 0),
        ("zh_ner/resume_train.char.bmes", "BMES", 13440, 4),
    ],
)
def test_real_tags(name: str, scheme: Scheme, count: int, expected: int) -> None:
    file = Path(__file__).parents[3] / "shared" / "data" / name
    if not file.is_file():
        pytest.skip(f"{name} is not here")
    sentences = re.split(r"\n\s*\n", file.read_text(encoding="utf-8").strip())
    tags = [[line.split()[-1] for line in sentence.splitlines()] for sentence in sentences]
    assert sum(len(spans_of_tags(each, scheme)) for each in tags) == count
    assert sum(violations(each, scheme) for each in tags) == expected


def test_bare_letters() -> None:
    assert spans_of_tags(["B", "I", "O", "I"]) == [("", 0, 2), ("", 3, 4)]
    assert tags_of_spans([("", 0, 2)], 3) == ["B", "I", "O"]


@pytest.mark.parametrize("tag", ["PER", "X-PER", "B_PER", "B-", "O-PER", "", "S-PER"])
def test_tags_of_no_scheme_are_refused(tag: str) -> None:
    with pytest.raises(UserError, match="no tag of the scheme BIO"):
        spans_of_tags(["O", tag])


@pytest.mark.parametrize("span", [("PER", 2, 2), ("PER", 1, 4), ("PER", 4, 9), ("PER", -1, 0)])
def test_impossible_spans_are_refused(span: Span) -> None:
    with pytest.raises(UserError, match="span"):
        tags_of_spans([("LOC", 0, 2), span], 6)
