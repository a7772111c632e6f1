"""From what a model says to the answer it gives; what cannot be parsed stays None and is counted."""
