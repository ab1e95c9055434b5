"""Data sets of the Hugging Face hub: which files hold which part, in a local copy or on the hub, and their rows.

Nothing of a data set's own code ever runs: files are found by name, by the configurations in the repository's
README.md, or by the paths that a card gives, and read as text.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ..cache.folder import file_digest
from ..cache.remote import ask_hub, by_hand, data_folders, hub_copies, hub_errors, no_network
from ..digests import digest
from ..errors import ConfigError, DataError
from ..progress import activity
from ..types import PARTS, Part
from ..unpack import PACKED
from .labelled import FASTA, class_folders, is_fasta, read_class_folder, read_labelled_fasta
from .tables import read_columns

if TYPE_CHECKING:
    import pyarrow

PART_NAMES: Mapping[str, Part] = {
    "train": "train",
    "valid": "valid",
    "validation": "valid",
    "dev": "valid",
    "val": "valid",
    "test": "test",
}
"""Names of files and splits, with the part that each stands for."""

_PATIENCE = 10.0
"""Seconds without an answer after which the hub counts as out of reach; its client alone would wait for ever."""
_FORMATS = (
    ".parquet",
    *(f"{ending}{packing}" for ending in (".csv", ".tsv") for packing in ("", *PACKED)),
    *(f"{ending}{packing}" for packing in ("", *PACKED) for ending in FASTA),
)
_SHARD = re.compile(r"(?P<part>[A-Za-z]+)(-\d+-of-(?P<of>\d+)[^.]*)?")
_HUB_URL = re.compile(r"hf://datasets/(?P<repository>[^/]+/[^/@]+)@(?P<revision>[^/]+)/(?P<path>.+)")

Parts = Mapping[str, tuple[str, ...]]
"""The files of each part, as references, or its folder of classes."""


@dataclass(frozen=True)
class HubSet:
    """One data set of a repository, by the name of its configuration (or several names, where it changed).

    `files` gives the paths of the parts in the repository. `folders` are searched in each copy of the repository and,
    below folders named `under`, in the data folders, where the authors' own archive may be unpacked. `needs` are the
    parts without which a copy is incomplete.
    """

    repository: str
    revision: str = "main"
    config: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    under: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    needs: tuple[str, ...] = ("test",)

    @property
    def advice(self) -> str:
        """How to download the data by hand, without the rest of the repository."""
        globs = [f"*{name}/*" for name in self.folders if name != "."] if not self.files else []
        globs += ["data/*", "README.md"] if globs and self.config else []  # where all configurations share a folder
        return by_hand(self.repository, self.revision, paths=[path for _, path in self.files], include=globs)

    def __str__(self) -> str:
        if Path(self.repository).is_absolute():
            return self.repository
        return f"{self.repository}@{self.revision}" + (f", {self.config[0]}" if self.config else "")


@dataclass(frozen=True)
class HubFiles:
    """The files of a data set; where they hold the rows of several tasks, `tasks` names the one to read."""

    parts: Parts
    tasks: tuple[str, ...] = ()


def find_hub(dataset: HubSet) -> HubFiles:
    """Return the files of the parts of a data set: in a local copy, else on the hub.

    Raises DataError, in one line that says what to download and where to put it, where a part is missing.
    """
    if Path(dataset.repository).is_absolute():  # a folder of the user's
        parts = folder_parts(Path(dataset.repository))
        lacking = next((part for part in dataset.needs if part not in parts), "")
        if lacking:
            existing = ", ".join(part for part in PARTS if part in parts) or "no files of a part"
            raise DataError(f"{dataset.repository}: no {lacking} file; it has {existing}")
        return HubFiles(parts)
    partial: list[tuple[Path, Parts]] = []
    copies = hub_copies(dataset.repository, dataset.revision)
    for copy in copies:
        if files := _in_copy(copy, dataset):
            if all(part in files.parts for part in dataset.needs):
                return files
            partial.append((copy, files.parts))
    for place in _unpacked(dataset):
        parts = folder_parts(place)
        if parts and all(part in parts for part in dataset.needs):
            return HubFiles(parts)
        if parts:
            partial.append((place, parts))
    if partial:
        raise _incomplete(dataset, *max(partial, key=lambda p: len(p[1])))
    on_hub = _on_hub(dataset)
    missing = [part for part in dataset.needs if part not in on_hub.parts]
    if missing:
        raise DataError(f"{dataset}: no {missing[0]} part on the hub; it has {', '.join(on_hub.parts) or 'none'}")
    return on_hub


def read_parts(dataset: HubSet) -> Iterator[tuple[Part, pyarrow.Table, str]]:
    """Yield each part with its rows as a table of text, and its first file.

    Column `part` is the part and `row` the part with the row's number, from 1; the other columns are the files'.
    Raises DataError where the parts differ in their columns.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    files = find_hub(dataset)
    advance = activity(f"reading {dataset}", sum(map(len, files.parts.values())))
    columns: set[str] = set()
    for part in PARTS:
        pieces = []
        for reference in files.parts.get(part, ()):
            pieces.append(_read(reference))
            advance(1)
            columns = columns or set(pieces[-1].column_names)
            if is_fasta(reference):  # some headers have several labels, some one
                columns &= set(pieces[-1].column_names)
            elif set(pieces[-1].column_names) != columns:
                raise DataError(f"{reference}: its columns differ from those of the other files: {', '.join(columns)}")
        if not pieces:
            continue
        where = files.parts[part][0]
        rows = pa.concat_tables(
            [piece.select([name for name in pieces[0].column_names if name in columns]) for piece in pieces]
        )
        if files.tasks:
            if "task" not in rows.column_names:
                raise DataError(
                    f"{where}: {dataset.repository} has no configuration {files.tasks[0]!r}, and no column 'task'"
                )
            rows = rows.filter(pc.is_in(rows["task"], pa.array(files.tasks, rows["task"].type)))
            if not len(rows):
                raise DataError(f"{where}: no row has {files.tasks[0]!r} in column 'task'")
        rows = rows.drop_columns([name for name in ("part", "row") if name in rows.column_names])
        rows = rows.append_column("part", pa.array([part] * len(rows), pa.large_string()))
        numbers = pa.array([f"{part}-{i + 1}" for i in range(len(rows))], pa.large_string())
        yield part, rows.append_column("row", numbers), where


