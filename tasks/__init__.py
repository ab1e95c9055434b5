"""Built-in tasks. Importing a module registers its card; data is read when the card's source is called.

The TOML files beside this one are published benchmarks.
"""

from pathlib import Path

from baserate.cards.task_file import register_benchmarks

from . import (
    arabidopsis_promoters,
    arabidopsis_splice_sites,
    carbon,
    human_shuffled,
    human_splice_genes,
    human_splice_per_base,
    human_splice_sites,
    kircher_satmut,
    lol_eve,
    mave,
    motif_distance,
    reporter_assays,
    splice_transfer,
    splice_transfer_yeast,
    variant_benchmark,
    windows_2kb,
    wt1_exon5_splicing,
    yeast_coding,
)

__all__ = [
    "arabidopsis_promoters",
    "arabidopsis_splice_sites",
    "carbon",
    "human_shuffled",
    "human_splice_genes",
    "human_splice_per_base",
    "human_splice_sites",
    "kircher_satmut",
    "lol_eve",
    "mave",
    "motif_distance",
    "reporter_assays",
    "splice_transfer",
    "splice_transfer_yeast",
    "variant_benchmark",
    "windows_2kb",
    "wt1_exon5_splicing",
    "yeast_coding",
]

register_benchmarks(Path(__file__).parent)
