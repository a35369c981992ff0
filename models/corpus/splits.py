"""Three disjoint parts by document: what a document says decides its part, so that copies stay together."""

from __future__ import annotations

import hashlib
from typing import Literal

from models.corpus.specs import Shares

Split = Literal["teacher", "student", "eval"]
SPLITS: tuple[Split, ...] = ("teacher", "student", "eval")


def digest_of(document: bytes, seed: int) -> bytes:
    """The 32 bytes that decide all that happens to a document; another seed gives another split."""
    return hashlib.sha256(f"{seed}:".encode() + document).digest()


def part_of(digest: bytes, shares: Shares) -> Split:
    """The part that a document belongs to; on average the parts hold documents in the ratio of the shares."""
    point = point_of(digest[:8]) * (shares.teacher + shares.student + shares.eval)
    if point < shares.teacher:
        return "teacher"
    return "student" if point < shares.teacher + shares.student else "eval"


def in_sample(digest: bytes, share: float) -> bool:
    """Whether a document belongs to a random sample of this share, whatever its part."""
    return point_of(digest[8:16]) < share


def point_of(digest: bytes) -> float:
    """A number in [0, 1) from 8 bytes."""
    return int.from_bytes(digest[:8]) / 2**64
