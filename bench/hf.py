"""Hugging Face checkpoints as models: frozen embeddings, masked log-probabilities and full fine-tuning.

Local directories, native architectures and safetensors alone: nothing is downloaded and no code of a checkpoint runs.
"""

from __future__ import annotations

import copy
import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ._torch import fit_module, pick_device
from .errors import ConfigError, DataError, NotApplicable
from .progress import activity
from .tokens import NucleotideTokens, batches, check_usable, nucleotide_tokens, pad, window
from .types import Examples, FloatArray, Inputs, IntArray, StrArray

log = logging.getLogger(__name__)

TOKEN_BUDGET = 4096
"""Padded tokens in a batch; a result does not depend on it."""


class HuggingFaceModel:
    """A checkpoint directory with its tokenizer; implements Embedder, MaskedModel and Trainable.

    With `random_weights` the network is initialised from its configuration and `init_seed` instead, for the twin that
    shows what pretraining bought. `embed`, `masked_log_probs` and `fit` leave the weights and the training mode alone.
    Raises ConfigError for a directory that is not a native checkpoint, and DataError for weights that do not fit it.
    """

    def __init__(self, folder: Path, *, random_weights: bool = False, init_seed: int = 0, device: str = "auto") -> None:
        self.folder = folder
        self.random_weights = random_weights
        self.init_seed = init_seed
        self.device = pick_device(device)
        self.config = _read_config(folder)
        self.tokens = nucleotide_tokens(_read_tokenizer(folder), str(folder))
        network = _initialise(self.config, init_seed) if random_weights else _load(folder, self.config)
        self.network = network.to(self.device).eval()

    @property
    def context(self) -> int:
        """The most bases that fit in the network's context."""
        limit = getattr(self.config, "max_position_embeddings", None) or 1024
        return int(limit) - self.tokens.n_special

    def parameter_hash(self) -> str:
        """Return a digest of all parameters, by sorted name, dtype, shape and bytes."""
        h = hashlib.blake2b(digest_size=8)
        for name, value in sorted(self.network.named_parameters()):
            array = value.detach().cpu().contiguous().view(torch.uint8) if value.ndim else value.detach().cpu()
            h.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            h.update(array.numpy().tobytes())
        return h.hexdigest()

    def embed(
        self,
        sequences: StrArray,
        *,
        layer: int = -1,
        pooling: str = "mean",
        max_length: int | None = None,
        token_budget: int = TOKEN_BUDGET,
    ) -> NDArray[np.float32]:
        """Return the mean hidden state over the A, C, G and T of each sequence, (n, d).

        `layer` counts hidden states: 0 the embeddings, -1 the last with its final norm. Of an over-long sequence the
        central `max_length` bases (the whole context by default) are kept. Raises DataError naming the row for a
        sequence without a base.
        """
        if pooling != "mean":
            raise ConfigError(f"pooling = {pooling!r}: expected 'mean'")
        check_usable(sequences)
        unique, back = _unique(sequences)
        rows = [self.tokens.encode(s) for s in self._fit_in(unique, max_length)]
        lengths = np.array([len(r) for r in rows], np.int64)
        out: NDArray[np.float32] | None = None
        advance = activity(f"embedding with {self.folder.name}", len(rows))
        with _evaluating(self.network), torch.inference_mode():
            for index in batches(lengths, token_budget):
                pooled = _pool(self.network, self.tokens, [rows[i] for i in index], self.device, layer=layer)
                if out is None:
                    out = np.empty((len(rows), pooled.shape[1]), np.float32)
                out[index] = pooled.float().cpu().numpy()
                advance(len(index))
        if out is None:
            return np.empty((0, int(self.config.hidden_size)), np.float32)
        return out[back]

    def masked_log_probs(
        self, sequences: StrArray, sites: Sequence[IntArray], *, token_budget: int = TOKEN_BUDGET
    ) -> list[FloatArray]:
        """Return log-probabilities (nats) of A, C, G, T, (k, 4), at each sequence's sites, masked together.

        They are normalised over the four bases. Of an over-long sequence the context about its sites is kept. Raises
        NotApplicable where the checkpoint has no masked-language-model head or no mask token.
        """
        if self.tokens.mask is None or not _is_masked(self.config):
            raise NotApplicable(f"{self.folder}: has no mask token or no masked-language-model head")
        check_usable(sequences)
        rows, columns = [], []
        for row, (sequence, at) in enumerate(zip(sequences, sites, strict=True)):
            if len(at) and (at.min() < 0 or at.max() >= len(sequence)):
                raise DataError(f"sequence {row}: a site lies outside its {len(sequence)} bases")
            middle = (at.min() + at.max() + 1) / 2 if len(at) else None
            kept = window(len(sequence), self.context, around=middle)
            if len(at) and (at.min() < kept.start or at.max() >= kept.stop):
                raise DataError(f"sequence {row}: its sites do not fit in a context of {self.context} bases")
            tokens = self.tokens.encode(sequence[kept])
            column = at - kept.start + len(self.tokens.prefix)
            tokens[column] = self.tokens.mask
            rows.append(tokens)
            columns.append(column)
        found: list[FloatArray] = [np.empty((0, 4))] * len(rows)
        bases = torch.from_numpy(self.tokens.bases).to(self.device)
        advance = activity(f"scoring with {self.folder.name}", len(rows))
        with _evaluating(self.network), torch.inference_mode():
            for index in batches(np.array([len(r) for r in rows], np.int64), token_budget):
                ids, mask = _tensors([rows[i] for i in index], self.tokens, self.device)
                logits = self.network(input_ids=ids, attention_mask=mask).logits[..., bases].double()
                log_probs = logits.log_softmax(-1).cpu().numpy()
                for j, i in enumerate(index):
                    found[i] = log_probs[j, columns[i]]
                advance(len(index))
        return found

    def fit(
        self,
        train: Examples,
        valid: Examples,
        *,
        n_classes: int,
        seed: int,
        lr: float = 5e-4,
        epochs: int = 10,
        batch_size: int = 32,
        warmup: float = 0.1,
        patience: int = 2,
        max_length: int | None = None,
    ) -> FineTuned:
        """Return a predictor: a copy of the network, all of it trained, with a linear head on mean-pooled states.

        A variant is predicted from the pooled state of ALT minus that of REF. Of `random_weights` a new network is
        drawn for each seed. The weights are those of the epoch with the lowest loss on `valid`.
        """
        backbone = _backbone(
            _initialise(self.config, self.init_seed + seed) if self.random_weights else copy.deepcopy(self.network)
        )
        y_train, y_valid = (_targets(e, n_classes) for e in (train, valid))
        shift, scale = (0.0, 1.0) if n_classes else (float(y_train.mean()), float(y_train.std()) or 1.0)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            head = nn.Linear(int(self.config.hidden_size), n_classes or 1)
        fitted = FineTuned(self, backbone.to(self.device), head.to(self.device), n_classes, shift, scale, max_length)
        columns, held_out = fitted.encode(train.inputs), fitted.encode(valid.inputs)
        t_train, t_valid = (torch.from_numpy((y - shift) / scale if not n_classes else y) for y in (y_train, y_valid))

        def loss(outputs: Tensor, targets: Tensor) -> Tensor:
            if n_classes:
                return nn.functional.cross_entropy(outputs, targets)
            return nn.functional.mse_loss(outputs[:, 0], targets.float())

        def batch_loss(index: IntArray) -> Tensor:
            chosen = [[column[i] for i in index] for column in columns]
            return loss(fitted.outputs(chosen), t_train[torch.from_numpy(index)].to(self.device))

        fit_module(
            nn.ModuleList([fitted.backbone, fitted.head]),
            batch_loss,
            lambda: loss(fitted.all_outputs(held_out), t_valid).item(),
            len(train),
            lr=lr,
            epochs=epochs,
            batch_size=batch_size,
            warmup=warmup,
            patience=patience,
            seed=seed,
            doing=f"fine-tuning {self.folder.name}",
        )
        return fitted

    def _fit_in(self, sequences: Sequence[str], max_length: int | None) -> list[str]:
        keep = self.context if max_length is None else min(max_length, self.context)
        cut = sum(len(s) > keep for s in sequences)
        if cut:
            log.warning("%d of %d sequences are longer than %d bp; their centre is used", cut, len(sequences), keep)
        return [s[window(len(s), keep)] for s in sequences]


