"""Published benchmarks: their cards, their data in each layout in which it is given out, and what is refused."""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from baserate.cards.find import find_model, find_tasks
from baserate.cards.listing import listing, shortened
from baserate.cards.task_file import find_in_file
from baserate.checks.task import check_card_is_complete
from baserate.cli import cli
from baserate.dna.taxa import scientific
from baserate.errors import BaserateError, ConfigError, DataError, UnknownName
from baserate.registry import TASKS, get_task, load_model
from baserate.sources.declared import HubSource
from baserate.splits import load_split
from baserate.types import Examples, Task

BENCHMARKS = [task for task in TASKS.all().values() if isinstance(task.source, HubSource)]
PARTS = {"train": 30, "valid": 12, "test": 12}
Row = tuple[str, str]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the one folder of data; the hub is out of reach and the cache is empty."""
    import huggingface_hub.constants

    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("BASERATE_DATA_DIR", str(folder))
    monkeypatch.setenv("BASERATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return folder


def unheld(task: Task) -> Task:
    """Return the task without the rows that its card expects, so that a few rows do."""
    assert isinstance(task.source, HubSource)
    return replace(task, source=replace(task.source, expected=None), sizes={})


def rows_of(task: Task, n: int, seed: int) -> list[Row]:
    """Return n sequences, some lower case and one with N, each with the text of its target."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(n):
        sequence = "".join(rng.choice(list("ACGT"), 40))
        sequence = sequence.lower() if i % 3 == 0 else "NN" + sequence[2:] if i == 1 else sequence
        k = len(task.classes)
        if task.kind == "classification":
            target = str(i % k)
        elif task.kind == "multilabel":
            target = "|".join(str(int(v)) for v in rng.integers(0, 2, k or 9))
        else:
            target = "|".join(f"{v:.3f}" for v in rng.normal(size=max(k, 1)))
        out.append((sequence, target))
    return out


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    open_ = gzip.open if path.suffix == ".gz" else open
    with open_(path, "wt", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def write_parquet(path: Path, **columns: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def write_fasta(path: Path, rows: Sequence[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f">s{i}|{t}\n{s[:25]}\n{s[25:]}\n" for i, (s, t) in enumerate(rows)))


def write_as_published(task: Task, root: Path, has_valid: bool) -> None:
    """Write a few rows as the repository of the task holds them, under the folder of data `root`."""
    wanted = task.source.wanted  # type: ignore[attr-defined]
    repository, benchmark = root / wanted.repository, task.name.partition(".")[0]
    for seed, (part, n) in enumerate(PARTS.items()):
        if part == "valid" and not has_valid:
            continue
        rows = rows_of(task, n, seed)
        sequences, targets = [s for s, _ in rows], [t for _, t in rows]
        file = {"valid": "dev"}.get(part, part)
        if wanted.files:
            write_fasta(repository / dict(wanted.files)[part], rows)
        elif benchmark == "gue":
            write_csv(repository / "GUE" / wanted.folders[0] / f"{file}.csv", ["sequence", "label"], rows)
        elif benchmark == "genomic_benchmarks":
            path = repository / "data" / f"{part}-00000-of-00001-aeb55728756a44ae.parquet"
            write_parquet(path, seq=sequences, label=[int(t) for t in targets])
        elif benchmark in ("nt_original", "nt_revised", "gener"):
            names = [f"s{i}" for i in range(n)]
            columns = {"name": names, "label": [int(t) for t in targets], "task": [wanted.config[0]] * n}
            write_parquet(repository / wanted.folders[0] / f"{part}.parquet", sequence=sequences, **columns)
        elif benchmark == "deepstarr":
            both = [[float(v) for v in t.split("|")] for t in targets]
            columns = {"Dev_log2_enrichment": [v[0] for v in both], "Hk_log2_enrichment": [v[1] for v in both]}
            name = {"valid": "validation"}.get(part, part)
            write_parquet(repository / "data" / f"{name}-00000-of-00001.parquet", sequence=sequences, **columns)
        else:
            write_csv(repository / wanted.folders[0] / f"{file}.csv", ["sequence", "label"], rows)


OURS = [
    task
    for task in BENCHMARKS
    if task.name.partition(".")[0]
    in ("gue", "genomic_benchmarks", "nt_original", "nt_revised", "plants", "gener", "deepstarr")
]


def test_benchmarks_have_as_many_tasks_as_were_published() -> None:
    count = {name: sum(task.name.startswith(f"{name}.") for task in OURS) for name in ("gue", "genomic_benchmarks")}
    count |= {name: sum(task.name.startswith(f"{name}.") for task in OURS) for name in ("nt_original", "nt_revised")}
    assert count == {"gue": 28 + 8, "genomic_benchmarks": 9, "nt_original": 18, "nt_revised": 18}


@pytest.mark.parametrize("task", BENCHMARKS, ids=lambda task: task.name)
def test_every_card_is_complete(task: Task) -> None:
    check_card_is_complete(task)
    assert task.origin
    assert len(task.assembly) == len(task.species)
    assert not any(word in task.description for word in ("TODO", "unknown"))


def test_a_species_has_one_name_in_all_cards() -> None:
    named = {species for task in TASKS.all().values() for species in task.species}
    assert not [species for species in named if scientific(species) != species.lower()], "common names"
    assert len({scientific(species) for species in named}) == len(named)
    assert {"Homo sapiens", "Mus musculus"} < named and "many" not in named


@pytest.mark.parametrize("benchmark", ["traitgym", "traitgym_sequences"])
def test_traitgym_is_resampled_by_chromosome(benchmark: str) -> None:
    tasks = [task for task in TASKS.all().values() if task.name.startswith(f"{benchmark}.")]
    assert len(tasks) >= 2
    for task in tasks:
        keywords = task.source.keywords  # type: ignore[attr-defined]
        assert (keywords["cluster"], keywords["group"]) == ("chrom", "chrom")


@pytest.mark.parametrize("task", OURS, ids=lambda task: task.name)
def test_every_task_loads_from_a_copy_as_its_repository_holds_it(task: Task, data: Path) -> None:
    wanted = task.source.wanted  # type: ignore[attr-defined]
    has_valid = "valid" in wanted.needs or "valid" in dict(wanted.files)
    write_as_published(task, data, has_valid)
    split = load_split(unheld(task))
    n = sum(len(examples) for _, examples in split)
    assert n == sum(PARTS.values()) - (0 if has_valid else PARTS["valid"])
    assert len(split.test) == PARTS["test"] and len(split.valid) > 0
    assert (len(split.valid) == PARTS["valid"]) == has_valid
    written = rows_of(task, PARTS["test"], 2)
    assert list(split.test.inputs.sequences) == [s.upper() for s, _ in written]
    if task.kind == "classification":
        assert split.test.targets.tolist() == [int(t) for _, t in written]
    else:
        targets = split.test.targets.reshape(len(split.test), -1)
        assert targets.tolist() == [[float(v) for v in t.split("|")] for _, t in written]


def gue_rows(layout: str, root: Path) -> None:
    """Write gue.prom_core_tata in one of the layouts in which it is given out."""
    task = get_task("gue.prom_core_tata")
    for seed, (part, n) in enumerate(PARTS.items()):
        file, rows = {"valid": "dev"}.get(part, part), rows_of(task, n, seed)
        if layout == "archive":
            write_csv(root / "GUE" / "prom" / "prom_core_tata" / f"{file}.csv", ["sequence", "label"], rows)
        elif layout == "archive, gzip":
            write_csv(root / "gue" / "prom" / "prom_core_tata" / f"{file}.csv.gz", ["sequence", "label"], rows)
        elif layout == "hub":
            write_csv(root / "GUE" / "GUE" / "prom_core_tata" / f"{file}.csv", ["sequence", "label"], rows)
        elif layout == "hub cache":
            snapshot = root / "datasets--leannmlindsey--GUE" / "snapshots" / task.source.wanted.revision  # type: ignore[attr-defined]
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
    for seed, (part, n) in enumerate(PARTS.items()):
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
        rows = sorted(rows_of(task, PARTS[part], seed), key=lambda row: row[1])  # as a folder a class gives them
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
    assert len(load_split(unheld(get_task("gue.prom_core_tata"))).train) == PARTS["train"]


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
        ("no train", "/GUE/prom/prom_core_tata/train.csv is missing|there are dev.csv, test.csv|hf download"),
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
    write_as_published(task, data, has_valid=False)
    train = data / "InstaDeepAI/plant-genomic-benchmark/poly_a/arabidopsis_thaliana_train.fa"
    train.unlink()
    with pytest.raises(DataError) as told:
        load_split(task)
    assert f"{train} is missing (there are arabidopsis_thaliana_test.fa)" in str(told.value)
    files = "poly_a/arabidopsis_thaliana_test.fa poly_a/arabidopsis_thaliana_train.fa"
    assert f"`hf download InstaDeepAI/plant-genomic-benchmark {files} --repo-type dataset" in str(told.value)


def test_wrong_counts_of_a_class_are_told(data: Path) -> None:
    card = data / "mine.toml"
    card.write_text(BENCHMARK.replace("test = 12", "test = [7, 5]"))
    gue_rows("archive", data)
    with pytest.raises(DataError, match=r"test has 6 rows of class 'no', expected 7"):
        load_split(find_in_file(card, "a")[0])


def test_a_script_is_never_run(data: Path) -> None:
    repository = data / "lab" / "scripted"
    repository.mkdir(parents=True)
    (repository / "scripted.py").write_text("raise SystemExit('a script was run')\n")
    card = data / "mine.toml"
    card.write_text('name = "s"\nkind = "regression"\n[source]\nhub = "lab/scripted"\n')
    with pytest.raises(DataError, match=r"a data set made by a script, which is never run; name its files"):
        load_split(find_in_file(card)[0])


@pytest.mark.parametrize("config", ["wrong", "a"])
def test_a_repository_without_the_configuration_is_told(config: str, data: Path) -> None:
    for part in ("train", "test"):
        write_csv(data / "lab" / "set" / f"{part}.csv", ["sequence", "label"], [("ACGT", "1"), ("ACGA", "2")])
    if config == "wrong":
        (data / "lab/set/README.md").write_text(
            "---\nconfigs:\n- config_name: left\n  data_files: train.csv\n- config_name: right\n"
            "  data_files: test.csv\n---\n"
        )
    card = data / "mine.toml"
    card.write_text(f'name = "s"\nkind = "regression"\n[source]\nhub = "lab/set"\nconfig = "{config}"\n')
    said = {"wrong": "there are left, right", "a": "no configuration 'a', its rows no column 'task'"}
    with pytest.raises(DataError, match=said[config]):
        load_split(find_in_file(card)[0])


BENCHMARK = """
name = "mine"
kind = "classification"
classes = ["no", "yes"]
description = "All of them."
[source]
hub = "leannmlindsey/GUE"
under = ["GUE"]
folders = ["prom/prom_core_{task}"]
[expect]
train = 30
valid = 12
test = 12
[tasks.a]
description = "The first."
source = { folders = ["prom/prom_core_tata"] }
[tasks.tata]
metrics = ["accuracy", "mcc"]
published = "accuracy"
expect = { valid = 12 }
[tasks.other]
kind = "regression"
"""


def test_a_benchmark_of_ones_own(data: Path) -> None:
    card = data / "mine.toml"
    card.write_text(BENCHMARK)
    gue_rows("archive", data)
    assert [task.name for task in find_tasks([str(card)])] == ["mine.a", "mine.tata", "mine.other"]
    assert [task.name for task in find_tasks([f"{card}:[at]*", f"{card}:mine.tata"])] == ["mine.a", "mine.tata"]
    first, second, other = find_tasks([str(card)])
    assert first.description == "The first. All of them." and second.published == "accuracy"
    assert first.sizes == {"train": 30, "valid": 12, "test": 12} and other.kind == "regression"
    assert load_split(first).data_fingerprint == load_split(second).data_fingerprint
    with pytest.raises(UnknownName, match="Did you mean 'tata'"):
        find_tasks([f"{card}:tatta"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "mine"', "", "key 'name' is missing, which the names of the tasks begin with"),
        (
            "[tasks.a]",
            "[tasks.a]\nmetricks = []",
            "mine.toml: tasks.a: unknown key 'metricks'; did you mean 'metrics'?",
        ),
        ("[tasks.a]", '[tasks.a]\nname = "x"', "tasks.a: unknown key 'name'"),
        ("test = 12", "tests = 12", "[expect]: unknown key 'tests'; did you mean 'test'?"),
        ("test = 12", "test = [1, 2, 3]", "[expect] test has 3 numbers where there are 2 classes"),
        ("test = 12", 'test = "12"', "[expect] test = '12'; expected a number of rows"),
        ('under = ["GUE"]', "under = 1", "under"),
        ('hub = "leannmlindsey/GUE"', 'hub = "GUE"', "hub = 'GUE'; expected ORG/NAME"),
        ('under = ["GUE"]', 'fodlers = ["x"]', "[source]: unknown key 'fodlers'; did you mean 'folders'?"),
        ('under = ["GUE"]', 'files = { dev = "x" }', "files = {'dev': 'x'}; expected a path for each of train"),
        ('published = "accuracy"', 'published = "f1"', "published = 'f1' is none of metrics"),
        ("[tasks.other]", "[task.other]", "unknown key 'task'; did you mean 'tasks'?"),
    ],
)
def test_mistakes_in_a_benchmark_are_one_clear_line(old: str, new: str, said: str, tmp_path: Path) -> None:
    card = tmp_path / "mine.toml"
    assert old in BENCHMARK
    card.write_text(BENCHMARK.replace(old, new, 1))
    with pytest.raises(ConfigError) as told:
        find_in_file(card)
    assert said in str(told.value) and "\n" not in str(told.value)


def test_the_listing_is_short_and_names_each_task_when_asked() -> None:
    rows = listing()["tasks"]
    short = {row["name"] for row in shortened(rows)}
    assert "gue.*  36 tasks" in short and "yeast_coding@1" in short and not any("prom_core" in name for name in short)
    assert {row["name"] for row in rows} >= {"gue.prom_core_all@1", "plants.poly_a_arabidopsis_thaliana@1"}
    told = CliRunner().invoke(cli, ["list"])
    assert "gue.*" in told.output and "prom_core" not in told.output
    assert "gue.prom_core_all@1" in CliRunner().invoke(cli, ["list", "tasks"]).output


def test_data_dir_comes_before_the_variable(data: Path, tmp_path: Path) -> None:
    gue_rows("archive", tmp_path)
    card = tmp_path / "mine.toml"
    card.write_text(BENCHMARK)
    run = ["check", f"{card}:a", "--data-dir", str(tmp_path)]
    before = os.environ.get("BASERATE_DATA_DIR", "")
    told = CliRunner().invoke(cli, run, standalone_mode=False)
    assert os.environ.get("BASERATE_DATA_DIR", "") == before
    assert "split is sound" in told.output and "✗" not in told.output.split("two loads")[0], told.output
    with pytest.raises(BaserateError, match="out of reach"):
        load_split(find_in_file(card, "other")[0])


SHARED_DATA = Path(os.environ.get("BASERATE_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
GUE_FILES = SHARED_DATA / "gue"
COMPLETE = [
    *(f"gue.prom_core_{kind}" for kind in ("all", "notata", "tata")),
    "gue.prom_300_tata",
    *(f"gue.human_tf_{i}" for i in range(5)),
    *(f"gue.mouse_{i}" for i in (0, 2, 3, 4)),
]
PARTIAL = ["gue.prom_300_all", "gue.prom_300_notata", "gue.mouse_1", "gue.splice_reconstructed"]


@pytest.mark.skipif(not GUE_FILES.is_dir(), reason=f"real GUE files are not in {GUE_FILES}")
@pytest.mark.parametrize("name", COMPLETE)
def test_real_files_of_gue_are_as_the_card_expects(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASERATE_DATA_DIR", str(SHARED_DATA))
    task = get_task(name)
    split = load_split(task)
    assert {part: len(examples) for part, examples in split} == dict(task.sizes)
    lengths = {len(s) for _, examples in split for s in examples.inputs.sequences}
    assert lengths == {101 if "tf" in name or "mouse" in name else 70 if "core" in name else 300}


@pytest.mark.skipif(not GUE_FILES.is_dir(), reason=f"real GUE files are not in {GUE_FILES}")
@pytest.mark.parametrize("name", PARTIAL)
def test_real_files_without_a_train_part_are_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASERATE_DATA_DIR", str(SHARED_DATA))
    with pytest.raises(DataError, match=r"train\.csv\.gz is missing \(there are dev\.csv\.gz, test\.csv\.gz\)"):
        load_split(get_task(name))


@pytest.mark.skipif(not GUE_FILES.is_dir(), reason=f"real GUE files are not in {GUE_FILES}")
@pytest.mark.parametrize("name", PARTIAL)
def test_valid_and_test_of_those_are_as_the_card_expects(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASERATE_DATA_DIR", str(SHARED_DATA))
    source = get_task(name).source
    assert isinstance(source, HubSource) and source.expected
    held = replace(source.expected, counts=tuple(c for c in source.expected.counts if c[0] != "train"))
    examples: Examples = replace(source, wanted=replace(source.wanted, needs=("test",)), expected=held)()
    assert set(examples.strata["part"]) == {"valid", "test"}


DEV = """
name = "gue_dev"
kind = "classification"
classes = ["0", "1"]
[source]
hub = "local/gue"
[tasks.prom_300_all]
source = { files = { train = "prom/prom_300_all/dev.csv.gz", test = "prom/prom_300_all/test.csv.gz" } }
[tasks.prom_300_notata]
source = { files = { train = "prom/prom_300_notata/dev.csv.gz", test = "prom/prom_300_notata/test.csv.gz" } }
[tasks.mouse_1]
source = { files = { train = "mouse/1/dev.csv.gz", test = "mouse/1/test.csv.gz" } }
[tasks.splice]
classes = ["0", "1", "2"]
source = { files = { train = "splice/reconstructed/dev.csv.gz", test = "splice/reconstructed/test.csv.gz" } }
"""
"""The tasks of which only valid and test are here, learnt from valid."""

WORDS = "kmer_logreg(max_k=5)"
KNOWN = [
    ("gue.prom_core_tata", "onehot_linear", 0.70),
    ("gue.prom_core_all", "onehot_linear", 0.46),
]
KNOWN_SLOW = [
    ("gue.mouse_2", WORDS, 0.73),
    ("gue_dev.mouse_1", WORDS, 0.65),
    *(("gue.human_tf_" + str(i), WORDS, known) for i, known in enumerate((0.63, 0.69, 0.59, 0.45, 0.71))),
    ("gue.mouse_0", WORDS, 0.52),
    ("gue.mouse_4", WORDS, 0.41),
    ("gue.prom_core_all", WORDS, 0.56),
    ("gue.prom_core_notata", WORDS, 0.59),
    ("gue.prom_core_tata", WORDS, 0.49),
    ("gue.prom_300_tata", WORDS, 0.42),
    ("gue_dev.prom_300_all", WORDS, 0.72),
    ("gue_dev.prom_300_notata", WORDS, 0.81),
    ("gue_dev.splice", "onehot_linear", 0.45),
]


@pytest.mark.skipif(not GUE_FILES.is_dir(), reason=f"real GUE files are not in {GUE_FILES}")
@pytest.mark.parametrize(
    ("name", "model", "known"), [*KNOWN, *(pytest.param(*row, marks=pytest.mark.slow) for row in KNOWN_SLOW)]
)
def test_baselines_reach_on_real_files_what_others_measured(
    name: str, model: str, known: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Measured apart from this code, with logistic regressions of scikit-learn on words of 1 to 5 bases and on bases.
    from sklearn.metrics import matthews_corrcoef

    monkeypatch.setenv("BASERATE_DATA_DIR", str(SHARED_DATA))
    (tmp_path / "dev.toml").write_text(DEV)
    task = find_in_file(tmp_path / "dev.toml", name)[0] if name.startswith("gue_dev") else get_task(name)
    split = load_split(task)
    fitted: Any = load_model(find_model(model))
    fitted = fitted.fit(split.train, split.valid, n_classes=len(task.classes), seed=0)
    found = matthews_corrcoef(split.test.targets, fitted.predict(split.test.inputs).argmax(axis=1))
    assert abs(found - known) <= 0.03, found
