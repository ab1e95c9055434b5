"""Data sets of the Hugging Face hub: which files hold which part, here or there, and their rows as one table.

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
"""What files and splits are called, and the part that each is."""

_PATIENCE = 10.0
"""Seconds without an answer, after which the hub counts as out of reach; its client alone would wait for ever."""
_FORMATS = (".parquet", ".csv", ".csv.gz", ".tsv", ".tsv.gz", *FASTA, *(f"{ending}.gz" for ending in FASTA))
_SHARD = re.compile(r"(?P<part>[A-Za-z]+)(-\d+-of-(?P<of>\d+)[^.]*)?")
_HUB_URL = re.compile(r"hf://datasets/(?P<repository>[^/]+/[^/@]+)@(?P<revision>[^/]+)/(?P<path>.+)")

Parts = Mapping[str, tuple[str, ...]]
"""The references of the files, or the folder of classes, of each part."""


@dataclass(frozen=True)
class HubSet:
    """One data set among those of a repository: `config` by name (or several, for names that changed).

    `files` gives the paths of the parts in the repository. `folders` are searched in each copy of the repository and,
    below the folders named `under`, in the folders of data: where the authors' own archive was unpacked. `needs` are
    the parts without which a copy is incomplete.
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
        """How to get the data by hand, and no more of the repository than these."""
        globs = [f"*{name}/*" for name in self.folders if name != "."] if not self.files else []
        globs += ["data/*", "README.md"] if globs and self.config else []  # where all configurations lie together
        return by_hand(self.repository, self.revision, paths=[path for _, path in self.files], include=globs)

    def __str__(self) -> str:
        if Path(self.repository).is_absolute():
            return self.repository
        return f"{self.repository}@{self.revision}" + (f", {self.config[0]}" if self.config else "")


@dataclass(frozen=True)
class HubFiles:
    """The files of a data set, and the name of the task whose rows alone count where they hold those of several."""

    parts: Parts
    tasks: tuple[str, ...] = ()


def find_hub(wanted: HubSet) -> HubFiles:
    """Return where the parts of a data set lie: in a local copy, else on the hub.

    Raises DataError, in one line that says what to get and where to put it, where a part cannot be had.
    """
    if Path(wanted.repository).is_absolute():  # a folder of the user's own
        own = folder_parts(Path(wanted.repository))
        lacking = next((part for part in wanted.needs if part not in own), "")
        if lacking:
            there = ", ".join(part for part in PARTS if part in own) or "none of a part"
            raise DataError(f"{wanted.repository}: no {lacking} file; there are {there}")
        return HubFiles(own)
    partial: list[tuple[Path, Parts]] = []
    copies = hub_copies(wanted.repository, wanted.revision)
    for copy in copies:
        if held := _in_copy(copy, wanted):
            if all(part in held.parts for part in wanted.needs):
                return held
            partial.append((copy, held.parts))
    for place in _unpacked(wanted):
        parts = folder_parts(place)
        if parts and all(part in parts for part in wanted.needs):
            return HubFiles(parts)
        if parts:
            partial.append((place, parts))
    if partial:
        raise _incomplete(wanted, *max(partial, key=lambda p: len(p[1])))
    on_hub = _on_hub(wanted)
    missing = [part for part in wanted.needs if part not in on_hub.parts]
    if missing:
        raise DataError(f"{wanted}: the hub has no {missing[0]} part of it; it has {', '.join(on_hub.parts) or 'none'}")
    return on_hub


