r"""Numbers as people and models write them, and answers that must be the right number.

Read are digits with or without thousands separators (``1,234.5``, ``１２３４``), powers of ten (``1.2e-3``, 3 × 10^5,
2 million, 1.2万), fractions (``3/4``, ``1 1/2``, ``\frac{3}{4}``, 四分之三), percentages (``50%``, 百分之五十), and
Chinese numerals (一千二百三十四), with a sign (or "minus") and a currency. The point separates decimals; a comma that
does not stand before three digits separates numbers.
"""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Any, NamedTuple

from tunelift.evaluation.metrics.metric import Metric, Outcome, mean_metric

FORMAL = str.maketrans("〇壹贰貳叁參肆伍陆陸柒捌玖拾佰仟萬億两兩負", "零一二二三三四五六六七八九十百千万亿二二负")
DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")}
UNITS = {"十": 10, "百": 100, "千": 1000}
SCALES = {**UNITS, "万": 10**4, "亿": 10**8, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}

# 千克, 千米 and the like are units of measurement, not thousands.
THOUSAND = "千(?![克米瓦卡帕赫])"
SPOKEN = rf"(?:[{''.join(DIGITS)}十百万亿]|{THOUSAND})+(?:点[{''.join(DIGITS)}]+)?"
WRITTEN = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:e[+-]?\d+)?|\.\d+"
PLAIN = r"\d+(?:\.\d+)?"
SCALE = rf"[十百千]?万亿|[十百千]?[万亿]|百(?!分)|{THOUSAND}|(?:thousand|million|billion|trillion)\b"
NUMBER = re.compile(
    rf"""(?<![a-z_\d.^])  (?P<sign>(?<![\w)])[-+]|负)?  (?:US|HK|CN)?[$€£¥]?  (?P<inner_sign>[-+])?
    (?: (?:(?P<whole>\d+)\s?)? \\[dt]?frac\s*\{{?(?P<top>{PLAIN})\}}?\s*\{{?(?P<bottom>{PLAIN})\}}?
      | (?:(?P<spoken_whole>{SPOKEN})又)? (?P<parts>{SPOKEN}|\d+)分之(?P<share>{SPOKEN}|{WRITTEN})
      | (?:(?P<before>\d+)\s)? (?P<over>{PLAIN})\s?/\s?(?P<under>{PLAIN})(?!\s?[/\d])
      | (?P<written>(?:{WRITTEN})(?:\s?(?:{SCALE})(?:(?:{WRITTEN})(?:{SCALE}))*)?)
      | (?P<spoken>{SPOKEN})
    ) (?P<percent>\s?%)?""",
    re.VERBOSE | re.IGNORECASE,
)
WRITTEN_PART = re.compile(rf"({WRITTEN})\s?({SCALE})?", re.IGNORECASE)
SMALL_NUMERAL = re.compile(
    r"(?:[一-九]?千)?零?(?:[一-九]?百)?零?(?:[一-九]?十)?零?[一-九]?".replace("一-九", "一二三四五六七八九")
)
LONGEST_NUMERAL = 100

# Powers of ten as people write them: 3 × 10^5, 2 \times 10^{3}, 10⁵.
TIMES_POWER = re.compile(r"(?<=\d)\s?(?:[×*x]|\\times|\\cdot)\s?10\s?\^\s?\{?([+-]?\d+)\}?", re.IGNORECASE)
POWER = re.compile(r"(?<![\d.^])10\s?\^\s?\{?([+-]?\d+)\}?")
SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+")
MINUS = re.compile(r"(?<![\d)] )\b(?:minus|negative)\s(?=[$€£¥]?[\d.])", re.IGNORECASE)
SPACED_THOUSANDS = re.compile(r"(?<!\d)\d{1,3}(?:[\u00a0\u2009\u202f]\d{3})+(?!\d)|(?<!\d)\d{1,3}(?: \d{3}){2,}(?!\d)")

BOXED = re.compile(r"\\boxed\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")
MARKER = re.compile(r"####|answer\s+is\b|answer\s*[:=]|答案(?:是|为|[:=])?|答\s*:", re.IGNORECASE)
SENTENCE_END = re.compile(r"\n|[。;!?]|\.(?=\s|$)")
AROUND = " \t\n.。,;:!*_~`'\"“”()[]{}$"