class FineTuned:
    """A fine-tuned network and its head."""

    def __init__(
        self,
        model: HuggingFaceModel,
        backbone: nn.Module,
        head: nn.Linear,
        n_classes: int,
        shift: float,
        scale: float,
        max_length: int | None,
    ) -> None:
        self.backbone = backbone
        self.head = head
        self._model = model
        self._n_classes = n_classes
        self._shift = shift
        self._scale = scale
        self._max_length = max_length

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return class probabilities (n, n_classes), or values (n, 1)."""
        outputs = self.all_outputs(self.encode(inputs)).double()
        found: FloatArray = (outputs.softmax(-1) if self._n_classes else outputs * self._scale + self._shift).numpy()
        return found

    def encode(self, inputs: Inputs) -> list[list[IntArray]]:
        """Return the token rows of REF, and of ALT where there is one."""
        columns = []
        for sequences in (inputs.sequences, inputs.alternates):
            if sequences is not None:
                check_usable(sequences)
                columns.append(
                    [self._model.tokens.encode(s) for s in self._model._fit_in(list(sequences), self._max_length)]
                )
        return columns

    def outputs(self, columns: Sequence[Sequence[IntArray]]) -> Tensor:
        """Return the head's outputs (n, k) for one batch of token rows; equal rows, as those of REF, run once."""
        pooled = []
        for rows in columns:
            first: dict[bytes, int] = {}
            for i, row in enumerate(rows):
                first.setdefault(row.tobytes(), i)
            place = {key: j for j, key in enumerate(first)}
            states = _pool(self.backbone, self._model.tokens, [rows[i] for i in first.values()], self._model.device)
            pooled.append(states[torch.tensor([place[row.tobytes()] for row in rows], device=states.device)])
        found: Tensor = self.head(pooled[0] if len(pooled) == 1 else pooled[1] - pooled[0])
        return found

    def all_outputs(self, columns: Sequence[Sequence[IntArray]]) -> Tensor:
        """Return the head's outputs (n, k), on the CPU, in batches of like length."""
        out = torch.empty(len(columns[0]), self.head.out_features)
        lengths = np.max([[len(row) for row in column] for column in columns], axis=0)
        with _evaluating(self.backbone), torch.inference_mode():
            for index in batches(lengths, TOKEN_BUDGET):
                chosen = [[column[i] for i in index] for column in columns]
                out[torch.from_numpy(index)] = self.outputs(chosen).float().cpu()
        return out.clone()


