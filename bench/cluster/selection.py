"""What a command names, as a value that goes through a file: which cells, under which protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..api import Planned, cells_of
from ..cache.folder import cache_dir
from ..errors import ConfigError
from ..networks.hub import Access
from ..plan import Protocol
from ..run import Grid


@dataclass(frozen=True)
class Selection:
    """The options of `baserate run` that say which cells there are and what decides each, by the names of `run()`."""

    suite: str = ""
    tasks: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    budget: str = ""
    shots: str = ""
    random_weights: bool = False
    trusted: tuple[str, ...] = ()
    allow_pickle: bool = False
    seeds: tuple[int, ...] = ()
    limit: int = 0
    replicates: int = 0
    resample: str = ""
    check_strand: bool = False
    check_reference: bool = False
    audited: bool = True
    refuse_leaks: bool = False
    fresh_versions: bool = False
    save_models: str = ""
    lock: bool = False
    reason: str = ""
    cache: bool = True

    def planned(self) -> Planned:
        """Return the cells. Raises ConfigError as `api.cells_of` does."""
        return cells_of(
            suite=self.suite,
            tasks=self.tasks,
            models=self.models,
            modes=self.modes,
            settings=self.settings,
            budget=self.budget,
            shots=self.shots,
            random_weights=self.random_weights,
            access=Access(self.trusted, self.allow_pickle),
        )

    def protocol(self, planned: Planned) -> Protocol:
        """Return what the cells share."""
        return Protocol(
            self.seeds or planned.seeds,
            limit=self.limit,
            grid=planned.grid,
            replicates=self.replicates,
            resample=self.resample,
            check_strand=self.check_strand,
            check_reference=self.check_reference,
        )

    def grid(self, planned: Planned, results: Path, **how: Any) -> Grid:
        """Return the grid that runs the cells; `how` are the fields of `Grid` that change no result."""
        return Grid(
            results,
            self.protocol(planned),
            cache_dir() if self.cache else None,
            audited=self.audited,
            refuse_leaks=self.refuse_leaks,
            models=Path(self.save_models) if self.save_models else None,
            fresh_versions=self.fresh_versions,
            lock=self.lock or planned.lock,
            reason=self.reason,
            **how,
        )

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` reads back: what differs from the defaults."""
        default = Selection()
        return {name: value for name, value in asdict(self).items() if value != getattr(default, name)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Selection:
        """Return the selection that `to_json` wrote. Raises ConfigError for a key that is not one of its."""
        known = {one.name for one in fields(Selection)}
        if unknown := value.keys() - known:
            raise ConfigError(f"{min(unknown)!r} is no option of a run; expected {', '.join(sorted(known))}")
        options: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in value.items()}
        return Selection(**options)
