"""Models: bundled, GGUF, folder or hub; adapters; export."""
