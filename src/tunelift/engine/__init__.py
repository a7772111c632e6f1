"""Prompts to numbers: batches, the shared forward pass, loss, choice scores, generation. Knows nothing of tasks."""
