"""Networks that make one vector of the states of a sequence's tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Means of the states, weighted by attention of `heads` learnt queries; at first all tokens weigh the same."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.zeros(heads, width))

    def forward(self, states: Tensor, real: Tensor) -> Tensor:
        """Return the means (b, heads * d) of states (b, t, d) over the tokens that are `real` (b, t)."""
        scores = states @ self.queries.T / states.shape[-1] ** 0.5
        weights = scores.masked_fill(~real[:, :, None], -torch.inf).softmax(1)
        return torch.bmm(weights.transpose(1, 2), states).flatten(1)


class Convolutions(nn.Module):
    """Two residual convolutions over states reduced to `channels`, then their mean and maximum over the tokens."""

    def __init__(self, width: int, channels: int, kernel: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(width, channels)
        self.before, self.after = kernel // 2, (kernel - 1) // 2
        self.convolutions = nn.ModuleList(nn.Conv1d(channels, channels, kernel) for _ in range(2))

    def forward(self, states: Tensor, real: Tensor) -> Tensor:
        """Return the means and maxima (b, 2 * channels) of states (b, t, d) over the tokens that are `real` (b, t)."""
        mask = real[:, None]
        x = self.reduce(states).transpose(1, 2) * mask  # as beyond the ends, so that padding changes nothing
        for convolution in self.convolutions:
            x = x + nn.functional.gelu(convolution(nn.functional.pad(x, (self.before, self.after)))) * mask
        mean = x.sum(2) / mask.sum(2)
        return torch.cat([mean, x.masked_fill(~mask, -torch.inf).amax(2)], 1)
