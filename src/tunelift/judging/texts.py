"""Judgements in the words that the command line shows."""

from __future__ import annotations

from collections.abc import Sequence

from tunelift.comparison.records import p_text
from tunelift.core.errors import counted
from tunelift.evaluation.judges.pairwise import Preference, Share
from tunelift.judging.by_model import Judged
from tunelift.judging.by_people import People, PeoplesPreference
from tunelift.judging.outcomes import Verdict, outcome_of, verdict_shares
from tunelift.report.columns import align
from tunelift.report.wording import interval_text, number_text, percent, points
from tunelift.statistics.agreement import Agreement
from tunelift.statistics.intervals import Interval
from tunelift.statistics.paired import PairedResult
from tunelift.statistics.preferences import Strength

Row = list[str]


def judged_text(judged: Judged) -> str:
    """What a model says of two conditions: how often each wins, how far it can be trusted, and what follows."""
    found = judged.preference
    names = found.candidate, found.baseline
    same = f"{found.identical:,} with the same text from both" if found.identical else ""
    asked = len(found.pairs) - found.identical
    if not asked:
        return f"{names[0]} vs {names[1]}: the same text for every one of {counted(len(found.pairs), 'item')}"
    rows = [
        *_verdict_rows(names, "items", verdict_shares(found.pairs), same),
        _result_row(found.result),
        _share_row("same verdict in both orders", found.consistent, "pair"),
        _share_row("the first answer wins", found.first_wins, "verdict"),
        _share_row("the longer answer wins", found.longer_wins, "pair"),
        ["unreadable", f"{found.unparsed:,}", percent(found.unparsed / (2 * asked)), "", f"of {2 * asked:,} verdicts"],
    ]
    head = f"{names[0]} vs {names[1]} · {counted(len(found.pairs), 'item')}, in both orders by {judged.judge}"
    return "\n".join([head, *align(rows, right={1, 2}), *_remarks(found), _judges_verdict(judged)])


def people_text(people: People) -> str:
    """What people say: every pair of conditions, and the strengths of all where there are several."""
    parts = [_pair_text(pair) for pair in people.pairs]
    if people.strengths:
        rows = [["strength (Bradley-Terry)", "log odds", "95 % interval"], *map(_strength_row, people.strengths)]
        parts.append("\n".join(align(rows, right={1})))
    return "\n\n".join(parts)


def _pair_text(pair: PeoplesPreference) -> str:
    names = pair.candidate, pair.baseline
    people = "1 person" if pair.raters == 1 else f"{pair.raters:,} people"
    lines = [f"{names[0]} vs {names[1]} · {counted(pair.items, 'item')} whose answers differ, judged by {people}"]
    rows = [*_verdict_rows(names, "judgements", (pair.wins, pair.losses, pair.ties), ""), _result_row(pair.result)]
    lines += align(rows, right={1, 2})
    if pair.agreement is not None:
        alpha = _agreement_text("Krippendorff's alpha", pair.agreement)
        lines.append(f"agreement among the people: {alpha}")
    if pair.with_judge is not None:
        same, kappa = pair.with_judge.same, _agreement_text("Cohen's kappa", pair.with_judge.kappa)
        share = f"{percent(same.value)} % of {counted(same.n, 'item')} ({interval_text(same.interval)})"
        lines.append(f"{pair.judge} says what most people say on {share}: {kappa}")
    return "\n".join([*lines, _sentence("people prefer", names, outcome_of(pair.result))])


def _verdict_rows(names: tuple[str, str], unit: str, shares: Sequence[Share], note: str) -> list[Row]:
    labels = [f"{names[0]} is better", f"{names[1]} is better", "tie"]
    rows = [
        [label, f"{round(share.value * share.n):,}", percent(share.value), interval_text(share.interval), ""]
        for label, share in zip(labels, shares, strict=True)
    ]
    rows[-1][-1] = note
    return [["verdict", unit, "%", "95 % interval", ""], *rows]


def _result_row(result: PairedResult) -> Row:
    """Wins minus losses."""
    return ["wins minus losses", "", points(result.effect), _signed(result.interval), p_text(result.p)]


def _share_row(label: str, share: Share | None, unit: str) -> Row:
    if share is None:
        return [label, "", "-", "", ""]
    count = f"{round(share.value * share.n):,}"
    return [label, count, percent(share.value), interval_text(share.interval), f"of {counted(share.n, unit)}"]


def _agreement_text(name: str, agreement: Agreement) -> str:
    if agreement.value is None:
        return f"no {name}, since everybody said the same of everything"
    ends = agreement.interval
    interval = f" ({number_text(ends.low)} to {number_text(ends.high)})" if ends else ""
    return f"{name} {number_text(agreement.value)}{interval} on {counted(agreement.items, 'item')}"


def _strength_row(strength: Strength) -> Row:
    ends = strength.interval
    interval = f"{ends.low:+.2f} to {ends.high:+.2f}" if ends else "-"
    return [strength.system, f"{strength.value:+.2f}", interval]


def _signed(interval: Interval | None) -> str:
    return f"{points(interval.low)} to {points(interval.high)}" if interval else "no interval"


def _remarks(found: Preference) -> list[str]:
    """What a judge can be suspected of."""
    remarks = []
    if side := _side(found.first_wins):
        place = "first" if side > 0 else "second"
        remarks.append(f"the judge favours the answer that stands {place}; both orders are asked, so this makes ties")
    if side := _side(found.longer_wins):
        kind = "longer" if side > 0 else "shorter"
        remarks.append(f"the {kind} answer wins more often: read some pairs to see whether it deserves to")
    return remarks


def _side(share: Share | None) -> int:
    """On which side of one half a share lies for certain: 1 above, -1 below, 0 for neither."""
    if share is None or share.interval is None:
        return 0
    return int(share.interval.low > 0.5) - int(share.interval.high < 0.5)


def _judges_verdict(judged: Judged) -> str:
    names = judged.preference.candidate, judged.preference.baseline
    if judged.verdict is not None:
        return _sentence("the judge prefers", names, judged.verdict)
    asked = len(judged.preference.pairs) - judged.preference.identical
    faults = [(judged.contradicted, "contradicts itself on"), (judged.unread, "cannot be understood on")]
    said = " and ".join(f"{what} {number:,}" for number, what in faults if number)
    hint = "take a stronger one" + (", or let it write more (--max-tokens)" if judged.unread else "")
    return f"no verdict: of {counted(asked, 'pair')} the judge {said}, more than a third - {hint}"


def _sentence(prefer: str, names: tuple[str, str], verdict: Verdict) -> str:
    if verdict == "undecided":
        return f"no preference between {names[0]} and {names[1]} could be shown"
    better, worse = names if verdict == "better" else names[::-1]
    return f"{prefer} {better} to {worse}"
