"""The split that a new card proposes: the file's own, by chromosome, by group, by homology, or at random."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from statistics import median

from ..splits.rules import flagged_part, part_of
from . import columns as c
from .columns import Column
from .roles import Guess, Roles

VALID = 0.1
TEST = 0.2
LONG = 100
"""Bases from which unrelated sequences are not .8 similar by chance."""
MOST = 200_000
"""Most rows for which a split by homology is proposed."""

_PLACE = ("chrom", "start", "end", "strand", "ref", "alt")

_RANDOM = (
    "{why}, so rows are split at random, equal sequences together: test sequences may have relatives in train, which "
    "inflates scores; `baserate audit` finds them, and group = ... keeps the rows of a column's value together"
)


def propose_split(roles: Roles, *, intervals: bool) -> list[Guess]:
    """Return the keys of [split]; adds `group`, `cluster` and `strata` to the guesses for [source].

    `intervals` says whether the examples will have coordinates.
    """
    part = next((x for x in roles.free() if x.parts), None)
    if part is None:
        roles.notes += [
            f"column {x.name!r} names parts and no test part, so it is not used: write 'test' for the rows to test on"
            for x in roles.free()
            if x.untested and len(x.counts) > 1
        ]
    chrom = _chromosome(roles)
    group = _group(roles)
    if part is not None:
        return _predefined(roles, part, group)
    if chrom is not None:
        chosen = _hold_out(chrom.values, _labels(roles))
        if chosen is not None:
            return _by_chromosome(roles, chrom, group, *chosen, intervals=intervals)
    if group is not None:
        roles.take("group", group, f"{len(group.counts):,} recurring values; no {group.name} is in two parts")
        return _fractions("whole groups, in the order of a hash of their names")
    if intervals:
        return _fractions("too few chromosomes have every class; overlapping windows stay together")
    why = _unfit_for_homology(roles)
    if not why:
        return _by_homology(roles, "no column says which rows are related")
    split, note = at_random(why)
    roles.notes.append(note)
    return split


def at_random(why: str) -> tuple[list[Guess], str]:
    """Return the keys of a random split, and a note on what that means and why it is proposed."""
    return _fractions("at random, equal sequences together"), _RANDOM.format(why=why)


def in_proportion(why: str) -> tuple[list[Guess], str]:
    """Return the keys of a random split in which every class has its share of each part, with a note on why."""
    split = [Guess("rule", "stratified", "at random within each class, equal sequences together"), *_shares()]
    return split, _RANDOM.format(why=why)


def _by_homology(roles: Roles, why: str) -> list[Guess]:
    return [
        Guess("rule", "by_homology", f"{why}, so sequences that are similar on either strand stay together"),
        Guess("threshold", *_similarity(roles)),
        *_shares(),
    ]


def _similarity(roles: Roles) -> tuple[float, str]:
    """Return the similarity from which sequences are relatives, and why."""
    lengths = [len(v) for v in roles.columns[_name(roles, "sequence")].counts]
    if median(lengths) < LONG:
        return 0.9, f"the similarity; below {LONG} bp many are .8 similar by chance"
    return 0.8, "the similarity"


def carved(roles: Roles, why: str) -> list[Guess]:
    """Return the keys that cut valid from train: by families where sequences can be compared, else by group."""
    if "sequence" not in roles.taken.values() or _unfit_for_homology(roles):
        return [Guess("valid_fraction", VALID, f"{why}, by group")]
    return [
        Guess("valid_fraction", VALID, why),
        Guess("valid_similarity", _similarity(roles)[0], "by whole families, so that valid is not a copy of train"),
    ]


def _unfit_for_homology(roles: Roles) -> str:
    """Return why a split by homology does not suit: too many rows, short sequences, or one family; else ''."""
    if roles.sample.n > MOST:
        return f'about {roles.sample.n:,} rows are too many to compare by default (rule = "by_homology" can)'
    values = list(roles.columns[_name(roles, "sequence")].counts)[:400]
    if max(map(len, values)) < 30:
        return "the sequences are too short to recognise relatives"
    pairs = list(zip(values, values[len(values) // 2 :], strict=False))
    alike = [sum(x == y for x, y in zip(a, b, strict=False)) / max(len(a), len(b)) for a, b in pairs]
    return "the sequences are variants of one another" if sum(alike) > 0.6 * len(alike) else ""


def _fractions(reason: str) -> list[Guess]:
    return [Guess("rule", "by_group", reason), *_shares()]


def _shares() -> list[Guess]:
    return [Guess("test", TEST), Guess("valid", VALID)]


def _predefined(roles: Roles, part: Column, group: Column | None) -> list[Guess]:
    parts = _parts(part)
    count = Counter(name for name in parts if name)
    roles.taken[part.name] = "strata"
    roles.guesses.append(Guess("strata", [part.name], "read by the split"))
    if group is not None and _straddles(group, parts):
        roles.notes.append(
            f"values of {group.name!r} occur in more than one part of the split, so it is not used as the group"
        )
    elif group is not None:
        roles.take("group", group, f"{len(group.counts):,} recurring values, none in two parts of the split")
    sizes = ", ".join(f"{name} {n:,}" for name, n in count.items())
    out = [
        Guess("rule", "predefined", f"{part.name!r} gives the part of each row: {sizes}"),
        Guess("column", part.name),
    ]
    if "valid" not in count:
        out += carved(roles, "the file has no valid part, so a share of train is taken")
    return out


def row_by_row(roles: Roles) -> str:
    """Return a note on a file's own split that has rows of one group in two parts, of which it makes each row a group.

    A column that groups rows becomes the cluster.
    """
    ids = [name for role in ("id", *_PLACE) for name, other in roles.taken.items() if role == other]
    column = next((name for name, role in roles.taken.items() if role == "group"), "")
    roles.guesses = [guess for guess in roles.guesses if guess.key != "group"]
    cluster = roles.columns[column] if column else _group(roles)
    if cluster is not None:
        roles.take("cluster", cluster, f"{len(cluster.counts):,} recurring values; what intervals sample")
    group: str | list[str] = ids if roles.form != "sequences" else ids[0] if ids else "row"
    roles.guesses.append(Guess("group", group, "each row, since the file's own split stays as it is"))
    same = f"one value of {column!r}" if column else "one sequence" if roles.form == "sequences" else "one place"
    return f"rows of {same} are in two parts of the file's own split, which stays as it is, each row a group of its own"


def _parts(column: Column) -> list[str]:
    """Return the part of each row, '' where the column says none."""
    flagged = flagged_part(column.name, column.counts)
    if not flagged:
        return [part_of(v) for v in column.values]
    other = "test" if flagged == "train" else "train"
    true = ("true", "t", "yes", "1")
    return ["" if not v else flagged if v.lower() in true else other for v in column.values]


def _by_chromosome(
    roles: Roles, chrom: Column, group: Column | None, test: list[str], valid: list[str], *, intervals: bool
) -> list[Guess]:
    reason = f"{len(chrom.counts)} chromosomes" + ("; valid and test have every class" if roles.classes else "")
    if intervals:
        out = [Guess("rule", "by_chromosome", reason)]
    elif _straddles(roles.columns[_name(roles, "sequence")], chrom.values):
        several = "equal sequences occur on several chromosomes"
        if not _unfit_for_homology(roles):
            if group is not None:
                roles.take("cluster", group, f"{len(group.counts):,} recurring values; what intervals sample")
            return _by_homology(roles, several)
        roles.notes.append(f"{several}, so some may be in both train and test: `baserate audit` counts them")
        roles.take("group", chrom, f"{several}, so chromosomes are the groups")
        out = [Guess("rule", "by_group", reason)]
        if group is not None:
            roles.take("cluster", group, f"{len(group.counts):,} recurring values; what intervals sample")
        group = None
    else:
        roles.taken[chrom.name] = "strata"
        roles.guesses.append(Guess("strata", [chrom.name], "read by the split"))
        out = [Guess("rule", "by_stratum", reason), Guess("column", chrom.name)]
    if group is not None and not _straddles(group, chrom.values):
        roles.take("group", group, f"{len(group.counts):,} recurring values, each on one chromosome")
    out.append(Guess("test", test, f"{_share(chrom, test):.0%} of the rows read"))
    if valid:
        return [*out, Guess("valid", valid, f"{_share(chrom, valid):.0%}")]
    lacking = "no other chromosome has every class" if roles.classes else "no other chromosome is large enough"
    return [*out, *carved(roles, f"{lacking}; a share of train is taken")]


def _chromosome(roles: Roles) -> Column | None:
    assigned = next((name for name, role in roles.taken.items() if role == "chrom"), "")
    if assigned:
        return roles.columns[assigned]
    chromosomes = [x for x in roles.free() if x.chromosome]
    return chromosomes[0] if chromosomes and not chromosomes[0].empty else None


def _group(roles: Roles) -> Column | None:
    """Return the column that groups rows, judging by its name and recurring values; None where there is none."""
    rows = len(roles.sample)
    recurring = [x for x in roles.free() if x.named(c.GROUP) and 2 < len(x.counts) < rows and not x.empty]
    return min(recurring, key=lambda x: -len(x.counts), default=None)


def _labels(roles: Roles) -> Sequence[str]:
    if roles.kind != "classification" or roles.target is None:
        return [""] * len(roles.sample)
    return roles.target.values


def _name(roles: Roles, role: str) -> str:
    return next(name for name, other in roles.taken.items() if other == role)


def _straddles(column: Column, parts: Sequence[str]) -> bool:
    """Return whether a value of the column occurs in two parts."""
    seen: dict[str, str] = {}
    return any(seen.setdefault(value, part) != part for value, part in zip(column.values, parts, strict=True))


def _share(column: Column, values: Sequence[str]) -> float:
    return sum(column.counts[v] for v in values) / max(1, len(column.values))


def _hold_out(chrom: Sequence[str], labels: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """Return the chromosomes for test and for valid, each with every class that occurs; None where there are none.

    Test takes those nearest to 15 % of the rows until it has 10 % and every class; valid those nearest to 10 %, until
    it has 5 %.
    """
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for name, label in zip(chrom, labels, strict=True):
        rows[name][label] += 1
    n, classes = len(chrom), set(labels) - {""}  # which rows have that are left out
    if len(rows) > 300:
        return None  # scaffolds: a few of them do not hold enough rows

    def enough(names: Sequence[str], share: float) -> bool:
        have = sum((rows[name] for name in names), Counter())
        return have.total() >= share * n and set(have) >= classes

    def choose(among: list[str], ideal: float, least: float) -> list[str]:
        out: list[str] = []
        for name in sorted(among, key=lambda x: (abs(rows[x].total() / n - ideal), _natural(x))):
            rest = [x for x in among if x != name and x not in out]
            if enough(rest, 0.4) and not enough(out, least):
                out.append(name)
        return sorted(out, key=_natural) if enough(out, least) else []

    test = choose(list(rows), 0.15, 0.1)
    if not test:
        return None
    return test, choose([x for x in rows if x not in test], 0.1, 0.05)


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(piece), "") if piece.isdigit() else (1 << 30, piece) for piece in re.split(r"(\d+)", name))
