"""Content-addressed artifacts at any URL: what is stored is named by its SHA-256."""

import hashlib
import os
import uuid
from pathlib import Path

import fsspec

from chaffinch.core.errors import InputError, MissingExtraError, RunError


class ArtifactStore:
    """Keeps bytes under their hash, once, wherever fsspec can write.

    Args:
        url: A local folder, made when something is written, or a URL such as ``s3://bucket/path``
            (needs the extra ``[s3]``).

    Raises:
        InputError: A URL that no installed file system serves.
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
        self._local = "file" in self._system.protocol

    def put(self, content: bytes) -> str:
        """Keep the bytes, whole or not at all.

        Returns:
            The SHA-256 by which `get` finds them, in hexadecimal digits.
        """
        name = hashlib.sha256(content).hexdigest()
        place = self._place(name)
        # One cut short by a crash of the machine is written again.
        if self._system.exists(place) and self._system.size(place) == len(content):
            return name
        if self._local:
            self._write(Path(place), content)
        else:  # object stores show an object when it is whole
            self._system.makedirs(self._system._parent(place), exist_ok=True)
            self._system.pipe_file(place, content)
        return name

    def get(self, name: str) -> bytes:
        """The bytes with this SHA-256.

        Raises:
            RunError: They are not here, or they were damaged.
        """
        try:
            content: bytes = self._system.cat_file(self._place(name))
        except FileNotFoundError as error:
            raise RunError(
                f"the artifact {name[:12]} in {self.url}",
                "none",
                "Name the place where it was kept in CHAFFINCH_ARTIFACTS",
            ) from error
        found = hashlib.sha256(content).hexdigest()
        if found != name:
            raise RunError(
                f"bytes with the hash {name[:12]} in {self.url}",
                f"bytes with the hash {found[:12]}",
                "The file was damaged: bring it back from a copy",
            )
        return content

    def _place(self, name: str) -> str:
        return f"{self._root}/{name[:2]}/{name[2:]}"

    @staticmethod
    def _write(place: Path, content: bytes) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f".{uuid.uuid4().hex}.draft")
        try:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # an entry of the ledger must never name lost bytes
            os.replace(draft, place)
        finally:
            draft.unlink(missing_ok=True)
