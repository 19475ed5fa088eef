"""Cut a stream of bytes where its content says so, so that versions share what they have alike.

A cut falls where a hash of the last 32 bytes has its 20 highest bits zero. Bytes put in or taken
out move the cuts near them and no others: the chunks of two versions are mostly the same ones.
The hash is that of Xia et al., FastCDC (USENIX ATC 2016), section 3, computed for all places at
once by doubling the window five times.
"""

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

SHORTEST, LONGEST = 2**18, 2**22
"""Bounds of a chunk in bytes; the mean is near 2**20."""

_WINDOW = 32
_BLOCK = 2**20
_GEAR = np.frombuffer(
    b"".join(hashlib.blake2b(bytes([value]), digest_size=4).digest() for value in range(256)),
    dtype="<u4",
)


def chunks(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut a stream into chunks.

    Args:
        blocks: The stream, in blocks of any length; the cuts do not depend on them.

    Yields:
        Chunks of `SHORTEST` to `LONGEST` bytes, the last one of any length; together they are the
        stream.
    """
    held, marks, tail = bytearray(), list[int](), b""
    for block in _gathered(blocks):
        seen = tail + block
        marks += [
            len(held) - len(tail) + place for place in _cuts(seen).tolist() if place > len(tail)
        ]
        held += block
        tail = seen[-(_WINDOW - 1) :]
        while cut := _next(marks, len(held)):
            yield bytes(held[:cut])
            del held[:cut]
            marks = [place - cut for place in marks if place > cut]
    if held:
        yield bytes(held)


def _gathered(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Small blocks together, long ones in parts: arrays pay from a certain length on."""
    held = bytearray()
    for block in blocks:
        held += block
        while len(held) >= _BLOCK:
            yield bytes(held[:_BLOCK])
            del held[:_BLOCK]
    if held:
        yield bytes(held)


def _cuts(block: bytes) -> NDArray[np.int64]:
    """Numbers of bytes after which the hash asks for a cut."""
    rolling = _GEAR[np.frombuffer(block, np.uint8)].astype(np.uint32)
    step = 1
    while step < _WINDOW:
        earlier = rolling[:-step] << np.uint32(step)
        rolling[step:] += earlier  # wraps around, as it should
        step *= 2
    return np.flatnonzero(rolling < 2**12) + 1


def _next(marks: list[int], length: int) -> int:
    """Where the first chunk of what is held ends; 0 where that is not known yet."""
    first = next((place for place in marks if place >= SHORTEST), None)
    if first is not None and first <= LONGEST:
        return first
    return LONGEST if length >= LONGEST else 0
