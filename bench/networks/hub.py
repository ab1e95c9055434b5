"""From a model's name to a folder of files: a local directory, or a hub id at a commit."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from ..cache.folder import file_digest
from ..cache.remote import hub_download, hub_errors, hub_snapshot, no_network
from ..digests import digest
from ..errors import ConfigError
from .families import FAMILIES, published
from .weight_files import check_no_adapter, weight_files

WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
PICKLES = ("pytorch_model*.bin", "pytorch_model.bin.index.json")
HEAD = "baserate_head.json"
"""The file with the head of a fine-tuned network, beside its weights."""
_INDICES = (WEIGHTS[1], PICKLES[1])
_TEXT = ("*.json", "*.txt", "*.model", "*.jinja")
_CODE = ("*.py",)
_PICKLES_OPTION = "--allow-pickle; from Python: allow_pickle=True"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass(frozen=True)
class Access:
    """What the user allowed: models whose own code may run, as 'name@revision', and pickled weights."""

    trusted: tuple[str, ...] = ()
    allow_pickle: bool = False


@dataclass(frozen=True)
class Location:
    """A model as the user named it, without '@revision'; `folder` is None for a hub id.

    `known_as` is the hub id that the user says a folder is a copy of.
    """

    name: str
    folder: Path | None
    revision: str
    known_as: str = ""

    @property
    def id(self) -> str:
        """The hub id of the model, or the one that its folder is known as; else the folder as the user named it."""
        return self.known_as or self.name

    @property
    def label(self) -> str:
        """The name that tables show: the hub id, or the name of the folder."""
        return self.folder.resolve().name if self.folder else self.name


def locate(name: str) -> Location | None:
    """Return where the model `name` is: in a local folder or at `org/model`; None if neither. '@revision' may follow.

    `org/model=folder` is a folder that the user says is a copy of that published checkpoint. Without '@revision' the
    revision is the main one, or another where the main one is known to be wrong. Raises ConfigError where the folder of
    a copy does not exist, or its checkpoint is not listed.
    """
    # A folder may have '@' in its name.
    base, _, revision = (name, "", "") if _is_folder(name) else name.partition("@")
    if base and _is_folder(base):
        return Location(base, Path(base).expanduser(), revision)
    known, equals, copy = base.partition("=")
    if equals and _HUB_ID.fullmatch(known):
        return _copy(known, copy, revision)
    if not _HUB_ID.fullmatch(base):
        return None
    listed = published(base)
    return Location(base, None, revision or (listed[1].revision if listed else ""))


def _is_folder(text: str) -> bool:
    return os.path.isdir(os.path.expanduser(text))  # noqa: PTH111, PTH112 - Path raises for what cannot be a path


def _copy(known: str, folder: str, revision: str) -> Location:
    listed = published(known)
    if listed is None:
        near = difflib.get_close_matches(known, [c.id for f in FAMILIES.all().values() for c in f.checkpoints], 1)
        raise ConfigError(
            f"{known}={folder}: {known} is not a listed checkpoint{f'; did you mean {near[0]}?' if near else ''}"
        )
    if not folder or not _is_folder(folder):
        raise ConfigError(f"{known}={folder}: no such folder; a checkpoint is a folder with a config.json")
    return Location(folder, Path(folder).expanduser(), revision, listed[1].id)


def read_config(location: Location) -> tuple[Mapping[str, Any], str]:
    """Return the content of config.json, and the commit of a hub id or the digest of a folder's files.

    Its `auto_map` is completed by that of tokenizer_config.json, so that it names all of the checkpoint's own code.
    Raises ConfigError, in one line, where the model or its revision does not exist, is gated, or cannot be reached.
    """
    if location.folder is not None:
        revision = folder_digest(location.folder)
        if location.revision and location.revision != revision:
            raise ConfigError(f"{location.name}: its files have the digest {revision}, not {location.revision}")
        if not (location.folder / "config.json").exists():
            check_no_adapter(location.folder, {}, location.name)  # its folder alone has no configuration
        content = _configuration(location.folder / "config.json", location.folder)
        return _with_tokenizer_code(content, location.folder / "tokenizer_config.json"), revision
    with _errors_of_hub(location):
        from huggingface_hub.errors import EntryNotFoundError, OfflineModeIsEnabled

        file = hub_download(location.name, "config.json", revision=location.revision or None, repo_type="model")
        with suppress(EntryNotFoundError, OfflineModeIsEnabled, *no_network()):  # then it has none, as far as is known
            hub_download(location.name, "tokenizer_config.json", revision=file.parent.name, repo_type="model")
    content = _configuration(file, Path(location.name))
    return _with_tokenizer_code(content, file.with_name("tokenizer_config.json")), file.parent.name


def _with_tokenizer_code(content: Mapping[str, Any], file: Path) -> Mapping[str, Any]:
    mapped = _parse(file, file.parent).get("auto_map") if file.exists() else None
    if not (_is_map(mapped) or _is_class(mapped)):
        raise ConfigError(
            f"{file}: auto_map: expected the name of a class, a list or an object of them, not {mapped!r}"
        )
    if not mapped:
        return content
    tokenizer = mapped.get("AutoTokenizer") if isinstance(mapped, dict) else mapped
    return {
        **content,
        "auto_map": {**(content.get("auto_map") or {}), **({"AutoTokenizer": tokenizer} if tokenizer else {})},
    }


def fetch(location: Location, commit: str, *, pickles: bool, code: bool) -> Path:
    """Return the folder with the model's files: a local folder as it is, a hub id's snapshot at `commit`.

    Raises ConfigError, in one line, where they cannot be fetched.
    """
    if location.folder is not None:
        folder = location.folder
    else:
        with _errors_of_hub(location):
            folder = hub_snapshot(location.name, commit, [*_TEXT, *WEIGHTS, *(_CODE if code else ())])
            if pickles and not _any(folder, WEIGHTS):
                hub_snapshot(location.name, commit, PICKLES)
    return folder


def check_weights(folder: Path, where: str, *, allow_pickle: bool, own_loader: bool = False) -> None:
    """Raise ConfigError unless the folder has weights in a format that may be read, and has all that its index names.

    With an `own_loader` the family finds its weights itself, and these are pickles.
    """
    for pattern in _INDICES:
        for file in sorted(folder.glob(pattern)):
            _check_index(file)
    readable = allow_pickle and (own_loader or _any(folder, PICKLES))
    if readable or (_any(folder, WEIGHTS) and not own_loader):
        return
    if own_loader or _any(folder, PICKLES):
        raise ConfigError(
            f"{where}: its weights are pickles, which can run code when they are read; convert them to safetensors, or "
            f"allow them ({_PICKLES_OPTION})"
        )
    raise ConfigError(
        f"{where}: no model.safetensors" + ("" if allow_pickle else f" (pickles are read with {_PICKLES_OPTION})")
    )


def code_digest(folder: Path) -> str:
    """Return the digest of a folder's Python files, which pins its code."""
    files = sorted(folder.rglob("*.py"))
    return digest(*(part for f in files for part in (str(f.relative_to(folder)), f.read_bytes())))


