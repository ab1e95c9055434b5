"""Language models of DNA: tokens, loading, embeddings, likelihoods and fine-tuning.

Needs torch, transformers and numpy alone, so that it runs on a bare GPU image.
"""
