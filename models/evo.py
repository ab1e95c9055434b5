"""Evo 1 and Evo 2: StripedHyena over the bytes of a sequence, causal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baserate.errors import ConfigError
from baserate.networks.families import Checkpoint, Family, family
from baserate.types import Exposure

_BYTES = 512
_PAD = 1
_OPENGENOME = (Exposure("OpenGenome", "prokaryotes and phages", "", ("*",)),)
_OPENGENOME2 = (Exposure("OpenGenome2", "all domains of life", "", ("*",)),)


def _bytes(folder: Path) -> Any:
    """Return the tokens of both models: a base is its ASCII code, and there are no special tokens."""
    import numpy as np

    from baserate.networks.token_tables import NucleotideTokens
    from baserate.networks.tokens import Vocabulary

    table = np.arange(256)
    table[97:123] -= 32
    dna = np.array([ord(base) for base in "ACGT"])
    vocabulary = Vocabulary(_BYTES, dna, first_base=np.arange(4), lengths=np.ones(4, np.int64), pad=_PAD, mask=None)
    nothing = np.empty(0, np.int64)
    return NucleotideTokens(vocabulary, nothing, nothing, table)


def _configure(config: Any) -> None:
    config.use_cache = False
    config.max_seq_len = config.max_seqlen


def with_states(network: Any) -> Any:
    """Return the network, its outputs now with the states before its head: the output of its `backbone.norm`.

    Its class is replaced by one that derives from it, so that copies of the network keep it.
    """

    class WithStates(type(network)):  # type: ignore[misc]
        def forward(self, input_ids: Any = None, attention_mask: Any = None, **options: Any) -> Any:
            captured: list[Any] = []
            handle = self.backbone.norm.register_forward_hook(lambda module, inputs, states: captured.append(states))
            try:
                output = super().forward(input_ids=input_ids, attention_mask=attention_mask, **options)
            finally:
                handle.remove()
            output["hidden_states"] = (captured[0],)
            return output

    network.__class__ = WithStates
    return network


def _finish(network: Any, missing: frozenset[str]) -> frozenset[str]:
    with_states(network)
    return frozenset()


EVO1 = family(
    Family(
        "evo1",
        "Evo 1: StripedHyena on prokaryotic genomes, trained to predict the next base",
        matches=lambda config: config.get("model_type") == "stripedhyena",
        checkpoints=tuple(
            Checkpoint(
                f"togethercomputer/{name}",
                parameters=7_000_000_000,
                context=context,
                tokenizer="bytes, one per base",
                head="causal",
                pretraining=_OPENGENOME,
                licence="Apache-2.0",
                citation="Nguyen et al. 2024, doi:10.1126/science.ado9336",
                revision="1.1_fix",
            )
            for name, context in (("evo-1-8k-base", 8_192), ("evo-1-131k-base", 131_072))
        ),
        head="causal",
        tokenizer=_bytes,
        configure=_configure,
        finish=_finish,
        remote_code=True,
        requires={"flash_attn": "pip install flash-attn --no-build-isolation  (CUDA and its compiler are needed)"},
        unexpected={"*fftconv*": "tables that are computed", "*twiddle_factors*": "tables that are computed"},
        quirks=(
            "The revision 1.1_fix is read unless another is named: the main one has projections permuted. Its "
            "tokenizer uses what NumPy 2.3 removed, and is replaced by a table of bytes. The network returns no "
            "hidden states: those before its head are read at the output of its last norm."
        ),
        tested="not run: it needs flash-attn; a stand-in is tested",
    )
)


def _name(folder: Path) -> str:
    """Return the model's name: that of a `.pt` file in the folder, or of the repository that the folder is from."""
    files = sorted(folder.glob("*.pt"))
    if files:
        return files[0].stem
    repository = next((part for part in folder.parts if part.startswith("models--")), "")
    if not repository:
        raise ConfigError(f"{folder}: no .pt file; expected one named after its model, such as evo2_7b.pt")
    return repository.rpartition("--")[2]


