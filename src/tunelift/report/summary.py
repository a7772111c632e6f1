"""What the terminal shows when a run is done."""

from __future__ import annotations

from collections.abc import Sequence

from tunelift.comparison.records import Contrast, contrast_p_text, p_text
from tunelift.report.columns import align
from tunelift.report.record import RunReport
from tunelift.report.sections import report_sections
from tunelift.report.wording import (
    NONE,
    anchors,
    confusion_name,
    effect_text,
    items_text,
    label,
    metric_name,
    notes,
    number_text,
    outcome,
    percent,
    points,
    reservation,
    seconds_text,
    verdict,
)
from tunelift.statistics.intervals import Interval

CONFUSIONS = 3
PROPOSAL_LENGTH = 300


def summary_text(report: RunReport) -> str:
    """The result of a run as plain text: conditions, contrasts, verdicts, what is still wrong, what comes next.

    Scores that are shares are percentages, and their effects percentage points.
    """
    scale = report.comparison.scale
    lines = [
        f"{report.name} · {items_text(report.comparison)} · identical for every condition",
        *_conditions(report),
        "",
        *_contrasts(report.contrasts, scale),
        *_others(report),
        *(
            verdict(contrast, scale)
            for contrast in report.contrasts
            if outcome(contrast) != "better" or reservation(contrast)
        ),
        *(f"{section.title.lower()}: {said}" for section in report_sections(report) for said in section.summary),
        *_still_wrong(report),
        *_next(report),
    ]
    return "\n".join(lines)


def _conditions(report: RunReport) -> list[str]:
    scores = report.comparison.conditions
    has_balanced = any(score.balanced_accuracy is not None for score in scores)
    scale = report.comparison.scale
    ranges = _ranges([score.interval for score in scores], " - ", scale)
    heading = ["condition", metric_name(report.comparison), "95 % interval", "balanced" if has_balanced else ""]
    rows = [[*heading, "cost per 1000 answers", ""]]
    for score, interval in zip(scores, ranges, strict=True):
        remarks = notes(report, score)
        rows.append(
            [
                score.name,
                percent(score.score, scale),
                interval,
                percent(score.balanced_accuracy) if has_balanced else "",
                seconds_text(report.seconds_per_1000.get(score.name)),
                f"({', '.join(remarks)})" if remarks else "",
            ]
        )
    return align(rows, right={1, 2, 3})


def _contrasts(contrasts: Sequence[Contrast], scale: float) -> list[str]:
    if not contrasts:
        return []
    ranges = _ranges([contrast.result.interval for contrast in contrasts], " to ", scale)
    rows = [
        [
            f"{contrast.candidate} vs {contrast.baseline}",
            points(contrast.result.effect, scale),
            f"({interval})",
            contrast_p_text(contrast),
            _split(contrast),
            _balanced(contrast),
        ]
        for contrast, interval in zip(contrasts, ranges, strict=True)
    ]
    return align(rows, right={1})


def _others(report: RunReport) -> list[str]:
    """The further metrics of the task: every condition's score, and the effect of the first contrast."""
    names = list(report.studied.others)
    if not names:
        return []
    rows = [["further metrics", *names]]
    for score in report.comparison.conditions:
        rows.append([score.name, *(number_text(score.others.get(name)) for name in names)])
    for contrast in report.contrasts[:1]:
        cells = [effect_text(contrast.others.get(name)) for name in names]
        rows.append([f"{contrast.candidate} vs {contrast.baseline}", *cells])
    return ["", *align(rows, right=set(range(1, len(names) + 1))), ""]


def _ranges(intervals: Sequence[Interval | None], joint: str, scale: float) -> list[str]:
    """Intervals with their ends under each other."""
    ends = [
        (percent(interval.low, scale), percent(interval.high, scale)) if interval else ("", "")
        for interval in intervals
    ]
    low, high = (max(map(len, column)) for column in zip(*ends, strict=True))
    return [f"{a:>{low}}{joint}{b:>{high}}" if a else NONE for a, b in ends]


def _split(contrast: Contrast) -> str:
    if contrast.format_gain is None or contrast.ability_gain is None:
        return ""
    return f"of which format {percent(contrast.format_gain)}, ability {percent(contrast.ability_gain)}"


def _balanced(contrast: Contrast) -> str:
    if contrast.balanced is None:
        return ""
    return f"balanced {points(contrast.balanced.effect)}, {p_text(contrast.balanced.p)}"


def _still_wrong(report: RunReport) -> list[str]:
    diagnosis = report.diagnosis
    if diagnosis is None or not diagnosis.wrong:
        return []
    cells = diagnosis.confusions
    anchor = anchors(cells[:1])[0] if cells else "errors"
    where = f"(look at them: report.html#{anchor})"
    if not cells:
        what = "less than the best score" if report.is_graded else "still wrong"
        return [f"{what}: {len(diagnosis.wrong):,} of {diagnosis.items:,} {where}"]
    shown = [f"{cell.count:,} {confusion_name(cell)}" for cell in cells[:CONFUSIONS]]
    shown[0] += f" {where}"
    rest = sum(cell.count for cell in cells[CONFUSIONS:])
    shown += [f"{rest:,} others"] if rest else []
    return [f"still wrong: {len(diagnosis.wrong):,} - {', '.join(shown)}"]


def _next(report: RunReport) -> list[str]:
    proposals = report.diagnosis.proposals if report.diagnosis else ()
    steps = [label(str(proposal), PROPOSAL_LENGTH) for proposal in proposals]
    return [f"{'next:' if index == 0 else '':<5} {step}" for index, step in enumerate(steps)]
