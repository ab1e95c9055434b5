"""`pretrain` trains a language model of DNA and leaves a directory in Hugging Face layout.

The configuration is TOML with the tables [model], [tokens], [training] and one or more [[corpus]]. A batch depends
only on the seed and the step, so a run that was stopped and resumed ends with the same weights as one that was not.
"""

from __future__ import annotations

import logging
import math
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..digests import digest
from ..errors import ConfigError, DataError
from ..networks.batches import is_memory
from ..networks.engine import pick_precision
from ..networks.token_tables import Tokens
from ..networks.training import pick_device
from ..progress import activity
from .architectures import backbone, logits, new_network, operations
from .config import PretrainConfig, TrainingConfig, read_config
from .corpus import Spans, load
from .mirror import Mirror
from .objectives import IGNORED, Batch, causal, masked
from .processes import Team, team
from .saving import Folder, State, at_share, restored
from .tokenizer import read_tokenizer, write_tokenizer
from .validation import held_out_loss
from .windows import TokenRows, Windows, on_disk

log = logging.getLogger(__name__)

_UNITS = 10_000
"""Into how many parts the budget is divided where progress is shown."""


def share_done(state: State, training: TrainingConfig) -> float:
    """Return how much of the budget is spent, 0 to 1."""
    name, total = training.budget
    spent = {"steps": state.step, "bases": state.bases, "flops": state.flops, "minutes": state.seconds / 60}[name]
    return min(1.0, spent / total)


def learning_rate(step: int, done: float, training: TrainingConfig) -> float:
    """Return the rate of a 0-based step, before which the share `done` of the budget was spent."""
    warm = min(1.0, (step + 1) / max(1, training.warmup))
    left = (1.0 - done) / training.decay if training.decay else 1.0
    return training.lr * min(warm, left, 1.0)


@dataclass(frozen=True, eq=False)
class Trainee:
    """A network and what it needs to be trained on rows of tokens."""

    network: nn.Module
    tokens: Tokens
    config: PretrainConfig
    device: torch.device
    precision: str
    team: Team = field(default_factory=Team)

    def batch(self, rows: TokenRows, rng: np.random.Generator, *, all_hidden: bool = False) -> Batch:
        """Return the rows with what is to be predicted."""
        t = self.config.training
        if t.objective == "causal":
            return causal(rows, self.tokens)
        return masked(rows, self.tokens, rng, t.mask_rate, all_hidden=all_hidden)

    def losses(self, batch: Batch) -> Tensor:
        """Return the cross-entropy (m,), in nats, of the labelled positions; only these go through the output head."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            states = backbone(self.network)(input_ids=torch.from_numpy(batch.ids).to(self.device)).last_hidden_state
            targets = torch.from_numpy(batch.labels).to(self.device)
            at = targets != IGNORED
            out = logits(self.network, states[at])
        return nn.functional.cross_entropy(out.float(), targets[at], reduction="none")

    def backward(self, batch: Batch) -> float:
        """Return this process's part of the mean loss over labelled tokens, weighted; its gradients are there then."""
        asked = batch.labels != IGNORED
        total = float(batch.rows.weights[asked].sum()) or 1.0
        value = 0.0
        for index in self.team.parts(len(batch.ids), self.config.training.accumulate):
            part = batch.part(index)
            at = part.labels != IGNORED
            if at.any():
                weights = torch.from_numpy(part.rows.weights[at].astype(np.float32)).to(self.device)
                loss = (self.losses(part) * weights).sum() / total
                loss.backward()
                value += float(loss.item())
        return value

    def step(self, optimizer: torch.optim.Optimizer, batch: Batch) -> float:
        """Return the loss of the batch and take a step, with gradients clipped to norm 1.

        Raises DataError where memory runs out.
        """
        try:
            loss = self.team.sum(self.network, self.backward(batch))
        except RuntimeError as error:
            if not is_memory(error):
                raise
            parts = self.config.training.accumulate
            raise DataError(f"out of memory; raise [training] accumulate, which is {parts}, or lower crop") from error
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss

    def valid_loss(self, spans: list[Spans]) -> dict[str, float]:
        """Return the loss on held-out windows, in nats per base, with the same tokens hidden each time."""
        rng = np.random.default_rng(self.config.training.seed)
        return held_out_loss(
            self.network,
            spans,
            self.tokens,
            hide=lambda rows: self.batch(rows, rng, all_hidden=True),
            losses=self.losses,
            longest=self.config.model.context,
        )


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
    checkpoint that a later call resumes. Several processes may train together, see `processes`. Raises ConfigError
    where `out` has a run of another configuration.
    """
    config = read_config(config_path)
    with team() as processes, tempfile.TemporaryDirectory() as temporary:
        place = pick_device(device)
        if processes.size > 1 and place.index is not None:
            raise ConfigError(f"device {place} is one for all processes; expected cuda, of which each takes its own")
        folder = Folder(out, config, config_path.read_text(), Path(temporary), writes=processes.rank == 0)
        found = folder.found()
        spans = [on_disk(part) for part in _corpora(config)]
        folder.make(anew=found is None)
        write_tokenizer(folder.tokenizer, config, spans)
        tokens = read_tokenizer(folder.tokenizer, str(config_path))
        network = new_network(config, tokens).to(place)
        precision = pick_precision(config.training.precision, place)
        trainee = Trainee(network, tokens, config, place, precision, processes)
        optimizer = make_optimizer(network, config.training)
        state = State()
        if found is not None:
            network.load_state_dict(found["model"])
            optimizer.load_state_dict(found["optimizer"])
            state = restored(found)
        if processes.size > 1:
            processes.check_alike(
                configuration=config.identity,
                budget=(*config.training.budget, max_minutes),
                step=state.step,
                corpora=[part.n_train for part in spans],
                tokenizer=digest(*(file.read_bytes() for file in sorted(folder.tokenizer.iterdir()) if file.is_file())),
                weights=digest(*(value.cpu().numpy().tobytes() for value in network.state_dict().values())),
            )
        mirror = Mirror(tracking_uri, config, state.step) if tracking_uri and folder.writes else None
        _train(trainee, optimizer, spans, state, folder, mirror=mirror, max_minutes=max_minutes)
        if mirror:
            mirror.close()
    return out


def checkpoints(config_path: Path, out: Path) -> list[Path]:
    """Return the folders of a training's checkpoints, the first first; without `out` itself until it has ended."""
    config = read_config(config_path)
    found = Folder(out, config, "", out).found()
    ended = found is not None and share_done(restored(found), config.training) >= 1.0
    shares = [share for share in sorted(config.training.checkpoints) if share < 1]
    folders = [folder for share in shares if (folder := at_share(out, share)).is_dir()]
    return [*folders, out] if ended else folders


