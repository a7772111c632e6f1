"""What the probes found, as tables and sentences that all forms of the report share."""

from __future__ import annotations

from tunelift.comparison.records import Comparison, p_text
from tunelift.core.errors import counted
from tunelift.probes.attack import AttackResult
from tunelift.probes.records import (
    Change,
    Measure,
    Obedience,
    Overall,
    ProbeResult,
    Retention,
    Spread,
    Transfer,
    VariationResult,
)
from tunelift.probes.variation import UNSEEN
from tunelift.report.section import Section
from tunelift.report.wording import (
    LEVEL,
    NONE,
    interval_text,
    label,
    listed,
    metric_name,
    of_hundred,
    p_cell,
    percent,
    points,
    unit,
)
from tunelift.statistics.intervals import Interval
from tunelift.statistics.paired import PairedResult

TITLES = {
    "wordings": ("Other wordings", "The instruction in words that were not tuned on"),
    "label-wordings": ("Other names of the classes", "The classes called by their synonyms"),
    "orders": ("Other orders of the choices", "The choices listed in another order"),
    "demonstrations": ("Other orders of the demonstrations", "The same demonstrations in another order"),
    "robustness": ("Damaged texts", "The same items with their texts changed; the right answer stays"),
    "injection": ("Hidden instructions", "An instruction to answer something else is hidden in the same items"),
    "negation": ("Negated texts", "The same items with a sentence of their text negated; the right answer may change"),
    "attack": ("Under attack", "The worst text that a search finds for each item and model; the right answer stays"),
    "held-out": ("Tasks that were not tuned on", "What tuning did to other tasks"),
    "unseen": ("Seen and unseen rows", "Whether what was learnt carries over to rows that were held out"),
    "general": ("What should not be forgotten", "What tuning did to general abilities"),
}


def probe_sections(probes: list[ProbeResult]) -> list[Section]:
    """The sections of the report, one for each probe."""
    return [_section_of(probe) for probe in probes if probe.variations or probe.attacks or probe.changed]


def _section_of(probe: ProbeResult) -> Section:
    if probe.changed:
        return _changed_section(probe.name, probe.changed)
    return _attack_section(probe) if probe.attacks else _section(probe)


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
    scored = listed(list(dict.fromkeys(result.metric or "right" for result in probe.attacks.values())))
    heading = ["condition", scored, "under attack", "95 % interval", "lost", "95 % interval", "texts tried, at most"]
    return Section(f"probe-{probe.name}", title, question, sentences, heading, rows, summary=sentences)


def _attacked(result: AttackResult) -> str:
    limits = f" (95 % interval {interval_text(result.success_interval)})" if result.success_interval else ""
    before, under, lost = (percent(share) for share in (result.right, result.under_attack, result.success))
    if result.success is None:
        return f"{result.condition}: {result.metric or 'right answers'} 0.0 % as the items stand: nothing to lose."
    if result.metric is None:
        fallen = f"{before} % right as the items stand, {under} % under attack"
        return f"{result.condition}: {fallen}; {lost} % of its right answers were made wrong{limits}."
    fallen = f"{result.metric} {before} % on average over the items as they stand, {under} % under attack"
    return f"{result.condition}: {fallen}; {lost} % of the score was lost{limits}."


def _changed_section(name: str, measure: Measure) -> Section:
    title, question = TITLES[name]
    found = measure.rates
    sentences = [
        f"{condition}: {percent(rate.share)} % of {counted(rate.n, 'answer')} change when the text is negated "
        f"(95 % interval {interval_text(rate.interval)})."
        for condition, rate in found.items()
    ]
    rows = [
        [condition, f"{rate.n:,}", percent(rate.share), interval_text(rate.interval)]
        for condition, rate in found.items()
    ]
    if measure.change:
        result, contrast = measure.change.result, " against ".join(reversed(list(found)))
        sentences.append(f"{contrast}: {_difference(measure, 'change')}.")
        rows.append([contrast, f"{result.n:,}", points(result.effect), interval_text(result.interval)])
    heading = ["condition", "items", "answers that change", "95 % interval"]
    return Section(f"probe-{name}", title, question, sentences, heading, rows, summary=sentences)


def _difference(measure: Measure, what: str) -> str:
    """How tuning changes how many answers do what."""
    if measure.change is None:
        return ""
    result = measure.change.result
    more = f"tuning makes {'more' if result.effect > 0 else 'fewer'} answers {what}"
    shown = more if result.p <= LEVEL else "no difference could be shown"
    return (
        f"{points(result.effect)} points (95 % interval {interval_text(result.interval)}, {p_text(result.p)}): {shown}"
    )


