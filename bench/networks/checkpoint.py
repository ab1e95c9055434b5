"""Language models from the name of a checkpoint, or from any network with its tokenizer."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..errors import DataError
from .facts import POSITIONS, UNLIMITED
from .families import GENERIC, Family, Head, identify, needs_code
from .hub import HEAD, Access, Location, check_own_code, check_trust, check_weights, fetch, read_config
from .language_model import LanguageModel
from .loading import check_packages, load, random_network
from .saving import read_head
from .tokens import Tokens, read_tokens
from .weight_files import check_no_adapter


def open_checkpoint(
    location: Location,
    access: Access,
    *,
    random_weights: bool = False,
    init_seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    compiled: bool = False,
) -> LanguageModel:
    """Return the model that `location` names; with `random_weights`, the same network with weights from `init_seed`.

    None of the model's own code runs, and no pickle is read, unless `access` allows it. Raises ConfigError, DataError
    or MissingExtra, in one line, where the model cannot be loaded.
    """
    content, commit = read_config(location)
    family, _ = identify(location.id, content)
    check_packages(family, location.name)
    trust = needs_code(content, family)
    if trust:
        check_trust(location, commit, access)
        check_own_code(content, location.name)
    folder = fetch(location, commit, pickles=access.allow_pickle, code=trust)
    check_no_adapter(folder, content, location.name)
    if not random_weights:
        own_loader = family.load is not None
        check_weights(folder, location.name, allow_pickle=access.allow_pickle, own_loader=own_loader)
    loaded = load(
        folder,
        content,
        family,
        where=location.name,
        trust=trust,
        seed=init_seed if random_weights else None,
    )

    has_head = location.folder is not None and (folder / HEAD).exists() and not random_weights
    tuned = read_head(folder) if has_head else None
    if tuned is not None and precision == "auto":
        precision = tuned.precision

    def redraw(seed: int) -> nn.Module:
        if family.load is not None:
            network: nn.Module = family.load(folder, seed)[0]
            return network.eval()
        return random_network(loaded.config, loaded.head, family, seed=seed, trust=trust)

    return from_network(
        loaded.network,
        loaded.tokenizer,
        name=location.label,
        head=loaded.head,
        family=family,
        config=loaded.config,
        device=device,
        precision=precision,
        compiled=compiled,
        redraw=redraw if random_weights else None,
        source=folder,
        tuned=tuned,
    )


def from_network(
    network: nn.Module,
    tokenizer: Any,
    *,
    name: str,
    head: Head = "none",
    family: Family = GENERIC,
    config: Any = None,
    **options: Any,
) -> LanguageModel:
    """Return the language model of any network that maps `input_ids` to hidden states and logits, and its tokenizer.

    The tokenizer comes from transformers, or is an instance of `networks.tokens.Tokens`. `options` are those of
    LanguageModel. Raises DataError where the vocabulary and the network's embedding do not agree.
    """
    tokens = tokenizer if isinstance(tokenizer, Tokens) else read_tokens(tokenizer, where=name, **family.tokens)
    config = getattr(network, "config", None) if config is None else config
    rows = _embedding_rows(network)
    vocabulary = tokens.vocabulary
    largest = max(int(vocabulary.dna.max()), vocabulary.mask or 0, *tokens.prefix.tolist(), *tokens.suffix.tolist())
    if rows is not None and largest >= rows:
        raise DataError(f"{name}: its tokenizer has ids up to {largest}, but its embedding only {rows} rows")
    padding = [i for i in (getattr(config, "pad_token_id", None), vocabulary.pad) if i is not None and i >= 0]
    options.setdefault("pad", next((i for i in padding if rows is None or i < rows), 0))
    options.setdefault("context", max_tokens(network, config, tokenizer))
    options.setdefault("width", _width(config))
    return LanguageModel(network, tokens, name=name, head=head, family=family, **options)


def _embedding_rows(network: nn.Module) -> int | None:
    get = getattr(network, "get_input_embeddings", None)
    try:
        table = get() if get else None
    except (NotImplementedError, AttributeError):
        return None
    return int(table.weight.shape[0]) if isinstance(table, nn.Embedding) else None


def max_tokens(network: nn.Module, config: Any, tokenizer: Any) -> int | None:
    """Return the most tokens that fit: the smallest limit that the configuration and the tokenizer state."""
    limits = [getattr(config, key, None) for key in POSITIONS]
    positions = [n - _first_position(network) for n in limits if isinstance(n, int)]
    longest = getattr(tokenizer, "model_max_length", None)
    known = [n for n in (*positions, longest) if n is not None and 0 < n < UNLIMITED]
    return int(min(known)) if known else None


def _first_position(network: nn.Module) -> int:
    """Return the position of the first token: in RoBERTa and its kin the one after that of padding, else 0."""
    for name, module in network.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            return int(module.padding_idx) + 1
    return 0


def _width(config: Any) -> int | None:
    for key in ("hidden_size", "d_model", "n_embd", "dim"):
        if isinstance(getattr(config, key, None), int):
            return int(getattr(config, key))
    return None
