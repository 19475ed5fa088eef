"""What belongs to a run folder, so that nothing of anybody else is deleted with it."""

import json
import os
from pathlib import Path

from chaffinch.core.basis import FILE as BASIS
from chaffinch.core.errors import RunError
from chaffinch.core.parsing import parse_json
from chaffinch.store.run import (
    EVIDENCE,
    EXPLANATIONS,
    FINDINGS,
    GALLERY,
    RECORD,
    REPORT,
    write_text,
)

PLAN = "plan.json"
FILES = "files.json"
"""The files of a run as it was published."""

_MADE_LATER = ("repair", "verification", "report", "plan", "calibrat", "to_check", ".chaffinch")
"""What names of files begin with that later commands write into a run."""

_OF_ANY_RUN = {
    FINDINGS,
    RECORD,
    GALLERY,
    EXPLANATIONS,
    PLAN,
    FILES,
    REPORT,
    BASIS,
    "losses.npy",
    "album.json",
    "map.parquet",
}
_FOLDERS = {EVIDENCE, "checkpoints", "state"}
_ENDINGS = {".npy", ".npz", ".json", ".parquet", ".pt", ".draft", ".part"}


def list_files(folder: Path) -> None:
    """Write down which files a run consists of, before it is published."""
    found = sorted(file.relative_to(folder).as_posix() for file in _files(folder))
    write_text(folder / FILES, json.dumps([*found, FILES], indent=1) + "\n")


def need_own_run(folder: Path, expected: str) -> None:
    """Refuse to delete a folder that is no run, or holds files that are none of it.

    Args:
        folder: A finished or unfinished run, or an empty folder.
        expected: What it is to be, in the message.

    Raises:
        RunError: It is something else.
    """
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.is_symlink() or not _begun_by_us(folder):
        raise RunError(f"{expected} at {folder}", "something that is not a run", _OTHER)
    listed = _listed(folder)
    for file in _files(folder):
        if file.relative_to(folder).as_posix() not in listed and not _usual(file, folder):
            raise RunError(
                f"{expected} at {folder}, with nothing else in it",
                f"a file that no scan wrote, {file.relative_to(folder)}",
                "Move it away, or choose another --out",
            )


_OTHER = "Choose another --out"


def _begun_by_us(folder: Path) -> bool:
    """Whether the plan or the record is of the form that scans write, be it cut off."""
    for name, beginning in ((PLAN, b'"configuration"'), (RECORD, b'"chaffinch"')):
        try:
            with (folder / name).open("rb") as file:
                if beginning in file.read(500):
                    return True
        except OSError:
            continue
    begun = (folder / PLAN).is_file() or any(folder.glob(f".{PLAN}.*.draft"))
    return begun and all(_usual(file, folder) for file in _files(folder))


def _usual(file: Path, folder: Path) -> bool:
    """Whether a file is named as those that scans and later commands write."""
    parts = file.relative_to(folder).parts
    if parts[-1].startswith(".") and file.suffix == ".draft":
        return True
    if len(parts) == 1:
        name = parts[0].removesuffix(".draft")
        stem, ending = os.path.splitext(name)
        later = stem.split("-")[0] in _MADE_LATER and ending in (".json", ".html")
        return later or name in _OF_ANY_RUN
    if parts[0] == ".chaffinch":
        return parts[1] == "written"
    return parts[0] in _FOLDERS and file.suffix in _ENDINGS


def _listed(folder: Path) -> set[str]:
    try:
        return {str(name) for name in parse_json((folder / FILES).read_text("utf-8"))}
    except (OSError, ValueError, TypeError):
        return set()


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir()]
