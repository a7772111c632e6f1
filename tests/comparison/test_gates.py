from __future__ import annotations

import json
from dataclasses import replace
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import DescrStatsW

from tunelift.cli import main
from tunelift.comparison.gates import Requirement, Verdict, judge, judge_scores, parse_requirement
from tunelift.comparison.reading import read_pair
from tunelift.core.errors import UserError
from tunelift.evaluation.metrics.metric import Metric, mean_metric
from tunelift.statistics.intervals import Interval
from tunelift.statistics.power import mcnemar_power

SHARE = mean_metric("acc", lambda outcome: nan)
NUMBER = mean_metric("score", lambda outcome: nan, high=float("inf"))
LOSS = mean_metric("loss", lambda outcome: nan, high=float("inf"), higher_is_better=False)


def decide(least: float, metric: Metric, before: Any, after: Any, **arguments: Any) -> Verdict:
    return judge_scores(Requirement("text", metric.name, least), metric, before, after, **arguments)


def binary(wins: int, losses: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    before = np.array([0] * wins + [1] * losses + [1] * (n - wins - losses))
    return before, np.array([1] * wins + [0] * losses + [1] * (n - wins - losses))


def test_a_published_interval_decides() -> None:
    """Tango (1998): 12 wins and 2 losses among 50 pairs give 0.0611 to 0.3447."""
    shown, not_shown = (decide(least, SHARE, *binary(12, 2, 50)) for least in (6.1, 6.2))
    assert (shown.shown, not_shown.shown) == (True, False)
    assert shown.interval is not None
    assert (round(shown.interval.low, 4), round(shown.interval.high, 4)) == (0.0611, 0.3447)
    assert (shown.effect, shown.needed, shown.enough) == (pytest.approx(0.2), 0.061, None)
    assert shown.reason == "+20.0 percentage points (95 % interval +6.1 to +34.5)"
    assert not_shown.reason == (
        "+20.0 percentage points (95 % interval +6.1 to +34.5), but its lower end has to reach +6.2, for which about"
        " 101 items would do if effect and spread stay as they are"
    )
    assert decide(6.2, SHARE, *binary(12, 2, 50), alpha=0.1).shown


SCORES = st.lists(st.integers(-300, 300).map(lambda score: score / 100), min_size=20, max_size=30)


@given(differences=SCORES, least=st.floats(-2, 2), alpha=st.sampled_from([0.01, 0.05, 0.2]))
def test_a_requirement_is_a_one_sided_t_test(differences: list[float], least: float, alpha: float) -> None:
    """On scores that are no shares; where an improvement is asked for, the two-sided test of none follows from it."""
    assume(np.std(differences) > 1e-6 and all(differences))  # items that do not differ widen the interval
    verdict = decide(least, NUMBER, np.zeros(len(differences)), differences, alpha=alpha)
    p = stats.ttest_1samp(differences, least, alternative="greater").pvalue
    assume(abs(p - alpha / 2) > 1e-9)
    assert verdict.shown == (p <= alpha / 2)
    assert verdict.interval is not None
    ends = DescrStatsW(differences).tconfint_mean(alpha)
    assert (verdict.interval.low, verdict.interval.high) == pytest.approx(ends)


@given(before=SCORES, seed=st.integers(0, 99), least=st.floats(-2, 2))
def test_a_fall_is_an_improvement_where_lower_is_better(before: list[float], seed: int, least: float) -> None:
    after = np.array(before) + np.random.default_rng(seed).normal(size=len(before))
    falls, rises = decide(least, LOSS, before, after), decide(least, NUMBER, -np.array(before), -after)
    assert (falls.shown, falls.effect, falls.interval) == (rises.shown, rises.effect, rises.interval)
    assert falls.effect == pytest.approx(np.mean(before) - after.mean())


@pytest.mark.parametrize("effect", [0.0, 0.05])
def test_what_is_only_just_not_so_is_hardly_ever_shown(effect: float) -> None:
    """At 5 %, an improvement of exactly what is needed counts as shown in one of forty comparisons."""
    draws = np.random.default_rng(5).multinomial(60, (0.12 + effect, 0.12, 0.76 - effect), 4000)
    cells, times = np.unique(draws, axis=0, return_counts=True)
    shown = [decide(100 * effect, SHARE, *binary(wins, losses, 60)).shown for wins, losses, _ in cells]
    assert 0.01 < np.average(shown, weights=times) < 0.03


@pytest.mark.parametrize("least", [0.0, 0.1])
def test_the_number_of_items_that_would_do(least: float) -> None:
    differences = np.random.default_rng(3).normal(0.2, 1, 100)
    verdict = decide(least, NUMBER, np.zeros(100), differences)
    size = (differences.mean() - least) / differences.std(ddof=1)
    needed = TTestPower().solve_power(size, power=0.8, alpha=0.05)
    assert not verdict.shown
    assert verdict.enough is not None
    assert 0 <= needed - verdict.enough < 3  # which counts with the normal distribution
    groups = np.arange(100) // 2
    by_group = decide(least, NUMBER, np.zeros(100), differences, groups=groups)
    assert by_group.enough is not None
    assert by_group.reason.endswith(f"about {by_group.enough:,} groups would do if effect and spread stay as they are")
    pairs = differences.reshape(50, 2).mean(axis=1)
    of_groups = TTestPower().solve_power((pairs.mean() - least) / pairs.std(ddof=1), power=0.8, alpha=0.05)
    assert abs(of_groups - by_group.enough) < 4


def test_no_number_of_items_makes_a_small_effect_large() -> None:
    verdict = decide(+30, SHARE, *binary(12, 2, 50))
    assert (verdict.shown, verdict.enough) == (False, None)
    assert verdict.reason.endswith(
        "but its lower end has to reach +30, which no number of items would change while the effect does not exceed +30"
    )


def test_a_requirement_does_not_find_what_the_exact_test_denies() -> None:
    """Four wins in ten items: Tango's interval excludes 0, McNemar's exact test has p = 0.125."""
    verdict = decide(+1, SHARE, *binary(4, 0, 10))
    assert verdict.interval is not None
    assert verdict.interval.low > 0.01
    assert not verdict.shown
    assert "but the test shows no difference (p = 0.12), for which about 19 items would do" in verdict.reason
    assert decide(-1, SHARE, *binary(4, 0, 10)).shown  # that it is not worse is another question
    assert decide(0, SHARE, *binary(6, 0, 10)).shown
    assert mcnemar_power(0.4, 0.4, 18) < 0.8 <= mcnemar_power(0.4, 0.4, 19)


def test_data_that_cannot_give_an_interval() -> None:
    single = decide(-1, NUMBER, [0.5], [0.75])
    assert (single.shown, single.interval, single.enough) == (False, None, None)
    assert single.reason == (
        "+0.250 in its own unit, but there is no interval: 1 item cannot show anything at this level, at least 6 are"
        " needed"
    )
    scores = np.random.default_rng(1).random((2, 40))
    one = decide(-90, SHARE, *scores, groups=["a"] * 40)
    found = "1 group cannot show anything at this level, at least 6 are needed"
    assert not one.shown
    assert one.reason.endswith(f"but there is no interval: {found}")
    five, six = (decide(-90, SHARE, *scores, groups=np.arange(40) % number) for number in (5, 6))
    assert (five.shown, six.shown) == (False, True)
    assert "5 groups cannot show anything" in five.reason
    assert decide(-90, SHARE, *scores, groups=np.arange(40) % 5, alpha=0.1).shown
    equal = decide(-1, NUMBER, np.arange(6), np.arange(6) + 0.25)
    assert equal.reason == "+0.250 in its own unit, but there is no interval: all items differ by the same amount"


@pytest.mark.parametrize("groups", [None, np.repeat(np.arange(500), 2)])
def test_answers_that_are_the_same_are_not_worse(groups: np.ndarray | None) -> None:
    """Right or wrong answers have Tango's interval anyway, shares and groups the one without wins and losses."""
    n = 500 if groups is None else 1000
    shares = np.random.default_rng(2).random(n)
    same = decide(-1, SHARE, shares, shares, groups=groups)
    assert same.shown
    assert same.interval == decide(-1, SHARE, *binary(0, 0, 500)).interval
    few = decide(-1, SHARE, shares[:50], shares[:50])
    assert not few.shown
    assert few.enough == 381  # (1 - 0.01) z^2 / 0.01, for n at which z^2 / (n + z^2) = 0.01
    assert decide(-1, SHARE, *binary(0, 0, 381)).shown
    assert not decide(-1, SHARE, *binary(0, 0, 380)).shown
    assert not decide(0, SHARE, shares, shares, groups=groups).shown


@pytest.mark.parametrize("groups", [None, np.repeat(np.arange(300), 2)])
def test_a_tiny_loss_on_one_item_excludes_no_more_than_none_at_all(groups: np.ndarray | None) -> None:
    shares = np.random.default_rng(2).random(300 if groups is None else 600)
    lower = shares - 0.001 * (np.arange(len(shares)) == 7)
    same, one = (decide(-1, SHARE, shares, scores, groups=groups) for scores in (shares, lower))
    assert (same.shown, one.shown) == (False, False)
    assert same.interval is not None
    assert one.interval is not None
    assert one.interval.low == same.interval.low
    assert decide(-2, SHARE, shares, lower, groups=groups).shown


def test_shares_of_errors_that_are_equal_are_not_worse_either() -> None:
    shares = np.random.default_rng(2).random(500)
    errors, correlations = (
        mean_metric("x", lambda outcome: nan, low=low, higher_is_better=False) for low in (0.0, -1.0)
    )
    assert decide(-1, errors, shares, shares).shown
    assert decide(-1, correlations, shares, shares).interval is None  # one of these can be worse by 2


def test_small_effects_and_p_values_at_the_level_are_told_apart() -> None:
    verdict = decide(0, NUMBER, np.zeros(40), np.linspace(-3e-5, 5e-5, 40))
    assert verdict.reason.startswith("+0.000010 in its own unit (95 % interval +0.000002 to +0.000018)")
    at_level = replace(decide(0, SHARE, *binary(4, 0, 10)), p=0.0503)
    assert "the test shows no difference (p = 0.0503)" in at_level.reason


@pytest.mark.parametrize(
    ("text", "metric", "least"),
    [
        ("acc >= +2", "acc", 2.0),
        ("acc>=-1", "acc", -1.0),
        ("  exact match,strict >= 0.5 ", "exact match,strict", 0.5),
        ("nll >= 1e-2", "nll", 0.01),
    ],
)
def test_requirements(text: str, metric: str, least: float) -> None:
    assert parse_requirement(text) == Requirement(text, metric, least)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("acc", '--require "acc": is not METRIC >= NUMBER - write, for example, "acc >= +2"'),
        (">= 2", '--require ">= 2": is not METRIC >= NUMBER'),
        ("acc <= 2", '--require "acc <= 2": compares with another sign than >= - write ">=": the number is an improve'),
        ("acc > 2", "compares with another sign than >="),
        ("acc = 2", "compares with another sign than >="),
        ("acc >=", '"" is not a number'),
        ("acc >= 2 %", '"2 %" is not a number'),
        ("acc >= nan", '"nan" is not a number'),
        ("acc >= inf", '"inf" is not a number'),
    ],
)
def test_texts_that_are_no_requirements(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_requirement(text)
    assert message in str(caught.value)


def table(path: Path, **columns: Any) -> Path:
    rows = [list(columns), *zip(*columns.values(), strict=True)]
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


@pytest.fixture
def logs(tmp_path: Path) -> list[str]:
    """Of 60 items: 20 wins and 2 losses in acc, half of the loss."""
    before, after = binary(20, 2, 60)
    loss = np.linspace(0.1, 0.9, 60).round(3)
    base = table(tmp_path / "base.csv", id=range(60), acc=before, nll=loss)
    tuned = table(tmp_path / "tuned.csv", id=range(60), acc=after, nll=loss / 2)
    return [str(base), str(tuned)]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["compare", *arguments])
    output = capsys.readouterr()
    return status, output.out, output.err


