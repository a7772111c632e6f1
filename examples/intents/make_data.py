"""One domain of CLINC150 and queries out of scope: python make_data.py data_full.json domains.json queries.jsonl."""

from __future__ import annotations

import json
import sys
from pathlib import Path

DOMAIN = "banking"
OUT_OF_SCOPE = "none of these"


def main(queries: Path, domains: Path, target: Path) -> None:
    """Write the queries of the domain, and all that belong to no domain."""
    intents = set(json.loads(domains.read_text(encoding="utf-8"))[DOMAIN])
    parts = json.loads(queries.read_text(encoding="utf-8"))
    rows = [
        {"text": text, "label": intent.replace("_", " ") if intent in intents else OUT_OF_SCOPE}
        for name in ("train", "val", "oos_train", "oos_val")
        for text, intent in parts[name]
        if intent in intents or name.startswith("oos")
    ]
    target.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
