"""Reference genomes by name: `baserate genome add hg38 PATH` once, `genome = "hg38"` in every task.

A registered genome is a folder with its index, its contigs and the SHA-256 of its text; an unpacked FASTA stays where
it is. A path to a FASTA file can be used in place of a name.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..digests import digest
from ..errors import ConfigError, DataError, nearest
from ..files import write_whole
from ..progress import activity
from ..unpack import PACKED
from .assemblies import aliases, canonical, check_assembly, url_of
from .fasta import SUFFIXES, Genome, Scan, scan, sha256_of

_SCHEMA = "genome/1"
_TIMEOUT = 60.0


@dataclass(frozen=True)
class Registered:
    """The record of a genome: its name, source, path, the SHA-256 of its text, and the lengths of its contigs in bp.

    `size` and `modified` (ns) tell whether the file may have changed since. `note` says which chromosomes it lacks.
    """

    name: str
    source: str
    path: str
    sha256: str
    size: int
    modified: int
    contigs: Mapping[str, int]
    aliases: Mapping[str, str]
    note: str = ""

    @property
    def folder(self) -> Path:
        """The folder of the record and the index."""
        return genomes_dir() / self.name

    def to_json(self) -> dict[str, Any]:
        """Return the record as a JSON object."""
        return {"schema": _SCHEMA, **asdict(self)}


def genomes_dir() -> Path:
    """Return the folder of registered genomes: `$BASERATE_GENOMES`, or one in the user's data folder."""
    configured = os.environ.get("BASERATE_GENOMES")
    if configured:
        return Path(configured).expanduser()
    from platformdirs import user_data_dir

    return Path(user_data_dir("baserate", appauthor=False)) / "genomes"


def is_name(reference: str) -> bool:
    """Return whether a reference is a genome's name, not a path or `package:path`."""
    return bool(re.fullmatch(r"\w[\w.-]*", reference)) and not reference.lower().endswith((*SUFFIXES, *PACKED))


def add_genome(name: str, source: str, *, sha256: str = "", truncated: bool = False) -> Registered:
    """Return the record of a FASTA file, plain or packed, at a path or URL, registered as `name`.

    A packed file is unpacked once into the registry, and one with lines of several lengths is copied there with even
    ones; any other stays where it is. `sha256` is checked against the
    file and against its text. Raises DataError where the file cannot be used, the digest differs, or chromosomes do
    not have the lengths of the assembly `name` (see `check_assembly`), ConfigError where the name is taken.
    """
    name = canonical(name)
    if not is_name(name):
        raise ConfigError(f"genome name {name!r}: expected letters, digits, '_', '-' and '.', not a file name")
    taken = genomes_dir() / name / "genome.json"
    if taken.is_file():
        raise ConfigError(
            f"genome {name!r} is registered already, from {_read(taken).source}; see baserate genome remove"
        )
    url = "://" in source
    _check_suffix(source)

    def write(staging: Path) -> None:
        staging.mkdir()
        file, copy = _download(source) if url else Path(source).expanduser().resolve(), staging / "genome.fa"
        read = scan(file, copy)
        if sha256 and sha256.lower() not in read.digests:
            raise DataError(f"{source}: SHA-256 is {read.digests[0]} ({read.digests[1]} unpacked), expected {sha256}")
        lengths, other = _names(read)
        every = lengths | {alias: lengths[contig] for alias, contig in other.items()}
        note = check_assembly(name, every, truncated=truncated, where=source)
        if url:
            file.unlink() if read.file == copy else file.replace(copy)
        in_registry = url or read.file == copy
        status = (copy if in_registry else file).stat()
        where = str(genomes_dir() / name / "genome.fa") if in_registry else str(file)
        known = Registered(name, source, where, read.sha256, status.st_size, status.st_mtime_ns, lengths, other, note)
        _write_index(staging, known, read)

    try:
        write_whole(genomes_dir() / name, write)
    except OSError as error:
        raise DataError(
            f"{error.filename or genomes_dir()}: {error.strerror or error}; see BASERATE_GENOMES"
        ) from error
    return _read(taken)


def remove_genome(name: str) -> Registered:
    """Return the record of a genome after removing it, with its index and unpacked copy; the user's file stays."""
    known = find_genome(name)
    shutil.rmtree(known.folder)
    return known


def registered() -> list[Registered]:
    """Return the records of all registered genomes by name."""
    return [_read(path) for path in sorted(genomes_dir().glob("[!.]*/genome.json"))]


def find_genome(name: str) -> Registered:
    """Return the record of a genome by its name or a synonym. Raises DataError with the command that registers it."""
    path = genomes_dir() / canonical(name) / "genome.json"
    if not path.is_file():
        near = nearest(name, [known.name for known in registered()])
        url, known_as = url_of(name), canonical(name)
        message = f"genome {name!r} is not registered: baserate genome add {known_as} PATH|URL"
        raise DataError(message + (f" (such as {url})" if url else f"; did you mean {near[0]!r}?" if near else ""))
    return _read(path)


def digest_file(name: str) -> Path:
    """Return the file with a genome's SHA-256, by which windows are cached."""
    return find_genome(name).folder / "sha256"


