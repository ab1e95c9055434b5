"""From a sample to a proposed card: which column is what, and why. An open choice is an error that lists candidates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import ConfigError, DataError, nearest
from ..sources.bed import CHROM, END, START
from ..sources.numbers import ADVICE, MISSING
from ..types import Kind
from . import columns as c
from .columns import Column, column_of, joined_labels, row_of_words, zeros_and_ones
from .sample import BED, Sample

MAX_CLASSES = 1000
GUESSED_CLASSES = 30
"""Most classes of a target that the user did not name: what has more is rather names or free text."""
_NEGATIVE = re.compile(
    r"(no|non|not|neg|negative|benign|false|f|n|control|background|random|inactive|none|off|decoy|shuffled|"
    r"likely[ _]benign|absent|unbound|wt|weak|low|closed|unmethylated)([\W_].*)?|non[\W_]?.*|un.*|"
    r"in(active|tergenic|tron).*",
    re.I,
)


_PLAIN = ("0", "1", "true", "True", "yes", "pos", "positive", "Positive", "active", "strong", "high")


@dataclass(frozen=True)
class Guess:
    """A key of the card, its value, and the reason for it."""

    key: str
    value: Any
    reason: str = ""


@dataclass
class Roles:
    """The roles of the columns as they become known; `notes` are warnings for the user."""

    sample: Sample
    columns: Mapping[str, Column]
    kind: Kind = "classification"
    classes: tuple[str, ...] = ()
    guesses: list[Guess] = field(default_factory=list)
    taken: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    target: Column | None = None
    form: Literal["sequences", "intervals", "variants"] = "sequences"

    def take(self, role: str, column: Column, reason: str) -> None:
        """Assign the role to the column."""
        self.taken[column.name] = role
        self.guesses.append(Guess(role, column.name, reason))

    def free(self) -> list[Column]:
        """Return the columns without a role, in file order."""
        return [column for column in self.columns.values() if column.name not in self.taken]


def roles_of(
    sample: Sample, *, sequence: str, targets: Sequence[str], pair: tuple[str, str] = ("", ""), positive: str = ""
) -> Roles:
    """Return the roles of the columns. Raises DataError or ConfigError where they cannot be told.

    `sequence`, `targets` and the `pair` of REF and ALT are the columns that the user names; `positive` is the class
    that comes last of two.
    """
    roles = Roles(sample, {name: column_of(name, values) for name, values in sample.columns.items()})
    for option, names in (
        ("--sequence", [sequence]),
        ("--reference", [pair[0]]),
        ("--alternate", [pair[1]]),
        ("--target", targets),
    ):
        for name in filter(None, names):
            _require(roles, name, option)
    if bool(pair[0]) != bool(pair[1]) or (pair[0] and sequence):
        raise ConfigError("--reference and --alternate name the two sequences of a row: give both, without --sequence")
    places = find_places(roles)
    if "ref" in places:
        roles.form = "variants"
    elif "end" in places:
        roles.form = "intervals"
    if pair[0]:
        roles.form = "sequences"
        roles.take("sequence", roles.columns[pair[0]], "given by --reference")
        roles.take("alternate", roles.columns[pair[1]], "given by --alternate")
        _set_paired(roles, bool(targets))
    elif roles.form == "sequences":
        _sequence(roles, sequence, bool(targets))
    else:
        roles.taken |= {column.name: role for role, column in places.items()}
    if roles.kind != "paired":
        _target(roles, targets)
    _order(roles, positive)
    _id(roles)
    return roles


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
                f"{_short(column.values[row - 1])}; expected one sequence, or overlapping k-mers"
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
        roles.take("sequence", ref, f"DNA, {_bp(ref)}; the reference of two columns of DNA")
        roles.take("alternate", alt, f"DNA, {_bp(alt)}; the other of the two")
        return _set_paired(roles, has_target)
    named = [column for column in dna if column.named(c.PLAIN_SEQUENCE)] or dna
    if len(named) > 1:
        listed = some([f"{column.name!r} ({_bp(column)})" for column in named])
        raise DataError(
            f"{where}: {len(named)} columns hold DNA, {listed}; name the one to read with --sequence, or two alleles "
            "with --reference and --alternate"
        )
    only = "the only column of DNA" if len(dna) == 1 else "the column of DNA with this name"
    roles.take("sequence", named[0], f"{only}: {_bp(named[0])}, letters {named[0].letters()}")
    _alphabet(roles, named[0])
    bad = len([v for v in roles.columns[named[0].name].values if not v])
    if bad:
        roles.notes.append(f"{bad} rows have no sequence; remove them, or the card does not load")
    return None


def _set_paired(roles: Roles, has_target: bool) -> None:
    """Make the task one of pairs where two columns of DNA have no target."""
    if not has_target and not _candidates(roles):
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
        return set(column.key.split("_")) | {column.key}

    refs = [column for column in dna if words(column) & set(c.REFERENCE)]
    alts = [column for column in dna if words(column) & set(c.ALTERNATE)]
    if len(alts) == 1 and len(dna) == 2 and not refs:
        refs = [column for column in dna if column not in alts]
    return (refs[0], alts[0]) if len(refs) == len(alts) == 1 and refs[0] is not alts[0] else None


def _candidates(roles: Roles) -> list[Column]:
    """Return the columns that can be a target: not DNA, names, places or parts, and not constant."""
    return [column for column in roles.free() if not _why_not(column)]


def _why_not(column: Column) -> str:
    if column.holds == "nothing":
        return "empty"
    if len(column.counts) == 1:
        return f"always {next(iter(column.counts))!r}"
    if column.holds == "dna":
        return "DNA"
    if column.parts:
        return "parts of a split"
    if column.named(c.TARGET):
        return _not_classes(column)
    if column.chromosome or column.named(c.PLACE) or column.named(c.SPECIES):
        return "a place"
    if column.named(c.ID) or column.named(c.GROUP):
        return "names"
    if column.holds == "whole numbers" and column.unique and len(column.values) > 20:
        return "as many values as rows"
    return _not_classes(column)


def _unfit(column: Column) -> bool:
    """Return whether the values cannot be classes or measurements."""
    return len(column.counts) < 2 or bool(_not_classes(column))


def _not_classes(column: Column) -> str:
    """Return why the text of a column is no list of classes, '' where it may be one or is no text."""
    if column.holds != "text" or joined_labels(column):
        return ""
    n, rows = len(column.counts), len(column.values) - column.empty
    if n > max(2, rows // 2):
        return "as many values as rows"
    if n > GUESSED_CLASSES:
        return f"{n} values"
    words = sum(len(v.split()) * k for v, k in column.counts.items()) / max(rows, 1)
    return "free text" if n > 3 and words >= 3 else ""


def _target(roles: Roles, given: Sequence[str]) -> None:
    where = roles.sample.reference
    if given:
        return _set_target(roles, [roles.columns[name] for name in given], "given by --target", given=True)
    fourth = roles.columns.get("name")
    if roles.sample.form == "bed" and fourth is not None and not _unfit(fourth):
        return _set_target(roles, [fourth], "column 4 of a BED file")
    if roles.form == "intervals" and all(name.lower() in BED or name.isdigit() for name in roles.columns):
        # The score of BED is how dark a browser draws the interval, and what follows the strand is drawn too.
        free = [f"{column.name!r} ({describe(column)})" for column in roles.free() if len(column.counts) > 1][:4]
        measured = f", or, if a column is measured, name it with --target: {', '.join(free)}" if free else ""
        raise DataError(
            f"{where}: intervals without labels, which are positives without negatives; --negatives gc_matched makes "
            f"them of --genome, or add them and a column of labels (column 4 of BED){measured}"
        )
    candidates = _candidates(roles)
    if not candidates:
        unfit = [f"{column.name!r} ({_why_not(column)})" for column in roles.free()]
        listed = f": {some(unfit)}" if unfit else "; every row needs a label or a measurement"
        raise DataError(f"{where}: no column can be the target{listed}" + ("; name one with --target" if unfit else ""))
    if len(candidates) == 1:
        return _set_target(roles, candidates, "the only column that can be a target")
    named = [column for column in candidates if column.named(c.PLAIN_TARGET)]
    if len(named) == 1:
        return _set_target(roles, named, f"of {len(candidates)} columns that can be a target the one with this name")
    if len(candidates) > 2 and not named and all(set(column.counts) <= {"0", "1"} for column in candidates):
        return _set_target(roles, candidates, f"{len(candidates)} columns of 0 and 1, one for each label")
    listed = some([f"{column.name!r} ({describe(column)})" for column in (named or candidates)])
    raise DataError(f"{where}: {len(named or candidates)} columns can be the target: {listed}; name it with --target")


def _set_target(roles: Roles, chosen: Sequence[Column], reason: str, *, given: bool = False) -> None:
    where, first = roles.sample.reference, chosen[0]
    rows = len(roles.sample)
    for column in chosen:
        if column.holds == "nothing" or len(column.counts) < 2:
            only = f"always {next(iter(column.counts))!r}" if column.counts else "empty"
            raise DataError(f"{where}: column {column.name!r} is {only}; a target needs two values or more")
        numbers = column.numbers() if column.holds == "numbers" else None
        if numbers is not None and (numbers.doubt or numbers.lists):
            doubt = numbers.doubt or f"{numbers.lists} of labels"
            more = ", or ';' between labels" * bool(numbers.lists)
            raise DataError(f"{where}: column {column.name!r}: {doubt}; {ADVICE}{more}")
        if column.empty and not joined_labels(column):
            roles.notes.append(f"{column.empty} of {rows} rows have no {column.name!r}; remove them")
        roles.taken[column.name] = "target"
    roles.target = first
    if len(chosen) > 1:
        binary = all(set(column.counts) <= {"0", "1"} for column in chosen)
        if not binary and any(column.holds not in ("numbers", "whole numbers") for column in chosen):
            raise ConfigError(f"{where}: several --target columns must all be numbers, or all 0 and 1")
        roles.kind = "multilabel" if binary else "regression"
        roles.classes = tuple(column.name for column in chosen)
        roles.guesses.append(Guess("target", [column.name for column in chosen], reason))
        return
    roles.guesses.append(Guess("target", first.name, f"{reason}: {describe(first)}"))
    listed = next((value for value in first.counts if value.startswith("[") and value.endswith("]")), "")
    if listed:
        raise DataError(
            f"{where}: column {first.name!r} has lists as text, such as {_short(listed)}; expected labels joined "
            "by ';', without ';' or ',' in a label"
        )
    labels = [str(i) for i in range(zeros_and_ones(first))] or joined_labels(first)
    if labels:
        roles.kind, roles.classes = "multilabel", ordered(labels)
        return
    roles.kind = "classification"
    if first.holds in ("numbers", "whole numbers") and not _few_whole(first, rows):
        roles.kind = "regression"
        odd = sum(n for v, n in first.counts.items() if v.lower() in MISSING)
        if odd:
            roles.notes.append(f"{odd} of {rows} rows have no number in {first.name!r}; remove them")
        return
    if len(first.counts) > MAX_CLASSES or first.unique or len(first.counts) > max(2, (rows - first.empty) // 2):
        raise DataError(
            f"{where}: column {first.name!r} has {len(first.counts)} values in {rows} rows: too many for classes, "
            "and they are not numbers"
        )
    single = [value for value, n in first.counts.items() if n == 1]
    if single and roles.sample.whole and rows > 20 and not given:
        raise DataError(
            f"{where}: column {first.name!r}: classes with one row, such as {_short(single[0])!r} ({len(single)} of "
            f"{len(first.counts)}); leave them out, or say that it is the target with --target"
        )
    roles.classes = ordered(_merged(roles, first))


def _merged(roles: Roles, column: Column) -> list[str]:
    """Return the classes, those that differ only in their case as one, spelt as most rows have it, with a note."""
    spelt: dict[str, list[str]] = {}
    for value, _ in column.counts.most_common():
        spelt.setdefault(value.lower(), []).append(value)
    for several in spelt.values():
        if len(several) > 1:
            roles.notes.append(f"{some(list(map(repr, several)))} of {column.name!r} are one class, {several[0]!r}")
    return [several[0] for several in spelt.values()]


def _order(roles: Roles, positive: str) -> None:
    """Put the positive class last, or note that nothing says which of two it is."""
    where, classes = roles.sample.reference, roles.classes
    two = roles.kind == "classification" and len(classes) == 2
    if positive:
        if not two or positive not in classes:
            raise ConfigError(f"{where}: --positive {positive!r}: expected one of two classes, {some(list(classes))}")
        roles.classes = (next(name for name in classes if name != positive), positive)
    elif two and roles.form == "sequences" and not any(_NEGATIVE.fullmatch(v) or v in _PLAIN for v in classes):
        roles.notes.append(
            f"no word says which of {classes[0]!r} and {classes[1]!r} is the positive class of AUPRC and F1: the card "
            f"takes {classes[1]!r}; --positive {classes[0]!r} the other"
        )


def _few_whole(column: Column, rows: int) -> bool:
    """Return whether the numbers are whole and few enough to be classes."""
    values = list(column.counts)
    whole = all(re.fullmatch(r"[+-]?\d+([.,]0*)?", v) for v in values)
    return whole and len(values) <= 20 and (len(values) == 2 or rows >= 5 * len(values))


def ordered(labels: Sequence[str]) -> tuple[str, ...]:
    """Return class names in order: numbers by value; words alphabetically, negative ones first."""
    try:
        return tuple(sorted(labels, key=lambda v: (float(v), v)))
    except ValueError:
        return tuple(sorted(labels, key=lambda v: (not _NEGATIVE.fullmatch(v), v)))


def _id(roles: Roles) -> None:
    unique = [column for column in roles.free() if column.unique and column.holds in ("text", "whole numbers")]
    named = [column for column in unique if column.named(c.ID)] or [x for x in unique if x.holds == "text"]
    if named and roles.form != "intervals":
        roles.take("id", named[0], "different in every row that was read")


def _bp(column: Column) -> str:
    low, high = column.lengths()
    return f"{low} bp" if low == high else f"{low} to {high} bp"


def describe(column: Column) -> str:
    """Return a short description of the content of a column."""
    if column.holds == "dna":
        return f"DNA, {_bp(column)}"
    if column.holds in ("numbers", "whole numbers") and len(column.counts) > 20:
        numbers = column.numbers()
        if numbers is None or not numbers.values:
            return "no numbers"
        notation = f" with {numbers.notation}" if numbers.notation else ""
        return f"{column.holds}{notation}, {min(numbers.values):g} to {max(numbers.values):g}"
    common = ", ".join(f"{_short(v)}: {n:,}" for v, n in column.counts.most_common(4))
    more = ", ..." if len(column.counts) > 4 else ""
    return f"{len(column.counts)} value{'s' * (len(column.counts) != 1)}: {common}{more}" if common else "nothing"


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:20]}...({len(text)})"


def some(names: Sequence[str], most: int = 8) -> str:
    """Return the first names and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _listed(columns: Iterable[Column]) -> str:
    return some([f"{column.name!r}: {describe(column)}" for column in columns], 6)
