"""Data sets of the Hugging Face hub, read from local copies in every layout; nothing is fetched."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from baserate.cache import remote
from baserate.errors import ConfigError, DataError
from baserate.sources.declared import HubSource, code_key
from baserate.sources.hub import HubSet, content_key, find_hub, read_parts
from baserate.sources.labelled import read_labelled_fasta
from baserate.sources.sequences import package_file
from baserate.sources.tables import Table
from baserate.types import Kind

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the one folder of data; the hub is out of reach."""
    import huggingface_hub.constants

    monkeypatch.setenv("BASERATE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("place", "reference"),
    [
        ("lab/set/a/b.csv", "hub:lab/set@v1/a/b.csv"),
        ("set/a/b.csv", "hub:lab/set/a/b.csv"),
        (f"datasets--lab--set/snapshots/{COMMIT}/a/b.csv", f"hub:lab/set@{COMMIT}/a/b.csv"),
        (f"datasets--lab--set/snapshots/{COMMIT}/a/b.csv", "hub:lab/set/a/b.csv"),
        (f"datasets--lab--set/snapshots/{COMMIT}/a/b.csv", "hub:lab/set@refs%2Fconvert%2Fparquet/a/b.csv"),
    ],
)
def test_a_reference_finds_the_local_copy_in_each_layout(data: Path, place: str, reference: str) -> None:
    for ref in ("main", "refs/convert/parquet"):
        named = data / "datasets--lab--set" / "refs" / ref
        named.parent.mkdir(parents=True, exist_ok=True)
        named.write_text(COMMIT)
    (data / place).parent.mkdir(parents=True, exist_ok=True)
    (data / place).write_text("x\n")
    assert package_file(reference) == data / place


def test_another_snapshot_than_the_revision_is_not_taken(data: Path) -> None:
    other = data / "datasets--lab--set" / "snapshots" / ("f" * 40)
    other.mkdir(parents=True)
    (other / "b.csv").write_text("x\n")
    with pytest.raises(DataError, match="out of reach"):
        package_file(f"hub:lab/set@{COMMIT}/b.csv")


def test_offline_says_how_to_get_the_file(data: Path) -> None:
    with pytest.raises(DataError) as told:
        package_file("hub:lab/set@v1/a/b.csv")
    said = str(told.value)
    assert "\n" not in said
    assert "hf download lab/set a/b.csv --repo-type dataset --revision v1 --local-dir DIR/lab/set" in said
    assert "--data-dir DIR" in said


def test_without_network_a_file_is_asked_for_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked: list[str] = []

    def refuse(url: str) -> None:
        asked.append(url)
        raise ConnectionError("Name or service\nnot known")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", refuse)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *a, **k: pytest.fail("asks again and again"))
    with pytest.raises(DataError) as told:
        package_file("hub:lab/set@v1/a/b.csv")
    said = str(told.value)
    assert len(asked) == 1 and "datasets/lab/set/resolve/v1/a/b.csv" in asked[0]
    assert "\n" not in said and "Name or service" in said and "--data-dir DIR" in said


def test_a_hub_that_does_not_answer_is_asked_once_by_many_tasks(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked: list[str] = []
    clock = [1000.0]

    class Silent:
        def dataset_info(self, repository: str, **_: object) -> None:
            asked.append(repository)
            clock[0] += 10
            raise TimeoutError("timed out")

    monkeypatch.setattr(huggingface_hub, "HfApi", Silent)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda url: pytest.fail("asked again"))
    monkeypatch.setattr(remote.time, "monotonic", lambda: clock[0])
    for name in ("a", "b", "c"):
        with pytest.raises(DataError, match="timed out"):
            find_hub(HubSet(f"lab/{name}", folders=("a",)))
        with pytest.raises(DataError, match="timed out"):
            package_file(f"hub:lab/{name}@v1/b.csv")
    assert asked == ["lab/a"] and clock == [1010]
    clock[0] += 61
    with pytest.raises(DataError):
        find_hub(HubSet("lab/d", folders=("a",)))
    assert asked == ["lab/a", "lab/d"]


def test_a_refusal_is_an_answer(data: Path) -> None:
    class Refused(OSError):
        response = object()

    def refuse() -> None:
        raise Refused

    for _ in range(2):
        with pytest.raises(Refused):
            remote.ask_hub(refuse)
    assert remote.ask_hub(lambda: 5) == 5


def test_the_advice_gets_a_configuration_wherever_it_lies() -> None:
    said = HubSet("lab/set", config=("a",), folders=("a",)).advice
    assert "--include '*a/*' --include 'data/*' --include 'README.md'" in said
    assert "--include" not in HubSet("lab/set", config=("a",), folders=(".",)).advice


@pytest.mark.parametrize("reference", ["hub:set/b.csv", "hub:lab/set", "hub:lab/set/../b.csv", "hub:lab/set@/b.csv"])
def test_another_form_of_reference_is_refused(data: Path, reference: str) -> None:
    with pytest.raises(ConfigError, match="expected hub:ORG/NAME@REVISION/path"):
        package_file(reference)


