"""The family of a task, by which the pages group: what is asked of the DNA, by the words of the task's name."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..leaderboard.table import Column

OTHER = "Other tasks"
_FAMILIES = {
    "Species transfer": r"transfer",
    "Variant effects": r"variant|causal|pathogen|clinvar|brca|mendelian|complex|satmut|eqtl|wt1|mave",
    "Plausible sequence": r"shuffled|niah|recovery|revcomp|synonymous|triplet",
    "Splice sites": r"splic|donor|acceptor",
    "Promoters": r"prom|tata",
    "Enhancers": r"enhancer|epi|regulatory",
    "Chromatin": r"h[234][ak]?\d|h2afz|h4ac|histone|chromatin|ocr|cpg|methylation|open",
    "Transcription factors": r"tf|mouse_\d",
    "RNA, expression": r"poly|lncrna|rna|gene_exp|strength|pro_seq|expression",
    "Species": r"species|virus|fungi|taxonomic|human_or_worm",
    "Genes": r"coding|gene",
}
"""The words of each family, looked for in this order where a part of the name starts, after a dot or underscore."""
_WORDS = {name: re.compile(rf"(?:^|[._])(?:{words})", re.I) for name, words in _FAMILIES.items()}


def family_of(column: Column) -> str:
    """Return the family of a column's task, `OTHER` where its name has no word of one."""
    return family_named(column.whole or column.task)


def family_named(task: str) -> str:
    """Return the family of the task of this name, with or without its version, `OTHER` where it has no word of one."""
    name = task.partition("@")[0]
    return next((family for family, words in _WORDS.items() if words.search(name)), OTHER)


def families_of(columns: Iterable[Column]) -> dict[str, list[Column]]:
    """Return the columns by family, in the order in which families are defined, the other tasks last."""
    found: dict[str, list[Column]] = {}
    for column in columns:
        found.setdefault(family_of(column), []).append(column)
    return {name: found[name] for name in (*_FAMILIES, OTHER) if name in found}
