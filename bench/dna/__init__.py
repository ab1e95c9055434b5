"""DNA apart from examples: strands and letters, k-mers, similarity, FASTA, genomes, assemblies, taxa."""