def test_the_exit_status_says_whether_all_is_shown(capsys: pytest.CaptureFixture[str], logs: list[str]) -> None:
    status, text, _ = run(capsys, *logs, "--require", "acc >= +10", "--require", "nll >= +0.2")
    assert status == 0
    assert text.splitlines()[-2:] == [
        "acc >= +10: shown: +30.0 percentage points (95 % interval +16.5 to +43.5)",
        "nll >= +0.2: shown: +0.250 in its own unit (95 % interval +0.219 to +0.281)",
    ]
    status, text, _ = run(capsys, *logs, "--require", "nll >= +0.2", "--require", "acc >= +20")
    assert status == 1
    assert text.startswith("scores: 60 items, identical for every condition; metric nll, lower is better")
    assert text.splitlines()[-1].startswith("acc >= +20: not shown: +30.0 percentage points (95 % interval +16.5 to")
    assert run(capsys, *logs, "--require", "acc >= +17", "--alpha", "0.1")[0] == 0
    assert run(capsys, *logs, "--metric", "acc")[0] == 0


def test_errors_are_shares_whatever_their_direction(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    base, tuned = (
        str(table(tmp_path / f"{name}.csv", id=range(40), error=[1] * wrong + [0] * (40 - wrong)))
        for name, wrong in (("base", 5), ("tuned", 35))
    )
    status, text, _ = run(capsys, base, tuned, "--lower-is-better", "error", "--require", "error >= -1")
    assert status == 1
    assert "tuned vs base: -75.0 percentage points (-85.8 to -59.7), p < 0.0001" in text
    assert text.splitlines()[-1].startswith("error >= -1: not shown: -75.0 percentage points (95 % interval -85.8 to")
    assert run(capsys, tuned, base, "--require", "error >= +50")[0] == 0


def test_infinite_ends_are_null_in_json(capsys: pytest.CaptureFixture[str], logs: list[str], monkeypatch: Any) -> None:
    wide = replace(judge(read_pair(*logs), parse_requirement("acc >= 1")), interval=Interval(-inf, nan, 0.95, "none"))
    monkeypatch.setattr("tunelift.comparison.gates.judge", lambda *_: wide)
    _, text, _ = run(capsys, *logs, "--json", "--require", "acc >= 1")
    assert json.loads(text)["requirements"][0]["interval"] == {
        "low": None,
        "high": None,
        "confidence": 0.95,
        "method": "none",
    }


def test_verdicts_as_json(capsys: pytest.CaptureFixture[str], logs: list[str]) -> None:
    status, text, _ = run(capsys, *logs, "--json", "--require", "acc >= +20")
    assert status == 1
    record = json.loads(text)
    assert (record["metric"], record["contrasts"][0]["result"]["effect"]) == ("acc", pytest.approx(0.3))
    (verdict,) = record["requirements"]
    assert (verdict["requirement"], verdict["shown"], verdict["needed"]) == ("acc >= +20", False, 0.2)
    assert verdict["interval"]["confidence"] == 0.95
    assert verdict["reason"].endswith(f"about {verdict['enough']} items would do if effect and spread stay as they are")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--require", "ac >= 2"],
            'error: --require "ac >= 2": "ac" has no number for every item - did you mean "acc"?',
        ),
        (["--require", "acc <= 2"], 'error: --require "acc <= 2": compares with another sign than >= - write ">="'),
        (["--require", "acc >= 2", "--alpha", "5"], "error: tunelift compare: argument --alpha: "),
        (["--require", "acc >= 2", "--alpha", "1e-4"], '"1e-4" is not a number from 0.001 to 0.5'),
        ([], "hold several metrics - choose one: acc, nll"),
    ],
)
def test_mistakes(capsys: pytest.CaptureFixture[str], logs: list[str], arguments: list[str], message: str) -> None:
    if not arguments:
        for path in logs:
            Path(path).write_text(Path(path).read_text().replace("acc", "em", 1))
        message = message.replace("acc", "em")
    status, out, error = run(capsys, *logs, *arguments)
    assert (status, out, error.count("\n")) == (2, "", 1)
    assert message in error


def test_logs_are_judged_by_their_own_groups(tmp_path: Path, logs: list[str]) -> None:
    lines = Path(logs[0]).read_text().splitlines()
    grouped = tmp_path / "grouped.csv"
    grouped.write_text("\n".join([f"{lines[0]},group", *(f"{line},{at // 20}" for at, line in enumerate(lines[1:]))]))
    verdict = judge(read_pair(grouped, logs[1]), parse_requirement("acc >= +1"))
    assert (verdict.shown, verdict.items, verdict.groups) == (False, 60, 3)


def test_a_score_that_is_no_mean_is_called_one(tmp_path: Path) -> None:
    data = Path(__file__).parent / "logs" / "data"
    pair = read_pair(data / "base.eval", data / "best-of-two.eval")
    verdict = judge(pair, parse_requirement("graded >= -60"))
    assert (verdict.metric, verdict.requirement) == ("mean of graded of single items", "graded >= -60")
