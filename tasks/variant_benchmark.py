"""The six supervised variant tasks of m42-health/variant-benchmark, whose sequences are annotated and in two halves.

A half on the left ends with the variant's base. A half on the right is of the other strand and ends with the variant's
base too. Letters are separated by blanks, tags such as [START_EXON] stand between them, and the variant's base bears a
mark: Â, Ĉ, Ĝ, Ṱ. Here the halves become REF and ALT windows of plain DNA.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np

from baserate.digests import digest
from baserate.dna.sequence import check_sequence, reverse_complement
from baserate.errors import DataError
from baserate.registry import task
from baserate.sources.declared import code_key
from baserate.sources.hub import HubSet, content_key, find_hub, read_parts
from baserate.sources.tables import require_column
from baserate.sources.targets import parse_targets
from baserate.splits import by_stratum
from baserate.types import Examples, Inputs, Task, strings

REPOSITORY = "m42-health/variant-benchmark"
TEST = ("chr21", "chr22", "chrX")
VALID = ("chr19", "chr20")
_TAG = re.compile(r"\[[^\]]*\]")
_COLUMNS = ("ref_left", "ref_right", "alt_left", "alt_right")

TASKS = {
    "coding_pathogenicity": (("benign", "pathogenic"), "Is this coding variant pathogenic?", True),
    "non_coding_pathogenicity": (("benign", "pathogenic"), "Is this non-coding variant pathogenic?", True),
    "common_vs_rare": (
        ("label 0", "label 1"),
        "Is this a common variant of gnomAD, or a substitution made nearby?",
        None,  # which label is which is not known to us
    ),
    "expression": (("none", "effect"), "Does this variant alter the expression of a gene?", True),
    "meqtl": (("none", "effect"), "Does this variant alter methylation nearby?", True),
    "sqtl": (("none", "effect"), "Does this variant alter splicing?", True),
}
"""Each configuration's classes, in the order of the labels 0 and 1, its question, and whether 1 is the more harmful."""


@dataclass(frozen=True)
class Annotated:
    """The examples of one configuration, all of them in the authors' only part."""

    config: str
    classes: tuple[str, ...]

    def __call__(self) -> Examples:
        """Return the variants with windows of the '+' strand. Raises DataError naming the row."""
        _, table, where = next(read_parts(self._dataset()))
        columns = {name: table[name].to_pylist() for name in table.column_names}
        for name in (*_COLUMNS, "chrom", "label"):
            require_column(columns, name, where)
        refs, alts, sites = [], [], []
        for row, halves in enumerate(zip(*(columns[name] for name in _COLUMNS), strict=True), 1):
            ref, alt, site = windows(*halves, where=f"{where}: row {row}")
            refs.append(ref)
            alts.append(alt)
            sites.append(site)
        same = strings([digest(ref) for ref in refs])
        chrom = strings([c if c.startswith("chr") else f"chr{c}" for c in columns["chrom"]])
        labels = [v.removesuffix(".0") for v in columns["label"]]
        return Examples(
            ids=strings(columns["row"]),
            inputs=Inputs(strings(refs), strings(alts), np.array(sites, np.int64)),
            targets=parse_targets(labels, kind="classification", classes=self.classes, reference=where, column="label"),
            groups=same,
            clusters=same,
            strata={"chrom": chrom},
        )

    def key(self) -> tuple[str, ...]:
        """Return what the examples depend on: the content of the files, and how they are read."""
        return content_key(find_hub(self._dataset())), repr(self), code_key(__file__)

    def _dataset(self) -> HubSet:
        return HubSet(REPOSITORY, config=(self.config,), folders=(self.config,), needs=("train",))


def windows(ref_left: str, ref_right: str, alt_left: str, alt_right: str, *, where: str) -> tuple[str, str, int]:
    """Return REF, ALT and the offset of the base in which they differ. Raises DataError where the halves do not fit."""
    ref, site = _joined(ref_left, ref_right, where)
    alt, other = _joined(alt_left, alt_right, where)
    if site != other or len(ref) != len(alt) or ref[:site] != alt[:site] or ref[site + 1 :] != alt[site + 1 :]:
        raise DataError(f"{where}: REF and ALT differ elsewhere than in the variant's base")
    if ref == alt:
        raise DataError(f"{where}: REF and ALT sequences are equal")
    return ref, alt, site


def plain(annotated: str, where: str) -> str:
    """Return annotated DNA without tags, blanks and marks."""
    bare = "".join(_TAG.sub("", annotated).split())
    unmarked = "".join(c for c in unicodedata.normalize("NFD", bare) if not unicodedata.combining(c))
    return check_sequence(unmarked, where)


def _joined(left: str, right: str, where: str) -> tuple[str, int]:
    before, after = plain(left, where), plain(right, where)
    if not before or not after or reverse_complement(after[-1]) != before[-1]:
        raise DataError(
            f"{where}: the two halves end with {before[-1:]!r} and {after[-1:]!r}, not one base's two strands"
        )
    return before + reverse_complement(after[:-1]), len(before) - 1


def _declare(config: str, classes: tuple[str, ...], question: str, deleterious: bool | None) -> Any:
    @task
    def build() -> Task:
        rule = by_stratum("chrom", test=TEST, valid=VALID)
        return Task(
            name=f"variant_benchmark.{config}",
            version=1 if deleterious is None else 2,  # version 1 did not say so, and zero-shot scores were mirrored
            kind="classification",
            metrics=("auroc", "auprc", "mcc", "accuracy"),
            source=Annotated(config, classes),
            split=rule,
            description=f"{question} Train: chr1 to chr18; valid: chr19 and chr20; test: chr21, chr22 and chrX.",
            split_rule=repr(rule),
            citation="Medvedev et al. 2025 (BioFM); m42-health/variant-benchmark",
            licence="CC-BY-NC-4.0",
            species=("Homo sapiens",),
            assembly=("GRCh38",),
            sizes={},
            classes=classes,
            variants=True,
            deleterious=deleterious,
            unit="distinct window",
            coarser="chrom",
            origin=f"{REPOSITORY} at main, {config}",
            loaded="real variants of hg19 in the layout of sqtl",
        )

    return build


BUILT = [_declare(config, *about) for config, about in TASKS.items()]
