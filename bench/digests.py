"""Digests, and the JSON form that is digested."""

from __future__ import annotations

import hashlib
import json

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(*parts: bytes | str) -> str:
    """Return the 16-hex-digit BLAKE2b digest of the parts, each length-prefixed so that joins cannot collide."""
    h = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = part.encode(errors="surrogatepass") if isinstance(part, str) else part  # of a file name, say
        h.update(len(data).to_bytes(8, "little"))
        h.update(data)
    return h.hexdigest()


def canonical_json(value: object) -> str:
    """Return JSON with sorted keys and no NaN, the form that is hashed."""
    return _CANONICAL.encode(value)
