"""How well answers hold when the text changes and the right answer does not: pure functions on texts and arrays."""