class _Hub:
    """The hub as its client shows it: a repository of files at a commit, or out of reach."""

    def __init__(self, files: dict[str, str], folder: Path, error: Exception | None = None) -> None:
        self.files, self.folder, self.error = files, folder, error
        self.asked: list[str] = []

    def dataset_info(self, repository: str, *, revision: str, timeout: float) -> SimpleNamespace:
        assert 0 < timeout <= 10, "a hub that does not answer must not be waited for"
        if self.error:
            raise self.error
        siblings = [SimpleNamespace(rfilename=name) for name in self.files]
        return SimpleNamespace(sha=COMMIT, siblings=siblings)

    def download(self, repository: str, path: str, *, repo_type: str, revision: str) -> str:
        assert repo_type == "dataset"
        self.asked.append(f"{revision[:4]}:{path}")
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.files[path])
        return str(file)


def on_hub(files: dict[str, str], tmp_path: Path, patch: pytest.MonkeyPatch, error: Exception | None = None) -> _Hub:
    import huggingface_hub

    hub = _Hub(files, tmp_path / "fetched", error)
    patch.setattr(huggingface_hub, "HfApi", lambda: hub)
    patch.setattr(huggingface_hub, "get_hf_file_metadata", lambda url: None)
    patch.setattr(huggingface_hub, "hf_hub_download", hub.download)
    return hub


ROWS = "sequence,label\nACGT,0\nACGA,1\n"


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("GUE/a/train.csv", "GUE/a/test.csv", "GUE/b/train.csv"), HubSet("lab/set", folders=("a",), under=("GUE",))),
        (("train.csv", "test.csv", "small/train.csv", "README.md"), HubSet("lab/set", folders=(".",))),
        (("x/a.csv", "x/b.csv"), HubSet("lab/set", files=(("test", "x/b.csv"), ("train", "x/a.csv")))),
    ],
)  # fmt: skip
def test_the_hub_is_asked_for_the_files_of_the_parts_at_one_commit(
    names: tuple[str, ...], wanted: HubSet, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = on_hub(dict.fromkeys(names, ROWS), tmp_path, monkeypatch)
    found = find_hub(wanted)
    expected = {part: (f"hub:lab/set@{COMMIT}/{names[i]}",) for i, part in enumerate(("train", "test"))}
    assert dict(found.parts) == expected
    tables = [table for _, table, _ in read_parts(wanted)]
    assert [table["part"].to_pylist() for table in tables] == [["train", "train"], ["test", "test"]]
    assert [table["row"].to_pylist() for table in tables] == [["train-1", "train-2"], ["test-1", "test-2"]]
    assert hub.asked == [f"0123:{name}" for name in names[:2]]
    assert content_key(found) == content_key(find_hub(wanted))


def test_a_part_that_the_hub_lacks_is_told(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_hub({"a/test.csv": ROWS}, tmp_path, monkeypatch)
    with pytest.raises(DataError, match="lab/set@main: no train part on the hub; it has test"):
        find_hub(HubSet("lab/set", folders=("a",), needs=("train", "test")))


def test_without_network_what_the_hub_s_cache_holds_is_read(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    snapshot = tmp_path / "hub" / "datasets--lab--set" / "snapshots" / COMMIT
    for part in ("train", "test"):
        (snapshot / "a").mkdir(parents=True, exist_ok=True)
        (snapshot / "a" / f"{part}.csv").write_text(ROWS)
    wanted = HubSet("lab/set", COMMIT, folders=("a",), needs=("train", "test"))
    on_hub({}, tmp_path, monkeypatch, OSError("no route to host"))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: str(snapshot))
    assert find_hub(wanted).parts["train"] == (str(snapshot / "a" / "train.csv"),)


def test_no_network_and_no_copy_is_one_line(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_hub({}, tmp_path, monkeypatch, ConnectionError("Name or service\nnot known"))
    with pytest.raises(DataError) as told:
        find_hub(HubSet("lab/set", folders=("a",)))
    said = str(told.value)
    assert "\n" not in said and "Name or service" in said and "--data-dir DIR" in said


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("dev.csv", "valid.csv"), "dev.csv and valid.csv are both the valid part; keep only one"),
        (("train.csv", "train/0000.csv"), "train.csv and train/0000.csv are both the train part"),
        (("train-00000-of-00002.csv",), "1 files such as train-00000-of-00002.csv; expected 2 by its name"),
    ],
)
def test_a_part_twice_or_not_whole_is_refused(names: tuple[str, ...], said: str, data: Path) -> None:
    for name in ("test.csv", *names):
        (data / "lab/set" / name).parent.mkdir(parents=True, exist_ok=True)
        (data / "lab/set" / name).write_text(ROWS)
    with pytest.raises(DataError, match=re.escape(f"lab/set: {said}")):
        find_hub(HubSet("lab/set", folders=(".",)))


def test_parts_may_be_packed_and_not(data: Path) -> None:
    (data / "lab/set").mkdir(parents=True)
    (data / "lab/set/train.csv").write_text(ROWS)
    with gzip.open(data / "lab/set/test.csv.gz", "wt") as file:
        file.write(ROWS)
    wanted = HubSet("lab/set", folders=(".",), needs=("train", "test"))
    assert [table["part"].to_pylist() for _, table, _ in read_parts(wanted)] == [["train", "train"], ["test", "test"]]


