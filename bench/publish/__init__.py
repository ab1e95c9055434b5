"""The published pages: a leaderboard as a folder of static pages that open from a file and from any web host."""

from __future__ import annotations

from .site import Site, publish, write_site

__all__ = ["Site", "publish", "write_site"]
