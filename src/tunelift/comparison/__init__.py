"""Samples of several conditions on identical items become effects with intervals, and a gain with its split."""
