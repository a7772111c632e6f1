"""Choices scored a second, with five fixed demonstrations, beside lm-evaluation-harness's hf backend at its best.

Both sides go from the same texts to log-probabilities, tokenising included. The harness is tried with every precision
and batch size. It takes log-probabilities in the precision of the weights, so that in bfloat16 they are coarse.
"""

from __future__ import annotations

from common.answering import run

if __name__ == "__main__":
    run("score_vs_lm_eval", "score", __doc__)
