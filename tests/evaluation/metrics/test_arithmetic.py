from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.evaluation.metrics.arithmetic import final_number, number_match, parse_chinese, parse_number
from tunelift.evaluation.metrics.metric import Outcome

GSM8K = Path(__file__).parents[4] / "shared" / "data" / "gsm8k"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42", 42),
        (" -42.\n", -42),
        ("+3", 3),
        ("−7", -7),
        ("1,234.5", 1234.5),
        ("1{,}234", 1234),
        ("12,345,678", 12345678),
        (".5", 0.5),
        ("1.5e-3", 0.0015),
        ("3 × 10^5", 300_000),
        ("2 \\times 10^{-2}", 0.02),
        ("10⁵", 100_000),
        ("1 234 567", 1_234_567),
        ("1\u202f234.5", 1234.5),
        ("minus 3", -3),
        ("negative $2.5", -2.5),
        ("１２３４", 1234),
        ("$1,234", 1234),
        ("-$5", -5),
        ("$-5", -5),
        ("￥3.5", 3.5),
        ("50%", 0.5),
        ("12.5 \\%", 0.125),
        ("百分之五十", 0.5),
        ("百分之12.5", 0.125),
        ("3/4", 0.75),
        ("-3 / 4", -0.75),
        ("1 1/2", 1.5),
        ("1½", 1.5),
        ("\\frac{3}{4}", 0.75),
        ("-1\\dfrac12", -1.5),
        ("四分之三", 0.75),
        ("一又二分之一", 1.5),
        ("2 million", 2_000_000),
        ("1.2万", 12_000),
        ("3亿5000万", 350_000_000),
        ("3百万", 3_000_000),
        ("负三", -3),
        ("#### 42", 42),
        ("\\boxed{42}", 42),
        ("$\\boxed{\\frac{1}{2}}$", 0.5),
        ("**42**", 42),
        ("“42”", 42),
        ("", None),
        ("none", None),
        ("42 apples", None),
        ("1,23", None),
        ("5/0", None),
        ("1e999", None),
        ("1.2.3", None),
        ("5 - 3", None),
        ("H2O", None),
    ],
)
def test_texts_that_are_numbers(text: str, number: float | None) -> None:
    assert parse_number(text) == (None if number is None else pytest.approx(number))


@pytest.mark.parametrize(
    ("numeral", "number"),
    [
        ("零", 0),
        ("十", 10),
        ("十五", 15),
        ("二十", 20),
        ("一百零五", 105),
        ("一百一十五", 115),
        ("两百五", 250),
        ("一千零一", 1001),
        ("一千二百三十四", 1234),
        ("一万二", 12_000),
        ("两万五千", 25_000),
        ("十万零三百", 100_300),
        ("一百二十万", 1_200_000),
        ("一亿零三万", 100_030_000),
        ("一万亿", 10**12),
        ("二〇二四", 2024),
        ("三点一四", 3.14),
        ("一百点五", 100.5),
        ("壹佰贰拾叁", 123),
        ("參萬陸仟", 36_000),
        ("", None),
        ("万", None),
        ("一二百", None),
        ("三点", None),
        ("点五", None),
        ("百货", None),
        ("一" * 5000, None),
        ("万" * 5000, None),
    ],
)
def test_chinese_numerals(numeral: str, number: float | None) -> None:
    assert parse_chinese(numeral) == number


