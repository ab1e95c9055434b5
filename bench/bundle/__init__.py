"""Results handed on: one file of a folder, several folders as one, and whether what they state is so."""

from __future__ import annotations

from .finding import LEVELS, Finding
from .merge import Merged, merge, read_several
from .pack import bundle
from .verify import Report, verify

__all__ = ["LEVELS", "Finding", "Merged", "Report", "bundle", "merge", "read_several", "verify"]
