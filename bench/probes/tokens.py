"""States of the tokens of examples, read a batch at a time, since there may be more of them than fit in memory."""

from __future__ import annotations

import logging
import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Protocol

import numpy as np
from numpy.typing import NDArray

from ..progress import activity
from ..types import IntArray

log = logging.getLogger(__name__)

States = NDArray[np.float32]
"""The states of the tokens of one sequence, (t, d)."""

PORTION = 1 << 16
"""How many bases are computed together: the states of so many, or of one longer sequence, are in memory."""


class Source(Protocol):
    """Where the states of the tokens of some sequences are."""

    def read(self, rows: IntArray) -> list[States]:
        """Return the states (t, d) of the sequences at `rows`."""


@dataclass(frozen=True, eq=False)
class TokenStates:
    """The states of the tokens of n examples, read a batch at a time.

    An example is the sequences `rows[i]` (c,) of `source`: what a network makes of each is summed with `weights` (c,),
    such as 1 and -1 for ALT minus REF, or 1/2 and 1/2 for the mean of both strands. `device` is where the model runs.
    """

    source: Source
    rows: IntArray
    weights: tuple[float, ...] = (1.0,)
    device: str = "cpu"

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: IntArray) -> TokenStates:
        return replace(self, rows=self.rows[index])

    def batch(self, index: IntArray) -> list[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
        """Return, by weight, states (b, t, d) of the examples at `index`, 0 beyond their ends, and a mask (b, t)."""
        out = []
        for column in range(len(self.weights)):
            found = self.source.read(self.rows[index, column])
            lengths = np.array([len(states) for states in found])
            mask = np.arange(lengths.max()) < lengths[:, None]
            padded = np.zeros((*mask.shape, found[0].shape[1]), np.float32)
            padded[mask] = np.concatenate(found)
            out.append((padded, mask))
        return out

    @property
    def width(self) -> int:
        """The width d of a state."""
        return int(self.source.read(self.rows[0, :1])[0].shape[1])


class Stored:
    """The states of distinct sequences: computed once into a file or, where that would be too large, whenever read.

    `compute(sequences)` returns the states (t, d) of each. The file is in `folder`, by default that of the system for
    temporary files, has at most `room` bytes, and is gone when this is, or when the process is killed. In memory are
    the states of PORTION bases, or of one sequence, while they are computed, and what one `read` asks for.
    """

    def __init__(
        self,
        sequences: Sequence[str],
        compute: Callable[[Sequence[str]], list[States]],
        *,
        room: int,
        folder: Path | None = None,
    ) -> None:
        self._sequences = sequences
        self._compute = compute
        self._room = room
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._tried = False
        self._starts = np.zeros(len(sequences), np.int64)
        self._lengths = np.zeros(len(sequences), np.int64)
        self._width = 0

    def read(self, rows: IntArray) -> list[States]:
        """Return the states (t, d) of the sequences at `rows`."""
        if not self._tried:
            self._tried = True
            self._fill()
        if self._file is None:
            unique, back = np.unique(rows, return_inverse=True)
            found: list[States] = []
            for part in self._portions(unique):
                found += self._compute([self._sequences[i] for i in part])
            return [found[i] for i in back]
        return [self._at(self._file, row) for row in rows.tolist()]

    def _at(self, file: IO[bytes], row: int) -> States:
        file.seek(int(self._starts[row]) * self._width * 4)
        states = np.fromfile(file, np.float32, int(self._lengths[row]) * self._width)
        return states.reshape(-1, self._width)

    def _fill(self) -> None:
        """Write the states into a file, unless there is no room for them."""
        file: IO[bytes] | None = None
        try:
            if self._folder is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
            file = tempfile.TemporaryFile(dir=self._folder, buffering=0)
            weakref.finalize(self, file.close)
            why = self._write(file)
        except OSError as error:
            why = error.strerror or str(error)
        if not why:
            self._file = file
            return
        log.warning("states of tokens are computed anew whenever they are read (%s)", why)
        if file is not None:
            file.close()

    def _write(self, file: IO[bytes]) -> str:
        """Write the states of all sequences, the longest first; return why there is no room for them, else ''."""
        lengths = np.array([len(s) for s in self._sequences])
        order = np.argsort(-lengths, kind="stable")
        advance = activity("storing states of tokens", len(order))
        tokens = bases = 0
        for part in self._portions(order):
            found = self._compute([self._sequences[i] for i in part])
            self._width = found[0].shape[1]
            self._lengths[part] = [len(states) for states in found]
            self._starts[part] = tokens + np.cumsum(self._lengths[part]) - self._lengths[part]
            tokens += int(self._lengths[part].sum())
            bases += int(lengths[part].sum())
            size = 4 * self._width * tokens * lengths.sum() / bases  # of the whole, as far as is known
            if size > self._room:
                return f"some {size / 1e9:.1f} GB, and {self._room / 1e9:.1f} GB may be used"
            np.concatenate(found).tofile(file)
            advance(len(part))
        return ""

    def _portions(self, rows: IntArray) -> list[IntArray]:
        """Return the rows in parts of at most PORTION bases, or of one sequence."""
        parts: list[list[int]] = []
        bases = 0
        for row in rows.tolist():
            bases += len(self._sequences[row])
            if not parts or bases > PORTION:
                parts.append([])
                bases = len(self._sequences[row])
            parts[-1].append(row)
        return [np.array(part, np.int64) for part in parts]
