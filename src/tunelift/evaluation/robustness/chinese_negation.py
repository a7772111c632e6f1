"""Negations put into Chinese sentences, and taken out.

"房间很干净" becomes "房间不干净", "这是我的书" becomes "这不是我的书", and the other way round. A clause is changed
only where listed words stand beside each other and begin and end where words do (by jieba); all others stay.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache

from tunelift.evaluation.robustness.edits import Edit
from tunelift.evaluation.robustness.segmentation import chinese_words
from tunelift.evaluation.robustness.word_lists import words_by_kind

TABLE = "negation.zh"
NEGATION = re.compile(r"[不没无未勿莫否甭]|非(?!常)|(?<!特)别(?!墅|人|的|致)")
QUESTION = re.compile(r"[？?][？?！!”’」』）)]*$")
CLAUSE = re.compile(r"[^\s，,。.！!？?；;：:…~～]+")


def chinese_edit(sentence: str) -> Edit | None:
    """The edit that negates the first clause that can be, or takes its only negation out; None where no rule applies.

    Args:
        sentence: One sentence.

    Raises:
        UserError: jieba is not installed.
    """
    if QUESTION.search(sentence):
        return None
    limits = {place for span in chinese_words(sentence) for place in span}
    for clause in CLAUSE.finditer(sentence):
        edit = _edit(clause[0], {place - clause.start() for place in limits})
        if edit:
            return Edit(clause.start() + edit.start, clause.start() + edit.end, edit.text)
    return None


def _edit(clause: str, limits: Collection[int]) -> Edit | None:
    """The edit of a clause.

    Args:
        clause: The clause.
        limits: Where its words begin and end.
    """
    negations = len(NEGATION.findall(clause))
    if negations > 1 or re.search(_any("asking"), clause):
        return None
    for pattern, replacement in _patterns()[negations]:
        for found in pattern.finditer(clause):
            start, end = found.span("replaced")
            # 比较 is no word in 性价比较高; where nothing is replaced, the words before are known.
            if found.end("word") in limits and (start == end or start in limits):
                return Edit(start, end, replacement)
    return None


@cache
def _any(*kinds: str) -> str:
    """Any of the words of these kinds, the longest first."""
    words = [word for kind in kinds for word in words_by_kind(TABLE)[kind]]
    return f"(?:{'|'.join(sorted(words, key=len, reverse=True))})"


@cache
def _patterns() -> tuple[list[tuple[re.Pattern[str], str]], ...]:
    """What is replaced by what, in clauses without a negation and in those with one."""
    adjective, verb, thing, degree = _any("adjective"), _any("verb"), _any("thing"), f"{_any('degree')}+"
    adjectives = rf"(?!(?P<sign>.)(?P=sign)){adjective}{{1,2}}"  # 慢慢 is an adverb
    subject, adverb, sure = _any("subject"), f"{_any('adverb')}*", f"{_any('sure')}*"
    # Behind these another adverb of degree cannot give way to 不.
    bound = ("会", "能", "可以", "应该", "要", "想", "已", "已经", "更", "最", "越", "有", "是", "如此", "多么", "变得")
    free = "".join(f"(?<!{word})" for word in bound)
    scope = "很|非常|特别|那么|这么|一般|因为|说|只|光"  # behind 不是 these are what is denied
    opens, affirmed = rf"(?:^{adverb}|{subject}{adverb})", rf"(?:^{sure}|{subject}{sure})"
    insertions = {
        rf"{free}(?P<replaced>{degree})(?P<word>{adjectives})(?=的?$)": "不",
        rf"{free}(?P<replaced>{degree})(?P<word>{_any('feeling')})": "不",
        rf"{free}(?P<replaced>{degree}有)(?P<word>{thing})": "没有",
        rf"{subject}(?<![你您家])(?P<replaced>)(?P<word>{adjectives})$": "不",
        rf"{subject}{adverb}(?P<replaced>)(?P<word>是)(?=..)(?!因为|由于|说|指|的|否|醉)": "不",
        rf"{opens}(?P<replaced>)(?P<word>{verb})(?=.)(?!更|.*(?:一[些点]|了$))": "不",
        rf"{opens}(?P<replaced>可以)(?P<word>)(?=.)(?!更|说|.*了$)": "不能",
        rf"(?:^|我们?|大家|本人)(?P<replaced>)(?P<word>{_any('ambiguous')})(?=.)(?!.*了)": "不",
        rf"(?<![只所具唯含还又才就享拥各皆必若如于])(?P<replaced>有)(?P<word>{thing})": "没有",
        r"(?P<replaced>)(?P<word>(?:正确|恰当|准确|合理|合法|典型|客观)的(?:一?[项组个]|做法|说法)?是)_*$": "不",
    }
    removals = {
        rf"(?:^|{subject}{sure}|{degree}|得|让人)(?P<replaced>不)(?P<word>{adjective})(?=的?$)": "",
        rf"{affirmed}(?P<replaced>不)(?P<word>{_any('verb', 'feeling')}|可以)(?!.*(?:{_any('never')}|了$))": "",
        rf"{affirmed}(?P<replaced>不是)(?P<word>)(?=..)(?!{scope}|.*{_any('never')})": "是",
        rf"(?<![也都来本毫并再还又才就点])(?P<replaced>没有?)(?P<word>{thing})(?!.*{_any('never')})": "有",
    }
    return tuple([(re.compile(source), text) for source, text in rules.items()] for rules in (insertions, removals))
