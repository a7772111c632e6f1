"""The report as one page that opens offline: no script, no external resource."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Any

from tunelift.comparison.records import contrast_p_text, p_text
from tunelift.diagnosis.records import Confusion, ConfusionTable
from tunelift.report import charts, items, wording
from tunelift.report.record import RunReport
from tunelift.report.sections import report_sections

MOST_CLASSES = 20


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One row of the confusion table.

    Attributes:
        name: The class.
        cells: For each column the count, its share of the row, whether it is the right answer, and the anchor of
            its items (None where they are not listed).
        total: Items of the class.
        recall: Share of them that is right; None without items.
    """

    name: str
    cells: tuple[tuple[int, float, bool, str | None], ...]
    total: int
    recall: float | None


def render_html(report: RunReport) -> str:
    """The report as an HTML page.

    Every text that comes from data or models is escaped, and a content security policy forbids the page to run or
    to load anything.
    """
    diagnosis = report.diagnosis
    listed = diagnosis.confusions[: items.CONFUSIONS] if diagnosis else ()
    table = diagnosis.table if diagnosis else None
    shown = shown_classes(table) if table else []
    return (
        _environment(report.comparison.scale)
        .get_template("report.html.jinja")
        .render(
            report=report,
            studied=report.studied,
            diagnosis=diagnosis,
            conditions_chart=_conditions_chart(report),
            contrasts_chart=_contrasts_chart(report),
            learning_chart=_learning_chart(report.tuning) if report.tuning else "",
            columns=[table.classes[index] for index in shown] if table else [],
            heat_rows=heat_rows(table, shown, listed) if table else [],
            sections=report_sections(report),
            wrong=items.wrong_items(report),
            flipped=items.flipped_items(report),
        )
    )


def _environment(scale: float) -> Any:
    """The templates' environment, with scores shown on a scale."""
    import jinja2

    templates = files("tunelift.report").joinpath("templates")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: templates.joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "markup": _markup,
        "bytes": wording.bytes_text,
        "effect": wording.effect_text,
        "interval": partial(wording.interval_text, scale=scale),
        "label": wording.label,
        "p": p_text,
        "contrast_p": contrast_p_text,
        "percent": wording.percent,
        "number": wording.number_text,
        "points": partial(wording.points, scale=scale),
        "score": partial(wording.percent, scale=scale),
        "seconds": wording.seconds_text,
        "verdict": partial(wording.verdict, scale=scale),
        "outcome": wording.outcome,
    }
    environment.globals |= {
        "notes": wording.notes,
        "items_text": wording.items_text,
        "metric_name": wording.metric_name,
        "of_hundred": wording.of_hundred,
        "remarks": wording.remarks,
        "unit": wording.unit,
        "wrong_text": wording.wrong_text,
        "unusable_text": wording.unusable_text,
        "flips_text": wording.flips_text,
    }
    return environment


def shown_classes(table: ConfusionTable) -> list[int]:
    """The classes of the confusion table, the 20 with the most errors where there are more; in their order."""
    classes = range(len(table.classes))
    errors = [sum(table.counts[i]) + sum(row[i] for row in table.counts) - 2 * table.counts[i][i] for i in classes]
    return sorted(sorted(classes, key=lambda index: -errors[index])[:MOST_CLASSES])


def heat_rows(table: ConfusionTable, shown: list[int], listed: Sequence[Confusion]) -> list[HeatRow]:
    """The rows of the confusion table as the page has them.

    Args:
        table: The whole table.
        shown: The classes to show.
        listed: The confusions whose items the page lists.
    """
    anchors = {(cell.target, cell.answer): name for cell, name in zip(listed, wording.anchors(listed), strict=True)}
    answers = [*table.classes, None]
    rows = []
    for index in shown:
        target, row, total = table.classes[index], table.counts[index], sum(table.counts[index])
        cells = tuple(
            (row[column], row[column] / max(total, 1), column == index, anchors.get((target, answers[column])))
            for column in [*shown, len(table.classes)]
        )
        rows.append(HeatRow(target, cells, total, row[index] / total if total else None))
    return rows


def _conditions_chart(report: RunReport) -> Any:
    scale = report.comparison.scale
    estimates = [
        charts.Estimate(
            score.name,
            scale * score.score,
            scale * score.interval.low if score.interval else None,
            scale * score.interval.high if score.interval else None,
            "studied" if score.name == report.studied.name else "",
        )
        for score in report.comparison.conditions
    ]
    measured = " in per cent" if scale == 100 else ""
    title = f"{wording.metric_name(report.comparison)} of every condition{measured}, with 95 % intervals"
    return _markup(charts.interval_chart("conditions_chart", title, estimates))


def _contrasts_chart(report: RunReport) -> Any:
    if not report.contrasts:
        return ""
    scale = report.comparison.scale
    estimates = [
        charts.Estimate(
            f"{contrast.candidate} vs {contrast.baseline}",
            scale * contrast.result.effect,
            scale * contrast.result.interval.low if contrast.result.interval else None,
            scale * contrast.result.interval.high if contrast.result.interval else None,
            wording.outcome(contrast),
        )
        for contrast in report.contrasts
    ]
    measured = " in percentage points" if scale == 100 else ""
    title = f"effects{measured}, with 95 % intervals; right of zero the first one is better"
    return _markup(charts.interval_chart("contrasts_chart", title, estimates))


def _learning_chart(tuning: dict[str, Any]) -> Any:
    training = list(enumerate(tuning["training_losses"], start=1))
    validation = list(zip(tuning["validation_steps"], tuning["validation_losses"], strict=True))
    curves = [charts.Curve("training", training), charts.Curve("validation", validation)]
    title = "loss in nats per supervised token, by optimizer step"
    return _markup(charts.line_chart("learning_chart", title, curves, "optimizer step", tuning["best_step"]))


def _markup(svg: str) -> Any:
    """A chart as it is: charts escape what they contain."""
    from markupsafe import Markup

    return Markup(svg)  # noqa: S704
