"""What several seeds of tuning say, as a table and sentences that all forms of the report share."""

from __future__ import annotations

from collections.abc import Sequence

from tunelift.comparison.records import Comparison
from tunelift.comparison.seeds import SeedResult
from tunelift.report.section import Section
from tunelift.report.wording import interval_text, listed, of_hundred, percent, points, unit
from tunelift.statistics.variance import Components

FEWEST = 3  # seeds that give an interval which is of any use


def seed_sections(seeds: Sequence[SeedResult], comparison: Comparison) -> list[Section]:
    """What holds for the settings of tuning; nothing where none was repeated.

    Args:
        seeds: Of every condition that was repeated.
        comparison: Where the scores of the baselines are from.
    """
    if not seeds:
        return []
    sentences = [sentence for each in seeds for sentence in [*_contrasts(each, comparison), _spread(each, comparison)]]
    heading = [
        *("contrast", "effect", "95 % interval", "between seeds", "between items", "rest"),
        "effect with each seed",
    ]
    rows = [_row(each, baseline, comparison) for each in seeds for baseline in each.against]
    question = "What holds for the settings of tuning, and not for one tuned model alone"
    summary = [_summary(seeds[0], comparison)]
    return [Section("seeds", "Several seeds of tuning", question, sentences, heading, rows, summary=summary)]


def _verdict(found: Components | None) -> str:
    if found is None or found.interval is None:
        return "unknown"
    return "better" if found.interval.low > 0 else "worse" if found.interval.high < 0 else "undecided"


def _contrasts(result: SeedResult, comparison: Comparison) -> list[str]:
    """One sentence for each baseline with an interval, and one about all others."""
    count, name = len(result.seeds), result.condition
    sentences = []
    for baseline, found in result.against.items():
        verdict = _verdict(found)
        if found is None or verdict == "unknown":
            continue
        said = {
            "better": f"On average over all seeds, {name} is better than {baseline}",
            "worse": f"On average over all seeds, {name} is worse than {baseline}",
            "undecided": f"No difference between {name} and {baseline} on average over all seeds could be shown",
        }[verdict]
        effect = f"{points(found.mean, comparison.scale)}{unit(comparison)} with these {count}"
        limits = interval_text(found.interval, comparison.scale)
        sentences.append(f"{said}: {effect} (95 % interval for other seeds and other items {limits}).")
    unknown = [baseline for baseline, found in result.against.items() if _verdict(found) == "unknown"]
    return [*sentences, *([_unknown(result, unknown)] if unknown else [])]


def _unknown(result: SeedResult, baselines: Sequence[str]) -> str:
    against = f"Whether the effects of {result.condition} against {listed(baselines)} hold for other seeds is not known"
    if any(result.against[baseline] is None for baseline in baselines):
        return f"{against}: that takes a score which is a mean over several items."
    if len(result.seeds) < FEWEST:
        return f"{against}: two seeds are too few for an interval."
    return f"{against}: the items differ too little or belong to one group."


def _spread(result: SeedResult, comparison: Comparison) -> str:
    scale, spread, count = comparison.scale, result.spread, len(result.seeds)
    scores = ", ".join(f"{name} {percent(score, scale)}" for name, score in result.seeds.items())
    mean = f"{percent(spread.mean, scale)}{of_hundred(comparison)}"
    said = f"{result.condition} scores {mean} on average over {count} seeds"
    said += f" ({scores}), with a standard deviation of {percent(spread.deviation, scale)}{unit(comparison)}"
    if count < FEWEST or spread.interval is None:
        return f"{said}."
    return (
        f"{said} (95 % interval {interval_text(spread.deviation_interval, scale)}); on these items, the mean "
        f"of all seeds has the 95 % interval {interval_text(spread.interval, scale)}."
    )


def _row(result: SeedResult, baseline: str, comparison: Comparison) -> list[str]:
    scale, found = comparison.scale, result.against[baseline]
    other = next(score.score for score in comparison.conditions if score.name == baseline)
    sign = 1 if comparison.higher_is_better else -1
    parts = (found.template, found.item, found.residual) if found else (None, None, None)
    return [
        f"{result.condition} vs {baseline}",
        points(sign * (result.spread.mean - other), scale),
        interval_text(found.interval if found else None, scale),
        *(percent(part, scale) for part in parts),
        ", ".join(points(sign * (score - other), scale) for score in result.seeds.values()),
    ]


def _summary(result: SeedResult, comparison: Comparison) -> str:
    scale = comparison.scale
    mean = f"{percent(result.spread.mean, scale)}{of_hundred(comparison)}"
    said = f"{result.condition} scores {mean} on average over {len(result.seeds)} seeds"
    said += f" (standard deviation {percent(result.spread.deviation, scale)})"
    better = [baseline for baseline, found in result.against.items() if _verdict(found) == "better"]
    return f"{said}; on average over all seeds better than {listed(better)}." if better else f"{said}."
