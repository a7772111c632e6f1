from __future__ import annotations

import math
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from tunelift.report.charts import (
    MOST_POINTS,
    WIDTH,
    Curve,
    Dot,
    Estimate,
    interval_chart,
    line_chart,
    reliability_chart,
    scatter_chart,
    ticks,
)

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)


def places(svg: str) -> tuple[list[float], list[float]]:
    """All horizontal and vertical coordinates of dots, lines and curves, and that the chart is well-formed."""
    across, down = [], []
    for element in ElementTree.fromstring(svg).iter():
        across += [float(element.attrib[name]) for name in ("x1", "x2", "cx") if name in element.attrib]
        down += [float(element.attrib[name]) for name in ("y1", "y2", "cy") if name in element.attrib]
        for point in element.attrib.get("points", "").split():
            x, y = map(float, point.split(","))
            across.append(x)
            down.append(y)
    return across, down


def height(svg: str) -> float:
    return float(ElementTree.fromstring(svg).attrib["viewBox"].split()[3])


def inside(svg: str) -> bool:
    across, down = places(svg)
    return all(0 <= x <= WIDTH for x in across) and all(0 <= y <= height(svg) for y in down)


@given(NUMBERS, NUMBERS)
def test_ticks_enclose_the_numbers_and_are_few(one: float, other: float) -> None:
    low, high = sorted((one, other))
    marks = ticks(low, high)
    slack = 1e-6 * max(marks[-1] - marks[0], 1e-300)
    assert marks[0] - slack <= low
    assert high <= marks[-1] + slack
    assert 2 <= len(marks) <= 8


def test_ticks_are_round() -> None:
    assert ticks(38.2, 74.6) == [30, 40, 50, 60, 70, 80]
    assert ticks(-3.4, 13) == [-5, 0, 5, 10, 15]


@given(st.lists(st.tuples(NUMBERS, st.none() | st.floats(0, 1e5)), min_size=1, max_size=8))
def test_an_interval_chart_stays_inside_its_frame(rows: list[tuple[float, float | None]]) -> None:
    estimates = [
        Estimate(
            "条件 & <b>" * 9, value, None if half is None else value - half, None if half is None else value + half
        )
        for value, half in rows
    ]
    assert inside(interval_chart("chart", "title", estimates))


def test_an_interval_chart_has_a_row_an_estimate_and_a_line_at_zero() -> None:
    svg = interval_chart("c", "effects", [Estimate("a", 5.0, -1.0, 11.0, "undecided"), Estimate("b", 7.0, None, None)])
    root = ElementTree.fromstring(svg)
    assert len(root.findall("g")) == 2
    assert len(root.findall(".//circle")) == 2
    assert len(root.findall("g/line")) == 1
    assert len(root.findall("line[@class='zero']")) == 1
    assert root.findtext("desc") == "a 5.0 (-1.0 to 11.0); b 7.0"
    assert "zero" not in interval_chart("c", "scores", [Estimate("a", 50, 40, 60)])


def test_every_chart_is_described_to_those_who_cannot_see_it() -> None:
    root = ElementTree.fromstring(line_chart("c", "the <title>", [Curve("training", [(1, 2.0), (2, 1.0)])], "step"))
    assert root.attrib["role"] == "img"
    ids = {element.attrib.get("id") for element in root.iter()}
    assert set(root.attrib["aria-labelledby"].split()) <= ids
    assert (root.findtext("title"), root.findtext("desc")) == ("the <title>", "training from 2.000 to 1.000")


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=16), min_size=1, max_size=50))
def test_a_line_chart_stays_inside_its_frame_whatever_the_loss(losses: list[float]) -> None:
    svg = line_chart("c", "loss", [Curve("training", list(enumerate(losses, start=1)))], "step", marked=len(losses))
    assert not svg if not any(map(math.isfinite, losses)) else True
    # The mark may stand at a step whose own loss is not finite.
    assert not svg or not math.isfinite(losses[-1]) or inside(svg)


def test_long_curves_are_averaged() -> None:
    svg = line_chart("c", "loss", [Curve("training", [(step, float(step % 2)) for step in range(1, 5001)])], "step")
    points = ElementTree.fromstring(svg).find(".//polyline").attrib["points"].split()
    assert 300 <= len(points) <= MOST_POINTS


@given(st.lists(st.tuples(st.floats(0, 1e6), NUMBERS), min_size=1, max_size=8))
def test_a_scatter_chart_stays_inside_its_frame(points: list[tuple[float, float]]) -> None:
    svg = scatter_chart("c", "t", [Dot("条件 & <b>", x, y) for x, y in points], "cost", "score", sorted(points))
    assert inside(svg)
    texts = ElementTree.fromstring(svg).findall("g/text")
    assert len(texts) == len(points)
    assert all(0 <= float(text.attrib["x"]) <= WIDTH for text in texts)


def test_a_scatter_chart_joins_points_by_steps() -> None:
    dots = [Dot("cheap", 0, 50, "better"), Dot("dear", 10, 40), Dot("good", 10, 80, "better")]
    root = ElementTree.fromstring(scatter_chart("c", "t", dots, "cost", "score", [(0, 50), (10, 80)]))
    corners = [tuple(map(float, corner.split(","))) for corner in root.find(".//polyline").attrib["points"].split()]
    circles = {c.attrib["cy"]: c.attrib["cx"] for c in root.iter("circle")}
    assert len(corners) == 3
    assert corners[0][1] == corners[1][1] > corners[2][1]
    assert corners[0][0] < corners[1][0] == corners[2][0]
    assert f"{corners[2][1]:.1f}" in circles
    assert root.findtext("desc") == "cheap 50 at 0; dear 40 at 10; good 80 at 10"


def test_names_of_dots_do_not_cover_each_other() -> None:
    root = ElementTree.fromstring(
        scatter_chart("c", "t", [Dot("first one", 5, 50), Dot("second", 5.1, 50.1), Dot("x", 9, 90)], "c", "s")
    )
    first, second, _ = root.findall("g/text")
    assert (first.attrib["text-anchor"], first.attrib["y"]) != (second.attrib["text-anchor"], second.attrib["y"])


PERCENT = st.floats(0, 100)


@given(st.lists(st.lists(st.tuples(PERCENT, PERCENT), min_size=1, max_size=10), min_size=1, max_size=3))
def test_a_reliability_chart_stays_inside_its_frame(bins: list[list[tuple[float, float]]]) -> None:
    curves = [Curve(f"c{at}", points) for at, points in enumerate(bins)]
    limits = [(max(y - 20, 0.0), min(y + 5, 100.0)) if at else None for at, (_, y) in enumerate(bins[0])]
    svg = reliability_chart("c", "t", curves, limits, ("probability", "right"))
    assert inside(svg)
    root = ElementTree.fromstring(svg)
    assert len(root.findall("line[@class='zero']")) == 1
    assert {g.attrib["class"] for g in root.findall("g")} <= {"curve first", "curve second", "curve third"}
    assert root.findtext("desc").startswith("right by probability; c0: ")