def parse_number(text: str) -> float | None:
    r"""The number that a text is; None if it is none, or more than a number.

    A mark of the final answer before it (``####``, ``\boxed``), and quotes, brackets and full stops around it do not
    count. ``50%`` is 0.5.

    Args:
        text: The text.
    """
    number = _whole_number(_plain(text))
    return None if number is None else number.value / 100 if number.percent else number.value


def final_number(text: str) -> float | None:
    r"""The number that an output gives as its answer; None if it names none.

    That is the first number in the last ``\boxed{}``; else the first one after the last mark of an answer (``####``,
    "The answer is", "Answer:", 答案), in the same sentence if there is one, and behind its last sign of equality; else
    the last number of the text. A percent sign is a unit here like any other: ``50%`` is 50, as data such as GSM8K
    have it. Numbers in digits are preferred to Chinese numerals, which can be parts of words.

    Args:
        text: The output.
    """
    number = _final_number(_plain(text))
    return number.value if number else None


def parse_chinese(numeral: str) -> float | None:
    """The value of a Chinese numeral, such as 一千二百三十四, 两万五 (25,000), 二〇二四 or 三点五; None if it is none.

    Args:
        numeral: The numeral, without sign; formal (壹贰叁) and traditional characters are read, too.
    """
    whole, point, decimals = numeral.translate(FORMAL).partition("点")
    value = _integer(whole) if len(numeral) <= LONGEST_NUMERAL else None
    if value is None or bool(point) != bool(decimals) or not set(decimals) <= DIGITS.keys():
        return None
    return float(f"{value}.{''.join(str(DIGITS[digit]) for digit in decimals) or 0}")


def number_match(*, relative: float = 1e-6, absolute: float = 1e-9) -> Metric:
    """Share of answers that are a right number; 0 to 1, higher is better.

    An answer and its references are numbers or texts; a text stands for the number that it is, see `parse_number`, or
    else for its final one, see `final_number`. One with a percent sign may be meant as 50 or as 0.5, and equals both.

    Args:
        relative: Difference that is allowed, as a share of the larger of the two.
        absolute: Difference that is allowed anyway.

    Raises:
        ValueError: A tolerance is negative.
    """
    if relative < 0 or absolute < 0:
        raise ValueError("a tolerance must not be negative")

    def value(outcome: Outcome) -> float:
        said = _readings(outcome.answer)
        meant = [reading for reference in outcome.references for reading in _readings(reference)]
        return float(any(math.isclose(a, b, rel_tol=relative, abs_tol=absolute) for a in said for b in meant))

    return mean_metric("number_match", value)


class _Number(NamedTuple):
    """A number in a text: the value before its percent sign, whether it has one, whether it is written in digits."""

    value: float
    percent: bool
    in_digits: bool


def _readings(answer: Any) -> list[float]:
    """The numbers that an answer may stand for."""
    if isinstance(answer, str):
        text = _plain(answer)
        number = _whole_number(text) or _final_number(text)
        return [] if number is None else [number.value, *([number.value / 100] if number.percent else [])]
    if isinstance(answer, int | float) and not isinstance(answer, bool) and math.isfinite(answer):
        return [float(answer)]
    return []


def _plain(text: str) -> str:
    """A text with one way to write each sign."""
    text = re.sub("([¼½¾⅐-⅞])", r" \1", text).replace("{,}", ",")
    text = SUPERSCRIPT.sub(lambda match: "^" + unicodedata.normalize("NFKC", match[0]), text)
    text = SPACED_THOUSANDS.sub(lambda match: re.sub(r"\s", "", match[0]), text)
    text = unicodedata.normalize("NFKC", re.sub(r"\\[,;:! ]", "", text)).translate(FORMAL)
    text = text.replace("⁄", "/").replace("−", "-").replace("\\$", "$").replace("\\%", "%")
    text = POWER.sub(r"1e\1", TIMES_POWER.sub(r"e\1", text))
    return MINUS.sub("-", text)


