"""Where examples come from: tables, genomes with intervals or variants, and installed data packages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..text import Text
from ..types import Examples, Inputs, Intervals, Strings


def concatenate(parts: Sequence[Examples]) -> Examples:
    """Return the examples of all parts in one, with the columns that every part has. Raises DataError for equal ids."""
    places = [part.intervals for part in parts if part.intervals is not None]
    alternates = [part.inputs.alternates for part in parts if part.inputs.alternates is not None]
    positions = [part.inputs.positions for part in parts if part.inputs.positions is not None]
    masked = [np.zeros(len(part)) if part.soft_masked is None else part.soft_masked for part in parts]
    return Examples(
        ids=np.concatenate([part.ids for part in parts]),
        inputs=Inputs(
            _joined([part.inputs.sequences for part in parts]),
            _joined(alternates) if len(alternates) == len(parts) else None,
            np.concatenate(positions) if len(positions) == len(parts) else None,
            parts[0].inputs.span,
        ),
        targets=np.concatenate([part.targets for part in parts]),
        groups=np.concatenate([part.groups for part in parts]),
        clusters=np.concatenate([part.clusters for part in parts]),
        strata={
            name: np.concatenate([part.strata[name] for part in parts])
            for name in parts[0].strata
            if all(name in part.strata for part in parts)
        },
        intervals=Intervals(
            np.concatenate([at.chrom for at in places]),
            np.concatenate([at.start for at in places]),
            np.concatenate([at.end for at in places]),
            np.concatenate([at.strand for at in places]),
        )
        if len(places) == len(parts)
        else None,
        soft_masked=np.concatenate(masked) if any(part.soft_masked is not None for part in parts) else None,
        left_out=counted(part.left_out for part in parts),
    )


def counted(several: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sums of several counts, by reason, in the order of their first occurrence."""
    out: dict[str, int] = {}
    for one in several:
        for reason, n in one.items():
            out[reason] = out.get(reason, 0) + n
    return out


def _joined(columns: Sequence[Strings]) -> Strings:
    if any(isinstance(column, Text) for column in columns):
        return Text.concatenate(columns)
    joined: Strings = np.concatenate([np.asarray(column) for column in columns])
    return joined
