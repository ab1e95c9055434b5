"""The cache on disk: its folder, files fetched once, model outputs by sequence, and a view of what is there."""
