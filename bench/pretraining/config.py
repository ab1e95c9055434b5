"""The configuration of `baserate pretrain`: TOML with [model], [tokens], [training] and one or more [[corpus]]."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from ..digests import canonical_json, digest
from ..errors import ConfigError, check_keys, nearest
from ..files import check_regular
from .corpus import Corpus

C = TypeVar("C")

ARCHITECTURES: Mapping[str, str] = {"esm": "masked", "modernbert": "masked", "llama": "causal"}
"""The objective that each can be trained for."""

KINDS = ("nucleotide", "kmer", "overlapping_kmer", "byte_pairs")

BUDGETS = ("steps", "bases", "flops", "minutes")


@dataclass(frozen=True)
class ModelConfig:
    """The shape of the network, with rotary positions and no dropout. `context` is in tokens."""

    architecture: str = "esm"
    hidden: int = 128
    layers: int = 6
    heads: int = 4
    intermediate: int = 512
    context: int = 1026


@dataclass(frozen=True)
class TokensConfig:
    """What a token is. `k` is for k-mers; `vocabulary` and `sample`, in bases, are for byte pairs."""

    kind: str = "nucleotide"
    k: int = 6
    vocabulary: int = 1024
    sample: int = 4_000_000


@dataclass(frozen=True)
class TrainingConfig:
    """How to train: warm-up, a constant rate, then a linear decay to zero over the last share `decay` of the budget.

    The budget is one of `steps`, `bases`, `flops` and `minutes`. `crop` is in tokens, `valid_crop` in bases (0 for as
    many as `crop`), `checkpoints` are shares of the budget. A step takes `batch` rows, in `accumulate` parts.
    """

    steps: int = 0
    bases: int = 0
    flops: float = 0.0
    minutes: float = 0.0
    objective: str = "masked"
    batch: int = 16
    accumulate: int = 1
    crop: int = 318
    lr: float = 1e-3
    warmup: int = 200
    decay: float = 0.25
    weight_decay: float = 0.01
    mask_rate: float = 0.15
    repeat_weight: float = 1.0
    precision: str = "auto"
    seed: int = 0
    valid_fraction: float = 0.01
    valid_windows: int = 64
    valid_crop: int = 0
    log_every: int = 50
    valid_every: int = 500
    checkpoint_every: int = 250
    checkpoints: tuple[float, ...] = ()

    @property
    def budget(self) -> tuple[str, float]:
        """What ends the training, and at how much of it."""
        return next((name, float(getattr(self, name))) for name in BUDGETS if getattr(self, name))


@dataclass(frozen=True)
class PretrainConfig:
    """A whole configuration."""

    model: ModelConfig
    training: TrainingConfig
    corpora: tuple[Corpus, ...]
    tokens: TokensConfig = field(default_factory=TokensConfig)

    @property
    def valid_length(self) -> int:
        """The length of a held-out window in bases."""
        return self.training.valid_crop or self.training.crop

    @property
    def identity(self) -> str:
        """The digest of what a resumed run must share; the budget and the intervals may change."""
        free = {*BUDGETS, "log_every", "valid_every", "checkpoint_every", "checkpoints"}
        training = {k: v for k, v in asdict(self.training).items() if k not in free}
        tables = [asdict(self.model), asdict(self.tokens), training, [asdict(c) for c in self.corpora]]
        return digest(canonical_json(tables))


def read_config(path: Path) -> PretrainConfig:
    """Return the configuration in a TOML file. Raises ConfigError naming the file and the key that is wrong."""
    try:
        check_regular(path)
        table = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    check_keys(table, ("model", "tokens", "training", "corpus"), str(path))
    entries = table.get("corpus", [])
    if not isinstance(entries, list) or not entries:
        raise ConfigError(f"{path}: expected at least one [[corpus]] table")
    config = PretrainConfig(
        _section(ModelConfig, table.get("model", {}), f"{path}: [model]"),
        _section(TrainingConfig, table.get("training", {}), f"{path}: [training]"),
        tuple(_section(Corpus, entry, f"{path}: [[corpus]] {i + 1}") for i, entry in enumerate(entries)),
        _section(TokensConfig, table.get("tokens", {}), f"{path}: [tokens]"),
    )
    _check_words(config, str(path))
    _check(config, str(path))
    return config


_SHAPES: Mapping[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "tuple[str, ...]": (list,),
    "tuple[float, ...]": (list,),
}


def _section(kind: type[C], table: Any, where: str) -> C:
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: expected a table")
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    check_keys(table, known, where)
    for name, f in known.items():
        expected = _SHAPES.get(str(f.type), (str,))
        if name not in table:
            if f.default is not f.default_factory:
                continue
            raise ConfigError(f"{where}: {name!r} is missing")
        value = table[name]
        inside = {"tuple[str, ...]": (str,), "tuple[float, ...]": (int, float)}.get(str(f.type), ())
        fits = isinstance(value, expected) and not isinstance(value, bool)
        if not fits or (inside and not all(isinstance(v, inside) and not isinstance(v, bool) for v in value)):
            raise ConfigError(f"{where}: {name} = {value!r}, expected {f.type}")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in table.items()})


def _check_words(config: PretrainConfig, where: str) -> None:
    t = config.training
    words = {
        "[model] architecture": (config.model.architecture, tuple(ARCHITECTURES)),
        "[tokens] kind": (config.tokens.kind, KINDS),
        "[training] objective": (t.objective, ("masked", "causal")),
        "[training] precision": (t.precision, ("auto", "fp32", "bf16")),
    }
    for key, (value, known) in words.items():
        if value not in known:
            near = nearest(value, known)
            advice = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"{where}: {key} = {value!r}, expected {', '.join(known)}{advice}")
    given = [name for name in BUDGETS if getattr(t, name)]
    if len(given) != 1:
        has = f"has {' and '.join(given)}" if given else "has none: 'steps' is missing"
        raise ConfigError(f"{where}: [training] {has}; expected one of {', '.join(BUDGETS)}")
    objective = ARCHITECTURES[config.model.architecture]
    if objective != t.objective:
        fitting = next(name for name, other in ARCHITECTURES.items() if other == t.objective)
        raise ConfigError(
            f"{where}: [model] architecture = {config.model.architecture!r} is for objective = {objective!r}; "
            f"for {t.objective!r} take {fitting!r}"
        )
    if t.objective == "causal" and config.tokens.kind == "overlapping_kmer":
        raise ConfigError(
            f"{where}: [tokens] kind = 'overlapping_kmer': the next of these shares all but one base with the last, so "
            "that a causal model has only four to choose from; take kind = 'nucleotide'"
        )


def _check(config: PretrainConfig, where: str) -> None:
    m, t, k = config.model, config.training, config.tokens
    special = 2
    rules = {
        "[model] hidden must be a multiple of 2 x heads": m.hidden % (2 * m.heads) == 0,
        "[model] hidden, layers, heads and intermediate must be positive": min(
            m.hidden, m.layers, m.heads, m.intermediate
        )
        > 0,
        "[tokens] k must lie between 2 and 8": 2 <= k.k <= 8,
        "[tokens] vocabulary must lie between 16 and 32000": 16 <= k.vocabulary <= 32_000,
        "[tokens] sample must be at least 1000 bases": k.sample >= 1000,
        "[training] crop + 2 must fit in [model] context": t.crop + special <= m.context,
        "[training] valid_crop + 2 must fit in [model] context": t.valid_crop + special <= m.context,
        "[training] mask_rate must lie in (0, 1)": 0 < t.mask_rate < 1,
        "[training] repeat_weight must lie in (0, 1]": 0 < t.repeat_weight <= 1,
        "[training] decay and valid_fraction must lie in [0, 1)": 0 <= t.decay < 1 and 0 <= t.valid_fraction < 1,
        "[training] steps, batch, crop and the intervals must be positive": t.budget[1] > 0
        and min(t.batch, t.crop, t.log_every, t.valid_every, t.checkpoint_every) > 0,
        "[training] warmup, valid_windows and valid_crop must not be negative": min(
            t.warmup, t.valid_windows, t.valid_crop
        )
        >= 0,
        "[training] accumulate must lie between 1 and batch": 1 <= t.accumulate <= t.batch,
        "[training] checkpoints must be shares from 0 to 1": all(0 <= share <= 1 for share in t.checkpoints),
        "[[corpus]] weight must be positive": all(c.weight > 0 for c in config.corpora),
        "[[corpus]] level must be 'train' or 'homologous'": all(
            c.level in ("train", "homologous") for c in config.corpora
        ),
        "[[corpus]] names must differ": len({c.name for c in config.corpora}) == len(config.corpora),
    }
    for rule, holds in rules.items():
        if not holds:
            raise ConfigError(f"{where}: {rule}")