def read_parts(wanted: HubSet) -> Iterator[tuple[Part, pyarrow.Table, str]]:
    """Yield each part with its rows as a table of text, and its first file.

    Column `part` says the part, `row` names a row by it and its number, from 1; the other columns are the files'.
    Raises DataError where the parts differ in their columns.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    held = find_hub(wanted)
    advance = activity(f"reading {wanted}", sum(map(len, held.parts.values())))
    columns: set[str] = set()
    for part in PARTS:
        pieces = []
        for reference in held.parts.get(part, ()):
            pieces.append(_read(reference))
            advance(1)
            columns = columns or set(pieces[-1].column_names)
            if is_fasta(reference):  # some headers have several labels, some one
                columns &= set(pieces[-1].column_names)
            elif set(pieces[-1].column_names) != columns:
                raise DataError(f"{reference}: its columns are not those of the other files: {', '.join(columns)}")
        if not pieces:
            continue
        where = held.parts[part][0]
        rows = pa.concat_tables(
            [piece.select([name for name in pieces[0].column_names if name in columns]) for piece in pieces]
        )
        if held.tasks:
            if "task" not in rows.column_names:
                raise DataError(
                    f"{where}: {wanted.repository} has no configuration {held.tasks[0]!r}, its rows no column 'task'"
                )
            rows = rows.filter(pc.is_in(rows["task"], pa.array(held.tasks, rows["task"].type)))
            if not len(rows):
                raise DataError(f"{where}: column 'task' is {held.tasks[0]!r} in no row")
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


def _in_copy(copy: Path, wanted: HubSet) -> HubFiles | None:
    """Return what a local copy of the repository holds of the data set; None where it has nothing of it."""
    named = {part: (str(copy / path),) for part, path in wanted.files if (copy / path).is_file()}
    if named:
        return HubFiles(named)
    for place in _below(copy, wanted):
        if parts := folder_parts(place):
            return HubFiles(parts)
    if wanted.files or (wanted.folders and not wanted.config):
        return None
    return _by_datasets(str(copy), wanted)


def _unpacked(wanted: HubSet) -> list[Path]:
    """Return the folders in which the authors' own archive may have been unpacked."""
    roots = []
    for folder in data_folders():
        roots += [folder / name for name in wanted.under] + ([folder] if folder.resolve().name in wanted.under else [])
    return [root / name for root in roots for name in wanted.folders if (root / name).is_dir()]


def _below(root: Path, wanted: HubSet) -> list[Path]:
    places = [root / above / name for above in ("", *wanted.under) for name in wanted.folders]
    return [place for place in places if place.is_dir()]


def folder_parts(place: Path) -> Parts:
    """Return the parts that a folder holds: as files, as shards, as folders of shards, or as folders of classes."""
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
    """Return which of the files, named relative to one folder, hold which part.

    All are of the best format there is; a part that it lacks is of the next. Raises DataError where a part is there
    under two names, or not all of its shards are.
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
                raise DataError(f"{where}: {files[0][0]} and {other} are both the {part} part; keep one of them")
            if files[0][2] and len(files) != files[0][2]:
                raise DataError(f"{where}: {len(files)} files such as {files[0][0]}, whose name says {files[0][2]}")
            parts[part] = tuple(name for name, _, _ in files)
    return parts


def _on_hub(wanted: HubSet) -> HubFiles:
    with hub_errors(str(wanted), wanted.advice):
        from huggingface_hub import HfApi, snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

        unreachable: tuple[type[Exception], ...] = (OfflineModeIsEnabled, OSError, *no_network())
        try:
            info = ask_hub(lambda: HfApi().dataset_info(wanted.repository, revision=wanted.revision, timeout=_PATIENCE))
        except unreachable as error:
            if getattr(error, "response", None) is not None:  # the hub answered, and said no
                raise
            try:  # what another program fetched before
                cached = snapshot_download(
                    wanted.repository, repo_type="dataset", revision=wanted.revision, local_files_only=True
                )
            except LocalEntryNotFoundError:
                raise error from None
            held = _in_copy(Path(cached), wanted)
            if not held:
                raise
            return held
    commit = info.sha or wanted.revision
    there = [sibling.rfilename for sibling in info.siblings or ()]
    if wanted.files:
        return HubFiles({part: (_reference(wanted, commit, path),) for part, path in wanted.files if path in there})
    for folder in [PurePosixPath(above) / name for above in ("", *wanted.under) for name in wanted.folders]:
        start = "" if folder == PurePosixPath() else f"{folder}/"
        if parts := _by_name((path.removeprefix(start) for path in there if path.startswith(start)), str(wanted)):
            return HubFiles({p: tuple(_reference(wanted, commit, start + n) for n in v) for p, v in parts.items()})
    return _by_datasets(wanted.repository, wanted)


def _reference(wanted: HubSet, commit: str, path: str) -> str:
    return f"hub:{wanted.repository}@{commit}/{path}"


def _by_datasets(place: str, wanted: HubSet) -> HubFiles:
    """Return what `datasets` makes of a repository or of a copy: a configuration's files, or those of all tasks."""
    known: list[str] = []
    for config in (*wanted.config, None):
        try:
            files = _data_files(place, config, wanted)
        except _NoSuchConfig as error:
            known = known or error.known
            continue
        parts: dict[str, tuple[str, ...]] = {}
        for split, references in files.items():
            if split not in PART_NAMES:
                raise DataError(f"{wanted}: split {split!r} is no part; expected {', '.join(PART_NAMES)}")
            parts[PART_NAMES[split]] = tuple(map(_as_reference, references))
        return HubFiles(parts, wanted.config if config is None else ())
    raise DataError(f"{wanted}: no such configuration in {place}; there are {', '.join(known[:20])}")


