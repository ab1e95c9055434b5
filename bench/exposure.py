"""Whether a model saw the test examples of a task in pretraining, from its card's corpora and their coordinates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .dna.assemblies import canonical
from .dna.taxa import belongs, related, same_species
from .types import Examples, Exposure, ModelCard, Split, StrArray, Task

ExposureStatus = Literal["clean", "exposed", "unknown"]
_CLEAN, _UNSURE, _SEEN = 0, 1, 2

_ASSEMBLIES: Mapping[str, str] = {
    "dm6": "release 6",
    "bdgp6": "release 6",
    "dm3": "release 5",
    "bdgp5": "release 5",
    "ce10": "ws220",
    "saccer3": "r64",
    "r64-1-1": "r64",
    "tair10.1": "tair10",
}
"""Other names of assemblies that are not in `assemblies`."""

_REGION = re.compile(r"(?P<name>.+):(?P<start>[\d,]+)-(?P<end>[\d,]+)")
_NUMBERED = re.compile(r"(\d+[a-z]?|[xyzwm]|mt)")
_ROMAN = re.compile(r"[ivx]*[iv][ivx]*")
_ACCESSION = re.compile(r"[a-z]{1,3}_?\d{5,}(\.\d+)?")
_CHROMOSOME_STRATA = ("chromosome", "chrom", "chr")


@dataclass(frozen=True)
class Exposed:
    """Whether a model saw the test examples of a task in pretraining, and the reason for the verdict."""

    status: ExposureStatus
    reason: str

    def to_json(self) -> dict[str, str]:
        """Return the status and reason as a JSON object."""
        return {"status": self.status, "reason": self.reason}


@dataclass(frozen=True, eq=False)
class _Places:
    """Test examples of one species: `chrom` (n,) is None where the task does not place them, `start` where by name."""

    species: str
    assembly: str
    n: int
    chrom: StrArray | None
    start: NDArray[np.int64] | None
    end: NDArray[np.int64] | None


def exposure_of(card: ModelCard, task: Task, split: Split, *, mode: str | None = None) -> Exposed:
    """Return whether pretraining held the test examples of the task: 'exposed', 'clean', or 'unknown'.

    'exposed' means that test examples are in a corpus, or that a corpus is named after the task (perhaps as a glob), so
    that its labels were seen. 'clean' means that the corpora are known and have none of the examples; the reason
    mentions DNA of related species. Where assemblies differ, chromosomes are compared by name; where the task has no
    coordinates, species are. Without pretraining the status is 'clean': baselines, networks with random weights, and
    models in mode from_scratch.
    """
    if not card.pretraining and (card.baseline or card.twin_of or mode == "from_scratch"):
        return Exposed("clean", "not pretrained")
    if not card.pretraining:
        return Exposed("unknown", "the model's card does not say what it was pretrained on")
    names = (
        task.name,
        task.name.partition("(")[0].removesuffix(".small"),
    )  # for a variant, also the name of the whole task
    known = (*names, *(f"{name}@{task.version}" for name in names))
    labels = [e.corpus for e in card.pretraining if any(fnmatchcase(n, e.corpus) or n == e.corpus for n in known)]
    if labels:
        return Exposed("exposed", f"trained on the labels of {labels[0]}")
    if not task.species:
        return Exposed("unknown", "the task does not say of which species it is")
    state = np.zeros(len(split.test), np.int8)
    why: dict[int, dict[str, list[str]]] = {_UNSURE: {}, _SEEN: {}}
    relatives: list[str] = []
    for rows, places in _of_species(task, split.test):
        for corpus in card.pretraining:
            state_in_corpus, note = _seen_in(corpus, places)
            state[rows] = np.maximum(state[rows], state_in_corpus)
            worst = int(state_in_corpus.max(initial=_CLEAN))
            if worst and places.species not in (of := why[worst].setdefault(note, [])):
                of.append(places.species)
            if not worst and related(corpus.species, places.species):
                relatives += [corpus.species] if corpus.species not in relatives else []
    return _verdict(state, why, relatives)


def readable_region(region: str) -> bool:
    """Return whether a region of a corpus can be compared with examples: a name, a glob, or NAME:START-END."""
    parsed = _REGION.fullmatch(region)
    if parsed is None:
        return ":" not in region
    return int(parsed["start"].replace(",", "") or 0) < int(parsed["end"].replace(",", "") or 0)


def _verdict(
    state: NDArray[np.int8], why: Mapping[int, Mapping[str, Sequence[str]]], relatives: Sequence[str]
) -> Exposed:
    n, seen = len(state), int((state == _SEEN).sum())
    if seen:
        share = "all" if seen == n else f"{seen} of {n}"
        return Exposed("exposed", f"{share} test examples lie in {' and in '.join(why[_SEEN])}")
    if (state == _UNSURE).any():
        return Exposed("unknown", "; ".join(note.replace("{}", " or ".join(of)) for note, of in why[_UNSURE].items()))
    kin = f"; it holds relatives: {', '.join(relatives)}" if relatives else ""
    return Exposed("clean", f"no test example lies in what was seen in pretraining{kin}")


def _of_species(task: Task, test: Examples) -> Iterator[tuple[NDArray[np.intp], _Places]]:
    """Yield the rows and places of the test examples of each species; all rows where rows do not name a species."""
    species_of_row = test.strata.get("species")
    names = list(dict.fromkeys(species_of_row)) if species_of_row is not None else []
    species_of_name = {name: [s for s in task.species if belongs(name, s)] for name in names}
    chrom = test.intervals.chrom if test.intervals is not None else None
    for stratum in _CHROMOSOME_STRATA:
        chrom = test.strata.get(stratum) if chrom is None else chrom
    aligned = len(task.assembly) == len(task.species)
    for i, species in enumerate(task.species):
        rows = np.arange(len(test))
        if species_of_row is not None and len(task.species) > 1:
            rows = np.flatnonzero(
                [not species_of_name[name] or species in species_of_name[name] for name in species_of_row]
            )
        if not len(rows):
            continue
        at = test.intervals.take(rows) if test.intervals is not None else None
        yield (
            rows,
            _Places(
                species=species,
                assembly=task.assembly[i] if aligned else "",
                n=len(rows),
                chrom=None if chrom is None else chrom[rows],
                start=None if at is None else at.start,
                end=None if at is None else at.end,
            ),
        )


def _seen_in(corpus: Exposure, places: _Places) -> tuple[NDArray[np.int8], str]:
    """Return for each example whether the corpus has it, and the name of the corpus or what is unknown about it."""
    none = np.zeros(places.n, np.int8)
    corpus_name = f"{corpus.corpus} ({corpus.species})"
    covered = same_species(corpus.species, places.species)
    if covered is None and any(belongs(group, places.species) for group in corpus.held_out):
        covered = False
    if covered is None:
        return none + _UNSURE, f"{corpus.corpus}: it is not said whether {{}} is among them"
    if not covered:
        return none, ""
    if "*" in corpus.regions and not corpus.held_out:
        return none + _SEEN, corpus_name
    if not corpus.regions:
        return none + _UNSURE, f"{corpus_name}: it is not said which regions were seen"
    if places.chrom is None:
        return (
            none + _UNSURE,
            f"{corpus_name} has a part of the genome, and the task does not say where its examples lie",
        )
    same = _assembly(corpus.assembly) == _assembly(places.assembly) != ""
    state = np.maximum.reduce([_inside(region, places, exact=same) for region in corpus.regions])
    for region in corpus.held_out:
        spared = _inside(region, places, exact=same, whole=True)
        state = np.where(spared == _SEEN, _CLEAN, np.where(spared == _UNSURE, np.minimum(state, _UNSURE), state))
    if (state == _SEEN).any():
        return state, corpus_name if same else f"{corpus_name}, by chromosome as its assembly is another"
    return state, f"{corpus_name}: its regions are not named as the task's contigs are"


def _inside(region: str, places: _Places, *, exact: bool, whole: bool = False) -> NDArray[np.int8]:
    """Return for each example whether it lies in the region: _SEEN, _CLEAN, or _UNSURE where names cannot be compared.

    A range counts as the whole chromosome where coordinates are not `exact`. With `whole` the example has to lie in the
    region from end to end, and a range that is not exact contains nothing.
    """
    assert places.chrom is not None
    parsed = _REGION.fullmatch(region)
    pattern = _contig(parsed["name"] if parsed else region)
    chroms, of = np.unique(places.chrom.astype(str), return_inverse=True)
    names = [_contig(str(c)) for c in chroms]
    state: NDArray[np.int8] = np.array([_same_contig(name, pattern) for name in names], np.int8)[of]
    if not parsed and ":" in region:  # such as chr1:5M-6M, which is not parsed as a range
        return np.full_like(state, _CLEAN if whole else _UNSURE)
    if not parsed:
        return state
    if not exact or places.start is None or places.end is None:
        return np.zeros_like(state) if whole else state
    start, end = (int(parsed[key].replace(",", "")) for key in ("start", "end"))
    if whole:
        over = (places.start >= start) & (places.end <= end)
    else:
        over = (places.start < end) & (places.end > start)
    return np.where(over | (state == _UNSURE), state, _CLEAN).astype(np.int8)


def _contig(name: str) -> str:
    """Return the name in the form that is compared: chr1, Chr01 and 1 are equal."""
    bare = re.sub(r"^(chromosome_?|chr_?)(?=.)", "", name.strip().lower())
    bare = re.sub(r"^0+(?=\d)", "", bare)
    return "mt" if bare == "m" else bare


def _same_contig(name: str, pattern: str) -> int:
    if fnmatchcase(name, pattern):
        return _SEEN
    style = {_style(name), _style(re.sub(r"\*", "1", pattern))} - {"either"}
    return _CLEAN if len(style) < 2 and "other" not in style else _UNSURE


def _style(name: str) -> str:
    """Return the style of a contig's name; names of different styles may mean the same contig."""
    if name in ("x", "mt", "y"):
        return "either"  # the sex chromosome, or ten in Roman numerals
    for style, form in (("numbered", _NUMBERED), ("roman", _ROMAN), ("accession", _ACCESSION)):
        if form.fullmatch(name):
            return style
    return "other"


def _assembly(name: str) -> str:
    """Return the canonical name of an assembly in lower case, without a patch number: hg38 for GRCh38.p14."""
    folded = canonical(re.sub(r"\.p\d+$", "", name.strip().lower()))
    return _ASSEMBLIES.get(folded, folded)
