"""Cards of checkpoints: a local folder, or an id on the hub with or without '@revision'."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..capabilities import Model
from ..errors import ConfigError
from ..files import end_of
from ..networks.families import Checkpoint, Family, Head, head_of, identify, needs_code
from ..networks.hub import HEAD, Access, Location, check_trust, check_weights, fetch, read_config
from ..networks.settings import NETWORK, as_trained
from ..networks.weight_files import check_all_is_read
from ..pretraining.seen import on_the_way
from ..registry import fixed_revision
from ..results import twin_revision
from ..settings import Settings
from ..types import ModelCard
from .model_file import ModelFile, read_model_file

_RULES: Mapping[Head, str] = {"masked": "masked_llr", "causal": "causal_delta", "none": "embedding_distance"}
NO_ACCESS = Access()


def checkpoint_card(location: Location, access: Access = NO_ACCESS, *, random_weights: bool = False) -> ModelCard:
    """Return the card of the checkpoint at `location`, from its config.json, its own card and what is published.

    Its revision is the commit on the hub, or the digest of the folder's files. With `random_weights` it is the card of
    the same network with random weights, drawn anew for each seed. Raises ConfigError, in one line, where the
    checkpoint cannot be found, or needs custom code or pickles that the user did not allow.
    """
    content, commit = read_config(location)
    family, facts = identify(location.id, content)
    code = check_trust(location, commit, access) if needs_code(content, family) else ""
    if location.folder and family.load is None:
        check_all_is_read(location.folder, content, location.name)
    if location.folder and not random_weights and family.load is None:
        check_weights(location.folder, location.name, allow_pickle=access.allow_pickle)
    # A card may be loaded by another process, in another folder, and the hub's `main` may have moved by then.
    here = replace(location, folder=location.folder.absolute()) if location.folder else location
    pinned = here if here.folder else Location(location.name, None, commit)
    tuned, reading = _own_head(location) if not random_weights else ("", {})
    own = read_model_file(location.folder, content) if location.folder else ModelFile()
    known = facts or Checkpoint(location.id)
    training = own.trained(here.folder) if here.folder else None
    name = location.label
    if here.folder and training and on_the_way(here.folder) is not None:  # at_10_percent is in every training
        name = f"{training.name}/{name}"
    return ModelCard(
        name=f"{name}_random" if random_weights else name,
        load=functools.partial(_open, pinned, access, random_weights=random_weights),
        modes=modes_of("classifier" if tuned else head_of(content, family), random_weights=random_weights),
        settings={**NETWORK, "as_is": reading} if reading else NETWORK,
        params={"precision": "auto", "compiled": False},
        description=(own.description or _description(location, family, facts, own))
        + (f", fine-tuned on {tuned}" if tuned else "")
        + (", never trained" if random_weights else ""),
        revision=functools.partial(fixed_revision, twin_revision(commit) if random_weights else commit),
        parameters=own.parameters or known.parameters,
        context=own.context or known.context,
        tokenizer=own.tokens or known.tokenizer,
        pretraining=() if random_weights else own.corpora(known.pretraining),
        training=None if random_weights else training,
        licence=own.licence or known.licence,
        citation=own.citation or known.citation,
        family=family.name,
        twin_of=name if random_weights else "",
        twin=None if random_weights else functools.partial(checkpoint_card, here, access, random_weights=True),
        remote_code=code,
        place=end_of(here.folder) if here.folder else "",
    )


def fetch_weights(card: ModelCard) -> Path | None:
    """Return the folder with the files of a checkpoint's card, fetched if need be; None for a card of another kind.

    Raises ConfigError, in one line, where they cannot be fetched.
    """
    if not isinstance(card.load, functools.partial) or card.load.func is not _open:
        return None
    location, access = card.load.args
    content, commit = read_config(location)
    family, _ = identify(location.id, content)
    if family.load is not None:  # it finds its weights itself
        return None
    return fetch(location, commit, pickles=access.allow_pickle, code=needs_code(content, family))


def _own_head(location: Location) -> tuple[str, Settings]:
    """Return the task that a saved model was fine-tuned on, and how its head reads long sequences, if in its own way.

    The task is '' for a checkpoint without such a head.
    """
    if location.folder is None or not (location.folder / HEAD).exists():
        return "", {}
    try:
        head = json.loads((location.folder / HEAD).read_text())
        return str(head["trained_on"]) or "a task", as_trained(head["reading"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{location.folder / HEAD}: is not the head of a model that baserate saved") from error


def _open(
    location: Location, access: Access, *, random_weights: bool, precision: str = "auto", compiled: bool = False
) -> Model:
    from ..networks.checkpoint import open_checkpoint

    return open_checkpoint(location, access, random_weights=random_weights, precision=precision, compiled=compiled)


def _description(location: Location, family: Family, facts: Checkpoint | None, own: ModelFile) -> str:
    if facts is None:
        return f"checkpoint {location.name}" + (f", {own.architecture}" if own.architecture else "")
    is_published = facts.id.lower() == location.id.lower()
    return family.description if is_published else f"checkpoint {location.name}, made from {facts.id}"


def modes_of(head: Head, *, random_weights: bool) -> Mapping[str, Mapping[str, Any]]:
    """Return the modes of a network with this head, with the zero-shot rule that suits it."""
    modes: dict[str, Mapping[str, Any]] = {}
    if head in _RULES:
        modes["zero_shot"] = {"rule": _RULES[head]}
    elif not random_weights:
        modes["as_is"] = {}
    modes["linear_probe"] = {}
    modes["fine_tune"] = {}
    return modes
