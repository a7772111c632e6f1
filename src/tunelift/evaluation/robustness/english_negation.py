"""Negations put into English sentences, and taken out.

"The food was good" becomes "The food was not good", "I love it" becomes "I do not love it", and the other way round.
The rules know the beginning of a sentence alone: a pronoun or a few words without a verb, then the verb. Sentences
that begin otherwise stay as they are, and so do those with words that stand behind a negation only, or never.
"""

from __future__ import annotations

import re
from functools import cache

from tunelift.evaluation.robustness.edits import NEGATIONS, Edit
from tunelift.evaluation.robustness.word_lists import words_by_kind

TABLE = "negation.en"
NEGATION = re.compile(rf"{NEGATIONS}|\bain['’]?t\b", re.IGNORECASE)
# The patterns of a sentence that may be negated.
STATEMENTS, QUESTIONS = ("auxiliary", "contracted", "full"), ("which",)
FIRST, THIRD = "I|you|we|they", "he|she|it|this|that|everything|everyone|everybody"
# A comma between digits ends no clause.
CLAUSE = re.compile(r"(?:[^,;:()—–…&|\n]|(?<=\d)[,:](?=\d))*")
# Of "do", "does" and "did" in the table of verbs.
FORMS = ("do", "does", "did")
IRREGULAR = {"ca": "can", "can": "can", "wo": "will"}


def english_edit(sentence: str) -> Edit | None:
    """The edit that negates a sentence, or takes its only negation out; None where no rule applies for certain.

    Args:
        sentence: One sentence.
    """
    asks = sentence.rstrip("\"'”’)").endswith("?")
    negations = len(NEGATION.findall(sentence))
    if negations:
        return _affirmed(sentence) if negations == 1 and not asks else None
    return _negated(sentence, QUESTIONS if asks else STATEMENTS)


def _affirmed(sentence: str) -> Edit | None:
    """The sentence without its negation."""
    found = _patterns()["affirmed"].search(sentence)
    if found is None or _holds("negative", sentence[found.end("whole") :]) or _holds("focus", found["behind"]):
        return None
    verb, behind = (found["irregular"] or found["auxiliary"]).lower(), found["behind"]
    if verb not in FORMS:
        return Edit(*found.span("whole"), _cased(IRREGULAR.get(verb, verb), found["whole"]))
    forms = _forms().get(behind.lower())
    if forms is None or forms[0] != behind.lower():
        return None
    return Edit(found.start("whole"), found.end("behind"), _cased(forms[FORMS.index(verb)], behind))


def _negated(sentence: str, kinds: tuple[str, ...]) -> Edit | None:
    """The sentence with "not" behind its first verb, or "do not" before it."""
    for kind in kinds:
        found = _patterns()[kind].match(sentence)
        if found:
            clause = CLAUSE.match(sentence, found.end())
            return None if clause and _holds("positive", clause[0]) else _with_negation(found, kind)
    return None


def _with_negation(found: re.Match[str], kind: str) -> Edit:
    start, end = found.span("verb")
    verb = found["verb"]
    if verb.lower() == "ll":
        return Edit(start - 1, end, _cased(" will not", found[0].strip()))
    if kind != "full":
        return Edit(end, end, _cased(" not", verb))
    forms = _forms()[verb.lower()]
    return Edit(start, end, _cased(f"{FORMS[forms.index(verb.lower())]} not {forms[0]}", verb))


def _holds(kind: str, text: str) -> bool:
    return re.search(rf"\b(?:{_words(kind)})\b", text, re.IGNORECASE) is not None


def _cased(replacement: str, verb: str) -> str:
    """A replacement in capitals where the verb is, or with one where the verb has one."""
    if verb.isupper() and len(verb) > 1:
        return replacement.upper()
    return replacement.capitalize() if verb[0].isupper() and replacement[0] != " " else replacement


@cache
def _words(*kinds: str) -> str:
    words = [word for kind in kinds for word in words_by_kind(TABLE)[kind]]
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


@cache
def _forms() -> dict[str, tuple[str, ...]]:
    """Base form, third person and past of every verb, by each of them."""
    verbs = words_by_kind(TABLE)["verb"]
    rows = [verbs[at : at + 3] for at in range(0, len(verbs), 3)]
    return {form: row for row in [*rows, ("have", "has", "had")] for form in row}


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    """How a sentence begins, up to its first verb, by the kind of the verb."""
    verbs = [row for row in dict.fromkeys(_forms().values()) if row[0] != "have"]
    base, third, past = ("|".join(row[at] for row in verbs) for at in range(3))
    auxiliary, pronoun = _words("auxiliary"), f"{FIRST}|{THIRD}|there"
    word = rf"(?!(?:{_words('apart')})\b)[A-Za-z][\w'’-]*"
    noun = rf"(?:(?:this|that|these|those)\s+)?(?!(?:{_words('preposition')})\b)(?:{word}\s+){{0,4}}?{word}|#\w+"
    account = rf"\.?@\w+:?|#\w+(?!\s+(?:{auxiliary}|has|had)\b)"
    opening = rf"(?:(?:RT\b|{account}|[A-Za-z]+,|(?:{_words('opening')})\b|[^\w\s@#])[\s,.!:-]*+)*+"
    adverb, have = r"\s+(?:really\s+)?", r"ha(?:ve|s|d)"
    participle, determiner = rf"\s+(?:\w+ed|{_words('participle')})\b", rf"\s+(?:{_words('determiner')})\b"
    goes_on = rf"\b(?=\s+[\w\"“#@$])(?!\s+(?:{pronoun}|who|{_words('focus')})\b)"
    full = [(FIRST, f"{base}|{past}"), (THIRD, f"{third}|{past}"), (f"{pronoun}|{noun}", f"{have}{determiner}")]
    begun = "|".join(rf"(?:{subject})(?={adverb}(?:{verb})\b)" for subject, verb in full)
    has = rf"{have}(?=\S*(?:\s+not)?{participle})"
    negated = rf"(?P<auxiliary>{auxiliary}|can(?=not)|do|does|did|{has})(?:n['’]t|\s*not)"
    which = rf"(?:question:\s*)?which(?:\s+of\s+(?:these|those))?(?:\s+{word}){{0,7}}?"
    sources = {
        "auxiliary": rf"{opening}(?:{pronoun}|{noun}){adverb}(?P<verb>{auxiliary}|{have}(?={participle})){goes_on}",
        "contracted": rf"{opening}(?:{pronoun})['’](?P<verb>m|re|s|ll|ve(?={participle})){goes_on}",
        "full": rf"{opening}(?:{begun}){adverb}(?P<verb>\w+)",
        "affirmed": rf"(?<=\w)\s+(?P<whole>(?P<irregular>wo|ca)n['’]t|{negated})\s+(?P<behind>[A-Za-z]+)",
        "which": rf"{which}\s+(?P<verb>{auxiliary}){goes_on}",
    }
    return {name: re.compile(source, re.IGNORECASE) for name, source in sources.items()}
