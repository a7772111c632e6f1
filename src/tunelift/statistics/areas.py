"""Areas under ROC curves: how often a positive item is scored above a negative one, ties counting half.

Errors are those of DeLong et al. (1988). Where there are several curves, such as one for each class against the rest,
everything is about the mean of their areas; a curve whose items are all positive or all negative has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tunelift.statistics.intervals import Interval, group_codes, satterthwaite
from tunelift.statistics.paired import PairedResult

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
# Which items are positive, and the score of each, higher meaning positive; both of shape (items,).
Curve = tuple[Mask, Array]
TOLERANCE = 1e-12


def placements(positive: Mask, scores: Array) -> Array:
    """For a positive item the share of negative ones below it, for a negative one that of positive ones above it.

    The mean over the items of either kind is the area (Mann and Whitney 1947).

    Returns:
        Shape (items,); one half where there is nothing to compare with.
    """
    placed = np.empty(len(scores))
    placed[positive] = _shares_below(scores[~positive], scores[positive])
    placed[~positive] = 1 - _shares_below(scores[positive], scores[~positive])
    return placed


def area_interval(
    curves: Sequence[Curve], groups: ArrayLike | None = None, confidence: float = 0.95
) -> Interval | None:
    """Interval of an area, symmetric on the logit scale.

    Its degrees of freedom are those of the rarest kind of items. Items of one group count as dependent, also across the
    kinds (as in Obuchowski 1997); groups of different size are corrected for as in `standard_error`.

    Args:
        curves: The curves of the system.
        groups: Group id of each item, shape (items,).
        confidence: Coverage.

    Returns:
        The interval; None when it cannot be estimated: no curve has an area, positive and negative items are fully
        separated, or one of the two kinds comes from one item or group only.
    """
    from scipy.special import stdtrit

    value, influences = _influences(curves)
    spread = _standard_error(influences, groups)
    if spread is None or not 0 < value < 1:
        return None
    error, freedom = spread
    centre = log(value / (1 - value))
    half = float(stdtrit(freedom, 0.5 + confidence / 2)) * error / (value * (1 - value))
    low, high = 1 / (1 + exp(half - centre)), 1 / (1 + exp(-half - centre))
    return Interval(low, high, confidence, "DeLong, logit" if groups is None else "clustered DeLong, logit")


def compare_areas(
    baseline: Sequence[Curve], candidate: Sequence[Curve], groups: ArrayLike | None = None, confidence: float = 0.95
) -> PairedResult:
    """Compare the areas of two systems on the same items, in the time of a sort.

    Args:
        baseline: The curves of the baseline.
        candidate: Those of the candidate, with the same positive items.
        groups: Group id of each item, shape (items,); see `area_interval`.
        confidence: Coverage of the interval.

    Returns:
        The comparison; without an interval and with p = 1 when the error cannot be estimated: both systems order the
        items alike, or see `area_interval`.
    """
    from scipy.special import stdtr, stdtrit

    (before, of_baseline), (after, of_candidate) = _influences(baseline), _influences(candidate)
    effect, interval, p = after - before, None, 1.0
    method = "DeLong" if groups is None else "clustered DeLong"
    both = zip(of_baseline, of_candidate, strict=True)
    spread = _standard_error([(positive, second - first) for (_, first), (positive, second) in both], groups)
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
        n=len(candidate[0][0]),
        wins=None,
        losses=None,
        baseline=before,
        candidate=after,
        correlation=None,
    )


def _influences(curves: Sequence[Curve]) -> tuple[float, list[Curve]]:
    """The mean area, one half where there is none, and the curves with what each item adds to its error."""
    defined = [(positive, scores) for positive, scores in curves if positive.any() and not positive.all()]
    areas, influences = [], []
    for positive, scores in defined:
        placed = placements(positive, scores)
        areas.append(float(placed[positive].mean()))
        sizes = np.where(positive, positive.sum(), (~positive).sum())
        influences.append((positive, (placed - areas[-1]) / sizes / len(defined)))
    return float(np.mean(areas)) if areas else 0.5, influences


def _shares_below(others: Array, scores: Array) -> Array:
    """For each score the share of others below it, ties counting half."""
    if not len(others):
        return np.full(len(scores), 0.5)
    ordered = np.sort(others)
    return (np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")) / (2 * len(ordered))


def _standard_error(influences: Sequence[Curve], groups: ArrayLike | None) -> tuple[float, float] | None:
    """Cluster-robust error of an area, with the degrees of freedom of the rarest kind of items.

    A group's part in either kind is scaled by its share of that kind, which is the correction CR2 of Bell and
    McCaffrey (2002). Without groups the result is exactly the error of DeLong et al.
    """
    if not influences:
        return None
    codes = group_codes(groups, len(influences[0][0]))
    total, freedoms = np.zeros(codes.max() + 1), []
    for positive, influence in influences:
        for members in (positive, ~positive):
            shares = np.bincount(codes[members], minlength=len(total)) / members.sum()
            if shares.max() >= 1:
                return None
            total += np.bincount(codes[members], influence[members], minlength=len(total)) / np.sqrt(1 - shares)
            freedoms.append(satterthwaite(shares))
    error = float(np.linalg.norm(total))
    return (error, min(freedoms)) if error > TOLERANCE else None
