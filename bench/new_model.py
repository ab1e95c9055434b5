"""A card for a checkpoint in a folder: what can be counted is counted, the rest is left as comments to fill in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from .card_text import card_line, one_line, toml_value
from .cards.model_file import BLANK, MODEL_FILE, read_model_file
from .errors import ConfigError, nearest
from .files import write_whole
from .networks.families import Checkpoint, identify
from .networks.hub import Location, locate, read_config
from .pretraining.config import read_config as read_pretraining
from .pretraining.seen import training_of
from .types import Exposure

_UNKNOWN = (
    ("description", "what the model is, in one sentence"),
    ("licence", "such as CC-BY-4.0; in-house if it is not shared"),
    ("citation", "a paper with its DOI, a repository with its revision, or in-house"),
)
"""The keys that no file of a checkpoint tells, with what to write."""

_CORPUS = (
    ("corpus", toml_value(BLANK), "such as human reference genome"),
    ("species", toml_value(BLANK), "such as Homo sapiens; of several, the group, such as mammals"),
    ("assembly", toml_value(BLANK), "such as GRCh38; coordinates are compared within one assembly"),
    ("regions", '["*"]', "all of it; or contigs, globs, and ranges such as chr1:0-50000000"),
    ("held_out", toml_value([BLANK]), "what it did not see, such as chr8"),
    ("level", '"train"', '"homologous" if it saw relatives of these regions, not the regions'),
)
"""The keys of a corpus, with their form and what to write."""


@dataclass(frozen=True)
class NewModel:
    """A card that was written: its path, its text, what was counted as pairs of key and value, what is left open."""

    path: Path
    text: str
    counted: tuple[tuple[str, str], ...]
    fill_in: tuple[str, ...]


def new_model(reference: str, *, force: bool = False) -> NewModel:
    """Return the card that was written beside the config.json of a checkpoint folder.

    Its parameters, tokenizer and context are counted: no weights are loaded, none of the folder's own code runs, and no
    pickle is read. A folder that `baserate pretrain` wrote has its corpora in the card. Raises ConfigError or
    DataError, in one line, where the folder is no checkpoint, cannot be written, or has a card and `force` is not
    given; the card is written whole or not at all.
    """
    location = _located(reference)
    folder = location.folder
    assert folder is not None
    path = folder / MODEL_FILE
    if path.exists() and not force:
        raise ConfigError(f"{path} exists already; edit it, or write a new one over it with --force")
    content, _ = read_config(location)
    family, listed = identify(location.id, content)
    from .networks.counted import counted  # torch

    known, training = counted(folder, content, family, where=location.name), training_of(folder)
    tokens = "" if known.tokens is None else f"bp, in {known.tokens:,} tokens"
    about = "; about, as subwords differ in length" if known.tokenizer == "subwords" else ""
    facts: list[tuple[str, str | int | float | None, str]] = [
        (key, value, reason)
        for key, value, reason in (
            ("architecture", known.architecture, "as config.json says"),
            ("parameters", known.parameters, "counted in the safetensors"),
            ("tokenizer", known.tokenizer, "as it reads random DNA"),
            ("vocabulary", known.vocabulary, "tokens"),
            ("context", known.context, tokens + about),
        )
        if value
    ]
    if training is not None:
        facts += [
            ("training", training.name, "whose checkpoints are compared by the bases that they had seen"),
            ("bases", training.bases, "seen in pretraining, by its log"),
            ("operations", training.operations, "spent on these"),
        ]
    corpora = _pretrained(folder)
    text = _text(location, facts, corpora, listed)

    def write(beside: Path) -> None:
        beside.write_text(text, encoding="utf-8")
        try:
            read_model_file(folder, content, beside)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(beside), str(path))) from error

    try:
        write_whole(path, write)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror or error})") from error
    open_keys = [*(key for key, _ in _UNKNOWN), *([] if corpora else ["pretraining"])]
    shown = tuple((key, f"{value:,}" if isinstance(value, int) else str(value)) for key, value, _ in facts)
    return NewModel(path, text, shown, tuple(open_keys))


def _located(reference: str) -> Location:
    if os.path.isfile(reference):  # noqa: PTH113 - Path raises for what cannot be a path
        raise ConfigError(f"{reference}: is a file; name the folder of the checkpoint, with its config.json")
    location = locate(reference)
    if location is not None and location.folder is not None:
        return location
    if location is not None and not reference.startswith((".", "/", "~")):
        raise ConfigError(
            f"{reference}: no such folder; of a model on the hub, first fetch a copy: hf download {location.name} "
            f"--local-dir {location.name.rpartition('/')[2]}"
        )
    path = Path(reference).expanduser()
    try:
        beside = [entry.name for entry in path.parent.iterdir() if entry.is_dir()]
    except (OSError, ValueError):
        beside = []
    near = nearest(path.name, beside)
    raise ConfigError(
        f"{reference}: no such folder" + (f"; did you mean {str(path.parent / near[0])!r}?" if near else "")
    )


def _pretrained(folder: Path) -> tuple[Exposure, ...]:
    """Return the corpora of a model that `baserate pretrain` trained, by the configuration that it left."""
    config = folder / "pretrain.toml"
    return tuple(c.exposure for c in read_pretraining(config).corpora) if config.is_file() else ()


def _text(
    location: Location,
    facts: Sequence[tuple[str, str | int | float | None, str]],
    corpora: Sequence[Exposure],
    listed: Checkpoint | None,
) -> str:
    lines = [
        f"# Written by `baserate new model` for {one_line(location.name)}; it is read wherever the folder is a model.",
        "# Lines without # were counted. Fill in what is known of the others, and remove their #.",
        "",
        *(card_line(key, toml_value(value), reason) for key, value, reason in facts),
        *(card_line(key, toml_value(BLANK), what, to_fill_in=True) for key, what in _UNKNOWN),
        "",
    ]
    if listed is not None and listed.pretraining:
        seen = ", ".join(f"{e.corpus} ({e.species})" for e in listed.pretraining)
        lines += [f"# It comes from {listed.id}, so it saw what that saw; this needs no table: {seen}.", ""]
    lines += [
        "# What it saw in pretraining: a table for each corpus. Without any, its exposure is unknown on every row.",
    ]
    if not corpora:
        lines += ["# [[pretraining]]", *(card_line(*line, to_fill_in=True) for line in _CORPUS)]
    for corpus in corpora:
        values = asdict(corpus)
        keys = [f.name for f in fields(Exposure) if values[f.name] not in ("", ())]
        lines += ["[[pretraining]]", *(card_line(key, toml_value(values[key])) for key in keys), ""]
    return "\n".join(lines).rstrip() + "\n"
