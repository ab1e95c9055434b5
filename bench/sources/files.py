"""Several files of one kind as one table: a file a class, a file a part, or both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ..errors import ConfigError, DataError
from ..types import Examples
from .collecting import text_array
from .sequences import package_file
from .source import Check, Source
from .tables import Columns, Opened, open_table, require_column, table_examples

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Files(Columns, Source):
    """The rows of several files, each read as a table, one file after the other.

    `labels` gives the label of all rows of each file, as the column 'label', and `parts` their part, as the column
    'part'. Other columns are those that every file has. `columns` names the columns of files without a header line,
    `sheet` the sheet of each spreadsheet, whose first is read otherwise.
    """

    FILES: ClassVar[tuple[str, ...]] = ("files",)

    files: tuple[str, ...] = field(kw_only=False)
    labels: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    sheet: str = ""

    def __post_init__(self) -> None:
        for key in ("labels", "parts"):
            values = getattr(self, key)
            if values and len(values) != len(self.files):
                raise ConfigError(f"{key} has {len(values)} values; expected one for each of {len(self.files)} files")

    def __call__(self, check: Check | None = None) -> Examples:
        """Return the examples. Raises DataError as `table_examples` does, and where a column is not in every file."""
        given = {"label": self.labels, "part": self.parts}
        known = {name: values for name, values in given.items() if values}
        opened = joined(self.files, known, self.columns, self.sheet)
        where = " + ".join(Path(file).name for file in self.files[:3]) + (" + ..." if len(self.files) > 3 else "")
        examples = table_examples(opened, where, self, kind=self.kind, classes=self.classes)
        if check:
            check(examples)
        return examples


def joined(
    files: Sequence[str], given: dict[str, tuple[str, ...]], columns: Sequence[str] = (), sheet: str = ""
) -> Opened:
    """Return the tables of several files as one, with the columns that all have and those of the values `given`.

    Raises DataError where a file has a column that is given for it too.
    """
    tables = [open_table(package_file(file), columns, sheet) for file in files]
    names = [name for name in tables[0].names if all(name in table.names for table in tables)]
    for name in given:
        for file, table in zip(files, tables, strict=True):
            if name in table.names:
                raise DataError(f"{file}: has a column {name!r}, which the names of the files give too")

    def batches(wanted: Sequence[str]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        read = [name for name in wanted if name not in given]
        for i, table in enumerate(tables):
            for name in read:
                require_column(table.names, name, files[i])
            for batch in table.batches(read):
                columns = [
                    text_array([given[name][i]] * batch.num_rows) if name in given else batch.column(name)
                    for name in wanted
                ]
                yield pa.RecordBatch.from_arrays(columns, list(wanted))

    return Opened([*names, *given], batches)