class _NoSuchConfig(Exception):
    def __init__(self, known: Sequence[str]) -> None:
        super().__init__()
        self.known = list(known)


def _data_files(place: str, config: str | None, wanted: HubSet) -> Mapping[str, Sequence[str]]:
    """Return the files of each split of a configuration. Raises _NoSuchConfig where README.md names others."""
    import datasets

    local = Path(place).is_dir()
    with hub_errors(str(wanted), wanted.advice), tempfile.TemporaryDirectory() as scratch:
        try:
            builder = datasets.load_dataset_builder(
                place, name=config, revision=None if local else wanted.revision, cache_dir=scratch
            )
        except ValueError as error:
            if config is not None and "BuilderConfig" in str(error):
                raise _NoSuchConfig(re.findall(r"'([^']+)'", str(error).partition("Available:")[2])) from None
            if "Config name is missing" in str(error):
                raise _NoSuchConfig(re.findall(r"'([^']+)'", str(error))) from None
            raise DataError(f"{wanted}: {str(error).splitlines()[0]}") from error
        except RuntimeError as error:
            raise DataError(
                f"{wanted}: a data set made by a script, which is never run; name its files with files = {{...}}, or "
                "take a revision of it as tables, such as refs/convert/parquet"
            ) from error
        except (datasets.exceptions.DatasetNotFoundError, FileNotFoundError) as error:
            why = str(error).splitlines()[0].partition(" with any supported extension")[0]
            raise DataError(f"{wanted}: {place} is no copy of it that can be read ({why})") from error
        files: Any = builder.config.data_files
        # Without configurations of its own a repository takes any name, and gives the files of all of them.
        if config is not None and config not in builder.builder_configs:
            raise _NoSuchConfig(list(builder.builder_configs))
        return {str(split): [str(file) for file in names] for split, names in (files or {}).items()}


def _as_reference(file: str) -> str:
    there = _HUB_URL.fullmatch(file)
    return f"hub:{there['repository']}@{there['revision']}/{there['path']}" if there else file


def _incomplete(wanted: HubSet, place: Path, parts: Parts) -> DataError:
    missing = next(part for part in wanted.needs if part not in parts)
    example = Path(next(iter(parts.values()))[0])
    there = ", ".join(sorted({Path(file).name for files in parts.values() for file in files})[:4])
    ending = next((f for f in sorted(_FORMATS, key=len, reverse=True) if example.name.endswith(f)), "")
    dashes = next((p for p in sorted(PART_NAMES, key=len, reverse=True) if example.name.startswith(p)), "")
    file = example.parent / (example.name.replace(dashes, missing, 1) if dashes else f"{missing}{ending}")
    file = place / dict(wanted.files)[missing] if missing in dict(wanted.files) else file
    return DataError(f"{wanted}: {file} is missing (there are {there}); {wanted.advice}")


def content_key(held: HubFiles) -> str:
    """Return the digest of which files a data set is read from, by content or commit, and of which task's rows."""
    parts = []
    for part, references in sorted(held.parts.items()):
        for reference in references:
            parts += [part, reference if reference.startswith("hub:") else _content(Path(reference))]
    return digest(*parts, *held.tasks)


def _content(path: Path) -> str:
    """Return the digest of a file's content, or of the names, sizes and times of the many small files of a folder."""
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
            raise ConfigError(f"{key} = {value!r}; expected text in quotes" + (", or a list" * (key != "revision")))
    made: dict[str, Any] = {
        k: v if k == "revision" else (v,) if isinstance(v, str) else tuple(v) for k, v in values.items()
    }
    return HubSet(repository, files=tuple(sorted(files.items())), **made)


def _is_path(value: Any) -> bool:
    """Return whether a value names something below a folder: text that leads nowhere else."""
    return isinstance(value, str) and value != "" and ".." not in value.split("/") and not value.startswith("/")