def _section(probe: ProbeResult) -> Section:
    title, question = TITLES[probe.name]
    by_metric = {way.comparison.metric: way.comparison for way in probe.variations}
    sentences = [
        *(_retention(retention, by_metric[retention.metric]) for retention in probe.retentions),
        *(_overall(overall, by_metric[overall.metric]) for overall in probe.overall),
        *unseen_sentences(probe),
        *(_spread(name, spread, probe.variations[0].comparison) for name, spread in probe.spreads.items()),
        *(_losses(name, probe.variations) for name in probe.spreads or probe.obedience),
        *(_obedience(name, found) for name, found in probe.obedience.items()),
        *_obeyed(probe.obeyed),
    ]
    heading, rows = _changes_table(probe) if probe.spreads or probe.obedience else _tasks_table(probe)
    return Section(f"probe-{probe.name}", title, question, sentences, heading, rows, summary=sentences)


def _spread(name: str, spread: Spread, comparison: Comparison) -> str:
    scale, sign = comparison.scale, of_hundred(comparison)
    worst = f"worst {percent(spread.worst_score, scale)}{sign} ({spread.worst or 'as they stand'}"
    worst += f", 95 % interval {interval_text(spread.worst_interval, scale)})" if spread.worst_interval else ")"
    always = ""
    if spread.every is not None and comparison.metric == "acc":
        always = f"; {percent(spread.every)} % of the items are right in every way"
    return (
        f"{name}: {metric_name(comparison)} {percent(spread.plain, scale)}{sign} as the items stand, on average "
        f"{percent(spread.mean, scale)}{sign} over all {spread.ways} ways (standard deviation "
        f"{percent(spread.deviation, scale)}{unit(comparison)}), {worst}{always}."
    )


def _losses(name: str, variations: tuple[VariationResult, ...]) -> str:
    scale = variations[0].comparison.scale
    shown = {way.name: way.changes[name] for way in variations if way.changes[name].adjusted_p <= LEVEL}
    lost = {way: change for way, change in shown.items() if change.result.effect < 0}
    measured = unit(variations[0].comparison)
    corrected = f" after correction for {len(variations)} variations" if len(variations) > 1 else ""
    if not lost:
        return f"{name}: no loss could be shown{corrected}{_possible(name, variations)}."
    ordered = sorted(lost, key=lambda way: lost[way].result.effect)
    named = listed([f"{way} ({points(lost[way].result.effect, scale)}{measured})" for way in ordered])
    return f"{name} loses with {named}, shown at 5 %{corrected}."


def _possible(name: str, variations: tuple[VariationResult, ...]) -> str:
    """The largest loss that an interval of a variation does not exclude."""
    reached = {way.name: each.low for way in variations if (each := way.changes[name].result.interval)}
    if not reached:
        return ""
    lowest = min(reached, key=lambda way: reached[way])
    if reached[lowest] >= 0:
        return ""
    comparison = variations[0].comparison
    loss = f"{percent(-reached[lowest], comparison.scale)}{unit(comparison)}"
    which = f" ({lowest})" if len(variations) > 1 else ""
    return f", but one of {loss}{which} is not excluded either"


def _obeyed(measure: Measure | None) -> list[str]:
    """The difference of two conditions on the items that both can be judged by."""
    if measure is None or measure.change is None:
        return []
    (before, first), (after, second) = measure.rates.items()
    shares = f"{percent(second.share)} % against {percent(first.share)} %"
    items = f"on the {counted(first.n, 'item')} on which neither says it anyway"
    return [f"{after} against {before}, {items}: {shares}, {_difference(measure, 'follow it')}."]


def _obedience(name: str, found: Obedience) -> str:
    if found.share is None:
        return f"{name} gives what the hidden instructions ask for anyway: no answer to judge by."
    limits = f" (95 % interval {interval_text(found.interval)})" if found.interval else ""
    answers = counted(found.answers, "answer")
    return f"{name} follows the hidden instruction in {percent(found.share)} % of {answers}{limits}."


def _retention(retention: Retention, comparison: Comparison) -> str:
    test, scale, sign = retention.test, retention.scale, of_hundred(comparison)
    margin = f"{percent(test.margin, scale)}{unit(comparison)}"
    limits = f", 90 % interval {interval_text(test.interval, scale)}" if test.interval else ""
    before, after = (f"{percent(score, scale)}{sign}" for score in (retention.baseline, retention.candidate))
    name = metric_name(comparison) if retention.is_mean else f"mean of {metric_name(comparison)} of single items"
    change = f"{name} {before} before, {after} after"
    beyond = test.interval is not None and test.interval.high < -test.margin
    found = {
        "retained": f"kept: a loss of more than {margin} is excluded",
        "lost": f"lost: the tuned model is worse, {'by more than' if beyond else 'perhaps by more than'} {margin}",
        "undecided": f"undecided: {counted(test.n, 'item')} cannot exclude a loss of more than {margin}",
    }[test.verdict]
    return f"{found} ({change}; {points(test.effect, scale)}{unit(comparison)}{limits})."


