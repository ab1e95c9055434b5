"""Loading a checkpoint's configuration, tokenizer and network from a folder, or a network with random weights."""

from __future__ import annotations

import copy
import fnmatch
import pickle
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import ConfigError, DataError, MissingExtra
from .families import Family, Head, head_of
from .fused import with_fused_layers
from .legacy import check_as_stored, remote_code
from .weight_files import AUTO

_UNUSED = {
    "pooler.*": "the layer on the first token, which nothing here uses",
    "*.pooler.*": "the layer on the first token, which nothing here uses",
    "*position_ids": "a buffer that newer versions compute",
    "*inv_freq": "a buffer that newer versions compute",
    "cls.seq_relationship.*": "the next-sentence head, which nothing here uses",
}
_PREFIXES = {
    "module.": "DataParallel adds that; save model.module.state_dict()",
    "_orig_mod.": "torch.compile adds that; save model._orig_mod.state_dict()",
    "base_model.model.": "peft adds that; save model.merge_and_unload()",
}
"""What wrappers of a network put before the names of its weights, and how to save it without."""
_TOKENIZER_FILES = ("token*", "vocab.*", "*.model")
_EXAMINED = ("missing_keys", "unexpected_keys", "mismatched_keys")


@dataclass(frozen=True)
class Loaded:
    """A network in eval mode with its configuration and tokenizer."""

    network: nn.Module
    config: Any
    tokenizer: Any
    head: Head


def check_packages(family: Family, where: str) -> None:
    """Raise MissingExtra, with the command that installs it, where a package that the family needs is missing."""
    import importlib.util

    for module, command in family.requires.items():
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(f"{where} needs the package {module!r}: {command}")


def load(
    folder: Path,
    content: Mapping[str, Any],
    family: Family,
    *,
    where: str,
    trust: bool,
    seed: int | None,
) -> Loaded:
    """Return the checkpoint in `folder`, or with a `seed` the same network with random weights.

    Raises ConfigError or DataError, in one line, where files are missing or damaged, or weights do not fit.
    """
    head = head_of(content, family)
    tokenizer = read_tokenizer(folder, family, where, trust)
    if family.load is not None:
        network, config = family.load(folder, seed)
    else:
        config = _read_config(folder, where, trust)
        if family.configure is not None:
            family.configure(config)
        _drop_padding_beyond_vocabulary(config)
        if getattr(config, "is_encoder_decoder", False):
            raise ConfigError(f"{where}: an encoder-decoder; only networks of a single stack are supported")
        if seed is None:
            network = _pretrained(folder, config, head, family, where, trust)
        else:
            network = random_network(config, head, family, seed=seed, trust=trust)
    return Loaded(with_fused_layers(_without_pooler(network)).eval(), config, tokenizer, head)


def read_tokenizer(folder: Path, family: Family, where: str, trust: bool) -> Any:
    """Return the tokenizer in a folder. Raises ConfigError or MissingExtra, in one line, where it cannot be read."""
    from transformers import AutoTokenizer

    if family.tokenizer is None and not any(any(folder.glob(pattern)) for pattern in _TOKENIZER_FILES):
        raise ConfigError(f"{where}: no tokenizer (tokenizer.json, or tokenizer_config.json and what it needs)")
    try:
        if family.tokenizer is not None:
            return family.tokenizer(folder)
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=trust)
    except Exception as error:  # the reader of tokenizer.json raises nothing more specific
        kind = MissingExtra if isinstance(error, ImportError) else ConfigError
        raise kind(f"{where}: its tokenizer cannot be read ({_line(error)})") from error


def empty_network(folder: Path, content: Mapping[str, Any], family: Family, *, where: str) -> tuple[nn.Module, Any]:
    """Return a checkpoint's network without weights, which takes no memory and runs no code of its own, and its config.

    Raises ConfigError where transformers does not know its configuration, and what its class raises.
    """
    config = _read_config(folder, where, trust=False)
    if family.configure is not None:
        family.configure(config)
    _drop_padding_beyond_vocabulary(config)
    auto = _auto_class(config, head_of(content, family), family, trust=False)
    with torch.device("meta"):
        return auto.from_config(config), config


def random_network(config: Any, head: Head, family: Family, *, seed: int, trust: bool) -> nn.Module:
    """Return the network that `config` describes, with weights drawn from `seed`."""
    auto = _auto_class(config, head, family, trust)
    config = copy.deepcopy(config)
    config.dtype = torch.float32  # whatever the file says: trained weights are widened when they are loaded
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        options = {"trust_remote_code": True} if trust else {}
        network: nn.Module = _with_attention(lambda o: auto.from_config(copy.deepcopy(config), **options, **o), trust)
        if family.finish is not None:
            family.finish(network, frozenset(name for name, _ in network.named_parameters(remove_duplicate=False)))
    return with_fused_layers(_without_pooler(network)).eval()


