"""The configuration of `baserate pretrain`: TOML with [model], [training] and one or more [[corpus]] tables."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from ..digests import canonical_json, digest
from ..errors import ConfigError, check_keys
from ..files import check_regular
from .corpus import Corpus

C = TypeVar("C")


@dataclass(frozen=True)
class ModelConfig:
    """The shape of the network: ESM blocks with rotary positions and no dropout. `context` is in tokens."""

    hidden: int = 128
    layers: int = 6
    heads: int = 4
    intermediate: int = 512
    context: int = 1026


@dataclass(frozen=True)
class TrainingConfig:
    """How to train: warm-up, a constant rate, then a linear decay to zero over the last share `decay` of the steps."""

    steps: int
    batch: int = 16
    crop: int = 318
    lr: float = 1e-3
    warmup: int = 200
    decay: float = 0.25
    weight_decay: float = 0.01
    mask_rate: float = 0.15
    seed: int = 0
    valid_fraction: float = 0.01
    valid_windows: int = 64
    log_every: int = 50
    valid_every: int = 500
    checkpoint_every: int = 250


@dataclass(frozen=True)
class PretrainConfig:
    """A whole configuration."""

    model: ModelConfig
    training: TrainingConfig
    corpora: tuple[Corpus, ...]

    @property
    def identity(self) -> str:
        """The digest of what a resumed run must share; the number of steps and the intervals may change."""
        free = {"steps", "log_every", "valid_every", "checkpoint_every"}
        training = {k: v for k, v in asdict(self.training).items() if k not in free}
        return digest(canonical_json([asdict(self.model), training, [asdict(c) for c in self.corpora]]))


def read_config(path: Path) -> PretrainConfig:
    """Return the configuration in a TOML file. Raises ConfigError naming the file and the key that is wrong."""
    try:
        check_regular(path)
        table = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    check_keys(table, ("model", "training", "corpus"), str(path))
    entries = table.get("corpus", [])
    if not isinstance(entries, list) or not entries:
        raise ConfigError(f"{path}: expected at least one [[corpus]] table")
    config = PretrainConfig(
        _section(ModelConfig, table.get("model", {}), f"{path}: [model]"),
        _section(TrainingConfig, table.get("training", {}), f"{path}: [training]"),
        tuple(_section(Corpus, entry, f"{path}: [[corpus]] {i + 1}") for i, entry in enumerate(entries)),
    )
    _check(config, str(path))
    return config


def _section(kind: type[C], table: Mapping[str, Any], where: str) -> C:
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    check_keys(table, known, where)
    shape = {"int": int, "float": (int, float), "str": str, "tuple[str, ...]": list}
    for name, f in known.items():
        expected = shape.get(str(f.type), str)
        if name not in table:
            if f.default is not f.default_factory:
                continue
            raise ConfigError(f"{where}: {name!r} is missing")
        if not isinstance(table[name], expected) or isinstance(table[name], bool):  # type: ignore[arg-type]
            raise ConfigError(f"{where}: {name} = {table[name]!r}, expected {f.type}")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in table.items()})


def _check(config: PretrainConfig, where: str) -> None:
    m, t = config.model, config.training
    rules = {
        "[model] hidden must be a multiple of 2 x heads": m.hidden % (2 * m.heads) == 0,
        "[training] crop + 2 must fit in [model] context": t.crop + 2 <= m.context,
        "[training] mask_rate must lie in (0, 1)": 0 < t.mask_rate < 1,
        "[training] decay and valid_fraction must lie in [0, 1)": 0 <= t.decay < 1 and 0 <= t.valid_fraction < 1,
        "[training] steps, batch, crop and the intervals must be positive": min(
            t.steps, t.batch, t.crop, t.log_every, t.valid_every, t.checkpoint_every
        )
        > 0,
        "[[corpus]] weight must be positive": all(c.weight > 0 for c in config.corpora),
        "[[corpus]] level must be 'train' or 'homologous'": all(
            c.level in ("train", "homologous") for c in config.corpora
        ),
        "[[corpus]] names must differ": len({c.name for c in config.corpora}) == len(config.corpora),
    }
    for rule, holds in rules.items():
        if not holds:
            raise ConfigError(f"{where}: {rule}")