def _read(reference: str) -> pyarrow.Table:
    if Path(reference).is_dir():
        return read_class_folder(Path(reference))
    if is_fasta(reference):
        return read_labelled_fasta(reference)
    return read_columns(reference)


def _in_copy(copy: Path, dataset: HubSet) -> HubFiles | None:
    """Return the files of the data set in a local copy of the repository; None where there are none."""
    existing = {part: (str(copy / path),) for part, path in dataset.files if (copy / path).is_file()}
    if existing:
        return HubFiles(existing)
    for place in _below(copy, dataset):
        if parts := folder_parts(place):
            return HubFiles(parts)
    if dataset.files or (dataset.folders and not dataset.config):
        return None
    return _by_datasets(str(copy), dataset)


def _unpacked(dataset: HubSet) -> list[Path]:
    """Return the folders in which the authors' own archive may be unpacked."""
    roots = []
    for folder in data_folders():
        roots += [folder / name for name in dataset.under] + (
            [folder] if folder.resolve().name in dataset.under else []
        )
    return [root / name for root in roots for name in dataset.folders if (root / name).is_dir()]


def _below(root: Path, dataset: HubSet) -> list[Path]:
    places = [root / above / name for above in ("", *dataset.under) for name in dataset.folders]
    return [place for place in places if place.is_dir()]


def folder_parts(place: Path) -> Parts:
    """Return the parts in a folder: files, shards, folders of shards, or folders of classes."""
    if not place.is_dir():
        raise DataError(f"{place}: no such folder")
    entries = sorted(e for e in place.iterdir() if not e.name.startswith((".", "__")))
    folders = [e for e in entries if e.is_dir() and e.name.lower() in PART_NAMES]
    names = [e.name for e in entries if e.is_file()]
    names += [f"{f.name}/{e.name}" for f in folders for e in sorted(f.iterdir()) if e.is_file()]
    if parts := _by_name(names, str(place)):
        return {part: tuple(str(place / name) for name in files) for part, files in parts.items()}
    return {PART_NAMES[f.name.lower()]: (str(f),) for f in folders if class_folders(f)}


