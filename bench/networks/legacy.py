"""Patches by which transformers 5 correctly builds and loads a checkpoint's own code written for transformers 4.

Without it such code fails to import or, worse, loads with tensors of uninitialised memory: version 5 builds networks on
the meta device and refills only what it finds in the file, so that tables computed in `__init__` are lost.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import DataError

_DEFAULTS = {"is_decoder": False, "add_cross_attention": False, "pruned_heads": {}, "torchscript": False}
"""What every configuration of version 4 had."""

_PRUNING = ("find_pruneable_heads_and_indices", "prune_linear_layer")
_AUTO = ("AutoModel", "AutoModelForMaskedLM", "AutoModelForCausalLM", "AutoModelForSequenceClassification")


@contextmanager
def remote_code() -> Iterator[None]:
    """Let a checkpoint's own code be built and loaded as it was meant, and leave no trace for the next checkpoint.

    Networks of transformers itself are left alone. Classes registered meanwhile for a configuration class are removed
    at the end: GENA-LM registers its BERT for the configuration of every BERT.
    """
    import transformers

    registered = {name: dict(_extra(transformers, name)) for name in _AUTO}
    try:
        with warnings.catch_warnings(), _importable(), _as_in_version_4():
            # Nobody here can do anything about what such code still uses.
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        for name, before in registered.items():
            extra = _extra(transformers, name)
            extra.clear()
            extra.update(before)


def tie_head(network: Any, missing: frozenset[str]) -> frozenset[str]:
    """Return the keys of the head's weights that the file lacks, after tying the head to the embedding.

    Version 4 did so by default; version 5 does it only for networks that declare it in its own way.
    """
    head, table = network.get_output_embeddings(), network.get_input_embeddings()
    if head is None or not isinstance(table, nn.Embedding):
        return frozenset()
    keys = {name for name, value in network.named_parameters(remove_duplicate=False) if value is head.weight}
    if not keys & missing:
        return frozenset()
    head.weight = table.weight
    return frozenset(keys & missing)


def check_as_stored(network: nn.Module, folder: Path, where: str) -> None:
    """Raise DataError where a parameter differs from the tensor of its name in the folder's weights."""
    parameters = dict(network.named_parameters(remove_duplicate=False))
    prefix = getattr(network, "base_model_prefix", "")
    for name, stored in _tensors(folder):
        loaded = parameters.get(name, parameters.get(f"{prefix}.{name}"))
        if loaded is not None and loaded.shape == stored.shape:
            if not torch.equal(loaded.detach().cpu().to(stored.dtype), stored):
                raise DataError(
                    f"{where}: its own code loaded {name} with other values than the file has; this version of "
                    "transformers does not load this checkpoint correctly"
                )


def _tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    from safetensors import safe_open

    safe = sorted(folder.glob("*.safetensors"))
    for file in safe:
        with safe_open(file, framework="pt") as content:
            for name in content.keys():
                yield name, content.get_tensor(name)
    for file in () if safe else sorted(folder.glob("pytorch_model*.bin")):
        yield from torch.load(file, map_location="cpu", weights_only=True, mmap=True).items()


def _extra(transformers: Any, name: str) -> dict[Any, Any]:
    extra: dict[Any, Any] = getattr(transformers, name)._model_mapping._extra_content
    return extra


@contextmanager
def _importable() -> Iterator[None]:
    """Offer the functions that networks of version 4 import and never call."""
    from transformers import modeling_utils, pytorch_utils

    added = [(m, n) for m in (modeling_utils, pytorch_utils) for n in _PRUNING if not hasattr(m, n)]
    for module, name in added:
        setattr(module, name, _no_pruning)
    try:
        yield
    finally:
        for module, name in added:
            delattr(module, name)


@contextmanager
def _as_in_version_4() -> Iterator[None]:
    from transformers import PreTrainedModel

    if hasattr(PreTrainedModel, "get_head_mask"):  # it is version 4
        yield
        return
    init, refill = PreTrainedModel.__init__, PreTrainedModel._move_missing_keys_from_meta_to_device
    context = PreTrainedModel.__dict__["get_init_context"]

    @functools.wraps(init)
    def init_as_in_4(self: Any, config: Any, *args: Any, **kwargs: Any) -> None:
        if _is_remote(type(self)):
            _adapt(type(self))
            for key, value in _DEFAULTS.items():
                if not hasattr(config, key):
                    setattr(config, key, value)
        init(self, config, *args, **kwargs)

    def context_off_meta(cls: Any, *args: Any, **kwargs: Any) -> list[Any]:
        contexts: list[Any] = context.__func__(cls, *args, **kwargs)
        return [c for c in contexts if not isinstance(c, torch.device)] if _is_remote(cls) else contexts

    def refill_not_what_was_built(self: Any, *args: Any, **kwargs: Any) -> None:
        if not _is_remote(type(self)):
            refill(self, *args, **kwargs)

    PreTrainedModel.__init__ = init_as_in_4
    PreTrainedModel.get_init_context = classmethod(context_off_meta)
    PreTrainedModel._move_missing_keys_from_meta_to_device = refill_not_what_was_built
    try:
        yield
    finally:
        PreTrainedModel.__init__ = init
        PreTrainedModel.get_init_context = context
        PreTrainedModel._move_missing_keys_from_meta_to_device = refill


def _is_remote(network: type) -> bool:
    return network.__module__.startswith("transformers_modules")


def _no_pruning(*args: Any, **kwargs: Any) -> Any:
    raise NotImplementedError("heads are not pruned here")


def _adapt(network: Any) -> None:
    """Give a class written for version 4 the methods that version 5 removed, and let it accept those it added."""
    if "_baserate_adapted" in network.__dict__:
        return
    network._baserate_adapted = True
    for name, method in _METHODS.items():
        if not hasattr(network, name):
            setattr(network, name, method)
    if "missing_keys" not in inspect.signature(network.tie_weights).parameters:
        network.tie_weights = _ties_without_arguments(network.tie_weights)
    network.init_weights = _registers_first(network.init_weights)
    if isinstance(getattr(network, "_tied_weights_keys", None), list):
        network._tied_weights_keys = None


def _ties_without_arguments(tie: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(tie)
    def tie_weights(self: Any, missing_keys: set[str] | None = None, recompute_mapping: bool = True) -> None:
        tie(self)

    return tie_weights


def _registers_first(init: Callable[..., None]) -> Callable[..., None]:
    """Return `init_weights` for a network whose `__init__` calls it instead of `post_init`, as was usual."""

    @functools.wraps(init)
    def init_weights(self: Any) -> None:
        if hasattr(self, "all_tied_weights_keys"):
            init(self)
        else:
            self.post_init()

    return init_weights


def _extended_attention_mask(self: Any, mask: Tensor, *args: Any, dtype: Any = None, **kwargs: Any) -> Tensor:
    """Return what is added to attention scores, (n, 1, 1, t): 0 where `mask` (n, t) is 1, else the lowest number."""
    dtype = dtype or next(self.parameters()).dtype
    wide = mask[:, None, None, :] if mask.ndim == 2 else mask[:, None]
    return (1.0 - wide.to(dtype)) * torch.finfo(dtype).min


def _head_mask(self: Any, mask: Tensor | None, layers: int, *args: Any, **kwargs: Any) -> list[None]:
    if mask is not None:
        raise NotImplementedError("heads are not masked here")
    return [None] * layers


_METHODS: Mapping[str, Callable[..., Any]] = {
    "get_extended_attention_mask": _extended_attention_mask,
    "invert_attention_mask": _extended_attention_mask,
    "get_head_mask": _head_mask,
}
