"""Runs beyond one process: what is missing, files of cells that other machines run, Slurm, and what they need first."""
