from __future__ import annotations

import gzip
import hashlib
import http.server
import json
import lzma
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packing import packed

from baserate.cli import cli
from baserate.dna.assemblies import LENGTHS, Entry, aliases, canonical, check_assembly
from baserate.dna.fasta import Bases, scan
from baserate.dna.genomes import add_genome, digest_file, find_genome, is_name, open_genome, registered, remove_genome
from baserate.errors import BaserateError, ConfigError, DataError
from baserate.sources.sequences import read_sequences

SHARED_DATA = Path(os.environ.get("BASERATE_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
FASTA = ">chr1 first\nACGTACGTAC\nGTNNacgtac\nGG\n>MT\nTTTTT\n\n>scaffold_9 len=4\nRYKM\n"
WHOLE = {"chr1": "ACGTACGTACGTNNACGTACGG", "MT": "TTTTT", "scaffold_9": "RYKM"}


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BASERATE_GENOMES", str(tmp_path / "genomes"))
    return tmp_path / "genomes"


def pack(path: Path, text: str) -> Path:
    raw = text.encode()
    if path.suffix == ".gz":  # two members, as bgzip writes
        raw = gzip.compress(raw[:20]) + gzip.compress(raw[20:])
    path.write_bytes(lzma.compress(raw) if path.suffix == ".xz" else raw)
    return path


@pytest.mark.parametrize("name", ["a.fa", "a.fa.gz", "a.fasta.xz"])
@pytest.mark.parametrize("text", [FASTA, FASTA.replace("\n", "\r\n"), FASTA.rstrip("\n")])
def test_every_slice_equals_that_of_the_whole(tmp_path: Path, name: str, text: str) -> None:
    known = add_genome("mine", str(pack(tmp_path / name, text)))
    assert known.sha256 == hashlib.sha256(text.encode()).hexdigest() == digest_file("mine").read_text().strip()
    genome = open_genome("mine")
    assert list(genome) == list(WHOLE) and {n: len(genome[n]) for n in genome} == {n: len(s) for n, s in WHOLE.items()}
    for contig, whole in WHOLE.items():
        for start in range(len(whole) + 1):
            for end in range(start, len(whole) + 3):
                assert genome[contig][start:end] == whole[start:end]
        assert genome[contig][-3:] == whole[-3:]


def test_contigs_are_found_by_other_names_and_a_doubtful_name_is_nobodys(tmp_path: Path) -> None:
    genome = open_genome(str(pack(tmp_path / "a.fa", FASTA)))
    assert "1" in genome and "chrM" in genome and "chr2" not in genome and len(genome) == 3
    assert genome["1"][:4] == "ACGT" and genome["chrM"][:] == "TTTTT"
    ncbi = [
        Entry("NC_000001.11", "Homo sapiens chromosome 1, GRCh38.p14 Primary Assembly", 9),
        Entry("NT_187361.1", "Homo sapiens chromosome 1 unlocalized genomic scaffold", 9),
        Entry("NC_012920.1", "Homo sapiens mitochondrion, complete genome", 16569),
        Entry("X", "gi|224589822|ref|NC_000023.10|", 9),
    ]
    found = aliases(ncbi)
    assert found["chr1"] == found["1"] == "NC_000001.11" and found["MT"] == found["chrM"] == "NC_012920.1"
    assert found["NC_000023.10"] == found["chrX"] == "X"
    assert aliases([Entry("chr1", "", 9), Entry("1", "", 9)]) == {}
    worm = aliases([Entry("CHROMOSOME_I", "", 9), Entry("CHROMOSOME_MtDNA", "", 9), Entry("GL000191.1", "", 9)])
    assert worm["I"] == worm["chrI"] == "CHROMOSOME_I" and worm["chrM"] == "CHROMOSOME_MtDNA" and len(worm) == 6
    assert "2" not in aliases([Entry("chr2", "", 9), Entry("Chr2", "", 9)])
    assert "MT" not in aliases([Entry("chrM", "", 16571)]), "UCSC's hg19 holds another mitochondrion"


def test_a_digest_that_differs_is_refused_and_leaves_nothing(tmp_path: Path, registry: Path) -> None:
    path = pack(tmp_path / "a.fa.gz", FASTA)
    packed = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(DataError, match="expected 00"):
        add_genome("mine", str(path), sha256="00")
    assert not list(registry.iterdir())
    assert add_genome("mine", str(path), sha256=packed).sha256 == hashlib.sha256(FASTA.encode()).hexdigest()
    with pytest.raises(ConfigError, match="registered already"):
        add_genome("mine", str(path))
    remove_genome("mine")
    assert add_genome("mine", str(path), sha256=hashlib.sha256(FASTA.encode()).hexdigest().upper())


def test_a_file_that_changed_is_read_again_and_another_content_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.fa", FASTA)
    add_genome("mine", str(path))
    os.utime(path, ns=(1, 1))
    assert open_genome("mine")["chr1"][:4] == "ACGT" and find_genome("mine").modified == 1
    path.write_text(FASTA.replace("GG", "GC"))
    with pytest.raises(DataError, match="has changed since it was registered; baserate genome remove mine"):
        open_genome("mine")
    path.unlink()
    with pytest.raises(DataError, match="No such file"):
        open_genome("mine")
    remove_genome("mine")
    assert registered() == []


def test_removing_keeps_the_users_file_and_a_read_only_folder_will_do(tmp_path: Path) -> None:
    folder = tmp_path / "ro"
    folder.mkdir()
    path = pack(folder / "a.fa", FASTA)
    folder.chmod(0o500)
    try:
        add_genome("mine", str(path))
        assert open_genome("mine")["MT"][:] == open_genome(str(path))["MT"][:] == "TTTTT"
        assert sorted(p.name for p in folder.iterdir()) == ["a.fa"]
        remove_genome("mine")
        assert path.is_file()
    finally:
        folder.chmod(0o700)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty, expected FASTA"),
        ("ACGT\n", "expected '>NAME', found 'ACGT'"),
        (">a\n>b\nAC\n", "line 1: 'a' has no sequence"),
        (">a\nAC\n>a\nAC\n", "line 3: contig 'a' occurs more than once"),
        (">a\nAC\n> \nAC\n", "line 3: a header without a name"),
        (">a\nAC\n>\nAC\n", "line 3: a header without a name"),
        (">a\nAC\n>|\nAC\n", "line 3: a header without a name"),
        (">a\nACXT\n", "line 1: contig 'a': 'X' at position 2 is not an IUPAC DNA letter"),
        (">a\nACUT\n", "line 1: contig 'a': 'U' at position 2 is not an IUPAC DNA letter"),
        (">a\nAC\n>b\0\nAC\n", "byte 8 is NUL"),
        (">a\nACGTAC CGTACG GTACGT\n", "line 2: overlapping k-mers; write each record as one sequence"),
    ],
)
def test_what_is_not_fasta_is_told_in_a_line_and_alike_for_cards_and_genomes(
    tmp_path: Path, text: str, said: str
) -> None:
    path = str(pack(tmp_path / "a.fa", text))
    with pytest.raises(DataError) as error:
        add_genome("mine", path)
    assert said in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(DataError) as other:
        read_sequences(path)
    assert str(other.value) == str(error.value)


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        (FASTA, True),
        (FASTA.replace("\n", "\r\n"), True),
        ("\ufeff" + FASTA, True),
        (FASTA.replace("first", "Gène témoin"), True),
        (FASTA.replace("\n", "\r"), False),
        (FASTA.replace("ACGTACGTAC\n", "ACGTACGTAC \n"), False),
        (FASTA.replace("ACGTACGTAC\n", "ACGTACGTAC\t\n"), False),
        (FASTA.replace("ACGTACGTAC", "ACGT ACGTAC"), False),
        (FASTA.replace("ACGTACGTAC\n", "ACGTACGTAC\r\n"), False),
        (FASTA.replace("ACGTACGTAC\n", "ACGTA\rCGTAC\n"), False),
        (FASTA.replace("ACGTACGTAC\n", "ACGT\nACGTAC\n"), False),
        (FASTA.replace("ACGTACGTAC\n", "ACGTACGTAC\n\n"), False),
        (FASTA.replace(">chr1 first\n", ">chr1 first\n\n"), False),
        (FASTA.replace(">MT", "  >MT"), False),
        ("\n\n" + FASTA, True),
    ],
)
@pytest.mark.parametrize("name", ["a.fa", "a.fa.gz"])
def test_cards_and_genomes_read_the_same_fasta(tmp_path: Path, text: str, stays: bool, name: str) -> None:
    """A file that cannot be indexed as it stands is copied into the registry; the user's file is never touched."""
    path = pack(tmp_path / name, text)
    before = path.read_bytes()
    known = add_genome("mine", str(path), sha256=hashlib.sha256(text.encode()).hexdigest())
    assert (known.path == str(path)) == (stays and name == "a.fa") and path.read_bytes() == before
    assert read_sequences(str(path)) == WHOLE
    for genome in [open_genome("mine")] + ([open_genome(str(path))] if name == "a.fa" else []):
        assert {contig: genome[contig][:] for contig in genome} == WHOLE
        assert genome["chr1"][3:17] == WHOLE["chr1"][3:17]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from([">a", ">b", ">", "> c x", ">é|", "ACGT", "AC", "n", " ", "\t", "X", "\0", "\ufeff"]).flatmap(
            lambda piece: st.sampled_from(["\n", "\n", "\n", "\r\n", "\r", "", "\n\n"]).map(lambda end: piece + end)
        ),
        max_size=14,
    ),
    st.integers(1, 40),
)
def test_any_text_is_read_alike_from_memory_and_by_its_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pieces: list[str], size: int
) -> None:
    monkeypatch.setattr("baserate.unpack.BLOCK", size)
    path = tmp_path / "a.fa"
    path.write_bytes("".join(pieces).encode())

    def read(of: Callable[[], Mapping[str, Bases]]) -> dict[str, str] | str:
        try:
            return {name: contig[:] for name, contig in of().items()}
        except DataError as error:
            return str(error)

    assert read(lambda: open_genome(str(path))) == read(lambda: read_sequences(str(path)))


