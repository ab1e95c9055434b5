"""Models fitted on frozen embeddings."""
