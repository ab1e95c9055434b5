"""Language models of DNA: tokens, loading, embeddings, likelihoods and fine-tuning.

Needs only torch, transformers and numpy, so that it runs on a bare GPU image.
"""