def _by_name(names: Iterable[str], where: str) -> Parts:
    """Return the files of each part, from names relative to one folder.

    Each part is read in the format that has most parts, or else in the next. Raises DataError where a part exists under
    two names or lacks shards.
    """
    by_ending: dict[str, dict[str, list[tuple[str, str, int]]]] = {}
    for name in sorted(names):
        above, _, file = name.rpartition("/")
        ending = next((f for f in sorted(_FORMATS, key=len, reverse=True) if file.lower().endswith(f)), "")
        shard = _SHARD.fullmatch(file[: len(file) - len(ending)])
        called = (above or (shard["part"] if shard else "")).lower()
        part = PART_NAMES.get(called, "")
        if ending and part and "/" not in above:
            known = by_ending.setdefault(ending, {}).setdefault(part, [])
            known.append((name, f"{called}/" if above else called, int(shard["of"] or 1) if shard and not above else 0))
    parts: dict[str, tuple[str, ...]] = {}
    for ending in sorted(by_ending, key=lambda ending: (-len(by_ending[ending]), _FORMATS.index(ending))):
        for part, files in by_ending[ending].items():
            if part in parts:
                continue
            other = next((name for name, called, _ in files if called != files[0][1]), None)
            if other is not None:
                raise DataError(f"{where}: {files[0][0]} and {other} are both the {part} part; keep only one")
            if files[0][2] and len(files) != files[0][2]:
                raise DataError(
                    f"{where}: {len(files)} files such as {files[0][0]}; expected {files[0][2]} by its name"
                )
            parts[part] = tuple(name for name, _, _ in files)
    return parts


def _on_hub(dataset: HubSet) -> HubFiles:
    with hub_errors(str(dataset), dataset.advice):
        from huggingface_hub import HfApi, snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

        unreachable: tuple[type[Exception], ...] = (OfflineModeIsEnabled, OSError, *no_network())
        try:
            info = ask_hub(
                lambda: HfApi().dataset_info(dataset.repository, revision=dataset.revision, timeout=_PATIENCE)
            )
        except unreachable as error:
            if getattr(error, "response", None) is not None:  # the hub answered with an error
                raise
            try:  # downloaded before, perhaps by another program
                cached = snapshot_download(
                    dataset.repository, repo_type="dataset", revision=dataset.revision, local_files_only=True
                )
            except LocalEntryNotFoundError:
                raise error from None
            files = _in_copy(Path(cached), dataset)
            if not files:
                raise
            return files
    commit = info.sha or dataset.revision
    paths = [sibling.rfilename for sibling in info.siblings or ()]
    if dataset.files:
        return HubFiles({part: (_reference(dataset, commit, path),) for part, path in dataset.files if path in paths})
    for folder in [PurePosixPath(above) / name for above in ("", *dataset.under) for name in dataset.folders]:
        start = "" if folder == PurePosixPath() else f"{folder}/"
        if parts := _by_name((path.removeprefix(start) for path in paths if path.startswith(start)), str(dataset)):
            return HubFiles({p: tuple(_reference(dataset, commit, start + n) for n in v) for p, v in parts.items()})
    return _by_datasets(dataset.repository, dataset)


def _reference(dataset: HubSet, commit: str, path: str) -> str:
    return f"hub:{dataset.repository}@{commit}/{path}"


def _by_datasets(place: str, dataset: HubSet) -> HubFiles:
    """Return the files that `datasets` finds in a repository or copy: those of a configuration, or of all tasks."""
    known: list[str] = []
    for config in (*dataset.config, None):
        try:
            files = _data_files(place, config, dataset)
        except _NoSuchConfig as error:
            known = known or error.known
            continue
        parts: dict[str, tuple[str, ...]] = {}
        for split, references in files.items():
            if split not in PART_NAMES:
                raise DataError(f"{dataset}: unknown split {split!r}; expected {', '.join(PART_NAMES)}")
            parts[PART_NAMES[split]] = tuple(map(_as_reference, references))
        return HubFiles(parts, dataset.config if config is None else ())
    raise DataError(f"{dataset}: no such configuration in {place}; it has {', '.join(known[:20])}")


class _NoSuchConfig(Exception):
    def __init__(self, known: Sequence[str]) -> None:
        super().__init__()
        self.known = list(known)


