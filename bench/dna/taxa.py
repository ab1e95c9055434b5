"""Names of species and their groups, as far as needed to tell whether a pretraining corpus may include a species."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

_COMMON: Mapping[str, str] = {
    "human": "homo sapiens",
    "mouse": "mus musculus",
    "rat": "rattus norvegicus",
    "fly": "drosophila melanogaster",
    "fruit fly": "drosophila melanogaster",
    "worm": "caenorhabditis elegans",
    "yeast": "saccharomyces cerevisiae",
    "budding yeast": "saccharomyces cerevisiae",
    "zebrafish": "danio rerio",
    "rice": "oryza sativa",
    "maize": "zea mays",
    "wheat": "triticum aestivum",
    "soybean": "glycine max",
    "cassava": "manihot esculenta",
    "tomato": "solanum lycopersicum",
    "chicken": "gallus gallus",
}

SPECIES = (
    *dict.fromkeys(_COMMON.values()),
    "arabidopsis thaliana",
    "brachypodium distachyon",
    "chlamydomonas reinhardtii",
    "escherichia coli",
    "medicago truncatula",
    "schizosaccharomyces pombe",
    "setaria italica",
    "sorghum bicolor",
    "trifolium pratense",
)
"""Species by their scientific names, for the spelling of a card; others are known only by what is said of them."""

_MAMMAL = ("mammal", "vertebrate", "animal", "eukaryot")
_INSECT = ("insect", "animal", "eukaryot")
_BRASSICALES = ("brassicales", "angiosperm", "plant", "eukaryot")
_GRASS = ("grass", "angiosperm", "plant", "eukaryot")
_LEGUME = ("legume", "angiosperm", "plant", "eukaryot")
_YEAST = ("yeast", "fung", "microb", "eukaryot")
_BACTERIUM = ("enterobacteria", "bacteria", "prokaryot", "microb", "plasmid", "phage", "bacteriophage")
_VIRUS = ("coronavirus", "virus", "microb")

_LINEAGE: Mapping[str, tuple[str, ...]] = {
    "homo": _MAMMAL,
    "pan": _MAMMAL,
    "mus": _MAMMAL,
    "rattus": _MAMMAL,
    "bos": _MAMMAL,
    "gallus": ("bird", "vertebrate", "animal", "eukaryot"),
    "danio": ("fish", "vertebrate", "animal", "eukaryot"),
    "drosophila": _INSECT,
    "caenorhabditis": ("nematode", "animal", "eukaryot"),
    "arabidopsis": _BRASSICALES,
    "brassica": _BRASSICALES,
    "oryza": _GRASS,
    "zea": _GRASS,
    "sorghum": _GRASS,
    "triticum": _GRASS,
    "hordeum": _GRASS,
    "setaria": _GRASS,
    "brachypodium": _GRASS,
    "glycine": _LEGUME,
    "medicago": _LEGUME,
    "trifolium": _LEGUME,
    "solanum": ("nightshade", "angiosperm", "plant", "eukaryot"),
    "manihot": ("euphorbia", "angiosperm", "plant", "eukaryot"),
    "chlamydomonas": ("green alga", "plant", "eukaryot"),
    "saccharomyces": _YEAST,
    "schizosaccharomyces": ("fission yeast", *_YEAST),
    "escherichia": _BACTERIUM,
    "sars-cov-2": _VIRUS,
}
"""The groups of a genus, the narrowest first, as stems of words that describe corpora."""

_STEMS = sorted({stem for groups in _LINEAGE.values() for stem in groups})
_ANYTHING = ("metagenom", "domains of life")
"""Words for corpora of mixed origin, which exclude no species."""

_SYNTHETIC = ("synthetic", "synthetic construct", "random")

_SEVERAL = re.compile(r"\s*(?:[,;/+&]|\band\b|\bor\b)\s*")
_LATIN = re.compile(r"[a-z]+(us|um|ur|a|is|ii|ae|ns)")
_NO_EPITHET = ("data", "fauna", "flora", "genera", "genome", "genomes", "phyla", "reference", "species", "taxa")


def scientific(name: str) -> str:
    """Return a species' name in lower case, scientific where the common name is known."""
    folded = " ".join(name.lower().replace("_", " ").split())
    return _COMMON.get(folded, folded)


def misspelt(name: str) -> str:
    """Return the species that a name nearly spells, in a letter or two; '' where it spells it, or is like none.

    A species that is spelt wrong counts as another species, of which nothing was seen.
    """
    folded = scientific(name)
    if folded in SPECIES:
        return ""
    near = next(iter(difflib.get_close_matches(folded, SPECIES, 1, cutoff=0.8)), "")
    return near.capitalize() if abs(len(near) - len(folded)) < 2 and _edits(folded, near) <= 2 else ""


def _edits(a: str, b: str) -> int:
    """Return how many letters of two words differ outside of what both have in order."""
    same = sum(block.size for block in difflib.SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks())
    return max(len(a), len(b)) - same


def groups_of(name: str) -> tuple[str, ...] | None:
    """Return the groups that a species is in, the narrowest first; () for synthetic DNA, None if unknown."""
    folded = scientific(name)
    return () if folded in _SYNTHETIC else _LINEAGE.get(folded.partition(" ")[0])


def belongs(name: str, species: str) -> bool:
    """Return whether `name` means the species: words of its name, its common name, or a group that it is in."""
    described, full = scientific(name), scientific(species)
    if set(described.split()) <= set(full.split()):
        return True
    return any(stem in (groups_of(species) or ()) for stem in _stems(described))


def same_species(corpus: str, species: str) -> bool | None:
    """Return whether a corpus with this description includes the species; None where it may.

    Strains and subspecies belong to their species. The answer is no where both name different species, or where the
    corpus is of a group without the species; with other words, such as 'great apes', it is unknown.
    """
    described, full = scientific(corpus), scientific(species)
    if described == full:
        return True
    groups = groups_of(species)
    if groups == ():
        return False
    several = [part for part in _SEVERAL.split(described) if part]
    if len(several) > 1:
        answers = [same_species(part, species) for part in several]
        return True if True in answers else None if None in answers else False
    if any(word in described for word in _ANYTHING):
        return None
    if stems := _stems(described):
        return None if groups is None or any(stem in groups for stem in stems) else False
    if _is_one(described) and _is_one(full):
        return described.split()[:2] == full.split()[:2]
    return None


def related(corpus: str, species: str) -> bool:
    """Return whether two different species share a genus, or the narrowest known group."""
    a, b = scientific(corpus), scientific(species)
    if a == b or not (_is_one(a) and _is_one(b)):
        return False
    groups, other_groups = groups_of(a), groups_of(b)
    return a.partition(" ")[0] == b.partition(" ")[0] or bool(groups and other_groups and groups[0] == other_groups[0])


def _stems(described: str) -> list[str]:
    """Return the groups that a description names; 'eukaryotes' is not 'prokaryotes', 'vertebrate' no 'invertebrate'."""
    return [stem for stem in _STEMS if re.search(rf"\b{re.escape(stem)}", described)]


def _is_one(described: str) -> bool:
    """Return whether the words name one species or a strain: of a known genus, or with a Latin epithet."""
    genus, _, rest = described.partition(" ")
    epithet = rest.partition(" ")[0]
    if epithet in _NO_EPITHET or not re.fullmatch(r"[a-z][a-z-]+", epithet) or _stems(described):
        return described in _LINEAGE and not rest  # a virus of one word
    return genus in _LINEAGE or (genus not in _COMMON and bool(_LATIN.fullmatch(epithet)))