@pytest.mark.parametrize("suffix", [".bgz", ".bz2", ".zst", ".zip"])
def test_a_genome_may_be_packed_in_any_way(tmp_path: Path, suffix: str) -> None:
    path = packed(tmp_path / f"a.fa{suffix}", FASTA.encode())
    known = add_genome("mine", str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    assert known.sha256 == hashlib.sha256(FASTA.encode()).hexdigest()
    assert {contig: open_genome("mine")[contig][:] for contig in WHOLE} == read_sequences(str(path)) == WHOLE


def test_blocks_of_any_size_give_the_same_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack(tmp_path / "a.fa", FASTA)
    whole = scan(path, tmp_path / "copy.fa")
    for size in (1, 2, 3, 7, 11, 30):
        monkeypatch.setattr("baserate.unpack.BLOCK", size)
        assert scan(path, tmp_path / "copy.fa") == whole
    assert not (tmp_path / "copy.fa").exists()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("a.2bit", "twoBitToFa"),
        ("a.txt", "expected FASTA"),
        ("none.fa", "No such file"),
        ("cut.fa.gz", "truncated or damaged"),
    ],
)
def test_sources_that_cannot_be_read(tmp_path: Path, registry: Path, source: str, said: str) -> None:
    (tmp_path / "cut.fa.gz").write_bytes(gzip.compress(FASTA.encode() * 100)[:-20])
    with pytest.raises(BaserateError) as error:
        add_genome("mine", str(tmp_path / source))
    assert said in str(error.value) and "\n" not in str(error.value)
    assert not registry.exists() or not list(registry.iterdir())


