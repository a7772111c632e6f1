"""Pairs of definitions that belong together or do not, from WordNet: python make_data.py pairs.jsonl.

A definition belongs with that of the kind above it (dog: canine); otherwise it stands beside that of the kind of
another word of the same topic.
"""

from __future__ import annotations

import json
import random
import sys
from collections import defaultdict
from pathlib import Path

from tunelift.data.bundled import read_bundled

COUNT = 2000


def main(target: Path) -> None:
    """Write as many pairs of the one kind as of the other."""
    draw = random.Random(7)
    nouns = [row.fields for row in read_bundled("bundled/wordnet").rows if row.fields["part"] == "noun"]
    nouns = [noun for noun in nouns if noun["hypernym_gloss"] and 20 < len(noun["gloss"]) < 110]
    by_topic = defaultdict(list)
    for noun in nouns:
        by_topic[noun["topic"]].append(noun)
    rows = []
    for number, noun in enumerate(draw.sample(nouns, COUNT)):
        other = draw.choice(by_topic[noun["topic"]])
        fits = number % 2 == 0 or other["hypernym"] == noun["hypernym"]
        second = noun["hypernym_gloss"] if fits else other["hypernym_gloss"]
        rows.append({"text_a": noun["gloss"], "text_b": second, "label": "yes" if fits else "no"})
    target.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
