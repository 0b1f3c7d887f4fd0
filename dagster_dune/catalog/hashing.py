"""The hash that fingerprints and code versions use."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def hashed(parts: Iterable[str]) -> str:
    """Return a hash of several texts in order, as 16 hexadecimal digits."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
