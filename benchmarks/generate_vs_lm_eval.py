"""Short answers a second, with five fixed demonstrations, beside lm-evaluation-harness's hf backend at its best.

An answer ends with its line, or after 32 tokens. Both sides go from the same texts to texts. The harness is tried with
every precision and batch size. In bfloat16 two tokens that are nearly equally probable may change places, so that not
all texts are equal.
"""

from __future__ import annotations

from common.answering import run

if __name__ == "__main__":
    run("generate_vs_lm_eval", "generate", __doc__)
