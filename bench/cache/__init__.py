"""What is kept on disk between runs: where, files fetched once, outputs by sequence, what there is."""
