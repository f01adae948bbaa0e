"""Digests of sets of texts, by which a classifier's file knows again what it was trained on."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from embzip.errors import InputError

_MODULUS = 1 << 64


@dataclass(frozen=True)
class TextDigest:
    """A set of texts, told by its size and 64 bits.

    Order and copies do not count, and labels do not: a text was seen, whatever its label. Digests
    of sets without a common text add up to the digest of their union, so a file is known again
    although a tenth of it was held out. Texts that somebody made for it can have equal digests;
    others do not.

    Attributes
    ----------
    count
        How many different texts there are.
    digest
        16 hexadecimal digits: the sum, modulo 2^64, of the first eight bytes of each text's SHA-256
        as a big-endian number.

    References
    ----------
    Bellare and Micciancio 1997, A New Paradigm for Collision-Free Hashing (AdHash).

    Examples
    --------
    >>> both = TextDigest.of(["a goal", "the vote", "a goal"])
    >>> both
    TextDigest(count=2, digest='2660cab8974e801a')
    >>> both == TextDigest.of(["the vote"]) + TextDigest.of(["a goal"])
    True
    """

    count: int
    digest: str

    def __post_init__(self) -> None:
        if self.count < 0:
            raise InputError(f"texts number at least 0, received {self.count}")
        if len(self.digest) != 16 or set(self.digest) - set("0123456789abcdef"):
            raise InputError(
                f"the digest of texts must be 16 hexadecimal digits, received {self.digest[:40]!r}"
            )

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Return the digest of some texts; they are read once, and eight bytes of each kept."""
        from hashlib import sha256  # imported here: it loads OpenSSL, which serving does not need

        hashed = (
            int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")
            for text in texts
        )
        different = np.unique(np.fromiter(hashed, np.uint64))
        return cls(len(different), f"{int(different.sum(dtype=np.uint64)):016x}")

    def __add__(self, other: "TextDigest") -> "TextDigest":
        total = (int(self.digest, 16) + int(other.digest, 16)) % _MODULUS
        return TextDigest(self.count + other.count, f"{total:016x}")
