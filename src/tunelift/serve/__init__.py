"""A tuned model behind an OpenAI-compatible server."""
