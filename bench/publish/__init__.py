"""The published pages: a leaderboard as a folder of static pages, and as files for other boards."""

from __future__ import annotations

from .hub import Hub, publish_hub
from .site import Site, publish, write_site

__all__ = ["Hub", "Site", "publish", "publish_hub", "write_site"]