@pytest.mark.parametrize("kind", ["multilabel", "regression"])
def test_parts_with_other_numbers_of_labels_are_refused(kind: Kind, data: Path) -> None:
    (data / "lab/set").mkdir(parents=True)
    for part, label in (("train", "0;1;1"), ("test", "0;1")):
        (data / f"lab/set/{part}.csv").write_text(f"sequence,label\nACGT,{label}\n")
    source = HubSource(HubSet("lab/set", folders=(".",)), kind, ())
    with pytest.raises(DataError, match=r"test.csv: row 1 has 2 target values, the other parts have 3"):
        source()


def test_a_changed_file_changes_the_key(data: Path) -> None:
    wanted = HubSet("lab/set", folders=("a",))
    for part in ("train", "test"):
        (data / "lab/set/a").mkdir(parents=True, exist_ok=True)
        (data / f"lab/set/a/{part}.csv").write_text(ROWS)
    first = content_key(find_hub(wanted))
    (data / "lab/set/a/test.csv").write_text(ROWS.replace("ACGA", "ACCA"))
    assert content_key(find_hub(wanted)) != first


def test_the_code_of_a_task_and_ours_are_in_the_key(tmp_path: Path) -> None:
    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text(name)
    one, two = (code_key(str(tmp_path / name)) for name in ("one.py", "two.py"))
    assert len({one, two, code_key()}) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (">a|0\nACGT\n>b\nAC\n", "line 3: expected '>name|label', found '>b'"),
        (">a|0\nACGT\n>b|\nAC\n", "line 3: expected '>name|label', found '>b|'"),
        (">a x=0\nACGT\n>b\nAC\n", "line 1: expected '>name|label', found '>a x=0'"),
        ("ACGT\n", "line 1: expected '>NAME', found 'ACGT'"),
        (">a|0\n>b|1\nAC\n", "line 1: 'a|0' has no sequence"),
        ("", "empty, expected FASTA"),
        (">a|0\nAC\u00e9T\n", "line 2: 'é' is not ASCII"),
    ],
)
def test_bad_labelled_fasta_is_told_by_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.fna").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(said)):
        read_labelled_fasta(str(tmp_path / "x.fna"))


def test_labelled_fasta_joins_labels_and_lines(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "x.fa.gz", "wt") as file:
        file.write(">chr1:5-9|1|0\nac\nGT\n\n>b|0|1\nNN\n")
    table = read_labelled_fasta(str(tmp_path / "x.fa.gz"))
    assert table.to_pylist() == [
        {"id": "chr1:5-9", "field2": "1", "field3": "0", "label": "1;0", "sequence": "acGT"},
        {"id": "b", "field2": "0", "field3": "1", "label": "0;1", "sequence": "NN"},
    ]


HEADERS = {
    "bars": [">a|no", ">b|yes"],
    "blanks": [">a no", ">b yes"],
    "pair": [">a label=no", ">b label=yes"],
    "pair after a bar": [">a|label=no|gene=x", ">b|label=yes|gene=y"],
    "accents and a byte order mark": ["\ufeff>a|no|gene=Gène", ">b|yes|gene=x"],
}


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_file_and_a_folder_of_fasta_say_the_same(headers: list[str], end: str, data: Path) -> None:
    text = f"{headers[0]}{end}AC {end}GT{end}{end}{headers[1]}{end}TTTT{end}"
    (data / "lab/set").mkdir(parents=True)
    for part in ("train", "test"):
        (data / f"lab/set/{part}.fa").write_text(text, encoding="utf-8", newline="")
    folder = HubSource(HubSet("lab/set", folders=(".",)), "classification", ("no", "yes"))()
    single = Table(str(data / "lab/set/test.fa"), kind="classification", classes=("no", "yes"), id="id")()
    assert single.targets.tolist() == [0, 1] and folder.targets.tolist() == [0, 1, 0, 1]
    assert list(single.inputs.sequences) == ["ACGT", "TTTT"] == list(folder.inputs.sequences)[2:]
    assert list(single.ids) == ["a", "b"]


def test_records_with_one_label_and_with_several_are_one_table(data: Path) -> None:
    (data / "lab/set").mkdir(parents=True)
    for part, first in (("train", "0|2"), ("test", "1")):
        (data / f"lab/set/{part}.fa").write_text(f">a|{first}\nACGT\n>b|0\nTTTT\n")
    folder = HubSource(HubSet("lab/set", folders=(".",)), "multilabel", ("x", "y", "z"))()
    single = Table(str(data / "lab/set/train.fa"), kind="multilabel", classes=("x", "y", "z"))()
    assert folder.targets.tolist() == [[1, 0, 1], [1, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert single.targets.tolist() == folder.targets[:2].tolist()


def test_damaged_gzip_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.fa.gz").write_bytes(gzip.compress(b">a|0\nACGT\n" * 500)[:60])
    with pytest.raises(DataError, match="truncated or damaged gzip"):
        read_labelled_fasta(str(tmp_path / "x.fa.gz"))
