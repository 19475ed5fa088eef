"""The bytes of a version: files as parts of one stream, cut into chunks that versions share."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from chaffinch.core.errors import InputError, RunError
from chaffinch.core.parsing import parse_json
from chaffinch.core.progress import track
from chaffinch.store.artifact import ArtifactStore
from chaffinch.store.chunk import chunks
from chaffinch.store.draft import drafting, put
from chaffinch.store.mark import need_local

_READ = 2**20


@dataclass(frozen=True)
class Source:
    """A file to be kept.

    Attributes:
        name: Path below the root of the data, with slashes.
        open: Opens it for reading bytes.
    """

    name: str
    open: Callable[[], BinaryIO]


@dataclass(frozen=True)
class Part:
    """What a file was when it was read."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Contents:
    """All files of one version.

    Attributes:
        folder: Whether the data are a folder, or one file.
        parts: The files in the order of the stream.
        chunks: SHA-256 of the chunks of the stream; empty where the bytes were not kept.
    """

    folder: bool
    parts: tuple[Part, ...]
    chunks: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of names, sizes and hashes of the files."""
        listed = [self.folder, *([part.name, part.size, part.sha256] for part in self.parts)]
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()

    def to_json(self) -> str:
        """As a text that `from_json` reads."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Contents":
        """Read what `to_json` wrote."""
        found = parse_json(text)
        parts = tuple(Part(**part) for part in found["parts"])
        return cls(bool(found["folder"]), parts, tuple(found["chunks"]))


def describe(sources: Sequence[Source], folder: bool) -> Contents:
    """Read the files for their sizes and hashes, and keep nothing."""
    parts: list[Part] = []
    for _ in _stream(sources, parts, "reading the data"):
        pass
    return Contents(folder, tuple(parts))


def keep(sources: Sequence[Source], folder: bool, artifacts: ArtifactStore) -> Contents:
    """Keep the bytes of the files; chunks that are kept already are not stored again."""
    parts: list[Part] = []
    stream = _stream(sources, parts, "keeping the data")
    names = tuple(artifacts.put(chunk) for chunk in chunks(stream))
    return Contents(folder, tuple(parts), names)


def restore(contents: Contents, artifacts: ArtifactStore, out: str | Path) -> Path:
    """Write the files as they were, byte by byte; ``out`` appears when all of them are there.

    Raises:
        InputError: Something is at ``out`` already, the bytes were not kept, or nothing can be
            written there.
        RunError: A chunk is missing or damaged.
    """
    need_local(out)
    place = Path(out).expanduser()
    if os.path.lexists(place):
        raise InputError(f"nothing at {place}", "something", "Choose another --out")
    if contents.parts and not contents.chunks and any(part.size for part in contents.parts):
        raise InputError(
            "a version whose bytes were kept",
            "one of which only the rows are known",
            "Keep the data with 'chaffinch ledger keep DATA' while you have them",
        )
    try:
        with drafting(place) as draft:
            draft.mkdir()
            _write_parts(contents, artifacts, draft)
            whole = draft if contents.folder else draft / contents.parts[0].name
            put(whole, place, overwrite=False)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"to write {place}", reason, "Check rights and space there") from error
    return place


def _write_parts(contents: Contents, artifacts: ArtifactStore, root: Path) -> None:
    held, names = b"", iter(contents.chunks)
    with track("restoring", len(contents.parts)) as advance:
        for part in contents.parts:
            file = _below(root, part.name)
            file.parent.mkdir(parents=True, exist_ok=True)
            hasher, missing = hashlib.sha256(), part.size
            with file.open("wb") as stream:
                while missing:
                    held = held or artifacts.get(next(names))
                    piece, held = held[:missing], held[missing:]
                    stream.write(piece)
                    hasher.update(piece)
                    missing -= len(piece)
            if hasher.hexdigest() != part.sha256:
                raise RunError(f"the bytes of {part.name}", "others", "Bring back the artifacts")
            advance()


def _below(root: Path, name: str) -> Path:
    """A name from a manifest must not lead out of the folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise RunError(
            "a file below the folder of the data", repr(name), "Do not trust this ledger"
        )
    return root / path


def _stream(sources: Sequence[Source], parts: list[Part], doing: str) -> Iterator[bytes]:
    """The bytes of all files; ``parts`` is filled on the way."""
    with track(doing, len(sources)) as advance:
        for source in sources:
            hasher, size = hashlib.sha256(), 0
            for block in _blocks(source):
                hasher.update(block)
                size += len(block)
                yield block
            parts.append(Part(source.name, size, hasher.hexdigest()))
            advance()


def _blocks(source: Source) -> Iterable[bytes]:
    with source.open() as file:
        while block := file.read(_READ):
            yield block
