"""What is trained of a network: all of it, adapters (by peft), biases, or nothing; and the learning rate of each block.

The layers that adapters are put on are found by looking at the modules: the linear layers in the repeated blocks, with
fused projections such as Wqkv, in_proj, query_key_value and c_attn, and without embeddings and heads. A layer whose
weights the network reads past it, as some fast kernels do, is left out, since an adapter on it would change nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..errors import ConfigError, MissingExtra
from .projections import Projected, with_projections

_CONTAINERS = (nn.ModuleList, nn.Sequential)
_READ_PAST = {kind: ("out_proj",) for kind in ("mamba", "mamba2", "falcon_mamba", "falcon_h1", "nemotron_h")}
"""By `model_type`, the layers whose weights fused kernels read, on some devices, without calling the layer."""


@dataclass(frozen=True, eq=False)
class Trainable:
    """A backbone of which some parameters are trained; `adapted` are the names of the layers that have adapters.

    `trained` of its `total` parameters are. `merge()` puts adapters into the weights, so that
    the network has its own modules again.
    """

    backbone: nn.Module
    trained: int
    total: int
    adapted: tuple[str, ...] = ()
    merge: Callable[[], None] = lambda: None


def trainable(
    kind: str, backbone: nn.Module, settings: Mapping[str, Any], run: Callable[[], object], *, name: str, headed: bool
) -> Trainable:
    """Return the backbone with the parameters that `kind` trains, one of `networks.settings.KINDS`.

    `run()` is a forward pass, which shows which layers are used; `headed` says that the backbone has the network's head
    in it. Raises ConfigError, naming the modules seen, where the kind has nothing to train, and MissingExtra for peft.
    """
    if kind in ("lora", "ia3"):
        back = with_projections(backbone) if kind == "lora" else lambda: None
        tuner, adapted = _adapted(kind, backbone, settings, run, name=name, headed=headed)

        def merge() -> None:
            tuner.merge_and_unload()
            back()

        return Trainable(backbone, _trained(backbone), _size(backbone), adapted, merge)
    if kind == "head":
        backbone.requires_grad_(False)
    if kind == "bitfit":
        for parameter_name, parameter in backbone.named_parameters():
            parameter.requires_grad_(parameter_name.rpartition(".")[2].endswith("bias"))
        if not _trained(backbone):
            raise ConfigError(f"train = 'bitfit': {name} has no biases; its modules are {_seen(backbone)}")
    return Trainable(backbone, _trained(backbone), _size(backbone))


def _trained(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def _size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _adapted(
    kind: str, backbone: nn.Module, settings: Mapping[str, Any], run: Callable[[], object], *, name: str, headed: bool
) -> tuple[Any, tuple[str, ...]]:
    """Return peft's tuner, whose adapters are in the backbone now, and the names of the layers that have one."""
    try:
        from peft import IA3Config, LoraConfig
        from peft.tuners import IA3Model, LoraModel
    except ImportError as error:
        raise MissingExtra(f'train = {kind!r} needs the package peft: `pip install "baserate[tune]"`') from error
    targets = _used(backbone, _linear_layers(backbone, headed=headed), run)
    if not targets:
        raise ConfigError(
            f"train = {kind!r}: {name} has no linear layers in repeated blocks that an adapter can be put on; its "
            f"modules are {_seen(backbone)}; train = 'full' needs none"
        )
    if kind == "lora":
        config = LoraConfig(
            r=settings["rank"],
            lora_alpha=settings["alpha"],
            lora_dropout=settings["dropout"],
            target_modules=list(targets),
        )
        build: Any = LoraModel
    else:
        # (IA)^3 scales what the second layer of a feed-forward block takes in, and what the others give out.
        narrowing = [n for n, m in targets.items() if _sizes(m)[0] > _sizes(m)[1]]
        config = IA3Config(target_modules=list(targets), feedforward_modules=narrowing)
        build = IA3Model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that weights of Conv1D are transposed, which peft sees by itself
        tuner = build(backbone, config, "default")
    return tuner, tuple(dict.fromkeys(n.rpartition(".")[2] for n in targets))