def _pool(
    network: nn.Module, tokens: NucleotideTokens, rows: Sequence[IntArray], device: torch.device, *, layer: int = -1
) -> Tensor:
    """Return the mean hidden state over A, C, G and T, (n, d)."""
    ids, mask = _tensors(rows, tokens, device)
    backbone = _backbone(network)
    if layer == -1:
        states = backbone(input_ids=ids, attention_mask=mask).last_hidden_state
    else:
        every = backbone(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        if not -len(every) <= layer < len(every):
            raise ConfigError(f"layer = {layer}: the network has hidden states 0 to {len(every) - 1}")
        states = every[layer]
    real = torch.isin(ids, torch.from_numpy(tokens.bases).to(device)).to(states.dtype)
    pooled: Tensor = torch.bmm(real[:, None], states)[:, 0] / real.sum(1, keepdim=True)
    return pooled


def _tensors(rows: Sequence[IntArray], tokens: NucleotideTokens, device: torch.device) -> tuple[Tensor, Tensor | None]:
    ids, real = pad(rows, tokens.pad)
    mask = None if real is None else torch.from_numpy(real.astype(np.int64)).to(device)
    return torch.from_numpy(ids).to(device), mask


def _backbone(network: nn.Module) -> nn.Module:
    """Return the network without its language-model head."""
    inner: nn.Module = getattr(network, "base_model", network)
    return inner


def _unique(sequences: StrArray) -> tuple[list[str], IntArray]:
    seen: dict[str, int] = {}
    back = np.array([seen.setdefault(s, len(seen)) for s in sequences], np.int64)
    return list(seen), back


def _targets(examples: Examples, n_classes: int) -> NDArray[Any]:
    return examples.targets.astype(np.int64 if n_classes else np.float64)


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    before = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(before)


def _read_config(folder: Path) -> Any:
    from transformers import AutoConfig

    if not (folder / "config.json").is_file():
        raise ConfigError(f"{folder}: no config.json, so this is not a Hugging Face checkpoint directory")
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"{folder}: only architectures native to transformers can be used ({reason})") from error
    return config


def _read_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{folder}: its tokenizer cannot be read ({str(error).strip().splitlines()[0]})") from error


def _auto_class(config: Any) -> Any:
    from transformers import AutoModel, AutoModelForMaskedLM

    return AutoModelForMaskedLM if _is_masked(config) else AutoModel


def _is_masked(config: Any) -> bool:
    return any(name.endswith("ForMaskedLM") for name in getattr(config, "architectures", None) or ())


def _initialise(config: Any, seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network: nn.Module = _auto_class(config).from_config(copy.deepcopy(config), attn_implementation="sdpa")
    return _without_pooler(network).eval()


def _load(folder: Path, config: Any) -> nn.Module:
    from safetensors import SafetensorError

    weights = folder / "model.safetensors"
    if not weights.is_file() and not (folder / "model.safetensors.index.json").is_file():
        raise ConfigError(f"{folder}: no model.safetensors; weights in other formats can run code and are not read")
    try:
        with without_progress_bars():
            network, report = _auto_class(config).from_pretrained(
                folder,
                config=config,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                attn_implementation="sdpa",
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # so that they are reported, and refused below
                output_loading_info=True,
            )
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DataError(f"{weights}: damaged ({str(error).strip().splitlines()[0]})") from error
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        keys = sorted(k if isinstance(k, str) else str(k[0]) for k in report.get(kind, ()))
        if any(not key.startswith("pooler.") for key in keys):
            raise DataError(f"{weights}: {len(keys)} {kind.replace('_', ' ')}, such as {', '.join(keys[:3])}")
    return _without_pooler(network)


def _without_pooler(network: nn.Module) -> nn.Module:
    """Return the network without the layer on its first token: nothing here uses it, and checkpoints often lack it."""
    if getattr(network, "pooler", None) is not None:
        network.pooler = None
    return network


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Keep the bars that transformers draws off the terminal; ours tell how far things are."""
    from transformers.utils import logging as hf_logging

    shown = hf_logging.is_progress_bar_enabled()
    hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            hf_logging.enable_progress_bar()
