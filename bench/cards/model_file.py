"""The card of a checkpoint in a folder, `baserate.toml`: what it saw in pretraining, and what else no weights tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..dna.taxa import misspelt
from ..errors import ConfigError, check_keys, nearest
from ..exposure import readable_region
from ..networks.facts import most_bases, parameter_count
from ..pretraining.seen import training_of
from ..types import Exposure, Training
from .task import read_toml
from .values import check_values, frozen

MODEL_FILE = "baserate.toml"
"""The name of the file, beside config.json. It is no part of the digest that identifies the folder's weights."""

BLANK = "..."
"""What stands in a new card for a value that nobody has filled in."""


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """What a checkpoint's card says; every key may be left out.

    `description` says in one sentence what the model is. `architecture` is the class that config.json names.
    `parameters` is the number of weights, as in the safetensors. `tokenizer` says in words how DNA becomes tokens.
    `vocabulary` is the number of tokens, at most the vocab_size of config.json. `context` is how many bp fit, at most
    what config.json allows. `licence` is that of the weights, in-house if they are not shared. `citation` is a paper
    with its DOI, a repository with its revision, or in-house. `pretraining` are the corpora that it saw, a table each;
    those of the published checkpoint that it comes from are added. `training` is a
    name that the checkpoints of one training share. `bases` is how many the model had seen in pretraining, repeats
    counted; -1 says nothing. `operations` is what that cost.
    """

    description: str = ""
    architecture: str = ""
    parameters: int = 0
    tokenizer: str = ""
    vocabulary: int = 0
    context: int = 0
    licence: str = ""
    citation: str = ""
    training: str = ""
    bases: int = -1
    operations: float = 0.0
    pretraining: tuple[Exposure, ...] = ()

    @property
    def tokens(self) -> str:
        """The tokenizer in words, with the number of its tokens: '6-mers side by side (4,107)'."""
        return f"{self.tokenizer} ({self.vocabulary:,})" if self.tokenizer and self.vocabulary else self.tokenizer

    def trained(self, folder: Path) -> Training | None:
        """Return where the checkpoint in `folder` is in its pretraining: as the card says, else as its log does."""
        logged = training_of(folder)
        if self.bases < 0:
            return logged
        name = self.training or (logged.name if logged else folder.resolve().name)
        return Training(name, self.bases, self.operations, logged.config if logged else "")

    def corpora(self, known: tuple[Exposure, ...]) -> tuple[Exposure, ...]:
        """Return the corpora of the card after those that are known of the checkpoint, each once."""
        return tuple(dict.fromkeys((*known, *self.pretraining)))


def read_model_file(folder: Path, content: Mapping[str, Any], file: Path | None = None) -> ModelFile:
    """Return the card of the checkpoint in `folder`, an empty one where there is none; `content` is its config.json.

    Raises ConfigError, in one line that names file and key, for a key or a value that cannot be used, and for one that
    contradicts the checkpoint.
    """
    file = file or folder / MODEL_FILE
    if not file.exists():
        return ModelFile()
    where, table = str(file), read_toml(file)
    check_keys(table, [f.name for f in fields(ModelFile)], where)
    corpora = _corpora(table.pop("pretraining", []), where)
    _check_filled_in(table, where)
    check_values(table, ModelFile, f"{where}:")
    if table.get("bases", 0) < 0 or table.get("operations", 0) < 0:
        raise ConfigError(f"{where}: bases and operations are numbers from 0")
    if "bases" not in table and {"training", "operations"} & set(table):
        raise ConfigError(f"{where}: training and operations go with bases, the number that the model had seen")
    for key in ("parameters", "vocabulary", "context"):
        if table.get(key, 1) < 1:
            raise ConfigError(f"{where}: {key} = {table[key]}; expected a number above 0, or no such line")
    card = ModelFile(**table, pretraining=corpora)
    _check_facts(card, folder, content, where)
    return card


def _corpora(tables: Any, where: str) -> tuple[Exposure, ...]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(f"{where}: pretraining = {tables!r}; expected a table [[pretraining]] for each corpus")
    return tuple(_corpus(table, f"{where}: [[pretraining]] {i}") for i, table in enumerate(tables, 1))


def _corpus(table: Mapping[str, Any], where: str) -> Exposure:
    check_keys(table, [f.name for f in fields(Exposure)], where)
    for key in ("corpus", "species"):
        if key not in table:
            raise ConfigError(f"{where}: key {key!r} is missing")
    _check_filled_in(table, where)
    check_values(table, Exposure, where)
    if intended := misspelt(table["species"]):
        raise ConfigError(f"{where} species = {table['species']!r}; did you mean {intended!r}?")
    for key in ("regions", "held_out"):
        for region in table.get(key, ()):
            if not readable_region(region):
                raise ConfigError(
                    f"{where} {key}: {region!r}; expected a contig, a glob such as 'chr*', or 'chr1:0-50000000', in bp "
                    "from 0"
                )
    return Exposure(**frozen(table))


def _check_filled_in(table: Mapping[str, Any], where: str) -> None:
    for key, value in table.items():
        if BLANK in (value if isinstance(value, list) else [value]):
            raise ConfigError(f"{where}: {key} = {value!r} is still to fill in; write it, or leave the line out")


def _check_facts(card: ModelFile, folder: Path, content: Mapping[str, Any], where: str) -> None:
    """Raise ConfigError for a value that the checkpoint's own files contradict."""
    architectures = list(content.get("architectures") or ())
    if card.architecture and architectures and card.architecture not in architectures:
        near = (nearest(card.architecture, architectures) or architectures)[0]
        raise ConfigError(f"{where}: architecture = {card.architecture!r}; config.json has {near!r}")
    count = parameter_count(folder, content) if card.parameters else None
    if count is not None and card.parameters != count:
        raise ConfigError(f"{where}: parameters = {card.parameters:,}; the weights have {count:,}{_AGAIN}")
    size = content.get("vocab_size")
    if size and card.vocabulary > size:
        raise ConfigError(f"{where}: vocabulary = {card.vocabulary:,}; config.json has vocab_size = {size:,}{_AGAIN}")
    most = most_bases(folder, content) if card.context else None
    if most is not None and card.context > most[1]:
        tokens, bases = most
        raise ConfigError(
            f"{where}: context = {card.context:,} bp; at most {tokens:,} tokens fit, which spell {bases:,} bp{_AGAIN}"
        )


_AGAIN = "; correct it, or write the card again with baserate new model --force"