def _linear_layers(backbone: nn.Module, *, headed: bool) -> dict[str, nn.Module]:
    """Return the linear layers of the repeated blocks by name; where nothing is repeated, those of the network.

    Those in torch's own attention are left out, since it reads their weights and calls none, unless it is `Projected`.
    """
    from transformers.pytorch_utils import Conv1D

    modules = dict(backbone.named_modules())
    read = [m for m in modules.values() if isinstance(m, nn.MultiheadAttention) and not isinstance(m, Projected)]
    past = {id(layer) for attention in read for layer in attention.modules()}
    found = {n: m for n, m in modules.items() if isinstance(m, (nn.Linear, Conv1D)) and id(m) not in past}
    left_out = _READ_PAST.get(getattr(getattr(backbone, "config", None), "model_type", ""), ())
    found = {n: m for n, m in found.items() if n.rpartition(".")[2] not in left_out}
    blocks = tuple(f"{n}." for n, m in backbone.named_modules() if isinstance(m, _CONTAINERS) and n)
    repeated = {n: m for n, m in found.items() if blocks and n.startswith(blocks)}
    return repeated or ({} if headed else found)


def _used(backbone: nn.Module, layers: Mapping[str, nn.Module], run: Callable[[], object]) -> dict[str, nn.Module]:
    """Return the layers whose kind, the last part of the name, is called in a forward pass.

    By kind, since a pass need not call every expert of a mixture.
    """
    called: set[str] = set()

    def hook(layer: str) -> Callable[..., None]:
        return lambda *_: called.add(layer.rpartition(".")[2])

    removed = [module.register_forward_hook(hook(layer)) for layer, module in layers.items()]
    try:
        run()
    finally:
        for handle in removed:
            handle.remove()
    return {layer: module for layer, module in layers.items() if layer.rpartition(".")[2] in called}


def _sizes(layer: Any) -> tuple[int, int]:
    """Return how many features a layer takes and gives."""
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    return int(layer.weight.shape[0]), int(layer.weight.shape[1])  # Conv1D


def _seen(backbone: nn.Module) -> str:
    """Return the classes of the modules that have parameters of their own, for a message."""
    own = (m for m in backbone.modules() if next(m.parameters(recurse=False), None) is not None)
    return ", ".join(sorted({type(module).__name__ for module in own})) or "without parameters"


def decayed_rates(backbone: nn.Module, decay: float, *, name: str) -> dict[str, float]:
    """Return, by parameter, the share of the learning rate that it is trained with under a decay over the blocks.

    It is 1 after the last block, `decay` in the last block, and less by that factor in each block before it and in the
    embeddings. Raises ConfigError where the network has no repeated blocks.
    """
    names = [n for n, _ in backbone.named_parameters()]
    if decay == 1.0:
        return dict.fromkeys(names, 1.0)
    blocks = _longest(backbone)
    if not blocks:
        raise ConfigError(f"layer_decay = {decay:g}: {name} has no repeated blocks; its modules are {_seen(backbone)}")
    n = 1 + max(blocks.values())
    rates, reached = {}, False
    for parameter in names:
        depth = next((d for block, d in blocks.items() if parameter.startswith(block)), None)
        reached = reached or depth is not None
        steps = n - depth if depth is not None else 0 if reached else n + 1
        rates[parameter] = decay**steps
    return rates


def _longest(backbone: nn.Module) -> dict[str, int]:
    """Return the depth of each block of the list of modules with the most parameters, by the start of their names."""
    lists = [(n, m) for n, m in backbone.named_modules() if isinstance(m, _CONTAINERS) and len(m) > 1]
    outermost = [(n, m) for n, m in lists if not any(n.startswith(f"{o}.") for o, _ in lists if o != n)]
    if not outermost:
        return {}
    name, blocks = max(outermost, key=lambda pair: sum(p.numel() for p in pair[1].parameters()))
    return {f"{name}.{child}." if name else f"{child}.": i for i, (child, _) in enumerate(blocks.named_children())}


@contextmanager
def slow_attention() -> Iterator[None]:
    """Let torch's own transformer layers call their parts, which their fast path in eval mode reads past."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def set_checkpointing(backbone: nn.Module, *, name: str) -> None:
    """Let the network compute states anew on the way back. Raises ConfigError where it cannot."""
    enable = getattr(backbone, "gradient_checkpointing_enable", None)
    if enable is None or not getattr(backbone, "supports_gradient_checkpointing", False):
        raise ConfigError(f"checkpointing = True: {name} ({type(backbone).__name__}) cannot compute its states anew")
    enable(gradient_checkpointing_kwargs={"use_reentrant": False})
