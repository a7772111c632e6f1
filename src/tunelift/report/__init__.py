"""Comparison and diagnosis to what people read: the terminal, a page, Markdown, a model card."""
