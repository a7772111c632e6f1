"""Samples and comparison to causes: what is still wrong, and what to do next."""