def check_trust(location: Location, commit: str, access: Access) -> str:
    """Return the pinned revision whose code the user allowed to run. Raises ConfigError, with the option to pass."""
    pinned = code_digest(location.folder) if location.folder else commit
    revisions = {t.rpartition("@")[0]: t.rpartition("@")[2] for t in access.trusted}
    trusted = f"{location.name}@{pinned}"
    option = f"--trust-remote-code {trusted} (from Python: trust_remote_code=[{trusted!r}])"
    allowed = revisions.get(location.name)
    if allowed is None:
        if location.name in access.trusted:
            raise ConfigError(f"{location.name}: trusted at no revision; name the one that you have read: {option}")
        raise ConfigError(f"{location.name}: needs its own code to run; read it, then allow it with {option}")
    if allowed != pinned:
        what = "its code now has the digest" if location.folder else "it is at commit"
        raise ConfigError(f"{location.name}: trusted at {allowed}, but {what} {pinned}; read what changed first")
    return pinned


def check_own_code(content: Mapping[str, Any], where: str) -> None:
    """Raise ConfigError where a configuration takes code from another model: no revision of this one pins it."""
    for value in (content.get("auto_map") or {}).values():
        for name in value if isinstance(value, (list, tuple)) else [value]:
            other, dashes, _ = (name or "").rpartition("--")
            if dashes:
                raise ConfigError(
                    f"{where}: takes code from {other}, at no revision; copy its .py files into the folder and take "
                    f"{other + dashes!r} out of the .json files"
                )


