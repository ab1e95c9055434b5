"""The folder of a pretraining: a checkpoint in Hugging Face layout, and the state that a killed run goes on from."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import ConfigError, DataError
from .config import PretrainConfig
from .tokenizer import TOKENIZER_FILES

SHIPPED = ("config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json", "pretrain.toml", "log.jsonl")
"""The files of a single-nucleotide checkpoint to pass on; `resume.pt` is not among them."""

STATE = "resume.pt"
_PARTIAL = ".partial"


@dataclass
class State:
    """How far a training is: its steps, what it has cost, the rows of its log, and the losses since the last row."""

    step: int = 0
    bases: int = 0
    flops: float = 0.0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Folder:
    """Where a run is written: `text` is its configuration as the user wrote it, `tokenizer` a folder with its files.

    Of several processes that train together one `writes`; in the others all that would write does nothing.
    """

    out: Path
    config: PretrainConfig
    text: str
    tokenizer: Path
    writes: bool = True

    def found(self) -> dict[str, Any] | None:
        """Return the state to go on from, None where there is none.

        Raises ConfigError where another run, or a finished checkpoint, is in the folder, DataError for a damaged state.
        """
        path = self.out / STATE
        if not path.exists():
            if (self.out / "model.safetensors").exists():
                raise ConfigError(f"{self.out}: has a finished checkpoint without {STATE}; give another --out")
            return None
        try:
            state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
            identity = state["identity"]
        except Exception as error:
            raise DataError(f"{path}: cannot be resumed from ({error}); remove it to start again") from error
        if identity != self.config.identity:
            raise ConfigError(
                f"{self.out}: was begun with another configuration; only the budget and the intervals may change on "
                "resume"
            )
        return state

    def make(self, *, anew: bool) -> None:
        """Make the folder; `anew`, without what a run left that was killed before it had a state.

        Raises ConfigError where it cannot be written to.
        """
        if not self.writes:
            return
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            if not os.access(self.out, os.W_OK):
                raise PermissionError("not writable")
            shutil.rmtree(self.out / _PARTIAL, ignore_errors=True)
            for stale in self.out.glob("at_*_percent") if anew else ():
                shutil.rmtree(stale)
        except OSError as error:
            raise ConfigError(f"{self.out}: cannot be written to ({error})") from error

    def save(self, network: nn.Module, optimizer: torch.optim.Optimizer, state: State) -> None:
        """Write every file beside its place and rename it; the state first, from which all else can be made again."""
        if self.writes:
            with self._writing():
                self._save(network, optimizer, state)

    def _save(self, network: nn.Module, optimizer: torch.optim.Optimizer, state: State) -> None:
        beside = self._written(network, state)
        value = {"model": network.state_dict(), "optimizer": optimizer.state_dict()}
        progress = {"progress": json.dumps(asdict(state)), "identity": self.config.identity}
        torch.save(value | progress, beside / STATE)
        for path in sorted(beside.iterdir(), key=lambda path: path.name != STATE):
            with path.open("rb") as written:
                os.fsync(written.fileno())
            path.replace(self.out / path.name)
        beside.rmdir()

    def save_at(self, share: float, network: nn.Module, state: State) -> Path:
        """Return the folder of a checkpoint on the way, written whole or not at all; one that is there stays."""
        folder = at_share(self.out, share)
        if self.writes and not folder.exists():
            with self._writing():
                self._written(network, state).replace(folder)
        return folder

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Raise DataError where the disk refuses what the block writes; what was there before stays."""
        from safetensors import SafetensorError

        try:
            yield
        except (OSError, RuntimeError, SafetensorError) as error:  # torch raises RuntimeError on a full disk
            raise DataError(
                f"{self.out}: the checkpoint cannot be written ({error}); the same command goes on from the last one"
            ) from error

    def _written(self, network: Any, state: State) -> Path:
        """Return a folder with the files of a checkpoint; the last row of its log is at the step of its weights."""
        from ..networks.loading import without_progress_bars

        beside = self.out / _PARTIAL
        beside.mkdir(exist_ok=True)
        with without_progress_bars():
            network.save_pretrained(beside)
        for name in TOKENIZER_FILES:
            if (self.tokenizer / name).exists():
                shutil.copyfile(self.tokenizer / name, beside / name)
        (beside / "pretrain.toml").write_text(self.text)
        logged = state.rows[-1]["step"] if state.rows else -1
        reached = {"step": state.step, "bases": state.bases, "flops": state.flops}
        rows = state.rows if logged == state.step else [*state.rows, reached]
        (beside / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return beside


def at_share(out: Path, share: float) -> Path:
    """Return the folder of the checkpoint at a share of the training."""
    return out / f"at_{100 * share:g}_percent"


def restored(value: dict[str, Any]) -> State:
    """Return the progress in what `Folder.found` returned."""
    return State(**json.loads(value["progress"]))
