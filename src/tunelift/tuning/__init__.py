"""Training prompts to a tuned model: objective, trainer, checkpoints."""
