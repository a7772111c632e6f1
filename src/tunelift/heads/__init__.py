"""Task adaptation layers: classes, labels, numbers, entities and relations, read from the hidden states of a model."""
