"""Prompts to samples: conditions are answered, parsed, scored and written in the harness's layout."""
