"""The convolutional baselines' networks; importing this imports torch."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from baserate.baselines._design import Shape

POOL = 4
PLACED = 8


class Block(nn.Module):
    """A dilated convolution whose output is added to its input."""

    def __init__(self, channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.convolve = _convolution(channels, channels, kernel, dilation)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, channels, 1, length)."""
        return x + torch.relu(self.norm(self.convolve(x)))


class GatedBlock(nn.Module):
    """A dilated convolution whose values, each times a gate from the same positions, are added to its input."""

    def __init__(self, channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.convolve = _convolution(channels, 2 * channels, kernel, dilation)
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, channels, 1, length)."""
        value, gate = self.convolve(self.norm(x)).chunk(2, dim=1)
        return x + self.mix(functional.silu(value) * torch.sigmoid(gate))


class Network(nn.Module):
    """Motifs, pooled by 4, residual blocks, then two views of the map in one hidden layer.

    One view is each channel's mean and maximum, for motifs that may be anywhere; the other is a few channels at every
    position, for windows that are centred on a site. With `difference` the inputs are REF and ALT, and the output is
    that of ALT minus that of REF plus a constant. The convolutions are two-dimensional over a height of 1, which run
    faster on a CPU than one-dimensional ones.
    """

    def __init__(self, width: int, outputs: int, shape: Shape, dropout: float, *, difference: bool) -> None:
        super().__init__()
        self.difference = difference
        channels = shape.channels
        self.register_buffer("bases", torch.cat([torch.eye(4), torch.zeros(1, 4)]), persistent=False)
        self.motifs = _convolution(4, shape.motifs, shape.reach, 1)
        self.motifs_norm = nn.BatchNorm2d(shape.motifs)
        self.pool = nn.MaxPool2d((1, POOL), ceil_mode=True)
        self.narrow = nn.Conv2d(shape.motifs, channels, 1) if shape.motifs != channels else nn.Identity()
        block = GatedBlock if shape.gated else Block
        self.blocks = nn.Sequential(*(block(channels, shape.kernel, dilation) for dilation in shape.dilations))
        self.norm = nn.BatchNorm2d(channels)
        self.placed = nn.Conv2d(channels, PLACED, 1)
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(2 * channels + PLACED * math.ceil(width / POOL), shape.hidden)
        self.out = nn.Linear(shape.hidden, outputs)

    def forward(self, codes: Tensor) -> Tensor:
        """Return outputs (n, outputs) of base codes (n, 1, width), or (n, 2, width) of REF and ALT."""
        if not self.difference:
            return self.out(self.represent(codes[:, 0]))
        reference, alternate = self.represent(torch.cat([codes[:, 0], codes[:, 1]])).chunk(2)
        return self.out(alternate) - functional.linear(reference, self.out.weight)

    def represent(self, codes: Tensor) -> Tensor:
        """Return the hidden layer (n, hidden) of base codes (n, width)."""
        # One-hot rows seen as (n, 4, 1, width) are already in channels-last order.
        x = functional.embedding(codes.long(), self.bases).permute(0, 2, 1).unsqueeze(2)
        x = self.narrow(torch.relu(self.motifs_norm(self.pool(self.motifs(x)))))
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


def _convolution(inputs: int, outputs: int, kernel: int, dilation: int) -> nn.Conv2d:
    reach = dilation * (kernel // 2)
    return nn.Conv2d(inputs, outputs, (1, kernel), padding=(0, reach), dilation=(1, dilation), bias=False)
