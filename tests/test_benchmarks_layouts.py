"""The data of published tasks in each layout in which they are given out, and what is wrong with a copy."""

from __future__ import annotations

from pathlib import Path

import pytest
from published import COUNTS, rows_of, unheld, wanted, write_as_published, write_csv, write_fasta, write_parquet

from baserate.errors import DataError
from baserate.registry import get_task
from baserate.splits import load_split
from baserate.types import Task


def gue_rows(layout: str, root: Path) -> None:
    """Write gue.prom_core_tata in one of the layouts in which it is given out."""
    task = get_task("gue.prom_core_tata")
    for seed, (part, n) in enumerate(COUNTS.items()):
        file, rows = {"valid": "dev"}.get(part, part), rows_of(task, n, seed)
        if layout == "archive":
            write_csv(root / "GUE" / "prom" / "prom_core_tata" / f"{file}.csv", ["sequence", "label"], rows)
        elif layout == "archive, gzip":
            write_csv(root / "gue" / "prom" / "prom_core_tata" / f"{file}.csv.gz", ["sequence", "label"], rows)
        elif layout == "hub":
            write_csv(root / "GUE" / "GUE" / "prom_core_tata" / f"{file}.csv", ["sequence", "label"], rows)
        elif layout == "hub cache":
            snapshot = root / "datasets--leannmlindsey--GUE" / "snapshots" / wanted(task).revision
            write_csv(snapshot / "GUE" / "prom_core_tata" / f"{file}.csv", ["sequence", "label"], rows)
        elif layout == "converted":
            labels = [int(t) for _, t in rows]
            path = root / "leannmlindsey" / "GUE" / "prom_core_tata" / file / "0000.parquet"
            write_parquet(path, sequence=[s for s, _ in rows], label=labels)
        elif layout == "labels as text, shards":
            for i, half in enumerate((rows[: n // 2], rows[n // 2 :])):
                path = root / "GUE" / "prom_core_tata" / f"{file}-0000{i}-of-00002.parquet"
                write_parquet(path, sequence=[s for s, _ in half], label=[t for _, t in half])
        elif layout == "labels as bool":
            path = root / "GUE" / "prom_core_tata" / f"{file}.parquet"
            write_parquet(path, sequence=[s for s, _ in rows], label=[t == "1" for _, t in rows])
        elif layout == "labels as floats":
            path = root / "GUE" / "prom_core_tata" / f"{file}.csv"
            write_csv(path, ["sequence", "label"], [(s, f"{t}.0") for s, t in rows])


LAYOUTS = ["archive, gzip", "hub", "hub cache", "converted", "labels as text, shards", "labels as bool"]


@pytest.mark.parametrize("layout", [*LAYOUTS, "labels as floats"])
def test_gue_is_the_same_in_every_layout(layout: str, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = unheld(get_task("gue.prom_core_tata"))
    (data.parent / "archive").mkdir()
    gue_rows("archive", data.parent / "archive")
    monkeypatch.setenv("BASERATE_DATA_DIR", str(data.parent / "archive"))
    first = load_split(task)
    gue_rows(layout, data)
    monkeypatch.setenv("BASERATE_DATA_DIR", str(data))
    assert load_split(task).data_fingerprint == first.data_fingerprint


def nt_rows(layout: str, root: Path, task: Task) -> None:
    """Write a task of nt_revised, and rows of others where the layout holds several tasks in one table."""
    repository = root / "InstaDeepAI" / "nucleotide_transformer_downstream_tasks_revised"
    name = "splice_sites_acceptor" if "old names" in layout else "splice_sites_acceptors"
    for seed, (part, n) in enumerate(COUNTS.items()):
        if part == "valid":
            continue
        rows = rows_of(task, n, seed)
        if "task column" in layout:
            other = rows_of(get_task("nt_revised.splice_sites_all"), 7, 9)
            columns = {
                "sequence": [s for s, _ in (*other, *rows)],
                "label": [int(t) for _, t in (*other, *rows)],
                "task": ["splice_sites_all"] * len(other) + [name] * n,
            }
            write_parquet(repository / "data" / f"{part}-00000-of-00001.parquet", **columns)
        elif "configurations" in layout:
            write_csv(repository / "tables" / f"{part}_rows.csv", ["sequence", "label"], rows)
        else:
            write_fasta(repository / name / f"{part}.fna", rows)
    if "configurations" in layout:
        write_csv(repository / "nothing.csv", ["sequence", "label"], [("ACGT", "0")])
        (repository / "README.md").write_text(
            "---\nconfigs:\n- config_name: other\n  data_files: nothing.csv\n"
            f"- config_name: {name}\n  data_files:\n  - split: train\n    path: tables/train_rows.csv\n"
            "  - split: test\n    path: tables/test_rows.csv\n---\nA card.\n"
        )
    if "script" in layout:
        (repository / f"{repository.name}.py").write_text("raise SystemExit('a script was run')\n")


@pytest.mark.parametrize(
    "layout",
    ["old names", "task column", "task column, old names", "configurations", "script"],
)
def test_nucleotide_transformer_tasks_are_the_same_in_every_layout(
    layout: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = unheld(get_task("nt_revised.splice_sites_acceptors"))
    (data.parent / "fasta").mkdir()
    nt_rows("FASTA", data.parent / "fasta", task)
    monkeypatch.setenv("BASERATE_DATA_DIR", str(data.parent / "fasta"))
    first = load_split(task)
    nt_rows(layout, data, task)
    monkeypatch.setenv("BASERATE_DATA_DIR", str(data))
    assert load_split(task).data_fingerprint == first.data_fingerprint


@pytest.mark.parametrize("layout", ["package", "default", "csv"])
def test_genomic_benchmarks_are_the_same_in_every_layout(
    layout: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = unheld(get_task("genomic_benchmarks.human_nontata_promoters"))
    (data.parent / "hub").mkdir()
    name = "human_nontata_promoters"
    for seed, part in enumerate(("train", "test")):
        rows = sorted(rows_of(task, COUNTS[part], seed), key=lambda row: row[1])  # as a folder a class gives them
        columns = {"seq": [s for s, _ in rows], "label": [int(t) for _, t in rows]}
        there = data.parent / "hub" / f"Genomic_Benchmarks_{name}"
        write_parquet(there / "data" / f"{part}-00000-of-00001-7.parquet", **columns)
        if layout == "package":
            for i, (sequence, label) in enumerate(rows):
                of_class = data / "genomic_benchmarks" / name / part / task.classes[int(label)]
                of_class.mkdir(parents=True, exist_ok=True)
                (of_class / f"{i}.txt").write_text(sequence)
        elif layout == "default":
            path = data / "katarinagresova" / f"Genomic_Benchmarks_{name}" / "default" / part / "0000.parquet"
            write_parquet(path, **columns)
        else:
            write_csv(data / "genomic-benchmarks" / name / f"{part}.csv", ["seq", "label"], rows)
    monkeypatch.setenv("BASERATE_DATA_DIR", str(data.parent / "hub"))
    first = load_split(task)
    monkeypatch.setenv("BASERATE_DATA_DIR", str(data))
    assert load_split(task).data_fingerprint == first.data_fingerprint


def test_the_folder_itself_may_be_the_folder_of_data(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gue_rows("archive", data)
    monkeypatch.setenv("BASERATE_DATA_DIR", str(data / "GUE"))
    assert len(load_split(unheld(get_task("gue.prom_core_tata"))).train) == COUNTS["train"]


def test_a_cached_table_is_read_again_only_while_the_files_are_the_same(data: Path) -> None:
    gue_rows("archive", data)
    task = unheld(get_task("gue.prom_core_tata"))
    first = load_split(task)
    assert load_split(task).data_fingerprint == first.data_fingerprint
    write_csv(data / "GUE/prom/prom_core_tata/test.csv", ["sequence", "label"], rows_of(task, 12, 77))
    assert load_split(task).data_fingerprint != first.data_fingerprint


def test_equal_sequences_of_train_and_test_are_kept_as_their_authors_split_them(data: Path) -> None:
    task = unheld(get_task("gue.prom_core_tata"))
    rows = rows_of(task, 6, 0)
    for file in ("train", "dev", "test"):
        write_csv(data / "GUE/prom/prom_core_tata" / f"{file}.csv", ["sequence", "label"], [*rows, rows[0]])
    split = load_split(task)
    assert [len(e) for _, e in split] == [7, 7, 7]
    assert len(set(split.test.clusters)) == 6  # the bootstrap draws the two equal ones together
    assert not set(split.train.groups) & set(split.test.groups)


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("too few", "gue.prom_core_tata|train has 30 rows, expected 4,904|2db3b738|--data-dir DIR"),
        ("no train", "/GUE/prom/prom_core_tata/train.csv is missing|the folder has dev.csv, test.csv|hf download"),
        ("another class", "test.csv: row 3: 'label' is '7'; expected one of '0', '1'"),
        ("no column", "train.csv: no column 'label'; did you mean 'labels'?"),
        ("not DNA", "test.csv: row 2: column 'sequence'"),
        ("nothing", "leannmlindsey/GUE@2db3b738|out of reach|--data-dir DIR"),
    ],
)
def test_what_is_wrong_with_the_data_is_told_in_one_line(mistake: str, said: str, data: Path) -> None:
    folder = data / "GUE/prom/prom_core_tata"
    if mistake != "nothing":
        gue_rows("archive", data)
    if mistake == "no train":
        (folder / "train.csv").unlink()
    if mistake == "another class":
        write_csv(folder / "test.csv", ["sequence", "label"], [("ACGT", "0"), ("ACGT", "1"), ("ACGT", "7")])
    if mistake == "no column":
        write_csv(folder / "train.csv", ["sequence", "labels"], [("ACGT", "0")])
        for file in ("dev", "test"):
            write_csv(folder / f"{file}.csv", ["sequence", "labels"], [("ACGT", "0")])
    if mistake == "not DNA":
        write_csv(folder / "test.csv", ["sequence", "label"], [("ACGT", "0"), ("PROTEIN", "1")])
    task = get_task("gue.prom_core_tata")
    with pytest.raises(DataError) as told:
        load_split(task if mistake == "too few" else unheld(task))
    message = str(told.value)
    assert "\n" not in message
    for part in said.split("|")[1 if mistake == "too few" else 0 :]:
        assert part in message


def test_a_named_file_that_is_missing_is_told_with_the_command_that_gets_it(data: Path) -> None:
    task = get_task("plants.poly_a_arabidopsis_thaliana")
    write_as_published(task, data)
    train = data / "InstaDeepAI/plant-genomic-benchmark/poly_a/arabidopsis_thaliana_train.fa"
    train.unlink()
    with pytest.raises(DataError) as told:
        load_split(task)
    assert f"{train} is missing (the folder has arabidopsis_thaliana_test.fa)" in str(told.value)
    files = "poly_a/arabidopsis_thaliana_test.fa poly_a/arabidopsis_thaliana_train.fa"
    assert f"`hf download InstaDeepAI/plant-genomic-benchmark {files} --repo-type dataset" in str(told.value)
