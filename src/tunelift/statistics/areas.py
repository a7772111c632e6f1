"""Area under the ROC curve: how often a positive item is scored above a negative one, ties counting half."""

from __future__ import annotations

from math import exp, log

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tunelift.statistics.intervals import Interval, group_codes, satterthwaite
from tunelift.statistics.paired import PairedResult

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
TOLERANCE = 1e-12


def area(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve (Mann and Whitney 1947); 0.5 is guessing.

    Args:
        labels: 1 for positive items, 0 for negative ones, shape (n,); both must occur.
        scores: Scores of the system, shape (n,); higher means positive.

    Raises:
        ValueError: The arrays do not fit together, a score is not finite, or a class is missing.
    """
    return _influence(*_checked(labels, scores))[0]


def area_interval(
    labels: ArrayLike, scores: ArrayLike, groups: ArrayLike | None = None, confidence: float = 0.95
) -> Interval | None:
    """Interval of an area, symmetric on the logit scale, with the variance of DeLong et al. (1988).

    Its degrees of freedom are those of the rarer class. Items of one group count as dependent, also across the
    classes (as in Obuchowski 1997); groups of different size are corrected for as in `standard_error`.

    Args:
        labels: 1 for positive items, 0 for negative ones, shape (n,).
        scores: Scores of the system, shape (n,).
        groups: Group id of each item, shape (n,).
        confidence: Coverage.

    Returns:
        The interval; None when it cannot be estimated: the classes are fully separated, or a class comes from one item
        or group only.

    Raises:
        ValueError: See `area`.
    """
    from scipy.special import stdtrit

    positive, values = _checked(labels, scores)
    value, influence = _influence(positive, values)
    spread = _standard_error(positive, influence, groups)
    if spread is None or not 0 < value < 1:
        return None
    error, freedom = spread
    centre = log(value / (1 - value))
    half = float(stdtrit(freedom, 0.5 + confidence / 2)) * error / (value * (1 - value))
    low, high = 1 / (1 + exp(half - centre)), 1 / (1 + exp(-half - centre))
    return Interval(low, high, confidence, "DeLong, logit" if groups is None else "clustered DeLong, logit")


def compare_areas(
    labels: ArrayLike,
    baseline: ArrayLike,
    candidate: ArrayLike,
    groups: ArrayLike | None = None,
    confidence: float = 0.95,
) -> PairedResult:
    """Compare the areas of two systems on the same items (DeLong et al. 1988), in the time of a sort.

    Args:
        labels: 1 for positive items, 0 for negative ones, shape (n,).
        baseline: Scores of the baseline, shape (n,).
        candidate: Scores of the candidate, shape (n,).
        groups: Group id of each item, shape (n,); see `area_interval`.
        confidence: Coverage of the interval.

    Returns:
        The comparison; without an interval and with p = 1 when the error cannot be estimated, because both systems
        order the items alike, or a class comes from one item or group only.

    Raises:
        ValueError: See `area`.
    """
    from scipy.special import stdtr, stdtrit

    positive, first = _checked(labels, baseline)
    second = _checked(labels, candidate)[1]
    (before, of_baseline), (after, of_candidate) = _influence(positive, first), _influence(positive, second)
    effect, interval, p = after - before, None, 1.0
    method = "DeLong" if groups is None else "clustered DeLong"
    spread = _standard_error(positive, of_candidate - of_baseline, groups)
    if spread is not None:
        error, freedom = spread
        half = float(stdtrit(freedom, 0.5 + confidence / 2)) * error
        interval = Interval(max(-1.0, effect - half), min(1.0, effect + half), confidence, method)
        p = 2 * float(stdtr(freedom, -abs(effect) / error))
    return PairedResult(
        effect=effect,
        interval=interval,
        p=p,
        method=f"{method} test",
        n=len(positive),
        wins=None,
        losses=None,
        baseline=before,
        candidate=after,
        correlation=None,
    )


def _influence(positive: Mask, scores: Array) -> tuple[float, Array]:
    """The area, and what each item adds to its error, shape (n,).

    An item's placement is the share of the other class that it is on the right side of (Sun and Xu 2014); the area is
    the mean placement of either class.
    """
    placements = np.empty(len(scores))
    placements[positive] = _shares_below(scores[~positive], scores[positive])
    placements[~positive] = 1 - _shares_below(scores[positive], scores[~positive])
    value = float(placements[positive].mean())
    return value, (placements - value) / np.where(positive, positive.sum(), (~positive).sum())


def _shares_below(others: Array, scores: Array) -> Array:
    """For each score the share of others below it, ties counting half."""
    ordered = np.sort(others)
    return (np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")) / (2 * len(ordered))


def _standard_error(positive: Mask, influence: Array, groups: ArrayLike | None) -> tuple[float, float] | None:
    """Cluster-robust error of an area, with the fewer degrees of freedom of the two classes.

    A group's part in either class is scaled by its share of that class, which is the correction CR2 of Bell and
    McCaffrey (2002). Without groups the result is exactly the error of DeLong et al.
    """
    codes = group_codes(groups, len(influence))
    total, freedoms = np.zeros(codes.max() + 1), []
    for members in (positive, ~positive):
        shares = np.bincount(codes[members], minlength=len(total)) / members.sum()
        if shares.max() >= 1:
            return None
        total += np.bincount(codes[members], influence[members], minlength=len(total)) / np.sqrt(1 - shares)
        freedoms.append(satterthwaite(shares))
    error = float(np.linalg.norm(total))
    return (error, min(freedoms)) if error > TOLERANCE else None


def _checked(labels: ArrayLike, scores: ArrayLike) -> tuple[Mask, Array]:
    labels, values = np.asarray(labels), np.asarray(scores, dtype=float)
    if labels.ndim != 1 or labels.shape != values.shape or not np.isfinite(values).all():
        raise ValueError(f"one label for each finite score is needed, not {labels.shape} for {values.shape}")
    positive = labels == 1
    if not np.isin(labels, (0, 1)).all() or positive.all() or not positive.any():
        raise ValueError("labels are 0 and 1, and both must occur")
    return positive, values
