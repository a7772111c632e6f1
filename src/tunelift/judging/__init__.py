"""The answers of a finished run, judged by a model or by people."""
