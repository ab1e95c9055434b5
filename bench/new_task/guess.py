"""From a sample to a proposed card: which column is what, and why. An open choice is an error that lists candidates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ..errors import ConfigError, DataError, nearest
from ..sources.bed import CHROM, END, START
from . import columns as c
from .choices import Choices
from .columns import Column, column_of, row_of_words
from .replicates import choose_replicates
from .roles import Guess, Roles, bp, describe, short, some
from .sample import Sample
from .target import candidates, choose_target, order_classes


def roles_of(sample: Sample, choices: Choices) -> Roles:
    """Return the roles of the columns. Raises DataError or ConfigError where they cannot be told."""
    roles = Roles(sample, _columns(sample, point=sample.form != "table"), drop_missing=choices.drop_missing)
    reference, alternate = choices.reference, choices.alternate
    for option, names in (
        ("--sequence", [choices.sequence]),
        ("--reference", [reference]),
        ("--alternate", [alternate]),
        ("--target", choices.targets),
    ):
        for name in filter(None, names):
            _require(roles, name, option)
    if bool(reference) != bool(alternate) or (reference and choices.sequence):
        raise ConfigError("--reference and --alternate name the two sequences of a row: give both, without --sequence")
    places = find_places(roles)
    if places and sample.form == "table":
        roles.columns = _columns(sample, point=True)
        places = find_places(roles)
    if "ref" in places:
        roles.form = "variants"
    elif "end" in places:
        roles.form = "intervals"
    if reference:
        roles.form = "sequences"
        roles.take("sequence", roles.columns[reference], "given by --reference")
        roles.take("alternate", roles.columns[alternate], "given by --alternate")
        _set_paired(roles, bool(choices.targets))
    elif roles.form == "sequences":
        _sequence(roles, choices.sequence, bool(choices.targets))
    else:
        roles.taken |= {column.name: role for role, column in places.items()}
    if roles.kind != "paired":
        choose_target(roles, choices.targets)
    order_classes(roles, choices.positive)
    _id(roles)
    choose_replicates(roles, choices.replicates)
    return roles


def _columns(sample: Sample, *, point: bool) -> dict[str, Column]:
    return {name: column_of(name, values, point=point) for name, values in sample.columns.items()}


def find_places(roles: Roles) -> dict[str, Column]:
    """Return the coordinate columns by role, with ref and alt for variants or end for intervals; else none.

    A table that has sequences needs no coordinates.
    """
    if any(x.holds == "dna" and x.lengths()[0] >= 10 and not x.named(("ref", "alt")) for x in roles.columns.values()):
        return {}
    usual = {"chrom": CHROM, "start": START, "end": END, "strand": ("strand",), "ref": c.REF, "alt": c.ALT}
    lower = {name.lower().lstrip("#"): column for name, column in reversed(list(roles.columns.items()))}
    places = {
        role: lower[name] for role, names in usual.items() if (name := next((n for n in names if n in lower), ""))
    }
    if not {"chrom", "start"} <= places.keys() or "numbers" not in places["start"].holds:
        return {}
    if {"ref", "alt"} <= places.keys():
        return {role: column for role, column in places.items() if role not in ("end", "strand")}
    return {role: column for role, column in places.items() if role not in ("ref", "alt")} if "end" in places else {}


def _require(roles: Roles, name: str, option: str) -> None:
    if name not in roles.columns:
        near = nearest(name, roles.columns)
        advice = f"did you mean {near[0]!r}?" if near else f"columns: {', '.join(roles.columns)}"
        raise ConfigError(f"{roles.sample.reference}: {option} {name!r}: no such column; {advice}")


def _sequence(roles: Roles, given: str, has_target: bool) -> None:
    where, dna = roles.sample.reference, [column for column in roles.columns.values() if column.holds == "dna"]
    for column in [roles.columns[given]] if given else [] if dna else roles.columns.values():
        if row := row_of_words(column):
            raise DataError(
                f"{where}: {_row(roles, row)}: column {column.name!r} is several words of DNA, "
                f"{short(column.values[row - 1])}; expected one sequence, or overlapping k-mers"
            )
    if any(column.lengths()[1] >= 20 for column in dna):  # beside which single alleles are no sequences
        dna = [column for column in dna if column.lengths()[1] >= 10]
    if given:
        chosen = roles.columns[given]
        if chosen.holds != "dna" and not all(set(v.upper()) <= set("ACGTUN") for v in chosen.counts):
            raise DataError(f"{where}: --sequence {given!r}: the column holds {describe(chosen)}, not DNA")
        roles.take("sequence", chosen, "given by --sequence")
        return _alphabet(roles, chosen)
    if not dna:
        raise DataError(f"{where}: no column holds DNA ({_listed(roles.columns.values())}); name one with --sequence")
    pair = _pair(dna)
    if pair:
        ref, alt = pair
        _alphabet(roles, *pair)
        roles.take("sequence", ref, f"DNA, {bp(ref)}; the reference of two columns of DNA")
        roles.take("alternate", alt, f"DNA, {bp(alt)}; the other of the two")
        return _set_paired(roles, has_target)
    named = [column for column in dna if column.named(c.PLAIN_SEQUENCE)] or dna
    if len(named) > 1:
        listed = some([f"{column.name!r} ({bp(column)})" for column in named])
        raise DataError(
            f"{where}: {len(named)} columns hold DNA, {listed}; name the one to read with --sequence, or two alleles "
            "with --reference and --alternate"
        )
    only = "the only column of DNA" if len(dna) == 1 else "the column of DNA with this name"
    roles.take("sequence", named[0], f"{only}: {bp(named[0])}, letters {named[0].letters()}")
    _alphabet(roles, named[0])
    bad = len([v for v in roles.columns[named[0].name].values if not v])
    if bad:
        roles.notes.append(f"{bad} rows have no sequence; remove them, or the card does not load")
    return None


def _set_paired(roles: Roles, has_target: bool) -> None:
    """Make the task one of pairs where two columns of DNA have no target."""
    if not has_target and not candidates(roles):
        ref, alt = (next(n for n, role in roles.taken.items() if role == r) for r in ("sequence", "alternate"))
        roles.kind = "paired"
        roles.notes.append(f"no column can be the target, so the task is to tell which is real: {ref!r} or {alt!r}")


def _row(roles: Roles, row: int) -> str:
    """Return the name of a row of the sample, whose number is known where all rows were read."""
    return f"row {row}" if roles.sample.whole else "a row"


def _alphabet(roles: Roles, *chosen: Column) -> None:
    """Add the alphabet where it is RNA, and a note on k-mers. Raises DataError where there are both T and U."""
    where, seen = roles.sample.reference, {"T": "", "U": ""}
    for column in chosen:
        if column.kmers:
            roles.notes.append(f"column {column.name!r} holds overlapping k-mers, which are joined to sequences")
        for letter in seen:
            row = next((row for row, value in enumerate(column.values, 1) if letter in value.upper()), 0)
            seen[letter] = f"{_row(roles, row)} of {column.name!r}" if row and not seen[letter] else seen[letter]
    if all(seen.values()):
        raise DataError(f"{where}: {seen['T']} has T and {seen['U']} has U; write all sequences in one alphabet")
    if seen["U"]:
        roles.guesses.append(Guess("alphabet", "RNA", "sequences have U and no T; every U is read as T"))


def _pair(dna: Sequence[Column]) -> tuple[Column, Column] | None:
    """Return the columns of REF and ALT, or of the real and the perturbed sequence, judging by their names."""

    def words(column: Column) -> set[str]:
        camel = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column.name).lower()  # RefAllele
        return {*column.key.split("_"), *re.split(r"[\W_]+", camel), column.key}

    refs = [column for column in dna if words(column) & set(c.REFERENCE)]
    alts = [column for column in dna if words(column) & set(c.ALTERNATE)]
    if len(alts) == 1 and len(dna) == 2 and not refs:
        refs = [column for column in dna if column not in alts and _changed(column, alts[0])]
    return (refs[0], alts[0]) if len(refs) == len(alts) == 1 and refs[0] is not alts[0] else None


def _changed(ref: Column, alt: Column) -> bool:
    """Return whether most rows of `alt` are those of `ref` changed in one place, or their letters in another order."""

    def same(one: str, other: str) -> int:
        return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))

    def is_changed(one: str, other: str) -> bool:
        ends = same(one, other) + same(one[::-1], other[::-1])
        return 2 * ends >= min(len(one), len(other)) or sorted(one) == sorted(other)

    pairs = list(zip(ref.values[:200], alt.values[:200], strict=True))
    return 2 * sum(is_changed(one.upper(), other.upper()) for one, other in pairs) > len(pairs)


def _id(roles: Roles) -> None:
    unique = [column for column in roles.free() if column.unique and column.holds in ("text", "whole numbers")]
    named = [column for column in unique if column.named(c.ID)] or [x for x in unique if x.holds == "text"]
    if named and roles.form != "intervals":
        roles.take("id", named[0], "different in every row that was read")


def _listed(columns: Iterable[Column]) -> str:
    return some([f"{column.name!r}: {describe(column)}" for column in columns], 6)
