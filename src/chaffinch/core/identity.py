"""Stable sample ids and data fingerprints from content hashes."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from chaffinch.core.errors import InputError
from chaffinch.core.types import Strings

_DIGEST_BYTES = 8


def digest(*parts: bytes) -> str:
    """Hash the parts of one sample's content to 16 hexadecimal digits (BLAKE2b).

    The length of each part goes into the hash, so that ``(b"a", b"bc")`` and ``(b"ab", b"c")``
    differ.
    """
    hasher = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        hasher.update(len(part).to_bytes(8, "little"))
        hasher.update(part)
    return hasher.hexdigest()


def ids_from_digests(digests: Sequence[str]) -> Strings:
    """Turn content digests into unique ids: the n-th copy of a sample gets the suffix ``-n``.

    An id depends on the sample's content alone, so it survives reordering, added rows and
    corrected labels. Only exact copies are told apart by their order.
    """
    seen: Counter[str] = Counter()
    ids = []
    for value in digests:
        seen[value] += 1
        ids.append(value if seen[value] == 1 else f"{value}-{seen[value]}")
    return np.asarray(ids, dtype=np.str_)


def ids_from_keys(keys: Iterable[object], column: str) -> Strings:
    """Turn the values of a key column into ids.

    Raises:
        InputError: A key is missing or comes twice.
    """
    values = list(keys)
    missing = sum(value is None or value != value for value in values)
    if missing:
        raise InputError(
            f"a key in every row of the id column {column!r}",
            f"{missing} empty cells",
            "Fill them, or leave the id column out to get ids from the content",
        )
    ids = [str(value) for value in values]
    repeated = [key for key, count in Counter(ids).items() if count > 1]
    if repeated:
        raise InputError(
            f"unique keys in the id column {column!r}",
            f"{len(repeated)} that come more than once, such as {repeated[0]!r}",
            "Choose another column, or leave the id column out to get ids from the content",
        )
    return np.asarray(ids, dtype=np.str_)


def fingerprint(
    ids: Sequence[str] | Strings, digests: Sequence[str], labels: Iterable[object]
) -> str:
    """Hash a whole data set (ids, contents and labels) to 32 hexadecimal digits.

    The order of the samples does not matter: the same samples with the same labels have the same
    fingerprint.
    """
    rows = sorted(
        digest(str(one).encode(), content.encode(), repr(str(label)).encode())
        for one, content, label in zip(ids, digests, labels, strict=True)
    )
    hasher = hashlib.blake2b(digest_size=16)
    hasher.update(len(rows).to_bytes(8, "little"))
    for row in rows:
        hasher.update(row.encode())
    return hasher.hexdigest()
