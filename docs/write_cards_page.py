"""The page on the keys of cards, docs/cards.md, written from the dataclasses and tables that cards are checked by.

A key's meaning is the sentence on it in the docstring of its dataclass; those that have none are explained below.

python docs/write_cards_page.py
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from baserate.card_text import toml_value
from baserate.cards.model_file import MODEL_FILE, ModelFile
from baserate.cards.source import HUB_KEYS
from baserate.cards.task import METRICS, TYPES, WITH_ANY_RULE
from baserate.cards.values import TOML, hints, type_name
from baserate.sources.declared import SOURCES
from baserate.sources.hub import HubSet
from baserate.sources.source import keys_of
from baserate.sources.tables import Columns
from baserate.splits import RULES
from baserate.types import Exposure, Task

_INTRODUCTION = """\
# Every key of a card

A card is TOML: of a [task](own_task.md), which `baserate new task FILE` writes, or of a
[checkpoint in a folder](models.md#a-checkpoint-of-your-own), which `baserate new model FOLDER` writes. A key that is
not on this page is refused, with the nearest one that is; so is a value of another type. This page is written from
what cards are checked by.
"""

_ABOUT: Mapping[str, Mapping[str, str]] = {
    "task": {
        "name": "the task's name: letters, digits, `_`, `-` and `.`",
        "version": "raised whenever the examples or their split change",
        "kind": f"what is predicted: {', '.join(METRICS)}",
        "classes": "the names of the classes, of two the positive one last; or of labels, or of several measurements",
        "metrics": "the first is the primary one; without any, those that suit the kind",
        "description": "what is predicted from what",
        "citation": "a paper with its DOI, a database with its release, or in-house",
        "licence": "such as CC-BY-4.0",
        "species": "scientific names; exposure is judged by them",
        "assembly": "the assembly of each species, such as GRCh38",
        "length": "in bp, for readers only",
        "unit": "what a cluster is, such as 'gene'; without it what follows from the columns: "
        "[the estimand](statistics.md#the-estimand)",
        "coarser": "a larger unit that clusters lie in: one of the strata of [source], or 'chromosome' where the rows "
        "have places; its interval stands beside",
        "fixed": "what was chosen and is no sample, such as the species; without it the strata that metrics name",
        "margin": "the difference in the primary metric that counts as none, for `compare` and `gate`",
        "source": "the table [source], below",
        "split": "the table [split], below; files without parts of their own need one",
        "expect": "the table [expect], below",
    },
    "source": {
        "table": "a file of rows: delimited text, Parquet, Arrow, JSON lines or FASTA",
        "files": "several files of rows, one after the other",
        "peaks": "a file of intervals that are all positives, for which negatives are made",
        "drop_missing": "whether rows without a target (empty, NA, infinite, `.` in BED and VCF) are left out, counted",
        "replicates": "rows of one input, in one group and stratum: 'mean' makes them one example of their mean, "
        "'grouped' one group and one cluster; 'columns' takes the mean of several target columns",
        "leave_out": "values of `target` whose rows are left out, counted, such as variants of uncertain significance",
        "bed": "a BED, GFF3 or GTF file, or a table of intervals",
        "variants": "a VCF, or another table of variants",
        "genome": "a registered genome, or a FASTA file",
        "hub": "the data set's ORG/NAME on the hub",
        "revision": "a commit, a tag or a branch; a commit is never another data set tomorrow",
        "config": "the configuration, or several names where it changed",
        "folder": "a folder with one file, or a folder of classes, for each part",
        "sequence": "the column of the DNA",
        "target": "the column of the class, label or measurement, or a list of such columns",
        "sheet": "the sheet of a spreadsheet (.xlsx), by default the first",
        "header": "the number of rows above the header of a spreadsheet",
        "locus": "in place of `cluster`: stretches of the contig of that many bp are the clusters",
        "strata": "columns to report by, or that the split rule reads",
        "chrom": "the column of the contig, if it has none of the usual names",
        "start": "the column of the start, if it has none of the usual names",
        "end": "the column of the end, if it has none of the usual names",
        "width": "in bp, centred on the interval or the variant; 0 leaves each interval as long as it is",
        "labels": "with `span`, an HDF5 file of the labels",
        "span": "the bases of a bin; each bin is an example",
        "position": "the column of the position, if it has none of the usual names",
        "ref": "the column of REF, if it has none of the usual names",
        "alt": "the column of ALT, if it has none of the usual names",
        "position_base": "the number of a contig's first base: 0 as in BED, 1 as in VCF",
        "seed": "of the draw that `train_ratio` makes",
        "train_ratio": "with `span`: the commonest class keeps in train at most so many times the number of all others",
        "max_mismatch": "the share of rows whose REF may differ from the genome; they are left out, more are refused",
        "tasks": 'the members: a table of a name and a registered task, such as `{human = "a", fly = "b"}`',
        "train": "the members that are trained on",
    },
    "kind of source": {
        "table": "A file with a row for each example.",
        "hub": "A data set of the Hugging Face hub.",
        "folder": "Files that are split already: one, or a folder of classes, for each part.",
        "tasks": "Several tasks together, to train on one species and test on others.",
    },
    "split": {
        "rule": "the name of the rule",
        "seed": "of what is drawn or ordered by a hash",
        "column": "the stratum that the rule reads",
        "test": "what goes to test: names, or a share of all examples",
        "valid": "what goes to valid: names, or a share of all examples",
        "by_position.test": "regions, each a chromosome with its start and end in bp, from 0 and without the end",
        "by_position.valid": "the same for valid",
        "gap": "in bp; nearer groups are left out",
        "fold": "the one that is test; the next one is valid",
        "folds": "how many there are",
        "coverage": "the share of the shorter of two sequences over which relatives are similar",
        "threshold": "the similarity from which two sequences are relatives",
        "name": "the name of the preset",
        "valid_fraction": "the share that is moved from train to valid where the rule has no valid part",
        "valid_similarity": "with it, valid is that share of train, by whole families of such relatives",
        "cluster_similarity": "families of such relatives are what intervals sample",
    },
    "expect": {
        "train": "the number of rows of train, or a list of one for each class",
        "valid": "the same of valid",
        "test": "the same of test",
        "rows": "the number of all rows, with those that the split leaves out",
    },
}
"""What keys mean that no docstring explains to someone who writes a card."""

_PREPOSITION = "(?:Without|without|With|with|In|Of) "
_LIST = "(?:`[a-z_]+`(?:, | and | or |, and )?)*"


def cards_page() -> str:
    """Return the page as Markdown."""
    parts = [_INTRODUCTION, "## A task", "", *_table(_of_task()), ""]
    parts += ["## [source]", "", "One of the kinds below, each by the key that names its main file.", ""]
    for key, source in SOURCES.items():
        about = _about("kind of source", key) or _first_sentence(source)
        parts += [f"### {key}", "", about, "", *_table(_of_source(source)), ""]
    columns = {name: row for name, row in _of_source(Columns).items() if name not in HUB_KEYS}
    hub = {"hub": ("text in quotes", "required", _about("source", "hub"))}
    hub |= {name: _field("source", HubSet, name, value=_HUB_TYPES.get(name, "")) for name in HUB_KEYS}
    parts += ["### hub", "", _about("kind of source", "hub"), "", *_table(hub | columns), ""]
    folder = {"folder": ("text in quotes", "required", _about("source", "folder"))}
    parts += ["### folder", "", _about("kind of source", "folder"), "", *_table(folder | columns), ""]
    transfer = {
        "tasks": ("a table", "required", _about("source", "tasks")),
        "train": ("a list of text in quotes", "required", _about("source", "train")),
    }
    parts += ["### tasks", "", _about("kind of source", "tasks"), ""]
    parts += [*_table(transfer), "", "## [split]", "", "What each rule is for: [splits.md](splits.md).", ""]
    anywhere = {"rule": ("text in quotes", "required", _about("split", "rule"))}
    anywhere |= {name: ("a number", "none", _about("split", name)) for name in WITH_ANY_RULE}
    parts += ["### With any rule", "", *_table(anywhere), ""]
    for name, rule in RULES.items():
        own = {f.name: _field("split", rule, f.name) for f in fields(rule)}  # type: ignore[arg-type]
        parts += [f"### {name} (version {rule.version})", "", _first_sentence(rule), "", *_table(own), ""]
    counts = "a whole number, or a list of whole numbers"
    parts += ["## [expect]", "", "How many rows there must be; any other number is refused.", ""]
    parts += [*_table({name: (counts, "none", about) for name, about in _ABOUT["expect"].items()}), ""]
    parts += ["## A checkpoint", "", f"In `{MODEL_FILE}`, beside config.json.", ""]
    model = {f.name: _field("model", ModelFile, f.name) for f in fields(ModelFile)}
    model["pretraining"] = ("tables [[pretraining]]", "none", _about("model", "pretraining", ModelFile))
    parts += [*_table(model), "", "### [[pretraining]]", "", "What each corpus was: [exposure.md](exposure.md).", ""]
    parts += _table({f.name: _field("model", Exposure, f.name) for f in fields(Exposure)})
    return "\n".join(parts).rstrip() + "\n"


_HUB_TYPES = {
    name: "text in quotes, or a list of text in quotes" for name in ("config", "folders", "under")
} | {"files": "a table: a path for each part"}  # fmt: skip

_Row = tuple[str, str, str]
"""The type, the default and the meaning of a key."""


def _of_task() -> dict[str, _Row]:
    required = ("name", "kind", "source")
    defaults = {f.name: f.default for f in fields(Task)} | {"version": 1}
    rows = {}
    for name, of in TYPES.items():
        kind = "a list of text in quotes" if of is list else TOML[of].partition(",")[0]
        default = "required" if name in required else _default(defaults.get(name, MISSING))
        rows[name] = (kind, default, _about("task", name, Task))
    return rows


def _of_source(source: type) -> dict[str, _Row]:
    return {name: _field("source", source, name, required=needed) for name, needed in keys_of(source).items()}


def _field(section: str, of: Any, name: str, *, required: bool | None = None, value: str = "") -> _Row:
    """Return the row of a dataclass's field."""
    (found,) = (f for f in fields(of) if f.name == name)
    stated = None if section == "model" and found.default == 0 else found.default
    needed = found.default is MISSING and found.default_factory is MISSING if required is None else required
    return (
        value or type_name(hints(of)[name]),
        "required" if needed else _default(stated),
        _about(section, name, of),
    )


def _default(value: Any) -> str:
    if value is MISSING or value in ("", (), None):
        return "none"
    return f"`{toml_value(value)}`"


def _table(rows: Mapping[str, _Row]) -> list[str]:
    if not rows:
        return ["No keys."]
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, (kind, default, about) in rows.items():
        cells = (f"`{name}`", kind, "**required**" if default == "required" else default, about)
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return lines


def _about(section: str, key: str, of: Any = None) -> str:
    """Return what a key means, by the table above or by the docstrings of its dataclass and the bases of that."""
    known = _ABOUT.get(section, {})
    if about := known.get(f"{getattr(of, '__name__', '')}.{key}", known.get(key, "")):
        return about
    clauses = [clause for kind in (inspect.getmro(of) if of else ()) for clause in _clauses(kind)]
    subject = re.compile(rf"(?:{_PREPOSITION})?{_LIST}`{key}`")
    best = [c for c in clauses if subject.match(c)] or [c for c in clauses if f"`{key}`" in c][:1]
    plain = (re.sub(rf"^`{key}` (?:(?:is|are) )?", "", clause) for clause in best)
    return "; ".join(re.sub("^With", "with", clause) for clause in plain)


def _clauses(kind: type) -> Iterable[str]:
    """Return the sentences of a docstring, each cut at its semicolons."""
    text = " ".join((kind.__doc__ or "").split())
    return [clause for sentence in re.split(r"(?<=\.) (?=[A-Z`])", text) for clause in sentence.rstrip(".").split("; ")]


def _first_sentence(kind: Any) -> str:
    return re.split(r"(?<=\.) (?=[A-Z`])", " ".join((kind.__doc__ or "").split()))[0]


if __name__ == "__main__":
    Path(__file__).with_name("cards.md").write_text(cards_page(), encoding="utf-8")