def _data_files(place: str, config: str | None, dataset: HubSet) -> Mapping[str, Sequence[str]]:
    """Return the files of each split of a configuration. Raises _NoSuchConfig where README.md names others."""
    import datasets

    local = Path(place).is_dir()
    with hub_errors(str(dataset), dataset.advice), tempfile.TemporaryDirectory() as scratch:
        try:
            builder = datasets.load_dataset_builder(
                place, name=config, revision=None if local else dataset.revision, cache_dir=scratch
            )
        except ValueError as error:
            if config is not None and "BuilderConfig" in str(error):
                raise _NoSuchConfig(re.findall(r"'([^']+)'", str(error).partition("Available:")[2])) from None
            if "Config name is missing" in str(error):
                raise _NoSuchConfig(re.findall(r"'([^']+)'", str(error))) from None
            raise DataError(f"{dataset}: {str(error).splitlines()[0]}") from error
        except RuntimeError as error:
            raise DataError(
                f"{dataset}: a data set made by a script, which is never run; name its files with files = {{...}}, or "
                "use a revision that has tables, such as refs/convert/parquet"
            ) from error
        except (datasets.exceptions.DatasetNotFoundError, FileNotFoundError) as error:
            why = str(error).splitlines()[0].partition(" with any supported extension")[0]
            raise DataError(f"{dataset}: {place} is not a readable copy ({why})") from error
        files: Any = builder.config.data_files
        # Without configurations, a repository accepts any name and returns all files.
        if config is not None and config not in builder.builder_configs:
            raise _NoSuchConfig(list(builder.builder_configs))
        return {str(split): [str(file) for file in names] for split, names in (files or {}).items()}


def _as_reference(file: str) -> str:
    url = _HUB_URL.fullmatch(file)
    return f"hub:{url['repository']}@{url['revision']}/{url['path']}" if url else file


def _incomplete(dataset: HubSet, place: Path, parts: Parts) -> DataError:
    missing = next(part for part in dataset.needs if part not in parts)
    example = Path(next(iter(parts.values()))[0])
    existing = ", ".join(sorted({Path(file).name for files in parts.values() for file in files})[:4])
    ending = next((f for f in sorted(_FORMATS, key=len, reverse=True) if example.name.endswith(f)), "")
    dashes = next((p for p in sorted(PART_NAMES, key=len, reverse=True) if example.name.startswith(p)), "")
    file = example.parent / (example.name.replace(dashes, missing, 1) if dashes else f"{missing}{ending}")
    file = place / dict(dataset.files)[missing] if missing in dict(dataset.files) else file
    return DataError(f"{dataset}: {file} is missing (the folder has {existing}); {dataset.advice}")


def content_key(files: HubFiles) -> str:
    """Return the digest of the files of a data set, by content or commit, and of the task whose rows are read."""
    parts = []
    for part, references in sorted(files.parts.items()):
        for reference in references:
            parts += [part, reference if reference.startswith("hub:") else _content(Path(reference))]
    return digest(*parts, *files.tasks)


def _content(path: Path) -> str:
    """Return the digest of a file's content, or of the names, sizes and times of the small files in a folder."""
    if path.is_dir():
        files = sorted(path.rglob("*.txt"))
        return digest(*(f"{f.relative_to(path)} {(s := f.stat()).st_size} {s.st_mtime_ns}" for f in files))
    return file_digest(path)


def hub_set(repository: str, **values: Any) -> HubSet:
    """Return the data set that a card describes. Raises ConfigError for a value of another type."""
    files = values.pop("files", {})
    if not isinstance(repository, str) or not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise ConfigError(f"hub = {repository!r}; expected ORG/NAME")
    if not isinstance(files, Mapping) or not set(files) <= set(PARTS) or not all(map(_is_path, files.values())):
        raise ConfigError(f"files = {files!r}; expected a path for each of {', '.join(PARTS)}")
    for key, value in values.items():
        listed = value if isinstance(value, list | tuple) and key != "revision" else [value]
        if not all(map(_is_path, listed)):
            raise ConfigError(
                f"{key} = {value!r}; expected text in quotes" + (", or a list of texts" * (key != "revision"))
            )
    made: dict[str, Any] = {
        k: v if k == "revision" else (v,) if isinstance(v, str) else tuple(v) for k, v in values.items()
    }
    return HubSet(repository, files=tuple(sorted(files.items())), **made)


def _is_path(value: Any) -> bool:
    """Return whether a value is a relative path that stays below its folder."""
    return isinstance(value, str) and value != "" and ".." not in value.split("/") and not value.startswith("/")
