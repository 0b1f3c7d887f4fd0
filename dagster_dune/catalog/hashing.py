"""The one hash of texts that fingerprints and code versions are made of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def hashed(parts: Iterable[str]) -> str:
    """Hash a few texts, in their order: 16 hexadecimal digits."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
