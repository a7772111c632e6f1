"""Which of four words stands in a sentence: questions from WordNet's examples: python make_data.py questions.jsonl."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

from tunelift.data.bundled import read_bundled

COUNT = 2000


def main(target: Path) -> None:
    """Write the questions; the right word of each stands in its sentence alone."""
    draw = random.Random(7)
    rows = [row.fields for row in read_bundled("bundled/wordnet").rows]
    rows = [row for row in rows if row["examples"] and row["word"] in row["examples"][0].split()]
    words = sorted({row["word"] for row in rows})
    questions = []
    for row in draw.sample(rows, COUNT):
        sentence = row["examples"][0]
        others = draw.sample([word for word in words if word not in sentence], 3)
        choices = draw.sample([row["word"], *others], 4)
        question = f'Which of these words stands in the sentence "{sentence}"?'
        questions.append({"question": question, "choices": choices, "answer": choices.index(row["word"])})
    target.write_text("".join(json.dumps(question) + "\n" for question in questions), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
