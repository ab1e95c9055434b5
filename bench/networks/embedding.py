"""From sequences to vectors: one forward pass per batch serves all layers and poolings requested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import ConfigError, DataError
from ..progress import activity
from ..types import FloatArray, IntArray, Strings
from .batches import in_batches
from .chunks import TRUNCATED, Reading, portions
from .engine import Engine, evaluating
from .settings import POOLINGS
from .tokens import Encoded, Tokens

CHUNK = 4096
"""How many sequences are encoded, sorted by length and embedded together; this bounds the memory used."""


def embed_all(
    engine: Engine,
    sequences: Strings,
    requests: Sequence[tuple[float, str]],
    reading: Reading = TRUNCATED,
) -> list[NDArray[np.float32]]:
    """Return the vectors (n, d) of each (layer, pooling); see `LanguageModel.embed_all`."""
    parts = list(stream(engine, sequences, requests, reading))
    if not parts:
        return [np.empty((0, engine.width or 0), np.float32) for _ in requests]
    return [np.concatenate([part[i] for part in parts]) for i in range(len(requests))]


def stream(
    engine: Engine,
    sequences: Sequence[str] | Strings,
    requests: Sequence[tuple[float, str]],
    reading: Reading = TRUNCATED,
) -> Iterator[list[NDArray[np.float32]]]:
    """Yield the vectors of each (layer, pooling), a portion of the sequences at a time, in their order."""
    for _, pooling in requests:
        if pooling not in POOLINGS:
            raise ConfigError(f"pooling = {pooling!r}: expected one of {', '.join(POOLINGS)}")
    advance = activity(f"embedding with {engine.name}", len(sequences))
    for part in portions(sequences, CHUNK, reading):
        check_usable(sequences[part], first=part.start)
        unique, back = _unique(sequences[part])
        rows = engine.rows(unique, reading)
        vectors = _vectors(engine, rows.encoded, requests)
        advance(len(back))
        yield [
            rows.pooled(torch.from_numpy(v), pooling).numpy()[back]
            for v, (_, pooling) in zip(vectors, requests, strict=True)
        ]


def embed_tokens(
    engine: Engine,
    sequences: Strings,
    *,
    layer: float = -1,
    max_length: int | None = None,
    truncation: str = "both",
) -> list[NDArray[np.float32]]:
    """Return the states (t, d) of the tokens of each sequence that are pooled otherwise; see `LanguageModel`."""
    check_usable(sequences)
    encoded = engine.encode(list(sequences), max_length=max_length, truncation=truncation)
    backbone = engine.backbone()
    out: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(encoded)

    def compute(index: IntArray) -> None:
        batch = [encoded[i] for i in index]
        (states,) = token_states(engine, backbone, batch, [layer])
        values = states.float().cpu().numpy()
        for i, row, real in zip(index, values, _counted(batch, values.shape[1], engine.tokens), strict=True):
            out[i] = row[real]

    with evaluating(engine.network):
        in_batches(
            np.array([len(e.ids) for e in encoded], np.int64),
            compute,
            budget=engine.budget,
            equal=engine.equal_lengths,
            done=lambda n: None,
        )
    return out


def head_outputs(engine: Engine, sequences: Strings) -> FloatArray:
    """Return the probabilities (n, n_classes), or values (n, outputs), of the checkpoint's own head."""
    check_usable(sequences)
    unique, back = _unique(sequences)
    encoded = engine.encode(unique)
    outputs: list[FloatArray] = [np.empty(0)] * len(unique)
    config = getattr(engine.network, "config", None)
    problem = getattr(config, "problem_type", None)
    # Heads of decoders read the last token before padding: without a padding id they take one row at a time.
    one_row_at_a_time = config is not None and getattr(config, "pad_token_id", None) is None

    def compute(index: IntArray) -> None:
        output, _ = engine.forward(engine.network, [encoded[i].ids for i in index])
        logits = logits_of(output).double()
        if problem == "multi_label_classification":
            values = logits.sigmoid()
        else:
            values = logits if problem == "regression" or logits.shape[-1] == 1 else logits.softmax(-1)
        for i, row in zip(index, values.cpu().numpy(), strict=True):
            outputs[i] = row

    with evaluating(engine.network):
        in_batches(
            np.array([len(e.ids) for e in encoded], np.int64),
            compute,
            budget=1 if one_row_at_a_time else engine.budget,
            equal=engine.equal_lengths,
            done=activity(f"predicting with {engine.name}", len(unique)),
        )
    return np.stack(outputs)[back] if outputs else np.empty((0, 1))


def pool(
    engine: Engine, backbone: nn.Module, encoded: Sequence[Encoded], requests: Sequence[tuple[float, str]]
) -> list[Tensor]:
    """Return the pooled states (n, d) of each (layer, pooling) for one batch."""
    states = token_states(engine, backbone, encoded, [layer for layer, _ in requests])
    counted = _counted(encoded, states[0].shape[1], engine.tokens)
    real = torch.from_numpy(counted).to(states[0].device)
    return [_pooled(s, pooling, real, encoded) for s, (_, pooling) in zip(states, requests, strict=True)]


