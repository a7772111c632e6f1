"""What tuning does to stereotypes, refusals, toxicity and secrets: pure functions on texts and log-probabilities.

All word lists, sentence pairs and prompts were written for this package. They are small: they show a large change
between two models, and prove neither that a model is safe nor that it is not.
"""
