"""Which files and folders Chaffinch wrote, so that nothing else is ever replaced.

It is noted in an extended attribute of the file or folder itself, which goes where it goes and ends
with it; where the file system has none, in a file beside it.
"""

import hashlib
import json
import os
import re
import sys
from contextlib import suppress
from pathlib import Path

from chaffinch.core.errors import InputError
from chaffinch.core.parsing import parse_json

FOLDER = Path(".chaffinch") / "written"
"""Where it is noted beside files that have no attributes."""

_ATTRIBUTE = "user.chaffinch.written"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # two letters or more: C:/ is a drive


def mark(place: Path) -> None:
    """Note that Chaffinch wrote what is at a place, as it is now."""
    # The file itself is written: that it could not be noted is no reason to fail.
    with suppress(OSError):
        state = _state(place)
        if _set_attribute(place, state):
            return
        note = _note(place)
        note.parent.mkdir(parents=True, exist_ok=True)
        draft = note.with_suffix(".draft")
        draft.write_text(json.dumps({"name": place.name, "state": state}) + "\n", "utf-8")
        os.replace(draft, note)


def marked(place: Path) -> bool:
    """Whether Chaffinch wrote what is at a place, and nobody changed it since."""
    return known(place) and _noted(place) == _state(place)


def known(place: Path) -> bool:
    """Whether it is noted that Chaffinch once wrote something at a place."""
    return _noted(place) is not None


def need_local(place: Path | str) -> None:
    """Refuse a URL where only a path of this computer will do; `Path` would make a folder of it.

    Raises:
        InputError: It is one.
    """
    if _ADDRESS.match(str(place)):
        raise InputError(
            "a file or folder of this computer to write to",
            f"the URL {str(place)!r}",
            "Write to a local place, and copy it from there",
        )


def _note(place: Path) -> Path:
    return place.parent / FOLDER / f"{place.name}.json"


def _noted(place: Path) -> str | None:
    found: object = _attribute(place)
    if found is None:
        try:
            found = parse_json(_note(place).read_text("utf-8"))["state"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
    return found if isinstance(found, str) else None


def _set_attribute(place: Path, state: str) -> bool:
    if sys.platform != "linux":
        return False
    try:
        os.setxattr(place, _ATTRIBUTE, state.encode())
    except OSError:
        return False
    return True


def _attribute(place: Path) -> str | None:
    if sys.platform != "linux":
        return None
    try:
        return os.getxattr(place, _ATTRIBUTE).decode("ascii", "replace")
    except OSError:
        return None


def _state(place: Path) -> str:
    """A hash of a file's bytes; of a folder, which may be large, of names, sizes and times."""
    hasher = hashlib.sha256()
    if place.is_file():
        with place.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    for one in sorted(place.rglob("*")):
        told = one.lstat()
        about = (told.st_size, told.st_mtime_ns) if not one.is_dir() else ()
        hasher.update(json.dumps([one.relative_to(place).as_posix(), *about]).encode())
    return hasher.hexdigest()
