"""Reference assemblies: their names, the lengths of their chromosomes, and the aliases of contigs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import DataError

_HUMAN = (*map(str, range(1, 23)), "X", "Y")
_MOUSE = (*map(str, range(1, 20)), "X", "Y")
# fmt: off
LENGTHS: Mapping[str, Mapping[str, int]] = {
    "hg38": dict(zip(_HUMAN, (
        248956422, 242193529, 198295559, 190214555, 181538259, 170805979, 159345973, 145138636, 138394717, 133797422,
        135086622, 133275309, 114364328, 107043718, 101991189, 90338345, 83257441, 80373285, 58617616, 64444167,
        46709983, 50818468, 156040895, 57227415), strict=True)),
    "hg19": dict(zip(_HUMAN, (
        249250621, 243199373, 198022430, 191154276, 180915260, 171115067, 159138663, 146364022, 141213431, 135534747,
        135006516, 133851895, 115169878, 107349540, 102531392, 90354753, 81195210, 78077248, 59128983, 63025520,
        48129895, 51304566, 155270560, 59373566), strict=True)),
    "hs1": dict(zip(_HUMAN, (
        248387328, 242696752, 201105948, 193574945, 182045439, 172126628, 160567428, 146259331, 150617247, 134758134,
        135127769, 133324548, 113566686, 101161492, 99753195, 96330374, 84276897, 80542538, 61707364, 66210255,
        45090682, 51324926, 154259566, 62460029), strict=True)),
    "mm10": dict(zip(_MOUSE, (
        195471971, 182113224, 160039680, 156508116, 151834684, 149736546, 145441459, 129401213, 124595110, 130694993,
        122082543, 120129022, 120421639, 124902244, 104043685, 98207768, 94987271, 90702639, 61431566, 171031299,
        91744698), strict=True)),
    "mm39": dict(zip(_MOUSE, (
        195154279, 181755017, 159745316, 156860686, 151758149, 149588044, 144995196, 130127694, 124359700, 130530862,
        121973369, 120092757, 120883175, 125139656, 104073951, 98008968, 95294699, 90720763, 61420004, 169476592,
        91455967), strict=True)),
}
"""Chromosome lengths in bp by UCSC's name of the assembly."""
# fmt: on

_SYNONYMS = {
    "grch38": "hg38",
    "grch37": "hg19",
    "hs37d5": "hg19",
    "b37": "hg19",
    "chm13": "hs1",
    "chm13v2.0": "hs1",
    "t2t": "hs1",
    "t2t-chm13": "hs1",
    "t2t-chm13v2.0": "hs1",
    "grcm38": "mm10",
    "grcm39": "mm39",
}
_YORUBA = 16571
"""Length of chrM in UCSC's hg19, which differs from MT of GRCh37, so neither must be an alias of the other."""

_PLAIN = re.compile(r"(?:chr(?:omosome)?_?)?(\w{1,5})", re.IGNORECASE)
_ACCESSION = re.compile(r"\bNC_\d{6}\.\d+\b")
_CHROMOSOME = re.compile(r"\bchromosome:? (\w{1,5})\b(?!.*\b(?:unlocalized|unplaced|scaffold|patch)\b)")


def canonical(name: str) -> str:
    """Return UCSC's name of an assembly that has several, such as 'hg38' for 'GRCh38'; any other name as it is."""
    lower = name.lower()
    known = _SYNONYMS.get(lower, lower)
    return known if known in LENGTHS else name


def url_of(name: str) -> str:
    """Return the URL of the FASTA of an assembly at UCSC, '' for an unknown assembly."""
    name = canonical(name)
    return f"https://hgdownload.soe.ucsc.edu/goldenPath/{name}/bigZips/{name}.fa.gz" if name in LENGTHS else ""


@dataclass(frozen=True)
class Entry:
    """A contig of a FASTA file: its name, the rest of its header, and its length in bp."""

    name: str
    text: str
    length: int


def aliases(contigs: list[Entry]) -> dict[str, str]:
    """Return the aliases of contigs, with the name in the file: '1' for 'chr1' and back, MT for chrM, accessions.

    Accessions and chromosome numbers are read from the headers. A name that would suit two contigs is no alias.
    """
    names = {contig.name for contig in contigs}
    target_of: dict[str, str] = {}
    doubtful: set[str] = set()
    for contig in contigs:
        for other in _other_names(contig):
            if target_of.setdefault(other, contig.name) != contig.name:
                doubtful.add(other)
    return {other: name for other, name in target_of.items() if other not in names | doubtful}


def _other_names(contig: Entry) -> list[str]:
    plain = _PLAIN.fullmatch(contig.name)
    short, out = plain[1] if plain else "", []
    accession = _ACCESSION.findall(contig.text)
    if len(accession) == 1:
        out.append(accession[0])
    if contig.name.startswith("NC_"):
        number = _CHROMOSOME.search(contig.text)
        if "mitochondrion" in contig.text:
            short = "MT"
        elif number:
            short = number[1]
    if not short:
        return out
    if short.upper() in ("M", "MT", "MTDNA"):
        return out + (["M", "chrM"] if contig.length == _YORUBA else ["M", "chrM", "MT", "chrMT"])
    return [*out, short, f"chr{short}"]


def check_assembly(name: str, contigs: Mapping[str, int], *, truncated: bool, where: str) -> str:
    """Return a note of the chromosomes that the FASTA lacks, '' where it has all or the assembly is unknown.

    `contigs` are lengths by name and alias. Raises DataError where a chromosome does not have the length it has in
    assembly `name`, unless `truncated` is set, it is shorter, and its length is of no other known assembly.
    """
    if name not in LENGTHS:
        return ""
    missing = []
    for chromosome, length in LENGTHS[name].items():
        actual = contigs.get(f"chr{chromosome}")
        if actual is None:
            missing.append(f"chr{chromosome}")
        elif actual != length:
            others = [a for a, lengths in LENGTHS.items() if lengths.get(chromosome) == actual]
            difference = f"{where}: chr{chromosome} has {actual:,} bp where {name} has {length:,}"
            if others:
                raise DataError(f"{difference}: this is {others[0]}; baserate genome add {others[0]} {where}")
            if actual > length or not truncated:
                advice = "" if actual > length else "; --truncated accepts the start of a chromosome"
                raise DataError(f"{difference}: it is another assembly{advice}")
    if len(missing) == len(LENGTHS[name]):
        raise DataError(f"{where}: no chromosome of {name}; its contigs are {', '.join(list(contigs)[:5])}")
    return f"{name} without {', '.join(missing)}" if missing else ""
