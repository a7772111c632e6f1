"""Files in which others, and tunelift, keep the scores of single items: one module for each kind."""
