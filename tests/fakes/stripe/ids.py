"""Ids that are the same for the same seed, whatever else happened before."""

from __future__ import annotations

import hashlib
from collections import Counter

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SHORT = {"cus", "prod", "si", "req"}


class Ids:
    """The n-th id of a prefix depends on seed, prefix and n alone."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._given: Counter[str] = Counter()

    def new(self, prefix: str) -> str:
        """The next id, as `cus_` and 14 letters or `sub_` and 24."""
        self._given[prefix] += 1
        digest = hashlib.blake2b(f"{self._seed}:{prefix}:{self._given[prefix]}".encode(), digest_size=24).digest()
        letters = "".join(ALPHABET[byte % 62] for byte in digest)
        return f"{prefix}_{letters[:14] if prefix in SHORT else '1' + letters[:23]}"
