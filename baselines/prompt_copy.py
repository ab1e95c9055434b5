"""What a prompt itself predicts about the bases that follow, without any model of DNA."""

from __future__ import annotations

import numpy as np

from baserate.registry import baseline
from baserate.types import FloatArray, Strings

LONGEST, SHORTEST = 32, 8
"""How many bases of the end of a prompt are searched for earlier in it, at most and at least."""


class CommonBase:
    """Predicts that the most common base of the sequence comes next."""

    def next_base_log_probs(self, sequences: Strings) -> FloatArray:
        """Return the logarithms of the shares of A, C, G and T in each sequence, (n, 4), with 1 added to each count."""
        counts = np.array([[s.upper().count(base) for base in "ACGT"] for s in sequences], np.float64)
        counts = counts.reshape(-1, 4) + 1
        shares: FloatArray = np.log(counts / counts.sum(axis=1, keepdims=True))
        return shares


class PromptCopy(CommonBase):
    """Copies what followed the last occurrence of the sequence's end in it, else predicts the most common base."""

    def next_base_log_probs(self, sequences: Strings) -> FloatArray:
        """Return log-probabilities (n, 4), in nats: of .97 for the base that is copied, or of the shares of bases."""
        out = super().next_base_log_probs(sequences)
        for row, sequence in enumerate(sequences):
            base = _copied(sequence.upper())
            if base in "ACGT":
                out[row] = np.log(0.01)
                out[row, "ACGT".index(base)] = np.log(0.97)
        return out


def _copied(sequence: str) -> str:
    """Return the base after the latest earlier occurrence of the sequence's end, the longer end first; 'N' for none."""
    for length in range(min(LONGEST, len(sequence) - 1), SHORTEST - 1, -4):
        at = sequence.rfind(sequence[-length:], 0, len(sequence) - 1)
        if at >= 0:
            return sequence[at + length]
    return "N"


@baseline(
    "common_base",
    version=1,
    modes={"zero_shot": {"rule": "generate"}},
    description="The most common base of the prompt, over and over.",
    variants=False,
)
def load_common_base() -> CommonBase:
    """Return the baseline that repeats one base."""
    return CommonBase()


@baseline(
    "prompt_copy",
    version=1,
    modes={"zero_shot": {"rule": "generate"}},
    description="Copies what followed the last earlier occurrence of the prompt's end in it, which retrieves an exact "
    "repeat without a model of DNA.",
    variants=False,
)
def load_prompt_copy() -> PromptCopy:
    """Return the baseline that copies."""
    return PromptCopy()
