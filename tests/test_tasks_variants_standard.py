"""Benchmarks by coordinates and variants, on files in their sources' exact layout, of real variants of hg19 chr20."""

from __future__ import annotations

import csv
import gzip
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.cards.task_file import find_in_file
from baserate.dna.genomes import add_genome, open_genome
from baserate.dna.sequence import reverse_complement
from baserate.errors import DataError
from baserate.sources.variants import Variants
from baserate.splits import load_split
from baserate.tasks import lol_eve, variant_benchmark
from baserate.types import Split, Task

SHARED_DATA = Path(os.environ.get("BASERATE_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
BENCHMARKS = Path(variant_benchmark.__file__).parent
pytestmark = pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="needs the shared real data")

Row = dict[str, Any]


@pytest.fixture(scope="module")
def _genomes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("genomes")
    before = os.environ.get("BASERATE_GENOMES")
    os.environ["BASERATE_GENOMES"] = str(folder)
    add_genome("hg19", str(SHARED_DATA / "hg19_chr20/20.fa.xz"))
    if before is None:
        del os.environ["BASERATE_GENOMES"]
    else:
        os.environ["BASERATE_GENOMES"] = before
    return folder


@pytest.fixture(autouse=True)
def folder(_genomes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of data; hg19 is registered with its chr20 alone."""
    monkeypatch.setenv("BASERATE_GENOMES", str(_genomes))
    monkeypatch.setenv("BASERATE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("BASERATE_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture(scope="module")
def snps() -> list[Row]:
    """Return the common SNPs of chr20 with 1-based positions."""
    with gzip.open(SHARED_DATA / "hg19_annot/common_hg19_34k.chr20_chrX70M.tsv.gz", "rt") as lines:
        rows = [r for r in csv.DictReader(lines, delimiter="\t") if r["_labels"] == "chr20"]
    return [{"chrom": "20", "pos": int(r["_starts"]) + 1, "ref": r["ref"], "alt": r["alt"]} for r in rows]


def card(folder: Path, benchmark: str, task: str) -> Task:
    """Return the task as its card declares it, over hg19 and without the number of rows of the real files."""
    text = (BENCHMARKS / f"{benchmark}.toml").read_text().replace('"hg38"', '"hg19"')
    text = re.sub(r"(?m)^expect = .*\n|^\[expect\]\n(\w+ = .*\n)*", "", text)
    path = folder / f"{benchmark}.toml"
    path.write_text(text)
    (found,) = find_in_file(path, task)
    return found


def parquet(path: Path, rows: list[Row]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def text(path: Path, rows: list[Row], delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def some(snps: list[Row], n: int, **more: Callable[[int], Any]) -> list[Row]:
    """Return n SNPs spread over the chromosome with more columns."""
    step = len(snps) // n
    return [{**snps[i * step], **{name: of(i) for name, of in more.items()}} for i in range(n)]


def check_variants(split: Split, width: int) -> None:
    """Check that every REF window is what lies there and that ALT differs in the base asked about."""
    contig = open_genome("hg19")["20"]
    for _, examples in split:
        at, inputs = examples.intervals, examples.inputs
        assert at is not None and inputs.alternates is not None and inputs.positions is not None
        for i in range(len(examples)):
            ref, alt, site = inputs.sequences[i], inputs.alternates[i], inputs.positions[i]
            assert len(ref) == width and ref == contig[int(at.start[i]) : int(at.end[i])]
            assert [k for k in range(width) if ref[k] != alt[k]] == [site]


def test_every_common_snp_has_its_ref_where_the_genome_does(folder: Path, snps: list[Row]) -> None:
    assert len(snps) == 7273
    text(folder / "snps.csv", [{**s, "y": 1} for s in snps])
    options = {"kind": "regression", "target": "y", "width": 64, "max_mismatch": 0.0}
    for name in ("hg19", "GRCh37"):
        assert len(Variants(name, str(folder / "snps.csv"), **options)()) == 7273  # type: ignore[arg-type]
    text(folder / "bed.csv", [{**s, "pos": s["pos"] - 1, "y": 1} for s in snps])
    with pytest.raises(DataError, match="positions are 0-based, set position_base = 0"):
        Variants("hg19", str(folder / "bed.csv"), **options)()  # type: ignore[arg-type]
    zero = Variants("hg19", str(folder / "bed.csv"), position_base=0, **options)()  # type: ignore[arg-type]
    assert len(zero) == 7273


def test_the_mpra_of_hnf4a_lies_on_chr20(folder: Path) -> None:
    with gzip.open(SHARED_DATA / "kircher_satmut/elements.tsv.gz", "rt") as lines:
        rows = [
            r for r in csv.DictReader(lines, delimiter="\t") if r["Element"] == "HNF4A" and r["Release"] == "GRCh37"
        ]
    snvs = [r for r in rows if r["Alt"] in "ACGT"]
    text(folder / "hnf4a.tsv", snvs, "\t")
    examples = Variants(
        "hg19", str(folder / "hnf4a.tsv"), kind="regression", target="Coefficient", width=128, max_mismatch=0.0
    )()
    assert len(examples) == len(snvs) > 800 and len(set(examples.groups)) == 1


@pytest.mark.parametrize(
    ("task", "part"), [("mendelian", "mendelian_traits_matched_9"), ("complex_full", "complex_traits_all")]
)
def test_traitgym(folder: Path, snps: list[Row], task: str, part: str) -> None:
    rows = some(
        snps,
        40,
        label=lambda i: i % 10 == 0,
        consequence=lambda i: ("PLS", "5_prime_UTR_variant")[i % 2],
        tss_dist=lambda i: i,
        match_group=lambda i: f"PLS_{i // 10}",
    )
    parquet(folder / "songlab/TraitGym" / part / "test.parquet", rows)
    built = card(folder, "traitgym", task)
    split = load_split(built)
    assert (len(split.train), len(split.valid), len(split.test)) == (0, 0, 40) and split.test.targets.sum() == 4
    assert set(split.test.clusters) == set(split.test.strata["chrom"]) == {"20"}
    assert set(split.test.strata) == {"chrom", "consequence"} and built.published == "auprc:chrom=*n"
    check_variants(split, 8192)


def test_the_wrong_number_of_rows_is_refused(folder: Path, snps: list[Row]) -> None:
    rows = some(snps, 4, label=lambda i: i == 0, consequence=lambda i: "PLS", match_group=lambda i: "g")
    parquet(folder / "songlab/TraitGym/mendelian_traits_matched_9/test.parquet", rows)
    path = folder / "whole.toml"
    path.write_text((BENCHMARKS / "traitgym.toml").read_text().replace('"hg38"', '"hg19"'))
    (built,) = find_in_file(path, "mendelian")
    with pytest.raises(DataError, match="test has 4 rows, expected 3,380"):
        load_split(built)


def test_a_genome_that_is_not_registered_is_told_with_the_command(folder: Path, snps: list[Row]) -> None:
    parquet(folder / "songlab/clinvar/test.parquet", some(snps, 4, label=lambda i: i % 2 == 0))
    (built,) = find_in_file(BENCHMARKS / "clinvar.toml", "songlab")
    with pytest.raises(
        DataError, match=r"genome 'hg38' is not registered: baserate genome add hg38 PATH\|URL \(such as"
    ):
        load_split(built)


def test_sequences_in_the_file_need_no_genome(folder: Path, snps: list[Row]) -> None:
    contig = open_genome("hg19")["20"]
    rows = some(snps, 12, label=lambda i: i % 3 == 0, consequence=lambda i: "PLS")
    for row in rows:
        start = row["pos"] - 1 - 4096
        row["class"] = "LOF" if row["label"] else "FUNC/INT"
        row["ref_seq"] = contig[start : start + 8192]
        row["var_seq"] = row["ref_seq"][:4096] + row["alt"] + row["ref_seq"][4097:]
    parquet(
        folder / "HuggingFaceBio/traitgym/mendelian_traits_vep.parquet", [{**r, "label": int(r["label"])} for r in rows]
    )
    parquet(folder / "HuggingFaceBio/brca2-vep/brca2_vep.parquet", rows)
    for benchmark, task in (("traitgym_sequences", "mendelian"), ("brca", "brca2")):
        test = load_split(card(folder, benchmark, task)).test
        assert test.inputs.positions is not None and set(test.inputs.positions.tolist()) == {4096}
        assert test.targets.tolist() == [int(r["label"]) for r in rows]


def test_clinvar(folder: Path, snps: list[Row]) -> None:
    parquet(folder / "songlab/clinvar/test.parquet", some(snps, 10, label=lambda i: i % 2 == 0))
    regions = {"region": lambda i: ("coding", "noncoding")[i % 2], "variant_type": lambda i: "missense"}
    parquet(
        folder / "HuggingFaceBio/clinvar-vep-final/clinvar_vep_final.parquet",
        some(snps, 10, label=lambda i: i % 2, **regions),
    )
    split = load_split(card(folder, "clinvar", "songlab"))
    assert split.test.targets.tolist() == [1, 0] * 5
    check_variants(split, 8192)
    other = load_split(card(folder, "clinvar", "carbon"))
    assert other.test.targets.tolist() == [0, 1] * 5 and set(other.test.strata["region"]) == {"coding", "noncoding"}


def test_brca1_is_read_from_the_paper_s_spreadsheet(folder: Path, snps: list[Row]) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Supplementary Table 1"])
    sheet.append([None, "about", None])
    sheet.append(["gene", "chromosome", "position (hg19)", "reference", "alt", "function.score.mean", "func.class"])
    for i, row in enumerate(some(snps, 9)):
        sheet.append(["BRCA1", 20, row["pos"], row["ref"], row["alt"], -0.5, ("FUNC", "INT", "LOF")[i % 3]])
    book.save(folder / "41586_2018_461_MOESM3_ESM.xlsx")
    split = load_split(card(folder, "brca", "brca1"))
    assert split.test.targets.tolist() == [0, 0, 1] * 3
    check_variants(split, 8192)
    path = folder / "whole.toml"
    path.write_text((BENCHMARKS / "brca.toml").read_text())
    with pytest.raises(DataError, match="there are 9 rows, expected 3,893"):
        load_split(find_in_file(path, "brca1")[0])
    with pytest.raises(DataError, match="cell B1 is empty, expected the name of a column; header = "):
        Variants(
            "hg19",
            str(folder / "41586_2018_461_MOESM3_ESM.xlsx"),
            kind="classification",
            target="func.class",
            width=8,
            chrom="chromosome",
        )()


def test_bend_variants_are_zero_based(folder: Path, snps: list[Row]) -> None:
    rows = [
        {
            "chromosome": "chr20",
            "start": r["pos"] - 1,
            "end": r["pos"],
            "ref": r["ref"],
            "alt": r["alt"],
            "label": i % 2,
            "split": "test",
        }
        for i, r in enumerate(some(snps, 10))
    ]
    text(folder / "data/variant_effects/variant_effects_disease.bed", rows, "\t")
    split = load_split(card(folder, "bend", "variant_effects_disease"))
    assert split.test.targets.tolist() == [0, 1] * 5
    check_variants(split, 512)
    with pytest.raises(DataError, match=r"data:variant_effects/variant_effects_expression.bed is in no folder of data"):
        load_split(card(folder, "bend", "variant_effects_expression"))


def bed(parts: tuple[str, ...], start: int, width: int, **more: Callable[[int], Any]) -> list[Row]:
    """Return intervals of chr20, a few of each part, apart from each other."""
    return [
        {
            "chromosome": "chr20",
            "start": start + 200_000 * i,
            "end": start + 200_000 * i + width,
            "split": part,
            "strand": "+-"[i % 2],
            **{name: of(i) for name, of in more.items()},
        }
        for i, part in enumerate(parts)
    ]


PARTS = ("train",) * 6 + ("valid",) * 3 + ("test",) * 3


@pytest.mark.parametrize(
    ("task", "k"), [("histone_modification", 18), ("cpg_methylation", 7), ("chromatin_accessibility", 125)]
)
def test_bend_labels_are_joined_numbers(folder: Path, task: str, k: int) -> None:
    rows = bed(PARTS, 1_000_000, 512, label=lambda i: ("", "4", f"1,{k - 1}")[i % 3])
    text(folder / f"{task}/{task}.bed", rows, "\t")
    split = load_split(card(folder, "bend", task))
    assert [len(e) for _, e in split] == [6, 3, 3] and split.test.targets.shape == (3, k)
    assert [np.flatnonzero(t).tolist() for t in split.train.targets[:3]] == [[], [4], [1, k - 1]]
    piece = open_genome("hg19")["20"][1_200_000:1_200_512]
    assert split.train.inputs.sequences[1] == reverse_complement(piece)


@pytest.fixture
def h5(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Return what the stand-in for h5py holds of each file, by name; h5py is no dependency."""
    held: dict[str, Any] = {}

    class File(dict[str, Any]):
        def __init__(self, path: Path, mode: str) -> None:
            super().__init__(labels=held[path.name])

        def __enter__(self) -> File:
            return self

        def __exit__(self, *_: object) -> None:
            return

    monkeypatch.setitem(sys.modules, "h5py", type("h5py", (), {"File": File}))
    yield held


def test_bend_labels_of_bases_and_bins(folder: Path, h5: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    rows = bed(PARTS, 1_000_000, 300)
    text(folder / "gene_finding/gene_finding.bed", rows, "\t")
    (folder / "gene_finding/gene_finding.hdf5").write_bytes(b"x")
    h5["gene_finding.hdf5"] = np.where(rng.random((12, 300)) < 0.9, 8, rng.integers(0, 8, (12, 300)))
    split = load_split(card(folder, "bend", "gene_finding"))
    assert len(split.test) == 900 and len(split.valid) == 900, "valid and test are whole"
    counts = np.bincount(split.train.targets, minlength=9)
    assert counts[8] == counts[:8].sum(), "the commonest class of train is as many bases as all others"
    at = split.test.inputs.positions
    assert at is not None and at[:300].tolist() == list(range(300)) and split.test.inputs.span == 1
    assert split.test.targets.tolist() == h5["gene_finding.hdf5"][9:].ravel().tolist()
    whole = open_genome("hg19")["20"][2_800_000:2_800_300]
    assert split.test.inputs.sequences[0] == whole, "read_strand is false: no window is turned"
    text(folder / "enhancer_annotation/enhancer_annotation.bed", bed(("part1",) * 20, 1_000_000, 1280), "\t")
    (folder / "enhancer_annotation/enhancer_annotation.hdf5").write_bytes(b"x")
    h5["enhancer_annotation.hdf5"] = np.tile([0] * 8 + [1, 0], (20, 1))
    bins = load_split(card(folder, "bend", "enhancer_annotation"))
    assert [len(e) for _, e in bins] == [160, 20, 20] and bins.train.inputs.span == 128
    assert bins.test.inputs.positions is not None and bins.test.inputs.positions[:3].tolist() == [0, 128, 256]


LONG = "InstaDeepAI/genomics-long-range-benchmark"


def test_long_range_variants(folder: Path, snps: list[Row]) -> None:
    chosen = [s for s in snps if s["pos"] < 62_000_000 and s["pos"] > 1_000_000]
    rows = [
        {
            "CHROM": "chr20",
            "POS": r["pos"],
            "REF": r["ref"],
            "ALT": r["alt"],
            "label": i % 2,
            "INT_LABEL": i % 2,
            "tissue": tissue,
            "distance_to_nearest_TSS": 5,
            "split": "test" if i < 6 else "train",
        }
        for i, r in enumerate(some(chosen, 20))
        for tissue in ("Lung", "Liver")
    ]
    text(folder / LONG / "variant_effect_causal_eqtl/All_Tissues.csv", rows)
    built = card(folder, "long_range", "causal_eqtl")
    # All are of chr20 here, so that no chromosome is left for valid.
    examples = built.source()
    assert len(examples) == 40 and len(set(examples.clusters)) == 20
    assert examples.ids[0].endswith(":Lung") and examples.ids[1].endswith(":Liver")
    assert (built.split.rule(examples) == "test").sum() == 12  # type: ignore[attr-defined]
    check_variants(Split(examples.take(slice(0, 0)), examples.take(slice(0, 0)), examples.take(slice(0, 4))), 100_000)
    once = [r for r in rows if r["tissue"] == "Lung"]
    text(folder / LONG / "variant_effect_pathogenic/vep_pathogenic_non_coding_subset.csv", once)
    assert len(load_split(card(folder, "long_range", "pathogenic_omim")).test) == 20


def test_long_range_places(folder: Path) -> None:
    contig = open_genome("hg19")["20"]
    starts = [20_001, 1_000_001, 62_990_001]  # one at each end of the chromosome
    rows = [
        {"CHROM": "chr20", "START": s, "STOP": s + 200, "label": i % 2, "split": "test"} for i, s in enumerate(starts)
    ]
    text(folder / LONG / "regulatory_elements/promoter_dataset.csv", rows)
    examples = card(folder, "long_range", "promoter").source()
    assert {len(s) for s in examples.inputs.sequences} == {100_000}
    assert examples.inputs.sequences[1] == contig[1_000_000 + 100 - 50_000 : 1_000_000 + 100 + 50_000]
    assert examples.inputs.sequences[0].startswith("N" * 29_900) and examples.inputs.sequences[2].endswith("N" * 10_000)
    points = [
        {"CHROM": "chr20", "POS": s, "split": "train", "HISTONES": str([i % 2] * 20), "DNASE": "[0]"}
        for i, s in enumerate((1_000_101, 2_000_101))
    ]
    text(folder / LONG / "chromatin_features/histones_and_dnase.csv", points)
    marks = card(folder, "long_range", "histone_marks").source()
    assert marks.targets.tolist() == [[0] * 20, [1] * 20]
    assert marks.inputs.sequences[0] == examples.inputs.sequences[1], "POS - 100 to POS + 99 are the 200 bp"


def test_long_range_expression(folder: Path) -> None:
    genes = [
        {"gene": f"g{i}", "chrom": "chr20", "strand": "+-"[i], "CAGE_representative_TSS": 1_000_001, "split": "train"}
        for i in range(2)
    ]
    text(folder / LONG / "bulk_rna_expression/gene_coordinates.csv", genes)
    values = [{f"t{k}": i + k / 1000 for k in range(218)} for i in range(2)]
    text(folder / LONG / "bulk_rna_expression/rna_expression_values.csv", values)
    examples = card(folder, "long_range", "bulk_rna_expression").source()
    assert examples.targets.shape == (2, 218) and examples.targets[1, 217] == 1.217
    first, second = examples.inputs.sequences[0], examples.inputs.sequences[1]
    assert second == reverse_complement(first)
    text(folder / LONG / "bulk_rna_expression/rna_expression_values.csv", values[:1])
    with pytest.raises(DataError, match=r"1 rows where .* has 2"):
        card(folder, "long_range", "bulk_rna_expression").source()


def annotate(sequence: str, mark: str) -> str:
    """Return DNA as m42-health/variant-benchmark writes it, with a tag inside and its last base marked."""
    marked = {"A": "Â", "C": "Ĉ", "G": "Ĝ", "T": "Ṱ"}[mark]
    letters = [*sequence[:5], "[START_EXON]", *sequence[5:-1], marked]
    return " ".join(letters)


def test_annotated_halves_become_windows(folder: Path, snps: list[Row]) -> None:
    contig = open_genome("hg19")["20"]
    rows, windows = [], []
    for i, r in enumerate(some(snps, 30)):
        start = r["pos"] - 1 - 32
        ref = contig[start : start + 65]
        alt = ref[:32] + r["alt"] + ref[33:]
        halves = {}
        for name, window in (("ref", ref), ("alt", alt)):
            right = reverse_complement(window[32:])
            halves[f"{name}_left"] = annotate(window[:33], window[32])
            halves[f"{name}_right"] = annotate(right, right[-1])
        windows.append((ref, alt))
        rows.append(
            {"chrom": ("chr1", "chr19", "chr21", "chr22", "chrX", "chr20")[i % 6], **halves, "label": i // 6 % 2}
        )
    parquet(folder / "m42-health/variant-benchmark/sqtl/train-00000-of-00001.parquet", rows)
    built = next(b() for b in variant_benchmark.BUILT if b().name.endswith(".sqtl"))
    split = load_split(built)
    assert [len(e) for _, e in split] == [5, 10, 15]
    examples = built.source()
    assert examples.inputs.alternates is not None and examples.inputs.positions is not None
    assert list(zip(examples.inputs.sequences, examples.inputs.alternates, strict=True)) == windows
    assert set(examples.inputs.positions.tolist()) == {32}
    odd = {**rows[0], "alt_right": rows[1]["alt_right"]}
    parquet(folder / "m42-health/variant-benchmark/sqtl/train-00000-of-00001.parquet", [odd])
    with pytest.raises(DataError, match=r"row 1: (REF and ALT differ elsewhere|the two halves end with)"):
        built.source()


def test_lol_eve_keeps_sure_indels_outside_repeats(folder: Path) -> None:
    import pyarrow as pa

    contig = open_genome("hg19")["20"]
    wild = [contig[1_000_000 + 5000 * i : 1_000_000 + 5000 * i + 1000] for i in range(6)]
    wild[3] = wild[3][:495] + "A" * 15 + wild[3][510:]
    kinds = ["Insertion", "deletion", "deletion", "insertion", "snv", "deletion"]
    rows = [
        {
            "pip": (0.995, 0.001, 0.5, 0.999, 0.999, 0.01)[i],
            "wt_sequence": w,
            "var_sequence": w[:500] + "ACGT"[i % 4] * 3 + w[500:]
            if kinds[i].lower() == "insertion"
            else w[:500] + w[503:],
            "position": 7_000_500,
            "wt_sequence_start": 7_000_000,
            "ref": "A",
            "alt": "AT",
            "variant_type": kinds[i],
        }
        for i, w in enumerate(wild)
    ]
    path = folder / "Marks-lab/LOL-EVE-eQTL_benchmark/dataset/data-00000-of-00001.arrow"
    path.parent.mkdir(parents=True)
    table = pa.Table.from_pylist(rows)
    with pa.OSFile(str(path), "wb") as out, pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    split = load_split(lol_eve.lol_eve_causal_eqtl())
    assert list(split.test.ids) == ["1", "2", "6"] and split.test.targets.tolist() == [1, 0, 0]
    assert split.test.inputs.alternates is not None and len(split.test.inputs.alternates[1]) == 997
    path.write_bytes(b"not arrow")
    with pytest.raises(DataError, match="not an Arrow stream"):
        lol_eve.read_indels(str(path))


def test_slippage_counts_repeats() -> None:
    assert lol_eve.slippage("ACGTTGCAAC") == 0.0 and lol_eve.slippage("CAAAAC") == 16.0
    assert lol_eve.slippage("GACACACT") == pytest.approx(0.8 * 6**1.5)
    assert lol_eve.slippage("A" * 20) > 400