def _overall(overall: Overall, comparison: Comparison) -> str:
    scale = overall.scale
    limits = f" (95 % interval for further tasks {interval_text(overall.interval, scale)})" if overall.interval else ""
    differ = (
        f"the effects of the tasks differ with a standard deviation of {percent(overall.deviation, scale)}"
        f"{unit(comparison)}, chance of the items taken off"
        if overall.deviation > 0
        else "that the effects of the tasks differ by more than the chance of the items could not be shown"
    )
    said = f"{metric_name(comparison)} over {counted(overall.tasks, 'task')}, each of which counts the same"
    return f"{said}: {points(overall.effect, scale)}{unit(comparison)}{limits}; {differ}."


def _transfer(way: VariationResult, transfer: Transfer) -> str:
    comparison, contrast, difference = way.comparison, way.comparison.contrasts[0], transfer.difference
    scale, measured = comparison.scale, unit(comparison)

    def said(effect: float, interval: Interval | None, p: float | None = None) -> str:
        limits = [f"95 % interval {interval_text(interval, scale)}"] if interval else []
        limits += [] if p is None else [p_text(p)]
        return f"{points(effect, scale)}{measured}" + (f" ({', '.join(limits)})" if limits else "")

    seen, unseen = transfer.seen, contrast.result
    items = f"{said(seen.effect, seen.interval)} on the {counted(seen.n, 'test item')}"
    rows = f"{said(unseen.effect, unseen.interval)} on {counted(unseen.n, 'held-out row')}"
    return (
        f"{contrast.candidate} against {contrast.baseline}, {metric_name(comparison)}: {items}, {rows}; difference "
        f"{said(difference.effect, difference.interval, difference.p)}: {_carried_over(unseen, transfer)}."
    )


def _carried_over(unseen: PairedResult, transfer: Transfer) -> str:
    p, effect = transfer.adjusted_p, transfer.difference.effect
    if p is None:
        found = "how far the two differ cannot be told"
    elif p > LEVEL:
        found = "no difference of the two could be shown"
    else:
        found = f"tuning gives {'less' if effect < 0 else 'more'} on the rows that were held out"
    alone = "" if unseen.p <= LEVEL and unseen.effect > 0 else ", and on these no gain could be shown"
    return found + alone


def unseen_sentences(probe: ProbeResult) -> list[str]:
    """What tuning does on rows that were held out beside what it does on the test items; nothing for other probes."""
    ways = probe.variations if probe.name == UNSEEN else ()
    return [_transfer(way, probe.transfers[way.name]) for way in ways if way.name in probe.transfers]


def _changes_table(probe: ProbeResult) -> tuple[list[str], list[list[str]]]:
    names = list(probe.variations[0].changes)
    scale = probe.variations[0].comparison.scale
    columns = (part for name in names for part in (name, "change, 95 % interval", "p (Holm)"))
    heading = ["variation", *columns, "what is different"]
    rows = []
    for way in probe.variations:
        scores = {score.name: score.score for score in way.comparison.conditions}
        cells = [cell for name in names for cell in _change(scores[name], way.changes[name], scale)]
        rows.append([way.name, *cells, label(way.description, 120)])
    return heading, rows


def _change(score: float, change: Change, scale: float) -> list[str]:
    limits = f" ({interval_text(change.result.interval, scale)})" if change.result.interval else ""
    return [percent(score, scale), points(change.result.effect, scale) + limits, p_cell(change.adjusted_p)]


def _tasks_table(probe: ProbeResult) -> tuple[list[str], list[list[str]]]:
    names = [score.name for score in probe.variations[0].comparison.conditions]
    beside = ["minus that on the test items", "95 % interval", "p (Holm)"] if probe.transfers else []
    heading = ["task", "metric", "items", *names, "effect", "95 % interval", "p (Holm)", *beside, "what it is"]
    rows = []
    for way in probe.variations:
        comparison = way.comparison
        scores = [percent(score.score, comparison.scale) for score in comparison.conditions]
        effect = [NONE, NONE, NONE]
        if comparison.contrasts:
            contrast, result = comparison.contrasts[0], comparison.contrasts[0].result
            effect = [
                points(result.effect, comparison.scale),
                interval_text(result.interval, comparison.scale),
                p_cell(contrast.p),
            ]
        items = f"{comparison.items:,}"
        compared = _beside(probe.transfers.get(way.name), comparison.scale) if probe.transfers else []
        rows.append(
            [way.name, metric_name(comparison), items, *scores, *effect, *compared, label(way.description, 120)]
        )
    return heading, rows


def _beside(transfer: Transfer | None, scale: float) -> list[str]:
    """How far the effect exceeds that on the test items of the run."""
    if transfer is None:
        return [NONE, NONE, NONE]
    p, difference = transfer.adjusted_p, transfer.difference
    limits = interval_text(difference.interval, scale)
    return [points(difference.effect, scale), limits, p_cell(p)]
