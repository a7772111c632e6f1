"""The report and the model card as GitHub Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

import yaml

from tunelift.comparison.records import contrast_p_text, p_text
from tunelift.models.card import Kind, how_to_load
from tunelift.report.canaries import seen_sentence
from tunelift.report.probes import unseen_sentences
from tunelift.report.record import RunReport
from tunelift.report.sections import report_sections
from tunelift.report.wording import (
    bytes_text,
    confusion_name,
    effect_text,
    flips_text,
    interval_text,
    items_text,
    label,
    listed,
    metric_name,
    notes,
    number_text,
    of_hundred,
    one_line,
    percent,
    points,
    remarks,
    seconds_text,
    unit,
    unusable_text,
    verdict,
    wrong_text,
)

MOST_CLASSES = 10
CONFUSIONS = 10


def render_markdown(report: RunReport) -> str:
    """The essentials of a run as Markdown."""
    shown = [
        f"# {text(report.name)}",
        f"{text(report.task)} · {text(report.model)} · {items_text(report.comparison)}, identical for every condition",
        verdicts(report),
        "## Conditions",
        conditions_table(report),
        *metrics_table(report),
        *([("## Contrasts"), contrasts_table(report)] if report.contrasts else []),
        *_sections(report),
        *_still_wrong(report),
        *_next(report),
        *_findings(report),
        *_how(report),
    ]
    return "\n\n".join(part for part in shown if part) + "\n"


def model_card(
    report: RunReport,
    base_model: str,
    library_name: str,
    languages: Sequence[str] = ("en",),
    license: str | None = None,
    kind: Kind = "decoder",
    has_template: bool = True,
) -> str:
    """The README of a tuned model.

    Args:
        report: The run that tuned it.
        base_model: Hub id or folder of the model that was tuned.
        library_name: "peft" for an adapter, "transformers" for whole weights.
        languages: Languages of the data.
        license: Licence of the weights, where it is known.
        kind: Of the model.
        has_template: Its tokenizer has a chat template.
    """
    header = {
        "base_model": base_model,
        "library_name": library_name,
        "pipeline_tag": "text2text-generation" if kind == "encoder-decoder" else "text-generation",
        "language": list(languages),
        **({"license": license} if license else {}),
        "tags": ["tunelift", "instruction-tuning", *(["lora", "peft"] if library_name == "peft" else [])],
    }
    parts = [
        f"---\n{yaml.safe_dump(header, sort_keys=False, allow_unicode=True)}---",
        f"# {text(report.name)}",
        f"{text(base_model)}, tuned on the task {text(report.task)}.",
        *([f"**{seen_sentence(report.leakage)}**"] if report.leakage else []),
        "## What tuning changed",
        verdicts(report),
        conditions_table(report),
        "## How it was tuned",
        _how_tuned(report),
        _details("recipe, with every default", report.facts.get("recipe", "")),
        how_to_load(kind, base_model, library_name, has_template),
        "## Limits",
        _limits(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def verdicts(report: RunReport) -> str:
    """The score of the studied condition, and one sentence a contrast."""
    studied = report.studied
    comparison = report.comparison
    scale = comparison.scale
    shown = f"{percent(studied.score, scale)}{of_hundred(comparison)}"
    lead = f"**{text(studied.name)}: {text(metric_name(comparison))} {shown}**"
    lead += f" (95 % interval {interval_text(studied.interval, scale)}, {items_text(comparison)})"
    lines = []
    for contrast in report.contrasts:
        effect = f"{points(contrast.result.effect, scale)}{unit(comparison)}"
        effect += f" ({interval_text(contrast.result.interval, scale)}), {contrast_p_text(contrast)}"
        lines.append("- " + text(". ".join([verdict(contrast, scale), effect, *remarks(contrast, comparison)])))
    return "\n".join([lead, "", *lines]).rstrip()


def conditions_table(report: RunReport) -> str:
    """All conditions with their scores, those that are shares in per cent."""
    name, scale = metric_name(report.comparison), report.comparison.scale
    heading = ["condition", name, "95 % interval", "balanced", "by log-probability", "cost per 1000 answers", "notes"]
    rows = [
        [
            score.name,
            percent(score.score, scale),
            interval_text(score.interval, scale),
            percent(score.balanced_accuracy),
            percent(score.choice_accuracy),
            seconds_text(report.seconds_per_1000.get(score.name)),
            ", ".join(notes(report, score)),
        ]
        for score in report.comparison.conditions
    ]
    return table(heading, rows, left={0, 6})


def metrics_table(report: RunReport) -> list[str]:
    """The further metrics of the task in their own units: scores, and effects with their p-values."""
    names = list(report.studied.others)
    if not names:
        return []
    scores = [
        [score.name, *(number_text(score.others.get(name)) for name in names)] for score in report.comparison.conditions
    ]
    effects = [
        [
            f"{contrast.candidate} vs {contrast.baseline}",
            *(effect_text(contrast.others.get(name)) for name in names),
        ]
        for contrast in report.contrasts
    ]
    return ["## Further metrics", table(["", *names], scores + effects, left={0})]


def contrasts_table(report: RunReport) -> str:
    """All contrasts with their effects, those on shares in percentage points."""
    scale = report.comparison.scale
    heading = [
        "contrast",
        "effect",
        "95 % interval",
        "p",
        "p (Holm)",
        "format",
        "ability",
        "balanced",
        "p (balanced)",
        "smallest effect",
    ]
    rows = [
        [
            f"{contrast.candidate} vs {contrast.baseline}",
            points(contrast.result.effect, scale),
            interval_text(contrast.result.interval, scale),
            p_text(contrast.result.p),
            p_text(contrast.p),
            points(contrast.format_gain),
            points(contrast.ability_gain),
            points(contrast.balanced.effect if contrast.balanced else None),
            p_text(contrast.balanced.p) if contrast.balanced else "-",
            percent(contrast.detectable_effect, scale),
        ]
        for contrast in report.contrasts
    ]
    note = (
        "Verdicts follow the p-values that are corrected for the number of contrasts (Holm); those of the balanced "
        "accuracy are not corrected. The smallest effect is the one that this test set shows four times in five, in a "
        "contrast alone."
    )
    return f"{table(heading, rows, left={0})}\n\n{note}"


def _sections(report: RunReport) -> list[str]:
    parts = []
    for section in report_sections(report):
        said = "\n".join(f"- {text(sentence)}" for sentence in section.sentences)
        parts += [f"## {text(section.title)}", f"{text(section.question)}.", said]
        if section.rows:
            parts.append(table(section.heading, section.rows, left={0, len(section.heading) - 1}))
    return parts


def _still_wrong(report: RunReport) -> list[str]:
    diagnosis = report.diagnosis
    if diagnosis is None:
        return []
    said = "; ".join(filter(None, [wrong_text(report, diagnosis), unusable_text(diagnosis)]))
    parts = ["## Still wrong", f"{text(said)}."]
    if diagnosis.table and len(diagnosis.table.classes) <= MOST_CLASSES:
        classes = diagnosis.table.classes
        heading = ["is \\ answered", *map(label, classes), "not parsed"]
        cells = zip(classes, diagnosis.table.counts, strict=True)
        parts.append(table(heading, [[label(name), *map(str, row)] for name, row in cells], left={0}))
    elif diagnosis.confusions:
        lines = [f"- {cell.count:,} {text(confusion_name(cell))}" for cell in diagnosis.confusions[:CONFUSIONS]]
        rest = sum(cell.count for cell in diagnosis.confusions[CONFUSIONS:])
        parts.append("\n".join([*lines, *([f"- {rest:,} others"] if rest else [])]))
    if diagnosis.baseline is not None:
        parts.append(f"Against {text(diagnosis.baseline)}, {flips_text(report, diagnosis)}.")
    return [*parts, "The items stand in report.html."]


def _next(report: RunReport) -> list[str]:
    proposals = report.diagnosis.proposals if report.diagnosis else ()
    return ["## Next", "\n".join(f"- {text(str(proposal))}" for proposal in proposals)] if proposals else []


def _findings(report: RunReport) -> list[str]:
    if not report.findings:
        return []
    rows = [
        [finding.severity, finding.message, f"{finding.count:,}", ", ".join(finding.rows), finding.remedy]
        for finding in report.findings
    ]
    heading = ["severity", "finding", "rows", "for example", "what to do"]
    return ["## Data and prompts", table(heading, rows, left={0, 1, 3, 4})]


def _how(report: RunReport) -> list[str]:
    stages = [
        [name, seconds_text(stage["seconds"]), bytes_text(stage["peak_memory_bytes"])]
        for name, stage in report.facts.get("stages", {}).items()
        if name != "report"
    ]
    return [
        "## How this was made",
        _how_tuned(report),
        table(["stage", "time", "peak memory so far"], stages, left={0}) if stages else "",
        _facts(report.facts.get("determinism", {})),
        _details("recipe, with every default", report.facts.get("recipe", "")),
    ]


def _how_tuned(report: RunReport) -> str:
    lines = []
    if tuning := report.tuning:
        share = percent(tuning["trainable_parameters"] / tuning["parameters"])
        best = f"the weights of step {tuning['best_step']:,} were kept"
        loss = f"lowest validation loss, {min(tuning['validation_losses']):.3f} nats a token"
        lines.append(f"- {tuning['steps']:,} of {tuning['planned_steps']:,} planned optimizer steps; {best} ({loss})")
        lines.append(f"- {tuning['trainable_parameters']:,} of {tuning['parameters']:,} weights tuned ({share} %)")
        lines.append(f"- {tuning['supervised_tokens']:,} supervised tokens an epoch")
    counts = report.facts.get("data", {}).get("counts", {})
    if counts:
        lines.append("- counts: " + "; ".join(f"{text(name)} {count:,}" for name, count in counts.items()))
    known = [_facts(report.facts[key]) for key in ("versions", "hardware") if report.facts.get(key)]
    return "\n".join([*lines, *known])


def _facts(facts: dict[str, object]) -> str:
    lines = []
    for name, value in facts.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        lines.append(f"- {text(name)}: {text(shown)}")
    return "\n".join(lines)


def _limits(report: RunReport) -> str:
    diagnosis = report.diagnosis
    probes = {probe.name for probe in report.probes}
    others = "" if probes & {"held-out", "general"} else "; nothing is known about other tasks"
    lines = [f"- Measured on {items_text(report.comparison)} of this one task{others}."]
    lines += [f"- {text(said)}" for probe in report.probes for said in unseen_sentences(probe)]
    if diagnosis and diagnosis.wrong:
        lines.append(f"- {text(wrong_text(report, diagnosis))}.")
        lines += [f"  - {cell.count:,} {text(confusion_name(cell))}" for cell in diagnosis.confusions[:3]]
    asked = {"what the base model forgot": "general" in probes, "robustness": "robustness" in probes}
    asked |= dict.fromkeys(("bias", "safety"), report.safety is not None)
    lacking = [name for name, was_asked in asked.items() if not was_asked]
    if lacking:
        said = f"{listed(lacking)} {'was' if len(lacking) == 1 else 'were'} not measured"
        lines.append(f"- {said[0].upper()}{said[1:]}.")
    return "\n".join(lines)


def _details(title: str, content: str) -> str:
    """A block that opens on a click; the fence is longer than any run of backticks inside."""
    if not content:
        return ""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", content)), default=0))
    return f"<details><summary>{title}</summary>\n\n{fence}yaml\n{content.rstrip()}\n{fence}\n\n</details>"


def table(heading: Sequence[str], rows: Sequence[Sequence[str]], left: set[int]) -> str:
    """A Markdown table.

    Args:
        heading: Names of the columns.
        rows: Cells as plain text.
        left: The columns that are aligned to the left.
    """
    rule = [":--" if index in left else "--:" for index in range(len(heading))]
    lines = [map(text, heading), rule, *(map(text, row) for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def text(plain: str) -> str:
    """A text of any origin on one line, with everything escaped that Markdown or HTML could read as markup."""
    line = one_line(plain).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]|~#!])", r"\\\1", line)
