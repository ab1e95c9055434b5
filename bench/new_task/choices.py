"""What a user settles about a data file before it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ConfigError


@dataclass(frozen=True)
class Choices:
    """What a user settles about a data file; each field is an option of `baserate new task`.

    What a field leaves open is guessed from the file, or asked for in one line that names the option.

    Attributes:
        genome: A FASTA file or a registered genome, for intervals and variants.
        negatives: One of `sources.negatives.NEGATIVES`: all intervals are peaks, and negatives are made of the genome.
        columns: The names of the columns of files without a header line, in file order.
        sheet: The sheet of spreadsheets that has the table.
        sequence: The column of the DNA.
        reference: The column of REF sequences, where each row has two sequences.
        alternate: The column of ALT sequences.
        targets: The columns of the labels or measurements.
        positive: The class that comes last of two: a high score means it.
        deleterious: Whether the last class, or a higher value, is the more harmful variant.
        drop_missing: Whether rows without a target are left out.
        replicates: What the rows, or target columns, that measure one input become: one of
            `sources.replicates.Replicates`.
        config: The configuration of a data set on the hub.
    """

    genome: str = ""
    negatives: str = ""
    columns: Sequence[str] = ()
    sheet: str = ""
    sequence: str = ""
    reference: str = ""
    alternate: str = ""
    targets: Sequence[str] = ()
    positive: str = ""
    deleterious: bool | None = None
    drop_missing: bool = False
    replicates: str = ""
    config: str = ""

    def __post_init__(self) -> None:
        for name in self.columns:
            if not name or list(self.columns).count(name) > 1:
                fault = f"the name {name!r} occurs more than once" if name else "a name is empty"
                raise ConfigError(f"--columns {','.join(self.columns)}: {fault}; name each column, in file order")
