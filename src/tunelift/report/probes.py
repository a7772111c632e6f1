"""What the probes found, as tables and sentences that all forms of the report share."""

from __future__ import annotations

from tunelift.probes.attack import AttackResult
from tunelift.probes.records import Change, Obedience, Overall, ProbeResult, Retention, Spread, VariationResult
from tunelift.report.section import Section
from tunelift.report.wording import LEVEL, NONE, interval_text, label, p_text, percent, points

TITLES = {
    "wordings": ("Other wordings", "The instruction in words that were not tuned on"),
    "label-wordings": ("Other names of the classes", "The classes called by their synonyms"),
    "orders": ("Other orders of the choices", "The choices listed in another order"),
    "demonstrations": ("Other orders of the demonstrations", "The same demonstrations in another order"),
    "robustness": ("Damaged texts", "The same items with their texts changed; the right answer stays"),
    "attack": ("Under attack", "The worst text that a search finds for each item and model; the right answer stays"),
    "held-out": ("Tasks that were not tuned on", "What tuning did to other tasks"),
    "general": ("What should not be forgotten", "What tuning did to general abilities"),
}


def probe_sections(probes: list[ProbeResult]) -> list[Section]:
    """The sections of the report, one for each probe."""
    return [
        _attack_section(probe) if probe.attacks else _section(probe)
        for probe in probes
        if probe.variations or probe.attacks
    ]


def _attack_section(probe: ProbeResult) -> Section:
    title, question = TITLES[probe.name]
    sentences = [_attacked(result) for result in probe.attacks.values()]
    rows = [
        [
            result.condition,
            percent(result.right),
            percent(result.under_attack),
            interval_text(result.interval),
            percent(result.success),
            interval_text(result.success_interval),
            f"{result.budget:,}",
        ]
        for result in probe.attacks.values()
    ]
    heading = [
        "condition",
        "right",
        "right under attack",
        "95 % interval",
        "made wrong",
        "95 % interval",
        "texts tried",
    ]
    return Section(f"probe-{probe.name}", title, question, sentences, heading, rows, summary=sentences)


def _attacked(result: AttackResult) -> str:
    fallen = f"{percent(result.right)} % right as the items stand, {percent(result.under_attack)} % under attack"
    limits = f" (95 % interval {interval_text(result.success_interval)})" if result.success_interval else ""
    return f"{result.condition}: {fallen}; {percent(result.success)} % of its right answers were made wrong{limits}."


def _section(probe: ProbeResult) -> Section:
    title, question = TITLES[probe.name]
    scale = probe.variations[0].comparison.scale
    sentences = [
        *(_retention(retention) for retention in probe.retentions),
        *(_overall(overall) for overall in probe.overall),
        *(_spread(name, spread, len(probe.variations), scale) for name, spread in probe.spreads.items()),
        *(_losses(name, probe.variations, scale) for name in probe.spreads),
        *(_obedience(name, found) for name, found in probe.obedience.items()),
    ]
    heading, rows = _changes_table(probe) if probe.spreads or probe.obedience else _tasks_table(probe)
    return Section(f"probe-{probe.name}", title, question, sentences, heading, rows, summary=sentences)


def _spread(name: str, spread: Spread, count: int, scale: float) -> str:
    worst = f"lowest {percent(spread.worst_score, scale)} ({spread.worst or 'as it stands'}"
    worst += f", 95 % interval {interval_text(spread.worst_interval, scale)})" if spread.worst_interval else ")"
    always = ""
    if spread.every is not None and scale == 100:
        always = f"; {percent(spread.every)} % of the items are right in every way"
    deviation = f"standard deviation {percent(spread.deviation, scale)}"
    return (
        f"{name}: {percent(spread.plain, scale)} as the items stand, on average {percent(spread.mean, scale)} over all "
        f"{count + 1} ways ({deviation}), {worst}{always}."
    )


def _losses(name: str, variations: tuple[VariationResult, ...], scale: float) -> str:
    shown = {way.name: way.changes[name] for way in variations if way.changes[name].adjusted_p <= LEVEL}
    lost = {way: change for way, change in shown.items() if change.result.effect < 0}
    if not lost:
        return f"{name}: no variation could be shown to cost anything."
    ordered = sorted(lost, key=lambda way: lost[way].result.effect)
    named = ", ".join(f"{way} {points(lost[way].result.effect, scale)}" for way in ordered)
    return f"{name} loses with {named} (shown at 5 % after correction for {len(variations)} variations)."


def _obedience(name: str, found: Obedience) -> str:
    limits = f" (95 % interval {interval_text(found.interval)})" if found.interval else ""
    return f"{name} follows the hidden instruction in {percent(found.share)} % of {found.answers} answers{limits}."


def _retention(retention: Retention) -> str:
    test, scale = retention.test, retention.scale
    unit = " points" if scale == 100 else ""
    margin = f"{percent(test.margin, scale)}{unit}"
    limits = f", 90 % interval {interval_text(test.interval, scale)}" if test.interval else ""
    change = (
        f"{retention.metric} {percent(retention.baseline, scale)} before, {percent(retention.candidate, scale)} after"
    )
    found = {
        "retained": f"kept: a loss of more than {margin} is excluded",
        "lost": f"lost: the score fell, and a loss of more than {margin} is not excluded",
        "undecided": f"undecided: {test.n:,} items are too few to exclude a loss of more than {margin}",
    }[test.verdict]
    return f"{found} ({change}; {points(test.effect, scale)}{limits}, {p_text(test.p)})."


def _overall(overall: Overall) -> str:
    scale = overall.scale
    limits = f" (95 % interval for further tasks {interval_text(overall.interval, scale)})" if overall.interval else ""
    return (
        f"{overall.metric} over {overall.tasks} tasks: {points(overall.effect, scale)}{limits}; the effects of the "
        f"tasks differ with a standard deviation of {percent(overall.deviation, scale)}."
    )


def _changes_table(probe: ProbeResult) -> tuple[list[str], list[list[str]]]:
    names = list(probe.variations[0].changes)
    scale = probe.variations[0].comparison.scale
    heading = ["variation", *(part for name in names for part in (name, "change", "p (Holm)")), "what is different"]
    rows = []
    for way in probe.variations:
        scores = {score.name: score.score for score in way.comparison.conditions}
        cells = [cell for name in names for cell in _change(scores[name], way.changes[name], scale)]
        rows.append([way.name, *cells, label(way.description, 120)])
    return heading, rows


def _change(score: float, change: Change, scale: float) -> list[str]:
    return [percent(score, scale), points(change.result.effect, scale), p_text(change.adjusted_p)]


def _tasks_table(probe: ProbeResult) -> tuple[list[str], list[list[str]]]:
    names = [score.name for score in probe.variations[0].comparison.conditions]
    heading = ["task", "metric", "items", *names, "effect", "95 % interval", "p", "what it is"]
    rows = []
    for way in probe.variations:
        comparison = way.comparison
        scores = [percent(score.score, comparison.scale) for score in comparison.conditions]
        effect = [NONE, NONE, NONE]
        if comparison.contrasts:
            result = comparison.contrasts[0].result
            effect = [
                points(result.effect, comparison.scale),
                interval_text(result.interval, comparison.scale),
                p_text(result.p),
            ]
        items = f"{comparison.items:,}"
        rows.append([way.name, comparison.metric, items, *scores, *effect, label(way.description, 120)])
    return heading, rows