def spoken(number: int) -> str:
    """The numeral of a number below a million million, by the rules of school books."""
    if number >= 10_000:
        size, unit = (10**8, "亿") if number >= 10**8 else (10**4, "万")
        rest = number % size
        gap = "零" if rest and rest < size // 10 else ""
        return spoken(number // size) + unit + gap + (spoken(rest) if rest else "")
    for size, unit in ((1000, "千"), (100, "百"), (10, "十")):
        if number >= size:
            rest = number % size
            gap = "零" if rest and rest < size // 10 else ""
            return "零一二三四五六七八九"[number // size] + unit + gap + (spoken(rest) if rest else "")
    return "零一二三四五六七八九"[number]


@given(st.integers(0, 10**12 - 1))
def test_chinese_numerals_of_all_numbers(number: int) -> None:
    assert parse_chinese(spoken(number)) == number
    assert parse_number(f"负{spoken(number)}") == -number


@given(st.integers(-(10**12), 10**12), st.integers(0, 999))
def test_digits_with_and_without_separators(whole: int, thousandths: int) -> None:
    for text in (f"{whole:,}.{thousandths:03}", f"{whole}.{thousandths:03}"):
        assert parse_number(text) == pytest.approx(float(text.replace(",", "")))
        assert final_number(f"There are 3 of 7 steps.\n#### {text}\nThen 5 more") == parse_number(text)


@given(st.fractions(max_denominator=1000).map(abs))
def test_fractions(fraction: Fraction) -> None:
    over, under = fraction.numerator, fraction.denominator
    for text in (f"{over}/{under}", f"\\frac{{{over}}}{{{under}}}", f"{under}分之{over}"):
        assert parse_number(text) == pytest.approx(float(fraction))


@given(
    st.text(alphabet=st.characters(codec="utf-8") | st.sampled_from("0123456789.,/%-+$#\\{}一二十百千万亿点分之负 "))
)
def test_any_text_has_a_finite_number_or_none(text: str) -> None:
    for number in (parse_number(text), final_number(text)):
        assert number is None or abs(number) < float("inf")
    if (number := parse_number(text)) is not None:
        assert any(final_number(text) == pytest.approx(factor * number) for factor in (1, 100))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The answer is $42 for 3 apples.", 42),
        ("3 + 4 = 7. The answer is 3 + 4 = 7.", 7),
        ("The answer is 3.\nThe answer is 4, since 5 is odd.", 4),
        ("The answer is:\n\n42", 42),
        ("Answer: 1,000,000 people", 1_000_000),
        ("the final answer is **3.50** dollars", 3.5),
        ("5*3=<<5*3=15>>15\n#### 15\n\nQuestion: 4 dogs", 15),
        ("#### 50%", 50),
        ("So \\boxed{\\frac{3}{4}} of 8 is 6", 0.75),
        ("\\boxed{x = 5}", 5),
        ("答案是一共5个苹果", 5),
        ("答案：三十二", 32),
        ("所以答案为1.2万元。还剩3天", 12_000),
        ("小明有3个苹果，又买了2个，一共5个。", 5),
        ("他一共买了二十三个", 23),
        ("走了三千米", 3),
        ("5千克", 5),
        ("[1,2,3]", 3),
        ("It took from 2024-05-06", 6),
        ("at 10:30", 30),
        ("x is 5, y is -7.", -7),
        ("between 3 - 4", 4),
        ("The answer is unknown, maybe", None),
        ("I have 2 ideas. The answer is unknown.", 2),
        ("没有数字", None),
        ("", None),
    ],
)
def test_final_numbers(text: str, number: float | None) -> None:
    assert final_number(text) == number


@pytest.mark.parametrize(
    ("answer", "references", "value"),
    [
        (42.0, (42,), 1.0),
        ("42", ("42.0",), 1.0),
        ("So it is 42 apples.", ("#### 42",), 1.0),
        (1 / 3, ("1/3",), 1.0),
        (0.333, ("1/3",), 0.0),
        ("50%", ("50",), 1.0),
        ("50%", ("0.5",), 1.0),
        (50.0, ("50%",), 1.0),
        ("50", ("0.5",), 0.0),
        ("一千二百", (1200,), 1.0),
        (3, (4, 3), 1.0),
        (True, (1,), 0.0),
        (float("nan"), ("nan",), 0.0),
        (None, (0,), 0.0),
        ("none", (0,), 0.0),
        (0, ("0",), 1.0),
        (1e-12, (0,), 1.0),
    ],
)
def test_number_match(answer: Any, references: tuple[Any, ...], value: float) -> None:
    metric = number_match()
    assert metric.of([Outcome(answer, references)]) == value
    assert (metric.low, metric.high, metric.higher_is_better, metric.is_mean) == (0.0, 1.0, True, True)


def test_tolerances() -> None:
    assert number_match(relative=0.01).of([Outcome(0.333, ("1/3",))]) == 1.0
    assert number_match(absolute=0.5).of([Outcome(3.4, (3,)), Outcome(3.6, (3,))]) == 0.5
    with pytest.raises(ValueError, match="negative"):
        number_match(relative=-1)


def test_all_answers_of_gsm8k() -> None:
    if not GSM8K.is_dir():
        pytest.skip("the data of GSM8K are not here")
    for path in GSM8K.glob("*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            answer = json.loads(line)["answer"]
            number = answer.partition("#### ")[2]
            assert final_number(answer) == parse_number(number) == float(number.replace(",", ""))
            assert number_match().of([Outcome(answer, (number,))]) == 1.0


@pytest.mark.parametrize(
    ("text", "number"),
    [("10 minus 3 is 7", 7), ("10 minus 3", 3), ("12 m²", 12), ("x² = 9", 9), ("it is −10^3", -1000), ("10^400", None)],
)
def test_exponents_and_differences_are_no_answers(text: str, number: float | None) -> None:
    assert final_number(text) == number
