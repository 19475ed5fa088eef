"""Content-addressed artifacts at any URL: what is stored is named by its SHA-256."""

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec

from chaffinch.core.durable import replace
from chaffinch.core.errors import InputError, MissingExtraError, RunError

_PLACE = "CHAFFINCH_ARTIFACTS"

_BUCKETS = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "tos", "r2"}
"""Stores of objects: they have no folders to be made, and a mistyped bucket shall not be made."""


class ArtifactStore:
    """Keeps bytes under their hash, once, wherever fsspec can write.

    Args:
        url: A local folder, made when something is written, or a URL such as ``s3://bucket/path``
            (needs the extra ``[s3]``).

    Raises:
        InputError: A URL that no installed file system serves, or one that does not last.
        MissingExtraError: S3 without its package.
    """

    def __init__(self, url: str | Path) -> None:
        self.url = str(url)
        try:
            self._system, self._root = fsspec.core.url_to_fs(os.path.expanduser(self.url))
        except ImportError as error:
            if self.url.startswith("s3"):
                raise MissingExtraError("artifacts in S3", "s3", "s3fs") from error
            raise InputError(
                f"an installed file system for {self.url}", str(error).rstrip("."), "Install it"
            ) from error
        except ValueError as error:
            raise InputError(
                "a folder or a URL that fsspec knows", repr(self.url), str(error).rstrip(".")
            ) from error
        names = self._system.protocol
        known = {names} if isinstance(names, str) else set(names)
        self._local, self._bucket = "file" in known, bool(known & _BUCKETS)
        if "memory" in known or "memory:" in self.url:
            raise InputError(
                f"a place that lasts for artifacts, in {_PLACE} or artifacts=",
                f"{self.url!r}, which ends with this process",
                "Name a folder or a bucket",
            )

    def put(self, content: bytes) -> str:
        """Keep the bytes, whole or not at all.

        Returns:
            The SHA-256 by which `get` finds them, in hexadecimal digits.

        Raises:
            InputError: A server that cannot be reached or refuses, or a bucket that is not there.
        """
        name = hashlib.sha256(content).hexdigest()
        place = self._place(name)
        with self._reached():
            # One cut short by a crash of the machine is written again.
            if self._size(place) == len(content):
                return name
            if self._local:
                self._write(Path(place), content)
                return name
            if not self._bucket:
                self._system.makedirs(self._system._parent(place), exist_ok=True)
            self._system.pipe_file(place, content)  # shown when it is whole
        return name

    def get(self, name: str) -> bytes:
        """The bytes with this SHA-256.

        Raises:
            RunError: They are not here, or they were damaged.
        """
        try:
            with self._reached(reading=True):
                content: bytes = self._system.cat_file(self._place(name))
        except FileNotFoundError as error:
            raise RunError(
                f"the artifact {name[:12]} in {self.url}",
                "none",
                f"Name the place where it was kept in {_PLACE}",
            ) from error
        found = hashlib.sha256(content).hexdigest()
        if found != name:
            raise RunError(
                f"bytes with the hash {name[:12]} in {self.url}",
                f"bytes with the hash {found[:12]}",
                "The file was damaged: bring it back from a copy",
            )
        return content

    def _size(self, place: str) -> int | None:
        """How large what is kept under a name is; None for nothing."""
        try:
            size: int = self._system.info(place)["size"]
        except FileNotFoundError:
            return None
        return size

    @contextmanager
    def _reached(self, reading: bool = False) -> Iterator[None]:
        """Say what to check where a server is not reached; each library has errors of its own."""
        try:
            yield
        except Exception as error:
            if self._local or (reading and isinstance(error, FileNotFoundError)):
                raise
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(".: ")
            where = f"Check this address in {_PLACE}, and network, credentials and rights"
            if self._bucket:
                where += "; buckets are not made here"
            if self.url.startswith(("s3:", "s3a:")):
                where += (
                    ". S3 reads AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; the"
                    " address of another server than Amazon's stands in AWS_ENDPOINT_URL"
                )
            raise InputError(
                f"a server that keeps artifacts at {self.url}", reason[:200], where
            ) from error

    def _place(self, name: str) -> str:
        return f"{self._root}/{name[:2]}/{name[2:]}"

    @staticmethod
    def _write(place: Path, content: bytes) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f".{uuid.uuid4().hex}.draft")
        try:
            draft.write_bytes(content)
            replace(draft, place)  # an entry of the ledger must never name lost bytes
        finally:
            draft.unlink(missing_ok=True)