def _whole_number(text: str) -> _Number | None:
    """The number that a text is."""
    boxed = BOXED.search(text)
    text = boxed[1] if boxed else text.strip().removeprefix("####")
    for candidate in (text.strip(), text.strip(AROUND)):
        match = NUMBER.fullmatch(candidate)
        if match and (number := _number(match)):
            return number
    return None


def _final_number(text: str) -> _Number | None:
    """The number that an output gives as its answer."""
    boxed = BOXED.findall(text)
    for piece in [*boxed[-1:], *_after_marker(text)]:
        if numbers := _numbers(piece):
            return numbers[0]
    numbers = _numbers(text)
    return numbers[-1] if numbers else None


def _after_marker(text: str) -> list[str]:
    """Where the answer may stand after the last mark of one: what is searched first comes first."""
    markers = list(MARKER.finditer(text))
    if not markers:
        return []
    rest = text[markers[-1].end() :].lstrip(" :\n*")
    sentence = SENTENCE_END.split(rest, maxsplit=1)[0]
    return [sentence.rpartition("=")[2], sentence, rest]


def _numbers(text: str) -> list[_Number]:
    """The numbers in a text; Chinese numerals only if there is none in digits."""
    found = [number for match in NUMBER.finditer(text) if (number := _number(match))]
    return [number for number in found if number.in_digits] or found


def _number(match: re.Match[str]) -> _Number | None:
    """What a match of NUMBER says; None where it has no value that is finite."""
    percent = bool(match["percent"])
    if match["parts"] in ("百", "100"):
        value, percent = _amount(match["share"]), True
    elif match["parts"]:
        value = _fraction(match["spoken_whole"], match["share"], match["parts"])
    elif match["top"]:
        value = _fraction(match["whole"], match["top"], match["bottom"])
    elif match["over"]:
        value = _fraction(match["before"], match["over"], match["under"])
    else:
        value = _amount(match["written"] or match["spoken"])
    if value is None or not math.isfinite(value):
        return None
    negative = (match["sign"] in ("-", "负")) != (match["inner_sign"] == "-")
    return _Number(-value if negative else value, percent, bool(re.search(r"\d", match[0])))


def _fraction(whole: str | None, numerator: str, denominator: str) -> float | None:
    over, under, more = _amount(numerator), _amount(denominator), _amount(whole or "0")
    return None if over is None or not under or more is None else more + over / under


def _amount(text: str) -> float | None:
    """The value of digits with scales, such as 1.2万 or 3亿5000万, or of a Chinese numeral."""
    if not re.search(r"\d", text):
        return parse_chinese(text)
    parts = WRITTEN_PART.findall(text)
    return math.fsum(float(digits.replace(",", "")) * _scale(scale) for digits, scale in parts)


def _scale(scale: str) -> float:
    if scale.lower() in SCALES:
        return float(SCALES[scale.lower()])
    return float(math.prod(SCALES[unit] for unit in scale))


def _integer(numeral: str) -> int | None:
    """The value of a whole Chinese numeral in common characters."""
    if numeral and set(numeral) <= DIGITS.keys():
        return int("".join(str(DIGITS[digit]) for digit in numeral))
    for unit in "亿万":
        before, found, after = numeral.rpartition(unit)
        if found:
            many, rest = _integer(before), _integer(after) if after else 0
            if many is None or rest is None:
                return None
            # 一万二 is short for 一万二千: a digit right behind a unit counts the next smaller unit.
            short = len(after) == 1 and after in DIGITS
            return many * SCALES[unit] + rest * (SCALES[unit] // 10 if short else 1)
    return _small_integer(numeral) if numeral and SMALL_NUMERAL.fullmatch(numeral) else None


def _small_integer(numeral: str) -> int:
    """The value of a numeral below 万, which has units."""
    total, digit = 0, None
    for character in numeral:
        if character in DIGITS:
            digit = DIGITS[character]
        else:
            total += (1 if digit is None else digit) * UNITS[character]
            digit = None
    short = UNITS[numeral[-2]] // 10 if len(numeral) > 1 and numeral[-2] in "百千" else 1
    return total + (digit or 0) * short
