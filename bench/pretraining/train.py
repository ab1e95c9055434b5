"""`pretrain` trains a single-nucleotide masked language model and leaves a directory in Hugging Face layout.

The configuration is TOML with the tables [model], [training] and one or more [[corpus]]. A batch depends only on the
seed and the step, so a run that was stopped and resumed ends with the same weights as one that was not.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DataError
from ..progress import activity
from ..tracking import experiment_id, quiet_mlflow, refusal
from ..types import IntArray
from .config import PretrainConfig, TrainingConfig, read_config
from .corpus import UNKNOWN, Codes, Spans, draw, load

if TYPE_CHECKING:
    import torch
    from transformers import EsmForMaskedLM

log = logging.getLogger(__name__)

EXPERIMENT = "baserate-pretrain"
VOCABULARY = ("<cls>", "<pad>", "<eos>", "<unk>", "A", "C", "G", "T", "N", "<mask>")
CLS, PAD, EOS, MASK = (VOCABULARY.index(token) for token in ("<cls>", "<pad>", "<eos>", "<mask>"))
FIRST_BASE = VOCABULARY.index("A")
IGNORED = -100
"""The label of a position that the loss leaves out, as in PyTorch's cross-entropy."""

SHIPPED = ("config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json", "pretrain.toml", "log.jsonl")
"""The files of a checkpoint to pass on; `resume.pt` is not among them."""


def learning_rate(step: int, training: TrainingConfig) -> float:
    """Return the rate of a 0-based step."""
    warm = min(1.0, (step + 1) / max(1, training.warmup))
    left = (training.steps - step) / max(1.0, training.decay * training.steps)
    return training.lr * min(warm, left, 1.0)


def mask_tokens(codes: Codes, rng: np.random.Generator, rate: float) -> tuple[IntArray, IntArray]:
    """Return (tokens, labels), each (n, length + 2), with <cls> and <eos> at the ends.

    Of the known bases a share `rate` is to be predicted: 80% of these are masked, 10% replaced by a random base and
    10% left (Devlin 2019).
    """
    tokens = np.pad(codes.astype(np.int64) + FIRST_BASE, ((0, 0), (1, 1)))
    tokens[:, 0], tokens[:, -1] = CLS, EOS
    bases = np.pad(codes < UNKNOWN, ((0, 0), (1, 1)))
    chosen = bases & (rng.random(tokens.shape) < rate)
    labels = np.where(chosen, tokens, IGNORED)
    how = rng.random(tokens.shape)
    random_bases = rng.integers(FIRST_BASE, FIRST_BASE + 4, size=tokens.shape)
    tokens = np.where(chosen & (how < 0.8), MASK, np.where(chosen & (how >= 0.9), random_bases, tokens))
    return tokens, labels


def pretrain(
    config_path: Path,
    out: Path,
    *,
    tracking_uri: str | None = None,
    device: str = "auto",
    max_minutes: float | None = None,
) -> Path:
    """Return `out`, a checkpoint directory: config, safetensors, tokenizer, the configuration and `log.jsonl`.

    A run that finds its own unfinished checkpoint in `out` continues from there. `max_minutes` stops early, at a
    checkpoint that a later call resumes. Raises ConfigError where `out` has a run of another configuration.
    """
    import torch

    from ..networks.training import pick_device

    config = read_config(config_path)
    training = config.training
    place = pick_device(device)
    state = _resumable(out, config)
    spans = [
        load(
            c,
            length=training.crop,
            valid_fraction=training.valid_fraction,
            n_valid=training.valid_windows,
            seed=training.seed,
        )
        for c in config.corpora
    ]
    _make_directory(out)
    model = _new_model(config).to(place)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=training.lr, betas=(0.9, 0.98), weight_decay=training.weight_decay
    )
    rows: list[dict[str, Any]] = []
    step = 0
    if state is not None:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        rows, step = json.loads(state["log"]), int(state["step"])
    mirror = _Mirror(tracking_uri, config, step) if tracking_uri else None
    advance = activity(f"pretraining {out.name}", training.steps)
    advance(step)
    began = mark = time.monotonic()
    losses: list[float] = []
    while step < training.steps:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, training)
        rng = np.random.default_rng([training.seed, step])
        codes = draw(spans, rng, n=training.batch, length=training.crop)
        loss = _loss(model, *mask_tokens(codes, rng, training.mask_rate), place)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        step += 1
        advance(1, f"loss {losses[-1]:.3f}")
        last = step == training.steps
        if step % training.log_every == 0 or last:
            now = time.monotonic()
            row = {"step": step, "loss": round(float(np.mean(losses)), 5), "lr": learning_rate(step - 1, training)}
            row["tokens_per_second"] = round(len(losses) * training.batch * training.crop / (now - mark))
            if not math.isfinite(row["loss"]):
                raise DataError(f"{out}: the loss is {row['loss']} at step {step}; lower [training] lr")
            if step % training.valid_every == 0 or last:
                row |= _validate(model, spans, training, place)
            rows.append(row)
            log.info("%s", row)
            if mirror:
                mirror.log(row)
            losses, mark = [], time.monotonic()
        stop = max_minutes is not None and time.monotonic() - began >= 60 * max_minutes
        if step % training.checkpoint_every == 0 or last or stop:
            _save(out, model, optimizer, step=step, config=config, text=config_path.read_text(), rows=rows)
        if stop and not last:
            log.warning("%s: stopped after %d of %d steps; the same command resumes", out, step, training.steps)
            break
    if mirror:
        mirror.close()
    return out


