"""Train a language model on FASTA."""
