"""Features of the GenBank flat files in a zip."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from .sequences import package_file

_FEATURE = re.compile(r"^ {5}(\S+) +(\S[^\n]*(?:\n {21}(?!/)[^\n]*)*)((?:\n {21}[^\n]*)*)", re.MULTILINE)
_SPAN = re.compile(r"<?(\d+)\.\.>?(\d+)|<?(\d+)")
_NAME = re.compile(r'/(locus_tag|gene|note)="([^";]*)')


@dataclass(frozen=True)
class Feature:
    """A feature's kind, name (locus tag, else gene, else the note's first words) and parts, 0-based half-open."""

    contig: str
    kind: str
    name: str
    strand: str
    parts: tuple[tuple[int, int], ...]


def read_features(reference: str, kinds: Collection[str]) -> list[Feature]:
    """Return the features of the given kinds in every `.gb` member of a zip; a contig is named after its member.

    Raises DataError, naming the member, for a damaged zip or a location that cannot be read.
    """
    path = package_file(reference)
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(name for name in archive.namelist() if name.endswith(".gb"))
            texts = {Path(name).stem: archive.read(name).decode("ascii") for name in members}
    except (zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged zip ({error}); reinstall the package") from error
    features = []
    for contig, text in texts.items():
        table = text.partition("\nFEATURES")[2].partition("\nORIGIN")[0]
        for kind, location, qualifiers in _FEATURE.findall(table):
            if kind in kinds:
                features.append(_feature(contig, kind, location, qualifiers, f"{path}: {contig}.gb"))
    return features


def _feature(contig: str, kind: str, location: str, qualifiers: str, where: str) -> Feature:
    compact = "".join(location.split())
    strand = "-" if compact.startswith("complement(") else "+"
    inner = compact.removeprefix("complement(").removeprefix("join(").rstrip(")")
    parts = []
    for piece in inner.split(","):
        span = _SPAN.fullmatch(piece)
        if not span:
            raise DataError(f"{where}: location {compact!r} of a {kind} cannot be read")
        start, end, single = span.groups()
        parts.append((int(start or single) - 1, int(end or single)))
    qualifier_of: dict[str, str] = dict(reversed(_NAME.findall(qualifiers)))
    name = qualifier_of.get("locus_tag") or qualifier_of.get("gene") or qualifier_of.get("note", "")
    return Feature(contig, kind, name, strand, tuple(sorted(parts)))
