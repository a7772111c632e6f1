"""Which of four words names an animal, a food, ...: questions from WordNet: python make_data.py questions.jsonl."""

from __future__ import annotations

import json
import random
import sys
from collections import defaultdict
from pathlib import Path

from tunelift.data.bundled import read_bundled

KINDS = {
    "animal": "an animal",
    "body": "a part of the body",
    "feeling": "a feeling",
    "food": "something to eat or drink",
    "location": "a place",
    "person": "a kind of person",
    "plant": "a plant",
    "time": "a time",
}
MOST_OF_A_KIND = 200


def main(target: Path) -> None:
    """Write the questions; a word is the right answer of at most one of them."""
    draw = random.Random(7)
    words = defaultdict(list)
    for row in read_bundled("bundled/wordnet").rows:
        if row.fields["part"] == "noun" and row.fields["topic"] in KINDS:
            words[row.fields["topic"]].append(row.fields["word"])
    rows = []
    for kind, wording in KINDS.items():
        own = sorted(set(words[kind]))
        for word in draw.sample(own, min(len(own), MOST_OF_A_KIND)):
            others = [draw.choice(words[other]) for other in draw.sample([name for name in KINDS if name != kind], 3)]
            choices = draw.sample([word, *others], 4)
            question = f"Which of these words names {wording}?"
            rows.append({"question": question, "choices": choices, "answer": choices.index(word)})
    draw.shuffle(rows)
    target.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
