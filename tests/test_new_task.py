"""`baserate new task`: what it guesses of real-shaped files, and that the card it writes passes every check."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from baserate.cards.task import task_card
from baserate.checks import run_checks
from baserate.dna.genomes import add_genome
from baserate.errors import BaserateError, ConfigError
from baserate.new_task import Choices, NewTask, new_task
from baserate.new_task.direction import direction_of
from baserate.new_task.target import ordered
from baserate.registry import TASKS
from baserate.splits import load_split

SHARED_DATA = Path(os.environ.get("BASERATE_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
RNG = np.random.default_rng(11)
N = 240


def dna(length: int = 60) -> str:
    return "".join(RNG.choice(list("ACGT"), length))


SEQUENCES = [dna() for _ in range(N)]
LABELS = [("inactive", "active")[int(RNG.integers(2))] for _ in range(N)]
CHROMOSOMES = [f"chr{1 + i % 7}" for i in range(N)]


def write_table(path: Path, columns: dict[str, list[object]], separator: str = ",") -> Path:
    lines = [separator.join(columns), *(separator.join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    text = "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode())) if path.suffix == ".gz" else path.write_text(text)
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def genome(here: Path) -> dict[str, str]:
    """Write genome.fa of four chromosomes and return it."""
    contigs = {f"chr{i}": dna(4000) for i in (1, 2, 3, 4)}
    (here / "genome.fa").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in contigs.items()))
    return contigs


def statuses(made: NewTask) -> dict[str, str]:
    """Return the status of each check, of which none fails."""
    results = {r.check: r.status for r in run_checks(made.task)}
    assert "failed" not in results.values(), results
    return results


def value(made: NewTask, key: str) -> object:
    return next((g.value for g in made.guesses if g.key == key), None)


def conforms(made: NewTask, *open_: str) -> None:
    """The card loads its examples, and no check fails; only what a user has to fill in and `open_` are left."""
    left = {r.check: r.detail for r in run_checks(made.task) if r.status != "passed"}
    paired = {"every_class_everywhere"} if made.task.kind == "paired" else set()
    assert left.keys() == {"card_is_complete", *open_} | paired, left
    assert left["card_is_complete"] == "to fill in before others use it: citation, licence, species, assembly"


def test_classes_with_chromosome_gene_and_id(here: Path) -> None:
    columns = {
        "peak": [f"p{i}" for i in range(N)],
        "chrom": CHROMOSOMES,
        "gene": [f"{c}g{i // 14}" for i, c in enumerate(CHROMOSOMES)],
        "dna": SEQUENCES,
        "state": LABELS,
        "length": [60] * N,
    }
    made = new_task(str(write_table(here / "my peaks.tsv.gz", columns, "\t")))
    assert made.path == Path("my_peaks.toml") and made.task.name == "my_peaks"
    assert made.task.kind == "classification" and made.task.classes == ("inactive", "active")
    assert value(made, "sequence") == "dna" and value(made, "target") == "state" and value(made, "id") == "peak"
    assert value(made, "group") == "gene" and value(made, "rule") == "by_stratum"
    conforms(made)
    parts = {part: set(examples.strata["chrom"]) for part, examples in load_split(made.task)}
    assert not parts["train"] & parts["test"] and not parts["valid"] & parts["test"]


def test_a_split_column_is_kept_and_its_missing_valid_part_carved(here: Path) -> None:
    columns = {"seq": SEQUENCES, "y": LABELS, "fold": ["test" if i % 4 == 0 else "train" for i in range(N)]}
    made = new_task(str(write_table(here / "t.csv", columns)))
    assert value(made, "rule") == "predefined" and value(made, "valid_fraction") == 0.1
    conforms(made)
    assert len(load_split(made.task).test) == 60


def test_measurements_from_parquet_and_json_lines(here: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    score = [round(float(x), 3) for x in RNG.normal(size=N)]
    pq.write_table(pa.table({"seq": SEQUENCES, "log2fc": score}), here / "t.parquet")
    made = new_task("t.parquet")
    assert made.task.kind == "regression" and value(made, "target") == "log2fc"
    conforms(made)
    assert value(made, "rule") == "by_homology" and not made.notes
    rows = [json.dumps({"seq": s, "log2fc": y}) for s, y in zip(SEQUENCES, score, strict=True)]
    (here / "u.jsonl").write_text("\n".join(rows) + "\n")
    other = new_task("u.jsonl")
    conforms(other)
    assert sorted(load_split(other.task).test.targets) == sorted(load_split(made.task).test.targets)


@pytest.mark.parametrize("style", ["|", " ", "key"])
def test_fasta_with_labels_in_its_headers(here: Path, style: str) -> None:
    header = {"|": "s{i}|{y}|{part}", " ": "s{i} {y} {part}", "key": "s{i} state={y} split={part}"}[style]
    parts = ["train", "train", "train", "dev", "test"]
    (here / "t.fasta").write_text(
        "".join(f">{header.format(i=i, y=LABELS[i], part=parts[i % 5])}\n{SEQUENCES[i]}\n" for i in range(N))
    )
    made = new_task("t.fasta")
    assert value(made, "target") == ("state" if style == "key" else "field2") and value(made, "id") == "id"
    assert value(made, "rule") == "predefined"
    conforms(made)


def test_bed_and_variants_need_a_genome_and_split_by_chromosome(here: Path, genome: dict[str, str]) -> None:
    bed, vcf = [], ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tpathogenic"]
    for i in range(N):
        name = f"chr{1 + i % 4}"
        at = 10 + 60 * (i // 4)
        bed.append(f"{name}\t{at}\t{at + 50}\t{LABELS[i]}\t0\t{'+-'[i % 2]}")
        ref = genome[name][at - 1]
        vcf.append(f"{name}\t{at}\trs{i}\t{ref}\t{'ACGT'['ACGT'.index(ref) - 1]}\t{i // 4 % 2}")
    (here / "t.bed").write_text("\n".join(bed) + "\n")
    (here / "v.vcf").write_text("\n".join(vcf) + "\n")
    for name in ("t.bed", "v.vcf"):
        with pytest.raises(BaserateError, match=f"^{name}: holds .*with --genome"):
            new_task(name)
        made = new_task(name, Choices(genome="genome.fa"))
        assert value(made, "rule") == "by_chromosome" and value(made, "genome") == "genome.fa"
        conforms(made)
    assert made.task.variants and value(made, "target") == "pathogenic" and value(made, "id") == "ID"


def test_mutants_of_one_sequence_are_split_at_random_and_told(here: Path) -> None:
    mutants = [SEQUENCES[0][:i] + "ACGT"[k] + SEQUENCES[0][i + 1 :] for i in range(60) for k in range(4)]
    columns = {"seq": sorted(set(mutants)), "fitness": [i / 7 for i in range(len(set(mutants)))]}
    made = new_task(str(write_table(here / "t.csv", columns)))
    assert value(made, "rule") == "by_group" and "variants of one another, so rows are split at random" in made.notes[0]
    conforms(made)


def test_equal_sequences_on_two_chromosomes_go_by_homology(here: Path) -> None:
    columns = {"chrom": CHROMOSOMES, "seq": [*SEQUENCES[:200], *SEQUENCES[1:41]], "label": LABELS}
    made = new_task(str(write_table(here / "t.csv", columns)))
    assert value(made, "rule") == "by_homology"
    conforms(made)


def test_intervals_in_a_table_and_labels_in_info(here: Path, genome: dict[str, str]) -> None:
    columns = {
        "chr": [f"chr{1 + i % 4}" for i in range(N)],
        "start": [10 + 60 * (i // 4) for i in range(N)],
        "end": [10 + 60 * (i // 4) + 40 + i % 3 for i in range(N)],
        "state": LABELS,
    }
    made = new_task(str(write_table(here / "i.csv", columns)), Choices(genome="genome.fa"))
    assert value(made, "bed") == "i.csv" and value(made, "target") == "state" and value(made, "width") == 41
    conforms(made)
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    for i in range(N):
        name, at = f"chr{1 + i % 4}", 12 + 16 * (i // 4)
        ref = genome[name][at - 1]
        called = ("Benign", "Pathogenic")[i // 4 % 2]
        lines.append(f"{name}\t{at}\t.\t{ref}\t{'ACGT'['ACGT'.index(ref) - 1]}\t.\tPASS\tCLNSIG={called};AF=0.{i + 1}")
    (here / "clinvar.vcf").write_text("\n".join(lines) + "\n")
    made = new_task("clinvar.vcf", Choices(genome="genome.fa"))
    assert value(made, "target") == "CLNSIG" and made.task.classes == ("Benign", "Pathogenic")
    conforms(made)


def test_strands_are_read_by_the_codes_that_files_use(here: Path, genome: dict[str, str]) -> None:
    """Tables of Ensembl have 1 and -1: the sequences are those of the same file with + and -."""
    at = [(f"chr{1 + i % 4}", 10 + 60 * (i // 4)) for i in range(N)]
    made = {}
    for name, codes in (("signs", "+-"), ("numbers", ("1", "-1"))):
        columns = {"gene": [f"g{i}" for i in range(N)], "chromosome": [c for c, _ in at], "start": [s for _, s in at]}
        columns |= {"end": [s + 50 for _, s in at], "strand": [codes[i % 3 == 0] for i in range(N)], "label": LABELS}
        made[name] = new_task(str(write_table(here / f"{name}.tsv", columns, "\t")), Choices(genome="genome.fa"))
        conforms(made[name])
    signs, numbers = (made[name].task.source() for name in ("signs", "numbers"))
    assert signs.inputs.sequences.tolist() == numbers.inputs.sequences.tolist()
    columns["strand"] = ["2" if code == "-1" else code for code in columns["strand"]]
    with pytest.raises(BaserateError, match=r"t\.tsv: row 1: strand is '2', expected .* rename the column if it is"):
        new_task(str(write_table(here / "t.tsv", columns, "\t")), Choices(genome="genome.fa"))
    assert value(new_task("t.tsv", Choices(genome="genome.fa", targets=["strand"])), "stranded") is False


def test_variants_that_cannot_be_scored_are_said(here: Path, genome: dict[str, str]) -> None:
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tREF\tALT\tpathogenic"]
    for i in range(N):
        chrom, at = f"chr{1 + i % 4}", 600 + 50 * (i // 4)
        ref, alt = genome[chrom][at - 1], "CGTA"["ACGT".index(genome[chrom][at - 1])]
        if i < 30:
            ref, alt = (genome[chrom][at - 1 : at + 700], ref) if i < 10 else (ref, ("*", "<DEL>")[i % 2])
        lines.append(f"{chrom}\t{at}\t{ref}\t{alt}\t{LABELS[i]}")
    (here / "v.vcf").write_text("\n".join(lines) + "\n")
    made = new_task("v.vcf", Choices(genome="genome.fa"))
    conforms(made, "direction_is_stated")
    alt, long, *_ = made.notes
    assert alt.startswith(f"20 of {N} rows without an ALT of bases") and alt.endswith("they are left out")
    assert long.startswith(f"10 of {N} rows with an allele that the window cannot hold") and "width = 703" in long
    assert len(made.task.source()) == N - 30


@pytest.mark.parametrize("name", ["peak{i}", ".", ""])
def test_peaks_without_labels_are_positives_without_negatives(here: Path, genome: dict[str, str], name: str) -> None:
    rows = [(f"chr{1 + i % 4}", 10 + 60 * (i // 4), 60 + 60 * (i // 4), name.format(i=i)) for i in range(N)]
    more = [(str(i * 37 % 1000), ".", str(i / 7), "-1", str(i % 50)) for i in range(N)] if name else [()] * N
    text = "\n".join(
        "\t".join(map(str, (*row, *rest) if name else row[:3])) for row, rest in zip(rows, more, strict=True)
    )
    (here / "peaks.bed").write_text(text + "\n")
    with pytest.raises(BaserateError) as caught:
        new_task("peaks.bed", Choices(genome="genome.fa"))
    said = str(caught.value)
    assert said.startswith("peaks.bed: intervals without labels, which are positives without negatives; --negat")
    assert ("name it with --target: " in said and "'score' (whole numbers, 0 to 999)" in said) == bool(name)
    assert "\n" not in said and not (here / "peaks.toml").exists()
    if name:
        made = new_task("peaks.bed", Choices(genome="genome.fa", targets=["score"]))
        assert made.task.kind == "regression"
        conforms(made)


def test_a_split_whose_parts_share_sequences_is_kept_and_told(here: Path) -> None:
    parts = [("train", "test", "valid")[i % 3] for i in range(N)]
    columns = {"name": [f"s{i}" for i in range(N)], "seq": [*SEQUENCES[:200], *SEQUENCES[1:41]], "label": LABELS}
    made = new_task(str(write_table(here / "t.csv", {**columns, "part": parts})))
    assert value(made, "group") == "name" and any("are also in train or valid" in note for note in made.notes)
    assert statuses(made)["no_sequence_in_two_parts"] == "skipped"
    del columns["name"]
    nameless = new_task(str(write_table(here / "u.csv", {**columns, "part": parts})))
    assert value(nameless, "group") == "row"
    assert statuses(nameless)["no_sequence_in_two_parts"] == "skipped"


def test_a_card_says_what_became_of_its_split(here: Path) -> None:
    made = new_task(str(write_table(here / "t.csv", {"seq": SEQUENCES, "label": LABELS})))
    split = load_split(made.task)
    (rule,) = (g for g in made.guesses if g.key == "rule")
    sizes = ", ".join(f"{part} {len(e)}" for part, e in split)
    assert f"{sizes} rows, test in {len(set(split.test.clusters))} clusters" in rule.reason and rule.reason in made.text


def test_a_class_of_one_family_stays_in_train_and_the_card_is_written(here: Path) -> None:
    family = [
        SEQUENCES[0][:i] + "ACGT"[("ACGT".index(SEQUENCES[0][i]) + 1) % 4] + SEQUENCES[0][i + 1 :] for i in range(12)
    ]
    columns = {"seq": [*SEQUENCES[1:], *family], "label": [*LABELS[1:], *["rare"] * 12]}
    made = new_task(str(write_table(here / "t.csv", columns)))
    assert value(made, "rule") == "by_homology"
    assert any("no row of a class" in note and "'rare' (valid and test)" in note for note in made.notes)
    assert "'rare' (valid and test)" in made.text
    split = load_split(made.task)
    assert (split.train.targets == made.task.classes.index("rare")).sum() == 12
    conforms(made)


def test_families_too_large_to_hold_out_are_split_at_random_and_it_says_so(here: Path) -> None:
    def mutants(sequence: str, n: int) -> list[str]:
        changed = [sequence[:i] + "ACGT"[("ACGT".index(sequence[i]) + 1) % 4] + sequence[i + 1 :] for i in range(n)]
        return changed

    columns = {"seq": [*mutants(SEQUENCES[0], 30), *mutants(SEQUENCES[1], 30)], "label": ["off"] * 30 + ["on"] * 30}
    made = new_task(str(write_table(here / "t.csv", columns)))
    assert value(made, "rule") == "by_group" and any("each too large" in note for note in made.notes)
    assert len(load_split(made.task).test) > 0


def test_short_sequences_are_relatives_from_a_higher_similarity(here: Path) -> None:
    made = new_task(str(write_table(here / "t.csv", {"seq": SEQUENCES, "label": LABELS})))
    assert value(made, "threshold") == 0.9 and len(SEQUENCES[0]) < 100
    long = [s + dna() for s in SEQUENCES]
    made = new_task(str(write_table(here / "u.csv", {"seq": [s + dna() for s in long], "label": LABELS})))
    assert value(made, "threshold") == 0.8


def test_a_missing_valid_part_is_cut_by_families(here: Path) -> None:
    columns = {"seq": SEQUENCES, "y": LABELS, "fold": ["test" if i % 4 == 0 else "train" for i in range(N)]}
    made = new_task(str(write_table(here / "t.csv", columns)))
    assert value(made, "valid_similarity") == 0.9
    split = load_split(made.task)
    assert len(split.valid) == round(0.1 * 180)


def test_pairs_and_variants_as_sequences(here: Path) -> None:
    other = [dna() for _ in range(N)]
    pairs = new_task(str(write_table(here / "p.csv", {"real": SEQUENCES, "shuffled": other})))
    assert pairs.task.kind == "paired" and value(pairs, "alternate") == "shuffled"
    conforms(pairs)
    changed = [s[:30] + "ACGT"["ACGT".index(s[30]) - 1] + s[31:] for s in SEQUENCES]
    columns = {"ref_seq": SEQUENCES, "alt_seq": changed, "psi": [i / N for i in range(N)]}
    variants = new_task(str(write_table(here / "v.csv", columns)))
    assert variants.task.variants and variants.task.kind == "regression"
    conforms(variants, "direction_is_stated")
    named = new_task(str(write_table(here / "c.csv", {"ref_seq": SEQUENCES, "alt_seq": changed, "label": LABELS})))
    assert named.task.metrics[0] == "auroc"  # which a zero-shot score has, and the Matthews correlation has not
    conforms(named, "direction_is_stated")


def test_several_labels_joined_or_in_columns(here: Path) -> None:
    joined = [";".join(w for w, on in zip(("liver", "brain"), (i & 1, i & 2), strict=True) if on) for i in range(N)]
    labels = new_task(str(write_table(here / "m.csv", {"seq": SEQUENCES, "tissues": joined})))
    assert labels.task.kind == "multilabel" and labels.task.classes == ("brain", "liver")
    conforms(labels)
    columns = {"seq": SEQUENCES, **{t: [i >> k & 1 for i in range(N)] for k, t in enumerate(("liver", "gut", "brain"))}}
    several = new_task(str(write_table(here / "c.csv", columns)))
    assert several.task.kind == "multilabel" and value(several, "target") == ["liver", "gut", "brain"]
    conforms(several)


def test_decimal_commas_are_numbers_and_what_can_be_read_otherwise_is_asked(here: Path) -> None:
    numbers = [round(float(x), 2) for x in RNG.normal(size=N)]
    commas = [str(x).replace(".", ",") for x in numbers]
    made = new_task(str(write_table(here / "log2fc.tsv", {"seq": SEQUENCES, "log2FC": commas}, "\t")))
    assert made.task.kind == "regression" and made.task.source().targets.tolist() == numbers
    assert "numbers with decimal commas" in made.text
    conforms(made)
    (here / "parts").mkdir()
    for part, rows in (("train", slice(0, 160)), ("test", slice(160, N))):
        write_table(here / "parts" / f"{part}.tsv", {"seq": SEQUENCES[rows], "y": commas[rows]}, "\t")
    folder = new_task("parts")
    assert sorted(folder.task.source().targets.tolist()) == sorted(numbers)
    counts = {"seq": SEQUENCES, "activity": [f"{i * 40:,}" for i in range(N)]}
    with pytest.raises(BaserateError, match=r"column 'activity': '1,000' may be 1000 or 1; write '\.' for decimals"):
        new_task(str(write_table(here / "counts.tsv", counts, "\t")))
    pairs = {"seq": SEQUENCES, "bound": [("1,3", "2", "1,2", "3")[i % 4] for i in range(N)]}
    with pytest.raises(BaserateError, match=r"'1,3' may be 1\.3 or a list of labels; .*, or ';' between labels"):
        new_task(str(write_table(here / "pairs.tsv", pairs, "\t")))
    assert not list(here.glob("counts.toml")) + list(here.glob("pairs.toml"))
    triples = {"seq": SEQUENCES, "bound": [("1,3", "2", "1,2,3", "3")[i % 4] for i in range(N)]}
    assert new_task(str(write_table(here / "triples.tsv", triples, "\t"))).task.kind == "multilabel"


def test_commas_in_the_names_of_classes_join_no_labels(here: Path) -> None:
    named = [f'"{("enhancer, strong", "enhancer, weak", "none")[i % 3]}"' for i in range(N)]
    made = new_task(str(write_table(here / "t.csv", {"seq": SEQUENCES, "state": named})))
    assert made.task.kind == "classification"
    assert made.task.classes == ("none", "enhancer, strong", "enhancer, weak")
    conforms(made)


def test_the_index_that_pandas_writes_is_passed_over(here: Path) -> None:
    made = new_task(str(write_table(here / "t.csv", {"": list(range(N)), "seq": SEQUENCES, "label": LABELS})))
    assert [column.name for column in made.columns] == ["seq", "label"]
    conforms(made)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"a": SEQUENCES, "b": SEQUENCES[::-1], "label": LABELS}, "2 columns hold DNA, 'a' (60 bp), 'b' (60 bp)"),
        ({"a": LABELS, "n": list(range(N))}, "no column holds DNA ('a': 2 values: "),
        ({"seq": SEQUENCES, "note": [f"n{i}" for i in range(N)]}, "'note' (as many values as rows); name one with"),
        ({"seq": SEQUENCES, "label": ["x"] * N}, "no column can be the target: 'label' (always 'x')"),
        ({"seq": SEQUENCES, "x": LABELS, "z": LABELS[::-1]}, "2 columns can be the target: 'x' (2 values: "),
        ({"seq": SEQUENCES}, "no column can be the target; every row needs a label or a measurement"),
        ({"seq": ["AU" * 20, *SEQUENCES[1:]], "label": LABELS}, "row 2 of 'seq' has T and row 1 of 'seq' has U; write"),
        ({SEQUENCES[0]: [*SEQUENCES[1:], "A"], "0": [1] * N}, "the first line holds DNA, expected a header line"),
        ({"seq;label": [f"{s};1" for s in SEQUENCES]}, "the header has no commas but semicolons"),
    ],
)  # fmt: skip
def test_what_is_ambiguous_ends_in_one_line_and_leaves_nothing(
    here: Path, columns: dict[str, list[object]], said: str
) -> None:
    file = write_table(here / "t.csv", columns)
    with pytest.raises(BaserateError) as raised:
        new_task(str(file))
    assert str(raised.value).startswith(str(file)) and said in str(raised.value) and "\n" not in str(raised.value)
    assert [p.name for p in here.iterdir()] == ["t.csv"]


def test_options_settle_what_is_ambiguous(here: Path) -> None:
    columns = {
        "a": SEQUENCES,
        "b": SEQUENCES[::-1],
        "x": LABELS,
        "dev": list(range(N)),
        "hk": [i / 7 for i in range(N)],
    }
    file = str(write_table(here / "t.csv", columns))
    made = new_task(file, Choices(sequence="a", targets=["dev", "hk"]), name="mine")
    assert made.task.kind == "regression" and made.task.classes == ("dev", "hk") and made.path.name == "mine.toml"
    with pytest.raises(BaserateError, match=r"mine\.toml exists already; --force overwrites it"):
        new_task(file, Choices(sequence="a", targets=["x"]), name="mine")
    assert new_task(file, Choices(sequence="a", targets=["x"]), name="mine", force=True).task.kind == "classification"
    with pytest.raises(BaserateError, match=r"--target 'devs': no such column; did you mean 'dev'"):
        new_task(file, Choices(targets=["devs"]))
    with pytest.raises(BaserateError, match=r"no such file; did you mean '.*t\.csv'"):
        new_task(str(here / "t.cvs"))


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet"])
def test_a_folder_with_a_file_a_part(here: Path, ending: str) -> None:
    (here / "mine").mkdir()
    for name, start, stop in (("train", 0, 140), ("dev", 140, 190), ("test", 190, N)):
        columns = {
            "sequence": SEQUENCES[start:stop],
            "label": [f"{LABELS[i] == 'active':d}.0" for i in range(start, stop)],
        }
        file = write_table(here / "mine" / f"{name}.csv", columns, "\t" if ending == ".tsv" else ",")
        if ending == ".parquet":
            import pyarrow.csv
            import pyarrow.parquet

            pyarrow.parquet.write_table(pyarrow.csv.read_csv(file), file.with_suffix(ending))
            file.unlink()
        else:
            file.rename(file.with_suffix(ending))
    made = new_task("mine")
    assert made.task.classes == ("0", "1") and value(made, "folder") == "mine" and made.sample.n == N
    conforms(made)
    assert [len(examples) for _, examples in load_split(made.task)] == [140, 50, 50]
    (here / "mine" / f"test{ending}").unlink()
    with pytest.raises(BaserateError, match="mine: no test file in the folder; expected train, valid"):
        new_task("mine", force=True)
    with pytest.raises(BaserateError, match="mine: no test file; it has train, valid"):
        load_split(made.task)


def test_a_data_set_of_the_hub_from_a_local_copy(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASERATE_DATA_DIR", str(here / "copies"))
    copy = here / "copies" / "acme" / "enhancers"
    copy.mkdir(parents=True)
    for name, start, stop in (("train", 0, 190), ("test", 190, N)):
        write_table(copy / f"{name}.csv", {"seq": SEQUENCES[start:stop], "state": LABELS[start:stop]})
    made = new_task("acme/enhancers")
    assert value(made, "hub") == "acme/enhancers" and value(made, "revision") == "main"
    assert value(made, "valid_fraction") == 0.1 and made.path.name == "enhancers.toml"
    conforms(made)
    assert len(load_split(made.task).test) == N - 190


def test_order_of_classes_puts_what_says_not_first() -> None:
    assert ordered(["10", "9"]) == ("9", "10") and ordered(["1.0", "0.0"]) == ("0.0", "1.0")
    assert ordered(["enhancer", "non-enhancer"]) == ("non-enhancer", "enhancer")
    assert ordered(["pathogenic", "benign"]) == ("benign", "pathogenic")
    assert ordered(["donor", "acceptor", "none"]) == ("none", "acceptor", "donor")


def test_a_big_sorted_file_is_looked_at_from_end_to_end(here: Path) -> None:
    """60 MB with all of one class first: the head alone would show one."""
    row = "ACGT" * 50
    with (here / "big.csv").open("w") as file:
        file.write("sequence,label\n")
        for label in ("yes", "no"):
            for start in range(0, 140_000, 1000):
                file.write("".join(f"{row}{i % 4 * 'A'},{label}\n" for i in range(start, start + 1000)))
    made = new_task("big.csv")
    assert made.task.classes == ("no", "yes") and not made.sample.whole
    assert abs(made.sample.n - 280_000) < 5_000 and "rows, of which" in made.text


def test_tasks_that_are_built_in_leave_nothing_to_fill_in() -> None:
    from baserate.checks.task import RECOMMENDED

    assert [(t.id, key) for t in TASKS.all().values() for key in RECOMMENDED if not getattr(t, key)] == []


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="needs the real data files beside the checkout")
@pytest.mark.parametrize("file", ["gue/mouse/4/test.csv.gz", "gue/tf/4/test.csv.gz"])
def test_real_files(here: Path, file: str) -> None:
    made = new_task(str(SHARED_DATA / file))
    assert (made.task.kind, made.task.classes, value(made, "rule")) == ("classification", ("0", "1"), "by_homology")
    conforms(made)


def test_a_task_is_named_after_its_card(here: Path) -> None:
    """So that two cards of one table, a target each, are two tasks."""
    table = write_table(here / "t.csv", {"seq": SEQUENCES, "dev": LABELS, "hk": LABELS})
    made = [new_task(str(table), Choices(targets=[name]), out=here / f"by-{name}.v2.toml") for name in ("dev", "hk")]
    assert [m.task.name for m in made] == ["by-dev_v2", "by-hk_v2"]
    assert new_task(str(table), Choices(targets=["dev"]), out=here / "other.toml", name="mine").task.name == "mine"


WORDS = [
    ("Benign", "Pathogenic"),
    ("Likely_benign", "Likely_pathogenic"),
    ("Benign/Likely_benign", "Pathogenic/Likely_pathogenic"),
    ("B", "P"),
    ("tolerated", "deleterious"),
    ("neutral", "damaging"),
    ("functional", "loss_of_function"),
    ("FUNC", "LOF"),
    ("neutral", "functional"),
    ("non-causal", "causal"),
    ("control", "causal"),
    ("not_pathogenic", "pathogenic"),
    ("no effect", "effect"),
    ("VUS", "Pathogenic"),
]


@pytest.mark.parametrize(("harmless", "harmful"), WORDS)
def test_of_two_classes_the_more_harmful_is_the_last(harmless: str, harmful: str) -> None:
    for classes in ((harmless, harmful), (harmful, harmless)):
        found = direction_of("CLNSIG", classes)
        assert found.classes == (harmless, harmful) and found.deleterious is True
        assert found.reason.startswith(f"{harmful!r} is the more harmful")
        assert direction_of("CLNSIG", classes, given=True).classes == (harmless, harmful)
        assert direction_of("CLNSIG", classes, given=False).classes == (harmful, harmless)


@pytest.mark.parametrize(
    ("name", "classes", "deleterious"),
    [
        ("pathogenic", ("0", "1"), True),
        ("is_deleterious", ("false", "true"), True),
        ("benign", ("0", "1"), False),
        ("pathogenicity", (), True),
        ("fitness", (), False),
        ("function_score", (), False),
        ("label", ("0", "1"), None),
        ("functional", ("0", "1"), None),
        ("state", ("inactive", "active"), None),
        ("pathogenic", ("left", "right"), None),
        ("state", ("functional", "non-functional"), None),
        ("state", ("loss_of_function", "gain_of_function"), None),
        ("log2fc", (), None),
        ("effect", (), None),
    ],
)
def test_a_name_tells_the_direction_or_it_is_not_known(
    name: str, classes: tuple[str, ...], deleterious: bool | None
) -> None:
    found = direction_of(name, classes)
    assert (
        found.deleterious is deleterious
        and found.classes == classes
        and bool(found.reason) == (found.deleterious is not None)
    )


def variants_of(genome: dict[str, str], labels: Sequence[object]) -> str:
    """Return a VCF of an SNV for each label, the label as CLNSIG."""
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    for i, label in enumerate(labels):
        chrom, at = f"chr{1 + i % 4}", 600 + 50 * (i // 4)
        ref = genome[chrom][at - 1]
        lines.append(f"{chrom}\t{at}\trs{i}\t{ref}\t{'CGTA'['ACGT'.index(ref)]}\t.\tPASS\tCLNSIG={label}")
    return "\n".join(lines) + "\n"


def test_the_direction_of_variants_is_written_or_said_to_be_unknown(here: Path, genome: dict[str, str]) -> None:
    for known in (("Pathogenic", "Benign"), ("deleterious", "tolerated")):
        (here / "v.vcf").write_text(variants_of(genome, [known[i // 4 % 2] for i in range(N)]))
        made = new_task("v.vcf", Choices(genome="genome.fa"), force=True)
        assert made.task.classes == (known[1], known[0]) and made.task.deleterious is True and not made.notes
        assert made.text.count("deleterious = true ") == 1
        conforms(made)
    (here / "v.vcf").write_text(variants_of(genome, [("left", "right")[i // 4 % 2] for i in range(N)]))
    made = new_task("v.vcf", Choices(genome="genome.fa"), force=True)
    assert made.task.deleterious is None and "deleterious" not in made.text
    assert made.notes[0].endswith("if 'right' is, add --deleterious, if it is the less harmful, --not-deleterious")
    conforms(made, "direction_is_stated")
    for given in (True, False):
        said = new_task("v.vcf", Choices(genome="genome.fa", deleterious=given), force=True)
        assert said.task.deleterious is given and not said.notes
    (here / "v.vcf").write_text(variants_of(genome, [round(float(x), 3) for x in RNG.normal(size=N)]))
    measured = new_task("v.vcf", Choices(genome="genome.fa"), force=True)
    assert measured.task.kind == "regression" and "if a higher 'CLNSIG' is, add --deleterious" in measured.notes[0]
    write_table(here / "t.csv", {"seq": SEQUENCES, "state": LABELS})
    with pytest.raises(BaserateError, match=r"--deleterious: t\.csv asks for no direction of variants; leave"):
        new_task("t.csv", Choices(deleterious=True))


def test_a_genome_is_looked_at_when_the_card_is_written(
    here: Path, genome: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there, can be read and has the contigs of the first rows, or one line says which genome could be meant."""
    monkeypatch.setenv("BASERATE_GENOMES", str(here / "genomes"))
    rows = [f"{1 + i % 4}\t{60 * (i // 4)}\t{60 * (i // 4) + 50}\t{LABELS[i]}" for i in range(N)]
    (here / "t.bed").write_text("\n".join(rows) + "\n")
    (here / "odd.fa").write_text("".join(f">scaffold_{name}\n{s}\n" for name, s in genome.items()))
    (here / "empty.fa").write_text("")
    (here / "folder.fa").mkdir()
    add_genome("mine", str(here / "genome.fa"))
    (here / "mine").mkdir()  # a folder is no genome, whatever its name
    for given, said in {
        "gnome.fa": "no such file; did you mean 'genome.fa'?",
        "./gnome.fa": "no such file; did you mean 'genome.fa'?",
        str(here / "genom.fa"): f"no such file; did you mean '{here / 'genome.fa'}'?",
        "/nowhere/x.fa": "no such file",
        "genome": "genome 'genome' is not registered: baserate genome add genome PATH|URL; did you mean 'genome.fa'?",
        "mien": "genome 'mien' is not registered: baserate genome add mien PATH|URL; did you mean 'mine'?",
        "hg38": "genome 'hg38' is not registered: baserate genome add hg38 PATH|URL (such as https://hgdownload",
        "folder.fa": "is a folder; expected a FASTA file, or a registered genome",
        "empty.fa": "empty, expected FASTA",
        "t.bed": "expected .fa, .fna",
        "odd.fa": "no contig '1', as in row 1 of t.bed; ",
        "a\0b": "no such file",
        "mine": "is a folder",
    }.items():
        with pytest.raises(ConfigError) as error:
            new_task("t.bed", Choices(genome=given))
        assert str(error.value).startswith(f"--genome {given}: {said}") and "\n" not in str(error.value)
        assert not list(here.glob("*.toml"))
    (here / "mine").rmdir()
    for good in ("genome.fa", "mine"):
        made = new_task("t.bed", Choices(genome=good), force=True)
        assert value(made, "genome") == good and load_split(made.task).test
    odd = rows[: N // 2] + [row.replace("\t", "x\t", 1) for row in rows[N // 2 :]]
    (here / "t.bed").write_text("\n".join(odd) + "\n")
    with pytest.raises(ConfigError, match=r"no contig '1x', as in row 121 of t\.bed; .*chr1.*: another assembly\?"):
        new_task("t.bed", Choices(genome="genome.fa"), force=True)


def test_variants_without_a_verdict_are_left_out_and_it_says_so(here: Path, genome: dict[str, str]) -> None:
    names = ("Pathogenic", "Benign", "Uncertain_significance", "Benign", "Pathogenic", "not_provided")
    labels = [names[i // 4 % 6] for i in range(N)]
    (here / "v.vcf").write_text(variants_of(genome, labels))
    made = new_task("v.vcf", Choices(genome="genome.fa"))
    assert made.task.classes == ("Benign", "Pathogenic") and made.task.deleterious is True
    assert value(made, "leave_out") == ["Uncertain_significance", "not_provided"]
    assert any("80 rows of 'Uncertain_significance', 'not_provided' are left out" in note for note in made.notes)
    loaded = {
        i: made.task.classes[int(t)] for _, e in load_split(made.task) for i, t in zip(e.ids, e.targets, strict=True)
    }
    assert loaded == {f"rs{i}": label for i, label in enumerate(labels) if label in ("Benign", "Pathogenic")}
    conforms(made)
    made.path.write_text(made.text.replace('"not_provided"]', '"not_provided", "Benign", "Pathogenic"]'))
    with pytest.raises(BaserateError, match=r"leave_out = .* leaves no row"):
        load_split(task_card(made.path))


def test_every_choice_is_an_option_of_the_command_with_the_same_default() -> None:
    import click

    from baserate.cli.new import task as command

    context = click.Context(command)
    options = {o.name: o for o in command.params}
    for field in fields(Choices):
        option = options.pop(field.name)
        given = option.process_value(context, option.get_default(context))
        assert (list(given) if isinstance(given, tuple) else given) in (field.default, list(field.default or ()) or [])
    assert set(options) == {"files", "name", "out", "force", "quiet", "data_dir"}
