"""The leaderboard as scripts and notebooks get it: a table that can be looked at and taken further."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .fields import to_frame
from .notebook import to_html
from .table import Table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Leaderboard(Table):
    """A `Table` that becomes a data frame, and shows its scores in a notebook."""

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas DataFrame of one row per cell and metric, with the fields of the CSV as numbers and text."""
        return to_frame(self)

    def _repr_html_(self) -> str:
        return to_html(self)
