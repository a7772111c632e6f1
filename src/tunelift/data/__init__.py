"""Files to examples: bundled data, formats, tasks, duplicates, splits, checks."""