def _new_model(config: PretrainConfig) -> EsmForMaskedLM:
    import torch
    from transformers import EsmConfig, EsmForMaskedLM

    m = config.model
    shape = EsmConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=m.hidden,
        num_hidden_layers=m.layers,
        num_attention_heads=m.heads,
        intermediate_size=m.intermediate,
        max_position_embeddings=m.context,
        position_embedding_type="rotary",
        pad_token_id=PAD,
        mask_token_id=MASK,
        token_dropout=False,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        emb_layer_norm_before=False,
    )
    with torch.random.fork_rng():
        torch.manual_seed(config.training.seed)
        model = EsmForMaskedLM(shape)
    return model.train()


def _loss(
    model: EsmForMaskedLM, tokens: NDArray[np.int64], labels: NDArray[np.int64], place: torch.device
) -> torch.Tensor:
    """Return the mean cross-entropy (nats) of the labelled positions; only these go through the output head."""
    import torch

    states = model.esm(input_ids=torch.from_numpy(tokens).to(place)).last_hidden_state
    targets = torch.from_numpy(labels).to(place)
    at = targets != IGNORED
    return torch.nn.functional.cross_entropy(model.lm_head(states[at]), targets[at])


def _validate(
    model: EsmForMaskedLM, spans: list[Spans], training: TrainingConfig, place: torch.device
) -> dict[str, float]:
    """Return the loss on each corpus's held-out windows, with the same masks each time, and the weighted mean."""
    import torch

    losses: dict[str, float] = {}
    model.eval()
    with torch.inference_mode():
        for corpus in spans:
            if not len(corpus.valid):
                continue
            tokens, labels = mask_tokens(corpus.valid, np.random.default_rng(training.seed), training.mask_rate)
            total = sum(
                _loss(model, tokens[i : i + 16], labels[i : i + 16], place).item()
                * np.count_nonzero(labels[i : i + 16] != IGNORED)
                for i in range(0, len(tokens), 16)
            )
            losses[corpus.name] = float(total / np.count_nonzero(labels != IGNORED))
    model.train()
    if not losses:
        return {}
    weights = np.array([s.weight for s in spans if s.name in losses])
    mean = float(np.dot(weights / weights.sum(), list(losses.values())))
    return {"valid_loss": round(mean, 5)} | {f"valid_loss/{name}": round(v, 5) for name, v in losses.items()}


def _resumable(out: Path, config: PretrainConfig) -> dict[str, Any] | None:
    import torch

    path = out / "resume.pt"
    if not path.exists():
        if (out / "model.safetensors").exists():
            raise ConfigError(f"{out}: has a finished checkpoint without resume.pt; give another --out")
        return None
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        identity = state["identity"]
    except Exception as error:
        raise DataError(f"{path}: cannot be resumed from ({error}); remove it to start again") from error
    if identity != config.identity:
        raise ConfigError(
            f"{out}: was begun with another configuration; only steps and the intervals may change on resume"
        )
    return state


def _make_directory(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not os.access(out, os.W_OK):
            raise PermissionError("not writable")
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written to ({error})") from error


def _save(
    out: Path,
    model: EsmForMaskedLM,
    optimizer: torch.optim.Optimizer,
    *,
    step: int,
    config: PretrainConfig,
    text: str,
    rows: list[dict[str, Any]],
) -> None:
    """Write every file beside its place and rename it; `resume.pt` has all that a resumed run needs."""
    import torch

    from ..networks.loading import without_progress_bars

    beside = out / ".partial"
    beside.mkdir(exist_ok=True)
    with without_progress_bars():
        model.save_pretrained(beside)
    (beside / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    tokenizer = {"tokenizer_class": "EsmTokenizer", "model_max_length": config.model.context}
    (beside / "tokenizer_config.json").write_text(json.dumps(tokenizer, indent=2) + "\n")
    (beside / "pretrain.toml").write_text(text)
    (beside / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
    torch.save(state | {"identity": config.identity, "log": json.dumps(rows)}, beside / "resume.pt")
    for path in sorted(beside.iterdir()):
        with path.open("rb") as written:
            os.fsync(written.fileno())
        path.replace(out / path.name)
    beside.rmdir()


class _Mirror:
    """A copy of the log in MLflow; where a server fails, there is one warning and the run goes on."""

    def __init__(self, uri: str, config: PretrainConfig, step: int) -> None:
        self._uri = uri
        self._run = ""
        self._dead = False
        self._send(lambda: self._begin(config, step))

    def log(self, row: Mapping[str, float]) -> None:
        """Send one row of the log in one batch."""
        self._send(lambda: self._log(row))

    def close(self) -> None:
        """Mark the MLflow run as finished."""
        self._send(lambda: self._client.set_terminated(self._run))

    def _begin(self, config: PretrainConfig, step: int) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self._client = MlflowClient(tracking_uri=self._uri)
        experiment = experiment_id(self._client, self._uri, EXPERIMENT)
        run = self._client.create_run(experiment, run_name=f"pretrain from step {step}")
        params = asdict(config.model) | asdict(config.training)
        self._client.log_batch(run.info.run_id, params=[Param(k, str(v)) for k, v in params.items()])
        self._run = run.info.run_id

    def _log(self, row: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(key, float(value), now, int(row["step"])) for key, value in row.items() if key != "step"]
        self._client.log_batch(self._run, metrics=metrics)

    def _send(self, action: Callable[[], None]) -> None:
        if self._dead:
            return
        try:
            with quiet_mlflow():
                action()
        except Exception as error:  # noqa: BLE001 - the mirror never costs the run
            log.warning("%s; the rest of this run is not copied", refusal(error, self._uri))
            self._dead = True
