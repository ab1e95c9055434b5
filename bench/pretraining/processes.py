"""Several processes that train one network, each on its share of every batch and on a GPU of its own if there are some.

`torchrun` and `accelerate launch --multi_gpu` start them and say by RANK and WORLD_SIZE which is which. Gradients are
summed, so that N processes take the step that one takes in N times as many parts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
from torch import nn

from ..errors import ConfigError
from ..types import IntArray

_PATIENCE = timedelta(hours=6)
"""How long the others wait for the first, which validates and writes alone."""


@dataclass(frozen=True)
class Team:
    """How many processes train, and which of them this is."""

    rank: int = 0
    size: int = 1

    def parts(self, rows: int, accumulate: int) -> list[IntArray]:
        """Return this process's share of a batch's rows, in `accumulate` parts."""
        return np.array_split(np.arange(rows), accumulate * self.size)[self.rank :: self.size]

    def sum(self, network: nn.Module, value: float) -> float:
        """Return the sum of the value over the processes, with that of the gradients in the parameters."""
        if self.size == 1:
            return value
        parameters = list(network.parameters())
        present = torch.tensor(
            [p.grad is not None for p in parameters], dtype=torch.float32, device=parameters[0].device
        )
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([*(g.ravel() for g in grads), present, present.new_tensor([value])])
        torch.distributed.all_reduce(flat)
        *summed, present, total = flat.split([*(p.numel() for p in parameters), len(parameters), 1])
        for p, part, is_used in zip(parameters, summed, present.tolist(), strict=True):
            p.grad = part.view_as(p) if is_used else None  # of zeros the optimiser would still decay the weights
        return float(total)

    def check_alike(self, **about: object) -> None:
        """Raise ConfigError where the processes do not begin with the same, such as from another folder."""
        found: list[dict[str, object]] = [{} for _ in range(self.size)]
        torch.distributed.all_gather_object(found, about)
        for name, value in found[0].items():
            for rank, other in enumerate(found):
                if other[name] != value:
                    raise ConfigError(
                        f"process {rank} has another {name} than process 0, {other[name]!r} and {value!r}; "
                        "all need the same configuration, data and --out"
                    )

    def of_first(self, value: float) -> float:
        """Return the value that the first process has."""
        if self.size == 1:
            return value
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0)
        return box[0]


def is_first() -> bool:
    """Return whether this process is the one that writes and speaks."""
    return os.environ.get("WORLD_SIZE", "1") == "1" or os.environ.get("RANK", "0") == "0"


@contextmanager
def team() -> Iterator[Team]:
    """Give the team of this process, which is alone unless a launcher started several; it ends with the block.

    Raises ConfigError where the others cannot be reached.
    """
    size = os.environ.get("WORLD_SIZE", "1")
    if size == "1":
        yield Team()
        return
    has_gpus = torch.cuda.is_available()
    if has_gpus:
        here, gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if here >= gpus:
            raise ConfigError(f"process {here + 1} of this machine has no GPU: there are {gpus}; start as many")
        torch.cuda.set_device(here)
    try:
        torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if has_gpus else "gloo", timeout=_PATIENCE)
    except (ValueError, RuntimeError) as error:
        said = str(error).splitlines()[0]
        raise ConfigError(
            f"WORLD_SIZE is {size}, but the other processes cannot be reached ({said}); start all with torchrun"
        ) from error
    try:
        yield Team(torch.distributed.get_rank(), torch.distributed.get_world_size())
        torch.distributed.barrier()  # one that closes early can abort the first, which still writes
    finally:
        torch.distributed.destroy_process_group()
