from __future__ import annotations

from collections import Counter

import pytest

from tunelift.evaluation.parsing.refusals import refuses
from tunelift.evaluation.safety.refusals import bundled_requests


@pytest.mark.parametrize("language", ["en", "zh"])
def test_requests_are_contrast_pairs(language: str) -> None:
    requests = bundled_requests(language)
    assert Counter(request.safe for request in requests) == {True: 50, False: 50}
    assert len({request.text for request in requests}) == len({request.id for request in requests}) == 100
    assert all(len(request.text) < 110 for request in requests)
    assert not any(refuses(request.text) for request in requests)