def test_names_and_synonyms(tmp_path: Path) -> None:
    assert canonical("GRCh38") == "hg38" and canonical("hs37d5") == "hg19" and canonical("Mine") == "Mine"
    assert is_name("hg38") and is_name("my.genome") and not is_name("./hg38") and not is_name("hg38.fa.gz")
    with pytest.raises(DataError) as error:
        open_genome("GRCh38")
    assert str(error.value) == (
        "genome 'GRCh38' is not registered: baserate genome add hg38 PATH|URL "
        "(such as https://hgdownload.soe.ucsc.edu/goldenPath/hg38/bigZips/hg38.fa.gz)"
    )
    add_genome("mouse_mine", str(pack(tmp_path / "a.fa", FASTA)))
    with pytest.raises(DataError, match="did you mean 'mouse_mine'"):
        open_genome("mouse_mien")
    with pytest.raises(ConfigError, match="genome name"):
        add_genome("../up", str(tmp_path / "a.fa"))


def test_an_assembly_is_not_taken_for_another() -> None:
    hg19 = {f"chr{c}": n for c, n in LENGTHS["hg19"].items()}
    assert check_assembly("hg19", hg19, truncated=False, where="f") == ""
    with pytest.raises(DataError, match="chr1 has 249,250,621 bp where hg38 has 248,956,422: this is hg19"):
        check_assembly("hg38", hg19, truncated=True, where="f")
    few = {"chr20": 63_025_520, "chrX": 155_270_560}
    assert check_assembly("hg19", few, truncated=False, where="f").endswith("chr21, chr22, chrY")
    short = {"chr20": 63_025_520, "chrX": 69_999_930}
    with pytest.raises(DataError, match="another assembly; --truncated accepts the start"):
        check_assembly("hg19", short, truncated=False, where="f")
    assert check_assembly("hg19", short, truncated=True, where="f")
    with pytest.raises(DataError, match="no chromosome of hg19"):
        check_assembly("hg19", {"I": 5}, truncated=False, where="f")
    assert all(len(set(lengths.values())) == len(lengths) for lengths in LENGTHS.values())


