"""Features on disk, by content of sample and encoder, so that they are computed once."""

import hashlib
import logging
import os
import time
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chaffinch.core.durable import draft_of
from chaffinch.core.errors import InputError
from chaffinch.core.types import Floats

_LOG = logging.getLogger("chaffinch")
_FORMAT = "1"
_DAMAGE = (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, zlib.error)
_GIGABYTE = 10**9
_DEFAULT_GIGABYTES = 4.0
_DAY = 86_400.0

LIMIT = "CHAFFINCH_CACHE_GB"
"""The environment variable that says how large the cache may be."""


def cache_folder() -> Path:
    """Where features are kept: ``chaffinch/features`` in XDG_CACHE_HOME, by default ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    # The convention has relative paths ignored.
    place = Path(home) if os.path.isabs(home) else Path("~/.cache").expanduser()
    return place / "chaffinch" / "features"


def cache_limit() -> int:
    """How many bytes the cache may hold.

    Raises:
        InputError: `LIMIT` is set to something that is no size.
    """
    given = os.environ.get(LIMIT, "").strip()
    if not given:
        return int(_DEFAULT_GIGABYTES * _GIGABYTE)
    try:
        size = float(given)
    except ValueError:
        size = -1.0
    if not 0 <= size < float("inf"):
        raise InputError(
            f"a size in gigabytes in {LIMIT}",
            repr(given),
            "Set it to a number such as 4, or unset it",
        )
    return int(size * _GIGABYTE)


@dataclass(frozen=True)
class FeatureCache:
    """Features in files of a folder: each holds those of some samples by one encoder.

    Nothing here fails because of the disk: what cannot be read is computed anew, what cannot be
    written is not kept.

    Attributes:
        folder: Where; made when it is needed.
        limit: Bytes; the files that were unused for longest are deleted beyond.
    """

    folder: Path
    limit: int

    @classmethod
    def default(cls) -> "FeatureCache":
        """The cache of this user."""
        return cls(cache_folder(), cache_limit())

    def read(self, key: str, digests: Sequence[str]) -> dict[str, Floats]:
        """The (K,) features that are known, by digest.

        Args:
            key: Of the encoder and the form in which it takes samples.
            digests: Of samples.
        """
        wanted, found = set(digests), dict[str, Floats]()
        for path in sorted(self._place(key).glob("*.npz")):
            try:
                # A file of our own: np.load leaves its one open where it fails.
                with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                    # Sums of the bytes are checked by the archive.
                    names, features = arrays["digests"].tolist(), arrays["features"]
                whole = features.ndim == 2 and len(features) == len(names)
                if not whole or features.dtype != np.float32 or not np.isfinite(features).all():
                    raise ValueError("no features")
            except FileNotFoundError:  # another process deleted it
                continue
            except _DAMAGE as error:
                _LOG.warning("%s is damaged: its features are computed anew (%s)", path, error)
                with suppress(OSError):
                    path.unlink()
                continue
            rows = [row for row, name in enumerate(names) if name in wanted]
            if rows:
                with suppress(OSError):
                    os.utime(path)
                # A copy: one row would keep the array of all alive.
                part = features[rows]
                found |= dict(zip((names[row] for row in rows), part, strict=True))
        widths = {len(row) for row in found.values()}
        return found if len(widths) <= 1 else {}

    def write(self, key: str, digests: Sequence[str], features: Floats) -> None:
        """Keep (n, K) features of n samples."""
        place = self._place(key)
        name = hashlib.blake2b("\n".join(digests).encode(), digest_size=16).hexdigest()
        path = place / f"{name}.npz"
        if features.nbytes > self.limit:
            return
        draft = draft_of(path)
        try:
            place.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as file:
                np.savez(
                    file,
                    digests=np.asarray(digests, dtype=np.str_),
                    features=np.ascontiguousarray(features, dtype=np.float32),
                )
            os.replace(draft, path)  # a file torn by a crash is found damaged, and made anew
            self.prune()
        except OSError as error:
            _LOG.warning("features could not be kept in %s (%s)", self.folder, error)
            with suppress(OSError):
                draft.unlink()

    def prune(self) -> None:
        """Delete the files that were unused for longest until the rest is within the limit."""
        known = []
        for path in self.folder.glob("*/*.npz"):
            with suppress(OSError):
                state = path.stat()
                known.append((state.st_mtime, state.st_size, path))
        excess = sum(size for _, size, _ in known) - self.limit
        for _, size, path in sorted(known):
            if excess <= 0:
                break
            with suppress(OSError):
                path.unlink()
                excess -= size
            with suppress(OSError):
                path.parent.rmdir()  # where it was the last
        for path in self.folder.glob("*/.*.draft"):  # of a process that was killed
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _DAY:
                    path.unlink()

    def _place(self, key: str) -> Path:
        name = hashlib.blake2b(f"{_FORMAT} {key}".encode(), digest_size=16).hexdigest()
        return self.folder / name