def token_states(
    engine: Engine, backbone: nn.Module, encoded: Sequence[Encoded], layers: Sequence[float]
) -> list[Tensor]:
    """Return the states (n, t, d) of each layer for one batch, rows padded on the right."""
    rows = [e.ids for e in encoded]
    every = engine.states_on_request or any(layer != -1 for layer in layers)
    output, _ = engine.forward(backbone, rows, hidden=every)
    if not every and _last(engine, output) is None:
        engine.states_on_request = True  # so that the next batch runs once
        output, _ = engine.forward(backbone, rows, hidden=True)
    return [_layer(engine, output, layer) for layer in layers]


def _vectors(
    engine: Engine,
    encoded: Sequence[Encoded],
    requests: Sequence[tuple[float, str]],
) -> list[NDArray[np.float32]]:
    vectors: list[NDArray[np.float32] | None] = [None] * len(requests)
    backbone = engine.backbone()

    def compute(index: IntArray) -> None:
        pooled = pool(engine, backbone, [encoded[i] for i in index], requests)
        for r, states in enumerate(pooled):
            values = states.float().cpu().numpy()
            out = vectors[r]
            if out is None:
                out = vectors[r] = np.empty((len(encoded), values.shape[1]), np.float32)
            out[index] = values

    with evaluating(engine.network):
        in_batches(
            np.array([len(e.ids) for e in encoded], np.int64),
            compute,
            budget=engine.budget,
            equal=engine.equal_lengths,
            done=lambda n: None,
        )
    return [part for part in vectors if part is not None]


def logits_of(output: Any) -> Tensor:
    """Return the logits (n, t, size), or (n, k) of a classifier, whichever way the network returns them."""
    logits: Tensor = output[0] if isinstance(output, tuple) else output.logits
    return logits


def _layer(engine: Engine, output: Any, layer: float) -> Tensor:
    """Return one layer of hidden states, whichever way the network returns them."""
    states = _last(engine, output) if layer == -1 else None
    if states is None:
        every = _every(output)
        if every is None and layer == -1:
            raise ConfigError(f"{engine.name}: returns logits and no hidden states, so there is nothing to embed with")
        if every is None:
            raise ConfigError(f"layer = {layer}: {engine.name} returns only its last layer (-1)")
        if isinstance(layer, float):  # a share of the depth
            layer = round(layer * (len(every) - 1))
        if not -len(every) <= layer < len(every):
            raise ConfigError(f"layer = {layer}: {engine.name} has hidden states 0 to {len(every) - 1}")
        states = every[layer]
    return states if engine.family.states is None else engine.family.states(states)


def _last(engine: Engine, output: Any) -> Tensor | None:
    """Return the last hidden states, None where the output has none."""
    if isinstance(output, tuple) and not engine.headed:
        first: Tensor = output[0]
        return first
    last: Tensor | None = getattr(output, "last_hidden_state", None)
    if last is not None:
        return last
    every = _every(output)
    return None if every is None else every[-1]


def _every(output: Any) -> Sequence[Tensor] | None:
    """Return the hidden states (n, t, d) of all layers, None where the output has none."""
    if not isinstance(output, tuple):
        states: Sequence[Tensor] | None = getattr(output, "hidden_states", None)
        return states
    several = (part for part in output if isinstance(part, (tuple, list)) and len(part))
    # Cached keys and values come as tuples too, of other shapes.
    return next((p for p in several if all(isinstance(s, Tensor) and s.ndim == 3 for s in p)), None)


def _counted(encoded: Sequence[Encoded], width: int, tokens: Tokens) -> NDArray[np.bool_]:
    """Return a mask (n, t) of the tokens to pool: those that spell only A, C, G, T, else all that spell anything."""
    out = np.zeros((len(encoded), width), bool)
    for i, e in enumerate(encoded):
        known = np.isin(e.ids, tokens.vocabulary.dna) & (e.ends > e.starts)
        out[i, : len(e.ids)] = known if known.any() else e.ends > e.starts
    return out


def _pooled(states: Tensor, pooling: str, real: Tensor, encoded: Sequence[Encoded]) -> Tensor:
    rows = torch.arange(len(states), device=states.device)
    if pooling == "mean":
        weights = real.to(states.dtype)
        mean: Tensor = torch.bmm(weights[:, None], states)[:, 0] / weights.sum(1, keepdim=True)
        return mean
    if pooling == "max":
        return states.masked_fill(~real[:, :, None], -torch.inf).amax(1)
    if pooling == "last":
        return states[rows, real.shape[1] - 1 - real.flip(1).to(torch.int64).argmax(1)]
    if any(e.ends[0] > e.starts[0] for e in encoded):
        raise ConfigError("pooling = 'cls': this tokenizer puts no special token before a sequence; use 'mean'")
    return states[:, 0]


def check_usable(sequences: Sequence[str] | Strings, *, first: int = 0) -> None:
    """Raise DataError, naming the row, for a sequence without a single A, C, G or T."""
    for row, sequence in enumerate(sequences, first):
        if not set("ACGTacgt") & set(sequence):
            text = f"{sequence[:20]!r}" if sequence else "empty"
            raise DataError(f"sequence {row} has no A, C, G or T ({text}), so it cannot be embedded or scored")


def _unique(sequences: Sequence[str] | Strings) -> tuple[list[str], IntArray]:
    seen: dict[str, int] = {}
    back = np.array([seen.setdefault(s, len(seen)) for s in sequences], np.int64)
    return list(seen), back