def folder_digest(folder: Path) -> str:
    """Return the digest of all files of a checkpoint folder that decide what it computes, or may.

    Raises DataError for a file that cannot be read.
    """
    files = {f for pattern in (*_TEXT, *WEIGHTS, *PICKLES, "*.pt") for f in folder.glob(pattern)}
    files |= set(weight_files(folder))
    files |= {f for pattern in _CODE for f in folder.rglob(pattern)}
    files = {f for f in files if not f.is_dir()}
    return digest(*(part for f in sorted(files) for part in (str(f.relative_to(folder)), file_digest(f))))


def _check_index(file: Path) -> None:
    """Raise ConfigError unless all weights that an index names lie beside it."""
    shards = _parse(file, file).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(shard, str) for shard in shards.values()):
        raise ConfigError(f"{file}: weight_map: expected an object from the names of weights to files")
    for shard in sorted(set(shards.values())):
        if Path(shard).name != shard:
            raise ConfigError(
                f"{file}: weight_map: names {shard!r}; expected a file beside it, so that the folder's digest covers "
                "all weights; move that file into the folder, and change its name in the index"
            )


def _configuration(file: Path, where: Path) -> Mapping[str, Any]:
    """Return the content of config.json. Raises ConfigError where a key that is read here has the wrong type."""
    content = _parse(file, where)
    architectures = content.get("architectures") or ()
    expectations = {
        "model_type": ("a string", isinstance(content.get("model_type", ""), (str, NoneType))),
        "_name_or_path": ("a string", isinstance(content.get("_name_or_path", ""), (str, NoneType))),
        "vocab_size": ("a whole number", isinstance(content.get("vocab_size", 0), (int, NoneType))),
        "architectures": (
            "a list of strings",
            isinstance(architectures, (list, tuple)) and all(isinstance(n, str) for n in architectures),
        ),
        "auto_map": ("an object of class names", _is_map(content.get("auto_map"))),
    }
    for key, (expected, is_right) in expectations.items():
        if not is_right:
            raise ConfigError(f"{file}: {key}: expected {expected}, not {json.dumps(content[key])[:80]}")
    return content


def _is_class(value: Any) -> bool:
    """Return whether a value of an auto_map names a class, or the slow and the fast one; either may be null."""
    return all(v is None or isinstance(v, str) for v in (value if isinstance(value, list) else [value]))


def _is_map(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and all(map(_is_class, value.values())))


def _parse(file: Path, where: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(file.read_text())
    except OSError as error:
        raise ConfigError(_no_config(where)) from error
    except ValueError as error:
        raise ConfigError(f"{file}: not JSON ({error})") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{file}: expected an object")
    return value


def _no_config(folder: Path) -> str:
    weights = sorted(file.name for pattern in (*WEIGHTS, *PICKLES, "*.pt") for file in folder.glob(pattern))
    if not weights:
        return f"{folder}: no config.json, so this is not a Hugging Face checkpoint directory"
    return (
        f"{folder}: has weights ({weights[0]}) but no config.json, which says of what network; save the model with "
        "save_pretrained(), or copy config.json and the tokenizer's files from the checkpoint that it was trained from"
    )


def _any(folder: Path, patterns: tuple[str, ...]) -> bool:
    return any(True for pattern in patterns for _ in folder.glob(pattern))


def _errors_of_hub(location: Location) -> AbstractContextManager[None]:
    """Return a context in which errors of the hub's client are a ConfigError of one line that says what to do."""
    return hub_errors(
        location.name + (location.revision and f"@{location.revision}"),
        "download it elsewhere and name its folder, or set HF_HOME to a cache that has it",
        kind="model",
        missing="has no config.json, so it is not a transformers checkpoint",
        error_type=ConfigError,
    )