def _pretrained(folder: Path, config: Any, head: Head, family: Family, where: str, trust: bool) -> nn.Module:
    from safetensors import SafetensorError

    auto = _auto_class(config, head, family, trust)
    safe = any(folder.glob("*.safetensors"))

    def read(options: Mapping[str, Any]) -> tuple[nn.Module, Mapping[str, Any]]:
        network, report = auto.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            trust_remote_code=trust,
            use_safetensors=safe,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,  # so that they are reported, and refused below
            output_loading_info=True,
            **({} if safe else {"weights_only": True}),
            **options,
        )
        return network, report

    try:
        with without_progress_bars():
            network, report = _with_attention(read, trust)
    except ImportError as error:
        raise MissingExtra(f"{where}: {_line(error)}") from error
    except (
        OSError,
        SafetensorError,
        RuntimeError,
        ValueError,
        AttributeError,
        TypeError,
        KeyError,
        AssertionError,
        EOFError,
        pickle.UnpicklingError,
    ) as error:
        if any(isinstance(e, pickle.UnpicklingError) for e in _causes(error)):
            raise DataError(
                f"{where}: its pickle has more than tensors in it, which could run code, so it is refused"
            ) from error
        raise DataError(f"{where}: its weights cannot be loaded ({_line(error)})") from error
    unmatched = {kind: {k if isinstance(k, str) else str(k[0]) for k in report.get(kind, ())} for kind in _EXAMINED}
    if family.finish is not None:
        unmatched["missing_keys"] -= family.finish(network, frozenset(unmatched["missing_keys"]))
    allowed = {"missing_keys": _UNUSED, "unexpected_keys": {**_UNUSED, **family.unexpected}}
    for kind, keys in unmatched.items():
        wrong = sorted(k for k in keys if not any(fnmatch.fnmatch(k, p) for p in allowed.get(kind, ())))
        if wrong:
            why = _why_unmatched(config, unmatched["missing_keys"], sorted(unmatched["unexpected_keys"]))
            listed = f"{len(wrong)} {kind.replace('_', ' ')}, such as {', '.join(wrong[:3])}"
            raise DataError(f"{where}: {why or listed}")
    if trust:
        check_as_stored(network, folder, where)
    return network


def _why_unmatched(config: Any, missing: Collection[str], unexpected: Sequence[str]) -> str:
    """Return the cause that the names of the weights show, with the way out, or ''."""
    if not unexpected:
        return ""
    ends = max((name for name in missing if unexpected[0].endswith(f".{name}")), key=len, default=unexpected[0])
    prefix = unexpected[0].removesuffix(ends) or next((p for p in _PREFIXES if unexpected[0].startswith(p)), "")
    fitting = sum(name.removeprefix(prefix) in missing for name in unexpected)
    known = prefix in _PREFIXES or fitting > max(1, len(unexpected) // 2)
    if prefix and known and all(name.startswith(prefix) for name in unexpected):
        advice = _PREFIXES.get(prefix, "save them without it")
        return f"the names of its weights have the prefix {prefix!r}, so that they fit no network: {advice}"
    if getattr(config, "architectures", None):
        return ""
    from transformers.models.auto import modeling_auto

    tables = (modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES, modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
    head = next((table[config.model_type] for table in tables if config.model_type in table), "the class with its head")
    return (
        f'config.json has no "architectures", so that weights of a head, such as {unexpected[0]}, fit nothing: '
        f'add "architectures": ["{head}"]'
    )


def _with_attention(build: Any, trust: bool) -> Any:
    """Return what `build` makes with fused attention, or with the architecture's own where it has none."""
    if trust:
        with remote_code():
            return build({})
    try:
        return build({"attn_implementation": "sdpa"})
    except (ValueError, ImportError) as error:
        if "attention" not in str(error).lower() and "attn" not in str(error).lower():
            raise
        return build({})


def _auto_class(config: Any, head: Head, family: Family, trust: bool) -> Any:
    import transformers

    name = family.auto_class or AUTO[head]
    mapped = getattr(config, "auto_map", None) or {}
    if trust and not family.auto_class and name not in mapped:
        # For a class that is not mapped, transformers would build its own of the same model_type: another network.
        name = next((n for n in AUTO.values() if n in mapped), name)
    return getattr(transformers, name)


def _read_config(folder: Path, where: str, trust: bool) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=trust)
    except ImportError as error:
        raise MissingExtra(f"{where}: {_line(error)}") from error
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ConfigError(f"{where}: its configuration is not one that transformers knows ({_line(error)})") from error


def _drop_padding_beyond_vocabulary(config: Any) -> None:
    """Unset a padding id that is no row of the embedding (Mistral-Codon), with which no network can be built."""
    pad, size = getattr(config, "pad_token_id", None), getattr(config, "vocab_size", None)
    if isinstance(pad, int) and isinstance(size, int) and pad >= size:
        config.pad_token_id = None


def _without_pooler(network: nn.Module) -> nn.Module:
    """Return the network without the layer on its first token: nothing here uses it, and checkpoints often lack it."""
    if isinstance(getattr(network, "pooler", None), nn.Module):
        network.pooler = None
    return network


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__context__


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Silence the bars and reports of transformers; progress, and weights that do not fit, are reported here."""
    from transformers.utils import logging as hf_logging

    had_bars, verbosity = hf_logging.is_progress_bar_enabled(), hf_logging.get_verbosity()
    hf_logging.disable_progress_bar()
    hf_logging.set_verbosity_error()
    try:
        yield
    finally:
        hf_logging.set_verbosity(verbosity)
        if had_bars:
            hf_logging.enable_progress_bar()
