"""Charts as SVG text: pure functions of numbers. Colours come from the classes of the page that holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import chain, pairwise
from math import ceil, floor, isfinite, log10

from tunelift.report.columns import display_width

WIDTH = 440
LEFT, RIGHT, TOP = 44.0, WIDTH - 16.0, 30.0  # of the frame of a chart with two axes
LETTER = 7.2  # average width of a letter, in the units of the chart
ROW = 26
MOST_POINTS = 400
KINDS = ("first", "second", "third")  # classes of curves whose names come from the user


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


@dataclass(frozen=True, slots=True)
class Dot:
    """One point of a scatter chart.

    Attributes:
        name: Stands beside it.
        x: Its place on the horizontal axis.
        y: Its place on the vertical axis.
        kind: Class of the dot: it decides the colour.
    """

    name: str
    x: float
    y: float
    kind: str = ""


@dataclass(frozen=True, slots=True)
class _Frame:
    """Two axes.

    Attributes:
        x_marks: Where the horizontal one is marked, its ends first and last.
        y_marks: The same for the vertical one.
        bottom: Lower end of the frame.
    """

    x_marks: Sequence[float]
    y_marks: Sequence[float]
    bottom: float

    def place(self, point: tuple[float, float]) -> tuple[float, float]:
        """Where a point stands in the chart."""
        across = (point[0] - self.x_marks[0]) / (self.x_marks[-1] - self.x_marks[0])
        up = (point[1] - self.y_marks[0]) / (self.y_marks[-1] - self.y_marks[0])
        return LEFT + across * (RIGHT - LEFT), self.bottom - up * (self.bottom - TOP)

    def axes(self, x_name: str) -> list[str]:
        """The marks of both axes and the name of the horizontal one."""
        parts = []
        for mark in self.y_marks:
            _, y = self.place((0, mark))
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(_text(LEFT - 8, y + 4, f"{mark:.4g}", "end"))
        parts += [_text(self.place((mark, 0))[0], self.bottom + 18, f"{mark:,.6g}", "middle") for mark in self.x_marks]
        return [*parts, _text(RIGHT, self.bottom + 36, x_name, "end")]


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
    frame = _Frame(
        ticks(0, max(x for x, _ in points)), ticks(min(y for _, y in points), max(y for _, y in points), 4), 210.0
    )
    parts = frame.axes(x_name)
    if marked is not None:
        x, _ = frame.place((marked, 0))
        parts.append(f'<line class="marked" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{frame.bottom}"/>')
    for index, curve in enumerate(curves):
        parts.append(_curve(list(map(frame.place, curve.points)), curve.name))
        parts.append(_legend(LEFT + 140 * index, curve.name, curve.name))
    return _svg(id, title, "; ".join(map(_curve_text, curves)), frame.bottom + 44, parts)


def scatter_chart(
    id: str, title: str, dots: Sequence[Dot], x_name: str, y_name: str, steps: Sequence[tuple[float, float]] = ()
) -> str:
    """Dots with their names beside them; the horizontal axis begins at zero.

    Args:
        id: Unique in the page.
        title: What is shown, for those who cannot see it.
        dots: The points; no x is negative.
        x_name: What the horizontal axis counts.
        y_name: What the vertical axis counts.
        steps: Points that are joined by a staircase, from left to right.
    """
    heights = [dot.y for dot in dots]
    frame = _Frame(ticks(0, max(dot.x for dot in dots)), ticks(min(heights), max(heights), 4), 230.0)
    places = [frame.place((dot.x, dot.y)) for dot in dots]
    corners = list(chain(*(((x, last), (x, y)) for (_, last), (x, y) in pairwise(steps))))
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(frame.place, [*steps[:1], *corners]))
    parts = [*frame.axes(x_name), _text(0, 14, y_name, "start")]
    parts += [f'<g class="curve steps"><polyline points="{path}"/></g>'] if corners else []
    for dot, (x, y), name in zip(dots, places, _names(dots, places, frame.bottom), strict=True):
        parts.append(f'<g class="estimate {escape(dot.kind)}"><circle cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>{name}</g>')
    description = "; ".join(f"{dot.name} {dot.y:.4g} at {dot.x:.4g}" for dot in dots)
    return _svg(id, title, description, frame.bottom + 44, parts)


def reliability_chart(
    id: str, title: str, curves: Sequence[Curve], limits: Sequence[tuple[float, float] | None], names: tuple[str, str]
) -> str:
    """How often is right what is held for so likely: both in per cent, with the diagonal on which the two agree.

    Args:
        id: Unique in the page.
        title: What is shown, for those who cannot see it.
        curves: At most three, each with a point for every bin.
        limits: Interval for every point of the first curve; None where there is none.
        names: Of the horizontal and of the vertical axis.
    """
    values = [value for curve in curves for point in curve.points for value in point]
    marks = ticks(min(90.0, *values, *(ends[0] for ends in limits if ends)), 100)
    frame = _Frame(marks, marks, 290.0)
    (left, low), (right, high) = (frame.place((end, end)) for end in (marks[0], marks[-1]))
    diagonal = f'<line class="zero" x1="{left:.1f}" y1="{low:.1f}" x2="{right:.1f}" y2="{high:.1f}"/>'
    parts = [*frame.axes(names[0]), _text(LEFT + 6, TOP + 16, names[1], "start"), diagonal]
    parts.append(_whiskers(frame, curves[0], limits))
    # The first one last, so that it lies above the others.
    for index, (curve, kind) in reversed(list(enumerate(zip(curves, KINDS, strict=False)))):
        parts.append(_curve(list(map(frame.place, curve.points)), kind))
        parts.append(_legend(LEFT + 128 * index, _fit(curve.name, 100), kind))
    described = (f"{curve.name}: {', '.join(f'{y:.1f} at {x:.1f}' for x, y in curve.points)}" for curve in curves)
    return _svg(id, title, f"{names[1]} by {names[0]}; {'; '.join(described)}", frame.bottom + 44, parts)


def _whiskers(frame: _Frame, curve: Curve, limits: Sequence[tuple[float, float] | None]) -> str:
    """The intervals of the points of the first curve."""
    lines = []
    for (across, _), ends in zip(curve.points, limits, strict=True):
        if ends is not None:
            (x, low), (_, high) = frame.place((across, ends[0])), frame.place((across, ends[1]))
            lines.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>')
    return f'<g class="curve {KINDS[0]}">{"".join(lines)}</g>'


Box = tuple[float, float, float, float]  # left, top, right, bottom


def _names(dots: Sequence[Dot], places: Sequence[tuple[float, float]], bottom: float) -> list[str]:
    """A name beside each dot, on the side where it covers the least."""
    taken: list[Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y in places]
    texts = []
    for dot, (x, y) in zip(dots, places, strict=True):
        name = _fit(dot.name, 0.4 * WIDTH)
        width = display_width(name) * LETTER
        sides: list[tuple[float, float, str, float]] = [
            (x + 9, y + 4, "start", x + 9),
            (x - 9, y + 4, "end", x - 9 - width),
            (x, y - 10, "middle", x - width / 2),
            (x, y + 20, "middle", x - width / 2),
        ]

        def covered(side: tuple[float, float, str, float], width: float = width) -> tuple[bool, int]:
            box = (side[3], side[1] - 10, side[3] + width, side[1] + 3)
            is_outside = box[0] < LEFT or box[2] > WIDTH or box[1] < TOP - 14 or box[3] > bottom
            return is_outside, sum(_overlap(box, other) for other in taken)

        at, line, anchor, left = min(sides, key=covered)
        taken.append((left, line - 10, left + width, line + 3))
        texts.append(_text(at, line, name, anchor))
    return texts


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _curve(places: Sequence[tuple[float, float]], kind: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in places) if len(places) <= 30 else ""
    return f'<g class="curve {escape(kind)}"><polyline points="{path}"/>{dots}</g>'


def _legend(x: float, name: str, kind: str) -> str:
    key = f'<line x1="{x}" x2="{x + 18}" y1="10" y2="10"/>'
    return f'<g class="curve {escape(kind)}">{key}{_text(x + 24, 14, name, "start")}</g>'


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
