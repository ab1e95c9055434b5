"""The convolutional baseline's network; importing this imports torch."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = 48
POOL = 4
DILATIONS = (1, 2, 4, 8)
PLACED = 8
HIDDEN = 32
DROPOUT = 0.3


class Block(nn.Module):
    """A dilated convolution whose output is added to its input."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.convolve = nn.Conv2d(
            channels, channels, (1, 5), padding=(0, 2 * dilation), dilation=(1, dilation), bias=False
        )
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, channels, 1, length)."""
        return x + torch.relu(self.norm(self.convolve(x)))


class Network(nn.Module):
    """Motifs of 15 bp, pooled by 4, four residual blocks, then two views of the map in one hidden layer.

    One view is each channel's mean and maximum, for motifs that may be anywhere; the other is a few channels at every
    position, for windows that are centred on a site. With `difference` the inputs are REF and ALT, and the output is
    that of ALT minus that of REF plus a constant. The convolutions are two-dimensional over a height of 1, which run
    faster on a CPU than one-dimensional ones.
    """

    def __init__(self, width: int, outputs: int, *, difference: bool) -> None:
        super().__init__()
        self.difference = difference
        self.register_buffer("bases", torch.cat([torch.eye(4), torch.zeros(1, 4)]), persistent=False)
        self.motifs = nn.Conv2d(4, CHANNELS, (1, 15), padding=(0, 7), bias=False)
        self.motifs_norm = nn.BatchNorm2d(CHANNELS)
        self.pool = nn.MaxPool2d((1, POOL), ceil_mode=True)
        self.blocks = nn.Sequential(*(Block(CHANNELS, dilation) for dilation in DILATIONS))
        self.norm = nn.BatchNorm2d(CHANNELS)
        self.placed = nn.Conv2d(CHANNELS, PLACED, 1)
        self.dropout = nn.Dropout(DROPOUT)
        self.hidden = nn.Linear(2 * CHANNELS + PLACED * math.ceil(width / POOL), HIDDEN)
        self.out = nn.Linear(HIDDEN, outputs)

    def forward(self, codes: Tensor) -> Tensor:
        """Return outputs (n, outputs) of base codes (n, 1, width), or (n, 2, width) of REF and ALT."""
        if not self.difference:
            return self.out(self.represent(codes[:, 0]))
        reference, alternate = self.represent(torch.cat([codes[:, 0], codes[:, 1]])).chunk(2)
        return self.out(alternate) - functional.linear(reference, self.out.weight)

    def represent(self, codes: Tensor) -> Tensor:
        """Return the hidden layer (n, 32) of base codes (n, width)."""
        # One-hot rows seen as (n, 4, 1, width) are already in channels-last order.
        x = functional.embedding(codes.long(), self.bases).permute(0, 2, 1).unsqueeze(2)
        x = torch.relu(self.motifs_norm(self.pool(self.motifs(x))))
        x = self.norm(self.blocks(x))
        mean, highest = x.mean(dim=(2, 3)), x.amax(dim=(2, 3))
        placed = self.drop(torch.relu(self.placed(x)).flatten(1))
        return self.drop(torch.relu(self.hidden(torch.cat([mean, highest, placed], dim=1))))

    def drop(self, x: Tensor) -> Tensor:
        """Return `x` (n, d) after dropout, which drops the same units of ALT as of its REF."""
        if not self.difference:
            return self.dropout(x)
        mask = self.dropout(torch.ones_like(x[: len(x) // 2]))
        return x * torch.cat([mask, mask])