def _load(folder: Path, seed: int | None) -> tuple[Any, Any]:
    """Return Evo 2 with the weights in `folder`, or drawn from `seed`, and its configuration.

    The hidden states are those after the gate of the block at seven eighths of the depth, blocks.28.mlp.l3 of the 7B
    model, which its authors use; later ones serve the prediction of the next base.
    """
    import pkgutil

    import torch
    import yaml  # type: ignore[import-untyped]
    from evo2.utils import CONFIG_MAP  # type: ignore[import-not-found,unused-ignore]
    from torch import nn
    from transformers.modeling_outputs import CausalLMOutput
    from vortex.model.model import StripedHyena  # type: ignore[import-not-found,unused-ignore]
    from vortex.model.utils import dotdict, load_checkpoint  # type: ignore[import-not-found,unused-ignore]

    name = _name(folder)
    if name not in CONFIG_MAP:
        raise ConfigError(f"{name}: not a model of the package evo2; it knows {', '.join(sorted(CONFIG_MAP))}")
    config = dotdict(yaml.safe_load(pkgutil.get_data("evo2", CONFIG_MAP[name]) or b""))
    with torch.random.fork_rng():
        torch.manual_seed(seed or 0)
        striped = StripedHyena(config)
    if seed is None:
        load_checkpoint(striped, str(_weights(folder, name)))
    block = f"blocks.{config.num_layers * 7 // 8}.mlp.l3"

    class Evo2(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = striped

        def forward(self, input_ids: Any, output_hidden_states: bool = False) -> CausalLMOutput:
            captured: list[Any] = []
            layer = self.network.get_submodule(block)
            handle = layer.register_forward_hook(lambda module, inputs, states: captured.append(states))
            try:
                logits = self.network(input_ids)
            finally:
                handle.remove()
            states = captured[0][0] if isinstance(captured[0], tuple) else captured[0]
            return CausalLMOutput(logits=logits[0] if isinstance(logits, tuple) else logits, hidden_states=(states,))

    config.max_seq_len = config.max_seqlen
    return Evo2(), config


def _weights(folder: Path, name: str) -> Path:
    file = folder / f"{name}.pt"
    if file.is_file():
        return file
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(f"arcinstitute/{name}", file.name, revision=folder.name))


def _is_evo2(config: Mapping[str, Any]) -> bool:
    return str(config.get("model_type", "")).lower() in ("evo2", "stripedhyena2")


EVO2 = family(
    Family(
        "evo2",
        "Evo 2: StripedHyena 2 on all domains of life, trained to predict the next base",
        matches=_is_evo2,
        checkpoints=tuple(
            Checkpoint(
                f"arcinstitute/{name}",
                parameters=parameters,
                context=context,
                tokenizer="bytes, one per base",
                head="causal",
                pretraining=_OPENGENOME2,
                licence="Apache-2.0",
                citation="Brixi et al. 2025, doi:10.1101/2025.02.18.638918",
            )
            for name, parameters, context in (
                ("evo2_1b_base", 1_000_000_000, 8_192),
                ("evo2_7b_base", 7_000_000_000, 8_192),
                ("evo2_7b_262k", 7_000_000_000, 262_144),
                ("evo2_7b", 7_000_000_000, 1_000_000),
            )
        ),
        head="causal",
        tokenizer=_bytes,
        load=_load,
        requires={
            "evo2": "pip install flash-attn --no-build-isolation && pip install evo2  (CUDA, Python 3.11 or 3.12)",
            "yaml": "pip install pyyaml",
        },
        quirks=(
            "Built by the package evo2, not by transformers. Its weights are pickles. The 1B model needs FP8 on a "
            "Hopper GPU, the 7B ones run in bfloat16; the 20B and 40B ones need several GPUs and are not supported. "
            "Embeddings are those of the block at seven eighths of the depth, as its authors use; they differ between "
            "kinds of GPU."
        ),
        tested="not run: it needs CUDA and its own package; building, states and twin are tested on stand-ins for it",
    )
)