def _corpora(config: PretrainConfig) -> Iterator[Spans]:
    t = config.training
    for corpus in config.corpora:
        yield load(
            corpus,
            length=config.valid_length,
            valid_fraction=t.valid_fraction,
            n_valid=t.valid_windows,
            seed=t.seed,
            shortest=min(t.crop, 64),
            repeats=t.repeat_weight != 1.0,
        )


def make_optimizer(network: nn.Module, training: TrainingConfig) -> torch.optim.Optimizer:
    """Return AdamW, fused where the device has it."""
    parameters = list(network.parameters())
    fused = all(p.device.type in ("cpu", "cuda") for p in parameters)
    return torch.optim.AdamW(
        parameters, lr=training.lr, betas=(0.9, 0.98), weight_decay=training.weight_decay, fused=fused
    )


def _train(
    trainee: Trainee,
    optimizer: torch.optim.Optimizer,
    spans: list[Spans],
    state: State,
    folder: Folder,
    *,
    mirror: Mirror | None,
    max_minutes: float | None,
) -> None:
    """Train until the budget is spent or `max_minutes` are over, and write what there is then."""
    training, network = trainee.config.training, trainee.network
    windows = Windows(spans, trainee.tokens, crop=training.crop, repeat_weight=training.repeat_weight)
    on_the_way = sorted(share for share in training.checkpoints if share < 1)
    advance = activity(f"pretraining {folder.out.name}", _UNITS)
    done = share_done(state, training)
    advance(shown := int(_UNITS * done))
    began = mark = time.monotonic()
    before, first = state.seconds, state.step
    stopped = False
    if not state.step:
        _save_reached(folder, network, state, on_the_way, (-1.0, 0.0))
    while done < 1.0 and not stopped:
        rate = learning_rate(state.step, done, training)
        for group in optimizer.param_groups:
            group["lr"] = rate
        rng = np.random.default_rng([training.seed, state.step])
        batch = trainee.batch(windows.draw(rng, training.batch), rng)
        state.losses.append(trainee.step(optimizer, batch))
        state.step += 1
        if not math.isfinite(state.losses[-1]):
            raise DataError(f"{folder.out}: the loss is {state.losses[-1]} at step {state.step}; lower [training] lr")
        state.bases += int(batch.rows.bases.sum())
        labelled = int(np.count_nonzero(batch.labels != IGNORED))
        state.flops += operations(
            network, trainee.config, rows=training.batch, length=windows.length, labelled=labelled
        )
        state.seconds = trainee.team.of_first(before + time.monotonic() - began)
        earlier, done = done, share_done(state, training)
        advance(int(_UNITS * done) - shown, f"loss {state.losses[-1]:.3f}")
        shown = int(_UNITS * done)
        last = done >= 1.0
        if state.step % training.log_every == 0 or last:
            tokens = (state.step - first) * training.batch * windows.length
            row = _row(state, rate, tokens / max(time.monotonic() - mark, 1e-9))
            if folder.writes and (state.step % training.valid_every == 0 or last):
                row |= trainee.valid_loss(spans)
            state.rows.append(row)
            log.info("%s", row)
            if mirror:
                mirror.log(row)
            state.losses, first, mark = [], state.step, time.monotonic()
        _save_reached(folder, network, state, on_the_way, (earlier, done))
        stopped = not last and max_minutes is not None and state.seconds - before >= 60 * max_minutes
        if state.step % training.checkpoint_every == 0 and not last and not stopped:
            folder.save(network, optimizer, state)
    folder.save(network, optimizer, state)
    if stopped and folder.writes:
        log.warning("%s: stopped after %.3g%% of training; the same command resumes", folder.out, 100 * done)


def _row(state: State, rate: float, speed: float) -> dict[str, Any]:
    """Return a row of the log: the mean loss since the last, and what the training has cost."""
    return {
        "step": state.step,
        "loss": round(float(np.mean(state.losses)), 5),
        "lr": rate,
        "bases": state.bases,
        "flops": state.flops,
        "tokens_per_second": round(speed),
    }


def _save_reached(
    folder: Folder, network: nn.Module, state: State, shares: list[float], passed: tuple[float, float]
) -> None:
    """Write the checkpoints of the shares that the last step reached."""
    for share in shares:
        if passed[0] < share <= passed[1]:
            folder.save_at(share, network, state)
