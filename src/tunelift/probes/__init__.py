"""Probes: the same systems asked once more, in other words, in another order, about damaged texts or other tasks."""
