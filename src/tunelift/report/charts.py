"""Charts as SVG text: pure functions of numbers. Colours come from the classes of the page that holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, isfinite, log10

from tunelift.report.columns import display_width

WIDTH = 440
LETTER = 7.2  # average width of a letter, in the units of the chart
ROW = 26
MOST_POINTS = 400


@dataclass(frozen=True, slots=True)
class Estimate:
    """One row of an interval chart.

    Attributes:
        name: Stands before it.
        value: The dot.
        low: Lower end of the interval; None when there is no interval.
        high: Upper end.
        kind: Class of the row: it decides the colour.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a line chart.

    Attributes:
        name: Stands in the legend; also the class that decides the colour.
        points: x and y; points that are not finite are left out.
    """

    name: str
    points: Sequence[tuple[float, float]]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers from at most `low` to at least `high`, in steps of 1, 2 or 5 times a power of ten."""
    size = max(abs(low), abs(high), 1e-3)
    span = high - low if high - low > 1e-9 * size else size
    power = 10.0 ** floor(log10(span / count))
    step = next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= span / count)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [index * step for index in range(first, max(last, first + 1) + 1)]


def interval_chart(id: str, title: str, estimates: Sequence[Estimate]) -> str:
    """Dots with their intervals under each other on one axis; a line at zero where values have both signs.

    Args:
        id: Unique in the page.
        title: What is shown, for those who cannot see it.
        estimates: The rows, from top to bottom.
    """
    ends = [end for row in estimates for end in (row.low, row.value, row.high) if end is not None]
    marks = ticks(min(ends), max(ends))
    longest = max(display_width(row.name) for row in estimates)
    names = min(LETTER * longest, 0.4 * WIDTH)
    left, right, bottom = names + 10, WIDTH - 16, ROW * len(estimates) + 6

    def x(value: float) -> float:
        return left + (value - marks[0]) / (marks[-1] - marks[0]) * (right - left)

    parts = [_vertical(x(mark), bottom, "zero" if mark == 0 and marks[0] < 0 else "grid") for mark in marks]
    parts += [_text(x(mark), bottom + 16, f"{mark:g}", "middle") for mark in marks]
    for index, row in enumerate(estimates):
        y = ROW * index + ROW / 2 + 2
        line = ""
        if row.low is not None and row.high is not None:
            line = f'<line x1="{x(row.low):.1f}" x2="{x(row.high):.1f}" y1="{y}" y2="{y}"/>'
        name = _text(left - 10, y + 4, _fit(row.name, names), "end")
        dot = f'<circle cx="{x(row.value):.1f}" cy="{y}" r="4.5"/>'
        parts.append(f'<g class="estimate {escape(row.kind)}">{name}{line}{dot}</g>')
    return _svg(id, title, "; ".join(map(_estimate_text, estimates)), bottom + 24, parts)


def line_chart(id: str, title: str, curves: Sequence[Curve], x_name: str, marked: float | None = None) -> str:
    """Curves over a common axis, with dots where there are few points.

    Args:
        id: Unique in the page.
        title: What is shown, for those who cannot see it.
        curves: The lines; more than 400 points are averaged in equal stretches.
        x_name: What the horizontal axis counts.
        marked: A place on the horizontal axis that gets a vertical line.
    """
    curves = [Curve(curve.name, _thinned(curve.points)) for curve in curves]
    points = [point for curve in curves for point in curve.points]
    if not points:
        return ""
    x_marks = ticks(0, max(x for x, _ in points))
    y_marks = ticks(min(y for _, y in points), max(y for _, y in points), 4)
    left, right, top, bottom = 44.0, WIDTH - 16.0, 30.0, 210.0

    def place(point: tuple[float, float]) -> tuple[float, float]:
        across = (point[0] - x_marks[0]) / (x_marks[-1] - x_marks[0])
        up = (point[1] - y_marks[0]) / (y_marks[-1] - y_marks[0])
        return left + across * (right - left), bottom - up * (bottom - top)

    parts = []
    for mark in y_marks:
        _, y = place((0, mark))
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(left - 8, y + 4, f"{mark:.4g}", "end"))
    parts += [_text(place((mark, 0))[0], bottom + 18, f"{mark:,.6g}", "middle") for mark in x_marks]
    parts.append(_text(right, bottom + 36, x_name, "end"))
    if marked is not None:
        x, _ = place((marked, 0))
        parts.append(f'<line class="marked" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>')
    for index, curve in enumerate(curves):
        parts.append(_curve([place(point) for point in curve.points], curve.name))
        parts.append(_legend(left + 140 * index, curve.name))
    return _svg(id, title, "; ".join(map(_curve_text, curves)), bottom + 44, parts)


def _curve(places: Sequence[tuple[float, float]], name: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in places) if len(places) <= 30 else ""
    return f'<g class="curve {escape(name)}"><polyline points="{path}"/>{dots}</g>'


def _legend(x: float, name: str) -> str:
    key = f'<line x1="{x}" x2="{x + 18}" y1="10" y2="10"/>'
    return f'<g class="curve {escape(name)}">{key}{_text(x + 24, 14, name, "start")}</g>'


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most 400 points: the means of equal stretches."""
    finite = [(x, y) for x, y in points if isfinite(x) and isfinite(y)]
    size = ceil(len(finite) / MOST_POINTS) or 1
    stretches = [finite[start : start + size] for start in range(0, len(finite), size)]
    return [(sum(x for x, _ in s) / len(s), sum(y for _, y in s) / len(s)) for s in stretches]


def _fit(text: str, width: float) -> str:
    """A text that is not wider than this, shortened where it has to be."""
    if display_width(text) * LETTER <= width:
        return text
    while text and display_width(text) * LETTER > width - LETTER:
        text = text[:-1]
    return f"{text}…"


def _vertical(x: float, bottom: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{bottom}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _estimate_text(row: Estimate) -> str:
    interval = f" ({row.low:.1f} to {row.high:.1f})" if row.low is not None and row.high is not None else ""
    return f"{row.name} {row.value:.1f}{interval}"


def _curve_text(curve: Curve) -> str:
    if not curve.points:
        return f"{curve.name}: none"
    (_, first), (_, last) = curve.points[0], curve.points[-1]
    return f"{curve.name} from {first:.3f} to {last:.3f}"


def _svg(id: str, title: str, description: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-labelledby="{id}_title {id}_desc">'
        f'<title id="{id}_title">{escape(title)}</title><desc id="{id}_desc">{escape(description)}</desc>'
        f"{''.join(parts)}</svg>"
    )
