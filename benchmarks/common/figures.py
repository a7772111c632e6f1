"""A chart as a file of its own: a curve with intervals over numbers that double."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import log2

from tunelift.report.charts import ticks

WIDTH, HEIGHT = 560, 360
LEFT, RIGHT, TOP, BOTTOM = 64.0, 540.0, 48.0, 300.0
STYLE = (
    "text{font:13px sans-serif;fill:#1c2226}.title{font-weight:650}.grid{stroke:#dde2df}"
    ".zero{stroke:#566168;stroke-dasharray:3 3}.part{fill:none;stroke:#9ba7ab;stroke-width:1.2}"
    ".whole{fill:none;stroke:#0f6b6b;stroke-width:2.2}.end{stroke:#0f6b6b;stroke-width:2}circle{fill:#0f6b6b}"
)


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the curve.

    Attributes:
        x: Its place, positive.
        y: Its value.
        low: Lower end of its interval; None where it has none.
        high: Upper end.
        parts: The values that it is the mean of, each of a curve of its own.
    """

    x: float
    y: float
    low: float | None
    high: float | None
    parts: tuple[float, ...]


def doubling_chart(title: str, x_name: str, y_name: str, points: Sequence[Point]) -> str:
    """An SVG file: the curve with intervals, its parts as thin lines, and a line at zero.

    Args:
        title: Above the chart.
        x_name: What the horizontal axis counts, in equal steps from a number to its double.
        y_name: What the vertical axis shows.
        points: At least one, from left to right, all with as many parts.
    """
    values = [v for point in points for v in (point.y, point.low, point.high, *point.parts) if v is not None]
    marks = ticks(min(0.0, *values), max(0.0, *values))
    first, last = log2(points[0].x) - 0.3, log2(points[-1].x) + 0.3

    def across(x: float) -> float:
        return LEFT + (log2(x) - first) / (last - first) * (RIGHT - LEFT)

    def up(y: float) -> float:
        return BOTTOM - (y - marks[0]) / (marks[-1] - marks[0]) * (BOTTOM - TOP)

    def line(values: Sequence[float], kind: str) -> str:
        path = " ".join(f"{across(point.x):.1f},{up(y):.1f}" for point, y in zip(points, values, strict=True))
        return f'<polyline class="{kind}" points="{path}"/>'

    shapes = [_text(LEFT, 20, title, "start", "title"), _text(LEFT, 38, y_name, "start")]
    for mark in marks:
        y, kind = up(mark), "zero" if abs(mark) < 1e-12 else "grid"
        shapes.append(f'<line class="{kind}" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        shapes.append(_text(LEFT - 8, y + 4, f"{mark:g}", "end"))
    shapes += [line(part, "part") for part in zip(*(point.parts for point in points), strict=True)]
    shapes.append(line([point.y for point in points], "whole"))
    for point in points:
        x = across(point.x)
        shapes.append(_text(x, BOTTOM + 20, f"{point.x:g}", "middle"))
        if point.low is not None and point.high is not None:
            shapes.append(
                f'<line class="end" x1="{x:.1f}" x2="{x:.1f}" y1="{up(point.low):.1f}" y2="{up(point.high):.1f}"/>'
            )
        shapes.append(f'<circle cx="{x:.1f}" cy="{up(point.y):.1f}" r="4.5"/>')
    shapes.append(_text(RIGHT, BOTTOM + 42, x_name, "end"))
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    background = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style>{background}{''.join(shapes)}</svg>\n"
    )


def _text(x: float, y: float, text: str, anchor: str, kind: str = "label") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
