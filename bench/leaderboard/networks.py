"""Which network each record is of, and what tells networks of one name apart: a row is never of two."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..digests import canonical_json
from ..records import Record
from ..results import in_short, twin_revision

_FROZEN = ("zero_shot", "linear_probe", "as_is")
"""Modes after which the parameters of a model are those that were loaded, whatever its own `fit` does."""


@dataclass(frozen=True)
class Network:
    """A model by its name and its weights: two records of one network have all three in common.

    `parameters` is the hash of the weights where records prove that one revision stands for several, else ''.
    """

    name: str
    revision: str
    parameters: str = ""


@dataclass(frozen=True)
class Networks:
    """The network `of` each record by its hash, the `label` of each, and the `base` that each random twin is of.

    A base is known where the twin's revision follows from that of a pretrained network of the same records.
    """

    of: Mapping[str, Network]
    label: Mapping[Network, str]
    base: Mapping[Network, tuple[str, str]]

    def is_twin(self, twin: Record, r: Record) -> bool | None:
        """Return whether `twin` is the network of `r` with random weights; None where only their names say so."""
        network, base = self.of[r.hash], self.base.get(self.of[twin.hash])
        if base is not None:
            return base == (network.name, network.revision)
        # What has a place is a checkpoint, whose twin is known by its revision.
        named = twin.model.get("twin_of") in (r.spec.model, r.model.get("name")) and not r.model.get("place")
        return None if named else False


def networks_of(records: Sequence[Record]) -> Networks:
    """Return the networks of the records: those of one name are as many as have weights of their own."""
    pretrained = {(_name(r.spec.model, r.spec.revision), r.spec.revision) for r in records if not _is_twin(r)}
    twins: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, revision in sorted(pretrained):
        twins[twin_revision(revision)].append((name, revision))
    hashes = _conflicting(records)
    of: dict[str, Network] = {}
    base_of: dict[Network, tuple[str, str]] = {}
    for r in records:
        name = _name(r.spec.model, r.spec.revision)
        if not _is_twin(r):
            proved = r.parameter_hash if r.parameter_hash in hashes[name, r.spec.revision] else ""
            of[r.hash] = Network(name, r.spec.revision, proved)
            continue
        about = str(r.model["twin_of"])
        base = next((b for b in twins[r.spec.revision] if _name(about, b[1]) == b[0]), None)
        of[r.hash] = Network(f"{base[0]}_random" if base and name == f"{about}_random" else name, r.spec.revision)
        if base is not None:
            base_of[of[r.hash]] = base
    return Networks(of, _labels(records, of, base_of), base_of)


def _is_twin(r: Record) -> bool:
    return bool(r.model.get("twin_of"))


def _name(model: str, revision: str) -> str:
    """Return a model's name without the revision that it gets in a run with another model of its name."""
    return model.removesuffix(f"@{in_short(revision)}")


def _conflicting(records: Iterable[Record]) -> Mapping[tuple[str, str], set[str]]:
    """Return the parameter hashes of each name and revision under which one environment had several, else none.

    Between environments a hash differs by the precision and by how a package calls its parameters, which says nothing.
    Nor does it where the model's checks found that two loads differ.
    """
    seen: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for r in records:
        loads_alike = not any("two loads" in flag for flag in r.flags)
        if r.parameter_hash and loads_alike and r.spec.mode in _FROZEN and not _is_twin(r):
            where = {k: r.environment.get(k) for k in ("packages", "python", "platform", "device", "precision")}
            key = (_name(r.spec.model, r.spec.revision), r.spec.revision)
            seen[key][canonical_json([where, r.spec.params])].add(r.parameter_hash)
    several: dict[tuple[str, str], set[str]] = defaultdict(set)
    for key, by_place in seen.items():
        if any(len(hashes) > 1 for hashes in by_place.values()):
            several[key] = set().union(*by_place.values())
    return several


def _labels(
    records: Sequence[Record], of: Mapping[str, Network], base_of: Mapping[Network, tuple[str, str]]
) -> dict[Network, str]:
    """Return the names in tables: the model's own, with the shortest of what tells networks of one name apart.

    That is the folders above a checkpoint, else its revision; a twin is called after its base.
    """
    places: dict[Network, str] = {}
    by_name: dict[str, list[Network]] = defaultdict(list)
    for r in sorted(records, key=lambda r: str(r.model.get("place") or "")):
        network = of[r.hash]
        if network not in by_name[network.name]:
            by_name[network.name].append(network)
        if place := str(r.model.get("place") or ""):
            places.setdefault(network, place)
    label: dict[Network, str] = {}
    for name, networks in by_name.items():
        label |= next(
            proposed
            for proposed in _proposals(name, sorted(networks, key=lambda n: (n.revision, n.parameters)), places)
            if len(set(proposed.values())) == len(networks)
        )
    by_base = {(n.name, n.revision): text for n, text in label.items() if not n.parameters}
    for network, base in base_of.items():
        if network.name == f"{base[0]}_random" and base in by_base:
            label[network] = f"{by_base[base]}_random"
    count = Counter(label.values())
    return {n: f"{text}@{n.revision}{n.parameters}" if count[text] > 1 else text for n, text in label.items()}


def _proposals(name: str, networks: Sequence[Network], places: Mapping[Network, str]) -> Iterator[dict[Network, str]]:
    """Yield what networks of one name may be called, the shortest first; the last tells them apart in any case."""
    yield dict.fromkeys(networks, name)
    if all(n in places and name.startswith(places[n].rpartition("/")[2]) for n in networks):
        for parts in (2, 3):
            ends = {n: places[n].split("/")[-parts:] for n in networks}
            yield {n: "/".join([*end[:-1], name]) for n, end in ends.items()}
    for letters in (8, 16):
        yield {n: f"{name}@{_short(n.revision, letters)}" for n in networks}
        yield {n: f"{name}@{_short(n.parameters or n.revision, letters)}" for n in networks}
    yield {n: f"{name}@{n.revision}{n.parameters and '+'}{n.parameters}" for n in networks}


def _short(revision: str, letters: int) -> str:
    """Return what stands for a revision: the first letters of a digest without its kind, any other as it is."""
    text = revision.rpartition(":")[2]
    return text[:letters] if re.fullmatch(r"[0-9a-f]{12,}", text) else revision