class _Server(http.server.BaseHTTPRequestHandler):
    """Serves one packed genome, by ranges, and cuts the first answer short."""

    content = gzip.compress(FASTA.encode())
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        _Server.asked.append(self.headers.get("Range", ""))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        self.wfile.write(self.content[start:] if start else self.content[:30])

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), _Server) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{made.server_address[1]}/x/genome.fa.gz"
        made.shutdown()
        thread.join()


def test_a_download_goes_on_where_it_was_cut_off(server: str, registry: Path) -> None:
    with pytest.raises(DataError, match="cut off after 30 of"):
        add_genome("mine", server)
    assert registered() == []
    assert add_genome("mine", server).sha256 == hashlib.sha256(FASTA.encode()).hexdigest()
    assert _Server.asked == ["", "bytes=30-"]
    assert open_genome("mine")["1"][:4] == "ACGT" and not list((registry / ".downloads").iterdir())
    with pytest.raises(DataError, match="cannot download"):
        add_genome("other", "http://127.0.0.1:9/none.fa")


def test_the_commands_add_list_and_remove(tmp_path: Path) -> None:
    run = CliRunner().invoke
    path = str(pack(tmp_path / "a.fa.gz", FASTA))
    added = run(cli, ["genome", "add", "mine", path])
    assert added.exit_code == 0 and "mine: 3 contigs, 31 bp, sha256" in added.output
    (listed,) = json.loads(run(cli, ["genome", "list", "--json"]).output)
    assert listed["contigs"] == {n: len(s) for n, s in WHOLE.items()} and listed["aliases"]["1"] == "chr1"
    assert "mine" in run(cli, ["genome", "list"]).output
    assert "removed mine" in run(cli, ["genome", "remove", "mine"]).output
    assert "no genome in" in run(cli, ["genome", "list"]).output


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="needs the shared real data")
def test_real_chromosomes_equal_slices_of_the_whole_text() -> None:
    for name, file, contig in (
        ("hg19", "hg19_chr20/20.fa.xz", "chr20"),
        ("x", "hg19_chrX_70M/hs37chrXtrunc.fa.xz", "NC_000023.10"),
    ):
        known = add_genome(name, str(SHARED_DATA / file))
        with lzma.open(SHARED_DATA / file, "rt") as lines:
            whole = "".join(line.strip() for line in lines if line[0] != ">").upper()
        at = open_genome(name)[contig]
        assert len(at) == len(whole) == sum(known.contigs.values())
        starts = np.sort(np.random.default_rng(0).integers(0, len(whole) - 1000, 2000))
        assert all(at[s : s + 1000] == whole[s : s + 1000] for s in starts.tolist())
        assert at[len(at) - 7 :] == whole[-7:] and at[30_000_000:30_100_000] == whole[30_000_000:30_100_000]
    assert find_genome("hg19").note.startswith("hg19 without chr1, chr2")
