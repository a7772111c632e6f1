"""What a judge says, read leniently; what remains unclear is None and counted."""

from __future__ import annotations

import re
import unicodedata

from tunelift.core.texts import normalise_answer

FIRST, SECOND, TIE = "A", "B", "tie"

TIES = r"tie[ds]?|draw|equal|平局|平手|打平"
NOUN = r"(?:(?:answer|assistant|response|option|回答|答案|选项|助手)\s*)?"
OPENING = r"[\s*_\"'“‘(\[【<]*"
# What stands behind a verdict. Behind an article ("a good answer") stands another word.
CLOSING = r"[*_\"'”’)\]】>]*\s*(?:[.,:;。!(\n-]|\Z|(?:is|wins|because|since)\b|更|胜|比|明显)"
SAID = rf"{NOUN}(a|b|c|{TIES})(?![a-z0-9])"
# "Verdict: A", "**结论**：回答B", of several the last.
MARKED = re.compile(
    r"(?:verdict|decision|judge?ment|winner|answer|判定|判断|结论|选择|答案|更好的回答)"
    rf"[*_\s]*:{OPENING}{SAID}{CLOSING}"
)
BRACKETED = re.compile(rf"\[\[\s*{SAID}\s*\]\]")
# "A", "Answer B.", "A - because ...".
BEGINNING = re.compile(rf"{OPENING}{SAID}[*_\"'”’)\]】>]*\s*(?:[.,:;。!(\n-]|\Z)")
OWN = r"(?:的(?:回答|答案))?\s*"
BETTER = (
    re.compile(
        r"(?<![a-z])(a|b)\s+(?:is|was|seems|looks|does|performs|gives|provides|offers|has)\s+"
        r"(?:(?!(?:not|no|never|neither)\b)[a-z]+\s+){0,3}?(?:better|best|superior|preferable|stronger)\b"
    ),
    re.compile(r"(?<![a-z])(a|b)\s+wins\b"),
    re.compile(rf"\b(?:prefer|choose|pick|select)\s+{NOUN}(a|b)(?![a-z0-9])"),
    re.compile(
        rf"(a|b){OWN}(?:明显|显然|略|稍|要|会|的?质量)*\s*(?:更好|更优|更佳|较好|较优|较佳|胜出|优于|好于|胜过)"
    ),
    re.compile(rf"(?:更喜欢|选择|我选|倾向于?)\s*{NOUN}(a|b)(?![a-z0-9])"),
)
# "A 比 B 更好", "A 不如 B": one of the two is better.
COMPARED = re.compile(rf"(a|b){OWN}(?:明显|显然|略|稍)*\s*比\s*{NOUN}[ab]{OWN}")
INFERIOR = re.compile(rf"[ab]{OWN}(?:明显|显然|略|稍)*\s*不如\s*{NOUN}(a|b)")
EVEN = re.compile(
    r"\b(?:a tie|a draw|equally (?:good|bad|well)|neither|no (?:clear )?winner|both are (?:the same|equal))\b"
    r"|平局|平手|打平|一样好|同样好|一样差|不相上下|难分高下"
)
MEANING = {"a": FIRST, "b": SECOND}


def parse_verdict(output: str) -> str | None:
    """Which answer a judge prefers.

    Args:
        output: What it said: a verdict alone, a marked one ("Verdict: A", "[[B]]"), one with reasons behind it, or a
            sentence that says which is better.

    Returns:
        "A", "B" or "tie"; None where it does not say, or says several things.
    """
    text = unicodedata.normalize("NFKC", output).casefold().strip()
    for pattern in (MARKED, BRACKETED):
        if found := pattern.findall(text):
            return MEANING.get(found[-1], TIE)
    if match := BEGINNING.match(text):
        return MEANING.get(match[1], TIE)
    text = INFERIOR.sub(r"\1更好", COMPARED.sub(r"\1", text))
    said = {MEANING[letter] for pattern in BETTER for letter in pattern.findall(text)}
    if EVEN.search(text) or normalise_answer(output) in ("same", "一样", "相同"):
        # "Neither A nor B is better" names one to deny it.
        return TIE if len(said) < 2 and not (said - _denied(text)) else None
    return said.pop() if len(said) == 1 else None


def _denied(text: str) -> set[str]:
    """The answers that are named in a sentence with "neither"."""
    sentences = re.findall(r"neither[^.\n]*", text)
    return {MEANING[letter] for sentence in sentences for letter in re.findall(r"(?<![a-z])(a|b)(?![a-z])", sentence)}
