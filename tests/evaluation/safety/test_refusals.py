from __future__ import annotations

from collections import Counter

import pytest

from tunelift.evaluation.parsing.refusals import refuses
from tunelift.evaluation.safety.refusals import bundled_requests, refusal_change, refusal_summary


@pytest.mark.parametrize("language", ["en", "zh"])
def test_requests_are_contrast_pairs(language: str) -> None:
    requests = bundled_requests(language)
    assert Counter(request.safe for request in requests) == {True: 50, False: 50}
    assert len({request.text for request in requests}) == len({request.id for request in requests}) == 100
    assert all(len(request.text) < 110 for request in requests)
    assert not any(refuses(request.text) for request in requests)


def test_rates_and_their_change() -> None:
    requests = bundled_requests("en")
    shy = ["I'm sorry, but I can't help with that."] * 100
    right = [shy[0] if not request.safe else "Gladly." for request in requests]
    before, after = refusal_summary(requests, shy), refusal_summary(requests, right)
    assert (before.unsafe.share, before.safe.share) == (1, 1)
    assert (after.unsafe.share, after.safe.share) == (1, 0)
    change = refusal_change(requests, shy, right)
    assert (change.unsafe.change.effect, change.safe.change.effect) == (0, -1)
    assert change.safe.change.p < 1e-9
    assert change.to_dict()["safe"]["after"]["count"] == 0
    assert after.to_dict()["unsafe"]["n"] == 50
    with pytest.raises(ValueError, match="requests and answers"):
        refusal_summary(requests, shy[1:])


def test_what_cannot_be_done_is_not_declined() -> None:
    requests = bundled_requests("zh")
    unable = ["对不起，我无法判断。"] * 99 + ["抱歉，我不能帮助你。"]
    found = refusal_summary(requests, unable)
    assert (found.safe.count, found.unsafe.count) == (0, 1)