def open_genome(reference: str, *, upper: bool = True) -> Genome:
    """Return the contigs of a registered genome, or of an unpacked FASTA file, read only where they are sliced.

    Their letters are in upper case, or with `upper` = false in the case of the file. Raises DataError where the genome
    is not registered, or its file is missing or has changed.
    """
    if is_name(reference) and not Path(reference).is_file():
        known = _unchanged(find_genome(reference))
        return Genome(Path(known.path), known.folder / "genome.fa.fai", known.contigs, known.aliases, upper=upper)
    return _open_path(Path(reference), upper=upper)


def _open_path(path: Path, *, upper: bool) -> Genome:
    """Return the contigs of a FASTA file, indexed beside the registered genomes, since its folder may be read-only."""
    _check_suffix(str(path))
    if path.suffix in PACKED:
        raise DataError(f"{path}: is packed; unpack it, or register it: baserate genome add NAME {path}")
    try:
        path, status = path.resolve(), path.stat()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    folder = genomes_dir() / ".files" / digest(str(path), str(status.st_size), str(status.st_mtime_ns))
    if not (folder / "genome.json").is_file():

        def write(beside: Path) -> None:
            beside.mkdir()
            read = scan(path, beside / "genome.fa")
            lengths, other = _names(read)
            file = str(path if read.file == path else folder / "genome.fa")
            known = Registered(
                path.name, str(path), file, read.sha256, status.st_size, status.st_mtime_ns, lengths, other
            )
            _write_index(beside, known, read)
            shutil.rmtree(folder, ignore_errors=True)  # a folder that has no record

        try:
            write_whole(folder, write)
        except OSError as error:
            raise DataError(f"{folder}: {error.strerror or error}; see BASERATE_GENOMES") from error
    known = _read(folder / "genome.json")
    return Genome(Path(known.path), folder / "genome.fa.fai", known.contigs, known.aliases, upper=upper)


def _names(read: Scan) -> tuple[dict[str, int], dict[str, str]]:
    """Return the length of each contig, and other names of contigs."""
    lengths = {contig.entry.name: contig.entry.length for contig in read.contigs}
    return lengths, aliases([contig.entry for contig in read.contigs])


def _write_index(folder: Path, known: Registered, read: Scan) -> None:
    (folder / "genome.fa.fai").write_text("".join(contig.fai for contig in read.contigs))
    (folder / "sha256").write_text(known.sha256 + "\n")
    _write_record(folder, known)


def _write_record(folder: Path, known: Registered) -> None:
    (folder / "genome.json").write_text(json.dumps(known.to_json(), indent=1) + "\n")


def _read(path: Path) -> Registered:
    try:
        value = json.loads(path.read_text())
        if value.pop("schema") != _SCHEMA:
            raise DataError(
                f"{path}: written by another version of baserate; remove {path.parent} and add the genome again"
            )
        return Registered(**value)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: damaged ({error}); remove {path.parent} and add the genome again") from error


def _unchanged(known: Registered) -> Registered:
    """Return the record, after reading the file again where its size or time has changed."""
    path = Path(known.path)
    again = f"baserate genome remove {known.name}, then baserate genome add {known.name} {known.source}"
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"genome {known.name!r}: {path}: {error.strerror or error}; {again}") from error
    if (status.st_size, status.st_mtime_ns) == (known.size, known.modified):
        return known
    if sha256_of(path) != known.sha256:
        raise DataError(f"genome {known.name!r}: {path} has changed since it was registered; {again}")
    known = Registered(**{**asdict(known), "size": status.st_size, "modified": status.st_mtime_ns})
    _write_record(known.folder, known)
    return known


def _check_suffix(source: str) -> None:
    plain = source
    for suffix in PACKED:
        plain = plain.removesuffix(suffix)
    if source.endswith(".2bit"):
        raise DataError(f"{source}: .2bit is not supported; fetch the .fa.gz, or convert it with twoBitToFa")
    if not plain.endswith(SUFFIXES):
        raise DataError(
            f"{source}: expected FASTA: {', '.join(SUFFIXES)}, or one of these packed ({', '.join(PACKED)})"
        )


def _download(url: str) -> Path:
    """Return the file downloaded from the URL; an interrupted download is continued."""
    import http.client
    import urllib.error
    import urllib.request

    name = url.rpartition("/")[2]
    part = genomes_dir() / ".downloads" / f"{digest(url)}.{name}.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            continued = getattr(answer, "status", 200) == 206
            left = int(answer.headers.get("Content-Length") or 0)
            advance = activity(f"downloading {name}", left + have * continued)
            advance(have * continued)
            got = 0
            with part.open("ab" if continued else "wb") as out:
                while chunk := answer.read(1 << 20):
                    out.write(chunk)
                    got += len(chunk)
                    advance(len(chunk))
            if left and got != left:
                raise DataError(
                    f"{url}: cut off after {got:,} of {left:,} bytes; run the same command again to continue"
                )
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 416:  # 416: nothing is left to fetch
                raise DataError(f"cannot download {url} ({error.code} {error.reason})") from error
    except urllib.error.URLError as error:
        raise DataError(f"cannot download {url} ({error.reason})") from error
    except (ValueError, http.client.HTTPException, TimeoutError) as error:
        raise DataError(f"cannot download {url} ({' '.join(str(error).split())})") from error
    whole = part.with_name(part.name.removesuffix(".part"))
    part.replace(whole)
    return whole
