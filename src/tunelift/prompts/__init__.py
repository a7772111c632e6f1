"""Examples to prompts: demonstrations, chat and plain rendering, checks of what the model will see."""
