"""A published folder: written whole or not at all, and replaced only where it is one of ours."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from ..errors import DataError
from ..files import write_whole

Content = Mapping[str, str | bytes]
"""What each file of a folder holds, by its path in the folder."""


def check_place(out: Path, mark: str, what: str) -> None:
    """Raise DataError where `out` is a file, or a folder with files but without the file `mark` of a `what`."""
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: a file; expected a folder for the {what}, new or of an earlier one")
    if out.is_dir() and any(out.iterdir()) and not (out / mark).is_file():
        raise DataError(f"{out}: has files that are not of a {what} (no {mark}); choose a new folder")


def write_folder(content: Content, out: Path, what: str) -> int:
    """Return the bytes written to the folder `out`, which replaces an earlier one as a whole.

    Raises DataError where it cannot be written; what was there before then stays as it was.
    """
    data = {name: _encoded(value) for name, value in content.items()}
    try:
        _write(data, out.resolve())
    except OSError as error:
        raise DataError(f"cannot write the {what} in {out}: {error.strerror}; choose another folder") from error
    return sum(map(len, data.values()))


def _encoded(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "backslashreplace")


def _write(data: Mapping[str, bytes], out: Path) -> None:
    """Write the files beside `out` and swap the folders, so that a reader never meets half of them."""
    earlier = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.old")

    def fill(beside: Path) -> None:
        for name, value in data.items():
            file = beside / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(value)
        if out.is_dir() and any(out.iterdir()):
            out.rename(earlier)

    try:
        write_whole(out, fill)
    except BaseException:
        if earlier.exists() and not out.exists():
            earlier.rename(out)
        raise
    finally:
        shutil.rmtree(earlier, ignore_errors=True)
